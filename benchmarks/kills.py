"""Trainings that are killed at random times, and resumed until they end: whether the bits differ.

    python benchmarks/kills.py [--kills 500] [--seed 0]

Trains a network and a small portfolio in processes of their own, with a checkpoint of every epoch
that took .02 seconds. A process gets SIGKILL or SIGTERM after a random time, and the same command
goes on; when it ends, its parameters are compared with those of an undisturbed run, and the next
round begins. Prints the numbers of kills and of rounds, and fails at the first difference.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """
import sys
import numpy as np
from deltarule import Network, train
from deltarule.tabular.portfolio import Configuration
from deltarule import TabularRegressor
from deltarule.training import Checkpoint
kind, folder, out = sys.argv[1:]
saved = None if folder == "none" else Checkpoint(folder, 0.02)
X = np.random.default_rng(0).normal(size=(2000, 4))
y = np.tanh(X @ [1.0, -1.0, 2.0, 0.5]) + 0.1 * X[:, 0] ** 2
if kind == "network":
    net = Network([4, 16, 16, 1], activation="tanh")
    result = train(net, X, y, epochs=150, batch_size=32, validation=0.2, dropout=0.1,
                   averaging=0.99, checkpoint=saved)
    found = result.theta
else:
    few = [Configuration(f"c{k}", "robust", (16,), "silu", epochs=40) for k in range(3)]
    found = TabularRegressor(configurations=few, checkpoint=saved).fit(X, y).oof_prediction_
with open(out, "wb") as file:
    np.save(file, found)
"""


def run(kind: str, folder: str, out: Path, seconds: float | None, number: int) -> bool:
    """Run the program, and end it after so many seconds; return whether it came to its end."""
    command = [sys.executable, "-c", PROGRAM, kind, folder, str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.communicate()
            return False
    if process.returncode:
        raise SystemExit(f"{kind} failed:\n{errors}")
    return True


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
        expected, longest = {}, {}
        for kind in kills:
            started = time.perf_counter()
            run(kind, "none", place / "whole.npy", None, 0)
            longest[kind] = time.perf_counter() - started
            expected[kind] = (place / "whole.npy").read_bytes()
        while sum(kills.values()) < options.kills:
            kind = min(kills, key=kills.__getitem__)
            folder, out = place / "checkpoint", place / "out.npy"
            shutil.rmtree(folder, ignore_errors=True)
            number = rng.choice([signal.SIGKILL, signal.SIGTERM])
            while not run(kind, str(folder), out, rng.uniform(0.3, 1.1) * longest[kind], number):
                kills[kind] += 1
                number = rng.choice([signal.SIGKILL, signal.SIGTERM])
            rounds[kind] += 1
            left = list(folder.rglob(".*"))
            if out.read_bytes() != expected[kind] or left:
                raise SystemExit(f"{kind}, after {kills[kind]} kills: another result, or {left}")
            print(f"{kills} kills, {rounds} rounds, all bits equal", flush=True)


if __name__ == "__main__":
    main()
