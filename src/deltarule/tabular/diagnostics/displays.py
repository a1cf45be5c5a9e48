"""Plots of a model's diagnostics, in scikit-learn's convention of Display objects."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay
from sklearn.utils import Bunch

from deltarule.tabular.diagnostics.classes import Calibration, Confusion
from deltarule.tabular.diagnostics.importance import Importance
from deltarule.tabular.diagnostics.numbers import Residuals
from deltarule.tabular.diagnostics.partial_dependence import PartialDependence
from deltarule.tabular.diagnostics.training import LearningCurve

__all__ = [
    "ConfusionDisplay",
    "ImportanceDisplay",
    "LeaderboardDisplay",
    "LearningCurvesDisplay",
    "ReliabilityDisplay",
    "ResidualsDisplay",
    "partial_dependence_display",
]

_TRAINING, _VALIDATION = "#1f6feb", "#d1570b"


def _axes(ax: Any, **size: Any) -> Any:
    """Return the axes to draw in, new ones unless given."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **size)[1]


def _text(name: str) -> str:
    """Return a name as matplotlib draws it: an unescaped dollar sign would begin a formula."""
    return name.replace("$", r"\$")


class _Display:
    """What the Displays of this library share: the axes and the figure after ``plot``."""

    ax_: Any
    figure_: Any

    def _drawn(self, ax: Any) -> Self:
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LeaderboardDisplay(_Display):
    """The out-of-fold losses of a portfolio's configurations, with their weights.

    Parameters
    ----------
    leaderboard : list of dict
        ``model.report["leaderboard"]``: configuration, out-of-fold loss, weight and seconds.
    measure : str

    Attributes
    ----------
    leaderboard, measure
    ax_, figure_
        Matplotlib's axes and figure, after :meth:`plot`.
    """

    def __init__(self, leaderboard: list[dict[str, Any]], measure: str) -> None:
        self.leaderboard, self.measure = leaderboard, measure

    def plot(self, ax: Any = None) -> Self:
        """Draw a bar for each configuration; those of weight 0 are pale."""
        ax = _axes(ax)
        for k, each in enumerate(reversed(self.leaderboard)):
            used = each["weight"] > 0
            bar = ax.barh(k, each["out_of_fold_loss"], color=_TRAINING, alpha=1.0 if used else 0.3)
            ax.bar_label(bar, [f"weight {each['weight']:.2f}" if used else ""], padding=3)
        names = [each["configuration"] for each in reversed(self.leaderboard)]
        ax.set_yticks(range(len(names)), list(map(_text, names)))
        ax.set_xlabel(f"out-of-fold {self.measure}")
        return self._drawn(ax)


