"""Trees as static HTML: MathML for formulas, ``details`` to open and close, no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from deltarule.explain.derivation import Derivation
from deltarule.explain.number_format import number_text
from deltarule.explain.render.text import equation, remainder_words, says_all
from deltarule.maths.printing.boxes import Box, Terms
from deltarule.maths.printing.markup import box_mathml

__all__ = ["framed", "tree_html", "words_html"]

_STYLE = "margin:0.4em 0 0.4em 1.5em"


def tree_html(
    node: Derivation, depth: int, terms: int, digits: int, *, closed: bool = False
) -> str:
    """A tree as nested ``details``; the first level is open unless it is to be closed."""
    return framed([_node(node, depth, terms, digits, first=not closed)])


def words_html(words: str) -> str:
    """Words as HTML, powers of ten with a raised exponent.

    Examples
    --------
    >>> words_html("below 2 × 10^−8")
    'below 2 × 10<sup>−8</sup>'
    """
    return re.sub(r"10\^(−?\d+)", r"10<sup>\1</sup>", escape(words))


def framed(pieces: Iterable[str]) -> str:
    """Pieces of HTML in one element."""
    return f'<div class="deltarule-derivation">{"".join(pieces)}</div>'


def _node(node: Derivation, depth: int, terms: int, digits: int, *, first: bool = False) -> str:
    line = _line(node, digits)
    parts, left = node.parts(terms) if depth > 0 else ([], None)
    if not parts or says_all(node, parts):
        return f'<div style="{_STYLE}">{line}</div>'
    inside = "".join(_node(part, depth - 1, terms, digits) for part in parts)
    if left is not None:
        inside += f'<div style="{_STYLE}">{escape(remainder_words(left, digits))}</div>'
    opened = ' open="open"' if first else ""
    return (
        f'<details{opened} style="{_STYLE}"><summary>{line}</summary>'
        f'<div style="margin-left:1em">{inside}</div></details>'
    )


def _large(box: Box) -> str:
    """A formula in the line, its fractions as large as in one of its own."""
    return box_mathml(box).replace("<math ", '<math displaystyle="true" ', 1)


def _line(node: Derivation, digits: int) -> str:
    sides = equation(node, digits)
    box = Terms(tuple(("=" if place else "", side) for place, side in enumerate(sides)))
    case = node.case()
    known = [escape(node.law)] if node.law else []
    known += [box_mathml(case)] if case is not None else []
    out = (
        f'<span data-symbol="{escape(node.mark.key)}" data-value="{node.value!r}" '
        f'title="{escape(node.mark.key)} = {escape(number_text(node.value, 17))}">'
        f"{_large(box)}</span>"
    )
    out += f" <small>({'; '.join(known)})</small>" if known else ""
    note = words_html(node.note)
    return out + (f" <small><em>{note}</em></small>" if note else "")
