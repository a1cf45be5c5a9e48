"""Workers that Ray Train places on the machines of a Ray cluster, and starts again."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from deltarule.cluster.joining import join
from deltarule.cluster.processes import free_port
from deltarule.cluster.signs_of_life import CountedTime, behind_launcher, send_signs
from deltarule.cluster.worker_call import Answers, Told, WorkerCall, is_large
from deltarule.errors import (
    InputError,
    Message,
    MissingDependency,
    Parameter,
    TrainingWarning,
    WorkerFailed,
)
from deltarule.training import StopReason

if TYPE_CHECKING:
    from deltarule.cluster.driver import Cluster

__all__ = ["on_loopback", "train_on_ray"]

_POLL = 0.2
# Ray's settings: the seconds after which it ends a worker that does not answer, and those that it
# waits for room for all of them at a time.
_SILENT, _PLACING = (
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S",
)
# Seconds that Ray waits for room for a number of workers that it has chosen itself, by what it knew
# of the machines: one that is gone may have been among them, and it chooses again.
_CHOSEN = 20.0
# Seconds between two times that Ray looks whether there is room for more workers; and where they
# have no checkpoint to go on from, so that it never starts them again for that.
_RESIZE, _NEVER = 60.0, 1e9


class _Mailbox:
    """What workers and driver tell each other; an actor of Ray's, on the driver's machine."""

    def __init__(self) -> None:
        self._told: list[Told] = []
        self._request: tuple[str, str] | None = None

    def tell(self, told: Told) -> None:
        """Keep a message for the driver."""
        self._told.append(told)

    def take(self) -> list[Told]:
        """The messages since the last call."""
        taken, self._told = self._told, []
        return taken

    def ask(self, reason: str, kind: str) -> None:
        """Ask that training ends."""
        self._request = reason, kind

    def asked(self) -> tuple[str, str] | None:
        """What was asked for."""
        return self._request


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingDependency(
            f"ray_address needs Ray, which is not installed or cannot be loaded here ({error})",
            parameter="ray_address",
            hint="install it with pip install 'deltarule[cluster]'",
        ) from error


def train_on_ray(
    call: WorkerCall,
    cluster: Cluster,
    answers: Answers,
    asked: Callable[[], tuple[str, StopReason] | None],
) -> None:
    """Train on the workers of a Ray cluster; what they tell goes to ``answers``.

    Ray's own backend for JAX is not used: without a GPU it connects no worker to another, and each
    would train alone, without a word. The workers join each other as others do, which counts them.

    Raises
    ------
    WorkerFailed
        If workers were lost more often than ``restarts``.
    """
    ray = _ray()
    if not ray.is_initialized():
        _connect(ray, cluster.ray_address or "local")
    mailbox = _here(ray, _Mailbox)
    runner = _here(ray, _Runner, _settings(cluster))
    try:
        parts = {"X": call.X, "Y": call.Y, **call.arguments}
        # Large arrays go into Ray's store of objects once; each machine reads them once.
        references = {name: ray.put(value) for name, value in parts.items() if is_large(value)}
        small = {name: value for name, value in parts.items() if name not in references}
        loop = _loop_of(call.net, small, references, mailbox, cluster)
        elastic = "checkpoint" in call.arguments
        fit = runner.fit.remote(
            loop, cluster.workers, cluster.restarts, _placings(cluster), elastic
        )
        _watch(ray, mailbox, fit, cluster, answers, asked)
        if answers.result is not None:
            return
        refusal = answers.refusal()
        if refusal is not None:
            raise refusal
        why = answers.failure()
        try:
            why = why or ray.get(fit) or ""
        except ray.exceptions.RayError as error:
            why = why or str(error)
        raise WorkerFailed(f"training on Ray's workers failed: {why}")
    finally:
        for actor in (runner, mailbox):
            ray.kill(actor)


class _Runner:
    """Runs Ray's trainer in a process that owns its workers: they end with it.

    In the driver's own process a training that is given up, as at Ctrl-C, would go on.
    """

    def fit(
        self,
        loop: Callable[[], None],
        workers: int | tuple[int, int],
        restarts: int,
        placings: int,
        with_checkpoint: bool,
    ) -> str | None:
        """Train; return why it failed, or None."""
        train = importlib.import_module("ray.train")
        trainer_of = importlib.import_module("ray.train.v2.api.data_parallel_trainer")
        trainer = trainer_of.DataParallelTrainer(
            loop,
            scaling_config=train.ScalingConfig(
                num_workers=workers,
                elastic_resize_monitor_interval_s=_RESIZE if with_checkpoint else _NEVER,
            ),
            run_config=train.RunConfig(
                failure_config=train.FailureConfig(
                    max_failures=restarts, controller_failure_limit=placings
                ),
                worker_runtime_env={"env_vars": {"JAX_PLATFORMS": "cpu"}},
            ),
        )
        try:
            trainer.fit()
        except Exception as error:  # noqa: BLE001  of any type, which the driver may not know
            return str(error)
        return None


def _here(ray: Any, kind: type, variables: dict[str, str] | None = None) -> Any:
    """An actor on the driver's machine, which another one that is gone does not take along.

    It has no resources, and is not counted where workers are placed.
    """
    node = ray.get_runtime_context().get_node_id()
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    return (
        ray.remote(num_cpus=0)(kind)
        .options(
            runtime_env={"env_vars": variables or {}},
            scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(node, soft=False),
        )
        .remote()
    )


def _settings(cluster: Cluster) -> dict[str, str]:
    """Ray's settings for the training, with those that this process has been given."""
    found = {name: value for name, value in os.environ.items() if name.startswith("RAY_TRAIN_")}
    return found | {_SILENT: str(cluster.worker_timeout), _PLACING: str(_placing(cluster))}


