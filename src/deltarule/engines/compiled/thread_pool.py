"""The calls into compiled code, and the threads that run them.

Every call of an entry point is made in this file (``tests/house/test_entries.py``). An entry takes
the number of workers as its second argument and writes it into its plan before anything else, so
that no call depends on what an earlier call left there.

Workers other than the caller are threads of one pool of the process. A call is run by one worker if
another thread's call occupies the pool, or if the system starts no thread: the bits are the same.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.entry_code import entry_functions
from deltarule.engines.compiled.plan import Plan
from deltarule.engines.compiled.workspace import address_of

__all__ = ["Dispatcher", "Stopped", "describe_batch"]

# Looked up once: a step of a small network takes 4 µs.
_run_steps, _run_apply, _run_penalty, _run_is_finite, describe_batch = entry_functions(
    "run_steps", "run_apply", "run_penalty", "run_is_finite", "describe_batch"
)

# Seconds between two calls of ``stop`` during a long call.
_POLL_SECONDS = 0.02
_POOL_LOCK = threading.Lock()
# The pool, with its number of threads; empty before the first use.
_POOL: list[tuple[int, ThreadPoolExecutor]] = []


def _after_fork() -> None:
    # The child of a fork has none of the parent's threads, and the lock may be held by one of them.
    global _POOL_LOCK  # noqa: PLW0603  the one lock of the process
    _POOL_LOCK = threading.Lock()
    _POOL.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Stopped(Exception):
    """``stop`` returned true and work was skipped; ``args[0]`` is the result of the entry."""


class Dispatcher:
    """Makes all calls into compiled code with one plan.

    Attributes
    ----------
    step, apply, penalty, is_finite : callable
        ``run_steps``, ``run_apply``, ``run_penalty`` and ``run_is_finite`` with one worker, the
        calling thread: for work too small to divide.
    """

    __slots__ = ("apply", "is_finite", "penalty", "plan", "step")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        at = address_of(plan.integers)
        # Bound once: a step of a small network takes 4 µs.
        self.step: Callable[..., Any] = functools.partial(_run_steps, at, 1)
        self.apply: Callable[..., Any] = functools.partial(_run_apply, at, 1)
        self.penalty: Callable[..., Any] = functools.partial(_run_penalty, at, 1)
        self.is_finite: Callable[..., Any] = functools.partial(_run_is_finite, at, 1)

    def run(
        self, workers: int, name: str, *arguments: Any, stop: Callable[[], bool] | None = None
    ) -> Any:
        """Call the entry point ``name`` by ``workers`` workers, each with its own plan.

        Returns the result of worker 0. Worker 0 is the calling thread, unless ``stop`` is given for
        a call that takes long: then all workers are other threads, and the calling thread calls
        ``stop`` at intervals and can receive Ctrl-C.

        Raises
        ------
        Stopped
            If ``stop`` returned true before all work was done.
        """
        entry, first, lock = _entry(name), self.plan.worker_state(0), _POOL_LOCK
        single = (first.address, 1, *arguments)
        try:
            if workers <= 1 or not lock.acquire(blocking=False):
                if stop is None:
                    return entry(*single)
                # A single worker waits at no barrier, and so needs no thread of the pool.
                return _run_polling(_start_threads, entry, [single], first.barrier, stop)
            try:
                states = [self.plan.worker_state(worker) for worker in range(workers)]
                for state in states[1:]:
                    state.numbers[:] = first.numbers
                calls = [(state.address, workers, *arguments) for state in states]
                if stop is None:
                    return _run_with_caller(entry, calls, first.barrier)
                return _run_polling(_submit, entry, calls, first.barrier, stop)
            finally:
                lock.release()
        except _NoThreads:
            # Nothing has been computed: no worker passes the first barrier before all have arrived.
            return entry(*single)


def _entry(name: str) -> Callable[..., Any]:
    return entry_functions(name)[0]


class _NoThreads(Exception):
    """No thread can be started: the interpreter is shutting down, or the system has no more."""


class _Job:
    """One worker's call, for another thread: it runs once, or is cancelled before it starts."""

    def __init__(self, entry: Callable[..., Any], call: tuple[Any, ...]) -> None:
        self._entry, self._call = entry, call
        self._started, self.finished = threading.Lock(), threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if not self._started.acquire(blocking=False):
            return
        try:
            self._result = self._entry(*self._call)
        except BaseException as error:  # noqa: BLE001  raised again by ``result``
            self._error = error
        finally:
            self.finished.set()

    def cancel(self) -> None:
        """Prevent the call, if it has not started."""
        if self._started.acquire(blocking=False):
            self.finished.set()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


def _submit(jobs: Sequence[_Job]) -> None:
    """Submit jobs to the pool, which has a thread for each."""
    if not _POOL or _POOL[0][0] < len(jobs):
        for _, pool in _POOL:
            pool.shutdown(wait=False)
        _POOL[:] = [(len(jobs), ThreadPoolExecutor(len(jobs), thread_name_prefix="deltarule"))]
    for job in jobs:
        _POOL[0][1].submit(job)


def _start_threads(jobs: Sequence[_Job]) -> None:
    """Start a new thread for each job."""
    for job in jobs:
        threading.Thread(target=job, name="deltarule", daemon=True).start()


def _wait(jobs: Sequence[_Job]) -> None:
    """Wait until no job runs, since jobs write to the plan's arrays; then raise Ctrl-C, if any."""
    interrupted = None
    for job in jobs:
        while not job.finished.is_set():
            try:
                job.finished.wait()
            except KeyboardInterrupt as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted


def _cancel(jobs: Sequence[_Job], barrier: np.ndarray) -> None:
    """Cancel the jobs that have not started, and release those at their first barrier."""
    barrier[f.CANCELLED] = 1
    for job in jobs:
        job.cancel()


def _run_with_caller(entry: Callable[..., Any], calls: list[Any], barrier: np.ndarray) -> Any:
    """Make the first call in this thread and the others in threads of the pool."""
    jobs = [_Job(entry, call) for call in calls[1:]]
    barrier[:] = 0
    try:
        try:
            _submit(jobs)
        except RuntimeError as error:
            raise _NoThreads from error
        result = entry(*calls[0])
    except BaseException:
        _cancel(jobs, barrier)
        raise
    finally:
        _wait(jobs)
    for job in jobs:
        job.result()
    return result


def _run_polling(
    start: Callable[[Sequence[_Job]], None],
    entry: Callable[..., Any],
    calls: list[Any],
    barrier: np.ndarray,
    stop: Callable[[], bool],
) -> Any:
    """Make all calls in other threads, and call ``stop`` at intervals in this one."""
    jobs = [_Job(entry, call) for call in calls]
    barrier[:] = 0
    started = False
    try:
        try:
            start(jobs)
            started = True
        except RuntimeError as error:
            raise _NoThreads from error
        for job in jobs:
            while not job.finished.wait(_POLL_SECONDS):
                if stop():
                    barrier[f.STOP_REQUESTED] = 1
    except BaseException:
        barrier[f.STOP_REQUESTED] = 1
        if not started:
            _cancel(jobs, barrier)
        raise
    finally:
        _wait(jobs)
        skipped = bool(barrier[f.WORK_SKIPPED])
        barrier[:] = 0
    results = [job.result() for job in jobs]
    if skipped:
        raise Stopped(results[0])
    return results[0]
