"""The exit status of a command, and the one line that reports an expected error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from types import FrameType
from typing import Any

import typer

from deltarule.cli import output
from deltarule.cli.options import BadValue
from deltarule.errors import (
    ConnectionLost,
    ContractViolation,
    DataError,
    DeltaruleError,
    Diverged,
    ExportMismatch,
    FileError,
    GradientMismatch,
    InputError,
    Parameter,
)

__all__ = [
    "ARGUMENTS",
    "STATUSES",
    "Status",
    "Terminated",
    "execute",
    "handle_errors",
    "save_uninterrupted",
    "terminated",
]


ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("ARGUMENTS", default=())
"""The arguments of the command line that runs, without the program's name."""

# The types that an error's ``given`` keeps in JSON; other values become their repr.
_JSON_TYPES = (str, int, float, list, tuple, type(None))


class Status(IntEnum):
    """Exit statuses."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    DATA = 3
    DIVERGED = 4
    CHECK_FAILED = 5
    INTERRUPTED = 130
    TERMINATED = 143


STATUSES = {
    Status.DONE: "done",
    Status.FAULT: "a fault in deltarule or its installation",
    Status.USAGE: "an option or argument that cannot be used",
    Status.DATA: "a file, table or model that cannot be used",
    Status.DIVERGED: "training diverged",
    Status.CHECK_FAILED: "a check failed",
    Status.INTERRUPTED: "interrupted by Ctrl-C; fit saved the best epoch or portfolio, if any",
    Status.TERMINATED: "ended from outside (SIGTERM); otherwise as 130",
}
"""The meaning of each exit status."""


def _status(error: DeltaruleError) -> Status:
    if isinstance(error, Diverged):
        return Status.DIVERGED
    if isinstance(error, ContractViolation | GradientMismatch | ExportMismatch):
        return Status.CHECK_FAILED
    if isinstance(error, DataError | FileError):
        return Status.DATA
    return Status.USAGE if isinstance(error, InputError) else Status.FAULT


def _report(text: str, kind: str, status: Status, as_json: bool, **fields: Any) -> None:
    """Print an error in one line, or as a JSON object with its fields."""
    if as_json:
        all_fields = dict.fromkeys(("parameter", "given", "expected", "hint")) | fields
        output.json_object({"error": text, "kind": kind, "status": int(status), **all_fields})
    else:
        output.error(text)


def _fields(error: DeltaruleError) -> dict[str, Any]:
    """Return the fields of an error for JSON, with parameters written as options."""
    names, given = error.parameter, error.given
    options = [
        output.spell(Parameter(name))
        for name in ([names] if isinstance(names, str) else names or [])
    ]
    return {
        "parameter": options if isinstance(names, tuple) else next(iter(options), None),
        "given": given if isinstance(given, _JSON_TYPES) else repr(given),
        "expected": error.expected and output.spelled(error.expected),
        "hint": error.hint and output.spelled(error.hint),
    }


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; handled as Ctrl-C, except for the status."""


