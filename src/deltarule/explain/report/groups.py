"""The section on errors by group: for which rows the model is wrong more often, or by more."""

from __future__ import annotations

from deltarule.explain.report.bars import BarRow, bar_rows
from deltarule.explain.report.findings import Findings
from deltarule.explain.report.markup import (
    count,
    interval,
    name,
    number,
    percent,
    table,
)
from deltarule.maths.printing.numbers import plain
from deltarule.tabular.diagnostics import (
    ErrorGroup,
    ErrorShare,
    KindsOfError,
)
from deltarule.tabular.diagnostics.group_text import group_words, level_words, points, signed

__all__ = ["groups_section", "worst_group"]

_WORST = 8
# What the lines of bars are, whose level is not that of the verdict.
_OF_ERROR = "95 % of each group alone"
# Groups whose kinds of errors are listed at first; the others are in a fold.
_MOST_LISTED = 12


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
        _bar(found, group, key=True)._replace(
            more=f"<small>{interval(_plain(found, group.low), _plain(found, group.high))}"
            f"<br>{_to_others(found, group)}</small>"
        )
        for group in groups[:_WORST]
    ]
    return (
        f"<p>{_said(found)}</p>"
        f'<p class="axis-title">{head}, of the worst {count(len(rows), "group")}; lines and first '
        f"interval: {_OF_ERROR}; with a sign: the difference to the other rows, "
        f"at {level_words(found.groups.level)}</p>"
        f'<div class="importance">{bar_rows(rows, head)}</div>'
        f'<p class="note">{_how(found)}</p>'
        "<details><summary>All groups, column by column</summary>"
        f"{_every(found, head)}</details>{_kinds(found)}"
    )


def _bar(found: Findings, group: ErrorGroup, key: bool = False) -> BarRow:
    return BarRow(
        name(group_words(found.rows.schema, group), 48),
        group.error,
        _error(found, group, key),
        group.low,
        group.high,
        "" if group.worse else "weak",
    )


def _kinds(found: Findings) -> str:
    """Return which mistakes are made in which group, for the rarest class; "" of numbers."""
    groups = found.groups
    if groups.label is None or groups.kinds is None:
        return ""
    label = f"<b>{name(groups.label)}</b>"
    of_two = len(found.rows.classes) == 2
    others = "another class"
    if of_two:
        others = next(f"<b>{name(str(c))}</b>" for c in found.rows.classes if c != groups.label)
    rarest = "the rarest class of these rows"
    if groups.as_rare:
        as_rare = " and ".join(f"<b>{name(each)}</b>" for each in groups.as_rare)
        rarest = f"which these rows have as often as {as_rare}"
    said = (
        f"Of {label}, {rarest}. Predicted: how many of the rows are "
        f"predicted to be {label}. Missed: of the rows that are {label}, those predicted "
        f"otherwise. False: of the rows that are {others}, those predicted to be {label}. "
        "Heavier: clearly more than for the other rows."
    )
    worst = []
    for kind, of, then in (("missed", label, "otherwise"), ("false", others, f"as {label}")):
        shares = [(getattr(group.kinds, kind), group) for group in groups.groups]
        worse = sorted((pair for pair in shares if pair[0].worse), key=lambda pair: -pair[0].share)
        worst += [
            f"with <b>{name(group_words(found.rows.schema, group))}</b>, {_of_rows(each)} of those "
            f"that are {of} are predicted {then}, of the other rows {percent(each.others)} "
            f"({_points(each.share - each.others, each.least, each.most)})"
            for each, group in worse[:2]
        ]
    n = len(groups.groups)
    level = (
        f"at {level_words(groups.kinds_level)}, so that those of all {count(n, 'group')} and all "
        "three shares hold together with 95 %"
    )
    clear = (
        "In no group is a kind of mistake clearly more frequent than for the other rows, by "
        f"intervals of the difference {level}."
    )
    if worst:
        clear = (
            f"Clearly more often than for other rows, beyond chance: {'; '.join(worst)}. The "
            f"differences stand with their intervals {level}."
        )
    if not groups.kinds.predicted.count:
        n = groups.kinds.missed.rows
        rows = f"the one row that is {label} is" if n == 1 else f"all {n:,} that are {label} are"
        clear = f"No row is predicted to be {label}: {rows} missed. {clear}"
    listed = [(group, group.kinds) for group in groups.groups if group.kinds is not None]
    listed.sort(key=lambda pair: _excess(pair[1]), reverse=True)
    lines = [
        [name(group_words(found.rows.schema, group), 48), *_cells(kinds)] for group, kinds in listed
    ]
    head, caption = ("group", "predicted", "missed", "false"), "Kinds of mistakes by group"
    every = ["all rows", *_cells(groups.kinds)]
    rest = ""
    if len(lines) > _MOST_LISTED:
        rest = (
            f"<details><summary>{count(len(lines) - _MOST_LISTED, 'more group')}</summary>"
            f"{table(head, lines[_MOST_LISTED:], f'{caption}, more', 'tnnn')}</details>"
        )
    return (
        f'<h3 class="sub">Which mistakes, in which group</h3><p>{clear}</p>'
        f'<p class="note">{said}</p>'
        f"{table(head, [every, *lines[:_MOST_LISTED]], caption, 'tnnn')}{rest}"
    )


