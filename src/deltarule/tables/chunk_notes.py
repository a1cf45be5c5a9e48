"""Notes on a table that is read in chunks, one for all notes of a kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deltarule.tables.table import count_noun

__all__ = ["ChunkNotes"]

_VALUE = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d[\d,.]*)"
# What differs in notes of a kind: numbers and cells in quotation marks, or lists of these.
_VALUES = re.compile(rf"{_VALUE}(?:(?:, | and ){_VALUE})*(?: more)?")


class ChunkNotes:
    r"""The notes on the chunks of a table, of which those of a kind are one.

    Notes are of a kind if they are of the same column and differ in numbers and cells alone. Their
    first is kept, so that a table of any number of chunks has as many notes as a short one.

    Examples
    --------
    >>> notes = ChunkNotes()
    >>> notes.add(["column 'k': 2 cells hold levels that training did not see: 'a', 'b'"])
    >>> notes.add(["column 'k': 7 cells hold levels that training did not see: 'c', 'd'"])
    >>> notes.add(["column 'm': 1 cell holds a level that training did not see: 'a'"])
    >>> for text in notes.texts():
    ...     print(text.replace(" (", "\n  ("))
    column 'k': 2 cells hold levels that training did not see: 'a', 'b'
      (in one part of the table; such are in 1 further part)
    column 'm': 1 cell holds a level that training did not see: 'a'
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[str, int]] = {}

    def add(self, notes: Iterable[str]) -> None:
        """Add the notes on one more chunk."""
        for note in notes:
            head, mark, rest = note.partition(": ")
            kind = (head, _VALUES.sub("", rest)) if mark else ("", _VALUES.sub("", note))
            first, times = self._found.get(kind, (note, 0))
            self._found[kind] = first, times + 1

    def texts(self) -> list[str]:
        """Return the first note of each kind, and in how many further chunks there are others."""
        texts = []
        for first, times in self._found.values():
            more = f"such are in {count_noun(times - 1, 'further part')}"
            texts.append(first if times == 1 else f"{first} (in one part of the table; {more})")
        return texts
