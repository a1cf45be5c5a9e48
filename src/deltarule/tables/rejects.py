"""Rows of a large table that cannot be read: counted, written to a file, refused if they are many.

One damaged line among millions shall not end hours of work, and a table of which much cannot be
read shall not be trained on.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, Self

from deltarule.errors import DataError, FileError, Message, Parameter
from deltarule.files.filesystem import translate_os_errors

__all__ = ["MOST_REJECTED", "Rejects"]

MOST_REJECTED = 0.01
"""The largest share of the rows that may be rejected."""

# So many rejected rows are allowed, however few rows there are; and the number of rows read from
# which on the share is looked at before the end.
_ALWAYS, _EARLY = 10, 100_000
_MOST_TEXT = 1000
_HEADER = ["file", "place", "reason", "text"]


class Rejects:
    """The rows that were rejected, used in a ``with`` statement.

    The same row may be rejected in each pass over a table; it counts once.

    Parameters
    ----------
    path : path, optional
        A CSV file with the columns file, place, reason and text, which is made at the first row. It
        replaces an earlier one of its kind, and no other file.

    Attributes
    ----------
    count : int
        The number of rejected rows.

    Raises
    ------
    FileError
        If the path is a folder, or a file of another kind.

    Examples
    --------
    >>> with Rejects() as rejects:
    ...     rejects.add("a.csv", "line 7", "2 fields; expected 3", "1,2")
    ...     rejects.count, rejects.notes()
    (1, ['1 row was rejected: a.csv, line 7 (2 fields; expected 3)'])
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else _replaceable(Path(path))
        self._seen: set[tuple[str, str]] = set()
        self._first: list[str] = []
        self._file: Any = None

    @property
    def count(self) -> int:
        """The number of rejected rows."""
        return len(self._seen)

    def add(self, source: str, place: str, reason: str, text: str) -> None:
        """Reject a row of a file: where it is, why, and its text."""
        if (source, place) in self._seen:
            return
        self._seen.add((source, place))
        if len(self._first) < 3:
            self._first.append(f"{source}, {place} ({reason})")
        if self.path is not None:
            with translate_os_errors("write", self.path):
                if self._file is None:
                    self._file = self.path.open("w", encoding="utf-8", newline="")
                    csv.writer(self._file).writerow(_HEADER)
                shown = text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
                csv.writer(self._file).writerow([source, place, reason, shown])
                self._file.flush()

    def check(self, n_rows: int, *, at_end: bool = False) -> None:
        """Refuse the table if too many of its rows were rejected, of ``n_rows`` that were read.

        Raises
        ------
        DataError
        """
        if self.count <= _ALWAYS or not (at_end or n_rows >= _EARLY):
            return
        total = n_rows + self.count
        if self.count > MOST_REJECTED * total:
            where = "" if self.path is None else f" ({str(self.path)!r} has them)"
            raise DataError(
                f"{self.count:,} of {total:,} rows cannot be read{where}: "
                f"{', '.join(self._first)}, …",
                expected=f"at most {MOST_REJECTED:.0%} of such rows",
                hint=Message(
                    "correct the files, or say how they are written, as with ",
                    Parameter("delimiter", keyword=True),
                ),
            )

    def notes(self) -> list[str]:
        """A note on how many rows were rejected, and where they are; none if there are none."""
        if not self.count:
            return []
        was = "1 row was" if self.count == 1 else f"{self.count:,} rows were"
        more = "" if self.count <= len(self._first) else ", …"
        where = "" if self.path is None else f"; all are in {str(self.path)!r}"
        return [f"{was} rejected: {', '.join(self._first)}{more}{where}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _replaceable(path: Path) -> Path:
    """Return a path at which rejected rows may be written: nothing else is ever replaced."""
    with translate_os_errors("read", path):
        if path.is_dir():
            raise FileError(f"{str(path)!r} is a folder; expected a file for rejected rows")
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file:
                if file.readline(100).strip() == ",".join(_HEADER).encode("ascii"):
                    return path
            raise FileError(
                f"{str(path)!r} exists already, and holds no rejected rows; expected a new file, "
                "or that of an earlier call; name another"
            )
    return path
