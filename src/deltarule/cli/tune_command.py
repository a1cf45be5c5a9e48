"""``deltarule tune-lr``: its options, the search and its output."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from deltarule.cli.options import (
    AsJson,
    Force,
    Quiet,
    TableOptions,
    number,
    one,
    whole,
    with_settings,
)
from deltarule.cli.reading_options import with_table
from deltarule.tabular.settings import TableSettings

__all__ = ["tune_lr"]


@with_settings(TableSettings)
@with_table()
def tune_lr(
    *,
    options: TableOptions,
    settings: Callable[[], TableSettings],
    steps: Annotated[
        int,
        one(
            "--steps",
            metavar="N",
            help="The number of steps with each rate.",
            group="Search",
            read=whole,
        ),
    ] = 300,
    lowest: Annotated[
        float,
        one("--lowest", metavar="RATE", help="The lowest rate.", group="Search", read=number),
    ] = 1e-6,
    highest: Annotated[
        float,
        one("--highest", metavar="RATE", help="The highest rate.", group="Search", read=number),
    ] = 10.0,
    plot: Annotated[
        Path | None,
        one(
            "--plot",
            metavar="FILE",
            help="Draw the loss over the rates, as .svg, .png or .pdf.",
            group="Output",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try a range of learning rates for a single network, and suggest one.

    Each rate takes some steps from the same initial weights on the training rows of 'deltarule fit'
    with the same options; the rate with the smallest loss is suggested. No model is written.
    """
    from deltarule.cli import output
    from deltarule.cli.load_table import load_table
    from deltarule.cli.output_paths import check_data, check_output_file, write_output
    from deltarule.tabular.learning_rate import table_learning_rate

    check_data(options.data, options.sql)
    table_settings = settings()
    if plot is not None:
        check_output_file(plot, force, "--plot", (".svg", ".png", ".pdf"))
    with output.live(quiet or as_json) as show:
        show(output.reading(options.data))
        loaded = load_table(options)
        found = table_learning_rate(
            loaded.table,
            loaded.schema,
            table_settings,
            progress=show,
            steps=steps,
            lowest=lowest,
            highest=highest,
        )
    if plot is not None:
        write_output(plot, force, _picture(found, plot.suffix[1:].lower()), "the plot in ")
    if as_json:
        output.json_object(found.to_dict())
    elif not quiet:
        output.say(str(found))
        output.say(f"train with it: deltarule fit … --learning-rate {found.suggestion:.3g}")


def _picture(found: Any, kind: str) -> bytes:
    """Return the plot of a search as a file of that kind."""
    # Matplotlib logs at level INFO that it builds its font cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deltarule", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        found.plot(figure.add_subplot())
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()
