"""A note on rows of a table, whose kind is data beside its text."""

from __future__ import annotations

from typing import Any, Self

from deltarule.errors import Message, Parameter

__all__ = ["Note"]


class Note(Message):
    """What a reader should know of rows, and of which kind it is.

    Parameters
    ----------
    kind : tuple of str
        What it is about, and the column: notes on two parts of a table that have the same say the
        same of other cells.
    *parts : str, Message or Parameter
        The pieces of the text.

    Examples
    --------
    >>> first, second = (Note(("unseen level", "k"), f"column 'k': {n} cells") for n in (2, 7))
    >>> print(first, first.kind == second.kind)
    column 'k': 2 cells True
    """

    __slots__ = ("kind",)
    kind: tuple[str, ...]

    def __new__(cls, kind: tuple[str, ...], *parts: str | Parameter) -> Self:
        self = super().__new__(cls, *parts)
        self.kind = kind
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.kind, *self.parts)
