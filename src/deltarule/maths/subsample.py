"""Evenly spaced indices, for a part of many rows, steps or points."""

from __future__ import annotations

import numpy as np

__all__ = ["evenly_spaced"]


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """At most ``most`` of the indices 0 … count − 1, evenly spaced from the first to the last.

    Examples
    --------
    >>> evenly_spaced(3, 5), evenly_spaced(10, 4), evenly_spaced(10, 1)
    (array([0, 1, 2]), array([0, 3, 6, 9]), array([0]))
    """
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, max(most, 0)).astype(np.intp)
