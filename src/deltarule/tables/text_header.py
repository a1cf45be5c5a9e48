"""Checks of a text file before it is parsed: its encoding, delimiter and header.

A lenient CSV parser would guess, and shift a row, drop a last field, or read a binary file
as one column. Here everything that could be guessed is decided first.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from deltarule.errors import DataError, FileError, Message, Parameter
from deltarule.tables.cells import parse_number
from deltarule.tables.file_format import FileFormat
from deltarule.tables.table import check_names, count_noun, join_items
from deltarule.tables.text_dialect import (
    COMMENTS,
    Record,
    guess_delimiter,
    guess_quote,
    holds_data,
    is_value,
    leading_comments,
    leading_lines,
    read_records,
    sample_of,
    separator_line,
    title_lines,
)

__all__ = ["LONGEST_LINE", "Header", "csv_error_message", "free_name", "read_header", "scan_file"]

_CHUNK = 1 << 22
LONGEST_LINE = 1 << 26
"""The most bytes of a line of a table: 20 000 fields of 3 000 characters."""
# The lines at the top that the delimiter and the number of fields are found by.
_LOOKED_AT = 60


@dataclass(frozen=True)
class Header:
    """The names of the columns of a text file, and how its rows are written.

    Parameters
    ----------
    names : tuple of str
        The column names, without surrounding blanks, as many as a row has fields.
    delimiter : str
        What stands between fields.
    first_line : int
        The line the header begins on, behind any empty lines, titles and comments.
    last_line : int
        The line it ends on: a quoted name may hold a line break. The rows begin behind it.
    quote : str
        What stands around fields that hold a delimiter.
    has_names : bool
        Whether the lines from the first to the last hold names; without a header there are none.
    unnamed : tuple of str
        Those of the names that were made up, since the file has none for these columns.
    trailing : bool
        Whether the last column is the empty field behind a delimiter that ends each row.
    blank_rows : bool
        Whether a blank line is a row of a table of one column.
    notes : tuple of str
        What was assumed.
    """

    names: tuple[str, ...]
    delimiter: str
    first_line: int
    last_line: int
    quote: str = '"'
    has_names: bool = True
    unnamed: tuple[str, ...] = ()
    trailing: bool = False
    blank_rows: bool = True
    notes: tuple[str, ...] = ()


def scan_file(path: Path, longest_line: float = float("inf")) -> int:
    """Check that a file is UTF-8 text and not empty, and count its lines.

    Parameters
    ----------
    path : Path
    longest_line : float
        The most bytes of a line. A longer one could be looked at only as a whole, in memory.

    Returns
    -------
    int
        The number of lines, an unfinished last one included.

    Raises
    ------
    FileError
        If it cannot be read.
    DataError
        If it is empty, holds a NUL byte, is not UTF-8, or has a longer line, with the line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, tail, blank, length = 1, b"", True, 0
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
                first, last = _breaks(chunk)
                if length + first > longest_line:
                    raise _long_line_error(path.name, line, longest_line)
                length = length + first if last < 0 else len(chunk) - last - 1
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


def _breaks(chunk: bytes) -> tuple[int, int]:
    """The places of the first and the last line break; the length and -1 if there is none."""
    found = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
    return min(found, default=len(chunk)), max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))


def _long_line_error(name: str, line: int, most: float) -> DataError:
    return DataError(
        f"{name}, line {line} has more than {most / 1e6:.3g} MB",
        expected="a table with a line for each row",
        hint="the file is no such table, or its line breaks were lost; write it again",
    )


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


