"""Inference of how the dates of a text column are written, and why texts are no dates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.tables.cells import date_label
from deltarule.tables.column_values import (
    NUMERIC_SHARE,
    as_days,
    as_texts,
    describe_cells,
    is_missing,
)
from deltarule.tables.date_text import (
    check_date_format,
    date_reader,
    date_value,
    parse_date,
    split_date,
)
from deltarule.tables.table import Table, unknown_column_error
from deltarule.tables.text_column import TextColumn

__all__ = ["stated_date_formats", "unread_date_notes", "with_date_formats"]

# How many times as many cells must speak for one order of day and month as for the other, if some
# speak for each.
_MAJORITY = 20
_LIKE_DATE = re.compile(
    r"(?:[^\W\d]+[.,]? )?(?:\d{1,2}([-/. ])\d{1,2}\1\d{4}|\d{4}([-/. ])\d{1,2}\2\d{1,2}"
    r"|\d{1,2}\.?[-/ ]?[^\W\d]{3,10}\.?[-/ ]?\d{4}|[^\W\d]{3,10}\.? \d{1,2},? \d{4})\b.*"
)
_DAY_ABOVE_12 = re.compile(r"(?<!\d)(?:1[3-9]|2\d|3[01])[-/. ]", re.ASCII)
_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_SAMPLE_TEXTS = 1000
# Fewer different numbers may look like compact dates by chance.
_MANY_NUMBERS = 10


@dataclass
class _Reading:
    """What one format reads of the different dates of a column."""

    format: str
    days: dict[str, float] = field(default_factory=dict)


def stated_date_formats(
    table: Table, date_format: str | Mapping[str, str] | None, kinds: Mapping[str, str]
) -> dict[str, str]:
    """The format of each column for which one is stated.

    A format for all columns is that of those columns of which it reads at least 95 % of the known
    cells.

    Raises
    ------
    DataError
        If a column is unknown, or no column has dates in a format that is stated for all.
    InputError
        If a format is none, or the column is said to be of another kind.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["03/04/2021", "05/04/2021"])
    >>> table = Table(("d", "x"), {"d": cells, "x": np.array([1.0, 2.0])})
    >>> stated_date_formats(table, "%d/%m/%Y", {})
    {'d': '%d/%m/%Y'}
    """
    if date_format is None:
        return {}
    if isinstance(date_format, Mapping):
        for name, each in date_format.items():
            if name not in table:
                what = "one whose dates' format is given"
                raise unknown_column_error(name, table.names, what, table.source, "date_format")
            if kinds.get(name, "date") != "date":
                raise InputError(
                    Message(
                        Parameter("date_format", {name: each}),
                        " was given with ",
                        Parameter("kinds", {name: kinds[name]}),
                    ),
                    parameter="date_format",
                    given=each,
                    expected="a format for a column of dates",
                    hint="leave one of them out",
                )
            check_date_format(each)
        return dict(date_format)
    check_date_format(date_format)
    found = {}
    for name in table.names:
        if kinds.get(name, "date") != "date" or table.kinds.get(name) == "category":
            continue
        is_typed = table.kinds.get(name) == "date"
        bad = as_days(table.column(name), date_format, is_date=is_typed)[1]
        n_known = int((~is_missing(table.column(name))).sum())
        if is_typed or (n_known and bad.sum() <= (1 - NUMERIC_SHARE) * n_known):
            found[name] = date_format
    if not found:
        raise DataError(
            Message(
                f"{table.source}: no column has dates in the format ",
                Parameter("date_format", date_format),
            ),
            parameter="date_format",
            given=date_format,
            expected=f"one of which at least {100 * NUMERIC_SHARE:.0f} % of the known cells are "
            "such dates",
            hint="give the format for a column alone to see which of its cells are none",
        )
    return found


def with_date_formats(
    table: Table,
    stated: Mapping[str, str],
    kinds: Mapping[str, str],
    left_out: Iterable[str] = (),
) -> tuple[Table, dict[str, tuple[str, ...]]]:
    """The table with the format of each column whose dates have one, and notes on them.

    Parameters
    ----------
    table : Table
        Without missing tokens.
    stated : mapping of str to str
        What :func:`stated_date_formats` gave.
    kinds : mapping of str to str
        What is said to be the kind of columns.
    left_out : iterable of str
        Columns that need no kind.

    Raises
    ------
    DataError
        If the dates of a column can be read in two ways, and no cell decides between them.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["12/03/2021", "13/03/2021"])
    >>> table, notes = with_date_formats(Table(("d",), {"d": cells}), {}, {})
    >>> table.date_formats, notes["d"]
    ({'d': '%d/%m/%Y'}, ("dates are read as %d/%m/%Y: row 2 '13/03/2021' is 2021-03-13",))
    """
    formats = dict(stated)
    notes: dict[str, tuple[str, ...]] = {}
    left_out = {*left_out}
    for name in table.names:
        column, kind = table.column(name), kinds.get(name)
        if name in formats or name in left_out or kind not in (None, "date"):
            continue
        chosen = None
        if isinstance(column, TextColumn):
            chosen = _find_format(table, name, column, asked=kind == "date")
        if chosen is None and kind is None and (compact := _compact_notes(table, name)):
            notes[name] = compact
        if chosen is not None and isinstance(column, TextColumn):
            formats[name] = chosen
            notes[name] = _format_notes(table, name, column, chosen)
    return replace(table, date_formats=formats), notes


def _find_format(table: Table, name: str, column: TextColumn, *, asked: bool) -> str | None:
    """The format of a column's dates; None where they need none, or are no dates."""
    counts = column.counts()
    total = sum(counts.values())
    # Decided by the different dates, which are fewer than the different times.
    dates: dict[str, int] = {}
    candidates: dict[str, int] = {}
    first: dict[str, str] = {}
    has_time = False
    for text, count in counts.items():
        if (dated := split_date(text)) is not None:
            day, formats = dated
            has_time = has_time or len(day) < len(text)
            first.setdefault(day, text)
            dates[day] = dates.get(day, 0) + count
            for each in formats:
                candidates[each] = candidates.get(each, 0) + count
    if not dates:
        return None
    n_possible = sum(dates.values())
    n_read = sum(count for text, count in counts.items() if parse_date(text) is not None)
    if n_read + n_possible < NUMERIC_SHARE * total or len(counts) == 1:
        return None
    least = NUMERIC_SHARE * total - n_read
    readings = []
    for date_format in (each for each, count in candidates.items() if count >= least):
        read = date_reader(date_format)
        days = {day: value for day in dates if (value := read(day)) is not None}
        readings.append(_Reading(date_format, days))
    readings.sort(key=lambda reading: -_cells(reading.days, dates))
    if not readings:
        return None
    best = readings[0]
    for other in readings[1:]:
        for_best = _cells(best.days.keys() - other.days.keys(), dates)
        against = _cells(other.days.keys() - best.days.keys(), dates)
        if for_best > _MAJORITY * against:
            continue
        # "1.2.10" and "10-20-30" may be anything.
        is_date = asked or has_time or "%Y" in best.format or "/" in best.format
        if is_date and _cells(best.days.keys() | other.days.keys(), dates) >= least:
            _refuse(table, name, column, first, best, other)
        return None
    return best.format if _cells(best.days, dates) >= least else None


