"""The rows that a lens is measured on: those of a step, of its training, or at recorded steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.engines import ReferenceEngine
from deltarule.errors import InputError
from deltarule.explain.lens.measures import measure
from deltarule.explain.subject import Subject
from deltarule.maths.subsample import evenly_spaced
from deltarule.training.diagnosis.measures import Measurements, ratio

__all__ = [
    "OVER_ROWS",
    "measure_steps",
    "step_update",
    "training_subject",
    "with_node_states",
    "with_update",
]

OVER_ROWS = 2048
"""The most training rows on which recorded steps are measured, for the lens of a step."""


def training_subject(subject: Subject, most: int | None = None) -> Subject | None:
    """Return the subject of the training rows at the same θ, or None if they are not known."""
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
    """Return measurements with the dead and saturated nodes of others, on the training rows."""
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


def step_update(subject: Subject, grad: np.ndarray, cost: float) -> np.ndarray | None:
    """The change of θ by the subject's step, shape (p,); None if no step is known.

    It is the recorded result minus θ where training recorded one; otherwise the reference engine
    takes the step, with penalties, frozen parameters, clipping and the rule.
    ``grad`` is ∂C/∂θ of the data term, shape (p,), and ``cost`` is C, both at the subject's θ.

    Examples
    --------
    >>> from deltarule.explain.subject_builders import subject_of
    >>> from deltarule.maths import Network
    >>> net = Network([1, 1], activation=[])
    >>> subject = subject_of(net, [[1.0]], [[0.0]], theta=[2.0, 0.0], learning_rate=0.25)
    >>> step_update(subject, np.array([4.0, 4.0]), 4.0)
    array([-1., -1.])
    """
    step = subject.step
    if step is None:
        return None
    if step.theta_after is not None:
        return np.asarray(step.theta_after, dtype=np.float64) - subject.theta
    engine = ReferenceEngine()
    engine.load(subject.net, subject.theta, step.settings)
    state = engine.state()
    state["t"] = np.array(step.number - 1)
    state |= {f"slot.{name}": np.asarray(value) for name, value in step.slots.items()}
    engine.restore(state)
    engine.apply(grad, step.learning_rate, cost)
    return np.asarray(engine.theta) - subject.theta


def with_update(
    subject: Subject, measured: Measurements, update: np.ndarray | None
) -> Measurements:
    """Return the measurements with ``update_ratio`` of a change of θ, shape (p,)."""
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
    """Measure recorded steps; where two are consecutive, their difference is the update."""
    states = _states(subject, recording)
    recorded = sorted(states)
    steps = [recorded[place] for place in evenly_spaced(len(recorded), most)]
    # The subject's step does not belong to an older θ.
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
