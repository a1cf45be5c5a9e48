"""What every training run does at the end of an epoch, and what comes of it."""

from __future__ import annotations

import abc
import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines import Batch, Engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.training.batches import Batches, Rows, pieces
from deltarule.training.divergence import penalty_diverged, raise_diverged
from deltarule.training.history import EpochRecord, History
from deltarule.training.interrupt import StopFlag
from deltarule.training.stopping import Stopping

__all__ = ["ALL_DONE", "Event", "Run", "TrainingResult", "Watcher"]

ALL_DONE = "all epochs done"

# What the run itself adds to the engine's state.
# A loss that has grown so much since the first epoch is on its way to infinity.
_RUN_AWAY = 1e6

BEST, PARTIAL = "run.best", "run.partial"


class Event(NamedTuple):
    """What a callback is told at the end of an epoch, or of an iteration of a minimizer.

    Attributes
    ----------
    epoch, epochs : int
        The epoch that has ended, from 1, and how many are planned.
    history : History
        All epochs so far; the last record is this one.
    engine : Engine
        The live engine: ``engine.theta``, ``engine.predict(X)``. To look at, not to change.
    best_epoch : int
        The epoch with the best monitored loss so far.
    network : int
        Which network it is of many that :func:`train_many` trains, from 0.
    """

    epoch: int
    epochs: int
    history: History
    engine: Engine
    best_epoch: int
    network: int = 0


