"""Training in worker threads: one stop flag for all, one thread for each engine and for BLAS."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from deltarule.engines.threads import CorePool
from deltarule.maths import Network
from deltarule.training.interrupt import StopFlag

__all__ = [
    "blas_threads_for",
    "completed_tasks",
    "flag_of_this_thread",
    "one_blas_thread",
    "run_in_worker_thread",
]

# The longest wait in seconds before progress is shown and signals are handled, which on some
# systems do not end the wait.
_POLL_SECONDS = 0.1

_Result = TypeVar("_Result")


class _ThisThread(threading.local):
    flag: StopFlag | None = None


_this_thread = _ThisThread()


@contextlib.contextmanager
def run_in_worker_thread(flag: StopFlag) -> Iterator[None]:
    """Within the block, ``train`` in this thread uses one core and ends when the flag is raised."""
    previous, _this_thread.flag = _this_thread.flag, flag
    try:
        yield
    finally:
        _this_thread.flag = previous


def flag_of_this_thread() -> StopFlag | None:
    """Return the flag of :func:`run_in_worker_thread` in this thread; None outside of its block."""
    return _this_thread.flag


def completed_tasks(
    task: Callable[[int], _Result],
    total: int,
    workers: int,
    flag: StopFlag,
    on_wait: Callable[[int], Any] | None = None,
) -> Generator[tuple[int, Future[_Result]], None, None]:
    """Run ``task(0)`` to ``task(total - 1)`` in a pool of threads; yield each as it ends.

    Yields the number and the future of each task, in the order in which they end. ``on_wait`` is
    called with the number of ended ones while none ends. If the iteration is given up, by an
    error or by closing it, the flag is raised and tasks that have not begun are cancelled.

    Fits in several threads share the cores: a task waits for a free one. Within a task of another
    fit, whose thread has one core, one task runs at a time.

    Examples
    --------
    >>> sorted((k, done.result()) for k, done in completed_tasks(abs, 3, 2, StopFlag()))
    [(0, 0), (1, 1), (2, 2)]
    """
    done: queue.SimpleQueue[tuple[int, Future[_Result]]] = queue.SimpleQueue()

    def put(index: int, future: Future[_Result]) -> None:
        done.put((index, future))

    inner = flag_of_this_thread() is not None
    cores = CorePool(workers)

    def run(index: int) -> _Result:
        with contextlib.nullcontext() if inner else cores.core(given_up=lambda: bool(flag)):
            return task(index)

    with ThreadPoolExecutor(1 if inner else min(workers, total), "deltarule") as pool:
        futures = [pool.submit(run, index) for index in range(total)]
        try:
            for index, future in enumerate(futures):
                future.add_done_callback(functools.partial(put, index))
            remaining = total
            while remaining:
                try:
                    pair = done.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    if on_wait is not None:
                        on_wait(total - remaining)
                    continue
                remaining -= 1
                yield pair
        except BaseException:
            # Running tasks end after their step, and the others do not begin.
            flag.stop("given up")
            for future in futures:
                future.cancel()
            raise


class _BlasLimit:
    """A reference-counted limit of BLAS to one thread, for the whole process.

    The first holder sets the limit and the last one lifts it. With one limit per holder, the
    first release would lift the limit for all, and the last release would restore the limit of 1
    that its holder had found.
    """

    def __init__(self) -> None:
        self.lock, self.holders = threading.Lock(), 0
        self.limit: Any = None

    def acquire(self) -> None:
        """Limit BLAS to one thread."""
        with self.lock:
            if not self.holders:
                controller = _controller("scipy.linalg" in sys.modules)
                self.limit = controller.limit(limits=1, user_api="blas")
            self.holders += 1

    def release(self) -> None:
        """Restore the number of threads when the last holder releases."""
        with self.lock:
            self.holders -= 1
            if not self.holders:
                # In threadpoolctl only the thread that set a limit may lift it.
                _clear_controlling_thread()
                self.limit.restore_original_limits()
                _clear_controlling_thread()


@functools.cache
def _controller(with_scipy: bool) -> Any:
    """Return the controller of the BLAS libraries that are loaded."""
    # Finding the loaded libraries takes milliseconds; it is repeated once SciPy has loaded its
    # own BLAS.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _clear_controlling_thread() -> None:
    from threadpoolctl import OpenBLASController

    if hasattr(OpenBLASController, "clear_controlling_thread"):  # not in threadpoolctl before 3.7
        OpenBLASController.clear_controlling_thread(force=True)


_blas_limit = _BlasLimit()


def _after_fork() -> None:
    global _blas_limit  # noqa: PLW0603  the threads that held the limit do not exist in the child
    _blas_limit = _BlasLimit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block, BLAS uses one thread, in the whole process.

    Examples
    --------
    >>> with one_blas_thread():
    ...     pass
    """
    limit = _blas_limit
    limit.acquire()
    try:
        yield
    finally:
        limit.release()


# The number of multiply-adds of one forward pass above which a second BLAS thread saves time (256
# rows through a layer of 512 × 512 have twice as many). Below it, a second thread saves nothing on
# an idle machine, and on a busy one each product waits for a core: a fit of 0.6 s then took 28 s.
_TWO_THREADS_MULTIPLY_ADDS = 3.0e7


@contextlib.contextmanager
def blas_threads_for(net: Network, batch_rows: int) -> Iterator[None]:
    """Within the block, limit BLAS to one thread if the network's steps are small.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> with blas_threads_for(Network([4, 16, 1]), batch_rows=32):
    ...     pass
    """
    if net.n_multiply_adds * batch_rows > _TWO_THREADS_MULTIPLY_ADDS:
        yield
        return
    with one_blas_thread():
        yield
