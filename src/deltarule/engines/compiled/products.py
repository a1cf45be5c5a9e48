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

So W is only read number by number, and never packed or transposed. A tile of R rows and
2 vectors keeps its sums in registers: R is 8 with AVX-512 (32 registers; 2 of v and 8
broadcasts feed 16 multiply-adds, so that loads do not bound), 6 with AVX2, 2 without.
Measured beside OpenBLAS in driver.py, where the choice is made.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.code import I64, LINE, Code
from deltarule.engines.compiled.target import register_rows

__all__ = ["write_gemm", "write_products"]

KINDS = ("forward", "backward", "weights")
# c, its stride, s, its stride, v, its stride, count, start, lanes of the last vector
_TILE_ARGUMENTS = 9


def lane_numbers(code: Code, start: Any) -> Any:
    """start, start + 1, … as a vector of integers."""
    kind = ir.VectorType(I64, code.lanes)
    return code.b.add(code.splat(start, kind), ir.Constant(kind, list(range(code.lanes))))


def first_lanes(code: Code, count: Any) -> Any:
    """True in the first ``count`` lanes."""
    kind = ir.VectorType(I64, code.lanes)
    numbers = ir.Constant(kind, list(range(code.lanes)))
    return code.b.icmp_signed("<", numbers, code.splat(count, kind))


def masked_store(code: Code, value: Any, address: Any, mask: Any) -> None:
    """Write the lanes where ``mask`` holds."""
    name = f"llvm.masked.store.v{code.lanes}f{8 * code.size}.p0"
    function = code.module.globals.get(name)
    arguments = [code.vector, ir.PointerType(), ir.IntType(32), mask.type]
    if function is None:
        function = ir.Function(code.module, ir.FunctionType(ir.VoidType(), arguments), name)
    pointer = code.b.inttoptr(address, ir.PointerType())
    code.b.call(function, [value, pointer, ir.Constant(ir.IntType(32), code.size), mask])


def _write_tile(module: Any, dtype: Any, kind: str, rows: int, vectors: int) -> Any:
    """One tile: a function of its own, so that its loop has all registers."""
    name = f"tile_{kind}_{rows}_{vectors}"
    code = Code(module, name, _TILE_ARGUMENTS, dtype)
    code.function.linkage = "internal"
    code.function.attributes.add("noinline")
    c, c_stride, s, s_stride, v, v_stride, count, start, last = code.args
    size, b = code.size, code.b
    if kind == "forward":
        starts = [code.load_splat(code.sum(start, code.whole(r * size))) for r in range(rows)]
    else:
        starts = [code.number(code.vector, 0.0)] * rows
    # By rows s has a stride and steps by one number; backward it is read by columns.
    by_columns = kind == "backward"
    bases = [
        code.sum(s, code.whole(r * size)) if by_columns else code.sum(s, (code.whole(r), s_stride))
        for r in range(rows)
    ]
    step = s_stride if by_columns else code.whole(size)
    begin = [sum_ for sum_ in starts for _ in range(vectors)]
    with code.loop(count, carried=begin) as loop:
        here = code.sum(v, (loop.index, v_stride))
        across = [code.load(code.sum(here, code.whole(n * LINE))) for n in range(vectors)]
        offset = b.mul(loop.index, step)
        sums = []
        for r in range(rows):
            factor = code.load_splat(code.sum(bases[r], offset))
            sums += [
                code.multiply_add(factor, across[n], loop.carried[r * vectors + n])
                for n in range(vectors)
            ]
        loop.next(*sums)
    mask = first_lanes(code, last) if kind == "weights" else None
    for r in range(rows):
        for n in range(vectors):
            value = loop.carried[r * vectors + n]
            place = code.sum(c, (code.whole(r), c_stride), code.whole(n * LINE))
            if kind == "backward":
                value = b.fmul(value, code.load(place))
            if mask is not None and n == vectors - 1:
                masked_store(code, value, place, mask)
            else:
                code.store(value, place)
    code.done()
    return code.function


