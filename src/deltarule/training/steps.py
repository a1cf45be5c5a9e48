"""A run of steps: mini-batches, a rule, a schedule."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings

import numpy as np

from deltarule.engines import Epoch
from deltarule.errors import Diverged, InputError
from deltarule.optimizers import SCHEDULES, Schedule
from deltarule.training.arguments import checked_theta
from deltarule.training.divergence import advice_for, raise_diverged, with_position
from deltarule.training.history import History
from deltarule.training.interrupt import Interrupted, Stop
from deltarule.training.run import ALL_DONE, BEST, PARTIAL, Run, TrainingResult

__all__ = ["StepRun", "rates_of"]


def rates_of(
    rate: float, schedule: Schedule, epoch: int, steps: int, epochs: int, history: History
) -> np.ndarray:
    """η of each step of an epoch (from 0), which has so many of them.

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
    """Epochs of steps along the gradient of one batch each."""

    rate: float
    schedule: Schedule
    # Of the epoch that has not ended: how many steps are taken, and Σ cost · rows.
    done: int = 0
    total: float = 0.0
    last_rate: float = 0.0
    _same_rates: np.ndarray | None = None

    def advice(self) -> str:
        """A smaller learning rate, clipping, standardised data."""
        return advice_for(self.engine.settings, self.last_rate or self.rate)

    @property
    def steps_taken(self) -> int:
        """How many steps of the epoch that has not ended are taken."""
        return self.done

    @property
    def steps_in_all(self) -> int:
        """How many steps are taken, those of earlier epochs included."""
        return len(self.history) * self.batches.steps_per_epoch + self.done

    def resume(self, earlier: TrainingResult) -> None:
        """Take up where another run ended, be it in the middle of an epoch.

        θ is that of the result. Where it is not what training ended with, or the state is empty,
        the optimizer begins anew, and :attr:`optimizer_reset` says why.

        Raises
        ------
        InputError
            If it trained another network, or its state does not fit the settings.
        """
        if earlier.net != self.engine.net:
            raise InputError(
                f"resume is of {earlier.net!r}; expected {self.engine.net!r}. To start another "
                "network from parameters, pass theta"
            )
        state = dict(earlier.state)
        best = state.pop(BEST, None)
        self.best = None if best is None or not self.keep_best else np.array(best)  # written to
        done, self.total = state.pop(PARTIAL, (0, 0.0))
        self.done = int(done)
        if self.done > self.batches.steps_per_epoch:
            raise InputError(
                f"resume ended after {self.done} batches of an epoch; here an epoch has "
                f"{self.batches.steps_per_epoch}: give the same rows and batch_size"
            )
        self.take_history(earlier.history)
        theta = checked_theta(self.engine.net, earlier.theta, 0)
        ended = best if best is not None else state.get("mean", state.get("theta"))
        if not state:
            self._begin_anew(theta, "the state to resume holds nothing of an optimizer's")
        elif ended is not None and not np.array_equal(theta, ended):
            self._begin_anew(theta, "theta is not what training ended with")
        else:
            self.engine.restore(state)
        self._say_if_replanned()

    def _begin_anew(self, theta: np.ndarray, why: str) -> None:
        """Go on from θ with a fresh optimizer, and remember why."""
        fresh = self.engine.state()  # as it was loaded
        averages = {"mean": theta} if "mean" in fresh else {}
        self.engine.restore(fresh | {"theta": theta} | averages)
        self.optimizer_reset = why

    def _say_if_replanned(self) -> None:
        """Warn if the rates of a resumed run do not go on where those of the earlier one ended.

        A schedule that follows the plan (cosine) is a function of ``epochs``: with another
        number of them the earlier epochs would have had other rates.
        """
        ended = len(self.history)
        if not 0 < ended < self.epochs or not self.schedule.depends_on_plan():
            return
        before = self.history.logs[-1].learning_rate
        planned = float(self._rates(ended - 1)[-1])
        if math.isclose(before, planned, rel_tol=1e-6, abs_tol=1e-300):
            return
        rates = self._rates(ended)
        now = float(rates[min(self.done, len(rates) - 1)])
        warnings.warn(
            f"resume: epoch {ended} ended with the learning rate {before:.3g}, and training goes "
            f"on with {now:.3g}: schedule {self.schedule} follows the plan, which is "
            f"epochs={self.epochs} now, and by which epoch {ended} would have ended with "
            f"{planned:.3g}. The outcome is not that of an uninterrupted run. To go on without a "
            "jump, give schedule='constant' and the learning rate; or plan for it from the start, "
            "with 'cosine_restarts' or 'sequence'",
            stacklevel=4,
        )

    def go(self) -> Stop:
        """Train to the end; return why it ended."""
        stop = self.criterion()  # of a run that is resumed after it had stopped
        try:
            while stop is None and len(self.history) < self.epochs:
                stop = self._epoch(len(self.history))
        except Interrupted:
            return self.flag.stopped
        return stop or ALL_DONE

    def result(self, stop: Stop, seconds: float) -> TrainingResult:
        """The result of the run, with the state of an epoch that has begun."""
        result = super().result(stop, seconds)
        if self.done:
            result.state[PARTIAL] = np.array([self.done, self.total])
        return result

    def _epoch(self, epoch: int) -> Stop | None:
        """Train one epoch, from the current batch on; return why to stop, or None."""
        started = time.perf_counter()
        batches = self.batches
        rates = self._rates(epoch)
        self._steps(batches.planned(epoch, rates), epoch)
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
        """η of each step of an epoch."""
        if self._same_rates is not None:
            return self._same_rates
        steps = self.batches.steps_per_epoch
        rates = rates_of(self.rate, self.schedule, epoch, steps, self.epochs, self.history)
        if self.schedule == SCHEDULES.get("constant"):
            self._same_rates = rates
        return rates

    def _steps(self, planned: Epoch, epoch: int) -> None:
        """The steps of an epoch that are not taken yet; the flag is looked at on the way."""
        self.flag.check()
        if self.done == planned.steps:
            return
        self.last_rate = float(planned.rates[self.done])
        self.engine.stop = self.flag.__bool__
        try:
            for costs in self.engine.epoch(planned, self.done):
                self._count(costs, planned, epoch)
                self.flag.check()
        except Diverged as found:
            if found.batch:  # it is placed already
                raise
            where, index = self._place(epoch)
            raise with_position(found, where, self.advice(), epoch=epoch + 1, index=index) from None
        finally:
            self.engine.stop = None

    def _place(self, epoch: int) -> tuple[str, int]:
        """Where the step after those that are taken is, in words, and its number from 1."""
        index = self.done + 1
        return f"training diverged in epoch {epoch + 1}, batch {index}", index

    def _count(self, costs: np.ndarray, planned: Epoch, epoch: int) -> None:
        """Add up the costs of steps; the last one may be no number, and the step not taken."""
        if not len(costs):  # the engine was asked to stop
            return
        if self.first_cost is None:
            self.first_cost = float(costs[0])
        failed = not math.isfinite(costs[-1])
        taken = len(costs) - failed
        # One after the other, so that it does not matter in what stretches they come.
        sums = planned.rows_of(self.done, taken) * costs[:taken]
        sums[:1] += self.total
        self.done += taken
        self.total = float(sums.cumsum()[-1]) if taken else self.total
        self.last_rate = float(planned.rates[self.done - 1 + failed])
        if failed:
            where, index = self._place(epoch)
            raise_diverged(
                self.engine,
                planned.batch(self.done),
                where=where,
                advice=self.advice(),
                epoch=epoch + 1,
                index=index,
            )
