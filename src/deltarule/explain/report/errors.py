"""The section on a model's errors: calibration and confusion, or residuals."""

from __future__ import annotations

import shlex

import numpy as np

from deltarule.explain.report.chart import Axis, axis, band, bar, chart, dots, key, line, span
from deltarule.explain.report.findings import Findings
from deltarule.explain.report.markup import (
    count,
    interval,
    name,
    number,
    percent,
    table,
    text,
)
from deltarule.maths.printing.numbers import as_listed, plain
from deltarule.tabular.diagnostics import Calibration, Confusion, Residuals, ranked_rows
from deltarule.tabular.diagnostics.importance import sample_of_rows

__all__ = ["errors_section"]

_MOST_POINTS, _MOST_CLASSES, _MOST_NARROW, _GROUPS = 1000, 12, 4, 12
_MOST_WORST, _MOST_NUMBERS = 10, 2000
# Only if chance alone stays below that do the rows show that probabilities can be believed.
_SMALL_ERROR = 0.02


def errors_section(found: Findings) -> str:
    """Return the section as HTML."""
    if found.calibration is not None and found.confusion is not None:
        parts = [_confusion(found.confusion, len(found.rows)), _reliability(found.calibration)]
    else:
        assert found.residuals is not None
        parts = [_scatter(found.residuals, found.target), _true_against_predicted(found.residuals)]
    return f'<div class="charts">{"".join(parts)}</div>{_worst_rows(found)}'


def _worst_rows(found: Findings) -> str:
    """Return the rows of the largest losses, and the numbers of all rows that are judged here."""
    rows = ranked_rows(found.model, found.rows.typed, found.rows.outputs)
    target = name(found.target, 24)
    lines = []
    for place in rows.order[:_MOST_WORST]:
        row = int(rows.numbers[place])
        cells = [str(row)]
        if rows.probabilities is None:
            gap = float(rows.predicted[place] - rows.actual[place])
            cells += [
                text(as_listed(float(rows.actual[place]))),
                number(float(rows.predicted[place]), 6, f"worst.{row}.predicted"),
                ("+" if gap > 0 else "") + number(gap, 4, f"worst.{row}.error"),
            ]
        else:
            right = rows.predicted[place] == rows.actual[place]
            cells += [
                name(str(rows.actual[place]), 24),
                f"{name(str(rows.predicted[place]), 24)} {'✓' if right else '✗'}",
                percent(float(rows.probabilities[place]), f"worst.{row}.probability"),
            ]
        lines.append(cells)
    last = (
        "predicted − true" if rows.probabilities is None else f"probability of the table’s {target}"
    )
    shown = table(
        ["row", target, "predicted", last], lines, "The rows with the largest errors", "tnnn"
        if rows.probabilities is None else "tttn",
    )  # fmt: skip
    listed = ", ".join(map(str, rows.numbers[:_MOST_NUMBERS]))
    more = len(rows) - _MOST_NUMBERS
    rest = f", and {more:,} more" if more > 0 else ""
    some = f"The {len(lines)} of {len(rows):,}" if len(lines) < len(rows) else f"All {len(rows):,}"
    return (
        '<h3 class="sub" id="h-worst">Which rows? The largest errors</h3>'
        f'<p class="note">{some} rows with the largest errors. Rows count from 1 below the header '
        f"of the table.{_ask(found, int(rows.numbers[rows.order[0]]))}</p>{shown}"
        f"<details><summary>The numbers of all {count(len(rows), 'row')} that this is about"
        f'</summary><p class="note" data-rows="{found.rows.part}">{listed}{rest}</p></details>'
    )


def _ask(found: Findings, row: int) -> str:
    """Return how to ask why a row is predicted so."""
    if not found.folder:
        return ""
    folder = text(shlex.quote(found.folder))
    data = text(shlex.quote(found.model.schema.source or "DATA.csv"))
    data = "DATA" if found.rows.part == "given" else data
    return (
        f" Why a row is predicted so: <code>deltarule explain {folder} {data} --row {row}</code>; "
        f"all of these rows, by their errors: <code>deltarule explain {folder} {data} --rows "
        f"{found.rows.part if found.rows.part in ('test', 'valid', 'train') else 'all'}</code>."
    )


