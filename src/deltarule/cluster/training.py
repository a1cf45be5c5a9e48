"""Training one network on the workers of a world."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deltarule.cluster.checkpoint import WorldSlot
from deltarule.cluster.data_parallel import DataParallelEngine
from deltarule.cluster.stop_flag import WorldFlag
from deltarule.cluster.world import World, current_world
from deltarule.engines import Engine, engine_of_precision
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.tables.packed_store import PackedRows
from deltarule.training import StopFlag, Stopping, TrainingResult, train
from deltarule.training.arguments import as_callables, stopping_criteria
from deltarule.training.checkpoint import as_slot
from deltarule.training.history import History
from deltarule.training.run import EpochEvent, RunCallback
from deltarule.training.run_description import text_of

__all__ = ["train_in_world"]


def train_in_world(
    net: Network, X: Any, Y: Any = None, *, world: World | None = None, **arguments: Any
) -> TrainingResult:
    r"""Train a network on all workers of a world; each calls this with the same arguments.

    Every worker computes a part of each batch of :func:`deltarule.train`, and their gradients are
    added: g = Σ_r g_r. So the result is that of one machine up to rounding, and bit for bit the
    same in every run with as many workers. Worker 0 writes the checkpoint and calls ``callbacks``;
    the criteria of ``stopping`` and the ``scorer`` decide by its numbers, and Ctrl-C on any worker
    ends training on all after the same step.

    Parameters
    ----------
    net, X, Y
        As for :func:`deltarule.train`. Of the rows of a store each worker reads a part of every
        block.
    world : World, optional
        By default that of :func:`use_world`; with one worker this is ``train``.
    **arguments
        The others of :func:`deltarule.train`.

    Returns
    -------
    TrainingResult
        The same on every worker, except for times.

    Raises
    ------
    InputError
        If the workers were given different data, settings or versions; or a Recorder.
    WorkerFailed
        If a worker is lost, or differs from the others.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = Network([1, 8, 1], activation="tanh")
    >>> result = train_in_world(net, X, X**2, learning_rate=0.05, batch_size=16, epochs=150)
    >>> result.history.logs[-1].loss < 1e-3
    True
    """
    world = world or current_world()
    if not isinstance(world, World):
        raise InputError(parameter="world", given=world, expected="a World, as join() gives one")
    if world.size == 1:
        return train(net, X, Y, **arguments)
    divided = isinstance(X, PackedRows)
    if isinstance(X, PackedRows):
        X = X.share(world.rank, world.size)
        validation = arguments.get("validation")
        if isinstance(validation, PackedRows):
            arguments["validation"] = validation.share(world.rank, world.size)
    shared = _shared_arguments(world, arguments, divided)
    with contextlib.nullcontext() if world.watch is None else world.watch.training():
        return train(net, X, Y, **shared)


def _shared_arguments(world: World, given: Mapping[str, Any], divided: bool) -> dict[str, Any]:
    """The arguments of ``train`` with which the workers do the same, and worker 0 decides."""
    arguments = dict(given)
    stop = arguments.get("stop")
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(f"stop is {stop!r}; expected a StopFlag")
    flag = WorldFlag(stop)
    engine = engine_of_precision(
        arguments.get("engine", "auto"), arguments.pop("precision", "full")
    )
    arguments |= {"stop": flag, "engine": DataParallelEngine(world, engine, flag, divided)}
    arguments["callbacks"] = [_callback_of_first(world, arguments.get("callbacks", ()))]
    criteria = stopping_criteria(arguments.get("stopping"))
    if criteria:
        arguments["stopping"] = [_AgreedStopping(each, world) for each in criteria]
    if arguments.get("scorer") is not None:
        arguments["scorer"] = _scorer_of_first(world, arguments["scorer"])
    if arguments.get("checkpoint") is not None:
        arguments["checkpoint"] = WorldSlot(as_slot(arguments["checkpoint"]), world)
    if not world.is_first:  # worker 0 says it
        arguments["guard"] = "quiet" if arguments.get("guard", "warn") == "warn" else "off"
    return arguments


def _callback_of_first(
    world: World, callbacks: Sequence[Callable[[EpochEvent], Any]]
) -> Callable[[EpochEvent], Any]:
    """A callback that calls these on worker 0, and gives its answer on all."""
    own = as_callables("callbacks", callbacks)
    if any(isinstance(each, RunCallback) for each in own):
        raise InputError(
            "a Recorder was given to a training on many workers",
            parameter="callbacks",
            expected="none: a recording is replayed by one worker, to other roundings",
            hint="leave it out, or train on one worker",
        )

    def callback(event: EpochEvent) -> bool:
        answer = world.of_first(lambda: any(bool(each(event)) for each in own))
        return bool(answer)

    return callback


def _scorer_of_first(world: World, scorer: Callable[[Engine], float]) -> Callable[[Engine], float]:
    """A scorer that every worker calls, and of which worker 0's score counts."""
    if not callable(scorer):
        raise InputError(f"scorer is {scorer!r}; expected a function of the engine")

    @functools.wraps(scorer, updated=())
    def score(engine: Engine) -> float:
        own = scorer(engine)
        found: float = world.of_first(lambda: float(own))
        return found

    return score


@dataclasses.dataclass(frozen=True)
class _AgreedStopping(Stopping):
    """A criterion that decides by the history of worker 0, whose clock may be another."""

    criterion: Stopping
    world: World

    def __repr__(self) -> str:
        return text_of(self.criterion)  # a checkpoint is of the same run with any number of workers

    def reason(self, history: History) -> str | None:
        found: str | None = self.world.of_first(lambda: self.criterion.reason(history))
        return found
