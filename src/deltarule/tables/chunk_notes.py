"""Notes on a table that is read in chunks, one for all notes of a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deltarule.tables.notes import Note
from deltarule.tables.table import count_noun

__all__ = ["ChunkNotes"]


class ChunkNotes:
    r"""The notes on the chunks of a table, of which those of a kind are one.

    The kind of a :class:`~deltarule.tables.notes.Note` is data; other notes are of a kind with the
    same text only. The first of a kind is kept, so that a table of any number of chunks has as many
    notes as a short one.

    Examples
    --------
    >>> notes = ChunkNotes()
    >>> notes.add([Note(("unseen level", "k"), "column 'k': 2 cells hold new levels: 'a', 'b'")])
    >>> notes.add([Note(("unseen level", "k"), "column 'k': 7 cells hold new levels: 'c', 'd'")])
    >>> notes.add([Note(("unseen level", "m"), "column 'm': 1 cell holds a new level: 'a'")])
    >>> for text in notes.texts():
    ...     print(text.replace(" (", "\n  ("))
    column 'k': 2 cells hold new levels: 'a', 'b'
      (in one part of the table; such are in 1 further part)
    column 'm': 1 cell holds a new level: 'a'
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], tuple[str, int]] = {}

    def add(self, notes: Iterable[str]) -> None:
        """Add the notes on one more chunk."""
        of_chunk: dict[tuple[str, ...], str] = {}
        for note in notes:
            of_chunk.setdefault(note.kind if isinstance(note, Note) else ("", note), note)
        for kind, note in of_chunk.items():
            first, times = self._found.get(kind, (note, 0))
            self._found[kind] = first, times + 1

    def texts(self, spell: Callable[[str], str] = str) -> list[str]:
        """Return the first note of each kind, and in how many further chunks there are others.

        ``spell`` says how the parameters in a note are written.
        """
        texts = []
        for note, times in self._found.values():
            first = spell(note)
            more = f"such are in {count_noun(times - 1, 'further part')}"
            texts.append(first if times == 1 else f"{first} (in one part of the table; {more})")
        return texts
