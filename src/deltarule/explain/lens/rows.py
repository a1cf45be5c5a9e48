"""Which rows a lens is taken over: a step's, those of its training, and at recorded steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.lens.measures import Measurements, measure, ratio
from deltarule.explain.subject import Subject
from deltarule.explain.subsample import evenly_spaced

__all__ = ["OVER_ROWS", "measure_steps", "training_subject", "with_node_states", "with_update"]

OVER_ROWS = 2048
"""On so many rows recorded steps are measured, of a training that a step is of."""


def training_subject(subject: Subject, most: int | None = None) -> Subject | None:
    """The rows of the training at the same θ, where the subject's are some of them."""
    rows = subject.training_rows
    if rows is None or not rows.w.sum() > 0:
        return None
    some = slice(None) if most is None else evenly_spaced(len(rows.X), most)
    w = rows.w[some]
    return dataclasses.replace(
        subject,
        X=rows.X[some],
        Y=rows.Y[some],
        s=w * len(w),
        w=w / w.sum() if w.sum() > 0 else np.full(len(w), 1 / len(w)),
        masks=None,
        step=None,
        columns=(),
        target=None,
        training_rows=None,
    )


def with_node_states(measured: Measurements, judged: Measurements) -> Measurements:
    """The numbers of some rows, with what is said of units taken from the rows that judge them."""
    if judged is measured:
        return measured
    layers = tuple(
        dataclasses.replace(each, dead=by.dead, saturated=by.saturated, flat=by.flat)
        for each, by in zip(measured.layers, judged.layers, strict=True)
    )
    return dataclasses.replace(
        measured,
        layers=layers,
        dead_nodes=judged.dead_nodes,
        saturated_nodes=judged.saturated_nodes,
    )


def with_update(
    subject: Subject, measured: Measurements, update: np.ndarray | None
) -> Measurements:
    """The same numbers with the ratio of the update, which needs the gradient first."""
    if update is None:
        return measured
    W, _ = subject.net.unpack(subject.theta)
    dW, _ = subject.net.unpack(update)
    layers = []
    for each in measured.layers:
        moved = float(np.linalg.norm(dW[each.layer]))
        changed = ratio(moved, float(np.linalg.norm(W[each.layer])))
        layers.append(dataclasses.replace(each, update_ratio=changed))
    return dataclasses.replace(measured, layers=tuple(layers))


def measure_steps(
    subject: Subject, recording: Any, most: int
) -> tuple[tuple[int, ...], tuple[Measurements, ...]]:
    """The numbers at recorded steps. Two steps that follow each other tell the update between."""
    states = _states(subject, recording)
    recorded = sorted(states)
    steps = [recorded[place] for place in evenly_spaced(len(recorded), most)]
    # The step of an older θ is not that of now: only what was recorded tells of it.
    plain = dataclasses.replace(subject, step=None, masks=None)
    found = []
    for step in steps:
        theta = states[step]
        here = dataclasses.replace(plain, theta=theta)
        measured = measure(here)
        if step + 1 in states:
            measured = with_update(here, measured, states[step + 1] - theta)
        found.append(measured)
    return tuple(steps), tuple(found)


def _states(subject: Subject, recording: Any) -> dict[int, np.ndarray]:
    net = subject.net
    if hasattr(recording, "steps") and callable(getattr(recording, "theta", None)):
        pairs: Iterable[Any] = ((step, recording.theta(step)) for step in recording.steps)
    else:
        pairs = recording
    states: dict[int, np.ndarray] = {}
    try:
        for step, theta in pairs:
            states[int(step)] = net.check_theta(theta)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise InputError(f"the recording is not of this network: {error}") from None
        raise InputError(
            f"recording is {type(recording).__name__}; expected a Recording, or pairs (step, theta)"
        ) from None
    if not states:
        raise InputError("the recording holds no step; expected at least one (step, theta)")
    return states
