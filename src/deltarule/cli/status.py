"""How a command ended: its exit status, and one line for an error that was foreseen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer

from deltarule.cli import output
from deltarule.errors import (
    ContractViolation,
    DataError,
    DeltaruleError,
    Diverged,
    FileError,
    GradientMismatch,
    InputError,
)

__all__ = ["STATUSES", "Status", "execute", "told"]


class Status(IntEnum):
    """Exit statuses."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    DATA = 3
    DIVERGED = 4
    CHECK_FAILED = 5
    INTERRUPTED = 130


STATUSES = {
    Status.DONE: "done",
    Status.FAULT: "a fault in deltarule or its installation",
    Status.USAGE: "an option or argument that cannot be used",
    Status.DATA: "a file, table or model that cannot be used",
    Status.DIVERGED: "training diverged",
    Status.CHECK_FAILED: "a check failed",
    Status.INTERRUPTED: "interrupted by Ctrl-C; fit saved the best model so far",
}
"""What each exit status means."""


def _status(error: DeltaruleError) -> Status:
    if isinstance(error, Diverged):
        return Status.DIVERGED
    if isinstance(error, ContractViolation | GradientMismatch):
        return Status.CHECK_FAILED
    if isinstance(error, DataError | FileError):
        return Status.DATA
    return Status.USAGE if isinstance(error, InputError) else Status.FAULT


def _tell(message: str, kind: str, status: Status, as_json: bool) -> None:
    text = output.in_options(message)
    if as_json:
        output.json_object({"error": text, "kind": kind, "status": int(status)})
    else:
        output.error(text)


@contextmanager
def told(as_json: bool = False) -> Iterator[None]:
    """Turn what was foreseen into one line and an exit status; leave faults as they are."""
    try:
        yield
    except DeltaruleError as error:
        status = _status(error)
        _tell(str(error), type(error).__name__, status, as_json)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
        _tell("interrupted; nothing was saved", "KeyboardInterrupt", status, as_json)
    except MemoryError as error:
        status = Status.FAULT
        detail = f" ({error})" if str(error) else ""
        text = f"not enough memory{detail}; take fewer rows or columns, or smaller --layers"
        _tell(text, "MemoryError", status, as_json)
    except BrokenPipeError:
        # The reader (head, say) has had enough; nothing went wrong. What is still to be
        # flushed at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Status.DONE
    else:
        return
    raise typer.Exit(status)


# typer brings its own copy of click in some versions, and not in others.
_UsageError: Any = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "UsageError"
)


def execute(
    arguments: Sequence[str], app: typer.Typer | None = None, program: str = "deltarule"
) -> int:
    """Run a command line with these arguments; gives its exit status.

    Without ``app`` it is deltarule's own, where ``--json`` asks for errors as JSON too.
    """
    as_json = app is None and "--json" in arguments
    if app is None:
        from deltarule.cli.app import app as deltarule_app

        app = deltarule_app
    command = typer.main.get_command(app)
    try:
        result = command.main(list(arguments), prog_name=program, standalone_mode=False)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            output.say(error.format_message())
        else:
            _tell(_usage(error, arguments, program), "UsageError", Status.USAGE, as_json)
        return Status.USAGE
    return result if isinstance(result, int) else Status.DONE


def _usage(error: Any, arguments: Sequence[str], program: str) -> str:
    """The error of a wrong option or argument, as one line."""
    # An option without its value is found before there is a context.
    first = arguments[0] if error.ctx is None and not arguments[0].startswith("-") else ""
    where = f"{program} {first}".strip() if error.ctx is None else error.ctx.command_path
    text = error.format_message().rstrip(".")
    parameter = getattr(error, "param", None)
    if isinstance(error, typer.BadParameter) and "expected" in error.message and parameter:
        text = f"{max(parameter.opts, key=len)} is {error.message}"
    join = " " if text.endswith("?") else "; "
    return f"{text[:1].lower()}{text[1:]}{join}see '{where} --help'"