def terminated(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM: raise :class:`Terminated`."""
    raise Terminated


def _is_launched() -> bool:
    """Whether 'deltarule launch' started this process, and tells which worker failed."""
    from deltarule.cluster.joining import Place

    return Place.of_environment() is not None


# The results that the command has written, as phrases for the message at Ctrl-C.
_SAVED: list[str] = []


@contextmanager
def save_uninterrupted(what: str, *, interruptible: bool = False) -> Iterator[list[str]]:
    """Within the block, Ctrl-C and SIGTERM are deferred, so that files are written completely.

    Ctrl-C only ends the wait for a lock that another process holds; the data are then saved under
    another path. Yields a list with ``what``, the phrase for the message at Ctrl-C; the caller
    replaces it if the data were saved elsewhere. With ``interruptible``, Ctrl-C is not deferred,
    and an incomplete file does not count as saved.
    """
    from deltarule.files.locking import stop_waiting

    received: list[int] = []
    saved = [what]
    replaced: dict[signal.Signals, Any] = {}

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        stop_waiting.set()

    try:
        if not interruptible and threading.current_thread() is threading.main_thread():
            for each in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(each)
                if callable(handler):  # not SIG_IGN or SIG_DFL
                    replaced[each] = handler
                    signal.signal(each, remember)
        yield saved
        _SAVED.extend(saved)
    finally:
        for each, handler in replaced.items():
            signal.signal(each, handler)
        if received:
            stop_waiting.clear()
    if signal.SIGINT in received:
        raise KeyboardInterrupt
    if received:
        raise Terminated


def _interrupted(error: KeyboardInterrupt) -> tuple[str, Status]:
    """Return the message and the status for Ctrl-C or SIGTERM."""
    terminate = isinstance(error, Terminated)
    word, status = (
        ("terminated", Status.TERMINATED) if terminate else ("interrupted", Status.INTERRUPTED)
    )
    if _SAVED:
        return f"{word}; what was saved before is whole: {', '.join(_SAVED)}", status
    return f"{word}{str(error) or '; nothing was saved'}", status


@contextmanager
def handle_errors(as_json: bool = False) -> Iterator[None]:
    """Report an expected error in one line and exit with its status; other errors propagate."""
    _SAVED.clear()
    try:
        yield
    except DeltaruleError as error:
        status = _status(error)
        if isinstance(error, ConnectionLost) and _is_launched():
            raise typer.Exit(status) from None
        text = output.error_text(error)
        _report(text, type(error).__name__, status, as_json, **_fields(error))
    except KeyboardInterrupt as error:
        text, status = _interrupted(error)
        _report(text, "KeyboardInterrupt", status, as_json)
    except MemoryError as error:
        status = Status.FAULT
        detail = f" ({error})" if str(error) else ""
        text = f"not enough memory{detail}; take fewer rows or columns, or smaller --layers"
        _report(text, "MemoryError", status, as_json)
    except BrokenPipeError:
        # A reader such as head may close the pipe early, which is not an error. The rest of the
        # output, flushed at exit, goes to the null device.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Status.DONE
    else:
        return
    raise typer.Exit(status)


# Some versions of typer contain a copy of click, so click.UsageError may be another class.
_UsageError: Any = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "UsageError"
)


def execute(
    arguments: Sequence[str], app: typer.Typer | None = None, program: str = "deltarule"
) -> int:
    """Run a command line with these arguments; return its exit status.

    Without ``app``, it is deltarule's command line, where ``--json`` prints errors as JSON too.
    """
    as_json = app is None and "--json" in arguments
    ARGUMENTS.set(tuple(arguments))
    try:
        if app is None:
            from deltarule.cli.app import app as deltarule_app

            app = deltarule_app
        command = typer.main.get_command(app)
        result = command.main(list(arguments), prog_name=program, standalone_mode=False)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            output.say(error.format_message())
        else:
            text, fields = _usage(error, arguments, program)
            _report(text, "UsageError", Status.USAGE, as_json, **fields)
        return Status.USAGE
    except (KeyboardInterrupt, typer.Abort) as error:  # before the command began
        given = error if isinstance(error, KeyboardInterrupt) else KeyboardInterrupt()
        text, status = _interrupted(given)
        _report(text, "KeyboardInterrupt", status, as_json)
        return status
    return result if isinstance(result, int) else Status.DONE


def _usage(error: Any, arguments: Sequence[str], program: str) -> tuple[str, dict[str, Any]]:
    """Return the error of a wrong option or argument as one line, and its fields."""
    # An option without its value is found before there is a context.
    first = arguments[0] if error.ctx is None and not arguments[0].startswith("-") else ""
    where = f"{program} {first}".strip() if error.ctx is None else error.ctx.command_path
    text, fields = error.format_message().rstrip("."), dict[str, Any]()
    if isinstance(error, BadValue) and error.param is not None:
        with output.options_of([error.param]):
            wrong = InputError(
                parameter=error.param.name, given=error.given, expected=error.expected
            )
            text, fields = output.error_text(wrong), _fields(wrong)
    join = " " if text.endswith("?") else "; "
    return f"{text[:1].lower()}{text[1:]}{join}see '{where} --help'", fields
