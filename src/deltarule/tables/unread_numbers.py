"""Notes on texts that have a number in them and are none, and on what helps."""

from __future__ import annotations

import itertools
import re

from deltarule.errors import Message, Parameter
from deltarule.tables.cells import number_label
from deltarule.tables.number_formats import THOUSANDS, Shape, common_unit, shapes_of
from deltarule.tables.number_text import PLAIN, NumberFormat, is_money, plain_characters, split_unit
from deltarule.tables.table import join_items
from deltarule.tables.text_column import TextColumn

__all__ = ["mark_advice", "unread_number_notes"]

_BOUND = re.compile(r"\s?(?:[<>~≤≥≈±]=?|ca\.?|about)\s?[+-]?[\d.,]+\s?\S{0,5}", re.ASCII | re.I)
_FRACTION = re.compile(r"(?:\d+ )?\d+ ?/ ?\d+", re.ASCII)
_TRAILING_SIGN = re.compile(r"[\d.,]*\d ?[-+]", re.ASCII)
_EXTRA = re.compile(
    r"[+-]?[$€£]?\d[\d.,]* ?\S{0,3} ?(?:[*†‡]+|(?:±|\+/-).*|\[[^\]]*\]|\(.*\))", re.ASCII
)
# With fewer different texts than this, a column of texts with numbers in them is one of levels.
_MANY_TEXTS = 10


def unread_number_notes(column: TextColumn, name: str, stated: NumberFormat) -> list[str]:
    """Notes on texts that keep a column from being one of numbers, and on what helps.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["1,255", "3,100", "2,050"])
    >>> print(unread_number_notes(cells, "size", PLAIN)[0])
    3 cells such as '1,255' may be 1255 or 1.255, so it is a category; give \
thousands={'size': ','} or decimal={'size': ','}
    """
    shapes = shapes_of(column)
    total = sum(shape.cells for shape in shapes)
    prefix, suffix = common_unit(shapes, any_unit=True)
    reasons: dict[str, list[Shape]] = {}
    for shape in shapes:
        if reason := _hindrance(shape.text, stated, prefix, suffix):
            reasons.setdefault(reason, []).append(shape)
    alike = [shape for group in reasons.values() for shape in group]
    if sum(shape.cells for shape in alike) < 0.5 * total:
        return []
    hindered = {reason: group for reason, group in reasons.items() if reason != "number"}
    if not hindered:
        return []
    reason = max(hindered, key=lambda each: sum(shape.cells for shape in hindered[each]))
    distinct = sum(shape.distinct for shape in alike)
    if distinct < (3 if reason == "marks" else _MANY_TEXTS + 1):
        return []
    group = hindered[reason]
    count = sum(shape.cells for shape in group)
    which = "1 cell" if count == 1 else f"{count} cells"
    texts = join_items((repr(shape.text) for shape in group[:3]), 3)
    return [_hindrance_note(reason, which, texts, group[0].text, name)]


def _hindrance(text: str, stated: NumberFormat, prefix: str, suffix: str) -> str | None:
    """Why a text that has a number in it is none; ``"number"`` if it is one."""
    plain = plain_characters(text)
    if stated.parse(text) is not None:
        return "number"
    if _BOUND.fullmatch(text):
        return "bound"
    if _FRACTION.fullmatch(plain):
        return "fraction"
    if _TRAILING_SIGN.fullmatch(plain):
        return "trailing sign"
    if _EXTRA.fullmatch(plain):
        return "extra"
    match = split_unit(plain)
    if match is None:
        return None
    if match["open"]:
        return "parentheses"
    if match["prefix"] and not is_money(match["prefix"]):
        return None if match["body"].isdigit() else "name"  # "ID 12" is one of many labels
    readings = _readings(match["body"])
    if len(readings) > 1 and PLAIN.parse(match["body"]) is None:
        return "marks"
    if (match["prefix"] or "", match["suffix"] or "") != (prefix, suffix) or prefix or suffix:
        return "unit"
    return "mixed marks" if readings else None


def _readings(text: str) -> dict[str, NumberFormat]:
    """The numbers that a text can be, each with a format that reads it so."""
    found: dict[str, NumberFormat] = {}
    for thousands, decimal in itertools.product((*THOUSANDS, "_"), (".", ",")):
        if thousands != decimal:
            number_format = NumberFormat(decimal, thousands)
            if (value := number_format.parse(text)) is not None:
                found.setdefault(number_label(value), number_format)
    return found


def _text_readings(text: str) -> dict[str, NumberFormat]:
    match = split_unit(plain_characters(text))
    return _readings(match["body"] if match else text)


def mark_advice(name: str, text: str) -> Message | None:
    """The marks with which a text is a number; None if there are none.

    Examples
    --------
    >>> print(mark_advice("a", "1,255"))
    thousands={'a': ','} or decimal={'a': ','}
    """
    readings = _text_readings(text)
    parts: list[str | Parameter] = []
    for value in sorted(readings, key=lambda each: -float(each)):
        used = readings[value]
        if used == PLAIN:
            continue
        named = {"thousands": used.thousands, "decimal": used.decimal}
        given = {key: mark for key, mark in named.items() if mark not in ("", ".")} or named
        parts.append(" or " if parts else "")
        for key, mark in given.items():
            parts += [" " if isinstance(parts[-1], Parameter) else "", Parameter(key, {name: mark})]
    return Message(*parts) if parts else None


def _hindrance_note(reason: str, which: str, texts: str, text: str, name: str) -> str:
    na = Parameter("na", {name: text})
    if reason == "marks":
        readings = _text_readings(text)
        values = " or ".join(sorted(readings, key=lambda each: -float(each)))
        return Message(
            f"{which} such as {text!r} may be {values}, so it is a category; give ",
            mark_advice(name, text) or "",
        )
    start = f"{which} with numbers, as {texts}, "
    if reason == "bound":
        return Message(
            f"{start}are bounds or estimates, so it is a category; write the number alone, or "
            "give ",
            na,
            " for those that mean missing",
        )
    if reason == "extra":
        return f"{start}have more after the number, so it is a category; write the number alone"
    if reason == "fraction":
        return f"{start}are fractions, so it is a category; write them as decimal numbers"
    if reason == "trailing sign":
        return f"{start}have a sign at the end, so it is a category; write it at the beginning"
    if reason == "parentheses":
        return (
            f"{start}are in parentheses, so it is a category; write negative numbers with a minus "
            "sign"
        )
    if reason == "mixed marks":
        return Message(
            f"{start}have other marks than the decimal point, or what else is stated, so it is a "
            "category; write all numbers alike, or give ",
            mark_advice(name, text) or "",
        )
    if reason == "unit":
        return (
            f"{start}have different units, or some have none, so it is a category; write all in "
            "one unit"
        )
    return Message(
        f"{start}begin with text, so it is a category; to read the numbers alone, give ",
        Parameter("kinds", {name: "number"}),
    )
