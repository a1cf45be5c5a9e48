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
from deltarule.tabular.diagnostics import ErrorGroup, ErrorShare, GroupLoss, KindsOfError
from deltarule.tabular.diagnostics.group_text import (
    clear_kinds,
    group_words,
    level_words,
    points,
    signed,
)

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
    others = _others(found)
    rarest = "the rarest class of these rows"
    if of_two:
        second = groups.label == str(found.rows.classes[1])
        rarest = "the second of the two classes" if second else "the much rarer of the two classes"
    if groups.as_rare:
        as_rare = " and ".join(f"<b>{name(each)}</b>" for each in groups.as_rare)
        rarest = f"which these rows have as often as {as_rare}"
    said = (
        f"Of {label}, {rarest}. Predicted: how many of the rows are "
        f"predicted to be {label}. Missed: of the rows that are {label}, those predicted "
        f"otherwise. False: of the rows that are {others}, those predicted to be {label}. "
        "Heavier: clearly more than for the other rows."
    )
    worst = _clear(found)
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
            "One kind of mistake by itself, clearly more often than for other rows, beyond "
            f"chance: {'; '.join(worst)}. The "
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


def _clear(found: Findings, most: int = 2) -> list[str]:
    """Return the kinds of mistakes that are clearly more frequent in a group, as HTML."""
    label = f"<b>{name(str(found.groups.label))}</b>"
    words = {"missed": (label, "otherwise"), "false": (_others(found), f"as {label}")}
    said, seen = [], dict.fromkeys(words, 0)
    for kind, group, each in clear_kinds(found.groups):
        seen[kind] += 1
        if seen[kind] > most or each.share is None or each.others is None:
            continue
        of, then = words[kind]
        gap = _points(each.share - each.others, each.least or 0.0, each.most or 0.0)
        said.append(
            f"with <b>{name(group_words(found.rows.schema, group))}</b>, {_of_rows(each)} of those "
            f"that are {of} are predicted {then}, of the other rows {percent(each.others)} ({gap})"
        )
    return said


def _others(found: Findings) -> str:
    """Return what the rows are that are not of the class of interest, as HTML."""
    if len(found.rows.classes) != 2:
        return "another class"
    other = (str(each) for each in found.rows.classes if str(each) != found.groups.label)
    return f"<b>{name(next(other))}</b>"


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
    worse, level = found.groups.worse, level_words(found.groups.level)
    if not worse:
        # A group may differ in a kind of mistake and not in all its errors.
        kinds = _clear(found, most=1)[:1]
        by = f" at {level_words(found.groups.kinds_level)}"
        return "".join(f"Look at one kind of mistake: {each}{by}." for each in kinds)
    group = worse[0]
    where = f"<b>{name(group_words(found.rows.schema, group))}</b>"
    gap = f"{_to_others(found, group)} at {level}"
    if found.rows.task == "classification":
        loss = group.loss
        wrong = (
            f"{percent(group.error)} of them are predicted wrong, of the other rows "
            f"{percent(group.others)}"
        )
        if loss is not None and not group.more_errors:
            return (
                f"Look at the rows with {where}: their mean log loss is {number(loss.mean)}, of "
                f"the other rows {number(loss.others)} ({_loss_to_others(loss)} at {level}); "
                f"{wrong} ({_to_others(found, group)}), which alone may be chance."
            )
        return f"Look at the rows with {where}: {wrong} ({gap})."
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
        measures = ""
        if found.rows.task == "classification":
            measures = (
                ", neither in all errors together, of whatever kind, nor in the mean log loss, "
                "which judges the probabilities"
            )
        said += (
            f"No group of rows is clearly worse than the others{measures}: these differences may "
            f"be chance, since of {few} some look worse by chance alone."
        )
        return said + " For one kind of mistake that is otherwise, below." * bool(_clear(found))
    named = "; ".join(
        f"<b>{name(group_words(found.rows.schema, group))}</b> ({_error(found, group)}"
        f"{_bias(group)}; to the other rows {_to_others(found, group)}{_by_loss(group)})"
        for group in worse[:3]
    )
    more = f" and {count(len(worse) - 3, 'more group')}" if len(worse) > 3 else ""
    level = level_words(found.groups.level)
    return (
        f"{said}Clearly worse, beyond chance: {named}{more}. The differences to the other rows "
        f"stand with their intervals at {level}, so that those of all "
        f"{count(len(found.groups.groups), 'group')}{_both(found)} hold together with 95 %."
    )


def _both(found: Findings) -> str:
    return " and both measures" if found.rows.task == "classification" else ""


def _by_loss(group: ErrorGroup) -> str:
    """Return that the mean log loss makes a group worse, if it does."""
    if group.loss is None or not group.loss.worse:
        return ""
    alone = "" if group.more_errors else ", which alone may be chance"
    also = "also " if group.more_errors else ""
    mean = number(group.loss.mean)
    return f"{alone}; {also}by its mean log loss {mean}, {_loss_to_others(group.loss)}"


def _loss_to_others(loss: GroupLoss) -> str:
    shown = (signed(each, plain(each)) for each in (loss.mean - loss.others, loss.least, loss.most))
    gap, least, most = shown
    return f"{gap}, {interval(least, most)}"


def _how(found: Findings) -> str:
    groups, also = found.groups, ""
    if found.rows.task == "classification":
        also = ", and so does that of its mean log loss, which judges the probabilities"
    said = (
        "The lines, and the first interval of each group, are of its own error, at 95 % for this "
        "group alone: how far the chance of which rows these are may have moved it. With a sign: "
        "by how much the error is above that of all other rows, with an "
        f"interval at {level_words(groups.level)}, so wide that those of all "
        f"{count(len(groups.groups), 'group')}{_both(found)} hold together with 95 %. Pale: not "
        f"clearly worse than the other rows, since that interval reaches down to 0{also}. A group "
        "that is worse need "
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
