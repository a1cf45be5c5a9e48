"""The guard of a training run: what it costs, its false alarms, and planted faults that it names.

``python benchmarks/guard.py cost`` trains 4-32-32-1 with 32 rows a step, with and without the guard
in turn, and prints the ratio of the smallest processor times. ``healthy`` trains generated problems
with sensible settings and counts findings; ``faults`` plants a fault of each kind and counts those
that are named.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np

from deltarule import Network, train
from deltarule.errors import Diverged

# Layers are checked at the end of every run, and not only of those that are long enough.
ALWAYS = "deltarule.training.diagnosis.guard"


def target(rng: np.random.Generator, X: np.ndarray, noise: float) -> np.ndarray:
    """Numbers with mean 0 and variance 1 that depend on X, with noise of this share."""
    inner = np.tanh(X @ rng.normal(size=(X.shape[1], 3)))
    signal = inner @ rng.normal(size=3) + np.sin(2 * X[:, 0])
    signal = (signal - signal.mean()) / signal.std()
    y = np.sqrt(1 - noise) * signal + np.sqrt(noise) * rng.normal(size=len(X))
    return (y - y.mean()) / y.std()


def problem(seed: int, **fixed: Any) -> tuple[Network, np.ndarray, np.ndarray, dict[str, Any]]:
    """A generated problem with sensible settings, or with some of them fixed."""
    rng = np.random.default_rng(seed)
    n, inputs = int(rng.choice([120, 300, 1000, 3000])), int(rng.choice([2, 5, 10, 30]))
    X = rng.normal(size=(n, inputs))
    noise = float(rng.choice([0.0, 0.1, 0.5, 1.0]))
    y = target(rng, X, fixed.pop("noise", noise))
    depth = int(fixed.pop("depth", rng.integers(1, 5)))
    width = int(rng.choice([8, 16, 32, 64, 128]))
    names = ["relu", "tanh", "gelu", "elu", "leaky_relu", "silu", "logistic"]
    # A deep network of logistic nodes is no healthy one.
    activation = fixed.pop("activation", str(rng.choice(names[: 7 if depth < 3 else 6])))
    widths = [inputs, *[width] * depth]
    if rng.random() < 0.4:
        classes = int(rng.integers(2, 5))
        label = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)
        Y = np.eye(classes)[label]
        net = Network(
            [*widths, classes],
            activation=activation,
            output_activation="softmax",
            loss="cross_entropy",
        )
    else:
        Y, net = y[:, None], Network([*widths, 1], activation=activation)
    rules: dict[str, tuple[float, float]] = {
        "sgd": (0.01, 0.1),
        "momentum": (0.002, 0.02),
        "adam": (0.001, 0.01),
        "rmsprop": (0.0005, 0.005),
    }
    rule = str(fixed.pop("rule", rng.choice(list(rules))))
    low, high = rules[rule]
    batch = int(rng.choice([16, 32, 64, 128]))
    steps = int(rng.choice([1000, 3000, 8000]))
    options = {
        "rule": rule,
        "learning_rate": float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        "batch_size": batch,
        "epochs": max(steps * batch // n, 20),
        "schedule": str(rng.choice(["constant", "cosine"])),
        "dropout": float(rng.choice([0.0, 0.0, 0.0, 0.2])),
        "l2": float(rng.choice([0.0, 0.0, 1.0])),
        "seed": seed,
    }
    return net, X, Y, options | fixed


def check_always() -> None:
    """Let the guard check the layers at the end of every run, however short."""
    import importlib

    importlib.import_module(ALWAYS)._SHARE = 0


def healthy(count: int, first: int) -> None:
    """Count the findings on healthy runs."""
    check_always()
    found: Counter[str] = Counter()
    alarms = 0
    for seed in range(first, first + count):
        net, X, Y, options = problem(seed)
        try:
            result = train(net, X, Y, guard="quiet", **options)
        except Diverged as error:
            print(f"{seed}: {error}")
            continue
        loss = result.history.column("loss")
        alarms += bool(result.findings)
        for each in result.findings:
            found[each.kind] += 1
            print(f"{seed}: {net.widths} {net.activations[1]} {options}")
            print(f"    loss {loss[0]:.3g} to {loss[-1]:.3g}. {each.text()}")
    print(f"{alarms} of {count} healthy runs had a finding: {dict(found)}")


def planted(kind: str, seed: int) -> tuple[Network, np.ndarray, np.ndarray, dict[str, Any]]:
    """A problem with a fault of that kind."""
    fixed: dict[str, Any] = {"dropout": 0.0, "epochs": 60, "noise": 0.1}
    if kind == "dead":
        net, X, Y, options = problem(seed, activation="relu", **fixed)
        theta = net.initial(seed)
        for block in net.blocks:
            if block.kind == "b" and block.layer < net.n_layers:
                bias = block.of(theta)
                bias[: 2 * len(bias) // 3 + 1] = -100.0
        return net, X, Y, options | {"theta": theta}
    if kind == "saturated":
        net, X, Y, options = problem(seed, activation="tanh", **fixed)
        return net, X, Y, options | {"theta": 300.0 * net.initial(seed)}
    if kind == "vanishing":
        return problem(seed, activation="logistic", depth=10, rule="sgd", **fixed)
    if kind == "exploding":
        net, X, Y, options = problem(seed, activation="leaky_relu", depth=8, **fixed)
        theta = net.initial(seed)
        for block in net.blocks:
            if block.kind == "W" and block.layer > 1:
                block.of(theta)[...] *= 4.0
        return net, X, Y, options | {"theta": theta, "learning_rate": 1e-12, "rule": "sgd"}
    net, X, Y, options = problem(seed, **fixed)
    factor = 100.0 if kind == "learning rate too high" else 1e-5
    return net, X, Y, options | {"learning_rate": options["learning_rate"] * factor}


KINDS = (
    "dead", "saturated", "vanishing", "exploding", "learning rate too high", "learning rate too low"
)  # fmt: skip


def faults(count: int, first: int, kinds: tuple[str, ...] = KINDS) -> None:
    """Count the planted faults that are named."""
    check_always()
    for kind in kinds:
        named = diverged = learned = 0
        missed = []
        for seed in range(first, first + count):
            net, X, Y, options = planted(kind, seed)
            try:
                result = train(net, X, Y, guard="quiet", **options)
            except Diverged:
                diverged += 1
                continue
            found = [each.kind for each in result.findings]
            loss = result.history.column("loss")
            named += kind in found
            if kind not in found and loss[-1] < 0.3:
                learned += 1
            elif kind not in found:
                missed.append((seed, round(loss[0], 3), round(loss[-1], 3), found))
        others = f"{diverged} ended as Diverged, {learned} learned nevertheless"
        print(f"{kind}: {named} of {count} named, {others}, {len(missed)} missed")
        print(f"    missed: {missed[:8]}")


def cost(pairs: int, steps: int) -> None:
    """Compare the processor time of training with and without the guard."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1024, 4)).astype(np.float32)
    Y = target(rng, X, 0.1)[:, None].astype(np.float32)
    net = Network([4, 32, 32, 1], activation="relu", dtype="float32")
    options: dict[str, Any] = {"batch_size": 32, "epochs": steps // 32, "learning_rate": 1e-3}
    seconds: dict[str, list[float]] = {"warn": [], "off": []}
    train(net, X, Y, **options)
    for pair in range(pairs):
        for mode in ("warn", "off") if pair % 2 else ("off", "warn"):
            begin = time.process_time()
            train(net, X, Y, guard=mode, **options)
            seconds[mode].append(time.process_time() - begin)
    least = {mode: min(each) for mode, each in seconds.items()}
    median = {mode: float(np.median(each)) for mode, each in seconds.items()}
    print(f"{steps} steps of 4-32-32-1, 32 rows each, {pairs} pairs, seconds of the processor:")
    print(f"    least with the guard {least['warn']:.4f}, without {least['off']:.4f}")
    print(
        f"    ratio of the least {least['warn'] / least['off']:.4f}, of the medians "
        f"{median['warn'] / median['off']:.4f}"
    )


def main() -> None:
    """Run one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["cost", "healthy", "faults"])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=320_000)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    given = parser.parse_args()
    if given.part == "cost":
        cost(given.pairs, given.steps)
    elif given.part == "healthy":
        healthy(given.count, given.first)
    else:
        faults(given.count, given.first, tuple(given.kinds))


if __name__ == "__main__":
    main()
