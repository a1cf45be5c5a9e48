"""Checks of a text file before it is parsed: its encoding, delimiter and header.

A lenient CSV parser would guess, and shift a row, drop a last field, or read a binary file
as one column. Here everything that could be guessed is decided first.
"""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.tables.cells import parse_number
from deltarule.tables.table import check_names, count_noun, join_items

__all__ = ["DELIMITERS", "Header", "csv_error_message", "read_header", "scan_file"]

DELIMITERS: tuple[str, ...] = (",", ";", "\t", "|")
"""The characters between fields that are recognised, in order of preference."""

_CHUNK = 1 << 22
_SAMPLE_ROWS = 20
_DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


@dataclass(frozen=True)
class Header:
    """The first record of a text file.

    Parameters
    ----------
    names : tuple of str
        The column names, without surrounding blanks.
    delimiter : str
        What stands between fields.
    first_line : int
        The line the header begins on, behind any empty lines.
    last_line : int
        The line it ends on: a quoted name may hold a line break.
    """

    names: tuple[str, ...]
    delimiter: str
    first_line: int
    last_line: int


def scan_file(path: Path) -> int:
    """Check that a file is UTF-8 text and not empty, and count its lines.

    Returns
    -------
    int
        The number of lines, an unfinished last one included.

    Raises
    ------
    FileError
        If it cannot be read.
    DataError
        If it is empty, holds a NUL byte or is not UTF-8, with the line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, tail, blank = 1, b"", True
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                # A "\r\n" cut in two by the chunks is one line break, counted already.
                line -= tail == b"\r" and chunk[:1] == b"\n"
                if (at := chunk.find(b"\0")) >= 0:
                    raise DataError(
                        f"{path.name}, line {line + _count_line_breaks(chunk[:at])}: a NUL byte; "
                        "expected "
                        "text in UTF-8; the file is binary or damaged"
                    )
                _decode(decoder, chunk, path.name, line)
                blank = blank and not chunk.strip(b"\xef\xbb\xbf \t\r\n")
                line += _count_line_breaks(chunk)
                tail = chunk[-1:]
            _decode(decoder, b"", path.name, line, final=True)
    except OSError as error:
        raise _read_error(path, error) from error
    if blank:
        raise DataError(
            f"{path.name} is empty; expected a line of column names and at least one row below it"
        )
    return line - (tail in (b"\n", b"\r"))


def _count_line_breaks(chunk: bytes) -> int:
    r"""The number of line breaks: \n, \r\n, or a lone \r as in old Macintosh files."""
    returns = chunk.count(b"\r")
    return chunk.count(b"\n") + (returns - chunk.count(b"\r\n") if returns else 0)


def _decode(
    decoder: codecs.IncrementalDecoder,
    chunk: bytes,
    name: str,
    line: int,
    final: bool = False,
) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        # The decoder kept the unfinished character of the chunk before, so positions
        # are of its own joined text; that character holds no line break.
        seen = bytes(error.object[: error.start])
        raise DataError(
            f"{name}, line {line + _count_line_breaks(seen)}: the bytes "
            f"{bytes(error.object[error.start : error.start + 4])!r} are not UTF-8",
            expected="text in UTF-8",
            hint=Message(
                "save the file as UTF-8, or say with ",
                Parameter("encoding", "cp1252"),
                " or another what it is in (it may be in Latin-1 or Windows-1252)",
            ),
        ) from None


def _read_error(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path.name} cannot be read ({error.strerror or error}); expected a readable file; "
        "check its path and permissions"
    )


def read_header(path: Path, delimiter: str | None = None) -> Header:
    """The column names of a text file, and the delimiter.

    Parameters
    ----------
    path : Path
        A file that :func:`scan_file` accepted.
    delimiter : str, optional
        What stands between fields. Otherwise a tab in ``.tsv`` and ``.tab`` files;
        elsewhere the one of comma, semicolon, tab and bar that gives every one of
        the first 20 rows as many fields as the header, and if none does, the one
        that gives the header most fields.

    Raises
    ------
    InputError
        If the delimiter is not one character.
    DataError
        If names are missing or repeated, the columns are too many, no row
        follows, or the header is a row of numbers.
    """
    if delimiter is None:
        is_tabbed = path.suffix.lower() in (".tsv", ".tab")
        delimiter = "\t" if is_tabbed else _guess_delimiter(path)
    elif not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(
            parameter="delimiter",
            given=delimiter,
            expected="one character such as ',' ';' '\\t' or '|'",
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        first_line = 1
        start = file.tell()
        while not file.readline().strip():  # scan_file has seen a line that is not blank
            first_line += 1
            start = file.tell()
        file.seek(start)
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
        line = first_line
        try:
            fields = next(reader)
            last_line = first_line - 1 + reader.line_num
            line = last_line + 1
            has_rows = any(row for row in reader)
        except csv.Error as error:
            raise DataError(csv_error_message(path.name, line, error)) from None
    names = tuple(field.strip() for field in fields)
    check_names(names, path.name)
    if not has_rows:
        raise DataError(
            f"{path.name} has a header of {count_noun(len(names), 'column')} "
            f"({join_items(names, 8)}) "
            "and no rows; expected at least one row below the header"
        )
    _check_header_is_text(names, path.name)
    return Header(names, delimiter, first_line, last_line)


def csv_error_message(name: str, line: int, error: csv.Error) -> str:
    """The message for a record that csv cannot read, with the line it begins on."""
    what = str(error)
    if "field larger" in what:
        what = "a field of more than 131072 characters"
    elif "end of data" in what:
        what = "a quote that is never closed"
    elif "expected after" in what:
        what = "text directly behind a closing quote"
    return (
        f"{name}, line {line}: {what}; expected fields quoted as in RFC 4180; "
        'double a quote inside a quoted field ("") and close every quote'
    )


def _guess_delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        # One line can be a whole damaged file, so lines are cut; only counts are wanted.
        lines = list(islice(iter(lambda: file.readline(1 << 20), ""), _SAMPLE_ROWS + 5))
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            rows = [
                row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row
            ]
        except csv.Error:
            continue
        counts = [len(row) for row in rows[: _SAMPLE_ROWS + 1]]
        if counts[0] > 1 and len(set(counts)) == 1:
            return delimiter
        if counts[0] > most:
            best, most = delimiter, counts[0]
    return best


def _check_header_is_text(names: tuple[str, ...], source: str) -> None:
    """Refuse a header of numbers, which is data, unless it numbers the columns."""
    values = [parse_number(name) for name in names]
    if len(names) < 2 or None in values:
        return
    if values in ([*map(float, range(len(names)))], [*map(float, range(1, len(names) + 1))]):
        return
    raise DataError(
        f"{source}: the first line holds only numbers ({join_items(names, 8)}); expected column "
        "names; "
        "add a line of names at the top"
    )
