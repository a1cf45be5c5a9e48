"""Inference of how the numbers of a text column are written, and why texts are no numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.cells import number_label
from deltarule.tables.column_values import NUMERIC_SHARE
from deltarule.tables.number_text import PLAIN, NumberFormat, is_money, plain_characters, split_unit
from deltarule.tables.table import Table, unknown_column_error
from deltarule.tables.text_column import TextColumn

__all__ = [
    "THOUSANDS",
    "FormatChoice",
    "Shape",
    "common_unit",
    "find_number_format",
    "shapes_of",
    "stated_formats",
    "with_number_formats",
]

THOUSANDS = ("", ",", ".", "'", " ")
_NINES = str.maketrans("0123456789", "9999999999")
_DIGIT = re.compile(r"\d", re.ASCII)


class FormatChoice(NamedTuple):
    """The format of a column's numbers, and notes on what was assumed."""

    format: NumberFormat
    notes: tuple[str, ...] = ()


@dataclass
class Shape:
    """Texts that are alike but for the digits: any format reads all of them or none."""

    text: str
    cells: int = 0
    distinct: int = 0


def shapes_of(column: TextColumn) -> list[Shape]:
    """The shapes of a column's texts, each with how many there are."""
    found: dict[str, Shape] = {}
    for text, count in column.counts().items():
        plain = plain_characters(text)
        key = plain.translate(_NINES)
        # A first digit 0 is kept: "0,255" is no group of thousands.
        if "0" in plain and (match := _DIGIT.search(plain)) and match[0] == "0":
            key = f"{key[: match.start()]}0{key[match.end() :]}"
        shape = found.get(key)
        if shape is None:
            shape = found[key] = Shape(text)
        shape.cells += count
        shape.distinct += 1
    return list(found.values())


def find_number_format(
    column: TextColumn, given: NumberFormat | None = None, *, any_unit: bool = False
) -> FormatChoice:
    """The format in which at least 95 % of a column's known cells are numbers.

    The plain format where it reads as many cells as any other, or where no other format is the
    only one.

    Parameters
    ----------
    column : TextColumn
        Without missing tokens.
    given : NumberFormat, optional
        What is stated: its marks that are not None hold.
    any_unit : bool
        Whether a text that every cell begins with may be left off although it may be a name.

    Examples
    --------
    >>> choice = find_number_format(TextColumn.from_cells(["1,5", "-0,25", "12,75"]))
    >>> choice.format.decimal, choice.notes[0]
    (',', "',' is read as the decimal mark: '1,5' as 1.5")
    >>> find_number_format(TextColumn.from_cells(["1,255", "3,100"])).format == PLAIN
    True
    """
    stated = given or NumberFormat(decimal=None, thousands=None)
    fallback = replace(
        stated,
        decimal=stated.decimal or ("," if stated.thousands == "." else "."),
        thousands=stated.thousands or "",
    )
    shapes = shapes_of(column)
    total = sum(shape.cells for shape in shapes)
    if total == 0:
        return FormatChoice(fallback)
    reads_plain = _read_cells(shapes, PLAIN)
    if fallback == PLAIN and reads_plain == total:
        return FormatChoice(PLAIN, _character_notes(shapes, PLAIN))
    formats = list(_candidates(shapes, stated, any_unit))
    cells = {each: _read_cells(shapes, each) for each in formats}
    most = max(cells.values(), default=0)
    if most < NUMERIC_SHARE * total:
        return FormatChoice(fallback)
    best = [each for each in formats if cells[each] == most]
    if fallback in best or not _agree(shapes, best):
        return FormatChoice(fallback, _character_notes(shapes, fallback))
    chosen = best[0]
    if fallback == PLAIN and reads_plain >= NUMERIC_SHARE * total:
        both = [shape for shape in shapes if PLAIN.parse(shape.text) is not None]
        if not _agree(both, [PLAIN, chosen]):
            return FormatChoice(PLAIN, _character_notes(shapes, PLAIN))
    notes = (*_format_notes(shapes, chosen, stated), *_character_notes(shapes, chosen))
    return FormatChoice(chosen, notes)


def _read_cells(shapes: Iterable[Shape], number_format: NumberFormat) -> int:
    return sum(shape.cells for shape in shapes if number_format.parse(shape.text) is not None)


def _agree(shapes: Iterable[Shape], formats: list[NumberFormat]) -> bool:
    return all(len({each.parse(shape.text) for each in formats}) == 1 for shape in shapes)


def _candidates(
    shapes: list[Shape], stated: NumberFormat, any_unit: bool
) -> Iterable[NumberFormat]:
    """The formats to try, the simplest first."""
    prefix, suffix = common_unit(shapes, any_unit)
    parentheses = _has_negative_parentheses(shapes)
    decimals = (".", ",") if stated.decimal is None else (stated.decimal,)
    groupings = THOUSANDS if stated.thousands is None else (stated.thousands,)
    for thousands, decimal in itertools.product(groupings, decimals):
        if thousands != decimal:
            yield NumberFormat(decimal, thousands, prefix, suffix, parentheses)


def common_unit(shapes: list[Shape], any_unit: bool) -> tuple[str, str]:
    """What most cells have before and after their digits, if it can be left off."""
    cells: dict[tuple[str, str], int] = {}
    for shape in shapes:
        if (match := split_unit(plain_characters(shape.text))) is not None:
            unit = match["prefix"] or "", match["suffix"] or ""
            cells[unit] = cells.get(unit, 0) + shape.cells
    if not cells:
        return "", ""
    prefix, suffix = max(cells, key=lambda unit: cells[unit])
    return ("", "") if prefix and not (any_unit or is_money(prefix)) else (prefix, suffix)


