"""Encoders of single columns: standardised numbers, and one-hot categories."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import DataError, InputError, Message, Parameter, short_repr
from deltarule.files.dataclass_fields import from_json_object
from deltarule.tables.notes import Note
from deltarule.tables.table import join_items
from deltarule.tables.text_column import TextColumn

__all__ = [
    "CategoryEncoder",
    "NumberColumnEncoder",
    "NumberEncoder",
    "known_cells",
    "mean_and_std",
    "normalise_weights",
    "standardise",
    "weighted_median",
]


def normalise_weights(weights: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    """Row weights as float64, the largest of them from 0.5 to 1.

    Only the proportions matter; a power of two scales them without rounding.

    Raises
    ------
    InputError
        If their number is wrong, one is not finite or negative, or all are zero.

    Examples
    --------
    >>> normalise_weights([1, 3], 2)
    array([0.25, 0.75])
    """
    if weights is None:
        return None
    try:
        w = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weights are no numbers ({error}); expected one per row") from None
    if w.shape != (n_rows,):
        raise InputError(f"weights have shape {w.shape}; expected ({n_rows},), one per row")
    if not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise InputError(
            f"weights range from {w.min()} to {w.max()}; expected finite numbers, none negative, "
            "at least one above zero"
        )
    return np.asarray(np.ldexp(w, -np.frexp(w.max())[1]))


def mean_and_std(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Mean and standard deviation (divisor n), safe from overflow; a std of 0 becomes 1.

    Two passes over values divided by the largest of them, so that neither ``1e300``
    overflows nor a large mean swallows a small deviation.

    Examples
    --------
    >>> mean_and_std(np.array([1.0, 2.0, 3.0, 4.0]))
    (2.5, 1.118033988749895)
    >>> mean_and_std(np.array([0.1, 0.1, 0.1]))
    (0.1, 1.0)
    """
    low, high = float(values.min()), float(values.max())
    if low == high:  # exactly; their computed mean may differ from them by a rounding error
        return low, 1.0
    scale = max(abs(low), abs(high))
    x = values / scale
    w = np.ones_like(x) if weights is None else weights
    total = w.sum()
    mean = (w * x).sum() / total
    std = np.sqrt((w * (x - mean) ** 2).sum() / total) * scale
    return float(mean * scale), float(std) if std > 0 else 1.0


