"""How the drop-in classifier and regressor predict: by the engine, and one row at once."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from deltarule.engines import Predictor, make_predictor
from deltarule.engines.predictor_cache import cached_predictor, predict_cached_row
from deltarule.estimators.incremental import packed_coefficients
from deltarule.estimators.sklearn_helpers import is_sparse
from deltarule.maths import Network
from deltarule.maths.input_checks import check_rows

__all__ = ["PredictingMLP"]


class PredictingMLP(BaseEstimator, metaclass=ABCMeta):
    """Predictions from ``coefs_`` and ``intercepts_`` as they are when they are asked for."""

    network_: Network
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    engine: Any

    @abstractmethod
    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        """From outputs to predictions."""

    def _packed(self, net: Network) -> np.ndarray:
        return packed_coefficients(net, self.coefs_, self.intercepts_)

    def _forward(self, X: Any) -> np.ndarray:
        """a^L for checked rows; sparse ones are made dense a piece at a time."""
        net = self.network_
        arrays = _all_arrays(self.coefs_, self.intercepts_)
        predictor = cached_predictor(self, net, arrays, lambda: self._packed(net), self.engine)

        def dense(rows: Any) -> np.ndarray:
            return check_rows(net, rows.toarray() if is_sparse(rows) else rows)

        return predictor.outputs(X, dense)

    def _at_once(self, X: Any) -> np.ndarray | None:
        """a^L for one row, where no check could fail; None is left to those who check.

        scikit-learn's checks take a hundred times as long as a small network. What they look
        for is looked for here too: whether the estimator is fitted, on arrays without names, and
        X is finite and of the right width.
        """
        own = self.__dict__
        if type(X) is not np.ndarray or "coefs_" not in own or "feature_names_in_" in own:
            return None
        net: Network | None = own.get("network_")
        if net is None or own.get("n_features_in_") != net.n_inputs:
            return None
        arrays = _all_arrays(own["coefs_"], own.get("intercepts_"))
        return predict_cached_row(self, net, arrays, own["engine"], X)

    def _outputs(self, X: Any) -> np.ndarray:
        found = self._at_once(X)
        if found is not None:
            return found
        check_is_fitted(self)
        rows = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._forward(rows.tocsr() if is_sparse(rows) else rows)

    def predict(self, X: Any) -> np.ndarray:
        """Predict.

        A row has the same bits alone and among any others. One row in a C-contiguous array of the
        type that was fitted, without names of features, takes a few microseconds; see also
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
        """A predictor with the coefficients of now, for ``compile_predictor``."""
        check_is_fitted(self)
        return make_predictor(self.network_, self._packed(self.network_), self.engine)


def _all_arrays(coefs: Any, intercepts: Any) -> list[Any]:
    """All that θ is made of; none where it is no lists of arrays, which is refused later."""
    usable = isinstance(coefs, list | tuple) and isinstance(intercepts, list | tuple)
    return [*coefs, *intercepts] if usable else []
