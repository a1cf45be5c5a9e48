"""Kernels that bring rows into place: choosing, copying, transposing, summing, dropping.

A row of weight 0 is absent: it is left out when the rows of a step are chosen, so that
nothing after it needs to know, be its loss infinite.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.gemm_tiles import first_lanes, masked_load, masked_store
from deltarule.engines.compiled.ir_builder import I64, LINE, Code
from deltarule.engines.compiled.target import is_x86
from deltarule.maths import dropout as philox

__all__ = ["write_moves", "write_rows"]


def write_rows(module: Any, dtype: Any) -> None:
    """All kernels of this file."""
    _choose(Code(module, "choose", 9, dtype))
    _copy_rows(Code(module, "copy_rows", 7, dtype))
    _row_sums(Code(module, "row_sums", 6, dtype))
    _dropout(Code(module, "dropout", 12, dtype))
    write_moves(module, dtype)


def write_moves(module: Any, dtype: Any) -> None:
    """Those that prediction by itself needs, too."""
    _transpose(Code(module, "transpose", 6, dtype))
    _scatter(Code(module, "scatter", 6, dtype))
    _denormals(Code(module, "flush_denormals", 1, dtype))


def _choose(code: Code) -> None:
    """Positions, row numbers and weights of the rows whose weight is not 0; how many.

    The position of row i is ``positions[i]``, or i + base if there are none; its number
    ``numbers[position]``, or its position; its weight that at its position, over the divisor.
    With a stride of 0 between weights all rows have the same.
    """
    positions, numbers, n, base, w, w_stride, divisor, out, out_w = code.args
    b, eight = code.b, code.whole(8)
    zero = code.whole(0)
    divide_by = code.load(divisor, ir.DoubleType())
    if code.size == 4:
        divide_by = b.fptrunc(divide_by, code.real)
    have_positions = b.icmp_signed("!=", positions, zero)
    have_numbers = b.icmp_signed("!=", numbers, zero)
    capacity = code.load(out, I64)  # the numbers stand behind the positions
    with code.loop(n, carried=[zero]) as loop:
        (kept,) = loop.carried
        # Reading some word in place of a missing one keeps the loop without branches.
        any_word = b.select(have_positions, code.sum(positions, (loop.index, eight)), out)
        position = b.select(have_positions, code.load(any_word, I64), b.add(loop.index, base))
        any_word = b.select(have_numbers, code.sum(numbers, (position, eight)), out)
        number = b.select(have_numbers, code.load(any_word, I64), position)
        weight = code.load(code.sum(w, (position, w_stride)), code.real)
        weight = b.fdiv(weight, divide_by)
        place = code.sum(out, eight, (kept, eight))
        code.store(position, place, 8)
        code.store(number, code.sum(place, (capacity, eight)), 8)
        code.store(weight, code.sum(out_w, (kept, code.whole(code.size))))
        there = b.fcmp_unordered("!=", weight, ir.Constant(code.real, 0.0))
        loop.next(b.add(kept, b.zext(there, I64)))
    (kept,) = loop.carried
    # The lanes behind the last row weigh nothing.
    end = code.sum(out_w, (kept, code.whole(code.size)))
    code.store(code.number(code.vector, 0.0), end)
    code.done(kept)


def _copy_rows(code: Code) -> None:
    """Row ``positions[i]`` of the source becomes row i of the target."""
    source, source_stride, positions, n_rows, target, target_stride, width = code.args
    b, size, lanes = code.b, code.size, code.lanes
    whole = b.udiv(width, code.whole(lanes))
    rest = b.urem(width, code.whole(lanes))
    with code.loop(n_rows) as row:
        position = code.load(code.sum(positions, (row.index, code.whole(8))), I64)
        here = code.sum(source, (position, source_stride))
        there = code.sum(target, (row.index, target_stride))
        with code.loop(whole) as part:
            offset = b.mul(part.index, code.whole(LINE))
            code.store(code.load(b.add(here, offset)), b.add(there, offset))
        behind = b.mul(whole, code.whole(LINE))
        with code.loop(rest) as one:
            offset = b.add(behind, b.mul(one.index, code.whole(size)))
            code.store(code.load(b.add(here, offset), code.real), b.add(there, offset))
    code.done()


def _exchange(code: Code, rows: list[Any], add: bool) -> list[Any]:
    """Transpose a square of vectors in registers; with ``add``, sum each one's lanes.

    In round s, lanes and rows whose numbers differ in bit s change places: log2 rounds
    of two shuffles for each pair. Added instead of kept, a pair becomes one vector, and in
    the end lane j is the sum over row j.
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


def _transpose(code: Code) -> None:
    """Squares of ``lanes`` by ``lanes``; what stands beyond an edge is carried along."""
    source, source_stride, target, target_stride, row_blocks, column_blocks = code.args
    b, lanes = code.b, code.lanes
    with code.loop(row_blocks) as down, code.loop(column_blocks) as right:
        first_row = b.mul(down.index, code.whole(lanes))
        offset = b.mul(right.index, code.whole(LINE))
        here = code.sum(source, (first_row, source_stride), offset)
        rows = [code.load(code.sum(here, (code.whole(r), source_stride))) for r in range(lanes)]
        first_column = b.mul(right.index, code.whole(lanes))
        offset = b.mul(down.index, code.whole(LINE))
        there = code.sum(target, (first_column, target_stride), offset)
        for r, row in enumerate(_exchange(code, rows, add=False)):
            code.store(row, code.sum(there, (code.whole(r), target_stride)))
    code.done()


