"""The product of prediction: rows as they come, W packed once.

With the outputs along the vectors, z = b + Σ_k x_k W[:, k] needs neither the rows nor the
result transposed, and one row fills the vectors as well as a thousand do:

    z[i, outputs] = b[outputs] + Σ_k x[i, k] · w[k, outputs]

W is packed when a predictor is made: in panels of two vectors of outputs, k after k, so that it
is read once from front to back. The sum starts at the bias and runs over k one after the
other, as in the tiles of training (``gemm_tiles.py``): a row has the same bits alone, among
others, and in a step. That is why BLAS, which sums in an order of its own, is not called.

For many rows the sums are cut into pieces of ``_PIECE`` inputs, between which they rest in z: a
sum that is put down and taken up again loses nothing. A panel's piece stays in the first cache
while all rows pass by, and the rows stay in the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines.compiled.gemm_tiles import outer
from deltarule.engines.compiled.ir_builder import LINE, Code, lanes_of
from deltarule.engines.compiled.target import register_rows

__all__ = ["pack", "packed_size", "unpack", "write_packed_product"]

_PANEL = 2
# Inputs in a piece: a panel's piece has 24 KB. 128 and 256 are as fast within what the
# clock can tell. Measured on one core with AVX-512 and 1 MB of second cache (packed/tile of
# training/OpenBLAS in GFLOP/s, float32, n_in × n_out × rows):
#
#     64 × 64 × 32        73/72/47
#     784 × 128 × 128    113/115/87
#     784 × 512 × 256    113/113/97
#     1024 × 2048 × 256  109/108/90
#     2048 × 2048 × 256  109/106/91
#     2048 × 1000 × 256  109/106/94
#     784 × 128 × 1       42/7/43
#     2048 × 2048 × 1     36/7/26
_PIECE = 192
# One row has few sums, and each waits for the one before it: four vectors at once.
_ONE_ROW = 4
# z, its stride, x, its stride, w, what the next panel is away, count, start, its stride
_TILE_ARGUMENTS = 9


def _vectors(width: int, dtype: Any) -> int:
    return -(-width // lanes_of(dtype))


def packed_size(n_in: int, n_out: int, dtype: Any) -> int:
    """How many numbers b and W take, packed."""
    return (n_in + 1) * _vectors(n_out, dtype) * lanes_of(dtype)


def pack(W: np.ndarray, b: np.ndarray | None, out: np.ndarray) -> None:
    """Write b, then W of shape (n_out, n_in) panel by panel, to an array of that size."""
    n_out, n_in = W.shape
    lanes = lanes_of(out.dtype)
    whole = _vectors(n_out, out.dtype) * lanes
    out[:] = 0
    if b is not None:
        out[:n_out] = b
    wide, start = _PANEL * lanes, whole
    for first in range(0, whole, wide):
        width = min(wide, whole - first)
        panel = out[start : start + n_in * width].reshape(n_in, width)
        part = W[first : first + width]
        panel[:, : len(part)] = part.T
        start += n_in * width


def unpack(packed: np.ndarray, n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    """W and b again, from what :func:`pack` wrote."""
    lanes = lanes_of(packed.dtype)
    whole = _vectors(n_out, packed.dtype) * lanes
    wide, start = _PANEL * lanes, whole
    W = np.empty((n_out, n_in), dtype=packed.dtype)
    for first in range(0, whole, wide):
        width = min(wide, whole - first)
        panel = packed[start : start + n_in * width].reshape(n_in, width)
        part = W[first : first + width]
        part[:] = panel[:, : len(part)].T
        start += n_in * width
    return W, packed[:n_out].copy()


def _write_tile(module: Any, dtype: Any, rows: int, vectors: int) -> Any:
    """Some rows times one panel, or times two if it is a single row."""
    code = Code(module, f"packed_{rows}_{vectors}", _TILE_ARGUMENTS, dtype)
    code.function.linkage = "internal"
    code.function.attributes.add("noinline")
    z, z_stride, x, x_stride, w, next_panel, count, start, start_stride = code.args

    def place(base: Any, row: int, stride: Any, n: int) -> Any:
        return code.sum(base, (code.whole(row), stride), code.whole(n * LINE))

    each = min(vectors, _PANEL)
    begin = [
        code.load(place(start, r, start_stride, n)) for r in range(rows) for n in range(vectors)
    ]
    bases = [code.sum(x, (code.whole(r), x_stride)) for r in range(rows)]
    with code.loop(count, carried=begin) as loop:
        here = code.sum(w, (loop.index, code.whole(each * LINE)))
        across = [code.load(place(here, n // each, next_panel, n % each)) for n in range(vectors)]
        offset = code.b.mul(loop.index, code.whole(code.size))
        loop.next(*outer(code, bases, offset, across, loop.carried))
    for r in range(rows):
        for n in range(vectors):
            code.store(loop.carried[r * vectors + n], place(z, r, z_stride, n))
    code.done()
    return code.function


def write_packed_product(module: Any, dtype: Any) -> None:
    """``packed(z, z_stride, x, x_stride, w, bias, n_in, n_rows, vectors)``.

    Vectors of a row of z are whole; what is behind the last output is W's and b's padding, 0.
    """
    heights = register_rows()
    shapes = [(rows, n) for rows in heights for n in (1, _PANEL)] + [(1, _ONE_ROW)]
    tiles = {shape: _write_tile(module, dtype, *shape) for shape in shapes}
    code = Code(module, "packed", 9, dtype)
    z, z_stride, x, x_stride, w, bias, n_in, n_rows, vectors = code.args
    b = code.b
    whole = code.whole
    panel_bytes = b.mul(n_in, whole(_PANEL * LINE))

    def tile(shape: tuple[int, int], row: Any, panel: Any, piece: Any, count: Any) -> None:
        """One tile: these rows from ``row`` on, this panel, ``count`` inputs from ``piece``."""
        each = min(shape[1], _PANEL)
        across = b.mul(panel, whole(_PANEL * LINE))
        there = code.sum(z, (row, z_stride), across)
        first = b.icmp_signed("==", piece, whole(0))
        b.call(
            tiles[shape],
            [
                there,
                z_stride,
                code.sum(x, (row, x_stride), (piece, whole(code.size))),
                x_stride,
                code.sum(w, (panel, panel_bytes), (piece, whole(each * LINE))),
                panel_bytes,
                count,
                b.select(first, b.add(bias, across), there),
                b.select(first, whole(0), z_stride),
            ],
        )

    pairs = b.udiv(vectors, whole(_PANEL))
    single = b.icmp_signed("==", b.urem(vectors, whole(_PANEL)), whole(1))
    alone = b.icmp_signed("==", n_rows, whole(1))
    with b.if_else(alone) as (one_row, many):
        with one_row:
            twice = b.udiv(pairs, whole(2))
            with code.loop(twice) as two:
                tile((1, _ONE_ROW), whole(0), b.mul(two.index, whole(2)), whole(0), n_in)
            with code.when(b.icmp_signed("==", b.urem(pairs, whole(2)), whole(1))):
                tile((1, _PANEL), whole(0), b.sub(pairs, whole(1)), whole(0), n_in)
            with code.when(single):
                tile((1, 1), whole(0), pairs, whole(0), n_in)
        with many, code.loop(n_in, _PIECE) as piece:
            rest = b.sub(n_in, piece.index)
            short = b.icmp_signed("<", rest, whole(_PIECE))
            count = b.select(short, rest, whole(_PIECE))

            def rows_of(n: int, panel: Any) -> None:
                done = whole(0)
                for height in heights:
                    blocks = b.udiv(b.sub(n_rows, done), whole(height))
                    with code.loop(blocks) as block:
                        row = code.sum(done, (block.index, whole(height)))
                        tile((height, n), row, panel, piece.index, count)
                    done = b.add(done, b.mul(blocks, whole(height)))

            with code.loop(pairs) as panel:
                rows_of(_PANEL, panel.index)
            with code.when(single):
                rows_of(1, pairs)
    code.done()
