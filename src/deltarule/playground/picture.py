"""A run as the page shows it: a description when it changes, a frame many times a second."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.explain.subsample import evenly_spaced
from deltarule.optimizers import RULES
from deltarule.playground.data import BUILTIN, Target
from deltarule.playground.frames import packed
from deltarule.playground.settings import LIMITS, STARTS, activations, legal_losses
from deltarule.playground.state import Problem
from deltarule.playground.surface import SIDE, points, surface
from deltarule.playground.tabledata import ReadTable

__all__ = ["described", "framed"]

# Of a larger network the parameters are not sent with every frame while it trains.
_SMALL = 40_000
_MOST_SCORED = 1000
_SCORES_APART = 0.2


def described(problem: Problem, source: ReadTable | None) -> dict[str, Any]:
    """What stays while the run goes on, for the controls and the axes.

    Examples
    --------
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> described(made_problem(RunSettings(), None, StopFlag()), None)["net"]["widths"]
    [2, 4, 3, 1]
    """
    data, plane, run, net = problem.data, problem.plane, problem.run, problem.net
    settings = problem.settings.plain() | {"learning_rate": run.rate}
    rule = RULES.get(problem.settings.rule)
    low, high = (float(data.y.min()), float(data.y.max())) if not data.target.classes else (0, 1)
    return {
        "settings": settings,
        "choices": {
            "data": [*BUILTIN, *(("table",) if source else ())],
            "activation": activations(),
            "loss": list(legal_losses(len(data.target.classes))),
            "rule": RULES.names(),
            "columns": list(source.schema.names) if source else [],
            "limits": LIMITS,
            "starts": STARTS,
            "full_batch": [each.name for each in RULES if each.full_batch],
            "without_rate": [each.name for each in RULES if not each.uses_learning_rate],
        },
        "table": None if source is None else {"name": source.name, "rows": len(source.typed)},
        "rows": {"train": run.batches.n_rows, "held": 0 if data.held is None else len(data.held)},
        "batch_size": run.batches.batch_size,
        "full_batch": rule.full_batch,
        "steps_per_epoch": run.batches.steps_per_epoch,
        "inputs": list(data.inputs),
        "axes": [
            {
                "name": axis.name,
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
            "side": SIDE,
        },
        "points": points(data, plane),
        "net": {
            "widths": list(net.widths),
            "parameters": net.n_parameters,
            "output": net.output_activation.name,
        },
        "engine": run.engine.name,
    }


def _in_unit(value: float, target: Target) -> float:
    """A standardised quantity in the unit of the table; what is 0 but for rounding is 0."""
    found = value * target.scale + target.mean
    return found if abs(found) > 1e-9 * target.scale else 0.0


def framed(problem: Problem, header: Mapping[str, Any], moving: bool) -> bytes:
    """One frame: where the run is, its curve, its parameters, and the plane.

    Examples
    --------
    >>> from deltarule.playground.frames import unpacked
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> problem = made_problem(RunSettings(), None, StopFlag())
    >>> header, arrays = unpacked(framed(problem, {"frame": 1}, moving=False))
    >>> header["step"], sorted(arrays)
    (0, ['curve', 'level', 'theta'])
    """
    run, data = problem.run, problem.data
    with np.errstate(all="ignore"):
        arrays = surface(data, run.engine.predict(problem.plane.rows))
        arrays["curve"] = curve = problem.curve()
        if not moving or problem.net.n_parameters <= _SMALL:
            arrays["theta"] = np.array(run.engine.theta, dtype=np.float32)
        where = {
            "step": run.step,
            "epoch": len(run.history),
            "done": run.done,
            "loss": _plain(float(curve[-2])),
            "held_loss": _plain(float(curve[-1])),
            "learning_rate": run.rate,
            **_scores(problem, moving),
        }
    return packed({**header, **where}, arrays)


def _scores(problem: Problem, moving: bool) -> dict[str, float | None]:
    """Which share of the rows is right, or the mean absolute error in the target's unit."""
    now = time.perf_counter()
    if not moving or now > problem.scored + _SCORES_APART:
        data, held = problem.data, problem.data.held
        problem.scores = {
            "score": _score(problem, data.trained),
            "held_score": None if held is None else _score(problem, held),
        }
        problem.scored = now
    return problem.scores


def _score(problem: Problem, rows: np.ndarray) -> float | None:
    data = problem.data
    rows = rows[evenly_spaced(len(rows), _MOST_SCORED)]
    output = problem.run.engine.predict(data.X[rows])
    if not data.target.classes:
        error = np.abs(output[:, 0].astype(np.float64) - data.y[rows]).mean()
        return _plain(float(error * data.target.scale))
    chosen = output[:, 0] > 0.5 if output.shape[1] == 1 else output.argmax(axis=1)
    return float((chosen == data.y[rows]).mean())


def _plain(value: float) -> float | None:
    """A number for JSON, or None for what is none."""
    return value if math.isfinite(value) else None
