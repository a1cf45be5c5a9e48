"""Threads: what a run on one of several is told, and BLAS held to one."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from deltarule.training.interrupt import StopFlag

__all__ = ["flag_of_this_thread", "one_blas_thread", "run_in_worker_thread"]


class _ThisThread(threading.local):
    flag: StopFlag | None = None


_this_thread = _ThisThread()


@contextlib.contextmanager
def run_in_worker_thread(flag: StopFlag) -> Iterator[None]:
    """Runs that this thread starts inside keep to one core, and end when the flag is raised."""
    before, _this_thread.flag = _this_thread.flag, flag
    try:
        yield
    finally:
        _this_thread.flag = before


def flag_of_this_thread() -> StopFlag | None:
    """The flag of :func:`run_in_worker_thread`, where this thread is one of many."""
    return _this_thread.flag


class _Blas:
    """The limit of BLAS to one thread, for as many as ask for it at the same time.

    The limit is one for the whole process: whoever comes first sets it, and whoever leaves
    last lifts it. With a limit of its own for each, one that is left early would set the
    others free, and the last would put back the 1 that it had found.
    """

    def __init__(self) -> None:
        self.lock, self.holders = threading.Lock(), 0
        self.limit: Any = None

    def hold(self) -> None:
        """One thread from now on."""
        with self.lock:
            if not self.holders:
                controller = _controller("scipy.linalg" in sys.modules)
                self.limit = controller.limit(limits=1, user_api="blas")
            self.holders += 1

    def release(self) -> None:
        """As many threads as before, if nobody else holds it."""
        with self.lock:
            self.holders -= 1
            if not self.holders:
                # In threadpoolctl a limit belongs to the thread that set it.
                _let_any_thread_control()
                self.limit.restore_original_limits()
                _let_any_thread_control()


@functools.cache
def _controller(with_scipy: bool) -> Any:
    # Looking for the loaded libraries takes milliseconds, so it is done once; and once more
    # when SciPy has brought a BLAS of its own.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _let_any_thread_control() -> None:
    from threadpoolctl import OpenBLASController

    if hasattr(OpenBLASController, "clear_controlling_thread"):  # from 3.7 or so on
        OpenBLASController.clear_controlling_thread(force=True)


_blas = _Blas()


def _after_fork() -> None:
    global _blas  # noqa: PLW0603  the threads that hold the old one are none of the child's
    _blas = _Blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS keeps to one thread inside, in every thread of the process.

    Examples
    --------
    >>> from deltarule.training.threads import one_blas_thread
    >>> with one_blas_thread():
    ...     pass
    """
    blas = _blas
    blas.hold()
    try:
        yield
    finally:
        blas.release()
