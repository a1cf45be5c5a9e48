"""Clipping of the gradient by its norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.optimizers.scalars import in_interval

__all__ = ["clip_by_norm", "clipped"]


def clip_by_norm(xp: Any, g: Any, max_norm: float) -> tuple[Any, Any]:
    r"""g · min(1, c/‖g‖) and ‖g‖: the gradient scaled down to a norm of at most c.

    .. math:: g ← g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right),
              \qquad \lVert g \rVert = σ \sqrt{\textstyle\sum_i (g_i/σ)^2},
              \quad σ = \max_i |g_i|

    The norm is the Euclidean norm of the whole gradient, all layers together. Entries are
    divided by σ first, so that their squares neither overflow nor underflow. A gradient within
    the bound is returned unchanged.

    If the norm is not finite, it is returned and nothing is clipped: a finite gradient would
    hide that training diverged.

    Parameters
    ----------
    xp : namespace
        NumPy or ``jax.numpy``.
    g : array, (p,)
        The gradient, penalty included.
    max_norm : float
        c, above 0; ``inf`` clips nothing.

    Returns
    -------
    g : array, (p,)
        In the type of the given g.
    norm : scalar array
        ‖g‖ before clipping, in the same type.

    Raises
    ------
    InputError
        If ``max_norm`` is not above 0.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training
    recurrent neural networks", algorithm 1.

    Examples
    --------
    >>> g, norm = clip_by_norm(np, np.array([3.0, 4.0]), 2.5)
    >>> print(g, norm)
    [1.5 2. ] 5.0
    >>> g, norm = clip_by_norm(np, np.array([3e200, 4e200]), 5.0)
    >>> print(g)
    [3. 4.]
    """
    return clipped(xp, g, in_interval("clip_by_norm", "max_norm", max_norm, "(0, inf]", 1.0))


def clipped(xp: Any, g: Any, c: Any) -> tuple[Any, Any]:
    """:func:`clip_by_norm` without a check of c, which JAX may trace."""
    # Overflow and NaN are valid results, which the caller finds in the norm.
    with np.errstate(all="ignore"):
        largest = xp.max(xp.abs(g), initial=0.0)
        usable = (largest > 0.0) & (largest < math.inf)
        sigma = xp.where(usable, largest, 1.0)
        scaled = g / sigma
        root = xp.where(usable, xp.sqrt(xp.sum(scaled * scaled)), 1.0)
        norm = xp.where(usable, sigma * root, largest)
        too_long = (norm > c) & (norm < math.inf)
        return xp.where(too_long, scaled * (c / root), g), norm
