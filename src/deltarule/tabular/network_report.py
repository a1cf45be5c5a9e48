"""The report on a trained network: its scores, those of the baselines, and notes on both."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.tables import Schema, TypedColumns
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.row_digests import RowDigests
from deltarule.tabular.advice import advice
from deltarule.tabular.baselines import baselines
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics.numbers import residual_interval
from deltarule.tabular.model import prediction_engine
from deltarule.tabular.network_fit import EncodedParts, true_values
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.tabular.scores import score_outputs
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import absent_class_notes, few_test_rows_notes, row_weights
from deltarule.tabular.verdict import PairedOutputs, relative_loss
from deltarule.tabular.verdicts import compare_with_baselines
from deltarule.training import Model, StopFlag, StopReason, TrainingResult

__all__ = ["NetworkRun", "scored_network"]


@dataclasses.dataclass(frozen=True)
class NetworkRun:
    """A network that was trained, with the rows that it is scored on.

    Attributes
    ----------
    schema : Schema
    typed : TypedColumns
        All rows, or a sample of them.
    rows : mapping of str to array
        The row numbers in ``typed`` of each part.
    encoded : EncodedParts
    settings : TableSettings
    result : TrainingResult
    started : float
        What ``time.perf_counter`` said at the start of the fit.
    """

    schema: Schema
    typed: TypedColumns
    rows: Mapping[str, np.ndarray]
    encoded: EncodedParts
    settings: TableSettings
    result: TrainingResult
    started: float


def scored_network(
    run: NetworkRun,
    stop: StopFlag | None,
    report_phase: Callable[[str], Any],
    more_notes: Sequence[str] = (),
) -> tuple[Model, dict[str, Any]]:
    """Return the network with its parameters, and the report of :func:`fit_table` on it."""
    schema, typed, rows, encoded = run.schema, run.typed, run.rows, run.encoded
    settings, result, started = run.settings, run.result, run.started
    parts, net, target = encoded.parts, encoded.net, encoded.target
    model = Model(net, result.theta, result.history)
    truth = {name: true_values(target, part) for name, part in parts.items()}
    engine = prediction_engine({"engine": settings.engine})
    outputs = {name: encoded.outputs(name, result.theta, engine) for name in parts}
    scores = {
        name: score_outputs(target.task, truth[name], outputs[name], part.weights)
        for name, part in parts.items()
    }
    scored_part = next(name for name in ("test", "valid", "train") if name in parts)
    scored = parts[scored_part]
    # The baselines learn from all other parts, in the order of the table.
    others = [index for name, index in rows.items() if name != scored_part] or [rows[scored_part]]
    learned = typed.take(np.sort(np.concatenate(others)))
    # The linear model can take long, so it is left out where training was stopped.
    simple = baselines(
        schema,
        learned,
        true_values(target, learned),
        len(target.classes),
        {scored_part: scored},
        linear=not stop,
        seed=settings.seed,
    )
    outputs_of = {"network": outputs[scored_part]}
    outputs_of |= {name: each.outputs[scored_part] for name, each in simple.items()}
    held_out = PairedOutputs(truth[scored_part], row_weights(scored), outputs_of)
    held_out = held_out.with_known_classes(target.task, true_values(target, learned))
    verdicts, verdict_notes = compare_with_baselines(
        schema,
        typed,
        settings,
        target.task,
        scored_part,
        held_out,
        relative_loss(target.task, truth["train"], outputs["train"], parts["train"].weights),
        result,
        engine,
        stop,
        lambda: report_phase("cross-validating"),
    )
    report: dict[str, Any] = {
        "task": target.task,
        "rows": {name: len(parts[name]) for name in scores},
        "features": encoded.encoder.n_features,
        "parameters": net.n_parameters,
        "scores": scores,
        "score_intervals": bootstrap_intervals(
            target.task, truth[scored_part], outputs_of, scored.weights
        ),
        "baselines": {
            name: score_outputs(
                target.task, truth[scored_part], each.outputs[scored_part], scored.weights
            )
            for name, each in simple.items()
        },
        "baselines_on": scored_part,
        "against_constant": verdicts.against("constant"),
        "against_linear": verdicts.against("linear"),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "engine": result.engine,
        "training_seconds": result.seconds,
        "seconds": time.perf_counter() - started,
        "notes": [
            *(each.text() for each in result.findings),
            *encoded.encoder.merged_notes(),
            *absent_class_notes(target.classes, parts),
            *_score_notes(parts, scored_part, result, settings.schedule),
            *verdict_notes,
            *(each.note for each in simple.values() if each.note),
            *more_notes,
        ],
        "findings": [dataclasses.asdict(each) for each in result.findings],
        "advice": advice(
            verdicts,
            settings,
            ended_at_last_epoch=_ended_at_last_epoch(result),
            merged_levels=encoded.encoder.n_merged_levels,
            findings=[each.kind for each in result.findings if each.serious],
        ),
        "data_notes": list(typed.notes),
        "fingerprint": (checksum := cells_checksum(typed)),
        ROW_DIGESTS: RowDigests.of(typed, checksum).to_dict(),
    }
    if target.task == "regression" and "valid" in parts:
        left = truth["valid"] - outputs["valid"]
        report["residual_interval"] = residual_interval(left, parts["valid"].weights)
    return model, report


def _ended_at_last_epoch(result: TrainingResult) -> bool:
    """Whether the last of all epochs was the best."""
    return result.stop_reason is StopReason.EPOCHS and result.best_epoch == len(result.history) > 1


def _score_notes(
    parts: Mapping[str, TypedColumns], scored_part: str, result: TrainingResult, schedule: str
) -> list[str]:
    """Return notes on how reliable the scores are."""
    notes = []
    # With a schedule that lowers the rate until the end, the last epoch is usually the best.
    if "valid" in parts and _ended_at_last_epoch(result) and schedule == "constant":
        notes.append("the validation loss was still falling at the end: give more epochs")
    if scored_part == "train":
        notes.append("no rows were held out: the scores are of rows the network was trained on")
    elif scored_part == "valid":
        why = "the validation rows chose the epoch, so their scores are a little too good"
        notes.append(f"no test rows were held out: {why}")
    else:
        notes += few_test_rows_notes(len(parts["test"]))
    return notes