class Watcher(abc.ABC):
    """A callback that is told when training begins and ends, too.

    It sees the run itself, to look at and not to change.
    """

    @abc.abstractmethod
    def begin(self, run: Run) -> None:
        """Told before the first step, or before the first one of a run that is resumed."""

    @abc.abstractmethod
    def __call__(self, event: Event) -> Any:
        """Told at the end of an epoch, as every callback."""

    @abc.abstractmethod
    def end(self, run: Run) -> None:
        """Told after the last step, be it in the middle of an epoch or before a divergence."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What :func:`train` gives.

    Attributes
    ----------
    net : Network
    theta : array of shape (p,)
        The parameters to use: of the best epoch where there was validation, else the
        last; averaged where averaging was asked for.
    history : History
    best_epoch : int
        The epoch ``theta`` is from; 0 if no epoch was completed.
    stopped : str
        Why training ended: ``"all epochs done"``, the reason of a stopping criterion or of
        a minimizer (``"converged"``), ``"interrupted"``, or what the stop flag or a
        callback said.
    seconds : float
    engine : str
        The name of the engine that trained.
    state : dict of arrays
        All that moved, for ``train(…, resume=result)``.

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


def _as_score(given: Any, epoch: int) -> float:
    try:
        score = float(given)
    except (TypeError, ValueError):
        score = float("nan")
    if np.isnan(score):
        raise InputError(f"the scorer gave {given!r} after epoch {epoch}; expected a number")
    return score


@dataclasses.dataclass(kw_only=True)
class Run(abc.ABC):
    """One training run: what it needs and how far it is.

    A subclass gives :meth:`go`, which moves the engine and closes each epoch.
    """

    batches: Batches
    held: Rows | None
    engine: Engine
    epochs: int
    criteria: tuple[Stopping, ...]
    keep_best: bool
    owns_engine: bool
    scorer: Callable[[Engine], float] | None
    callbacks: tuple[Callable[[Event], Any], ...]
    flag: StopFlag
    history: History = dataclasses.field(default_factory=History)
    best: np.ndarray | None = None
    best_epoch: int = 0
    best_loss: float = np.inf

    @abc.abstractmethod
    def go(self) -> str:
        """Run to the end, and say why it ended."""

    def watched(self) -> str:
        """:meth:`go`, and those who watch are told when it begins and ends."""
        watchers = [each for each in self.callbacks if isinstance(each, Watcher)]
        for watcher in watchers:
            watcher.begin(self)
        try:
            reason = self.go()
        except Diverged:
            for watcher in watchers:  # the steps before it were taken
                watcher.end(self)
            raise
        for watcher in watchers:
            watcher.end(self)
        return reason

    @abc.abstractmethod
    def advice(self) -> str:
        """What to try if training diverges."""

    @property
    def averaged(self) -> bool:
        """Whether the average of the parameters is validated and given."""
        return self.engine.settings.averaging is not None

    @property
    def steps_taken(self) -> int:
        """How many steps of the epoch that has not ended are taken."""
        return 0

    def close_epoch(self, loss: float, steps: int, rate: float, started: float) -> str:
        """Validate, record, keep the best, tell the callbacks; gives the reason to stop, or ''.

        Raises
        ------
        Interrupted
            If the flag is raised during validation; nothing is recorded then.
        """
        epoch = len(self.history) + 1
        penalty = self.engine.penalty_cost()
        if not np.isfinite(penalty):
            raise penalty_diverged(
                self.engine, self.advice(), epoch=epoch, index=self.batches.steps_per_epoch
            )
        held_loss = None if self.held is None else self._held_loss(self.held, epoch)
        score = None if self.scorer is None else _as_score(self.scorer(self.engine), epoch)
        record = EpochRecord(
            epoch=epoch,
            steps=steps,
            loss=loss,
            penalty=penalty,
            validation_loss=held_loss,
            score=score,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
        )
        self.history.append(record)
        if self._is_best(record) and self.keep_best:
            if self.best is None:
                self.best = np.empty(self.engine.net.n_parameters, self.engine.net.dtype)
            self.engine.take_averaged(self.best)
        event = Event(epoch, self.epochs, self.history, self.engine, self.best_epoch)
        for callback in self.callbacks:
            if callback(event):
                return "stopped by a callback"
        return self.criterion()

    def criterion(self) -> str:
        """The reason of the first stopping criterion that holds, or ''."""
        for criterion in self.criteria:
            if len(self.history) and (reason := criterion.reason(self.history)):
                return reason
        return ""

    def take_history(self, history: History) -> None:
        """Take over the records of an earlier run."""
        self.history = History(list(history.records))
        for record in self.history.records:
            self._is_best(record)

    def _is_best(self, record: EpochRecord) -> bool:
        if self.best_epoch and not record.monitored < self.best_loss:
            return False
        self.best_epoch, self.best_loss = record.epoch, record.monitored
        return True

    def _held_loss(self, held: Rows, epoch: int) -> float:
        total = 0.0
        for batch in pieces(held):
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
        """The cost of validation rows; the flag is looked at on the way."""
        self.engine.stop = self.flag.__bool__
        try:
            cost = self.engine.cost(batch, averaged=self.averaged)
        finally:
            self.engine.stop = None
        self.flag.check()
        return cost

    def result(self, reason: str, seconds: float) -> TrainingResult:
        """What came of it, after a last look that it is finite."""
        engine = self.engine
        self._last_look()
        self._not_grown()
        best = self.best
        if self.owns_engine:
            theta, state = engine.surrender(with_theta=best is None)
        else:
            theta, state = np.array(engine.averaged_theta), engine.state()
        if best is not None:
            theta, state[BEST] = best.copy(), best
        assert theta is not None
        return TrainingResult(
            net=engine.net,
            theta=theta,
            history=self.history,
            best_epoch=self.best_epoch if self.best is not None else len(self.history),
            stopped=reason,
            seconds=seconds,
            engine=engine.name,
            state=state,
        )

    def _not_grown(self) -> None:
        """See that the loss of what is given has not run away, finite as it may still be."""
        if self.best is not None or len(self.history) < 2:
            return
        first, last = (self.history.records[i].loss for i in (0, -1))
        if last > _RUN_AWAY * first > 0:
            raise Diverged(
                f"training diverged: the loss grew from {first:.3g} in epoch 1 to {last:.3g} in "
                f"epoch {len(self.history)}. {self.advice()}",
                epoch=len(self.history),
                batch=self.batches.steps_per_epoch,
                layer=self.engine.net.n_layers,
                block="loss",
            )

    def _last_look(self) -> None:
        """See that the last step, which has no successor whose cost would tell, was good."""
        done = self.steps_taken
        if not (done or len(self.history)):
            return
        finite = self.engine.is_finite()
        averaged = self.averaged and finite
        for batch in pieces(self.batches.training_rows()):
            if not (finite and np.isfinite(self.engine.cost(batch, averaged=averaged))):
                epoch = len(self.history) + (done > 0)
                index = done or self.batches.steps_per_epoch
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
            if self.flag or self.held is not None:
                # One piece is enough: there is no time, or the rest was validated.
                return
