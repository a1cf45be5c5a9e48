"""Kernels on rows: select, copy, transpose, sum, and apply dropout.

Rows of weight 0 are left out when the rows of a step are selected, so that no later kernel has to
treat them specially, even if their loss is infinite.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.array_kernels import copy_bytes
from deltarule.engines.compiled.gemm_tiles import first_lanes, masked_load, masked_store
from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder
from deltarule.engines.compiled.target import is_x86
from deltarule.maths import dropout as philox

__all__ = ["exchange", "write_row_kernels", "write_transpose_kernels"]


def write_row_kernels(module: Any, dtype: Any) -> None:
    """Write all kernels of this module."""
    _select_rows(KernelBuilder(module, "select_rows", 9, dtype))
    _copy_rows(KernelBuilder(module, "copy_rows", 7, dtype))
    _row_sums(KernelBuilder(module, "row_sums", 6, dtype))
    _dropout(KernelBuilder(module, "dropout", 12, dtype))
    write_transpose_kernels(module, dtype)


def write_transpose_kernels(module: Any, dtype: Any) -> None:
    """Write those kernels of this module that a predictor uses too."""
    _transpose(KernelBuilder(module, "transpose", 6, dtype))
    _scatter(KernelBuilder(module, "scatter", 6, dtype))
    _flush_denormals(KernelBuilder(module, "flush_denormals", 1, dtype))


def _select_rows(code: KernelBuilder) -> None:
    """Write positions, row numbers and weights of the rows of nonzero weight; return their count.

    The position of row i is ``positions[i]``, or i + base if that address is 0. Its row number is
    ``numbers[position]``, or the position if that address is 0. Its weight is w[position]/divisor;
    a stride of 0 gives all rows the same weight.
    """
    positions, numbers, n, base, w, w_stride, divisor, out, out_w = code.args
    b, eight = code.b, code.int64(8)
    zero = code.int64(0)
    divide_by = code.load(divisor, ir.DoubleType())
    if code.size == 4:
        divide_by = b.fptrunc(divide_by, code.real)
    have_positions = b.icmp_signed("!=", positions, zero)
    have_numbers = b.icmp_signed("!=", numbers, zero)
    capacity = code.load(out, I64)  # of positions; the row numbers follow them
    with code.loop(n, carried=[zero]) as loop:
        (kept,) = loop.carried
        # Loading some valid word where there is no array avoids branches in the loop.
        any_word = b.select(have_positions, code.sum(positions, (loop.index, eight)), out)
        position = b.select(have_positions, code.load(any_word, I64), b.add(loop.index, base))
        any_word = b.select(have_numbers, code.sum(numbers, (position, eight)), out)
        number = b.select(have_numbers, code.load(any_word, I64), position)
        weight = code.load(code.sum(w, (position, w_stride)), code.real)
        weight = b.fdiv(weight, divide_by)
        place = code.sum(out, eight, (kept, eight))
        code.store(position, place, 8)
        code.store(number, code.sum(place, (capacity, eight)), 8)
        code.store(weight, code.sum(out_w, (kept, code.int64(code.size))))
        present = b.fcmp_unordered("!=", weight, ir.Constant(code.real, 0.0))
        loop.next(b.add(kept, b.zext(present, I64)))
    (kept,) = loop.carried
    # The lanes after the last row have weight 0.
    end = code.sum(out_w, (kept, code.int64(code.size)))
    code.store(code.zeros, end)
    code.ret(kept)


def _copy_rows(code: KernelBuilder) -> None:
    """Copy row ``positions[i]`` of the source to row i of the target."""
    source, source_stride, positions, n_rows, target, target_stride, width = code.args
    n_bytes = code.b.mul(width, code.int64(code.size))
    with code.loop(n_rows) as row:
        position = code.load(code.sum(positions, (row.index, code.int64(8))), I64)
        source_row = code.sum(source, (position, source_stride))
        copy_bytes(code, source_row, code.sum(target, (row.index, target_stride)), n_bytes)
    code.ret()


def exchange(code: KernelBuilder, rows: list[Any], add: bool) -> list[Any]:
    """Transpose a square of vectors in registers; or, with ``add``, sum the lanes of each.

    In round s = 1, 2, 4, … lanes and rows whose indices differ in bit s are exchanged, with two
    shuffles for each pair of rows. With ``add`` the two results are added to one vector, so that in
    the end lane j of the first row is the sum over row j.
    """
    lanes, b = code.lanes, code.b
    s = 1
    while s < lanes:
        following = dict(enumerate(rows))
        for i in range(0, lanes, 1 if not add else 2 * s):
            if i & s or (add and i % (2 * s)):
                continue
            one, other = following[i], following[i + s]
            keep = [j if not j & s else lanes + j - s for j in range(lanes)]
            move = [j + s if not j & s else lanes + j for j in range(lanes)]
            halves = [
                b.shuffle_vector(
                    one, other, ir.Constant(ir.VectorType(ir.IntType(32), lanes), order)
                )
                for order in (keep, move)
            ]
            if add:
                following[i] = b.fadd(*halves)
            else:
                following[i], following[i + s] = halves
        rows = [following[i] for i in range(lanes)]
        s *= 2
    return rows


def _transpose(code: KernelBuilder) -> None:
    """Transpose squares of ``lanes`` by ``lanes``, including the padding at the edges."""
    source, source_stride, target, target_stride, row_blocks, column_blocks = code.args
    b, lanes = code.b, code.lanes
    with code.loop(row_blocks) as down, code.loop(column_blocks) as right:
        first_row = b.mul(down.index, code.int64(lanes))
        offset = b.mul(right.index, code.int64(LINE))
        source_block = code.sum(source, (first_row, source_stride), offset)
        rows = [
            code.load(code.sum(source_block, (code.int64(r), source_stride))) for r in range(lanes)
        ]
        first_column = b.mul(right.index, code.int64(lanes))
        offset = b.mul(down.index, code.int64(LINE))
        target_block = code.sum(target, (first_column, target_stride), offset)
        for r, row in enumerate(exchange(code, rows, add=False)):
            code.store(row, code.sum(target_block, (code.int64(r), target_stride)))
    code.ret()


def _scatter(code: KernelBuilder) -> None:
    """Copy the columns of a feature-major source to the rows of the caller's array."""
    source, source_stride, target, target_stride, n_rows, width = code.args
    size = code.int64(code.size)
    with code.loop(n_rows) as row, code.loop(width) as column:
        source_entry = code.sum(source, (column.index, source_stride), (row.index, size))
        target_entry = code.sum(target, (row.index, target_stride), (column.index, size))
        code.store(code.load(source_entry, code.real), target_entry)
    code.ret()


