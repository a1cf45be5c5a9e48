"""The time of a training step compared with lower bounds for this machine.

``python -m benchmarks.limits [--configs T,S,M,L,X] [--threads 1,2] [--rounds N] [--json FILE]``

A step of deltarule, as ``python -m benchmarks`` times it, is measured in turn with

- for T and S, on one thread: ``limit.c``, the same step in C with all sizes as constants;
- for M, L and X: only the step's matrix products in BLAS (forward, the weights' gradient and,
  except for the first layer, the delta of the layer before) and one pass of Adam over the
  parameters, on preallocated arrays. No step that uses this BLAS can take less time; one with
  its own products can, where a layer is small.

Then the rate of a product of square matrices is measured, on each number of threads in turn.
"""

import os
import sys

# The threads of BLAS and those of Numba's loops alternate in a step. If idle threads spin, as
# OpenMP's do by default, they take the cores from the others: 0.1 ms of work became 8 ms. The
# variable is read when the library is loaded, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import contextlib
import math
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import timeit
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.comparison import Config, find_configs, ratio
from benchmarks.comparison.configs import BETA_1, BETA_2, EPSILON, LEARNING_RATE
from benchmarks.comparison.machine import circumstances
from benchmarks.comparison.processes import (
    Absent,
    Worker,
    cores,
    in_turn,
    own_process,
    peer_command,
)
from benchmarks.comparison.worker import serve
from deltarule.errors import DeltaruleError
from deltarule.files import write_json

IN_C = ("T", "S")  # small networks, for which limit.c is the closest bound
SIZES = (64, 512, 2048)
SECONDS = 0.25  # of one measurement
SOURCE = Path(__file__).with_name("limit.c")
FLAGS = ["-O3", "-march=native", "-ffast-math"]


class StepInC:
    """``limit.c`` for a config: compiled by the constructor, run once for each measurement."""

    def __init__(self, job):
        config = Config.from_record(job["config"])
        if shutil.which("gcc") is None:
            raise ModuleNotFoundError("no gcc", name="gcc")
        self.folder = tempfile.TemporaryDirectory()
        self.program = Path(self.folder.name, "limit")
        inputs, first, second, outputs = config.widths
        # A step takes 5 µs or more, so this is at least SECONDS on the fastest machines.
        epochs = math.ceil(SECONDS / (5e-6 * config.steps))
        sizes = {"I0": inputs, "H1": first, "H2": second, "O": outputs,
                 "B": config.batch_rows, "N": config.rows, "EPOCHS": epochs}  # fmt: skip
        defines = [f"-D{name}={value}" for name, value in sizes.items()]
        subprocess.run(
            ["gcc", *FLAGS, *defines, str(SOURCE), "-o", str(self.program), "-lm"], check=True
        )

    def facts(self):
        """The version of the compiler."""
        said = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True)
        return {"versions": {"gcc": said.stdout.splitlines()[0]}}

    def measure(self):
        """Seconds of one step: the median over the epochs of one run."""
        run = subprocess.run([self.program], capture_output=True, text=True, check=True)
        return 1e-6 * float(re.match(r"median ([\d.]+) us/step", run.stdout)[1])


class Repeated:
    """A job that is repeated until a measurement takes about SECONDS."""

    def __init__(self):
        self.once()  # compiles, and touches all memory
        self.times = 1
        while (took := self.seconds()) < SECONDS / 2:
            self.times = min(16 * self.times, math.ceil(1.2 * self.times * SECONDS / took))

    def once(self):
        """Do the work once."""
        raise NotImplementedError

    def seconds(self):
        """Seconds of all repetitions."""
        started = time.perf_counter()
        for _ in range(self.times):
            self.once()
        return time.perf_counter() - started

    def measure(self):
        """Seconds of one repetition."""
        return self.seconds() / self.times


def random(*shape):
    """Random float32 in Fortran's order, which BLAS takes without a copy."""
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return np.asfortranarray(values)


