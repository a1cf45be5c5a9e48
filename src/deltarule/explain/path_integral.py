"""The integral of a gradient along straight lines, refined until it is complete."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["integrate"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
# On [0, 1]: the eight points, and both ends, where f tells what the piece should add to.
_TIMES = np.concatenate([[0.0], (_NODES + 1) / 2, [1.0]])
_SHARES = np.concatenate([[0.0], _WEIGHTS / 2, [0.0]])
_ROUNDING = 64 * np.finfo(np.float64).eps
# A cut so near to an end of a piece, as a share of its length, would leave the piece as it is.
_MARGIN = 1e-6
_SHORTEST = 2.0**-40


class _Pieces(NamedTuple):
    """Parts [low, high] of the ways of some rows, with what the eight points make of them."""

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray
    values: np.ndarray  # A_k of the piece
    error: np.ndarray  # |Σ A_k − (f at high − f at low)|
    change: np.ndarray  # f at high − f at low
    size: np.ndarray  # of f at the ends


def integrate(
    function: Any, X: np.ndarray, start: np.ndarray, *, tolerance: float, most_points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x − x′) ⊙ ∫₀¹ ∇f(x′ + t (x − x′)) dt for each row x.

    Every row begins as one piece [0, 1]. On a piece [s, t], Σ_k A_k should be f at t minus f at
    s; what it lacks is the piece's error. While the errors of a row add, by their size, to more
    than is allowed, its bad pieces are divided, all rows side by side: where a unit passes a kink
    of its activation, or else in the middle. On a straight line z^1 is linear in t, and z^l is
    between the kinks before it, so that a few cuts find all kinks of a network of ReLUs to the
    last digit, and between them eight points are more than enough.

    Parameters
    ----------
    function : object
        ``function.values(points, rows)`` gives f and ``function.slopes(points, rows)`` ∂f/∂x at
        points on the ways of these rows, ``function.weighted(points, layer)`` z^l there,
        ``function.kinks`` the pairs (layer, z), in the order of layers, and
        ``function.at_a_time`` how many points it may be given.
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
    # A few rows at a time, so that the pieces of all of them can be held at once.
    together = max(function.at_a_time // 8, 1)
    with np.errstate(all="ignore"):  # what overflows is not converged, and that is said
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
    """The integrals of some rows. What is settled is added up; what is not waits as a piece."""
    n = len(rows)
    total = np.zeros((n, way.shape[1]))
    used, settled, largest = np.zeros(n, dtype=np.intp), np.zeros(n), np.zeros(n)
    change, converged = np.zeros(n), np.zeros(n, dtype=bool)
    row, low, high = np.arange(n), np.zeros(n), np.ones(n)
    while len(row):
        found = _pieces(function, start, way, rows, row, low, high)
        change = np.abs(found.change) if not used.any() else change
        used += 8 * np.bincount(row, minlength=n)
        np.maximum.at(largest, row, found.size)
        sums = total.copy()
        np.add.at(sums, row, found.values)
        allowed = tolerance * np.fmax(np.abs(sums).sum(axis=1), change)
        # Rounding f leaves an error that no cut takes away.
        allowed = np.fmax(allowed, _ROUNDING * largest)
        allowed = np.where(np.isfinite(allowed), allowed, 0.0)
        done = settled + np.bincount(row, found.error, n) <= allowed
        converged |= done
        good = found.error <= allowed[row] * (high - low)
        again = ~(good | done[row] | (high - low < _SHORTEST))
        again &= _affordable(row, np.where(again, found.error, -1.0), (most_points - used) // 16)
        np.add.at(total, row[~again], found.values[~again])
        settled += np.bincount(row[~again], found.error[~again], n)
        row = row[again]
        cut = _cuts(function, start, way[rows[row]], low[again], high[again])
        low, high = np.concatenate([low[again], cut]), np.concatenate([cut, high[again]])
        row = np.concatenate([row, row])
    return total, used, converged


def _affordable(row: np.ndarray, error: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Which pieces are among the ``most`` worst of their row."""
    order = np.lexsort((-error, row))
    first = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), dtype=np.intp)
    rank[order] = np.arange(len(row)) - first
    return rank < most[row]


