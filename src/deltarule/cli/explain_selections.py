"""Selections of ``deltarule explain``, such as ``--weight 2,1,4``, and hints on further ones."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.errors import InputError
from deltarule.explain import Explanation

__all__ = ["listed", "next_of_overview", "numbers_of"]

# The form of a selection: the count of numbers, their meaning, an example.
_FORMS = {
    "weight": (3, "layer, node, and node of the layer before", "2,1,4"),
    "bias": (2, "layer and node", "2,1"),
    "activation": (2, "layer and node", "1,3"),
    "node": (2, "layer and node", "1,3"),
}


def numbers_of(kind: str, text: str) -> tuple[int, ...]:
    """Return the numbers of a selection; an empty tuple if it is a name."""
    if kind not in _FORMS:
        return ()
    count, what, example = _FORMS[kind]
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != count or not all(part.isascii() and part.isdecimal() for part in parts):
        raise InputError(
            parameter=kind, given=text, expected=f"{count} whole numbers, {what}, such as {example}"
        )
    return tuple(map(int, parts))


def listed(names: Sequence[str]) -> str:
    """Return the first names, quoted."""
    return f"{', '.join(map(repr, names[:20]))}{', …' if len(names) > 20 else ''}"


def next_of_overview(explanation: Explanation, place: tuple[int, ...]) -> list[str]:
    """Return a hint with options that show more: the weight with the largest derivative."""
    weight = ",".join(map(str, place))
    # Without a table rows have no names, and are counted from 1 as those of a table are.
    row = "1" if explanation.subject.target is None else explanation.subject.names.rows[0]
    return [
        f"next: --weight {weight}, and of one row with --row {row}; --html page.html for all of it"
    ]
