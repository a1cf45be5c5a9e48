"""Plots of TabularClassifier and TabularRegressor, in scikit-learn's Display convention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from deltarule.tabular.diagnostics import ScoredRows, learning_curves, recorded_curves
from deltarule.tabular.diagnostics.rows import COVERAGE
from deltarule.tabular.intervals import interval_levels
from deltarule.tabular.plots import RowPlots

if TYPE_CHECKING:
    from sklearn.inspection import PartialDependenceDisplay

    from deltarule.tabular.diagnostics.displays import (
        ConfusionDisplay,
        ImportanceDisplay,
        LeaderboardDisplay,
        LearningCurvesDisplay,
        ReliabilityDisplay,
        ResidualsDisplay,
    )

__all__ = ["TabularPlots"]


class TabularPlots:
    """The plots of an estimator: of its training, and of rows with their targets.

    Each gives a Display with the numbers, ``ax_`` and ``figure_``. Rows that the estimator was
    trained on say little about others.
    """

    def scored_rows(self, X: Any, y: Any, sample_weight: Any = None) -> ScoredRows:
        """Return rows with their targets and predictions, as the plots and diagnostics take them.

        Parameters
        ----------
        X : frame, mapping or array
        y : array-like of shape (N,)
        sample_weight : array-like of shape (N,), optional

        Raises
        ------
        InputError
            If y has another number of rows, or a label that training did not have.
        """
        model: Any = self
        typed, truth = model._rows_and_target(X, y)
        classes = getattr(model, "classes_", None)
        weights = np.ones(len(typed))
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, truth, dtype=np.float64)
        outputs = model.portfolio_.predict(typed)
        intervals = None
        if classes is None:
            intervals = model.intervals_.quantiles(typed, outputs, interval_levels(COVERAGE))
        return ScoredRows(
            part="given",
            task="regression" if classes is None else "classification",
            classes=() if classes is None else tuple(map(str, classes.tolist())),
            schema=model.schema_,
            typed=typed,
            truth=truth,
            outputs=outputs,
            weights=weights,
            predict=model.portfolio_.predict,
            intervals=intervals,
        )

    def plot_leaderboard(self, *, ax: Any = None) -> LeaderboardDisplay:
        """Plot the out-of-fold loss and the weight of each configuration.

        Parameters
        ----------
        ax : matplotlib axes, optional
        """
        from deltarule.tabular.diagnostics.displays import LeaderboardDisplay

        check_is_fitted(self)
        model: Any = self
        default = "log_loss" if hasattr(model, "classes_") else "squared_error"
        measure = str(model.loss or default).replace("_", " ")
        return LeaderboardDisplay(model.portfolio_.leaderboard(), measure).plot(ax)

    def plot_learning_curves(self, *, ax: Any = None) -> LearningCurvesDisplay:
        """Plot training and validation losses over epochs, of the members of weight above 0.

        Parameters
        ----------
        ax : array of matplotlib axes, optional
            As many as there are such members.
        """
        from deltarule.tabular.diagnostics.displays import LearningCurvesDisplay

        check_is_fitted(self)
        model: Any = self
        curves = learning_curves({"learning_curves": recorded_curves(model.portfolio_)})
        return LearningCurvesDisplay(curves).plot(ax)

    def plot_calibration(self, X: Any, y: Any, *, ax: Any = None) -> ReliabilityDisplay:
        """Plot how often predictions of a probability are true.

        Parameters
        ----------
        X, y
            Rows that the estimator was not trained on.
        ax : matplotlib axes, optional
        """
        return RowPlots(self.scored_rows(X, y)).calibration(ax)

    def plot_confusion_matrix(self, X: Any, y: Any, *, ax: Any = None) -> ConfusionDisplay:
        """Plot how many rows of each class are predicted as each class.

        Parameters
        ----------
        X, y
            Rows that the estimator was not trained on.
        ax : matplotlib axes, optional
        """
        return RowPlots(self.scored_rows(X, y)).confusion_matrix(ax)

    def plot_residuals(self, X: Any, y: Any, *, ax: Any = None) -> ResidualsDisplay:
        """Plot what a regressor leaves of the target, against its predictions.

        Parameters
        ----------
        X, y
            Rows that the estimator was not trained on.
        ax : matplotlib axes, optional
        """
        return RowPlots(self.scored_rows(X, y)).residuals(ax)

    def plot_importance(
        self, X: Any, y: Any, *, most: int = 20, ax: Any = None
    ) -> ImportanceDisplay:
        """Plot how much the loss rises if the cells of a column change rows.

        Parameters
        ----------
        X, y
            Rows that the estimator was not trained on.
        most : int
            How many columns are drawn; the Display's ``importance`` has all.
        ax : matplotlib axes, optional
        """
        return RowPlots(self.scored_rows(X, y)).importance(most, ax)

    def plot_partial_dependence(
        self, X: Any, y: Any, columns: Sequence[str] | str | None = None, *, ax: Any = None
    ) -> PartialDependenceDisplay:
        """Plot the mean prediction as a function of one column.

        Parameters
        ----------
        X, y
            Rows; y chooses the columns if they are not given.
        columns : sequence of str, optional
            The six most important ones unless given.
        ax : matplotlib axes, or array of axes, optional
        """
        return RowPlots(self.scored_rows(X, y)).partial_dependence(columns, ax)
