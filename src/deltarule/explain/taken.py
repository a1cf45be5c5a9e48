"""What the lens is given, as a subject; and what its step adds to θ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.errors import InputError
from deltarule.explain.subject import Column, Names, StepTaken, Subject
from deltarule.maths import Network
from deltarule.optimizers import Rule
from deltarule.training import Model

__all__ = ["step_update", "subject_for"]


def subject_for(
    given: Any, X: Any = None, y: Any = None, theta: Any = None, sample_weight: Any = None
) -> Subject:
    """The subject of what was given: itself, a network with its θ, a model, an estimator.

    Examples
    --------
    >>> net = Network([1, 1], activation=[])
    >>> subject_for(net, [[1.0]], [[0.0]], theta=[2.0, 0.0]).X
    array([[1.]])
    """
    if isinstance(given, Subject):
        if X is not None or y is not None or theta is not None or sample_weight is not None:
            raise InputError(
                "a Subject was given together with X, y, theta or sample_weight; it has its own, "
                "so give it alone"
            )
        return given
    if isinstance(given, Network):
        if theta is None:
            raise InputError("a Network was given without parameters; give theta=…, or a Model")
        return Subject.of_arrays(given, theta, _rows(X, "X"), _rows(y, "y"), sample_weight)
    if theta is not None:
        raise InputError(
            f"theta was given with a {type(given).__name__}, which has its own; leave it out, or "
            "give the Network"
        )
    if isinstance(given, Model):
        return Subject.of_arrays(
            given.net, given.theta, _rows(X, "X"), _rows(y, "y"), sample_weight
        )
    if hasattr(given, "encoder") and hasattr(given, "schema"):
        return _of_table(given, X, sample_weight)
    if hasattr(given, "network_") and hasattr(given, "coefs_"):
        rows, targets = given._targets(_rows(X, "X"), _rows(y, "y"), incremental=True, reset=False)
        dense = rows.toarray() if hasattr(rows, "toarray") else rows
        classes = tuple(map(str, getattr(given, "classes_", ())))
        theta = given._packed(given.network_)
        subject = Subject.of_arrays(given.network_, theta, dense, targets, sample_weight)
        return dataclasses.replace(subject, classes=classes)
    raise InputError(
        f"the lens was given a {type(given).__name__}; expected a Network with theta, a Model, a "
        "fitted MLPClassifier or MLPRegressor, a TableModel with its table, or a Subject"
    )


def _rows(value: Any, name: str) -> Any:
    if value is None:
        raise InputError(f"{name} was not given; expected the rows to look at, as X and y")
    return value


def _of_table(given: Any, table: Any, sample_weight: Any) -> Subject:
    from deltarule.tables import TypedColumns, apply_schema

    typed = table if isinstance(table, TypedColumns) else apply_schema(given.schema, table)
    if typed.target is None:
        raise InputError("the table has no target; expected the column the model was trained on")
    net, encoder = given.model.net, given.encoder
    X = encoder.transform(typed, dtype=net.dtype)
    Y = given.target.transform(typed.target)
    weights = typed.weights if sample_weight is None else sample_weight
    columns, at = [], 0
    for code in encoder.codes:
        width = len(code.features())
        kind = given.schema[code.name].kind
        cells = tuple(typed.columns[code.name].tolist())
        columns.append(Column(code.name, kind, tuple(range(at, at + width)), cells))
        at += width
    plain = Names.plain(net, len(X))
    names = dataclasses.replace(plain, inputs=tuple(encoder.feature_names))
    return Subject.of_arrays(
        net,
        given.model.theta,
        X,
        Y,
        weights,
        names,
        columns=tuple(columns),
        classes=tuple(map(str, given.classes)),
    )


def with_step(
    subject: Subject,
    learning_rate: float | None,
    rule: str | Rule | Mapping[str, Any] | None,
) -> Subject:
    """The subject with a step of this rate and rule, from fresh slots, if a rate is given."""
    if learning_rate is None:
        if rule is not None:
            raise InputError("rule was given without learning_rate; give both, or neither")
        return subject
    try:
        rate = float(learning_rate)
    except (TypeError, ValueError):
        rate = float("nan")
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"learning_rate is {learning_rate!r}; expected a finite number > 0")
    settings = EngineSettings(rule="sgd" if rule is None else rule)
    return dataclasses.replace(subject, step=StepTaken(settings, rate))


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
    >>> subject = subject_for(net, [[1.0]], [[0.0]], theta=[2.0, 0.0])
    >>> step_update(with_step(subject, 0.25, None), np.array([4.0, 4.0]), 4.0)
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
    for name, value in step.slots.items():
        state[name if name.startswith("slot.") else f"slot.{name}"] = np.asarray(value)
    engine.restore(state)
    engine.apply(grad, step.learning_rate, cost)
    return np.asarray(engine.theta) - subject.theta
