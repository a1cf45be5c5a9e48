"""Helpers for the scalars of a formula: their type, 1 − β^t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.records import in_interval, limits, to_python_scalar

__all__ = ["in_interval", "limits", "one_minus_power", "python_number"]

_SMALLEST = 5e-324  # the smallest positive float64


def python_number(value: Any) -> Any:
    """A NumPy scalar as a Python number; other values (JAX tracers, arrays) unchanged.

    In arithmetic with an array a Python number takes the array's type, while a ``np.float64``,
    such as an entry of an array of learning rates, widens a float32 array.

    Examples
    --------
    >>> (np.float32(1.0) * python_number(np.float64(0.5))).dtype
    dtype('float32')
    """
    return to_python_scalar(value) if isinstance(value, np.generic | np.ndarray) else value


def one_minus_power(xp: Any, base: float, t: Any) -> Any:
    r"""1 − base^t, the bias correction of a running mean.

    .. math:: 1 - β^t = -\operatorname{expm1}(x) = \frac{-2τ}{1 - τ},
              \quad x = t \ln β,\; τ = \tanh(x / 2)

    For a Python number t the left side is computed in float64. A tracer of JAX may be float32,
    in which 1 − 0.999 has lost three of seven digits; the right side is accurate there.

    Parameters
    ----------
    xp : namespace
        Needs ``tanh``.
    base : float
        β, in [0, 1].
    t : int or traced integer
        From 1.

    Examples
    --------
    >>> one_minus_power(np, 0.5, 3)
    0.875
    >>> print(one_minus_power(np, 0.5, np.array([1.0, 2.0, 3.0])))
    [0.5   0.75  0.875]
    """
    if isinstance(t, int | float):
        return 1.0 - base**t
    # ln 0 is −∞; the smallest positive β gives the same result, 1.
    tau = xp.tanh(0.5 * math.log(max(base, _SMALLEST)) * t)
    return -2.0 * tau / (1.0 - tau)
