"""The comparison of a fitted network with its baselines, by folds or by test rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import DataError, Diverged, Message, Parameter
from deltarule.tables import Schema, TypedColumns
from deltarule.tabular.folds import cross_validate
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.verdict import (
    LEAST_PAIRS,
    Comparison,
    PairedOutputs,
    compare,
    effective_number,
    relative_loss,
)
from deltarule.training import StopFlag, StopReason, TrainingResult

__all__ = ["Verdicts", "compare_on_test_rows", "compare_with_baselines"]

# With at least this many test rows their pairs are enough, and folds would cost much time.
_ENOUGH_TEST_ROWS = 1000


class Verdicts(NamedTuple):
    """A model compared with each baseline, and the linear baseline with the constant.

    ``held_out_loss`` is the model's mean loss on the compared rows, divided by that of the best
    constant, and ``training_loss`` that on the training rows of the same networks. All are None
    where there is no verdict, and ``training_loss`` for a portfolio.
    """

    constant: Comparison | None = None
    linear: Comparison | None = None
    linear_against_constant: Comparison | None = None
    held_out_loss: float | None = None
    training_loss: float | None = None

    def against(self, baseline: str) -> dict[str, Any] | None:
        """Return the comparison with a baseline as a dictionary."""
        found: Comparison | None = getattr(self, baseline)
        return None if found is None else found.to_dict()


def compare_with_baselines(
    schema: Schema,
    typed: TypedColumns,
    settings: TableSettings,
    task: str,
    scored_part: str,
    held_out: PairedOutputs,
    training_loss: float,
    result: TrainingResult,
    engine: str,
    stop: StopFlag | None,
    begin_folds: Callable[[], Any],
) -> tuple[Verdicts, list[str]]:
    """Compare the network with its baselines; return the verdicts, and notes on why they lack.

    ``held_out`` holds the outputs for the rows of ``scored_part``, and ``training_loss`` is the
    network's on its training rows, divided by that of the best constant; ``begin_folds`` is called
    before a cross-validation begins.
    """
    if "linear" not in held_out.outputs:
        return Verdicts(), []  # training was stopped
    is_test = scored_part == "test"
    number = effective_number(held_out.weights)
    if not is_test:
        # As for a table with the usual fifth of its rows in a test part.
        number = len(typed) / 5
    if number < LEAST_PAIRS and (is_test or settings.folds):
        count, least = len(typed), 5 * LEAST_PAIRS
        if is_test:
            count, least = len(held_out.weights), LEAST_PAIRS
        return Verdicts(), [_too_few(count, least, number, is_test=is_test)]
    notes: list[str] = []
    if settings.folds and number < _ENOUGH_TEST_ROWS:
        if result.stop_reason in (StopReason.CALLBACK, StopReason.FLAG, StopReason.INTERRUPTED):
            return Verdicts(), []
        begin_folds()
        try:
            folds = cross_validate(schema, typed, settings, engine, stop)
        except (DataError, Diverged) as error:
            notes.append(f"no cross-validation: the rows outside of a fold gave an error ({error})")
        else:
            if folds is None:
                return Verdicts(), ["no verdict on the baselines: the cross-validation was stopped"]
            losses = [fold.training_loss for fold in folds]
            pairs = [fold.pairs for fold in folds]
            return _verdicts(task, pairs, float(np.mean(losses))), notes
    if not is_test:
        chosen = "chose the epoch" if scored_part == "valid" else "were trained on"
        return Verdicts(), [
            *notes,
            Message(
                f"no verdict on the baselines: the rows of the scores {chosen}; hold some out, ",
                "with ",
                Parameter("test", 0.2),
            ),
        ]
    return _verdicts(task, [held_out], training_loss), notes


def compare_on_test_rows(task: str, held_out: PairedOutputs) -> tuple[Verdicts, list[str]]:
    """Compare a portfolio with its baselines on test rows; return notes where there is no verdict.

    The models are as they are kept, and the pairs are the test rows, whatever their number: a
    cross-validation would train a portfolio for each fold, and out-of-fold losses are no test,
    since epochs and weights are chosen by them.
    """
    if "linear" not in held_out.outputs:
        return Verdicts(), []  # training was stopped
    number = effective_number(held_out.weights)
    if number < LEAST_PAIRS:
        return Verdicts(), [_too_few(len(held_out.weights), LEAST_PAIRS, number, is_test=True)]
    return _verdicts(task, [held_out], None, "portfolio"), []


def _too_few(count: int, least: int, number: float, *, is_test: bool) -> str:
    """Return a note that there are too few rows for a verdict."""
    what = "the test rows are" if is_test else "the rows of the table are"
    alike = f", which by their weights are like {number:.0f}" if is_test and count >= least else ""
    return Message(
        f"no verdict on the baselines: {what} {count}{alike}, and fewer than {least} say "
        "little; give more rows",
        *((", or a larger ", Parameter("test")) if is_test else ()),
    )


def _verdicts(
    task: str, samples: list[PairedOutputs], training_loss: float | None, model: str = "network"
) -> Verdicts:
    outputs = np.concatenate([sample.outputs[model] for sample in samples])
    truth = np.concatenate([sample.truth for sample in samples])
    weights = np.concatenate([sample.weights for sample in samples])
    return Verdicts(
        compare(task, samples, model, "constant"),
        compare(task, samples, model, "linear"),
        compare(task, samples, "linear", "constant"),
        relative_loss(task, truth, outputs, weights),
        training_loss,
    )
