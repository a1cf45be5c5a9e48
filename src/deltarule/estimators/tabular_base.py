"""What TabularClassifier and TabularRegressor share: reading frames, fitting, the leaderboard."""

from __future__ import annotations

import dataclasses
import numbers
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from deltarule.errors import InputError
from deltarule.estimators.sklearn_helpers import (
    check_repeatable,
    generator_of,
    print_progress,
    scikit_learn_checks,
    validated_weights,
    warn_of_notes,
)
from deltarule.estimators.tabular_plots import TabularPlots
from deltarule.estimators.validation_folds import validation_splits
from deltarule.exportable import Exportable
from deltarule.maths import Loss
from deltarule.maths.arrays import is_sparse
from deltarule.records import checked_flag, checked_integer
from deltarule.tables import (
    Column,
    Schema,
    Table,
    TargetEncoder,
    TextColumn,
    TypedColumns,
    apply_schema,
    infer_schema,
)
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.column_values import as_labels
from deltarule.tables.frames import table_from_frame
from deltarule.tabular.distill import distill, distill_and_score
from deltarule.tabular.intervals import Intervals, fit_intervals, time_for_portfolio
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.portfolio import Configuration, Portfolio, fit_portfolio
from deltarule.tabular.portfolio.losses import portfolio_loss
from deltarule.tabular.update import update_portfolio
from deltarule.training import StopFlag

__all__ = ["BaseTabular"]


