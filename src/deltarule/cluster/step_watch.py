"""Notices a worker whose steps wait for ever, although its process gives signs of life.

Each worker watches itself: while it trains, it must come to its next exchange with the others
within some time. One that waits within an exchange waits for another worker, which watches itself,
and so has more time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from deltarule.cluster.signs_of_life import CountedTime
from deltarule.errors import WorkerFailed

__all__ = ["STEP_TIMEOUT", "StepWatch"]

STEP_TIMEOUT = 1800.0
"""Seconds that a worker may take between two exchanges, unless it is told otherwise."""

# The seconds between two looks, as a part of the timeout, and at most.
_PART, _LONGEST = 0.1, 1.0
# How much longer a worker may wait within an exchange: the others find out first, and say which.
_TIMES, _MARGIN = 2.0, 30.0


def _end_process(error: WorkerFailed) -> None:
    """End this process, which no exception could: its thread waits in a call that does not end."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.flush()
    os._exit(1)


class StepWatch:
    """Says when this worker has waited too long while it trains.

    Parameters
    ----------
    rank, size : int
        The number of this worker, and that of all.
    seconds : float
        What it may take from one exchange to the next: for its part of a step, a block of rows
        that is read, a scorer, a callback or a checkpoint.
    fail : callable
        Called once, on another thread, with the error; ends this process unless given.

    Examples
    --------
    >>> watch = StepWatch(0, 2, seconds=60.0)
    >>> with watch.training(), watch.exchange():
    ...     pass
    """

    def __init__(
        self,
        rank: int,
        size: int,
        seconds: float = STEP_TIMEOUT,
        fail: Callable[[WorkerFailed], Any] = _end_process,
    ) -> None:
        self.seconds, self.fail = seconds, fail
        self._place = f"worker {rank} of {size}"
        # How many exchanges began or ended; one of them is under way where it is odd.
        self._count = 0
        # That number at the last look, and the seconds for which it has been the same.
        self._seen, self._waited = 0, 0.0

    @contextlib.contextmanager
    def exchange(self) -> Iterator[None]:
        """Within the block, this worker waits for the others."""
        self._count += 1
        try:
            yield
        finally:
            self._count += 1

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Within the block, this worker is watched."""
        ended = threading.Event()
        thread = threading.Thread(
            target=self._watch, args=(ended,), name="deltarule-steps", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()

    def _watch(self, ended: threading.Event) -> None:
        pause, clock = min(self.seconds * _PART, _LONGEST), CountedTime()
        self._seen, self._waited = self._count, 0.0
        while not ended.wait(pause):
            error = self._look(clock.since_last())
            if error is not None:
                self.fail(error)
                return

    def _look(self, passed: float) -> WorkerFailed | None:
        """The error if nothing has moved for too long, ``passed`` seconds after the last look."""
        before, self._seen = self._seen, self._count
        self._waited = self._waited + passed if self._seen == before else 0.0
        return self._error(self._waited, within=self._seen % 2 == 1)

    def _error(self, waited: float, *, within: bool) -> WorkerFailed | None:
        """The error of having waited so long, within an exchange or not; None if it is in time."""
        most = _TIMES * self.seconds + _MARGIN if within else self.seconds
        if waited <= most:
            return None
        what = "has waited for the others" if within else "has finished no step"
        hint = (
            "look at the network between the machines"
            if within
            else "look what its process waits for, such as a file system that does not answer; "
            "allow more where a step, a scorer or a callback takes longer"
        )
        return WorkerFailed(
            f"{self._place} {what} for {most:g} seconds, though its process lives",
            parameter="step_timeout",
            expected="each to come to its next exchange in that time"
            if within
            else "one in that time",
            hint=f"{hint}; the same call goes on from its checkpoint, if it has one",
        )
