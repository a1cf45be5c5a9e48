"""The commands' options: their names, their help texts, and how their values are read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from deltarule.settings import settings_of

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
    "number",
    "one",
    "setting_options",
    "several",
    "switch",
    "whole",
    "widths",
    "with_settings",
]


class BadValue(typer.BadParameter):
    """An option's text that cannot be read as the value it stands for."""

    def __init__(self, given: str, expected: str) -> None:
        super().__init__(f"{given!r}; expected {expected}")
        self.given, self.expected = given, expected


def _reader(what: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A function that reads an option's text, and returns a default value as it is."""

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
    """A list of whole numbers as text without blanks, or ``none``."""
    if text.lower() in ("", "none", "0"):
        return "none"
    return ",".join(str(int(part)) for part in text.split(","))


whole = _reader("a whole number", int)
number = _reader("a number", float)
widths = _reader("whole numbers with commas between them, such as 128,64, or none", _widths)
_READERS: dict[tuple[str, str], Any] = {
    ("number", ""): number,
    ("number", "none"): _reader("a number or none", _none_or_float),
    ("integer", ""): whole,
    ("integer", "auto"): _reader("a whole number or auto", _auto_or_int),
    ("layer_widths", ""): widths,
}


def one(*names: str, metavar: str, help: str, group: str, read: Any = None) -> Any:  # noqa: A002
    """An option in a group of the help."""
    return typer.Option(
        *names, metavar=metavar, help=help, rich_help_panel=group, parser=read, show_default=True
    )


def several(*names: str, metavar: str, help: str, group: str) -> Any:  # noqa: A002
    """An option that may be given more than once."""
    return typer.Option(
        *names, metavar=metavar, help=f"{help} May be repeated.", rich_help_panel=group
    )


def switch(*names: str, help: str, group: str = "Output") -> Any:  # noqa: A002
    """An option without a value."""
    return typer.Option(*names, help=help, rich_help_panel=group)


def setting_options(group: type) -> list[inspect.Parameter]:
    """The options for the settings of a dataclass, as keyword parameters of a command.

    None and an empty tuple are the text ``none``, since typer takes a default of None for an
    option without a value.
    """
    found = []
    for name, known in settings_of(group).items():
        spelling, default = name.replace("_", "-"), getattr(group, name)
        if known.kind == "flag":
            option = switch(f"--{spelling}/--no-{spelling}", help=known.text, group=known.group)
        else:
            if default in (None, ()):
                default = "none"
            elif isinstance(default, tuple):
                default = ",".join(map(str, default))
            option = one(
                f"--{spelling}",
                metavar=known.metavar,
                help=known.text,
                group=known.group,
                read=_READERS.get((known.kind, known.special_value)),
            )
        annotation = cast(Any, Annotated)[type(default), option]
        kind = inspect.Parameter.KEYWORD_ONLY
        found.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return found


def with_settings(group: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a settings dataclass.

    The command's keyword parameter ``settings`` is called for an instance of the dataclass, and
    raises InputError where a value cannot be used.
    """

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        options = setting_options(group)

        @functools.wraps(command)
        def run(**given: Any) -> None:
            values = {each.name: given.pop(each.name) for each in options}
            command(**given, settings=lambda: _read_settings(group, values))

        parameters: list[inspect.Parameter] = []
        for each in inspect.signature(command, eval_str=True).parameters.values():
            parameters += options if each.name == "settings" else [each]
        keywords = [each.replace(kind=each.KEYWORD_ONLY) for each in parameters]
        # inspect.signature reads it, and with it typer.
        vars(run)["__signature__"] = inspect.Signature(keywords)
        return run

    return extend


def _read_settings(group: type, values: dict[str, Any]) -> Any:
    """An instance of a settings dataclass from the values of its options."""
    for name, known in settings_of(group).items():
        if values[name] == "none" and (
            known.kind == "layer_widths" or known.special_value == "none"
        ):
            values[name] = () if known.kind == "layer_widths" else None
        elif known.kind == "layer_widths":
            values[name] = tuple(map(int, values[name].split(",")))
    return group(**values)


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
    one("--table", metavar="NAME", help="The table of a SQLite file.", group="Data"),
]
Sql = Annotated[
    str | None,
    one(
        "--sql",
        metavar="SELECT",
        help="One SELECT instead of the whole table. DATA is its table 'data', or a SQLite file "
        "with tables of its own.",
        group="Data",
    ),
]
AsJson = Annotated[
    bool, switch("--json", help="Print one JSON object on standard output, and nothing else.")
]
Quiet = Annotated[bool, switch("--quiet", "-q", help="Print nothing but errors.")]
Force = Annotated[bool, switch("--force", help="Replace what is there already.")]
