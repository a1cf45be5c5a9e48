"""Check of the derivative of each activation and loss against central differences of its value.

A gradient check finds that a block is wrong. If the reason is the formula of an activation or a
loss, this module finds the formula: it compares derivative and differences at the numbers of the
forward pass that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.maths.network import Network, bound_formulas
from deltarule.maths.pass_results import ForwardPass

__all__ = ["EPS", "UNDERFLOW", "wrong_formula", "wrong_loss"]

_STEP = 1e-3
_TOLERANCE = 1e-6
# The distance from 1 to the next float64.
EPS = float(np.finfo(np.float64).eps)
# Subnormal numbers are multiples of this: (1e-300)² is 0.
UNDERFLOW = float(np.finfo(np.float64).smallest_subnormal)

Worst = tuple[float, float, float, tuple[int, int]]


def wrong_formula(xp: Any, net: Network, passed: ForwardPass, Y: Any) -> str | None:
    """A message about the first formula, from the loss backwards, with a wrong derivative.

    Parameters
    ----------
    xp : ArrayNamespace
        NumPy's, in float64.
    net : Network
    passed : ForwardPass
    Y : array of shape (N, n_L)
        Prepared targets.

    Returns
    -------
    str or None
        None if all derivatives agree with the differences.
    """
    activations, loss = bound_formulas(net, xp)
    fused = loss.from_input is not None
    if (found := wrong_loss(xp, net, passed, Y)) is not None:
        return found
    for layer in range(net.n_layers, 0, -1):
        g, record = activations[layer], net.activations[layer]
        assert record is not None
        if layer == net.n_layers and fused:
            continue  # the backward pass does not use its slope
        z, a = passed.Z[layer], passed.G[layer]
        # Unequal ∂C/∂a, so that exchanged outputs of a mixing activation are noticed.
        up = np.ones_like(z) if record.elementwise else np.ones_like(z) + np.arange(z.shape[1])
        derivative = g.pullback(z, a, up)
        worst = _worst_entry(z, _weighted(g.value, up), derivative, z, record.kinks)
        if worst is not None:
            x, given, difference, (row, j) = worst
            what = "slope" if record.elementwise else "pullback"
            return (
                f"The {what} of activation {str(record)!r} (layer {layer}) is not that of its "
                f"value: at z = {x:.9g} (row {row}, node {j}) it gives {given:.9g}, the "
                f"difference {difference:.9g}."
            )
    return None


def wrong_loss(
    xp: Any, net: Network, passed: ForwardPass, Y: Any, present: Any = None
) -> str | None:
    """A message about the loss if its derivative is wrong, else None.

    Parameters
    ----------
    xp : ArrayNamespace
        NumPy's, in float64.
    net : Network
    passed : ForwardPass
    Y : array of shape (N, n_L)
        Prepared targets.
    present : boolean array of shape (N,), optional
        The rows to check; all if left out.
    """
    _, loss = bound_formulas(net, xp)
    fused = loss.from_input is not None
    at, terms = (passed.Z[-1], loss.from_input) if fused else (passed.G[-1], loss.from_output)
    residual = passed.G[-1] - Y
    if present is not None:
        at, residual, Y = at[present], residual[present], Y[present]
    with np.errstate(all="ignore"):
        derivative = terms(at, Y)[1]
        # The scale of a step is |x| or |a − y|, which may be 1e150 or 1e-150.
        sizes = [np.maximum(1, np.abs(at)), np.abs(at), np.abs(residual)]
        worst = _worst_entry(
            at, lambda x: terms(x, Y)[0], derivative, residual, net.loss.kink_values(), sizes
        )
    if worst is None:
        return None
    x, given, difference, (row, j) = worst
    return (
        f"The derivative of loss {str(net.loss)!r} is not that of its value: at "
        f"{'z' if fused else 'a'} = {x:.9g}, y = {float(Y[row, j]):.9g} it gives {given:.9g}, "
        f"the difference {difference:.9g}."
    )


def _weighted(value: Callable[[Any], Any], up: np.ndarray) -> Callable[[Any], Any]:
    return lambda z: up * value(z)


def _worst_entry(
    x: np.ndarray,
    value: Callable[[Any], Any],
    derivative: np.ndarray,
    where: np.ndarray,
    kinks: tuple[float, ...],
    sizes: list[np.ndarray] | None = None,
) -> Worst | None:
    """The entry of x at which ∂/∂x_ij Σ_j value differs most from ``derivative``.

    Returns (x, derivative, difference, index) there; None if all agree within tolerance.
    """
    if not x.size:
        return None
    difference, uncertain = np.zeros_like(x), np.full(x.shape, np.inf)
    for size in sizes or [np.maximum(1, np.abs(x))]:
        found, by = _differences(x, value, _STEP * size)
        near = np.zeros(x.shape, dtype=bool)
        for kink in kinks:
            near |= np.abs(where - kink) <= 2 * _STEP * size
        better = ~near & np.isfinite(found) & (by < uncertain)
        difference = np.where(better, found, difference)
        uncertain = np.where(better, by, uncertain)
    gap = np.abs(derivative - difference)
    scale = np.maximum(np.abs(derivative), np.abs(difference))
    allowed = _TOLERANCE * scale + uncertain
    excess = np.where(gap > allowed, gap / np.where(scale > 0, scale, 1), 0)
    # A derivative that is not finite is wrong where the difference is.
    excess = np.where(~np.isfinite(derivative) & np.isfinite(uncertain), np.inf, excess)
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    entry = (int(row), int(column))
    if not excess[entry] > 0:
        return None
    return float(x[entry]), float(derivative[entry]), float(difference[entry]), entry


def _differences(
    x: np.ndarray, value: Callable[[Any], Any], steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """∂/∂x_ij Σ_j value by extrapolated central differences, and the uncertainties; like x."""
    difference, uncertain = np.empty_like(x), np.empty_like(x)
    for j in range(x.shape[1]):
        h = np.zeros_like(x)
        h[:, j] = steps[:, j]
        slopes, size = [], np.zeros(len(x))
        for n in (1, 2, 4):
            up, down = x + h / n, x - h / n
            plus, minus = value(up), value(down)
            slopes.append((plus - minus).sum(axis=1) / (up - down)[:, j])
            size = np.maximum(size, np.maximum(np.abs(plus), np.abs(minus)).sum(axis=1))
        R1, R2 = (4 * slopes[1] - slopes[0]) / 3, (4 * slopes[2] - slopes[1]) / 3
        difference[:, j] = (16 * R2 - R1) / 15
        uncertain[:, j] = np.abs(R2 - R1) + 64 * (EPS * size + UNDERFLOW) / h[:, j]
    return difference, uncertain
