"""Trees as static HTML: MathML for formulas, ``details`` to open and close, no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from deltarule.explain.derivation import Derivation
from deltarule.explain.number_format import number_text
from deltarule.explain.render.text import COMPUTED, equation, part_depth, remainder_words, says_all
from deltarule.maths.printing.boxes import Terms
from deltarule.maths.printing.markup import box_mathml

__all__ = ["framed", "tree_html", "words_html"]

_STYLE = "margin:0.4em 0 0.4em 1.5em"


def tree_html(
    tree: Derivation, depth: int, terms: int, digits: int, *, closed: bool = False
) -> str:
    """A tree as nested ``details`` elements; the first is open unless ``closed``."""
    return framed([_details(tree, depth, terms, digits, first=not closed)])


def words_html(words: str) -> str:
    """A text as HTML, with the exponents of powers of ten in ``sup``.

    Examples
    --------
    >>> words_html("below 2 × 10^−8")
    'below 2 × 10<sup>−8</sup>'
    """
    return re.sub(r"10\^(−?\d+)", r"10<sup>\1</sup>", escape(words))


def framed(pieces: Iterable[str]) -> str:
    """Pieces of HTML in one ``div``."""
    return f'<div class="deltarule-derivation">{"".join(pieces)}</div>'


def _details(tree: Derivation, depth: int, terms: int, digits: int, *, first: bool = False) -> str:
    line, folded = _line(tree, digits), _computed(tree)
    parts, left = tree.parts(terms) if depth > 0 else ([], None)
    if (not parts and left is None) or says_all(tree, parts):
        return f'<div style="{_STYLE}">{line}{folded}</div>'
    inside = folded + "".join(
        _details(part, part_depth(tree, part, depth), terms, digits) for part in parts
    )
    if left is not None:
        inside += f'<div style="{_STYLE}">{escape(remainder_words(left, digits))}</div>'
    opened = ' open="open"' if first else ""
    return (
        f'<details{opened} style="{_STYLE}"><summary>{line}</summary>'
        f'<div style="margin-left:1em">{inside}</div></details>'
    )


def _computed(tree: Derivation) -> str:
    """The form that is computed, closed, where the line shows the textbook's."""
    box = tree.computed()
    if box is None:
        return ""
    return f'<details style="{_STYLE}"><summary>{COMPUTED}</summary>{box_mathml(box)}</details>'


def _line(tree: Derivation, digits: int) -> str:
    sides = equation(tree, digits)
    box = Terms(tuple(("=" if place else "", side) for place, side in enumerate(sides)))
    # Its fractions are as large as in a displayed formula.
    formula = box_mathml(box).replace("<math ", '<math displaystyle="true" ', 1)
    case = tree.case()
    known = [escape(tree.law)] if tree.law else []
    known += [box_mathml(case)] if case is not None else []
    out = (
        f'<span data-symbol="{escape(tree.mark.key)}" data-value="{tree.value!r}" '
        f'title="{escape(tree.mark.key)} = {escape(number_text(tree.value, 17))}">'
        f"{formula}</span>"
    )
    out += f" <small>({'; '.join(known)})</small>" if known else ""
    note = words_html(tree.note)
    return out + (f" <small><em>{note}</em></small>" if note else "")
