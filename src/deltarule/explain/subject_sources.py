"""Subjects from estimators, table models and steps of training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.errors import InputError
from deltarule.explain.columns import EncodedColumn, encoded_columns, encoded_target
from deltarule.explain.subject import (
    Names,
    StepTaken,
    Subject,
    TableRows,
    TrainingRows,
    slots_of,
)
from deltarule.maths import Network
from deltarule.optimizers import RULES, Rule
from deltarule.tables import Table, TypedColumns, apply_schema

if TYPE_CHECKING:
    from deltarule.tabular import NetworkModel

__all__ = ["ModelSubject", "of_estimator", "of_step", "of_table", "output_names"]


class ModelSubject(NamedTuple):
    """The subject of a trained model, with the model's network, θ, next step and engine.

    ``net`` and ``theta`` have the dtype of training; ``step`` is a step from this θ by the model's
    own settings, if these are known, and ``engine`` the name of the engine that trained.
    """

    subject: Subject
    net: Network
    theta: np.ndarray
    step: StepTaken | None = None
    engine: str | None = None


def of_estimator(model: Any, X: Any, y: Any, sample_weight: Any) -> ModelSubject:
    """Return a fitted MLPClassifier or MLPRegressor, at its present coefficients, as a subject."""
    from deltarule.estimators.sklearn_rules import rule_record

    if not hasattr(model, "coefs_"):
        raise InputError(
            f"this {type(model).__name__} is not fitted; expected a fitted one; call fit first"
        )
    if X is None or y is None:
        raise InputError("an estimator is explained on rows with targets; expected X and y")
    columns = tuple(map(str, getattr(model, "feature_names_in_", ())))
    rows, Y = model._targets(X, y, incremental=True, reset=False)
    s = model._row_weights(y, sample_weight, rows)
    if hasattr(rows, "toarray"):
        rows = rows.toarray()
    net: Network = model.network_
    theta = model._current_theta(net)
    classes = tuple(map(str, getattr(model, "classes_", ())))
    default = Names.plain(net, len(rows))
    outputs = output_names(classes, net, default.outputs)
    names = Names(columns or default.inputs, outputs, default.rows)
    subject = Subject.of_arrays(net, theta, rows, Y, s, names, classes=classes)
    rule = rule_record(model)
    step = None
    if isinstance(rule, Rule):
        penalties = {"l2": model.alpha, "l1": model.l1}
        step = _next_step(subject, rule, penalties, model.clip_norm, model.learning_rate_init)
        step = _with_rule_state(step, model, rule, theta)
    engine = model.engine if isinstance(model.engine, str) else None
    return ModelSubject(subject, net, theta, step, engine)


def _next_step(
    subject: Subject, rule: Any, penalties: dict[str, Any], clip_norm: float | None, rate: float
) -> StepTaken:
    """The step that a model's own rule and settings would take from the subject's θ."""
    strengths: dict[str, Any] = {name: float(value) for name, value in penalties.items()}
    total = float(subject.s.sum())
    settings = EngineSettings(rule=rule, total_weight=total, clip_norm=clip_norm, **strengths)
    return StepTaken(settings, float(rate), hypothetical=True)


def _with_rule_state(step: StepTaken, model: Any, rule: Rule, theta: np.ndarray) -> StepTaken:
    """Return the step with the rule's state and step number, if training ended at this θ."""
    memory = getattr(model, "_memory", None)
    state = {} if memory is None else memory.state_at(theta)
    slots = slots_of(state)
    same = "theta" in state and np.array_equal(state["theta"], theta) and "t" in state
    if not same or set(slots) != {slot.name for slot in rule.slots}:
        return step
    number = int(state["t"]) + 1
    return dataclasses.replace(step, number=number, slots=slots, hypothetical=False)


def output_names(
    classes: tuple[str, ...], net: Network, default: tuple[str, ...]
) -> tuple[str, ...]:
    """The class of each output; of two classes with one output, the second; else the default."""
    if len(classes) == net.n_outputs:
        return classes
    if len(classes) == 2 and net.n_outputs == 1:
        return (classes[1],)
    return default


