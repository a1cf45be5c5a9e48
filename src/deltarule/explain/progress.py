"""Word of what takes long: on a terminal, and only after a while."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["progress_reporter"]

_SILENT_SECONDS = 1.0
"""So many seconds pass before anything is said."""


@contextlib.contextmanager
def progress_reporter(progress: Callable[[str], None] | None) -> Iterator[Callable[[str], None]]:
    """What to call with words for each part of the work: ``progress``, or a line on a terminal.

    The line is on standard error, is written over, and is gone at the end. Nothing is printed
    where standard error is a file or a pipe.

    Examples
    --------
    >>> with progress_reporter(print) as say:
    ...     say("measuring")
    measuring
    """
    if progress is not None:
        yield progress
        return
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    begun, shown = time.monotonic(), False

    def say(text: str) -> None:
        nonlocal shown
        if shown or time.monotonic() - begun > _SILENT_SECONDS:
            shown = True
            sys.stderr.write(f"\r\x1b[Kdeltarule: {text} …")
            sys.stderr.flush()

    try:
        yield say
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
