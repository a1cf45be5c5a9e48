"""Notes on values that stand far outside of all others, and may be codes for *missing*."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Message
from deltarule.tables.cells import date_label, number_label, parse_date
from deltarule.tables.implausible_values import in_order
from deltarule.tables.missing_notes import na_advice
from deltarule.tables.table import Cells, count_noun
from deltarule.tables.text_column import TextColumn

__all__ = ["find_sentinels", "sentinel_notes"]

# -999, 9999, 99.9 and -999.25, which well logs use.
_NINES = re.compile(r"-?(?:9{2,}(?:\.9+|\.25)?|9)")
_DATES = frozenset(
    parse_date(text)
    for text in """
    0001-01-01 1111-11-11 1601-01-01 1753-01-01 1800-01-01 1899-12-30 1899-12-31 1900-01-01
    1901-01-01 1970-01-01 2099-12-31 2100-01-01 2999-12-31 9999-01-01 9999-12-31
    """.split()  # noqa: SIM905  a list of quoted texts would be longer
)
_MOST_VALUES = 3
# Beside fewer other values, all are levels; a usual code is one beside fewer.
_LEAST_OTHERS = 10
_LEAST_OTHERS_OF_CODE = 4
_LEAST_CELLS = 3
# A gap at the end of values that is this many times as large as those near it is no tail.
_LOCAL_FACTOR = 5
_SPAN_FACTOR = 0.1


def find_sentinels(values: NDArray[np.float64], kind: str = "number") -> list[float]:
    """Values at an end that repeat, and are separated from all others by a wide gap.

    Any value is found if the gap is wider than the range of all others; a usual code
    (-999, 9999-12-31), and a negative integer beside others that are not negative, also where the
    gap is wider than what lies between its other side and the median. 0 never is: many columns
    are 0 in most rows.

    Parameters
    ----------
    values : ndarray of float64
        Finite.
    kind : {"number", "date"}

    Examples
    --------
    >>> find_sentinels(np.array([-200.0] * 3 + [2.5, 100, 180, 90, 120, 60, 1479]))
    []
    >>> find_sentinels(np.concatenate([[-200.0] * 3, np.arange(400.0)]))
    [-200.0]
    >>> find_sentinels(np.array([0.0] * 50 + [100.0, 101, 102, 103, 104, 105]))
    []
    """
    distinct, counts = _count_values(in_order(values))
    found: list[float] = []
    while True:
        ends = [
            _end(distinct, counts, kind),
            _end(-distinct[::-1], counts[::-1], kind, mirror=True),
        ]
        n_low, n_high = ends
        if not n_low and not n_high:
            return sorted(found)
        if n_low:
            found += distinct[:n_low].tolist()
            distinct, counts = distinct[n_low:], counts[n_low:]
        elif n_high:
            found += distinct[-n_high:].tolist()
            distinct, counts = distinct[:-n_high], counts[:-n_high]


def _count_values(
    ordered: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct values of an ordered array, and how often each occurs."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def _end(
    distinct: NDArray[np.float64], counts: NDArray[np.int64], kind: str, mirror: bool = False
) -> int:
    """How many of the smallest values are sentinels; with ``mirror`` the values are negated."""
    for n in range(1, _MOST_VALUES + 1):
        codes = (-distinct[:n] if mirror else distinct[:n]).tolist()
        others, weights = distinct[n:], counts[n:]
        usual = all(_is_code(code, kind) for code in codes)
        if 0.0 in codes or len(others) < (_LEAST_OTHERS_OF_CODE if usual else _LEAST_OTHERS):
            return 0
        gap = float(others[0] - distinct[n - 1])
        span = float(others[-1] - others[0])
        least = (1 if kind == "date" else 2) if usual else _LEAST_CELLS
        if counts[:n].min() < least:
            return 0
        if gap > span:
            return n
        not_negative = kind == "number" and not mirror and others[0] >= 0
        negative = not_negative and all(code < 0 and code.is_integer() for code in codes)
        if not (usual or negative):
            continue
        middle = int(np.searchsorted(np.cumsum(weights), weights.sum() / 2))
        local = float(np.diff(others[: middle + 1]).max(initial=0.0))
        near = float(others[middle] - others[0])
        if gap > near and gap >= _LOCAL_FACTOR * local and gap >= _SPAN_FACTOR * span:
            return n
    return 0


def _is_code(value: float, kind: str) -> bool:
    if kind == "date":
        return value in _DATES
    return _NINES.fullmatch(number_label(value)) is not None


def sentinel_notes(
    name: str,
    column: Cells,
    values: NDArray[np.float64],
    kind: str,
    ordered: NDArray[np.float64],
) -> list[str]:
    """Notes on a column's sentinels, which are not taken to mean missing.

    Parameters
    ----------
    name : str
        The column's.
    column : ndarray of float64 or TextColumn
        As it was read.
    values : ndarray of float64
        Its numbers or days, NaN where missing or out of scale.
    kind : {"number", "date"}
    ordered : ndarray of float64
        Those of ``values`` that are not NaN, in order.
    """
    found = find_sentinels(ordered, kind)
    if not found:
        return []
    label = date_label if kind == "date" else number_label
    others = ordered[~np.isin(ordered, found)]
    span = f"{label(others.min())} … {label(others.max())}"
    notes: list[str] = []
    for value in found:
        rows = np.flatnonzero(values == value)
        written = column[int(rows[0])] if isinstance(column, TextColumn) else label(value)
        notes.append(
            Message(
                f"{written!r} ({count_noun(len(rows), 'cell')}) lies far outside of all others "
                f"({span}); if it means missing, give ",
                na_advice(name, [written]),
            )
        )
    return notes
