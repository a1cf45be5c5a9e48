"""Output: plain text, coloured only on a terminal, or one JSON object."""

from __future__ import annotations

import functools
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deltarule.errors import DeltaruleError, Message, Parameter, printable
from deltarule.tables.addresses import without_password

if TYPE_CHECKING:
    from deltarule.tables import Schema

__all__ = [
    "aligned",
    "error",
    "error_text",
    "json_object",
    "live",
    "notes",
    "options_of",
    "plain",
    "reading",
    "say",
    "scored_as",
    "scores",
    "sentence",
    "shell_word",
    "spell",
    "spelled",
]

_NAMES = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "auc": "AUC", "log_loss": "log loss"}

# Environment variables by which Rich prints colours to what is not a terminal.
_COLOURS = ("FORCE_COLOR", "TTY_COMPATIBLE")

# The options of the command that runs: a parameter's name in Python and its option.
_options: dict[str, str] = {}


@contextmanager
def options_of(parameters: Iterable[Any]) -> Iterator[None]:
    """Within the block, messages name the parameters of a command as its options."""
    before = dict(_options)
    for parameter in parameters:
        option = max(parameter.opts, key=len)
        if option.startswith("--"):
            _options[parameter.name] = _options[option[2:].replace("-", "_")] = option
    try:
        yield
    finally:
        _options.clear()
        _options.update(before)


def spell(setting: Parameter) -> str:
    """Return a parameter as an option of the running command; as in Python if it has none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> with options_of([SimpleNamespace(name="task", opts=["--task"])]):
    ...     spell(Parameter("task", "classification")), spell(Parameter("l2", 0.5))
    ('--task classification', 'l2=0.5')
    """
    option = _options.get(setting.name)
    if option is None:
        return str(setting)
    if setting.value is ... or setting.value is True:  # a flag has no value
        return option
    value = "none" if setting.value is None else setting.value
    if isinstance(value, Mapping):
        value = ",".join(f"{name}={each}" for name, each in value.items())
    return f"{option} {shell_word(str(value))}"


def shell_word(text: str) -> str:
    r"""Return a text as a shell takes it for one argument: quoted where it must be.

    Examples
    --------
    >>> print(shell_word("größe=-1"), shell_word("zip code"), shell_word("it's\n"))
    größe=-1 'zip code' $'it\'s\n'
    """
    if not text.isprintable():
        # repr escapes control characters as bash reads them, and ' since there is a " in it.
        return f"$'{repr(text + chr(34))[1:-2]}'"
    is_word = bool(text) and all(each.isalnum() or each in "_@%+=:,./-" for each in text)
    return text if is_word else shlex.quote(text)


def spelled(text: str) -> str:
    """Return a text with the parameters in it written as options."""
    return text.render(spell) if isinstance(text, Message) else text


def scored_as(schema: Schema) -> str:
    """Return the line below scores that says how few numbers of a target were taken; "" without."""
    said = spelled(schema.scored_as())
    return f"{sentence(said)}\n" if said else ""


def sentence(words: str) -> str:
    """Return words as a sentence.

    Examples
    --------
    >>> sentence("no signal was found")
    'No signal was found.'
    """
    return f"{words[:1].upper()}{words[1:]}."


def error_text(error: DeltaruleError) -> str:
    """Return an error's message with parameters written as options.

    The wrong option is put before the message if the message does not name it.
    """
    message, parameter = error.message, error.parameter
    text = spelled(message)
    if not isinstance(parameter, str) or parameter not in _options:
        return text
    named = any(isinstance(part, Parameter) and part.name == parameter for part in message.parts)
    return text if named else f"{_options[parameter]}: {text}"


@functools.cache
def _errors() -> Any:
    """Standard error, as Rich writes to it; Rich is imported by the commands that need it."""
    from rich.console import Console

    # No markup, so that a column named "[red]" is printed as it is; numbers are not coloured.
    return Console(markup=False, highlight=False, soft_wrap=True, stderr=True)


def say(text: str) -> None:
    """Print a line to standard output."""
    print(plain(text))


def error(text: str) -> None:
    """Print an error, in one line, to standard error."""
    _print_error(" ".join(plain(text).split("\n")), "error: ")


def notes(lines: Iterable[str]) -> None:
    """Print notes to standard error, which a pipe does not receive."""
    for line in lines:
        _print_error(f"note: {printable(spelled(line))}")


def _print_error(line: str, red: str = "") -> None:
    """Print a line without control characters to standard error, after a word in red."""
    if sys.stderr.isatty() or any(map(os.environ.get, _COLOURS)):
        from rich.text import Text

        _errors().print(Text.assemble((red, "bold red"), line))
    else:  # Rich would print the same, and takes longer to import than some commands
        print(f"{red}{line}", file=sys.stderr)


