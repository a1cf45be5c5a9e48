"""Groups of rows, and how much worse a model is on them, in words: for a terminal, and for pages.

The report imports these too; a command that prints no report needs nothing of that.
"""

from __future__ import annotations

from deltarule.maths.printing.numbers import as_listed, as_read, plain
from deltarule.tables import Schema
from deltarule.tables.date_text import day_text
from deltarule.tabular.diagnostics.groups import ErrorGroup, GroupErrors, group_errors
from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = ["group_words", "level_words", "points", "signed", "worst_group_words"]

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


def worst_group_words(rows: ScoredRows, found: GroupErrors | None = None) -> str:
    """Return the group that is worst, of those worse than their other rows beyond chance.

    "" without one. It says which rows they are, unless they are all rows of a table that was given.

    Parameters
    ----------
    rows : ScoredRows
    found : GroupErrors, optional
        Their groups, if they are known.
    """
    part = "" if rows.part == "given" else f"the {len(rows):,} {_ROWS_OF[rows.part]}"
    found = group_errors(rows) if found is None else found
    if not found.worse:
        return ""
    group = found.worse[0]
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
    worse = len(found.worse)
    more = f", of {worse} that are worse than their other rows beyond chance" * (worse > 1)
    n = len(found.groups)
    together = f", so that the intervals of all {n} groups hold together with 95 %" * (n > 1)
    which = f" of {part}" * bool(part)
    return (
        f"worst group{which}{more}: {group_words(rows.schema, group)}: {said}: {gap} more, {least} "
        f"to {most} at {level_words(found.level)}{together}"
    )
