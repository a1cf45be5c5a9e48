"""The history of a training run: plain records, one for each epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from deltarule.optimizers.loss_curve import LossCurve

__all__ = ["EpochRecord", "History"]


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One epoch, or one iteration of a minimizer.

    Attributes
    ----------
    epoch : int
        From 1; 0 for the start of a minimizer that took no iteration.
    steps : int
        How many steps had been taken when it ended; of a minimizer, how many evaluations.
    loss : float
        The mean over the training rows of the cost as each batch saw it, before its
        step, penalties left out; of a minimizer, the cost after the iteration.
    penalty : float
        The penalty at the end of the epoch.
    validation_loss, score : float or None
        On the validation rows, at the end of the epoch.
    learning_rate : float
        Of the epoch's last step; 0 for a minimizer, which finds its own.
    seconds : float
        How long it took, validation included.
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
        """The training loss with its penalty, which is what training lowers."""
        return self.loss + self.penalty

    @property
    def monitored(self) -> float:
        """The negative score, else the validation loss, else the training loss with penalty."""
        if self.score is not None:
            return -self.score
        if self.validation_loss is not None:
            return self.validation_loss
        return self.objective


@dataclasses.dataclass
class History:
    """The records of a run, oldest first.

    Attributes
    ----------
    records : list of EpochRecord
    before : int
        How many epochs before the first record are not kept; ``len(history)`` counts them. −1
        if the first record is of epoch 0, the start, which is no epoch.

    Examples
    --------
    >>> history = History()
    >>> history.append(EpochRecord(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
    >>> history.column("loss"), len(history)
    ([0.5], 1)
    """

    records: list[EpochRecord] = dataclasses.field(default_factory=list)
    before: int = 0
    _folds: dict[Hashable, tuple[int, Any]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _curve: LossCurve | None = dataclasses.field(
        default=None, init=False, repr=False, compare=False
    )

    def fold(self, key: Hashable, start: Any, step: Callable[[Any, EpochRecord], Any]) -> Any:
        """The state after ``step(state, record)`` for every record, from ``start`` on.

        What was found is remembered by ``key``, so that a criterion which is asked after every
        epoch looks at each record once. States must be immutable.

        Examples
        --------
        >>> history = History()
        >>> history.append(EpochRecord(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
        >>> history.fold("steps", 0, lambda total, record: total + record.steps)
        10
        """
        end = self.before + len(self.records)
        seen, state = self._folds.get(key, (self.before, start))
        if seen > end:  # somebody took records away
            seen, state = self.before, start
        for index in range(max(seen - self.before, 0), len(self.records)):
            state = step(state, self.records[index])
        if seen != end or key not in self._folds:
            self._folds[key] = end, state
        return state

    def append(self, record: EpochRecord) -> None:
        """Add the next epoch."""
        self.records.append(record)

    def losses(self) -> LossCurve:
        """:meth:`monitored` of all epochs, for a schedule: each record is looked at once."""
        start = LossCurve() if self._curve is None else self._curve
        end = self.before + len(self.records)
        if len(start) > end:  # somebody took records away
            start = LossCurve()
        for index in range(max(len(start) - self.before, 0), len(self.records)):
            start = start.and_then(self.records[index].monitored)
        self._curve = start
        return start

    def give_losses(self, losses: Sequence[float]) -> None:
        """Say what :meth:`losses` are, where not all records are kept."""
        self._curve = LossCurve(losses)

    def continued(self, most: int | None = None) -> History:
        """A history that goes on from here, with what was folded; this one stays as it is.

        ``most`` is how many records it begins with at most: the newest.

        Examples
        --------
        >>> first = EpochRecord(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01)
        >>> history = History([first, dataclasses.replace(first, epoch=2)]).continued(most=1)
        >>> len(history), history.column("epoch")
        (2, [2])
        """
        kept = self.records if most is None else self.records[-most:]
        if most is not None and self._curve is not None:
            self.losses()  # of the records that go
        longer = History(list(kept), self.before + len(self.records) - len(kept))
        longer._folds, longer._curve = dict(self._folds), self._curve
        return longer

    def column(self, name: str) -> list[Any]:
        """One attribute of every record."""
        return [getattr(record, name) for record in self.records]

    def monitored(self) -> list[float]:
        """What schedules, stopping and the choice of the best epoch follow, lower is better.

        The negative score where there is one, else the validation loss, else the
        training loss with its penalty, which is what training lowers.
        """
        return [record.monitored for record in self.records]

    def to_list(self) -> list[dict[str, Any]]:
        """The records as dictionaries, for a JSON file."""
        return [dataclasses.asdict(record) for record in self.records]

    @classmethod
    def from_list(cls, records: list[dict[str, Any]]) -> History:
        """The history that :meth:`to_list` wrote down."""
        kept = [EpochRecord(**record) for record in records]
        return cls(kept, kept[0].epoch - 1 if kept else 0)

    def __len__(self) -> int:
        return self.before + len(self.records)
