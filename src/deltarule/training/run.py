"""The base of all training runs: validation, the log of an epoch, callbacks, the result."""

from __future__ import annotations

import abc
import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.engines import Batch, Engine, Snapshot
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.training.batches import Batches, RowChunks, Rows, chunks
from deltarule.training.diagnosis.advice import Advice
from deltarule.training.diagnosis.guard import Guard
from deltarule.training.divergence import (
    RUNAWAY_RATIO,
    penalty_diverged,
    raise_diverged,
    refuse_runaway,
)
from deltarule.training.history import EpochLog, History
from deltarule.training.interrupt import Stop, StopFlag, StopReason
from deltarule.training.stopping import Stopping

if TYPE_CHECKING:
    from deltarule.training.checkpoint import RunSaver

__all__ = ["ALL_DONE", "EpochEvent", "Run", "RunCallback", "TrainingResult", "best_of"]

ALL_DONE = Stop(StopReason.EPOCHS, StopReason.EPOCHS.value)

# The keys of the run in TrainingResult.state, beside those of the engine: the parameters of the
# best epoch, and the progress within an epoch.
BEST, PARTIAL = "run.best", "run.partial"


class EpochEvent(NamedTuple):
    """The argument of a callback at the end of an epoch, or of an iteration of a minimizer.

    Attributes
    ----------
    epoch, epochs : int
        The epoch that has ended, from 1, and the number of epochs planned.
    history : History
        The logs so far; the last log is of this epoch.
    engine : Engine
        The engine in use, read-only: ``engine.theta``, ``engine.predict(X)``.
    best_epoch : int
        The epoch with the best monitored loss so far.
    network : int
        The number of the network in :func:`train_many`, from 0.
    """

    epoch: int
    epochs: int
    history: History
    engine: Engine
    best_epoch: int
    network: int = 0


class RunCallback(abc.ABC):
    """A callback that is also called when training begins and ends.

    It receives the run, which it must not change.
    """

    @abc.abstractmethod
    def begin(self, run: Run) -> None:
        """Called before the first step of the run, also of a resumed run."""

    @abc.abstractmethod
    def __call__(self, event: EpochEvent) -> Any:
        """Called at the end of each epoch, as every callback is."""

    @abc.abstractmethod
    def end(self, run: Run) -> None:
        """Called after the last step, also if the run ended within an epoch or diverged."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The result of :func:`train`.

    Attributes
    ----------
    net : Network
    theta : array of shape (p,)
        The parameters of the best epoch if there was validation, else the last ones; their
        moving average if ``averaging`` was set.
    history : History
    best_epoch : int
        The epoch that ``theta`` is from; 0 if no epoch was completed.
    stopped : str
        Why training ended, as text: ``"all epochs done"``, ``"interrupted"``, or the text of a
        stopping criterion, of a minimizer (``"converged"``) or of the stop flag.
    seconds : float
    engine : str
        The name of the engine that trained.
    state : dict of arrays
        The engine's state and the run's, for ``train(…, resume=result)``.
    epochs : int
        The number of epochs planned.
    optimizer_reset : str
        Why a resumed run began with a fresh optimizer (moments, step counter, average of the
        parameters); ``""`` if it continued with the earlier one, or was not resumed.
    stop_reason : StopReason
        Why training ended, as an enumeration.
    findings : tuple of Advice
        What kept the network from learning, if something did; see
        :class:`deltarule.explain.Advice`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> net, X = Network([1, 1]), np.array([[0.0], [1.0]])
    >>> first = train(net, X, 2 * X, epochs=3)
    >>> again = train(net, X, 2 * X, epochs=5, resume=first)
    >>> again.stopped, again.history.column("epoch")
    ('all epochs done', [1, 2, 3, 4, 5])
    """

    net: Network
    theta: np.ndarray
    history: History
    best_epoch: int
    stopped: str
    seconds: float
    engine: str
    state: dict[str, np.ndarray]
    epochs: int = 0
    optimizer_reset: str = ""
    stop_reason: StopReason = StopReason.EPOCHS
    findings: tuple[Advice, ...] = ()


def _update_best(best: tuple[int, float], log: EpochLog) -> tuple[int, float]:
    """Return the epoch with the smallest monitored loss, and that loss, after one more log."""
    if best[0] and not log.monitored < best[1]:
        return best
    return log.epoch, log.monitored


def best_of(history: History) -> tuple[int, float]:
    """Return the epoch with the smallest monitored loss, and that loss."""
    best: tuple[int, float] = history.fold("run.best", (0, np.inf), _update_best)
    return best


