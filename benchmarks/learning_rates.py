"""How good the suggestion of find_learning_rate is: its final loss beside the best of a grid.

    python benchmarks/learning_rates.py [--count 30] [--first 1000] [--steps 2000]

Generated problems (those of ``benchmarks/guard.py``) with each of sgd, momentum and adam. Every
rate of the search trains the network for ``--steps`` steps with a constant rate; the factor is the
loss on all training rows at the end of the training with the suggestion, over the smallest at the
end of any. Prints quantiles of the factor.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.guard import problem
from deltarule import train
from deltarule.errors import Diverged
from deltarule.training import Model, find_learning_rate

RULES = ("sgd", "momentum", "adam")


def final(net: Any, X: Any, Y: Any, rate: float, options: dict[str, Any]) -> float:
    """Return the loss on all rows after a training with this rate; infinite if it diverges."""
    with np.errstate(all="ignore"):
        try:
            result = train(net, X, Y, learning_rate=rate, guard="off", **options)
        except Diverged:
            return math.inf
        A = Model(net, result.theta).predict(X)
        if net.loss.name == "cross_entropy":
            return float(-np.log(np.maximum((A * Y).sum(axis=1), 1e-300)).mean())
        return float(((A - Y) ** 2).mean() / 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args()
    factors = []
    for seed in range(given.first, given.first + given.count):
        rule = RULES[seed % len(RULES)]
        net, X, Y, drawn = problem(seed, rule=rule)
        options = {name: drawn[name] for name in ("rule", "batch_size", "l2", "seed")}
        found = find_learning_rate(net, X, Y, **options)
        options["epochs"] = max(given.steps * drawn["batch_size"] // len(X), 1)
        ends = {rate: final(net, X, Y, rate, options) for rate in found.rates.tolist()}
        factors.append(ends[found.suggestion] / min(ends.values()))
        best = min(ends, key=lambda rate: ends[rate])
        print(f"{seed} {rule}: {found.suggestion:.3g}, best {best:.3g}, factor {factors[-1]:.3f}")
    shares = [0.5, 0.75, 0.9, 1.0]
    shown = ", ".join(f"{share:.0%} ≤ {np.quantile(factors, share):.2f}" for share in shares)
    print(f"{len(factors)} problems, loss over the best of the grid: {shown}")


if __name__ == "__main__":
    main()
