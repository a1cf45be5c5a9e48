"""The integral of a gradient along straight lines, refined until it is complete."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["integrated"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
# On [0, 1].
_AT, _SHARE = (_NODES + 1) / 2, _WEIGHTS / 2
_ROUNDING = 64 * np.finfo(np.float64).eps


def integrated(
    function: Any, X: np.ndarray, start: np.ndarray, *, tolerance: float, most_points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x − x′) ⊙ ∫₀¹ ∇f(x′ + t (x − x′)) dt for each row x.

    Every row begins as one piece [0, 1]. On a piece [s, t], Σ_k A_k should be f at t minus f at
    s; what it lacks is the piece's error. While the sizes of a row's errors add to more than is
    allowed, its worst pieces are halved, all rows side by side.

    Parameters
    ----------
    function : callable
        ``function(points, rows)`` gives f and ∂f/∂x at points on the paths of these rows, and
        ``function.at_a_time`` is how many points it may be given.
    X : array of shape (R, n_0)
    start : array of shape (n_0,)
    tolerance : float
        The share of Σ|A_k|, or of |f(x) − f(x′)| if that is larger, that the errors may add to.
    most_points : int
        The most gradients for one row.

    Returns
    -------
    values : array of shape (R, n_0)
    points : integer array of shape (R,)
    converged : boolean array of shape (R,)
    """
    n, way = len(X), X - start
    values = np.zeros(X.shape)
    used, converged = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=bool)
    # A few rows at a time, so that the pieces of all of them are held at once.
    together = max(function.at_a_time // 8, 1)
    for at in range(0, n, together):
        rows = np.arange(at, min(at + together, n))
        found = _rows(function, start, way, rows, tolerance, most_points)
        values[rows], used[rows], converged[rows] = found
    return values, used, converged


def _rows(
    function: Any,
    start: np.ndarray,
    way: np.ndarray,
    rows: np.ndarray,
    tolerance: float,
    most_points: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(rows)
    total = np.zeros((n, way.shape[1]))
    used, change, largest = np.zeros(n, dtype=np.intp), np.zeros(n), np.zeros(n)
    # What is settled is added to ``total`` and its error kept; what is not waits as a piece.
    settled = np.zeros(n)
    mine, low, high = np.arange(n), np.zeros(n), np.ones(n)
    converged = np.zeros(n, dtype=bool)
    first = True
    while len(mine):
        parts, ends, size = _pieces(function, start, way, rows[mine], low, high)
        np.maximum.at(largest, mine, size)
        used += 8 * np.bincount(mine, minlength=n)
        error = np.abs(parts.sum(axis=1) - ends)
        error = np.where(np.isfinite(error), error, np.inf)
        if first:
            change, first = np.abs(ends), False
        pending = np.bincount(mine, error, n)
        sums = np.zeros_like(total)
        np.add.at(sums, mine, parts)
        allowed = tolerance * np.maximum(np.abs(total + sums).sum(axis=1), change)
        # Rounding f leaves an error that no halving takes away.
        allowed = np.maximum(allowed, _ROUNDING * largest)
        # A piece may have its share of what is allowed, by its length; shorter than 2^-40 it is
        # as good as a point.
        good = error <= allowed[mine] * (high - low)
        done = settled + pending <= allowed
        converged |= done
        spent = used + 16 > most_points
        keep = good | done[mine] | spent[mine] | (high - low < 2.0**-40)
        np.add.at(total, mine[keep], parts[keep])
        settled += np.bincount(mine[keep], np.where(keep, error, 0)[keep], n)
        again = ~keep
        middle = (low[again] + high[again]) / 2
        mine, low, high = (
            np.concatenate([mine[again], mine[again]]),
            np.concatenate([low[again], middle]),
            np.concatenate([middle, high[again]]),
        )
    return total, used, converged


def _pieces(
    function: Any,
    start: np.ndarray,
    way: np.ndarray,
    rows: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A_k of each piece, f at its end minus f at its start, and the size of f there."""
    parts = np.zeros((len(rows), way.shape[1]))
    ends, largest = np.zeros(len(rows)), np.zeros(len(rows))
    size = max(function.at_a_time // 10, 1)
    for at in range(0, len(rows), size):
        piece = slice(at, at + size)
        row, s, t = rows[piece], low[piece], high[piece]
        # Both ends, where only f is wanted, and the eight points between.
        times = np.concatenate([s[:, None], s[:, None] + (t - s)[:, None] * _AT, t[:, None]], 1)
        where = np.repeat(row, 10)
        value, slope = function(start + times.reshape(-1, 1) * way[where], where)
        value = value.reshape(len(row), 10)
        ends[piece] = value[:, -1] - value[:, 0]
        largest[piece] = np.abs(value[:, [0, -1]]).max(axis=1)
        inner = slope.reshape(len(row), 10, -1)[:, 1:-1]
        mean = np.einsum("p,ipk->ik", _SHARE, inner)
        parts[piece] = mean * way[row] * (t - s)[:, None]
    return parts, ends, largest
