"""Long calls into C, made in such a way that Ctrl-C is answered at once.

Python runs the handler of a signal in the main thread, between two of its own instructions. A
query or a compiler's pass is one instruction, and can take many seconds. So another thread makes
the call, and the main thread waits for it, which a signal interrupts.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

__all__ = ["any_left", "check_ending", "end_process", "waited_for", "whole"]

T = TypeVar("T")

# Where a wait cannot be interrupted (Windows), the main thread looks for a signal so often.
_LOOK = 0.05
# How long a call that was cancelled is given to end in order.
_GRACE = 0.2
# How long a write that another thread is in is waited for.
_WRITE = 2.0
# LLVM needs more than the half megabyte that some systems give to a thread.
_STACK = 16 << 20
_STACK_LOCK = threading.Lock()


class _Ending(Exception):
    """The process ends, and nobody waits for the call that this leaves."""


class _Call(threading.Thread):
    """A thread that makes one call, and keeps what it gave or raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        # A daemon: the interpreter does not wait for it by itself, see _end_all.
        super().__init__(name="deltarule-call", daemon=True)
        self._work = work
        self._context = contextvars.copy_context()
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self.value = self._context.run(self._work)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self.error = error
        finally:
            _LEFT.discard(self)
            self.done.set()

    def begin(self) -> bool:
        """Start the thread; false where the system has no other thread to give."""
        with _STACK_LOCK:
            before = threading.stack_size(_STACK)
            try:
                self.start()
            except RuntimeError:
                return False
            finally:
                threading.stack_size(before)
        return True


# Calls that nobody waits for any more, and that have not ended.
_LEFT: set[_Call] = set()
_ENDING = threading.Event()


def waited_for(work: Callable[[], T], cancel: Callable[[], object] | None = None) -> T:
    """What ``work()`` gives, made by another thread if this is the main thread.

    In any other thread, which signals do not reach, it is called directly.

    Parameters
    ----------
    work : callable
    cancel : callable, optional
        Asks the call to end, from this thread. Without it the call goes on after Ctrl-C, and its
        outcome is dropped: it must leave nothing behind that the next call would stumble over.

    Raises
    ------
    KeyboardInterrupt
        At Ctrl-C, at once.
    BaseException
        What ``work`` raised.

    Examples
    --------
    >>> waited_for(lambda: 6 * 7)
    42
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    call = _Call(work)
    try:
        if not call.begin():
            return work()
        while not call.done.wait(_LOOK):
            pass
    except BaseException:
        _leave(call, cancel)
        raise
    if call.error is not None:
        try:
            raise call.error
        finally:
            del call  # the traceback holds this frame
    result: T = call.value
    return result


def _leave(call: _Call, cancel: Callable[[], object] | None) -> None:
    """Wait for a call no more."""
    _LEFT.add(call)
    if call.done.is_set() or not call.is_alive():
        _LEFT.discard(call)
    elif cancel is not None:
        with contextlib.suppress(Exception):  # there is an exception on its way already
            cancel()
        call.done.wait(_GRACE)


def any_left() -> bool:
    """Whether a call that nobody waits for any more is still running.

    Examples
    --------
    >>> any_left()
    False
    """
    return bool(_LEFT)


def check_ending() -> None:
    """End the call that this is part of, if the process ends and nobody waits for the call.

    Called between parts of a long call, from the call.

    Examples
    --------
    >>> check_ending()
    """
    if _ENDING.is_set():
        raise _Ending


_WRITES = threading.Lock()


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """A write in another thread that :func:`end_process` lets end.

    Examples
    --------
    >>> with whole():
    ...     pass
    """
    with _WRITES:
        yield


def end_process(status: int) -> NoReturn:
    """End this process now, though calls are left that nobody waits for.

    For a command line, which has nothing else to put in order: handlers of ``atexit`` are not run.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    _WRITES.acquire(timeout=_WRITE)  # a file is whole, and no temporary one left
    os._exit(status)


@atexit.register
def _end_all() -> None:
    # A thread that computes in C while the libraries are unloaded can crash the process.
    _ENDING.set()
    for call in list(_LEFT):
        call.join()


def _after_fork() -> None:
    # The threads stayed behind in the parent, and may have held a lock.
    global _STACK_LOCK, _WRITES
    _STACK_LOCK, _WRITES = threading.Lock(), threading.Lock()
    _LEFT.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
