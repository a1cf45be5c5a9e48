"""Intervals as an object that JSON can hold, and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.files.dataclass_fields import field_value
from deltarule.tabular.intervals import Intervals
from deltarule.tabular.portfolio.storage import portfolio_of, stored_portfolio

__all__ = ["intervals_of", "stored_intervals"]

_OF_SCALE = "scale."


def stored_intervals(intervals: Intervals) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what intervals need to predict: an object that JSON can hold, and arrays.

    The arrays ``"scores"`` and ``"weights"`` are those of :class:`Intervals`; the names of those of
    the portfolio for scales begin with ``"scale."``.
    """
    arrays = {"scores": intervals.scores, "weights": intervals.weights}
    scale = None
    if intervals.scale is not None:
        scale, of_scale = stored_portfolio(intervals.scale)
        arrays |= {f"{_OF_SCALE}{name}": values for name, values in of_scale.items()}
    record = {
        "scale": scale,
        "column": intervals.column,
        "exponent": intervals.exponent,
        "std": intervals.std,
    }
    return record, arrays


def intervals_of(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Intervals:
    """Return the intervals that :func:`stored_intervals` wrote down.

    Raises
    ------
    InputError, TypeError, ValueError, KeyError
        If they are none, or their parts do not fit each other.
    """
    own = {name: values for name, values in arrays.items() if not name.startswith(_OF_SCALE)}
    if own.keys() != {"scores", "weights"}:
        raise ValueError("the arrays of its intervals are not scores and weights")
    scores, weights = own["scores"], own["weights"]
    if any(each.dtype != np.float64 or each.ndim != 1 for each in (scores, weights)):
        raise ValueError("the scores and weights of its intervals are no columns of float64")
    if not len(scores) == len(weights) > 0:
        raise ValueError(f"its intervals have {len(scores)} scores and {len(weights)} weights")
    if not (np.isfinite(scores).all() and (np.diff(scores) >= 0).all()):
        raise ValueError("the scores of its intervals are not finite numbers in ascending order")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("the weights of its intervals are not finite numbers above 0")
    numbers = {name: field_value(name, float, record[name]) for name in ("exponent", "std")}
    for name, number in numbers.items():
        if number < 0:
            raise ValueError(
                f"{name} of its intervals is {number}; expected a number of at least 0"
            )
    scale = None
    if record["scale"] is not None:
        n_prefix = len(_OF_SCALE)
        of_scale = {name[n_prefix:]: each for name, each in arrays.items() if name not in own}
        scale = portfolio_of(record["scale"], of_scale)
        if scale.target.n_classes:
            raise ValueError("the networks for the scale of its intervals predict classes")
    elif len(own) < len(arrays):
        raise ValueError("its arrays are not those of its intervals")
    column = field_value("column", str, record["column"])
    return Intervals(scale, column, scores=scores, weights=weights, **numbers)
