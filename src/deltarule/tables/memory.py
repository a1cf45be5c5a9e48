"""The memory that a table may take."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.records import real_number

__all__ = ["check_fits", "check_unpacked", "memory_bytes", "memory_limit", "resident_bytes"]

_UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_UNITS |= {f"{name[0]}ib": 1024.0**power for power, name in enumerate(_UNITS, start=1)}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]i?b)\s*", re.IGNORECASE)
# The bytes that any file may unpack to, however small it is.
_UNPACKED_FREELY = 1 << 29
# The most bytes of a table for one of its file, beyond that. Tables of real measurements and texts
# unpack to 2 to 30 times their file, so one beyond this was made to fill the memory, or is nearly
# constant; its reader can say so by ``max_memory``.
_MOST_TIMES = 100


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


def check_fits(
    name: str, n_bytes: float, detail: str, max_memory: float | None, *hint: str | Parameter
) -> None:
    """Refuse a table that would take more memory than it may.

    Parameters
    ----------
    name : str
        The table, for the message.
    n_bytes : float
        What it would take.
    detail : str
        What is said of that behind "in memory".
    max_memory : float, optional
        As for :func:`memory_limit`.
    *hint : str or Parameter
        What to do, as the pieces of a Message.

    Raises
    ------
    InputError
        As :func:`memory_limit`.
    DataError
        If it would take more.

    Examples
    --------
    >>> check_fits("a.parquet", 3e9, "(90 rows)", 2.0, "choose columns")
    Traceback (most recent call last):
    deltarule.errors.DataError: a.parquet would take 3 GB in memory (90 rows); ...
    """
    limit = memory_limit(max_memory)
    if n_bytes > limit:
        raise DataError(
            f"{name} would take {n_bytes / 1e9:.3g} GB in memory {detail}",
            expected=f"at most {limit / 1e9:.3g} GB",
            hint=Message(*hint),
        )


def check_unpacked(name: str, n_bytes: float, packed: float, max_memory: float | None) -> None:
    """Refuse what unpacks to far more than its file has, unless ``max_memory`` was given.

    Parameters
    ----------
    name : str
        The file, for the message.
    n_bytes : float
        What it unpacks to, as far as is known.
    packed : float
        The bytes of the file that this was read from.
    max_memory : float, optional
        In GB. Where it is given it is the only limit.

    Raises
    ------
    DataError
        If it unpacks to more than 0.54 GB, and more than 100 times its size.

    Examples
    --------
    >>> check_unpacked("a.csv.gz", 2e9, 1e8, None)
    >>> check_unpacked("a.csv.gz", 2e9, 1e6, None)
    Traceback (most recent call last):
    deltarule.errors.DataError: a.csv.gz unpacks to 2 GB or more, over 100 times its size; ...
    """
    if max_memory is None and n_bytes > max(_UNPACKED_FREELY, _MOST_TIMES * packed):
        raise DataError(
            f"{name} unpacks to {n_bytes / 1e9:.3g} GB or more, over {_MOST_TIMES} times its size",
            expected=f"at most {_UNPACKED_FREELY / 1e9:.2g} GB, or {_MOST_TIMES} times its size",
            hint=Message(
                "if you trust it, allow as many GB as it takes with ", Parameter("max_memory")
            ),
        )


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
