"""Encoders of number columns: robust, quantile-normal, piecewise-linear and periodic ones.

Each is fitted to the known training cells and stored as a few numbers; NumPy alone applies it.
A missing cell is encoded as the median, and marked by a feature ``name=(missing)`` if cells were
missing in training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import entry
from deltarule.tables.column_encoders import (
    NumberColumnEncoder,
    NumberEncoder,
    known_cells,
    standardise,
)

__all__ = [
    "FREQUENCIES",
    "NUMBER_ENCODERS",
    "PeriodicEncoder",
    "PiecewiseLinearEncoder",
    "QuantileNormalEncoder",
    "RobustEncoder",
    "weighted_quantiles",
]

# The largest number of points that a quantile-normal transform is stored as.
_MOST_KNOTS = 500
# The frequencies of a periodic encoding: of K of them, the k-th is that of the share (k − ½)/K.
FREQUENCIES = [0.2 * NormalDist().inv_cdf(0.5 + (k - 0.5) / 16) for k in range(1, 9)]


def weighted_quantiles(
    values: NDArray[np.float64], shares: ArrayLike, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the quantiles of ``values`` at ``shares`` between 0 and 1, with row weights.

    The i-th smallest value stands at the share (w_1 + … + w_{i−1} + w_i/2 − w_1/2) of the way from
    the first to the last; between them quantiles are interpolated. With equal weights these are
    the quantiles of :func:`numpy.quantile`.

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), [0.0, 0.25, 1.0])
    array([1. , 1.5, 3. ])
    """
    order = np.argsort(values, kind="stable")
    w = np.ones(len(values)) if weights is None else weights[order]
    middles = np.cumsum(w) - w / 2
    span = middles[-1] - middles[0]
    at = (middles - middles[0]) / span if span > 0 else np.zeros(len(values))
    return np.interp(np.asarray(shares, dtype=np.float64), at, values[order])


