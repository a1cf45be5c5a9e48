"""``deltarule doctor``: its options."""

from __future__ import annotations

import typer

from deltarule.cli.options import AsJson, Quiet
from deltarule.cli.status import Status

__all__ = ["doctor"]


def doctor(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Print versions, processor, threads and cache, check the engine, and say what is wrong.

    The digests are of a small run that is always the same: if those of two machines are equal, they
    compute the same bits. The exit status is 5 if something is wrong.
    """
    from deltarule.cli.run_doctor import report_examination

    if not report_examination(as_json=as_json, quiet=quiet):
        raise typer.Exit(Status.CHECK_FAILED)
