"""One training run: epochs of steps, validated, watched, and stopped in time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines import Batch, CheckedEngine, Engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.optimizers import Schedule
from deltarule.training.batches import Batches, RowSource
from deltarule.training.history import EpochRecord, History
from deltarule.training.interrupt import StopFlag
from deltarule.training.stopping import Stopping

__all__ = ["Event", "Rows", "Run", "TrainingResult"]

# Validation rows are passed forward in pieces, so that it needs no more memory than a batch.
_CHUNK = 8192


class Event(NamedTuple):
    """What a callback is told at the end of an epoch.

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
    """

    epoch: int
    epochs: int
    history: History
    engine: Engine
    best_epoch: int


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
        Why training ended: ``"all epochs done"``, the reason of a stopping criterion,
        ``"interrupted"``, or what the stop flag or a callback said.
    seconds : float
    engine : str
        The name of the engine that trained.
    state : dict of arrays
        All that moved, for ``train(…, resume=result)``.
    """

    net: Network
    theta: np.ndarray
    history: History
    best_epoch: int
    stopped: str
    seconds: float
    engine: str
    state: dict[str, np.ndarray]


class Rows(NamedTuple):
    """Rows with their targets and weights: to train on, or held out."""

    X: np.ndarray | RowSource
    Y: np.ndarray
    s: np.ndarray


@dataclasses.dataclass
class Run:
    """One training run: what it needs and how far it is."""

    batches: Batches
    held: Rows | None
    engine: Engine
    rate: float
    schedule: Schedule
    epochs: int
    criteria: tuple[Stopping, ...]
    keep_best: bool
    scorer: Callable[[Engine], float] | None
    callbacks: tuple[Callable[[Event], Any], ...]
    flag: StopFlag
    history: History = dataclasses.field(default_factory=History)
    best: np.ndarray | None = None
    best_epoch: int = 0

    @property
    def averaged(self) -> bool:
        """Whether the average of the parameters is validated and given."""
        return self.engine.settings.averaging is not None

    def resume(self, result: TrainingResult) -> None:
        """Take up where another run ended."""
        state = dict(result.state)
        self.best = state.pop("best", None)
        self.engine.restore(state)
        self.history = History(list(result.history.records))
        self.best_epoch = self._best_so_far()

    def go(self) -> str:
        """Run to the end, and say why it ended."""
        for epoch in range(len(self.history), self.epochs):
            if not self._epoch(epoch):
                return self.flag.reason
            event = Event(epoch + 1, self.epochs, self.history, self.engine, self.best_epoch)
            for callback in self.callbacks:
                if callback(event):
                    return "stopped by a callback"
            for criterion in self.criteria:
                if reason := criterion.reason(self.history):
                    return reason
        return "all epochs done"

    def _epoch(self, epoch: int) -> bool:
        """One epoch; False if the flag was raised before its end."""
        started = time.perf_counter()
        batches, engine = self.batches, self.engine
        losses = self.history.monitored()
        rates = self.rate * self.schedule.factors(
            epoch, batches.steps_per_epoch, self.epochs, losses
        )
        total = 0.0
        for index, batch in enumerate(batches.epoch(epoch)):
            cost = engine.step(batch, float(rates[index]))
            if not np.isfinite(cost):
                self._diverged(batch, epoch, index, float(rates[index]))
            total += cost * len(batch.rows)
            if self.flag:
                return False
        held_loss, score = self._validate(epoch)
        record = EpochRecord(
            epoch=epoch + 1,
            steps=(epoch + 1) * batches.steps_per_epoch,
            loss=total / batches.n_rows,
            penalty=engine.penalty_cost(),
            validation_loss=held_loss,
            score=score,
            learning_rate=float(rates[-1]),
            seconds=time.perf_counter() - started,
        )
        self.history.append(record)
        best = self._best_so_far()
        if best != self.best_epoch:
            self.best_epoch = best
            if self.keep_best:
                self.best = np.array(engine.averaged_theta)
        return True

    def _best_so_far(self) -> int:
        losses = self.history.monitored()
        return int(np.argmin(losses)) + 1 if losses else 0

    def _validate(self, epoch: int) -> tuple[float | None, float | None]:
        held_loss = None
        if self.held is not None:
            held_loss = self._mean_loss(self.held)
            if not np.isfinite(held_loss):
                raise Diverged(
                    f"training diverged: after epoch {epoch + 1} the validation loss is "
                    f"{held_loss!r}. {self._advice(self.rate)}",
                    epoch=epoch + 1,
                    batch=self.batches.steps_per_epoch,
                    layer=self.engine.net.n_layers,
                    block="loss",
                )
        if self.scorer is None:
            return held_loss, None
        score = float(self.scorer(self.engine))
        if np.isnan(score):
            raise InputError(f"the scorer gave {score!r} after epoch {epoch + 1}; expected a score")
        return held_loss, score

    def _mean_loss(self, held: Rows) -> float:
        share = held.s / held.s.sum()
        total = 0.0
        for start in range(0, len(held.X), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = np.arange(start, min(start + _CHUNK, len(held.X)))
            batch = Batch(held.X[part], held.Y[part], share[part], rows, 0)
            total += self.engine.cost(batch, averaged=self.averaged)
        return total

    def _diverged(self, batch: Batch, epoch: int, index: int, rate: float) -> None:
        """Find out where a cost that is not finite came from, and say so."""
        where = f"training diverged in epoch {epoch + 1}, batch {index + 1}"
        checked = CheckedEngine()
        checked.load(self.engine.net, np.array(self.engine.theta), self.engine.settings)
        try:
            checked.gradient(batch)
        except Diverged as found:
            raise Diverged(
                f"{where}: {found}. {self._advice(rate)}",
                epoch=epoch + 1,
                batch=index + 1,
                layer=found.layer,
                block=found.block,
            ) from None
        raise Diverged(
            f"{where}: the cost is not finite. {self._advice(rate)}",
            epoch=epoch + 1,
            batch=index + 1,
        )

    def _advice(self, rate: float) -> str:
        clip = "" if self.engine.settings.clip_norm else ", clip_norm=1.0"
        return (
            f"Try a smaller learning rate (it was {rate:.3g}){clip}, "
            "and inputs and targets standardised to mean 0 and variance 1"
        )

    def result(self, reason: str, seconds: float) -> TrainingResult:
        """What came of it, after a last look that it is finite."""
        engine = self.engine
        theta = self.best if self.best is not None else np.array(engine.averaged_theta)
        best_epoch = self.best_epoch if self.best is not None else len(self.history)
        first = next(self.batches.epoch(0))
        if not (np.isfinite(theta).all() and np.isfinite(engine.cost(first))):
            # The last step of all has no successor whose cost would tell.
            last = self.batches.steps_per_epoch - 1
            self._diverged(first, len(self.history) - 1, last, self.rate)
        state = engine.state()
        if self.best is not None:
            state["best"] = self.best.copy()
        return TrainingResult(
            net=engine.net,
            theta=theta,
            history=self.history,
            best_epoch=best_epoch,
            stopped=reason,
            seconds=seconds,
            engine=engine.name,
            state=state,
        )
