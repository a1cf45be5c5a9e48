"""Encoders of number columns beside standardising: robust, quantile-normal, piecewise-linear.

Each is fitted to the known training cells and stored as a few numbers; NumPy alone applies it.
A missing cell is encoded as the median, and marked by a feature ``name=(missing)`` if cells were
missing in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.files.dataclass_fields import from_json_object
from deltarule.tables.column_encoders import NumberEncoder, standardise

__all__ = [
    "NUMBER_ENCODERS",
    "PiecewiseLinearEncoder",
    "QuantileNormalEncoder",
    "RobustEncoder",
    "weighted_quantiles",
]

# The largest number of points that a quantile-normal transform is stored as.
_MOST_KNOTS = 500


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
class RobustEncoder:
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

    encoding: ClassVar[str] = "robust"

    name: str
    median: float
    scale: float
    varies: bool
    indicator: bool

    @classmethod
    def fit(
        cls,
        name: str,
        cells: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        known = ~np.isnan(cells)
        if not known.any():
            return cls(name, 0.0, 1.0, varies=False, indicator=False)
        values = cells[known]
        w = None if weights is None else weights[known]
        low, median, high = (float(q) for q in weighted_quantiles(values, [0.25, 0.5, 0.75], w))
        # Halved first, so that the range of numbers near 1e308 is finite.
        half_range = float(values.max() / 2 - values.min() / 2)
        scale = high - low if 0 < high - low < np.inf else half_range
        varies = bool(half_range > 0)
        return cls(name, median, scale if varies else 1.0, varies, indicator=not known.all())

    def features(self) -> list[str]:
        """Return the names of its features."""
        return [self.name] * self.varies + [f"{self.name}=(missing)"] * self.indicator

    def write(self, cells: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        missing = np.isnan(cells)
        if self.varies:
            out[:, 0] = self._bounded(np.where(missing, self.median, cells))
        if self.indicator:
            out[:, -1] = missing

    def _bounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Beyond 1e100 the result is ±3 in every digit, and the square would overflow.
        z = np.clip(standardise(values, self.median, self.scale), -1e100, 1e100)
        bounded: NDArray[np.float64] = z / np.sqrt(1 + (z / 3) ** 2)
        return bounded

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as a dictionary that JSON can hold."""
        return {"encoding": self.encoding, **asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the encoder that :meth:`to_dict` wrote down.

        Raises
        ------
        TypeError, ValueError
            If its values are none that training gives.
        """
        values = {name: value for name, value in record.items() if name != "encoding"}
        encoder = from_json_object(cls, values)
        if not encoder.scale > 0:
            raise ValueError(f"column {encoder.name!r} has scale {encoder.scale}; expected above 0")
        return encoder


@dataclass(frozen=True)
class QuantileNormalEncoder:
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

    encoding: ClassVar[str] = "quantile_normal"

    name: str
    median: float
    knots: tuple[float, ...]
    scores: tuple[float, ...]
    indicator: bool

    @classmethod
    def fit(
        cls,
        name: str,
        cells: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
    ) -> Self:
        """Fit an encoder to the training cells of a column."""
        known = ~np.isnan(cells)
        if not known.any():
            return cls(name, 0.0, (), (), indicator=False)
        values = cells[known]
        w = np.ones(len(values)) if weights is None else weights[known]
        distinct, index = np.unique(values, return_inverse=True)
        steps = np.bincount(index, weights=w)
        shares = (np.cumsum(steps) - steps / 2) / steps.sum()
        chosen = np.arange(len(distinct))
        if len(distinct) > _MOST_KNOTS:
            chosen = np.unique(
                np.searchsorted(shares, np.linspace(shares[0], shares[-1], _MOST_KNOTS))
            )
        median = float(weighted_quantiles(values, 0.5, w))
        knots = distinct[chosen].tolist()
        scores = [NormalDist().inv_cdf(share) for share in shares[chosen].tolist()]
        if len(distinct) == 1:
            knots, scores = [], []
        return cls(name, median, tuple(knots), tuple(scores), indicator=not known.all())

    def features(self) -> list[str]:
        """Return the names of its features."""
        return [self.name] * bool(self.knots) + [f"{self.name}=(missing)"] * self.indicator

    def write(self, cells: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        missing = np.isnan(cells)
        if self.knots:
            out[:, 0] = np.interp(np.where(missing, self.median, cells), self.knots, self.scores)
        if self.indicator:
            out[:, -1] = missing

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as a dictionary that JSON can hold."""
        record = {"encoding": self.encoding, **asdict(self)}
        return record | {"knots": list(self.knots), "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the encoder that :meth:`to_dict` wrote down.

        Raises
        ------
        TypeError, ValueError
            If its values are none that training gives.
        """
        values = {name: value for name, value in record.items() if name != "encoding"}
        encoder = from_json_object(cls, values)
        if len(encoder.knots) != len(encoder.scores) or np.any(np.diff(encoder.knots) <= 0):
            raise ValueError(f"column {encoder.name!r} has knots that do not increase")
        return encoder


@dataclass(frozen=True)
class PiecewiseLinearEncoder:
    """Encoder clip((x − e)/(f − e), 0, 1) − ½ for each bin [e, f] of the quantiles.

    The robust encoding of the column stands before these features. A linear function of all of
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

    encoding: ClassVar[str] = "piecewise_linear"

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
            known = ~np.isnan(cells)
            w = None if weights is None else weights[known]
            found = np.unique(cells[known])
            if len(found) > bins + 1:
                shares = np.linspace(0, 1, bins + 1)
                found = np.unique(weighted_quantiles(cells[known], shares, w))
            # Two edges would give the column itself again.
            edges = tuple(found.tolist()) if len(found) > 2 else ()
        return cls(robust, edges)

    @property
    def name(self) -> str:
        """The column."""
        return self.robust.name

    def features(self) -> list[str]:
        """Return the names of its features."""
        first, *rest = self.robust.features() or [""]
        # All digits, so that no two bins have the same name.
        edges = [repr(edge).removesuffix(".0") for edge in self.edges]
        names = [f"{self.name}={low}…{high}" for low, high in pairwise(edges)]
        return [first, *names, *rest] if self.edges else self.robust.features()

    def write(self, cells: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        robust = np.zeros((len(cells), len(self.robust.features())), dtype=out.dtype)
        self.robust.write(cells, robust)
        if not self.edges:
            out[:] = robust
            return
        values = np.where(np.isnan(cells), self.robust.median, cells)
        n_bins = len(self.edges) - 1
        out[:, 0] = robust[:, 0]
        for k in range(n_bins):
            low, high = self.edges[k], self.edges[k + 1]
            # Halved where the width of the bin would overflow.
            unit = 1.0 if high - low < np.inf else 2.0
            width = high / unit - low / unit
            share = (np.clip(values, low, high) / unit - low / unit) / width
            out[:, 1 + k] = share - 0.5
        if self.robust.indicator:
            out[:, -1] = robust[:, -1]

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as a dictionary that JSON can hold."""
        return {"encoding": self.encoding, "edges": list(self.edges), **asdict(self.robust)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the encoder that :meth:`to_dict` wrote down.

        Raises
        ------
        TypeError, ValueError
            If its values are none that training gives.
        """
        values = {name: value for name, value in record.items() if name != "edges"}
        edges = tuple(float(edge) for edge in record["edges"])
        if len(edges) in (1, 2) or np.any(np.diff(edges) <= 0):
            raise ValueError(f"column {record['name']!r} has edges that do not increase: {edges}")
        return cls(RobustEncoder.from_dict(values), edges)


NUMBER_ENCODERS: dict[str, Any] = {
    "standard": NumberEncoder,
    **{
        each.encoding: each
        for each in (RobustEncoder, QuantileNormalEncoder, PiecewiseLinearEncoder)
    },
}
"""The encoders of number columns by name."""
