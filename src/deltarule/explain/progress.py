"""Progress messages of work that takes long, on a terminal and only after a second."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["progress_reporter"]

_SILENT_SECONDS = 1.0
"""No message is shown before this many seconds."""


@contextlib.contextmanager
def progress_reporter(progress: Callable[[str], None] | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that takes a message for each part of the work.

    It is ``progress`` if given. Otherwise it writes a line on standard error, which the next
    message replaces and the end removes; where standard error is no terminal it writes nothing.

    Examples
    --------
    >>> with progress_reporter(print) as report:
    ...     report("measuring")
    measuring
    """
    if progress is not None:
        yield progress
        return
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    start, shown = time.monotonic(), False

    def report(text: str) -> None:
        nonlocal shown
        if shown or time.monotonic() - start > _SILENT_SECONDS:
            shown = True
            sys.stderr.write(f"\r\x1b[Kdeltarule: {text} …")
            sys.stderr.flush()

    try:
        yield report
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
