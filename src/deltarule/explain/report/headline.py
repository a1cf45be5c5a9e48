"""The first screen of a report: how good, better than what, why, what next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import Message, Parameter
from deltarule.explain.report.bars import BarRow, bar_rows
from deltarule.explain.report.findings import LEARNED, Findings
from deltarule.explain.report.groups import worst_group
from deltarule.explain.report.markup import (
    count,
    decimals,
    interval,
    name,
    number,
    percent,
    text,
)
from deltarule.maths.printing.numbers import as_listed, plain
from deltarule.tabular.diagnostics import Confusion

__all__ = ["SCORES", "headline", "importance_words", "part_words", "score_text"]

_SHOWN = {"classification": ("accuracy", "log_loss", "auc"), "regression": ("r2", "rmse", "mae")}
SCORES = {
    "accuracy": ("Accuracy", "of rows predicted right"),
    "log_loss": ("Log loss", "lower is better"),
    "auc": ("AUC", "0.5 is chance, 1 is perfect"),
    "r2": ("R²", "share of the variance explained"),
    "rmse": ("RMSE", "in the target’s unit; lower is better"),
    "mae": ("MAE", "mean absolute error, in the target’s unit"),
}
_NAMES = {"portfolio": "this model", "network": "this model", "linear": "linear model"}
_PARTS = {
    "test": "{n} test rows, which the model has not seen",
    "out_of_fold": "{n} training rows, each predicted by networks that were not trained on it",
    "valid": "{n} validation rows, which chose the epoch",
    "train": "{n} training rows: the scores say little about new rows",
    "seen": "{n} rows of the table that the model was made from, most of which it learned from: "
    "the scores say little about new rows",
    "given": "{n} rows of the table that was given",
}
_MOST_REASONS, _MOST_NAMED, _MOST_TIED = 6, 4, 3


def part_words(found: Findings) -> str:
    """Return which rows the numbers are of."""
    n = len(found.rows)
    return _PARTS[found.rows.part].replace("{n} ", f"{n:,} ").replace("1 test rows", "1 test row")


def headline(found: Findings) -> str:
    """Return the first section as HTML."""
    status, title, lines = _verdict(found)
    said = "".join(f"<p>{each}</p>" for each in lines)
    tiles = "".join(_tile(found, score) for score in _SHOWN[found.rows.task])
    level, resamples = found.intervals.get("level", 0.95), found.intervals.get("resamples")
    how = f"On {part_words(found)}"
    if resamples:
        how += f"; {100 * level:.0f} % intervals by {resamples:,} bootstrap resamples"
    if any("±" in each for each in lines):
        how += ", ± by a t test"
    taken = found.spell(found.model.schema.scored_as())
    choice = f'<p class="note" data-scored-as="">{text(_sentence(taken))}</p>' if taken else ""
    return (
        '<section class="card verdict" aria-labelledby="h-verdict">'
        f'<div class="banner-line {status}"><span class="sign" aria-hidden="true"></span>'
        f'<div><h2 id="h-verdict">{title}</h2>{said}</div></div>'
        f'<div class="tiles">{tiles}</div><p class="note">{text(how)}.</p>{choice}</section>'
        f"{_why(found)}{_next(found)}"
    )


def _verdict(found: Findings) -> tuple[str, str, list[str]]:
    """Return a class of the style sheet, the verdict as a title, and lines below it."""
    report = found.model.report
    if found.rows.part in ("given", "seen"):
        test = report["scores"].get("test")
        line = "No baselines are known for these rows."
        if test is not None:
            shown = ", ".join(_score(score, test.get(score)) for score in _SHOWN[found.rows.task])
            line += f" On its own test rows, when trained: {shown}."
        if found.rows.part == "seen":
            said = (
                "The model was made from this table and does not say how its rows were divided, so "
                "most of these rows are those it learned from: the scores are not those of new "
                "rows, and have no intervals."
            )
            return "fair", "Scores on rows that are not new", [f"<b>{said}</b>", line]
        said = "" if found.seen is None else found.seen.text(len(found.rows))
        if not said:
            return "none", "Scores on the given table", [line]
        if found.seen is not None and found.seen.too_many:
            said += ": these are not scores on new rows, and have no intervals"
        return "fair", "Scores on rows that are not all new", [f"<b>{text(said)}.</b>", line]
    constant, linear = report.get("against_constant"), report.get("against_linear")
    of_portfolio = report.get("baselines", {}).get("portfolio")
    if constant is None and found.rows.part == "test" and of_portfolio is not None:
        shown = ", ".join(_score(each, of_portfolio.get(each)) for each in _SHOWN[found.rows.task])
        line = f"Its portfolio, which it was distilled from, on the same rows: {shown}."
        return "none", "A distilled network, not compared with simple baselines", [line]
    if constant is None or linear is None:
        reasons = [each for each in report["notes"] if "no verdict" in each or "held out" in each]
        return (
            "none",
            "No verdict on the baselines",
            [text(_sentence(found.spell(each))) for each in reasons[:2]],
        )
    better, level = constant["verdict"] == "better", linear["verdict"] == "no different"
    if linear["verdict"] == "worse":
        status, title = "poor", "Worse than a linear model"
    elif not better:
        status, title = "poor", "No better than a constant"
    elif level:
        status, title = "fair", "Better than a constant, level with a linear model"
    else:
        status, title = "good", "Better than a constant and than a linear model"
    where = f"{constant['pairs']:,} test rows"
    if constant["folds"]:
        where = f"{constant['pairs']:,} rows in {constant['folds']} folds it had not seen"
    compared = "; ".join(
        f"{_gain(each)} than the {name_}"
        for each, name_ in ((constant, "constant"), (linear, "linear model"))
    )
    lines = [f"Mean {constant['measure']} on {where}: {compared}."]
    if against := _accuracy_says_otherwise(found, constant, linear):
        title += f", by {constant['measure']}"
        lines.append(against)
    return status, title, lines


def _accuracy_says_otherwise(
    found: Findings, constant: Mapping[str, Any], linear: Mapping[str, Any]
) -> str:
    """Return a line on baselines that the accuracy compares in the other way; "" without one."""
    own = found.scores[found.what].get("accuracy")
    if own is None:
        return ""
    said = []
    for verdict, key, words in (
        (constant, "constant", "constant"),
        (linear, "linear", "linear model"),
    ):
        other = found.scores.get(key, {}).get("accuracy")
        better, worse = verdict["verdict"] == "better", verdict["verdict"] == "worse"
        if other is not None and ((better and own <= other) or (worse and own >= other)):
            said.append(f"{percent(other)} of the {words}")
    if not said:
        return ""
    return (
        f"By accuracy it is not so: {percent(own)} of the rows are predicted right, by this "
        f"model, against {' and '.join(said)}. Log loss judges the probabilities, accuracy only "
        "which class has the largest."
    )


def _gain(found: Mapping[str, Any]) -> str:
    """Return by how much the loss is smaller, with twice the standard error."""
    half = found["quantile"] * found["standard_error"]
    way = "less" if found["gain"] >= 0 else "more"
    return f"{number(abs(found['gain']))} ± {number(half, 2)} {way}"


def _score(score: str, value: float | None) -> str:
    return f"{SCORES[score][0]} {score_text(score, value)}"


def score_text(score: str, value: float | None, key: str = "") -> str:
    """Return a score as HTML."""
    if score in ("r2", "auc"):
        return decimals(value, 3, key)
    return percent(value, key) if score == "accuracy" else number(value, 3, key)


def _tile(found: Findings, score: str) -> str:
    """Return a score as a large number with its interval, beside those of the baselines."""
    title, words = SCORES[score]
    value = found.scores[found.what].get(score)
    ends = found.ends(found.what, score)
    shown = score_text(score, value, f"{found.what}.{score}")
    if ends is not None:
        shown += f" <small>{interval(*(score_text(score, each) for each in ends))}</small>"
    rows = []
    for of, scores in found.scores.items():
        each = scores.get(score)
        low, high = found.ends(of, score) or (None, None)
        if each is not None:
            kind = "own" if of == found.what else ""
            key = f"{of}.{score}" if of != found.what else ""
            shown_ = score_text(score, each, key)
            rows.append(BarRow(_NAMES.get(of, of), each, shown_, low, high, kind))
    bars = bar_rows(rows, title, points=True) if len(rows) > 1 else ""
    return (
        f'<div class="tile"><h3>{title} <span class="note">{words}</span></h3>'
        f'<p class="big">{shown}</p>{bars}</div>'
    )


def _why(found: Findings) -> str:
    """Return the most important columns, as a card."""
    importance = found.importance
    rows = [
        BarRow(
            name(column, 28),
            float(importance.mean[k]),
            decimals(float(importance.mean[k]), 3, f"importance.{column}"),
            float(importance.low[k]),
            float(importance.high[k]),
            "" if importance.low[k] > 0 else "weak",
        )
        for k, column in enumerate(importance.columns[:_MOST_REASONS])
    ]
    more = len(found.rows.schema.names) - len(rows)
    after = f' <a href="#h-columns">{count(more, "more column")}</a>.' if more > 0 else ""
    return (
        '<section class="card" aria-labelledby="h-why"><h2 id="h-why">Why: what it uses</h2>'
        f"{bar_rows(rows, importance_words(found))}"
        '<p class="note">How much worse predictions become if a column is shuffled, so that it '
        f"says nothing: the {importance_words(found)}. Lines: 95 % intervals. Pale: it may be 0."
        f"{after}</p></section>"
    )


def importance_words(found: Findings) -> str:
    """Return what the importance of a column is measured by."""
    # Its measure is the squared error divided by the variance, which is 1 − R².
    return "rise of the log loss" if found.rows.task == "classification" else "fall of R²"


def _next(found: Findings) -> str:
    """Return what to do next, as a card."""
    items = "".join(f"<li>{each}</li>" for each in next_steps(found))
    return (
        '<section class="card" aria-labelledby="h-next"><h2 id="h-next">What next</h2>'
        f'<ul class="steps">{items}</ul></section>'
    )


def next_steps(found: Findings) -> list[str]:
    """Return what to do next as HTML, the most urgent first."""
    report, spell = found.model.report, found.spell
    steps = [text(_sentence(spell(each))) for each in report.get("advice", [])]
    if report["rows"].get("test", 0) == 0 and found.rows.part not in ("given", "seen"):
        hold = Message("Hold rows out, so that scores are of rows it has not seen: ",
                       Parameter("test", 0.2))  # fmt: skip
        steps.append(text(spell(hold)))
    if found.model.settings.get("quality") == "fast":
        steps.append(text(spell(Message("It was trained with ", Parameter("quality", "fast"),
                                        "; the default trains more networks."))))  # fmt: skip
    if found.confusion is not None:
        steps += _never_predicted(found, found.confusion)
        steps += _mistakes(found, found.confusion)
    if found.residuals is not None:
        worst = int(np.argmax(np.abs(found.residuals.residuals)))
        row = int(found.rows.typed.rows[worst]) + 1
        true_value = as_listed(float(found.residuals.truth[worst]))
        value = number(float(found.residuals.predicted[worst]), 6)
        steps.append(
            f"Look at the row it is most wrong about: row {row:,} of the table, predicted {value}, "
            f"true {true_value}."
        )
    group = worst_group(found)
    steps += [group] if group else []
    steps += _without(found)
    if found.folder:
        folder = text(shlex.quote(found.folder))
        data = text(shlex.quote(found.source or found.model.schema.source or "DATA.csv"))
        steps.append(
            f"Use it: <code>deltarule predict {folder} NEW.csv</code>; ask why a row is predicted "
            f"so: <code>deltarule explain {folder} {data} --row 1</code>."
        )
    return steps


def _never_predicted(found: Findings, confusion: Confusion) -> list[str]:
    """Return the step on classes that no row is predicted to be."""
    never = confusion.never_predicted()
    if not never:
        return []
    named = ", ".join(
        f"{plain(n)} {'is' if n == 1 else 'are'} <b>{name(label)}</b>"
        for label, n in never[:_MOST_NAMED]
    )
    more = f", and {count(len(never) - _MOST_NAMED, 'more label')} likewise" * (
        len(never) > _MOST_NAMED
    )
    said = f"Of {len(found.rows):,} rows {named}{more}, and none is predicted so"
    return [f"{said}: for such rows its probabilities say more than the predicted class."]


def _mistakes(found: Findings, confusion: Confusion) -> list[str]:
    """Return the step on the most frequent mistake, or on those that are as frequent."""
    first = confusion.most_frequent()
    if not first:
        return []
    each = f"{plain(first[0][2])} of {len(found.rows):,} rows"
    if len(first) > _MOST_TIED:
        most = f"the {len(first):,} most frequent ones"
        return [f"No mistake stands out: each of {most} is made in {each}."]
    named = " and ".join(f"<b>{name(true)}</b> taken for <b>{name(k)}</b>" for true, k, _ in first)
    if len(first) == 1:
        return [f"Look at its most frequent mistake: {named}, {each}."]
    return [f"Look at its most frequent mistakes, which are as frequent: {named}, {each} each."]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _without(found: Findings) -> list[str]:
    """Return the suggestion to leave columns out whose importance may be 0."""
    importance = found.importance
    worse = {group.column for group in found.groups.worse}
    weak = [
        column
        for column, low in zip(importance.columns, importance.low, strict=True)
        # Without the column that a worse group is of, that could not be looked into.
        if not low > 0 and column not in worse
    ]
    if not weak or found.rows.part in LEARNED:
        return []
    if len(weak) == len(importance.columns):
        return ["No single column has a measurable effect on these rows: more rows would tell."]
    shown = ", ".join(f"<b>{name(each, 24)}</b>" for each in weak[:_MOST_NAMED])
    rest = f" and {len(weak) - _MOST_NAMED} more" if len(weak) > _MOST_NAMED else ""
    option = text(found.spell(Message(Parameter("ignore"))))
    is_, it = ("is", "it") if len(weak) == 1 else ("are", "them")
    rows = count(len(found.rows), "row")
    step = f"{count(len(weak), 'column')} {is_} not shown to matter alone on {rows}: {shown}"
    same = "More rows may show it, and columns that say the same hide each other"
    return [f"{step}{rest}. {same}; try without {it}, or some: <code>{option}</code>."]