def _confusion(found: Confusion, n_rows: int) -> str:
    """Return the confusion matrix as a table whose cells are shaded by the share of their row."""
    labels, matrix = found.labels, np.asarray(found.matrix, dtype=np.float64)
    shown = np.arange(len(labels))
    said = ""
    if len(labels) > _MOST_CLASSES:
        frequent = np.argsort(-matrix.sum(axis=1), kind="stable")[:_MOST_CLASSES]
        shown = np.sort(frequent)
        said = f"The {_MOST_CLASSES} most frequent of {len(labels)} classes. "
    head = "".join(f'<th scope="col">{name(labels[k], 14)}</th>' for k in shown)
    lines = []
    for i in shown:
        of_class = matrix[i].sum()
        cells = []
        for j in shown:
            share = matrix[i, j] / of_class if of_class else 0.0
            # The square root, so that few mistakes are seen too.
            kind, shade = ("right", share) if i == j else ("wrong", share**0.5)
            value = number(matrix[i, j], 4, f"confusion.{labels[i]}.{labels[j]}")
            cells.append(f'<td class="{kind}" style="--share:{40 * shade:.0f}%">{value}</td>')
        recall, precision = percent(found.recall[i], "", 0), percent(found.precision[i], "", 0)
        lines.append(
            f'<tr><th scope="row">{name(labels[i], 20)}</th>{"".join(cells)}'
            f'<td class="n">{recall}</td><td class="n">{precision}</td></tr>'
        )
    wide = "wide" if len(shown) > _MOST_NARROW else ""
    mistakes = found.mistakes(3)
    if mistakes:
        last = mistakes[-1][2]
        others = sum(each[2] == last for each in found.mistakes(matrix.size)[len(mistakes) :])
        listed = "; ".join(
            f"<b>{name(a)}</b> taken for <b>{name(b)}</b>: {plain(n)}" for a, b, n in mistakes
        )
        said += f"Most frequent mistakes: {listed}"
        said += f", and {others:,} more as frequent as the last." if others else "."
    else:
        said += f"No mistake on these {count(n_rows, 'row')}."
    return (
        f'<figure class="{wide}">'
        "<figcaption><h3>Confusion: rows by true and predicted class</h3>"
        f'<p class="note">{said}</p></figcaption>'
        '<div class="scroll" tabindex="0" role="group" aria-label="Confusion matrix">'
        '<table class="confusion"><caption class="unseen">Rows: the true class; columns: the '
        "predicted class</caption><thead><tr><td>true ↓ predicted →</td>"
        f'{head}<th scope="col" class="n">found</th><th scope="col" class="n">right</th></tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="note"><b>found</b>: of the rows of this class, those predicted so (recall); '
        "<b>right</b>: of those predicted so, the rows of this class (precision).</p></figure>"
    )


def _share_axis(title: str) -> Axis:
    ticks = tuple((k / 4, f"{25 * k} %") for k in range(5))
    return Axis(-0.03, 1.03, title, ticks)


def _reliability(found: Calibration) -> str:
    """Return the reliability diagram."""
    what = "the most probable class" if found.label is None else f"“{found.label}”"
    x = _share_axis(f"predicted probability of {what}")
    y = _share_axis("observed share of rows")
    marks = [line(x, y, [0, 1], [0, 1], "ideal")]
    marks += [
        span(x, y, float(p), float(low), float(high), "own")
        for p, low, high in zip(found.predicted, found.low, found.high, strict=True)
    ]
    p, observed = found.predicted.tolist(), found.observed.tolist()
    marks += [line(x, y, p, observed, "own thin"), dots(x, y, p, observed, "own")]
    heights = np.bincount(np.minimum((found.probabilities * 20).astype(int), 19), minlength=20)
    top = axis([0.0, float(heights.max())], "rows", room=0.02, most_ticks=2)
    bars = [bar(x, top, k / 20, (k + 1) / 20, float(n), "soft") for k, n in enumerate(heights)]
    words = "; ".join(
        f"predicted {a:.0%}, observed {b:.0%} of {n}" for a, b, n in
        zip(found.predicted, found.observed, found.rows.tolist(), strict=True)
    )  # fmt: skip
    limit = percent(found.error_limit, "calibration.limit")
    if found.error > found.error_limit:
        verdict = (
            f"and in 95 of 100 cases at most {limit}. It is more than that: the probabilities are "
            "off, where the points below leave the line; above it, more rows are so than it says, "
            "below it fewer."
        )
    elif found.error_limit > _SMALL_ERROR:
        verdict = (
            f"and in 95 of 100 cases at most {limit}. It is not more than that, but these are too "
            f"few rows to tell: probabilities that are off by less than about {limit} on average "
            "may well look the same. More rows would tell."
        )
    else:
        verdict = (
            f"and in 95 of 100 cases at most {limit}. It is not more than that, and so many rows "
            "would show a larger error: on rows such as these the probabilities can be taken as "
            "they are, to about that."
        )
    said = (
        "Of all rows of which it says 80 %, about 80 of 100 should be so. What it says is "
        f"{percent(found.error, 'calibration.error')} away from what is observed, on average "
        "(the expected calibration error). Even if every probability were exact, the chance of "
        f"which rows these are would make it about {percent(found.error_by_chance)}, {verdict}"
    )
    return (
        "<figure><figcaption><h3>Calibration: can the probabilities be believed?</h3>"
        f'<p class="note">{said}</p></figcaption>'
        f"{chart(x, y, marks, f'Reliability diagram: {words}', 'square')}"
        f"{chart(x, top, bars, 'How many rows have each probability', 'low')}"
        + key([("own", "this model, with 95 % intervals"), ("ideal", "perfect calibration")])
        + '<p class="note">10 equal bins; intervals by Wilson. The error is of 15 equal bins of '
        "the most probable class’s probability.</p></figure>"
    )


