"""How a text file is written, by its first rows: delimiter, title lines, comments and header.

What is recognised here is so in every file that begins alike: the decisions are those about
lines, fields and names, never about a column's values.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from deltarule.tables.cells import parse_number

__all__ = [
    "BLANK",
    "COMMENTS",
    "DELIMITERS",
    "Record",
    "guess_delimiter",
    "guess_quote",
    "holds_data",
    "is_value",
    "leading_comments",
    "leading_lines",
    "read_records",
    "sample_of",
    "separator_line",
    "split_at_blanks",
    "title_lines",
]

DELIMITERS: tuple[str, ...] = ("\t", ";", "|", ",")
"""The characters between fields that are recognised, in order of preference."""

COMMENTS = ("#", "%")
"""What lines of comment above a table begin with, where it is recognised."""

BLANK = " "
"""The delimiter that stands for any number of blanks and tabs."""

_SAMPLE_ROWS = 20
_COMPARED_ROWS = 1000
_COMPARED_FIELDS = 200_000
_LINE_LIMIT = 1 << 20
_MAX_TITLES = 30
_FIELD = re.compile(r'"(?:[^"]|"")*"|\S+')
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
# A number in any notation, or a date: what no column is called, integers aside.
_VALUE = re.compile(
    r"[-+]?(\d[\d.,]*|[.,]\d+)(e[-+]?\d+)?%?|\d{1,4}([-/.])\d{1,2}\3\d{1,4}([ T].*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Record:
    """A row of a text file: its fields, the lines it stands on, and how its last line ends."""

    fields: list[str]
    first_line: int
    last_line: int
    ends_in_delimiter: bool = False


def leading_lines(path: Path, skip: int) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, behind the first ``skip``; long ones are cut."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        number = 0
        while line := file.readline(_LINE_LIMIT):
            number += 1
            while line[-1:] not in "\r\n" and (rest := file.readline(_LINE_LIMIT)):
                line += rest[-1:] if rest[-1:] in "\r\n" else ""
            if number > skip:
                yield number, line


def separator_line(line: str) -> str | None:
    r"""The delimiter that Excel's first line ``sep=;`` declares; None for any other line.

    Examples
    --------
    >>> separator_line("sep=;\r\n"), separator_line("sepal;petal")
    (';', None)
    """
    found = _SEP_LINE.fullmatch(line)
    return found[1] if found else None


def leading_comments(lines: Sequence[str]) -> int:
    """The number of lines at the top that are comments; 0 if no line is behind them.

    A single line that has as many fields as the rows below is a header, ``#id,size``, unless what
    follows it is one.

    Examples
    --------
    >>> leading_comments(["# made in 2020", "#", "height,kind", "1.5,oak"])
    2
    >>> leading_comments(["#height,kind", "1.5,oak", "2.5,fir"])
    0
    """
    count = 0
    while count < len(lines) and (
        lines[count][:1] in COMMENTS or (count and not lines[count].strip())
    ):
        count += 1
    rest = [line for line in lines[count:] if line.strip()]
    if not count or not rest:
        return 0
    delimiter = guess_delimiter(rest)
    quote = guess_quote(rest, delimiter)
    try:
        rows = [_split(line, delimiter, quote) for line in (lines[count - 1], *rest)]
    except csv.Error:
        return count
    head, rows = rows[0], rows[1:]
    is_names = len(head) == len(rows[0]) and not _is_header(rows[0], rows[1:])
    if is_names and count == 1 and lines[0][1:2] not in (" ", "\t"):
        return 0
    return count


def _split(line: str, delimiter: str, quote: str) -> list[str]:
    if delimiter == BLANK:
        return split_at_blanks(line)
    return next(csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=True), [])


def guess_quote(lines: Sequence[str], delimiter: str) -> str:
    """The character around fields: ``'`` if all of the first line are in it, else ``"``.

    Examples
    --------
    >>> guess_quote(["'a','b'", "'x,y','z'"], ","), guess_quote(["a,b", "'s,x"], ",")
    ("'", '"')
    """
    field = r"\s*'(?:[^']|'')*'\s*"
    between = re.escape(delimiter)
    in_quotes = lines and re.fullmatch(f"{field}(?:{between}{field})*", lines[0].strip())
    return "'" if in_quotes else '"'


def split_at_blanks(line: str) -> list[str]:
    r"""The fields of a line between runs of blanks and tabs, those in quotes with their quotes.

    Examples
    --------
    >>> split_at_blanks('  1.5   2\t"a b"\n')
    ['1.5', '2', '"a b"']
    """
    return _FIELD.findall(line)


def guess_delimiter(lines: Sequence[str]) -> str:
    """The delimiter of the first lines of a file.

    It is the one of tab, semicolon, bar and comma that gives all lines equally many fields. If
    none does, blanks are one where they do and a field holds a number; else it is the one that
    gives most of the lines equally many fields, and the most common count.

    Examples
    --------
    >>> guess_delimiter(["size, cm;age", "1,5;2", "2,5;3"]), guess_delimiter(["a   b", "1  2"])
    (';', ' ')
    """
    lines = lines[: _SAMPLE_ROWS + 5]
    tally: dict[str, list[int]] = {}
    for delimiter in DELIMITERS:
        quote = guess_quote(lines, delimiter)
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True)
        try:
            tally[delimiter] = [len(row) for row in reader if row][: _SAMPLE_ROWS + 1]
        except csv.Error:
            continue
    by_blanks = _blank_counts(lines)
    for delimiter, counts in tally.items():
        if counts and counts[0] > 1 and len(set(counts)) == 1:
            # Columns aligned by blanks, with a tab before the last one only.
            aligned = all("  " in line.strip() for line in lines if line.strip())
            if delimiter == "\t" and aligned and by_blanks > counts[0]:
                return BLANK
            return delimiter
    if by_blanks:
        return BLANK
    best, most = ",", (0, 1)
    for delimiter in sorted(tally, key=",;\t|".index):
        counts = [count for count in tally[delimiter] if count > 1]
        if counts:
            count, times = Counter(counts).most_common(1)[0]
            if (times, count) > most:
                best, most = delimiter, (times, count)
    return best


def _blank_counts(lines: Sequence[str]) -> int:
    """The number of fields between blanks, if it is the same in all lines and some are numbers.

    One field fewer in the first line is R's header, which has no name for the names of rows.
    """
    rows = [row for row in map(split_at_blanks, lines) if row][: _SAMPLE_ROWS + 1]
    if len(rows) < 2:
        return 0
    counts = {len(row) for row in rows[1:]}
    n_fields = counts.pop()
    if counts or n_fields < 2 or len(rows[0]) not in (n_fields, n_fields - 1):
        return 0
    if len(rows[0]) == n_fields - 1 and n_fields < 3:
        return 0
    if any(field[-1] in ",;" for row in rows for field in row):  # a, b
        return 0
    is_number = [all(is_value(row[k]) for row in rows[1:]) for k in range(n_fields)]
    return n_fields if any(is_number) else 0


def read_records(path: Path, first_line: int, delimiter: str, quote: str) -> Iterator[Record]:
    """The rows of a file from a line on, without blank ones.

    Raises
    ------
    csv.Error
        If a field is not quoted as it should be; the rows before it were given.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(first_line - 1):
            file.readline()
        last = ""

        def lines() -> Iterator[str]:
            nonlocal last
            for each in file:
                last = each
                yield each

        reader = csv.reader(
            lines(), delimiter=delimiter, quotechar=quote, strict=True, skipinitialspace=True
        )
        line = first_line
        for fields in reader:
            first, line = line, first_line + reader.line_num
            if fields:
                ends = last.rstrip("\r\n" if delimiter == "\t" else " \r\n").endswith(delimiter)
                yield Record(fields, first, line - 1, ends)


