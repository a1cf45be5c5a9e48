"""A run as a subject of ``deltarule.explain``: its next step, or a fixed set of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.errors import InputError
from deltarule.explain.page import PageState, formulas_script, payload_of
from deltarule.explain.subject import Names, StepTaken, Subject, slots_of
from deltarule.playground.run_state import Snapshot

__all__ = ["ROWS", "run_payload", "subject_of_run"]

# The page recomputes these rows many times a second.
_MOST_ROWS = 64
ROWS = ("step", "same")


def subject_of_run(
    snapshot: Snapshot, rows: str = "step", most: int = _MOST_ROWS, row: int | None = None
) -> Subject:
    """The subject of a run at its current parameters.

    Parameters
    ----------
    snapshot : Snapshot
    rows : {"step", "same"}
        ``"step"``: the rows and row weights of the next mini-batch, and the update that the
        step makes. ``"same"``: the first training rows, at every step the same.
    most : int
        The largest number of rows for ``"same"``.
    row : int, optional
        A row that is to be among them. Where it is not one of the others it comes last, with weight
        0, so that means do not contain it.

    Raises
    ------
    InputError
        If the data have no such row.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> snapshot = make_run_state(RunSettings(data="xor", batch_size=8)).snapshot()
    >>> subject_of_run(snapshot).X.shape, subject_of_run(snapshot, "same").X.shape
    ((8, 2), (64, 2))
    >>> subject = subject_of_run(snapshot, row=299)
    >>> subject.names.rows[-1], float(subject.w[-1])
    ('299', 0.0)
    """
    data, net = snapshot.data, snapshot.net
    exact = net.with_changes(dtype=np.float64)
    batch = snapshot.next_batch
    if rows == "step":
        numbers, w = batch.rows, batch.w.astype(np.float64)
    else:
        numbers = data.trained[:most]
        w = np.full(len(numbers), 1 / len(numbers))
    if row is not None and not 0 <= row < len(data.X):
        raise InputError(parameter="row", given=row, expected=f"0 to {len(data.X) - 1}")
    if row is not None and row not in numbers:
        numbers, w = np.append(numbers, row), np.append(w, 0.0)
    Y = net.loss.prepare(data.targets(net), len(data.X), net.n_outputs, net.dtype)
    step = StepTaken(
        settings=EngineSettings(
            rule=snapshot.settings.rule,
            l2=snapshot.settings.l2,
            l1=snapshot.settings.l1,
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


def run_payload(
    snapshot: Snapshot,
    rows: str = "step",
    row: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The payload for the page's network drawing and derivations, and its formulas' JavaScript.

    ``rows`` and ``row`` are those of :func:`subject_of_run`; the page begins with ``row``.
    ``check`` is called between the parts of the work, and raises an error to end it.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> sorted(run_payload(make_run_state(RunSettings()).snapshot()))
    ['edits', 'formulas', 'payload', 'step']
    """
    subject = subject_of_run(snapshot, rows, row=row)
    check()
    moment = PageState(subject.theta, step=snapshot.step, epoch=snapshot.epoch)
    start = {} if row is None else {"sample": subject.names.rows.index(str(row))}
    payload = payload_of(subject, title=snapshot.settings.data, states=[moment], start=start)
    check()
    if row is None:
        del payload["start"]["sample"]  # the page keeps the one it shows
    if len(payload["names"]["rows"]) == len(subject.X):
        payload["rows_of"] = int((subject.w > 0).sum())  # what means are of
    return {
        "step": snapshot.step,
        "edits": snapshot.n_edits,
        "payload": payload,
        "formulas": formulas_script(subject.net, subject.step, subject.objective),
    }
