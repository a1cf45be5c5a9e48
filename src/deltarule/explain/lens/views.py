"""The gradient lens as text and as static HTML."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deltarule.explain.number_format import short

if TYPE_CHECKING:
    from deltarule.explain.lens.gradient_lens import GradientLens

__all__ = ["MEASURES", "Words", "lens_html", "lens_text"]


class Words(NamedTuple):
    """The label of a measurement, and its description."""

    label: str
    words: str


MEASURES: dict[str, Words] = {
    "weight_norm": Words("‖W‖", "the norm of the weights, without biases"),
    "weight_rms": Words("RMS w", "the root mean square of the weights"),
    "activation_norm": Words("‖a‖", "√(Σ p_i ‖a_i‖²), p_i the share of row i"),
    "activation_rms": Words("RMS a", "‖a‖ over the root of the number of nodes"),
    "delta_norm": Words("‖δ‖", "√(Σ p_i ‖∂Cᵢ/∂z‖²)"),
    "delta_rms": Words("RMS δ", "‖δ‖ over the root of the number of nodes"),
    "delta_ratio": Words("‖δ‖/‖δ⁽ᴸ⁾‖", "the norm of δ beside that of the output's δ"),
    "delta_factor": Words("‖δ⁽ˡ⁾‖/‖δ⁽ˡ⁺¹⁾‖", "how one layer changes the norm of δ on the way back"),
    "gradient_norm": Words("‖∂C/∂θ‖", "the norm of the gradient, weights and biases"),
    "gradient_rms": Words("RMS ∂C/∂θ", "the root mean square of the gradient"),
    "gradient_ratio": Words("‖∂C/∂W‖/‖W‖", "the gradient's size beside that of the weights"),
    "update_ratio": Words("‖ΔW‖/‖W‖", "the step's change beside the norm of the weights"),
    "snr": Words("SNR", "the norm of the mean gradient over its spread between rows"),
    "noise_scale": Words("1/SNR²", "the rows of a batch with as much noise as signal"),
    "slope_rms": Words("RMS g′", "the root mean square of the slopes g′(z)"),
    "dead": Words("dead", "the share of nodes whose slope is 0 in every row"),
    "saturated": Words("saturated", "the share of nodes whose slope is flat in most rows"),
    "flat": Words("flat", "the share of flat slopes among all nodes and rows"),
}
"""The label and description of each measurement of a layer, by name."""

_SHOWN = (
    "weight_rms",
    "activation_rms",
    "delta_rms",
    "delta_ratio",
    "gradient_norm",
    "snr",
    "update_ratio",
    "dead",
    "saturated",
)
_SHARES = ("dead", "saturated")


def _head(found: GradientLens) -> tuple[str, ...]:
    known = any(not np.isnan(each.update_ratio) for each in found.layers)
    return tuple(name for name in _SHOWN if name != "update_ratio" or known)


def _cell(name: str, value: float) -> str:
    if name in _SHARES and not np.isnan(value):
        return f"{100 * value:.0f} %" if value in (0, 1) or value >= 0.01 else "< 1 %"
    return short(value)


def _table(found: GradientLens) -> list[list[str]]:
    net, names = found.subject.net, _head(found)
    rows = [["layer", "nodes", "activation", *(MEASURES[name].label for name in names), "marks"]]
    for each in found.layers:
        rows.append(
            [
                str(each.layer),
                str(each.nodes),
                str(net.activations[each.layer]),
                *(_cell(name, getattr(each, name)) for name in names),
                ", ".join(found.marks(each.layer)),
            ]
        )
    return rows


def lens_text(found: GradientLens) -> str:
    """The lens as text: layers, advice, the rows that pull hardest, attributions."""
    rows = _table(found)
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = (2, len(sizes) - 1)
    n = len(found.subject.X)
    cost = short(found.measured.cost, 6)
    lines = [f"The gradient lens: {n} {'row' if n == 1 else 'rows'}, C = {cost}", ""]
    for row in rows:
        cells = [
            cell.ljust(size) if i in left else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines += ["", *_where(found), ""]
    for name in _head(found):
        lines.append(f"  {MEASURES[name].label.ljust(12)}{MEASURES[name].words}")
    advice = [textwrap.fill(each.text(), 100, subsequent_indent="  ") for each in found.advice]
    lines += ["", *(advice or ["Nothing is marked."])]
    lines += ["", "The rows that pull hardest, by w_i ‖∂Cᵢ/∂θ‖:"]
    for each in found.hardest(5):
        lines.append(
            f"  row {each.name}: {short(each.pull)}, {short(100 * each.share)} % of all; "
            f"C_i = {short(each.loss)}"
        )
    if found.steps:
        lines += ["", *_training(found)]
    return "\n".join(lines)


def _where(found: GradientLens) -> list[str]:
    """Lines on the inputs, the rows that nodes are judged by, and the step."""
    lines = [f"RMS of the inputs: {short(found.measured.input_rms)}"]
    n, of, here = found.judged_rows, found.judged_of, int((found.subject.w > 0).sum())
    if not found.enough_rows:
        some = f"these {n} rows" if n == of else f"these {n} of {of} rows"
        lines.append(f"Dead and saturated are of {some} only: too few to judge a node by")
    elif n != here or n != of:
        rows = f"all {n} rows" if n == of else f"{n} of {of} rows"
        lines.append(f"Dead and saturated are judged by {rows} of the training")
    step = found.subject.step
    if step is not None:
        how = "as it was taken" if step.theta_after is not None else "computed here"
        named = "A first step" if step.hypothetical else f"Step {step.number}"
        lines.append(f"{named} of {step.rule} with η = {short(step.learning_rate)}, {how}")
    return lines


def _training(found: GradientLens) -> list[str]:
    """Lines on δ, the gradient and the weights at the first and the last recorded step."""
    first, last, n = found.steps[0], found.steps[-1], len(found.steps)
    rows = found.over_rows
    on = "" if rows == len(found.subject.X) else f" on {rows} rows of the training,"
    lines = [f"Over training, after steps {first} to {last} ({n} measured),{on} first → last:"]
    parts = [
        (MEASURES[name].label, found.over_training(name))
        for name in ("weight_rms", "delta_ratio", "gradient_norm", "snr")
    ]
    for at, each in enumerate(found.layers):
        shown = ", ".join(
            f"{label} {short(values[0, at])} → {short(values[-1, at])}" for label, values in parts
        )
        lines.append(f"  layer {each.layer}: {shown}")
    return lines


_CELL = "padding:0.2em 0.7em;text-align:right;border-bottom:1px solid #8884;white-space:nowrap"


def lens_html(found: GradientLens) -> str:
    """The lens as static HTML for a notebook, without scripts."""
    rows = _table(found)
    names = _head(found)
    titles = ["", "", "", *(MEASURES[name].words for name in names), ""]
    head = "".join(
        f'<th scope="col" style="{_CELL}" title="{escape(title)}">{escape(cell)}</th>'
        for cell, title in zip(rows[0], titles, strict=True)
    )
    body = []
    for row in rows[1:]:
        cells = [f'<th scope="row" style="{_CELL}">{escape(row[0])}</th>']
        cells += [f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row[1:-1]]
        mark = f"<strong>{escape(row[-1])}</strong>" if row[-1] else "—"
        cells.append(f'<td style="{_CELL};text-align:left">{mark}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    advice = [
        f"<li><strong>{escape(each.kind.capitalize())}.</strong> {escape(each.seen)} "
        f"{escape(each.why)} <em>{escape(each.what)}</em></li>"
        for each in found.advice
    ]
    hard = [
        f"<li>row {escape(each.name)}: {escape(short(each.pull))} "
        f"({short(100 * each.share)} % of all), C<sub>i</sub> = {escape(short(each.loss))}</li>"
        for each in found.hardest(5)
    ]
    caption = f"The gradient lens: {len(found.subject.X)} rows, C = {short(found.measured.cost, 6)}"
    parts = [
        '<div style="overflow-x:auto"><table style="border-collapse:collapse">',
        f'<caption style="text-align:left">{caption}</caption>',
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>",
        f"<p>{'; '.join(map(escape, _where(found)))}</p>",
        f"<ul>{''.join(advice)}</ul>" if advice else "<p>Nothing is marked.</p>",
        "<details><summary>The rows that pull hardest</summary>",
        f"<ol>{''.join(hard)}</ol></details>",
    ]
    return "".join(parts)