def _pieces(
    function: Any,
    start: np.ndarray,
    way: np.ndarray,
    rows: np.ndarray,
    row: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> _Pieces:
    n, points = len(row), len(_TIMES)
    values = np.zeros((n, way.shape[1]))
    change, size = np.zeros(n), np.zeros(n)
    at_once = max(function.at_a_time // points, 1)
    for at in range(0, n, at_once):
        part = slice(at, at + at_once)
        which, length = rows[row[part]], (high - low)[part]
        times = low[part, None] + length[:, None] * _TIMES
        times[:, -1] = high[part]  # to the last digit: the next piece begins there
        ends = np.repeat(which, 2)
        f = function.values(start + times[:, [0, -1]].reshape(-1, 1) * way[ends], ends)
        f = f.reshape(-1, 2)
        change[part] = f[:, 1] - f[:, 0]
        size[part] = np.abs(f).max(axis=1)
        # At the ends, whose share is 0, no slope is needed.
        along, inner = np.repeat(which, points - 2), times[:, 1:-1].reshape(-1, 1)
        slope = function.slopes(start + inner * way[along], along)
        mean = np.einsum("p,ipk->ik", _SHARES[1:-1], slope.reshape(len(which), points - 2, -1))
        values[part] = mean * way[which] * length[:, None]
    error = np.abs(values.sum(axis=1) - change)
    error = np.where(np.isfinite(error), error, np.inf)
    return _Pieces(row, low, high, values, error, change, size)


def _cuts(
    function: Any, start: np.ndarray, way: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Where to divide each piece: at a kink of the first layer that has one, or in the middle.

    Of several the one nearest to the middle. z is taken as linear between the points. A layer is
    computed for those pieces only that have no kink before it.
    """
    cut = np.full(len(low), np.nan)
    for layer, kinks in function.kinks.items():
        open_ = np.flatnonzero(np.isnan(cut))
        at_once = max(function.at_a_time // len(_TIMES), 1)
        for at in range(0, len(open_), at_once):
            own = open_[at : at + at_once]
            # z of the first layer is a straight line along the way: both ends tell all of it.
            shares = _TIMES[[0, -1]] if layer == 1 else _TIMES
            times = low[own, None] + (high - low)[own, None] * shares
            along = np.repeat(own, len(shares))
            z = function.weighted(start + times.reshape(-1, 1) * way[along], layer)
            z = z.reshape(len(own), len(shares), -1)
            for kink in kinks:
                _cut_at(cut, own, times, z - kink)
    return np.where(np.isnan(cut), (low + high) / 2, cut)


def _cut_at(cut: np.ndarray, own: np.ndarray, times: np.ndarray, z: np.ndarray) -> None:
    """Cut the pieces ``own`` where z, of shape (pieces, times, units), is 0, if they are whole."""
    middle = (times[:, 0] + times[:, -1]) / 2
    margin = _MARGIN * (times[:, -1] - times[:, 0])
    above = z > 0
    piece, step, unit = np.nonzero(above[:, 1:] != above[:, :-1])
    before, after = z[piece, step, unit], z[piece, step + 1, unit]
    t = times[piece, step] + before / (before - after) * (
        times[piece, step + 1] - times[piece, step]
    )
    inside = (t > times[piece, 0] + margin[piece]) & (t < times[piece, -1] - margin[piece])
    inside &= np.isnan(cut[own[piece]])
    piece, t = piece[inside], t[inside]
    order = np.argsort(-np.abs(t - middle[piece]), kind="stable")  # the nearest is written last
    cut[own[piece[order]]] = t[order]