def _has_negative_parentheses(shapes: list[Shape]) -> bool:
    """Whether some cells are in parentheses, at least a tenth not, and none has a minus sign."""
    inside = outside = 0
    for shape in shapes:
        match = split_unit(plain_characters(shape.text))
        if match is None:
            continue
        if "-" in match["sign"] + match["inner"]:
            return False
        if match["open"] and match["close"]:
            inside += shape.cells
        else:
            outside += shape.cells
    return inside > 0 and outside >= 0.1 * (inside + outside)


def _format_notes(shapes: list[Shape], chosen: NumberFormat, stated: NumberFormat) -> Iterable[str]:
    """Notes on what was assumed, each with a text and its number."""
    read = [shape.text for shape in shapes if chosen.parse(shape.text) is not None]

    def example(mark: str) -> str:
        text = next((each for each in read if mark in plain_characters(each)), read[0])
        return f"{text!r} as {number_label(chosen.parse(text) or 0.0)}"

    if chosen.decimal == "," and stated.decimal is None:
        yield f"',' is read as the decimal mark: {example(',')}"
    if chosen.thousands and stated.thousands is None:
        mark = repr(chosen.thousands) if chosen.thousands != " " else "a blank"
        yield f"{mark} is read as the mark of thousands: {example(chosen.thousands)}"
    if unit := chosen.prefix or chosen.suffix:
        yield f"{unit!r} is left off the numbers, which all have it: {example(unit)}"
    if chosen.parentheses:
        yield f"numbers in parentheses are read as negative: {example('(')}"


def _character_notes(shapes: list[Shape], chosen: NumberFormat) -> tuple[str, ...]:
    """A note on numbers in characters that are none of ASCII, but for blanks and apostrophes."""
    for shape in shapes:
        plain = plain_characters(shape.text)
        odd = [
            new
            for old, new in zip(shape.text, plain, strict=False)
            if old != new and new not in " '"
        ]
        if odd and (value := chosen.parse(shape.text)) is not None:
            name = "the minus sign U+2212" if "\u2212" in shape.text else "characters beyond ASCII"
            return (f"{name} in numbers: {shape.text!r} is read as {number_label(value)}",)
    return ()


def stated_formats(
    table: Table,
    decimal: str | Mapping[str, str] | None,
    thousands: str | Mapping[str, str] | None,
) -> dict[str, NumberFormat]:
    """The format of each column of which marks are stated, in the arguments or with the table.

    Raises
    ------
    DataError
        If a column is unknown.
    InputError
        If a mark is none.

    Examples
    --------
    >>> table = Table(("a", "b"), dict.fromkeys("ab", TextColumn.from_cells(["1,5"])))
    >>> stated_formats(table, {"a": ","}, None)
    {'a': NumberFormat(decimal=',', thousands=None, prefix='', suffix='', parentheses=False)}
    """
    found = dict(table.number_formats)
    for parameter, given in (("decimal", decimal), ("thousands", thousands)):
        if given is None:
            continue
        marks = given if isinstance(given, Mapping) else dict.fromkeys(table.names, given)
        for name, mark in marks.items():
            if name not in table:
                what = f"one whose {parameter} mark is given"
                raise unknown_column_error(name, table.names, what, table.source, parameter)
            known = found.get(name, NumberFormat(decimal=None, thousands=None))
            found[name] = (
                replace(known, decimal=mark)
                if parameter == "decimal"
                else replace(known, thousands=mark)
            )
    return found


def with_number_formats(
    table: Table, stated: Mapping[str, NumberFormat], kinds: Mapping[str, str]
) -> tuple[Table, dict[str, tuple[str, ...]]]:
    """The table with the format of each column of text, and notes on what was assumed.

    Raises
    ------
    DataError
        If a column was read as numbers with a decimal point, and another format is stated.
    """
    formats: dict[str, NumberFormat] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for name in table.names:
        column, known = table.column(name), stated.get(name)
        if kinds.get(name) in ("category", "date"):
            continue
        if kinds.get(name) is None and table.kinds.get(name) is not None:
            continue
        if not isinstance(column, TextColumn):
            if known is not None and not known.reads_plain and name in table.parsed:
                _check_integers(table, name, column, known)
            continue
        any_unit = kinds.get(name) == "number"
        choice = find_number_format(column, known, any_unit=any_unit)
        formats[name] = choice.format
        if choice.notes:
            notes[name] = choice.notes
    return replace(table, number_formats=formats), notes


def _check_integers(
    table: Table, name: str, values: NDArray[np.float64], known: NumberFormat
) -> None:
    """Refuse numbers that were read with a decimal point where another format is stated."""
    read = values[np.isfinite(values)]
    wrong = read[read != np.round(read)]
    if wrong.size:
        raise DataError(
            f"{table.source}: column {name!r} was read with a decimal point, as {wrong[0]!s}",
            expected=f"{known.decimal!r} as the decimal mark, as stated",
            hint=Message(
                "give ",
                Parameter("decimal", keyword=True),
                " and ",
                Parameter("thousands", keyword=True),
                " when the file is read",
            ),
        )