@dataclass(frozen=True)
class RobustEncoder(NumberColumnEncoder):
    """Encoder z / √(1 + (z/3)²) with z = (x − median) / scale: outliers approach ±3.

    Parameters
    ----------
    name : str
        The column.
    median : float
        Of the known training cells.
    scale : float
        Their interquartile range; half of their range where that is 0.
    varies : bool
        Whether the column had two different values in training.
    indicator : bool
        Whether some cells were missing in training, and some were not.

    Examples
    --------
    >>> encoder = RobustEncoder.fit("x", np.array([1.0, 2.0, 3.0, 4.0, 1e6]), None)
    >>> out = np.zeros((3, 1))
    >>> encoder.write(np.array([3.0, 5.0, 1e6]), out)
    >>> out[:, 0].round(3)
    array([0.   , 0.949, 3.   ])
    """

    name: str
    median: float
    scale: float
    varies: bool
    indicator: bool

    @classmethod
    def fit(
        cls, name: str, cells: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        values, w, indicator = known_cells(cells, weights)
        if not len(values):
            return cls(name, 0.0, 1.0, varies=False, indicator=False)
        low, median, high = (float(q) for q in weighted_quantiles(values, [0.25, 0.5, 0.75], w))
        # Halved first, so that the range of numbers near 1e308 is finite.
        half_range = float(values.max() / 2 - values.min() / 2)
        scale = high - low if 0 < high - low < np.inf else half_range
        varies = bool(half_range > 0)
        return cls(name, median, scale if varies else 1.0, varies, indicator)

    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        # Beyond 1e100 the result is ±3 in every digit, and the square would overflow.
        z = np.clip(standardise(values, self.median, self.scale), -1e100, 1e100)
        out[:, 0] = z / np.sqrt(1 + (z / 3) ** 2)

    def _check(self) -> None:
        if not self.scale > 0:
            raise InputError(f"column {self.name!r} has scale {self.scale}; expected above 0")


@dataclass(frozen=True)
class QuantileNormalEncoder(NumberColumnEncoder):
    """Encoder Φ⁻¹(F(x)), with F the distribution of the training cells and Φ the normal one.

    F is stored at up to 500 knots, between which Φ⁻¹(F) is interpolated; cells beyond the first
    and the last are encoded as these. Equal cells stand in the middle of their step of F.

    Parameters
    ----------
    name : str
        The column.
    median : float
        Of the known training cells.
    knots, scores : tuple of float
        Increasing cells x, and Φ⁻¹(F(x)).
    indicator : bool
        Whether some cells were missing in training, and some were not.

    Examples
    --------
    >>> encoder = QuantileNormalEncoder.fit("x", np.array([1.0, 10.0, 1e6]), None)
    >>> out = np.zeros((3, 1))
    >>> encoder.write(np.array([0.0, 10.0, 1e6]), out)
    >>> out[:, 0].round(3)
    array([-0.967,  0.   ,  0.967])
    """

    name: str
    median: float
    knots: tuple[float, ...]
    scores: tuple[float, ...]
    indicator: bool

    @property
    def varies(self) -> bool:  # type: ignore[override]  # derived here, a field elsewhere
        """Whether the column had two different values in training."""
        return bool(self.knots)

    @classmethod
    def fit(
        cls, name: str, cells: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        values, known_weights, indicator = known_cells(cells, weights)
        if not len(values):
            return cls(name, 0.0, (), (), indicator=False)
        w = np.ones(len(values)) if known_weights is None else known_weights
        median = float(weighted_quantiles(values, 0.5, w))
        distinct, index = np.unique(values, return_inverse=True)
        if len(distinct) == 1:
            return cls(name, median, (), (), indicator)
        steps = np.bincount(index, weights=w)
        shares = (np.cumsum(steps) - steps / 2) / steps.sum()
        chosen = np.arange(len(distinct))
        if len(distinct) > _MOST_KNOTS:
            chosen = np.unique(
                np.searchsorted(shares, np.linspace(shares[0], shares[-1], _MOST_KNOTS))
            )
        scores = [NormalDist().inv_cdf(share) for share in shares[chosen].tolist()]
        return cls(name, median, tuple(distinct[chosen].tolist()), tuple(scores), indicator)

    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        out[:, 0] = np.interp(values, self.knots, self.scores)

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return super().to_dict() | {"knots": list(self.knots), "scores": list(self.scores)}

    def _check(self) -> None:
        knots = np.array(self.knots)
        if len(knots) != len(self.scores) or len(knots) == 1 or (knots[1:] <= knots[:-1]).any():
            raise InputError(f"column {self.name!r} has knots that do not increase")


class _ExtendedEncoder(NumberColumnEncoder):
    """An encoder whose first feature is another encoder's, with the same median and mark."""

    @property
    @abstractmethod
    def _first(self) -> NumberColumnEncoder:
        """The encoder of the first feature."""

    @property
    def name(self) -> str:  # type: ignore[override]  # derived here, a field elsewhere
        """The column."""
        return self._first.name

    @property
    def median(self) -> float:  # type: ignore[override]
        """What stands in for a missing cell."""
        return self._first.median

    @property
    def varies(self) -> bool:  # type: ignore[override]
        """Whether the column had two different values in training."""
        return self._first.varies

    @property
    def indicator(self) -> bool:  # type: ignore[override]
        """Whether some cells were missing in training, and some were not."""
        return self._first.indicator


@dataclass(frozen=True)
class PiecewiseLinearEncoder(_ExtendedEncoder):
    """Encoder clip((x − e)/(f − e), 0, 1) − ½ for each bin [e, f] of the quantiles.

    For the quantiles, a value that more than a bin's part of the rows have counts as that part. The
    robust encoding of the column stands before these features. A linear function of all of
    them is a piecewise linear function of x that bends at the quantiles, where the training cells
    are.

    Parameters
    ----------
    robust : RobustEncoder
        Of the same column.
    edges : tuple of float
        The increasing edges of the bins; none where the column has fewer than three of them.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning".

    Examples
    --------
    >>> encoder = PiecewiseLinearEncoder.fit("x", np.arange(5.0), None, bins=2)
    >>> encoder.features()
    ['x', 'x=0…2', 'x=2…4']
    >>> out = np.zeros((2, 3))
    >>> encoder.write(np.array([1.0, 3.0]), out)
    >>> out[:, 1:]
    array([[ 0. , -0.5],
           [ 0.5,  0. ]])
    """

    robust: RobustEncoder
    edges: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        name: str,
        cells: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        bins: int = 16,
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        robust = RobustEncoder.fit(name, cells, weights)
        edges: tuple[float, ...] = ()
        if robust.varies:
            values, w, _ = known_cells(cells, weights)
            found, index = np.unique(values, return_inverse=True)
            if len(found) > bins + 1:
                # A value of many rows, such as 0, counts as one bin's rows: the others need bins.
                rows = np.bincount(index, weights=w)
                rows = np.minimum(rows, rows.sum() / bins)
                found = np.unique(weighted_quantiles(found, np.linspace(0, 1, bins + 1), rows))
            # Two edges would give the column itself again.
            edges = tuple(found.tolist()) if len(found) > 2 else ()
        return cls(robust, edges)

    @property
    def _first(self) -> RobustEncoder:
        return self.robust

    def _value_features(self) -> list[str]:
        # All digits, so that no two bins have the same name.
        edges = [repr(edge).removesuffix(".0") for edge in self.edges]
        return [self.name, *(f"{self.name}={low}…{high}" for low, high in pairwise(edges))]

    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        self.robust._write_values(values, out)
        for k, (low, high) in enumerate(pairwise(self.edges), start=1):
            # Halved where the width of the bin would overflow.
            unit = 1.0 if high - low < np.inf else 2.0
            width = high / unit - low / unit
            out[:, k] = (np.clip(values, low, high) / unit - low / unit) / width - 0.5

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {"edges": list(self.edges), **self.robust.to_dict()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        values = {name: value for name, value in record.items() if name != "edges"}
        edges = entry(record, "edges", tuple[float, ...])
        encoder = cls(RobustEncoder.from_dict(values), edges)
        encoder._check()
        return encoder

    def _check(self) -> None:
        self.robust._check()
        edges = np.array(self.edges)
        if len(edges) in (1, 2) or (edges[1:] <= edges[:-1]).any():
            raise InputError(f"column {self.name!r} has edges that do not increase")


@dataclass(frozen=True)
class PeriodicEncoder(_ExtendedEncoder):
    """Encoder z, sin(2π f_k z), cos(2π f_k z), with z the quantile-normal encoding.

    The frequencies f_k = 0.2 Φ⁻¹(½ + (k − ½)/(2K)), k = 1 … K = 8, are the middles of K equally
    probable parts of |f|, f normal with deviation 0.2. A linear function of all features is a
    smooth function of x, which changes fastest where the training cells are.

    Parameters
    ----------
    normal : QuantileNormalEncoder
        Of the same column.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning"; there frequencies are drawn at random, and trained.

    Examples
    --------
    >>> encoder = PeriodicEncoder.fit("x", np.array([1.0, 10.0, 1e6]), None)
    >>> encoder.features()[:4]
    ['x', 'x=sin 1', 'x=cos 1', 'x=sin 2']
    >>> out = np.zeros((2, 17))
    >>> encoder.write(np.array([10.0, 1e6]), out)
    >>> out[:, :3].round(3)
    array([[0.   , 0.   , 1.   ],
           [0.967, 0.095, 0.995]])
    """

    normal: QuantileNormalEncoder

    @classmethod
    def fit(
        cls, name: str, cells: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        return cls(QuantileNormalEncoder.fit(name, cells, weights))

    @property
    def _first(self) -> QuantileNormalEncoder:
        return self.normal

    def _value_features(self) -> list[str]:
        numbered = range(1, len(FREQUENCIES) + 1)
        waves = [f"{self.name}={wave} {k}" for k in numbered for wave in ("sin", "cos")]
        return [self.name, *waves]

    def _write_values(self, values: NDArray[np.float64], out: NDArray[Any]) -> None:
        z = np.zeros((len(values), 1))
        self.normal._write_values(values, z)
        out[:, :1] = z
        for k, frequency in enumerate(FREQUENCIES):
            out[:, 1 + 2 * k] = np.sin(2 * np.pi * frequency * z[:, 0])
            out[:, 2 + 2 * k] = np.cos(2 * np.pi * frequency * z[:, 0])

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return self.normal.to_dict()

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote down.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        return cls(QuantileNormalEncoder.from_dict(record))

    def _check(self) -> None:
        self.normal._check()


NUMBER_ENCODERS: dict[str, Any] = {
    "standard": NumberEncoder,
    "robust": RobustEncoder,
    "quantile_normal": QuantileNormalEncoder,
    "piecewise_linear": PiecewiseLinearEncoder,
    "periodic": PeriodicEncoder,
}
"""The encoders of number columns by name."""
