"""The layout of all parameters in one flat vector: layer after layer, W^l row by row, then b^l."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Block", "layout_blocks", "true_runs"]


class Block(NamedTuple):
    """One block of parameters, W^l or b^l, and its place in ``theta``."""

    name: str
    layer: int
    kind: str
    start: int
    stop: int
    shape: tuple[int, ...]

    def of(self, theta: Any) -> Any:
        """The block's part of ``theta``, as a view in the block's shape."""
        return theta[self.start : self.stop].reshape(self.shape)

    def position(self, entry: int) -> tuple[int, ...]:
        """The index in the block's shape of entry number ``entry`` of the block."""
        return tuple(int(i) for i in np.unravel_index(entry, self.shape))


def layout_blocks(widths: tuple[int, ...], bias: bool) -> Iterator[Block]:
    """The blocks of a network of these widths, in the order of ``theta``."""
    start = 0
    for layer in range(1, len(widths)):
        shape = (widths[layer], widths[layer - 1])
        stop = start + shape[0] * shape[1]
        yield Block(f"W{layer}", layer, "W", start, stop, shape)
        start = stop
        if bias:
            stop = start + widths[layer]
            yield Block(f"b{layer}", layer, "b", start, stop, (widths[layer],))
            start = stop


def true_runs(mask: np.ndarray) -> list[list[int]]:
    """The runs of True in a mask, as [start, stop] pairs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return edges.reshape(-1, 2).tolist()
