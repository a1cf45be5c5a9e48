"""Workers that are processes of this machine, started for one call."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cluster.joining import Place, join
from deltarule.cluster.processes import free_address, worker_environment
from deltarule.cluster.worker_call import Answers, WorkerCall, is_large
from deltarule.errors import WorkerFailed
from deltarule.training import StopReason

__all__ = ["train_on_processes"]

_POLL = 0.1
# Seconds for a worker to tell its error, once another has failed.
_GRACE = 5.0


class _OnDisk:
    """An array in a file, which each worker maps into its memory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def array(self) -> np.ndarray:
        """The array."""
        found: np.ndarray = np.load(self.path, mmap_mode="r")
        return found


def _stored(value: Any, folder: Path) -> Any:
    """A value with its large arrays in files."""
    if isinstance(value, tuple):
        return tuple(_stored(each, folder) for each in value)
    if is_large(value):
        path = folder / f"{len(list(folder.iterdir()))}.npy"
        np.save(path, value)
        return _OnDisk(str(path))
    return value


def _loaded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_loaded, value))
    return value.array() if isinstance(value, _OnDisk) else value


def _worker(place: Place, timeout: float, call: WorkerCall, pipe: Any) -> None:
    """What a worker's process runs."""
    os.environ.update(worker_environment(place, os.environ))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver says when to stop
    _end_with_driver()
    sending = threading.Lock()

    def tell(told: Any) -> None:
        with sending:
            pipe.send(told)

    def asked() -> tuple[str, StopReason] | None:
        found: tuple[str, StopReason] | None = pipe.recv() if pipe.poll(_POLL) else None
        return found

    status = 0
    try:
        world = join(place.address, place.rank, place.size, timeout=timeout)
        arguments = {name: _loaded(value) for name, value in call.arguments.items()}
        WorkerCall(call.net, _loaded(call.X), _loaded(call.Y), arguments).run(world, tell, asked)
        world.barrier()
    except BaseException as error:  # noqa: BLE001  raised by the driver
        with contextlib.suppress(Exception):
            tell(("error", error))
        status = 1
    pipe.close()
    os._exit(status)  # what JAX would wait for at the end is known to be over


def _end_with_driver() -> None:
    """End this process once the driver has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, name="deltarule-launcher", daemon=True).start()


def train_on_processes(
    call: WorkerCall,
    workers: int,
    timeout: float,
    answers: Answers,
    asked: Callable[[], tuple[str, StopReason] | None],
) -> None:
    """Train on so many processes of this machine; what they tell goes to ``answers``.

    Raises
    ------
    WorkerFailed
        If one of them ended before all had trained.
    """
    context = multiprocessing.get_context("spawn")
    address, processes, pipes = free_address(), [], []
    with tempfile.TemporaryDirectory(prefix="deltarule-rows-") as folder:
        place = Path(folder)
        arguments = {name: _stored(value, place) for name, value in call.arguments.items()}
        sent = WorkerCall(call.net, _stored(call.X, place), _stored(call.Y, place), arguments)
        try:
            for rank in range(workers):
                own, others = context.Pipe()
                given = Place(address, rank, workers), timeout, sent, others
                process = context.Process(target=_worker, args=given, daemon=True)
                process.start()
                others.close()
                processes.append(process)
                pipes.append(own)
            _watch(processes, pipes, answers, asked)
        finally:
            for each in processes:
                each.kill()
                each.join()
            for pipe in pipes:
                pipe.close()


def _watch(processes: Any, pipes: Any, answers: Answers, asked: Any) -> None:
    open_pipes, told_to_stop = list(pipes), False
    ended: dict[int, int] = {}
    patience = _GRACE
    while len(ended) < len(processes):
        waiting: list[Any] = [
            *open_pipes,
            *(p.sentinel for k, p in enumerate(processes) if k not in ended),
        ]
        ready = multiprocessing.connection.wait(waiting, _POLL)
        for pipe in [each for each in open_pipes if each in ready]:
            try:
                answers.take(pipe.recv())
            except (EOFError, OSError):
                open_pipes.remove(pipe)
        request = None if told_to_stop else asked()
        if request is not None:
            told_to_stop = True
            with contextlib.suppress(OSError):
                pipes[0].send(request)  # worker 0 tells the others, with the next step
        for rank, process in enumerate(processes):
            if rank not in ended and process.exitcode is not None:
                ended[rank] = process.exitcode
        if any(ended.values()):
            patience -= _POLL
            if patience <= 0:
                break
    for pipe in open_pipes:  # what was told last
        with contextlib.suppress(EOFError, OSError):
            while pipe.poll():
                answers.take(pipe.recv())
    failed = {rank: status for rank, status in ended.items() if status}
    if failed and answers.result is None:
        rank = min(failed, key=lambda each: (failed[each] > 0, each))
        status = failed[rank]
        how = f"was ended by signal {-status}" if status < 0 else "failed"
        told = f": {why}" if (why := answers.failure()) and status > 0 else ""
        raise WorkerFailed(f"worker {rank} of {len(processes)} {how}{told}")
