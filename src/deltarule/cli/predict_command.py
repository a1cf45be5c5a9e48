"""``deltarule predict`` and ``deltarule evaluate``: their options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.options import (
    AsJson,
    Data,
    Folder,
    Force,
    Ids,
    Quiet,
    Sql,
    TableName,
    number,
    one,
)
from deltarule.cli.reading_options import with_reading

__all__ = ["evaluate", "predict"]


@with_reading
def predict(
    model: Folder,
    data: Data = None,
    out: Annotated[
        Path | None,
        one(
            "--out",
            "-o",
            metavar="FILE",
            help="A .csv, .tsv, .jsonl or .parquet file; standard output, as CSV, if not given.",
            group="Output",
        ),
    ] = None,
    proba: Annotated[
        bool,
        typer.Option("--proba", help="Add each class's probability.", rich_help_panel="Output"),
    ] = False,
    coverage: Annotated[
        float | None,
        one(
            "--coverage",
            metavar="C",
            help="Add the columns lower and upper: the interval that holds the number with "
            "probability C, such as .9.",
            group="Output",
            read=number,
        ),
    ] = None,
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv",
            help="Write ' before labels that a spreadsheet would take for formulas: those that "
            "begin with = + - @, a tab or a line break, and are no numbers. Remove it when the "
            "file is read back.",
            rich_help_panel="Output",
        ),
    ] = False,
    ids: Ids = None,
    table: TableName = None,
    sql: Sql = None,
    *,
    reading: Mapping[str, Any],
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict a table's rows with a model, one line for each row, in the table's order.

    The table needs the columns the model was trained on, by name and in any order; it
    needs no target. The columns of identifiers that the model was trained with are written
    before the predictions; --id names others instead. Large files are read in chunks, in constant
    memory.
    """
    from deltarule.cli.run_predict import predict_table

    predict_table(
        model,
        data,
        out,
        table=table,
        sql=sql,
        reading=reading,
        ids=ids or (),
        proba=proba,
        coverage=coverage,
        force=force,
        as_json=as_json,
        quiet=quiet,
        safe_csv=safe_csv,
    )


@with_reading
def evaluate(
    model: Folder,
    data: Data = None,
    table: TableName = None,
    sql: Sql = None,
    *,
    reading: Mapping[str, Any],
    report: Annotated[
        Path | None,
        one(
            "--report",
            metavar="FILE",
            help="Write a report on these rows, a page (.html).",
            group="Output",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on a table whose target is known."""
    from deltarule.cli.run_evaluate import evaluate_table

    evaluate_table(
        model,
        data,
        table=table,
        sql=sql,
        reading=reading,
        report=report,
        force=force,
        as_json=as_json,
    )
