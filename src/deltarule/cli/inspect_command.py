"""``deltarule inspect``: what a model's files say, without the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from deltarule.cli import output
from deltarule.cli.options import AsJson, Folder, Quiet, switch
from deltarule.cli.status import Status

__all__ = ["inspect"]


def inspect(
    model: Folder,
    strict: Annotated[
        bool,
        switch(
            "--strict",
            help="End with exit status 5 if there is a warning, such as of a report that was "
            "changed since it was saved with the model.",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print what a model's files say, after their checksums were found to be right.

    Nothing in them is executed, and no network is made: look at a model here before it is used.
    Of what 'deltarule export' wrote, it prints which model it is of and how it was compared.
    """
    from deltarule.cli.inspect_exported import exported_facts, exported_lines, exported_warnings
    from deltarule.training.inspection import inspect_model

    exported = exported_facts(model)
    if exported is not None:
        if as_json:
            output.json_object(exported)
        elif not quiet:
            for line in exported_lines(exported):
                output.say(line)
        warnings: Sequence[str] = exported_warnings(exported)
    else:
        summary = inspect_model(model)
        warnings = summary.warnings
        if as_json:
            facts = summary.to_dict()
            # One key for it in all commands.
            facts["model_fingerprint"] = facts.pop("fingerprint")
            output.json_object({**facts, "warnings": list(warnings)})
        elif not quiet:
            output.say(str(summary))
    if strict and warnings:
        if quiet:
            output.error("; ".join(warnings))
        raise typer.Exit(Status.CHECK_FAILED)
