"""Recording a run while it trains, within bounds on time and memory."""

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
from deltarule.files import check_bundle_path, save_elsewhere
from deltarule.records import real_number, to_python_scalar, whole_number
from deltarule.training.history import History
from deltarule.training.recording import KIND, Recording, digest_of_rows, digest_of_theta
from deltarule.training.run import EpochEvent, Run, RunCallback
from deltarule.training.steps import StepRun

__all__ = ["Recorder"]

# The expected time of the first checkpoint, to copy the engine's state and digest θ. For later
# ones, the time of the one before is used.
_SECONDS, _SECONDS_PER_BYTE = 3e-5, 2.5e-9

# More digests than this are thinned to half, as a run may have millions of epochs.
_MOST_DIGESTS = 20_000


class Recorder(RunCallback):
    """A callback for :func:`deltarule.train` that keeps checkpoints, from which to replay steps.

    Recording takes at most ``share`` of the training time: at the end of an epoch the state and
    its digest are kept only if the budget allows. Of too many checkpoints some are dropped, so
    that they are evenly spread over the square root of the step, denser at the beginning, where
    parameters change most. They are held in memory until training ends.

    Parameters
    ----------
    folder : path, optional
        Where to write the recording when training ends or diverges; it must not exist yet. If it
        cannot be written then, another folder is used, and named in a warning.
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
        If a bound is out of range; of a minimizer such as L-BFGS, which has no steps, when
        training begins.
    FileError
        If the folder exists, or could not be written, when training begins.

    Notes
    -----
    The same recorder, given to the resumed run, continues its recording.

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
        checkpoints, of_time = whole_number(most), real_number(share)
        bytes_ = real_number(most_bytes)
        if checkpoints is None or checkpoints < 2:
            raise InputError(f"most is {most!r}; expected a number of checkpoints, at least 2")
        if bytes_ is None or not bytes_ >= 0:
            raise InputError(
                f"most_bytes is {most_bytes!r}; expected a number of bytes, at least 0"
            )
        if of_time is None or not of_time > 0:
            raise InputError(f"share is {share!r}; expected a share of the time, such as 0.02")
        self.folder = None if folder is None else Path(folder)
        self.most, self.most_bytes, self.clock = checkpoints, to_python_scalar(most_bytes), clock
        # The rest covers costs that its clock does not measure: calls, and cold caches.
        self._share = 0.35 * of_time
        self._facts: dict[str, Any] = {}
        self._checkpoints: dict[int, Mapping[str, np.ndarray]] = {}
        self._digests: dict[int, str] = {}
        self._history = History()
        self._begin = self._end = 0
        self._spent = self._seconds = 0.0
        # Whether this recorder has written the folder, and may replace it.
        self._written = False

    # -- while it trains ----------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Keep the initial state and the settings of the run."""
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
        facts, step = _facts(run), run.steps_in_all
        # Before the first step the rule's slots are at their initial values.
        state = {"theta": np.array(run.engine.theta)} if step == 0 else run.engine.state()
        digest = digest_of_theta(state["theta"]) if step else ""
        continues = step > 0 and self._end == step and self._digests.get(step) == digest
        if not (continues and _same(self._facts, facts)):
            self._checkpoints, self._digests = {step: state}, {step: digest} if step else {}
            self._begin, self._spent, self._seconds = step, 0.0, 0.0
        self._facts = facts
        self._end, self._history = step, run.history
        self._started = self.clock()
        self._first = len(run.history)
        self._next = self._first + 1
        self._spent += self._started - started
        self._cost = _SECONDS + _SECONDS_PER_BYTE * state["theta"].nbytes

    def __call__(self, event: EpochEvent) -> None:
        """Keep a checkpoint, if the budget allows."""
        if event.epoch < self._next:
            return
        now = self.clock()
        elapsed = self._seconds + now - self._started
        if self._spent + self._cost <= self._share * elapsed:
            self._keep(event.history.logs[-1].steps, event.engine.state())
            after = self.clock()
            self._cost = after - now
            self._spent += after - now
        self._next = event.epoch + self._wait(event.epoch, elapsed)

    def _wait(self, epoch: int, elapsed: float) -> int:
        """Return after how many epochs the budget may allow the next checkpoint."""
        done = max(epoch - self._first, 1)
        missing = (self._spent + self._cost) / self._share - elapsed
        each = max(elapsed - self._seconds, 1e-9) / done
        # Epochs may become faster or slower, so the estimate is renewed within twice as many.
        return max(1, min(math.ceil(missing / each), done))

    def _keep(self, step: int, state: Mapping[str, np.ndarray]) -> None:
        self._digests[step], self._end = digest_of_theta(state["theta"]), step
        if _bytes(state) <= self.most_bytes - _bytes(self._checkpoints[self._begin]):
            self._checkpoints[step] = state
            self._thin()
        if len(self._digests) > _MOST_DIGESTS:
            kept = {*sorted(self._digests)[::2], *self._checkpoints, step}
            self._digests = {at: each for at, each in self._digests.items() if at in kept}

    def _thin(self) -> None:
        """Drop checkpoints until they are within the bounds, but never the first or the last."""
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
        """Keep the final digest and history, and write the folder if one was given."""
        assert isinstance(run, StepRun)
        now = self.clock()
        self._end = run.steps_in_all
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
            place = save_elsewhere(folder, self.save)
            where = (
                "nor elsewhere; recorder.recording() still has it"
                if place is None
                else f"so the recording is in {str(place)!r}"
            )
            warnings.warn(f"{error}; {where}", stacklevel=2)
        else:
            self._written = True

    # -- what came of it ----------------------------------------------------------------

    def recording(self) -> Recording:
        """Return what was recorded so far.

        Raises
        ------
        InputError
            If it was not given to a training yet.
        """
        if not self._facts:
            raise InputError(
                "this Recorder has seen no training; expected callbacks=[recorder] in a call of "
                "train before it is asked"
            )
        return Recording(
            **self._facts,
            where=environment_of(self._facts["engine"]),
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
            If nothing was recorded.
        """
        self.recording().save(folder, overwrite=overwrite)


def _facts(run: StepRun) -> dict[str, Any]:
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


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs have the same settings; their rows are compared by digests."""
    return bool(one) and all(one[name] == other[name] for name in other if name != "rows")


def _bytes(state: Mapping[str, np.ndarray]) -> int:
    return sum(value.nbytes for value in state.values())
