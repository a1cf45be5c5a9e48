"""The time from Ctrl-C to the end of a command, interrupted at random moments.

    python benchmarks/interrupts.py            # compiling, and commands at random times
    python benchmarks/interrupts.py --rows 10000000    # also the reading of a long table

Each line is a command, interrupted at random times: how often, the longest and the median time
from Ctrl-C to the end of the process, and the exit statuses. Anything but a status of 130 after
an interruption, a traceback, a temporary file or a changed model is printed.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def digest(folder: Path) -> str:
    """The digest of all files in a folder."""
    texts = [
        f"{path.relative_to(folder)}:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def interrupted(command: list[str], after: float, where: Path, cache: Path, number: int):
    """Interrupt a command; return its status, the seconds until its end, and its output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deltarule", *command],
        cwd=where,
        env=os.environ | {"DELTARULE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        pass
    else:
        out, err = process.communicate()
        return None, 0.0, out + err
    pressed = time.perf_counter()
    process.send_signal(number)
    out, err = process.communicate()
    return process.returncode, time.perf_counter() - pressed, out + err


def left(where: Path, cache: Path) -> list[str]:
    """Temporary files that were left behind."""
    there = [path.name for path in where.iterdir()] + [path.name for path in cache.iterdir()]
    return [name for name in there if name.startswith(".")]


def measure(title: str, command: list[str], where: Path, options, *, fresh: bool = False,
            least: float, most: float) -> None:  # fmt: skip
    """Interrupt a command several times, and print the outcome."""
    number = signal.SIGTERM if options.term else signal.SIGINT
    chosen, times, statuses = random.Random(title), [], collections.Counter()
    with tempfile.TemporaryDirectory() as warm:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as empty:
                cache = Path(empty if fresh else options.cache or warm)
                before = digest(where / "m") if (where / "m").exists() else ""
                after = chosen.uniform(least, most)
                status, seconds, said = interrupted(command, after, where, cache, number)
                statuses[status] += 1
                if status is None:
                    continue
                times.append(seconds)
                bad = "Traceback" in said or "Exception" in said or left(where, cache)
                if bad or status != 128 + number or seconds > 0.5:
                    print(f"  after {after:.2f} s: status {status}, {seconds:.2f} s, "
                          f"{left(where, cache)}: {said[-700:]}")  # fmt: skip
                changed = before and digest(where / "m") != before
                if changed and "saving the best" not in said and "whole" not in said:
                    print(f"  after {after:.2f} s the model was changed: {said[-300:]}")
    print(f"{title:32}{len(times):4} times   longest {max(times, default=0):.2f} s   "
          f"median {statistics.median(times or [0]):.2f} s   {dict(statuses)}",
          flush=True)  # fmt: skip


def main() -> None:
    """Interrupt commands, and print the times until they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--term", action="store_true", help="SIGTERM instead of Ctrl-C")
    parser.add_argument("--cache", help="a warm cache")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        generator = np.random.default_rng(0)
        X = generator.normal(size=(5000, 4))
        table = np.column_stack([X, X @ [1.0, -2.0, 0.5, 1.0]])
        np.savetxt(where / "d.csv", table, delimiter=",", header="a,b,c,d,y", comments="")
        fit = ["fit", "d.csv", "-t", "y", "--layers", "16", "--epochs", "5"]
        environment = os.environ | ({"DELTARULE_CACHE": options.cache} if options.cache else {})
        subprocess.run([sys.executable, "-m", "deltarule", *fit, "--out", "m", "--quiet"],
                       cwd=where, env=environment, check=True)  # fmt: skip
        replace = [*fit, "--out", "m", "--force", "--record"]
        cases = {
            "fit, compiling": (replace, True, 0.05, 9.0),
            "warmup, compiling": (["warmup"], True, 0.05, 9.0),
            "predict, compiling": (["predict", "m", "d.csv", "--out", "p.csv", "--force"], True,
                                   0.05, 6.0),
            "fit": (replace, False, 0.05, 4.0),
            "predict": (["predict", "m", "d.csv", "--out", "p.csv", "--force"], False, 0.05, 2.5),
            "evaluate": (["evaluate", "m", "d.csv"], False, 0.05, 2.5),
            "explain": (["explain", "m", "d.csv", "--html", "e.html", "--force"], False, 0.05, 4.0),
            "bench": (["bench", "--against", "numpy", "--rounds", "2"], False, 0.05, 6.0),
            "playground": (["playground", "--no-open"], False, 0.05, 1.0),
        }  # fmt: skip
        if options.rows:
            print(f"writing {options.rows:,} rows", flush=True)
            with (where / "long.csv").open("w") as file:
                file.write("a,b,k,y\n")
                for start in range(0, options.rows, 1_000_000):
                    rows = np.arange(start, min(start + 1_000_000, options.rows))
                    file.writelines(
                        f"{i * 0.37 % 11:.4f},{i % 97},{'pqrs'[i % 4]},{i % 13}\n" for i in rows
                    )
            sql = "SELECT sum(x.a * z.a) AS y FROM data x, data z"
            cases["fit, a long table"] = (
                ["fit", "long.csv", "-t", "y", "--out", "m", "--force"], False, 0.5, 30.0
            )  # fmt: skip
            cases["fit, a long query"] = (
                ["fit", "long.csv", "-t", "y", "--out", "m", "--force", "--sql", sql], False,
                0.5, 30.0,
            )  # fmt: skip
        for title, (command, fresh, least, most) in cases.items():
            if options.only in title:
                measure(title, command, where, options, fresh=fresh, least=least, most=most)


if __name__ == "__main__":
    main()
