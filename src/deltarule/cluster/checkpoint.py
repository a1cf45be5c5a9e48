"""The checkpoint of a training on many workers, which worker 0 writes and reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from deltarule.cluster.world import World
from deltarule.training.checkpoint import CheckpointSlot, Saved

__all__ = ["WorldSlot"]


class WorldSlot(CheckpointSlot):
    """A slot that only worker 0 uses; the others get from it what was saved.

    Parameters
    ----------
    slot : CheckpointSlot
        Where the states are. It need be there on worker 0 alone.
    world : World
    """

    def __init__(self, slot: CheckpointSlot, world: World) -> None:
        self._slot, self._world = slot, world
        self.place, self.every = slot.place, slot.every

    def open(self) -> None:
        """Claim it for worker 0."""
        self._world.of_first(self._slot.open)

    def load(self) -> Saved | None:
        """Return the newest state, on every worker."""
        found: list[Saved | None] = [None]

        def read() -> dict[str, Any] | None:
            found[0] = self._slot.load()
            if found[0] is None:
                return None
            documents, arrays = found[0]
            shapes = {
                name: [np.asarray(each).dtype.str, np.shape(each)] for name, each in arrays.items()
            }
            return {"documents": documents, "shapes": shapes}

        record = self._world.of_first(read)
        if record is None:
            return None
        sent = b""
        if found[0] is not None:
            sent = b"".join(np.ascontiguousarray(each).tobytes() for each in found[0][1].values())
        sent = self._world.broadcast(sent)
        arrays, at = {}, 0
        for name, (text, shape) in record["shapes"].items():
            dtype = np.dtype(text)
            count = int(np.prod(shape, dtype=np.int64))
            values = np.frombuffer(sent, dtype, count, at)
            arrays[name] = values.reshape(tuple(shape)).copy()
            at += count * dtype.itemsize
        documents = json.loads(json.dumps(record["documents"]))
        return documents, arrays

    def save(self, documents: dict[str, Any], arrays: dict[str, np.ndarray], final: bool) -> None:
        """Save a state, on worker 0."""
        if self._world.is_first:
            self._slot.save(documents, arrays, final)

    def close(self) -> None:
        """Give it back."""
        if self._world.is_first:
            self._slot.close()
