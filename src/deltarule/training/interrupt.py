"""Stopping a run from outside: a flag, and Ctrl-C turned into it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["StopFlag", "interruptible"]


class StopFlag:
    """A flag that any thread may raise; training looks at it after every step.

    Examples
    --------
    >>> flag = StopFlag()
    >>> flag.stop("enough")
    >>> flag.reason
    'enough'
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def stop(self, reason: str = "stopped") -> None:
        """Ask the run to end after the step it is in."""
        self.reason = reason
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


@contextlib.contextmanager
def interruptible(flag: StopFlag) -> Iterator[None]:
    """Let Ctrl-C raise the flag instead of an exception; a second Ctrl-C raises as usual.

    Signals reach the main thread only: elsewhere, and where somebody has replaced
    Python's own handler, nothing is touched and the flag is the way to stop.
    """
    usable = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not usable:
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        if flag:
            raise KeyboardInterrupt
        flag.stop("interrupted")

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
