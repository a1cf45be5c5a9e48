"""Arrays that a step writes and nobody keeps: activations, slopes, chosen rows.

All that one member of a team needs is in one block of memory, whose addresses are entered
into the member's plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.engines.compiled import plan_layout as d
from deltarule.engines.compiled.ir_builder import LINE, lanes_of
from deltarule.engines.compiled.target import register_rows
from deltarule.maths import Network

if TYPE_CHECKING:
    from deltarule.engines.compiled.plan import Plan

__all__ = ["Scratch", "WorkerState", "address_of", "aligned", "bits"]

_PADDED = 4 * LINE


def address_of(array: np.ndarray) -> int:
    """Where an array's numbers stand."""
    return int(array.__array_interface__["data"][0])


def aligned(n: int, dtype: Any) -> np.ndarray:
    """Zeros that start at a cache line, in whole groups of four lines."""
    size = -(-n * np.dtype(dtype).itemsize // _PADDED) * _PADDED
    raw = np.zeros(size + LINE, dtype=np.uint8)
    start = -address_of(raw) % LINE
    return raw[start : start + size].view(dtype)


def bits(marks: np.ndarray) -> np.ndarray:
    """A bit for each mark, the first in the lowest; as many bytes as kernels may read."""
    packed = np.packbits(marks, bitorder="little")
    array = aligned(len(packed) + _PADDED, np.uint8)
    array[: len(packed)] = packed
    return array


def _lines(width: int, lanes: int) -> int:
    """Cache lines between rows of that width."""
    return d.odd_lines(-(-width // lanes))


class Scratch:
    """Room for one batch of at most ``rows`` rows, a whole number of vectors.

    Parameters
    ----------
    net : Network
    rows : int
    within, start
        The memory of another, of which this takes some from a line on, if so much is there.
    """

    def __init__(
        self, net: Network, rows: int, within: np.ndarray | None = None, start: int = 0
    ) -> None:
        self.net, self.rows = net, rows
        dtype = np.dtype(net.dtype)
        lanes, size = lanes_of(dtype), dtype.itemsize
        across = _lines(rows, lanes) * LINE
        self._wanted: list[tuple[int, int, int]] = []  # the layer (0: none), the place, bytes

        def want(layer: int, place: int, n_bytes: int) -> None:
            self._wanted.append((layer, place, -(-n_bytes // LINE) * LINE))

        def columns(width: int) -> int:
            return -(-width // lanes) * lanes * across

        self._strides = [(0, d.ROWS, rows)]
        for width, by_rows, by_columns, stride in (
            (net.n_inputs, d.X_ROWS, d.X_COLUMNS, d.X_ROW_STRIDE),
            (net.n_outputs, d.Y_ROWS, d.Y_COLUMNS, d.Y_ROW_STRIDE),
        ):
            row = _lines(width, lanes) * LINE
            self._strides.append((0, stride, row))
            want(0, by_rows, rows * row)
            want(0, by_columns, columns(width))
        for layer in range(1, net.n_layers + 1):
            width = net.widths[layer]
            want(layer, d.OUT, columns(width))
            if layer < net.n_layers:
                want(layer, d.SLOPE, columns(width))
                row = _lines(width, lanes) * LINE
                self._strides.append((layer, d.ROW_STRIDE, row))
                want(layer, d.ROWS_OF, rows * row)
        # One line more: a row's own gradient is read from columns that begin at that row.
        count = (sum(each[2] for each in self._wanted) + LINE) // size
        start = start * count
        if within is not None and start + count <= len(within):
            self.array = within[start : start + count]
        else:
            self.array = aligned(count, dtype)
        self.mine = WorkerBuffers(net, rows)

    def enter(self, integers: np.ndarray) -> None:
        """Write all addresses and strides into a plan."""
        start = address_of(self.array)
        for layer, place, n_bytes in self._wanted:
            integers[_place(layer, place)] = start
            start += n_bytes
        for layer, place, value in self._strides:
            integers[_place(layer, place)] = value
        # δ of the output takes the place of y, which nobody reads after it.
        integers[_place(self.net.n_layers, d.SLOPE)] = integers[d.Y_COLUMNS]
        self.mine.enter(integers)


def _place(layer: int, place: int) -> int:
    return place if layer == 0 else d.HEADER + (layer - 1) * d.FIELDS + place


class WorkerBuffers:
    """What each member has of its own, be the rest shared: chosen rows, weights, costs, room."""

    def __init__(self, net: Network, rows: int) -> None:
        dtype = np.dtype(net.dtype)
        lanes = lanes_of(dtype)
        # Positions of the rows that have a weight, then their numbers; the first is the room.
        self.chosen = np.zeros(1 + 2 * rows + lanes, dtype=np.int64)
        self.chosen[0] = rows
        self.weights = aligned(rows + lanes, dtype)
        self.room = aligned(register_rows()[0] * max(net.widths), dtype)

    def enter(self, integers: np.ndarray) -> None:
        """Write the addresses into a plan."""
        integers[d.CHOSEN] = address_of(self.chosen)
        integers[d.W_BUFFER] = address_of(self.weights)
        integers[d.ROOM] = address_of(self.room)


class WorkerState:
    """A member's plans: of the work it shares with others, and of what it does alone.

    Of a shared batch only some rows are its own, so all members have the same arrays for it.
    """

    def __init__(self, plan: Plan, worker: int, scratch: Scratch) -> None:
        first = worker == 0
        self.shared = plan.integers if first else plan.integers.copy()
        self.numbers = plan.numbers if first else plan.numbers.copy()
        self.shared[d.NUMBERS], self.shared[d.MEMBER] = address_of(self.numbers), worker
        if first:
            self._shared_costs = np.zeros(scratch.rows // lanes_of(plan.dtype) + d.PARTS)
            self._words = aligned(d.MEETING_WORDS, np.int64)
            self.shared[d.COSTS] = address_of(self._shared_costs)
            self.shared[d.MEETING] = address_of(self._words)
        else:
            self._mine = WorkerBuffers(plan.net, scratch.rows)
            self._mine.enter(self.shared)
        self.alone = self.shared.copy()
        self.alone[[d.MEMBER, d.MEMBERS]] = 0, 1
        if not (first and plan.has_parts):
            # Pieces of rows, each passed forward by one member, while nobody needs the scratch of
            # a whole batch; and parts of a batch, which are as large as that.
            rows = scratch.rows if plan.has_parts else min(scratch.rows, d.PREDICT_ROWS)
            within = None if plan.has_parts else scratch.array
            self._scratch = Scratch(plan.net, rows, within, worker)
            self._scratch.enter(self.alone)
        self._costs = np.zeros(scratch.rows // lanes_of(plan.dtype) + d.PARTS)
        self.alone[d.COSTS] = address_of(self._costs)
        self.shared[d.ALONE] = address_of(self.alone)
        self.address = address_of(self.shared)

    @property
    def words(self) -> np.ndarray:
        """The barrier of the workers, in the state of worker 0."""
        return self._words
