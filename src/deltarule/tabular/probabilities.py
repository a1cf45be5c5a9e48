"""From a network's outputs to probabilities of classes."""

from __future__ import annotations

import numpy as np

__all__ = ["probabilities_of"]


def probabilities_of(
    outputs: np.ndarray, *, in_unit_interval: bool = True, normalise: bool = False
) -> np.ndarray:
    """Turn outputs into probabilities with a column for each class; one output a gives 1 − a and a.

    Outputs, shape (N, n_L), that are not ``in_unit_interval`` (of identity, tanh …) are replaced by
    the nearest probabilities. With ``normalise``, several outputs are changed so that they add to
    1: outputs between 0 and 1 are divided by their sum (a row of zeros gives equal probabilities),
    and others are projected on the simplex. Softmax and multilabel outputs need no normalisation.

    Notes
    -----
    The projection is p_i = max(o_i − τ, 0), with τ such that Σ_i p_i = 1. The largest output has
    the largest probability; where rounding would make two equal, it is one unit in the last
    place larger.

    Source: Held, Wolfe and Crowder 1974, Validation of subgradient optimization; Duchi et al.
    2008, Efficient projections onto the l1-ball.

    Examples
    --------
    >>> probabilities_of(np.array([[0.25], [1.5]]), in_unit_interval=False)
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    >>> probabilities_of(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.0]]), normalise=True)
    array([[0.5, 0.3, 0.2],
           [0.5, 0.5, 0. ]])
    >>> probabilities_of(np.array([[2.0, 1.5, -3.0]]), in_unit_interval=False, normalise=True)
    array([[0.75, 0.25, 0.  ]])
    """
    if not in_unit_interval and (not normalise or outputs.shape[1] == 1):
        outputs = np.clip(outputs, 0, 1)
    if outputs.shape[1] == 1:
        both = np.empty((len(outputs), 2), dtype=outputs.dtype)
        np.subtract(1, outputs[:, 0], out=both[:, 0])
        both[:, 1] = outputs[:, 0]
        return both
    if not normalise:
        return outputs
    if not in_unit_interval:
        return _keep_largest(_project_on_simplex(outputs), outputs)
    # Divided by the largest first, so that the sum of a row cannot underflow.
    largest = outputs.max(axis=1, keepdims=True)
    scaled = np.where(largest > 0, outputs / np.where(largest > 0, largest, 1), 1)
    normalised: np.ndarray = scaled / scaled.sum(axis=1, keepdims=True)
    return _keep_largest(normalised.astype(outputs.dtype, copy=False), outputs)


def _project_on_simplex(outputs: np.ndarray) -> np.ndarray:
    """Return the nearest points with entries ≥ 0 that add to 1; such points are unchanged."""
    n = outputs.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        total = outputs.sum(axis=1, dtype=np.float64, keepdims=True)
        valid = np.abs(total - 1) <= n * np.finfo(outputs.dtype).eps
        valid &= (outputs >= 0).all(axis=1, keepdims=True)
        top = outputs.max(axis=1, keepdims=True)
        # Entries relative to the largest one; one that is smaller by 1 or more becomes 0. Two
        # infinite entries are equal.
        below = np.where(outputs == top, 0.0, np.subtract(outputs, top, dtype=np.float64))
        below = np.maximum(below, -1.0)
        descending = -np.sort(-below, axis=1)
        excess = np.cumsum(descending, axis=1) - 1
        count = np.arange(1, n + 1)
        last = np.maximum((descending * count > excess).sum(axis=1, keepdims=True), 1)
        tau = np.take_along_axis(excess, last - 1, axis=1) / last
        moved = np.maximum(below - tau, 0.0).astype(outputs.dtype)
    projected: np.ndarray = np.where(valid, outputs, moved)
    return projected


def _keep_largest(probabilities: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Make the largest output's entry the largest probability where rounding made two equal."""
    first = outputs.argmax(axis=1)
    rows = np.flatnonzero(probabilities.argmax(axis=1) != first)
    if rows.size:
        probabilities[rows, first[rows]] = np.nextafter(
            probabilities[rows].max(axis=1), np.asarray(2, dtype=probabilities.dtype)
        )
    return probabilities
