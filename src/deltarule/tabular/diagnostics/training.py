"""Learning curves of the networks of a model, and what its encoders make of each column."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TableEncoder
from deltarule.tables.calendar_encoder import CalendarEncoder
from deltarule.tables.column_encoders import CategoryEncoder
from deltarule.tables.number_encoders import (
    PeriodicEncoder,
    PiecewiseLinearEncoder,
    QuantileNormalEncoder,
    RobustEncoder,
)
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_encoder import FreeTextEncoder
from deltarule.training import History

if TYPE_CHECKING:
    from deltarule.tabular.portfolio import Portfolio

__all__ = ["LearningCurve", "column_treatments", "learning_curves", "recorded_curves"]

_LOSSES = {
    "half_squared_error": "½ squared error, target in standard deviations",
    "log_loss": "log loss",
    "cross_entropy": "log loss",
}


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """The losses of the networks of one configuration over their epochs.

    Attributes
    ----------
    name : str
        Of the configuration.
    loss : str
        What the losses are.
    training, validation : tuple of arrays of shape (epochs,)
        For each network, the mean loss on training rows during the epoch, and that on its
        validation rows after it; the latter is NaN where there were none.
    kept : tuple of int
        For each network the epoch whose parameters were kept, from 1.
    """

    name: str
    loss: str
    training: tuple[NDArray[np.float64], ...]
    validation: tuple[NDArray[np.float64], ...]
    kept: tuple[int, ...]


def recorded_curves(portfolio: Portfolio) -> list[dict[str, Any]]:
    """Return the learning curves of the members of weight above 0, as JSON holds them.

    Losses have six significant digits.
    """
    found = []
    for member in sorted(portfolio.used, key=lambda member: -member.weight):
        net = member.models[0].net
        loss = _LOSSES.get(net.loss.name, net.loss.name)
        if member.configuration.log_target:
            loss = loss.replace("target", "ln target")
        histories = [model.history for model in member.models]
        curves = [
            [_rounded(each.column(name)) for each in histories]
            for name in ("loss", "validation_loss")
        ]
        found.append(
            {
                "configuration": member.configuration.name,
                "loss": loss,
                "training": curves[0],
                "validation": curves[1],
            }
        )
    return found


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.6g}") for value in values]


def learning_curves(
    report: Mapping[str, Any], history: History | None = None, name: str = "", loss: str = ""
) -> list[LearningCurve]:
    """Return the learning curves in a model's report, or of the history of a single network."""
    if history is not None:
        records: list[Any] = [
            {
                "configuration": name,
                "loss": _LOSSES.get(loss, loss),
                "training": [history.column("loss")],
                "validation": [history.column("validation_loss")],
                "kept": [report.get("best_epoch", 0)],
            }
        ]
    else:
        records = report.get("learning_curves", [])
    found = []
    for record in records:
        training, validation = (
            tuple(np.array(each, dtype=np.float64) for each in record[part])
            for part in ("training", "validation")
        )
        kept = record.get("kept") or [_best(each) for each in validation]
        found.append(
            LearningCurve(
                record["configuration"], record["loss"], training, validation, tuple(kept)
            )
        )
    return found


def _best(losses: NDArray[np.float64]) -> int:
    """Return the epoch of the least loss, from 1; 0 if there is none."""
    return int(np.nanargmin(losses)) + 1 if np.isfinite(losses).any() else 0


def column_treatments(encoders: Iterable[TableEncoder]) -> dict[str, list[str]]:
    """Return for each column what the encoders make of it, a phrase for each way.

    Examples
    --------
    >>> from deltarule.tables import Schema, TypedColumns
    >>> from deltarule.tables.schema import Column
    >>> typed = TypedColumns({"x": np.array([1.0, 2.0, np.nan])}, rows=np.arange(3))
    >>> encoder = TableEncoder().fit(typed, Schema((Column("x", "number"),)))
    >>> column_treatments([encoder])
    {'x': ['standardised', 'missing cells: the median 1.5, and an input that says so']}
    """
    found: dict[str, list[str]] = {}
    for encoder in encoders:
        for each in encoder.column_encoders:
            phrases = found.setdefault(each.name, [])
            new = _phrases(each)
            if encoder.random_features and each.features():
                new.append(f"in {encoder.random_features:,} pairs of random features")
            phrases += [phrase for phrase in new if phrase not in phrases]
    last = ("missing cells", "not used")
    return {
        name: sorted(each, key=lambda text: text.startswith(last)) for name, each in found.items()
    }


def _phrases(encoder: Any) -> list[str]:
    """Return what an encoder of a column does."""
    if not encoder.features():
        return ["not used: the same in all training rows"]
    if isinstance(encoder, CalendarEncoder):
        periods = ", ".join(encoder.periods)
        cycles = [f"sines and cosines of the {periods}"] * bool(periods)
        elapsed = [f"elapsed time, {each}" for each in _phrases(encoder.elapsed)[:1]]
        return [*(elapsed if encoder.elapsed.varies else []), *cycles]
    if isinstance(encoder, FreeTextEncoder):
        size = encoder.projection.shape[1]
        return [f"free text: {len(encoder.ngrams):,} n-grams of characters as {size} numbers"]
    if isinstance(encoder, TargetStatisticsEncoder):
        return [f"smoothed means of the target for {len(encoder.levels):,} levels, cross-fitted"]
    if isinstance(encoder, CategoryEncoder):
        text = f"one input for each of {len(encoder.levels):,} levels"
        if encoder.other:
            text += f", one for {len(encoder.other):,} rare ones"
        return [text + (", one for missing cells" if encoder.missing else "")]
    phrases = []
    if encoder.varies:
        phrases.append(_scaling(encoder))
    if encoder.indicator:
        median = f"{encoder.median:.6g}"
        phrases.append(f"missing cells: the median {median}, and an input that says so")
    return phrases


def _scaling(encoder: Any) -> str:
    """Return how an encoder of numbers scales them."""
    if isinstance(encoder, PiecewiseLinearEncoder) and encoder.edges:
        return f"piecewise linear, {len(encoder.edges) - 1} bins"
    if isinstance(encoder, QuantileNormalEncoder):
        return "quantile-normal"
    if isinstance(encoder, PeriodicEncoder):
        return "periodic"
    if isinstance(encoder, RobustEncoder | PiecewiseLinearEncoder):
        return "robust"
    return "standardised"
