"""Text of a page: escaped names, numbers with their digits, tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from deltarule.errors import printable
from deltarule.explain.render.html import words_html
from deltarule.maths.printing.numbers import plain

__all__ = [
    "count",
    "decimals",
    "interval",
    "name",
    "number",
    "percent",
    "table",
    "text",
]

_MOST_CHARACTERS = 60


def text(words: str) -> str:
    r"""Return a text of a file, such as a note, as HTML; control characters become escapes.

    Examples
    --------
    >>> text("<b>\n")
    '&lt;b&gt;\\n'
    """
    return escape(printable(words))


def name(words: str, most: int = _MOST_CHARACTERS) -> str:
    """Return a name as HTML, shortened where it is long; the whole name is its tooltip.

    Examples
    --------
    >>> name('a"<'), name("abcdef", 4)
    ('a&quot;&lt;', '<span title="abcdef">abc…</span>')
    """
    whole = printable(words)
    if len(whole) <= most:
        return escape(whole)
    return f'<span title="{escape(whole)}">{escape(whole[: most - 1])}…</span>'


def number(value: float | None, digits: int = 3, key: str = "") -> str:
    """Return a number as HTML, with some significant digits, and all of them in ``data-value``.

    Examples
    --------
    >>> number(51230.4, 4), number(None)
    ('<span data-value="51230.4">51,230</span>', '–')
    >>> number(0.2), number(3.0)
    ('<span data-value="0.2">0.200</span>', '<span data-value="3.0">3</span>')
    """
    if value is None or math.isnan(value):
        return "–"
    shown = plain(value, digits, zeros=True)
    return _with_value(value, words_html(shown), key)


def decimals(value: float | None, places: int = 3, key: str = "") -> str:
    """Return a number as HTML with a fixed number of decimals, for what lies between −1 and 1.

    Examples
    --------
    >>> decimals(-2.9e-4)
    '<span data-value="-0.00029">0.000</span>'
    """
    if value is None or math.isnan(value):
        return "–"
    shown = f"{round(value, places) + 0.0:.{places}f}".replace("-", "−")
    return _with_value(value, shown, key)


def _with_value(value: float, shown: str, key: str) -> str:
    """Return a number that is shown so, with all its digits as an attribute, and its name."""
    attribute = f' data-number="{escape(printable(key))}"' if key else ""
    return f'<span data-value="{float(value)!r}"{attribute}>{shown}</span>'


def percent(share: float | None, key: str = "", places: int = 1) -> str:
    """Return a share as a percentage in HTML, with the share itself in ``data-value``.

    Examples
    --------
    >>> percent(0.9825)
    '<span data-value="0.9825">98.2 %</span>'
    """
    if share is None or math.isnan(share):
        return "–"
    shown = f"{100 * share:.{places}f}".replace("-", "−")
    return _with_value(share, f"{shown} %", key)


def count(n: float, noun: str = "") -> str:
    """Return a whole number with a noun, in the plural where it is one.

    Examples
    --------
    >>> count(1, "row"), count(12000, "row")
    ('1 row', '12,000 rows')
    """
    return f"{n:,.0f} {noun}{'s' * (n != 1)}" if noun else f"{n:,.0f}"


def interval(low: str, high: str) -> str:
    """Return the ends of an interval in words, which need no dash beside minus signs.

    Examples
    --------
    >>> interval("−1", "2")
    '<span class="ends">−1 to 2</span>'
    """
    return f'<span class="ends">{low} to {high}</span>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", kinds: str = ""
) -> str:
    """Return a table of HTML cells; the first cell of each row is its heading.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence of str
    caption : str
        Read aloud, and hidden.
    kinds : str
        A letter for each column: ``n`` for numbers, which are aligned right.
    """
    # On a narrow screen each row is a block of lines, which begin with the heads of their columns;
    # the roles are lost to a screen reader where the style sheet changes how cells are laid out.
    classes = [' class="n"' if kind == "n" else "" for kind in kinds.ljust(len(head))]
    heads = "".join(
        f'<th scope="col" role="columnheader"{cls}>{cell}</th>'
        for cls, cell in zip(classes, head, strict=True)
    )
    lines = []
    for first, *cells in rows:
        inside = "".join(
            f'<td role="cell"{cls} data-head="{escape(title)}">{cell}</td>'
            for cls, title, cell in zip(classes[1:], head[1:], cells, strict=True)
        )
        lines.append(f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{inside}</tr>')
    title = f'<caption class="unseen">{caption}</caption>' if caption else ""
    return (
        f'<div class="scroll stacked" tabindex="0" role="group" aria-label="{caption or "table"}">'
        f'<table role="table">{title}<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(lines)}</tbody></table></div>'
    )
