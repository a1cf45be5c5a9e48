"""How far what a graph computes may lie from what the model computes.

The same formula, computed in another order, differs by rounding: z of an output by at most
64 eps · (Σ_k |w_k| |a_k| + |b|). These bounds are passed on through the output activation, the mean
of an ensemble and the decoding, by the model's own functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deltarule.maths import Network
from deltarule.maths.namespace import numpy_namespace

__all__ = ["FACTOR", "Bounds", "network_bounds", "through"]

FACTOR = 64
"""The most rounding errors, each of the size of the scale times eps, that count as equal."""


# For more entries than these, a function is not evaluated for each of them.
_MANY = 30


class Bounds(NamedTuple):
    """The least and the largest value that counts as equal, arrays of one shape."""

    low: np.ndarray
    high: np.ndarray


def network_bounds(net: Network, theta: np.ndarray, X: np.ndarray) -> Bounds:
    """Return bounds on a network's outputs a^L for rows X, shape (N, n_L).

    The scale of z_j^L is Σ_k |w_jk| |a_k| + |b_j|, plus what rounding in the hidden layers makes
    of it: the change of z_j^L where each hidden z differs by eps times its own scale.

    Examples
    --------
    >>> net = Network([2, 1], activation=[])
    >>> found = network_bounds(net, net.pack(W=[[[1, -3]]], b=[[2]]), np.array([[1.0, 1.0]]))
    >>> ((found.high - found.low) / 2 / np.finfo(float).eps).round(3)
    array([[384.]])
    """
    eps = float(np.finfo(net.dtype).eps)
    xp = numpy_namespace(np.float64)
    activations = [g.bind(xp) for g in net.activations if g is not None]
    W, b = net.unpack(np.asarray(theta, dtype=np.float64))
    rng = np.random.default_rng(0)

    def last_z(rounding: float) -> tuple[np.ndarray, np.ndarray]:
        """Return z^L and its scale, where each hidden z is changed by so much of its scale."""
        a = np.asarray(X, dtype=np.float64)
        for layer, g in enumerate(activations, start=1):
            z, scale = a @ W[layer].T, np.abs(a) @ np.abs(W[layer]).T
            if net.bias:
                z, scale = z + b[layer], scale + np.abs(b[layer])
            if layer < net.n_layers:
                # Not 0 times an infinite scale, which is no number.
                change = rounding * scale * rng.choice([-1.0, 1.0], z.shape) if rounding else 0.0
                a = g.value(z + change)
        return z, scale

    with np.errstate(all="ignore"):
        z, scale = last_z(0.0)
        changes = [np.abs(last_z(eps)[0] - z) / eps for _ in range(3)]
        # Where a scale is infinite, so are the bounds.
        margin = FACTOR * eps * np.nan_to_num(scale + np.maximum.reduce(changes), nan=np.inf)
        ends = Bounds(z - margin, z + margin)
        output = net.output_activation
        found = through(
            activations[-1].value,
            ends,
            mixes=not output.elementwise,
            divides_by_sum=output.name == "softmax",
        )
        # The function of z is rounded too, and some processors make 0 of a subnormal number.
        size = np.maximum(np.abs(found.low), np.abs(found.high))
        slack = 8 * eps * size + float(np.finfo(net.dtype).tiny)
        low, high = found.low - slack, found.high + slack
    return Bounds(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def through(
    function: Callable[[np.ndarray], np.ndarray],
    bounds: Bounds,
    *,
    mixes: bool = True,
    divides_by_sum: bool = False,
) -> Bounds:
    """Return bounds on what a function gives for values within bounds.

    Each entry of its result must be monotone in every entry of its row: it then has its least and
    its largest value where all entries are at their ends; if the function ``mixes`` entries, as
    softmax does, one of them at the opposite end from the others. With ``divides_by_sum`` entry j
    of a result is g(x_j)/Σ_i g(x_i), and for many entries the sums at both ends bound it.

    Examples
    --------
    >>> found = through(lambda x: 1 - x, Bounds(np.array([[1.0]]), np.array([[2.0]])))
    >>> found.low, found.high
    (array([[-1.]]), array([[0.]]))
    """
    low, high = bounds
    ends = [function(low), function(high)]
    n = low.shape[1] if low.ndim > 1 else 1
    if mixes and divides_by_sum and n > _MANY:
        mixed = low.copy()
        mixed[:, ::2] = high[:, ::2]
        between = function(mixed)
        # g of the same entry, over another sum: the quotients of results are those of sums.
        with np.errstate(all="ignore"):
            growth = ends[0][:, 1::2] / between[:, 1::2], between[:, ::2] / ends[1][:, ::2]
        least = np.finfo(np.float64).tiny
        sums = [np.nanmax(np.where(np.isfinite(q), q, least), axis=1) for q in growth]
        ratio = np.maximum(sums[0] * sums[1], 1.0)[:, None]
        return Bounds(ends[0] / ratio, ends[1] * ratio)
    if mixes and n > 1:
        for j in range(n):
            for most, one in ((low, high), (high, low)):
                mixed = most.copy()
                mixed[:, j] = one[:, j]
                ends.append(function(mixed))
    return Bounds(np.minimum.reduce(ends), np.maximum.reduce(ends))
