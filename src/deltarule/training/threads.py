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
from deltarule.errors import Diverged
from deltarule.maths import Network
from deltarule.training.interrupt import StopFlag

__all__ = [
    "blas_threads_for",
    "completed_tasks",
    "first_error_last",
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
    *,
    goes_on: Callable[[int, BaseException], bool] = lambda index, error: False,
    on_cancelled: Callable[[], Any] = lambda: None,
) -> Generator[tuple[int, Future[_Result]], None, None]:
    """Run ``task(0)`` to ``task(total - 1)`` in a pool of threads; yield each as it ends.

    Yields the number and the future of each task, in the order in which they end. A task that
    raises an error ends the iteration as in :func:`first_error_last`, which says what ``goes_on``
    is; unless the error is ``Diverged``, the flag is raised too. ``on_wait`` is called with the
    number of ended ones while none ends, and ``on_cancelled`` for each task that does not begin
    since one before it raised an error. If the iteration is given up, by an error or by closing it,
    the flag is raised and tasks that have not begun are cancelled.

    Fits in several threads share the cores: a task waits for a free one. Within a task of another
    fit, whose thread has one core, one task runs at a time.

    Examples
    --------
    >>> sorted((k, done.result()) for k, done in completed_tasks(abs, 3, 2, StopFlag()))
    [(0, 0), (1, 1), (2, 2)]
    """
    if not total:
        return
    done: queue.SimpleQueue[tuple[int, Future[_Result]]] = queue.SimpleQueue()

    def put(index: int, future: Future[_Result]) -> None:
        done.put((index, future))

    inner = flag_of_this_thread() is not None
    cores = CorePool(workers)

    def run(index: int) -> _Result:
        with contextlib.nullcontext() if inner else cores.core(given_up=lambda: bool(flag)):
            return task(index)

    futures: list[Future[_Result]] = []

    def ended() -> Generator[tuple[int, Future[_Result]], None, None]:
        with ThreadPoolExecutor(1 if inner else min(workers, total), "deltarule") as pool:
            futures.extend(pool.submit(run, index) for index in range(total))
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

    def on_error(index: int, error: BaseException) -> None:
        for future in futures[index + 1 :]:
            # An error that came before, of a later task, may have cancelled it.
            if not future.cancelled() and future.cancel():
                on_cancelled()
        # Whether a network diverges is a result, for which the networks before it are trained to
        # their end. With another error all end after their step, however long they would train.
        if not isinstance(error, Diverged):
            flag.stop("given up")

    yield from first_error_last(ended(), total, goes_on, on_error)


def first_error_last(
    completed: Generator[tuple[int, Future[_Result]], None, None],
    total: int,
    goes_on: Callable[[int, BaseException], bool],
    on_error: Callable[[int, BaseException], Any],
) -> Generator[tuple[int, Future[_Result]], None, None]:
    """Yield tasks as they end; of those that raised an error, the first in order, as the last.

    Which error is the first to arrive depends on the number of threads, and which one has the
    lowest number does not. So the tasks before one that raised an error are waited for.

    Parameters
    ----------
    completed : generator
        The numbers and futures of tasks, in the order in which they end; tasks begin in the order
        of their numbers. It is closed before the first error is yielded.
    total : int
        The number of tasks.
    goes_on : callable
        ``goes_on(index, error)``: whether an error is as good as a result. It is yielded as one.
    on_error : callable
        Called with the number of a task that raised another error, and the error: the tasks after
        it need not begin.

    Examples
    --------
    >>> def ended():
    ...     for index in (2, 0, 1):
    ...         future = Future()
    ...         future.set_exception(ValueError(index)) if index else future.set_result("zero")
    ...         yield index, future
    >>> found = first_error_last(ended(), 3, lambda *_: False, lambda *_: None)
    >>> [(index, future.exception() or future.result()) for index, future in found]
    [(0, 'zero'), (1, ValueError(1))]
    """
    waiting = set(range(total))
    first: tuple[int, Future[_Result]] | None = None
    with contextlib.closing(completed):
        for index, future in completed:
            if index not in waiting:
                continue  # it is after one that raised an error, or was cancelled
            waiting.remove(index)
            error = future.exception()
            if error is None or goes_on(index, error):
                yield index, future
            else:
                first = index, future
                waiting = {each for each in waiting if each < index}
                on_error(index, error)
            if first is not None and not waiting:
                break
    if first is not None:
        yield first


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
