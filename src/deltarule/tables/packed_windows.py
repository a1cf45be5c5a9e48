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
        ``count`` rows of this worker; all of the blocks, if there is one.
    order : integer array
        What ``order_of`` gave for this window: of all rows of its blocks.
    positions : integer array, or None
        For each row of the blocks its place among the ``count`` rows, −1 for a row of another
        worker; None for one worker.
    """

    X: NDArray[np.float32]
    Y: NDArray[np.float32]
    w: NDArray[np.float32] | None
    numbers: NDArray[np.int64]
    room: int
    count: int = 0
    order: Any = None
    positions: NDArray[np.int64] | None = None


def _buffer(rows: PackedRows, room: int, most: int) -> Window:
    n = room + most
    return Window(
        np.empty((n, rows.n_inputs), np.float32),
        np.empty((n, rows.n_outputs), np.float32),
        np.empty(n, np.float32) if rows.weighted else None,
        np.empty(n, np.int64),
        room,
    )


def _fill(rows: PackedRows, window: Window, blocks: Sequence[int]) -> int:
    """Read this worker's rows of blocks into a window; return how many rows the blocks have."""
    at, total = window.room, 0
    positions = []
    for block in blocks:
        first, last = rows.rows_of_worker(block)
        stop = at + last - first
        w = None if window.w is None else window.w[at:stop]
        rows.read_share(block, window.X[at:stop], window.Y[at:stop], w)
        number = int(rows.starts[block])
        window.numbers[at:stop] = np.arange(number + first, number + last)
        if rows.workers > 1:
            places = np.full(rows.blocks[block].rows, -1, np.int64)
            places[first:last] = np.arange(at, stop) - window.room
            positions.append(places)
        at, total = stop, total + rows.blocks[block].rows
    window.count = at - window.room
    window.positions = np.concatenate(positions) if positions else None
    return total


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
    spans = [[rows.rows_of_worker(block) for block in group] for group in groups]
    sizes = [sum(last - first for first, last in each) for each in spans]
    most = max(sizes[first:], default=0)
    if len(groups) - first <= 1:  # nothing to read ahead
        for index in range(first, len(groups)):
            window = _buffer(rows, room, most)
            window.order = order_of(index, _fill(rows, window, groups[index]))
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
            window.order = order_of(index, _fill(rows, window, groups[index]))
            yield window

    with contextlib.closing(read_ahead(filled())) as windows:
        try:
            for window in windows:
                yield window
                free.put(window)
        finally:
            free.put(None)
