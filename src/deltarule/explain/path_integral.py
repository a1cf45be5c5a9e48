"""Adaptive integration of a gradient along straight lines from the baseline x′ to x."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["integrate"]

_ABSCISSAS, _WEIGHTS = np.polynomial.legendre.leggauss(8)
# On [0, 1]: the eight points, and both ends, where f is evaluated for the exact Σ_k A_k.
_TIMES = np.concatenate([[0.0], (_ABSCISSAS + 1) / 2, [1.0]])
_ROUNDING = 64 * np.finfo(np.float64).eps
# Cuts within this fraction of a piece's length from its ends are not made.
_MARGIN = 1e-6
_SHORTEST = 2.0**-40


class _Paths(NamedTuple):
    """The straight lines x′ + t (x − x′) of all rows, t from 0 to 1."""

    function: Any
    start: np.ndarray  # x′, shape (n_0,)
    direction: np.ndarray  # x − x′ of each row, shape (R, n_0)

    def at(self, times: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The points at ``times``, shape (P,), on the paths of ``rows``, shape (P, n_0)."""
        return self.start + times.reshape(-1, 1) * self.direction[rows]


class _Pieces(NamedTuple):
    """Intervals [low, high] on the paths of some rows, with 8-point Gauss–Legendre integrals.

    A_k = (xₖ − x′_k) ∫ ∂f/∂xₖ dt over the piece is the attribution of input k.
    """

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray
    values: np.ndarray  # A_k of the piece, shape (pieces, n_0)
    error: np.ndarray  # |Σ A_k − (f at high − f at low)|
    change: np.ndarray  # f at high − f at low
    size: np.ndarray  # the largest |f| at the ends


def integrate(
    function: Any, X: np.ndarray, start: np.ndarray, *, tolerance: float, most_points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x − x′) ⊙ ∫₀¹ ∇f(x′ + t (x − x′)) dt for each row x, shape (R, n_0).

    Also returned, each of shape (R,): the number of gradients that were computed, and whether the
    errors add to less than is allowed.

    Every row begins as one piece [0, 1]. On a piece [s, t], Σ_k A_k should be f at t minus f at s;
    the difference is the piece's error. While the absolute errors of a row add to more than is
    allowed, its pieces with large errors are divided, for all rows at once: where a node passes a
    kink of its activation, or else in the middle. On a straight line z^1 is linear in t, and z^l is
    linear between the kinks of earlier layers, so a few cuts find all kinks of a network of ReLUs
    exactly, and between kinks eight points suffice.

    Parameters
    ----------
    function : object
        ``function.values(points, rows)`` gives f and ``function.slopes(points, rows)`` ∂f/∂x at
        points on the paths of these rows, ``function.weighted(points, layer)`` gives z^l there,
        ``function.kinks`` maps layers in order to the z of their kinks, and
        ``function.at_a_time`` is the most points of one call.
    X, start : arrays of shape (R, n_0) and (n_0,)
    tolerance : float
        The fraction of Σ|A_k|, or of |f(x) − f(x′)| if larger, that the errors may add to.
    most_points : int
        The most gradients for one row.
    """
    n, paths = len(X), _Paths(function, start, X - start)
    values = np.zeros(X.shape)
    used, converged = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=bool)
    # Some rows at a time, so that all their pieces fit into memory.
    together = max(function.at_a_time // 8, 1)
    with np.errstate(all="ignore"):  # a row that overflows is reported as not converged
        for at in range(0, n, together):
            rows = np.arange(at, min(at + together, n))
            found = _rows(paths, rows, tolerance, most_points)
            values[rows], used[rows], converged[rows] = found
    return values, used, converged


def _rows(
    paths: _Paths, rows: np.ndarray, tolerance: float, most_points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrate some rows: accurate pieces are added to ``total``, the others are divided."""
    n = len(rows)
    total = np.zeros((n, len(paths.start)))
    used, settled, largest = np.zeros(n, dtype=np.intp), np.zeros(n), np.zeros(n)
    change, converged = np.zeros(n), np.zeros(n, dtype=bool)
    row, low, high = np.arange(n), np.zeros(n), np.ones(n)
    while len(row):
        found = _pieces(paths, rows, row, low, high)
        change = np.abs(found.change) if not used.any() else change
        used += 8 * np.bincount(row, minlength=n)
        np.maximum.at(largest, row, found.size)
        sums = total.copy()
        np.add.at(sums, row, found.values)
        allowed = tolerance * np.fmax(np.abs(sums).sum(axis=1), change)
        # The rounding error of f stays, however small the pieces are.
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
        cut = _cuts(paths, rows[row], low[again], high[again])
        low, high = np.concatenate([low[again], cut]), np.concatenate([cut, high[again]])
        row = np.concatenate([row, row])
    return total, used, converged


