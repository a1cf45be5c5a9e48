"""Checkpoints: a training run on disk, from which the same call goes on, bit for bit."""

from __future__ import annotations

import abc
import dataclasses
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import FileError, InputError
from deltarule.files import FolderClaim, NumberedBundles, checked_path
from deltarule.files.filesystem import translate_os_errors
from deltarule.files.locking import LOCK
from deltarule.records import real_number
from deltarule.training.diagnosis.guard import findings_of
from deltarule.training.history import History
from deltarule.training.interrupt import StopReason
from deltarule.training.run import Run, TrainingResult
from deltarule.training.run_description import describe_run, refuse_difference
from deltarule.training.steps import StepRun, final_theta

__all__ = [
    "COMMAND",
    "HISTORY",
    "RUNNING",
    "Checkpoint",
    "CheckpointSlot",
    "RunSaver",
    "Saved",
    "as_checkpoint",
    "as_slot",
    "claimed",
    "refuse_foreign",
    "warn_not_written",
]

RUNNING = "running"
"""The name of the folder of the states of networks in training, if there are many."""

COMMAND = "command.json"
"""The name of the file that keeps the command line's arguments in a checkpoint's folder."""

KIND, VERSION = "deltarule checkpoint", 1
_DOCUMENT = "checkpoint.json"
HISTORY = "history/"
"""What the names of a history's arrays begin with. As JSON it would take longer to write than all
else, where a run has thousands of epochs."""

# Files that stand in a checkpoint's folder before its first state.
_KNOWN = {LOCK, COMMAND, RUNNING}
# Why a run ended that would go on with the same call.
_UNFINISHED = (StopReason.FLAG, StopReason.INTERRUPTED)

Saved = tuple[dict[str, Any], dict[str, np.ndarray]]


class CheckpointSlot(abc.ABC):
    """Where the states of one run are saved.

    Attributes
    ----------
    place : str
        Where it is, for messages.
    every : float
        Seconds between two states.
    """

    place: str
    every: float

    @abc.abstractmethod
    def open(self) -> None:
        """Claim it for this process."""

    @abc.abstractmethod
    def load(self) -> Saved | None:
        """Return the newest state, if there is one."""

    @abc.abstractmethod
    def save(self, documents: dict[str, Any], arrays: dict[str, np.ndarray], final: bool) -> None:
        """Save a state; ``final`` tells whether it is that of the finished run."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give it back."""


def _checked_seconds(every: Any) -> float:
    """Return the seconds between two checkpoints as a float; refuse what is no such number."""
    seconds = real_number(every)
    if seconds is None or not 0 <= seconds < float("inf"):
        raise InputError(parameter="every", given=every, expected="seconds, a number of at least 0")
    return seconds


class Checkpoint(CheckpointSlot):
    """A folder in which :func:`deltarule.train` saves its run, to go on from there.

    It holds the two newest states, each a bundle of JSON and safetensors with checksums: the
    parameters, the optimizer's memory, the place in the order of the rows, the history, and the
    best parameters so far. If the process dies, the same call with the same folder goes on from the
    newest state, in the middle of an epoch too, and ends with the bits of an undisturbed run; a
    call whose run has ended returns its result. The folder may be moved or copied. A state that
    cannot be written, since the disk is full, is a warning, and training goes on.

    Parameters
    ----------
    folder : path
        A new or empty folder, or one with the checkpoint of the same run.
    every : float
        The seconds between two states. The last one is saved in any case.

    Raises
    ------
    InputError
        If ``every`` is no number of seconds; in ``train``, if the folder is of a run with other
        data, settings or versions.
    FileError
        In ``train``, if the folder cannot be used, or another process uses it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule import Network, StopFlag, train
    >>> net, X = Network([1, 4, 1]), np.linspace(-1, 1, 16)[:, None]
    >>> whole = train(net, X, X**2, batch_size=4, epochs=6)
    >>> flag = StopFlag()
    >>> def stop_in_epoch_3(event):
    ...     flag.stop() if event.epoch == 3 else None
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"batch_size": 4, "epochs": 6, "checkpoint": folder}
    ...     first = train(net, X, X**2, callbacks=[stop_in_epoch_3], stop=flag, **options)
    ...     second = train(net, X, X**2, **options)
    >>> len(first.history), bool((second.theta == whole.theta).all())
    (3, True)
    """

    def __init__(self, folder: str | os.PathLike[str], every: float = 30.0) -> None:
        self.every = _checked_seconds(every)
        folder = checked_path("folder", folder)
        self._states = NumberedBundles(folder, "state", KIND, VERSION, most=2)
        self.place = os.fspath(folder)
        self._claim: FolderClaim | None = None

    def open(self) -> None:
        """Claim the folder; refuse one with other files."""
        self._claim = claimed(self._states)
        self._states.prune()  # an earlier process may have ended before it did

    def load(self) -> Saved | None:
        """Return the newest state that can be read."""
        return self._states.newest()

    def save(self, documents: dict[str, Any], arrays: dict[str, np.ndarray], final: bool) -> None:
        """Save a state, and remove all but the newest two."""
        self._states.append(documents, arrays)

    def close(self) -> None:
        """End the claim on the folder."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None


def claimed(bundles: NumberedBundles) -> FolderClaim:
    """Claim the folder of these bundles.

    Raises
    ------
    FileError
        If it holds something, and no checkpoint; or another process uses it.
    """
    if not bundles.paths():
        refuse_foreign(bundles.folder)
    return FolderClaim(bundles.folder)


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder without a checkpoint that holds other files.

    Raises
    ------
    FileError
        If it does, or is no folder.
    """
    with translate_os_errors("read", folder):
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    foreign = [name for name in sorted(names - _KNOWN) if not name.startswith(".")]
    if foreign:
        raise FileError(
            f"{str(folder)!r} holds {foreign[0]!r} and no checkpoint of this kind of run; expected "
            "a new or empty folder, or one with a checkpoint of this run"
        )


