"""A portfolio trained on a table, scored beside baselines on rows that it has not seen."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.tables import Schema, Table, TargetEncoder, TypedColumns, apply_schema
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.row_digests import RowDigests
from deltarule.tables.unicode_checks import check_unicode
from deltarule.tabular.advice import portfolio_advice
from deltarule.tabular.baselines import baselines
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics.training import recorded_curves
from deltarule.tabular.intervals import fit_intervals, time_for_portfolio
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.portfolio import Portfolio, fit_portfolio
from deltarule.tabular.portfolio_model import PortfolioModel
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.tabular.scores import score_outputs
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import (
    absent_class_notes,
    few_test_rows_notes,
    row_weights,
    split_table,
    target_values,
)
from deltarule.tabular.verdict import PairedOutputs
from deltarule.tabular.verdicts import Verdicts, compare_on_test_rows
from deltarule.training import Checkpoint, StopFlag

__all__ = ["PortfolioRun", "check_squares", "fit_portfolio_model", "scored_portfolio"]

# The squares of smaller standard deviations, and of larger ones than its inverse, are no floats.
_LEAST = 1e-140
_NO_TEST = (
    "no test rows were held out: the out-of-fold losses chose epochs and weights, so the scores "
    "are a little too good, and there is no verdict on the baselines"
)
_NO_TEST_LARGE = (
    "no test rows were held out: the validation rows chose epochs and weights, so the scores are a "
    "little too good, and there is no verdict on the baselines"
)


def fit_portfolio_model(
    table: Table,
    schema: Schema,
    settings: TableSettings,
    quality: str,
    time_budget: float | None,
    progress: Callable[[str], Any] | None,
    stop: StopFlag | None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> PortfolioModel:
    """Train a portfolio on all but the test rows, and score it; see :func:`fit_table`."""
    report_phase = progress or (lambda phase: None)
    stop = StopFlag() if stop is None else stop
    started = time.perf_counter()
    report_phase("encoding")
    typed = apply_schema(schema, table)
    check_unicode(typed, schema)
    # Folds take the place of validation rows.
    parts = split_table(schema, typed, dataclasses.replace(settings, valid=0.0))
    training = parts["train"]
    used = np.flatnonzero(row_weights(training) > 0)
    learned = training.take(used)
    target = TargetEncoder.from_schema(schema).fit(target_values(training), training.weights)
    truth = true_values(target, learned)
    n_classes = len(target.classes)
    if not n_classes:
        check_squares(target)
    portfolio = fit_portfolio(
        learned,
        schema,
        truth,
        n_classes,
        weights=learned.weights,
        quality=quality,
        time_budget=time_budget if n_classes else time_for_portfolio(time_budget),
        started=started,
        seed=settings.seed,
        precision=settings.precision,
        progress=lambda name: report_phase(f"training {name}"),
        stop=stop,
        checkpoint=checkpoint,
    )
    run = PortfolioRun(
        schema=schema,
        target=target,
        settings=settings,
        quality=quality,
        time_budget=time_budget,
        portfolio=portfolio,
        judged=learned,
        judged_on="out_of_fold",
        learned=learned,
        parts=parts,
        started=started,
        stop=stop,
    )
    model = scored_portfolio(run, report_phase)
    model.report["data_notes"] = list(typed.notes)
    checksum = cells_checksum(typed)
    model.report["fingerprint"] = checksum
    model.report[ROW_DIGESTS] = RowDigests.of(typed, checksum).to_dict()
    return model


@dataclasses.dataclass(frozen=True)
class PortfolioRun:
    """A portfolio that was trained, with the rows that it is judged and scored on.

    Attributes
    ----------
    schema, target, settings, quality, time_budget
        As in :class:`PortfolioModel` and :func:`fit_table`.
    portfolio : Portfolio
    judged : TypedColumns
        The rows that ``portfolio.oof`` has predictions for, by networks not trained on them.
    judged_on : {"out_of_fold", "valid"}
        What these rows are called.
    learned : TypedColumns
        The rows that baselines learn from.
    parts : mapping of str to TypedColumns
        Those of ``"test"``, if there are any, and of ``"train"``.
    started : float
        What ``time.perf_counter`` said at the start of the fit.
    stop : StopFlag
    notes : sequence of str
        More notes for the report.
    """

    schema: Schema
    target: TargetEncoder
    settings: TableSettings
    quality: str
    time_budget: float | None
    portfolio: Portfolio
    judged: TypedColumns
    judged_on: str
    learned: TypedColumns
    parts: Mapping[str, TypedColumns]
    started: float
    stop: StopFlag
    notes: Sequence[str] = ()


def scored_portfolio(run: PortfolioRun, report_phase: Callable[[str], Any]) -> PortfolioModel:
    """Return the model of a portfolio, with intervals of a number, and its report."""
    schema, target, settings, portfolio = run.schema, run.target, run.settings, run.portfolio
    judged, parts, stop, started = run.judged, run.parts, run.stop, run.started
    truth = true_values(target, judged)
    intervals = None
    if not target.classes:
        report_phase("training the scale of intervals")
        intervals = fit_intervals(
            judged,
            schema,
            truth,
            portfolio.oof,
            weights=judged.weights,
            seed=settings.seed,
            precision=settings.precision,
            time_budget=run.time_budget,
            started=started,
            stop=stop,
        )
    stopped = stop.reason if stop else ""
    seconds = time.perf_counter() - started
    report_phase("scoring")
    # Training may end before a row's fold.
    known = np.isfinite(portfolio.oof.reshape(len(judged), -1)).all(axis=1)
    weights = None if judged.weights is None else judged.weights[known]
    scores = {
        run.judged_on: score_outputs(target.task, truth[known], portfolio.oof[known], weights)
    }
    model = PortfolioModel(
        schema=schema,
        target=target,
        settings={
            "test": settings.test,
            "seed": settings.seed,
            "precision": settings.precision,
            "quality": run.quality,
            "time_budget": run.time_budget,
        },
        report={},
        portfolio=portfolio,
        intervals=intervals,
    )
    verdicts, notes = Verdicts(), [_NO_TEST if run.judged_on == "out_of_fold" else _NO_TEST_LARGE]
    of_baselines: dict[str, dict[str, float | None]] = {}
    if "test" in parts:
        scores["test"], of_baselines, verdicts, notes, of_scores = _on_test_rows(
            model, parts["test"], run.learned, settings.seed, linear=not stopped
        )
    else:
        oof = {"portfolio": portfolio.oof[known]}
        of_scores = bootstrap_intervals(target.task, truth[known], oof, weights)
    if stopped:
        notes.append(f"{stopped}: the portfolio has the networks that were trained until then")
    notes += [*portfolio.notes, *run.notes]
    networks = [each for member in portfolio.used for each in member.models]
    model.report.update(
        {
            "task": target.task,
            "rows": {name: len(part) for name, part in parts.items()},
            "networks": len(networks),
            "parameters": sum(each.net.n_parameters for each in networks),
            "leaderboard": portfolio.leaderboard(),
            "learning_curves": recorded_curves(portfolio),
            "temperature": portfolio.temperature,
            "scores": scores,
            "score_intervals": of_scores,
            "baselines": of_baselines,
            "baselines_on": "test",
            "against_constant": verdicts.against("constant"),
            "against_linear": verdicts.against("linear"),
            "training_seconds": seconds,
            "seconds": time.perf_counter() - started,
            "notes": [*absent_class_notes(target.classes, parts), *notes],
            "advice": portfolio_advice(verdicts, run.quality),
            "data_notes": list(judged.notes),
            "fingerprint": "",
        }
    )
    return model


def check_squares(target: TargetEncoder) -> None:
    """Refuse numbers whose squared errors overflow, or are 0 where the errors are not."""
    if not _LEAST < target.std < 1 / _LEAST or abs(target.mean) > 1 / _LEAST:
        raise DataError(
            f"the target has mean {target.mean:.3g} and standard deviation {target.std:.3g}, whose "
            f"squares cannot be computed; expected a deviation between {_LEAST:g} and "
            f"{1 / _LEAST:g}; give the column in another unit"
        )


def _on_test_rows(
    model: PortfolioModel,
    scored: TypedColumns,
    learned: TypedColumns,
    seed: int,
    *,
    linear: bool,
) -> tuple[
    dict[str, float | None], dict[str, dict[str, float | None]], Verdicts, list[str], dict[str, Any]
]:
    """Return scores on test rows, those of the baselines, the verdicts, notes, and intervals."""
    task, n_classes = model.task, len(model.classes)
    truth = true_values(model.target, learned)
    outputs = model.outputs(scored)
    simple = baselines(
        model.schema, learned, truth, n_classes, {"test": scored}, linear=linear, seed=seed
    )
    true_test = true_values(model.target, scored)
    compared = {"portfolio": outputs} | {name: b.outputs["test"] for name, b in simple.items()}
    all_scores = {
        name: score_outputs(task, true_test, each, scored.weights)
        for name, each in compared.items()
    }
    pairs = PairedOutputs(true_test, row_weights(scored), compared)
    verdicts, reasons = compare_on_test_rows(task, pairs.with_known_classes(task, truth))
    notes = [*few_test_rows_notes(len(scored)), *reasons]
    notes += [each.note for each in simple.values() if each.note]
    intervals = bootstrap_intervals(task, true_test, compared, scored.weights)
    return all_scores.pop("portfolio"), all_scores, verdicts, notes, intervals