def of_table(model: NetworkModel, table: Any, sample_weight: Any) -> ModelSubject:
    """Return a table model on the rows of a table with its target as a subject."""
    typed = _typed(model, table)
    net, theta = model.model.net, model.model.theta
    X = model.encoder.transform(typed, dtype=net.dtype)
    Y = model.network_targets(np.asarray(typed.target))
    outputs = output_names(model.classes, net, Names.plain(net, len(X)).outputs)
    names = Names(model.encoder.feature_names, outputs, tuple(str(i + 1) for i in typed.rows))
    subject = Subject.of_arrays(
        net,
        theta,
        X,
        Y,
        typed.weights if sample_weight is None else sample_weight,
        names,
        columns=encoded_columns(model, typed, net.dtype),
        left_out=tuple(name for name, _ in model.schema.dropped),
        classes=model.classes,
        target=encoded_target(model, typed),
        table=TableRows(model, typed),
    )
    settings = model.settings
    step = None
    if settings.get("rule") in RULES and subject.s.sum() > 0:
        penalties = {name: settings.get(name, 0.0) for name in ("l2", "l1")}
        rate = settings.get("learning_rate", 0.0)
        step = _next_step(subject, settings["rule"], penalties, settings.get("clip_norm"), rate)
    engine = settings.get("engine")
    return ModelSubject(subject, net, theta, step, engine if isinstance(engine, str) else None)


def _typed(model: NetworkModel, table: Any) -> TypedColumns:
    if isinstance(table, Table):
        return apply_schema(model.schema, table)
    if not isinstance(table, TypedColumns):
        raise InputError(
            f"a TableModel was given a {type(table).__name__}; expected a Table with its target, "
            "or TypedColumns; use table_from_frame for a frame"
        )
    if table.target is None:
        raise InputError(
            "the TypedColumns have no target, and a loss compares with one; "
            "apply the schema with need_target=True"
        )
    return table


def of_step(step: Any) -> Subject:
    """Return a replayed step of training as a subject: its batch, masks, state and result."""
    exact = step.net.with_changes(dtype=np.float64)
    theta = np.asarray(step.before["theta"], dtype=np.float64)
    X, Y = (np.asarray(part, dtype=np.float64) for part in (step.batch.X, step.batch.Y))
    w = np.asarray(step.batch.w, dtype=np.float64)
    reference = ReferenceEngine()
    reference.load(step.net, np.asarray(step.before["theta"]), step.settings)
    masks = reference.masks(step.batch)
    if masks is not None:
        masks = [None if m is None else np.asarray(m, dtype=np.float64) for m in masks]
    taken = StepTaken(
        settings=step.settings,
        learning_rate=float(step.learning_rate),
        number=int(step.before.get("t", step.step - 1)) + 1,
        slots=slots_of(step.before),
        theta_after=np.asarray(step.after["theta"], dtype=np.float64),
    )
    rows = step.batch.rows if step.source_rows is None else step.source_rows
    names = Names.plain(exact, len(X))
    columns: tuple[EncodedColumn, ...] = ()
    classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    target = source = None
    table = getattr(step, "table", None)
    if table is not None:
        outputs = output_names(table.classes, exact, names.outputs)
        names = Names(table.encoder.feature_names, outputs, names.rows)
        classes = table.classes
        if step.typed is not None:
            columns = encoded_columns(table, step.typed, step.net.dtype)
            left_out = tuple(name for name, _ in table.schema.dropped)
            target = encoded_target(table, step.typed, step.net.dtype)
            source = TableRows(table, step.typed, parts=("train",) * len(X))
    part_of, training_rows = _training_of(step, len(X))
    return Subject(
        net=exact,
        theta=theta,
        X=X,
        Y=Y,
        s=w * len(X),
        w=w,
        names=dataclasses.replace(names, rows=tuple(str(int(row)) for row in rows)),
        masks=masks,
        step=taken,
        engine=step.engine,
        dtype=str(np.dtype(step.dtype)),
        engine_grad=np.asarray(step.gradient, dtype=np.float64),
        columns=columns,
        left_out=left_out,
        classes=classes,
        target=target,
        part_of=part_of,
        training_rows=training_rows,
        table=source,
    )


def _training_of(step: Any, n_rows: int) -> tuple[int | None, TrainingRows | None]:
    """The number of training rows, and the rows; None for both if the step used all of them."""
    recording, rows = getattr(step, "recording", None), getattr(step, "training_rows", None)
    if recording is None or recording.n_training_rows <= n_rows:
        return None, None
    if rows is None:
        return recording.n_training_rows, None
    X, Y, w = (np.asarray(part, dtype=np.float64) for part in (rows.X, rows.Y, rows.w))
    return recording.n_training_rows, TrainingRows(X, Y, w)