class Products(Repeated):
    """The matrix products of a step, and one pass of Adam. Features run down the columns."""

    def __init__(self, job):
        from scipy.linalg import blas

        config = Config.from_record(job["config"])
        self.sgemm = blas.sgemm
        n = config.batch_rows
        layers = list(pairwise(config.widths))
        count = sum(a * b for a, b in layers)
        self.theta, self.grad = random(count), random(count)
        self.m, self.v = np.zeros_like(self.theta), np.zeros_like(self.theta)
        A = [random(width, n) for width in config.widths]
        D = [random(width, n) for width in config.widths]
        # The operands of sgemm in the order of a step: c = op(a) op(b).
        self.products, backward, start = [], [], 0
        for layer, (a, b) in enumerate(layers):
            W, dW = (
                flat[start : start + a * b].reshape((b, a), order="F")
                for flat in (self.theta, self.grad)
            )
            start += a * b
            self.products.append((W, A[layer], A[layer + 1], False, False))
            down = [(W, D[layer + 1], D[layer], True, False)] if layer else []
            backward = [(D[layer + 1], A[layer], dW, False, True), *down, *backward]
        # The factor keeps the values bounded when the products are repeated.
        self.products = [
            (1.0 / a.shape[0 if trans_a else 1], a, b, c, trans_a, trans_b)
            for a, b, c, trans_a, trans_b in self.products + backward
        ]
        for _, a, b, c, trans_a, trans_b in self.products:
            into = self.sgemm(1.0, a, b, 0.0, c, trans_a, trans_b, overwrite_c=True)
            if not np.shares_memory(into, c):
                raise ValueError("sgemm made a copy")
        # Starting threads for the loop costs time, too; the faster variant is measured.
        self.adam = min(
            [adam(False), *([adam(True)] if job["threads"] > 1 else [])], key=self.quick
        )
        super().__init__()

    def quick(self, update):
        """Seconds of the products with this update."""
        self.adam = update
        self.once()
        return min(timeit.repeat(self.once, number=1, repeat=9))

    def once(self):
        """Compute the products, one after another, and Adam's update."""
        for alpha, a, b, c, trans_a, trans_b in self.products:
            self.sgemm(alpha, a, b, 0.0, c, trans_a, trans_b, overwrite_c=True)
        self.adam(self.theta, self.grad, self.m, self.v)

    def facts(self):
        """The versions of the libraries."""
        import numba
        import scipy

        return {"versions": {"SciPy": scipy.__version__, "Numba": numba.__version__}}


def adam(parallel):
    """Adam's update of all parameters in one loop, compiled."""
    import numba

    # NumPy scalars, since a Python float would make every product float64.
    f = np.float32
    b1, b2, eps, rate = f(BETA_1), f(BETA_2), f(EPSILON), f(LEARNING_RATE)
    o1, o2 = f(1 - BETA_1), f(1 - BETA_2)

    # error_model="numpy" omits the checks for division by zero, so the loop is vectorised.
    @numba.njit(fastmath=True, error_model="numpy", parallel=parallel)
    def update(theta, grad, moment1, moment2):
        for i in numba.prange(theta.size):
            g = grad[i]
            m = b1 * moment1[i] + o1 * g
            v = b2 * moment2[i] + o2 * g * g
            moment1[i] = m
            moment2[i] = v
            theta[i] -= rate * m / (np.sqrt(v) + eps)

    return update


class Sgemm(Repeated):
    """A product of two square matrices."""

    def __init__(self, job):
        from scipy.linalg import blas

        self.sgemm = blas.sgemm
        self.a, self.b, self.c = (random(job["n"], job["n"]) for _ in range(3))
        super().__init__()

    def once(self):
        """Compute the product."""
        self.sgemm(1.0, self.a, self.b, 0.0, self.c, overwrite_c=True)

    def facts(self):
        """No further facts: SciPy's version is known from the other jobs."""
        return {}


