"""Ridge regression by its normal equations: scikit-learn's numbers, without its import."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ridge"]

_PENALTY = 1.0


class Ridge:
    r"""Minimises Σ w_i (y_i − x_i·β − β_0)² + ‖β‖².

    With X of no more columns than rows it repeats the operations of scikit-learn's ``Ridge()``,
    whose import takes longer than most fits; else, and where the equations are singular, it calls
    that.

    Examples
    --------
    >>> X = np.array([[-1.0], [0.0], [1.0]])
    >>> Ridge().fit(X, np.array([0.0, 3.0, 6.0]), np.ones(3)).predict(X)
    array([1., 3., 5.])
    """

    def fit(self, X: Any, y: NDArray[np.float64], sample_weight: NDArray[np.float64]) -> Self:
        """Fit to X of shape (N, n), dense or sparse, y and weights of shape (N,)."""
        if not isinstance(X, np.ndarray) or X.shape[1] > X.shape[0]:
            return self._fit_by_sklearn(X, y, sample_weight)
        from scipy.linalg import LinAlgError, solve

        center, mean = (np.average(each, axis=0, weights=sample_weight) for each in (X, y))
        root = np.sqrt(sample_weight)
        A, b = (X - center) * root[:, None], ((y - mean) * root)[:, None]
        gram = A.T @ A
        gram.flat[:: len(gram) + 1] += _PENALTY
        try:
            self._coef = solve(gram, A.T @ b, assume_a="pos", overwrite_a=True)[:, 0]
        except LinAlgError:
            return self._fit_by_sklearn(X, y, sample_weight)
        self._intercept = mean - center @ self._coef
        return self

    def _fit_by_sklearn(self, X: Any, y: NDArray[Any], sample_weight: NDArray[Any]) -> Self:
        from sklearn import linear_model

        model = linear_model.Ridge(_PENALTY).fit(X, y, sample_weight=sample_weight)
        self._coef, self._intercept = model.coef_, model.intercept_
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The predictions of rows, of shape (N,)."""
        predicted: NDArray[np.float64] = X @ self._coef + self._intercept
        return predicted
