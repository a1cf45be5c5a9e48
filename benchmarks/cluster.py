"""What one fit over many workers costs: measured on this machine, and a model for others.

    python -m benchmarks.cluster --workers 1 2 4

times, with that many processes of this machine on one thread each, the gradient of a worker's part
of a batch, the sum of the gradients over the workers, and the update, for some networks and
batches. It prints the times and the constants of the model

    seconds per epoch = N/B · (B/W · (r + k·m) + a(W) + 4 p s(W) + u·p)

by least squares of the smallest times: N rows in batches of B, W workers, m multiply-adds of a
forward pass and p parameters of the network; r and k are seconds of a row and of a multiply-add,
a(W) those of a sum of a few numbers, s(W) of a byte of a sum, u of a parameter's update. More
workers than cores are a simulation: they wait for each other's time on a core.

    python -m benchmarks.cluster --extrapolate 1000 --rows 1e11 --latency 5e-5 --bandwidth 3e9

applies the model to a cluster with this latency (seconds of a message) and bandwidth (bytes per
second of a machine's network). A sum sends 2 (W − 1)/W · 4 p bytes from each machine, and waits for
2 ⌈log₂ W⌉ messages where it is done in a tree. Nothing of it is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from deltarule import Network
from deltarule.cluster import DataParallelEngine, join
from deltarule.cluster.processes import run_workers
from deltarule.engines import EngineSettings
from deltarule.tables.packed_store import part_of
from deltarule.training import Batches

NETWORKS = ([100, 32, 1], [100, 128, 64, 1], [100, 512, 512, 1], [100, 1024, 1024, 1])
BATCHES = (256, 2048)


def smallest(call, repeats: int) -> float:
    """The smallest of some times of a call, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def worker(path: str, repeats: int) -> None:
    """Measure as one of the workers; worker 0 writes the times to a file."""
    world = join()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4096, 100)).astype(np.float32)
    Y = X[:, :1].copy()
    found = []
    for widths in NETWORKS:
        net = Network(widths, "relu", dtype=np.float32)
        for size in BATCHES:
            engine = DataParallelEngine(world, "compiled")
            engine.threads = 1
            engine.load(net, net.initial(0), EngineSettings(rule="adam"))
            batches = Batches(X, Y, np.ones(len(X)), size, 0, True)
            epoch = batches.epoch_steps(0, np.full(batches.steps_per_epoch, 1e-5))
            batch = epoch.batch(0)
            part = slice(*part_of(size, world.rank, world.size))
            own = type(batch)(*(each[part] for each in batch[:4]), batch.step)
            _, grad = engine.inner.gradient(own)
            sent = np.zeros(len(grad) + 3 * world.size, np.float32)
            world.sum(sent)
            steps = engine.epoch(epoch)
            next(steps)
            record = {"widths": widths, "batch": size, "workers": world.size}
            record["parameters"], record["work"] = net.n_parameters, net.n_multiply_adds
            # A gradient of 0, so that the workers stay alike.
            calls = {
                "gradient": partial(engine.inner.gradient, own),
                "sum": partial(world.sum, sent),
                "update": partial(engine.inner.apply, np.zeros_like(grad), 1e-6, 1.0),
            }
            for name, call in calls.items():
                world.barrier()
                record[name] = smallest(call, repeats)
            world.barrier()
            started = time.perf_counter()
            count = sum(1 for _ in engine.epoch(epoch))
            record["step"] = (time.perf_counter() - started) / count
            found.append(record)
    if world.is_first:
        Path(path).write_text(json.dumps(found))
    world.barrier()
    world.close()


def measured(workers: int, repeats: int) -> list[dict]:
    """The times with so many processes of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "times.json")
        command = [sys.executable, "-m", "benchmarks.cluster", "--worker", path]
        if run_workers([*command, "--repeats", str(repeats)], workers):
            sys.exit(1)
        return json.loads(Path(path).read_text())


def fitted(records: list[dict]) -> dict:
    """The constants of the model, by least squares of relative errors."""

    def solve(columns, values):
        rows = np.array(columns, float) / np.array(values)[:, None]
        return nnls(rows, np.ones(len(values)))[0]

    rows = [each["batch"] / each["workers"] for each in records]
    work = [n * each["work"] for n, each in zip(rows, records, strict=True)]
    alone = [k for k, each in enumerate(records) if each["workers"] == 1]
    r, k = solve([(rows[i], work[i]) for i in alone], [records[i]["gradient"] for i in alone])
    sizes = [(records[i]["parameters"],) for i in alone]
    (u,) = solve(sizes, [records[i]["update"] for i in alone])
    constants = {"r": r, "k": k, "u": u}
    for workers in sorted({each["workers"] for each in records} - {1}):
        of = [each for each in records if each["workers"] == workers]
        a, s = solve([(1, 4 * each["parameters"]) for each in of], [each["sum"] for each in of])
        constants |= {f"a({workers})": a, f"s({workers})": s}
    return {name: float(value) for name, value in constants.items()}


def extrapolate(options: argparse.Namespace, constants: dict) -> None:
    """Print the terms of the model for a cluster."""
    net = Network(options.widths, "relu", dtype=np.float32)
    p, m, workers, batch = net.n_parameters, net.n_multiply_adds, options.extrapolate, options.batch
    steps = options.rows / batch
    of_row = (constants["r"] + constants["k"] * m) / options.cores
    row_bytes = 4 * (net.n_inputs + net.n_outputs)
    terms = {
        "gradients": options.rows / workers * of_row,
        "sums, latency": steps * 2 * math.ceil(math.log2(workers)) * options.latency,
        "sums, bytes": steps * 2 * (workers - 1) / workers * 4 * p / options.bandwidth,
        "updates": steps * constants["u"] * p / options.cores,
        "reading rows, at the same time": options.rows / workers * row_bytes / options.disk,
    }
    print(
        f"{workers} workers of {options.cores} cores, {options.rows:.0e} rows, network "
        f"{'-'.join(map(str, options.widths))} ({p:,} parameters), batches of {batch:,}:"
    )
    for name, seconds in terms.items():
        print(f"  {name:<32}{seconds:12.1f} s")
    computing = sum(seconds for name, seconds in terms.items() if "same time" not in name)
    print(f"  an epoch{max(computing, terms['reading rows, at the same time']):36.1f} s")
    print(f"  bottleneck: {max(terms, key=lambda name: terms[name])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--extrapolate", type=int, metavar="W")
    parser.add_argument("--constants", type=json.loads, help="of an earlier run, as JSON")
    parser.add_argument("--widths", type=int, nargs="+", default=[100, 512, 512, 1])
    parser.add_argument("--batch", type=int, default=256_000)
    parser.add_argument("--rows", type=float, default=1e11)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--latency", type=float, default=5e-5)
    parser.add_argument("--bandwidth", type=float, default=3e9)
    parser.add_argument("--disk", type=float, default=1e9, help="bytes per second of a worker")
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.repeats)
        return
    constants = options.constants
    if constants is None:
        records = [each for count in options.workers for each in measured(count, options.repeats)]
        names = ("gradient", "sum", "update", "step")
        print(f"{'network':<18}{'batch':>6}{'W':>3}" + "".join(f"{name:>11}" for name in names))
        for each in records:
            times = "".join(f"{each[name] * 1e3:8.2f} ms" for name in names)
            widths = "-".join(map(str, each["widths"]))
            print(f"{widths:<18}{each['batch']:>6}{each['workers']:>3}{times}")
        constants = fitted(records)
        print(json.dumps(constants))
    if options.extrapolate:
        extrapolate(options, constants)


if __name__ == "__main__":
    main()
