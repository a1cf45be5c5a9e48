"""Reading a part of a store in windows: some blocks at a time, in a ring of buffers.

While one window is used, a thread reads the next one into the other buffer. Which blocks a window
has is decided before anything is read, so that it does not depend on the speed of the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.packed_store import PackedRows
from deltarule.tables.read_ahead import read_ahead

__all__ = ["Window", "read_windows"]

# One window is used while the next one is read.
_BUFFERS = 2


@dataclasses.dataclass
class Window:
    """Rows of some blocks, in arrays with room for other rows before them.

    Attributes
    ----------
    X, Y, w, numbers : arrays of ``room + count`` rows at least
        Rows of the store begin at index ``room``; ``numbers`` are their numbers in the part.
    room, count : int
    order : integer array of shape (count,)
        What ``order_of`` gave for this window.
    """

    X: NDArray[np.float32]
    Y: NDArray[np.float32]
    w: NDArray[np.float32] | None
    numbers: NDArray[np.int64]
    room: int
    count: int = 0
    order: Any = None


def _buffer(rows: PackedRows, room: int, most: int) -> Window:
    n = room + most
    return Window(
        np.empty((n, rows.n_inputs), np.float32),
        np.empty((n, rows.n_outputs), np.float32),
        np.empty(n, np.float32) if rows.weighted else None,
        np.empty(n, np.int64),
        room,
    )


def _fill(rows: PackedRows, window: Window, blocks: Sequence[int]) -> None:
    """Read blocks into a window, one after the other."""
    at = window.room
    for block in blocks:
        stop = at + rows.blocks[block].rows
        w = None if window.w is None else window.w[at:stop]
        rows.read_block(block, window.X[at:stop], window.Y[at:stop], w)
        first = int(rows.starts[block])
        window.numbers[at:stop] = np.arange(first, first + stop - at)
        at = stop
    window.count = at - window.room


def read_windows(
    rows: PackedRows,
    groups: Sequence[Sequence[int]],
    room: int,
    order_of: Callable[[int, int], Any],
    first: int = 0,
) -> Iterator[Window]:
    """Read groups of blocks, one window each, from group ``first`` on.

    A window is valid until the next one is asked for.

    Parameters
    ----------
    rows : PackedRows
    groups : sequence of sequences of int
        The numbers of the blocks of each window.
    room : int
        The number of rows to leave free before those of the window.
    order_of : callable
        ``order_of(group, count)`` gives :attr:`Window.order`; called in the reading thread.
    """
    sizes = [sum(rows.blocks[block].rows for block in group) for group in groups]
    most = max(sizes[first:], default=0)
    if len(groups) - first <= 1:  # nothing to read ahead
        for index in range(first, len(groups)):
            window = _buffer(rows, room, most)
            _fill(rows, window, groups[index])
            window.order = order_of(index, window.count)
            yield window
        return
    free: queue.Queue[Window | None] = queue.Queue()
    for _ in range(_BUFFERS):
        free.put(_buffer(rows, room, most))

    def filled() -> Iterator[Window]:
        for index in range(first, len(groups)):
            window = free.get()
            if window is None:  # no more windows are asked for
                return
            _fill(rows, window, groups[index])
            window.order = order_of(index, window.count)
            yield window

    with contextlib.closing(read_ahead(filled())) as windows:
        try:
            for window in windows:
                yield window
                free.put(window)
        finally:
            free.put(None)
