"""A call of ``train`` that a driver sends to workers, and what they tell it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.cluster.training import train_in_world
from deltarule.cluster.world import World
from deltarule.errors import ConnectionLost, DeltaruleError, InputError, WorkerFailed
from deltarule.maths import Network
from deltarule.training import EpochEvent, EpochLog, StopFlag, StopReason, TrainingResult

__all__ = ["Answers", "Told", "WorkerCall", "is_large"]

Told = tuple[str, Any]
"""``("epoch", log)``, ``("result", result)``, ``("error", error)``, ``("started", workers)`` or
``("alive", None)``."""

_POLL = 0.2
# Arrays from this size on are not sent with the call, but put where each machine reads them once.
_SHARED_BYTES = 1 << 16


def is_large(value: Any) -> bool:
    """Whether a value is an array that is put where workers read it."""
    is_array = type(value) is np.ndarray and not value.dtype.hasobject
    return is_array and value.nbytes >= _SHARED_BYTES


@dataclasses.dataclass(frozen=True)
class WorkerCall:
    """The network, rows and arguments of a training.

    Attributes
    ----------
    net : Network
    X, Y
    arguments : mapping of str
        The others of :func:`deltarule.train`, without ``stop``, which is the driver's.
    """

    net: Network
    X: Any
    Y: Any
    arguments: Mapping[str, Any]

    def check(self) -> None:
        """Refuse arguments that cannot be sent.

        Raises
        ------
        InputError
        """
        if self.arguments.get("callbacks"):
            raise InputError(
                "callbacks were given to a training on other processes, which would call them",
                parameter="callbacks",
                expected="none",
                hint="give progress, which is called here with the log of each epoch",
            )

    def run(
        self,
        world: World,
        tell: Callable[[Told], Any],
        asked: Callable[[], tuple[str, StopReason] | None],
    ) -> None:
        """Train as a worker of a world.

        Parameters
        ----------
        world : World
        tell : callable
            Sends something to the driver.
        asked : callable
            Returns why the driver wants training to end, or None; it may wait for a while.
        """
        flag, ended = StopFlag(), threading.Event()

        def listen() -> None:
            while not ended.is_set():
                found = asked()
                if found is not None:
                    flag.stop(*found)
                    return
                time.sleep(_POLL)

        threading.Thread(target=listen, name="deltarule-driver", daemon=True).start()

        def epoch_done(event: EpochEvent) -> None:
            tell(("epoch", event.history.logs[-1]))

        arguments = {**self.arguments, "callbacks": [epoch_done], "stop": flag}
        try:
            result = train_in_world(self.net, self.X, self.Y, world=world, **arguments)
        finally:
            ended.set()
        if world.is_first:
            tell(("result", result))


class Answers:
    """What the workers have told, until one has the result or all have failed.

    Parameters
    ----------
    progress : callable
        Called with the log of each epoch.
    """

    def __init__(self, progress: Callable[[EpochLog], Any]) -> None:
        self._progress = progress
        self.result: TrainingResult | None = None
        self.errors: list[BaseException] = []

    def take(self, told: Told) -> None:
        """Take one message."""
        kind, value = told
        if kind == "epoch":
            self._progress(value)
        elif kind == "result":
            self.result = value
        elif kind == "error":
            self.errors.append(value)

    def refusal(self) -> DeltaruleError | None:
        """The error that any number of attempts would meet again, such as a setting; or None."""
        for error in self.errors:
            if isinstance(error, DeltaruleError) and not isinstance(error, WorkerFailed):
                return error
        return None

    def failure(self) -> str:
        """What a worker said of its failure; '' if it was only that another one is gone."""
        told = [error for error in self.errors if not isinstance(error, ConnectionLost)]
        return f"{type(told[0]).__name__}: {told[0]}" if told else ""
