"""A process that measures one peer when it is asked; its argument is the peer's name.

It reads a JSON object from each line of standard input and answers with one on standard
output::

    {"do": "prepare", "job": {…}}    {"done": {…what is known of the job…}}
    {"do": "measure", "number": 0}   {"done": {"seconds": …}}, of one step of that job

Jobs are numbered as they were prepared. Instead of ``done`` an answer holds ``absent``, the
reason, if a library is not installed, or ``failed``, what went wrong. The process ends when
its standard input does, so it cannot outlive who started it.
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
from deltarule.errors import InputError, MissingDependency

__all__ = ["Job", "Training", "serve", "training"]

_MOST_EPOCHS = 4096
_TRIES = 5


class MachineBusy(Exception):
    """A time could not be measured."""


class Job(Protocol):
    """Something that can be measured again and again."""

    def facts(self) -> dict[str, Any]:
        """What is known of it, for the report."""

    def measure(self) -> float:
        """Seconds of one step, from one measurement."""


class Training:
    """A library that trains the network of a config, made ready to be measured.

    One measurement is as many epochs as take about ``seconds``, always from the initial
    parameters. Where a call to train has costs of its own (copies, checks), the time of an
    epoch is the marginal one: (time of 1 + k epochs − time of 1 epoch) / k.

    Examples
    --------
    >>> from benchmarks.comparison.peers import PEERS
    >>> config = Config("tiny", (2, 3, 1), batch_rows=4, rows=8)
    >>> training = Training(lambda config: PEERS["numpy"](config, 1, "auto"), config, seconds=0.0)
    >>> training.measure() > 0, training.facts()["epochs"]
    (True, 1)
    """

    def __init__(self, make: Callable[[Config], Peer], config: Config, seconds: float) -> None:
        # What it trains is told from a few steps: after many, every good optimizer has about
        # the same loss.
        probe = make(config.first_steps(PROBE_STEPS))
        probe.train(1)
        self.losses = (
            loss_of(probe.config, probe.config.initial()),
            loss_of(probe.config, probe.parameters()),
        )
        self.peer = make(config)
        self.epochs = 1
        self.peer.train(1)  # compiles what is compiled
        if seconds > 0:
            self._lengthen(seconds)

    def _lengthen(self, seconds: float) -> None:
        """Take so many epochs that a measurement lasts about ``seconds``."""
        while True:
            took = self._measured()
            # A marginal time can come out at nothing, or below; then twice as many are tried.
            wanted = math.ceil(self.epochs * seconds / took) if took > 0 else 2 * self.epochs
            if took >= seconds / 2 or self.epochs >= _MOST_EPOCHS:
                return
            # Not at one go: a first epoch that something interrupted tells little.
            self.epochs = min(wanted, 16 * self.epochs, _MOST_EPOCHS)

    def _measured(self) -> float:
        if not self.peer.sets_up:
            return self.peer.train(self.epochs)
        one = self.peer.train(1)
        return self.peer.train(1 + self.epochs) - one

    def measure(self) -> float:
        """Seconds of one step."""
        for _ in range(_TRIES):
            took = self._measured()
            # Something else held the processor during the single epoch, and not after it.
            if took > 0:
                return took / self.epochs / self.peer.config.steps
        raise MachineBusy(
            f"{_TRIES} times over, {1 + self.epochs} epochs took no longer than one; the machine "
            "is too busy to measure anything"
        )

    def facts(self) -> dict[str, Any]:
        """Versions, epochs of one measurement, and the loss before and after a few steps."""
        return {
            "versions": self.peer.versions(),
            "epochs": self.epochs,
            "losses": list(self.losses),
        }


def training(name: str) -> Callable[[Mapping[str, Any]], Job]:
    """How a job of this peer is made from what ``prepare`` was given."""

    def make(job: Mapping[str, Any]) -> Job:
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
    # What libraries print goes to standard error; standard output is for answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C is for the process that asks; it ends this one by closing its standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # That an estimator has not converged after an epoch is no news.
    warnings.simplefilter("ignore")
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    jobs: list[Job] = []
    while True:
        _answer(answers, _outcome(json.loads(requests.get()), jobs, make))


def _read(requests: queue.SimpleQueue[str]) -> None:
    """Pass lines on; when there are no more, end the process, whatever it is doing."""
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
    except MissingDependency as error:
        return {"absent": str(error)}
    except ImportError as error:
        # Installed, and of no use: a shared library that is missing, say.
        return {"absent": f"it cannot be imported ({error})"}
    except Exception as error:  # noqa: BLE001  (whatever it is, it is told to who asked)
        return {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    serve(training(sys.argv[1]))
