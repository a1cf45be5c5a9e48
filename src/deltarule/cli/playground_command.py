"""``deltarule playground``: a page on this machine that shows a network training."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deltarule.cli import output
from deltarule.cli.options import (
    Comment,
    Data,
    DateFormat,
    Decimal,
    Delimiter,
    Encoding,
    Ids,
    Ignore,
    KeepNa,
    Kinds,
    MaxMemory,
    Na,
    Names,
    Quiet,
    Skip,
    Sql,
    TableName,
    TableOptions,
    Target,
    Task,
    Thousands,
    one,
    whole,
)
from deltarule.errors import InputError, Message, Parameter

__all__ = ["playground"]


def playground(
    data: Data = None,
    target: Target = None,
    task: Task = "auto",
    ignore: Ignore = None,
    na: Na = None,
    keep_na: KeepNa = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateFormat = None,
    ids: Ids = None,
    kinds: Kinds = None,
    table: TableName = None,
    sql: Sql = None,
    max_memory: MaxMemory = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    skip: Skip = 0,
    comment: Comment = None,
    names: Names = None,
    port: Annotated[
        int,
        one(
            "--port",
            metavar="N",
            help="The port of 127.0.0.1; 0 takes a free port.",
            group="Page",
            read=whole,
        ),
    ] = 0,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="DELTARULE_PLAYGROUND_TOKEN",
            help=(
                "What the page's address carries, instead of a new random text: with the same one "
                "and the same port, a page that is open already can be reloaded after a restart."
            ),
            rich_help_panel="Page",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    no_open: Annotated[
        bool,
        typer.Option(
            "--no-open", help="Do not open the page in a browser.", rich_help_panel="Page"
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Open a page that shows a network training, on built-in data or on a table.

    The page is served to this machine only, and loads nothing from others. Ctrl-C ends it.
    """
    from deltarule.playground import serve

    source = None
    if data is not None or sql is not None:
        source = _read_source(
            TableOptions(
                data,
                target,
                table,
                sql,
                na or (),
                task,
                ignore or (),
                kinds or (),
                decimal=decimal or (),
                thousands=thousands or (),
                date_format=date_format or (),
                ids=ids or (),
                keep_na=keep_na or (),
                max_memory=max_memory,
                delimiter=delimiter,
                encoding=encoding,
                skip=skip,
                comment=comment,
                names=names,
            )
        )
    elif target is not None:
        raise InputError(
            Message(Parameter("target"), " is given without DATA"),
            parameter="target",
            given=target,
            expected="the file it is a column of",
        )

    def print_address(address: str) -> None:
        # Standard output gets only the address, which scripts read.
        output.say(address)
        if not quiet:
            output.notes(["the playground is open at this address; Ctrl-C ends it"])

    serve(source, port=port, token=token, open_browser=not no_open, on_ready=print_address)


def _read_source(options: TableOptions) -> Any:
    """Read the table and infer its schema, as ``fit`` does."""
    from deltarule.cli.load_table import load_table
    from deltarule.playground import ReadTable

    loaded = load_table(options)
    script = (
        f"table = read_table({options.data!r}{_as_keywords(loaded.reading)})\n"
        f"schema = infer_schema(table, {options.target!r}{_as_keywords(loaded.columns)})"
    )
    return ReadTable.of(loaded.table, loaded.schema, reading=script)


def _as_keywords(arguments: dict[str, Any]) -> str:
    """Return keyword arguments as Python source, without those at their defaults."""
    changed = {
        name: value for name, value in arguments.items() if value not in (None, [], {}, "auto")
    }
    return "".join(f", {name}={value!r}" for name, value in changed.items())
