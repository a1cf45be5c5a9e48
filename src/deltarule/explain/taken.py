"""What the lens looks at, as a subject; and what its step adds to θ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.errors import InputError
from deltarule.explain.subject import StepTaken, Subject
from deltarule.explain.subjects import subject_of
from deltarule.maths import Network
from deltarule.optimizers import Rule
from deltarule.training import Model

__all__ = ["looked_at", "step_update"]


def looked_at(
    given: Any,
    X: Any = None,
    y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    learning_rate: float | None = None,
    rule: str | Rule | Mapping[str, Any] | None = None,
) -> Subject:
    """The subject of what was given, with the step that was asked for.

    Examples
    --------
    >>> net = Network([1, 1], activation=[])
    >>> looked_at(net, [[1.0]], [[0.0]], theta=[2.0, 0.0], learning_rate=0.5).step.learning_rate
    0.5
    """
    if learning_rate is not None and not _is_rate(learning_rate):
        raise InputError(f"learning_rate is {learning_rate!r}; expected a finite number > 0")
    if isinstance(given, Subject):
        if any(part is not None for part in (X, y, theta, sample_weight)):
            raise InputError(
                "a Subject was given together with X, y, theta or sample_weight; it has its own, "
                "so give it alone"
            )
        if rule is None and learning_rate is None:
            return given
        settings = EngineSettings(
            rule="sgd" if rule is None else rule, total_weight=float(given.s.sum()) or 1.0
        )
        return dataclasses.replace(given, step=StepTaken(settings, learning_rate or 0.0))
    if isinstance(given, Network | Model) and (X is None or y is None):
        missing = "X" if X is None else "y"
        raise InputError(f"{missing} was not given; expected the rows to look at, as X and y")
    return subject_of(
        given,
        X,
        y,
        theta=theta,
        sample_weight=sample_weight,
        learning_rate=learning_rate,
        rule=rule,
    )


def _is_rate(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)) and float(value) > 0)
    except (TypeError, ValueError):
        return False


def step_update(subject: Subject, grad: np.ndarray, cost: float) -> np.ndarray | None:
    """What the subject's step adds to θ; None if no step is known.

    That is what the engine that trained made of θ, where it is known; otherwise the reference
    engine takes the step: penalty, frozen parameters, clipping and rule.

    Parameters
    ----------
    subject : Subject
    grad : array of shape (p,)
        ∂C/∂θ of the data term at the subject's θ.
    cost : float

    Examples
    --------
    >>> net = Network([1, 1], activation=[])
    >>> subject = looked_at(net, [[1.0]], [[0.0]], theta=[2.0, 0.0], learning_rate=0.25)
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
