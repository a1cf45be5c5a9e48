"""Long calls into C that Ctrl-C interrupts at once.

Python runs the handler of a signal in the main thread, between two of its own instructions. A
query or a compiler pass is one instruction and can take many seconds. So another thread makes
the call while the main thread waits for it, and a signal interrupts the wait.
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

__all__ = [
    "any_abandoned",
    "call_interruptibly",
    "check_exiting",
    "end_process",
    "finish_before_exit",
]

T = TypeVar("T")

# Seconds between two checks for a signal, where a wait cannot be interrupted (Windows).
_POLL = 0.05
# Seconds to wait for a cancelled call to return.
_CANCEL_TIMEOUT = 0.2
# Seconds that the end of the process waits for a write in another thread.
_WRITE_TIMEOUT = 2.0
# Bytes. LLVM needs more than the half megabyte that some systems give to a thread.
_STACK = 16 << 20
_STACK_LOCK = threading.Lock()


class _ProcessExits(Exception):
    """Ends an abandoned call when the process exits."""


class _Call(threading.Thread):
    """A thread that makes one call and keeps its result or exception."""

    def __init__(self, work: Callable[[], Any]) -> None:
        # A daemon thread: _join_abandoned waits for it, not the interpreter.
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
        except BaseException as error:  # noqa: BLE001  raised again by the waiting thread
            self.error = error
        finally:
            _ABANDONED.discard(self)
            self.done.set()

    def begin(self) -> bool:
        """Start the thread; false if the system cannot create one."""
        with _STACK_LOCK:
            before = threading.stack_size(_STACK)
            try:
                self.start()
            except RuntimeError:
                return False
            finally:
                threading.stack_size(before)
        return True


# Calls that still run although the main thread was interrupted while it waited.
_ABANDONED: set[_Call] = set()
_EXITING = threading.Event()


def call_interruptibly(work: Callable[[], T], cancel: Callable[[], object] | None = None) -> T:
    """Return ``work()``, called in another thread if this is the main thread.

    In any other thread, which signals do not reach, it is called directly.

    Parameters
    ----------
    work : callable
    cancel : callable, optional
        Called in this thread at Ctrl-C to end the call. Without it the call continues after Ctrl-C
        and its result is dropped, so it must not leave anything unfinished.

    Raises
    ------
    KeyboardInterrupt
        At Ctrl-C, at once.
    BaseException
        Any exception of ``work``.

    Examples
    --------
    >>> call_interruptibly(lambda: 6 * 7)
    42
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    call = _Call(work)
    try:
        if not call.begin():
            return work()
        while not call.done.wait(_POLL):
            pass
    except BaseException:
        _abandon(call, cancel)
        raise
    if call.error is not None:
        try:
            raise call.error
        finally:
            del call  # the traceback holds this frame
    result: T = call.value
    return result


def _abandon(call: _Call, cancel: Callable[[], object] | None) -> None:
    """Cancel a call, and record it as abandoned if it does not return soon."""
    _ABANDONED.add(call)
    if call.done.is_set() or not call.is_alive():
        _ABANDONED.discard(call)
    elif cancel is not None:
        with contextlib.suppress(Exception):  # the interrupt is being raised already
            cancel()
        call.done.wait(_CANCEL_TIMEOUT)


def any_abandoned() -> bool:
    """Return whether a call that was interrupted is still running.

    Examples
    --------
    >>> any_abandoned()
    False
    """
    return bool(_ABANDONED)


def check_exiting() -> None:
    """Raise an exception if the process exits. A long call calls this between its parts.

    Examples
    --------
    >>> check_exiting()
    """
    if _EXITING.is_set():
        raise _ProcessExits


_WRITES = threading.Lock()


@contextlib.contextmanager
def finish_before_exit() -> Iterator[None]:
    """Make :func:`end_process` wait until a write in another thread is finished.

    Examples
    --------
    >>> with finish_before_exit():
    ...     pass
    """
    with _WRITES:
        yield


def end_process(status: int) -> NoReturn:
    """End this process at once, although abandoned calls are still running.

    Handlers of ``atexit`` are not run, so this is for the command line alone.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    _WRITES.acquire(timeout=_WRITE_TIMEOUT)  # so that no temporary file is left
    os._exit(status)


@atexit.register
def _join_abandoned() -> None:
    # A thread that computes in C while the libraries are unloaded can crash the process.
    _EXITING.set()
    for call in list(_ABANDONED):
        call.join()


def _after_fork() -> None:
    # The child has none of the threads, one of which may have held a lock.
    global _STACK_LOCK, _WRITES
    _STACK_LOCK, _WRITES = threading.Lock(), threading.Lock()
    _ABANDONED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