JOBS = {"in C": StepInC, "BLAS and Adam": Products, "sgemm": Sgemm}


def own_command(name):
    """The command that starts a worker for one of the jobs above."""
    return own_process("benchmarks.limits", "--worker", name)


def steps(names, thread_counts, rounds):
    """Print a line for each config and number of threads, and return the measurements."""
    print("config  threads  beside          deltarule µs   its µs   deltarule's / its  "
          "median by round  least–most")  # fmt: skip
    records = []
    for config in find_configs(names):
        beside = "in C" if config.name in IN_C else "BLAS and Adam"
        for threads in [1] if config.name in IN_C else thread_counts:
            job = {"config": config.as_record(), "threads": threads, "engine": "auto",
                   "seconds": SECONDS}  # fmt: skip
            commands = {"deltarule": peer_command("deltarule"), beside: own_command(beside)}
            try:
                with contextlib.ExitStack() as stack:
                    workers = {
                        name: stack.enter_context(Worker(name, threads, command))
                        for name, command in commands.items()
                    }
                    ready = {name: worker.prepare(**job) for name, worker in workers.items()}
                    found = in_turn({name: measure for name, (_, measure) in ready.items()}, rounds)
            except Absent as reason:
                print(f"{config.name:<7} {threads:>7}  not run, because {reason}", flush=True)
                continue
            ours, its = found["deltarule"], found[beside]
            of = ratio(ours, its)
            print(
                f"{config.name:<7} {threads:>7}  {beside:<14} "
                f"{1e6 * statistics.median(ours):>13,.1f} {1e6 * statistics.median(its):>8,.1f} "
                f"{of.of_medians:>19.2f} {of.median:>16.2f}  {of.least:>5.2f}–{of.most:.2f}",
                flush=True,
            )
            versions = {}
            for facts, _ in ready.values():
                versions |= facts["versions"]
            records.append({"config": config.name, "threads": threads, "beside": beside,
                            "versions": versions, "seconds_of_a_step": found})  # fmt: skip
    return records


def sgemm_rates(thread_counts, rounds):
    """Print the rate of a product for each size and number of threads, and return the times."""
    with contextlib.ExitStack() as stack:
        measures = {}
        for threads in thread_counts:
            worker = stack.enter_context(Worker("sgemm", threads, own_command("sgemm")))
            for n in SIZES:
                measures[n, threads] = worker.prepare(n=n)[1]
        found = in_turn(measures, rounds)
    print("\nsgemm, GFLOP/s" + "".join(f"  {k} thread{'s'[: k > 1]:<1}" for k in thread_counts)
          + ("   gain" if len(thread_counts) > 1 else ""))  # fmt: skip
    for n in SIZES:
        rates = [2e-9 * n**3 / statistics.median(found[n, threads]) for threads in thread_counts]
        line = f"n = {n:<10}" + "".join(f"{rate:>11.1f}" for rate in rates)
        if len(thread_counts) > 1:
            times = [found[n, threads] for threads in (thread_counts[0], thread_counts[-1])]
            line += f"  × {ratio(*times).of_medians:.2f}"
        print(line)
    return [{"n": n, "threads": threads, "seconds": times} for (n, threads), times in found.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--configs", default="T,S,M,L,X")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", choices=JOBS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        serve(JOBS[arguments.worker])
        return
    wanted = [int(text) for text in arguments.threads.split(",")]
    thread_counts = [threads for threads in wanted if threads <= len(cores())]
    for threads in sorted(set(wanted) - set(thread_counts)):
        print(f"{threads} threads: not run, because there are {len(cores())} cores")
    where = circumstances()
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    record = dict(where)
    try:
        record["steps"] = steps(arguments.configs.split(","), thread_counts, arguments.rounds)
        record["sgemm"] = sgemm_rates(thread_counts, arguments.rounds)
        if arguments.json:
            write_json(arguments.json, record)
    except DeltaruleError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
