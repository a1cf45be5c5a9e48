"""The plot of a fit, as SVG written here: importing Matplotlib takes longer than most fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from deltarule.explain.report.chart import Axis, axis
from deltarule.tabular import NetworkModel

__all__ = ["loss_picture"]

_LOSSES = {
    "half_squared_error": "½ squared error, target in standard deviations",
    "log_loss": "log loss",
    "cross_entropy": "log loss",
}
_TRAINING, _VALIDATION, _GREY = "#1f6feb", "#d1570b", "#737373"
# The picture and the area between its axes, in pixels.
_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 622, 40, 350
_MOST_LETTERS = 60
_OVER_LINES = ' stroke="white" stroke-width="4" paint-order="stroke"'


def loss_picture(model: NetworkModel) -> bytes:
    """Return the learning curves as SVG: training and validation loss over epochs.

    The training loss of an epoch is the mean over its batches, each before its step. It lags by
    half an epoch, and can be above the validation loss at first.
    """
    history, best = model.history, model.report["best_epoch"]
    epochs, training = history.column("epoch"), history.column("loss")
    validation = history.column("validation_loss")
    drawn = [loss for loss in (*training, *validation) if loss is not None and math.isfinite(loss)]
    log = bool(drawn) and min(drawn) > 0 and max(drawn) / min(drawn) > 3
    x = axis(epochs, "epoch" if epochs else "no epoch was completed", label="{:.0f}".format)
    y = axis(drawn, _LOSSES.get(model.model.net.loss.name, "loss"), log=log, label="{:g}".format)
    parts = [*_axes(x, y, with_ticks=bool(epochs)), _curve(x, y, epochs, training, _TRAINING)]
    keys = [("training", _TRAINING, "")] if epochs else []
    if any(loss is not None for loss in validation):
        parts.append(_curve(x, y, epochs, validation, _VALIDATION))
        keys.append(("validation", _VALIDATION, ""))
        if best:
            at = _x(x, best)
            parts.append(_line(at, _TOP, at, _BOTTOM, _GREY, ' stroke-dasharray="1 2"'))
            keys.append((f"kept: epoch {best}", _GREY, ' stroke-dasharray="1 2"'))
    for row, (words, colour, dashes) in enumerate(keys):
        middle = _TOP + 12 + 18 * row
        parts.append(_line(_RIGHT - 132, middle, _RIGHT - 108, middle, colour, dashes))
        parts.append(_text(_RIGHT - 100, middle + 4, words, _OVER_LINES))
    name = "" if model.schema.target is None else f"{model.schema.target.name}: "
    title = f"{name}{'-'.join(map(str, model.model.net.widths))}"
    title = title if len(title) <= _MOST_LETTERS else f"{title[: _MOST_LETTERS - 3]}…"
    parts.append(_text((_LEFT + _RIGHT) / 2, 24, title, ' text-anchor="middle" font-size="14"'))
    size, font = f'width="{_WIDTH}" height="{_HEIGHT}"', 'font-family="sans-serif" font-size="12"'
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} {font} fill="#1f2328">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *parts,
        "</svg>\n",
    ]
    return "\n".join(lines).encode("utf-8")


def _x(x: Axis, value: float) -> float:
    return _LEFT + x.at(value) * (_RIGHT - _LEFT)


def _y(y: Axis, value: float) -> float:
    return _BOTTOM - y.at(value) * (_BOTTOM - _TOP)


def _axes(x: Axis, y: Axis, *, with_ticks: bool) -> list[str]:
    """Return both axes with their titles, ticks and grid; epochs have whole numbers alone."""
    parts = []
    for value, label in x.ticks if with_ticks else ():
        if value == round(value):
            at = _x(x, value)
            parts.append(_line(at, _TOP, at, _BOTTOM, "#e6e6e6"))
            parts.append(_text(at, _BOTTOM + 18, label, ' text-anchor="middle"'))
    for value, label in y.ticks if with_ticks else ():
        at = _y(y, value)
        parts.append(_line(_LEFT, at, _RIGHT, at, "#e6e6e6"))
        parts.append(_text(_LEFT - 8, at + 4, label, ' text-anchor="end"'))
    parts.append(_line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "#1f2328"))
    parts.append(_line(_LEFT, _TOP, _LEFT, _BOTTOM, "#1f2328"))
    middle = ' text-anchor="middle"'
    parts.append(_text((_LEFT + _RIGHT) / 2, _HEIGHT - 12, x.title, middle))
    turned = f'{middle} transform="rotate(-90 16 {(_TOP + _BOTTOM) / 2:g})"'
    parts.append(_text(16, (_TOP + _BOTTOM) / 2, y.title, turned))
    return parts


def _curve(
    x: Axis, y: Axis, epochs: Sequence[int], losses: Sequence[float | None], colour: str
) -> str:
    """Return the line through the losses that are known; a point where there is one epoch."""
    points = [
        (_x(x, epoch), _y(y, loss))
        for epoch, loss in zip(epochs, losses, strict=True)
        if loss is not None and math.isfinite(loss)
    ]
    if len(epochs) < 2:
        return "".join(
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points
        )
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def _text(x: float, y: float, words: str, more: str = "") -> str:
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(shown)}</text>'
