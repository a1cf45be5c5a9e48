"""Resolution of the paths and patterns that a caller gives; an existing path is no pattern.

A name is read as a pattern only if it does not exist, part by part: where a folder ``d[1]`` exists,
``d[1]/*.csv`` is a pattern of files in it, and not of those in ``d1``.
"""

from __future__ import annotations

import difflib
import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.errors import FileError, InputError, short_repr
from deltarule.tables.addresses import is_url, without_password
from deltarule.tables.plain_file import COMPRESSED, data_suffix
from deltarule.tables.table import count_noun, join_items

__all__ = [
    "DATABASES",
    "DUCKDB",
    "JSON",
    "SQLITE",
    "TEXT",
    "FileMatch",
    "check_file",
    "checked_source",
    "find_files",
    "head_is_duckdb",
    "is_regular_file",
    "matching_files",
    "resolve_home",
]

TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
JSON = (".jsonl", ".ndjson", ".json")
SQLITE = (".db", ".sqlite", ".sqlite3")
DUCKDB = (".duckdb", ".ddb")
DATABASES = (*SQLITE, *DUCKDB)
_KNOWN = (*TEXT, *JSON, ".parquet", *DATABASES)


@dataclass(frozen=True)
class FileMatch:
    """The files that a path or pattern matches.

    Parameters
    ----------
    text : str
        The path or the pattern, as it was given.
    paths : tuple of Path
        The files, in the order they are read in: that of their names.
    is_pattern : bool
        Whether no file has the text for its name, so that it was taken for a pattern.
    """

    text: str
    paths: tuple[Path, ...]
    is_pattern: bool

    def notes(self) -> tuple[str, ...]:
        """How many files a pattern stood for, and in which order; nothing of a path.

        Examples
        --------
        >>> FileMatch("p*.csv", (Path("p1.csv"), Path("p2.csv")), is_pattern=True).notes()
        ("the pattern 'p*.csv' stands for 2 files, read in this order: 'p1.csv', 'p2.csv'",)
        """
        if not self.is_pattern:
            return ()
        names = join_items((repr(str(path)) for path in self.paths), 6)
        count = count_noun(len(self.paths), "file")
        order = ", read in this order" if len(self.paths) > 1 else ""
        return (f"the pattern {self.text!r} stands for {count}{order}: {names}",)


def head_is_duckdb(head: bytes) -> bool:
    """Whether a file that begins so is a database of DuckDB.

    Examples
    --------
    >>> head_is_duckdb(bytes(8) + b"DUCK"), head_is_duckdb(b"PAR1")
    (True, False)
    """
    return head[8:12] == b"DUCK"


def resolve_home(text: str) -> Path:
    """The path that a text names, ``~`` being the home folder where nothing here has that name.

    Examples
    --------
    >>> resolve_home("~no-such-user-at-all.csv").name
    '~no-such-user-at-all.csv'
    """
    path = Path(text)
    if not text.startswith("~") or os.path.lexists(path.parts[0]):
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # unknown user, or no home folder
        return path


def checked_source(source: Any) -> str:
    """The text of a path or pattern that was given for a table.

    Raises
    ------
    InputError
        If it is no text and no path object, or is empty.
    """
    text = os.fsdecode(source) if isinstance(source, str | bytes | os.PathLike) else ""
    if not text:
        raise InputError(
            parameter="source", given=source, expected="the path of a file, such as 'a.csv'"
        )
    return text


def matching_files(text: str) -> list[Path]:
    """The files that a path or a pattern stands for, in sorted order.

    Raises
    ------
    FileError
        If it is an address, or a pattern that no file matches.
    """
    return list(find_files(text).paths)


def find_files(text: str) -> FileMatch:
    """The files that a path or a pattern stands for, and which of both it is.

    Raises
    ------
    FileError
        As :func:`matching_files`.
    """
    _check_text(text)
    path = resolve_home(text)
    if os.path.lexists(path):
        return FileMatch(text, (path,), is_pattern=False)
    if is_url(text):
        raise FileError(
            f"{without_password(text)!r} is an address; expected a file on this machine, or "
            "postgres://user@host/database; download the file, or export the query to Parquet, and "
            "give its path"
        )
    if not glob.has_magic(text):
        return FileMatch(text, (path,), is_pattern=False)
    base = Path(path.anchor)
    found = sorted(set(_match_parts(base, path.relative_to(base).parts)), key=str)
    if not found:
        raise FileError(
            f"no file matches {text!r}; expected at least one; check the pattern and the folder"
        )
    return FileMatch(text, tuple(found), is_pattern=True)


