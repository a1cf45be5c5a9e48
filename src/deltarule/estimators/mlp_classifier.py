"""MLPClassifier: a drop-in replacement for scikit-learn's."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted, column_or_1d

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.estimators.class_weights import class_weights, row_class_weights
from deltarule.estimators.labels import ClassPredictor, LabelCoding
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.mlp_parameters import with_shared_parameters
from deltarule.estimators.sklearn_helpers import validate_numbers
from deltarule.estimators.sklearn_rules import check_classification_loss, loss_record
from deltarule.estimators.soft_targets import soft_classes, soft_indicators, soft_labels
from deltarule.maths import ACTIVATIONS, LOSSES, Loss

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
    {shared}
    loss : str, Loss or mapping
        Added. ``"log_loss"``, the default, is scikit-learn's: log_loss of logistic outputs and
        cross_entropy of softmax. ``"squared_error"`` is ½ Σ (a − y)² here, as in scikit-learn's
        regressor. Any other name, record or mapping such as
        ``{"name": "log_loss", "smoothing": 0.1}`` is the registered loss of that name.
        ``{"name": "weighted_log_loss", "positive_weight": [1.0, 5.0]}`` weights the terms of rows
        that have a label, label by label (one number for all, or for two classes).
    output_activation : str, optional
        Added. By default logistic for two classes and for labels, else softmax; the other one
        where the loss allows only that. With softmax two classes have two outputs.
    class_weight : dict, list of dict or "balanced", optional
        Added. Weights of the classes, as in scikit-learn's ``SGDClassifier``; they multiply
        ``sample_weight``, of validation rows too. For rows with several labels, as in
        scikit-learn's forests, a list with {0: weight, 1: weight} for each label, or
        ``"balanced"`` for each; or a dict with the weights of the rows that have a label. A row's
        weight is the product over the labels.
    soft_targets : bool or array-like of labels
        Added. Whether y holds probabilities of classes: a column for each class, or for two
        classes the probability of the second. ``classes_`` are then 0, 1, …, or the labels given
        here or to ``partial_fit``; ``score`` and scorers compare with the most probable class.

    Attributes
    ----------
    classes_, coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_, \
best_validation_score_, n_features_in_, feature_names_in_, n_iter_, n_layers_, n_outputs_, \
out_activation_, t_
        As in scikit-learn.
    history_ : History
        Added. The epochs of the last fit; after ``partial_fit``, about the last 256.
    optimizer_reset_ : str
        Added. Why the last ``partial_fit`` started with a fresh optimizer, or ``""``.
    network_ : Network
        Added.
    class_weight_ : ndarray or None
        Added. The weight of each class, or (labels) of the absence and presence of each.
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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [None, dict, list, tuple, StrOptions({"balanced"})],
        "soft_targets": ["boolean", "array-like"],
    }

    @with_shared_parameters
    def __init__(
        self, *args: Any, class_weight: Any = None, soft_targets: Any = False, **shared: Any
    ) -> None: ...

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_numbers(
            self,
            X,
            y,
            "TabularClassifier",
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=self._dtypes(reset),
            reset=reset,
        )
        new = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        if self._is_soft():
            indicators = soft_indicators(y)
            if new:
                self._learn_classes(soft_classes(self.soft_targets, indicators.shape[1]))
            elif indicators.shape[1] != len(self.classes_):
                raise InputError(
                    f"y has the probabilities of {indicators.shape[1]} classes; expected "
                    f"{len(self.classes_)}, as in the previous call: {self.classes_}"
                )
            coding = self._make_coding()
            return X, coding.targets_of_indicators(indicators).astype(X.dtype)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if new:
            self._learn_classes(y)
        else:
            self._check_classes(y, incremental)
        return X, self._make_coding().targets(y).astype(X.dtype)

    def _is_soft(self) -> bool:
        given = self.soft_targets
        return bool(given) if isinstance(given, bool | np.bool_) else True

    def _learn_classes(self, labels: Any) -> None:
        """Learn the classes from labels."""
        try:
            self._label_binarizer = LabelBinarizer().fit(labels)
        except TypeError as error:  # labels of several kinds, which have no order
            raise InputError(
                f"y holds labels that cannot be sorted ({error})",
                parameter="y",
                expected="labels of one kind, such as texts or whole numbers",
            ) from None
        except ValueError as error:
            kind = type_of_target(labels)
            if not kind.startswith("continuous"):
                raise
            raise InputError(
                f"Unknown label type: {kind}. y holds numbers that are not whole; expected "
                "labels of classes, or a column of 0 and 1 for each label. Quantities are for "
                "MLPRegressor; if they are probabilities of classes, set soft_targets=True"
            ) from error
        self.classes_ = self._label_binarizer.classes_

    def _check_classes(self, y: Any, incremental: bool) -> None:
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

    def _make_coding(self) -> LabelCoding:
        """The assignment of outputs to classes, made once in a fit from its parameters."""
        if "_coding" not in self.__dict__:
            kind = self._label_binarizer.y_type_
            check_classification_loss(loss_record(self.loss), kind, len(self.classes_))
            self._coding = LabelCoding(self._label_binarizer, self._choose_output())
        return self._coding

    def _row_weights(
        self, y: Any, sample_weight: Any, X: Any, learn: bool = False
    ) -> np.ndarray | None:
        s = super()._row_weights(y, sample_weight, X, learn)
        if self.class_weight is None:
            if learn:
                self.class_weight_: np.ndarray | None = None
            return s
        coding = self._coding
        indicators = soft_indicators(y) if self._is_soft() else coding.indicators(y)
        weights = None if learn else getattr(self, "class_weight_", None)
        if weights is None:
            weights = class_weights(
                self.class_weight, self.classes_, indicators, multilabel=coding.multilabel
            )
            self.class_weight_ = weights
        from_classes = row_class_weights(weights, indicators)
        return from_classes if s is None else s * from_classes

    def _default_output(self) -> str:
        """Logistic for two classes and labels, else softmax; the other one if the loss needs it."""
        kind = self._label_binarizer.y_type_
        usual = ["softmax", "logistic"] if kind == "multiclass" else ["logistic", "softmax"]
        if self._is_task_loss():
            return usual[0]
        loss = loss_record(self.loss)
        return next((g for g in usual if loss.accepts(ACTIVATIONS.get(g))), usual[0])

    def _is_task_loss(self) -> bool:
        """Whether ``loss`` is ``"log_loss"``, which for softmax means cross_entropy."""
        return isinstance(self.loss, str) and self.loss == "log_loss"

    def _loss(self) -> Loss:
        softmax = ACTIVATIONS.get(self.out_activation_).name == "softmax"
        if softmax and self._is_task_loss():
            return LOSSES.get("cross_entropy")
        return loss_record(self.loss)

    def _classes_to_stratify(self, Y: np.ndarray) -> np.ndarray | None:
        # As in scikit-learn. Soft targets are not stratified: a class may have a single row.
        return self._decode_targets(Y) if self._coding.stratify and not self._is_soft() else None

    def _decode_targets(self, Y: np.ndarray) -> np.ndarray:
        return self._coding.labels(Y)

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return self._coding.labels(outputs)

    def _default_score(self, y: np.ndarray, predicted: np.ndarray, s: Any) -> float:
        return float(accuracy_score(y, predicted, sample_weight=s))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy: the share of rows whose class (with soft targets, likeliest) is predicted.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels; or, with ``soft_targets``, also probabilities as ``fit`` takes them.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        if self._is_soft():
            check_is_fitted(self)
            y = soft_labels(y, self.classes_)
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    @available_if(lambda self: self._check_partial_fit())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on the given rows, from the current coefficients.

        Training continues from ``coefs_`` and ``intercepts_`` as they are, also if they were
        changed, replaced, or are from the best epoch of a fit with early stopping. The optimizer's
        state (moments, velocities, the counter of steps, with ``averaging`` the parameters behind
        the average) is kept if they are unchanged since the last call. Otherwise, and after a
        change of ``solver``, ``activation`` or loss, the optimizer starts fresh:
        ``optimizer_reset_`` says why, and ``verbose=True`` prints it. The dtype of the first call
        is kept.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array of shape (n_classes,), optional
            All classes of this and of later calls; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If ``coefs_`` or ``intercepts_`` are not finite or have other shapes, y holds other
            classes, or ``early_stopping`` or ``class_weight="balanced"`` is set, which need all
            rows at once.
        """
        if self.class_weight == "balanced":
            raise InputError(
                "class_weight='balanced' needs all rows at once and cannot be used in "
                "partial_fit; compute the weights with sklearn.utils.compute_class_weight and "
                "give a dict"
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _begin_partial_fit(self, y: Any, classes: Any) -> None:
        if self._is_soft() and not hasattr(self, "classes_"):
            if classes is not None:  # else there are as many as columns of y
                self._learn_classes(soft_classes(classes, len(classes)))
        elif self._is_soft() and classes is None:
            return
        elif _check_partial_fit_first_call(self, classes):
            self._learn_classes(y if type_of_target(y).startswith("multilabel") else classes)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class or label, in the order of ``classes_``.

        Outputs of identity or tanh are replaced by the nearest probabilities: clipped to [0, 1],
        and for several classes projected on the simplex. Logistic outputs of more than two
        classes are divided by their sum. The class that :meth:`predict` gives has the largest
        probability.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs = self._outputs(X)  # checks that the estimator is fitted
        return self._coding.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def compile_predictor(self, what: str = "probabilities") -> Predictor | ClassPredictor:
        """Make a fast prediction function without scikit-learn's checks: a few microseconds a row.

        ``predictor(x)`` takes x of shape (n_0,) or (N, n_0). It holds a copy of the coefficients,
        can be pickled, and can be called by several threads.

        Parameters
        ----------
        what : str
            ``"probabilities"``, as from :meth:`predict_proba`; ``"labels"``, as from
            :meth:`predict` (for one row, one label); or ``"outputs"``, the network's own a^L,
            which for two classes is the probability of the second one alone (with softmax, of
            both), and the quickest.

        Returns
        -------
        callable
            Bit for bit what the method gives.

        Raises
        ------
        NotFittedError, InputError
            If the estimator is not fitted, or ``what`` is something else.

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
        return ClassPredictor(predictor, self._coding, what)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
