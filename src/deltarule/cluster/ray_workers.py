"""Workers that Ray Train places on the machines of a Ray cluster, and starts again."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deltarule.cluster.joining import join
from deltarule.cluster.processes import free_port
from deltarule.cluster.worker_call import Answers, Told, WorkerCall, is_large
from deltarule.errors import InputError, MissingDependency, WorkerFailed
from deltarule.training import StopReason

if TYPE_CHECKING:
    from deltarule.cluster.driver import Cluster

__all__ = ["train_on_ray"]

_POLL = 0.2


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
    train = importlib.import_module("ray.train")
    trainer_of = importlib.import_module("ray.train.v2.api.data_parallel_trainer")
    # Of no resources, and not counted where workers are placed.
    mailbox = ray.remote(num_cpus=0)(_Mailbox).remote()
    parts = {"X": call.X, "Y": call.Y, **call.arguments}
    # Large arrays go into Ray's store of objects once; each machine reads them once.
    references = {name: ray.put(value) for name, value in parts.items() if is_large(value)}
    small = {name: value for name, value in parts.items() if name not in references}
    loop = _loop_of(call.net, small, references, mailbox, cluster.timeout, cluster.public)
    trainer = trainer_of.DataParallelTrainer(
        loop,
        scaling_config=train.ScalingConfig(num_workers=cluster.workers),
        run_config=train.RunConfig(
            failure_config=train.FailureConfig(max_failures=cluster.restarts),
            worker_runtime_env={"env_vars": {"JAX_PLATFORMS": "cpu"}},
        ),
    )
    ended: list[BaseException | None] = []

    def fit() -> None:
        try:
            trainer.fit()
            ended.append(None)
        except Exception as error:  # noqa: BLE001  raised below
            ended.append(error)

    thread = threading.Thread(target=fit, name="deltarule-ray", daemon=True)
    thread.start()
    told_to_stop = False
    while thread.is_alive():
        _take(ray, mailbox, answers)
        request = None if told_to_stop else asked()
        if request is not None:
            told_to_stop = True
            mailbox.ask.remote(request[0], request[1].name)
        time.sleep(_POLL)
    _take(ray, mailbox, answers)
    ray.kill(mailbox)
    if answers.result is not None:
        return
    refusal = answers.refusal()
    if refusal is not None:
        raise refusal
    why = answers.failure() or str(ended[0] if ended else "")
    raise WorkerFailed(f"training on Ray's workers failed: {why}")


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    if address == "local":
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


def _take(ray: Any, mailbox: Any, answers: Answers) -> None:
    for told in ray.get(mailbox.take.remote()):
        answers.take(told)


def _loop_of(
    net: Any, small: Any, references: Any, mailbox: Any, timeout: float, public: bool
) -> Callable[[], None]:
    """What each of Ray's workers runs."""

    def loop() -> None:
        import ray
        from ray.train import get_context
        from ray.train.collective import broadcast_from_rank_zero

        context = get_context()
        rank, size = context.get_world_rank(), context.get_world_size()
        host = ray.util.get_node_ip_address()
        address = broadcast_from_rank_zero(f"{host}:{free_port(host)}" if rank == 0 else None)
        parts = small | {name: ray.get(reference) for name, reference in references.items()}

        def tell(told: Told) -> None:
            ray.get(mailbox.tell.remote(told))

        def asked() -> tuple[str, StopReason] | None:
            found = ray.get(mailbox.asked.remote()) if rank == 0 else None
            return None if found is None else (found[0], StopReason[found[1]])

        X, Y = parts.pop("X"), parts.pop("Y")
        try:
            world = join(address, rank, size, workers=size, public=public, timeout=timeout)
            WorkerCall(net, X, Y, parts).run(world, tell, asked)
            world.barrier()
        except Exception as error:
            tell(("error", error))
            raise

    return loop
