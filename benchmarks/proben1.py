"""Prechelt's study of 1994 repeated: errors of networks trained by RPROP, beside those published.

    python -m benchmarks.proben1 DIR [--runs N] [--problems NAMES] [--csv FILE]

DIR, or the folder ``proben1`` in it, holds the problems of Proben1 as ``NAME1.dt`` …, the published
results as ``published_results.csv`` and the layers as ``pivot_architectures.csv``. Each problem is
trained by a linear network and by the network with the published hidden layers without shortcuts,
as the report describes: full batches, squared error, RPROP with initial step sizes that are drawn
for each weight; the validation error is measured every 5 epochs, and the test error is that of the
weights with the least. Training stops by GL_5, by P_5 < .1 or after 3000 epochs.

Errors are squared error percentages, E = 100/(N P) Σ (o − t)², for P outputs with targets from 0 to
1. A linear network passes if its test error is within two published standard deviations of the
published mean, or within .05; a network without shortcuts if its error is at most two published
standard deviations above. With ``--csv``, results are written as they are found, and a study that
was interrupted goes on.

Source: Prechelt (1994), "Proben1: a set of neural network benchmark problems and benchmarking
rules", Universität Karlsruhe, tables 3, 4, 10 and 11.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies import RowLog, folder_with
from deltarule import Model, Network, train, train_many
from deltarule.training import EpochEvent, GeneralizationLoss, History, Progress, StopFlag

_KINDS = ("linear", "no_shortcut")
_STRIP, _EPOCHS = 5, 3000
# The report does not say whether RPROP takes steps back; without, the numbers of epochs agree.
_RULE = {"name": "rprop", "delta_min": 0.0, "delta_max": 50.0, "delta0": 0.0125}
_INITIAL_STEPS = (0.005, 0.02)
# The bounds of the uniform distribution: the report's for linear networks, and one for the others
# that gives the report's errors on the first problems.
_INITIAL_WEIGHTS = {"linear": 0.01, "no_shortcut": 0.1}
_FIELDS = (
    *("problem", "kind", "runs", "epochs", "seconds", "test_mean", "test_std", "published_mean"),
    *("published_std", "verdict", "class_mean", "class_std", "published_class_mean"),
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """One permutation of a problem: inputs and targets of its three sets."""

    training: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Problem:
        """Return the problem of a ``.dt`` file."""
        lines = path.read_text(encoding="ascii").splitlines()
        header = {name: int(value) for name, value in (line.split("=") for line in lines[:7])}
        cells = np.array([line.split() for line in lines[7:] if line.strip()], dtype=np.float64)
        X, Y = np.split(cells, [header["bool_in"] + header["real_in"]], axis=1)
        ends = np.cumsum([header["training_examples"], header["validation_examples"]])
        return cls(*zip(np.split(X, ends), np.split(Y, ends), strict=True))


def layers(folder: Path) -> dict[str, tuple[list[int], str]]:
    """Return the widths of the hidden layers and the output activation of each problem."""
    with (folder / "pivot_architectures.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["problem"]: (
                [width for width in (int(row["hidden1"]), int(row["hidden2"])) if width],
                row["output"],
            )
            for row in csv.DictReader(file)
        }


def published(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return the published results by problem and kind of network."""
    with (folder / "published_results.csv").open(encoding="utf-8", newline="") as file:
        return {(row["problem"], row["architecture"]): row for row in csv.DictReader(file)}


def errors_of_runs(
    problem: Problem, hidden: list[int], output: str, kind: str, runs: int
) -> tuple[list[float], list[float], list[int]]:
    """Train networks; return their test errors, shares of wrong classes in percent, and epochs."""
    X, Y = problem.training
    net = Network(
        [X.shape[1], *hidden, Y.shape[1]],
        activation="softsign",
        output_activation=output,
        loss="squared_error",
    )
    starts = [_start(net, X, Y, _INITIAL_WEIGHTS[kind], seed) for seed in range(runs)]
    best: list[tuple[float, Any]] = [(np.inf, None)] * runs

    def keep(event: EpochEvent) -> None:
        loss = event.history.logs[-1].validation_loss
        if event.epoch % _STRIP == 0 and loss is not None and loss < best[event.network][0]:
            best[event.network] = loss, event.engine.theta.copy()

    results = train_many(
        net,
        X,
        Y,
        seeds=range(runs),
        resume=starts,
        validation=problem.validation,
        rule=_RULE,
        epochs=_EPOCHS,
        stopping=[GeneralizationLoss(5.0, every=_STRIP), Progress(_STRIP, 0.1)],
        keep_best=False,
        callbacks=[keep],
    )
    inputs, targets = problem.test
    squared, wrong = [], []
    for _, theta in best:
        outputs = Model(net, theta, History()).predict(inputs)
        squared.append(100 * float(np.mean((outputs - targets) ** 2)))
        wrong.append(100 * float(np.mean(outputs.argmax(axis=1) != targets.argmax(axis=1))))
    return squared, wrong, [len(result.history) for result in results]


