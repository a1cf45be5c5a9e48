"""Several threads for one step, if the step is worth it and the threads are free.

The helpers are one pool of threads of the process. Whoever finds them at work for somebody
else, another thread's fit for one, goes on alone: the result is the same, bit for bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from deltarule.engines.compiled import fields as d
from deltarule.engines.compiled.plan import Plan

__all__ = ["Skipped", "run_together"]

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


def _helper(wanted: int, entry: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
    if not _POOL or _POOL[0][0] < wanted:
        for _, pool in _POOL:
            pool.shutdown(wait=False)
        _POOL[:] = [(wanted, ThreadPoolExecutor(wanted, thread_name_prefix="deltarule"))]
    return _POOL[0][1].submit(entry, *arguments)


class Skipped(Exception):
    """Somebody asked to stop, and some of the work was skipped; holds what the entry gave."""


def run_together(
    plan: Plan,
    members: int,
    entry: Callable[..., Any],
    *arguments: Any,
    stop: Callable[[], bool] | None = None,
) -> Any:
    """``entry(plan, *arguments)`` by so many members, each with a plan of its own.

    Gives what the first member gets. That is the caller, unless ``stop`` is given, for a call that
    takes long: then the caller only looks on, asks it now and then, and is there for Ctrl-C.

    Raises
    ------
    Skipped
        If ``stop`` said so before all was done.
    """
    first, lock = plan.seat(0), _FREE
    if (members <= 1 and stop is None) or not lock.acquire(blocking=False):
        first.shared[d.MEMBERS] = 1
        return entry(first.address, *arguments)
    try:
        seats = [plan.seat(member) for member in range(members)]
        words = first.words
        words[:] = 0
        for seat in seats:
            seat.shared[d.MEMBERS] = members
            seat.numbers[:] = first.numbers
        calls = [(seat.address, *arguments) for seat in seats]
        if stop is None:
            return _beside(entry, calls, words)
        return _looking_on(entry, calls, words, stop)
    finally:
        lock.release()


def _beside(entry: Callable[..., Any], calls: list[Any], words: np.ndarray) -> Any:
    """The first call here, the others by helpers."""
    helpers: list[Future[Any]] = []
    try:
        for call in calls[1:]:
            helpers.append(_helper(len(calls) - 1, entry, call))
        return entry(*calls[0])
    except BaseException:
        # Whoever waits for a caller who does not come is sent home.
        words[d.CALLED_OFF] = 1
        raise
    finally:
        for each in helpers:
            each.result()


def _looking_on(
    entry: Callable[..., Any], calls: list[Any], words: np.ndarray, stop: Callable[[], bool]
) -> Any:
    """All calls by helpers; the caller asks whether to stop."""
    helpers: list[Future[Any]] = []
    try:
        for call in calls:
            helpers.append(_helper(len(calls), entry, call))
        while wait(helpers, timeout=_LOOK).not_done:
            if stop():
                words[d.ASKED] = 1
    except BaseException:
        words[d.ASKED] = 1
        words[d.CALLED_OFF] = len(helpers) < len(calls)
        raise
    finally:
        results = [each.result() for each in helpers]
        skipped = bool(words[d.SKIPPED])
        words[:] = 0
    if skipped:
        raise Skipped(results[0])
    return results[0]
