"""Rows of names with a bar or an interval each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["BarRow", "bar_rows"]


class BarRow(NamedTuple):
    """One row: its name and its number as HTML, the value, and the ends of its interval.

    ``kind`` is a class of the style sheet, and ``more`` what stands after the number.
    """

    name: str
    value: float
    shown: str
    low: float | None = None
    high: float | None = None
    kind: str = ""
    more: str = ""


def bar_rows(
    rows: Sequence[BarRow],
    label: str,
    *,
    points: bool = False,
    heads: Mapping[int, str] | None = None,
) -> str:
    """Return rows with bars from 0, or with points where 0 is no natural beginning.

    Parameters
    ----------
    rows : sequence of BarRow
    label : str
        What the values are, for those who cannot see the bars.
    points : bool
    heads : mapping of int to str, optional
        Headings as HTML, by the number of the row that each stands above. All rows have one scale.

    Examples
    --------
    >>> '<td class="bar-cell"' in bar_rows([BarRow("a", 1.0, "1")], "rise")
    True
    """
    ends = [
        value
        for row in rows
        for value in (row.value, row.low, row.high)
        if value is not None and math.isfinite(value)
    ]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if not points:
        low, high = min(low, 0.0), max(high, 0.0)
    width = high - low or 1.0
    if points:
        low, width = low - 0.05 * width, 1.1 * width

    def at(value: float) -> float:
        return 100 * min(max((value - low) / width, 0.0), 1.0)

    lines = []
    for i, row in enumerate(rows):
        if heads and i in heads:
            head = f'<th colspan="3" scope="rowgroup">{heads[i]}</th>'
            lines.append(f'<tr class="of-column">{head}</tr>')
        marks = []
        if not points and math.isfinite(row.value):
            left, right = sorted((at(0.0), at(row.value)))
            marks.append(f'<i class="fill" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>')
        if row.low is not None and row.high is not None:
            left, right = at(row.low), at(row.high)
            marks.append(
                f'<i class="whisker" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'
            )
        if points and math.isfinite(row.value):
            marks.append(f'<i class="point" style="left:{at(row.value):.2f}%"></i>')
        lines.append(
            f'<tr class="{row.kind}"><th scope="row">{row.name}</th>'
            f'<td class="bar-cell" aria-hidden="true"><div>{"".join(marks)}</div></td>'
            f'<td class="n">{row.shown}</td>'
            + (f'<td class="n more">{row.more}</td>' if row.more else "")
            + "</tr>"
        )
    return (
        f'<table class="bars"><caption class="unseen">{label}</caption><thead class="unseen"><tr>'
        f'<th scope="col">name</th><td></td><th scope="col">{label}</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
