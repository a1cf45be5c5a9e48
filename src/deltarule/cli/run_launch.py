"""``deltarule launch``: start workers on this machine, or be one of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from deltarule.cli.status import execute
from deltarule.cluster import join, use_world
from deltarule.cluster.joining import Place
from deltarule.cluster.processes import LOST, end_with_launcher, run_workers, worker_command
from deltarule.cluster.signs_of_life import behind_launcher
from deltarule.interruptible import end_process

__all__ = ["run_as_worker", "run_on_this_machine"]


def run_on_this_machine(
    command: Sequence[str],
    workers: int,
    timeout: float,
    worker_timeout: float,
    step_timeout: float,
) -> int:
    """Run a command in processes of this machine; return its exit status."""
    options = ["--workers", str(workers), "--timeout", str(timeout)]
    options += ["--worker-timeout", str(worker_timeout), "--step-timeout", str(step_timeout)]
    own = worker_command("launch", *options, *command)
    return run_workers(own, workers, worker_timeout=worker_timeout)


def run_as_worker(
    command: Sequence[str],
    workers: int,
    timeout: float,
    worker_timeout: float,
    step_timeout: float,
    public: bool,
) -> int:
    """Join the other workers and run a command; return its exit status."""
    if Place.of_environment() is not None:
        end_with_launcher(worker_timeout)
        worker_timeout = behind_launcher(worker_timeout)
    world = join(
        workers=workers,
        public=public,
        timeout=timeout,
        worker_timeout=worker_timeout,
        step_timeout=step_timeout,
    )
    if not world.is_first:
        _be_silent()
    with use_world(world):
        status = execute(command)
    if status:
        # The others may wait for this worker: a connection that ends tells them.
        end_process(LOST if world.is_lost else status)
    world.barrier()  # worker 0 has still to write files
    world.close()
    return 0


def _be_silent() -> None:
    """Write no more to the standard output, which is worker 0's."""
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