def _as_score(value: Any, epoch: int) -> float:
    """Return a scorer's result as a float; refuse NaN and what is not a number."""
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = float("nan")
    if np.isnan(score):
        raise InputError(f"the scorer gave {value!r} after epoch {epoch}; expected a number")
    return score


@dataclasses.dataclass(kw_only=True)
class Run(abc.ABC):
    """One training run: its data, engine and settings, and its progress.

    A subclass implements :meth:`run_epochs`, which steps the engine and closes each epoch.
    """

    batches: Batches
    validation_rows: Rows | RowChunks | None
    engine: Engine
    epochs: int
    criteria: tuple[Stopping, ...]
    keep_best: bool
    owns_engine: bool
    scorer: Callable[[Engine], float] | None
    callbacks: tuple[Callable[[EpochEvent], Any], ...]
    flag: StopFlag
    history: History = dataclasses.field(default_factory=History)
    # The parameters of the best epoch so far, where the engine keeps them.
    best: Snapshot | None = None
    best_epoch: int = 0
    best_loss: float = np.inf
    # A function that recomputes θ at the start of this call.
    start: Callable[[], np.ndarray] | None = None
    # The cost of the first batch of this call, before its step.
    first_cost: float | None = None
    # The number of epochs of earlier calls, for a resumed run.
    earlier_epochs: int = 0
    optimizer_reset: str = ""
    # Saves the run to disk from time to time, if asked to.
    saver: RunSaver | None = None
    guard: Guard = dataclasses.field(default_factory=lambda: Guard("off"))

    @abc.abstractmethod
    def run_epochs(self) -> Stop:
        """Train to the end; return why training ended."""

    def run_with_callbacks(self) -> Stop:
        """Call :meth:`run_epochs` between ``begin`` and ``end`` of the callbacks that have them."""
        callbacks = [item for item in self.callbacks if isinstance(item, RunCallback)]
        for callback in callbacks:
            callback.begin(self)
        try:
            stop = self.run_epochs()
        except Diverged:  # the steps before the failing one were taken
            for callback in callbacks:
                callback.end(self)
            raise
        for callback in callbacks:
            callback.end(self)
        return stop

    @abc.abstractmethod
    def advice(self) -> str:
        """Return the advice for the message if training diverges."""

    @property
    def averaged(self) -> bool:
        """Whether the average of the parameters is validated and returned."""
        return self.engine.settings.averaging is not None

    @property
    def steps_taken(self) -> int:
        """The number of steps taken in the current epoch."""
        return 0

    def close_epoch(self, loss: float, steps: int, rate: float, started: float) -> Stop | None:
        """Validate, log the epoch, keep the best, call the callbacks; return why to stop, or None.

        If the flag is raised during validation, Interrupted is raised and nothing is logged.
        """
        epoch = len(self.history) + 1
        self.record_epoch(epoch, loss, steps, rate, started)
        self.guard.after_epoch(self, steps)
        event = EpochEvent(epoch, self.epochs, self.history, self.engine, self.best_epoch)
        for callback in self.callbacks:
            if callback(event):
                return Stop(StopReason.CALLBACK, StopReason.CALLBACK.value)
        return self.criterion()

    def record_epoch(
        self, epoch: int, loss: float, steps: int, rate: float, started: float
    ) -> None:
        """Validate, log the epoch, and keep the best parameters."""
        penalty = self.engine.penalty_cost()
        if not np.isfinite(penalty):
            raise penalty_diverged(
                self.engine, self.advice(), epoch=epoch, index=self.batches.steps_per_epoch
            )
        rows = self.validation_rows
        validation_loss = None if rows is None else self._validation_loss(rows, epoch)
        score = None if self.scorer is None else _as_score(self.scorer(self.engine), epoch)
        log = EpochLog(
            epoch=epoch,
            steps=steps,
            loss=loss,
            penalty=penalty,
            validation_loss=validation_loss,
            score=score,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
        )
        self.history.append(log)
        if self._is_best(log):
            self.keep_state()

    def keep_state(self) -> None:
        """Keep the parameters of the best epoch so far, at its end."""
        if self.keep_best:
            self.best = self.engine.snapshot(self.best)

    def criterion(self) -> Stop | None:
        """Return the stop of the first criterion that is met; None if no criterion is."""
        for criterion in self.criteria:
            if len(self.history) and (reason := criterion.reason(self.history)):
                return Stop(StopReason.CRITERION, reason)
        return None

    def continue_history(self, history: History) -> None:
        """Continue a copy of the history of an earlier run."""
        self.history = history.continued()
        self.earlier_epochs = len(history)
        self.best_epoch, self.best_loss = best_of(self.history)

    def _is_best(self, log: EpochLog) -> bool:
        """Whether an epoch is the best so far; updates the best epoch and its loss."""
        previous = self.best_epoch, self.best_loss
        self.best_epoch, self.best_loss = _update_best(previous, log)
        return (self.best_epoch, self.best_loss) != previous

    def _validation_loss(self, rows: Rows | RowChunks, epoch: int) -> float:
        """Return the mean cost of the validation rows, without penalty."""
        total = 0.0
        for batch in chunks(rows, self.engine):
            self.flag.check()
            cost = self._cost(batch)
            if not np.isfinite(cost):
                raise_diverged(
                    self.engine,
                    batch,
                    where=f"training diverged: after epoch {epoch}, on the validation rows",
                    advice=self.advice(),
                    epoch=epoch,
                    index=self.batches.steps_per_epoch,
                    averaged=self.averaged,
                    dropout=False,
                )
            total += cost
        return total

    def _cost(self, batch: Batch) -> float:
        """Return the cost of a batch of validation rows; a raised flag ends the evaluation."""
        self.engine.stop = self.flag.__bool__
        try:
            cost = self.engine.cost(batch, averaged=self.averaged)
        finally:
            self.engine.stop = None
        self.flag.check()
        return cost

    def result(self, stop: Stop, seconds: float) -> TrainingResult:
        """Return the result of the run, after a check that the final parameters are usable."""
        engine = self.engine
        self.check_end()
        if stop.reason not in (StopReason.FLAG, StopReason.INTERRUPTED):
            self.guard.at_end(self)
        best = None if self.best is None else self.best.array()
        if self.owns_engine:
            theta, state = engine.release(with_theta=best is None)
        else:
            theta, state = np.array(engine.averaged_theta), engine.state()
        if best is not None:
            theta, state[BEST] = best.copy(), best
        assert theta is not None
        return TrainingResult(
            net=engine.net,
            theta=theta,
            history=self.history,
            best_epoch=self.best_epoch if self.best is not None else self._last_epoch(),
            stopped=stop.text,
            stop_reason=stop.reason,
            seconds=seconds,
            engine=engine.name,
            state=state,
            epochs=self.epochs,
            optimizer_reset=self.optimizer_reset,
            findings=tuple(self.guard.findings),
        )

    def check_end(self) -> None:
        """Raise :class:`Diverged` if the parameters at the end are not usable."""
        self._check_usable(self._check_final_loss())

    def _last_epoch(self) -> int:
        """Return the number of the last logged epoch; 0 if there is none."""
        return self.history.logs[-1].epoch if self.history.logs else 0

    def _check_usable(self, cost: float | None) -> None:
        """Raise :class:`Diverged` if the final loss is finite but far above the initial one.

        ``cost`` is the final cost of all training rows, if known. The comparison is with the start
        of this call, so that a resumed run may begin with a large loss.
        """
        n_epochs = len(self.history) - self.earlier_epochs
        if self.best is not None or not 0 < n_epochs <= len(self.history.logs):
            return
        first, last = (self.history.logs[i].loss for i in (-n_epochs, -1))
        last = last if cost is None else cost
        if self.first_cost is not None:
            first = min(abs(first), abs(self.first_cost))
        if last > RUNAWAY_RATIO * abs(first):
            refuse_runaway(
                self.engine.net,
                self.batches.training_rows(),
                None if self.start is None else self.start(),
                last,
                advice=self.advice(),
                epoch=len(self.history),
                index=self.batches.steps_per_epoch,
            )

    def _check_final_loss(self) -> float | None:
        """Raise :class:`Diverged` if the last step made the cost infinite or NaN.

        There is no later step that would find it. Return the cost of the training rows, if all of
        them were evaluated.
        """
        steps, total = self.steps_taken, 0.0
        if not (steps or len(self.history)):
            return None
        finite = self.engine.is_finite()
        averaged = self.averaged and finite
        for batch in chunks(self.batches.training_rows(), self.engine):
            cost = self.engine.cost(batch, averaged=averaged) if finite else np.nan
            total += cost
            if not np.isfinite(cost):
                epoch = len(self.history) + (steps > 0)
                index = steps or self.batches.steps_per_epoch
                raise_diverged(
                    self.engine,
                    batch,
                    where=f"training diverged: after epoch {epoch}, batch {index}",
                    advice=self.advice(),
                    epoch=epoch,
                    index=index,
                    averaged=averaged,
                    dropout=False,
                )
            if self.flag or self.validation_rows is not None:
                # One chunk is enough: the run was stopped, or the validation rows were evaluated.
                return None
        return total
