"""Cells far outside a number column's range: typing errors and sentinels, not outliers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Message, Parameter
from deltarule.tables.column_values import describe_cells, read_cells
from deltarule.tables.notes import Note
from deltarule.tables.schema import Column
from deltarule.tables.table import Table

__all__ = [
    "PlausibleRange",
    "far_notes",
    "in_order",
    "outside_range",
    "plausible_range",
    "range_notes",
    "target_range_note",
    "targets_outside_range",
    "weight_notes",
]

# Standardised together with one cell in a few hundred that deviates so many times as far as the
# typical one, all others would come near to what a float32 rounds away.
_FAR_FACTOR = 1e6
# Even a heavy tail has no gap of this factor between neighbouring values.
_GAP_FACTOR = 1e3
# The same limit as for unreadable cells: a larger share is not an accident.
_MAX_FRACTION = 0.05


class PlausibleRange(NamedTuple):
    """What of a column is in scale.

    Attributes
    ----------
    low, high : float or None
        Cells below and above count as missing. None if nothing does.
    far : float or None
        The smallest deviation from the median, halved, of cells behind a gap that are too near,
        or too many, to be counted as missing. None if there are none.
    median : float
    """

    low: float | None
    high: float | None
    far: float | None
    median: float

    def is_far(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The mask of values beyond the gap."""
        if self.far is None:
            return np.zeros(len(values), dtype=np.bool_)
        return np.abs(values / 2 - self.median / 2) >= self.far


def outside_range(
    values: NDArray[np.float64], low: float | None, high: float | None
) -> NDArray[np.bool_]:
    """The mask of values below or above a column's plausible range; False where missing.

    Examples
    --------
    >>> outside_range(np.array([1.0, np.nan, 1e300]), None, 5.0)
    array([False, False,  True])
    """
    return (values < (-np.inf if low is None else low)) | (
        values > (np.inf if high is None else high)
    )


