"""The commands and their options. What they do is elsewhere; here it is asked for."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import deltarule
from deltarule.cli import output
from deltarule.cli.places import check_out, default_out, write_predictions
from deltarule.errors import (
    ContractViolation,
    DataError,
    DeltaruleError,
    Diverged,
    FileError,
    GradientMismatch,
    InputError,
)

__all__ = ["app", "run"]

app = typer.Typer(
    name="deltarule",
    help="Train networks on tables by backpropagation, and use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_INTERRUPTED = 130

Data = Annotated[
    str,
    typer.Argument(
        help="CSV, TSV, JSON lines, Parquet or SQLite file, or a pattern such as 'data/*.csv'.",
        show_default=False,
    ),
]
Folder = Annotated[Path, typer.Argument(help="A model's folder.", show_default=False)]
TableName = Annotated[
    str | None, typer.Option("--table", help="The table of a SQLite file.", show_default=False)
]
Sql = Annotated[
    str | None,
    typer.Option(
        "--sql",
        help="One SELECT; DATA is its table 'data' (a SQLite file: its own tables).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _status(error: DeltaruleError) -> int:
    if isinstance(error, Diverged):
        return 4
    if isinstance(error, ContractViolation | GradientMismatch):
        return 5
    if isinstance(error, DataError | FileError):
        return 3
    return 2 if isinstance(error, InputError) else 1


@contextmanager
def _errors(as_json: bool = False) -> Iterator[None]:
    """One clear line for an error that was foreseen, and its exit status."""
    try:
        yield
    except DeltaruleError as error:
        if as_json:
            print(json.dumps({"error": str(error), "kind": type(error).__name__}))
        else:
            output.error(str(error))
        raise typer.Exit(_status(error)) from None
    except KeyboardInterrupt:
        output.error("interrupted")
        raise typer.Exit(_INTERRUPTED) from None


def _version(value: bool) -> None:
    if value:
        print(f"deltarule {deltarule.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def fit(
    data: Data,
    target: Annotated[
        str, typer.Option("--target", "-t", help="The column to predict.", show_default=False)
    ],
    task: Annotated[
        str,
        typer.Option(
            help="auto, classification or regression. auto: text and two-valued "
            "numbers are classes, other numbers are numbers."
        ),
    ] = "auto",
    test: Annotated[float, typer.Option(help="Share of the rows held out for the scores.")] = 0.2,
    valid: Annotated[float, typer.Option(help="Share held out to stop in time.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    epochs: Annotated[int, typer.Option(help="At most so many passes.")] = 200,
    patience: Annotated[int, typer.Option(help="Epochs without improvement to stop after.")] = 20,
    layers: Annotated[
        str, typer.Option(help="Widths of the hidden layers; 'none' for a linear model.")
    ] = "128,64",
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    rule: Annotated[str, typer.Option(help="The update rule.")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="Its learning rate.")] = 1e-3,
    batch_size: Annotated[str, typer.Option(help="Rows of a step, or auto.")] = "auto",
    l2: Annotated[float, typer.Option(help="Strength of the penalty on the weights.")] = 1.0,
    dropout: Annotated[float, typer.Option(help="Rate in the hidden layers.")] = 0.0,
    weights: Annotated[
        str | None, typer.Option(help="A column of row weights.", show_default=False)
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="A column to leave out (may be repeated).", show_default=False),
    ] = None,
    na: Annotated[
        list[str] | None,
        typer.Option(
            help="One more text that means missing (may be repeated).", show_default=False
        ),
    ] = None,
    table: TableName = None,
    sql: Sql = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The model's folder; DATA's name with .model if not given.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on a table, score it on rows it has not seen, and save it."""
    from deltarule.cli.fitting import Request, fit_and_save
    from deltarule.estimators import TableSettings

    with _errors(as_json):
        folder = out if out is not None else default_out(data)
        check_out(folder, force)
        settings = TableSettings(
            test=test,
            valid=valid,
            layers=_layers(layers),
            activation=activation,
            rule=rule,
            learning_rate=learning_rate,
            batch_size=batch_size if batch_size == "auto" else _whole("batch-size", batch_size),
            epochs=epochs,
            patience=patience,
            l2=l2,
            dropout=dropout,
            seed=seed,
        )
        request = Request(
            data,
            table,
            sql,
            tuple(na or ()),
            target,
            task,
            tuple(ignore or ()),
            weights,
            settings,
            folder,
            force,
        )
        model = fit_and_save(request, quiet=quiet or as_json)
        if as_json:
            print(json.dumps({"model": str(folder), **model.report}, ensure_ascii=False))
        if model.report["stopped"] == "interrupted":
            raise typer.Exit(_INTERRUPTED)


