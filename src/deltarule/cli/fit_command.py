"""``deltarule fit``: its options; :mod:`deltarule.cli.run_fit` trains and reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.options import (
    AsJson,
    Force,
    Quiet,
    TableOptions,
    duration,
    number,
    one,
    switch,
    with_settings,
)
from deltarule.cli.reading_options import with_table
from deltarule.cli.status import Status
from deltarule.tabular.settings import TableSettings, is_single_network

__all__ = ["fit"]


@with_settings(TableSettings)
@with_table()
def fit(
    *,
    options: TableOptions,
    settings: Callable[[], TableSettings],
    quality: Annotated[
        str | None,
        one(
            "--quality",
            metavar="NAME",
            help="default, fast or best: how many networks the portfolio trains.",
            group="Portfolio",
        ),
    ] = None,
    time_budget: Annotated[
        float | None,
        one(
            "--time-budget",
            metavar="SECONDS",
            help="Seconds that the portfolio may take; its members then depend on the clock.",
            group="Portfolio",
            read=number,
        ),
    ] = None,
    record: Annotated[
        bool,
        switch(
            "--record",
            help="Keep what 'deltarule explain --step' needs: checkpoints, and where DATA is.",
        ),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        one(
            "--checkpoint",
            metavar="FOLDER",
            help="Save the training there from time to time; 'deltarule resume FOLDER', or the "
            "same command, goes on from it.",
            group="Checkpoint",
        ),
    ] = None,
    every: Annotated[
        float,
        one(
            "--every",
            metavar="TIME",
            help="The time between two checkpoints: seconds, or 30s, 5m, 1h.",
            group="Checkpoint",
            read=duration,
        ),
    ] = 30.0,
    memory: Annotated[
        str | None,
        one(
            "--memory",
            metavar="SIZE",
            help="DATA may be larger than memory: train on it in this much resident memory, such "
            "as 2GB or 500MB; one network, unless --quality or --time-budget asks for a portfolio.",
            group="Larger than memory",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        one(
            "--store",
            metavar="FOLDER",
            help="Keep the packed rows there; the same command uses them again, and goes on after "
            "a kill.",
            group="Larger than memory",
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        one(
            "--rejects",
            metavar="FILE",
            help="A CSV file for rows that cannot be read; the model's name with .rejects.csv if "
            "not given.",
            group="Larger than memory",
        ),
    ] = None,
    no_report: Annotated[
        bool, switch("--no-report", help="Write no report.html to the model's folder.")
    ] = False,
    out: Annotated[
        Path | None,
        one(
            "--out",
            "-o",
            metavar="FOLDER",
            help="The model's folder; if not given, DATA's name with .model, in this folder.",
            group="Output",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train on a table, score on rows that were held out, and save the model.

    A portfolio of networks is trained, unless an option under Network or Training, or any of
    --valid, --folds, --min-level-rows, --max-levels and --record, asks for a single network.

    With --memory, DATA is read in chunks and packed on the disk, and one network is trained; with
    --quality or --time-budget too, a portfolio. The scores and report.html are of a sample.

    Ctrl-C ends training and saves the best epoch so far, or the portfolio of the networks so far;
    before the first epoch is over, or a first configuration is trained, it saves and replaces
    nothing. With --checkpoint, training can go on afterwards, to the same numbers.
    """
    from deltarule.cli.kept_command import KeptCommand
    from deltarule.cli.large_options import check_large
    from deltarule.cli.output_paths import check_data, check_model_folder, default_folder
    from deltarule.cli.run_fit import Request, fit_and_save, fit_report
    from deltarule.cluster.world import check_world

    check_data(options.data, options.sql)
    folder = out if out is not None else default_folder(options.data)
    kept = None if checkpoint is None else KeptCommand(checkpoint, every)
    if kept is not None:
        force = force or kept.left_unfinished(folder)
    table_settings = settings()
    single = is_single_network(table_settings, quality, time_budget, {"record": record})
    if memory is not None:
        single = quality is None and time_budget is None
    check_large(memory, store, rejects, record=record)
    first = check_world(single, record=record)
    check_model_folder(folder, force, record)
    if kept is not None and first:
        kept.write()
    request = Request(
        options,
        table_settings,
        folder,
        force,
        record,
        not no_report,
        quality,
        time_budget,
        single,
        None if kept is None else kept.checkpoint,
        memory,
        store,
        rejects,
    )
    fitted = fit_and_save(request, quiet=quiet or as_json or not first)
    if kept is not None and first and fitted.status is not Status.DONE:
        kept.remember_unfinished(folder)
    if as_json and first:
        fit_report(fitted, folder)
    if fitted.status is not Status.DONE:
        raise typer.Exit(fitted.status)
