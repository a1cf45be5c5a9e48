"""Plots of a model of a table: its training, its errors, and the columns that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import InputError

if TYPE_CHECKING:
    from sklearn.inspection import PartialDependenceDisplay

    from deltarule.tabular.diagnostics import LearningCurve, ScoredRows
    from deltarule.tabular.diagnostics.displays import (
        ConfusionDisplay,
        ImportanceDisplay,
        LeaderboardDisplay,
        LearningCurvesDisplay,
        ReliabilityDisplay,
        ResidualsDisplay,
    )

__all__ = ["ModelPlots", "RowPlots", "loss_name"]

_STRONGEST = 6


class RowPlots:
    """The plots of rows with their targets and predictions, drawn in axes or in new ones.

    Parameters
    ----------
    rows : ScoredRows
    """

    def __init__(self, rows: ScoredRows) -> None:
        self.rows = rows

    def calibration(self, ax: Any) -> ReliabilityDisplay:
        """Return how often predictions of a probability are true."""
        from deltarule.tabular.diagnostics import calibration
        from deltarule.tabular.diagnostics.displays import ReliabilityDisplay

        display = ReliabilityDisplay(calibration(self.rows))
        display.plot(ax=ax)
        return display

    def confusion_matrix(self, ax: Any) -> ConfusionDisplay:
        """Return how many rows of each class are predicted as each class."""
        from deltarule.tabular.diagnostics import confusion
        from deltarule.tabular.diagnostics.displays import ConfusionDisplay

        display = ConfusionDisplay(confusion(self.rows))
        display.plot(ax=ax)
        return display

    def residuals(self, ax: Any) -> ResidualsDisplay:
        """Return what a model of numbers leaves of the target."""
        from deltarule.tabular.diagnostics import residuals
        from deltarule.tabular.diagnostics.displays import ResidualsDisplay

        display = ResidualsDisplay(residuals(self.rows))
        display.plot(ax=ax)
        return display

    def importance(self, most: int, ax: Any) -> ImportanceDisplay:
        """Return how much the loss rises if the cells of a column change rows."""
        from deltarule.tabular.diagnostics import permutation_importance
        from deltarule.tabular.diagnostics.displays import ImportanceDisplay

        return ImportanceDisplay(permutation_importance(self.rows), most).plot(ax)

    def partial_dependence(
        self, columns: Sequence[str] | str | None, ax: Any
    ) -> PartialDependenceDisplay:
        """Return the mean prediction as a function of one column, of each of several."""
        from deltarule.tabular.diagnostics import partial_dependence, permutation_importance
        from deltarule.tabular.diagnostics.displays import partial_dependence_display

        if columns is None:
            importance = permutation_importance(self.rows)
            columns = importance.strongest(_STRONGEST) or importance.columns[:1]
        names = [columns] if isinstance(columns, str) else columns
        found = [partial_dependence(self.rows, name) for name in names]
        display = partial_dependence_display(found)
        display.plot(ax=ax)
        display.ax_ = display.axes_
        return display


class ModelPlots:
    """The plots of a model; each gives a Display with the numbers, the axes and the figure.

    What needs rows takes a table with the target. Of the table that the model was trained on, its
    test rows are used; see :meth:`scored_rows`.
    """

    report: dict[str, Any]

    def scored_rows(self, table: Any) -> ScoredRows:
        """Return the rows of a table that the model is judged on, with its predictions for them.

        Of the table that it was trained on these are the test rows. Without test rows they are the
        training rows with their out-of-fold predictions, as long as the model was not saved and
        read again; of a single network its validation rows; otherwise the training rows. Of any
        other table they are all rows.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.

        Raises
        ------
        DataError
            If the table's columns do not fit the model's, or its target has an unknown class.
        """
        from deltarule.tabular.diagnostics import scored_rows

        found: ScoredRows = scored_rows(self, table)  # type: ignore[arg-type]  # a TableModel
        return found

    def learning_curves(self) -> list[LearningCurve]:
        """Return the losses of the networks over their epochs."""
        from deltarule.tabular.diagnostics import learning_curves

        return learning_curves(self.report)

    def plot_leaderboard(self, *, ax: Any = None) -> LeaderboardDisplay:
        """Plot the out-of-fold loss and the weight of each configuration of a portfolio.

        Parameters
        ----------
        ax : matplotlib axes, optional

        Raises
        ------
        InputError
            If the model is a single network.
        """
        from deltarule.tabular.diagnostics.displays import LeaderboardDisplay

        leaderboard = self.report.get("leaderboard")
        if leaderboard is None:
            raise InputError("a leaderboard is of a portfolio, and this is a single network")
        measure = loss_name(self.report)
        return LeaderboardDisplay(leaderboard, measure).plot(ax)

    def plot_learning_curves(self, *, ax: Any = None) -> LearningCurvesDisplay:
        """Plot training and validation losses over epochs, of the members of weight above 0.

        Parameters
        ----------
        ax : array of matplotlib axes, optional
            As many as there are such members.

        Raises
        ------
        InputError
            If the model was saved without its learning curves.
        """
        from deltarule.tabular.diagnostics.displays import LearningCurvesDisplay

        curves = self.learning_curves()
        if not curves:
            raise InputError("the model has no learning curves; expected one trained by fit_table")
        return LearningCurvesDisplay(curves).plot(ax)

    def plot_calibration(self, table: Any, *, ax: Any = None) -> ReliabilityDisplay:
        """Plot how often predictions of a probability are true.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.
        ax : matplotlib axes, optional

        Raises
        ------
        InputError
            If the model predicts numbers.
        """
        return RowPlots(self.scored_rows(table)).calibration(ax)

    def plot_confusion_matrix(self, table: Any, *, ax: Any = None) -> ConfusionDisplay:
        """Plot how many rows of each class are predicted as each class.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.
        ax : matplotlib axes, optional

        Raises
        ------
        InputError
            If the model predicts numbers.
        """
        return RowPlots(self.scored_rows(table)).confusion_matrix(ax)

    def plot_residuals(self, table: Any, *, ax: Any = None) -> ResidualsDisplay:
        """Plot what a model of numbers leaves of the target, against its predictions.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.
        ax : matplotlib axes, optional

        Raises
        ------
        InputError
            If the model predicts classes.
        """
        return RowPlots(self.scored_rows(table)).residuals(ax)

    def plot_importance(self, table: Any, *, most: int = 20, ax: Any = None) -> ImportanceDisplay:
        """Plot how much the loss rises if the cells of a column change rows.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.
        most : int
            How many columns are drawn; the Display's ``importance`` has all.
        ax : matplotlib axes, optional
        """
        return RowPlots(self.scored_rows(table)).importance(most, ax)

    def plot_partial_dependence(
        self, table: Any, columns: Sequence[str] | str | None = None, *, ax: Any = None
    ) -> PartialDependenceDisplay:
        """Plot the mean prediction as a function of one column.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            With the target.
        columns : sequence of str, optional
            The six most important ones unless given.
        ax : matplotlib axes, or array of axes, optional

        Returns
        -------
        PartialDependenceDisplay
            scikit-learn's, with the numbers as ``partial_dependence``.

        Raises
        ------
        InputError
            If there is no such column.
        """
        return RowPlots(self.scored_rows(table)).partial_dependence(columns, ax)


def loss_name(report: Mapping[str, Any]) -> str:
    """Return what the losses of a leaderboard are.

    Examples
    --------
    >>> loss_name({"task": "regression"})
    'squared error'
    """
    return "log loss" if report["task"] == "classification" else "squared error"
