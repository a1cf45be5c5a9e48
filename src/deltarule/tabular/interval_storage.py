"""Intervals as an object that JSON can hold, and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tabular.intervals import Intervals
from deltarule.tabular.portfolio.storage import (
    check_portfolio_arrays,
    portfolio_of,
    stored_portfolio,
)

__all__ = ["check_interval_arrays", "intervals_of", "stored_intervals"]

_OF_SCALE = "scale."
# One score for each training row; more rows than these are not read, since nothing in the documents
# tells how many there are.
_MOST_SCORES = 1 << 25


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


def check_interval_arrays(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Refuse arrays, of which types and shapes are enough, that are not those of the intervals.

    Raises
    ------
    InputError
    """
    check_keys(record, {"scale", "column", "exponent", "std"})
    own, of_scale = _split(arrays)
    if own.keys() != {"scores", "weights"}:
        raise InputError("the arrays of its intervals are not scores and weights")
    scores, weights = own["scores"], own["weights"]
    if any(each.dtype != np.float64 or len(each.shape) != 1 for each in (scores, weights)):
        raise InputError("the scores and weights of its intervals are no columns of float64")
    n_scores, n_weights = scores.shape[0], weights.shape[0]
    if not 0 < n_scores == n_weights <= _MOST_SCORES:
        raise InputError(f"its intervals have {n_scores} scores and {n_weights} weights")
    scale = entry(record, "scale", Mapping[str, Any] | None)
    if scale is not None:
        check_portfolio_arrays(scale, of_scale)
    elif of_scale:
        raise InputError("its arrays are not those of its intervals")


def _split(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the intervals' own arrays, and those of their scale without the prefix."""
    more = {name for name in arrays if name.startswith(_OF_SCALE)}
    own = {name: each for name, each in arrays.items() if name not in more}
    return own, {name.removeprefix(_OF_SCALE): arrays[name] for name in more}


def intervals_of(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Intervals:
    """Return the intervals that :func:`stored_intervals` wrote down.

    Raises
    ------
    InputError
        If they are none, or their parts do not fit each other.
    """
    check_interval_arrays(record, arrays)
    own, of_scale = _split(arrays)
    scores, weights = own["scores"], own["weights"]
    if not (np.isfinite(scores).all() and (scores[1:] >= scores[:-1]).all()):
        raise InputError("the scores of its intervals are not finite numbers in ascending order")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise InputError("the weights of its intervals are not finite numbers above 0")
    numbers = {name: entry(record, name, float) for name in ("exponent", "std")}
    for name, number in numbers.items():
        if number < 0:
            raise InputError(
                f"{name} of its intervals is {number}; expected a number of at least 0"
            )
    scale = None
    if record["scale"] is not None:
        scale = portfolio_of(record["scale"], of_scale)
        if scale.target.n_classes:
            raise InputError("the networks for the scale of its intervals predict classes")
    column = entry(record, "column", str)
    return Intervals(scale, column, scores=scores, weights=weights, **numbers)
