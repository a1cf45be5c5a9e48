"""The command line application: its commands and their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from deltarule._version import __version__
from deltarule.cli import output
from deltarule.cli.distill_command import distill, update
from deltarule.cli.explain_command import explain
from deltarule.cli.export_command import export
from deltarule.cli.fit_command import fit
from deltarule.cli.inspect_command import inspect
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
from deltarule.cli.playground_command import playground
from deltarule.cli.reading_options import with_reading
from deltarule.cli.resume_command import resume
from deltarule.cli.status import STATUSES, Status, handle_errors
from deltarule.cli.tune_command import tune_lr
from deltarule.cli.warmup_command import warmup

__all__ = ["CONTEXT", "Grouped", "app"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EPILOG = "\b\nExit status:\n" + "\n".join(
    f"  {status.value:<4} {what}" for status, what in STATUSES.items()
)


class Grouped(TyperCommand):
    """A command whose help shows its options by group, and whose errors are one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report an expected error as one line and an exit status."""
        with output.options_of(self.params), handle_errors(ctx.params.get("as_json", False)):
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, a section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default_group = "Other"
                if parameter.param_type_name == "argument":
                    default_group, record = "Arguments", (str(parameter.metavar), record[1])
                group = getattr(parameter, "rich_help_panel", None) or default_group
                groups.setdefault(group, []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


app = typer.Typer(
    name="deltarule",
    help="Train networks on tables by backpropagation, and use them.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def _version(value: bool) -> None:
    if value:
        print(f"deltarule {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _command(
    short_help: str, name: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return app.command(name, cls=Grouped, context_settings=CONTEXT, short_help=short_help)


_command("Train on a table, score, save.")(fit)
_command("Suggest a learning rate.", "tune-lr")(tune_lr)
_command("Go on with a training from its checkpoint.")(resume)


@_command("Predict the rows of a table with a model.")
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
            help="A .csv, .tsv or .jsonl file; standard output, as CSV, if not given.",
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
    before the predictions; --id names others instead.
    """
    from deltarule.cli.predict_command import predict_table

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


@_command("Score a model on a table with a target.")
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
    from deltarule.cli.predict_command import evaluate_table

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


_command("Train one network to predict what a portfolio predicts.")(distill)
_command("Train a portfolio further on new rows.")(update)
_command("Show every number of a step or a model.")(explain)
_command("Print what a model's files say.")(inspect)
_command("Write a model as a program for other machines.")(export)


@_command("Check the engine on this machine.")
def check(
    engine: Annotated[
        str,
        one("--engine", metavar="NAME", help="The engine to check; or auto.", group="Engine"),
    ] = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Test the engine against the engine contract, and gradients against finite differences."""
    from deltarule.cli.check_command import check_machine

    if not check_machine(engine, as_json=as_json, quiet=quiet):
        raise typer.Exit(Status.CHECK_FAILED)


@_command("Examine this installation.")
def doctor(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Print versions, processor, threads and cache, check the engine, and say what is wrong.

    The digests are of a small run that is always the same: if those of two machines are equal, they
    compute the same bits. The exit status is 5 if something is wrong.
    """
    from deltarule.cli.doctor_command import report_examination

    if not report_examination(as_json=as_json, quiet=quiet):
        raise typer.Exit(Status.CHECK_FAILED)


_command("Compile all kernels in advance.")(warmup)
_command("Watch a network train in a page.")(playground)
