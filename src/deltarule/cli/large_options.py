"""Checks of the options of ``deltarule fit`` for a table larger than memory."""

from __future__ import annotations

from pathlib import Path

from deltarule.errors import InputError, Message, Parameter
from deltarule.tables.memory import memory_bytes
from deltarule.tabular.memory_plan import refuse_with_memory

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
    for name, value in (("store", store), ("rejects", rejects)):
        if value is not None:
            raise InputError(
                Message(Parameter(name), " was given without ", Parameter("memory")),
                parameter=name,
                given=str(value),
                expected="it for a table larger than memory",
                hint=Message("give ", Parameter("memory", "2GB"), ", or leave it out"),
            )
