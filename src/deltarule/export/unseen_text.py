"""A level that training did not see, for rows that an export is tested with."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["unseen_text"]


def unseen_text(known: Sequence[str], tokens: Sequence[str] = ()) -> str:
    """Return a text that is none of these, in any case of its letters.

    Examples
    --------
    >>> unseen_text(["a", "Unseen"])
    'unseen_'
    """
    taken, text = {each.lower() for each in (*known, *tokens)}, "unseen"
    while text in taken:
        text += "_"
    return text