def _scatter(found: Residuals, target: str) -> str:
    """Return true values against predicted ones, with the interval's edges."""
    index = sample_of_rows(len(found.truth), _MOST_POINTS)
    predicted, left = found.predicted[index], found.residuals[index]
    x = axis(predicted.tolist(), f"predicted {target}")
    edges = _edges(found)
    y = axis([*left.tolist(), *(v for each in edges[1:] for v in each), 0.0], "true − predicted")
    marks = [band(x, y, *edges)] if edges else []
    zero = [x.low, x.high]
    marks += [line(x, y, zero, [0.0, 0.0], "ideal")]
    marks += [dots(x, y, predicted.tolist(), left.tolist(), "own small")]
    low, middle, high = (float(v) for v in found.quantiles)
    said = (
        f"Nine tenths of the residuals lie between {number(low, 3, 'residuals.low')} and "
        f"{number(high, 3, 'residuals.high')}; their median is {number(middle, 2)}."
    )
    if found.coverage is not None and found.coverage_interval is not None:
        ends = interval(*(percent(each) for each in found.coverage_interval))
        said += (
            f" The {100 * found.nominal:.0f} % interval holds "
            f"{percent(found.coverage, 'coverage')} of the rows ({ends} by Wilson)."
        )
        if found.coverage_interval[1] < found.nominal:
            said += (
                " These are fewer than it says, beyond chance: for rows like these it is too "
                "narrow. Ask for a wider one, such as <code>deltarule predict … --coverage "
                "0.95</code>, or train again with such rows."
            )
    drawn = "" if len(index) == len(found.truth) else f" ({len(index):,} of them, by a fixed seed)"
    words = f"Residuals against predictions: {plain(low)} to {plain(high)} for nine tenths"
    keys = [("own point", f"a row{drawn}"), ("ideal", "no error")]
    if edges:
        keys.insert(1, ("band", "90 % interval, from residuals of rows held out of training"))
    return (
        "<figure><figcaption><h3>Residuals: where is it wrong?</h3>"
        f'<p class="note">{said}</p></figcaption>{chart(x, y, marks, words)}{key(keys)}</figure>'
    )


def _edges(found: Residuals) -> tuple[list[float], list[float], list[float]] | tuple[()]:
    """Return the medians of predictions and of their intervals' ends, less these, in groups."""
    if found.intervals is None:
        return ()
    order = np.argsort(found.predicted, kind="stable")
    groups = np.array_split(order, min(_GROUPS, len(order)))
    ends = found.intervals - found.predicted[:, None]
    at, low, high = (
        [float(np.median(values[group])) for group in groups]
        for values in (found.predicted, ends[:, 0], ends[:, 1])
    )
    return at, low, high


def _true_against_predicted(found: Residuals) -> str:
    """Return true against predicted values as a second chart."""
    index = sample_of_rows(len(found.truth), _MOST_POINTS)
    truth, predicted = found.truth[index].tolist(), found.predicted[index].tolist()
    both = [*truth, *predicted]
    x, y = axis(both, "predicted"), axis(both, "true")
    ends = [min(both), max(both)]
    marks = [line(x, y, ends, ends, "ideal"), dots(x, y, predicted, truth, "own small")]
    correlation = "–"
    if np.ptp(found.truth) > 0 and np.ptp(found.predicted) > 0:
        correlation = number(float(np.corrcoef(found.truth, found.predicted)[0, 1]), 2)
    return (
        "<figure><figcaption><h3>True against predicted</h3>"
        f'<p class="note">The nearer to the line, the better; correlation {correlation}. '
        "A cloud flatter than the line means that extremes are predicted too near to the middle."
        f"</p></figcaption>{chart(x, y, marks, text('True against predicted values'), 'square')}"
        f"{key([('own point', 'a row'), ('ideal', 'perfect prediction')])}</figure>"
    )