def read_header(path: Path, file_format: FileFormat | None = None) -> Header:
    """The column names of a text file, the delimiter, and what else its first rows show.

    Parameters
    ----------
    path : Path
        A file that :func:`scan_file` accepted, with any comments left blank.
    file_format : FileFormat, optional
        What is not to be recognised. A delimiter that is not given is a tab in ``.tsv`` and
        ``.tab`` files, elsewhere what :func:`~deltarule.tables.text_dialect.guess_delimiter`
        finds.

    Raises
    ------
    DataError
        If names are repeated, the columns are too many, no row follows, or the names that were
        given are not as many as the fields.
    """
    told = file_format or FileFormat()
    start, delimiter, quote = first_line(path, told)
    line = start
    try:
        sample = sample_of(read_records(path, start, delimiter, quote))
        line = sample[0].last_line + 1
        has_rows = len(sample) > 1 or any(read_records(path, line, delimiter, quote))
    except csv.Error as error:
        raise DataError(csv_error_message(path.name, line, error)) from None
    notes: list[str] = []
    if told.names is None and (titles := title_lines(sample)):
        ends = sample[titles - 1].last_line
        notes.append(_title_note(path.name, sample[0].first_line, ends))
        sample = sample[titles:]
    first, rows = sample[0], sample[1:]
    fields = [field.strip() for field in first.fields]
    below = [record.fields for record in rows]
    is_data = told.names is not None or holds_data(fields, below)
    comment = _last_comment(path, told, start)
    if comment is not None:
        notes.append(_comment_note(path.name, start))
        found = _comment_fields(comment, delimiter, quote)
        above_data = is_data or all(map(is_value, fields))
        if above_data and told.names is None and len(found) == len(fields) > 1:
            notes[-1] = f"{path.name}: the names of the columns are those in the comment above them"
            fields, first, rows, is_data = found, Record(found, start, start - 1), sample, False
    header = Header((), delimiter, first.first_line, first.last_line, quote)
    header = replace(header, blank_rows=told.comment is None)
    if is_data:
        header = replace(header, last_line=first.first_line - 1, has_names=False)
        names = told.names or tuple(f"column{i}" for i in range(1, len(fields) + 1))
        if told.names is None:
            notes.append(_no_header_note(path.name, first.first_line, names))
        elif told.names and len(names) != len(fields):
            raise _names_count_error(path.name, first, names)
        check_names(names, path.name)
        return replace(header, names=names, notes=tuple(notes))
    if is_data is None:
        notes.append(_numbers_note(path.name, first.first_line, fields))
    if not has_rows:
        check_names(fields, path.name)
        raise DataError(
            f"{path.name} has a header of {count_noun(len(fields), 'column')} "
            f"({join_items(fields, 8)}) "
            "and no rows; expected at least one row below the header"
        )
    fitted, unnamed, trailing = _fitted_names(fields, rows)
    if trailing:
        notes.append(
            f"{path.name}: every row ends in {delimiter!r}, beyond the last name; the empty field "
            "behind it is left out"
        )
    elif unnamed:
        notes.append(_unnamed_note(path.name, unnamed))
    check_names(fitted, path.name)
    return replace(
        header, names=tuple(fitted), unnamed=tuple(unnamed), trailing=trailing, notes=tuple(notes)
    )


def first_line(path: Path, told: FileFormat) -> tuple[int, str, str]:
    """The line that rows are looked for from, the delimiter, and the quote character."""
    delimiter = told.delimiter
    if delimiter is None and path.suffix.lower() in (".tsv", ".tab"):
        delimiter = "\t"
    lines = list(islice(leading_lines(path, told.skip), _LOOKED_AT))
    while lines and not lines[0][1].strip():
        del lines[0]
    if lines and (declared := separator_line(lines[0][1])):
        delimiter = delimiter or declared
        del lines[0]
    if told.comment is None:
        del lines[: leading_comments([line for _, line in lines])]
    while lines and not lines[0][1].strip():
        del lines[0]
    if not lines:
        raise DataError(
            Message(f"{path.name} has no line of a table", *_behind(told)),
            expected="a line of column names and at least one row below it",
        )
    delimiter = delimiter or guess_delimiter([line for _, line in lines])
    return lines[0][0], delimiter, guess_quote([line for _, line in lines], delimiter)


def _behind(told: FileFormat) -> tuple[str | Parameter, ...]:
    return (" behind ", Parameter("skip", told.skip)) if told.skip else ()


