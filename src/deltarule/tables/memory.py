"""The memory that a table may take."""

from __future__ import annotations

from pathlib import Path

from deltarule.errors import InputError
from deltarule.records import real_number

__all__ = ["memory_limit"]


def memory_limit(max_memory: float | None) -> float:
    """The bytes that a table may take: ``max_memory`` in GB, or three quarters of what is free.

    Infinite if the system does not say what is free.

    Raises
    ------
    InputError
        If ``max_memory`` is not above 0.

    Examples
    --------
    >>> memory_limit(2.0)
    2000000000.0
    """
    if max_memory is not None and not 0 < (real_number(max_memory) or 0) < float("inf"):
        raise InputError(parameter="max_memory", given=max_memory, expected="GB, above 0")
    free = _free_memory() * 0.75 or float("inf")
    return free if max_memory is None else max_memory * 1e9


def _free_memory() -> float:
    """The memory that programs can still take, in bytes; 0 if the system does not say."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024.0
        return 0.0
    except (OSError, ValueError):
        return 0.0
