"""A run as something to explain: the next step, or some rows that stay the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.explain.page import PageState, formulas_script, payload_of
from deltarule.explain.subject import Names, StepTaken, Subject, slots_of
from deltarule.playground.state import Snapshot

__all__ = ["ROWS", "live_payload", "subject_of_run"]

# Rows that the page computes with many times a second.
_MOST_ROWS = 64
ROWS = ("step", "same")


def subject_of_run(snapshot: Snapshot, rows: str = "step", most: int = _MOST_ROWS) -> Subject:
    """The subject of a run at its parameters of the moment.

    Parameters
    ----------
    snapshot : Snapshot
    rows : {"step", "same"}
        The rows of the mini-batch that the next step takes, with the weights it takes them
        with, and the step itself; or the first rows that are trained on, whatever the step.
    most : int
        Of the rows that stay the same, at most so many.

    Returns
    -------
    Subject

    Examples
    --------
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> snapshot = made_problem(RunSettings(data="xor", batch_size=8), None, StopFlag()).snapshot()
    >>> subject_of_run(snapshot).X.shape, subject_of_run(snapshot, "same").X.shape
    ((8, 2), (64, 2))
    """
    data, net = snapshot.data, snapshot.net
    exact = net.with_changes(dtype=np.float64)
    batch = snapshot.next_batch
    if rows == "step":
        numbers, w = batch.rows, batch.w.astype(np.float64)
    else:
        numbers = data.trained[:most]
        w = np.full(len(numbers), 1 / len(numbers))
    Y = net.loss.prepare(data.targets(net), len(data.X), net.n_outputs, net.dtype)
    step = StepTaken(
        settings=EngineSettings(
            rule=snapshot.settings.rule,
            l2=snapshot.settings.l2,
            total_weight=snapshot.total_weight,
            seed=snapshot.settings.seed,
        ),
        learning_rate=snapshot.changes[-1].learning_rate,
        number=snapshot.step + 1,
        slots=slots_of(snapshot.state),
    )
    classes = data.target.classes
    outputs = (data.target.name,) if net.n_outputs == 1 else classes
    return Subject(
        net=exact,
        theta=snapshot.theta.astype(np.float64),
        X=data.X[numbers].astype(np.float64),
        Y=Y[numbers].astype(np.float64),
        s=np.ones(len(numbers)),
        w=w,
        names=Names(data.inputs, outputs, tuple(str(int(i)) for i in numbers)),
        step=step if rows == "step" else None,
        engine=snapshot.engine,
        dtype=str(net.dtype),
        classes=classes,
        part_of=len(data.trained) if len(numbers) < len(data.trained) else None,
    )


def live_payload(snapshot: Snapshot, rows: str = "step") -> dict[str, Any]:
    """What the drawing and the derivation take, and the formulas that they compute with.

    Examples
    --------
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> snapshot = made_problem(RunSettings(), None, StopFlag()).snapshot()
    >>> sorted(live_payload(snapshot))
    ['formulas', 'payload', 'step']
    """
    subject = subject_of_run(snapshot, rows)
    moment = PageState(subject.theta, step=snapshot.step, epoch=snapshot.epoch)
    payload = payload_of(subject, title=snapshot.settings.data, states=[moment])
    return {
        "step": snapshot.step,
        "payload": payload,
        "formulas": formulas_script(subject.net, subject.step, subject.objective),
    }
