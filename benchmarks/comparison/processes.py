"""Worker processes that measure in turn, and that end with their parent process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import InputError, WorkerFailed

__all__ = [
    "Absent",
    "Worker",
    "check_threads",
    "cores",
    "from_checkout",
    "in_turn",
    "own_process",
    "peer_command",
]

_CHECKOUT = Path(__file__).parents[2]

# After this many seconds without an answer a worker counts as hung. The slowest measurement
# of the largest config takes a minute on a busy machine.
_TIMEOUT = 900.0
# Seconds between SIGTERM and SIGKILL.
_GRACE = 2.0
# Idle threads of a library spin before they sleep: OpenMP's for some milliseconds, OpenBLAS's
# for 0.1 s. The next measurement begins after this many seconds.
_SETTLE = 0.2


class Absent(Exception):
    """A library that is not installed; the message is the reason."""


def cores() -> list[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def check_threads(threads: int) -> None:
    """Refuse a number of threads larger than the number of processors.

    Raises
    ------
    InputError
        If there are fewer processors, or the number is below 1.

    Examples
    --------
    >>> check_threads(1)
    """
    most = len(cores())
    if not 1 <= threads <= most:
        raise InputError(
            parameter="threads",
            given=threads,
            expected=f"1 to {most}, the processors that this process may use",
        )


def from_checkout(code: str, *arguments: str) -> list[str]:
    """A command that runs code in a new process, which can import this checkout's modules."""
    # -P keeps the current folder off the path: a file torch.py in it must not replace PyTorch. The
    # checkout is last on the path for the same reason.
    start = f"import sys; sys.path.append({str(_CHECKOUT)!r})\n{code}"
    return [sys.executable, "-P", "-c", start, *arguments]


def own_process(module: str, *arguments: str) -> list[str]:
    """A command that runs a module of this folder, as ``python -m`` does, in a new process."""
    code = f"import runpy; runpy.run_module({module!r}, run_name='__main__')"
    return from_checkout(code, *arguments)


def peer_command(name: str) -> list[str]:
    """The command that starts the worker of a library."""
    return own_process("benchmarks.comparison.worker", name)


