"""``deltarule check``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from deltarule.cli.options import AsJson, Quiet, one
from deltarule.cli.status import Status

__all__ = ["check"]


def check(
    engine: Annotated[
        str,
        one("--engine", metavar="NAME", help="The engine to check; or auto.", group="Engine"),
    ] = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Test the engine against the engine contract, and gradients against finite differences."""
    from deltarule.cli.run_check import check_machine

    if not check_machine(engine, as_json=as_json, quiet=quiet):
        raise typer.Exit(Status.CHECK_FAILED)
