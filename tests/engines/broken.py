"""The list of deliberately wrong engines, each with the check that must reject it."""

from __future__ import annotations

from deltarule.engines import ReferenceEngine

# (check, engine), appended to by the decorator.
BROKEN: list[tuple[str, type[ReferenceEngine]]] = []


def fails(check):
    """A decorator that registers an engine as one that fails a check."""

    def register(engine):
        BROKEN.append((check, engine))
        return engine

    return register
