"""Statistics of the target for each level of a category, by folds of the rows; they merge.

A category of many levels is encoded by the mean of the target of each level. A training row must
be encoded without its own target: the rows are divided into folds, and the sums of each fold are
kept, so that a fold is encoded by the rows outside of it, and no row is read twice for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_column import TextColumn

__all__ = ["FoldMeans", "LevelTargets"]

# Sums of a chunk are rounded to multiples of this. Such numbers add without rounding while they are
# below 2^33, so that the order of the chunks has no effect.
_UNIT = 2.0**-20
# The most sums that are kept for a column: 128 MB.
_MOST_SUMS = 1 << 24


class LevelTargets:
    """The weights of the rows of each level, and the sums of their targets, for each fold.

    Parameters
    ----------
    name : str
        The column.
    n_targets, n_folds : int
        The numbers of columns of the target, and of folds.

    Examples
    --------
    >>> cells, t = TextColumn.from_cells(["a", "b", "a"]), np.array([[1.0], [2.0], [4.0]])
    >>> statistics = LevelTargets("x", n_targets=1, n_folds=2)
    >>> statistics.add(cells, t, None, np.array([0, 0, 1]))
    >>> encoder = statistics.encoder([21.0])
    >>> encoder.levels, encoder.weights, encoder.sums
    (('a', 'b'), (2.0, 1.0), ((5.0,), (2.0,)))
    """

    def __init__(self, name: str, n_targets: int, n_folds: int) -> None:
        self.name, self._n_targets, self._n_folds = name, n_targets, n_folds
        self._index: dict[str | None, int] = {}
        # For each level and fold: the weight of its rows, then the sums of the target.
        self._sums = np.zeros((0, n_folds, 1 + n_targets))

    def add(
        self,
        cells: TextColumn,
        targets: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        folds: NDArray[np.int64],
    ) -> None:
        """Add rows: their cells, targets of shape (N, K'), weights, and the fold of each."""
        n_texts = len(cells.texts)
        codes = np.where(cells.codes < 0, n_texts, cells.codes)
        present = np.flatnonzero(np.bincount(codes, minlength=n_texts + 1))
        texts: list[str | None] = [*cells.texts, None]
        places = np.zeros(n_texts + 1, np.int64)
        places[present] = self._places([texts[code] for code in present.tolist()])
        own = np.full(n_texts + 1, -1)
        own[present] = np.arange(len(present))
        at = own[codes] * self._n_folds + folds
        size = len(present) * self._n_folds
        w = np.ones(len(codes)) if weights is None else weights
        columns = [w, *(w * t for t in targets.T)]
        sums: NDArray[np.float64] = np.stack(
            [np.bincount(at, each, size) for each in columns], axis=1
        )
        sums = np.rint(sums / _UNIT) * _UNIT
        self._sums[places[present]] += sums.reshape(len(present), self._n_folds, -1)

    def merge(self, other: LevelTargets) -> None:
        """Add the rows of another part of the table."""
        places = self._places(list(other._index))
        self._sums[places] += other._sums[: len(other._index)]

    def _places(self, levels: Sequence[str | None]) -> NDArray[np.int64]:
        """The place of each level among the sums; there is room for it afterwards."""
        index = self._index
        found = [index.setdefault(level, len(index)) for level in levels]
        if len(index) > len(self._sums):
            per_level = self._n_folds * (1 + self._n_targets)
            if len(index) * per_level > _MOST_SUMS:
                raise DataError(
                    f"column {self.name!r} has more than {len(index) - 1:,} different texts, each "
                    f"with sums of {self._n_targets} targets in {self._n_folds} parts of the rows",
                    expected="a category of fewer levels, in a table larger than memory",
                    hint=Message("leave it out with ", Parameter("ignore", self.name)),
                )
            room = np.zeros((max(2 * len(index), 64), *self._sums.shape[1:]))
            room[: len(self._sums)] = self._sums
            self._sums = room
        return np.array(found, dtype=np.int64)

    def standardise(self, centre: float, scale: float) -> None:
        """Replace the target t by (t − centre)/scale in all sums."""
        weights = self._sums[..., :1]
        self._sums[..., 1:] = (self._sums[..., 1:] - weights * centre) / scale

    def _in_order(self) -> tuple[tuple[str | None, ...], NDArray[np.float64]]:
        """The levels, None for missing cells at the end, and their sums."""
        known = sorted(level for level in self._index if level is not None)
        levels: list[str | None] = [*known, *([None] if None in self._index else [])]
        places = np.array([self._index[level] for level in levels], dtype=np.int64)
        return tuple(levels), self._sums[places]

    def encoder(
        self, squares: Sequence[float], labels: Sequence[str] = ("",)
    ) -> TargetStatisticsEncoder:
        """The encoder of all rows; squares are Σ w t² over these, for each column of the target."""
        levels, sums = self._in_order()
        total = sums.sum(axis=1)
        return TargetStatisticsEncoder(
            self.name,
            levels,
            tuple(total[:, 0].tolist()),
            tuple(map(tuple, total[:, 1:].tolist())),
            tuple(float(each) for each in squares),
            tuple(labels),
        )

    def fold_means(self, encoder: TargetStatisticsEncoder) -> FoldMeans:
        """What encodes training rows, with the smoothing and the scale of the encoder of all."""
        levels, sums = self._in_order()
        outside = sums.sum(axis=1, keepdims=True) - sums
        _, std, smoothing = encoder.moments()
        w, t = outside[..., :1], outside[..., 1:]
        total = w.sum(axis=0)
        mean = t.sum(axis=0) / np.where(total > 0, total, 1.0)
        # (t + a m)/(w + a) − m, without the rounding of m where a level has no rows outside.
        relative = (t - w * mean) / (w + smoothing)
        return FoldMeans(levels, relative / np.where(std > 0, std, 1.0))


class FoldMeans:
    """Encodes training cells of a category by the target of the rows outside of their folds.

    The values are those of
    :meth:`~deltarule.tables.target_statistics.TargetStatisticsEncoder.write_cross_fitted`.

    Parameters
    ----------
    levels : tuple of (str or None)
    values : array of shape (levels, folds, K')
        What the rows of each level and fold are encoded as.

    Examples
    --------
    >>> means = FoldMeans(("a",), np.array([[[0.5], [-0.5]]]))
    >>> out = np.zeros((3, 1))
    >>> means.write(TextColumn.from_cells(["a", "a", "c"]), np.array([0, 1, 1]), out)
    >>> out[:, 0]
    array([ 0.5, -0.5,  0. ])
    """

    def __init__(self, levels: tuple[str | None, ...], values: NDArray[np.float64]) -> None:
        self._index = {level: k for k, level in enumerate(levels)}
        # A level that training lacks, or has in this fold alone, is encoded as the mean, 0.
        self._values = np.concatenate([values, np.zeros((1, *values.shape[1:]))])

    def write(self, cells: TextColumn, folds: NDArray[np.int64], out: NDArray[np.floating]) -> None:
        """Encode cells of rows in these folds into the columns of ``out``."""
        groups = [self._index.get(text, -1) for text in cells.texts]
        missing = np.int64(self._index.get(None, -1))
        found = cells.lookup(np.array(groups, dtype=np.int64), missing)
        out[:] = self._values[found, folds]
