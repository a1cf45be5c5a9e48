"""The number of threads that may be used."""

from __future__ import annotations

import os

from deltarule.errors import InputError

__all__ = ["VARIABLE", "usable_threads"]

VARIABLE = "DELTARULE_THREADS"
"""The environment variable that sets the number of threads that may be used."""

_FORKED: list[int] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _FORKED.append(os.getpid()))


def usable_threads() -> int:
    """The number of threads that a step, or the training of many networks, may use.

    It is ``DELTARULE_THREADS`` if set; else ``OMP_NUM_THREADS``, which joblib sets in its worker
    processes so that together they use each core once; else the number of cores that this process
    may run on. In a forked process it is 1, since its siblings use the other cores.

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
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) > 0