def as_checkpoint(checkpoint: Any) -> Checkpoint:
    """Return an argument ``checkpoint`` as a :class:`Checkpoint`.

    Raises
    ------
    InputError
        If it is neither a path nor a Checkpoint.
    """
    if isinstance(checkpoint, Checkpoint):
        return checkpoint
    if isinstance(checkpoint, str | os.PathLike):
        return Checkpoint(checkpoint)
    raise InputError(
        parameter="checkpoint", given=checkpoint, expected="a folder's path, or a Checkpoint"
    )


def as_slot(checkpoint: Any) -> CheckpointSlot:
    """Return the argument ``checkpoint`` of :func:`deltarule.train` as a slot."""
    return checkpoint if isinstance(checkpoint, CheckpointSlot) else as_checkpoint(checkpoint)


def warn_not_written(error: FileError) -> None:
    """Warn that a state was not written; training goes on, since its result is not lost by it."""
    warnings.warn(
        f"the checkpoint was not written: {error}; training goes on, and the states before it are "
        "as they were",
        stacklevel=2,
    )


class RunSaver:
    """Saves a run to a slot from time to time, and restores it.

    Parameters
    ----------
    slot : CheckpointSlot
        Opened.
    run : Run
        At its start.
    """

    def __init__(self, slot: CheckpointSlot, run: Run) -> None:
        self._slot, self._run = slot, run
        self._description = describe_run(run)
        self._began = self._last = time.monotonic()
        # Of earlier calls.
        self._seconds = 0.0

    def restore(self) -> TrainingResult | None:
        """Bring the run to the newest saved state; return its result if it has ended.

        Raises
        ------
        InputError
            If the state is of another run.
        FileError
            If it cannot be read.
        """
        saved = self._slot.load()
        if saved is None:
            return None
        documents, arrays = saved
        try:
            record = documents[_DOCUMENT]
            refuse_difference(record["run"], self._description, "checkpoint", self._slot.place)
            result = _result_of(self._run, record, arrays)
            if record["final"]:
                return result
            self._run.guard.restore(record["guard"])
            self._seconds = result.seconds
            self._go_on(result, record["first_cost"])
        except (KeyError, TypeError, AttributeError) as error:
            raise FileError(
                f"{self._slot.place!r} is not a complete checkpoint: {error!r}; remove it to begin "
                "anew"
            ) from error
        return None

    def _go_on(self, result: TrainingResult, first_cost: float | None) -> None:
        """Bring the run to the state of a result that is not final."""
        run = self._run
        if isinstance(run, StepRun):  # a minimizer begins anew: SciPy does not give its memory away
            earlier, reset = run.earlier_epochs, run.optimizer_reset
            run.resume(result)
            run.earlier_epochs, run.optimizer_reset = earlier, reset
            run.first_cost = first_cost

    def save_if_due(self) -> None:
        """Save the state of the run, if the last one is old enough; called between its steps."""
        if time.monotonic() - self._last < self._slot.every:
            return
        assert isinstance(self._run, StepRun)
        self._save(self._run.state(), self._run.history, None)
        self._last = time.monotonic()

    def finish(self, result: TrainingResult) -> TrainingResult:
        """Save a result; return it with the seconds of earlier calls."""
        result = dataclasses.replace(result, seconds=result.seconds + self._seconds)
        if result.stop_reason not in _UNFINISHED or self._run.first_cost is not None:
            self._save(result.state, result.history, result)
        return result

    def _save(
        self, state: Mapping[str, np.ndarray], history: History, result: TrainingResult | None
    ) -> None:
        run = self._run
        final = result is not None and result.stop_reason not in _UNFINISHED
        seconds = self._seconds + time.monotonic() - self._began
        record = {
            "run": self._description,
            "final": final,
            "first_cost": run.first_cost,
            "seconds": seconds if result is None else result.seconds,
            "best_epoch": run.best_epoch if result is None else result.best_epoch,
            "stopped": None if result is None else result.stopped,
            "stop_reason": None if result is None else result.stop_reason.name,
            "optimizer_reset": run.optimizer_reset,
            "guard": run.guard.state(),
        }
        logs = {f"{HISTORY}{name}": column for name, column in history.to_arrays().items()}
        try:
            self._slot.save({_DOCUMENT: record}, {**state, **logs}, final)
        except FileError as error:
            warn_not_written(error)


def _result_of(
    run: Run, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> TrainingResult:
    """Return the result that a saved state stands for."""
    net = run.engine.net
    logs = {
        name.removeprefix(HISTORY): column
        for name, column in arrays.items()
        if name.startswith(HISTORY)
    }
    state = {name: value for name, value in arrays.items() if not name.startswith(HISTORY)}
    theta = final_theta(state)
    if theta is None:
        raise KeyError("theta")
    history = History.from_arrays(logs)
    reason = record["stop_reason"]
    return TrainingResult(
        net=net,
        theta=np.array(net.check_theta(theta)),
        history=history,
        best_epoch=int(record["best_epoch"]),
        stopped=record["stopped"] or "",
        stop_reason=StopReason.INTERRUPTED if reason is None else StopReason[reason],
        seconds=float(record["seconds"]),
        engine=run.engine.name,
        state=state,
        epochs=run.epochs,
        optimizer_reset=record["optimizer_reset"],
        findings=findings_of(record["guard"]),
    )
