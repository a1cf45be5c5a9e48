"""The sections of a report below its first screen: scores, columns, training, table, notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.report.bars import BarRow, bar_rows
from deltarule.explain.report.chart import axis, chart, dots, key, line
from deltarule.explain.report.findings import LEARNED, Findings
from deltarule.explain.report.headline import SCORES, importance_words, score_text
from deltarule.explain.report.markup import (
    count,
    decimals,
    interval,
    name,
    number,
    percent,
    table,
    text,
)
from deltarule.maths.printing.numbers import plain
from deltarule.tables.date_text import day_text
from deltarule.tabular.diagnostics import LearningCurve, PartialDependence
from deltarule.tabular.plots import loss_name

__all__ = [
    "GLOSSARY",
    "columns_section",
    "notes_section",
    "scores_section",
    "table_section",
    "training_section",
]

_MOST_BARS, _MOST_COLUMNS, _MOST_NOTES, _MOST_POINTS, _MOST_NAMED = 30, 300, 200, 120, 40
_PARTS = {
    "train": "training rows",
    "out_of_fold": "training rows, out of fold",
    "valid": "validation rows",
    "test": "test rows",
}
GLOSSARY = (
    "<b>Standardised</b>: less the mean, divided by the standard deviation. <b>Robust</b>: by the "
    "median and the quartiles, far values drawn in. <b>Quantile-normal</b>: the quantile, as that "
    "of a normal distribution. <b>Piecewise linear</b>: an input for each bin of quantiles. "
    "<b>Periodic</b>: sines and cosines of the quantile-normal number. "
    "<b>Random features</b>: sines and cosines of random sums of all inputs. Networks of different "
    "configurations see a column in different ways."
)
"""What the phrases of columns mean, as HTML."""
_LINES = ("own", "second", "third", "fourth")


def scores_section(found: Findings) -> str:
    """Return all scores as a table."""
    report = found.model.report
    rows = []

    def cells(values: Any, of: str = "") -> list[str]:
        result = []
        for score, value in values.items():
            shown = score_text(score, value)
            ends = found.ends(of, score) if of else None
            if ends is not None:
                each = [score_text(score, end) for end in ends]
                shown += f"<br><small>{interval(*each)}</small>"
            result.append(shown)
        return result

    own, counts = found.scores[found.what], report.get("scored_rows", report["rows"])
    names = list(own)
    if found.rows.part in ("given", "seen"):
        rows.append(
            ["<b>this model</b>, these rows", count(len(found.rows)), *cells(own, found.what)]
        )
    for part, words in _PARTS.items():
        scores = report["scores"].get(part)
        if scores is not None:
            n = counts["train" if part == "out_of_fold" else part]
            of = found.what if part == found.rows.part else ""
            rows.append([f"<b>this model</b>, {words}", count(n), *cells(scores, of)])
    if found.rows.part == report.get("baselines_on"):
        for baseline, scores in found.scores.items():
            if baseline != found.what:
                what = "linear model" if baseline == "linear" else "constant"
                words = _PARTS[found.rows.part]
                n = len(found.rows)
                rows.append([f"{what}, {words}", count(n), *cells(scores, baseline)])
    head = ["model and rows", "rows", *(SCORES[score][0] for score in names)]
    of_sample = " of the sample" if "scored_rows" in report else ""
    said = (
        "The linear model is ridge or logistic regression that sees every level of a category; the "
        "constant is the mean, or the shares of the classes. Both learn from all rows but "
        f"these{of_sample}."
    )
    after = f'<p class="note">{said}</p>' if len(found.scores) > 1 else ""
    return table(head, rows, "All scores", "tnnnn") + after


def columns_section(found: Findings) -> str:
    """Return the importance of all columns, and the partial dependence of the strongest."""
    importance = found.importance
    rows = []
    for k, column in enumerate(importance.columns[:_MOST_BARS]):
        mean, low, high = (
            float(each[k]) for each in (importance.mean, importance.low, importance.high)
        )
        ends = f"<small>{interval(decimals(low), decimals(high))}</small>"
        kind = "" if low > 0 else "weak"
        rows.append(BarRow(name(column, 40), mean, decimals(mean), low, high, kind, ends))
    how = f"on {importance.rows:,} of the {importance.of_rows:,} rows, drawn by a fixed seed"
    if importance.rows == importance.of_rows:
        how = f"on all {importance.rows:,} rows"
    if found.rows.part in ("out_of_fold", *LEARNED):
        how += ", which the networks were trained on: what they only learned by heart counts too"
    hidden = len(importance.columns) - len(rows)
    said = (
        f"How much worse the predictions become if a column says nothing: its cells are shuffled "
        f"among the rows ({importance.repeats} times), and all else stays. The number is the "
        f"{importance_words(found)}: 0 for a column that is not used. Measured {how}; the lines "
        "are 95 % intervals: how far the chance of which rows these are may have moved it. Columns "
        "that say the same share their importance: each alone looks weak. Importance does not say "
        "that a column causes the target."
    )
    if hidden:
        said += f" {count(hidden, 'column')} of less importance not shown."
    if importance.left_out:
        said += (
            f" {count(len(importance.left_out), 'column')} not looked at beyond a first "
            "permutation of few rows, since there are so many."
        )
    curves = "".join(_dependence(each, found) for each in found.dependences)
    return (
        f'<div class="importance">{bar_rows(rows, importance_words(found))}</div>'
        f'<p class="note">{text(said)}</p>'
        '<h3 class="sub">Partial dependence: the mean prediction if all rows had the same '
        "cell</h3>"
        f'<div class="charts many">{curves}</div>'
        '<p class="note">At quantiles of the column (points), or its most frequent levels, over '
        f"{plain(found.dependences[0].rows)} rows. It shows what the model does, not what causes "
        "the target.</p>"
    )


def _dependence(each: PartialDependence, found: Findings) -> str:
    """Return the chart of one column."""
    title = f"<figure><figcaption><h4>{name(each.column, 32)}</h4></figcaption>"
    of_class = found.rows.task == "classification"
    target = f"probability of {each.outputs[0]}" if of_class else found.target
    if len(each.outputs) > 1:
        target = "probability"
    if each.kind == "category":
        rows = []
        labels = list(map(name, each.values))
        means = list(each.mean)
        if each.missing is not None:
            labels.append("<i>missing</i>")
            means.append(each.missing)
        for label, mean in zip(labels, means, strict=True):
            for k, output in enumerate(each.outputs):
                of = f" → {name(output, 16)}" if len(each.outputs) > 1 else ""
                shown = percent(float(mean[k])) if of_class else number(float(mean[k]))
                rows.append(BarRow(f"{label}{of}", float(mean[k]), shown, kind=_LINES[k]))
        bars = bar_rows(rows, text(target))
        return f'{title}<p class="axis-title">mean {text(target)}</p>{bars}</figure>'
    values = np.asarray(each.values, dtype=np.float64).tolist()
    is_date = each.kind == "date"
    x = axis(
        values, each.column, most_ticks=3 if is_date else 4, label=day_text if is_date else plain
    )
    everything = [*each.mean.ravel().tolist(), *([] if each.missing is None else each.missing)]
    y = axis(everything, f"mean {target}", room=0.08, label=_percent if of_class else plain)
    marks = []
    for k in range(len(each.outputs)):
        means = each.mean[:, k].tolist()
        marks += [line(x, y, values, means, _LINES[k]), dots(x, y, values, means, _LINES[k])]
    entries = []
    if len(each.outputs) > 1:
        entries = [(_LINES[k], name(output, 24)) for k, output in enumerate(each.outputs)]
    after = key(entries) if entries else ""
    if each.missing is not None:
        shown = ", ".join(
            (f"{name(output, 24)} " if entries else "")
            + (percent(float(v)) if of_class else number(float(v)))
            for output, v in zip(each.outputs, each.missing, strict=True)
        )
        after += f'<p class="note">missing cells: {shown}</p>'
    words = f"Partial dependence on {each.column}"
    if each.mean.size:
        words += f": from {plain(float(each.mean[0, 0]))} to {plain(float(each.mean[-1, 0]))}"
    return f"{title}{chart(x, y, marks, words)}{after}</figure>"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %".replace("-", "−")


def training_section(found: Findings) -> str:
    """Return the leaderboard, and the learning curves."""
    report = found.model.report
    parts = []
    if "leaderboard" in report:
        board = report["leaderboard"]
        lines = []
        largest = max(each["weight"] for each in board)
        for each in board:
            label = each["configuration"]
            weight = each["weight"]
            share = 100 * weight / largest
            filled = f'<i class="fill" style="left:0;width:{share:.1f}%"></i>' if weight else ""
            lines.append(
                f'<tr class="{"" if weight else "weak"}"><th scope="row">{name(label)}</th>'
                f'<td class="n">{number(each["out_of_fold_loss"], 4, f"leaderboard.{label}")}</td>'
                f'<td class="bar-cell" aria-hidden="true"><div>{filled}</div></td>'
                f'<td class="n">{number(weight, 2)}</td>'
                f'<td class="n">{each["networks"]}</td>'
                f'<td class="n">{each["seconds"]:.1f}</td></tr>'
            )
        measure = loss_name(report)
        of = "out-of-fold" if "out_of_fold" in report["scores"] else "validation"
        parts.append(
            '<div class="scroll" tabindex="0" role="group" aria-label="Leaderboard">'
            '<table class="leaderboard"><caption class="unseen">Leaderboard</caption><thead><tr>'
            '<th scope="col">configuration</th>'
            f'<th scope="col" class="n">{of} {measure}</th>'
            '<td></td><th scope="col" class="n">weight</th>'
            '<th scope="col" class="n">networks</th><th scope="col" class="n">seconds</th>'
            f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
            f'<p class="note">The weights are chosen greedily by the loss of {of} '
            "predictions; those without one are not in the model, and those of fewer networks were "
            "trained on the first folds only. The prediction is the weighted mean of "
            f"{report['networks']} networks with {report['parameters']:,} parameters in all. "
            f"{report['training_seconds']:.1f} s of training.</p>"
        )
    elif found.what == "portfolio":
        parts.append(
            f'<p class="note">{count(report["networks"], "network")} with '
            f"{report['parameters']:,} parameters, trained further on new rows.</p>"
        )
    else:
        kept = report.get("best_epoch")
        parts.append(
            f'<p class="note">One network of {report.get("parameters", 0):,} parameters, '
            f"{report.get('epochs', 0)} epochs, the parameters of epoch {kept} kept; "
            f"{report.get('training_seconds', 0.0):.1f} s of training.</p>"
        )
    if found.curves:
        several = any(len(each.training) > 1 for each in found.curves)
        each_line = "; a line for each network" if several else ""
        parts.append(
            f'<h3 class="sub">Learning curves: the loss over epochs{each_line}</h3>'
            f'<div class="charts many">{"".join(map(_curve, found.curves))}</div>'
        )
        validated = any(np.isfinite(v).any() for each in found.curves for v in each.validation)
        entries = [("training", "training rows, during the epoch")]
        if validated:
            entries += [("held-out", "rows that the network was not trained on"),
                        ("kept point", "the epoch that was kept")]  # fmt: skip
        parts.append(key(entries))
    return "".join(parts)


def _thinned(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Return epochs and losses, at most about 120 of them."""
    every = -(-len(values) // _MOST_POINTS)
    index = np.unique([*range(0, len(values), max(every, 1)), max(len(values) - 1, 0)])
    return (index + 1.0).tolist(), values[index].tolist() if len(values) else []


def _curve(curve: LearningCurve) -> str:
    """Return the learning curves of one configuration."""
    every = [*curve.training, *curve.validation]
    losses = np.concatenate(every) if every else np.zeros(0)
    known = losses[np.isfinite(losses)]
    epochs = max((len(each) for each in every), default=0)
    title = f"<figure><figcaption><h4>{name(curve.name, 32)}</h4></figcaption>"
    if not len(known):
        return f'{title}<p class="note">no epoch was completed</p></figure>'
    # The first epochs must not press the others together.
    log = bool(known.min() > 0 and known.max() > 3 * known.min())
    x = axis([1.0, float(max(epochs, 2))], "epoch", room=0.02, most_ticks=4)
    x = type(x)(x.low, x.high, x.title, tuple(t for t in x.ticks if float(t[0]).is_integer()))
    y = axis(known.tolist(), curve.loss, log=log)
    marks = []
    kept: list[tuple[float, float]] = []
    for lines, kind in ((curve.training, "training thin"), (curve.validation, "held-out thin")):
        marks += [line(x, y, *_thinned(each), kind) for each in lines]
    for each, epoch in zip(curve.validation, curve.kept, strict=True):
        if 0 < epoch <= len(each) and np.isfinite(each[epoch - 1]):
            kept.append((float(epoch), float(each[epoch - 1])))
    marks.append(dots(x, y, [a for a, _ in kept], [b for _, b in kept], "kept"))
    words = f"Learning curves of {curve.name}: {len(curve.training)} networks, {epochs} epochs"
    return f"{title}{chart(x, y, marks, words)}</figure>"


def table_section(found: Findings) -> str:
    """Return what is known of each column, and what was done to it."""
    schema = found.model.schema
    treatments = found.model.column_treatments()
    columns = [*([schema.target] if schema.target else []), *schema.columns]
    lines = []
    for column in columns[:_MOST_COLUMNS]:
        done = treatments.get(column.name, [])
        what = "; ".join(map(text, done)) or "–"
        if column is schema.target:
            what = "<b>the target</b>"
        remarks = "".join(f"<br><small>{text(found.spell(note))}</small>" for note in column.notes)
        lines.append(
            [
                name(column.name, 40),
                text(column.kind),
                count(column.missing),
                count(column.distinct),
                text(column.span()),
                what + remarks,
            ]
        )
    after = []
    if len(columns) > _MOST_COLUMNS:
        after.append(f"{count(len(columns) - _MOST_COLUMNS, 'more column')}.")
    head = [
        "column",
        "kind",
        "missing",
        "distinct",
        "range or most frequent",
        "what was done to it",
    ]
    after.append(GLOSSARY)
    said = "".join(f'<p class="note">{each}</p>' for each in after)
    shown = table(head, lines, "The columns", "ttnntt")
    return f'{_used_and_left_out(found)}<div class="columns-table">{shown}</div>{said}'


def _used_and_left_out(found: Findings) -> str:
    """Return which columns predictions are made from, and which are not, with the reasons."""
    schema = found.model.schema
    used = ", ".join(f"<b>{name(each, 40)}</b>" for each in schema.names[:_MOST_NAMED])
    more = len(schema.names) - _MOST_NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    left = [(each, text(found.spell(why))) for each, why in schema.dropped]
    left += [(each, "left out on request") for each in schema.ignored]
    left += [(each, "an identifier: it names the row and says nothing about it")
             for each in schema.ids]  # fmt: skip
    if schema.weights is not None:
        left.append((schema.weights, "the weights of the rows"))
    said = f"<p>Predicted from {count(len(schema.names), 'column')}: {used}{rest}.</p>"
    if not left:
        return f"{said}<p>No column was left out.</p>"
    items = "".join(f"<li><b>{name(each)}</b>: {why}</li>" for each, why in left[:_MOST_COLUMNS])
    hidden = len(left) - _MOST_COLUMNS
    items += f"<li>and {hidden:,} more</li>" if hidden > 0 else ""
    return f'{said}<p>Not used ({len(left):,}):</p><ul class="notes">{items}</ul>'


def notes_section(found: Findings) -> str:
    """Return every note on the table and on the training."""
    report, schema = found.model.report, found.model.schema
    every: Sequence[str] = [
        *report.get("notes", []),
        *schema.remarks(),
        *found.rows.typed.notes,
        *found.model.notes(found.rows.typed),
    ]
    notes = list(dict.fromkeys(found.spell(each) for each in every))
    if not notes:
        return '<p class="note">There are none.</p>'
    items = "".join(f"<li>{text(each)}</li>" for each in notes[:_MOST_NOTES])
    more = len(notes) - _MOST_NOTES
    rest = f'<p class="note">… and {more:,} more.</p>' if more > 0 else ""
    return f'<ul class="notes">{items}</ul>{rest}'
