"""Pictures of a fit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from deltarule.training import History

__all__ = ["loss_picture"]


def loss_picture(history: History, report: Mapping[str, Any]) -> bytes:
    """The learning curves as SVG: training and validation loss over epochs."""
    import matplotlib as mpl

    # The object interface draws without a display and leaves the caller's pyplot alone.
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = history.column("epoch")
    # Text stays text and identifiers do not change from run to run.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deltarule"}):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        marker = "o" if len(epochs) < 2 else None
        axes.plot(epochs, history.column("loss"), label="training", marker=marker)
        held = history.column("validation_loss")
        if any(loss is not None for loss in held):
            axes.plot(epochs, held, label="validation", linestyle="--", marker=marker)
            if report["best_epoch"]:
                axes.axvline(report["best_epoch"], color="0.5", linewidth=1, linestyle=":")
        if all(loss is None or loss > 0 for loss in [*history.column("loss"), *held]):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        if epochs:
            axes.legend(frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
