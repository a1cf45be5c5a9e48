"""The options of the commands: names, help texts, and readers of their values."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

__all__ = [
    "AsJson",
    "BadValue",
    "Comment",
    "Data",
    "DateFormat",
    "Decimal",
    "Delimiter",
    "Encoding",
    "Folder",
    "Force",
    "Ids",
    "Ignore",
    "KeepNa",
    "Kinds",
    "MaxMemory",
    "Na",
    "Names",
    "Quiet",
    "Skip",
    "Sql",
    "TableName",
    "TableOptions",
    "Target",
    "Task",
    "Thousands",
    "duration",
    "number",
    "one",
    "setting_options",
    "several",
    "signature_with",
    "switch",
    "whole",
    "widths",
    "with_settings",
]


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """The options of a command that name a table, its target and the kinds of its columns."""

    data: str | None
    target: str | None
    table: str | None
    sql: str | None
    na: Sequence[str]
    task: str
    ignore: Sequence[str]
    kinds: Sequence[str]
    weights: str | None = None
    max_memory: float | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: Sequence[str] = ()
    thousands: Sequence[str] = ()
    skip: int = 0
    comment: str | None = None
    names: str | None = None
    date_format: Sequence[str] = ()
    ids: Sequence[str] = ()
    keep_na: Sequence[str] = ()


class BadValue(typer.BadParameter):
    """An option's text that cannot be read as the value it stands for."""

    def __init__(self, given: str, expected: str) -> None:
        super().__init__(f"{given!r}; expected {expected}")
        self.given, self.expected = given, expected


