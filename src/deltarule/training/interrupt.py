"""Stopping a run from outside: a flag, and Ctrl-C turned into it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Interrupted", "StopFlag", "interruptible"]


class Interrupted(Exception):
    """Leaves the middle of an evaluation after the flag was raised; never leaves ``train``."""


class StopFlag:
    """A flag that any thread may raise; training looks at it before every step.

    A run that is given a raised flag takes no step at all. The first reason stays.

    Examples
    --------
    >>> flag = StopFlag()
    >>> flag.stop("enough")
    >>> flag.reason
    'enough'
    """

    # Plain attributes and no lock: a signal handler may run in the middle of stop(), on the
    # thread that would hold the lock.
    def __init__(self) -> None:
        self.reason = ""
        self._raised = False

    def stop(self, reason: str = "stopped") -> None:
        """Ask the run to end after the step it is in."""
        if not self._raised:
            self.reason = reason
            self._raised = True

    def check(self) -> None:
        """Raise :class:`Interrupted` if the flag is raised."""
        if self._raised:
            raise Interrupted

    def __bool__(self) -> bool:
        return self._raised


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
    pressed = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        flag.stop("interrupted")

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
