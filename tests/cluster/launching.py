"""`deltarule launch` in tests: a table, commands, and the processes that they start."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

FIT = ["fit", "data.csv", "--target", "y", "--layers", "8", "--epochs", "4", "--folds", "0"]
FIT += ["--no-report"]
ENDLESS = [*FIT, "--epochs", "100000", "--patience", "100000", "--checkpoint", "saved"]
ENDLESS += ["--every", "0.2"]


def command(*arguments):
    return [sys.executable, "-m", "deltarule", *map(str, arguments)]


def run(place, *arguments, **environment):
    return subprocess.run(
        command(*arguments),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | environment,
    )


def fitted_by_scheduler(place, out, environments):
    """A fit by workers that each have what a scheduler sets; gives their statuses and outputs."""
    processes = [
        subprocess.Popen(
            command("launch", "--workers", len(environments), *FIT, "--out", out),
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        for environment in environments
    ]
    outputs = [process.communicate(timeout=180) for process in processes]
    return [process.returncode for process in processes], outputs


def workers_of(launcher):
    """The processes that a launcher has started, in the order of their ranks."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            rank = re.search(rb"DELTARULE_WORLD_RANK=(\d+)", (folder / "environ").read_bytes())
        except OSError:
            continue
        if parent == launcher and rank:
            found.append((int(rank[1]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def saved_states(folder):
    return list(folder.glob("state-*")) if folder.exists() else []


def newest(folder):
    return max((int(path.name.partition("-")[2]) for path in saved_states(folder)), default=-1)