def _reader(expected: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a parser of an option's text; it returns a default value unchanged."""

    def reader(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return read(value.strip())
        except ValueError:
            raise BadValue(value, expected) from None

    return reader


def _auto_or_int(text: str) -> int | str:
    return "auto" if text.lower() == "auto" else int(text)


def _none_or_float(text: str) -> float | str:
    # "none" stays text: typer takes None for an option that was not given.
    return "none" if text.lower() in ("none", "off") else float(text)


def _widths(text: str) -> str:
    """Return a list of integers as text without blanks, or ``"none"``."""
    if text.lower() in ("", "none", "0"):
        return "none"
    return ",".join(str(int(part)) for part in text.split(","))


def _image_size(text: str) -> str:
    """Return rows and columns as text, ``"8x8"``."""
    rows, columns = (int(part) for part in text.lower().replace("×", "x").split("x"))
    return f"{rows}x{columns}"


def _delimiter(text: str) -> str:
    """Return a delimiter, which may be a blank; a tab may be written as backslash and t."""
    return "\t" if text == "\\t" else text


def _duration(text: str) -> float:
    """Return seconds from a number, which may be followed by s, m or h."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:].lower())
    seconds = float(text) if unit is None else float(text[:-1]) * unit
    if not 0 <= seconds < float("inf"):
        raise ValueError
    return seconds


whole = _reader("a whole number", int)
duration = _reader("seconds of at least 0, or a time such as 30s, 5m or 1h", _duration)
number = _reader("a number", float)
widths = _reader("whole numbers with commas between them, such as 128,64, or none", _widths)
image_size = _reader("rows and columns of pixels, such as 28x28", _image_size)
_READERS: dict[tuple[str, str], Any] = {
    ("number", ""): number,
    ("number", "none"): _reader("a number or none", _none_or_float),
    ("integer", ""): whole,
    ("integer", "auto"): _reader("a whole number or auto", _auto_or_int),
    ("layer_widths", ""): widths,
}


def one(*names: str, metavar: str, help: str, group: str, read: Any = None) -> Any:  # noqa: A002
    """Return an option with one value, listed under ``group`` in the help."""
    return typer.Option(
        *names, metavar=metavar, help=help, rich_help_panel=group, parser=read, show_default=True
    )


def several(*names: str, metavar: str, help: str, group: str) -> Any:  # noqa: A002
    """Return an option that may be repeated."""
    return typer.Option(
        *names, metavar=metavar, help=f"{help} May be repeated.", rich_help_panel=group
    )


def switch(*names: str, help: str, group: str = "Output") -> Any:  # noqa: A002
    """Return an option without a value."""
    return typer.Option(*names, help=help, rich_help_panel=group)


def setting_options(group: type) -> list[inspect.Parameter]:
    """Return the options for the settings of a dataclass, as keyword parameters of a command.

    A default of None or () becomes the text ``none``, since typer takes a default of None for an
    option that was not given.
    """
    # Imported by the commands that train: it loads the engines and NumPy.
    from deltarule.settings import settings_of

    parameters = []
    for name, metadata in settings_of(group).items():
        spelling, default = name.replace("_", "-"), getattr(group, name)
        if metadata.kind == "flag":
            option = switch(
                f"--{spelling}/--no-{spelling}", help=metadata.text, group=metadata.group
            )
        else:
            if default in (None, ()):
                default = "none"
            elif isinstance(default, tuple):
                default = ",".join(map(str, default))
            option = one(
                f"--{spelling}",
                metavar=metadata.metavar,
                help=metadata.text,
                group=metadata.group,
                read=_READERS.get((metadata.kind, metadata.special_value)),
            )
        annotation = cast(Any, Annotated)[type(default), option]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return parameters


def with_settings(group: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a settings dataclass.

    The command receives ``settings``, a function that returns the dataclass, made of the options
    that were given, or raises InputError if a value cannot be used.
    """

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        options = setting_options(group)

        @functools.wraps(command)
        def run(context: typer.Context, **arguments: Any) -> None:
            values = {option.name: arguments.pop(option.name) for option in options}
            given = {name: value for name, value in values.items() if _is_given(context, name)}
            command(**arguments, settings=lambda: _read_settings(group, given))

        keyword = inspect.Parameter.KEYWORD_ONLY
        context = inspect.Parameter("context", keyword, annotation=typer.Context)
        signature = signature_with(command, "settings", options)
        # typer reads this attribute, through inspect.signature.
        vars(run)["__signature__"] = signature.replace(
            parameters=[context, *signature.parameters.values()]
        )
        return run

    return extend


def signature_with(
    command: Callable[..., None], name: str, options: Sequence[inspect.Parameter]
) -> inspect.Signature:
    """Return a command's signature, of keywords alone, with options in place of a parameter."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += options if parameter.name == name else [parameter]
    return inspect.Signature([each.replace(kind=each.KEYWORD_ONLY) for each in parameters])


def _is_given(context: typer.Context, name: str) -> bool:
    """Return whether an option was given, and did not get its default."""
    source = context.get_parameter_source(name)
    return source is not None and not source.name.startswith("DEFAULT")


def _read_settings(group: type, values: dict[str, Any]) -> Any:
    """Return an instance of a settings dataclass from the values of its options."""
    from deltarule.settings import settings_of

    for name, metadata in settings_of(group).items():
        if name not in values:
            continue
        if values[name] == "none" and (
            metadata.kind == "layer_widths" or metadata.special_value == "none"
        ):
            values[name] = () if metadata.kind == "layer_widths" else None
        elif metadata.kind == "layer_widths":
            values[name] = tuple(map(int, values[name].split(",")))
    return group(**values)


Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help=(
            "CSV, TSV, JSON lines, Parquet, SQLite or DuckDB file, a quoted pattern such as "
            "'data/*.csv', postgres://user@host/database, or - for standard input. May be left "
            "out where --sql names its files."
        ),
        show_default=False,
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A model: a folder, or a .deltarule file.", show_default=False
    ),
]
Target = Annotated[
    str | None,
    one("--target", "-t", metavar="COLUMN", help="The column to predict.", group="Columns"),
]
Ignore = Annotated[
    list[str] | None,
    several("--ignore", metavar="COLUMN", help="A column to leave out.", group="Columns"),
]
Ids = Annotated[
    list[str] | None,
    several(
        "--id",
        metavar="COLUMN",
        help="A column of identifiers: no input; 'predict' writes it before the predictions, as it "
        "is written in the table.",
        group="Columns",
    ),
]
Task = Annotated[
    str,
    one(
        "--task",
        metavar="TASK",
        help="auto, classification or regression. auto: text, and numbers of exactly two "
        "values, are classes; other numbers are quantities.",
        group="Columns",
    ),
]
Na = Annotated[
    list[str] | None,
    several(
        "--na",
        metavar="TEXT",
        help="A text that means missing, beside NA, N/A, ?, nan, null and an empty cell; "
        "COLUMN=TEXT for one column alone, such as insulin=0.",
        group="Columns",
    ),
]
KeepNa = Annotated[
    list[str] | None,
    several(
        "--keep-na",
        metavar="COLUMN",
        help="A column in which NA, N/A, ?, nan and null are values, such as a class NA.",
        group="Columns",
    ),
]
Decimal = Annotated[
    list[str] | None,
    several(
        "--decimal",
        metavar="MARK",
        help="The decimal mark of numbers in text, . or a comma, where it is not recognised; "
        "COLUMN=MARK for one column alone, such as price=,.",
        group="Columns",
    ),
]
DateFormat = Annotated[
    list[str] | None,
    several(
        "--date-format",
        metavar="FORMAT",
        help="How dates are written, as %d/%m/%Y, %m/%d/%Y %H:%M or %Y%m%d, where no cell shows "
        "the order of day and month; COLUMN=FORMAT for one column alone.",
        group="Columns",
    ),
]
Thousands = Annotated[
    list[str] | None,
    several(
        "--thousands",
        metavar="MARK",
        help="The mark between groups of digits: a comma, . ' _ or a blank; COLUMN=MARK for one "
        "column alone, such as price=,.",
        group="Columns",
    ),
]
Kinds = Annotated[
    list[str] | None,
    several(
        "--kind",
        metavar="COLUMN=KIND",
        help="The kind of a column, where it is inferred otherwise: number, date or category.",
        group="Columns",
    ),
]
TableName = Annotated[
    str | None,
    one("--table", metavar="NAME", help="The table of a database, or schema.table.", group="Data"),
]
Sql = Annotated[
    str | None,
    one(
        "--sql",
        metavar="SELECT",
        help="One SELECT instead of the whole table. DATA is its table 'data', or a database with "
        "tables of its own.",
        group="Data",
    ),
]
Delimiter = Annotated[
    str | None,
    one(
        "--delimiter",
        metavar="CHAR",
        help="The character between the fields of a text file, where it is not recognised; \\t is "
        "a tab, and ' ' any number of blanks.",
        group="Data",
        read=_delimiter,
    ),
]
Encoding = Annotated[
    str | None,
    one(
        "--encoding",
        metavar="NAME",
        help="The encoding of a text file, such as latin-1 or cp1252; UTF-8 if not given.",
        group="Data",
    ),
]
Skip = Annotated[
    int,
    one(
        "--skip",
        metavar="N",
        help="Lines of a text file above its header, or above its first row, to leave out.",
        group="Data",
        read=whole,
    ),
]
Comment = Annotated[
    str | None,
    one(
        "--comment",
        metavar="TEXT",
        help="Lines of a text file that begin with TEXT, such as '#', are left out.",
        group="Data",
    ),
]
Names = Annotated[
    str | None,
    one(
        "--names",
        metavar="NAMES",
        help="The names of the columns of a text file without a header, with commas between them; "
        "none: column1, column2, and so on.",
        group="Data",
    ),
]
MaxMemory = Annotated[
    float | None,
    one(
        "--max-memory",
        metavar="GB",
        help="A Parquet file that would take more memory is refused before it is read; three "
        "quarters of what is free if not given.",
        group="Data",
    ),
]
AsJson = Annotated[
    bool, switch("--json", help="Print one JSON object on standard output, and nothing else.")
]
Quiet = Annotated[bool, switch("--quiet", "-q", help="Print nothing but errors.")]
Force = Annotated[bool, switch("--force", help="Replace an existing file or folder.")]
