"""Notes on columns that identify rows, and on classes of few rows."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Message, Parameter
from deltarule.tables.table import count_noun, join_items

__all__ = ["few_rows_notes", "identifier_notes", "text_identifier_notes"]

# Fewer cells say nothing about whether values repeat.
_LEAST_CELLS = 21
_NUMBER_SHARE = 0.95
_TEXT_SHARE = 0.9
# Hexadecimal digests and UUIDs are no measurement even where each occurs a few times.
_CODE_SHARE = 0.3
_CODE = re.compile(
    r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?|[0-9a-f]{16,}",
    re.ASCII | re.IGNORECASE,
)
# "id", "row_nr", "Customer ID", "PassengerId", but not "paid".
_IDENTIFIER_NAME = re.compile(
    r"(?:^|.*[^a-z0-9])(?:id|uuid|guid|nr|no|key|index|idx|row|rowid)|.*(?:[a-z]I[dD]|[a-z]Nr|[a-z]No)"
    r"|.*\bnumber\b.*\bid\b"
)
# The repeats that independent measurements would have, from which their absence is no chance.
_LEAST_REPEATS = 10.0
_BINS = 10
# A class of up to this many rows is too small to be learned, or to be scored.
_FEW_ROWS = 5


def identifier_notes(
    name: str, n_rows: int, values: NDArray[np.float64], distinct: NDArray[np.float64]
) -> list[str]:
    """A note on a number column that numbers the rows rather than measures something.

    Integers that are different in (nearly) every row do so if their name says it, or if
    independent measurements of such a range would have repeated themselves: n of them among m
    integers have about n²/2m repeats. Numbers with fractions, and sparse integers such as prices,
    get no note.

    Parameters
    ----------
    name : str
    n_rows : int
        Unless its name says it, a column with missing cells is no identifier.
    values : ndarray of float64
        The known cells.
    distinct : ndarray of float64
        The different ones, sorted.

    Examples
    --------
    >>> numbers = np.arange(1.0, 31.0)
    >>> print(identifier_notes("n", 30, numbers[::-1], numbers)[0])
    every integer from 1 to 30 once: if it is a row number, it predicts nothing about new rows; \
leave it out with ignore='n'
    >>> numbers = np.arange(1.0, 31.0) ** 3
    >>> identifier_notes("price", 30, numbers, numbers)
    []
    """
    n = len(values)
    if n < _LEAST_CELLS or len(distinct) <= _NUMBER_SHARE * n:
        return []
    if not np.all(distinct == np.round(distinct)):
        return []
    advice = Message("; leave it out with ", Parameter("ignore", name))
    if len(distinct) == n and distinct[-1] - distinct[0] == n - 1:
        return [
            Message(
                f"every integer from {distinct[0]:.0f} to {distinct[-1]:.0f} once: if it is a "
                "row number, it predicts nothing about new rows",
                advice,
            )
        ]
    # Equal steps are a grid of settings or of times.
    steps = np.diff(distinct)
    named = _IDENTIFIER_NAME.fullmatch(name.strip()) or _IDENTIFIER_NAME.fullmatch(
        name.strip().lower()
    )
    if not named and (n < n_rows or np.ptp(steps) == 0 or not _repeats_lack(distinct, n)):
        return []
    count = f"{len(distinct):,} different integers in {n:,} cells"
    return [
        Message(
            f"{count}, from {distinct[0]:.0f} to {distinct[-1]:.0f}: if they identify the rows, "
            "they predict nothing about new rows",
            advice,
        )
    ]


def _repeats_lack(distinct: NDArray[np.float64], n: int) -> bool:
    """Whether n integers repeat themselves far less than independent ones would."""
    m = len(distinct)
    edges = np.linspace(0, m - 1, _BINS + 1).round().astype(np.int64)
    widths = np.diff(distinct[edges]) + 1
    counts = np.diff(edges) + 1
    expected = float(np.sum(counts * (counts - 1) / (2 * widths)))
    return expected >= _LEAST_REPEATS and n - m <= expected / 10


def text_identifier_notes(name: str, counts: Mapping[str, int]) -> list[str]:
    """A note on a category with a level of its own in nearly every row.

    Parameters
    ----------
    name : str
    counts : mapping of str to int
        The number of cells of each level.

    Examples
    --------
    >>> print(text_identifier_notes("who", {f"N. {i}": 1 for i in range(30)})[0])
    30 different values in 30 cells: it looks like a name or an identifier, which predicts nothing \
about new rows; leave it out with ignore='who'
    >>> text_identifier_notes("town", {"Bonn": 15, "Ulm": 15})
    []
    """
    n_cells = sum(counts.values())
    if n_cells < _LEAST_CELLS:
        return []
    share = len(counts) / n_cells
    is_code = share > _CODE_SHARE and all(map(_CODE.fullmatch, counts))
    if share <= _TEXT_SHARE and not is_code:
        return []
    return [
        Message(
            f"{count_noun(len(counts), 'different value')} in {n_cells} cells: it looks like a "
            "name or an identifier, which predicts nothing about new rows; leave it out with ",
            Parameter("ignore", name),
        )
    ]


def few_rows_notes(counts: Mapping[str, int], classes: tuple[str, ...]) -> list[str]:
    """A note on classes with a handful of rows.

    Examples
    --------
    >>> few_rows_notes({"a": 40, "b": 1, "c": 5}, ("a", "b", "c"))
    ["classes of at most 5 rows, too few to learn or to score: 'b' (1 row), 'c' (5 rows)"]
    """
    few = sorted(
        (label for label in classes if counts[label] <= _FEW_ROWS), key=lambda label: counts[label]
    )
    if len(few) == len(classes):  # the table is small
        single = [repr(label) for label in few if counts[label] == 1]
        return [f"classes with one row only: {join_items(single, 6)}"] if single else []
    if not few:
        return []
    items = join_items((f"{label!r} ({count_noun(counts[label], 'row')})" for label in few), 6)
    return [f"classes of at most {_FEW_ROWS} rows, too few to learn or to score: {items}"]
