"""One fit over many workers that are killed at random moments: whether the bits differ.

    python -m benchmarks.worker_kills [--ray] [--workers 2] [--kills 5] [--seed 0]

A program trains a network on workers of this machine, or on Ray's, with a checkpoint several times
a second: once undisturbed, once while a worker, chosen by chance, gets SIGKILL at random moments of
the same run, and once more, in a new folder, while the program itself gets it, after which the
same call goes on. Every result must have the bits of the undisturbed one, every killed run must
have gone on from its checkpoint, and no process may be left. Only processes that this one has
started, directly or not, are ended. All traffic is on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deltarule import Network
from deltarule.cluster import Cluster
from deltarule.training import Checkpoint

EPOCHS = 400
# What the command line of a worker holds.
MARKS = {False: b"spawn_main", True: b"RayTrainWorker"}


def program(options: argparse.Namespace) -> None:
    """Train as a program that is none of the workers; write epochs, and the parameters at last."""
    warnings.simplefilter("always")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9001, 20)).astype(np.float32)
    Y = np.sin(X[:, :1]) + X[:, 1:2]
    net = Network([20, 64, 32, 1], "tanh", dtype=np.float32)
    cluster = Cluster(
        options.workers,
        ray_address="local" if options.ray else None,
        restarts=options.kills,
    )
    result = cluster.train(
        net,
        X,
        Y,
        epochs=EPOCHS,
        batch_size=1003,
        learning_rate=0.001,
        dropout=0.1,
        validation=0.2,
        seed=4,
        checkpoint=Checkpoint(options.checkpoint, every=0.2) if options.checkpoint else None,
        progress=lambda log: print(f"epoch {log.epoch}", flush=True),
    )
    np.save(options.program, result.theta)


def descendants(ancestor: int) -> dict[int, bytes]:
    """The processes that a process has started, directly or not, and their command lines."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
                commands[int(folder.name)] = (folder / "cmdline").read_bytes()
    found: dict[int, bytes] = {}
    newest = {ancestor}
    while newest:
        newest = {each for each, parent in parents.items() if parent in newest}
        found |= {each: commands[each] for each in newest}
    return found


def started(options: argparse.Namespace, out: Path, folder: Path | None) -> subprocess.Popen[str]:
    """Start the program."""
    command = [sys.executable, "-m", "benchmarks.worker_kills", "--program", str(out)]
    command += ["--workers", str(options.workers), "--kills", str(options.kills)]
    command += ["--ray"] if options.ray else []
    command += [] if folder is None else ["--checkpoint", str(folder)]
    with told_by(out).open("w") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def told_by(out: Path) -> Path:
    """The file with the warnings and errors of the program whose parameters come into another."""
    return out.with_suffix(".errors")


def failed(what: str, out: Path) -> SystemExit:
    """What went wrong, after the last lines that the program wrote itself."""
    print(*told_by(out).read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
    return SystemExit(what)


def epochs(process: subprocess.Popen[str]) -> Iterator[int]:
    """The epochs that the program tells; Ray writes other lines between them."""
    for line in process.stdout:
        if line.startswith("epoch "):
            yield int(line.split()[1])


def killed_workers(
    options: argparse.Namespace, out: Path, process: subprocess.Popen[str], rng: random.Random
) -> list[int]:
    """Kill workers at random moments; return the epochs that were told."""
    moments = sorted(rng.sample(range(5, EPOCHS - 20), options.kills))
    told, gone = [], set()
    for epoch in epochs(process):
        told.append(epoch)
        if moments and told[-1] >= moments[0]:
            workers = sorted(
                each
                for each, command in descendants(process.pid).items()
                if MARKS[options.ray] in command and each not in gone
            )
            if len(workers) < options.workers:
                continue  # lines of the workers before, which are being started again
            moments.pop(0)
            time.sleep(rng.uniform(0, 0.1))
            number = rng.choice(workers)
            gone |= set(workers)
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
                print(
                    f"  killed worker {number} (of {workers}) in epoch {told[-1]}",
                    flush=True,
                )
    if process.wait() or moments:
        raise failed(f"the program ended with {process.returncode}, {len(moments)} kills left", out)
    return told


def wait_until_gone(processes: dict[int, bytes]) -> float:
    """Wait until these processes have ended; return the seconds."""
    began = time.monotonic()
    while any(
        Path(f"/proc/{each}/cmdline").exists()
        and Path(f"/proc/{each}/cmdline").read_bytes() == line
        for each, line in processes.items()
        if line
    ):
        if time.monotonic() > began + 120:
            raise SystemExit("processes of a program that has ended are still there")
        time.sleep(0.2)
    return time.monotonic() - began


def main() -> None:
    """Kill, go on and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        program(options)
        return
    rng = random.Random(options.seed)
    where = "Ray's workers" if options.ray else "processes of this machine"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        def check(what: str, out: Path) -> None:
            if out.read_bytes() != whole.read_bytes():
                raise SystemExit(f"{what}: other bits")
            print(f"{what}: the bits of the undisturbed run", flush=True)

        began = time.monotonic()
        whole, kills, driver = (place / f"{each}.npy" for each in ("whole", "kills", "driver"))
        with started(options, whole, None) as process:
            count = sum(1 for _ in epochs(process))
        if process.returncode or count != EPOCHS:
            raise failed("the undisturbed program failed", whole)
        seconds = time.monotonic() - began
        print(f"{options.workers} {where}, {EPOCHS} epochs: {seconds:.0f} s", flush=True)

        began = time.monotonic()
        with started(options, kills, place / "first") as process:
            told = killed_workers(options, kills, process, rng)
        seconds = time.monotonic() - began
        again = len(told) - EPOCHS
        print(f"  {seconds:.0f} s, {again} of {EPOCHS} epochs trained twice", flush=True)
        check(f"a worker killed {options.kills} times in one run", kills)

        moment = rng.randrange(20, EPOCHS - 20)
        with started(options, driver, place / "second") as process:
            if all(epoch < moment for epoch in epochs(process)):
                raise failed("the program ended before it was killed", driver)
            processes = descendants(process.pid)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        workers = {pid: line for pid, line in processes.items() if MARKS[options.ray] in line}
        seconds = wait_until_gone(workers)
        print(
            f"  killed the program in epoch {moment}: its {len(workers)} workers ended within "
            f"{seconds:.1f} s",
            flush=True,
        )
        with started(options, driver, place / "second") as process:
            told = list(epochs(process))
        if process.returncode or not told or told[0] == 1 or told[-1] != EPOCHS:
            raise failed("the program did not go on from its checkpoint", driver)
        print(f"  it went on with epoch {told[0]}", flush=True)
        check("the program killed and started again", driver)
        wait_until_gone(processes)  # two of Ray's own take a minute


if __name__ == "__main__":
    main()
