"""Rounding to bfloat16, and matrix products of bfloat16 operands with float32 sums.

A bfloat16 is the upper half of a float32: its range with a significand of 8 bits, eps = 2⁻⁷. A
product of two is a float32 without rounding, and

    s ← round(s + a_q b_q)    for q = 0, 1, … in order, from s = 0 or the bias

is what processors with AVX512-BF16 compute. :class:`Bfloat16Namespace` computes the same in NumPy,
in one pass over the result for each term: for checks on small networks. It differs where a sum or
product is below 2⁻¹²⁶, which those processors replace by 0.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.maths.namespace import ArrayNamespace

__all__ = ["BFLOAT16_EPS", "Bfloat16Namespace", "bfloat16_namespace", "round_to_bfloat16"]

BFLOAT16_EPS = 2.0**-7
"""The distance from 1 to the next bfloat16."""

_ABSOLUTE, _INFINITY, _SMALLEST_NORMAL = 0x7FFFFFFF, 0x7F800000, 0x00800000


def round_to_bfloat16(x: Any) -> np.ndarray:
    """The nearest bfloat16 of each number, ties to even, as float32.

    Numbers below 2⁻¹²⁶ become 0, as in the processor's instruction; NaN stays NaN.

    Examples
    --------
    >>> round_to_bfloat16([1 + 2**-8, 1 + 3 * 2**-8, 1e-39])
    array([1.      , 1.015625, 0.      ], dtype=float32)
    """
    numbers = np.ascontiguousarray(x, dtype=np.float32)
    bits = numbers.view(np.uint32)
    # Half of the last place that is kept, less the smallest bit where that place is even.
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded &= np.uint32(0xFFFF0000)
    size = bits & np.uint32(_ABSOLUTE)
    rounded = np.where(size > _INFINITY, bits | np.uint32(0x00400000), rounded)
    rounded = np.where(size < _SMALLEST_NORMAL, bits & np.uint32(0x80000000), rounded)
    found: np.ndarray = rounded.astype(np.uint32).view(np.float32)
    return found


class Bfloat16Namespace(ArrayNamespace):
    """The NumPy namespace of float32 whose matrix products are of bfloat16 operands."""

    def __init__(self) -> None:
        super().__init__(np, np.float32)

    def product(self, a: Any, b: Any) -> Any:
        """Σ_q round(a_q) round(b_q), added in the order of q and rounded at each addition."""
        return _sum(np.zeros((len(a), b.shape[1]), np.float32), a, b)

    def affine(self, a: Any, W: Any, b: Any) -> Any:
        """As :meth:`product` with Wᵀ, from the bias on."""
        if b is None:
            return self.product(a, W.T)
        return _sum(np.broadcast_to(b, (len(a), len(W))).copy(), a, W.T)


def _sum(start: np.ndarray, a: Any, b: Any) -> np.ndarray:
    left, right = round_to_bfloat16(a), round_to_bfloat16(b)
    for q in range(left.shape[1]):
        start += left[:, q, None] * right[q]
    return start


@functools.cache
def bfloat16_namespace() -> Bfloat16Namespace:
    """The one namespace of its kind; formulas are bound to a namespace once.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[1 + 2.0**-10, 3.0]], np.float32)
    >>> bfloat16_namespace().product(a, np.ones((2, 1), np.float32))
    array([[4.]], dtype=float32)
    """
    return Bfloat16Namespace()
