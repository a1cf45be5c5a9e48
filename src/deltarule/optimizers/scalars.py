"""Helpers for the scalars of a formula: their range, their type, 1 − β^t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import real_number, to_python_scalar

__all__ = ["in_interval", "limits", "one_minus_power", "python_number"]

_SMALLEST = 5e-324  # the smallest positive float64


def in_interval(owner: str, name: str, value: Any, interval: str, usual: Any) -> float:
    """``value`` as a Python float, if it is a number in ``interval``.

    Under NumPy 2 a ``np.float64`` parameter would turn float32 arrays into float64; a Python
    float does not.

    Parameters
    ----------
    owner, name : str
        The formula and its parameter, for the message; the owner may be empty.
    value : number
    interval : str
        ``"[0, 1)"``, ``"(0, inf)"`` and the like.
    usual : number
        A usual value, for the message.

    Raises
    ------
    InputError
        If ``value`` is not a number in the interval.

    Examples
    --------
    >>> in_interval("adam", "beta1", 0.9, "[0, 1)", 0.9)
    0.9
    >>> in_interval("adam", "beta1", 1, "[0, 1)", 0.9)
    Traceback (most recent call last):
        ...
    deltarule.errors.InputError: adam: beta1 is 1; expected a number in [0, 1); 0.9 is usual
    """
    low, high = limits(interval)
    number = real_number(value)
    if number is not None:
        above = number > low or (interval[0] == "[" and number == low)
        below = number < high or (interval[-1] == "]" and number == high)
        if above and below:
            return number
    error = InputError(
        parameter=name,
        given=value,
        expected=f"a number in {interval}",
        hint=f"{usual} is usual",
    )
    raise error.prefixed(f"{owner}: ") if owner else error


def limits(interval: str) -> tuple[float, float]:
    """The two ends of an interval in the notation of :func:`in_interval`.

    Examples
    --------
    >>> limits("[0, 1)")
    (0.0, 1.0)
    """
    low, high = interval[1:-1].split(",")
    return float(low), float(high)


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
