"""The schema of a table: the inferred kind and range of each column, saved with a model.

It is inferred once, from the training table, and applied to every later one:
nothing is guessed again when predictions are made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltarule.errors import DataError, InputError, Message, Parameter, printable, short_repr
from deltarule.files.dataclass_fields import from_json_object
from deltarule.tables.cells import number_label
from deltarule.tables.date_text import day_text
from deltarule.tables.number_text import NumberFormat
from deltarule.tables.record_format import reading_record
from deltarule.tables.table import count_noun, join_items

__all__ = ["KINDS", "Column", "Schema", "frequent_levels"]

KINDS: tuple[str, ...] = ("number", "date", "category")
"""What a column can be. A date is a number: days since 1970-01-01."""

_FORMAT = 1
_MOST_LEVELS = 10
# The longest name that a printed table shows in full.
_MOST_CHARACTERS = 60


@dataclass(frozen=True)
class Column:
    """The inferred kind, range and levels of one column.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"number", "date", "category"}
        Dates are numbers: days since 1970-01-01 (UTC).
    missing : int
        The number of missing cells, those that could not be read included.
    distinct : int
        The number of different values.
    minimum, maximum : float or None
        The range of a number or date column.
    levels : tuple of (str, int)
        The most frequent levels of a category with their counts, at most ten.
    na : tuple of str
        Missing tokens of this column alone.
    notes : tuple of str
        What a reader should know.
    low, high : float or None
        Of a number or date column: what lies below or above is out of its scale, and counts as
        missing (see :func:`~deltarule.tables.implausible_values.plausible_range`). None where
        there is no such limit.
    mixed : bool
        Of a number or date column: whether the training table has cells of another kind in it,
        which count as missing there and later. Elsewhere such cells are refused.
    number_format : NumberFormat or None
        How the numbers of a column of text are written, where not in the plain way.
    date_format : str or None
        How the dates of a column are written, beside those that need no format.
    keep_na : bool
        Whether only the empty cell and the column's own missing tokens are missing.

    Examples
    --------
    >>> Column("age", "number", missing=1, distinct=3, minimum=18.0, maximum=65.5).span()
    '18 … 65.5'
    >>> Column("sex", "category", distinct=2, levels=(("f", 3), ("m", 2))).span()
    'f (3), m (2)'
    """

    name: str
    kind: str
    missing: int = 0
    distinct: int = 0
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[tuple[str, int], ...] = ()
    na: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    mixed: bool = False
    number_format: NumberFormat | None = None
    date_format: str | None = None
    keep_na: bool = False

    def span(self, width: int = 48) -> str:
        """The range, or the most frequent levels, in at most about ``width`` characters."""
        if self.kind == "category":
            shown: list[str] = []
            for level, count in self.levels:
                text = printable(level if len(level) <= 24 else level[:21] + "...")
                item = f"{text} ({count})"
                if shown and len(", ".join([*shown, item])) > width:
                    break
                shown.append(item)
            more = ", …" if len(shown) < self.distinct else ""
            return ", ".join(shown) + more
        if self.minimum is None or self.maximum is None:
            return ""
        if self.minimum == self.maximum:
            return day_text(self.minimum) if self.kind == "date" else _format_number(self.minimum)
        if self.kind == "date":
            return f"{day_text(self.minimum)} … {day_text(self.maximum)}"
        return f"{_format_number(self.minimum)} … {_format_number(self.maximum)}"


def frequent_levels(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The most frequent levels with their counts, at most ten; equal counts by name.

    Examples
    --------
    >>> frequent_levels({"b": 1, "c": 2, "a": 1})
    (('c', 2), ('a', 1), ('b', 1))
    """
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_LEVELS])


def _short_name(name: str) -> str:
    """A name for a line of a printed table."""
    shown = printable(name)
    return shown if len(shown) <= _MOST_CHARACTERS else shown[: _MOST_CHARACTERS - 1] + "…"


def _format_number(value: float) -> str:
    return number_label(value) if abs(value) < 1e9 and value.is_integer() else f"{value:.6g}"


