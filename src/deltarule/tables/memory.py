"""The memory that a table may take."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from deltarule.errors import InputError
from deltarule.records import real_number

__all__ = ["memory_bytes", "memory_limit", "resident_bytes"]

_UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_UNITS |= {f"{name[0]}ib": 1024.0**power for power, name in enumerate(_UNITS, start=1)}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]i?b)\s*", re.IGNORECASE)


def memory_bytes(memory: Any) -> int:
    """The bytes of a size such as ``"2GB"``, ``"500 MB"`` or ``"1.5GiB"``; a number counts GB.

    Raises
    ------
    InputError
        If it is no size above 0.

    Examples
    --------
    >>> memory_bytes("2GB"), memory_bytes("1.5 GiB"), memory_bytes(0.5)
    (2000000000, 1610612736, 500000000)
    """
    number = None if isinstance(memory, bool) else real_number(memory)
    if isinstance(memory, str) and (found := _SIZE.fullmatch(memory)):
        number = float(found[1]) * _UNITS[found[2].lower()] / 1e9
    if number is None or not 0 < number < 1e9:
        raise InputError(
            parameter="memory", given=memory, expected="a size such as '2GB' or '500MB'"
        )
    return int(number * 1e9)


def resident_bytes() -> int:
    """The memory of this process that is resident, in bytes; 0 if the system does not say.

    Examples
    --------
    >>> resident_bytes() > 1e6 or resident_bytes() == 0
    True
    """
    try:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


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
