"""``deltarule playground``: a page on this machine that shows a network training."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deltarule.cli import output
from deltarule.cli.options import (
    Data,
    Ignore,
    Quiet,
    Sql,
    TableName,
    Target,
    one,
    several,
    whole,
)
from deltarule.errors import InputError, Message, Parameter

__all__ = ["playground"]


def playground(
    data: Data = None,
    target: Target = None,
    task: Annotated[
        str,
        one(
            "--task",
            metavar="TASK",
            help="auto, classification or regression, as for fit.",
            group="Columns",
        ),
    ] = "auto",
    ignore: Ignore = None,
    na: Annotated[
        list[str] | None,
        several(
            "--na", metavar="TEXT", help="A text that means missing, as for fit.", group="Columns"
        ),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        several(
            "--kind",
            metavar="COLUMN=KIND",
            help="What a column is: number, date or category.",
            group="Columns",
        ),
    ] = None,
    table: TableName = None,
    sql: Sql = None,
    port: Annotated[
        int,
        one(
            "--port",
            metavar="N",
            help="The port of 127.0.0.1; 0 takes one that is free.",
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
        source = _source(data, target, task, ignore or (), na or (), kinds or (), table, sql)
    elif target is not None:
        raise InputError(
            Message(Parameter("target"), " is given without DATA"),
            parameter="target",
            given=target,
            expected="the file it is a column of",
        )

    def say(address: str) -> None:
        # Only the address goes to standard output, for scripts.
        output.say(address)
        if not quiet:
            output.notes(["the playground is open at this address; Ctrl-C ends it"])

    serve(source, port=port, token=token, open_browser=not no_open, on_ready=say)


def _source(
    data: str | None,
    target: str | None,
    task: str,
    ignore: Any,
    na: Any,
    kinds: Any,
    table_name: str | None,
    sql: str | None,
) -> Any:
    """Read the table and infer its schema, as ``fit`` does."""
    from deltarule.cli.load_table import load_table
    from deltarule.playground import ReadTable

    found = load_table(
        data, target, table=table_name, sql=sql, na=na, task=task, ignore=ignore, kinds=kinds
    )
    script = (
        f"table = read_table({data!r}{_as_keywords(found.reading)})\n"
        f"schema = infer_schema(table, {target!r}{_as_keywords(found.columns)})"
    )
    return ReadTable.of(found.table, found.schema, reading=script)


def _as_keywords(options: dict[str, Any]) -> str:
    """Return keyword arguments as Python source, without those at their defaults."""
    given = {name: value for name, value in options.items() if value not in (None, [], {}, "auto")}
    return "".join(f", {name}={value!r}" for name, value in given.items())