def _placing(cluster: Cluster) -> float:
    """The seconds that Ray waits for room at a time."""
    return cluster.timeout if isinstance(cluster.workers, int) else min(cluster.timeout, _CHOSEN)


def _placings(cluster: Cluster) -> int:
    """How often workers may fail to start: as often as they may fail, and while there is time."""
    return cluster.restarts + math.ceil(cluster.timeout / _placing(cluster))


def _watch(
    ray: Any, mailbox: Any, fit: Any, cluster: Cluster, answers: Answers, asked: Any
) -> None:
    """Take what the workers tell until training has ended.

    Raises
    ------
    WorkerFailed
        If Ray has no room for the workers.
    """
    told_to_stop, starts, silence, clock = False, 0, 0.0, CountedTime()
    while not ray.wait([fit], timeout=_POLL)[0]:
        told = ray.get(mailbox.take.remote())
        for each in told:
            if each[0] == "started":
                starts += 1
                if starts > 1:
                    warnings.warn(
                        f"Ray has started the workers again, {each[1]} of them",
                        TrainingWarning,
                        stacklevel=5,
                    )
            answers.take(each)
        request = None if told_to_stop else asked()
        if request is not None:
            told_to_stop = True
            mailbox.ask.remote(request[0], request[1].name)
        passed = clock.since_last()
        silence = 0.0 if told else silence + passed
        # Where a worker hangs, Ray notices it first, and then looks for room.
        if silence > cluster.timeout + (cluster.worker_timeout if starts else 0.0):
            raise _no_room(ray, cluster)
    for each in ray.get(mailbox.take.remote()):
        answers.take(each)


def _no_room(ray: Any, cluster: Cluster) -> WorkerFailed:
    fewest = cluster.workers if isinstance(cluster.workers, int) else cluster.workers[0]
    there, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
    return WorkerFailed(
        f"Ray has started no workers within {cluster.timeout:g} seconds: the cluster has {there:g} "
        f"CPUs, of which {free:g} are free",
        parameter="workers",
        given=cluster.workers,
        expected=f"a free CPU for each of {fewest} workers",
        hint=Message(
            "ask for fewer, or, as with ",
            Parameter("workers", (1, fewest)),
            ", for as many as there are",
        ),
    )


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Within the block, a Ray that is started listens on 127.0.0.1 alone.

    On Linux, Ray replaces 127.0.0.1 as an address of its own by one that other machines reach, and
    listens on every address, unless it is told to behave as where it supports no clusters.
    """
    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    constants: Any = importlib.import_module("ray._private.ray_constants")
    told, enabled = os.environ.get(name), constants.ENABLE_RAY_CLUSTER
    os.environ[name] = "0"  # for the processes that Ray starts
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = enabled
        del os.environ[name]
        if told is not None:
            os.environ[name] = told


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    if address == "local":
        with on_loopback():
            ray.init(_node_ip_address="127.0.0.1", logging_level=logging.ERROR, **options)
        return
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            parameter="ray_address",
            given=address,
            expected="the address of a Ray cluster that runs, 'auto' or 'local'",
            hint=str(error).splitlines()[0],
        ) from error


def _loop_of(
    net: Any, small: Any, references: Any, mailbox: Any, cluster: Cluster
) -> Callable[[], None]:
    """What each of Ray's workers runs."""
    timeout, worker_timeout, public = cluster.timeout, cluster.worker_timeout, cluster.public
    step_timeout = cluster.step_timeout

    def loop() -> None:
        import ray
        from ray.train import get_context
        from ray.train.collective import broadcast_from_rank_zero

        context = get_context()
        rank, size = context.get_world_rank(), context.get_world_size()

        def tell(told: Told) -> None:
            ray.get(mailbox.tell.remote(told))

        def alive() -> None:
            try:
                tell(("alive", None))
            except ray.exceptions.RayError as error:
                raise OSError from error

        def fail(error: WorkerFailed) -> None:
            with contextlib.suppress(ray.exceptions.RayError):
                tell(("error", error))
            os._exit(1)  # Ray starts the workers again

        ended = None
        if rank == 0:
            tell(("started", size))
            ended = send_signs(alive, min(timeout, worker_timeout))
        host = ray.util.get_node_ip_address()
        address = broadcast_from_rank_zero(f"{host}:{free_port(host)}" if rank == 0 else None)
        parts = small | {name: ray.get(reference) for name, reference in references.items()}

        def asked() -> tuple[str, StopReason] | None:
            found = ray.get(mailbox.asked.remote()) if rank == 0 else None
            return None if found is None else (found[0], StopReason[found[1]])

        X, Y = parts.pop("X"), parts.pop("Y")
        try:
            world = join(
                address,
                rank,
                size,
                workers=size,
                public=public,
                timeout=timeout,
                worker_timeout=behind_launcher(worker_timeout),
                step_timeout=step_timeout,
            )
            if world.watch is not None:
                world.watch.fail = fail
            WorkerCall(net, X, Y, parts).run(world, tell, asked)
            world.barrier()
        except Exception as error:
            with contextlib.suppress(ray.exceptions.RayError):
                tell(("error", error))
            raise
        finally:
            if ended is not None:
                ended.set()

    return loop
