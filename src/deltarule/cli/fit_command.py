"""``deltarule fit``: its options. What it does is in :mod:`deltarule.cli.run_fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.options import (
    AsJson,
    Data,
    Force,
    Ignore,
    Quiet,
    Sql,
    TableName,
    Target,
    no_or_number,
    number,
    one,
    several,
    whole,
    whole_or_auto,
    widths,
)
from deltarule.cli.status import Status, handle_errors
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.optimizers import RULES, SCHEDULES

__all__ = ["fit"]


def _names(registry: Any) -> str:
    # Softmax mixes the outputs of a layer and is for the last one, which is chosen by the task.
    return ", ".join(name for name in registry.names() if name != "softmax")


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
    test: Annotated[
        float,
        one(
            "--test",
            metavar="SHARE",
            help="Share of the rows held out for the scores.",
            group="Rows",
            read=number,
        ),
    ] = 0.2,
    valid: Annotated[
        float,
        one(
            "--valid",
            metavar="SHARE",
            help="Share of the rows held out to stop in time.",
            group="Rows",
            read=number,
        ),
    ] = 0.1,
    seed: Annotated[
        int,
        one(
            "--seed",
            metavar="N",
            help="Of everything random: the same seed gives the same model.",
            group="Rows",
            read=whole,
        ),
    ] = 0,
    layers: Annotated[
        str,
        one(
            "--layers",
            metavar="WIDTHS",
            help="Widths of the hidden layers; none for a linear model.",
            group="Network",
            read=widths,
        ),
    ] = "128,64",
    activation: Annotated[
        str,
        one(
            "--activation",
            metavar="NAME",
            help=f"Of the hidden layers: {_names(ACTIVATIONS)}.",
            group="Network",
        ),
    ] = "relu",
    loss: Annotated[
        str,
        one(
            "--loss",
            metavar="NAME",
            help="What is made small: auto, or one that goes with the target: "
            f"{', '.join(LOSSES.names())}.",
            group="Network",
        ),
    ] = "auto",
    dropout: Annotated[
        float,
        one(
            "--dropout",
            metavar="RATE",
            help="Share of the hidden nodes left out at each step.",
            group="Network",
            read=number,
        ),
    ] = 0.0,
    l2: Annotated[
        float,
        one(
            "--l2",
            metavar="STRENGTH",
            help="Of the penalty on the squared weights, divided by the number of rows.",
            group="Network",
            read=number,
        ),
    ] = 5.0,
    l1: Annotated[
        float,
        one(
            "--l1",
            metavar="STRENGTH",
            help="Of the penalty on the weights' absolute values, divided by the number of rows.",
            group="Network",
            read=number,
        ),
    ] = 0.0,
    epochs: Annotated[
        int,
        one(
            "--epochs",
            metavar="N",
            help="At most so many passes over the rows.",
            group="Training",
            read=whole,
        ),
    ] = 50,
    patience: Annotated[
        int,
        one(
            "--patience",
            metavar="N",
            help="Stop after so many epochs without improvement on the validation rows.",
            group="Training",
            read=whole,
        ),
    ] = 20,
    batch_size: Annotated[
        str,
        one(
            "--batch-size",
            metavar="N",
            help="Rows of a step, or auto.",
            group="Training",
            read=whole_or_auto,
        ),
    ] = "auto",
    rule: Annotated[
        str,
        one("--rule", metavar="NAME", help=f"The update rule: {_names(RULES)}.", group="Training"),
    ] = "adam",
    learning_rate: Annotated[
        float,
        one(
            "--learning-rate",
            metavar="RATE",
            help="The size of a step.",
            group="Training",
            read=number,
        ),
    ] = 5e-3,
    schedule: Annotated[
        str,
        one(
            "--schedule",
            metavar="NAME",
            help=f"How the learning rate changes from epoch to epoch: {_names(SCHEDULES)}; with "
            "parameters, 'cosine(final=0.1)', 'warmup(epochs=5, then=cosine)'.",
            group="Training",
        ),
    ] = "cosine",
    clip_norm: Annotated[
        str,
        one(
            "--clip-norm",
            metavar="NORM",
            help="The longest gradient that is followed as it is.",
            group="Training",
            read=no_or_number,
        ),
    ] = "none",
    averaging: Annotated[
        str,
        one(
            "--averaging",
            metavar="DECAY",
            help="Of the moving average of the weights that is kept, or none.",
            group="Training",
            read=no_or_number,
        ),
    ] = "0.99",
    engine: Annotated[
        str, one("--engine", metavar="NAME", help="What computes; or auto.", group="Training")
    ] = "auto",
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Keep what 'deltarule explain --step' needs: checkpoints, and where DATA is.",
            rich_help_panel="Output",
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
        from deltarule.tabular import TableSettings

        check_data(data, sql)
        folder = out if out is not None else default_folder(data)
        settings = TableSettings(
            test=test,
            valid=valid,
            layers=() if layers == "none" else tuple(map(int, layers.split(","))),
            activation=activation,
            rule=rule,
            schedule=schedule,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            patience=patience,
            l2=l2,
            l1=l1,
            loss=loss,
            dropout=dropout,
            clip_norm=_number_or_none(clip_norm),
            averaging=_number_or_none(averaging),
            seed=seed,
            engine=engine,
        )
        check_model_folder(folder, force, record)
        request = Request(
            data=data,
            table=table,
            sql=sql,
            na=na or (),
            target=target,
            task=task,
            ignore=ignore or (),
            kinds=kinds or (),
            weights=weights,
            settings=settings,
            folder=folder,
            force=force,
            record=record,
        )
        model, ended = fit_and_save(request, quiet=quiet or as_json)
        if as_json:
            fit_report(model, folder)
        if ended is not Status.DONE:
            raise typer.Exit(ended)


def _number_or_none(value: Any) -> float | None:
    return None if value == "none" else float(value)
