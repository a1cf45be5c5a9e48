"""Worker processes on this machine, each of which knows its place in a world.

Their standard input is a connection to this process. It ends when this process does, and so do
they; they send signs of life over it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from deltarule.cluster.joining import Place
from deltarule.cluster.signs_of_life import SignsOfLife, send_signs
from deltarule.engines.threads import VARIABLE, usable_threads
from deltarule.errors import WorkerFailed

__all__ = [
    "LOST",
    "end_with_launcher",
    "free_address",
    "free_port",
    "run_workers",
    "worker_command",
    "worker_environment",
]

LOST = 76
"""The exit status of a worker that lost the connection to another one."""

_POLL = 0.05
# Seconds for the others to end by themselves once a worker has failed, which they notice; and then
# once they were asked to, before they are killed.
_GRACE, _ASKED = 10.0, 10.0
# Signals after which workers save what they have, and take the time that this needs.
_FORWARDED: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
# Whether a socket can be the standard input of a process. Elsewhere it is a pipe, which only tells
# the workers that the launcher has ended.
_TWO_WAYS = os.name == "posix"


def free_port(host: str) -> int:
    """A port that is free at an address of this machine."""
    with socket.create_server((host, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def free_address() -> str:
    """A free port of 127.0.0.1, as host:port."""
    return f"127.0.0.1:{free_port('127.0.0.1')}"


def end_with_launcher(worker_timeout: float) -> None:
    """End this process once the one that started it has ended; called first in a worker.

    The connection is no longer the standard input then, which is empty. Signs of life are sent over
    it, so often that the launcher hears some within ``worker_timeout`` seconds.
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(pipe, 1)
        os._exit(LOST)

    threading.Thread(target=wait, name="deltarule-launcher", daemon=True).start()
    if _TWO_WAYS:
        send_signs(lambda: os.write(pipe, b"."), worker_timeout)


def worker_environment(place: Place, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: its place, and its share of the cores."""
    threads = str(max(usable_threads() // place.size, 1))
    found = {VARIABLE: threads, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    found |= {"JAX_PLATFORMS": "cpu"}
    return found | dict(given) | place.environment()


class _Workers:
    """Processes that were started, and what they write to standard error."""

    def __init__(
        self, command: Sequence[str], count: int, quiet_first: bool, worker_timeout: float
    ) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.errors: list[Any] = []
        self.connections: list[socket.socket] = []
        self.signs = SignsOfLife(count, worker_timeout)
        self.signalled = 0
        address = free_address()
        for rank in range(count):
            error: Any = tempfile.TemporaryFile()  # noqa: SIM115  closed with the others
            shown = rank == 0 and not quiet_first
            self.errors.append(error)
            others: socket.socket | None = None
            if _TWO_WAYS:
                own, others = socket.socketpair()
                own.setblocking(False)
                self.connections.append(own)
            self.processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if others is None else others.fileno(),
                    stdout=None if shown else subprocess.DEVNULL,
                    stderr=None if shown else error,
                    env=worker_environment(Place(address, rank, count), os.environ),
                    # So that Ctrl-C reaches them once, from here.
                    start_new_session=True,
                )
            )
            if others is not None:
                others.close()

    def forward(self, number: int, frame: FrameType | None = None) -> None:
        """Send a signal to all that run."""
        self.signalled += 1
        self.end(number)

    def failed(self) -> list[int]:
        """The ranks of those that have ended otherwise than well."""
        return [rank for rank, each in enumerate(self.processes) if each.poll() not in (None, 0)]

    def running(self) -> bool:
        """Whether one of them runs."""
        return any(process.poll() is None for process in self.processes)

    def listen(self) -> None:
        """Hear the signs of life that the workers have sent.

        Raises
        ------
        WorkerFailed
            If one that runs has been silent for too long.
        """
        for rank, connection in enumerate(self.connections):
            with contextlib.suppress(OSError):  # there is none
                if connection.recv(1 << 12):
                    self.signs.hear(rank)
        self.signs.check([rank for rank, each in enumerate(self.processes) if each.poll() is None])

    def wait(self, tick: Callable[[], None]) -> list[int]:
        """Wait until all have ended; return the ranks of those that failed first.

        Once one has failed, the others are given some seconds, then asked to end, then killed.

        Raises
        ------
        WorkerFailed
            If one hangs.
        """
        first: list[int] = []
        deadline, asked = float("inf"), False
        while self.running():
            tick()
            if not first:
                if first := self.failed():
                    deadline = time.monotonic() + _GRACE
                else:
                    self.listen()
            patient = self.signalled == 1  # they save what they have
            if time.monotonic() > deadline and not patient:
                self.end(signal.SIGKILL if asked else signal.SIGTERM)
                deadline, asked = time.monotonic() + _ASKED, True
            time.sleep(_POLL)
        return first or self.failed()

    def end(self, number: int) -> None:
        """Send a signal of this process's own to all that run."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def last_line(self, rank: int) -> str:
        """The last line that a worker wrote to standard error."""
        self.errors[rank].seek(0)
        lines = self.errors[rank].read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else ""

    def close(self) -> None:
        """Kill what still runs, and free everything."""
        self.end(signal.SIGKILL)
        for process in self.processes:
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for each in (*self.errors, *self.connections):
            each.close()


@contextlib.contextmanager
def _forwarding(workers: _Workers) -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM go to the workers."""
    replaced: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _FORWARDED:
            replaced[number] = signal.signal(number, workers.forward)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def run_workers(
    command: Sequence[str],
    count: int,
    *,
    quiet: bool = False,
    worker_timeout: float = 300.0,
    tick: Callable[[], None] = lambda: None,
) -> int:
    """Run a command in ``count`` processes on this machine, to the end of all.

    Worker 0 writes to this process's standard output and error; the others write nothing.

    Parameters
    ----------
    command : sequence of str
        What each process runs; it joins the world with :func:`~deltarule.cluster.join`.
    count : int
    quiet : bool
        Whether worker 0 writes nothing either.
    worker_timeout : float
        Seconds after which a silent worker counts as lost, if it has called
        :func:`end_with_launcher`.
    tick : callable
        Called several times a second meanwhile.

    Returns
    -------
    int
        The exit status of worker 0, which has told its error itself; 0 if all ended well.

    Raises
    ------
    WorkerFailed
        If another worker failed first, or one hangs; it says how.
    """
    workers = _Workers(command, count, quiet, worker_timeout)
    try:
        with _forwarding(workers):
            first = workers.wait(tick)
        statuses = [process.returncode for process in workers.processes]
        own = statuses[0]
        if own not in (0, LOST) and own > 0 and not quiet:
            return int(own)  # worker 0 has told its error
        if not first and own == 0:
            return 0
        failed = [rank for rank, status in enumerate(statuses) if status not in (0, LOST)]
        culprits = [rank for rank in first if rank in failed] or failed
        if not culprits:
            raise WorkerFailed(
                f"the {count} workers lost the connection to each other",
                hint="the same call goes on from its checkpoint, if it has one",
            )
        raise WorkerFailed(
            f"worker {culprits[0]} of {count} {_how(statuses[culprits[0]])}"
            + _because(workers.last_line(culprits[0])),
            hint="the same call goes on from its checkpoint, if it has one",
        )
    finally:
        workers.close()


def _how(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"
    return f"ended with status {status}"


def _because(line: str) -> str:
    return f": {line}" if line else ""


def worker_command(*arguments: str) -> list[str]:
    """The command line that runs deltarule with these arguments."""
    return [sys.executable, "-m", "deltarule", *arguments]