def _cells(days: Iterable[str], dates: Mapping[str, int]) -> int:
    return sum(dates[day] for day in days)


def _refuse(
    table: Table,
    name: str,
    column: TextColumn,
    first: Mapping[str, str],
    best: _Reading,
    other: _Reading,
) -> None:
    """Raise the error for dates that can be read in two ways."""
    hint = Message(
        "give ",
        Parameter("date_format", {name: best.format}),
        " or ",
        Parameter("date_format", {name: other.format}),
        ", or ",
        Parameter("kinds", {name: "category"}),
    )
    only = [
        min(own.days.keys() - rival.days.keys(), key=list(first).index, default=None)
        for own, rival in ((best, other), (other, best))
    ]
    if only[0] is not None and only[1] is not None:
        shown = [
            f"{_place(table, column, first[each])} as {reading.format}"
            for each, reading in zip(only, (best, other), strict=True)
            if each is not None
        ]
        raise DataError(
            f"{table.source}: column {name!r} has dates that are written in two ways: "
            f"{' and '.join(shown)}",
            parameter="date_format",
            expected="one format in the column",
            hint=hint,
        )
    both = [day for day in first if day in best.days and day in other.days]
    differing = [day for day in both if best.days[day] != other.days[day]]
    day = (differing or both)[0]
    either = sorted({date_label(best.days[day]), date_label(other.days[day])})
    raise DataError(
        f"{table.source}: column {name!r} has dates of which no cell shows what comes first: "
        f"{_place(table, column, first[day])} is {' or '.join(either)}",
        parameter="date_format",
        expected="dates in one order, as stated or as a cell such as 13/04/2021 shows",
        hint=hint,
    )