class LearningCurvesDisplay(_Display):
    """The losses of the networks of a model over their epochs.

    Parameters
    ----------
    curves : list of LearningCurve

    Attributes
    ----------
    curves
    ax_ : array of axes
        One for each configuration.
    figure_
    """

    def __init__(self, curves: list[LearningCurve]) -> None:
        self.curves = curves

    def plot(self, ax: Any = None) -> Self:
        """Draw the curves, each configuration in axes of its own.

        Parameters
        ----------
        ax : array of axes, optional
            As many as there are configurations.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            n = max(len(self.curves), 1)
            ax = plt.subplots(1, n, figsize=(4.2 * n, 3.2), layout="constrained", squeeze=False)[1]
        all_axes = np.ravel(ax)
        for each, curve in zip(all_axes, self.curves, strict=False):
            for lines, colour, label in (
                (curve.training, _TRAINING, "training"),
                (curve.validation, _VALIDATION, "validation"),
            ):
                for k, losses in enumerate(lines):
                    epochs = np.arange(1, len(losses) + 1)
                    name = label if k == 0 else None
                    each.plot(epochs, losses, color=colour, linewidth=1, alpha=0.7, label=name)
            each.set(xlabel="epoch", ylabel=curve.loss, title=_text(curve.name))
            each.legend(frameon=False)
        self.ax_, self.figure_ = all_axes, all_axes[0].figure
        return self


class ReliabilityDisplay(CalibrationDisplay):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's CalibrationDisplay, with the numbers of :class:`Calibration`.

    Parameters
    ----------
    calibration : Calibration

    Attributes
    ----------
    calibration
    ax_, figure_
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        super().__init__(
            calibration.observed,
            calibration.predicted,
            calibration.probabilities,
            pos_label=calibration.label,
        )

    def plot(self, *, ax: Any = None, **options: Any) -> Any:
        """Draw observed against predicted probabilities, with 95 % intervals of the observed.

        Parameters
        ----------
        ax : axes, optional
        **options
            As scikit-learn's ``CalibrationDisplay.plot`` takes them.
        """
        super().plot(ax=ax, **options)
        found = self.calibration
        below, above = found.observed - found.low, found.high - found.observed
        self.ax_.errorbar(
            found.predicted, found.observed, np.maximum([below, above], 0), fmt="none", alpha=0.5
        )
        what = "most probable class" if found.label is None else f"class {_text(found.label)}"
        self.ax_.set(xlabel=f"predicted probability of the {what}", ylabel="observed share")
        return self


class ConfusionDisplay(ConfusionMatrixDisplay):  # type: ignore[misc]  # as above
    """scikit-learn's ConfusionMatrixDisplay, with the numbers of :class:`Confusion`.

    Parameters
    ----------
    confusion : Confusion

    Attributes
    ----------
    confusion
    ax_, figure_
    """

    def __init__(self, confusion: Confusion) -> None:
        self.confusion = confusion
        super().__init__(confusion.matrix, display_labels=list(map(_text, confusion.labels)))


class ResidualsDisplay(PredictionErrorDisplay):  # type: ignore[misc]  # as above
    """scikit-learn's PredictionErrorDisplay, with the numbers of :class:`Residuals`.

    Parameters
    ----------
    residuals : Residuals

    Attributes
    ----------
    residuals
    ax_, figure_
    """

    def __init__(self, residuals: Residuals) -> None:
        self.residuals = residuals
        super().__init__(y_true=residuals.truth, y_pred=residuals.predicted)


class ImportanceDisplay(_Display):
    """The permutation importance of columns.

    Parameters
    ----------
    importance : Importance
    most : int
        How many columns are drawn.

    Attributes
    ----------
    importance
    ax_, figure_
    """

    def __init__(self, importance: Importance, most: int = 20) -> None:
        self.importance, self.most = importance, most

    def plot(self, ax: Any = None) -> Self:
        """Draw a bar with its 95 % interval for each of the most important columns."""
        found, ax = self.importance, _axes(ax)
        at = slice(None, self.most)
        mean = found.mean[at][::-1]
        spread = np.array([mean - found.low[at][::-1], found.high[at][::-1] - mean])
        known = np.where(np.isfinite(spread), spread, 0.0)
        ax.barh(range(len(mean)), mean, xerr=known, color=_TRAINING, ecolor="0.3")
        ax.set_yticks(range(len(mean)), [_text(name) for name in found.columns[at][::-1]])
        ax.set_xlabel(f"rise of the {found.measure} if the column is permuted")
        return self._drawn(ax)


def partial_dependence_display(found: list[PartialDependence]) -> PartialDependenceDisplay:
    """Return scikit-learn's Display of partial dependences; the first output of each is drawn."""
    results = [
        Bunch(
            average=each.mean.T,
            grid_values=[np.asarray(each.values, dtype=None if _is_text(each) else np.float64)],
        )
        for each in found
    ]
    display = PartialDependenceDisplay(
        results,
        features=[(k,) for k in range(len(found))],
        feature_names=[_text(each.column) for each in found],
        target_idx=0,
        # Ticks at the bottom, where the values are.
        deciles={k: each.values for k, each in enumerate(found) if not _is_text(each)},
        is_categorical=[(_is_text(each),) for each in found],
    )
    display.partial_dependence = found
    return display


def _is_text(each: PartialDependence) -> bool:
    return each.kind == "category"
