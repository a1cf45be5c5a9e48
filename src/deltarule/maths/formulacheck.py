"""Which formula is at fault: slopes and loss derivatives against their own values, point by point.

A gradient check says that a block is wrong. This says why, where the fault lies in an
activation or a loss: it compares what the formula gives as its derivative with the
central difference of its value, at the very numbers of the pass that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.maths.network import Network, bound_formulas
from deltarule.maths.passes import ForwardPass

__all__ = ["wrong_formula"]

_STEP = 1e-3
_TOLERANCE = 1e-6

Worst = tuple[float, float, float, tuple[int, int]]


def wrong_formula(xp: Any, net: Network, passed: ForwardPass, Y: Any) -> str | None:
    """A sentence on the first formula, from the loss down, whose derivative is not its value's.

    Parameters
    ----------
    xp : ArrayNamespace
        NumPy's, in float64.
    net : Network
    passed : ForwardPass
        The forward pass that was checked.
    Y : array of shape (N, n_L)
        Prepared targets.

    Returns
    -------
    str or None
        None if every derivative is that of its value.
    """
    activations, loss = bound_formulas(net, xp)
    fused = loss.from_input is not None
    at, terms = (passed.Z[-1], loss.from_input) if fused else (passed.G[-1], loss.from_output)
    kinks = passed.G[-1] - Y, net.loss.kink_values()
    worst = _worst(at, lambda x: terms(x, Y)[0], terms(at, Y)[1], *kinks)
    if worst is not None:
        x, given, difference, (row, j) = worst
        return (
            f"The derivative of loss {str(net.loss)!r} is not that of its value: at "
            f"{'z' if fused else 'a'} = {x:.9g}, y = {float(Y[row, j]):.9g} it gives {given:.9g}, "
            f"the difference {difference:.9g}."
        )
    for layer in range(net.n_layers, 0, -1):
        g, record = activations[layer], net.activations[layer]
        assert record is not None
        if layer == net.n_layers and fused:
            continue  # its slope was not used
        z, a = passed.Z[layer], passed.G[layer]
        # Outputs that mix are told apart by unequal ∂C/∂a.
        up = np.ones_like(z) if record.elementwise else np.ones_like(z) + np.arange(z.shape[1])
        derivative = g.pullback(z, a, up)
        worst = _worst(z, _weighted(g.value, up), derivative, z, record.kinks)
        if worst is not None:
            x, given, difference, (row, j) = worst
            what = "slope" if record.elementwise else "pullback"
            return (
                f"The {what} of activation {str(record)!r} (layer {layer}) is not that of its "
                f"value: at z = {x:.9g} (row {row}, node {j}) it gives {given:.9g}, the "
                f"difference {difference:.9g}."
            )
    return None


def _weighted(value: Callable[[Any], Any], up: np.ndarray) -> Callable[[Any], Any]:
    return lambda z: up * value(z)


def _worst(
    x: np.ndarray,
    value: Callable[[Any], Any],
    derivative: np.ndarray,
    where: np.ndarray,
    kinks: tuple[float, ...],
) -> Worst | None:
    """The entry of x at which ∂/∂x_ij Σ_j value differs most from the derivative, if any does."""
    difference, size = np.empty_like(x), np.abs(value(x)).sum(axis=1, keepdims=True)
    for j in range(x.shape[1]):
        h = np.zeros_like(x)
        h[:, j] = _STEP * np.maximum(1, np.abs(x[:, j]))
        slopes = [
            (value(x + h / n) - value(x - h / n)).sum(axis=1) / (2 * h[:, j] / n) for n in (1, 2)
        ]
        difference[:, j] = (4 * slopes[1] - slopes[0]) / 3
    gap = np.abs(derivative - difference)
    scale = np.maximum(np.maximum(np.abs(derivative), np.abs(difference)), 1e-3 * (1 + size))
    near = np.zeros(x.shape, dtype=bool)
    for kink in kinks:
        near |= np.abs(where - kink) <= 2 * _STEP * np.maximum(1, np.abs(x))
    ratio = np.where(near | ~np.isfinite(difference), 0, gap / scale)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)  # a derivative that is no number
    row, column = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    entry = (int(row), int(column))
    if not ratio[entry] > _TOLERANCE:
        return None
    return float(x[entry]), float(derivative[entry]), float(difference[entry]), entry
