"""The options: their names, their help, and how their text is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "AsJson",
    "BadValue",
    "Data",
    "Folder",
    "Force",
    "Ignore",
    "Quiet",
    "Sql",
    "TableName",
    "Target",
    "no_or_number",
    "number",
    "one",
    "several",
    "whole",
    "whole_or_auto",
    "widths",
]


class BadValue(typer.BadParameter):
    """An option's text that cannot be read as the value it stands for."""

    def __init__(self, given: str, expected: str) -> None:
        super().__init__(f"{given!r}; expected {expected}")
        self.given, self.expected = given, expected


def _reader(what: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Read a text, or say what was expected; a default value is read already."""

    def reader(given: Any) -> Any:
        if not isinstance(given, str):
            return given
        try:
            return read(given.strip())
        except ValueError:
            raise BadValue(given, what) from None

    return reader


def _auto_or_int(text: str) -> int | str:
    return "auto" if text.lower() == "auto" else int(text)


def _none_or_float(text: str) -> float | str:
    # "none" stays text: typer takes None for an option that was not given.
    return "none" if text.lower() in ("none", "off") else float(text)


def _widths(text: str) -> str:
    """The same text in its plain form, if it is a list of whole numbers."""
    if text.lower() in ("", "none", "0"):
        return "none"
    return ",".join(str(int(part)) for part in text.split(","))


whole = _reader("a whole number", int)
number = _reader("a number", float)
whole_or_auto = _reader("a whole number or auto", _auto_or_int)
no_or_number = _reader("a number or none", _none_or_float)
widths = _reader("whole numbers with commas between them, such as 128,64, or none", _widths)


def one(*names: str, metavar: str, help: str, group: str, read: Any = None) -> Any:  # noqa: A002
    """An option in a group of the help."""
    return typer.Option(
        *names,
        metavar=metavar,
        help=help,
        rich_help_panel=group,
        parser=read,
        show_default=True,
    )


def several(*names: str, metavar: str, help: str, group: str) -> Any:  # noqa: A002
    """An option that may be given again and again."""
    return typer.Option(
        *names, metavar=metavar, help=f"{help} May be repeated.", rich_help_panel=group
    )


Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help=(
            "CSV, TSV, JSON lines, Parquet or SQLite file, or a quoted pattern such as "
            "'data/*.csv'. May be left out where --sql names its files."
        ),
        show_default=False,
    ),
]
Folder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="The folder of a model.", show_default=False)
]
Target = Annotated[
    str | None,
    one("--target", "-t", metavar="COLUMN", help="The column to predict.", group="Columns"),
]
Ignore = Annotated[
    list[str] | None,
    several("--ignore", metavar="COLUMN", help="A column to leave out.", group="Columns"),
]
TableName = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME",
        help="The table of a SQLite file.",
        rich_help_panel="Data",
        show_default=False,
    ),
]
Sql = Annotated[
    str | None,
    typer.Option(
        "--sql",
        metavar="SELECT",
        help=(
            "One SELECT instead of the whole table. DATA is its table 'data', or a SQLite file "
            "with tables of its own."
        ),
        rich_help_panel="Data",
        show_default=False,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object on standard output, and nothing else.",
        rich_help_panel="Output",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel="Output"),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace what is there already.", rich_help_panel="Output"),
]