def _start(net: Network, X: np.ndarray, Y: np.ndarray, bound: float, seed: int) -> Any:
    """Return an untrained run with weights and step sizes that are drawn uniformly."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-bound, bound, net.n_parameters)
    raised = StopFlag()
    raised.stop()
    start = train(net, X, Y, theta=theta, rule=_RULE, seed=seed, stop=raised)
    steps = rng.uniform(*_INITIAL_STEPS, net.n_parameters)
    return dataclasses.replace(start, state={**start.state, "slot.delta": steps})


def verdict(kind: str, mean: float, published_mean: float, published_std: float) -> str:
    """Return "within", "better" or "worse"."""
    room = 2 * published_std
    if kind == "linear":
        room = max(room, 0.05)
    # The published figures have two decimals.
    difference = round(mean, 2) - published_mean
    if abs(difference) <= room + 1e-9:
        return "within"
    return "better" if difference < 0 else "worse"


def passes(kind: str, found: str) -> bool:
    """Whether a verdict meets the bar of the kind of network."""
    return found == "within" or (kind == "no_shortcut" and found == "better")


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each problem and kind of network, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=60, help="networks for each result")
    parser.add_argument("--problems", help="comma-separated names; all if not given")
    parser.add_argument("--kinds", default=",".join(_KINDS), help="linear, no_shortcut, or both")
    parser.add_argument("--csv", type=Path, help="where to write results as they are found")
    given = parser.parse_args(arguments)
    log = RowLog(given.csv, _FIELDS)
    done = {(row["problem"], row["kind"], int(row["runs"])): row for row in log.rows}
    folder = folder_with("published_results.csv", given.folder, "proben1")
    pivots, reported = layers(folder), published(folder)
    counts = {kind: [0, 0] for kind in given.kinds.split(",")}
    started = time.perf_counter()
    print(f"{'problem':<12}{'network':<13}{'test error':>16}{'published':>16}  verdict"
          f"{'classes %':>16}{'published':>11}{'epochs':>8}{'seconds':>9}")  # fmt: skip
    for name in given.problems.split(",") if given.problems else pivots:
        problem = Problem.read(folder / f"{name}.dt")
        for kind, count in counts.items():
            row = done.get((name, kind, given.runs))
            if row is None:
                hidden, output = pivots[name] if kind == "no_shortcut" else ([], "identity")
                row = _result(problem, name, kind, hidden, output, given.runs, reported[name, kind])
                log.write(row)
            count[0] += passes(kind, row["verdict"])
            count[1] += 1
            print(_line(row), flush=True)
    for kind, (passed, total) in counts.items():
        print(f"{kind}: {passed} of {total} pass ({100 * passed / total:.0f} %)")
    print(f"{time.perf_counter() - started:.0f} s")


def _result(
    problem: Problem,
    name: str,
    kind: str,
    hidden: list[int],
    output: str,
    runs: int,
    report: dict[str, str],
) -> dict[str, Any]:
    started = time.perf_counter()
    squared, wrong, epochs = errors_of_runs(problem, hidden, output, kind, runs)
    seconds = time.perf_counter() - started
    published_mean, published_std = float(report["test_mean"]), float(report["test_std"])
    mean = float(np.mean(squared))
    classes = report["task"] == "classification"
    return {
        "problem": name,
        "kind": kind,
        "runs": runs,
        "epochs": round(float(np.mean(epochs)), 1),
        "seconds": round(seconds, 2),
        "test_mean": mean,
        "test_std": float(np.std(squared)),
        "published_mean": published_mean,
        "published_std": published_std,
        "verdict": verdict(kind, mean, published_mean, published_std),
        "class_mean": float(np.mean(wrong)) if classes else "",
        "class_std": float(np.std(wrong)) if classes else "",
        "published_class_mean": report["test_class_mean"],
    }


def _line(row: dict[str, Any]) -> str:
    def pair(mean: str, std: str) -> str:
        return f"{float(row[mean]):.2f} ± {float(row[std]):.2f}" if row[mean] != "" else ""

    return (
        f"{row['problem']:<12}{row['kind']:<13}{pair('test_mean', 'test_std'):>16}"
        f"{pair('published_mean', 'published_std'):>16}  {row['verdict']:<7}"
        f"{pair('class_mean', 'class_std'):>16}{row['published_class_mean']:>11}"
        f"{float(row['epochs']):>8.0f}{float(row['seconds']):>9.1f}"
    )


if __name__ == "__main__":
    main()
