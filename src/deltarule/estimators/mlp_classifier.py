"""MLPClassifier: scikit-learn's, by changing one import."""

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
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from deltarule.engines import Predictor
from deltarule.errors import InputError
from deltarule.estimators.class_weights import class_weights, weights_of_rows
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.sklearn_rules import check_loss_of_classes, loss_record, store_parameters
from deltarule.estimators.soft_targets import soft_classes, soft_labels, soft_shares
from deltarule.maths import ACTIVATIONS, LOSSES, Loss
from deltarule.tabular.labels import ClassPredictor, LabelCoding

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
        Added. ``"log_loss"``, the default, is scikit-learn's: log_loss of logistic outputs and
        cross_entropy of softmax. ``"squared_error"`` is ½ Σ (a − y)² here, as in scikit-learn's
        regressor. Any other name, and a record or a mapping such as
        ``{"name": "log_loss", "smoothing": 0.1}``, is the registered loss of that name.
        ``{"name": "weighted_log_loss", "positive_weight": [1.0, 5.0]}`` weighs the terms of rows
        that have a label, label by label (one number for all, or for two classes).
    output_activation : str, optional
        Added. By default logistic for two classes and for labels, else softmax; the other one
        where the loss goes with that alone. With softmax two classes are two outputs.
    dropout : float or sequence of float
        Added. The rate for each hidden layer.
    weight_decay : float, optional
        Added. λ of AdamW, for the solvers adam and adamw.
    class_weight : dict, list of dict or "balanced", optional
        Added. Weights of the classes, as in scikit-learn's ``SGDClassifier``; they multiply
        ``sample_weight``, and validation rows have those of the classes in training. For labels
        of which a row may have several a row's weight is the product over the labels: a list with
        {0: weight, 1: weight} for each, or ``"balanced"`` for each, as in scikit-learn's forests;
        or a dict with the weights of the rows that have a label.
    scoring : str or callable, optional
        Added. Any scikit-learn scorer, or ``f(estimator, X, y)``, for early stopping; it is handed
        this estimator with the weights of the moment. One that takes no ``sample_weight`` scores
        without, and a warning says so.
    schedule : str, Schedule or mapping, optional
        Added. A schedule of the learning rate, instead of ``learning_rate``.
    clip_norm : float, optional
        Added. The largest norm of a step's gradient.
    averaging : float, optional
        Added. The decay of a moving average of the weights, which then is the model.
    callbacks : sequence of callables, optional
        Added. Called with a ``deltarule.training.EpochEvent`` after each epoch.
    engine : str
        Added. Where it runs.
    initial_weights : tuple (coefs, intercepts), optional
        Added. Initial weights, in the shapes of ``coefs_`` and ``intercepts_``.
    l1 : float
        Added. The strength of the L1 penalty α/Σs ‖W‖₁, with any solver but lbfgs.
    soft_targets : bool or array-like of labels
        Added. Whether y holds probabilities of classes: a column for each, or one number for
        each row, of the second of two. ``classes_`` then are 0, 1, …, or the labels that are
        given here or to ``partial_fit``; ``score`` and scorers compare with the most probable.

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
        l1: float = 0.0,
        soft_targets: Any = False,
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
        new = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        if self._is_soft():
            shares = soft_shares(y)
            if new:
                self._know(soft_classes(self.soft_targets, shares.shape[1]))
            elif shares.shape[1] != len(self.classes_):
                raise InputError(
                    f"y has the probabilities of {shares.shape[1]} classes; expected "
                    f"{len(self.classes_)}, as in the previous call: {self.classes_}"
                )
            coding = self._code()
            return X, coding.targets_of_shares(shares).astype(X.dtype)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if new:
            self._know(y)
        else:
            self._check_known(y, incremental)
        return X, self._code().targets(y).astype(X.dtype)

    def _is_soft(self) -> bool:
        given = self.soft_targets
        return bool(given) if isinstance(given, bool | np.bool_) else True

    def _know(self, labels: Any) -> None:
        """Learn the classes from labels."""
        try:
            self._label_binarizer = LabelBinarizer().fit(labels)
        except ValueError as error:
            kind = type_of_target(labels)
            if not kind.startswith("continuous"):
                raise
            raise InputError(
                f"Unknown label type: {kind}. y holds numbers that are no whole ones; expected "
                "labels of classes, or a column of 0 and 1 for each label. Quantities are for "
                "MLPRegressor; if they are probabilities of classes, set soft_targets=True"
            ) from error
        self.classes_ = self._label_binarizer.classes_

    def _check_known(self, y: Any, incremental: bool) -> None:
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

    def _code(self) -> LabelCoding:
        """Which output stands for which class: settled once in a fit, by its parameters."""
        if "_coding" not in self.__dict__:
            kind = self._label_binarizer.y_type_
            check_loss_of_classes(loss_record(self.loss), kind, len(self.classes_))
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
        shares = soft_shares(y) if self._is_soft() else coding.shares(y)
        weights = None if learn else getattr(self, "class_weight_", None)
        if weights is None:
            weights = class_weights(
                self.class_weight, self.classes_, shares, multilabel=coding.multilabel
            )
            self.class_weight_ = weights
        by_class = weights_of_rows(weights, shares)
        return by_class if s is None else s * by_class

    def _default_output(self) -> str:
        """Logistic for two classes and labels, else softmax; the other one if the loss asks."""
        kind = self._label_binarizer.y_type_
        usual = ["softmax", "logistic"] if kind == "multiclass" else ["logistic", "softmax"]
        if self._is_task_loss():
            return usual[0]
        loss = loss_record(self.loss)
        return next((g for g in usual if loss.accepts(ACTIVATIONS.get(g))), usual[0])

    def _is_task_loss(self) -> bool:
        """Whether the loss is scikit-learn's ``"log_loss"``, which has two names here."""
        return isinstance(self.loss, str) and self.loss == "log_loss"

    def _loss(self) -> Loss:
        softmax = ACTIVATIONS.get(self.out_activation_).name == "softmax"
        if softmax and self._is_task_loss():
            return LOSSES.get("cross_entropy")
        return loss_record(self.loss)

    def _strata(self, Y: np.ndarray) -> np.ndarray | None:
        # As in scikit-learn; a label with a probability of its own may be that of one row alone.
        return self._decode_targets(Y) if self._coding.strata and not self._is_soft() else None

    def _decode_targets(self, Y: np.ndarray) -> np.ndarray:
        return self._coding.labels(Y)

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return self._coding.labels(outputs)

    def _default_score(self, y: np.ndarray, predicted: np.ndarray, s: Any) -> float:
        return float(accuracy_score(y, predicted, sample_weight=s))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose class is predicted; with ``soft_targets``, the most probable.

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
        before = dict(self.__dict__)
        try:
            self._know_first(y, classes)
            return self._fit(X, y, sample_weight, None, incremental=True)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _know_first(self, y: Any, classes: Any) -> None:
        """Learn the classes in the first call of ``partial_fit``; later, see they are the same."""
        if self._is_soft() and not hasattr(self, "classes_"):
            if classes is not None:  # else their number is that of the columns of y
                self._know(soft_classes(classes, len(classes)))
        elif self._is_soft() and classes is None:
            return
        elif _check_partial_fit_first_call(self, classes):
            self._know(y if type_of_target(y).startswith("multilabel") else classes)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class (each label), in the order of ``classes_``.

        Outputs that are no probabilities, of identity or tanh, are estimates of some, and are
        moved to the nearest that are: from 0 to 1, and of several classes with the sum 1 (the
        Euclidean projection on the simplex). Logistic outputs of more than two classes are
        divided by their sum. The class :meth:`predict` gives has the largest.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs = self._outputs(X)  # which sees whether there is a fit
        return self._coding.probabilities(outputs)

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
            which for two classes is the probability of the second one alone (with softmax, of
            both), and the quickest.

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
        return ClassPredictor(predictor, self._coding, what)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
