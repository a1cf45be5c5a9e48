"""The workers of one training, and what they do together.

Every worker runs the same program and calls these methods in the same order; a call returns once
all have made it.
"""

from __future__ import annotations

import abc
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.cluster.step_watch import StepWatch
from deltarule.errors import InputError, Message, Parameter, WorkerFailed

__all__ = ["LoneWorld", "World", "check_world", "current_world", "use_world"]


class World(abc.ABC):
    """The workers of one training: their number, and sums over them.

    A subclass defines :meth:`sum` and :meth:`gather`.

    Attributes
    ----------
    rank : int
        The number of this worker, from 0. Worker 0 writes files and shows progress.
    size : int
        The number of workers.
    is_lost : bool
        Whether the connection to another worker was lost.
    watch : StepWatch or None
        What notices that a step never ends, of workers that are processes.
    """

    rank: int
    size: int
    is_lost: bool = False
    watch: StepWatch | None = None

    @abc.abstractmethod
    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over the workers of arrays of one shape and dtype, the same bits on each.

        For a given number of workers the order of the additions is always the same.
        """

    @abc.abstractmethod
    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of every worker, in the order of their ranks; lengths may differ."""

    def close(self) -> None:  # noqa: B027  optional
        """Leave the world; no other call may follow."""

    @property
    def is_first(self) -> bool:
        """Whether this is worker 0."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every worker is here."""
        self.gather(b"")

    def broadcast(self, data: bytes) -> bytes:
        """The bytes of worker 0; what the others give is ignored."""
        length = np.zeros(1, np.int32)
        if self.is_first:
            length[0] = len(data)
        length = self.sum(length)
        # A sum in which all but one are 0 takes less memory than gathering as many copies.
        buffer = np.zeros(int(length[0]), np.uint8)
        if self.is_first:
            buffer[:] = np.frombuffer(data, np.uint8)
        return self.sum(buffer).tobytes() if buffer.size else b""

    def of_first(self, compute: Callable[[], Any]) -> Any:
        """The result of a function on worker 0, which JSON can hold; the others do not call it.

        Raises
        ------
        WorkerFailed
            On the other workers, if the function fails on worker 0, where its error is raised.
        """
        if self.is_first:
            try:
                value = compute()
                record = json.dumps({"value": value}).encode()
            except BaseException as error:
                self.broadcast(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
                raise
            self.broadcast(record)
            return value
        found = json.loads(self.broadcast(b""))
        if "error" in found:
            raise WorkerFailed(f"worker 0 failed: {found['error']}")
        return found["value"]


class LoneWorld(World):
    """One worker.

    Examples
    --------
    >>> world = LoneWorld()
    >>> world.size, world.sum(np.array([1.0, 2.0])), world.of_first(lambda: "here")
    (1, array([1., 2.]), 'here')
    """

    rank, size = 0, 1

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The values themselves."""
        return values

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of the one worker."""
        return [data]


_LONE = LoneWorld()
_joined: list[World] = []


def current_world() -> World:
    """The world that :func:`use_world` has set for this process; one worker without it.

    Examples
    --------
    >>> current_world().size
    1
    """
    return _joined[-1] if _joined else _LONE


@contextlib.contextmanager
def use_world(world: World) -> Iterator[World]:
    """Within the block, trainings of single networks are shared by the workers of this world.

    Examples
    --------
    >>> with use_world(LoneWorld()) as world:
    ...     current_world() is world
    True
    """
    _joined.append(world)
    try:
        yield world
    finally:
        _joined.remove(world)


def check_world(single: bool, *, record: bool = False) -> bool:
    """Refuse what many workers cannot train; return whether this is worker 0, or the only one.

    Raises
    ------
    InputError
        For a portfolio, or a recording.
    """
    world = current_world()
    if world.size > 1 and record:
        raise InputError(
            "a recording was asked for on many workers",
            parameter="record",
            expected="none: a recording is replayed by one worker, to other roundings",
            hint="leave it out",
        )
    if world.size > 1 and not single:
        raise InputError(
            f"{world.size} workers were given a portfolio",
            expected="one network, which they train together",
            hint=Message(
                "give a setting of a single network, such as ",
                Parameter("layers", "64"),
                "; the networks of a portfolio are trained side by side by joblib's backends",
            ),
        )
    return world.is_first
