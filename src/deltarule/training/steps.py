"""A training run of mini-batch steps, with an update rule and a schedule."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Mapping

import numpy as np

from deltarule.engines import Epoch, HostSnapshot
from deltarule.errors import Diverged, InputError
from deltarule.optimizers import SCHEDULES, Schedule
from deltarule.training.arguments import initial_parameters
from deltarule.training.batches import EpochSteps
from deltarule.training.diagnosis.run_advice import advice_for_divergence
from deltarule.training.divergence import diverged_at, raise_diverged
from deltarule.training.history import History
from deltarule.training.interrupt import Interrupted, Stop
from deltarule.training.recovery import RECOVERY, Recovery
from deltarule.training.run import ALL_DONE, BEST, PARTIAL, Run, TrainingResult, best_of

__all__ = ["StepRun", "final_theta", "rates_of"]


def final_theta(state: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the θ that a run with this state returns: the best, else the average, else the last.

    None if the state has no θ, as that of an engine of a user may.
    """
    return next((state[name] for name in (BEST, "mean", "theta") if name in state), None)


def rates_of(
    rate: float, schedule: Schedule, epoch: int, steps: int, epochs: int, history: History
) -> np.ndarray:
    """Return η of each of the ``steps`` steps of an epoch (from 0).

    Examples
    --------
    >>> halving = SCHEDULES.get("step", every=2, gamma=0.5)
    >>> rates_of(0.1, halving, epoch=2, steps=2, epochs=6, history=History())
    array([0.05, 0.05])
    """
    losses = history.losses() if schedule.needs_losses else ()
    return rate * schedule.factors(epoch, steps, epochs, losses)


