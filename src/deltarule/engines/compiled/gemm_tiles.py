"""The three matrix products of a layer, as register tiles.

With activations kept feature-major, Z[l] of shape (n_l, B), the batch runs along the
vectors and one kind of tile serves all products:

    c[r, lanes] = start + Σ_q s[r, q] · v[q, lanes]

=========  ==================  ===================  ======================================
product    s, one for a tile    v, vectors           c
=========  ==================  ===================  ======================================
forward    W[j, k]             A[k, batch]          Z[j, batch], starting at the bias
backward   W[j, k] by columns  δ[j, batch]          δ of the layer below: the slope stands
                                                    there already and is multiplied
weights    δ[j, i]             A as rows [i, k]     dW[j, k]; the last columns are masked
=========  ==================  ===================  ======================================

So W is only read number by number, and never transposed. A tile of R rows and 2 vectors
keeps its sums in registers: R is 8 with AVX-512 (32 registers; 2 of v and 8 broadcasts feed
16 multiply-adds, so that loads do not bound), 3 with AVX2, 2 without.

Every entry of c is one sum, in the order of q, whatever tile or thread computes it: its bits
depend on nothing else. A long sum may be cut where v would leave the second cache
(``_more`` goes on from what stands in c): a float that is stored and loaded is the same.
So there is no product here that BLAS does, whose bits depend on how many rows and threads
it is given; and none that it does faster by much. Measured on one core (Zen 4, OpenBLAS;
GFLOP/s, float32, n_in × n_out × rows, tiles/BLAS) by ``benchmarks/products.py``:

                           forward    backward     weights
    784 × 128 × 128            112/93      109/93      111/94
    784 × 512 × 256            110/99      106/95      111/103
    512 × 10 × 256              93/38       69/66       92/39
    2048 × 2048 × 512          105/100     101/93      106/102
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, LINE, Code
from deltarule.engines.compiled.target import register_rows

__all__ = ["first_lanes", "masked_load", "masked_store", "outer", "write_products"]


class _Kind(NamedTuple):
    """What sets a product apart: how s is read, where sums start, and how they end."""

    name: str
    by_columns: bool = False
    start: str = "zero"  # "bias", "c" or "partial": a sum that is cut goes on
    slopes: bool = False  # c holds the slopes, which are multiplied
    masked: bool = False  # the last vector of c may be shorter


_KINDS = (
    _Kind("forward", start="bias"),
    _Kind("forward_more", start="c"),
    _Kind("backward", by_columns=True, slopes=True),
    _Kind("backward_first", by_columns=True),
    _Kind("backward_more", by_columns=True, start="c"),
    _Kind("backward_last", by_columns=True, start="partial", slopes=True),
    _Kind("weights", masked=True),
    _Kind("weights_more", start="c", masked=True),
)
# Terms of a sum from which on what it is written to may be far away.
_LONG_SUM = 128
# c, its stride, s, its stride, v, its stride, count, start, lanes of the last vector
_TILE_ARGUMENTS = 9


def first_lanes(code: Code, count: Any) -> Any:
    """True in the first ``count`` lanes."""
    kind = ir.VectorType(I64, code.lanes)
    numbers = ir.Constant(kind, list(range(code.lanes)))
    return code.b.icmp_signed("<", numbers, code.splat(count, kind))


def _masked(code: Code, what: str, result: Any, arguments: list[Any]) -> Any:
    """``llvm.masked.load`` or ``store`` of a vector."""
    name = f"llvm.masked.{what}.v{code.lanes}f{8 * code.size}.p0"
    function = code.module.globals.get(name)
    if function is None:
        kinds = [argument.type for argument in arguments]
        function = ir.Function(code.module, ir.FunctionType(result, kinds), name)
    return code.b.call(function, arguments)


def masked_store(code: Code, value: Any, address: Any, mask: Any) -> None:
    """Write the lanes where ``mask`` holds."""
    pointer, align = (
        code.b.inttoptr(address, ir.PointerType()),
        ir.Constant(ir.IntType(32), code.size),
    )
    _masked(code, "store", ir.VoidType(), [value, pointer, align, mask])


def masked_load(code: Code, address: Any, mask: Any) -> Any:
    """Read the lanes where ``mask`` holds; the others are 0."""
    pointer, align = (
        code.b.inttoptr(address, ir.PointerType()),
        ir.Constant(ir.IntType(32), code.size),
    )
    none = code.number(code.vector, 0.0)
    return _masked(code, "load", code.vector, [pointer, align, mask, none])


def outer(code: Code, bases: list[Any], offset: Any, across: list[Any], sums: list[Any]) -> Any:
    """One term more in a tile's sums: each row's number at ``offset``, times each vector."""
    following = []
    for r, base in enumerate(bases):
        factor = code.load_splat(code.sum(base, offset))
        of_row = sums[r * len(across) : (r + 1) * len(across)]
        following += [
            code.multiply_add(factor, one, so_far)
            for one, so_far in zip(across, of_row, strict=True)
        ]
    return following


def _write_tile(module: Any, dtype: Any, kind: _Kind, rows: int, vectors: int) -> Any:
    """One tile: a function of its own, so that its loop has all registers."""
    name = f"tile_{kind.name}_{rows}_{vectors}"
    code = Code(module, name, _TILE_ARGUMENTS, dtype)
    code.function.linkage = "internal"
    code.function.attributes.add("noinline")
    c, c_stride, s, s_stride, v, v_stride, count, start, last = code.args
    size, b = code.size, code.b
    mask = first_lanes(code, last) if kind.masked else None

    def entries(base: Any) -> Iterator[tuple[Any, Any]]:
        """The place of each vector of a tile, and its mask if it has one."""
        for r in range(rows):
            for n in range(vectors):
                place = code.sum(base, (code.whole(r), c_stride), code.whole(n * LINE))
                yield place, mask if n == vectors - 1 else None

    if kind.start == "bias":
        biases = [code.load_splat(code.sum(start, code.whole(r * size))) for r in range(rows)]
        begin = [bias for bias in biases for _ in range(vectors)]
    elif kind.start == "zero":
        begin = [code.number(code.vector, 0.0)] * (rows * vectors)
    else:
        begin = [
            code.load(place) if there is None else masked_load(code, place, there)
            for place, there in entries(c if kind.start == "c" else start)
        ]
    with code.when(b.icmp_signed(">", count, code.whole(_LONG_SUM))):
        # The next tile's entries come near while this one computes.
        for r in range(rows):
            for n in range(vectors):
                ahead = code.whole((vectors + n) * LINE)
                code.prefetch(code.sum(c, (code.whole(r), c_stride), ahead))
    # By rows s has a stride and steps by one number; backward it is read by columns.
    between = code.whole(size) if kind.by_columns else s_stride
    bases = [code.sum(s, (code.whole(r), between)) for r in range(rows)]
    step = s_stride if kind.by_columns else code.whole(size)
    with code.loop(count, carried=begin) as loop:
        here = code.sum(v, (loop.index, v_stride))
        across = [code.load(code.sum(here, code.whole(n * LINE))) for n in range(vectors)]
        offset = b.mul(loop.index, step)
        loop.next(*outer(code, bases, offset, across, loop.carried))
    for found, (place, there) in zip(loop.carried, entries(c), strict=True):
        value = b.fmul(found, code.load(place)) if kind.slopes else found
        if there is None:
            code.store(value, place)
        else:
            masked_store(code, value, place, there)
    code.done()
    return code.function


def write_products(module: Any, dtype: Any) -> None:
    """The kernels ``forward``, ``backward``, ``weights``, and their parts.

    Each takes c, its stride, s, its stride, v, its stride, the length of the sums, the
    biases (of ``backward_last``: where the sums so far stand, with c's stride), the number
    of rows of c, its number of columns, and where columns of W may be copied to, or 0.
    """
    for kind in _KINDS:
        _write_product(module, dtype, kind)


def _copy_columns(code: Code, s: Any, s_stride: Any, count: Any, rows: int, packed: Any) -> None:
    """``rows`` columns of W side by side: a walk of one page a step is made once, not often."""
    kind = ir.VectorType(code.real, rows)
    with code.loop(count) as loop:
        value = code.load(code.sum(s, (loop.index, s_stride)), kind)
        code.store(value, code.sum(packed, (loop.index, code.whole(rows * code.size))))


def _write_product(module: Any, dtype: Any, kind: _Kind) -> None:
    """Rows in tiles as high as possible; for each, all columns, two vectors at a time."""
    heights = register_rows()
    tiles = {
        (rows, vectors): _write_tile(module, dtype, kind, rows, vectors)
        for rows in heights
        for vectors in (1, 2)
    }
    code = Code(module, kind.name, 11, dtype)
    c, c_stride, s, s_stride, v, v_stride, count, start, n_rows, n_columns, room = code.args
    b, size, lanes = code.b, code.size, code.lanes
    whole = b.udiv(b.add(n_columns, code.whole(lanes - 1)), code.whole(lanes))
    before_last = b.sub(whole, code.whole(1))
    last = b.sub(n_columns, b.mul(before_last, code.whole(lanes)))
    row_stride = code.whole(size) if kind.by_columns else s_stride
    start_stride = c_stride if kind.start == "partial" else code.whole(size)
    copied = b.icmp_signed("!=", room, code.whole(0))

    def tile(height: int, vectors: int, of_row: Any, first: Any, end: Any) -> None:
        target, begin, factors, factors_stride = of_row
        across = b.mul(first, code.whole(LINE))
        if kind.start == "partial":
            begin = b.add(begin, across)
        arguments = [b.add(target, across), c_stride, factors, factors_stride]
        arguments += [b.add(v, across), v_stride, count, begin, end]
        b.call(tiles[height, vectors], arguments)

    done = code.whole(0)
    for rows in heights:
        blocks = b.udiv(b.sub(n_rows, done), code.whole(rows))
        with code.loop(blocks) as block:
            row = code.sum(done, (block.index, code.whole(rows)))
            factors, factors_stride = code.sum(s, (row, row_stride)), s_stride
            if kind.by_columns:
                with code.when(copied):
                    _copy_columns(code, factors, s_stride, count, rows, room)
                factors = b.select(copied, room, factors)
                factors_stride = b.select(copied, code.whole(rows * size), s_stride)
            target, begin = code.sum(c, (row, c_stride)), code.sum(start, (row, start_stride))
            of_row = (target, begin, factors, factors_stride)

            with code.loop(b.udiv(whole, code.whole(2))) as pair:
                first = b.mul(pair.index, code.whole(2))
                # A pair that ends with the last vector is masked there; others are full.
                full = b.icmp_signed("<", b.add(first, code.whole(2)), whole)
                tile(rows, 2, of_row, first, b.select(full, code.whole(lanes), last))
            odd = b.icmp_signed("==", b.and_(whole, code.whole(1)), code.whole(1))
            with code.when(odd):
                tile(rows, 1, of_row, before_last, last)
        done = b.add(done, b.mul(blocks, code.whole(rows)))
    code.done()