class BaseTabular(TabularPlots, Exportable, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the classifier and the regressor share: reading frames, fitting, the leaderboard."""

    def __init__(
        self,
        *,
        quality: str = "default",
        time_budget: float | None = None,
        loss: str | Loss | None = None,
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
        self.quality = quality
        self.time_budget = time_budget
        self.loss = loss
        self.validation = validation
        self.configurations = configurations
        self.kinds = kinds
        self.date_format = date_format
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.precision = precision
        self.on_divergence = on_divergence

    def _fit(
        self, X: Any, y: NDArray[Any], n_classes: int, sample_weight: Any, groups: Any
    ) -> Self:
        started = time.perf_counter()
        verbose = checked_flag("verbose", self.verbose)
        table = self._table(X, reset=True)
        _check_rows(table, y, "y")
        used = np.arange(len(y))
        weights = self._with_class_weights(_row_weights(sample_weight, len(y)), y)
        if weights is not None:
            # A row of weight 0 is left out, so that it has no effect on the folds either.
            used = np.flatnonzero(weights)
            weights = weights[used]
        if groups is not None:
            with scikit_learn_checks("groups", "one group for each row"):
                groups = np.unique(column_or_1d(groups), return_inverse=True)[1]
            _check_rows(table, groups, "groups")
            groups = groups[used]
        _check_varies(y[used], n_classes)
        trained = table.take(used)
        self.schema_: Schema = infer_schema(trained, kinds=self.kinds, date_format=self.date_format)
        typed = self._typed(trained)
        self._checksum = cells_checksum(typed)
        splits = validation_splits(self.validation, y[used], groups)
        threads = _threads(self.n_jobs)
        if self.checkpoint is not None:
            check_repeatable(self.random_state)
        seed = _seed(self.random_state)
        budget, stop = self.time_budget, StopFlag()
        of_both: dict[str, Any] = {
            "weights": weights,
            "groups": groups,
            "started": started,
            "seed": seed,
            "precision": self.precision,
            "threads": threads,
            "stop": stop,
        }
        self.portfolio_: Portfolio = fit_portfolio(
            typed,
            self.schema_,
            y[used],
            n_classes,
            loss=self.loss,
            splits=splits,
            quality=self.quality,
            time_budget=budget if n_classes else time_for_portfolio(budget),
            configurations=self.configurations,
            progress=print_progress if verbose else None,
            checkpoint=self.checkpoint,
            on_divergence=self.on_divergence,
            **of_both,
        )
        warn_of_notes(self.portfolio_.notes, stacklevel=4)
        if not n_classes:
            self.intervals_: Intervals = fit_intervals(
                typed,
                self.schema_,
                y[used],
                self.portfolio_.oof,
                time_budget=budget,
                **of_both,
            )
        self.oof_prediction_: NDArray[np.float64] = self.portfolio_.oof
        if len(used) < len(y):
            self.oof_prediction_ = self.portfolio_.predict(self._typed(table))
            self.oof_prediction_[used] = self.portfolio_.oof
        if stop:
            warnings.warn(
                "Training interrupted by user: the portfolio has the networks so far.", stacklevel=3
            )
        return self

    def _with_class_weights(
        self, weights: NDArray[np.float64] | None, y: NDArray[Any]
    ) -> NDArray[np.float64] | None:
        """Return the row weights times those of the rows' classes."""
        return weights

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
            with scikit_learn_checks("X", "a frame, or an array of rows and columns"):
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
        typed = self._typed_rows(X)  # refuses what is not fitted
        return self.portfolio_.predict(typed)

    def _typed_rows(self, X: Any) -> TypedColumns:
        """Return rows to predict as the columns of training."""
        check_is_fitted(self)
        return self._typed(self._table(X, reset=False))

    def update(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the networks further on new rows; encoders and the weights of members stay.

        Each network goes on from its parameters without one fold of the new rows, and stays as it
        was if that is no better on the fold. What was learned from the old rows fades: with these
        at hand, a new ``fit`` on all is better unless the new rows differ from them in what they
        say. ``oof_prediction_`` is then that of the new rows, and ``update_`` has the mean losses
        on these, ``before`` and ``after``, and how many networks ``moved``, were ``kept`` or
        ``diverged``, of which a warning says so. The leaderboard's scores are those of ``fit``.

        Parameters
        ----------
        X : frame, mapping or array
            At least 20 new rows with the columns of training.
        y : array-like of shape (N,)
        sample_weight : array-like of shape (N,), optional

        Returns
        -------
        Self
            Itself.

        Raises
        ------
        InputError
            If there are fewer rows, X, y or weights have other numbers of rows, y has a label that
            training did not have, or numbers that the networks cannot learn.

        Examples
        --------
        >>> import numpy as np
        >>> from deltarule import TabularRegressor
        >>> x = np.linspace(-2, 2, 200)
        >>> model = TabularRegressor(quality="fast").fit({"x": x}, x**2)
        >>> model.update({"x": x[::2]}, x[::2] ** 2 + 1).update_["after"] < 0.01
        True
        """
        typed, values = self._rows_and_target(X, y)
        weights = self._with_class_weights(_row_weights(sample_weight, len(values)), values)
        if weights is not None:
            used = np.flatnonzero(weights)
            typed, values, weights = typed.take(used), values[used], weights[used]
        target = self.portfolio_.target
        updated = update_portfolio(
            self.portfolio_,
            typed,
            values,
            portfolio_loss(self.loss, target.n_classes).criterion(target),
            weights=weights,
            seed=_seed(self.random_state),
            threads=_threads(self.n_jobs),
        )
        if not target.n_classes:
            self.intervals_ = self.intervals_.extended(
                typed, updated.portfolio.oof, values, weights
            )
        self.portfolio_, self.oof_prediction_ = updated.portfolio, updated.portfolio.oof
        self.update_ = {"rows": len(typed), **updated.losses, **updated.counts}
        warn_of_notes(updated.notes, stacklevel=3)
        return self

    def _rows_and_target(self, X: Any, y: Any) -> tuple[TypedColumns, NDArray[Any]]:
        """Return rows as the columns of training, and their class numbers or numbers."""
        typed, values = self._typed_rows(X), self._encoded_target(y)
        _check_rows(typed, values, "y")
        return typed, values

    def _encoded_target(self, y: Any) -> NDArray[Any]:
        """Return the class numbers of labels that training had, or numbers; shape (N,)."""
        raise NotImplementedError

    def distill(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, test: Any = None
    ) -> NetworkModel:
        """Train one network to predict what all predict, to be explained, exported, or faster.

        See :func:`deltarule.tabular.distill.distill`.

        Parameters
        ----------
        X : frame, mapping or array
            The rows of training, or others like those to be predicted; at least 20.
        y : array-like of shape (N,), optional
            Their targets, which are not learned from. With them the report has scores where no
            ``test`` is given: out-of-fold if X are the rows of training, which takes twice the
            time; else of a fifth of X, which is held out. Its notes say what the scores are of.
        sample_weight : array-like of shape (N,), optional
        test : pair of X and y, optional
            Rows that training did not have, and their targets, which measure best what the network
            costs in score: ``report["scores"]["test"]`` of the result has its scores, and
            ``report["baselines"]["portfolio"]`` those of the portfolio.

        Returns
        -------
        NetworkModel
            It has ``predict``, ``predict_proba``, ``save`` and ``evaluate`` for tables;
            :func:`deltarule.explain` takes it with a table that has the column ``"target"``.
            Its labels are text.

        Raises
        ------
        InputError
            If there are fewer than 20 rows, or X, y or weights have other numbers of rows.

        Examples
        --------
        >>> import numpy as np
        >>> from deltarule import TabularRegressor
        >>> x = np.linspace(-2, 2, 200)
        >>> model = TabularRegressor(quality="fast").fit({"x": x[::2]}, x[::2] ** 2)
        >>> network = model.distill({"x": x[::2]}, test=({"x": x[1::2]}, x[1::2] ** 2))
        >>> network.report["scores"]["test"]["r2"] > 0.99
        True
        """
        typed = self._typed_rows(X)
        typed = dataclasses.replace(typed, weights=_row_weights(sample_weight, len(typed)))
        name = "target"
        while name in self.schema_.names:
            name = f"{name}_"
        classes = getattr(self, "classes_", None)
        labels = [] if classes is None else list(map(str, _as_text(classes)))
        if labels:
            target = TargetEncoder("classification", labels)
            column = Column(name, "category", distinct=len(labels))
        else:
            target = TargetEncoder("regression").fit([self.portfolio_.target.mean])
            column = Column(name, "number")
        schema = dataclasses.replace(
            self.schema_, target=column, task=target.task, classes=tuple(labels)
        )
        seed = _seed(self.random_state)

        def with_target(X: Any, y: Any) -> TypedColumns:
            rows, values = self._rows_and_target(X, y)
            cells = TextColumn.from_cells([labels[k] for k in values]) if labels else values
            return dataclasses.replace(rows, target=cells)

        if test is not None:
            if not isinstance(test, tuple | list) or len(test) != 2:
                raise InputError(parameter="test", given=test, expected="a pair of X and y")
            scored = with_target(*test)
            return distill(self.portfolio_, schema, target, typed, scored=scored, seed=seed)
        if y is None:
            return distill(self.portfolio_, schema, target, typed, seed=seed)
        trained_on = self._checksum == cells_checksum(typed)
        typed = dataclasses.replace(with_target(X, y), weights=typed.weights)
        return distill_and_score(
            self.portfolio_, schema, target, typed, trained_on=trained_on, seed=seed
        )

    @property
    def leaderboard_(self) -> dict[str, list[Any]]:
        """The configurations, the best first: a dictionary, with or without pandas.

        Those with fewer networks than the others were left out after the first folds, and their
        loss is of these. ``pandas.DataFrame`` and ``polars.DataFrame`` make a frame of it.
        """
        check_is_fitted(self)
        rows = self.portfolio_.leaderboard()
        names = {name: name.replace("out_of_fold", "oof") for name in rows[0]}
        return {short: [row[name] for row in rows] for name, short in names.items()}

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


def _as_text(labels: NDArray[Any]) -> TextColumn:
    """Return labels as a table of them has: true for True, 1 for 1.0."""
    table = table_from_frame({"y": labels})
    return as_labels(table.column("y"), table.kinds.get("y"))


def _check_varies(y: NDArray[Any], n_classes: int) -> None:
    """Refuse a target of one row, of one class, or of one number."""
    if len(y) < 2:
        raise InputError(f"X has {len(y)} sample; expected at least 2 rows of weight above 0")
    if (y == y[0]).all():
        what = "one class" if n_classes else f"one value, {y[0]}"
        raise InputError(f"y has {what} in the {len(y)} rows of weight above 0; expected several")


def _row_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return row weights as floats of at least 0, one for each row; None if there are none."""
    if sample_weight is None:
        return None
    rows = np.empty(n_rows)
    return validated_weights(sample_weight, rows, dtype=np.float64)


def _check_rows(table: Table | TypedColumns, values: NDArray[Any], name: str) -> None:
    if len(values) != len(table):
        raise InputError(
            f"X has {len(table)} rows and {name} {len(values)}; expected the same number",
            parameter=name,
        )


def _seed(random_state: Any) -> int:
    """Return a seed for ``random_state``: itself, if it is a whole number."""
    if is_whole(random_state):
        return checked_integer("random_state", random_state)
    return int(generator_of(random_state).randint(2**31 - 1))


def _threads(n_jobs: int | None) -> int | None:
    """Return how many networks are trained at the same time; None for as many as cores."""
    if n_jobs is None or (is_whole(n_jobs) and n_jobs == -1):
        return None
    if not is_whole(n_jobs) or n_jobs < 1:
        raise InputError(
            parameter="n_jobs", given=n_jobs, expected="a whole number above 0, -1 or None"
        )
    return int(n_jobs)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
