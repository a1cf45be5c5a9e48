"""What the page shows of a run: a description after each change, and many frames a second."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.maths.subsample import evenly_spaced
from deltarule.optimizers import RULES
from deltarule.playground.data import BUILTIN, Data, TargetSpec
from deltarule.playground.decision_surface import plane_points, side_for, surface_levels
from deltarule.playground.frame_format import pack_frame
from deltarule.playground.run_state import RunState
from deltarule.playground.settings import (
    LIMITS,
    STARTS,
    STEPS_PER_SECOND,
    RunSettings,
    activations,
    legal_losses,
    ranges,
)
from deltarule.playground.tabledata import ReadTable
from deltarule.tables.derived_features import DERIVED, DerivedFeatures

__all__ = ["describe_run", "encode_frame"]

# While a network with more parameters trains, frames do not contain them.
_MOST_PARAMETERS = 40_000
# Scores are computed on at most this many rows, and at most once in this many seconds.
_MOST_SCORED = 1000
_SCORE_INTERVAL = 0.2


def describe_run(state: RunState, source: ReadTable | None) -> dict[str, Any]:
    """What does not change while the run trains: settings, choices of the controls, axes, rows.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> describe_run(make_run_state(RunSettings()), None)["net"]["widths"]
    [2, 4, 3, 1]
    """
    data, plane, run, net = state.data, state.plane, state.run, state.net
    settings = state.last_settings.plain()
    rule = RULES.get(state.settings.rule)
    low, high = (float(data.y.min()), float(data.y.max())) if not data.target.classes else (0, 1)
    return {
        "settings": settings,
        "choices": {
            "data": [*BUILTIN, *(("table",) if source else ())],
            "activation": activations(),
            "loss": list(legal_losses(len(data.target.classes))),
            "rule": RULES.names(),
            "columns": list(source.schema.names) if source else [],
            "derived": _derived_choices(data) if data.derivable else [],
            "limits": LIMITS,
            "ranges": ranges(),
            "defaults": RunSettings().plain(),
            "starts": STARTS,
            "speed": STEPS_PER_SECOND,
            "full_batch": [each.name for each in RULES if each.full_batch],
            "without_rate": [each.name for each in RULES if not each.uses_learning_rate],
        },
        "table": None if source is None else {"name": source.name, "rows": len(source.typed)},
        "rows": {"train": run.batches.n_rows, "held": 0 if data.held is None else len(data.held)},
        "batch_size": run.batches.batch_size,
        "full_batch": rule.full_batch,
        "steps_per_epoch": run.batches.steps_per_epoch,
        "inputs": list(data.inputs),
        "notes": list(data.notes),
        "axes": [
            {
                "name": axis.name,
                "inputs": list(axis.inputs),
                "levels": list(axis.levels),
                "date": axis.date,
                "offset": float(data.offsets[axis.inputs[0]]),
                "scale": float(data.scales[axis.inputs[0]]),
            }
            for axis in data.axes
        ],
        "target": {
            "name": data.target.name,
            "classes": list(data.target.classes),
            "mean": data.target.mean,
            "scale": data.target.scale,
            "low": _in_unit(low, data.target),
            "high": _in_unit(high, data.target),
        },
        "plane": {
            "x": plane.x,
            "y": plane.y,
            "hold": plane.hold,
            "ranges": list(plane.ranges),
            "fixed": [float(value) for value in plane.fixed],
        },
        "guess": state.guess,
        "points": plane_points(data, plane),
        "net": {
            "widths": list(net.widths),
            "parameters": net.n_parameters,
            "output": net.output_activation.name,
        },
        "engine": run.engine.name,
    }


def _derived_choices(data: Data) -> list[dict[str, str]]:
    """The inputs that can be derived from those of the data, with their names on the page."""
    labels = DerivedFeatures(tuple(DERIVED), data.inputs[: data.n_given]).features()
    return [{"name": name, "label": label} for name, label in zip(DERIVED, labels, strict=True)]


def _in_unit(value: float, target: TargetSpec) -> float:
    """A standardised quantity in the unit of the table; a rounding error around 0 becomes 0."""
    original = value * target.scale + target.mean
    return original if abs(original) > 1e-9 * target.scale else 0.0


def encode_frame(state: RunState, header: Mapping[str, Any], moving: bool) -> bytes:
    """One frame: step and losses, the loss curve, the parameters, and the decision surface.

    Examples
    --------
    >>> from deltarule.playground.frame_format import unpack_frame
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> state = make_run_state(RunSettings())
    >>> header, arrays = unpack_frame(encode_frame(state, {"frame": 1}, moving=False))
    >>> header["step"], sorted(arrays)
    (0, ['curve', 'level', 'theta'])
    """
    run, data = state.run, state.data
    side = side_for(state.net.n_multiply_adds, moving)
    with np.errstate(all="ignore"):
        arrays = surface_levels(data, state.plane.outputs(run.engine.predict, side))
        arrays["curve"] = curve = state.curve()
        if not moving or state.net.n_parameters <= _MOST_PARAMETERS:
            arrays["theta"] = np.array(run.engine.theta, dtype=np.float32)
        hand = state.by_hand(moving)
        loss, held = (float(curve[-2]), float(curve[-1])) if hand is None else hand
        changed, changed_epoch = state.last_change
        progress = {
            "side": side,
            "edits": run.n_edits,
            "edited_after": run.edits[-1].step if run.edits else -1,
            "step": run.step,
            "epoch": len(run.history),
            "done": run.done,
            "by_hand": hand is not None,
            "changed": changed,
            "changed_epoch": changed_epoch,
            "best_epoch": 0 if state.best is None else state.best.epoch,
            "best_loss": None if state.best is None else _finite_or_none(state.best.loss),
            "loss": _finite_or_none(loss),
            "held_loss": None if held is None else _finite_or_none(held),
            "learning_rate": run.rate,
            **_scores(state, moving),
        }
    return pack_frame({**header, **progress}, arrays)


def _scores(state: RunState, moving: bool) -> dict[str, float | None]:
    """The scores of the training rows and of those held out, recomputed at intervals."""
    now = time.perf_counter()
    if not moving or now > state.scores_time + _SCORE_INTERVAL:
        data, held = state.data, state.data.held
        state.scores = {
            "score": _score(state, data.trained),
            "held_score": None if held is None else _score(state, held),
        }
        state.scores_time = now
    return state.scores


def _score(state: RunState, rows: np.ndarray) -> float | None:
    """The accuracy, or the mean absolute error in the target's unit."""
    data = state.data
    rows = rows[evenly_spaced(len(rows), _MOST_SCORED)]
    output = state.run.engine.predict(data.X[rows])
    if not data.target.classes:
        error = np.abs(output[:, 0].astype(np.float64) - data.y[rows]).mean()
        return _finite_or_none(float(error * data.target.scale))
    chosen = output[:, 0] > 0.5 if output.shape[1] == 1 else output.argmax(axis=1)
    return float((chosen == data.y[rows]).mean())


def _finite_or_none(value: float) -> float | None:
    """The number, or None if it is not finite, which JSON cannot hold."""
    return value if math.isfinite(value) else None
