"""TabularClassifier and TabularRegressor: portfolios of networks for tables as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from deltarule.errors import InputError
from deltarule.estimators.class_weights import class_weights
from deltarule.estimators.sklearn_helpers import scikit_learn_checks
from deltarule.estimators.tabular_base import BaseTabular
from deltarule.maths import Loss
from deltarule.tabular.intervals import interval_levels
from deltarule.tabular.portfolio import Configuration

__all__ = ["TabularClassifier", "TabularRegressor"]

# In the words that scikit-learn's tests of estimators look for.
_NO_TARGET = (
    "the estimator requires y to be passed, but the target y is None; expected one for each row"
)


class TabularClassifier(ClassifierMixin, BaseTabular):  # type: ignore[misc]  # as above
    """A classifier for tables: p = softmax(ln(Σ_k w_k p_k) / T) over a portfolio of networks.

    p_k is the mean of the probabilities of 8 networks of one configuration, each trained without
    one of 8 folds of the rows (5 from 5000 rows on, 4 from 20 000), and kept at its best epoch on
    that fold. The configurations differ in the encoding of numbers, the activation and the layers;
    linear models are among them; only those that promise something on the first folds are trained
    on all. Their weights w_k are chosen greedily by the log loss of the out-of-fold predictions,
    and so is the temperature T.

    Columns are understood as ``deltarule fit`` understands a file: numbers, dates, categories,
    missing cells.

    Parameters
    ----------
    quality : {"default", "fast", "best"}
        ``"fast"`` trains fewer configurations on fewer folds, ``"best"`` more networks of each.
    time_budget : float, optional
        The most seconds of wall-clock time that ``fit`` takes, once a first configuration is
        trained. Which networks are trained within it depends on the clock: it is the one setting
        with which the same seed need not give the same result.
    loss : {"log_loss", "brier"}
        What networks are trained by, and chosen and calibrated by.
    validation : {"auto", "groups", "time"} or splitter
        The rows that each network is not trained on. ``"auto"``: folds at random, of whole groups
        if ``fit`` is given ``groups``; ``"groups"``: the same, and groups must be given.
        ``"time"``: the rows are in the order of time, and five networks are trained on all rows
        before a block of the second half; the first half has no out-of-fold predictions, and its
        rows of ``oof_prediction_`` are NaN. Encodings see all rows, those of categories of many
        levels their targets too. Or an object with scikit-learn's method ``split``.
    class_weight : "balanced" or mapping of label to weight, optional
        Rows of a class have this weight times their own; ``"balanced"`` is N/(K n_k) for n_k of N
        rows. Probabilities are then those of a table with classes of such weights.
    configurations : sequence of Configuration, optional
        What to train, in place of the configurations of the quality.
    kinds : mapping of str to str, optional
        ``"number"``, ``"date"`` or ``"category"`` for columns whose kind would be inferred
        otherwise. The columns of an array are named x0, x1, …
    date_format : str or mapping of str to str, optional
        How dates in text are written, as :func:`~deltarule.tables.infer_schema` takes it.
    random_state : int, RandomState or None
        The seed of folds and networks.
    n_jobs : int, optional
        How many networks are trained at a time: as many as cores if not given or −1, to the same
        result.
    verbose : bool
        Whether to print each configuration when its training begins, and the best loss so far.
    checkpoint : path or deltarule.training.Checkpoint, optional
        A folder for the networks of ``fit``, from which the same call goes on, to the same bits;
        ``random_state`` must be an integer.
    precision : {"full", "bfloat16"}
        Of the matrix products in training, as for :func:`deltarule.train`, of the larger networks;
        ``"bfloat16"`` needs a processor with AVX512-BF16. Predictions have full precision.
    on_divergence : {"halve_learning_rate", "restore_best", "raise"}
        How a network that diverged is trained again, with a ``TrainingWarning``; or an error. If it
        diverges again, its configuration is left out, which the warning says.

    Attributes
    ----------
    classes_ : array of shape (K,)
    n_features_in_ : int
    feature_names_in_ : array of str
        If X had names.
    oof_prediction_ : array of shape (N, K)
        Each training row's probabilities by the networks that were not trained on it; NaN for
        rows without any, if the time budget ended before all folds.
    leaderboard_ : dict of lists
        Configuration, out-of-fold loss, weight, number of networks and seconds.
    portfolio_ : Portfolio
    schema_ : Schema

    References
    ----------
    Caruana et al. (2004), "Ensemble selection from libraries of models"; Breiman (1996), "Bagging
    predictors"; Guo et al. (2017), "On calibration of modern neural networks".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from deltarule import TabularClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = TabularClassifier().fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        quality: str = "default",
        time_budget: float | None = None,
        loss: str | Loss | None = None,
        class_weight: Any = None,
        validation: Any = "auto",
        configurations: Sequence[Configuration] | None = None,
        kinds: Mapping[str, str] | None = None,
        date_format: str | Mapping[str, str] | None = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: bool = False,
        checkpoint: Any = None,
        precision: str = "full",
        on_divergence: str = "halve_learning_rate",
    ) -> None:
        super().__init__(
            quality=quality,
            time_budget=time_budget,
            loss=loss,
            validation=validation,
            configurations=configurations,
            kinds=kinds,
            date_format=date_format,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
            checkpoint=checkpoint,
            precision=precision,
            on_divergence=on_divergence,
        )
        self.class_weight = class_weight

    def _with_class_weights(
        self, weights: NDArray[np.float64] | None, y: NDArray[Any]
    ) -> NDArray[np.float64] | None:
        given = self.class_weight
        if given is None:
            return weights
        if not isinstance(given, Mapping) and given != "balanced":
            raise InputError(
                parameter="class_weight",
                given=given,
                expected="None, 'balanced' or a dict of label to weight",
            )
        rows = np.eye(len(self.classes_))[y]
        indicators = rows if weights is None else rows[weights > 0]
        of_classes = class_weights(given, self.classes_, indicators, multilabel=False)
        return of_classes[y] * (1.0 if weights is None else weights)

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the portfolio.

        Parameters
        ----------
        X : frame, mapping of str to column, or array of shape (N, columns)
            pandas, polars, pyarrow, or what :func:`~deltarule.tables.table_from_frame` takes.
        y : array-like of shape (N,)
            Labels of any type, which predictions have too; of nullable and categorical ones the
            type of the values.
        sample_weight : array-like of shape (N,), optional
        groups : array-like of shape (N,), optional
            Rows of the same group are in the same fold.

        Returns
        -------
        TabularClassifier
            Itself.

        Raises
        ------
        InputError
            If X and y differ in length, y has one class, or a label is missing.
        DataError
            If no column varies, or a column cannot be used.
        """
        labels = _labels(y)
        with scikit_learn_checks("y", "a label for each row"):
            check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        return self._fit(X, codes.astype(np.int64), len(self.classes_), sample_weight, groups)

    def _encoded_target(self, y: Any) -> NDArray[Any]:
        labels = _labels(y)
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise InputError(
                f"y has the labels {unknown[:5].tolist()}, which training did not have; expected "
                f"those of classes_; networks have no output for others: fit again with the old "
                "rows and these"
            )
        return np.searchsorted(self.classes_, labels).astype(np.int64)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class, in the order of ``classes_``; shape (N, K).

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        """
        return self._outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each row, in the type of ``y``; shape (N,).

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        """
        outputs = self._outputs(X)  # refuses an estimator that is not fitted
        labels: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return labels


class TabularRegressor(RegressorMixin, BaseTabular):  # type: ignore[misc]  # as above
    """A regressor for tables: Σ_k w_k f_k over a portfolio of networks.

    f_k is the mean of the networks of one configuration, which are trained as those of
    :class:`TabularClassifier`. The weights w_k are chosen greedily by the squared error of the
    out-of-fold predictions. A prediction lies between the least and the largest target of training.

    Parameters
    ----------
    quality, time_budget, validation, configurations, kinds, date_format, random_state, n_jobs, \