@dataclass(frozen=True)
class Schema:
    """The inferred schema of a table, for training and for every later table.

    Made by :func:`infer_schema`; applied by :func:`apply_schema`.

    Parameters
    ----------
    columns : tuple of Column
        The columns that predictions are made from, in the table's order.
    target : Column or None
        The column to predict.
    task : {"classification", "regression"} or None
        None if there is no target.
    task_reason : str
        Why, in a sentence.
    other_task : str
        The task that the target's values would allow as well, if it was not asked for; else "".
    classes : tuple of str
        The class labels as text: in the order of their numbers if all are numbers,
        of their text otherwise. Empty for regression.
    weights : str or None
        The column of row weights.
    weights_format : NumberFormat or None
        How they are written, as for a :class:`Column`.
    ignored : tuple of str
        Columns left out on request.
    ids : tuple of str
        Columns of identifiers: no inputs; the command line carries them into predictions.
    dropped : tuple of (str, str)
        Columns left out because they say nothing, each with the reason.
    na : tuple of str
        The texts that mean *missing*, in lower case.
    n_rows : int
        The rows with a known target.
    notes : tuple of str
        What a reader should know about the table as a whole.
    source : str
        What it was inferred from.

    Examples
    --------
    >>> schema = Schema((Column("x", "number", distinct=3, minimum=0.0, maximum=2.0),))
    >>> schema.names
    ('x',)
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    columns: tuple[Column, ...]
    target: Column | None = None
    task: str | None = None
    task_reason: str = ""
    classes: tuple[str, ...] = ()
    weights: str | None = None
    ignored: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    na: tuple[str, ...] = ("",)
    n_rows: int = 0
    notes: tuple[str, ...] = ()
    source: str = ""
    weights_format: NumberFormat | None = None
    ids: tuple[str, ...] = ()
    other_task: str = ""

    @property
    def date_formats(self) -> dict[str, str]:
        """How the dates of columns are written, where they need a format."""
        columns = (*self.columns, *([self.target] if self.target else []))
        return {each.name: each.date_format for each in columns if each.date_format}

    @property
    def number_formats(self) -> dict[str, NumberFormat]:
        """How the numbers of columns of text are written, where not in the plain way."""
        columns = (*self.columns, *([self.target] if self.target else []))
        found = {each.name: each.number_format for each in columns if each.number_format}
        if self.weights is not None and self.weights_format is not None:
            found[self.weights] = self.weights_format
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that predictions are made from."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in (*self.columns, *([self.target] if self.target else [])):
            if column.name == name:
                return column
        raise DataError(
            f"the schema has no column {name!r}; its columns are: {', '.join(self.names)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The schema as a dictionary that JSON can hold.

        Returns
        -------
        dict
            Numbers, texts, lists and dictionaries only; floats keep every bit.
        """
        return {"format": _FORMAT, **_to_json(dataclasses.asdict(self))}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Schema:
        """The schema that :meth:`to_dict` wrote down.

        Parameters
        ----------
        record : mapping
            What :meth:`to_dict` gave, perhaps through a JSON file.

        Raises
        ------
        DataError
            If it is no such record, or one of a later version.
        """
        with reading_record(record, "schema", cls, _FORMAT, "infer the schema again"):
            values = {name: value for name, value in record.items() if name != "format"}
            schema = from_json_object(cls, values)
            schema._check()
        return schema

    def _check(self) -> None:
        """Raise InputError if the values are none that inferring gives."""
        columns = (*self.columns, *([self.target] if self.target else []))
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise InputError("a column is there twice")
        for column in columns:
            if column.kind not in KINDS:
                raise InputError(f"kind is {short_repr(column.kind)}; expected one of {KINDS}")
        if self.task not in (None, "classification", "regression"):
            raise InputError(f"task is {short_repr(self.task)}")
        if self.other_task not in ("", "classification", "regression"):
            raise InputError(f"other_task is {short_repr(self.other_task)}")
        if (self.target is None) != (self.task is None):
            raise InputError("there is a target without a task, or a task without a target")

    def scored_as(self) -> str:
        """Which way few numbers of a target were taken, and how to take them the other way.

        It is "" where the target leaves no choice, or the task was asked for.

        Examples
        --------
        >>> stars = Column("stars", "number", distinct=5, minimum=1.0, maximum=5.0)
        >>> x = Column("x", "number", distinct=3, minimum=0.0, maximum=2.0)
        >>> schema = Schema((x,), stars, "regression", other_task="classification")
        >>> print(schema.scored_as())
        scored as quantities: 'stars' has 5 different whole numbers, 1 … 5; if they are classes, \
train with task='classification'
        """
        if not self.other_task or self.target is None:
            return ""
        name, n = self.target.name, self.target.distinct
        option = Parameter("task", self.other_task)
        if self.task == "regression":
            what = f"{name!r} has {n} different whole numbers, {self.target.span()}"
            return Message(
                f"scored as quantities: {what}; if they are classes, train with ", option
            )
        ends = f"{self.classes[0]!r} {'and' if n == 2 else '…'} {self.classes[-1]!r}"
        what = f"{name!r} has {n} different numbers, {ends}"
        return Message(f"scored as classes: {what}; if they are quantities, train with ", option)

    def describe(self, limit: int = 60) -> str:
        """What was understood, as a plain-text table.

        Parameters
        ----------
        limit : int
            The most columns to list, and the most notes; what is not shown is counted.

        Examples
        --------
        >>> schema = Schema(
        ...     (Column("age", "number", 1, 3, 18.0, 65.0), Column("sex", "category", 0, 2,
        ...      levels=(("f", 3), ("m", 2)))), n_rows=5, source="people.csv")
        >>> print(schema.describe())
        people.csv: 5 rows, 2 columns to predict from
        <BLANKLINE>
          column  kind      missing  distinct  range or most frequent
          age     number          1         3  18 … 65
          sex     category        0         2  f (3), m (2)
        """
        rows_text, what = count_noun(self.n_rows, "row"), count_noun(len(self.columns), "column")
        source = printable(self.source) or "table"
        lines = [f"{source}: {rows_text}, {what} to predict from"]
        if self.target is not None:
            lines.append(self.task_reason)
        if self.weights is not None:
            lines.append(f"row weights: {self.weights!r}")
        if self.ids:
            lines.append(f"identifiers: {', '.join(map(repr, self.ids))}")
        rows = [("column", "kind", "missing", "distinct", "range or most frequent")]
        shown = [*([self.target] if self.target else []), *self.columns[:limit]]
        for column in shown:
            mark = " (target)" if column is self.target else ""
            rows.append(
                (
                    _short_name(column.name) + mark,
                    column.kind,
                    str(column.missing),
                    str(column.distinct),
                    column.span(),
                )
            )
        wide = [max(len(row[i]) for row in rows) for i in range(4)]
        lines.append("")
        for row in rows:
            cells = (
                f"  {row[0]:<{wide[0]}}  {row[1]:<{wide[1]}}  {row[2]:>{wide[2]}}  "
                f"{row[3]:>{wide[3]}}  {row[4]}"
            )
            lines.append(cells.rstrip())
        if len(self.columns) > limit:
            lines.append(f"  … and {len(self.columns) - limit} more columns")
        parts = ["\n".join(lines)]
        room = limit
        groups = self._remarks()
        for most, (what, whats, group) in zip((limit // 3, limit // 3, limit), groups, strict=True):
            if group and len(parts) == 1:
                parts.append("\n\nnotes")
            shown_notes = group[: min(most, room)]
            room -= len(shown_notes)
            for remark in shown_notes:
                parts += ["\n  - ", remark]
            if more := len(group) - len(shown_notes):
                parts.append(f"\n  … and {more} more {what if more == 1 else whats}")
        return Message(*parts)

    def remarks(self) -> tuple[str, ...]:
        """All notes as :meth:`describe` writes them: on the table, what is left out, on columns.

        Examples
        --------
        >>> column = Column("x", "number", notes=("every integer from 1 to 30 once",))
        >>> Schema((column,), dropped=(("c", "missing in every row"),)).remarks()
        ('c: left out, missing in every row', 'x: every integer from 1 to 30 once')
        """
        return tuple(remark for *_, group in self._remarks() for remark in group)

    def _remarks(self) -> list[tuple[str, str, list[str]]]:
        """The notes of three groups, each after the nouns for what is not shown of it."""
        left_out = [f"{_short_name(name)}: left out, {reason}" for name, reason in self.dropped]
        if self.ignored:
            names = join_items(map(_short_name, self.ignored))
            left_out.append(f"left out on request: {names}")
        columns = (*([self.target] if self.target else []), *self.columns)
        of_columns: list[str] = [
            Message(f"{_short_name(column.name)}: ", note)
            for column in columns
            for note in column.notes
        ]
        return [
            ("note on the table", "notes on the table", list(dict.fromkeys(self.notes))),
            ("column left out", "columns left out", left_out),
            ("note", "notes", list(dict.fromkeys(of_columns))),
        ]


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_json(each) for name, each in value.items()}
    return [_to_json(each) for each in value] if isinstance(value, list | tuple) else value
