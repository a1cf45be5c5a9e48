"""The matrix product of a predictor: x row by row, W packed in advance.

The lanes of a SIMD vector run over outputs, so that neither x nor z is transposed, and a single row
uses all lanes, as a thousand rows do:

    z[i, outputs] = b[outputs] + Σ_k x[i, k] · w[k, outputs]

W is packed into panels of two vectors of outputs, each ordered by k, so that memory is read once
from front to back. A *tile* is a micro-kernel: some rows times one or two panels, with accumulators
in registers. A sum starts at the bias and runs over k in order, as in the tiles
of training (``gemm_tiles.py``): a row has the same bits alone, among other rows, and in a training
step. BLAS sums in an order of its own and is therefore not called.

For several rows, k is blocked by ``_CHUNK``; partial sums are stored in z between blocks, at full
precision. The block of a panel stays in the first-level cache while all
rows are multiplied by it, and the rows stay in the second-level cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.compiled.gemm_tiles import accumulate
from deltarule.engines.compiled.ir_builder import LINE, KernelBuilder, lanes_of
from deltarule.engines.compiled.target import tile_heights

__all__ = ["PANEL", "pack", "packed_size", "unpack", "write_packed_gemm"]

# Vectors of outputs in a panel.
PANEL = 2
# Inputs in a block of k: 24 KB of a panel. Blocks of 128 and 256 inputs are equally fast.
_CHUNK = 192
# Vectors in a tile of a single row: it needs more independent accumulators to hide the latency of
# the fused multiply-add.
_ONE_ROW = 4
# z, z_stride, x, x_stride, w, panel_bytes, n_inputs, start (of the sums), start_stride
_TILE_ARGUMENTS = 9


def _panels(n_in: int, n_out: int, dtype: Any) -> Iterator[tuple[slice, slice, int]]:
    """For each panel: its rows of W, where it is in the packed array, and its width."""
    lanes = lanes_of(dtype)
    whole = -(-n_out // lanes) * lanes
    start = whole
    for first in range(0, whole, PANEL * lanes):
        width = min(PANEL * lanes, whole - first)
        yield slice(first, first + width), slice(start, start + n_in * width), width
        start += n_in * width


def packed_size(n_in: int, n_out: int, dtype: Any) -> int:
    """The size of the packed array of b and W, in elements."""
    lanes = lanes_of(dtype)
    return (n_in + 1) * -(-n_out // lanes) * lanes


def pack(W: np.ndarray, b: np.ndarray | None, out: np.ndarray) -> None:
    """Write b, then W of shape (n_out, n_in) panel by panel, to an array of ``packed_size``."""
    n_out, n_in = W.shape
    out[:] = 0
    if b is not None:
        out[:n_out] = b
    for nodes, place, width in _panels(n_in, n_out, out.dtype):
        panel = W[nodes]
        out[place].reshape(n_in, width)[:, : len(panel)] = panel.T


def unpack(packed: np.ndarray, n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    """W of shape (n_out, n_in) and b, from an array that :func:`pack` wrote."""
    W = np.empty((n_out, n_in), dtype=packed.dtype)
    for nodes, place, width in _panels(n_in, n_out, packed.dtype):
        panel = W[nodes]
        panel[:] = packed[place].reshape(n_in, width)[:, : len(panel)].T
    return W, packed[:n_out].copy()


def _write_tile(module: Any, dtype: Any, rows: int, vectors: int) -> Any:
    """Write a tile of some rows and one panel; a single row may have two panels."""
    code = KernelBuilder(module, f"packed_{rows}_{vectors}", _TILE_ARGUMENTS, dtype)
    code.function.linkage = "internal"
    code.function.attributes.add("noinline")
    z, z_stride, x, x_stride, w, next_panel, count, start, start_stride = code.args

    def address(base: Any, row: int, stride: Any, n: int) -> Any:
        return code.sum(base, (code.int64(row), stride), code.int64(n * LINE))

    in_panel = min(vectors, PANEL)
    begin = [
        code.load(address(start, r, start_stride, n)) for r in range(rows) for n in range(vectors)
    ]
    bases = [code.sum(x, (code.int64(r), x_stride)) for r in range(rows)]
    with code.loop(count, carried=begin) as loop:
        w_address = code.sum(w, (loop.index, code.int64(in_panel * LINE)))
        weights = [
            code.load(address(w_address, n // in_panel, next_panel, n % in_panel))
            for n in range(vectors)
        ]
        offset = code.b.mul(loop.index, code.int64(code.size))
        loop.next(*accumulate(code, bases, offset, weights, loop.carried))
    for r in range(rows):
        for n in range(vectors):
            code.store(loop.carried[r * vectors + n], address(z, r, z_stride, n))
    code.ret()
    return code.function


def write_packed_gemm(module: Any, dtype: Any) -> None:
    """``packed(z, z_stride, x, x_stride, w, bias, n_in, n_rows, vectors)``: rows of z = b + W x.

    A row of z has ``vectors`` whole vectors; after the last output it holds zeros, from the
    padding.
    """
    heights = tile_heights()
    shapes = [(rows, n) for rows in heights for n in (1, PANEL)] + [(1, _ONE_ROW)]
    tiles = {shape: _write_tile(module, dtype, *shape) for shape in shapes}
    code = KernelBuilder(module, "packed", 9, dtype)
    z, z_stride, x, x_stride, w, bias, n_in, n_rows, vectors = code.args
    b = code.b
    panel_bytes = b.mul(n_in, code.int64(PANEL * LINE))

    def tile(shape: tuple[int, int], row: Any, panel: Any, first_input: Any, count: Any) -> None:
        """Call a tile for the rows from ``row`` on, a panel, and ``count`` inputs."""
        in_panel = min(shape[1], PANEL)
        panel_offset = b.mul(panel, code.int64(PANEL * LINE))
        target = code.sum(z, (row, z_stride), panel_offset)
        is_first_block = b.icmp_signed("==", first_input, code.int64(0))
        b.call(
            tiles[shape],
            [
                target,
                z_stride,
                code.sum(x, (row, x_stride), (first_input, code.int64(code.size))),
                x_stride,
                code.sum(w, (panel, panel_bytes), (first_input, code.int64(in_panel * LINE))),
                panel_bytes,
                count,
                b.select(is_first_block, b.add(bias, panel_offset), target),
                b.select(is_first_block, code.int64(0), z_stride),
            ],
        )

    zero, one = code.int64(0), code.int64(1)
    full_panels = b.udiv(vectors, code.int64(PANEL))
    has_half_panel = b.icmp_signed("==", b.urem(vectors, code.int64(PANEL)), one)
    with b.if_else(b.icmp_signed("==", n_rows, one)) as (one_row, many):
        with one_row:
            with code.loop(b.udiv(full_panels, code.int64(2))) as panel_pair:
                tile((1, _ONE_ROW), zero, b.mul(panel_pair.index, code.int64(2)), zero, n_in)
            with code.b.if_then(b.icmp_signed("==", b.urem(full_panels, code.int64(2)), one)):
                tile((1, PANEL), zero, b.sub(full_panels, one), zero, n_in)
            with code.b.if_then(has_half_panel):
                tile((1, 1), zero, full_panels, zero, n_in)
        with many, code.loop(n_in, _CHUNK) as chunk:
            rest = b.sub(n_in, chunk.index)
            short = b.icmp_signed("<", rest, code.int64(_CHUNK))
            count = b.select(short, rest, code.int64(_CHUNK))

            def multiply_rows(n: int, panel: Any) -> None:
                done = zero
                for height in heights:
                    blocks = b.udiv(b.sub(n_rows, done), code.int64(height))
                    with code.loop(blocks) as block:
                        row = code.sum(done, (block.index, code.int64(height)))
                        tile((height, n), row, panel, chunk.index, count)
                    done = b.add(done, b.mul(blocks, code.int64(height)))

            with code.loop(full_panels) as panel:
                multiply_rows(PANEL, panel.index)
            with code.b.if_then(has_half_panel):
                multiply_rows(1, full_panels)
    code.ret()
