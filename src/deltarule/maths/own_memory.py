"""Arrays of the size of the parameters, in memory that the system has back when they are freed."""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

import numpy as np

__all__ = ["zeros"]

# Bytes from which on an array has a mapping of its own.
_OWN = 1 << 20
# Bytes from which on huge pages are asked for, as NumPy does for its own arrays.
_HUGE = 1 << 22
# A shared mapping, which is the default, would be common to this process and its forks.
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


def zeros(n: int, dtype: Any) -> np.ndarray:
    """n zeros of a type of numbers, in a mapping of their own from 1 MB on.

    ``malloc`` keeps a freed array of a few MB in the heap once one of that size was freed, and an
    array that is a few bytes larger does not fit in its place. The peak of a training would then
    include θ at the start, which the engine has copied.

    Examples
    --------
    >>> zeros(2, "float32")
    array([0., 0.], dtype=float32)
    """
    size = n * np.dtype(dtype).itemsize
    if size >= _OWN and hasattr(mmap, "MAP_ANONYMOUS"):
        # Where memory does not suffice, NumPy's error says how much was asked for.
        with contextlib.suppress(OSError, ValueError, OverflowError):
            mapping = mmap.mmap(-1, size, flags=_PRIVATE)
            if size >= _HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
                with contextlib.suppress(OSError):
                    mapping.madvise(mmap.MADV_HUGEPAGE)
            return np.frombuffer(mapping, dtype=dtype)
    return np.zeros(n, dtype=dtype)
