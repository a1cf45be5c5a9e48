"""``deltarule launch``: run another command on many workers."""

from __future__ import annotations

from typing import Annotated

import typer

from deltarule.cli.options import number, one, switch, whole

__all__ = ["launch"]

_COMMANDS = ("fit", "resume")


def launch(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND …",
            help="fit or resume, with its arguments: 'fit data.csv --target y --layers 64'.",
            show_default=False,
        ),
    ],
    workers: Annotated[
        int,
        one(
            "--workers",
            "-w",
            metavar="N",
            help="How many processes train together.",
            group="Workers",
            read=whole,
        ),
    ] = 2,
    timeout: Annotated[
        float,
        one(
            "--timeout",
            metavar="SECONDS",
            help="How long to wait for all workers at the start.",
            group="Workers",
            read=number,
        ),
    ] = 300.0,
    worker_timeout: Annotated[
        float,
        one(
            "--worker-timeout",
            metavar="SECONDS",
            help="How long a worker may give no sign of life. It gives them also during a long "
            "step; a stopped process gives none.",
            group="Workers",
            read=number,
        ),
    ] = 300.0,
    step_timeout: Annotated[
        float,
        one(
            "--step-timeout",
            metavar="SECONDS",
            help="How long a worker may take for its part of a step, a block of rows or a "
            "checkpoint, though it gives signs of life: longer than the longest takes.",
            group="Workers",
            read=number,
        ),
    ] = 1800.0,
    public: Annotated[
        bool,
        switch(
            "--public",
            help="Let workers listen on an address that is not private. What they send is not "
            "encrypted.",
            group="Workers",
        ),
    ] = False,
) -> None:
    """Train one network on many workers, each of which computes a part of every batch.

    On one machine the workers are processes that this command starts. Where SLURM, Open MPI or
    Kubernetes started this command many times, each of them is a worker, and N must be their
    number: srun -n 8 deltarule launch --workers 8 fit …

    Worker 0 prints and writes the files. The network is that of one machine up to rounding, and
    the same in every run with as many workers. If a worker fails or hangs, all end, with one error;
    with --checkpoint the same command goes on, also with other numbers of workers.
    """
    from deltarule.cli.run_launch import run_as_worker, run_on_this_machine
    from deltarule.cluster.joining import Place, checked_timeout
    from deltarule.cluster.schedulers import scheduler
    from deltarule.errors import InputError
    from deltarule.records import checked_integer

    checked_integer("workers", workers, 1)
    seconds = checked_timeout("timeout", timeout)
    silence = checked_timeout("worker_timeout", worker_timeout)
    step = checked_timeout("step_timeout", step_timeout)
    if command[0] not in _COMMANDS:
        raise InputError(
            parameter="command", given=command[0], expected=f"{' or '.join(_COMMANDS)}"
        )
    if Place.of_environment() is not None or scheduler() is not None:
        status = run_as_worker(command, workers, seconds, silence, step, public)
    else:
        status = run_on_this_machine(command, workers, seconds, silence, step)
    if status:
        raise typer.Exit(status)
