"""From a network's outputs to probabilities of classes."""

from __future__ import annotations

import numpy as np

__all__ = ["probabilities_of"]


def probabilities_of(
    outputs: np.ndarray, *, between: bool = True, sums_to_one: bool = True
) -> np.ndarray:
    """Turn outputs into probabilities with a column for each class; one output a gives 1 − a and a.

    Parameters
    ----------
    outputs : array of shape (N, n_L)
    between : bool
        Whether the outputs are between 0 and 1. Others (of identity, tanh …) may lie outside,
        and are replaced by the nearest probabilities.
    sums_to_one : bool
        Whether outputs between 0 and 1 are left as they are, since they add to 1 (softmax) or need
        not (several labels). Otherwise outputs between 0 and 1 are divided by their sum (a row of
        zeros gives equal probabilities), and others are projected on the simplex.

    Notes
    -----
    The projection is p_i = max(o_i − τ, 0), with τ such that Σ_i p_i = 1. The largest output has
    the largest probability; where rounding would make two equal, it is one unit in the last
    place larger.

    Source: Held, Wolfe and Crowder 1974, Validation of subgradient optimization; Duchi et al.
    2008, Efficient projections onto the l1-ball.

    Examples
    --------
    >>> probabilities_of(np.array([[0.25], [1.5]]), between=False)
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    >>> probabilities_of(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.0]]), sums_to_one=False)
    array([[0.5, 0.3, 0.2],
           [0.5, 0.5, 0. ]])
    >>> probabilities_of(np.array([[2.0, 1.5, -3.0]]), between=False, sums_to_one=False)
    array([[0.75, 0.25, 0.  ]])
    """
    if not between and (sums_to_one or outputs.shape[1] == 1):
        outputs = np.clip(outputs, 0, 1)
    if outputs.shape[1] == 1:
        both = np.empty((len(outputs), 2), dtype=outputs.dtype)
        np.subtract(1, outputs[:, 0], out=both[:, 0])
        both[:, 1] = outputs[:, 0]
        return both
    if sums_to_one:
        return outputs
    if not between:
        return _keep_largest(_project_on_simplex(outputs), outputs)
    # Divided by the largest first, so that the sum of a row cannot underflow.
    largest = outputs.max(axis=1, keepdims=True)
    scaled = np.where(largest > 0, outputs / np.where(largest > 0, largest, 1), 1)
    shared: np.ndarray = scaled / scaled.sum(axis=1, keepdims=True)
    return _keep_largest(shared.astype(outputs.dtype, copy=False), outputs)


def _project_on_simplex(outputs: np.ndarray) -> np.ndarray:
    """The nearest points with entries ≥ 0 that add to 1; rows that have them are unchanged."""
    n = outputs.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        total = outputs.sum(axis=1, dtype=np.float64, keepdims=True)
        right = np.abs(total - 1) <= n * np.finfo(outputs.dtype).eps
        right &= (outputs >= 0).all(axis=1, keepdims=True)
        top = outputs.max(axis=1, keepdims=True)
        # Relative to the largest entry; an entry 1 below it becomes 0. Two entries ∞ are equal.
        below = np.where(outputs == top, 0.0, np.subtract(outputs, top, dtype=np.float64))
        below = np.maximum(below, -1.0)
        falling = -np.sort(-below, axis=1)
        excess = np.cumsum(falling, axis=1) - 1
        count = np.arange(1, n + 1)
        last = np.maximum((falling * count > excess).sum(axis=1, keepdims=True), 1)
        tau = np.take_along_axis(excess, last - 1, axis=1) / last
        moved = np.maximum(below - tau, 0.0).astype(outputs.dtype)
    found: np.ndarray = np.where(right, outputs, moved)
    return found


def _keep_largest(shares: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Make the largest output's entry the largest probability where rounding made two equal."""
    first = outputs.argmax(axis=1)
    rows = np.flatnonzero(shares.argmax(axis=1) != first)
    if rows.size:
        shares[rows, first[rows]] = np.nextafter(
            shares[rows].max(axis=1), np.asarray(2, dtype=shares.dtype)
        )
    return shares
