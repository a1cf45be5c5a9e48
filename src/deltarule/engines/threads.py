"""The number of threads that may be used, and how the work of a process shares the cores."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deltarule.errors import InputError

__all__ = ["VARIABLE", "CorePool", "core_in_use", "free_threads", "usable_threads"]

VARIABLE = "DELTARULE_THREADS"
"""The environment variable that sets the number of threads that may be used."""

_FORKED: list[int] = []
# Seconds after which a waiting task looks whether its fit has been given up.
_POLL_SECONDS = 0.1


def usable_threads() -> int:
    """The number of threads that a step, or the training of many networks, may use.

    It is ``DELTARULE_THREADS`` if set; else ``OMP_NUM_THREADS``, which joblib sets in its worker
    processes so that together they use each core once; else the number of cores that this process
    may run on, or ``LOKY_MAX_CPU_COUNT`` if that is less. In a process that was forked, or started
    by ``multiprocessing``, it is 1, since its siblings use the other cores.

    Raises
    ------
    InputError
        If ``DELTARULE_THREADS`` is not a whole number above 0.
    """
    requested = os.environ.get(VARIABLE, "").strip()
    if requested:
        if not _is_count(requested):
            raise InputError(
                f"the environment variable {VARIABLE} is {requested!r}; expected a whole number, "
                "at least 1, or nothing"
            )
        return int(requested)
    if _FORKED:
        return 1
    usual = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if _is_count(usual):
        return int(usual)
    if _is_child():
        return 1
    most = os.environ.get("LOKY_MAX_CPU_COUNT", "").strip()
    return min(_cores(), int(most)) if _is_count(most) else _cores()


def _is_child() -> bool:
    """Whether ``multiprocessing`` started this process."""
    process = sys.modules.get("multiprocessing.process")  # loaded in a child
    return process is not None and process.parent_process() is not None


def _cores() -> int:
    """The number of cores that this process may run on."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) > 0


# -- sharing ----------------------------------------------------------------------------------


class _Cores:
    """How many threads of this process are computing, each on a core of its own."""

    def __init__(self) -> None:
        self.changed, self.in_use = threading.Condition(), 0

    def add(self, change: int) -> None:
        with self.changed:
            self.in_use += change
            self.changed.notify_all()


_cores_of_process = _Cores()


def _after_fork() -> None:
    global _cores_of_process  # noqa: PLW0603  none of the counted threads exists in the child
    _FORKED.append(os.getpid())
    _cores_of_process = _Cores()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def core_in_use() -> Iterator[None]:
    """Within the block, this thread counts as one that computes."""
    cores = _cores_of_process
    cores.add(1)
    try:
        yield
    finally:
        cores.add(-1)


def free_threads(most: int) -> int:
    """How many threads a call of this thread may use: at most ``most``, which must be counted.

    The other threads that compute have a core each. Results do not depend on the number.

    Examples
    --------
    >>> with core_in_use():
    ...     free_threads(1)
    1
    """
    others = max(_cores_of_process.in_use - 1, 0)
    return max(most - others, 1)


class CorePool:
    """The cores for the tasks of one fit, shared with the other fits of the process.

    A task waits while as many threads of the process compute as may, but one task of each pool
    always runs, so that every fit goes on.

    Parameters
    ----------
    workers : int
        The most tasks at a time. A pool alone in its process gets as many, even if there are fewer
        cores.

    Examples
    --------
    >>> pool = CorePool(2)
    >>> with pool.core(given_up=lambda: False):
    ...     pool.running
    1
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.running = workers, 0

    @contextmanager
    def core(self, given_up: Callable[[], bool]) -> Iterator[None]:
        """Wait for a core, unless ``given_up`` returns true, and hold it within the block."""
        cores = _cores_of_process

        def is_free() -> bool:
            most = max(usable_threads(), self.workers)
            return not self.running or cores.in_use < most or given_up()

        with cores.changed:
            while not cores.changed.wait_for(is_free, _POLL_SECONDS):
                pass
            cores.in_use += 1
            self.running += 1
        try:
            yield
        finally:
            with cores.changed:
                self.running -= 1
                cores.in_use -= 1
                cores.changed.notify_all()
