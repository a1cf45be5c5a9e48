"""Checks of the options of ``deltarule fit`` for a table larger than memory."""

from __future__ import annotations

from pathlib import Path

from deltarule.tables.memory import memory_bytes
from deltarule.tabular.memory_plan import refuse_with_memory, refuse_without_memory

__all__ = ["check_large"]


def check_large(
    memory: str | None, store: Path | None, rejects: Path | None, *, record: bool
) -> None:
    """Refuse a size that is none, and options that have no meaning with or without ``--memory``.

    Raises
    ------
    InputError
    """
    if memory is not None:
        memory_bytes(memory)
        refuse_with_memory({"record": record or None})
        return
    paths = {"store": store, "rejects": rejects}
    refuse_without_memory({name: path and str(path) for name, path in paths.items()})
