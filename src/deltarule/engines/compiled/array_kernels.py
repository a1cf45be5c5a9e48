"""Kernels for arrays of the caller, which have any length and no padding."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder

__all__ = ["copy_bytes", "write_array_kernels"]


def write_array_kernels(module: Any, dtype: Any) -> None:
    """Write ``copy_out``, ``all_finite`` and ``differ``."""
    _copy_out(KernelBuilder(module, "copy_out", 5, dtype))
    _all_finite(KernelBuilder(module, "all_finite", 2, dtype))
    _differ(KernelBuilder(module, "differ", 3, dtype))


def copy_bytes(code: KernelBuilder, source: Any, target: Any, n_bytes: Any) -> None:
    """Copy numbers: whole vectors, then those after the last one by one."""
    full = code.b.and_(n_bytes, code.int64(-LINE))
    with code.loop(full, LINE) as part:
        code.store(code.load(code.sum(source, part.index)), code.sum(target, part.index))
    with code.loop(code.b.sub(n_bytes, full), code.size) as one:
        value = code.load(code.sum(source, full, one.index), code.real)
        code.store(value, code.sum(target, full, one.index))


def _copy_out(code: KernelBuilder) -> None:
    """``copy_out(source, stride, target, n_rows, width)``: copy rows into a contiguous array."""
    source, stride, target, n_rows, width = code.args
    n_bytes = code.b.mul(width, code.int64(code.size))
    with code.loop(n_rows) as row:
        source_row = code.sum(source, (row.index, stride))
        copy_bytes(code, source_row, code.sum(target, (row.index, n_bytes)), n_bytes)
    code.ret()


def _all_finite(code: KernelBuilder) -> None:
    """``all_finite(x, count)``: 1 if every number is finite, else 0, by whether Σ 0 · x_i is 0."""
    x, count = code.args
    b = code.b
    n_bytes = b.mul(count, code.int64(code.size))
    full = b.and_(n_bytes, code.int64(-LINE))
    with code.loop(full, LINE, carried=[code.zeros]) as part:
        value = code.load(b.add(x, part.index))
        part.next(code.multiply_add(value, code.zeros, part.carried[0]))
    zero = code.constant(code.real, 0.0)
    with code.loop(b.sub(n_bytes, full), code.size, carried=[zero]) as one:
        value = code.load(code.sum(x, full, one.index), code.real)
        one.next(b.fadd(one.carried[0], b.fmul(value, zero)))
    total = one.carried[0]
    for lane in code.lanes_of(part.carried[0]):
        total = b.fadd(total, lane)
    code.ret(b.zext(b.fcmp_ordered("==", total, zero), I64))


def _differ(code: KernelBuilder) -> None:
    """``differ(one, other, n_bytes)``: 0 if two arrays of n_bytes are equal bit for bit."""
    one, other, n_bytes = code.args
    b = code.b
    lanes = ir.VectorType(I64, LINE // 8)
    word = ir.IntType(8 * code.size)
    full = b.and_(n_bytes, code.int64(-LINE))
    with code.loop(full, LINE, carried=[ir.Constant(lanes, [0] * lanes.count)]) as part:
        pair = [code.load(b.add(at, part.index), lanes) for at in (one, other)]
        part.next(b.or_(part.carried[0], b.xor(*pair)))
    with code.loop(b.sub(n_bytes, full), code.size, carried=[ir.Constant(word, 0)]) as rest:
        pair = [code.load(code.sum(at, full, rest.index), word) for at in (one, other)]
        rest.next(b.or_(rest.carried[0], b.xor(*pair)))
    total = rest.carried[0] if code.size == 8 else b.zext(rest.carried[0], I64)
    for lane in code.lanes_of(part.carried[0]):
        total = b.or_(total, lane)
    code.ret(total)