def _scatter(code: Code) -> None:
    """Columns of a feature-major source become the rows of the caller's array."""
    source, source_stride, target, target_stride, n_rows, width = code.args
    size = code.whole(code.size)
    with code.loop(n_rows) as row, code.loop(width) as column:
        here = code.sum(source, (column.index, source_stride), (row.index, size))
        there = code.sum(target, (row.index, target_stride), (column.index, size))
        code.store(code.load(here, code.real), there)
    code.done()


def _row_sums(code: Code) -> None:
    """db: the sum over the batch of each row of δ, lanes behind the last sample left out.

    Added to what is there if the last argument is not 0.
    """
    source, stride, n_samples, width, target, more = code.args
    b, lanes = code.b, code.lanes
    zero = code.number(code.vector, 0.0)
    whole = b.udiv(n_samples, code.whole(lanes))
    rest = b.urem(n_samples, code.whole(lanes))
    mask = first_lanes(code, rest)
    blocks = b.udiv(b.add(width, code.whole(lanes - 1)), code.whole(lanes))
    with code.loop(blocks) as block:
        first = b.mul(block.index, code.whole(lanes))
        here = [code.sum(source, (b.add(first, code.whole(r)), stride)) for r in range(lanes)]
        with code.loop(whole, carried=[zero] * lanes) as part:
            offset = b.mul(part.index, code.whole(LINE))
            loaded = [code.load(b.add(row, offset)) for row in here]
            loop_sums = [b.fadd(*pair) for pair in zip(part.carried, loaded, strict=True)]
            part.next(*loop_sums)
        offset = b.mul(whole, code.whole(LINE))
        with code.loop(
            b.zext(b.icmp_signed(">", rest, code.whole(0)), I64), carried=part.carried
        ) as tail:
            loaded = [b.select(mask, code.load(b.add(row, offset)), zero) for row in here]
            tail.next(*[b.fadd(*pair) for pair in zip(tail.carried, loaded, strict=True)])
        total = _exchange(code, list(tail.carried), add=True)[0]
        there = code.sum(target, (block.index, code.whole(LINE)))
        in_place = first_lanes(code, b.sub(width, first))
        adds = code.splat(b.icmp_signed("!=", more, code.whole(0)), in_place.type)
        before = masked_load(code, there, b.and_(in_place, adds))
        masked_store(code, b.fadd(total, before), there, in_place)
    code.done()


def _dropout(code: Code) -> None:
    """a and the slope times the mask, whose bits are those of maths/dropout.py.

    Philox-4x32-10 with the counter (row, node / 4, step, layer): a lane is a row, and
    the four words belong to four nodes in turn.
    """
    a, slope, stride, width, vectors, numbers = code.args[:6]
    seed_low, seed_high, step, layer, threshold, factor = code.args[6:]
    b = code.b
    kind = ir.VectorType(I64, code.lanes)

    def every(value: Any) -> Any:
        return code.splat(value, kind) if value.type is I64 else value

    def constant(value: int) -> Any:
        return ir.Constant(kind, [int(value)] * code.lanes)

    low, half = constant(0xFFFFFFFF), constant(32)
    multiplier0, multiplier1 = (constant(int(m)) for m in philox._MULTIPLIERS)
    scale, none = code.load(factor, ir.DoubleType()), code.number(code.vector, 0.0)
    scale = code.splat(b.fptrunc(scale, code.real) if code.size == 4 else scale)
    groups = b.udiv(b.add(width, code.whole(3)), code.whole(4))
    with code.loop(groups) as group, code.loop(vectors) as part:
        place = b.mul(part.index, code.whole(LINE))
        rows = code.load(code.sum(numbers, (part.index, code.whole(8 * code.lanes))), kind, 8)
        x = [rows, every(group.index), every(step), every(layer)]
        k0, k1 = seed_low, seed_high
        for _ in range(10):
            # Words have 32 bits, so that these products are exact in 64.
            product0, product1 = b.mul(multiplier0, x[0]), b.mul(multiplier1, x[2])
            x = [
                b.xor(b.xor(b.lshr(product1, half), x[1]), every(k0)),
                b.and_(product1, low),
                b.xor(b.xor(b.lshr(product0, half), x[3]), every(k1)),
                b.and_(product0, low),
            ]
            k0 = b.and_(b.add(k0, code.whole(philox._WEYL[0])), code.whole(0xFFFFFFFF))
            k1 = b.and_(b.add(k1, code.whole(philox._WEYL[1])), code.whole(0xFFFFFFFF))
        first = b.mul(group.index, code.whole(4))
        for node in range(4):
            kept = b.icmp_unsigned(">=", x[node], every(threshold))
            mask = b.select(kept, scale, none)
            offset = code.sum(place, (b.add(first, code.whole(node)), stride))
            for array in (a, slope):
                there = b.add(array, offset)
                code.store(b.fmul(code.load(there), mask), there)
    code.done()


def _denormals(code: Code) -> None:
    """Set the control register of this thread, and give what it was; 0 only reads it.

    With flush-to-zero (0x8000) and denormals-are-zero (0x40) an Adam pass over dead units
    is 2.4 times faster: moments that decay below 1e-38 would each cost 150 cycles.
    """
    if not is_x86():
        code.done()
        return
    b = code.b
    word, pointer = ir.IntType(32), ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer])
    get = ir.Function(code.module, signature, "llvm.x86.sse.stmxcsr")
    put = ir.Function(code.module, signature, "llvm.x86.sse.ldmxcsr")
    slot = b.alloca(word)
    b.call(get, [slot])
    before = b.zext(b.load(slot, typ=word), I64)
    with code.when(b.icmp_signed("!=", code.args[0], code.whole(0))):
        b.store(b.trunc(code.args[0], word), slot)
        b.call(put, [slot])
    code.done(before)
