"""Tables: named columns of numbers or text, with the source line of each row."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.cells import is_unicode
from deltarule.tables.number_text import NumberFormat
from deltarule.tables.row_indices import row_indices
from deltarule.tables.text_column import TextColumn

__all__ = [
    "MAX_COLUMNS",
    "Cells",
    "Table",
    "all_rows_text",
    "bad_sql",
    "check_names",
    "close_match",
    "count_noun",
    "join_items",
    "unknown_column_error",
    "with_notes",
]

MAX_COLUMNS = 20_000
"""More columns than this are refused: it is nearly always a table lying on its side."""

_MAX_ITEMS = 20

Cells: TypeAlias = NDArray[np.float64] | TextColumn
"""The cells of one column: numbers with NaN where missing, or text."""


def text_or_numbers(column: Any) -> Any:
    """An array of objects as a TextColumn; anything else as it is.

    Examples
    --------
    >>> text_or_numbers(np.array(["a", None], dtype=object)).tolist()
    ['a', None]
    """
    is_objects = isinstance(column, np.ndarray) and column.dtype == object and column.ndim == 1
    return TextColumn.from_cells(column.tolist()) if is_objects else column


def join_items(items: Iterable[str], limit: int = _MAX_ITEMS) -> str:
    """Items for a message, the first few of many, each with its first 300 characters.

    Examples
    --------
    >>> join_items(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    items = [each if len(each) <= 300 else f"{each[:300]}…" for each in items]
    text = ", ".join(items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"


def count_noun(number: int, noun: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> count_noun(1, "row"), count_noun(0, "row"), count_noun(2, "class")
    ('1 row', '0 rows', '2 classes')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}es" if noun.endswith("s") else f"{number} {noun}s"


def all_rows_text(number: int) -> str:
    """Every row of a table, for a message.

    Examples
    --------
    >>> all_rows_text(40), all_rows_text(1)
    ('all 40 rows', 'the only row')
    """
    return "the only row" if number == 1 else f"all {number} rows"


def close_match(name: str, known: Iterable[str]) -> str | None:
    """The known name most similar to ``name``, ignoring case, or None.

    Examples
    --------
    >>> close_match("AGE", ["wage", "age"]), close_match("x", ["age"])
    ('age', None)
    """
    by_lower: dict[str, str] = {}
    for each in known:
        by_lower.setdefault(each.lower(), each)
    # difflib takes milliseconds per hundred names; on a very wide table that is a minute.
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    found = difflib.get_close_matches(name.lower(), list(by_lower)[:2000], n=1)
    return by_lower[found[0]] if found else None


def bad_sql(
    problem: str, sql: Any, expected: str = "one SELECT, which only reads", hint: str | None = None
) -> DataError:
    """The error for SQL that is not run; ``problem`` goes on after the parameter's name.

    Examples
    --------
    >>> print(bad_sql(" is no SELECT: 'DROP t'", "DROP t"))
    sql is no SELECT: 'DROP t'; expected one SELECT, which only reads
    """
    message = Message(Parameter("sql"), problem)
    return DataError(message, parameter="sql", given=sql, expected=expected, hint=hint)


def with_notes(text: str, notes: Sequence[str]) -> Message:
    """A text with the first notes on how a table was read, where an error takes their place.

    Examples
    --------
    >>> print(with_notes("it has: column1", ["line 1 holds data"]))
    it has: column1 (line 1 holds data)
    """
    return Message(text, *(part for note in notes[:3] for part in (" (", note, ")")))


def unknown_column_error(
    name: str,
    known: Sequence[str],
    what: str,
    source: str,
    parameter: str | None = None,
    notes: Sequence[str] = (),
) -> DataError:
    """The error for a column that is not there.

    Examples
    --------
    >>> print(unknown_column_error("pric", ["size", "price"], "target", "a.csv"))
    a.csv has no column 'pric' (the target); did you mean 'price'? its columns are: size, price
    """
    match = close_match(str(name), known)
    hint = f"did you mean {match!r}? " if match else ""
    return DataError(
        f"{source} has no column {name!r} (the {what})",
        parameter=parameter,
        given=name,
        hint=with_notes(f"{hint}its columns are: {join_items(known)}", notes),
    )


def check_names(names: Sequence[str], source: str) -> None:
    """Refuse empty and repeated column names, and more of them than :data:`MAX_COLUMNS`.

    Raises
    ------
    DataError
        Naming the columns.

    Examples
    --------
    >>> check_names(["a", "b", "a"], "a.csv")
    Traceback (most recent call last):
    deltarule.errors.DataError: a.csv: the column name 'a' stands twice, in columns 1 and 3; \
expected every name once; rename one of them
    """
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{source} has {len(names)} columns; expected at most {MAX_COLUMNS}; "
            "are rows and columns exchanged? Transpose it, or choose columns first"
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name.strip():
            hint = ""
            if number == 1:
                hint = " (pandas writes its index so; save with index=False)"
            raise DataError(
                f"{source}: column {number} of {len(names)} has no name{hint}; expected a name "
                "for every column; add one, or remove the column"
            )
        if not is_unicode(name):
            raise DataError(
                f"{source}: the name of column {number}, {name!r}, is no Unicode text; expected "
                "text; rename the column"
            )
        if name in seen:
            raise DataError(
                f"{source}: the column name {name!r} stands twice, in columns {seen[name]} and "
                f"{number}; expected every name once; rename one of them"
            )
        seen[name] = number


@dataclass(frozen=True, eq=False)
class Table:
    """Columns as they were read, as numbers or text, before their kinds are inferred.

    Parameters
    ----------
    names : tuple of str
        The columns' names, in the source's order.
    columns : mapping of str to ndarray of float64, or TextColumn
        By name; NaN where a number is missing. An array of objects that are str, or None
        where missing, becomes a TextColumn.
    source : str
        What it was read from, for messages.
    lines : ndarray of int64
        For each row, the line of the file it begins on, or its row number.
    line_word : {"line", "row"}
        What ``lines`` counts. Both count from 1; the header is line 1.
    kinds : mapping of str to str
        What the source itself says of a column: ``"date"`` (days since
        1970-01-01) or ``"category"``. Most columns have no entry.
    na : tuple of str
        The missing tokens that were applied.
    files : tuple of str
        The names of the files, if there were several.
    file_of : ndarray of int64 or None
        For each row the index into ``files``, if there were several.
    line_words : tuple of str
        For each of the files what its ``lines`` count, where not all count the same.
    notes : tuple of str
        What a reader should know of how it was read.
    paths : tuple of Path
        The files it was read from, in their order; of a query, those that were given beside it.
    unnamed : tuple of str
        The columns that have no name in the source, and were given one.
    number_formats : mapping of str to NumberFormat
        How the numbers of columns of text are written, where it is stated.
    date_formats : mapping of str to str
        The formats of dates that need one, as :meth:`datetime.datetime.strptime` takes them.
    parsed : frozenset of str
        The columns of float64 that a text file spells with a decimal point.
    unreadable : mapping of str to DataError
        The errors of columns of lists, structures or bytes, which are none of the columns.
    is_sparse : bool
        Whether a column that no row names is missing in every row, as in JSON.

    Raises
    ------
    DataError
        If a name is empty or repeated, or a column is not as described.

    Examples
    --------
    >>> table = Table(("x", "y"), {"x": np.array([1.5, np.nan]),
    ...                            "y": np.array(["a", None], dtype=object)})
    >>> len(table), table.n_rows, table.names
    (2, 2, ('x', 'y'))
    >>> table.take([0])["y"]
    array(['a'], dtype=object)
    >>> table.column("y")
    TextColumn(2 rows of 1 distinct text)
    >>> table.where(1)
    'row 2'
    """

    names: tuple[str, ...]
    columns: Mapping[str, Cells]
    source: str = "the table"
    lines: NDArray[np.int64] | None = None
    line_word: str = "row"
    kinds: Mapping[str, str] = field(default_factory=dict)
    na: tuple[str, ...] = ("",)
    files: tuple[str, ...] = ()
    file_of: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    number_formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    date_formats: Mapping[str, str] = field(default_factory=dict)
    parsed: frozenset[str] = frozenset()
    is_sparse: bool = False
    unnamed: tuple[str, ...] = ()
    unreadable: Mapping[str, DataError] = field(default_factory=dict)
    line_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(self.names)
        object.__setattr__(self, "names", names)
        check_names(names, self.source)
        if set(names) != set(self.columns):
            raise DataError(
                f"{self.source}: the names are {join_items(names)}, but the columns are "
                f"{join_items(map(str, self.columns))}; expected one column for every name"
            )
        columns = {name: text_or_numbers(self.columns[name]) for name in names}
        object.__setattr__(self, "columns", columns)
        for name, column in columns.items():
            if not isinstance(column, TextColumn) and (
                not isinstance(column, np.ndarray) or column.dtype != np.float64 or column.ndim != 1
            ):
                raise DataError(
                    f"{self.source}: column {name!r} is {_describe_type(column)}; expected a 1-d "
                    "NumPy "
                    "array of float64 or of str and None; use table_from_frame to convert"
                )
        lengths = {name: len(self.columns[name]) for name in names}
        if len(set(lengths.values())) > 1:
            shown = join_items(f"{name} has {length}" for name, length in lengths.items())
            raise DataError(
                f"{self.source}: the columns differ in length: {shown}; "
                "expected the same number of rows in each"
            )
        if self.lines is None:
            n_rows = next(iter(lengths.values()), 0)
            object.__setattr__(self, "lines", np.arange(1, n_rows + 1))

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self)

    def __len__(self) -> int:
        return len(self.columns[self.names[0]]) if self.names else 0

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def column(self, name: str) -> Cells:
        """A column as it is stored: float64 with NaN where missing, or a TextColumn.

        Raises
        ------
        DataError
            If the name is unknown.
        """
        if name in self.unreadable:
            raise self.unreadable[name]
        if name not in self.columns:
            raise unknown_column_error(name, self.names, "column asked for", self.source)
        return self.columns[name]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column as an array: float64, or objects that are str, or None where missing."""
        column = self.column(name)
        return column.objects() if isinstance(column, TextColumn) else column

    def __repr__(self) -> str:
        return (
            f"Table({count_noun(len(self), 'row')} of {count_noun(len(self.names), 'column')} "
            f"from {self.source}: "
            f"{join_items(self.names)})"
        )

    def where(self, row: int) -> str:
        """The position of a row (counted from 0) in its source, for messages."""
        file, place = self.place(row)
        return place if self.file_of is None else f"{file} {place}"

    def place(self, row: int) -> tuple[str, str]:
        """The file, or other source, of a row (counted from 0), and the row's position in it."""
        assert self.lines is not None  # __post_init__ filled it
        file, word = self.source, self.line_word
        if self.file_of is not None:
            index = int(self.file_of[row])
            file = self.files[index]
            word = self.line_words[index] if self.line_words else word
        return file, f"{word} {self.lines[row]}"

    def select(self, names: Iterable[str]) -> Table:
        """The table with these columns only, in this order.

        Raises
        ------
        DataError
            If a name is unknown.
        """
        chosen = tuple(names)
        columns = {name: self.column(name) for name in chosen}
        kinds = {name: kind for name, kind in self.kinds.items() if name in columns}
        return replace(self, names=chosen, columns=columns, kinds=kinds)

    def without(self, names: Iterable[str]) -> Table:
        """The table without these columns.

        Raises
        ------
        DataError
            If a name is unknown.
        """
        gone = set(names)
        for name in sorted(gone - set(self.names)):
            raise unknown_column_error(name, self.names, "column to leave out", self.source)
        return self.select(name for name in self.names if name not in gone)

    def with_missing(self, names: Iterable[str]) -> Table:
        """The table with those of these columns that it lacks, missing in every row.

        Examples
        --------
        >>> Table(("x",), {"x": np.array([1.0])}).with_missing(["x", "y"])["y"]
        array([None], dtype=object)
        """
        absent = [name for name in names if name not in self]
        missing = TextColumn(np.full(len(self), -1, dtype=np.int32), ())
        columns = {**self.columns, **dict.fromkeys(absent, missing)}
        return replace(self, names=(*self.names, *absent), columns=columns)

    def take(self, rows: ArrayLike | slice) -> Table:
        """The table with these rows: indices, a mask of booleans, or a slice.

        Raises
        ------
        InputError
            If a row is out of range, or the mask has another length.
        """
        index = row_indices(rows, len(self))
        assert self.lines is not None
        return replace(
            self,
            columns={name: column[index] for name, column in self.columns.items()},
            lines=self.lines[index],
            file_of=None if self.file_of is None else self.file_of[index],
        )

    def head(self, n: int = 5) -> Table:
        """The first ``n`` rows."""
        return self.take(slice(max(n, 0)))


def _describe_type(column: object) -> str:
    if isinstance(column, np.ndarray):
        return f"an array of {column.dtype} with {column.ndim} dimensions"
    return f"a {type(column).__name__}"
