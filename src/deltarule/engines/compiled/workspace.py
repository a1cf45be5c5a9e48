"""Work arrays: what a step writes and no later step reads (activations, slopes, selected rows).

All work arrays of one worker are in one block of memory, whose addresses are written to its plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.ir_builder import LINE, lanes_of
from deltarule.engines.compiled.target import tile_heights
from deltarule.maths import Network
from deltarule.maths.own_memory import zeros

if TYPE_CHECKING:
    from deltarule.engines.compiled.plan import Plan

__all__ = ["WeightWords", "WorkerState", "Workspace", "address_of", "aligned", "pack_bits"]

_PADDED = 4 * LINE


def address_of(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return int(array.__array_interface__["data"][0])


def aligned(n: int, dtype: Any) -> np.ndarray:
    """n zeros that start at a cache line, padded to a multiple of four lines."""
    size = -(-n * np.dtype(dtype).itemsize // _PADDED) * _PADDED
    raw = zeros(size + LINE, np.uint8)
    start = -address_of(raw) % LINE
    return raw[start : start + size].view(dtype)


def pack_bits(marks: np.ndarray) -> np.ndarray:
    """One bit for each entry, least significant bit first, padded for reads of whole vectors."""
    packed = np.packbits(marks, bitorder="little")
    array = aligned(len(packed) + _PADDED, np.uint8)
    array[: len(packed)] = packed
    return array


def line_stride(width: int, lanes: int) -> int:
    """The stride, in cache lines, of rows of ``width`` elements."""
    return f.odd_line_stride(f.vector_count(width, lanes))


def _panels_of_rows(rows: int, width: int) -> int:
    """The bytes of so many rows as pairs, in panels of two vectors of columns."""
    lanes = lanes_of(np.float32)
    panels = (f.vector_count(width, lanes) + 1) // 2
    return panels * f.vector_count(f.word_count(rows), lanes) * lanes * f.PAIR_BYTES


class WeightWords:
    """The words of W of every layer, by rows and as pairs of rows, for all workers of a plan."""

    def __init__(self, net: Network) -> None:
        lanes = lanes_of(np.float32)
        self._fields: list[tuple[int, int, int, int, int]] = []
        start = 0
        for layer in range(1, net.n_layers + 1):
            n_in, n_out = net.widths[layer - 1], net.widths[layer]
            for rows, width, place, stride in (
                (n_out, f.word_count(n_in), f.W_WORDS, f.W_WORD_STRIDE),
                (f.word_count(n_out), n_in, f.W_PAIRS, f.W_PAIR_STRIDE),
            ):
                row = line_stride(width, lanes) * LINE
                self._fields.append((layer, place, start, stride, row))
                start += rows * row
        self.array = aligned(start // 4, np.float32)

    def write_addresses(self, integers: np.ndarray) -> None:
        """Write all addresses and strides into a plan."""
        for layer, place, start, stride, row in self._fields:
            integers[_index(layer, place)] = address_of(self.array) + start
            integers[_index(layer, stride)] = row


class Workspace:
    """The work arrays for one batch of at most ``rows`` rows, a multiple of the vector length.

    Parameters
    ----------
    net : Network
    rows : int
    within, slot : array and int
        Memory of another workspace, of which slice number ``slot`` is used; memory is allocated if
        ``within`` is None or too small.
    words : bool
        Whether products are of words of two bfloat16, which need arrays of their own.
    sparse : bool
        Whether X is sparse: its rows are then not copied, and workers have buffers for panels.
    buffers : WorkerBuffers, optional
        Those of the same worker's other plan.
    """

    def __init__(
        self,
        net: Network,
        rows: int,
        within: np.ndarray | None = None,
        slot: int = 0,
        *,
        words: bool = False,
        sparse: bool = False,
        buffers: WorkerBuffers | None = None,
    ) -> None:
        self.net, self.rows = net, rows
        dtype = np.dtype(net.dtype)
        lanes, size = lanes_of(dtype), dtype.itemsize
        feature_stride = line_stride(rows, lanes) * LINE
        self._arrays: list[tuple[int, int, int]] = []  # layer (0: none), field, bytes

        def add(layer: int, field: int, n_bytes: int) -> None:
            self._arrays.append((layer, field, -(-n_bytes // LINE) * LINE))

        def columns(width: int) -> int:
            return f.vector_count(width, lanes) * lanes * feature_stride

        self._strides = [(0, f.ROWS, rows)]
        for width, by_rows, by_columns, stride in (
            (net.n_inputs, f.X_ROWS, f.X_COLUMNS, f.X_ROW_STRIDE),
            (net.n_outputs, f.Y_ROWS, f.Y_COLUMNS, f.Y_ROW_STRIDE),
        ):
            row = line_stride(width, lanes) * LINE
            self._strides.append((0, stride, row))
            if by_rows != f.X_ROWS or not sparse:
                add(0, by_rows, rows * row)
                add(0, by_columns, columns(width))
        for layer in range(1, net.n_layers + 1):
            width = net.widths[layer]
            add(layer, f.OUT, columns(width))
            if layer < net.n_layers:
                add(layer, f.DELTA, columns(width))
                row = line_stride(width, lanes) * LINE
                self._strides.append((layer, f.ROW_STRIDE, row))
                panels = _panels_of_rows(rows, width) if words else 0
                add(layer, f.OUT_ROWS, max(rows * row, panels))
        if words:
            self._add_words(add, rows)
        # One more line, since the gradient of a single row reads vectors that begin at that row.
        count = (sum(each[2] for each in self._arrays) + LINE) // size
        start = slot * count
        if within is not None and start + count <= len(within):
            self.array = within[start : start + count]
        else:
            self.array = aligned(count, dtype)
        self.buffers = WorkerBuffers(net, rows, sparse=sparse, other=buffers)

    def _add_words(self, add: Callable[[int, int, int], None], rows: int) -> None:
        """Add the arrays of words; a word has the bytes of a float32."""
        net, lanes = self.net, lanes_of(np.float32)

        def whole(n: int) -> int:
            return f.vector_count(n, lanes) * lanes

        by_rows = line_stride(f.word_count(net.n_inputs), lanes) * LINE
        self._strides.append((0, f.X_WORD_STRIDE, by_rows))
        add(0, f.X_WORDS, rows * by_rows)
        add(0, f.X_ROW_PAIRS, _panels_of_rows(rows, net.n_inputs))
        widest = max(net.widths)
        # Whole squares are transposed into the pairs of X.
        panel = whole(f.word_count(widest)) * f.PAIR_BYTES
        self._strides.append((0, f.PAIRS_STRIDE, panel))
        add(0, f.PAIRS, (f.vector_count(rows, lanes) + 1) // 2 * panel)
        word_stride = line_stride(f.word_count(rows), lanes) * LINE
        add(0, f.OUT_WORDS, whole(widest) * word_stride)
        for layer in range(1, net.n_layers + 1):
            add(layer, f.DELTA_WORDS, net.widths[layer] * word_stride)

    def write_addresses(self, integers: np.ndarray) -> None:
        """Write all addresses and strides into a plan."""
        start = address_of(self.array)
        for layer, field, n_bytes in self._arrays:
            integers[_index(layer, field)] = start
            start += n_bytes
        for layer, field, value in self._strides:
            integers[_index(layer, field)] = value
        # δ of the output is written over y, which is not read after that.
        integers[_index(self.net.n_layers, f.DELTA)] = integers[f.Y_COLUMNS]
        self.buffers.write_addresses(integers)


def _index(layer: int, field: int) -> int:
    return field if layer == 0 else f.HEADER + (layer - 1) * f.FIELDS + field


class WorkerBuffers:
    """The buffers of one worker: selected rows, their weights, packed columns of W.

    With ``sparse`` also a panel of W or dW, and a vector and two positions for each row. A worker
    uses one of its two plans at a time, so that what does not depend on the number of rows is that
    of the ``other`` plan.
    """

    def __init__(
        self, net: Network, rows: int, *, sparse: bool = False, other: WorkerBuffers | None = None
    ) -> None:
        dtype = np.dtype(net.dtype)
        lanes = lanes_of(dtype)
        # The capacity, the positions of the selected rows, then their row numbers.
        self.selected = np.zeros(1 + 2 * rows + lanes, dtype=np.int64)
        self.selected[0] = rows
        self.weights = aligned(rows + lanes, dtype)
        self._sparse = sparse
        widest = max(net.widths[1:] if sparse else net.widths)
        if other is None:
            self.packed_columns = aligned(tile_heights()[0] * widest, dtype)
        else:
            self.packed_columns = other.packed_columns
        if sparse:
            width = min(f.PANEL_WIDTH, net.n_inputs) + lanes
            if other is None:
                self.panel = aligned(f.vector_count(width, lanes) * lanes * lanes, dtype)
            else:
                self.panel = other.panel
            self.panel_sums = aligned(f.vector_count(rows, lanes) * lanes * lanes, dtype)
            self.cursors, self.row_ends = np.zeros((2, rows), dtype=np.int64)

    def write_addresses(self, integers: np.ndarray) -> None:
        """Write the addresses into a plan."""
        integers[f.SELECTED] = address_of(self.selected)
        integers[f.W_BUFFER] = address_of(self.weights)
        integers[f.PACK_BUFFER] = address_of(self.packed_columns)
        if self._sparse:
            integers[f.PANEL] = address_of(self.panel)
            integers[f.PANEL_SUMS] = address_of(self.panel_sums)
            integers[f.CURSORS] = address_of(self.cursors)
            integers[f.ROW_ENDS] = address_of(self.row_ends)


class WorkerState:
    """A worker's two plans: one for a batch that all workers share, one for rows it computes alone.

    For a shared batch each worker computes some rows, in arrays common to all workers.
    """

    def __init__(self, plan: Plan, worker: int, workspace: Workspace) -> None:
        first = worker == 0
        self.shared_plan = plan.integers if first else plan.integers.copy()
        self.numbers = plan.numbers if first else plan.numbers.copy()
        self.shared_plan[f.NUMBERS], self.shared_plan[f.WORKER] = address_of(self.numbers), worker
        if first:
            self._shared_costs = np.zeros(workspace.rows // lanes_of(plan.dtype) + f.PARTS_LIMIT)
            self.barrier = aligned(f.BARRIER_WORDS, np.int64)
            self.shared_plan[f.COSTS] = address_of(self._shared_costs)
            self.shared_plan[f.BARRIER] = address_of(self.barrier)
            self._buffers = workspace.buffers
        else:
            self._buffers = WorkerBuffers(plan.net, workspace.rows, sparse=plan.sparse)
            self._buffers.write_addresses(self.shared_plan)
        self.own_plan = self.shared_plan.copy()
        self.own_plan[[f.WORKER, f.WORKERS]] = 0, 1
        if not (first and plan.has_parts):
            # Rows computed alone are a part of a batch, with a workspace as large as the shared
            # one; or, in prediction, few rows, for which a slice of the shared one is enough.
            rows = workspace.rows if plan.has_parts else min(workspace.rows, f.PREDICT_ROWS)
            within = None if plan.has_parts else workspace.array
            options: Any = {"words": plan.words, "sparse": plan.sparse, "buffers": self._buffers}
            self._workspace = Workspace(plan.net, rows, within, worker, **options)
            self._workspace.write_addresses(self.own_plan)
        self._costs = np.zeros(workspace.rows // lanes_of(plan.dtype) + f.PARTS_LIMIT)
        self.own_plan[f.COSTS] = address_of(self._costs)
        self.shared_plan[f.OWN_PLAN] = address_of(self.own_plan)
        self.address = address_of(self.shared_plan)
