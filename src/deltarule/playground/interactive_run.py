"""A training run that advances by a given number of steps at a time, and can pause at any step.

It is the loop of ``deltarule.train``: with the same settings the parameters have the same bits,
however the steps are divided among calls.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from deltarule.engines import Batch, EngineSettings, Epoch, started_engine
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.optimizers.scalars import in_interval
from deltarule.playground.data import Data
from deltarule.playground.settings import RunSettings, network_for
from deltarule.training import Batches, EpochLog, History, StopFlag
from deltarule.training.arguments import split_data
from deltarule.training.batches import RowChunks, Rows, chunks
from deltarule.training.steps import StepRun

__all__ = [
    "MOST_RECORDS",
    "InteractiveRun",
    "ParameterEdit",
    "RateChange",
    "RunMoment",
    "ThinnedHistory",
    "start_run",
]

MOST_RECORDS = 512
"""The largest number of epoch logs that a run keeps for its loss curve."""

# From this many multiply-adds per step on, the engine uses several threads; for fewer the gain is
# not worth what the browser loses. The bits do not depend on the number of threads.
_MULTITHREADED_FROM = 3.0e7

_MOST_EDITS = 10_000


class ThinnedHistory(History):
    """A history of bounded size, for runs of any length.

    It keeps the first epoch, every ``stride``-th after it, and the newest. When these are more
    than :data:`MOST_RECORDS`, the stride is doubled and the epochs between are dropped, so the
    kept epochs are evenly spaced. ``len`` is the number of all epochs.

    Attributes
    ----------
    stride : int
        A power of 2.
    curve : list of float
        Epoch, loss and held-out loss of each kept epoch, one after the other; NaN where no rows
        are held out.

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
        self.n_epochs = 0
        self.stride = 1
        self.curve: list[float] = []

    def append(self, record: EpochLog) -> None:
        # The previous epoch stays only if it is on the stride.
        if self.logs and not self._on_stride(self.logs[-1]):
            del self.logs[-1], self.curve[-3:]
        self.n_epochs += 1
        self.logs.append(record)
        self.curve += _curve_point(record)
        if len(self.logs) > MOST_RECORDS:
            self.stride *= 2
            self.logs[:] = [each for each in self.logs if self._on_stride(each) or each is record]
            self.curve[:] = [value for each in self.logs for value in _curve_point(each)]

    def _on_stride(self, record: EpochLog) -> bool:
        return (record.epoch - 1) % self.stride == 0

    def __len__(self) -> int:
        return self.n_epochs

    def copy(self) -> ThinnedHistory:
        """A history that does not change with this one."""
        copied = ThinnedHistory()
        copied.logs, copied.curve = list(self.logs), list(self.curve)
        copied.n_epochs, copied.stride = self.n_epochs, self.stride
        return copied


def _curve_point(record: EpochLog) -> tuple[float, float, float]:
    held = record.validation_loss
    return float(record.epoch), record.loss, float("nan") if held is None else held


@dataclasses.dataclass(frozen=True)
class RateChange:
    """A learning rate, and the number of steps that were taken before it was set."""

    step: int
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class ParameterEdit:
    """An entry of θ that was set by hand, and the number of steps that were taken before."""

    step: int
    index: int
    value: float


