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
from deltarule.records import checked_integer
from deltarule.training import arguments
from deltarule.training.batches import Batches
from deltarule.training.recording import Recording, digest_of_rows, digest_of_theta

__all__ = ["ReplayedStep", "batches_of", "replay", "started_path"]


# The most training rows stored with a replayed step; of more, evenly spaced rows are stored.
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
        The epoch of the step, from 1 as in the history.
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
        The gradient of ``cost`` with respect to θ, without penalty and before clipping.
    verified : int or None
        The first step, from this one on, whose recorded digest of θ was reproduced; None if
        digests were not compared, or none was recorded.
    notes : tuple of str
        Remarks, for example that bits may differ on another processor.
    source_rows : array of int, or None
        The rows' numbers in the source table, from 1.
    table, typed : TableModel and TypedColumns, or None
        The table model, and the columns of these rows.
    recording : Recording or None
        The recording that was replayed.
    training_rows : Batch or None
        The training rows, or 10,000 evenly spaced ones, with weights that add to 1. Nodes are
        measured on them, since one batch is too few rows.

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
        All rows, validation rows included; the recording holds their numbers.
    step : int
        From 1, over the whole training.
    sample_weight : array of shape (N,), optional
        As it was given to ``train``.
    order : callable, optional
        As it was given to ``train``; required if it was given.
    engine : str, Engine, or its class, optional
        By default the engine of the recorded run.
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
        If X, Y or the weights are not those of the training.
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
    step = checked_integer("step", step, 1)
    epoch, index = recording.place(step)
    batches = batches_of(recording, X, Y, sample_weight, order)
    start = max(checkpoint for checkpoint in recording.checkpoints if checkpoint < step)
    engine = recording.engine if engine is None else engine
    path = started_path(recording, batches, start, engine, verify)
    path.advance(step - 1)
    before = path.engine.state()
    _, epoch_steps = path.epoch_steps(step)
    batch = epoch_steps.batch(index)
    _, gradient = path.engine.gradient(batch)
    path.advance(step)
    after, cost = path.engine.state(), path.cost
    verified = None
    if verify:
        verified = min((t for t in recording.digests if t >= step), default=None)
        if verified is not None:
            path.advance(verified)
    return ReplayedStep(
        net=recording.net,
        settings=recording.settings,
        engine=path.engine.name,
        dtype=recording.net.dtype,
        step=step,
        epoch=epoch,
        index=index,
        batch=batch,
        learning_rate=float(epoch_steps.rates[index]),
        before=before,
        after=after,
        cost=cost,
        gradient=gradient,
        verified=None if path.differs_at else verified,
        notes=path.notes(),
        recording=recording,
        training_rows=_training_rows(batches, step),
    )


def _training_rows(batches: Batches, step: int) -> Batch:
    """Return all or evenly spaced training rows, with weights that add to 1."""
    numbers = np.arange(len(batches.Y)) if batches.rows is None else batches.rows
    count = min(len(numbers), _MOST_TRAINING_ROWS)
    rows = numbers[np.linspace(0, len(numbers) - 1, count).astype(np.intp)]
    w = np.asarray(batches.relative_weights[rows], dtype=np.float64)
    w = w / (w.sum() or 1.0)
    return Batch(np.asarray(batches.X[rows]), batches.Y[rows], w, rows, step)


def batches_of(recording: Recording, X: Any, Y: Any, sample_weight: Any, order: Any) -> Batches:
    """Return the batches of a recorded run; refuse rows that are not those of the run."""
    if recording.own_order and order is None:
        raise InputError(
            "training had an order of its own; expected order=, the function that was given to "
            "train, beside the rows"
        )
    all_rows = arguments.rows_of_data(recording.net, X, Y, sample_weight)
    if len(all_rows.Y) != recording.n_rows:
        raise DataError(
            f"X has {len(all_rows.Y)} rows; expected the {recording.n_rows} that were given to "
            "training, those held out included"
        )
    batches = Batches(
        *all_rows,
        batch_size=recording.batch_size,
        seed=recording.settings.seed,
        shuffle=recording.shuffle,
        order=order if recording.own_order else None,
        rows=recording.rows,
    )
    digests = digest_of_rows(batches)
    for name, digest in recording.data.items():
        if digests[name] != digest:
            raise DataError(
                f"{name} is not what the network was trained on: its digest is {digests[name]}, "
                f"expected {digest}; give the very rows, in their order, that were given to train"
            )
    return batches


