"""The options of ``deltarule explain``; :mod:`deltarule.cli.run_explain` runs the command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.options import (
    AsJson,
    Data,
    Force,
    Quiet,
    Sql,
    TableName,
    image_size,
    one,
    several,
    whole,
)
from deltarule.cli.reading_options import with_reading
from deltarule.errors import InputError, Message, Parameter

__all__ = ["explain"]


@with_reading
def explain(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="A model: a folder, or a .deltarule file; none with --example.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    member: Annotated[
        str | None,
        one(
            "--member",
            metavar="NAME",
            help="A member of a portfolio, whose first network is explained. If not given, the "
            "whole portfolio answers on a row, and derivations are of the member of the highest "
            "weight that has them.",
            group="What",
        ),
    ] = None,
    step: Annotated[
        int | None,
        one(
            "--step",
            metavar="N",
            help="A step of the recorded training, counted from 1 over all epochs, replayed bit "
            "for bit at the parameters before it; the trained model if not given. Needs a model of "
            "'fit --record', and the data as they were; "
            "DATA says where they are now, if they were moved.",
            group="What",
            read=whole,
        ),
    ] = None,
    example: Annotated[
        str | None,
        one(
            "--example",
            metavar="NAME",
            help="A built-in example, in the place of MODEL and DATA. article: the network of "
            "'Backpropagation by hand', with its two rows and its first step.",
            group="What",
        ),
    ] = None,
    row: Annotated[
        int | None,
        one(
            "--row",
            metavar="R",
            help="A row of the table, counted from 1 below the header; the mean over all rows "
            "if not given. One that was not in the step's batch is explained alone.",
            group="What",
            read=whole,
        ),
    ] = None,
    rows: Annotated[
        str | None,
        one(
            "--rows",
            metavar="PART",
            help="List rows by number, with their predictions, the largest error first: the test "
            "rows of the training, its valid or train rows, or all rows of any table. --terms says "
            "how many.",
            group="What",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        several(
            "--weight",
            metavar="L,J,K",
            help="∂C/∂w of the weight to node J of layer L from node K of the layer before. "
            "Layers count from 1, nodes from 0.",
            group="What",
        ),
    ] = None,
    bias: Annotated[
        list[str] | None,
        several("--bias", metavar="L,J", help="∂C/∂b of node J of layer L.", group="What"),
    ] = None,
    activation: Annotated[
        list[str] | None,
        several(
            "--activation",
            metavar="L,J",
            help="∂C/∂a of node J of layer L, for one row.",
            group="What",
        ),
    ] = None,
    node: Annotated[
        list[str] | None,
        several(
            "--node",
            metavar="L,J",
            help="The activation a itself of node J of layer L, by the forward pass, for one row.",
            group="What",
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        several(
            "--input",
            metavar="NAME",
            help="∂C/∂x of an input of the network, by name or number, for one row.",
            group="What",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        several(
            "--column",
            metavar="NAME",
            help="A column of the table: its cell, the inputs it is encoded as, ∂C/∂x of each.",
            group="What",
        ),
    ] = None,
    table: TableName = None,
    sql: Sql = None,
    *,
    reading: Mapping[str, Any],
    run_recorded_sql: Annotated[
        bool,
        typer.Option(
            "--run-recorded-sql",
            help="Run the SQL in the model's recording, if its table was the result of a query. "
            "Without this option the SQL is only shown.",
            rich_help_panel="Data",
        ),
    ] = False,
    depth: Annotated[
        int | None,
        one(
            "--depth",
            metavar="N",
            help="Levels of a derivation to show.",
            group="Output",
            read=whole,
        ),
    ] = None,
    terms: Annotated[
        int | None,
        one(
            "--terms",
            metavar="N",
            help="Terms of a sum, or columns of a row, to show; the others are summed up.",
            group="Output",
            read=whole,
        ),
    ] = None,
    digits: Annotated[
        int | None,
        one(
            "--digits",
            metavar="N",
            help="Significant digits of a number.",
            group="Output",
            read=whole,
        ),
    ] = None,
    latex: Annotated[
        Path | None,
        one("--latex", metavar="FILE", help="A .tex file to write.", group="Output"),
    ] = None,
    html: Annotated[
        Path | None,
        one(
            "--html",
            metavar="FILE",
            help="An .html file to write: a page to explore the network.",
            group="Output",
        ),
    ] = None,
    image: Annotated[
        str | None,
        one(
            "--image",
            metavar="ROWSxCOLUMNS",
            help="The size of the image whose pixels the inputs are, row by row from the top left, "
            "such as 8x8: the page shows inputs, weights and attributions as images. Found by "
            "itself where the columns have names like pixel_3_4.",
            group="Output",
            read=image_size,
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Derive any number of backpropagation, in a model or a step of its training.

    Without --weight, --bias, --activation, --node, --input and --column, print an overview, or
    with --row the prediction for the row, the columns that made it so, what other cells would
    make it, and the error; with --depth the derivation of the loss as well.
    """
    if model is None and example is None:
        raise InputError(
            Message("missing argument 'MODEL'"),
            expected=Message("a model of 'deltarule fit', or ", Parameter("example", "article")),
            hint="see 'deltarule explain --help'",
        )
    from deltarule.cli.run_explain import Question, answer

    selections = {"weight": weight, "bias": bias, "activation": activation}
    selections |= {"node": node, "input": inputs, "column": column}
    limits = {"depth": depth, "terms": terms, "digits": digits}
    answer(
        Question(
            model=model,
            data=data,
            table=table,
            sql=sql,
            reading=reading,
            run_recorded_sql=run_recorded_sql,
            example=example,
            member=member,
            step=step,
            row=row,
            rows=rows,
            selected=[(kind, text) for kind, texts in selections.items() for text in texts or ()],
            shown={name: value for name, value in limits.items() if value is not None},
            latex=latex,
            html=html,
            image=None if image is None else tuple(map(int, image.split("x"))),
            force=force,
            as_json=as_json,
            quiet=quiet,
        )
    )