# The attributes of a run that change with its steps and are never changed in place.
_MOMENT_FIELDS = (
    "rate", "last_rate", "done", "total", "first_cost", "best_epoch", "best_loss", "_planned",
    "_began",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RunMoment:
    """A run at one moment: copies, from which it can go on."""

    state: dict[str, np.ndarray]  # the result of engine.state()
    history: ThinnedHistory
    changes: tuple[RateChange, ...]
    edits: tuple[ParameterEdit, ...]
    fields: dict[str, Any]

    @property
    def size(self) -> int:
        """The number of bytes of the parameters, the optimizer's state and the loss curve."""
        arrays = sum(np.asarray(value).nbytes for value in self.state.values())
        return arrays + 32 * len(self.history.curve)


@dataclasses.dataclass(kw_only=True)
class InteractiveRun(StepRun):
    """A run of steps that returns after a given number of them.

    Attributes
    ----------
    changes : list of RateChange
        All learning rates so far, the first set at step 0.
    edits : list of ParameterEdit
        All parameters that were set by hand; of one that was set several times before a step the
        last value.
    n_edits : int
        How often a parameter was set.
    """

    history: ThinnedHistory
    changes: list[RateChange] = dataclasses.field(default_factory=list)
    edits: list[ParameterEdit] = dataclasses.field(default_factory=list)
    n_edits: int = 0
    _planned: Epoch | None = None
    _began: float = 0.0

    @property
    def step(self) -> int:
        """The number of steps taken."""
        return self.total_steps

    @property
    def steps_left_in_epoch(self) -> int:
        """The number of steps left in the current epoch."""
        return self.batches.steps_per_epoch - self.done

    def advance(self, steps: int) -> int:
        """Take steps, at most to the end of the epoch, and return how many were taken.

        Raises
        ------
        Diverged
            If the gradient is not finite; θ is then that before the step.
        Interrupted
            If the stop flag was set.
        """
        epoch = len(self.history)
        if self._planned is None:
            self._began = time.perf_counter()
            self._planned = self.batches.epoch_steps(epoch, self._rates(epoch))
        before, until = self.done, min(self.done + steps, self.batches.steps_per_epoch)
        self._steps(_truncated(self._planned, until), epoch)
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

    def current_losses(self) -> tuple[float, float | None]:
        """The loss of the current parameters on the training rows and on the held-out rows."""

        def loss(rows: Rows | RowChunks) -> float:
            return float(sum(self.engine.cost(part) for part in chunks(rows, self.engine)))

        rows = self.validation_rows
        return loss(self.batches.training_rows()), None if rows is None else loss(rows)

    def change_rate(self, rate: float) -> None:
        """Use another learning rate from the next step on."""
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

    def set_parameter(self, index: int, value: float) -> bool:
        """Set entry ``index`` of θ; the rule's slots stay.

        Returns
        -------
        bool
            False if it has this value already: then nothing is done or recorded.

        Raises
        ------
        InputError
            If there is no such entry, the value is out of range, or 10,000 were set before.
        """
        theta = np.array(self.engine.theta)
        if not 0 <= index < len(theta):
            raise InputError(
                parameter="entry", given=index, expected=f"0 to {len(theta) - 1}, an entry of θ"
            )
        value = float(theta.dtype.type(in_interval("", "value", value, "[-1e6, 1e6]", 0.5)))
        if theta[index] == value:
            return False
        last = self.edits[-1] if self.edits else None
        if last is not None and (last.step, last.index) == (self.step, index):
            self.edits.pop()
        elif len(self.edits) >= _MOST_EDITS:
            raise InputError(f"{_MOST_EDITS:,} weights were set by hand; reset the run first")
        theta[index] = value
        self.engine.restore({**self.engine.state(), "theta": theta})
        self.edits.append(ParameterEdit(self.step, index, value))
        self.n_edits += 1
        return True

    def moment(self) -> RunMoment:
        """All that :meth:`restore` needs to go on from here."""
        return RunMoment(
            state=self.engine.state(),
            history=self.history.copy(),
            changes=tuple(self.changes),
            edits=tuple(self.edits),
            fields={name: getattr(self, name) for name in _MOMENT_FIELDS},
        )

    def restore(self, moment: RunMoment) -> None:
        """Go back, or forward, to a moment of this run; the steps from there have the same bits."""
        self.engine.restore(moment.state)
        self.history = moment.history.copy()
        self.changes, self.edits = list(moment.changes), list(moment.edits)
        for name, value in moment.fields.items():
            setattr(self, name, value)
        self._constant_rates = None
        self.n_edits += 1  # θ may be another one after the same number of steps

    def next_batch(self) -> Batch:
        """The batch of the next step."""
        if self.done == self.batches.steps_per_epoch:  # closing the epoch raised an exception
            return self.batches.epoch_steps(len(self.history) + 1).batch(0)
        planned = self._planned or self.batches.epoch_steps(len(self.history))
        return planned.batch(self.done)


def _truncated(planned: Epoch, steps: int) -> Epoch:
    """The epoch, ended after the given number of steps."""
    if steps == planned.steps:
        return planned
    order = planned.order
    assert order is not None  # an epoch of several steps has an order
    return planned._replace(order=order[: steps * planned.batch_size])


def start_run(data: Data, settings: RunSettings, flag: StopFlag) -> tuple[Network, InteractiveRun]:
    """The network and the run of some settings, at step 0; ``flag`` interrupts its steps.

    Raises
    ------
    InputError
        If the settings do not fit the data.

    Examples
    --------
    >>> from deltarule.playground.data import builtin_data
    >>> _, run = start_run(builtin_data("xor"), RunSettings(loss="log_loss"), StopFlag())
    >>> run.advance(2), run.step, run.steps_left_in_epoch
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
            l1=settings.l1,
            total_weight=float(np.sum(parts.weights)),
            seed=settings.seed,
        ),
        threads=1 if net.n_multiply_adds * batch < _MULTITHREADED_FROM else None,
    )
    run = InteractiveRun(
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
