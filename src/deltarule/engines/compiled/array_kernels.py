"""Kernels over memory that is the caller's: of any length, and not padded."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.formula_kernels import zero
from deltarule.engines.compiled.ir_builder import I64, LINE, Code

__all__ = ["write_spans"]


def write_spans(module: Any, dtype: Any) -> None:
    """All kernels of this file."""
    _copy_out(Code(module, "copy_out", 5, dtype))
    _all_finite(Code(module, "all_finite", 2, dtype))
    _differ(Code(module, "differ", 3, dtype))


def _copy_out(code: Code) -> None:
    """``copy_out(source, stride, target, n_rows, width)``: rows, one after the other."""
    source, stride, target, n_rows, width = code.args
    b = code.b
    width_bytes = b.mul(width, code.whole(code.size))
    whole = b.and_(width_bytes, code.whole(-LINE))
    rest = b.sub(width_bytes, whole)
    with code.loop(n_rows) as row:
        here = code.sum(source, (row.index, stride))
        there = code.sum(target, (row.index, width_bytes))
        with code.loop(whole, LINE) as part:
            code.store(code.load(b.add(here, part.index)), b.add(there, part.index))
        with code.loop(rest, code.size) as one:
            offset = b.add(whole, one.index)
            code.store(code.load(b.add(here, offset), code.real), b.add(there, offset))
    code.done()


def _all_finite(code: Code) -> None:
    """``all_finite(x, count)`` is 1 if every number is: Σ 0 · x_i is 0 then, else NaN."""
    x, count = code.args
    b = code.b
    n_bytes = b.mul(count, code.whole(code.size))
    whole = b.and_(n_bytes, code.whole(-LINE))
    none = zero(code)
    with code.loop(whole, LINE, carried=[none]) as part:
        value = code.load(b.add(x, part.index))
        part.next(code.multiply_add(value, none, part.carried[0]))
    nought = code.number(code.real, 0.0)
    with code.loop(b.sub(n_bytes, whole), code.size, carried=[nought]) as one:
        value = code.load(code.sum(x, whole, one.index), code.real)
        one.next(b.fadd(one.carried[0], b.fmul(value, nought)))
    total = one.carried[0]
    for lane in range(code.lanes):
        each = b.extract_element(part.carried[0], ir.Constant(ir.IntType(32), lane))
        total = b.fadd(total, each)
    code.done(b.zext(b.fcmp_ordered("==", total, nought), I64))


def _differ(code: Code) -> None:
    """``differ(one, other, n_bytes)`` is 0 if the bytes are the same; they are whole numbers'."""
    one, other, n_bytes = code.args
    b = code.b
    lanes = ir.VectorType(I64, LINE // 8)
    word = ir.IntType(8 * code.size)
    whole = b.and_(n_bytes, code.whole(-LINE))
    with code.loop(whole, LINE, carried=[ir.Constant(lanes, [0] * lanes.count)]) as part:
        pair = [code.load(b.add(at, part.index), lanes) for at in (one, other)]
        part.next(b.or_(part.carried[0], b.xor(*pair)))
    with code.loop(b.sub(n_bytes, whole), code.size, carried=[ir.Constant(word, 0)]) as rest:
        pair = [code.load(code.sum(at, whole, rest.index), word) for at in (one, other)]
        rest.next(b.or_(rest.carried[0], b.xor(*pair)))
    total = rest.carried[0] if code.size == 8 else b.zext(rest.carried[0], I64)
    for lane in range(lanes.count):
        each = b.extract_element(part.carried[0], ir.Constant(ir.IntType(32), lane))
        total = b.or_(total, each)
    code.done(total)
