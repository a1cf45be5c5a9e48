"""Encoding of a category of many levels by its statistics of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables.text_column import TextColumn

__all__ = ["TargetStatisticsEncoder", "target_columns"]


def target_columns(y: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return the columns whose means per level encode a category; shape (N, K').

    The numbers themselves; for two classes, whether a row is of the second one; for more, one such
    column for each class.

    Examples
    --------
    >>> target_columns(np.array([0, 2, 1]), 3)
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    if n_classes == 0:
        return np.asarray(y, dtype=np.float64)[:, None]
    first = 1 if n_classes == 2 else 0
    columns: NDArray[np.float64] = (y[:, None] == np.arange(first, n_classes)).astype(np.float64)
    return columns


# The types of the values of a record.
_TYPES: dict[str, Any] = {
    "name": str,
    "target_levels": tuple[str | None, ...],
    "weights": tuple[float, ...],
    "sums": tuple[tuple[float, ...], ...],
    "squares": tuple[float, ...],
    "labels": tuple[str, ...],
    "smoothing": float | None,
}


@dataclass(frozen=True)
class TargetStatisticsEncoder:
    """Encoder (m_l − m) / s of level l, with m_l = (Σ w t + a m) / (Σ w + a) over its rows.

    m is the mean of the target t over all training rows and s its standard deviation. The weight a
    of the mean is the variance of t within levels divided by that between them, so that levels
    of few rows and columns that say little are drawn to the mean. A level that training did not
    see is encoded as 0. Missing cells are a level.

    A training row must be encoded without its own target, or a network learns to trust a column
    of noise: :meth:`write_cross_fitted` encodes each fold by the rows outside of it.

    Parameters
    ----------
    name : str
        The column.
    levels : tuple of (str or None)
        Those of training, None for missing cells.
    weights : tuple of float
        Σ w of each level.
    sums : tuple of tuple of float
        Σ w t of each level, for each of the K' columns of the target.
    squares : tuple of float
        Σ w t² over all rows, for each column of the target.
    labels : tuple of str
        The names of the columns of the target; one empty name if there is one.
    smoothing : float, optional
        a; estimated from the statistics unless given.

    References
    ----------
    Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes in
    classification and prediction problems".

    Examples
    --------
    >>> towns = TextColumn.from_cells(["Ulm", "Ulm", "Bonn", "Bonn"])
    >>> t = np.array([[1.0], [3.0], [5.0], [7.0]])
    >>> encoder = TargetStatisticsEncoder.fit("town", towns, t, smoothing=2.0)
    >>> encoder.means(TextColumn.from_cells(["Ulm", "Rome"]))[:, 0]
    array([3., 4.])
    """

    name: str
    levels: tuple[str | None, ...]
    weights: tuple[float, ...]
    sums: tuple[tuple[float, ...], ...]
    squares: tuple[float, ...]
    labels: tuple[str, ...] = ("",)
    smoothing: float | None = None

    @classmethod
    def fit(
        cls,
        name: str,
        cells: TextColumn,
        targets: NDArray[np.float64],
        weights: ArrayLike | None = None,
        labels: Sequence[str] = ("",),
        smoothing: float | None = None,
    ) -> Self:
        """Fit an encoder to training cells and targets of shape (N, K')."""
        w = np.ones(len(cells)) if weights is None else np.asarray(weights, dtype=np.float64)
        codes = np.where(cells.codes < 0, len(cells.texts), cells.codes)
        size = len(cells.texts) + 1
        rows = np.bincount(codes, minlength=size)
        totals = np.bincount(codes, w, size)
        sums = np.stack([np.bincount(codes, w * t, size) for t in targets.T], axis=1)
        order = sorted(np.flatnonzero(rows[:-1]).tolist(), key=lambda code: cells.texts[code])
        found: list[tuple[int, str | None]] = [(code, cells.texts[code]) for code in order]
        if rows[-1]:
            found.append((size - 1, None))
        return cls(
            name,
            tuple(level for _, level in found),
            tuple(float(totals[code]) for code, _ in found),
            tuple(tuple(sums[code].tolist()) for code, _ in found),
            tuple((w @ targets**2).tolist()),
            tuple(labels),
            smoothing,
        )

    def merge(self, other: TargetStatisticsEncoder) -> TargetStatisticsEncoder:
        """Return the encoder of the rows of both, which have the same columns of the target.

        Examples
        --------
        >>> cells, t = TextColumn.from_cells(["a", "b", "a"]), np.array([[1.0], [2.0], [4.0]])
        >>> parts = [TargetStatisticsEncoder.fit("x", cells[r], t[r]) for r in ([0], [1, 2])]
        >>> parts[0].merge(parts[1]) == TargetStatisticsEncoder.fit("x", cells, t)
        True
        """
        if (other.name, other.labels) != (self.name, self.labels):
            raise InputError(f"{other.name!r} {other.labels} is merged with {self.name!r}")
        found: dict[str | None, NDArray[np.float64]] = {}
        for part in (self, other):
            for level, w, sums in zip(part.levels, part.weights, part.sums, strict=True):
                found[level] = found.get(level, 0.0) + np.array([w, *sums])
        levels = sorted(level for level in found if level is not None)
        ordered: list[str | None] = [*levels, *([None] if None in found else [])]
        return replace(
            self,
            levels=tuple(ordered),
            weights=tuple(float(found[level][0]) for level in ordered),
            sums=tuple(tuple(found[level][1:].tolist()) for level in ordered),
            squares=tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
        )

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return m and s of each column of the target, and a."""
        w, sums = np.array(self.weights), np.array(self.sums)
        total = w.sum()
        mean = sums.sum(axis=0) / total
        variance = np.maximum(np.array(self.squares) / total - mean**2, 0.0)
        if self.smoothing is not None:
            return mean, np.sqrt(variance), self.smoothing
        # Analysis of variance: the mean square between levels exceeds that within them by the
        # variance of the levels times their mean number of rows.
        n_levels = len(w)
        between = (w[:, None] * (sums / np.maximum(w, 1e-300)[:, None] - mean) ** 2).sum()
        within = max(total * variance.sum() - between, 0.0)
        noise = within / max(total - n_levels, 1.0)
        rows_of_level = (total - (w**2).sum() / total) / max(n_levels - 1, 1)
        effect = (between / max(n_levels - 1, 1) - noise) / max(rows_of_level, 1e-300)
        # At most 100 rows: levels of a column that says little have a small part in it.
        smoothing = noise / effect if effect > noise / 100 else 100.0
        return mean, np.sqrt(variance), max(float(smoothing), 0.1)

    def means(self, cells: TextColumn) -> NDArray[np.float64]:
        """Return m_l for each cell, m for a level that training did not see; shape (N, K')."""
        mean, _, smoothing = self.moments()
        w, sums = np.array(self.weights)[:, None], np.array(self.sums)
        table = np.vstack([(sums + smoothing * mean) / (w + smoothing), mean])
        found: NDArray[np.float64] = table[self._codes(cells)]
        return found

    def _codes(self, cells: TextColumn) -> NDArray[np.int64]:
        index = {level: k for k, level in enumerate(self.levels)}
        groups = [index.get(text, -1) for text in cells.texts]
        return cells.lookup(np.array(groups, dtype=np.int64), np.int64(index.get(None, -1)))

    def features(self) -> list[str]:
        """The names of its features; none if training has one level, or one target."""
        if len(self.levels) < 2:
            return []
        return [f"{self.name}=mean of target{label and f' {label}'}" for label in self.labels]

    def write(self, cells: TextColumn, out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        mean, std, _ = self.moments()
        out[:] = (self.means(cells) - mean) / np.where(std > 0, std, 1.0)

    def write_cross_fitted(
        self,
        cells: TextColumn,
        targets: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        folds: Sequence[NDArray[np.int64]],
        out: NDArray[Any],
    ) -> None:
        """Encode the training cells, each fold by the rows outside of it.

        The smoothing, and s, are those of all rows. Rows in no fold are encoded as one more fold.
        """
        _, std, smoothing = self.moments()
        in_none = np.setdiff1d(np.arange(len(cells)), np.concatenate(folds))
        for fold in (*folds, in_none):
            others = np.ones(len(cells), dtype=np.bool_)
            others[fold] = False
            if not len(fold) or not others.any():
                continue
            w = None if weights is None else weights[others]
            part = self.fit(
                self.name, cells[others], targets[others], w, self.labels, smoothing=smoothing
            )
            mean, _, _ = part.moments()
            # From the mean of the same rows: a level that they lack must not show their mean, from
            # which that of the fold, which is to be predicted, follows.
            out[fold] = (part.means(cells[fold]) - mean) / np.where(std > 0, std, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {
            "name": self.name,
            "target_levels": list(self.levels),
            "weights": list(self.weights),
            "sums": [list(each) for each in self.sums],
            "squares": list(self.squares),
            "labels": list(self.labels),
            "smoothing": self.smoothing,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        check_keys(record, _TYPES)
        values = {name: entry(record, name, hint) for name, hint in _TYPES.items()}
        encoder = cls(levels=values.pop("target_levels"), **values)
        n_levels, n_columns = len(encoder.levels), len(encoder.labels)
        shapes = [(n_levels, n_columns), (n_columns,), (n_levels,)]
        if (
            any(len(each) != n_columns for each in encoder.sums)
            or [
                (len(encoder.sums), n_columns),
                (len(encoder.squares),),
                (len(encoder.weights),),
            ]
            != shapes
        ):
            raise InputError(f"column {encoder.name!r} has statistics that differ in length")
        if not n_columns or len(set(encoder.levels)) < n_levels:
            raise InputError(f"column {encoder.name!r} has a level twice, or no target")
        return encoder
