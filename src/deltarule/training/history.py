"""The history of a training run: plain records, one for each epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["EpochRecord", "History"]


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One epoch, or one iteration of a minimizer.

    Attributes
    ----------
    epoch : int
        From 1.
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

    Examples
    --------
    >>> history = History()
    >>> history.append(EpochRecord(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
    >>> history.column("loss"), len(history)
    ([0.5], 1)
    """

    records: list[EpochRecord] = dataclasses.field(default_factory=list)
    _folds: dict[Hashable, tuple[int, Any]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def fold(self, key: Hashable, start: Any, step: Callable[[Any, EpochRecord], Any]) -> Any:
        """The state after ``step(state, record)`` for every record, from ``start`` on.

        What was found is remembered by ``key``, so that a criterion which is asked after every
        epoch looks at each record once.

        Examples
        --------
        >>> history = History()
        >>> history.append(EpochRecord(1, 10, 0.5, 0.0, 0.6, None, 0.001, 0.01))
        >>> history.fold("steps", 0, lambda total, record: total + record.steps)
        10
        """
        seen, state = self._folds.get(key, (0, start))
        if seen > len(self.records):  # somebody took records away
            seen, state = 0, start
        for record in self.records[seen:]:
            state = step(state, record)
        self._folds[key] = len(self.records), state
        return state

    def append(self, record: EpochRecord) -> None:
        """Add the next epoch."""
        self.records.append(record)

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
        return cls([EpochRecord(**record) for record in records])

    def __len__(self) -> int:
        return len(self.records)
