"""Small helpers for the scalars of a formula: their range, their type, 1 − β^t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import plain, real_number

__all__ = ["in_interval", "one_minus_power", "weak"]

_SMALLEST = 5e-324


def in_interval(owner: str, name: str, value: Any, interval: str, usual: Any) -> float:
    """``value`` as a Python float, if it is a number in ``interval``.

    A Python float, because under NumPy 2 a ``np.float64`` parameter would turn
    float32 arrays into float64.

    Parameters
    ----------
    owner, name : str
        The formula and its parameter, for the message; the owner may be empty.
    value : number
        What was given.
    interval : str
        In the notation of mathematics: ``"[0, 1)"``, ``"(0, inf)"``.
    usual : number
        A value that works, for the message.

    Raises
    ------
    InputError
        If ``value`` is no number, or lies outside.

    Examples
    --------
    >>> in_interval("adam", "beta1", 0.9, "[0, 1)", 0.9)
    0.9
    >>> in_interval("adam", "beta1", 1, "[0, 1)", 0.9)
    Traceback (most recent call last):
        ...
    deltarule.errors.InputError: adam: beta1 is 1; expected a number in [0, 1); 0.9 is usual
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
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


def weak(value: Any) -> Any:
    """A NumPy scalar as a Python number; everything else (a JAX tracer, an array) as it is.

    Python numbers take the type of the array they meet; a ``np.float64``, which
    is what indexing an array of learning rates gives, imposes its own.

    Examples
    --------
    >>> (np.float32(1.0) * weak(np.float64(0.5))).dtype
    dtype('float32')
    """
    return plain(value) if isinstance(value, np.generic | np.ndarray) else value


def one_minus_power(xp: Any, base: float, t: Any) -> Any:
    r"""1 − base^t, the bias correction of a running mean.

    .. math:: 1 - β^t = -\operatorname{expm1}(x) = \frac{-2τ}{1 - τ},
              \quad x = t \ln β,\; τ = \tanh(x / 2)

    Where t is a Python number the left side is computed, in float64. A traced t
    is float32 where JAX runs in float32, and there 1 − 0.999 has lost four of
    its seven digits; the right side loses none.

    Parameters
    ----------
    xp : namespace
        Offers ``tanh``.
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
    # ln 0 is not a number that one can calculate with; the smallest β gives 1 as well.
    tau = xp.tanh(0.5 * math.log(max(base, _SMALLEST)) * t)
    return -2.0 * tau / (1.0 - tau)
