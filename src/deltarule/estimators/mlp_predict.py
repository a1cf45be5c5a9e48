"""The prediction of the drop-in estimators: by the engine, with a short path for one row."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from deltarule.engines import Predictor, make_predictor
from deltarule.engines.predictor_cache import cached_predictor, predict_cached_row
from deltarule.engines.sparse_rows import CsrRows
from deltarule.estimators.incremental import theta_from_coefficients
from deltarule.estimators.sklearn_helpers import validate_rows
from deltarule.exportable import Exportable
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse
from deltarule.maths.input_checks import check_rows

__all__ = ["PredictingMLP"]


class PredictingMLP(Exportable, BaseEstimator, metaclass=ABCMeta):
    """A base class that predicts with the current ``coefs_`` and ``intercepts_``."""

    network_: Network
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    engine: Any

    @abstractmethod
    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn outputs a^L, shape (N, n_L), into predictions."""

    def _current_theta(self, net: Network) -> np.ndarray:
        return theta_from_coefficients(net, self.coefs_, self.intercepts_)

    def _forward(self, X: Any) -> np.ndarray:
        """Compute a^L for checked rows."""
        net = self.network_
        arrays = _all_arrays(self.coefs_, self.intercepts_)
        predictor = cached_predictor(
            self, net, arrays, lambda: self._current_theta(net), self.engine
        )
        if is_sparse(X):
            return predictor.sparse_outputs(CsrRows.checked(net, X))
        return predictor.outputs(X, lambda rows: check_rows(net, rows))

    def _one_row_outputs(self, X: Any) -> np.ndarray | None:
        """Compute a^L for one row without scikit-learn's checks; None where they are needed.

        Those checks take a hundred times as long as a small network. The conditions tested here are
        sufficient for them to pass; otherwise the full checks run, and raise the error.
        """
        attributes = self.__dict__
        if (
            type(X) is not np.ndarray
            or "coefs_" not in attributes
            or "feature_names_in_" in attributes
        ):
            return None
        net: Network | None = attributes.get("network_")
        if net is None or attributes.get("n_features_in_") != net.n_inputs:
            return None
        arrays = _all_arrays(attributes["coefs_"], attributes.get("intercepts_"))
        return predict_cached_row(self, net, arrays, attributes["engine"], X)

    def _outputs(self, X: Any) -> np.ndarray:
        outputs = self._one_row_outputs(X)
        if outputs is not None:
            return outputs
        check_is_fitted(self)
        rows = validate_rows(self, X, accept_sparse=["csr", "csc"])
        return self._forward(rows)

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels or numbers.

        A row gives the same bits alone and among others. One row in a C-contiguous array of the
        fitted dtype, without feature names, takes a few microseconds; see also
        ``compile_predictor``.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.

        Raises
        ------
        NotFittedError, ValueError
            scikit-learn's own, if the estimator is not fitted or X does not fit it.
        """
        return self._decode(self._outputs(X))

    def _predictor(self) -> Predictor:
        """Return a predictor with a copy of the current coefficients, for ``compile_predictor``."""
        check_is_fitted(self)
        return make_predictor(self.network_, self._current_theta(self.network_), self.engine)


def _all_arrays(coefs: Any, intercepts: Any) -> list[Any]:
    """Return the arrays of θ in one list; empty if they are not lists, which is refused later."""
    usable = isinstance(coefs, list | tuple) and isinstance(intercepts, list | tuple)
    return [*coefs, *intercepts] if usable else []
