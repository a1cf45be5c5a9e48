"""Groups of rows, and how much worse a model is on them, in words: for a terminal, and for pages.

The report imports these too; a command that prints no report needs nothing of that.
"""

from __future__ import annotations

from typing import NamedTuple

from deltarule.maths.printing.numbers import as_listed, as_read, plain
from deltarule.tables import Schema
from deltarule.tables.date_text import day_text
from deltarule.tabular.diagnostics.groups import (
    ErrorGroup,
    ErrorShare,
    GroupErrors,
    group_errors,
)
from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = [
    "GroupLine",
    "clear_kinds",
    "group_line",
    "group_words",
    "level_words",
    "points",
    "signed",
]

# What the rows of a part are called in a line of text.
_ROWS_OF = {
    "test": "test rows",
    "out_of_fold": "training rows, out of fold",
    "valid": "validation rows",
    "train": "training rows",
    "seen": "rows of the training table",
}


def group_words(schema: Schema, group: ErrorGroup) -> str:
    """Return what the rows of a group have in common.

    Examples
    --------
    >>> from deltarule.tables.schema import Column
    >>> errors = (0.5, 0.4, 0.6, None, 0.4, False, -0.1, 0.3)
    >>> group = ErrorGroup("age", "range", "", 18.0, 36.0, 48, *errors)
    >>> group_words(Schema((Column("age", "number"),)), group)
    'age: 18 to 36'
    """
    column = group.column
    if group.kind == "level":
        return f"{column} = {group.level}"
    if group.kind == "others":
        return f"{column}: rarer levels"
    if group.kind == "missing":
        return f"{column} is missing"
    is_date = schema[column].kind == "date"
    cells = [each for each in (group.low_cell, group.high_cell) if each is not None]
    low, high = (day_text(each) if is_date else as_listed(each) for each in cells)
    if cells[0] != cells[1] and low == high and not is_date:
        low, high = map(as_read, cells)
    return f"{column} = {low}" if low == high else f"{column}: {low} to {high}"


def points(share: float) -> str:
    """Return a difference of shares in percentage points, with a decimal; never a 0 that is none.

    Examples
    --------
    >>> points(0.413), points(-0.054), points(0.0004), points(0.0)
    ('41.3', '−5.4', '0.04', '0.0')
    """
    shown = f"{100 * share:.1f}"
    if share and not float(shown):
        return plain(100 * share, 1)
    return shown.replace("-", "−")


def signed(value: float, shown: str) -> str:
    """Return a number that is shown so with a sign, also if it is above 0.

    Examples
    --------
    >>> signed(2.0, "2"), signed(-2.0, "−2"), signed(0.0, "0")
    ('+2', '−2', '0')
    """
    return f"+{shown}" if value > 0 else shown


def level_words(level: float) -> str:
    """Return the level of an interval.

    Examples
    --------
    >>> level_words(1 - 0.05 / 24)
    '99.79 %'
    """
    return f"{100 * level:.4g} %"


class GroupLine(NamedTuple):
    """What the errors by group show, as a line of text, and whether any group is worse."""

    text: str
    worse: bool


def group_line(rows: ScoredRows, found: GroupErrors | None = None) -> GroupLine:
    """Return the group that is worst, if one is worse than its other rows beyond chance.

    Otherwise the kinds of mistakes that are clearly more frequent in a group, or the group that is
    nearest to being worse, with the interval that does not tell. "" without groups.

    Parameters
    ----------
    rows : ScoredRows
    found : GroupErrors, optional
        Their groups, if they are known.
    """
    part = f"the {len(rows):,} {_ROWS_OF.get(rows.part, 'rows')}"
    found = group_errors(rows) if found is None else found
    if not found.groups:
        return GroupLine("", False)
    n = len(found.groups)
    level = f"at {level_words(found.level)}"
    if found.worse:
        group, worse = found.worse[0], len(found.worse)
        more = f", of {worse} that are worse than their other rows beyond chance" * (worse > 1)
        which = f" of {part}" * (rows.part != "given")
        both = " and both measures" * (rows.task == "classification")
        together = f", so that the intervals of all {n} groups{both} hold together with 95 %"
        where = group_words(rows.schema, group)
        said = f"worst group{which}{more}: {where}: {_measures(rows, group)} {level}"
        return GroupLine(said + together * (n > 1), True)
    said = f"no group of {part} is clearly worse than the others in all its errors"
    if kinds := clear_kinds(found):
        return GroupLine(f"{said}, but in one kind: {_kind_words(rows, found, *kinds[0])}", False)
    group = max(found.groups, key=lambda each: each.least)
    where = group_words(rows.schema, group)
    return GroupLine(
        f"{said}; nearest to it is {where}: {_error_words(rows, group)} {level}, so it may be "
        "chance",
        False,
    )


def clear_kinds(found: GroupErrors) -> list[tuple[str, ErrorGroup, ErrorShare]]:
    """Return the kinds of mistakes that are more frequent in a group beyond chance.

    ``"missed"`` first and then ``"false"``, each with the group and its share, the largest first.
    """
    kinds = list[tuple[str, ErrorGroup, ErrorShare]]()
    for kind in ("missed", "false"):
        shares = [
            (kind, group, getattr(group.kinds, kind))
            for group in found.groups
            if group.kinds is not None
        ]
        worse = [each for each in shares if each[2].worse]
        kinds += sorted(worse, key=lambda each: -(each[2].share or 0.0))
    return kinds


def _measures(rows: ScoredRows, group: ErrorGroup) -> str:
    """Return by what a group is worse: its errors, its losses or both; the other one as well."""
    errors = _error_words(rows, group)
    loss = group.loss
    if loss is None or not loss.worse:
        return errors
    mean, others, gap, least, most = (
        plain(each)
        for each in (loss.mean, loss.others, loss.mean - loss.others, loss.least, loss.most)
    )
    size = f"{group.rows:,} row{'s' * (group.rows != 1)}"
    losses = (
        f"the mean log loss of {size} is {mean}, of the others {others}: {gap} more, {least} to "
        f"{most}"
    )
    if group.more_errors:
        return f"{errors}; {losses}, both"
    return f"{losses}; {errors}, which alone may be chance, both"


def _error_words(rows: ScoredRows, group: ErrorGroup) -> str:
    size = f"{group.rows:,} row{'s' * (group.rows != 1)}"
    values = (group.error - group.others, group.least, group.most)
    if rows.task == "classification":
        error, others = (f"{100 * each:.1f} %" for each in (group.error, group.others))
        gap, least, most = map(points, values)
        said = f"{error} of {size} are predicted wrong, of the others {others}"
        gap += " points"
    else:
        error, others, gap, least, most = map(plain, (group.error, group.others, *values))
        said = f"predictions of {size} miss by {error} on average, of the others by {others}"
    return f"{said}: {gap} more, {least} to {most}"


def _kind_words(
    rows: ScoredRows, found: GroupErrors, kind: str, group: ErrorGroup, each: ErrorShare
) -> str:
    label = str(found.label)
    of, then = (label, "otherwise") if kind == "missed" else (f"not {label}", f"as {label}")
    gap, least, most = map(
        points, ((each.share or 0.0) - (each.others or 0.0), each.least or 0.0, each.most or 0.0)
    )
    return (
        f"with {group_words(rows.schema, group)}, {100 * (each.share or 0.0):.1f} % "
        f"({each.count:,} of {each.rows:,}) of those that are {of} are predicted {then}, of the "
        f"other rows {100 * (each.others or 0.0):.1f} %: {gap} points more, {least} to {most} at "
        f"{level_words(found.kinds_level)}"
    )