def started_path(
    recording: Recording, batches: Batches, start: int, engine: Any, verify: bool
) -> _Replay:
    """Return a replay that begins at the checkpoint after step ``start``."""
    state = recording.checkpoints[start]
    loaded_engine = started_engine(
        engine, recording.net, np.array(state["theta"]), recording.settings, recording.threads
    )
    if len(state) > 1:
        loaded_engine.restore(state)
    return _Replay(recording, batches, loaded_engine, start, verify)


class _Replay:
    """A replay from a checkpoint on, which compares θ with the recorded digests.

    ``step`` is the number of steps taken, ``cost`` the cost of the last one, and ``differs_at`` the
    first step after which θ has other bits than in the run, or 0.
    """

    def __init__(
        self, recording: Recording, batches: Batches, engine: Engine, start: int, verify: bool
    ) -> None:
        self.recording, self.batches, self.engine = recording, batches, engine
        self.step = self.start = start
        self.cost = float("nan")
        self.verify = verify
        self.environment = environment_of(engine.name)
        self.differs_at = 0

    def epoch_steps(self, step: int) -> tuple[int, Epoch]:
        """Return the number of a step in its epoch, from 0, and the steps of the epoch."""
        epoch, index = divmod(step - 1, self.recording.steps_per_epoch)
        return index, self.batches.epoch_steps(epoch, self.recording.rates(epoch + 1))

    def advance(self, step: int) -> None:
        """Take the steps up to and including ``step``."""
        while self.step < step:
            first, epoch_steps = self.epoch_steps(self.step + 1)
            last = min(first + step - self.step, epoch_steps.steps)
            self._run(epoch_steps, first, last)
            self.step += last - first
            if self.verify and self.step in self.recording.digests:
                self._compare()

    def _run(self, epoch_steps: Epoch, first: int, last: int) -> None:
        """Take the steps ``first`` (included) to ``last`` (excluded) of an epoch, from 0."""
        if last < epoch_steps.steps:
            order = epoch_steps.order
            order = np.arange(epoch_steps.n_rows) if order is None else order
            epoch_steps = epoch_steps._replace(
                order=order[: last * epoch_steps.batch_size], rates=epoch_steps.rates[:last]
            )
        taken = first
        for costs in self.engine.epoch(epoch_steps, first):
            if len(costs):
                self.cost = float(costs[-1])
                taken += len(costs)
        if taken < last or not np.isfinite(self.cost):
            raise self._violation(
                self.step + taken - first,
                f"has the cost {self.cost!r}, where the run had a finite one",
            )

    def _compare(self) -> None:
        """Compare θ with the recorded digest; note the step, or raise if nothing explains it."""
        digest = digest_of_theta(self.engine.theta)
        expected = self.recording.digests[self.step]
        if digest == expected or self.differs_at:
            return
        self.differs_at = self.step
        if not self._changes():
            raise self._violation(
                self.step,
                f"gives θ another digest, {digest}, where the run had {expected}",
                "; with verify=False it is shown all the same",
            )

    def _violation(self, step: int, what: str, advice: str = "") -> ContractViolation:
        return ContractViolation(
            f"replaying from step {self.start}, step {step} {what}; expected the same bits from "
            f"the same engine, rows and weights; give the rows that were trained on{advice}",
            check="replay",
        )

    def _changes(self) -> list[str]:
        """Return the differences between the environment of the recorded run and this one."""
        recorded, current = dict(self.recording.where), dict(self.environment)
        recorded["engine"], current["engine"] = self.recording.engine, self.engine.name
        if not self.engine.promises.same_bits_for_any_threads:
            recorded["threads"] = str(self.recording.threads)
            current["threads"] = str(self.engine.threads)
        if recorded.get("deltarule") != current.get("deltarule"):
            for environment in (recorded, current):  # another version has another source code
                environment.pop("source", None)
        return [
            "deltarule's code has changed since"
            if name == "source"
            else f"{name} was {recorded.get(name, 'none')!r}, and is {current.get(name, 'none')!r}"
            for name in {**recorded, **current}
            if recorded.get(name) != current.get(name)
        ]

    def notes(self) -> tuple[str, ...]:
        """Return notes on bits that differ or may differ."""
        changes = self._changes()
        if not changes:
            return ()
        where = "; ".join(changes)
        if self.differs_at:
            return (f"θ after step {self.differs_at} has other bits than in the run: {where}",)
        if self.verify:
            return (f"{where}: bits may differ, but those of θ came out as recorded",)
        return (f"{where}: bits may differ from those of the run",)
