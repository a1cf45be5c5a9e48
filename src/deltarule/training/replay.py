"""Replaying one step of a recorded run, bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings, Epoch, started_engine
from deltarule.engines.environment import environment_of
from deltarule.errors import ContractViolation, DataError, InputError
from deltarule.maths import Network
from deltarule.training import arguments
from deltarule.training.batches import Batches
from deltarule.training.recording import Recording, digest_of_rows, digest_of_theta

__all__ = ["ReplayedStep", "batches_of", "replay", "started_path"]


# The most training rows kept with a replayed step; of more, evenly spread ones are kept.
_MOST_TRAINING_ROWS = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class ReplayedStep:
    """One step of a training run, with its inputs and results.

    Attributes
    ----------
    net : Network
    settings : EngineSettings
    engine : str
        The engine that replayed the step.
    dtype : dtype
    step : int
        t, from 1 over the whole training.
    epoch : int
        From 1, as in the history.
    index : int
        The batch's number in the epoch, from 0.
    batch : Batch
        The rows of the step, as given to the engine.
    learning_rate : float
        η of this step, schedule included.
    before, after : dict of arrays
        The state before and after the step, as ``Engine.state()`` returns it.
    cost : float
        The data term of the cost before the update.
    gradient : array of shape (p,)
        Its gradient, as the engine computed it: no penalty, not clipped.
    verified : int or None
        The nearest step from this one on whose recorded digest of θ was reproduced; None if it
        was not compared, or there is none.
    notes : tuple of str
        Remarks, for example that bits may differ on another processor.
    source_rows : array of int, or None
        The rows' numbers in the source table, from 1.
    table, typed : TableModel and TypedColumns, or None
        The table model, and the columns of these rows.
    recording : Recording or None
        The recording that was replayed.
    training_rows : Batch or None
        The training rows, or 10,000 evenly spread ones, with weights of sum 1, to measure nodes
        over the whole training set and not over one batch.

    Examples
    --------
    See :func:`replay`.
    """

    net: Network
    settings: EngineSettings
    engine: str
    dtype: np.dtype[Any]
    step: int
    epoch: int
    index: int
    batch: Batch
    learning_rate: float
    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]
    cost: float
    gradient: np.ndarray
    verified: int | None = None
    notes: tuple[str, ...] = ()
    source_rows: np.ndarray | None = None
    table: Any = None
    typed: Any = None
    recording: Recording | None = None
    training_rows: Batch | None = None


def replay(
    recording: Recording,
    X: Any,
    Y: Any,
    step: int,
    *,
    sample_weight: Any = None,
    order: Callable[[int], np.ndarray] | None = None,
    engine: str | Engine | type[Engine] | None = None,
    verify: bool = True,
) -> ReplayedStep:
    """Replay one step of a recorded run from the nearest checkpoint before it.

    With the same engine, processor and libraries, θ has the bits of the recorded run.

    Parameters
    ----------
    recording : Recording
    X, Y : arrays, as they were given to :func:`deltarule.train`
        All rows; the recording has the numbers of the validation rows.
    step : int
        From 1, over the whole training.
    sample_weight : array of shape (N,), optional
        As it was given to ``train``.
    order : callable, optional
        As it was given to ``train``; required if it was given.
    engine : str, Engine, or its class, optional
        By default the one that trained.
    verify : bool
        Whether to continue to the next recorded digest of θ and compare with it.

    Returns
    -------
    ReplayedStep

    Raises
    ------
    InputError
        If the step was not recorded, or the rows or weights do not fit the network.
    DataError
        If they are not the rows of the training.
    ContractViolation
        If a digest of θ differs although processor, libraries and data are the same; or a cost is
        not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> from deltarule.training import Recorder, replay
    >>> net, X = Network([1, 4, 1]), np.linspace(-1, 1, 16)[:, None]
    >>> recorder = Recorder()
    >>> result = train(net, X, X**2, batch_size=4, epochs=5, callbacks=[recorder])
    >>> step = replay(recorder.recording(), X, X**2, step=11)
    >>> step.epoch, step.index, len(step.batch.rows), step.verified is not None
    (3, 2, 4, True)
    """
    step = arguments.whole("step", step, 1)
    epoch, index = recording.place(step)
    batches = batches_of(recording, X, Y, sample_weight, order)
    which = recording.engine if engine is None else engine
    start = max(after for after in recording.checkpoints if after < step)
    path = started_path(recording, batches, start, which, verify)
    runner = path.engine
    path.go(step - 1)
    before = runner.state()
    _, planned = path.planned(step)
    batch = planned.batch(index)
    _, gradient = runner.gradient(batch)
    path.go(step)
    after, cost = runner.state(), path.cost
    verified = None
    if verify:
        later = [each for each in recording.digests if each >= step]
        verified = min(later) if later else None
        if verified is not None:
            path.go(verified)
    return ReplayedStep(
        net=recording.net,
        settings=recording.settings,
        engine=runner.name,
        dtype=recording.net.dtype,
        step=step,
        epoch=epoch,
        index=index,
        batch=batch,
        learning_rate=float(planned.rates[index]),
        before=before,
        after=after,
        cost=cost,
        gradient=gradient,
        verified=None if path.differs else verified,
        notes=path.notes(),
        recording=recording,
        training_rows=_training_rows(batches, step),
    )


def _training_rows(batches: Batches, step: int) -> Batch:
    """Return training rows, with weights whose sum is 1."""
    there = np.arange(len(batches.Y)) if batches.rows is None else batches.rows
    some = np.linspace(0, len(there) - 1, min(len(there), _MOST_TRAINING_ROWS)).astype(np.intp)
    rows = there[some]
    w = np.asarray(batches.share[rows], dtype=np.float64)
    w = w / (w.sum() or 1.0)
    return Batch(np.asarray(batches.X[rows]), batches.Y[rows], w, rows, step)


def batches_of(recording: Recording, X: Any, Y: Any, sample_weight: Any, order: Any) -> Batches:
    """Return the batches of a recorded run; refuse rows other than its own.

    Raises
    ------
    DataError
        If the rows differ.
    InputError
        If the order was the caller's own, and is not given.
    """
    if recording.own_order and order is None:
        raise InputError(
            "training had an order of its own; expected order=, the function that was given to "
            "train, beside the rows"
        )
    whole = arguments.checked_data(recording.net, X, Y, sample_weight)
    if len(whole.Y) != recording.n_rows:
        raise DataError(
            f"X has {len(whole.Y)} rows; expected the {recording.n_rows} that were given to "
            "training, those held out included"
        )
    batches = Batches(
        *whole,
        batch_size=recording.batch_size,
        seed=recording.settings.seed,
        shuffle=recording.shuffle,
        order=order if recording.own_order else None,
        rows=recording.rows,
    )
    found = digest_of_rows(batches)
    for name, digest in recording.data.items():
        if found[name] != digest:
            raise DataError(
                f"{name} is not what the network was trained on: its digest is {found[name]}, "
                f"expected {digest}; give the very rows, in their order, that were given to train"
            )
    return batches


def started_path(
    recording: Recording, batches: Batches, start: int, which: Any, verify: bool
) -> _Path:
    """Return a replay that begins at a checkpoint."""
    state = recording.checkpoints[start]
    runner = started_engine(
        which, recording.net, np.array(state["theta"]), recording.settings, recording.threads
    )
    if len(state) > 1:
        runner.restore(state)
    return _Path(recording, batches, runner, start, verify)


class _Path:
    """A replay from a checkpoint on, which compares θ with the recorded digests."""

    def __init__(
        self, recording: Recording, batches: Batches, engine: Engine, start: int, verify: bool
    ) -> None:
        self.recording, self.batches, self.engine = recording, batches, engine
        self.at = self.start = start
        self.cost = float("nan")
        self.verify = verify
        self.here = environment_of(engine.name)
        self.differs = 0

    def planned(self, step: int) -> tuple[int, Epoch]:
        """Return the number of a step in its epoch, from 0, and the steps of the epoch."""
        epoch, index = divmod(step - 1, self.recording.steps_per_epoch)
        return index, self.batches.planned(epoch, self.recording.rates(epoch + 1))

    def go(self, step: int) -> None:
        """Take all steps up to and including ``step``."""
        while self.at < step:
            first, planned = self.planned(self.at + 1)
            last = min(first + step - self.at, planned.steps)
            self._run(planned, first, last)
            self.at += last - first
            if self.verify and self.at in self.recording.digests:
                self._compare()

    def _run(self, planned: Epoch, first: int, last: int) -> None:
        if last < planned.steps:
            order = np.arange(planned.n_rows) if planned.order is None else planned.order
            shorter = order[: last * planned.batch_size]
            planned = planned._replace(order=shorter, rates=planned.rates[:last])
        taken = first
        for costs in self.engine.epoch(planned, first):
            if len(costs):
                self.cost = float(costs[-1])
                taken += len(costs)
        if taken < last or not np.isfinite(self.cost):
            raise self._violation(
                self.at + taken - first,
                f"has the cost {self.cost!r}, where the run had a finite one",
            )

    def _compare(self) -> None:
        found = digest_of_theta(self.engine.theta)
        expected = self.recording.digests[self.at]
        if found == expected or self.differs:
            return
        self.differs = self.at
        if not self._changes():
            raise self._violation(
                self.at,
                f"gives θ another digest, {found}, where the run had {expected}",
                "; with verify=False it is shown all the same",
            )

    def _violation(self, step: int, what: str, advice: str = "") -> ContractViolation:
        return ContractViolation(
            f"replaying from step {self.start}, step {step} {what}; expected the same bits from "
            f"the same engine, rows and weights; give the rows that were trained on{advice}",
            check="replay",
        )

    def _changes(self) -> list[str]:
        """Return what differs from the machine and code that recorded the run."""
        then, now = dict(self.recording.where), dict(self.here)
        then["engine"], now["engine"] = self.recording.engine, self.engine.name
        if not self.engine.promises.same_bits_for_any_threads:
            then["threads"] = str(self.recording.threads)
            now["threads"] = str(self.engine.threads)
        if then.get("deltarule") != now.get("deltarule"):
            for each in (then, now):  # another version has another source code
                each.pop("source", None)
        return [
            "deltarule's code has changed since"
            if name == "source"
            else f"{name} was {then.get(name, 'none')!r}, and is {now.get(name, 'none')!r}"
            for name in {**then, **now}
            if then.get(name) != now.get(name)
        ]

    def notes(self) -> tuple[str, ...]:
        """Return notes on bits that differ or may differ."""
        changes = self._changes()
        if not changes:
            return ()
        where = "; ".join(changes)
        if self.differs:
            return (f"θ after step {self.differs} has other bits than in the run: {where}",)
        if self.verify:
            return (f"{where}: bits may differ, but those of θ came out as recorded",)
        return (f"{where}: bits may differ from those of the run",)
