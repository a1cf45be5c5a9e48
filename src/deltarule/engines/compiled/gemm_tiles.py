"""The three matrix products of a layer, computed in register tiles.

Activations are stored feature-major: Z[l] has shape (n_l, B), so that vectors hold samples, and one
form of tile serves all three products:

    c[r, lanes] = start + Σ_q s[r, q] · v[q, lanes]

=========  =====================  ===================  =======================================
product    s, broadcast           v, vectors           c
=========  =====================  ===================  =======================================
forward    W[j, k]                A[k, batch]          Z[j, batch]; the sums start at the bias
backward   W[j, k], by columns    δ[j, batch]          δ of the layer below: the sums are
                                                       multiplied by the slopes stored there
weights    δ[j, i]                A as rows [i, k]     dW[j, k]; the last vector is masked
=========  =====================  ===================  =======================================

W is read one number at a time and never transposed. A tile of R rows and 2 vectors keeps its sums
in registers. R is 8 with AVX-512 (32 registers: 2 loads of v and 8 broadcasts serve 16
multiply-adds, so that loads are not the limit), 3 with AVX2, and 2 otherwise.

Every entry of c is one sum in the order of q, whichever tile or thread computes it, so its bits
depend on nothing else. A long sum may be cut where v would exceed the second-level cache: a kernel
``…_add`` continues from the sums stored in c, and storing and loading a float does not change it.
In BLAS the bits of a sum depend on the number of rows and threads, so it is not used; it is not
faster either (``docs/performance.rst``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder
from deltarule.engines.compiled.target import tile_heights

__all__ = ["accumulate", "first_lanes", "masked_load", "masked_store", "write_gemm_kernels"]


class _Product(NamedTuple):
    """The variant of a kernel: how s is read, where sums start, how they are stored."""

    name: str
    by_columns: bool = False
    start: str = "zero"  # or "bias", "c", "partial": the last two continue a sum that was cut
    slopes: bool = False  # c holds the slopes, by which the sums are multiplied
    masked: bool = False  # the last vector of c may have fewer columns


_PRODUCTS = (
    _Product("forward", start="bias"),
    _Product("forward_add", start="c"),
    _Product("backward", by_columns=True, slopes=True),
    _Product("backward_first", by_columns=True),
    _Product("backward_add", by_columns=True, start="c"),
    _Product("backward_last", by_columns=True, start="partial", slopes=True),
    _Product("weights", masked=True),
    _Product("weights_add", start="c", masked=True),
)
# Makes the builder of a kernel of this name with so many arguments.
_Builder = Callable[[str, int], KernelBuilder]
# The number of terms from which on a sum takes long enough to prefetch the next tile's entries.
_PREFETCH_TERMS = 128
# c, c_stride, s, s_stride, v, v_stride, count (terms of a sum), start (of the sums), lanes of the
# last vector of a row of c
_TILE_ARGUMENTS = 9


def first_lanes(code: KernelBuilder, count: Any) -> Any:
    """A mask that is true in the first ``count`` lanes."""
    kind = ir.VectorType(I64, code.lanes)
    numbers = ir.Constant(kind, list(range(code.lanes)))
    return code.b.icmp_signed("<", numbers, code.splat(count, kind))


def _masked(code: KernelBuilder, what: str, address: Any, mask: Any, value: Any) -> Any:
    """Call ``llvm.masked.load`` (``value`` for the other lanes) or ``llvm.masked.store``."""
    name = f"llvm.masked.{what}.v{code.lanes}f{8 * code.size}.p0"
    pointer = code.b.inttoptr(address, ir.PointerType())
    align = ir.Constant(ir.IntType(32), code.size)
    load = what == "load"
    arguments = [pointer, align, mask, value] if load else [value, pointer, align, mask]
    function = code.module.globals.get(name)
    if function is None:
        result = code.vector if load else ir.VoidType()
        kinds = [argument.type for argument in arguments]
        function = ir.Function(code.module, ir.FunctionType(result, kinds), name)
    return code.b.call(function, arguments)


def masked_store(code: KernelBuilder, value: Any, address: Any, mask: Any) -> None:
    """Store the lanes of ``value`` in which ``mask`` is true."""
    _masked(code, "store", address, mask, value)


def masked_load(code: KernelBuilder, address: Any, mask: Any) -> Any:
    """Load the lanes in which ``mask`` is true; the others are 0."""
    return _masked(code, "load", address, mask, code.zeros)


def accumulate(
    code: KernelBuilder, bases: list[Any], offset: Any, vectors: list[Any], sums: list[Any]
) -> list[Any]:
    """The accumulators of a tile plus one term: s of each row at ``offset`` times each vector."""
    following = []
    for r, base in enumerate(bases):
        factor = code.load_splat(code.sum(base, offset))
        row_sums = sums[r * len(vectors) : (r + 1) * len(vectors)]
        following += [
            code.multiply_add(factor, vector, total)
            for vector, total in zip(vectors, row_sums, strict=True)
        ]
    return following


def _write_tile(builder: _Builder, kind: _Product, rows: int, vectors: int) -> Any:
    """Write one tile, as a function of its own so that its loop can use all registers."""
    code = builder(f"tile_{kind.name}_{rows}_{vectors}", _TILE_ARGUMENTS)
    code.function.linkage = "internal"
    code.function.attributes.add("noinline")
    c, c_stride, s, s_stride, v, v_stride, count, start, last = code.args
    size, b = code.size, code.b
    mask = first_lanes(code, last) if kind.masked else None

    def entries(base: Any) -> Iterator[tuple[Any, Any]]:
        """The address of each vector of the tile, and its mask or None."""
        for r in range(rows):
            for n in range(vectors):
                address = code.sum(base, (code.int64(r), c_stride), code.int64(n * LINE))
                yield address, mask if n == vectors - 1 else None

    if kind.start == "bias":
        biases = [code.load_splat(code.sum(start, code.int64(r * size))) for r in range(rows)]
        begin = [bias for bias in biases for _ in range(vectors)]
    elif kind.start == "zero":
        begin = [code.zeros] * (rows * vectors)
    else:
        begin = [
            code.load(address) if lanes is None else masked_load(code, address, lanes)
            for address, lanes in entries(c if kind.start == "c" else start)
        ]
    with code.b.if_then(b.icmp_signed(">", count, code.int64(_PREFETCH_TERMS))):
        # Prefetch the next tile's entries while this one computes.
        for r in range(rows):
            for n in range(vectors):
                ahead = code.int64((vectors + n) * LINE)
                code.prefetch(code.sum(c, (code.int64(r), c_stride), ahead))
    # Between rows of a tile s advances by its stride, along a sum by one number; backward, vice
    # versa.
    between = code.int64(size) if kind.by_columns else s_stride
    bases = [code.sum(s, (code.int64(r), between)) for r in range(rows)]
    step = s_stride if kind.by_columns else code.int64(size)
    with code.loop(count, carried=begin) as loop:
        v_address = code.sum(v, (loop.index, v_stride))
        v_row = [code.load(code.sum(v_address, code.int64(n * LINE))) for n in range(vectors)]
        offset = b.mul(loop.index, step)
        loop.next(*accumulate(code, bases, offset, v_row, loop.carried))
    for total, (address, lanes) in zip(loop.carried, entries(c), strict=True):
        value = b.fmul(total, code.load(address)) if kind.slopes else total
        if lanes is None:
            code.store(value, address)
        else:
            masked_store(code, value, address, lanes)
    code.ret()
    return code.function


def write_gemm_kernels(
    module: Any, dtype: Any, builder: type[KernelBuilder] = KernelBuilder
) -> None:
    """Write ``forward``, ``backward`` and ``weights``, and the kernels for sums that are cut.

    Arguments of each: c, its stride, s, its stride, v, its stride, the length of the sums, the
    address of the biases (for ``backward_last`` of the sums so far, with the stride of c), the
    number of rows of c, its number of columns, and a buffer for columns of W, or 0. ``builder``
    multiplies and adds: by default numbers of ``dtype``, else what its subclass says. Where it has
    ``in_panels``, the stride of v is the number of bytes of a panel.
    """

    def build(name: str, arguments: int) -> KernelBuilder:
        return builder(module, name, arguments, dtype)

    for kind in _PRODUCTS:
        _write_product(build, kind)


def _copy_columns(
    code: KernelBuilder, s: Any, s_stride: Any, count: Any, rows: int, packed: Any
) -> None:
    """Copy ``rows`` columns of W side by side, so that tiles do not step through memory pages."""
    kind = ir.VectorType(code.real, rows)
    with code.loop(count) as loop:
        value = code.load(code.sum(s, (loop.index, s_stride)), kind)
        code.store(value, code.sum(packed, (loop.index, code.int64(rows * code.size))))


def _write_product(builder: _Builder, kind: _Product) -> None:
    """Write one kernel: rows in tiles as high as possible, for each all columns in vector pairs."""
    heights = tile_heights()
    tiles = {
        (rows, vectors): _write_tile(builder, kind, rows, vectors)
        for rows in heights
        for vectors in (1, 2)
    }
    code = builder(kind.name, 11)
    c, c_stride, s, s_stride, v, v_stride, count, start, n_rows, n_columns, buffer = code.args
    b, size, lanes = code.b, code.size, code.lanes
    vectors_in_row = b.udiv(b.add(n_columns, code.int64(lanes - 1)), code.int64(lanes))
    before_last = b.sub(vectors_in_row, code.int64(1))
    last = b.sub(n_columns, b.mul(before_last, code.int64(lanes)))
    row_stride = code.int64(size) if kind.by_columns else s_stride
    start_stride = c_stride if kind.start == "partial" else code.int64(size)
    copied = b.icmp_signed("!=", buffer, code.int64(0))

    def tile(height: int, vectors: int, of_row: Any, first: Any, end: Any) -> None:
        target, begin, factors, factors_stride = of_row
        offset = b.mul(first, code.int64(LINE))
        if kind.start == "partial":
            begin = b.add(begin, offset)
        arguments = [b.add(target, offset), c_stride, factors, factors_stride]
        if code.in_panels:
            panel = b.udiv(first, code.int64(2))
            arguments += [code.sum(v, (panel, v_stride)), code.int64(2 * LINE)]
        else:
            arguments += [b.add(v, offset), v_stride]
        b.call(tiles[height, vectors], [*arguments, count, begin, end])

    done = code.int64(0)
    for rows in heights:
        blocks = b.udiv(b.sub(n_rows, done), code.int64(rows))
        with code.loop(blocks) as block:
            row = code.sum(done, (block.index, code.int64(rows)))
            factors, factors_stride = code.sum(s, (row, row_stride)), s_stride
            if kind.by_columns:
                with code.b.if_then(copied):
                    _copy_columns(code, factors, s_stride, count, rows, buffer)
                factors = b.select(copied, buffer, factors)
                factors_stride = b.select(copied, code.int64(rows * size), s_stride)
            target, begin = code.sum(c, (row, c_stride)), code.sum(start, (row, start_stride))
            of_row = (target, begin, factors, factors_stride)

            with code.loop(b.udiv(vectors_in_row, code.int64(2))) as pair:
                first = b.mul(pair.index, code.int64(2))
                # The pair that contains the last vector is masked, others are full.
                full = b.icmp_signed("<", b.add(first, code.int64(2)), vectors_in_row)
                tile(rows, 2, of_row, first, b.select(full, code.int64(lanes), last))
            odd = b.icmp_signed("==", b.and_(vectors_in_row, code.int64(1)), code.int64(1))
            with code.b.if_then(odd):
                tile(rows, 1, of_row, before_last, last)
        done = b.add(done, b.mul(blocks, code.int64(rows)))
    code.ret()
