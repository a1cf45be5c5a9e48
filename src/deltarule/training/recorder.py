"""The recorder: a callback that keeps checkpoints of a run, within bounds on time and memory."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.engines.environment import environment_of
from deltarule.errors import FileError, InputError
from deltarule.files import check_bundle_path, checked_path, save_elsewhere
from deltarule.records import real_number, to_python_scalar, whole_number
from deltarule.training.history import History
from deltarule.training.recording import KIND, Recording, digest_of_rows, digest_of_theta
from deltarule.training.run import EpochEvent, Run, RunCallback
from deltarule.training.steps import StepRun

__all__ = ["Recorder"]

# The expected time of the first checkpoint, which copies the engine's state and digests θ: a
# constant, and a time per byte of θ. The expected time of a later one is that of the last one.
_SECONDS, _SECONDS_PER_BYTE = 3e-5, 2.5e-9

# With more digests than this every second one is dropped: a run may have millions of epochs.
_MOST_DIGESTS = 20_000

# The part of the time budget that is used for what the clock measures. The rest is for costs that
# it does not measure: calls, and cold caches.
_MEASURED_PART = 0.35


class Recorder(RunCallback):
    """A callback for :func:`deltarule.train` that keeps checkpoints, so that steps can be replayed.

    Recording takes at most ``share`` of the training time: at the end of an epoch the state and
    its digest are kept only if the budget allows. If there are too many checkpoints, some are
    dropped, so that the others are evenly spaced over the square root of the step: denser at the
    beginning, where parameters change most. They are in memory until training ends.

    Parameters
    ----------
    folder : path, optional
        Where to write the recording when training ends or diverges; it must not exist yet. If it
        cannot be written then, another folder is used, which a warning names.
    most : int
        The largest number of checkpoints.
    most_bytes : int
        The largest size of all checkpoints together. The initial one is always kept.
    share : float
        The share of the training time; ``math.inf`` for a checkpoint after every epoch.
    clock : callable
        Returns the time in seconds.

    Raises
    ------
    InputError
        If a bound is out of range; when training begins, if the rule is a minimizer such as
        L-BFGS, which has no steps.
    FileError
        If the folder exists, or could not be written, when training begins.

    Notes
    -----
    If the run is resumed with the same recorder, the recording is continued.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> from deltarule.training import Recorder, replay
    >>> net, X = Network([1, 4, 1]), np.linspace(-1, 1, 16)[:, None]
    >>> recorder = Recorder()
    >>> result = train(net, X, X**2, batch_size=4, epochs=5, callbacks=[recorder])
    >>> step = replay(recorder.recording(), X, X**2, step=20)
    >>> step.epoch, bool((step.after["theta"] == result.theta).all())
    (5, True)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        most: int = 64,
        most_bytes: int = 256_000_000,
        share: float = 0.02,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        checkpoints, time_share = whole_number(most), real_number(share)
        bytes_ = real_number(most_bytes)
        if checkpoints is None or checkpoints < 2:
            raise InputError(f"most is {most!r}; expected a number of checkpoints, at least 2")
        if bytes_ is None or not bytes_ >= 0:
            raise InputError(
                f"most_bytes is {most_bytes!r}; expected a number of bytes, at least 0"
            )
        if time_share is None or not time_share > 0:
            raise InputError(f"share is {share!r}; expected a share of the time, such as 0.02")
        self.folder = None if folder is None else checked_path("folder", folder)
        self.most, self.most_bytes, self.clock = checkpoints, to_python_scalar(most_bytes), clock
        self._share = _MEASURED_PART * time_share
        self._settings: dict[str, Any] = {}
        self._checkpoints: dict[int, Mapping[str, np.ndarray]] = {}
        self._digests: dict[int, str] = {}
        self._history = History()
        self._begin = self._end = 0
        self._spent = self._seconds = 0.0
        # Whether this recorder has written the folder, and may replace it.
        self._written = False

    def begin(self, run: Run) -> None:
        """Store the initial state and the settings of the run."""
        started = self.clock()
        if not isinstance(run, StepRun):
            raise InputError(
                f"a Recorder was given to {type(run).__name__}, a minimizer, whose iterations are "
                "no steps that could be replayed; expected a rule such as 'adam', or no Recorder"
            )
        if self.folder is not None and not self._written:
            if os.path.lexists(self.folder):
                raise FileError(
                    f"{str(self.folder)!r} exists already; expected a new folder for the "
                    "recording; name another, or remove it"
                )
            check_bundle_path(self.folder, KIND)
        settings, step = _settings(run), run.total_steps
        # Before the first step the rule's slots are at their initial values.
        state = {"theta": np.array(run.engine.theta)} if step == 0 else run.engine.state()
        digest = digest_of_theta(state["theta"]) if step else ""
        continues = step > 0 and self._end == step and self._digests.get(step) == digest
        if not (continues and _same_run(self._settings, settings)):
            self._checkpoints, self._digests = {step: state}, {step: digest} if step else {}
            self._begin, self._spent, self._seconds = step, 0.0, 0.0
        self._settings = settings
        self._end, self._history = step, run.history
        self._started = self.clock()
        self._first = len(run.history)
        self._next = self._first + 1
        self._spent += self._started - started
        self._cost = _SECONDS + _SECONDS_PER_BYTE * state["theta"].nbytes

    def __call__(self, event: EpochEvent) -> None:
        """Add a checkpoint, if the time budget allows."""
        if event.epoch < self._next:
            return
        now = self.clock()
        elapsed = self._seconds + now - self._started
        if self._spent + self._cost <= self._share * elapsed:
            self._add_checkpoint(event.history.logs[-1].steps, event.engine.state())
            self._cost = self.clock() - now
            self._spent += self._cost
        self._next = event.epoch + self._epochs_to_wait(event.epoch, elapsed)

    def _epochs_to_wait(self, epoch: int, elapsed: float) -> int:
        """Return the estimated number of epochs until the budget allows the next checkpoint."""
        done = max(epoch - self._first, 1)
        missing = (self._spent + self._cost) / self._share - elapsed
        epoch_seconds = max(elapsed - self._seconds, 1e-9) / done
        # The time of an epoch may change, so the estimate is renewed at the latest when the number
        # of epochs has doubled.
        return max(1, min(math.ceil(missing / epoch_seconds), done))

    def _add_checkpoint(self, step: int, state: Mapping[str, np.ndarray]) -> None:
        """Store the digest of θ after a step, and the state if it fits within the bounds."""
        self._digests[step], self._end = digest_of_theta(state["theta"]), step
        if _bytes(state) <= self.most_bytes - _bytes(self._checkpoints[self._begin]):
            self._checkpoints[step] = state
            self._thin()
        if len(self._digests) > _MOST_DIGESTS:
            steps = {*sorted(self._digests)[::2], *self._checkpoints, step}
            self._digests = {t: digest for t, digest in self._digests.items() if t in steps}

    def _thin(self) -> None:
        """Drop checkpoints other than the first and the last until the bounds are met."""
        while len(self._checkpoints) > 2 and (
            len(self._checkpoints) > self.most
            or sum(map(_bytes, self._checkpoints.values())) > self.most_bytes
        ):
            steps = list(self._checkpoints)
            gaps = [
                math.sqrt(after) - math.sqrt(before)
                for before, after in zip(steps, steps[2:], strict=False)
            ]
            del self._checkpoints[steps[1 + gaps.index(min(gaps))]]

    def end(self, run: Run) -> None:
        """Store the final digest and history, and write the folder if one was given."""
        assert isinstance(run, StepRun)
        now = self.clock()
        self._end = run.total_steps
        self._history = History(list(run.history.logs))
        self._digests[self._end] = digest_of_theta(run.engine.theta)
        self._seconds += now - self._started
        self._spent += self.clock() - now
        if self.folder is not None:
            self._write(self.folder)

    def _write(self, folder: Path) -> None:
        """Write the folder; if that fails, write another one and warn."""
        try:
            self.save(folder, overwrite=self._written)
        except FileError as error:
            path = save_elsewhere(folder, self.save)
            where = (
                "nor elsewhere; recorder.recording() still has it"
                if path is None
                else f"so the recording is in {str(path)!r}"
            )
            warnings.warn(f"{error}; {where}", stacklevel=2)
        else:
            self._written = True

    def recording(self) -> Recording:
        """Return the recording so far.

        Raises
        ------
        InputError
            If no training has used this recorder.
        """
        if not self._settings:
            raise InputError(
                "this Recorder has seen no training; expected callbacks=[recorder] in a call of "
                "train before it is asked"
            )
        return Recording(
            **self._settings,
            where=environment_of(self._settings["engine"]),
            begin=self._begin,
            end=self._end,
            checkpoints=dict(self._checkpoints),
            digests=dict(self._digests),
            history=self._history,
            seconds=self._seconds,
            recorder_seconds=self._spent,
        )

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the recording to a folder, for :func:`load_recording`.

        Raises
        ------
        FileError
            If the folder exists (without ``overwrite``) or cannot be written.
        InputError
            If no training has used this recorder.
        """
        self.recording().save(folder, overwrite=overwrite)


def _settings(run: StepRun) -> dict[str, Any]:
    """Return the settings of a run, by the names of the fields of :class:`Recording`."""
    batches, engine = run.batches, run.engine
    return {
        "net": engine.net,
        "settings": engine.settings,
        "learning_rate": run.rate,
        "schedule": run.schedule,
        "batch_size": batches.batch_size,
        "epochs": run.epochs,
        "shuffle": batches.shuffle,
        "own_order": batches.order is not None,
        "n_rows": len(batches.Y),
        "rows": batches.rows,
        "engine": engine.name,
        "threads": engine.threads,
        "data": digest_of_rows(batches),
    }


def _same_run(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two runs have the same settings; their rows are compared by digests."""
    return bool(first) and all(first[name] == second[name] for name in second if name != "rows")


def _bytes(state: Mapping[str, np.ndarray]) -> int:
    """Return the size of the arrays of a state in bytes."""
    return sum(value.nbytes for value in state.values())
