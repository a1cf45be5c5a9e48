"""The layout of all parameters in one flat vector: layer after layer, W^l row by row, then b^l."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError, short_repr
from deltarule.maths.own_memory import zeros
from deltarule.records import whole_number

__all__ = ["Block", "check_size", "check_widths", "layout_blocks", "true_runs", "weight_mask"]


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


def check_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """The numbers of nodes n_0 … n_L as a tuple.

    Raises
    ------
    InputError
        If they are not at least two whole numbers above 0, in an order.
    """
    unordered = isinstance(widths, Mapping | Set)
    try:
        numbers = [None] if unordered else [whole_number(n) for n in widths]
    except TypeError:
        numbers = [None]
    checked = tuple(n for n in numbers if n is not None)
    if len(checked) < len(numbers):
        raise InputError(
            f"widths is {short_repr(widths)}; expected whole numbers, such as [4, 16, 3]"
        )
    if len(checked) < 2 or min(checked) < 1:
        raise InputError(
            f"widths is {short_repr(list(checked))}; expected at least two numbers, each ≥ 1: "
            "inputs, hidden layers, outputs"
        )
    return checked


def weight_mask(blocks: tuple[Block, ...]) -> np.ndarray:
    """Which entries of ``theta`` are weights and no biases, shape (p,), read-only."""
    mask = zeros(blocks[-1].stop, bool)
    for block in blocks:
        mask[block.start : block.stop] = block.kind == "W"
    mask.flags.writeable = False
    return mask


def check_size(n_parameters: int) -> None:
    """Refuse a number of parameters that memory does not hold, even with one byte for each.

    Raises
    ------
    InputError
    """
    try:
        zeros(n_parameters, bool)
    except (MemoryError, ValueError, OverflowError):
        raise InputError(
            f"widths give {short_repr(n_parameters)} parameters, more than memory holds; expected "
            "fewer: choose smaller widths"
        ) from None


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