def _excess(kinds: KindsOfError) -> tuple[bool, float]:
    """Return whether a kind of mistake is more frequent beyond chance, and by how much at most."""
    both = (kinds.missed, kinds.false)
    more = [
        each.share - each.others
        for each in both
        if each.share is not None and each.others is not None
    ]
    return any(each.worse for each in both), max(more, default=0.0)


def _cells(kinds: KindsOfError) -> list[str]:
    cells = [(each, _of_rows(each)) for each in (kinds.predicted, kinds.missed, kinds.false)]
    return [f"<b>{cell}</b>" if each.worse else cell for each, cell in cells]


def _of_rows(each: ErrorShare) -> str:
    """Return a share with the rows that it is of."""
    if not each.rows:
        return "–"
    return f"<span>{percent(each.share)} <small>{each.count:,} of {each.rows:,}</small></span>"


def worst_group(found: Findings) -> str:
    """Return a sentence on the worst group that is worse beyond chance, as HTML; "" without one."""
    worse = found.groups.worse
    if not worse:
        return ""
    group = worse[0]
    where = f"<b>{name(group_words(found.rows.schema, group))}</b>"
    gap = f"{_to_others(found, group)} at {level_words(found.groups.level)}"
    if found.rows.task == "classification":
        return (
            f"Look at the rows with {where}: {percent(group.error)} of them are predicted wrong, "
            f"of the other rows {percent(group.others)} ({gap})."
        )
    return (
        f"Look at the rows with {where}: predictions miss by {number(group.error)} on average, for "
        f"the other rows by {number(group.others)} ({gap})."
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
        f"<b>{name(group_words(found.rows.schema, group))}</b> ({_error(found, group)}"
        f"{_bias(group)}; to the other rows {_to_others(found, group)})"
        for group in worse[:3]
    )
    more = f" and {count(len(worse) - 3, 'more group')}" if len(worse) > 3 else ""
    level = level_words(found.groups.level)
    return (
        f"{said}Clearly worse, beyond chance: {named}{more}. The difference to the other rows "
        f"stands with its interval at {level}, so that those of all "
        f"{count(len(found.groups.groups), 'group')} hold together with 95 %."
    )


def _how(found: Findings) -> str:
    groups = found.groups
    said = (
        "The lines, and the first interval of each group, are of its own error, at 95 % for this "
        "group alone: how far the chance of which rows these are may have moved it. With a sign: "
        "by how much the error is above that of all other rows, with an "
        f"interval at {level_words(groups.level)}, so wide that those of all "
        f"{count(len(groups.groups), 'group')} hold together with 95 %. Pale: not clearly worse "
        "than the other rows, since that interval reaches down to 0. A group that is worse need "
        "not be worse because of its column: other columns may differ in it."
    )
    if groups.small:
        said += f" {count(groups.small, 'group')} of less than 10 rows not shown."
    if groups.rows < groups.of_rows:
        said += f" Of {groups.rows:,} of the {groups.of_rows:,} rows, drawn by a fixed seed."
    return said


def _error(found: Findings, group: ErrorGroup, key: bool = False) -> str:
    """Return the error of a group: of classes with the number of rows that are wrong."""
    what = f"group.{group_words(found.rows.schema, group)}" if key else ""
    n = f"of {count(group.rows, 'row')}"
    if found.rows.task == "classification":
        return f"{percent(group.error, what)} <small>{n}</small>"
    return f"{number(group.error, 3, what)} <small>in {count(group.rows, 'row')}</small>"


def _to_others(found: Findings, group: ErrorGroup) -> str:
    """Return the difference to the other rows with its interval, by which a group is worse."""
    values = (group.error - group.others, group.least, group.most)
    if found.rows.task == "classification":
        return _points(*values)
    gap, least, most = (signed(each, plain(each)) for each in values)
    return f"{gap}, {interval(least, most)}"


def _points(gap: float, least: float, most: float) -> str:
    """Return a difference of shares with its interval, in percentage points."""
    shown, *ends = (signed(each, points(each)) for each in (gap, least, most))
    return f"{shown} points, {interval(*ends)}"


def _plain(found: Findings, value: float) -> str:
    return percent(value) if found.rows.task == "classification" else number(value)


def _bias(group: ErrorGroup) -> str:
    """Return whether predictions are too high or too low, where that is most of the error."""
    if group.bias is None or abs(group.bias) < group.error / 2:
        return ""
    return f", {number(abs(group.bias))} too {'high' if group.bias > 0 else 'low'} on average"


def _every(found: Findings, head: str) -> str:
    """Return all groups by column, each with its error and interval, all on one scale."""
    by_column: dict[str, list[ErrorGroup]] = {}
    for group in found.groups.groups:
        by_column.setdefault(group.column, []).append(group)
    rows: list[BarRow] = []
    heads = {}
    for column, groups in by_column.items():
        heads[len(rows)] = name(column, 40)
        ordered = sorted(groups, key=lambda each: (each.kind, each.low_cell or 0.0, -each.rows))
        rows += [_bar(found, group) for group in ordered]
    return (
        f'<p class="axis-title">{head}, of all groups, on one scale; lines: {_OF_ERROR}</p>'
        f'<div class="importance" data-groups="all">{bar_rows(rows, head, heads=heads)}</div>'
    )