def write_products(module: Any, dtype: Any) -> None:
    """The kernels ``forward``, ``backward`` and ``weights``.

    Each takes c, its stride, s, its stride, v, its stride, the length of the sums, the
    biases, the number of rows of c, and its number of columns.
    """
    for kind in KINDS:
        _write_product(module, dtype, kind)


def _write_product(module: Any, dtype: Any, kind: str) -> None:
    """Rows in tiles as high as possible; for each, all columns, two vectors at a time."""
    heights = register_rows()
    tiles = {
        (rows, vectors): _write_tile(module, dtype, kind, rows, vectors)
        for rows in heights
        for vectors in (1, 2)
    }
    code = Code(module, kind, 10, dtype)
    c, c_stride, s, s_stride, v, v_stride, count, start, n_rows, n_columns = code.args
    b, size, lanes = code.b, code.size, code.lanes
    whole = b.udiv(b.add(n_columns, code.whole(lanes - 1)), code.whole(lanes))
    before_last = b.sub(whole, code.whole(1))
    last = b.sub(n_columns, b.mul(before_last, code.whole(lanes)))
    row_stride = code.whole(size) if kind == "backward" else s_stride

    def tile(rows: int, vectors: int, row: Any, first: Any, lanes_of_last: Any) -> None:
        across = b.mul(first, code.whole(LINE))
        arguments = [
            code.sum(c, (row, c_stride), across),
            c_stride,
            code.sum(s, (row, row_stride)),
            s_stride,
            b.add(v, across),
            v_stride,
            count,
            code.sum(start, (row, code.whole(size))),
            lanes_of_last,
        ]
        b.call(tiles[rows, vectors], arguments)

    done = code.whole(0)
    for rows in heights:
        blocks = b.udiv(b.sub(n_rows, done), code.whole(rows))
        with code.loop(blocks) as block:
            row = code.sum(done, (block.index, code.whole(rows)))
            with code.loop(b.udiv(whole, code.whole(2))) as pair:
                first = b.mul(pair.index, code.whole(2))
                # A pair that ends with the last vector is masked there; others are full.
                full = b.icmp_signed("<", b.add(first, code.whole(2)), whole)
                tile(rows, 2, row, first, b.select(full, code.whole(lanes), last))
            odd = b.icmp_signed("==", b.and_(whole, code.whole(1)), code.whole(1))
            with code.when(odd):
                tile(rows, 1, row, before_last, last)
        done = b.add(done, b.mul(blocks, code.whole(rows)))
    code.done()


def write_gemm(module: Any, dtype: Any) -> None:
    """``gemm``: BLAS by its address, in the Fortran manner (column-major).

    Its arguments: the address, whether a and b are transposed (0 or 1), m, n, k, a, its
    leading dimension, b, its, c, its, and the factor of c (0 or 1).
    """
    code = Code(module, "gemm", 13, dtype)
    address, trans_a, trans_b, m, n, k, a, lda, b_, ldb, c, ldc, beta = code.args
    b = code.b
    pointer, i8, i32 = ir.PointerType(), ir.IntType(8), ir.IntType(32)

    def place(value: Any) -> Any:
        slot = b.alloca(value.type)
        b.store(value, slot)
        return slot

    def letter(flag: Any) -> Any:
        transposed = b.icmp_signed("==", flag, code.whole(1))
        return place(b.select(transposed, ir.Constant(i8, ord("T")), ir.Constant(i8, ord("N"))))

    def whole(value: Any) -> Any:
        return place(b.trunc(value, i32))

    def at(value: Any) -> Any:
        return b.inttoptr(value, pointer)

    one = place(ir.Constant(code.real, 1.0))
    arguments = [letter(trans_a), letter(trans_b), whole(m), whole(n), whole(k), one]
    arguments += [at(a), whole(lda), at(b_), whole(ldb)]
    arguments += [place(b.sitofp(beta, code.real)), at(c), whole(ldc)]
    signature = ir.FunctionType(ir.VoidType(), [pointer] * 13)
    # An address in a register is called through a pointer to a function of this type.
    b.call(b.inttoptr(address, signature.as_pointer()), arguments)
    code.done()
