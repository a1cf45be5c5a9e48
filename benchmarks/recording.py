"""What recording a run costs: the same training with a Recorder and without, in turn.

    python benchmarks/recording.py

The two take turns, and the ratio within each turn is what counts: a machine that is busy for a
while slows both. The recorder's own clock stands beside it, and so does what saving takes when
training is over. The bar is 2 % of the training time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from deltarule.engines.machine import processor
from deltarule.maths import Network
from deltarule.training import Recorder, Recording, train

# Name, widths, rows, rows of a step, epochs.
CASES = [
    ("T", [4, 32, 32, 1], 4096, 32, 300),
    ("T, all rows at once", [4, 32, 32, 1], 256, 256, 20_000),
    ("tiny, one step an epoch", [2, 4, 1], 4, 4, 100_000),
    ("a table", [20, 128, 64, 1], 4000, 128, 60),
    ("M", [784, 128, 64, 10], 4096, 128, 20),
    ("L", [784, 512, 512, 10], 2048, 256, 6),
]


def once(case: tuple[str, list[int], int, int, int], recorder: Recorder | None) -> float:
    """Seconds of one training."""
    _, widths, rows, size, epochs = case
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, widths[0])).astype(np.float32)
    Y = rng.standard_normal((rows, widths[-1])).astype(np.float32)
    net = Network(widths, activation="relu", dtype=np.float32)
    callbacks = [] if recorder is None else [recorder]
    started = time.perf_counter()
    train(net, X, Y, batch_size=size, epochs=epochs, callbacks=callbacks)
    return time.perf_counter() - started


def measured(
    case: tuple[str, list[int], int, int, int], rounds: int
) -> tuple[float, list[float], Recording, float]:
    """Seconds without, the ratios of the turns, a recording, and seconds to save it."""
    once(case, None)
    alone, ratios, recorder = [], [], Recorder()
    for turn in range(rounds):
        recorder = Recorder()
        # Who begins changes from turn to turn.
        if turn % 2:
            beside, one = once(case, recorder), once(case, None)
        else:
            one, beside = once(case, None), once(case, recorder)
        alone.append(one)
        ratios.append(beside / one)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        recorder.save(Path(folder, "r"))
        saving = time.perf_counter() - started
    return statistics.median(alone), ratios, recorder.recording(), saving


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(processor())
    print(
        f"{'case':<24} {'seconds':>8} {'with/without':>12} {'least–most':>13} {'own clock':>9} "
        f"{'checkpoints':>11} {'digests':>7} {'MB':>6} {'saving s':>8}"
    )
    for case in CASES:
        alone, ratios, found, saving = measured(case, rounds)
        held = sum(value.nbytes for each in found.checkpoints.values() for value in each.values())
        span = f"{min(ratios):.3f}–{max(ratios):.3f}"
        print(
            f"{case[0]:<24} {alone:8.3f} {statistics.median(ratios):12.4f} {span:>13} "
            f"{found.recorder_seconds / found.seconds:9.2%} {len(found.checkpoints):11d} "
            f"{len(found.digests):7d} {held / 1e6:6.1f} {saving:8.3f}"
        )


if __name__ == "__main__":
    main()
