"""The history of a training run: one epoch log for each epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError, short_repr
from deltarule.optimizers.loss_curve import LossCurve

__all__ = ["EpochLog", "History", "HistoryMark"]


@dataclasses.dataclass(frozen=True)
class EpochLog:
    """The log of one epoch, or of one iteration of a minimizer.

    Attributes
    ----------
    epoch : int
        The number of the epoch, from 1; 0 for the start of a minimizer that took no iteration.
    steps : int
        The number of steps taken up to its end; for a minimizer, of evaluations of the cost.
    loss : float
        The mean over the training rows of the cost of each batch before its step, without
        penalties; for a minimizer, the cost after the iteration.
    penalty : float
        The penalty at the end of the epoch.
    validation_loss, score : float or None
        The loss and the score on the validation rows at the end of the epoch.
    learning_rate : float
        η of the epoch's last step; 0 for a minimizer, which has no learning rate.
    seconds : float
        The duration of the epoch, validation included.
    """

    epoch: int
    steps: int
    loss: float
    penalty: float
    validation_loss: float | None
    score: float | None
    learning_rate: float
    seconds: float

    @property
    def objective(self) -> float:
        """The training loss plus the penalty, which training minimises."""
        return self.loss + self.penalty

    @property
    def monitored(self) -> float:
        """The quantity that schedules, stopping and the choice of the best epoch use.

        The negative score where there is one, else the validation loss, else :attr:`objective`.
        """
        if self.score is not None:
            return -self.score
        if self.validation_loss is not None:
            return self.validation_loss
        return self.objective


_MOST = 10**15
# The types of the fields in JSON. A loss or a score may be infinite or NaN.
_TYPES: dict[str, tuple[type, ...]] = {
    "epoch": (int,),
    "steps": (int,),
    **dict.fromkeys(("loss", "penalty", "learning_rate", "seconds"), (float,)),
    **dict.fromkeys(("validation_loss", "score"), (float, type(None))),
}


class HistoryMark(NamedTuple):
    """A place in a history, for :meth:`History.rewind`.

    Attributes
    ----------
    epochs : int
        The number of epochs up to it.
    folds, curve
        What the history had cached there; it follows from the logs.
    """

    epochs: int
    folds: Mapping[Hashable, tuple[int, Any]] = MappingProxyType({})
    curve: LossCurve | None = None


@dataclasses.dataclass
class History:
    """The epoch logs of a run, oldest first.

    Attributes
    ----------
    logs : list of EpochLog
    before : int
        The number of epochs before the first log, whose logs were dropped; ``len(history)``
        counts them. −1 if the first log is of epoch 0, the start of a minimizer.

    Examples
    --------
    >>> history = History()
    >>> history.append(EpochLog(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
    >>> history.column("loss"), len(history)
    ([0.5], 1)
    """

    logs: list[EpochLog] = dataclasses.field(default_factory=list)
    before: int = 0
    _folds: dict[Hashable, tuple[int, Any]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _curve: LossCurve | None = dataclasses.field(
        default=None, init=False, repr=False, compare=False
    )

    def fold(self, key: Hashable, start: Any, step: Callable[[Any, EpochLog], Any]) -> Any:
        """Return the state after ``step(state, log)`` for every log, beginning with ``start``.

        The state is cached under ``key``, so that a criterion which is evaluated after every epoch
        reads each log once. States must be immutable.

        Examples
        --------
        >>> history = History()
        >>> history.append(EpochLog(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
        >>> history.fold("steps", 0, lambda total, log: total + log.steps)
        10
        """
        end = self.before + len(self.logs)
        seen, state = self._folds.get(key, (self.before, start))
        if seen > end:  # logs were removed after the last call
            seen, state = self.before, start
        for index in range(max(seen - self.before, 0), len(self.logs)):
            state = step(state, self.logs[index])
        if seen != end or key not in self._folds:
            self._folds[key] = end, state
        return state

    def append(self, log: EpochLog) -> None:
        """Add the log of the next epoch."""
        self.logs.append(log)

    def losses(self) -> LossCurve:
        """The monitored losses of all epochs, for schedules; each log is read once."""
        curve = LossCurve() if self._curve is None else self._curve
        end = self.before + len(self.logs)
        if len(curve) > end:  # logs were removed after the last call
            curve = LossCurve()
        for index in range(max(len(curve) - self.before, 0), len(self.logs)):
            curve = curve.and_then(self.logs[index].monitored)
        self._curve = curve
        return curve

    def give_losses(self, losses: Sequence[float]) -> None:
        """Set the losses of all epochs, for a history whose first logs were dropped."""
        self._curve = LossCurve(losses)

    def continued(self, most: int | None = None) -> History:
        """Return a copy to append to, with the states of :meth:`fold`.

        It begins with all logs, or with the newest ``most`` of them.

        Examples
        --------
        >>> first = EpochLog(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01)
        >>> history = History([first, dataclasses.replace(first, epoch=2)]).continued(most=1)
        >>> len(history), history.column("epoch")
        (2, [2])
        """
        logs = self.logs if most is None else self.logs[-most:]
        if most is not None and self._curve is not None:
            self.losses()  # includes the logs that are dropped
        copy = History(list(logs), self.before + len(self.logs) - len(logs))
        copy._folds, copy._curve = dict(self._folds), self._curve
        return copy

    def mark(self) -> HistoryMark:
        """Return the present end, for :meth:`rewind`."""
        return HistoryMark(len(self), dict(self._folds), self._curve)

    def rewind(self, mark: HistoryMark) -> None:
        """Remove the logs after a mark.

        Examples
        --------
        >>> history = History([EpochLog(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01)])
        >>> mark = history.mark()
        >>> history.append(dataclasses.replace(history.logs[0], epoch=2))
        >>> history.rewind(mark)
        >>> history.column("epoch")
        [1]
        """
        del self.logs[max(mark.epochs - self.before, 0) :]
        self._folds, self._curve = dict(mark.folds), mark.curve

    def column(self, name: str) -> list[Any]:
        """Return one attribute of every log."""
        return [getattr(log, name) for log in self.logs]

    def monitored(self) -> list[float]:
        """Return :attr:`EpochLog.monitored` of every log; lower is better."""
        return [log.monitored for log in self.logs]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the logs as dictionaries, for a JSON file."""
        return [dataclasses.asdict(log) for log in self.logs]

    @classmethod
    def from_list(cls, logs: list[dict[str, Any]]) -> History:
        """Return the history of the dictionaries that :meth:`to_list` gave.

        Raises
        ------
        InputError
            If they are none.
        """
        for number, log in enumerate(logs, start=1):
            if not (isinstance(log, Mapping) and log.keys() == _TYPES.keys()):
                raise InputError(f"log {number} of its history is {short_repr(log)}")
            for name, known in _TYPES.items():
                value = log[name]
                whole = type(value) is int
                if type(value) not in known or (whole and not 0 <= value < _MOST):
                    raise InputError(
                        f"{name} in log {number} of its history is {short_repr(value)}"
                    )
        return cls._of_logs([EpochLog(**log) for log in logs])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return each attribute of all logs as a float64 array; NaN stands for None.

        Examples
        --------
        >>> history = History([EpochLog(1, 10, 0.5, 0.0, None, None, 0.1, 0.01)])
        >>> History.from_arrays(history.to_arrays()) == history
        True
        """
        return {
            field.name: np.array(self.column(field.name), dtype=np.float64)
            for field in dataclasses.fields(EpochLog)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> History:
        """Return the history of the arrays that :meth:`to_arrays` gave."""
        columns = {
            field.name: _python_values(arrays[field.name], whole=field.type == "int")
            for field in dataclasses.fields(EpochLog)
        }
        rows = zip(*columns.values(), strict=True)
        return cls._of_logs([EpochLog(**dict(zip(columns, row, strict=True))) for row in rows])

    @classmethod
    def _of_logs(cls, logs: list[EpochLog]) -> History:
        return cls(logs, logs[0].epoch - 1 if logs else 0)

    def __getstate__(self) -> dict[str, Any]:
        # The losses are computed from the logs again, or set by give_losses.
        return self.__dict__ | {"_curve": None}

    def __len__(self) -> int:
        return self.before + len(self.logs)


def _python_values(column: np.ndarray, *, whole: bool) -> list[Any]:
    """Return the numbers of an array of :meth:`History.to_arrays`, and None for NaN."""
    values: list[Any] = (column.astype(np.int64) if whole else column).tolist()
    return values if whole else [None if value != value else value for value in values]
