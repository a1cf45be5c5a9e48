"""The change of θ by a step: as recorded, or computed by the reference engine."""

from __future__ import annotations

import numpy as np

from deltarule.engines import ReferenceEngine
from deltarule.explain.subject import Subject

__all__ = ["step_update"]


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