@dataclasses.dataclass(kw_only=True)
class StepRun(Run):
    """A run whose epochs consist of one gradient step for each batch."""

    rate: float
    schedule: Schedule
    # The number of steps taken in the current epoch, and Σ cost · rows over these steps.
    done: int = 0
    total: float = 0.0
    # η of the last step.
    last_rate: float = 0.0
    recovery: Recovery | None = None
    # The rates of every epoch, where the schedule is constant.
    _constant_rates: np.ndarray | None = None

    def advice(self) -> str:
        """Return the advice for divergence at the current learning rate."""
        return advice_for_divergence(self.engine.settings, self.last_rate or self.rate)

    @property
    def steps_taken(self) -> int:
        """The number of steps taken in the current epoch."""
        return self.done

    @property
    def total_steps(self) -> int:
        """The number of steps taken over all epochs."""
        return len(self.history) * self.batches.steps_per_epoch + self.done

    def resume(self, earlier: TrainingResult) -> None:
        """Continue from the result of an earlier run, which may have ended within an epoch.

        θ is taken from the result. If it is not the θ that training ended with, or the state is
        empty, the optimizer starts fresh, and :attr:`optimizer_reset` says why.
        """
        if earlier.net != self.engine.net:
            raise InputError(
                f"resume is of {earlier.net!r}; expected {self.engine.net!r}. To start another "
                "network from parameters, pass theta"
            )
        state = dict(earlier.state)
        last_theta = final_theta(state)
        best = state.pop(BEST, None)
        self.best = (
            None if best is None or not self.keep_best else HostSnapshot(np.array(best))
        )  # a copy, since it is written to
        done, self.total = state.pop(PARTIAL, (0, 0.0))
        if self.recovery is not None:
            self.recovery.restore(state)
        state = {name: value for name, value in state.items() if not name.startswith(RECOVERY)}
        self.done = int(done)
        if self.done > self.batches.steps_per_epoch:
            raise InputError(
                f"resume ended after {self.done} batches of an epoch; here an epoch has "
                f"{self.batches.steps_per_epoch}: give the same rows and batch_size"
            )
        self.continue_history(earlier.history)
        theta = initial_parameters(self.engine.net, earlier.theta, 0)
        if not state:
            self._reset_optimizer(theta, "the state to resume holds nothing of an optimizer's")
        elif last_theta is not None and not np.array_equal(theta, last_theta):
            self._reset_optimizer(theta, "theta is not what training ended with")
        else:
            self.engine.restore(state)
        self._warn_if_rates_jump()

    def _reset_optimizer(self, theta: np.ndarray, reason: str) -> None:
        """Continue from θ with a fresh optimizer, and store the reason."""
        fresh = self.engine.state()  # the engine has taken no step
        averages = {"mean": theta} if "mean" in fresh else {}
        self.engine.restore(fresh | {"theta": theta} | averages)
        self.optimizer_reset = reason

    def _warn_if_rates_jump(self) -> None:
        """Warn if the learning rate of a resumed run jumps.

        A schedule such as cosine is a function of ``epochs``: with another ``epochs`` than in the
        first call, the earlier epochs would have had other rates.
        """
        epoch = len(self.history)
        if self.recovery is not None and self.recovery.halvings:
            return
        if not 0 < epoch < self.epochs or not self.schedule.depends_on_total():
            return
        earlier_rate = self.history.logs[-1].learning_rate
        scheduled_rate = float(self._rates(epoch - 1)[-1])
        if math.isclose(earlier_rate, scheduled_rate, rel_tol=1e-6, abs_tol=1e-300):
            return
        rates = self._rates(epoch)
        next_rate = float(rates[min(self.done, len(rates) - 1)])
        warnings.warn(
            f"resume: epoch {epoch} ended with the learning rate {earlier_rate:.3g}, and training "
            f"goes on with {next_rate:.3g}: schedule {self.schedule} follows the plan, which "
            f"is epochs={self.epochs} now, and by which epoch {epoch} would have ended with "
            f"{scheduled_rate:.3g}. The outcome is not that of an uninterrupted run. To go on "
            "without a jump, give schedule='constant' and the learning rate; or plan for it from "
            "the start, with 'cosine_restarts' or 'sequence'",
            stacklevel=4,
        )

    def run_epochs(self) -> Stop:
        """Train to the end; return why training ended."""
        self.batches.load_into(self.engine)
        if self.recovery is None:
            return self._epochs()
        self.recovery.begin(self)
        while True:
            try:
                stop = self._epochs()
                self.check_end()
            except Diverged as error:
                ended = self.recovery.recover(self, error)
                if ended is not None:
                    return ended
            else:
                return stop

    def keep_state(self) -> None:
        super().keep_state()
        if self.recovery is not None:
            self.recovery.keep(self)

    def forget_rates(self) -> None:
        """Compute the rates of an epoch anew, since the learning rate was halved."""
        self._constant_rates = None

    def forget_best(self) -> None:
        """Forget the best epoch, since the run goes back to its start."""
        self.best, self.best_epoch, self.best_loss = None, 0, np.inf
        if len(self.history):
            self.best_epoch, self.best_loss = best_of(self.history)

    def _epochs(self) -> Stop:
        """Train until a reason to stop; return it."""
        stop = self.criterion()  # a resumed run may have met a criterion already
        try:
            while stop is None and len(self.history) < self.epochs:
                stop = self._epoch(len(self.history))
                if self.saver is not None and stop is None:
                    self.saver.save_if_due()
        except Interrupted:
            return self.flag.stopped
        return stop or ALL_DONE

    def result(self, stop: Stop, seconds: float) -> TrainingResult:
        """Return the result of the run, with the progress within an unfinished epoch."""
        if self.recovery is not None:
            self.guard.add(self.recovery.finding(self))
        result = super().result(stop, seconds)
        return dataclasses.replace(result, state=result.state | self._partial() | self._kept())

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`resume` needs, at any step; the best parameters are not copied."""
        best = {} if self.best is None else {BEST: self.best.array()}
        return self.engine.state() | best | self._partial() | self._kept()

    def _kept(self) -> dict[str, np.ndarray]:
        """Return what a recovery keeps, for the state; empty if a divergence is an error."""
        return {} if self.recovery is None else self.recovery.state()

    def _partial(self) -> dict[str, np.ndarray]:
        """Return the progress within an unfinished epoch, for the state; empty between epochs."""
        return {PARTIAL: np.array([self.done, self.total])} if self.done else {}

    def _epoch(self, epoch: int) -> Stop | None:
        """Train the rest of an epoch (from 0); return why to stop, or None."""
        started = time.perf_counter()
        batches = self.batches
        rates = self._rates(epoch)
        self._steps(batches.epoch_steps(epoch, rates), epoch)
        self.flag.check()
        stop = self.close_epoch(
            loss=self.total / batches.n_rows,
            steps=(epoch + 1) * batches.steps_per_epoch,
            rate=float(rates[-1]),
            started=started,
        )
        self.done, self.total = 0, 0.0
        return stop

    def _rates(self, epoch: int) -> np.ndarray:
        """Return η of each step of an epoch (from 0), shape (steps_per_epoch,)."""
        if self._constant_rates is not None:
            return self._constant_rates
        steps = self.batches.steps_per_epoch
        rate = self.rate if self.recovery is None else self.rate * self.recovery.factor
        rates = rates_of(rate, self.schedule, epoch, steps, self.epochs, self.history)
        if self.schedule == SCHEDULES.get("constant"):
            self._constant_rates = rates
        return rates

    def _steps(self, epoch_steps: EpochSteps, epoch: int) -> None:
        """Take the remaining steps of an epoch; check the stop flag between calls of the engine."""
        self.flag.check()
        if self.done == epoch_steps.steps:
            return
        self.last_rate = float(epoch_steps.rates[self.done])
        self.engine.stop = self.flag.__bool__
        try:
            for piece, first in epoch_steps.pieces(self.done):
                before = self.done - first
                for costs in self.engine.epoch(piece, first):
                    self._count(costs, piece, before, epoch)
                    if self.saver is not None:
                        self.saver.save_if_due()
                    self.flag.check()
                self.flag.check()  # an engine that was asked to stop may give no costs
        except Diverged as error:
            if error.batch:  # its message has the position already
                raise
            where, index = self._position(epoch)
            raise diverged_at(error, where, self.advice(), epoch=epoch + 1, index=index) from None
        finally:
            self.engine.stop = None

    def _position(self, epoch: int) -> tuple[str, int]:
        """Return the position of the next step as text, and its number in the epoch, from 1."""
        index = self.done + 1
        return f"training diverged in epoch {epoch + 1}, batch {index}", index

    def _count(self, costs: np.ndarray, piece: Epoch, before: int, epoch: int) -> None:
        """Add the costs of steps; if the last cost is not finite, its step was not taken.

        They are steps of a piece of the epoch, which has ``before`` steps before it.
        """
        if not len(costs):  # the engine was asked to stop
            return
        if self.first_cost is None:
            self.first_cost = float(costs[0])
        failed = not math.isfinite(costs[-1])
        taken = len(costs) - failed
        # cumsum adds one cost after the other, so that the sum does not depend on how the engine
        # groups the steps.
        sums = piece.rows_of(self.done - before, taken) * costs[:taken]
        sums[:1] += self.total
        self.done += taken
        self.total = float(sums.cumsum()[-1]) if taken else self.total
        self.last_rate = float(piece.rates[self.done - before - 1 + failed])
        if failed:
            where, index = self._position(epoch)
            raise_diverged(
                self.engine,
                piece.batch(self.done - before),
                where=where,
                advice=self.advice(),
                epoch=epoch + 1,
                index=index,
            )
