"""Everything that a report shows, computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from deltarule.tables import Table
from deltarule.tabular import PortfolioModel, TableModel
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics import (
    Calibration,
    Confusion,
    GroupErrors,
    Importance,
    LearningCurve,
    PartialDependence,
    Residuals,
    ScoredRows,
    calibration,
    confusion,
    group_errors,
    partial_dependence,
    permutation_importance,
    residuals,
)
from deltarule.tabular.rows_seen import RowsSeen

__all__ = ["LEARNED", "Findings", "find"]

LEARNED = ("train", "seen")
"""The parts all or most of whose rows the model learned from."""

# The most and the least columns whose partial dependence is drawn.
_MOST_CURVES, _LEAST_CURVES = 6, 3


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a report shows of a model and of rows.

    Attributes
    ----------
    model : TableModel
    rows : ScoredRows
    scores : mapping of str to scores
        Those of the model and of the baselines on these rows.
    intervals : mapping
        As :func:`~deltarule.tabular.bootstrap.bootstrap_intervals` gives them; empty if there are
        none.
    importance : Importance
    dependences : tuple of PartialDependence
    curves : list of LearningCurve
    calibration, confusion : of a model of classes
    residuals : of a model of numbers
    groups : GroupErrors
    folder : str
        The model's folder as commands name it; "" if it is not known.
    spell : callable
        How a text with parameters is written.
    source : str
        The name of the table that the rows are of; "" if it is not known.
    seen : RowsSeen or None
        How many of the rows of another table are in the training table.
    fingerprint : str
        Of the model's files, as ``deltarule inspect`` shows it; "" before they are written.
    """

    model: TableModel
    rows: ScoredRows
    scores: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, Any]
    importance: Importance
    dependences: tuple[PartialDependence, ...]
    curves: list[LearningCurve]
    calibration: Calibration | None
    confusion: Confusion | None
    residuals: Residuals | None
    groups: GroupErrors
    folder: str
    spell: Callable[[str], str]
    source: str = ""
    seen: RowsSeen | None = None
    fingerprint: str = ""

    @property
    def what(self) -> str:
        """``"portfolio"`` or ``"network"``: the name of the model among those of baselines."""
        return kind_of(self.model)

    @property
    def target(self) -> str:
        """The name of the target."""
        column = self.model.schema.target
        return "the target" if column is None else column.name

    def ends(self, of: str, score: str) -> list[float] | None:
        """Return the ends of the interval of a score, or None."""
        found: list[float] | None = self.intervals.get("scores", {}).get(of, {}).get(score)
        return found


def kind_of(model: TableModel) -> str:
    """Return ``"portfolio"`` or ``"network"``."""
    return "portfolio" if isinstance(model, PortfolioModel) else "network"


def find(
    model: TableModel,
    table: Any,
    *,
    folder: str = "",
    spell: Callable[[str], str] = str,
    fingerprint: str = "",
    source: str = "",
) -> Findings:
    """Compute what a report shows; parameters as :func:`deltarule.explain.report.write_report`."""
    rows = table if isinstance(table, ScoredRows) else model.scored_rows(table)
    of_classes = rows.task == "classification"
    importance = permutation_importance(rows)
    # A few are drawn even where no effect is certain.
    strongest = importance.strongest(_MOST_CURVES)
    if len(strongest) < _LEAST_CURVES:
        strongest = importance.columns[:_LEAST_CURVES]
    scores, intervals = _scores(model, rows)
    seen = model.rows_seen(rows.typed) if rows.part == "given" else None
    if rows.part in LEARNED or (seen is not None and seen.too_many):
        intervals = {}  # of rows that were learned from they would promise too much
    return Findings(
        model,
        rows,
        scores,
        intervals,
        importance,
        tuple(partial_dependence(rows, name) for name in strongest),
        model.learning_curves(),
        calibration(rows) if of_classes else None,
        confusion(rows) if of_classes else None,
        None if of_classes else residuals(rows),
        group_errors(rows),
        folder,
        spell,
        source or (table.source if isinstance(table, Table) else ""),
        seen,
        fingerprint,
    )


def _scores(model: TableModel, rows: ScoredRows) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the scores of the model and of baselines on rows, and their intervals."""
    what, report = kind_of(model), model.report
    found = {what: report["scores"].get(rows.part)}
    if found[what] is None:  # of another table, or of training rows
        found[what] = model.score(rows.typed, rows.outputs)
        if rows.part in LEARNED:
            return found, {}
        return found, bootstrap_intervals(
            rows.task, rows.truth, {what: rows.outputs}, rows.typed.weights
        )
    if report.get("baselines_on") == rows.part:
        found |= {name: report["baselines"][name] for name in ("linear", "constant")
                  if name in report["baselines"]}  # fmt: skip
    return found, report.get("score_intervals", {})