def _place(table: Table, column: TextColumn, text: str) -> str:
    """A text with the first line that holds it."""
    row = int(np.argmax(column.codes == column.texts.index(text)))
    return f"{table.where(row)} {text!r}"


def _format_notes(table: Table, name: str, column: TextColumn, date_format: str) -> tuple[str, ...]:
    """A note on the format, with a date that shows it, if there is one."""
    read = date_reader(date_format)
    texts = [text for text in column.counts() if split_date(text) and read(text) is not None]
    text = next((text for text in texts if _DAY_ABOVE_12.search(text)), texts[0])
    days = date_label(read(text) or 0.0)
    note = f"dates are read as {date_format}: {_place(table, column, text)} is {days}"
    if "%y" in date_format:
        note += "; years are from 1969 to 2068"
    return (note,)


def _compact_notes(table: Table, name: str) -> tuple[str, ...]:
    """A note on a column of whole numbers that may all be dates, such as 20210413."""
    column = table.column(name)
    if table.kinds.get(name) is not None:
        return ()
    if not isinstance(column, TextColumn):
        known = column[~np.isnan(column)]
        # Nearly all columns of numbers are none by the range.
        if not known.size or known.min() < 19000101 or known.max() > 20991231:
            return ()
        column = as_texts(np.unique(known))
    texts = list(column.counts())
    if len(texts) < _MANY_NUMBERS or not all(map(_COMPACT.fullmatch, texts)):
        return ()
    note = Message(
        f"all its numbers may be dates, such as {min(texts)}, and are read as numbers; if they "
        "are dates, give ",
        Parameter("date_format", {name: "%Y%m%d"}),
    )
    return (note,)


def unread_date_notes(table: Table, name: str, column: TextColumn) -> list[str]:
    """A note on texts that look like dates, and are none in any way that is understood.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["12 Mrz 2021", "5 Okt 2021", "1 Mai 2021"])
    >>> print(unread_date_notes(Table(("d",), {"d": cells}), "d", cells)[0])
    its cells look like dates, and 3 of 3 known cells are none that is understood, so it is a \
category: row 1 '12 Mrz 2021', row 2 '5 Okt 2021', row 3 '1 Mai 2021'; write them as 2021-04-13
    """
    counts = column.counts()
    texts = list(counts)[:_SAMPLE_TEXTS]
    alike = [text for text in texts if _LIKE_DATE.fullmatch(text) or date_value(text) is not None]
    if len(alike) < 2 or _cells(alike, counts) < 0.5 * _cells(texts, counts):
        return []
    bad = as_days(column, table.date_formats.get(name))[1]
    note = (
        f"its cells look like dates, and {int(bad.sum())} of {sum(counts.values())} known cells "
        f"are none that is understood, so it is a category: {describe_cells(table, name, bad)}; "
        "write them as 2021-04-13"
    )
    formats = next((found[1] for text in counts if (found := split_date(text))), None)
    if formats is None:
        return [note]
    return [Message(note, ", or give ", Parameter("date_format", {name: formats[0]}))]
