"""MLPClassifier: scikit-learn's, by changing one import."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import column_or_1d, validate_data

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.estimators.labels import ClassPredictor, labels_of, probabilities_of
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.sklearn_rules import store_parameters
from deltarule.estimators.sources import is_sparse
from deltarule.maths import Loss

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A drop-in for ``sklearn.neural_network.MLPClassifier``.

    C + α/(2 Σs) ‖W‖², with C the weighted mean of the samples' log loss (logistic
    outputs; one for two classes, one per label for several) or cross entropy (softmax).

    Every parameter, attribute and method of scikit-learn's class has its name, order and
    meaning here; the same ``random_state`` draws the same initial weights and order of
    rows, so with ``alpha=0`` a float64 fit without weights gives the same coefficients.
    What is listed as *added* below is more.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int
    activation : str, Activation, or one for each hidden layer
        Any registered activation (scikit-learn knows four).
    solver : str
        ``"lbfgs"``, ``"sgd"`` (with ``momentum`` and ``nesterovs_momentum``), ``"adam"``, or
        any other update rule: ``"adamw"``, ``"rmsprop"``, ``"rprop"``, …
    alpha : float
        The strength of the L2 penalty. **Different:** the penalty is α/(2 Σs) ‖W‖² with Σs
        over the training set, so its strength does not grow as batches get smaller;
        scikit-learn divides by each batch's own Σs.
    batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, \
tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As in scikit-learn.
    loss : str, Loss or mapping
        Added. ``"log_loss"`` is the default; ``"squared_error"`` is ½ Σ (a − y)² here, as in
        scikit-learn's regressor.
    output_activation : str, optional
        Added. By default logistic for two classes and for labels, else softmax.
    dropout : float or sequence of float
        Added. The rate for each hidden layer.
    weight_decay : float, optional
        Added. λ of AdamW, for the solvers adam and adamw.
    class_weight : dict or "balanced", optional
        Added. Weights of the classes, as in scikit-learn's other classifiers.
    scoring : str or callable, optional
        Added. Any scikit-learn scorer, for early stopping; it is handed this estimator
        with the weights of the moment.
    schedule : str, Schedule or mapping, optional
        Added. A schedule of the learning rate, instead of ``learning_rate``.
    clip_norm : float, optional
        Added. The largest norm of a step's gradient.
    averaging : float, optional
        Added. The decay of a moving average of the weights, which then is the model.
    callbacks : sequence of callables, optional
        Added. Called with a ``deltarule.training.Event`` after each epoch.
    engine : str
        Added. Where it runs.
    initial_weights : tuple (coefs, intercepts), optional
        Added. Initial weights, in the shapes of ``coefs_`` and ``intercepts_``.

    Attributes
    ----------
    classes_, coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_, \
best_validation_score_, n_features_in_, feature_names_in_, n_iter_, n_layers_, n_outputs_, \
out_activation_, t_
        As in scikit-learn.
    history_ : History
        Added. Every epoch of the last fit; after ``partial_fit``, the last 256 epochs or so.
    optimizer_reset_ : str
        Added. Why the last ``partial_fit`` began with a fresh optimizer, or ``""``.
    network_ : Network
        Added.
    stopped_ : str
        Added. Why training ended.

    Notes
    -----
    Each batch weighs its rows s_i/(s̄ B), s̄ the mean over the training set, which is an
    unbiased estimate of the whole; scikit-learn divides by the batch's own Σs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from deltarule.estimators import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate_init=0.05, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    _default_loss: ClassVar[str] = "log_loss"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [str, dict, Loss],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        output_activation: Any = None,
        dropout: Any = 0.0,
        weight_decay: float | None = None,
        class_weight: Any = None,
        scoring: Any = None,
        schedule: Any = None,
        clip_norm: float | None = None,
        averaging: float | None = None,
        callbacks: Any = None,
        engine: Any = "auto",
        initial_weights: Any = None,
    ) -> None:
        store_parameters(self, locals())

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=self._dtypes(reset),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            classes = unique_labels(y)
            if self.warm_start and not incremental and set(classes) != set(self.classes_):
                raise InputError(
                    "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
            if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
                raise InputError(
                    "`y` has classes not in `self.classes_`. "
                    f"`self.classes_` has {self.classes_}. 'y' has {classes}."
                )
        return X, self._label_binarizer.transform(y).astype(X.dtype)

    def _row_weights(self, y: Any, sample_weight: Any, X: Any) -> np.ndarray | None:
        s = super()._row_weights(y, sample_weight, X)
        if self.class_weight is None:
            return s
        labels = y.toarray() if is_sparse(y) else np.asarray(y)
        by_class: np.ndarray = compute_sample_weight(self.class_weight, labels)
        return by_class if s is None else s * by_class

    def _default_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _default_loss_name(self) -> str:
        return "cross_entropy" if self.out_activation_ == "softmax" else "log_loss"

    def _decode_targets(self, Y: np.ndarray) -> np.ndarray:
        decoded: np.ndarray = self._label_binarizer.inverse_transform(Y)
        return decoded

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return labels_of(self._label_binarizer, outputs)

    def _default_score(self, y: np.ndarray, predicted: np.ndarray, s: Any) -> float:
        return float(accuracy_score(y, predicted, sample_weight=s))

    @available_if(lambda self: self._check_partial_fit())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over the given rows, going on from where the estimator is.

        Training goes on from ``coefs_`` and ``intercepts_`` as they are: changed in place,
        replaced, averaged over several estimators, or of the best epoch of a fit with early
        stopping. The optimizer's memory (moments, velocities, the counter of steps) is kept
        where they are those that the last call ended with; with ``averaging`` they are the
        average, and what is averaged goes on too. Otherwise, and where ``solver``, ``activation``
        or the loss were changed, the optimizer begins anew: ``optimizer_reset_`` says why, and
        with ``verbose=True`` it is printed. The type of X in the first call stays.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array of shape (n_classes,), optional
            All classes that may ever come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If ``coefs_`` or ``intercepts_`` are no finite numbers of the network's shapes, y
            holds other classes, or ``early_stopping`` or ``class_weight="balanced"`` is
            set, which need all rows at once.
        """
        if self.class_weight == "balanced":
            raise InputError(
                "class_weight='balanced' needs all rows at once and cannot be used in "
                "partial_fit; compute the weights with sklearn.utils.compute_class_weight and "
                "give a dict"
            )
        if _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class (each label), in the order of ``classes_``.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return probabilities_of(self._outputs(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def compile_predictor(self, what: str = "probabilities") -> Predictor | ClassPredictor:
        """A function of one row, or of rows, without scikit-learn's checks: a few microseconds.

        ``predictor(x)`` takes x of shape (n_0,) or (N, n_0). It holds the coefficients of now:
        what becomes of the estimator later does not change it. It can be pickled, and called by
        several threads.

        Parameters
        ----------
        what : str
            ``"probabilities"``, as from :meth:`predict_proba`; ``"labels"``, as from
            :meth:`predict` (for one row, one label); or ``"outputs"``, the network's own a^L,
            which for two classes is the probability of the second one alone, and the quickest.

        Returns
        -------
        callable
            Bit for bit what the method gives.

        Raises
        ------
        NotFittedError, InputError
            If the estimator is not fitted, or ``what`` is none of these.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from deltarule.estimators import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier((16,), learning_rate_init=0.05, random_state=0).fit(X, y)
        >>> model.compile_predictor()(X[0]).shape
        (3,)
        >>> int(model.compile_predictor("labels")(X[0]))
        0
        """
        predictor = self._predictor()
        if what == "outputs":
            return predictor
        return ClassPredictor(predictor, self._label_binarizer, what)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