@app.command()
def predict(
    model: Folder,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .csv, .tsv or .jsonl file; standard output if not given.", show_default=False
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add each class's probability.")] = False,
    table: TableName = None,
    sql: Sql = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Predict a table's rows with a model, one line for each row, in the table's order."""
    from deltarule.estimators import TableModel
    from deltarule.tables import apply_schema, read_table

    with _errors():
        loaded = TableModel.load(model)
        if proba and loaded.task == "regression":
            raise InputError("--proba is for classes; this model predicts a number. Leave it out")
        rows = read_table(data, table=table, sql=sql, na=loaded.schema.na)
        typed = apply_schema(loaded.schema, rows, need_target=False)
        outputs = loaded.outputs(typed)
        columns: dict[str, Any] = {"prediction": loaded.labels(outputs)}
        if proba:
            for number, label in enumerate(loaded.classes):
                columns[f"probability_{label}"] = outputs[:, number]
        write_predictions(out, columns, force)
        if not quiet:
            output.notes([*typed.notes, *loaded.encoder.notes(typed)])
            if out is not None:
                output.say(f"wrote {len(typed)} predictions to {out}")


@app.command()
def evaluate(
    model: Folder,
    data: Data,
    table: TableName = None,
    sql: Sql = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on a table whose target is known."""
    from deltarule.estimators import TableModel
    from deltarule.tables import apply_schema, read_table

    with _errors(as_json):
        loaded = TableModel.load(model)
        rows = read_table(data, table=table, sql=sql, na=loaded.schema.na)
        typed = apply_schema(loaded.schema, rows)
        scores = loaded.score(typed, loaded.outputs(typed))
        if as_json:
            print(json.dumps({"rows": len(typed), "scores": scores}))
            return
        output.notes([*typed.notes, *loaded.encoder.notes(typed)])
        output.scores({str(data): (len(typed), scores)})


@app.command()
def check(
    engine: Annotated[str, typer.Option(help="The engine to check.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Hold the engine to the engine contract, and gradients to differences, on this machine."""
    from deltarule.cli.checking import check_gradients
    from deltarule.engines import check_engine, make_engine

    with _errors(as_json):
        contract = check_engine(make_engine(engine), raises=False)
        gradients = check_gradients()
        passed = contract.passed and all(row.passed for row in gradients)
        if as_json:
            found = [dataclasses.asdict(result) for result in contract.results]
            rows = [dataclasses.asdict(row) for row in gradients]
            print(json.dumps({"passed": passed, "contract": found, "gradients": rows}))
        else:
            output.say(str(contract))
            worst = max(gradients, key=lambda row: row.error)
            output.say(
                f"\ngradient against central differences: {len(gradients)} networks, worst block "
                f"{worst.error:.1e} of its size ({worst.what})"
            )
            output.say("all checks passed" if passed else "some checks FAILED")
        if not passed:
            raise typer.Exit(5)


def _layers(text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("", "none", "0"):
        return ()
    return tuple(_whole("layers", part) for part in text.split(","))


def _whole(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        example = "128,64" if name == "layers" else "200"
        raise InputError(f"--{name} has {text!r}; expected whole numbers from 1, such as {example}")
    return number


def run() -> NoReturn:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # Where the terminal cannot show a character, a "?" is better than a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except BrokenPipeError:
        # The reader (head, say) has had enough; nothing went wrong.
        sys.stderr.close()
        raise SystemExit(0) from None
    raise SystemExit(0)
