"""The options that say how DATA is read, which all commands on a table share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from deltarule.cli.options import (
    Comment,
    Delimiter,
    Encoding,
    MaxMemory,
    Names,
    Skip,
    signature_with,
)

__all__ = ["with_reading"]


def _options(
    max_memory: MaxMemory = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    skip: Skip = 0,
    comment: Comment = None,
    names: Names = None,
) -> None:
    """Declare the options, which :func:`with_reading` takes from here."""


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it receives their values as the mapping ``reading``."""
    options = list(inspect.signature(_options, eval_str=True).parameters.values())

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        reading = {option.name: arguments.pop(option.name) for option in options}
        command(**arguments, reading=reading)

    vars(run)["__signature__"] = signature_with(command, "reading", options)
    return run
