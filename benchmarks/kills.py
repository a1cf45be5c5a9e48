"""Trainings that are killed at random times, and resumed until they end: whether the bits differ.

    python benchmarks/kills.py [--kills 500] [--seed 0]

Trains a network and a small portfolio in processes of their own, with a checkpoint of every epoch
that took .02 seconds. A process gets SIGKILL or SIGTERM after a random time on the processor, so
that a busy machine makes no difference, and the same call goes on in the next one; when it ends,
its result is compared with that of an undisturbed run, and the next round begins. The processes
are forked from one that has loaded the library, so that the signals fall into training and not
into imports. Prints the numbers of kills and of rounds, and fails at the first difference.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from deltarule import Network, TabularRegressor, train
from deltarule.tabular.portfolio import Configuration
from deltarule.training import Checkpoint


def train_one(kind: str, folder: Path | None, out: Path) -> None:
    """Train, with a checkpoint in the folder if there is one, and write the result."""
    saved = None if folder is None else Checkpoint(folder, 0.02)
    X = np.random.default_rng(0).normal(size=(2000, 4))
    y = np.tanh(X @ [1.0, -1.0, 2.0, 0.5]) + 0.1 * X[:, 0] ** 2
    if kind == "network":
        net = Network([4, 16, 16, 1], activation="tanh")
        result = train(
            net, X, y, epochs=150, batch_size=32, validation=0.2, dropout=0.1, averaging=0.99,
            checkpoint=saved,
        )  # fmt: skip
        found = result.theta
    else:
        few = [Configuration(f"c{k}", "robust", (16,), "silu", epochs=40) for k in range(3)]
        found = TabularRegressor(configurations=few, checkpoint=saved).fit(X, y).oof_prediction_
    with out.open("wb") as file:
        np.save(file, found)


def run(kind: str, folder: Path | None, out: Path, seconds: float, number: int) -> bool:
    """Train in a forked process, and end it after so many seconds; return whether it came first."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train_one(kind, folder, out)
            status = 0
        except BaseException:  # noqa: BLE001  the child must end here
            traceback.print_exc()
        finally:
            os._exit(status)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"{kind} failed")
            return True
        if processor_seconds(child) > seconds:
            break
        time.sleep(0.002)
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    return status == 0  # it may have ended before the signal


def processor_seconds(process: int) -> float:
    """The seconds that a process, all its threads together, has been on a processor."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Kill, resume and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kills, rounds = {"network": 0, "portfolio": 0}, {"network": 0, "portfolio": 0}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder, out = place / "checkpoint", place / "out.npy"
        expected, longest = {}, {}
        for kind in kills:
            run(kind, None, out, 600.0, signal.SIGKILL)  # the first one may compile
            before = os.times()
            run(kind, None, out, 600.0, signal.SIGKILL)
            after = os.times()
            longest[kind] = sum(after[2:4]) - sum(before[2:4])
            expected[kind] = out.read_bytes()
        while sum(kills.values()) < options.kills:
            kind = min(rounds, key=rounds.__getitem__)
            shutil.rmtree(folder, ignore_errors=True)
            out.unlink()
            number = rng.choice([signal.SIGKILL, signal.SIGTERM])
            while not run(kind, folder, out, rng.uniform(0.05, 0.9) * longest[kind], number):
                kills[kind] += 1
                if sum(kills.values()) % 10 == 0:
                    print(kills, flush=True)
                number = rng.choice([signal.SIGKILL, signal.SIGTERM])
            rounds[kind] += 1
            left = list(folder.rglob(".*"))
            if out.read_bytes() != expected[kind] or left:
                raise SystemExit(f"{kind}, after {kills[kind]} kills: another result, or {left}")
            print(f"{kills} kills, {rounds} rounds, all bits equal", flush=True)


if __name__ == "__main__":
    sys.exit(main())
