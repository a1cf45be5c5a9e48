"""The plot of a fit."""

from __future__ import annotations

import io
import logging
import math

from deltarule.tabular import NetworkModel

__all__ = ["loss_picture"]

_LOSSES = {
    "half_squared_error": "½ squared error, target in standard deviations",
    "log_loss": "log loss",
    "cross_entropy": "log loss",
}


def loss_picture(model: NetworkModel) -> bytes:
    """Return the learning curves as SVG: training and validation loss over epochs.

    The training loss of an epoch is the mean over its batches, each before its step. It lags by
    half an epoch, and can be above the validation loss at first.
    """
    # Matplotlib logs at level INFO that it builds its font cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl

    # Figure draws without a display, and does not change the state of pyplot.
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    history, best = model.history, model.report["best_epoch"]
    epochs, losses = history.column("epoch"), history.column("loss")
    validation = history.column("validation_loss")
    has_validation = any(loss is not None for loss in validation)
    # Text is kept as text, and identifiers are the same in every run.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deltarule", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        marker = "o" if len(epochs) < 2 else None
        axes.plot(epochs, losses, color="#1f6feb", label="training", marker=marker)
        if has_validation:
            axes.plot(epochs, validation, color="#d1570b", label="validation", marker=marker)
        if has_validation and best:
            axes.axvline(
                best, color="0.45", linewidth=1, linestyle=":", label=f"kept: epoch {best}"
            )
        drawn = [loss for loss in (*losses, *validation) if loss is not None]
        if drawn and min(drawn) > 0 and max(drawn) / min(drawn) > 3:
            axes.set_yscale("log")
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_major_formatter(plain)
            if math.log10(max(drawn) / min(drawn)) < 1.5:
                axes.yaxis.set_minor_formatter(plain)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("epoch" if epochs else "no epoch was completed")
        axes.set_ylabel(_LOSSES.get(model.model.net.loss.name, "loss"))
        name = "" if model.schema.target is None else f"{model.schema.target.name}: "
        # An unescaped dollar sign would begin a formula.
        title = f"{name}{'-'.join(map(str, model.model.net.widths))}".replace("$", r"\$")
        axes.set_title(title if len(title) <= 60 else f"{title[:57]}…", fontsize=11)
        if epochs:
            axes.legend(frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