def _row_sums(code: KernelBuilder) -> None:
    """db: the sum of each row of δ over the samples, without the lanes after the last sample.

    It is added to the target if the last argument is not 0.
    """
    source, stride, n_samples, width, target, accumulate = code.args
    b, lanes = code.b, code.lanes
    zero = code.zeros
    full = b.udiv(n_samples, code.int64(lanes))
    rest = b.urem(n_samples, code.int64(lanes))
    mask = first_lanes(code, rest)
    blocks = b.udiv(b.add(width, code.int64(lanes - 1)), code.int64(lanes))
    with code.loop(blocks) as block:
        first = b.mul(block.index, code.int64(lanes))
        delta_rows = [code.sum(source, (b.add(first, code.int64(r)), stride)) for r in range(lanes)]
        with code.loop(full, carried=[zero] * lanes) as part:
            offset = b.mul(part.index, code.int64(LINE))
            loaded = [code.load(b.add(row, offset)) for row in delta_rows]
            loop_sums = [b.fadd(*pair) for pair in zip(part.carried, loaded, strict=True)]
            part.next(*loop_sums)
        offset = b.mul(full, code.int64(LINE))
        with code.loop(
            b.zext(b.icmp_signed(">", rest, code.int64(0)), I64), carried=part.carried
        ) as tail:
            loaded = [b.select(mask, code.load(b.add(row, offset)), zero) for row in delta_rows]
            tail.next(*[b.fadd(*pair) for pair in zip(tail.carried, loaded, strict=True)])
        total = exchange(code, list(tail.carried), add=True)[0]
        address = code.sum(target, (block.index, code.int64(LINE)))
        inside = first_lanes(code, b.sub(width, first))
        adds = code.splat(b.icmp_signed("!=", accumulate, code.int64(0)), inside.type)
        before = masked_load(code, address, b.and_(inside, adds))
        masked_store(code, b.fadd(total, before), address, inside)
    code.ret()


