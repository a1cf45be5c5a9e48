"""MLPRegressor: a drop-in replacement for scikit-learn's."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from deltarule.engines import Predictor
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.mlp_parameters import with_shared_parameters
from deltarule.estimators.sklearn_helpers import validate_numbers
from deltarule.estimators.sklearn_rules import loss_record
from deltarule.maths import ACTIVATIONS, Loss

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, BaseMLP):
    """A drop-in for ``sklearn.neural_network.MLPRegressor``.

    C + α/(2 Σs) ‖W‖², with C the weighted mean of the samples' loss, summed over outputs.

    The attributes, and what is added to scikit-learn's, are those of :class:`MLPClassifier`,
    except for classes.

    Parameters
    ----------
    loss : str, Loss or mapping
        ``"squared_error"`` is ½ Σ (a − y)², as in scikit-learn; ``"poisson"`` has the output
        activation exp. Added: any registered loss by its name, ``"absolute_error"``, ``"huber"``,
        ``"quantile"`` …, records and mappings. The output activation is then by default identity,
        or what the loss goes with: logistic with ``"log_loss"``, softmax with ``"cross_entropy"``.
        **Different:** the loss is the sum over outputs and the gradient is its gradient, for
        any number of outputs; scikit-learn reports the mean over outputs and descends the
        sum. The poisson loss leaves out the constant y log y − y.
    {shared}
    output_activation : str, optional
        Added. By default identity, or the first that goes with the loss.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from deltarule.estimators import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", max_iter=400,
    ...                      learning_rate_init=0.01, alpha=1.0, random_state=0)
    >>> model.fit(X * 20, y / 100).score(X * 20, y / 100) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(BaseMLP._parameter_constraints)

    @with_shared_parameters
    def __init__(self, loss: Any = "squared_error", *args: Any, **shared: Any) -> None: ...

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_numbers(
            self,
            X,
            y,
            "TabularRegressor",
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=self._dtypes(reset),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        Y = y.astype(X.dtype)
        return X, Y[:, None] if Y.ndim == 1 else Y

    def _loss(self) -> Loss:
        return loss_record(self.loss)

    def _default_output(self) -> str:
        """Identity, or the first output activation that the loss allows."""
        loss = self._loss()
        return "identity" if loss.accepts(ACTIVATIONS.get("identity")) else loss.outputs[0]

    def _decode_targets(self, Y: np.ndarray) -> np.ndarray:
        return Y[:, 0] if Y.shape[1] == 1 else Y

    def _nearest_median(self, predicted: np.ndarray) -> np.ndarray:
        """The column nearest the median where a loss gives several quantiles for a target."""
        levels = self.network_.loss.settings.get("levels", (0.5,))
        if len(levels) == 1:
            return predicted
        middle = int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
        columns = predicted[:, middle :: len(levels)]
        return columns[:, 0] if columns.shape[1] == 1 else columns

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; with several quantiles, of the one nearest the median.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        predicted = self._nearest_median(self.predict(X))
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _default_score(self, y: np.ndarray, predicted: np.ndarray, s: Any) -> float:
        return float(r2_score(y, self._nearest_median(predicted), sample_weight=s))

    def compile_predictor(self) -> Predictor:
        """Make a fast prediction function without scikit-learn's checks: about a microsecond a row.

        ``predictor(x)`` takes x of shape (n_0,) and returns (n_L,), or (N, n_0) and returns
        (N, n_L): the bits of :meth:`predict`, also with a single column. It holds a copy of the
        coefficients, can be pickled, and can be called by several threads.

        Returns
        -------
        Predictor

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from deltarule.estimators import MLPRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", alpha=10.0,
        ...                      max_iter=2000, random_state=0)
        >>> predictor = model.fit(X * 20, y / 100).compile_predictor()
        >>> bool(predictor(20 * X[0])[0] == model.predict(20 * X[:1])[0])
        True
        """
        return self._predictor()

    @available_if(lambda self: self._check_partial_fit())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on the given rows, from the current coefficients.

        As :meth:`MLPClassifier.partial_fit`: the optimizer's state is kept if ``coefs_`` and
        ``intercepts_`` are unchanged; otherwise ``optimizer_reset_`` says why it is not.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        InputError
            If ``coefs_`` or ``intercepts_`` are not finite or have other shapes, or
            ``early_stopping`` is set.
        """
        return self._fit(X, y, sample_weight, incremental=True)
