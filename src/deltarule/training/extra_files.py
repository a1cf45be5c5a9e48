"""Files beside a model that are not as they were saved with it, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltarule.errors import printable

__all__ = ["changed_files", "listed", "unnamed_files"]

_MOST_SHOWN = 12


def unnamed_files(names: Sequence[str]) -> tuple[str, ...]:
    """Return in words which files of a folder its manifest does not name.

    Examples
    --------
    >>> unnamed_files(["note.txt"])
    ("not named by manifest.json, so not of this model's files: note.txt",)
    """
    said = "not named by manifest.json, so not of this model's files: "
    return (said + listed(tuple(map(printable, names))),) if names else ()


def changed_files(extras: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Return in words which files are not as they were written; ``what`` says what was.

    Examples
    --------
    >>> changed_files({"a.c": "changed", "a.h": "as written"}, "exported and tested")
    ('a.c is changed: it is not what was exported and tested',)
    """
    return tuple(
        f"{printable(name)} is {state}: it is not what was {what}"
        for name, state in extras.items()
        if state != "as written"
    )


def listed(items: Sequence[str]) -> str:
    """Return items in a line, the first of them if there are many."""
    more = f", … and {len(items) - _MOST_SHOWN} more" if len(items) > _MOST_SHOWN else ""
    return ", ".join(items[:_MOST_SHOWN]) + more