verbose, checkpoint, precision, on_divergence
        As in :class:`TabularClassifier`.
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"}, or Loss
        What networks are trained by, and chosen by. A prediction is then not a mean but a median
        for ``"absolute_error"`` and ``"quantile"``; one of another quantile, or another κ, is
        ``LOSSES.get("quantile", levels=0.9)``. κ is in standard deviations of the target.
        ``"poisson"`` is for targets of at least 0, and its networks predict numbers above 0.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : array of str
        If X had names.
    oof_prediction_ : array of shape (N,)
        Each training row's prediction by the networks that were not trained on it; NaN for rows
        without any, if the time budget ended before all folds.
    leaderboard_ : dict of lists
        Configuration, out-of-fold squared error, weight and seconds.
    portfolio_ : Portfolio
    intervals_ : Intervals
        What quantiles are predicted by.
    schema_ : Schema

    References
    ----------
    As for :class:`TabularClassifier`, and :class:`~deltarule.tabular.intervals.Intervals` for the
    quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import TabularRegressor
    >>> x = np.linspace(-2, 2, 200)
    >>> model = TabularRegressor().fit({"x": x[::2]}, x[::2] ** 2)
    >>> model.score({"x": x[1::2]}, x[1::2] ** 2) > 0.99
    True
    >>> low, high = model.predict_interval({"x": x[1::2]}, coverage=0.9).T
    >>> bool(np.mean((low <= x[1::2] ** 2) & (x[1::2] ** 2 <= high)) > 0.8)
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the portfolio.

        Parameters
        ----------
        X : frame, mapping of str to column, or array of shape (N, columns)
            pandas, polars, pyarrow, or what :func:`~deltarule.tables.table_from_frame` takes.
        y : array-like of shape (N,)
            Finite numbers.
        sample_weight : array-like of shape (N,), optional
        groups : array-like of shape (N,), optional
            Rows of the same group are in the same fold.

        Returns
        -------
        TabularRegressor
            Itself.

        Raises
        ------
        InputError
            If X and y differ in length, y has several columns, one value or numbers that are not
            finite.
        DataError
            If no column varies, or a column cannot be used.
        """
        return self._fit(X, _numbers(y), 0, sample_weight, groups)

    def _encoded_target(self, y: Any) -> NDArray[Any]:
        return _numbers(y)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number for each row; shape (N,).

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        """
        return self._outputs(X)

    def predict_interval(self, X: Any, coverage: Any = 0.9) -> NDArray[np.float64]:
        """Predict the interval that holds y with a probability, for each row; shape (N, 2).

        Its ends are the quantiles of levels (1 − c)/2 and (1 + c)/2 for the coverage c, as
        :meth:`predict_quantiles` gives them. The coverage is that over all rows like those of
        training, not that of each row.

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        coverage : float
            c, between 0 and 1. With N training rows, one above (N − 1)/(N + 1) is not reached: the
            ends are then those of the largest residuals.

        Raises
        ------
        InputError
            If the coverage is not between 0 and 1.
        """
        return self.predict_quantiles(X, interval_levels(coverage))

    def predict_quantiles(
        self, X: Any, quantiles: ArrayLike = (0.05, 0.25, 0.5, 0.75, 0.95)
    ) -> NDArray[np.float64]:
        """Predict quantiles of y for each row; shape (N, number of quantiles).

        They do not cross: a higher level never has a lower number. That of level .5 is a median,
        and :meth:`predict` a mean.

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        quantiles : array-like
            Levels between 0 and 1.

        Raises
        ------
        InputError
            If a level is not between 0 and 1.

        References
        ----------
        See :class:`~deltarule.tabular.intervals.Intervals`.
        """
        typed = self._typed_rows(X)
        return self.intervals_.quantiles(typed, self.portfolio_.predict(typed), quantiles)

    def predict_std(self, X: Any) -> NDArray[np.float64]:
        """Predict the standard deviation of y − f(x) for each row; shape (N,).

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        """
        typed = self._typed_rows(X)
        return self.intervals_.deviations(typed, self.portfolio_.predict(typed))


