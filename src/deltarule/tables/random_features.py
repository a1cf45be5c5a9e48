"""Random Fourier features of encoded rows: sines and cosines of random mixtures of all features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError

__all__ = ["RandomFeatures"]

# Rows are encoded so many at a time, so that what is computed stays in the processor's cache.
_ROWS = 256
_MOST_PAIRS = 4096


class RandomFeatures:
    """The features sin(x·w_k), cos(x·w_k) of an encoded row x, for k = 1 … K random vectors w_k.

    The components of w_k are independent and normal, with mean 0 and variance s²/d, d the number of
    the table's columns. The mean over k of the products of two rows' features tends to the Gaussian
    kernel exp(−s² |x − x'|²/(2d)): a linear function of the features depends on all columns at
    once.

    Parameters
    ----------
    pairs : int
        K.
    scale : float
        s.
    n_inputs : int
        The number of features of an encoded row.
    n_columns : int
        d.

    Raises
    ------
    InputError
        If K is no whole number from 1 to 4096, or s not above 0.

    Attributes
    ----------
    weights : array of shape (n_inputs, K)
        The components, the same whenever n_inputs, n_columns, K and s are.

    References
    ----------
    Rahimi and Recht (2007), "Random features for large-scale kernel machines".

    Examples
    --------
    >>> features = RandomFeatures(pairs=2000, scale=1.0, n_inputs=3, n_columns=3)
    >>> x = np.array([[0.5, -1.0, 0.0], [1.0, 0.0, 0.5]])
    >>> found = np.zeros((2, 4000))
    >>> features.write(x, found)
    >>> kernel = np.exp(-((x[0] - x[1]) ** 2).sum() / (2 * 3))
    >>> bool(abs(found[0] @ found[1] / 2000 - kernel) < 0.05)
    True
    """

    def __init__(self, pairs: int, scale: float, n_inputs: int, n_columns: int) -> None:
        if not _is_number(pairs, int) or not 0 < pairs <= _MOST_PAIRS:
            raise InputError(
                parameter="random_features",
                given=pairs,
                expected=f"a whole number from 0 to {_MOST_PAIRS}",
            )
        if not _is_number(scale, int, float) or not 0 < scale < np.inf:
            raise InputError(
                parameter="random_scale", given=scale, expected="a finite number above 0"
            )
        self.pairs = pairs
        # Raw numbers of a generator, since NumPy may change how it makes normal numbers of them.
        raw = np.random.Philox(0).random_raw(2 * n_inputs * pairs)
        uniform = ((raw >> 11).astype(np.float64) + 0.5) / 2.0**53
        radius, angle = np.sqrt(-2 * np.log(uniform[::2])), 2 * np.pi * uniform[1::2]
        normal = (radius * np.cos(angle)).reshape(n_inputs, pairs)
        self.weights: NDArray[np.float64] = scale / np.sqrt(n_columns) * normal

    def features(self) -> list[str]:
        """The names of its features: the sines, and the cosines."""
        return [f"(all)={wave} {k}" for wave in ("sin", "cos") for k in range(1, self.pairs + 1)]

    def write(self, X: NDArray[np.floating], out: NDArray[Any]) -> None:
        """Write the features of encoded rows into ``out``, of shape (rows, 2K)."""
        for at in range(0, len(X), _ROWS):
            block = slice(at, at + _ROWS)
            rows = X[block].astype(np.float64)
            angles = np.zeros((len(rows), self.pairs))
            # A feature at a time, and no matrix product: a row's sum does not depend on the others.
            for column, weights in zip(rows.T, self.weights, strict=True):
                angles += column[:, None] * weights
            out[block, : self.pairs], out[block, self.pairs :] = np.sin(angles), np.cos(angles)

    def input_slopes(
        self, found: NDArray[np.float64], slopes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return ∂f/∂x of encoded rows, shape (rows, n_inputs), for a function f of the features.

        ∂f/∂x = Σ_k (cos(x·w_k) ∂f/∂sin_k − sin(x·w_k) ∂f/∂cos_k) w_k

        Parameters
        ----------
        found, slopes : arrays of shape (rows, 2K)
            The features of the rows, and the derivatives of f by them.

        Examples
        --------
        >>> features = RandomFeatures(pairs=1, scale=1.0, n_inputs=1, n_columns=1)
        >>> found = np.zeros((1, 2))
        >>> features.write(np.zeros((1, 1)), found)
        >>> bool(features.input_slopes(found, np.ones((1, 2)))[0, 0] == features.weights[0, 0])
        True
        """
        k = self.pairs
        of_angles = found[:, k:] * slopes[:, :k] - found[:, :k] * slopes[:, k:]
        return np.asarray(of_angles @ self.weights.T)


def _is_number(value: Any, *kinds: type) -> bool:
    """Return whether a value is of one of these kinds, and no truth value."""
    return isinstance(value, kinds) and not isinstance(value, bool)
