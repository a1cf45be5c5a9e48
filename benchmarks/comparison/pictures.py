"""The plots of ``python -m benchmarks --plot``."""

from __future__ import annotations

import io
import logging
from typing import Any

from benchmarks.comparison import PEERS, Comparison, Scaling
from benchmarks.comparison.tables import microseconds, times

__all__ = ["picture"]

_COLORS = {
    "deltarule": "#1f6feb",
    "sklearn": "#f7931e",
    "torch": "#d6453d",
    "jax": "#7a4fbf",
    "numpy": "#8a8f98",
    "reference": "#9cc2f7",
}


def picture(found: Comparison | Scaling, form: str) -> bytes:
    """Bars for a comparison, lines for sizes that were doubled; times on a logarithmic scale.

    Parameters
    ----------
    found : Comparison or Scaling
    form : {"svg", "png", "pdf"}

    Returns
    -------
    bytes
        The file.
    """
    # At its first run Matplotlib builds a font cache and logs it; that is no error.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl

    # The object interface draws without a display and leaves the caller's pyplot alone.
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deltarule", "font.size": 9}):
        if isinstance(found, Scaling):
            figure = Figure(figsize=(3.2 * len(found.axes), 3.6), layout="constrained")
            _lines(figure, found)
        else:
            figure = Figure(figsize=(2 + 1.6 * len(found.results), 4.2), layout="constrained")
            _bars(figure, found)
        where = found.circumstances
        threads = f"{found.threads} thread" + ("" if found.threads == 1 else "s")
        figure.suptitle(
            f"a training step: {where['processor']}, {threads}, {where['date'][:10]}", fontsize=9
        )
        stream = io.BytesIO()
        # Without a date, so that the same numbers give the same bytes.
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(stream, format=form, dpi=150, metadata=dates.get(form))
    return stream.getvalue()


def _tidy(axes: Any) -> None:
    axes.set_yscale("log")
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(figure: Any, found: Comparison) -> None:
    axes = figure.add_subplot()
    names = list(dict.fromkeys(name for result in found.results for name in result.timings))
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        there = [
            (place, result) for place, result in enumerate(found.results) if name in result.timings
        ]
        places = [place + (number - (len(names) - 1) / 2) * width for place, _ in there]
        heights = [1e6 * result.timings[name].median for _, result in there]
        bars = axes.bar(
            places, heights, 0.92 * width, color=_COLORS.get(name), label=PEERS[name].title
        )
        labels = [
            microseconds(result.timings[name].median) + " µs"
            if name == "deltarule"
            else f"× {times(result.ratio(name).of_medians)}"
            for _, result in there
        ]
        axes.bar_label(bars, labels, fontsize=7, rotation=90, padding=3)
    _tidy(axes)
    axes.margins(y=0.15)
    shapes = [f"{result.config.name}\n{result.config.shape}" for result in found.results]
    axes.set_xticks(range(len(shapes)), shapes, fontsize=8)
    axes.set_ylabel("µs per step")
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside lower center")


def _lines(figure: Any, found: Scaling) -> None:
    panels = figure.subplots(1, len(found.axes), sharey=True, squeeze=False)[0]
    for axes, (axis, configs) in zip(panels, found.axes.items(), strict=True):
        values = list(configs)
        measured = [1e6 * found.median(config) for config in configs.values()]
        *_, largest = configs.values()
        in_proportion = [measured[-1] * config.flops / largest.flops for config in configs.values()]
        axes.plot(values, measured, color=_COLORS["deltarule"], marker="o", label="measured")
        axes.plot(values, in_proportion, color="0.5", linestyle=":", label="as the operations grow")
        axes.set_xscale("log", base=2)
        axes.set_xticks(values, [str(value) for value in values])
        axes.set_xlabel(axis)
        _tidy(axes)
    panels[0].set_ylabel("µs per step")
    panels[0].legend(frameon=False, fontsize=8)