def _affordable(row: np.ndarray, error: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Whether each piece is among the ``most`` of its row with the largest errors."""
    order = np.lexsort((-error, row))
    first = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), dtype=np.intp)
    rank[order] = np.arange(len(row)) - first
    return rank < most[row]


def _pieces(
    paths: _Paths, rows: np.ndarray, row: np.ndarray, low: np.ndarray, high: np.ndarray
) -> _Pieces:
    function, n, points = paths.function, len(row), len(_TIMES)
    values = np.zeros((n, len(paths.start)))
    change, size = np.zeros(n), np.zeros(n)
    at_once = max(function.at_a_time // points, 1)
    for at in range(0, n, at_once):
        part = slice(at, at + at_once)
        which, length = rows[row[part]], (high - low)[part]
        times = low[part, None] + length[:, None] * _TIMES
        times[:, -1] = high[part]  # exactly, since the next piece begins there
        ends = np.repeat(which, 2)
        f = function.values(paths.at(times[:, [0, -1]], ends), ends).reshape(-1, 2)
        change[part] = f[:, 1] - f[:, 0]
        size[part] = np.abs(f).max(axis=1)
        # The ends have weight 0, so no slope is needed there.
        along = np.repeat(which, points - 2)
        slope = function.slopes(paths.at(times[:, 1:-1], along), along)
        mean = np.einsum("p,ipk->ik", _WEIGHTS / 2, slope.reshape(len(which), points - 2, -1))
        values[part] = mean * paths.direction[which] * length[:, None]
    error = np.abs(values.sum(axis=1) - change)
    error = np.where(np.isfinite(error), error, np.inf)
    return _Pieces(row, low, high, values, error, change, size)


def _cuts(paths: _Paths, rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where to divide each piece: at a kink of the first layer that has one, or in the middle.

    For each value of z at which the activation has a kink, the crossing nearest to the middle is
    taken, with z interpolated linearly between the points. A layer is computed only for pieces
    that are not cut yet.
    """
    cut = np.full(len(low), np.nan)
    function = paths.function
    for layer, kinks in function.kinks.items():
        open_ = np.flatnonzero(np.isnan(cut))
        at_once = max(function.at_a_time // len(_TIMES), 1)
        for at in range(0, len(open_), at_once):
            own = open_[at : at + at_once]
            # z^1 is linear along the path, so both ends determine it.
            fractions = _TIMES[[0, -1]] if layer == 1 else _TIMES
            times = low[own, None] + (high - low)[own, None] * fractions
            z = function.weighted(paths.at(times, np.repeat(rows[own], len(fractions))), layer)
            z = z.reshape(len(own), len(fractions), -1)
            for kink in kinks:
                _cut_at(cut, own, times, z - kink)
    return np.where(np.isnan(cut), (low + high) / 2, cut)


def _cut_at(cut: np.ndarray, own: np.ndarray, times: np.ndarray, z: np.ndarray) -> None:
    """Cut the uncut pieces of ``own`` where z, shape (pieces, times, nodes), is 0."""
    middle = (times[:, 0] + times[:, -1]) / 2
    margin = _MARGIN * (times[:, -1] - times[:, 0])
    above = z > 0
    piece, step, node = np.nonzero(above[:, 1:] != above[:, :-1])
    before, after = z[piece, step, node], z[piece, step + 1, node]
    t = times[piece, step] + before / (before - after) * (
        times[piece, step + 1] - times[piece, step]
    )
    inside = (t > times[piece, 0] + margin[piece]) & (t < times[piece, -1] - margin[piece])
    inside &= np.isnan(cut[own[piece]])
    piece, t = piece[inside], t[inside]
    order = np.argsort(-np.abs(t - middle[piece]), kind="stable")  # the nearest comes last
    cut[own[piece[order]]] = t[order]
