"""The door to compiled code: every call of an entry is made here, and says how many workers run it.

An entry takes the number of workers as its second argument and writes it into its plan before
it does anything else, so that no call depends on what an earlier call left there. Nothing but
this file calls an entry (``tests/house/test_entries.py``).

The other workers are threads of one pool of the process. A call that finds the pool in use, by
another thread's fit for one, is run by one worker, and so is a call for which the system starts no
thread: the result is the same, bit for bit.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deltarule.engines.compiled import entry_points
from deltarule.engines.compiled import plan_layout as d
from deltarule.engines.compiled.plan import Plan
from deltarule.engines.compiled.workspace import address_of
from deltarule.engines.registry import compiled_module

__all__ = ["Dispatcher", "Skipped"]

# Seconds between two looks at whether a long call is to end.
_LOOK = 0.02
_FREE = threading.Lock()
# The pool, and how many threads it has at most.
_POOL: list[tuple[int, ThreadPoolExecutor]] = []


def _after_fork() -> None:
    # The threads of the pool stayed behind in the parent, and its lock may have been taken.
    global _FREE  # noqa: PLW0603  the one lock of the process
    _FREE = threading.Lock()
    _POOL.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Skipped(Exception):
    """Somebody asked to stop, and some of the work was skipped; holds what the entry gave."""


class Dispatcher:
    """All calls into compiled code with one plan.

    Attributes
    ----------
    step, apply, penalty, is_finite : callable
        ``run_steps``, ``run_apply``, ``run_penalty`` and ``run_finite`` by the caller alone, for
        what is too small to be shared out.
    """

    __slots__ = ("apply", "is_finite", "penalty", "plan", "step")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        at = address_of(plan.integers)
        # Bound once: a step of a small network takes 4 µs.
        self.step: Callable[..., Any] = functools.partial(entry_points.run_steps, at, 1)
        self.apply: Callable[..., Any] = functools.partial(entry_points.run_apply, at, 1)
        self.penalty: Callable[..., Any] = functools.partial(entry_points.run_penalty, at, 1)
        self.is_finite: Callable[..., Any] = functools.partial(entry_points.run_finite, at, 1)

    def run(
        self, workers: int, name: str, *arguments: Any, stop: Callable[[], bool] | None = None
    ) -> Any:
        """The entry of that name by so many workers, each with a plan of its own.

        Gives what the first worker gets. That is the caller, unless ``stop`` is given, for a call
        that takes long: then the caller only looks on, asks it now and then, and is there for
        Ctrl-C.

        Raises
        ------
        Skipped
            If ``stop`` said so before all was done.
        """
        entry, first, lock = _entry(name), self.plan.worker_state(0), _FREE
        alone = (first.address, 1, *arguments)
        try:
            if workers <= 1 or not lock.acquire(blocking=False):
                if stop is None:
                    return entry(*alone)
                # One worker waits for no other, and so needs no thread of the pool.
                return _watched(_own_thread, entry, [alone], first.words, stop)
            try:
                states = [self.plan.worker_state(worker) for worker in range(workers)]
                for state in states[1:]:
                    state.numbers[:] = first.numbers
                calls = [(state.address, workers, *arguments) for state in states]
                if stop is None:
                    return _beside(entry, calls, first.words)
                return _watched(_pooled, entry, calls, first.words, stop)
            finally:
                lock.release()
        except _NoThreads:
            # Nothing was written yet: no worker begins before all are there.
            return entry(*alone)


def _entry(name: str) -> Callable[..., Any]:
    if name == "run_rows":  # compiled when it is first asked for
        return compiled_module("row_entry_points").run_rows
    return getattr(entry_points, name)


class _NoThreads(Exception):
    """No thread can be started: the interpreter is about to end, or the system has no more."""


class _Job:
    """One worker's call, for another thread. It is run once, or cancelled before it has begun."""

    def __init__(self, entry: Callable[..., Any], call: tuple[Any, ...]) -> None:
        self._entry, self._call = entry, call
        self._begun, self.over = threading.Lock(), threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._result = self._entry(*self._call)
        except BaseException as error:  # noqa: BLE001  raised again by whoever asks for the result
            self._error = error
        finally:
            self.over.set()

    def cancel(self) -> None:
        """Never begin, if it has not begun."""
        if self._begun.acquire(blocking=False):
            self.over.set()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


def _pooled(jobs: Sequence[_Job]) -> None:
    """Have jobs run by the pool, each by a thread of its own."""
    if not _POOL or _POOL[0][0] < len(jobs):
        for _, pool in _POOL:
            pool.shutdown(wait=False)
        _POOL[:] = [(len(jobs), ThreadPoolExecutor(len(jobs), thread_name_prefix="deltarule"))]
    for job in jobs:
        _POOL[0][1].submit(job)


def _own_thread(jobs: Sequence[_Job]) -> None:
    """Have each job run by a new thread."""
    for job in jobs:
        threading.Thread(target=job, name="deltarule", daemon=True).start()


def _wait(jobs: Sequence[_Job]) -> None:
    """Until no job runs, be Ctrl-C pressed meanwhile: they write into the arrays of the plan."""
    interrupted = None
    for job in jobs:
        while not job.over.is_set():
            try:
                job.over.wait()
            except KeyboardInterrupt as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted


def _called_off(jobs: Sequence[_Job], words: np.ndarray) -> None:
    """Cancel jobs that have not begun; those that wait at the first barrier return at once."""
    words[d.CALLED_OFF] = 1
    for job in jobs:
        job.cancel()


def _beside(entry: Callable[..., Any], calls: list[Any], words: np.ndarray) -> Any:
    """The first call here, the others by the pool."""
    jobs = [_Job(entry, call) for call in calls[1:]]
    words[:] = 0
    try:
        try:
            _pooled(jobs)
        except RuntimeError as error:
            raise _NoThreads from error
        result = entry(*calls[0])
    except BaseException:
        _called_off(jobs, words)
        raise
    finally:
        _wait(jobs)
    for job in jobs:
        job.result()
    return result


def _watched(
    start: Callable[[Sequence[_Job]], None],
    entry: Callable[..., Any],
    calls: list[Any],
    words: np.ndarray,
    stop: Callable[[], bool],
) -> Any:
    """All calls by other threads; the caller asks whether to stop."""
    jobs = [_Job(entry, call) for call in calls]
    words[:] = 0
    begun = False
    try:
        try:
            start(jobs)
            begun = True
        except RuntimeError as error:
            raise _NoThreads from error
        for job in jobs:
            while not job.over.wait(_LOOK):
                if stop():
                    words[d.ASKED] = 1
    except BaseException:
        words[d.ASKED] = 1
        if not begun:
            _called_off(jobs, words)
        raise
    finally:
        _wait(jobs)
        skipped = bool(words[d.SKIPPED])
        words[:] = 0
    results = [job.result() for job in jobs]
    if skipped:
        raise Skipped(results[0])
    return results[0]
