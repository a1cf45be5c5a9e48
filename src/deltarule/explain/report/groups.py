"""The section on errors by group: for which rows the model is wrong more often, or by more."""

from __future__ import annotations

from deltarule.explain.report.bars import BarRow, bar_rows
from deltarule.explain.report.findings import Findings
from deltarule.explain.report.markup import count, day, interval, name, number, percent, plain
from deltarule.tabular.diagnostics import ErrorGroup

__all__ = ["group_words", "groups_section", "worst_group"]

_WORST = 8


def groups_section(found: Findings) -> str:
    """Return the section as HTML: the worst groups as bars, and all groups column by column."""
    groups = found.groups.groups
    if not groups:
        return (
            '<p class="note">There are no groups to compare: a group needs at least 10 rows of '
            f"these {count(len(found.rows), 'row')}, and others to be compared with.</p>"
        )
    of_classes = found.rows.task == "classification"
    head = "share of rows predicted wrong" if of_classes else "mean error, in the target’s unit"
    rows = [
        BarRow(
            name(group_words(found, group), 48),
            group.error,
            _error(found, group, key=True),
            group.low,
            group.high,
            "" if group.worse else "weak",
            f"<small>{interval(_plain(found, group.low), _plain(found, group.high))}</small>",
        )
        for group in groups[:_WORST]
    ]
    return (
        f"<p>{_said(found)}</p>"
        f'<p class="axis-title">{head}, of the worst {count(len(rows), "group")}</p>'
        f'<div class="importance">{bar_rows(rows, head)}</div>'
        f'<p class="note">{_how(found)}</p>'
        "<details><summary>All groups, column by column</summary>"
        f"{_every(found)}</details>"
    )


def group_words(found: Findings, group: ErrorGroup) -> str:
    """Return what the rows of a group have in common, as text."""
    column = group.column
    if group.kind == "level":
        return f"{column} = {group.level}"
    if group.kind == "others":
        return f"{column}: rarer levels"
    if group.kind == "missing":
        return f"{column} is missing"
    is_date = found.rows.schema[column].kind == "date"
    low, high = (
        day(each) if is_date else plain(each, 4)
        for each in (group.low_cell, group.high_cell)
        if each is not None
    )
    return f"{column} = {low}" if low == high else f"{column}: {low} to {high}"


def worst_group(found: Findings) -> str:
    """Return a sentence on the worst group that is worse beyond chance, as HTML; "" without one."""
    worse = found.groups.worse
    if not worse:
        return ""
    group = worst = worse[0]
    where = f"<b>{name(group_words(found, worst))}</b>"
    if found.rows.task == "classification":
        return (
            f"Look at the rows with {where}: {percent(group.error)} of them are predicted wrong, "
            f"of the other rows {percent(group.others)}."
        )
    return (
        f"Look at the rows with {where}: predictions miss by {number(group.error)} on average, for "
        f"the other rows by {number(group.others)}."
    )


def _said(found: Findings) -> str:
    """Return what the groups show, in a sentence or two."""
    overall = found.groups.error
    if found.rows.task == "classification":
        said = f"{percent(overall, 'group.error')} of these rows are predicted wrong. "
    else:
        said = f"Predictions miss by {number(overall, 3, 'group.error')} on average. "
    worse = found.groups.worse
    if not worse:
        few = count(len(found.groups.groups), "group")
        return said + (
            "No group of rows is clearly worse than the others: the differences below may be "
            f"chance, since of {few} some look worse by chance alone."
        )
    named = "; ".join(
        f"<b>{name(group_words(found, group))}</b> ({_error(found, group)}{_bias(group)})"
        for group in worse[:3]
    )
    more = f" and {count(len(worse) - 3, 'more group')}" if len(worse) > 3 else ""
    return f"{said}Clearly worse, beyond chance: {named}{more}."


def _how(found: Findings) -> str:
    groups = found.groups
    said = (
        "The lines are 95 % intervals: how far the chance of which rows these are may have moved "
        "the error. Pale: not clearly worse than the other rows, if all "
        f"{count(len(groups.groups), 'group')} are taken into account. A group that is worse need "
        "not be worse because of its column: other columns may differ in it."
    )
    if groups.small:
        said += f" {count(groups.small, 'group')} of less than 10 rows not shown."
    if groups.rows < groups.of_rows:
        said += f" Of {groups.rows:,} of the {groups.of_rows:,} rows, drawn by a fixed seed."
    return said


def _error(found: Findings, group: ErrorGroup, key: bool = False) -> str:
    """Return the error of a group: of classes with the number of rows that are wrong."""
    what = f"group.{group_words(found, group)}" if key else ""
    n = f"of {count(group.rows, 'row')}"
    if found.rows.task == "classification":
        return f"{percent(group.error, what)} <small>{n}</small>"
    return f"{number(group.error, 3, what)} <small>in {count(group.rows, 'row')}</small>"


def _plain(found: Findings, value: float) -> str:
    return percent(value) if found.rows.task == "classification" else number(value)


def _bias(group: ErrorGroup) -> str:
    """Return whether predictions are too high or too low, where that is most of the error."""
    if group.bias is None or abs(group.bias) < group.error / 2:
        return ""
    return f", {number(abs(group.bias))} too {'high' if group.bias > 0 else 'low'} on average"


def _every(found: Findings) -> str:
    """Return all groups by column, each with its error and interval."""
    by_column: dict[str, list[ErrorGroup]] = {}
    for group in found.groups.groups:
        by_column.setdefault(group.column, []).append(group)
    parts = []
    for column, groups in by_column.items():
        ordered = sorted(groups, key=lambda each: (each.kind, each.low_cell or 0.0, -each.rows))
        rows = [
            BarRow(
                name(group_words(found, group), 48),
                group.error,
                _error(found, group),
                group.low,
                group.high,
                "" if group.worse else "weak",
            )
            for group in ordered
        ]
        parts.append(f"<figure><h4>{name(column, 40)}</h4>{bar_rows(rows, 'error')}</figure>")
    return f'<div class="charts many">{"".join(parts)}</div>'
