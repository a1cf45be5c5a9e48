"""A running average of the parameters, which often predicts better than their last value."""

from __future__ import annotations

from typing import Any

from deltarule.optimizers.scalars import in_interval, one_minus_power, python_number

__all__ = ["average"]


def average(xp: Any, mean: Any, theta: Any, decay: float, t: Any) -> Any:
    r"""m̂ ← m̂ + γ_t (θ − m̂), γ_t = (1−d)/(1−d^t): the debiased exponential average.

    .. math:: \hat m_t = \hat m_{t-1} + \frac{1-d}{1-d^t} (θ_t - \hat m_{t-1})
              = \frac{\sum_{s=1}^t d^{t-s} θ_s}{\sum_{s=1}^t d^{t-s}}

    This is m̂ = m/(1−d^t) with m ← d m + (1−d) θ from m = 0, Adam's correction, with the
    corrected mean m̂ as the state. After every step it is a weighted mean of θ₁ … θ_t. θ₀ has
    no weight, since γ₁ = 1. Not the warm-up d_t = min(d, (1+t)/(10+t)) of TensorFlow.

    Parameters
    ----------
    xp : namespace
        Needs ``tanh``, for a t that JAX traces.
    mean : array, (p,)
        m̂ after t − 1 updates; any finite array before the first.
    theta : array, (p,)
        θ_t.
    decay : float
        d, in [0, 1]. The mean covers about 1/(1−d) steps; 0 gives θ_t, and 1 gives
        γ_t = 1/t, the plain mean of all (Polyak and Ruppert).
    t : int
        The number of this update, from 1; JAX may trace it.

    Raises
    ------
    InputError
        If ``decay`` is not in [0, 1].

    Source: Kingma and Ba (2015), sections 3 and 7.2; Polyak and Juditsky (1992),
    "Acceleration of stochastic approximation by averaging".

    Examples
    --------
    >>> import numpy as np
    >>> mean = np.array([100.0])
    >>> for t, theta in enumerate([1.0, 4.0, 8.0], start=1):
    ...     mean = average(np, mean, np.array([theta]), 0.5, t)
    ...     print(mean)  # 1, (½·1 + 4)/(3/2), (¼·1 + ½·4 + 8)/(7/4)
    [1.]
    [3.]
    [5.85714286]
    """
    d = in_interval("average", "decay", decay, "[0, 1]", 0.999)
    t = python_number(t)
    gain = 1.0 / t if d == 1.0 else (1.0 - d) / one_minus_power(xp, d, t)
    return mean + gain * (theta - mean)