def _numbers(y: Any) -> NDArray[np.float64]:
    """Return y as finite numbers of shape (N,)."""
    if y is None:
        raise InputError(_NO_TARGET)
    with scikit_learn_checks("y", "one number for each row"):
        y = np.asarray(column_or_1d(_one_column(y), warn=True))
    if y.dtype.kind in "Mmc":
        raise InputError(f"y is of type {y.dtype}; expected numbers")
    try:
        values = y.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"y is of type {y.dtype}; expected numbers") from None
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"y is {values[row]} in row {row + 1}; expected finite numbers")
    return values


def _one_column(y: Any) -> Any:
    """Return y, with several columns refused."""
    shape = np.asarray(y).shape
    if len(shape) == 2 and shape[1] > 1:
        raise InputError(
            f"y has {shape[1]} columns; expected one target; fit one model for each, as "
            "scikit-learn's MultiOutputRegressor does"
        )
    return y


def _labels(y: Any) -> NDArray[Any]:
    """Return labels as an array of shape (N,), in their own type, with missing ones refused."""
    if y is None:
        raise InputError(
            "y is None; this estimator requires y to be passed, but the target y is None; "
            "expected a label for each row"
        )
    of_pandas = type(y).__module__.startswith("pandas") and hasattr(y, "dtype")
    missing = np.flatnonzero(y.isna()).tolist() if of_pandas else []
    if not missing:
        with scikit_learn_checks("y", "one label for each row"):
            y = _one_column(_numpy_labels(y) if of_pandas else y)
            y = np.asarray(column_or_1d(y, warn=True))
        cells = y.tolist()
        missing = [i for i, label in enumerate(cells) if label is None or label != label]
    if missing:
        label = list(y)[missing[0]]
        raise InputError(
            f"y is {label!r} in row {missing[0] + 1}; expected a label in every row; "
            "leave out the rows without one"
        )
    labels: NDArray[Any] = y
    return labels


def _numpy_labels(y: Any) -> Any:
    """Return labels of pandas, none of them missing, of a type that NumPy has, as an array of it.

    They may be nullable or categorical: NumPy makes floats of whole numbers and truth values then.
    """
    dtype = getattr(getattr(y.dtype, "categories", None), "dtype", y.dtype)
    own = getattr(dtype, "numpy_dtype", dtype)
    if isinstance(y.dtype, np.dtype) or not isinstance(own, np.dtype) or own.kind not in "biu":
        return y
    return np.array(y.tolist(), dtype=own)
