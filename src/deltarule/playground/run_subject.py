"""A run as a subject of ``deltarule.explain``: its next step, or a fixed set of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.explain.page import PageState, formulas_script, payload_of
from deltarule.explain.subject import Names, StepTaken, Subject, slots_of
from deltarule.playground.run_state import Snapshot

__all__ = ["ROWS", "run_payload", "subject_of_run"]

# The page recomputes these rows many times a second.
_MOST_ROWS = 64
ROWS = ("step", "same")


def subject_of_run(snapshot: Snapshot, rows: str = "step", most: int = _MOST_ROWS) -> Subject:
    """The subject of a run at its current parameters.

    Parameters
    ----------
    snapshot : Snapshot
    rows : {"step", "same"}
        ``"step"``: the rows and row weights of the next mini-batch, and the update that the
        step makes. ``"same"``: the first training rows, at every step the same.
    most : int
        The largest number of rows for ``"same"``.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> snapshot = make_run_state(RunSettings(data="xor", batch_size=8)).snapshot()
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


def run_payload(snapshot: Snapshot, rows: str = "step") -> dict[str, Any]:
    """The payload for the page's network drawing and derivations, and its formulas' JavaScript.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> sorted(run_payload(make_run_state(RunSettings()).snapshot()))
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
