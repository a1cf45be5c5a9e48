"""``deltarule fit``: its options; :mod:`deltarule.cli.run_fit` trains and reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.options import (
    AsJson,
    Data,
    Force,
    Ignore,
    MaxMemory,
    Quiet,
    Sql,
    TableName,
    Target,
    one,
    several,
    switch,
    with_settings,
)
from deltarule.cli.status import Status, handle_errors
from deltarule.tabular.settings import TableSettings

__all__ = ["fit"]


@with_settings(TableSettings)
def fit(
    data: Data = None,
    target: Target = None,
    task: Annotated[
        str,
        one(
            "--task",
            metavar="TASK",
            help="auto, classification or regression. auto: text, and numbers of exactly two "
            "values, are classes; other numbers are quantities.",
            group="Columns",
        ),
    ] = "auto",
    weights: Annotated[
        str | None,
        one("--weights", metavar="COLUMN", help="A column of row weights.", group="Columns"),
    ] = None,
    ignore: Ignore = None,
    na: Annotated[
        list[str] | None,
        several(
            "--na",
            metavar="TEXT",
            help="A text that means missing, beside NA, N/A, ?, nan, null and an empty cell; "
            "COLUMN=TEXT for one column alone, such as insulin=0.",
            group="Columns",
        ),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        several(
            "--kind",
            metavar="COLUMN=KIND",
            help="What a column is, where it looks otherwise: number, date or category.",
            group="Columns",
        ),
    ] = None,
    table: TableName = None,
    sql: Sql = None,
    max_memory: MaxMemory = None,
    *,
    settings: Callable[[], TableSettings],
    record: Annotated[
        bool,
        switch(
            "--record",
            help="Keep what 'deltarule explain --step' needs: checkpoints, and where DATA is.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        one(
            "--out",
            "-o",
            metavar="FOLDER",
            help="The model's folder; if not given, DATA's name with .model, right here.",
            group="Output",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on a table, score it on rows it has not seen, and save it.

    Ctrl-C ends training and saves the best epoch so far; before the first epoch is over, it saves
    and replaces nothing.
    """
    with handle_errors(as_json):
        from deltarule.cli.output_paths import check_data, check_model_folder, default_folder
        from deltarule.cli.run_fit import Request, fit_and_save, fit_report

        check_data(data, sql)
        folder = out if out is not None else default_folder(data)
        chosen = settings()
        check_model_folder(folder, force, record)
        request = Request(
            data=data,
            table=table,
            sql=sql,
            max_memory=max_memory,
            na=na or (),
            target=target,
            task=task,
            ignore=ignore or (),
            kinds=kinds or (),
            weights=weights,
            settings=chosen,
            folder=folder,
            force=force,
            record=record,
        )
        model, ended = fit_and_save(request, quiet=quiet or as_json)
        if as_json:
            fit_report(model, folder)
        if ended is not Status.DONE:
            raise typer.Exit(ended)
