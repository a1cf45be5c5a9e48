"""The options of ``deltarule export``; :mod:`deltarule.cli.run_export` runs the command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from deltarule.cli.options import (
    AsJson,
    Data,
    Folder,
    Force,
    Quiet,
    Sql,
    TableName,
    one,
    switch,
)
from deltarule.cli.reading_options import with_reading

__all__ = ["export"]


@with_reading
def export(
    model: Folder,
    data: Data = None,
    c: Annotated[
        Path | None,
        one(
            "--c",
            metavar="DIR",
            help="The folder of a C99 program to write: one header, one source file, a test with "
            "a main, and a JSON file of the codes of categories.",
            group="Output",
        ),
    ] = None,
    onnx: Annotated[
        Path | None,
        one(
            "--onnx",
            metavar="FILE",
            help="The ONNX file to write: the columns of the table in, predictions out; needs "
            "deltarule[onnx].",
            group="Output",
        ),
    ] = None,
    name: Annotated[
        str | None,
        one(
            "--name",
            metavar="NAME",
            help="What the names of the C program's files and functions begin with; the model's "
            "name if not given.",
            group="Output",
        ),
    ] = None,
    member: Annotated[
        str | None,
        one(
            "--member",
            metavar="NAME",
            help="A member of a portfolio, whose first network is exported.",
            group="What",
        ),
    ] = None,
    encoded: Annotated[
        bool,
        switch(
            "--encoded",
            help="The C program takes the inputs of the network, and no rows of the table.",
            group="What",
        ),
    ] = False,
    table: TableName = None,
    sql: Sql = None,
    *,
    reading: Mapping[str, Any],
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as a program for other machines, after a test that it predicts the same.

    The test has rows of DATA, some of them with missing cells and levels that training did not see;
    without DATA, random rows within the ranges of training. What cannot be exported is named before
    anything is written. A portfolio is exported to ONNX as it is, and to C after 'deltarule
    distill'.
    """
    from deltarule.cli.run_export import Export, export_model

    export_model(
        Export(
            model, data, c, onnx, name, member, encoded, table, sql, reading, force, as_json, quiet
        )
    )