def _check_text(text: str) -> None:
    """Refuse a name that cannot be saved as UTF-8, or that no file system allows."""
    if "\0" in text:
        raise FileError(f"{text!r} holds a NUL character; expected the name of a file")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FileError(
            f"{text!r} is not text in UTF-8; expected a name that can be written down; rename it"
        ) from None


def _match_parts(base: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """The paths below ``base`` that these parts match: each a name if it exists, else a pattern."""
    if not parts:
        yield base
        return
    first, rest = parts[0], parts[1:]
    if os.path.lexists(base / first) or not glob.has_magic(first):
        if rest or os.path.lexists(base / first):
            yield from _match_parts(base / first, rest)
        return
    if first == "**":
        # As in glob: this folder and every one below it that is not hidden.
        # Path.glob takes hidden folders too.
        pattern = "**/" if rest else "**"
        for name in glob.iglob(pattern, root_dir=base, recursive=True):  # noqa: PTH207
            if rest or (base / name).is_file():
                yield from _match_parts(base / name, rest)
        if rest:
            yield from _match_parts(base, rest)
        return
    for name in _file_names(base):
        hidden = name.startswith(".") and not first.startswith(".")
        if not hidden and fnmatch.fnmatch(name, first) and (not rest or (base / name).is_dir()):
            yield from _match_parts(base / name, rest)


def _file_names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except OSError:  # not a folder, or without permission
        return []


def check_file(path: Path) -> None:
    """Refuse anything but a regular file whose suffix gives its format.

    A pipe or a device may have no end, and could not be read twice.

    Raises
    ------
    FileError
        Saying what is there instead.
    """
    try:
        path.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise FileError(
                f"{short_repr(str(path))} is longer than a name can be; expected the path of a file"
            ) from None
    if path.is_dir():
        raise FileError(
            f"{str(path)!r} is a folder; expected a file, or a pattern such as "
            f"{str(path / f'*{_usual_suffix(path)}')!r}"
        )
    if path.is_symlink() and not path.exists():
        raise FileError(
            f"there is no file {str(path)!r}: it is a link to {str(path.readlink())!r}, which is "
            "not there; expected an existing file; remove the link, or make the pattern narrower"
        )
    if not path.exists():
        siblings: list[str] = []
        if path.parent.is_dir():
            siblings = _file_names(path.parent)
        match = difflib.get_close_matches(path.name, siblings, n=1)
        hint = f"did you mean {match[0]!r}?" if match else "check the path"
        raise FileError(f"there is no file {str(path)!r}; expected an existing file; {hint}")
    if not is_regular_file(path):
        raise FileError(
            f"{str(path)!r} is a pipe or a device; expected a plain file; write what it gives to a "
            "file first"
        )
    if data_suffix(path) not in _KNOWN:
        advice = "rename it by its content, or convert it"
        if path.suffix.lower() in COMPRESSED:
            advice = f"name it by what it holds, such as {path.stem}.csv{path.suffix}"
        elif path.suffix.lower() in (".7z", ".rar", ".tar", ".tgz"):
            advice = "unpack it first"
        elif path.suffix.lower() in (".xls", ".xlsx", ".ods"):
            advice = "save the sheet as CSV"
        raise FileError(
            f"{path.name} {'ends in ' + repr(path.suffix) if path.suffix else 'has no ending'}; "
            "expected one of "
            f"{', '.join(_KNOWN)}; {advice}"
        )


def _usual_suffix(folder: Path) -> str:
    """The ending that most tables in a folder have."""
    found = [data_suffix(Path(name)) for name in _file_names(folder)]
    known = [suffix for suffix in found if suffix in _KNOWN]
    return max(sorted(set(known)), key=known.count, default=".csv")


def is_regular_file(path: Path) -> bool:
    """Whether a path is a regular file, which can be read twice, and not a pipe or device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