def in_order(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values in ascending order, without a copy if they are so already.

    Examples
    --------
    >>> in_order(np.array([2.0, 1.0]))
    array([1., 2.])
    """
    return values if bool((values[:-1] <= values[1:]).all()) else np.sort(values)


def plausible_range(values: NDArray[np.float64]) -> PlausibleRange:
    """Estimate the plausible range of a column from its known cells, robustly.

    With d the deviations from the median m that are not 0, and s their (lower) median, a cell is
    out of scale if d > 10⁶·s and there is a gap of a factor of 10³ below it. At most one cell,
    or 5 % of them, may be; a heavy tail has no gap. Later cells may lie 10³ times as far from m
    as those in scale, and 10⁶·s in any case. Where no cell is out of scale there is no limit.

    Parameters
    ----------
    values : ndarray of float64
        Finite numbers.

    Examples
    --------
    >>> scale = plausible_range(np.array([1.0, 2.0, 3.0, 4.0, 1e300]))
    >>> scale.low, scale.high
    (-999997.0, 1000003.0)
    >>> plausible_range(np.array([1.0, 2.0, 3.0, 4.0])).high is None
    True
    """
    nothing = PlausibleRange(None, None, None, 0.0)
    if len(values) < 3:
        return nothing
    ordered = in_order(values)
    median = float(ordered[(len(values) - 1) // 2])
    # Halved, so that 1e308 less -1e308 is a number.
    deviations = ordered / 2
    deviations -= median / 2
    np.abs(deviations, out=deviations)
    deviations.sort(kind="stable")  # of two parts in order, in one pass
    deviations = deviations[np.searchsorted(deviations, 0.0, "right") :]
    if len(deviations) < 2:
        return nothing
    spread = float(deviations[(len(deviations) - 1) // 2])
    half = (len(deviations) - 1) // 2
    gaps = half + np.flatnonzero(deviations[half + 1 :] / _GAP_FACTOR > deviations[half:-1])
    if not gaps.size:
        return nothing
    first = float(deviations[gaps[0] + 1])
    few = len(deviations) - 1 - gaps[0] <= max(1, _MAX_FRACTION * len(values))
    if not few or first / _FAR_FACTOR <= spread:
        return PlausibleRange(None, None, first, median)
    # Halved deviations again; the limit lies between the two sides of the gap.
    reach = 2 * min(
        max(_FAR_FACTOR * spread, _GAP_FACTOR * float(deviations[gaps[0]])), first * (1 - 1e-9)
    )
    # Python's floats grow to infinity without a warning; there, nothing is out of scale.
    low, high = median - reach, median + reach
    finite = np.isfinite([low, high])
    return PlausibleRange(low if finite[0] else None, high if finite[1] else None, None, median)


def range_notes(
    table: Table, name: str, values: NDArray[np.float64], scale: PlausibleRange
) -> list[str]:
    """Notes on the cells of a column that are outside its plausible range."""
    gone = outside_range(values, scale.low, scale.high)
    if not gone.any():
        return []
    count, _, them = _count_and_pronouns(gone)
    note = (
        f"{count} out of the column's scale{_limits_text(scale.low, scale.high)} and counted "
        f"as missing: {describe_cells(table, name, gone)}; correct {them}"
    )
    return [note]


def far_notes(
    table: Table, name: str, values: NDArray[np.float64], scale: PlausibleRange
) -> list[str]:
    """Notes on the cells of a column that are far from its plausible range, and are kept."""
    far = scale.is_far(values)
    if not far.any():
        return []
    count, they, them = _count_and_pronouns(far)
    note = Message(
        f"{count} more than {_GAP_FACTOR:.0f} times as far from the median as all others, "
        f"so that {they} the scale: {describe_cells(table, name, far)}; correct {them}, "
        "or say with ",
        Parameter("na", keyword=True),
        " what means missing",
    )
    return [note]


def targets_outside_range(table: Table, column: Column) -> NDArray[np.bool_]:
    """Which rows have a target that is out of its scale; none where it is a class."""
    if column.low is None and column.high is None:
        return np.zeros(len(table), dtype=np.bool_)
    return outside_range(read_cells(table, column.name, column.kind)[0], column.low, column.high)


def target_range_note(table: Table, column: Column, gone: NDArray[np.bool_]) -> str:
    """What a reader should know of rows without a usable target."""
    rows = "1 row is" if gone.sum() == 1 else f"{gone.sum()} rows are"
    return Note(
        ("target out of scale", column.name),
        f"{rows} left out because the target {column.name!r} is out of scale"
        f"{_limits_text(column.low, column.high)}: {describe_cells(table, column.name, gone)}; "
        f"correct {_count_and_pronouns(gone)[2]}",
    )


def weight_notes(table: Table, name: str, weights: NDArray[np.float64]) -> list[str]:
    """What a reader should know of row weights beside which all others are nothing."""
    scale = plausible_range(weights)
    far = outside_range(weights, scale.low, scale.high) | scale.is_far(weights)
    if not far.any():
        return []
    count, _, them = _count_and_pronouns(far)
    note = (
        f"weights {name!r}: {count} more than {_GAP_FACTOR:.0f} times as far from the median as "
        f"all others, which hardly count beside: {describe_cells(table, name, far)}; correct "
        f"{them} if that is not meant"
    )
    return [note]


def _count_and_pronouns(where: NDArray[np.bool_]) -> tuple[str, str, str]:
    if where.sum() == 1:
        return "1 cell is", "it sets", "it"
    return f"{where.sum()} cells are", "they set", "them"


def _limits_text(low: float | None, high: float | None) -> str:
    shown = [f"{limit:.3g}" for limit in (low, high) if limit is not None]
    if len(shown) == 2:
        return f" ({shown[0]} to {shown[1]})"
    return f" ({'below' if high is None else 'above'} {shown[0]})"
