"""One training run that can be moved step by step: the loop of ``train``, held by the hand.

Whatever the stretches it is moved in, its parameters are those of ``deltarule.train`` with the
same settings, bit for bit: it is the same run.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from deltarule.engines import Batch, EngineSettings, Epoch, started_engine
from deltarule.maths import Network
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.playground.data import Data
from deltarule.playground.settings import RunSettings, network_for
from deltarule.training import Batches, EpochLog, History, StopFlag
from deltarule.training.arguments import split_data
from deltarule.training.batches import chunks
from deltarule.training.steps import StepRun

__all__ = ["MOST_RECORDS", "LiveRun", "RateChange", "ThinnedHistory", "started_run"]

MOST_RECORDS = 512
"""At most so many epochs of a run are kept for its curve, spread evenly over it."""

# Multiply-adds of a step above which a second thread helps more than it takes from the browser.
# The bits are the same for any number of threads.
_WORTH_SHARING = 3.0e7


class ThinnedHistory(History):
    """A history that counts all epochs and keeps some, so that a run may last for days.

    It keeps the first epoch, every ``stride``-th after it, and the newest. Where these are more
    than :data:`MOST_RECORDS` the stride is doubled: the same one for the whole run, so that what
    is kept is spread evenly over it.

    Attributes
    ----------
    stride : int
        A power of 2.
    curve : list of float
        Epoch, loss and validation loss of each record that is kept, one after the other; NaN
        where nothing is held out.

    Examples
    --------
    >>> history = ThinnedHistory()
    >>> for epoch in range(1, 5001):
    ...     history.append(EpochLog(epoch, epoch, 1 / epoch, 0.0, None, None, 0.1, 0.0))
    >>> history.stride, history.column("epoch")[:3], history.column("epoch")[-2:]
    (16, [1, 17, 33], [4993, 5000])
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.stride = 1
        self.curve: list[float] = []

    def append(self, record: EpochLog) -> None:
        # The newest so far was kept as the newest alone, unless the stride meets it.
        if self.logs and not self._is_met(self.logs[-1]):
            del self.logs[-1], self.curve[-3:]
        self.taken += 1
        self.logs.append(record)
        self.curve += _point(record)
        if len(self.logs) > MOST_RECORDS:
            self.stride *= 2
            self.logs[:] = [each for each in self.logs if self._is_met(each) or each is record]
            self.curve[:] = [value for each in self.logs for value in _point(each)]

    def _is_met(self, record: EpochLog) -> bool:
        return (record.epoch - 1) % self.stride == 0

    def __len__(self) -> int:
        return self.taken


def _point(record: EpochLog) -> tuple[float, float, float]:
    held = record.validation_loss
    return float(record.epoch), record.loss, float("nan") if held is None else held


@dataclasses.dataclass(frozen=True)
class RateChange:
    """From which step on (the number of steps before it) a learning rate held."""

    step: int
    learning_rate: float


@dataclasses.dataclass(kw_only=True)
class LiveRun(StepRun):
    """A run that stops where it is asked to, within an epoch or at its end.

    Attributes
    ----------
    changes : list of RateChange
        The learning rates, the first from step 0 on.
    """

    changes: list[RateChange] = dataclasses.field(default_factory=list)
    _planned: Epoch | None = None
    _began: float = 0.0

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return self.total_steps

    @property
    def left_in_epoch(self) -> int:
        """How many steps the epoch has still to go."""
        return self.batches.steps_per_epoch - self.done

    def advance(self, steps: int) -> int:
        """Take so many steps, at most to the end of the epoch; gives how many were taken.

        Raises
        ------
        Diverged
            If a number is not finite; the step that would have made it so is not taken.
        Interrupted
            If the flag was raised.
        """
        epoch = len(self.history)
        if self._planned is None:
            self._began = time.perf_counter()
            self._planned = self.batches.epoch_steps(epoch, self._rates(epoch))
        before, until = self.done, min(self.done + steps, self.batches.steps_per_epoch)
        self._steps(_shortened(self._planned, until), epoch)
        taken = self.done - before
        if self.done == self.batches.steps_per_epoch:
            self.close_epoch(
                loss=self.total / self.batches.n_rows,
                steps=(epoch + 1) * self.batches.steps_per_epoch,
                rate=float(self._planned.rates[-1]),
                started=self._began,
            )
            self.done, self.total, self._planned = 0, 0.0, None
        return taken

    def first_losses(self) -> tuple[float, float | None]:
        """The loss over the training rows and over those held out, as the parameters are now."""
        engine = self.engine
        loss = sum(engine.cost(batch) for batch in chunks(self.batches.training_rows()))
        if self.validation_rows is None:
            return float(loss), None
        return float(loss), float(sum(engine.cost(batch) for batch in chunks(self.validation_rows)))

    def change_rate(self, rate: float) -> None:
        """Go on with another learning rate."""
        if rate == self.rate:
            return
        self.rate = rate
        self._constant_rates = None
        if self._planned is not None:
            rates = self._rates(len(self.history))
            self._planned = self._planned._replace(rates=rates)
        if self.changes and self.changes[-1].step == self.step:
            self.changes.pop()
        if not self.changes or self.changes[-1].learning_rate != rate:
            self.changes.append(RateChange(self.step, rate))

    def next_batch(self) -> Batch:
        """The rows of the step that comes next."""
        if self.done == self.batches.steps_per_epoch:  # what ended the epoch has failed
            return self.batches.epoch_steps(len(self.history) + 1).batch(0)
        planned = self._planned or self.batches.epoch_steps(len(self.history))
        return planned.batch(self.done)


def _shortened(planned: Epoch, steps: int) -> Epoch:
    """The same epoch, ended after so many steps."""
    if steps == planned.steps:
        return planned
    order = planned.order
    assert order is not None  # an epoch of several steps has an order
    return planned._replace(order=order[: steps * planned.batch_size])


def started_run(data: Data, settings: RunSettings, flag: StopFlag) -> tuple[Network, LiveRun]:
    """A run at step 0.

    Parameters
    ----------
    data : Data
    settings : RunSettings
    flag : StopFlag
        Ends what takes long.

    Raises
    ------
    InputError
        If the settings do not fit the data.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> _, run = started_run(builtin_data("xor"), RunSettings(loss="log_loss"), StopFlag())
    >>> run.advance(2), run.step, run.left_in_epoch
    (2, 2, 5)
    """
    net = network_for(data, settings)
    parts = split_data(net, data.X, data.targets(net), None, data.held, settings.seed)
    rule = RULES.get(settings.rule)
    n_rows = len(parts.weights)
    size = settings.batch_size
    batch = n_rows if rule.full_batch or size == 0 else min(size, n_rows)
    engine = started_engine(
        "auto",
        net,
        net.initial(settings.seed),
        EngineSettings(
            rule=rule,
            l2=settings.l2,
            total_weight=float(np.sum(parts.weights)),
            seed=settings.seed,
        ),
        threads=1 if net.n_multiply_adds * batch < _WORTH_SHARING else None,
    )
    run = LiveRun(
        batches=Batches(
            *parts.all_rows,
            batch_size=batch,
            seed=settings.seed,
            shuffle=True,
            rows=parts.training_numbers,
        ),
        validation_rows=parts.validation_rows,
        engine=engine,
        epochs=1,
        criteria=(),
        keep_best=False,
        owns_engine=True,
        scorer=None,
        callbacks=(),
        flag=flag,
        history=ThinnedHistory(),
        rate=settings.learning_rate,
        schedule=SCHEDULES.get("constant"),
        changes=[RateChange(0, settings.learning_rate)],
    )
    return net, run
