"""``deltarule inspect``: what a model's files say, without the model."""

from __future__ import annotations

from deltarule.cli import output
from deltarule.cli.options import AsJson, Folder

__all__ = ["inspect"]


def inspect(model: Folder, as_json: AsJson = False) -> None:
    """Print what a model's files say, after their checksums were found to be right.

    Nothing in them is executed, and no network is made: look at a model here before it is used.
    """
    from deltarule.training.inspection import inspect_model

    summary = inspect_model(model)
    if as_json:
        output.json_object(summary.to_dict())
    else:
        output.say(str(summary))
