"""What describes a text file itself: delimiter, encoding, lines to skip, comments and names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deltarule.errors import InputError, to_python_scalar
from deltarule.tables.table import join_items

__all__ = ["FileFormat"]


@dataclass(frozen=True)
class FileFormat:
    """How a text file is written, as far as its reader is told; the rest is recognised.

    Parameters
    ----------
    delimiter : str or None
        The character between fields; a blank stands for any number of blanks and tabs.
    encoding : str or None
        As in :func:`read_table`.
    skip : int
        The number of lines above the header, or above the first row, that are left out.
    comment : str or None
        Lines that begin with it are left out.
    names : tuple of str or None
        The names of the columns of a file without a header; ``()`` for column1, column2, …. None
        where the file may have a header.

    Raises
    ------
    InputError
        If one of them cannot be used.

    Examples
    --------
    >>> FileFormat.of(names="a, b").names, FileFormat.of(names="none").names
    (('a', 'b'), ())
    >>> FileFormat(skip=-1)
    Traceback (most recent call last):
    deltarule.errors.InputError: skip is -1; expected a number of lines, 0 or more
    """

    delimiter: str | None = None
    encoding: str | None = None
    skip: int = 0
    comment: str | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        delimiter, skip, comment = self.delimiter, to_python_scalar(self.skip), self.comment
        if delimiter is not None and (
            not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in "\"'\r\n\0"
        ):
            raise InputError(
                parameter="delimiter",
                given=delimiter,
                expected="one character such as ',' ';' '\\t' or '|', or ' ' for any number of "
                "blanks",
            )
        if not isinstance(skip, int) or isinstance(skip, bool) or skip < 0:
            raise InputError(parameter="skip", given=skip, expected="a number of lines, 0 or more")
        if comment is not None and (
            not isinstance(comment, str) or not comment.strip() or set(comment) & set("\r\n\0")
        ):
            raise InputError(
                parameter="comment",
                given=comment,
                expected="the text that begins a line of comment, such as '#'",
            )
        if self.names is not None:
            object.__setattr__(self, "names", _checked_names(self.names))

    @classmethod
    def of(
        cls,
        delimiter: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
        comment: str | None = None,
        names: str | Iterable[str] | None = None,
    ) -> FileFormat:
        """The format with the names as a caller may write them: in one text, or ``"none"``."""
        if isinstance(names, str):
            names = () if names.strip().lower() == "none" else names.split(",")
        return cls(delimiter, encoding, skip, comment, None if names is None else tuple(names))

    def given(self) -> dict[str, Any]:
        """Those that were given, by name.

        Examples
        --------
        >>> FileFormat(";", skip=2).given()
        {'delimiter': ';', 'skip': 2}
        """
        default = FileFormat()
        return {
            name: getattr(self, name)
            for name in ("delimiter", "encoding", "skip", "comment", "names")
            if getattr(self, name) != getattr(default, name)
        }


def _checked_names(given: Iterable[Any]) -> tuple[str, ...]:
    given = tuple(given)
    names = tuple(name.strip() if isinstance(name, str) else name for name in given)
    for name in names:
        if not isinstance(name, str) or not name or names.count(name) > 1:
            raise InputError(
                parameter="names",
                given=join_items(map(str, given)),
                expected="a name for every column, each once, or none",
            )
    return names
