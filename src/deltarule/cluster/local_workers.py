"""Workers that are processes of this machine, started for one call."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cluster.joining import Place, join
from deltarule.cluster.processes import free_address, worker_environment
from deltarule.cluster.signs_of_life import SignsOfLife, behind_launcher, send_signs
from deltarule.cluster.worker_call import Answers, Told, WorkerCall, is_large
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


def _worker(
    place: Place,
    timeout: float,
    worker_timeout: float,
    step_timeout: float,
    call: WorkerCall,
    pipe: Any,
) -> None:
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

    def fail(error: WorkerFailed) -> None:
        with contextlib.suppress(Exception):
            tell(("error", error))
        os._exit(1)

    send_signs(lambda: tell(("alive", None)), worker_timeout)
    status = 0
    try:
        world = join(
            place.address,
            place.rank,
            place.size,
            timeout=timeout,
            worker_timeout=behind_launcher(worker_timeout),
            step_timeout=step_timeout,
        )
        assert world.watch is not None
        world.watch.fail = fail
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
    worker_timeout: float,
    step_timeout: float,
    answers: Answers,
    asked: Callable[[], tuple[str, StopReason] | None],
) -> None:
    """Train on so many processes of this machine; what they tell goes to ``answers``.

    Raises
    ------
    WorkerFailed
        If one of them ended before all had trained, gave no sign of life for too long, or finished
        no step.
    """
    context = multiprocessing.get_context("spawn")
    address, processes, pipes = free_address(), [], []
    with tempfile.TemporaryDirectory(prefix="deltarule-rows-") as folder:
        place = Path(folder)
        arguments = {name: _stored(value, place) for name, value in call.arguments.items()}
        sent = WorkerCall(call.net, _stored(call.X, place), _stored(call.Y, place), arguments)
        listener: _Listener | None = None
        try:
            for rank in range(workers):
                own, others = context.Pipe()
                limits = timeout, worker_timeout, step_timeout
                given = Place(address, rank, workers), *limits, sent, others
                process = context.Process(target=_worker, args=given, daemon=True)
                process.start()
                others.close()
                processes.append(process)
                pipes.append(own)
            listener = _Listener(pipes, worker_timeout)
            _watch(processes, pipes, listener, answers, asked)
        finally:
            for each in processes:
                each.kill()
                each.join()
            if listener is not None:  # no thread reads a pipe that is closed
                listener.wait(range(len(pipes)))
            for pipe in pipes:
                pipe.close()


class _Listener:
    """Reads what the workers tell, each on a thread: a worker may be stopped within a message."""

    def __init__(self, pipes: Any, worker_timeout: float) -> None:
        self.signs = SignsOfLife(len(pipes), worker_timeout)
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read, args=given, name="deltarule-worker", daemon=True)
            for given in enumerate(pipes)
        ]
        for each in self._threads:
            each.start()

    def _read(self, rank: int, pipe: Any) -> None:
        while True:
            try:
                told = pipe.recv()
            except (EOFError, OSError):
                return
            except Exception as error:  # noqa: BLE001  what was told cannot be read here
                told = "error", error
            self.signs.hear(rank)
            if told[0] != "alive":
                self._told.put(told)

    def take(self, answers: Answers, seconds: float) -> None:
        """Take what was told, and wait so long for the first of it."""
        with contextlib.suppress(queue.Empty):
            answers.take(self._told.get(timeout=seconds))
            while True:
                answers.take(self._told.get_nowait())

    def take_last(self, answers: Answers, ended: Collection[int]) -> None:
        """Take the rest of what workers have told that have ended."""
        self.wait(ended)
        self.take(answers, 0.0)

    def wait(self, ended: Collection[int]) -> None:
        """Wait for the threads of workers that have ended."""
        for rank in ended:
            self._threads[rank].join(_GRACE)


def _watch(processes: Any, pipes: Any, listener: _Listener, answers: Answers, asked: Any) -> None:
    told_to_stop = False
    ended: dict[int, int] = {}
    failed_at = float("inf")
    while len(ended) < len(processes):
        listener.take(answers, _POLL)
        request = None if told_to_stop else asked()
        if request is not None:
            told_to_stop = True
            with contextlib.suppress(OSError):
                pipes[0].send(request)  # worker 0 tells the others, with the next step
        for rank, process in enumerate(processes):
            if rank not in ended and process.exitcode is not None:
                ended[rank] = process.exitcode
        if any(ended.values()):
            failed_at = min(failed_at, time.monotonic())
            if time.monotonic() > failed_at + _GRACE:
                break
        else:
            try:
                listener.signs.check([k for k in range(len(processes)) if k not in ended])
            except WorkerFailed:
                if answers.result is None:
                    raise
                break
    listener.take_last(answers, ended)
    failed = {rank: status for rank, status in ended.items() if status}
    if failed and answers.result is None:
        rank = min(failed, key=lambda each: (failed[each] > 0, each))
        status = failed[rank]
        how = f"was ended by signal {-status}" if status < 0 else "failed"
        told = f": {why}" if (why := answers.failure()) and status > 0 else ""
        raise WorkerFailed(f"worker {rank} of {len(processes)} {how}{told}")