def standardise(values: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    """(values - mean) / std, also where ``values - mean`` would overflow.

    Examples
    --------
    >>> standardise(np.array([1.5e308, 0.0]), -1e308, 1e308)
    array([2.5, 1. ])
    """
    with np.errstate(over="ignore"):
        found = (values - mean) / std
        beyond = ~np.isfinite(found)
        if beyond.any():
            found[beyond] = (values[beyond] / 4 - mean / 4) / (std / 4)
    return found


def weighted_median(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """The weighted median: a value of weight 2 counts as two values.

    Examples
    --------
    >>> weighted_median(np.array([3.0, 1.0, 2.0, 10.0]))
    2.5
    >>> weighted_median(np.array([3.0, 1.0]), np.array([2.0, 1.0]))
    3.0
    """
    if weights is None:
        weights = np.ones_like(values)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    half = reached[-1] / 2
    low = values[order[np.searchsorted(reached, half, side="left")]]
    high = values[order[min(np.searchsorted(reached, half, side="right"), len(order) - 1)]]
    # Half of the smallest subnormal number is 0, so the mean may lie outside the two values.
    return float(min(max(low / 2 + high / 2, low), high))


def known_cells(
    cells: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, bool]:
    """Return the known cells, their weights, and whether some cells are known and others missing.

    Examples
    --------
    >>> known_cells(np.array([1.0, np.nan]), None)
    (array([1.]), None, True)
    """
    known = ~np.isnan(cells)
    indicator = bool(known.any() and not known.all())
    return cells[known], None if weights is None else weights[known], indicator


class NumberColumnEncoder(ABC):
    """What all encoders of a number column share: the median and a mark where a cell is missing.

    A subclass is a frozen dataclass with these attributes, or properties.

    Attributes
    ----------
    name : str
        The column.
    median : float
        What stands in for a missing cell.
    varies : bool
        Whether the column had two different values in training; it has no feature of its values
        otherwise.
    indicator : bool
        Whether some cells were missing in training, and some were not.
    """

    name: str
    median: float
    varies: bool
    indicator: bool

    def _value_features(self) -> list[str]:
        """The names of the features that its values are encoded as."""
        return [self.name]

    @abstractmethod
    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode values, none of them missing, into the first columns of ``out``."""

    def features(self) -> list[str]:
        """The names of its features."""
        values = self._value_features() if self.varies else []
        return values + [f"{self.name}=(missing)"] * self.indicator

    def write(self, cells: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        missing = np.isnan(cells)
        if self.varies:
            known = np.where(missing, self.median, cells) if missing.any() else cells
            self._write_values(known, out)
        if self.indicator:
            out[:, -1] = missing

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return asdict(self)  # type: ignore[call-overload]  # of a dataclass

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        encoder = from_json_object(cls, record)
        encoder._check()
        return encoder

    @abstractmethod
    def _check(self) -> None:
        """Raise InputError if its values are none that training gives."""


@dataclass(frozen=True)
class NumberEncoder(NumberColumnEncoder):
    """Encoder (x - mean) / std of a number column.

    Parameters
    ----------
    name : str
        The column.
    mean, std : float
        Over the known training cells.
    median, varies, indicator
        As in :class:`NumberColumnEncoder`.
    """

    name: str
    mean: float
    std: float
    median: float
    varies: bool
    indicator: bool

    @classmethod
    def fit(
        cls, name: str, cells: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NumberEncoder:
        """Fit an encoder to the training cells of a column."""
        values, w, indicator = known_cells(cells, weights)
        if not len(values):
            return cls(name, 0.0, 1.0, 0.0, varies=False, indicator=False)
        mean, std = mean_and_std(values, w)
        varies = bool(values.min() < values.max())
        return cls(name, mean, std, weighted_median(values, w), varies, indicator)

    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        with np.errstate(over="ignore"):
            found = standardise(values, self.mean, self.std).astype(out.dtype, copy=False)
        out[:, 0] = found
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found))[0])
            raise DataError(
                f"column {self.name!r} holds {values[row]!r} in row {row + 1} of these rows, "
                f"which is too large for {out.dtype} after standardising (mean {self.mean:.6g},"
                f" std {self.std:.6g}); expected numbers like those of training; correct "
                "it, or leave it empty"
            )

    def _check(self) -> None:
        if not self.std > 0:
            raise InputError(f"column {self.name!r} has std {self.std}; expected one above 0")


@dataclass(frozen=True)
class CategoryEncoder:
    """Encoder of a category column.

    Parameters
    ----------
    name : str
        The column.
    levels : tuple of str
        Those with a feature of their own, in the order of their text.
    other : tuple of str
        The rare ones, which share a feature.
    missing : bool
        Whether cells were missing in training.
    other_rows : int
        The number of training rows with a level of ``other``.
    """

    name: str
    levels: tuple[str, ...]
    other: tuple[str, ...]
    missing: bool
    other_rows: int = 0

    @classmethod
    def fit(cls, name: str, cells: TextColumn, min_rows: int, max_levels: int) -> CategoryEncoder:
        """Fit an encoder to the training cells of a column."""
        missing = bool(cells.is_missing().any())
        return cls.from_counts(name, cells.counts(), missing, min_rows, max_levels)

    @classmethod
    def from_counts(
        cls, name: str, counts: Mapping[str, int], missing: bool, min_rows: int, max_levels: int
    ) -> CategoryEncoder:
        """The encoder of a column with so many training rows of each level."""
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        own = {level for level, count in ranked[:max_levels] if count >= min_rows}
        other = sorted(set(counts) - own)
        other_rows = sum(counts[level] for level in other)
        return cls(name, tuple(sorted(own)), tuple(other), missing, other_rows)

    @property
    def n_merged(self) -> int:
        """The number of levels that share a feature; 0 if it is one by itself."""
        return len(self.other) if len(self.other) > 1 else 0

    def merged_note(self) -> list[str]:
        """A note if several levels share a feature, or all do and give no feature."""
        if not self.n_merged:
            return []
        shared = "share one input" if self.features() else "give no input, since all are rare"
        rows = "1 training row" if self.other_rows == 1 else f"{self.other_rows:,} training rows"
        return [
            Message(
                f"column {self.name!r}: {self.n_merged:,} levels, which {rows} hold, {shared}: "
                f"{join_items(map(repr, self.other), 3)}; to keep more of them, lower ",
                Parameter("min_level_rows", keyword=True),
                " or raise ",
                Parameter("max_levels", keyword=True),
            )
        ]

    def _feature_labels(self) -> list[str]:
        # A level that looks like one of these group names is quoted, so that names stay unique.
        groups = [repr(level) if level.startswith("(") else level for level in self.levels]
        return groups + ["(other)"] * bool(self.other) + ["(missing)"] * self.missing

    def features(self) -> list[str]:
        """The names of its features; none if all training rows would have the same one."""
        groups = self._feature_labels()
        return [f"{self.name}={group}" for group in groups] if len(groups) > 1 else []

    def codes(self, cells: TextColumn) -> NDArray[np.int64]:
        """For each cell the number of its group (level, ``(other)`` or missing), -1 for none."""
        index = {level: i for i, level in enumerate(self.levels)}
        unseen = len(self.levels) if self.other else -1
        missing = len(self._feature_labels()) - 1 if self.missing else unseen
        groups = [index.get(text, unseen) for text in cells.texts]
        return cells.lookup(np.array(groups, dtype=np.int64), np.int64(missing))

    def write(self, cells: TextColumn, out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``, which holds zeros."""
        found = self.codes(cells)
        rows = np.flatnonzero(found >= 0)
        out[rows, found[rows]] = 1

    def unseen(self, cells: TextColumn) -> list[str]:
        """A note if cells hold levels that training did not see."""
        seen = {*self.levels, *self.other}
        counts = {text: n for text, n in cells.counts().items() if text not in seen}
        if not counts:
            return []
        total = sum(counts.values())
        levels = join_items(map(repr, sorted(counts)), 3)
        count = "1 cell holds a level" if total == 1 else f"{total} cells hold levels"
        said = f"column {self.name!r}: {count} that training did not see: {levels}"
        return [Note(("unseen level", self.name), said)]

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        record = asdict(self)
        return record | {"levels": list(self.levels), "other": list(self.other)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CategoryEncoder:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        encoder = from_json_object(cls, record)
        levels = (*encoder.levels, *encoder.other)
        if len(set(levels)) < len(levels) or encoder.other_rows < 0:
            raise InputError(f"column {short_repr(encoder.name)} has a level twice")
        return encoder