def _dropout(code: KernelBuilder) -> None:
    """Multiply a and the slope by the dropout mask, with the bits of ``maths/dropout.py``.

    Philox-4x32-10 with the counter (row, node // 4, step, layer). Each SIMD lane holds one row;
    the four words of a result belong to four consecutive nodes.
    """
    a, slope, stride, width, vectors, numbers = code.args[:6]
    seed_low, seed_high, step, layer, threshold, factor = code.args[6:]
    b = code.b
    kind = ir.VectorType(I64, code.lanes)

    def broadcast(value: Any) -> Any:
        return code.splat(value, kind) if value.type is I64 else value

    def constant(value: int) -> Any:
        return ir.Constant(kind, [int(value)] * code.lanes)

    low, half = constant(0xFFFFFFFF), constant(32)
    multiplier0, multiplier1 = (constant(int(m)) for m in philox._MULTIPLIERS)
    scale, none = code.load(factor, ir.DoubleType()), code.zeros
    scale = code.splat(b.fptrunc(scale, code.real) if code.size == 4 else scale)
    groups = b.udiv(b.add(width, code.int64(3)), code.int64(4))
    with code.loop(groups) as group, code.loop(vectors) as part:
        place = b.mul(part.index, code.int64(LINE))
        rows = code.load(code.sum(numbers, (part.index, code.int64(8 * code.lanes))), kind, 8)
        x = [rows, broadcast(group.index), broadcast(step), broadcast(layer)]
        k0, k1 = seed_low, seed_high
        for _ in range(10):
            # 32-bit words in 64-bit lanes, so that products are exact.
            product0, product1 = b.mul(multiplier0, x[0]), b.mul(multiplier1, x[2])
            x = [
                b.xor(b.xor(b.lshr(product1, half), x[1]), broadcast(k0)),
                b.and_(product1, low),
                b.xor(b.xor(b.lshr(product0, half), x[3]), broadcast(k1)),
                b.and_(product0, low),
            ]
            k0 = b.and_(b.add(k0, code.int64(philox._WEYL[0])), code.int64(0xFFFFFFFF))
            k1 = b.and_(b.add(k1, code.int64(philox._WEYL[1])), code.int64(0xFFFFFFFF))
        first = b.mul(group.index, code.int64(4))
        for node in range(4):
            kept = b.icmp_unsigned(">=", x[node], broadcast(threshold))
            mask = b.select(kept, scale, none)
            offset = code.sum(place, (b.add(first, code.int64(node)), stride))
            for array in (a, slope):
                address = b.add(array, offset)
                code.store(b.fmul(code.load(address), mask), address)
    code.ret()


def _flush_denormals(code: KernelBuilder) -> None:
    """Set this thread's SSE control register and return its old value; 0 only reads it.

    With flush-to-zero (0x8000) and denormals-are-zero (0x40) an Adam update of nodes whose gradient
    stays 0 takes 1/2.4 of the time: moments that decay below 1e-38 would cost 150 cycles each.
    """
    if not is_x86():
        code.ret()
        return
    b = code.b
    word, pointer = ir.IntType(32), ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer])
    get = ir.Function(code.module, signature, "llvm.x86.sse.stmxcsr")
    put = ir.Function(code.module, signature, "llvm.x86.sse.ldmxcsr")
    slot = b.alloca(word)
    b.call(get, [slot])
    before = b.zext(b.load(slot, typ=word), I64)
    with code.b.if_then(b.icmp_signed("!=", code.args[0], code.int64(0))):
        b.store(b.trunc(code.args[0], word), slot)
        b.call(put, [slot])
    code.ret(before)
