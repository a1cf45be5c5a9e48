"""An immutable sequence of losses with cached folds, for schedules that depend on the losses.

A schedule has no state, so one that depends on the losses would read all of them after every
epoch. :meth:`LossCurve.fold` caches its result with the losses, and continues from there.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, overload

__all__ = ["LossCurve"]

# If two curves share an array, only one may append to it; the other is copied.
_APPENDING = threading.Lock()


class LossCurve(Sequence[float]):
    """The losses of epochs 1, 2, …, as an immutable sequence.

    A longer curve shares the array of the one it was made from, so :meth:`and_then` takes O(1).

    Parameters
    ----------
    losses : iterable of float

    Examples
    --------
    >>> curve = LossCurve([3.0, 2.0]).and_then(2.5)
    >>> curve[1:], len(curve), curve.fold("least", float("inf"), min)
    (LossCurve([2.0, 2.5]), 3, 2.0)
    """

    __slots__ = ("_folds", "_numbers", "_start", "_stop")

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._numbers = array("d", losses)
        # By (key, start): the index reached, and the state there.
        self._folds: dict[tuple[Hashable, int], tuple[int, Any]] = {}
        self._start, self._stop = 0, len(self._numbers)

    def _part(self, start: int, stop: int) -> LossCurve:
        part = LossCurve.__new__(LossCurve)
        part._numbers, part._folds = self._numbers, self._folds
        part._start, part._stop = start, stop
        return part

    def and_then(self, loss: float) -> LossCurve:
        """A curve with one more loss."""
        with _APPENDING:
            if self._stop == len(self._numbers):
                self._numbers.append(loss)
                return self._part(self._start, self._stop + 1)
        return LossCurve([*self, loss])

    def fold(self, key: Hashable, start: Any, step: Callable[[Any, float], Any]) -> Any:
        """The left fold of the losses: ``step(state, loss)`` for each, beginning with ``start``.

        The result is cached under ``key``, which must identify ``start`` and ``step`` with all
        their parameters; a longer curve continues from a shorter one. States must be immutable.
        """
        at = key, self._start
        seen, state = self._folds.get(at, (self._start, start))
        if seen > self._stop:  # cached by a longer curve
            seen, state = self._start, start
        for index in range(seen, self._stop):
            state = step(state, self._numbers[index])
        if seen < self._stop:
            self._folds[at] = self._stop, state
        return state

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[float]:
        return (self._numbers[index] for index in range(self._start, self._stop))

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> LossCurve: ...

    def __getitem__(self, index: int | slice) -> float | LossCurve:
        if not isinstance(index, slice):
            return self._numbers[range(self._start, self._stop)[index]]
        start, stop, step = index.indices(len(self))
        if step != 1:
            return LossCurve(self._numbers[self._start : self._stop][index])
        return self._part(self._start + start, self._start + max(start, stop))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # Cached folds are pickled too, so that they are not computed again.
        numbers = self._numbers[self._start : self._stop]
        folds = {
            key: (seen - self._start, state)
            for (key, start), (seen, state) in self._folds.items()
            if start == self._start and seen <= self._stop
        }
        return _restore, (numbers, folds)

    def __repr__(self) -> str:
        return f"LossCurve({list(self)!r})"


def _restore(numbers: array[float], folds: dict[Hashable, tuple[int, Any]]) -> LossCurve:
    curve = LossCurve(numbers)
    curve._folds.update({(key, 0): found for key, found in folds.items()})
    return curve