def environment(threads: int) -> dict[str, str]:
    """The environment of this process, with the number of threads for every library.

    Examples
    --------
    >>> environment(2)["OPENBLAS_NUM_THREADS"]
    '2'
    """
    number = str(threads)
    names = (
        "DELTARULE_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    )  # fmt: skip
    # Answers are UTF-8 whatever the locale. JAX is held to the processor, like the others.
    fixed = {"PYTHONUTF8": "1", "JAX_PLATFORMS": "cpu"}
    if threads == 1:
        # JAX has no other way to set one thread; with more it uses all of its processors.
        fixed["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**os.environ, **dict.fromkeys(names, number), **fixed}


@contextlib.contextmanager
def _on_first_cores(threads: int) -> Iterator[None]:
    """Bind this process to as many processors as threads; child processes inherit the binding."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """A process that answers requests, one at a time.

    It is a context manager that ends the process.

    Parameters
    ----------
    title : str
        The name of what it measures, for messages.
    threads : int
        The number of threads of every library in it. Where the system allows, the process is
        bound to as many processors.
    command : sequence of str
        The command to start: see :mod:`benchmarks.comparison.worker`.
    timeout : float
        Seconds without an answer after which it counts as hung.
    """

    def __init__(
        self, title: str, threads: int, command: Sequence[str], timeout: float = _TIMEOUT
    ) -> None:
        self.title, self.threads, self.timeout = title, threads, timeout
        self._jobs = 0
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Closed by `close`.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        with _on_first_cores(threads):
            # In a new session, so that Ctrl-C in the terminal reaches only the parent process,
            # which then ends the workers.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment(threads),
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError):  # closed while it was read
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def prepare(self, **job: Any) -> tuple[dict[str, Any], Callable[[], float]]:
        """Send a job; return its facts, and a function that measures it once.

        Raises
        ------
        Absent
            If the library is not installed.
        WorkerFailed
            If the process died, hung or failed.
        """
        number, self._jobs = self._jobs, self._jobs + 1
        facts = self._ask({"do": "prepare", "job": job}, "while it prepared")
        return facts, lambda: self._measure(number)

    def _measure(self, number: int) -> float:
        if self.threads > 1:
            time.sleep(_SETTLE)
        request = {"do": "measure", "number": number}
        return float(self._ask(request, "while it measured")["seconds"])

    def _ask(self, request: Mapping[str, Any], when: str) -> dict[str, Any]:
        stream = self._process.stdin
        assert stream is not None
        with contextlib.suppress(OSError):  # the process has ended; its output is read below
            stream.write(json.dumps(request) + "\n")
            stream.flush()
        try:
            line = self._lines.get(timeout=self.timeout)
        except queue.Empty:
            raise WorkerFailed(
                f"{self.title}: no answer for {self.timeout:g} seconds {when}; it was ended. "
                "Leave it out, or measure on a machine with less other work"
            ) from None
        if line is None:
            raise WorkerFailed(
                f"{self.title}: its process ended {self._how()} {when}{self._last_words()}. "
                "Leave it out, or try it by itself"
            )
        return self._opened(line, when)

    def _opened(self, line: str, when: str) -> dict[str, Any]:
        try:
            answer = json.loads(line)
            known = {"done", "absent", "failed"} & set(answer)
        except (ValueError, TypeError):
            known = set()
        if "absent" in known:
            raise Absent(str(answer["absent"]))
        if "failed" in known:
            raise WorkerFailed(f"{self.title}: {answer['failed']} ({when})")
        if "done" not in known:
            raise WorkerFailed(
                f"{self.title}: it answered {line.strip()[:60]!r} {when}; expected a JSON object "
                "with done, absent or failed. Leave it out"
            )
        done: dict[str, Any] = answer["done"]
        return done

    def _how(self) -> str:
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "its answers"
        if code >= 0:
            return f"with status {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        # Linux ends a process with SIGKILL when memory runs out.
        return f"by {name}" + (", as when memory runs out," if name == "SIGKILL" else "")

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f", saying {said[-1][:200]!r}" if said else ""

    def close(self) -> None:
        """End the process and its children, and wait for its end."""
        self._signal("SIGTERM")
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._signal("SIGKILL")
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # buffered output is lost
                    stream.close()
        self._log.close()

    def _signal(self, name: str) -> None:
        if self._process.poll() is not None:
            return
        if hasattr(os, "killpg"):
            # The process leads a group that contains only its own children.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, getattr(signal, name))
        elif name == "SIGTERM":
            self._process.terminate()
        else:
            self._process.kill()


def in_turn(
    measures: Mapping[str, Callable[[], float]],
    rounds: int,
    show: Callable[[str], None] = lambda text: None,
) -> dict[str, list[float]]:
    """Call each measurement once in every round.

    The speed of a machine changes over minutes; measured in turn, all are affected alike. Each
    round begins with the next one, so that the order does not favour any.

    Parameters
    ----------
    measures : mapping of name to callable
        Each returns the seconds of one measurement.
    rounds : int
    show : callable
        Called with a description of each measurement before it begins.

    Returns
    -------
    dict of name to list of float
        One number for each round.

    Raises
    ------
    InputError
        If there is not at least one round.

    Examples
    --------
    >>> in_turn({"a": lambda: 1.0, "b": lambda: 2.0}, rounds=2)
    {'a': [1.0, 1.0], 'b': [2.0, 2.0]}
    """
    if rounds < 1:
        raise InputError(parameter="rounds", given=rounds, expected="at least 1")
    names = list(measures)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            show(f"round {number + 1} of {rounds}: {name}")
            found[name].append(measures[name]())
    return found
