"""What can be taken away from a run: a script, the model, the explain page."""

from __future__ import annotations

from typing import NamedTuple

from deltarule.playground.state import Snapshot
from deltarule.playground.tabledata import TableSource

__all__ = ["KINDS", "Made", "made"]

KINDS = ("run.py", "model.zip", "explain.html")


class Made(NamedTuple):
    """A file to be saved."""

    name: str
    media_type: str
    data: bytes


def made(kind: str, snapshot: Snapshot, source: TableSource | None) -> Made:
    """The file of a kind."""
    raise NotImplementedError
