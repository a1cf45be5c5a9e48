"""TabularClassifier and TabularRegressor: portfolios of networks for tables as they are."""

from __future__ import annotations

import numbers
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from deltarule.errors import InputError
from deltarule.maths.arrays import is_sparse
from deltarule.tables import Schema, Table, TypedColumns, apply_schema, infer_schema
from deltarule.tables.frames import table_from_frame
from deltarule.tabular.portfolio import Configuration, Portfolio, fit_portfolio

__all__ = ["TabularClassifier", "TabularRegressor"]

# In the words that scikit-learn's tests of estimators look for.
_NO_TARGET = "the estimator requires y to be passed, but the target y is None"


class _BaseTabular(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the classifier and the regressor share: reading frames, fitting, the leaderboard."""

    def __init__(
        self,
        *,
        quality: str = "default",
        time_budget: float | None = None,
        configurations: Sequence[Configuration] | None = None,
        kinds: Mapping[str, str] | None = None,
        date_format: str | Mapping[str, str] | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.quality = quality
        self.time_budget = time_budget
        self.configurations = configurations
        self.kinds = kinds
        self.date_format = date_format
        self.random_state = random_state
        self.verbose = verbose

    def _fit(
        self, X: Any, y: NDArray[Any], n_classes: int, sample_weight: Any, groups: Any
    ) -> Self:
        started = time.perf_counter()
        table = self._table(X, reset=True)
        _check_rows(table, y, "y")
        weights = None
        used = np.arange(len(y))
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, y, dtype=np.float64, ensure_non_negative=True
            )
            # A row of weight 0 is left out, so that it has no effect on the folds either.
            used = np.flatnonzero(weights)
            weights = weights[used]
        if groups is not None:
            groups = np.unique(column_or_1d(groups), return_inverse=True)[1]
            _check_rows(table, groups, "groups")
            groups = groups[used]
        _check_varies(y[used], n_classes)
        trained = table.take(used)
        self.schema_: Schema = infer_schema(trained, kinds=self.kinds, date_format=self.date_format)
        self.portfolio_: Portfolio = fit_portfolio(
            self._typed(trained),
            self.schema_,
            y[used],
            n_classes,
            weights=weights,
            groups=groups,
            quality=self.quality,
            time_budget=self.time_budget,
            started=started,
            configurations=self.configurations,
            seed=_seed(self.random_state),
            progress=_print_name if self.verbose else None,
        )
        self.oof_prediction_: NDArray[np.float64] = self.portfolio_.oof
        if len(used) < len(y):
            self.oof_prediction_ = self.portfolio_.predict(self._typed(table))
            self.oof_prediction_[used] = self.portfolio_.oof
        return self

    def _table(self, X: Any, *, reset: bool) -> Table:
        """Return X as a table; set or check ``n_features_in_`` and ``feature_names_in_``."""
        if is_sparse(X):
            raise InputError(
                "X is a sparse matrix; expected a frame or a dense array; convert it with toarray()"
            )
        if isinstance(X, Table):
            names, table = list(X.names), X
        elif _is_frame(X):
            table = table_from_frame(_with_text_names(X), source="X")
            names = list(table.names)
        else:
            X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
            names = [f"x{i}" for i in range(X.shape[1])]
            return table_from_frame(dict(zip(names, X.T, strict=True)), source="X")
        if reset:
            self.n_features_in_ = len(names)
            self.feature_names_in_ = np.array(names, dtype=object)
        elif not hasattr(self, "feature_names_in_"):
            if len(names) != self.n_features_in_:
                raise InputError(
                    f"X has {len(names)} columns; expected {self.n_features_in_}, as in fit"
                )
            # It was fitted to an array: columns are taken by their position.
            renamed = {f"x{i}": table.column(name) for i, name in enumerate(names)}
            table = Table(tuple(renamed), renamed, source="X")
        return table

    def _typed(self, table: Table) -> TypedColumns:
        return apply_schema(self.schema_, table, need_target=False)

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Predict probabilities of shape (N, K), or numbers of shape (N,)."""
        check_is_fitted(self)
        return self.portfolio_.predict(self._typed(self._table(X, reset=False)))

    @property
    def leaderboard_(self) -> dict[str, list[Any]]:
        """The configurations, the best first, as columns that a frame can be made from."""
        check_is_fitted(self)
        members = sorted(self.portfolio_.members, key=lambda member: member.score)
        return {
            "configuration": [member.configuration.name for member in members],
            "oof_loss": [member.score for member in members],
            "weight": [member.weight for member in members],
            "seconds": [member.seconds for member in members],
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _is_frame(X: Any) -> bool:
    """Whether X has named columns: a frame of any library, or a dictionary of columns."""
    if isinstance(X, Mapping):
        return True
    return not isinstance(X, np.ndarray | list | tuple) and (
        # Asking a lazy frame of polars for its columns is a warning.
        hasattr(X, "collect_schema") or hasattr(X, "columns") or hasattr(X, "column_names")
    )


def _with_text_names(X: Any) -> Any:
    """Return a frame whose column names are text, as a pandas frame's need not be."""
    is_pandas = type(X).__module__.startswith("pandas")
    if is_pandas and not all(isinstance(name, str) for name in X.columns):
        return X.rename(columns=str)
    return X


def _check_varies(y: NDArray[Any], n_classes: int) -> None:
    """Refuse a target of one row, of one class, or of one number."""
    if len(y) < 2:
        raise InputError(f"X has {len(y)} sample; expected at least 2 rows of weight above 0")
    if (y == y[0]).all():
        what = "one class" if n_classes else f"one value, {y[0]}"
        raise InputError(f"y has {what} in the {len(y)} rows of weight above 0; expected several")


def _check_rows(table: Table, values: NDArray[Any], name: str) -> None:
    if len(values) != len(table):
        raise InputError(
            f"X has {len(table)} rows and {name} {len(values)}; expected the same number",
            parameter=name,
        )


def _seed(random_state: Any) -> int:
    """Return a seed for ``random_state``: itself, if it is a whole number."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _print_name(name: str) -> None:
    print(f"training {name}", file=sys.stderr)


class TabularClassifier(ClassifierMixin, _BaseTabular):  # type: ignore[misc]  # as above
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
    configurations : sequence of Configuration, optional
        What to train, in place of the configurations of the quality.
    kinds : mapping of str to str, optional
        ``"number"``, ``"date"`` or ``"category"`` for columns whose kind would be inferred
        otherwise. The columns of an array are named x0, x1, …
    date_format : str or mapping of str to str, optional
        How dates in text are written, as :func:`~deltarule.tables.infer_schema` takes it.
    random_state : int, RandomState or None
        The seed of folds and networks.
    verbose : bool
        Whether to print the name of each configuration when its training begins.

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
        Configuration, out-of-fold loss, weight and seconds.
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the portfolio.

        Parameters
        ----------
        X : frame, mapping of str to column, or array of shape (N, columns)
            pandas, polars, pyarrow, or what :func:`~deltarule.tables.table_from_frame` takes.
        y : array-like of shape (N,)
            Labels of any type.
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
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        return self._fit(X, codes.astype(np.int64), len(self.classes_), sample_weight, groups)

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
        outputs = self._outputs(X)
        labels: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return labels


class TabularRegressor(RegressorMixin, _BaseTabular):  # type: ignore[misc]  # as above
    """A regressor for tables: Σ_k w_k f_k over a portfolio of networks.

    f_k is the mean of 8 networks of one configuration (4 from 20 000 rows on), each trained
    without one of 8 folds of the rows, and kept at its best epoch on that fold. The weights w_k are
    chosen greedily by the squared error of the out-of-fold predictions. A prediction lies between
    the least and the largest target of training.

    Parameters
    ----------
    quality, time_budget, configurations, kinds, date_format, random_state, verbose
        As in :class:`TabularClassifier`.

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
    schema_ : Schema

    References
    ----------
    As for :class:`TabularClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import TabularRegressor
    >>> x = np.linspace(-2, 2, 200)
    >>> model = TabularRegressor().fit({"x": x[::2]}, x[::2] ** 2)
    >>> model.score({"x": x[1::2]}, x[1::2] ** 2) > 0.99
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
        if y is None:
            raise InputError(_NO_TARGET)
        y = np.asarray(column_or_1d(_one_column(y), warn=True))
        try:
            values = y.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(f"y is of type {y.dtype}; expected numbers") from None
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputError(f"y is {values[row]} in row {row + 1}; expected finite numbers")
        return self._fit(X, values, 0, sample_weight, groups)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number for each row; shape (N,).

        Parameters
        ----------
        X : frame, mapping or array
            With the columns of training.
        """
        return self._outputs(X)


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
            "y is None; this estimator requires y to be passed, but the target y is None"
        )
    labels = np.asarray(column_or_1d(_one_column(y), warn=True))
    missing = [i for i, label in enumerate(labels.tolist()) if label is None or label != label]
    if missing:
        raise InputError(
            f"y is {labels[missing[0]]!r} in row {missing[0] + 1}; expected a label in every row; "
            "leave out the rows without one"
        )
    return labels
