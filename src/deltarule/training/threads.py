"""Threads: what a run on one of several is told, and BLAS held to one."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from deltarule.maths import Network
from deltarule.training.interrupt import StopFlag

__all__ = ["blas_threads_for", "flag_of_this_thread", "one_blas_thread", "one_of_many"]


class _ThisThread(threading.local):
    flag: StopFlag | None = None


_this_thread = _ThisThread()


@contextlib.contextmanager
def one_of_many(flag: StopFlag) -> Iterator[None]:
    """Runs that this thread starts inside keep to one core, and end when the flag is raised."""
    before, _this_thread.flag = _this_thread.flag, flag
    try:
        yield
    finally:
        _this_thread.flag = before


def flag_of_this_thread() -> StopFlag | None:
    """The flag of :func:`one_of_many`, where this thread is one of many."""
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


# Multiply-adds of one forward pass of a batch, above which a second thread was seen to pay
# (a batch of 256 rows through 512 × 512 has twice as many). Below it the second thread gains
# nothing on a quiet machine, and on a busy one each product waits for a core: a fit of
# 0.6 s then took 28 s.
_TWO_THREADS_PAY = 3.0e7


@contextlib.contextmanager
def blas_threads_for(net: Network, batch_rows: int) -> Iterator[None]:
    """Limit BLAS to one thread within the block if the network's steps are small.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> with blas_threads_for(Network([4, 16, 1]), batch_rows=32):
    ...     pass
    """
    if net.n_multiply_adds * batch_rows > _TWO_THREADS_PAY:
        yield
        return
    with one_blas_thread():
        yield