def _last_comment(path: Path, told: FileFormat, start: int) -> str | None:
    """The line of comment right above the first row, where comments are recognised."""
    if told.comment is not None:
        return None
    above = [line for _, line in islice(leading_lines(path, told.skip), start - told.skip - 1)]
    above = [line for line in above if line.strip()]
    return above[-1] if above and above[-1][:1] in COMMENTS else None


def _comment_fields(line: str, delimiter: str, quote: str) -> list[str]:
    """The fields of a comment, as of a header; ``#id`` is a name, and ``# id`` is not."""
    text = line[1:] if line[1:2] in (" ", "\t") else line
    try:
        fields = next(csv.reader([text.strip()], delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return []
    return [field.strip() for field in fields]


def _fitted_names(fields: list[str], rows: Sequence[Record]) -> tuple[list[str], list[str], bool]:
    """The names as many as the rows have fields, those made up, and whether the last is empty."""
    counts = {len(record.fields) for record in rows[:_LOOKED_AT]}
    one_more = counts == {len(fields) + 1}
    ends = all(record.ends_in_delimiter for record in rows[:_LOOKED_AT])
    if one_more and ends and all(not record.fields[-1].strip() for record in rows):
        name = free_name(len(fields) + 1, fields)
        return [*fields, name], [], True
    if one_more and len(fields) > 1 and _are_row_names([row.fields[0] for row in rows]):
        fields = ["", *fields]
    elif counts == {len(fields) - 1} and not fields[-1] and len(fields) > 1:
        fields = fields[:-1]
    unnamed = []
    names = list(fields)
    for i, field in enumerate(fields):
        if not field:
            names[i] = free_name(i + 1, fields)
            unnamed.append(names[i])
    return names, unnamed, False


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether the fields before the named ones are names of rows: 1, 2, … or texts, each once."""
    if len(cells) < 3 or len(set(cells)) < len(cells):
        return False
    numbers = [parse_number(cell) for cell in cells]
    counted = [*map(float, range(1, len(cells) + 1))]
    return numbers == counted or all(number is None for number in numbers)


def free_name(number: int, names: Collection[str]) -> str:
    """The name for a column that has none; with more underscores if it is taken.

    Examples
    --------
    >>> free_name(2, ["a", "", "column2"])
    'column2_'
    """
    name = f"column{number}"
    while name in names:
        name += "_"
    return name


def _title_note(source: str, first: int, last: int) -> Message:
    lines = f"line {first} is" if first == last else f"lines {first} to {last} are"
    return Message(
        f"{source}: {lines} taken for a title above the table and left out; say otherwise with ",
        Parameter("skip"),
    )


def _comment_note(source: str, start: int) -> Message:
    return Message(
        f"{source}: comments above line {start} are left out; say otherwise with ",
        Parameter("comment"),
    )


def _no_header_note(source: str, line: int, names: Sequence[str]) -> Message:
    called = "the only one is" if len(names) == 1 else "they are"
    last = "" if len(names) == 1 else f" to {names[-1]!r}"
    return Message(
        f"{source}: line {line} holds data and no names of columns; {called} called "
        f"{names[0]!r}{last}; name them with ",
        Parameter("names"),
    )


def _numbers_note(source: str, line: int, names: Sequence[str]) -> Message:
    numbers = join_items((repr(name) for name in names if parse_number(name) is not None), 4)
    return Message(
        f"{source}: line {line} is taken for names of columns, numbers as they are ({numbers}); if "
        "it holds data, give ",
        Parameter("names", "none"),
    )


def _unnamed_note(source: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{source}: one column has no name and is called {names[0]!r}"
    shown = join_items(map(repr, names), 8)
    return f"{source}: {len(names)} columns have no name and are called {shown}"


def _names_count_error(source: str, first: Record, names: Sequence[str]) -> DataError:
    return DataError(
        Message(Parameter("names"), f" gives {count_noun(len(names), 'name')}"),
        parameter="names",
        given=",".join(names),
        expected=f"{len(first.fields)}, as line {first.first_line} of {source} has fields "
        f"({join_items(first.fields, 6)})",
    )


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
