"""Signs of life, by which a worker that hangs is told from one whose step takes long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from deltarule.errors import WorkerFailed

__all__ = ["CountedTime", "SignsOfLife", "behind_launcher", "send_signs"]

# The seconds between two signs, as a part of those after which a silent worker counts as lost, and
# at most; and the most that are counted between two looks.
_PART, _LONGEST, _COUNTED = 0.1, 5.0, 1.0
_MARGIN = 30.0


def behind_launcher(seconds: float) -> float:
    """The seconds after which workers end by themselves where a launcher watches them.

    It is more than the launcher waits, which can name the worker that hangs.

    Examples
    --------
    >>> behind_launcher(300.0)
    330.0
    """
    return seconds + _MARGIN


def send_signs(send: Callable[[], Any], seconds: float) -> threading.Event:
    """Send signs of life from a thread, whatever else this process does; a stopped one sends none.

    Parameters
    ----------
    send : callable
        Sends one sign. The thread ends where it raises OSError: nobody listens.
    seconds : float
        The silence after which this worker counts as lost.

    Returns
    -------
    threading.Event
        Ends the thread once it is set.
    """
    ended, pause = threading.Event(), min(seconds * _PART, _LONGEST)

    def signs() -> None:
        with contextlib.suppress(OSError):
            send()
            while not ended.wait(pause):
                send()

    threading.Thread(target=signs, name="deltarule-signs", daemon=True).start()
    return ended


class CountedTime:
    """Seconds between two looks, of which at most one is counted.

    A process that was stopped, or was busy, has heard nobody meanwhile.

    Examples
    --------
    >>> CountedTime().since_last() < 1.5
    True
    """

    def __init__(self) -> None:
        self._looked = time.monotonic()

    def since_last(self) -> float:
        """Return the seconds since the last look, or the start; the next ones begin now."""
        before, self._looked = self._looked, time.monotonic()
        return min(self._looked - before, _COUNTED)


class SignsOfLife:
    """What a launcher has heard of its workers, which other threads may write down.

    Parameters
    ----------
    workers : int
    seconds : float
        The silence after which a worker counts as lost. It begins with its first sign: a worker
        that does not start is noticed by the others, which wait for it.

    Examples
    --------
    >>> signs = SignsOfLife(2, seconds=300.0)
    >>> signs.hear(0)
    >>> signs.check(running=[0, 1])
    """

    def __init__(self, workers: int, seconds: float) -> None:
        self._seconds, self._workers = seconds, workers
        self._heard, self._silence = [False] * workers, [-1.0] * workers
        self._time = CountedTime()

    def hear(self, rank: int) -> None:
        """Write down a sign of a worker."""
        self._heard[rank] = True

    def check(self, running: list[int]) -> None:
        """Look at the workers that run; called several times a second.

        Raises
        ------
        WorkerFailed
            If some have been silent for too long; it names them.
        """
        passed = self._time.since_last()
        for rank in range(self._workers):
            if self._heard[rank]:
                self._heard[rank], self._silence[rank] = False, 0.0
            elif self._silence[rank] >= 0:
                self._silence[rank] += passed
        silent = [rank for rank in running if self._silence[rank] > self._seconds]
        if silent:
            which = f"worker {silent[0]}"
            if len(silent) > 1:
                which = f"workers {', '.join(map(str, silent[:-1]))} and {silent[-1]}"
            raise WorkerFailed(
                f"{which} of {self._workers} gave no sign of life for {self._seconds:g} seconds",
                parameter="worker_timeout",
                expected="one several times in that time from every worker, also during a long "
                "step",
                hint="look whether its process is stopped, or its machine out of memory; the same "
                "call goes on from its checkpoint, if it has one",
            )