def plain(text: str) -> str:
    r"""Return a text with control characters escaped, which names and cells of a file may hold.

    Examples
    --------
    >>> plain("a\x1b[31mb\tc")
    'a\\x1b[31mb\\tc'
    """
    return "".join(
        each if each == "\n" or each.isprintable() else repr(each)[1:-1] for each in text
    )


def reading(data: str | None) -> str:
    """What is said while a table is read; of an address without its password.

    Examples
    --------
    >>> reading("a.csv"), reading("postgres://me:secret@db/shop"), reading(None)
    ('reading a.csv', 'reading postgres://me@db/shop', 'reading the SQL result')
    """
    return f"reading {'the SQL result' if data is None else without_password(data)}"


def json_object(value: Mapping[str, Any]) -> None:
    """Print one JSON object in one line; NaN and infinities become null.

    JSON escapes control characters up to U+001F. The other control characters, and characters that
    cannot be encoded, are escaped here in the same form, so that a parser returns the same text.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    print("".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text))


def _finite(value: Any) -> Any:
    """Replace NaN and infinities in nested mappings and lists by None."""
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


@contextmanager
def live(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a status line on the terminal; the line is removed at the end.

    If standard error is a file or a pipe, nothing is shown.
    """
    if quiet or not (sys.stderr.isatty() and _errors().is_terminal):
        yield lambda text: None
        return
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", style="status.spinner")
    # By default rich replaces sys.stdout, and what is printed would go to standard error.
    with Live(
        spinner,
        console=_errors(),
        refresh_per_second=12.5,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield lambda text: spinner.update(text=Text(plain(text)))


def scores(
    rows: Mapping[str, tuple[int, Mapping[str, float | None]]],
    intervals: Mapping[str, Mapping[str, Sequence[float] | None]] | None = None,
    level: float = 0.95,
) -> str:
    """Return a table of scores as text, with a line for each part or model.

    ``intervals`` has the ends of the scores' intervals for some of these lines: they stand in a
    line below it. ``level`` is what they hold.

    Examples
    --------
    >>> print(scores({"test": (80, {"r2": 0.51, "rmse": 51230.4}),
    ...               "constant": (80, {"r2": -1e-7, "rmse": 73117.25})}))
              rows      R²    RMSE
    test        80  0.5100  51,230
    constant    80  0.0000  73,117
    >>> print(scores({"test": (80, {"r2": 0.51, "mae": 12.3})}, {"test": {"r2": [0.4, 0.58]}}))
                     rows                R²    MAE
    test               80            0.5100  12.30
      95 % interval        0.4000 to 0.5800      –
    """
    names = list(next(iter(rows.values()))[1])
    ends = {row: (intervals or {}).get(row) or {} for row in rows}
    ends = {row: each for row, each in ends.items() if any(each.values())}
    columns: list[list[str]] = [[""], ["rows"]]
    for row, (count, _) in rows.items():
        columns[0] += [row, *[f"  {100 * level:.0f} % interval"] * (row in ends)]
        columns[1] += [f"{count:,}", *[""] * (row in ends)]
    for name in names:
        cells = _aligned(name, [values.get(name) for _, values in rows.values()])
        column = [_NAMES.get(name, name)]
        for row, cell in zip(rows, cells, strict=True):
            column += [cell, *([_ends(name, ends[row].get(name))] if row in ends else [])]
        columns.append(column)
    return aligned(columns)


def _ends(name: str, ends: Sequence[float] | None) -> str:
    """Return the ends of an interval in words, which need no dash beside minus signs."""
    return "–" if ends is None else " to ".join(_aligned(name, ends))


def aligned(columns: Sequence[Sequence[str]]) -> str:
    """Return columns side by side, the first aligned left and the others right.

    Examples
    --------
    >>> print(aligned([["", "a", "bc"], ["x", "1", "20"]]))
         x
    a    1
    bc  20
    """
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for label, *cells in zip(*columns, strict=True):
        numbers = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([f"{label:<{widths[0]}}", *numbers]).rstrip())
    return "\n".join(lines)


def _aligned(name: str, values: Sequence[float | None]) -> list[str]:
    """Return the numbers of a column as text, with decimals for four digits of the smallest."""
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    decimals = 4
    if name in ("rmse", "mae"):
        if sizes:
            decimals = max(0, 3 - math.floor(math.log10(min(sizes))))
        fixed_point = decimals <= 9 and all(size < 1e12 for size in sizes)
    else:
        fixed_point = all(size < 1e6 for size in sizes)
    cells = []
    for value in values:
        if value is None:
            cells.append("–")
        elif fixed_point:
            # Adding 0.0 turns -0.0 into 0.0.
            cells.append(f"{round(value, decimals) + 0.0:,.{decimals}f}")
        else:
            cells.append(f"{value:.4g}")
    return cells
