"""The cost of recording a run: the same training with and without a Recorder, in turn.

    python benchmarks/recording.py

Every round trains without, with, and without a Recorder. *with* is the median over the rounds of
the time with a Recorder divided by the mean of the other two; *noise* is that of the third time
divided by the first, which would be 1 on an idle machine. Times are processor time summed over all
threads, which other work on the machine disturbs less. Also printed are the recorder's own
measurement and the time of saving after training. The bar is 2 % of the training time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deltarule.engines.environment import processor
from deltarule.maths import Network
from deltarule.training import Recorder, train


class Case(NamedTuple):
    """One training run to measure."""

    name: str
    widths: list[int]
    rows: int
    batch_size: int
    epochs: int


CASES = [
    Case("T", [4, 32, 32, 1], 4096, 32, 300),
    Case("T, all rows at once", [4, 32, 32, 1], 256, 256, 8_000),
    Case("tiny, one step an epoch", [2, 4, 1], 4, 4, 20_000),
    Case("a table", [20, 128, 64, 1], 4000, 128, 60),
    Case("M", [784, 128, 64, 10], 4096, 128, 20),
    Case("L", [784, 512, 512, 10], 2048, 256, 12),
]


def once(case: Case, recorder: Recorder | None = None) -> float:
    """Processor seconds of one training."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.rows, case.widths[0])).astype(np.float32)
    Y = rng.standard_normal((case.rows, case.widths[-1])).astype(np.float32)
    net = Network(case.widths, activation="relu", dtype=np.float32)
    callbacks = [] if recorder is None else [recorder]
    started = time.process_time()
    train(net, X, Y, batch_size=case.batch_size, epochs=case.epochs, callbacks=callbacks)
    return time.process_time() - started


def line_of(case: Case, rounds: int) -> str:
    """Measure a case; return its line of the table."""
    once(case)
    alone, ratios, noise, recorder = [], [], [], Recorder()
    for _ in range(rounds):
        recorder = Recorder()
        before, beside, after = once(case), once(case, recorder), once(case)
        alone += [before, after]
        ratios.append(2 * beside / (before + after))
        noise.append(after / before)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        recorder.save(Path(folder, "r"))
        saving = time.perf_counter() - started
    found = recorder.recording()
    held = sum(value.nbytes for each in found.checkpoints.values() for value in each.values())
    span = f"{min(ratios):.3f}–{max(ratios):.3f}"
    return (
        f"{case.name:<24} {statistics.median(alone):8.3f} {statistics.median(ratios):7.4f} "
        f"{span:>13} {statistics.median(noise):7.4f} {found.recorder_seconds / found.seconds:9.2%} "
        f"{len(found.checkpoints):11d} {len(found.digests):7d} {held / 1e6:6.1f} {saving:8.3f}"
    )


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(processor())
    print(
        f"{'case':<24} {'seconds':>8} {'with':>7} {'least–most':>13} {'noise':>7} {'own clock':>9} "
        f"{'checkpoints':>11} {'digests':>7} {'MB':>6} {'saving s':>8}"
    )
    for case in CASES:
        print(line_of(case, rounds), flush=True)


if __name__ == "__main__":
    main()
