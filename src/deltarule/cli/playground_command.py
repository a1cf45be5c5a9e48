"""``deltarule playground``: a page on this machine that shows a network training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli import output
from deltarule.cli.options import (
    Force,
    Quiet,
    TableOptions,
    one,
    whole,
)
from deltarule.cli.output_paths import check_output_file, write_output
from deltarule.cli.reading_options import with_table
from deltarule.errors import InputError, Message, Parameter

__all__ = ["playground"]


@with_table(weights=False)
def playground(
    *,
    options: TableOptions,
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
    export: Annotated[
        Path | None,
        one(
            "--export",
            metavar="FILE",
            help=(
                "Write the playground as one HTML file instead, which trains in any browser "
                "without deltarule: on built-in data, or on a CSV file dropped onto it."
            ),
            group="Page",
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Open a page that shows a network training, on built-in data or on a table.

    The page is served to this machine only, and loads nothing from others. Ctrl-C ends it.
    """
    from deltarule.playground import serve

    if export is not None:
        given = next((name for name in ("data", "sql") if getattr(options, name)), None)
        if given:
            raise InputError(
                Message(Parameter(given), " is given with ", Parameter("export")),
                parameter=given,
                expected="nothing: the file has no table in it; drop one onto the page",
            )
        _export(export, force, quiet)
        return
    source = None
    if options.data is not None or options.sql is not None:
        source = _read_source(options)
    elif options.target is not None:
        raise InputError(
            Message(Parameter("target"), " is given without DATA"),
            parameter="target",
            given=options.target,
            expected="the file it is a column of",
        )

    def print_address(address: str) -> None:
        # Standard output gets only the address, which scripts read.
        output.say(address)
        if not quiet:
            output.notes(["the playground is open at this address; Ctrl-C ends it"])

    serve(source, port=port, token=token, open_browser=not no_open, on_ready=print_address)


def _export(path: Path, force: bool, quiet: bool) -> None:
    """Write the static page, and say where."""
    from deltarule.playground import static_playground_html

    check_output_file(path, force, "--export", (".html", ".htm"))
    write_output(path, force, static_playground_html().encode("utf-8"))
    if not quiet:
        output.notes([f"{path}: open it in a browser; it needs no server and no network"])


def _read_source(options: TableOptions) -> Any:
    """Read the table and infer its schema, as ``fit`` does."""
    from deltarule.cli.load_table import load_table
    from deltarule.playground import ReadTable
    from deltarule.tables.addresses import without_password

    loaded = load_table(options)
    data = None if options.data is None else without_password(options.data)
    script = (
        f"table = read_table({data!r}{_as_keywords(loaded.reading)})\n"
        f"schema = infer_schema(table, {options.target!r}{_as_keywords(loaded.columns)})"
    )
    return ReadTable.of(loaded.table, loaded.schema, reading=script)


def _as_keywords(arguments: dict[str, Any]) -> str:
    """Return keyword arguments as Python source, without those at their defaults."""
    changed = {
        name: value for name, value in arguments.items() if value not in (None, [], {}, "auto")
    }
    return "".join(f", {name}={value!r}" for name, value in changed.items())
