"""Where the broken engines are noted, each under the law that its fault breaks."""

from __future__ import annotations

from deltarule.engines import ReferenceEngine

# (law, engine): filled by the decorator.
BROKEN: list[tuple[str, type[ReferenceEngine]]] = []


def breaks(law):
    """Note an engine as one that breaks a law."""

    def note(engine):
        BROKEN.append((law, engine))
        return engine

    return note
