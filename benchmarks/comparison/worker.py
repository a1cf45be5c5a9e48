"""A process that measures one library on request; its argument is the library's name.

It reads a JSON object from each line of standard input and answers with one on standard
output::

    {"do": "prepare", "job": {…}}    {"done": {…facts about the job…}}
    {"do": "measure", "number": 0}   {"done": {"seconds": …}}, of one step of that job

Jobs are numbered in the order in which they were prepared. Instead of ``done`` an answer holds
``absent``, with the reason, if a library is not installed or cannot run here, or ``failed``, with
the error. The process ends when its standard input does, so it does not outlive its parent process.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from benchmarks.comparison.configs import PROBE_STEPS, Config, loss_of
from benchmarks.comparison.peers import PEERS, Peer
from deltarule.errors import InputError, MissingCapability, MissingDependency

__all__ = ["Job", "Training", "serve", "training"]

_MOST_EPOCHS = 4096
_TRIES = 8


class MachineBusy(Exception):
    """A time could not be measured."""


class Job(Protocol):
    """A measurement that can be repeated."""

    def facts(self) -> dict[str, Any]:
        """Facts for the report."""

    def measure(self) -> float:
        """Seconds of one step, from one measurement."""


class Training:
    """A library that trains the network of a config, prepared for measurements.

    One measurement is the number of epochs that takes about ``seconds``, always from the initial
    parameters. Where a call of train has a constant cost (copies, checks), the time of an epoch
    is the marginal one: (time of 1 + k epochs − time of 1 epoch) / k.

    Examples
    --------
    >>> from benchmarks.comparison.peers import PEERS
    >>> config = Config("tiny", (2, 3, 1), batch_rows=4, rows=8)
    >>> training = Training(lambda config: PEERS["numpy"](config, 1, "auto"), config, seconds=0.0)
    >>> training.measure() > 0, training.facts()["epochs"]
    (True, 1)
    """

    def __init__(self, make: Callable[[Config], Peer], config: Config, seconds: float) -> None:
        # The losses are compared after a few steps: after many, all good optimizers reach about
        # the same loss.
        probe = make(config.first_steps(PROBE_STEPS))
        probe.train(1)
        self.losses = (
            loss_of(probe.config, probe.config.initial()),
            loss_of(probe.config, probe.parameters()),
        )
        self.peer = make(config)
        self.epochs = 1
        self.peer.train(1)  # compiles
        if seconds > 0:
            self._lengthen(seconds)

    def _lengthen(self, seconds: float) -> None:
        """Choose the number of epochs so that a measurement takes about ``seconds``."""
        while True:
            took = self._measured(self.epochs)
            # A marginal time may be zero or negative; then the number is doubled.
            wanted = math.ceil(self.epochs * seconds / took) if took > 0 else 2 * self.epochs
            if took >= seconds / 2 or self.epochs >= _MOST_EPOCHS:
                return
            # In several steps, since other work may have slowed the first epoch.
            self.epochs = min(wanted, 16 * self.epochs, _MOST_EPOCHS)

    def _measured(self, epochs: int) -> float:
        if not self.peer.sets_up:
            return self.peer.train(epochs)
        one = self.peer.train(1)
        return self.peer.train(1 + epochs) - one

    def measure(self) -> float:
        """Seconds of one step."""
        epochs = self.epochs
        for _ in range(_TRIES):
            took = self._measured(epochs)
            if took > 0:
                return took / epochs / self.peer.config.steps
            # Other work slowed the single epoch by more than all the others took: twice as many
            # are measured the next time, or a short measurement would fail as often again.
            epochs *= 2
        raise MachineBusy(
            f"{_TRIES} times over, more epochs took no longer than one, at last {1 + epochs // 2}; "
            "the machine is too busy to measure anything"
        )

    def facts(self) -> dict[str, Any]:
        """Versions, epochs of one measurement, and the loss before and after a few steps."""
        return {
            "versions": self.peer.versions(),
            "epochs": self.epochs,
            "losses": list(self.losses),
        }


def training(name: str) -> Callable[[Mapping[str, Any]], Job]:
    """A function that makes a job for this library from the ``job`` of a ``prepare`` request."""

    def make(job: Mapping[str, Any]) -> Job:
        Peer.clock = str(job.get("clock", "wall"))

        def peer(config: Config) -> Peer:
            return PEERS[name](config, int(job["threads"]), str(job["engine"]))

        return Training(peer, Config.from_record(job["config"]), float(job["seconds"]))

    return make


def serve(make: Callable[[Mapping[str, Any]], Job]) -> None:
    """Answer requests until standard input ends.

    Parameters
    ----------
    make : callable
        Makes a job from the ``job`` of a ``prepare`` request.
    """
    # Output of the libraries goes to standard error; standard output is for answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C is handled by the parent process, which then closes this one's standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # scikit-learn warns after every epoch that the estimator has not converged.
    warnings.simplefilter("ignore")
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    jobs: list[Job] = []
    while True:
        _answer(answers, _outcome(json.loads(requests.get()), jobs, make))


def _read(requests: queue.SimpleQueue[str]) -> None:
    """Queue the lines of standard input; at its end, exit the process at once."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _answer(answers: TextIO, answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _outcome(
    request: Mapping[str, Any],
    jobs: list[Job],
    make: Callable[[Mapping[str, Any]], Job],
) -> dict[str, Any]:
    try:
        if request["do"] == "prepare":
            job = make(request["job"])
            jobs.append(job)
            return {"done": job.facts()}
        if request["do"] == "measure":
            return {"done": {"seconds": jobs[request["number"]].measure()}}
        raise InputError(f"do is {request['do']!r}; expected 'prepare' or 'measure'")
    except ModuleNotFoundError as error:
        return {"absent": f"{error.name} is not installed"}
    except (MissingDependency, MissingCapability) as error:
        return {"absent": str(error)}
    except ImportError as error:
        # Installed but unusable, for example with a missing shared library.
        return {"absent": f"it cannot be imported ({error})"}
    except Exception as error:  # noqa: BLE001  (every failure is sent as an answer)
        return {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    serve(training(sys.argv[1]))