def sample_of(records: Iterator[Record]) -> list[Record]:
    """The first rows, as many as are compared; those before a row that cannot be read."""
    sample: list[Record] = []
    fields = 0
    try:
        for record in islice(records, _COMPARED_ROWS):
            sample.append(record)
            fields += len(record.fields)
            if fields > _COMPARED_FIELDS and len(sample) > _SAMPLE_ROWS:
                break
    except csv.Error:
        if not sample:
            raise
    return sample


def title_lines(sample: Sequence[Record]) -> int:
    """The number of rows at the top with fewer fields than all that follow them.

    Where only one field is lacking it is R's header, which has no name for the names of rows,
    unless the next row is a header.

    Examples
    --------
    >>> rows = [["Trees"], ["height", "kind"], ["1.5", "oak"], ["2.5", "fir"]]
    >>> title_lines([Record(row, i, i) for i, row in enumerate(rows, start=1)])
    1
    """
    counts = [len(record.fields) for record in sample[: _MAX_TITLES + _SAMPLE_ROWS]]
    n_fields = Counter(counts).most_common(1)[0][0]
    start = counts.index(n_fields)
    if start == 0 and (padded := _padded_titles([record.fields for record in sample], n_fields)):
        return padded
    if n_fields < 2 or not 0 < start <= _MAX_TITLES or any(c >= n_fields for c in counts[:start]):
        return 0
    rows = [record.fields for record in sample[start : start + _SAMPLE_ROWS]]
    rows = [row for row in rows if len(row) == n_fields]
    if len(rows) < 2 or holds_data(rows[0], rows[1:]):
        return 0
    if counts[:start] == [n_fields - 1] and not _is_header(rows[0], rows[1:]):
        return 0
    return start


