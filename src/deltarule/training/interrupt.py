"""The stop flag, which ends a run from another thread or at Ctrl-C."""

from __future__ import annotations

import contextlib
import enum
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

__all__ = ["Interrupted", "Stop", "StopFlag", "StopReason", "interruptible"]


class StopReason(enum.Enum):
    """Why a training run ended; the value is a text for messages.

    Examples
    --------
    >>> StopReason.CONVERGED.value
    'converged'
    """

    EPOCHS = "all epochs done"
    CRITERION = "a stopping criterion was met"
    CALLBACK = "stopped by a callback"
    CONVERGED = "converged"
    SEARCH = "the minimizer ended its search without converging"
    FLAG = "stopped"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


class Stop(NamedTuple):
    """The reason why a run ended, and a text for messages."""

    reason: StopReason
    text: str


class Interrupted(Exception):
    """Raised within ``train`` to end an evaluation once the stop flag is raised."""


class StopFlag:
    """A flag that any thread may raise to end a run; training checks it before every step.

    A run with a raised flag takes no step. Only the first call of ``stop`` has an effect.

    Parameters
    ----------
    parent : StopFlag, optional
        A flag that raises this one too; it is not raised by this one.

    Attributes
    ----------
    reason : str
        The text given to ``stop``.
    kind : StopReason
        ``StopReason.FLAG``, or ``INTERRUPTED`` for Ctrl-C and SIGTERM.

    Examples
    --------
    >>> flag = StopFlag()
    >>> flag.stop("enough")
    >>> flag.reason, StopFlag(flag).reason
    ('enough', 'enough')
    """

    # Plain attributes and no lock: a signal handler may run in the middle of stop(), on the
    # thread that would hold the lock.
    def __init__(self, parent: StopFlag | None = None) -> None:
        self.reason, self.kind = "", StopReason.FLAG
        self._raised = False
        self._children: list[StopFlag] = []
        if parent is not None:
            parent._children.append(self)
            if parent:
                self.stop(parent.reason, parent.kind)

    def stop(self, reason: str = "stopped", kind: StopReason = StopReason.FLAG) -> None:
        """End the run after the current step."""
        if not self._raised:
            self.reason, self.kind = reason, kind
            self._raised = True
            for child in self._children:
                child.stop(reason, kind)

    @property
    def stopped(self) -> Stop:
        """Why the run ends, once the flag is raised."""
        return Stop(self.kind, self.reason)

    def check(self) -> None:
        """Raise :class:`Interrupted` if the flag is raised."""
        if self._raised:
            raise Interrupted

    def __bool__(self) -> bool:
        return self._raised


@contextlib.contextmanager
def interruptible(flag: StopFlag) -> Iterator[None]:
    """Within the block, Ctrl-C raises the flag; a second Ctrl-C raises KeyboardInterrupt.

    The handler is installed in the main thread only, and only in place of Python's default
    handler; otherwise Ctrl-C is not handled here.
    """
    can_install = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not can_install:
        yield
        return
    pressed = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        flag.stop("interrupted", StopReason.INTERRUPTED)

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
