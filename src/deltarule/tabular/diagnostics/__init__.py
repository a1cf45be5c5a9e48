"""The numbers behind a model's report and plots: errors, calibration, importance, training.

Each function takes :class:`ScoredRows` and returns an object of arrays; ``displays.py`` draws them
with matplotlib, and ``deltarule.explain.report`` in a page.
"""

from deltarule.tabular.diagnostics.classes import Calibration, Confusion, calibration, confusion
from deltarule.tabular.diagnostics.group_loss import GroupLoss
from deltarule.tabular.diagnostics.groups import (
    ErrorGroup,
    ErrorShare,
    GroupErrors,
    KindsOfError,
    group_errors,
)
from deltarule.tabular.diagnostics.importance import Importance, permutation_importance
from deltarule.tabular.diagnostics.numbers import Residuals, residuals
from deltarule.tabular.diagnostics.partial_dependence import PartialDependence, partial_dependence
from deltarule.tabular.diagnostics.rows import ScoredRows, scored_rows
from deltarule.tabular.diagnostics.training import (
    LearningCurve,
    column_treatments,
    learning_curves,
    recorded_curves,
)
from deltarule.tabular.diagnostics.worst_rows import RankedRows, ranked_rows

__all__ = [
    "Calibration",
    "Confusion",
    "ErrorGroup",
    "ErrorShare",
    "GroupErrors",
    "GroupLoss",
    "Importance",
    "KindsOfError",
    "LearningCurve",
    "PartialDependence",
    "RankedRows",
    "Residuals",
    "ScoredRows",
    "calibration",
    "column_treatments",
    "confusion",
    "group_errors",
    "learning_curves",
    "partial_dependence",
    "permutation_importance",
    "ranked_rows",
    "recorded_curves",
    "residuals",
    "scored_rows",
]