def _padded_titles(rows: Sequence[Sequence[str]], n_fields: int) -> int:
    """The number of rows at the top that are at most half filled, above a header that is in full.

    Spreadsheets write a title so, with the delimiters of the other columns behind it.
    """
    for start, row in enumerate(rows[:_MAX_TITLES]):
        known = [field for field in row if field.strip()]
        if len(known) == len(row) == n_fields and start:
            return start if _is_header(row, rows[start + 1 : start + 1 + _SAMPLE_ROWS]) else 0
        if len(known) > n_fields // 2 or any(map(is_value, known)):
            return 0
    return 0


def is_value(text: str) -> bool:
    """Whether a text is a number in any notation, or a date in digits.

    Examples
    --------
    >>> [is_value(text) for text in ("1.5", "1,5", "12%", "2020-01-31", "x1", "")]
    [True, True, True, True, False, False]
    """
    return _VALUE.fullmatch(text.strip()) is not None


def _known(column: Sequence[str]) -> list[str]:
    return [text for text in column if text.strip() and text.strip().lower() not in ("na", "?")]


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row has text above a column of numbers or dates."""
    columns = zip(first, *(row for row in rows if len(row) == len(first)), strict=True)
    return any(
        _known([name]) and not is_value(name) and known and all(map(is_value, known))
        for name, *cells in columns
        if (known := _known(cells)) is not None
    )


def holds_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool | None:
    """Whether the first row of a file is data, and not the names of the columns.

    Parameters
    ----------
    first : sequence of str
    rows : sequence of sequence of str
        Rows below it.

    Returns
    -------
    bool or None
        None where names are numbers, and it is taken for names.

    Examples
    --------
    >>> holds_data(["5.1", "setosa"], [["4.9", "setosa"], ["7.0", "virginica"]])
    True
    >>> holds_data(["size", "kind"], [["4.9", "setosa"], ["7.0", "virginica"]])
    False
    >>> holds_data(["town", "2019", "2020"], [["Ulm", "14", "21"], ["Bonn", "17", "19"]]) is None
    True
    """
    first = [text.strip() for text in first]
    rows = [row for row in rows if len(row) == len(first)]
    values = [text for text in first if is_value(text)]
    if not rows:
        return bool(values) and any(parse_number(v) is None or "." in v for v in values)
    if _is_header(first, rows):
        return False
    columns = list(zip(*rows, strict=True))
    known = [_known(cells) for cells in columns]
    numeric = [k for k, cells in enumerate(known) if cells and all(map(is_value, cells))]
    above = [first[k] for k in numeric if is_value(first[k])]
    if not above:
        others = [row for row in rows if [cell.strip() for cell in row] != first]
        if len(others) < 2 or not all(first):
            return False
        below = [{cell.strip() for cell in cells} for cells in zip(*others, strict=True)]
        return all(text in cells for text, cells in zip(first, below, strict=True))
    numbers = [parse_number(text) for text in above]
    if None in numbers:  # a date, 1,5 or 12%
        return True
    found = [number for number in numbers if number is not None]
    n_columns = len(first)
    if found in ([*map(float, range(n_columns))], [*map(float, range(1, n_columns + 1))]):
        return False
    if _look_like_names(found, [[parse_number(row[k]) for k in numeric] for row in rows]):
        return None
    return True


def _look_like_names(numbers: Sequence[float], rows: Sequence[Sequence[float | None]]) -> bool:
    """Whether numbers can be names: years, or a series that the rows do not go on."""
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        return False
    if all(map(_is_year, numbers)):
        return not all(number is None or _is_year(number) for row in rows for number in row)
    rising = sum(_rises(row) for row in rows)
    return len(numbers) > 2 and _rises(numbers) and rising < len(rows) / 2


def _is_year(number: float) -> bool:
    return number.is_integer() and 1800 <= number <= 2100


def _rises(numbers: Sequence[float | None]) -> bool:
    known = [number for number in numbers if number is not None]
    return len(known) > 1 and all(a < b for a, b in pairwise(known))
