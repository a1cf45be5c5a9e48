"""Where the broken engines are noted, each under the check that its fault fails."""

from __future__ import annotations

from deltarule.engines import ReferenceEngine

# (check, engine): filled by the decorator.
BROKEN: list[tuple[str, type[ReferenceEngine]]] = []


def fails(check):
    """Note an engine as one that fails a check."""

    def note(engine):
        BROKEN.append((check, engine))
        return engine

    return note
