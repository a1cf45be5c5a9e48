"""Kernels for the products of layer 1 with sparse rows.

W has an input's weights a whole row apart. So the weights of one SIMD vector of nodes (a *panel*)
are transposed for a block of columns, to ``panel[k, nodes]``, which stays in the second-level
cache. An entry x[i, k] then takes one multiply-add of a vector:

    sums[i, nodes] += panel[k, nodes] x[i, k]         (forward)
    panel[k, nodes] += δ[i, nodes] x[i, k]            (dW)

The terms of a sum come in the order of the dense product (``gemm_tiles.py``), and a term that is
left out is 0, so that the sums have the same bits as with dense rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.gemm_tiles import first_lanes, masked_load, masked_store
from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder, Loop
from deltarule.engines.compiled.row_kernels import exchange

__all__ = ["write_sparse_kernels"]

_COLUMN = ir.IntType(32)


def write_sparse_kernels(module: Any, dtype: Any) -> None:
    """Write all kernels of this module."""
    _panel_start(KernelBuilder(module, "panel_start", 8, dtype))
    _panel_columns(KernelBuilder(module, "panel_columns", 5, dtype))
    _panel_rows(KernelBuilder(module, "panel_rows", 5, dtype))
    _sparse_forward(KernelBuilder(module, "sparse_forward", 9, dtype))
    _sparse_weights(KernelBuilder(module, "sparse_weights", 9, dtype))


def _panel_start(code: KernelBuilder) -> None:
    """``panel_start(sums, bias, present, starts, positions, n_rows, cursors, ends)``.

    Write where the entries of every row begin and end; and, unless ``bias`` is 0, set its sums to
    the biases of ``present`` nodes.
    """
    sums, bias, present, starts, positions, n_rows, cursors, ends = code.args
    b, eight = code.b, code.int64(8)
    given = b.icmp_signed("!=", bias, code.int64(0))
    with code.loop(n_rows) as row:
        position = code.load(code.sum(positions, (row.index, eight)), I64, 8)
        at = code.sum(starts, (position, eight))
        code.store(code.load(at, I64, 8), code.sum(cursors, (row.index, eight)), 8)
        end = code.load(b.add(at, eight), I64, 8)
        code.store(end, code.sum(ends, (row.index, eight)), 8)
        with b.if_then(given):
            begin = masked_load(code, bias, first_lanes(code, present))
            code.store(begin, code.sum(sums, (row.index, code.int64(LINE))))
    code.ret()


def _panel_columns(code: KernelBuilder) -> None:
    """``panel_columns(source, stride, n_rows, panel, n_columns)``: transpose rows to a panel.

    There are at most as many rows as lanes; the other lanes repeat the last row. Whole vectors of
    columns are written.
    """
    source, stride, n_rows, panel, n_columns = code.args
    b, lanes = code.b, code.lanes
    last = b.sub(n_rows, code.int64(1))
    rows = []
    for r in range(lanes):
        inside = b.icmp_signed("<", code.int64(r), n_rows)
        rows.append(code.sum(source, (b.select(inside, code.int64(r), last), stride)))
    full = b.udiv(n_columns, code.int64(lanes))
    rest = b.urem(n_columns, code.int64(lanes))

    def transpose(block: Any, mask: Any) -> None:
        offset = b.mul(block, code.int64(LINE))
        places = [b.add(row, offset) for row in rows]
        loaded = [
            code.load(place) if mask is None else masked_load(code, place, mask) for place in places
        ]
        target = code.sum(panel, (block, code.int64(lanes * LINE)))
        for r, column in enumerate(exchange(code, loaded, add=False)):
            code.store(column, b.add(target, code.int64(r * LINE)))

    with code.loop(full) as block:
        transpose(block.index, None)
    with b.if_then(b.icmp_signed(">", rest, code.int64(0))):
        transpose(full, first_lanes(code, rest))
    code.ret()


def _panel_rows(code: KernelBuilder) -> None:
    """``panel_rows(target, stride, n_rows, panel, n_columns)``: a panel, back to rows.

    Nothing after the last row and the last column is written.
    """
    target, stride, n_rows, panel, n_columns = code.args
    b, lanes = code.b, code.lanes
    full = b.udiv(n_columns, code.int64(lanes))
    rest = b.urem(n_columns, code.int64(lanes))

    def transposed(block: Any) -> list[Any]:
        source = code.sum(panel, (block, code.int64(lanes * LINE)))
        loaded = [code.load(b.add(source, code.int64(r * LINE))) for r in range(lanes)]
        return exchange(code, loaded, add=False)

    def place(r: int, block: Any) -> Any:
        return code.sum(target, (code.int64(r), stride), (block, code.int64(LINE)))

    with b.if_else(b.icmp_signed("==", n_rows, code.int64(lanes))) as (all_rows, some):
        with all_rows, code.loop(full) as block:
            for r, row in enumerate(transposed(block.index)):
                code.store(row, place(r, block.index))
        with some, code.loop(full) as block:
            for r, row in enumerate(transposed(block.index)):
                with b.if_then(b.icmp_signed("<", code.int64(r), n_rows)):
                    code.store(row, place(r, block.index))
    with b.if_then(b.icmp_signed(">", rest, code.int64(0))):
        mask = first_lanes(code, rest)
        for r, row in enumerate(transposed(full)):
            with b.if_then(b.icmp_signed("<", code.int64(r), n_rows)):
                masked_store(code, row, place(r, full), mask)
    code.ret()


@contextlib.contextmanager
def _entries(
    code: KernelBuilder, columns: Any, first: Any, stop: Any, end: Any, carried: list[Any]
) -> Iterator[tuple[Loop, Any]]:
    """The entries from ``first`` on, before ``stop``, with columns below ``end``: loop, column.

    Afterwards the loop's index is the entry at which it ended.
    """
    b, function = code.b, code.function
    before = b.block
    head, test, body, after = (function.append_basic_block() for _ in range(4))
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(I64)
    index.add_incoming(first, before)
    phis = []
    for value in carried:
        phi = b.phi(value.type)
        phi.add_incoming(value, before)
        phis.append(phi)
    b.cbranch(b.icmp_signed("<", index, stop), test, after)
    b.position_at_end(test)
    column = code.load(code.sum(columns, (index, code.int64(4))), _COLUMN, 4)
    column = b.sext(column, I64)
    b.cbranch(b.icmp_signed("<", column, end), body, after)
    b.position_at_end(body)
    loop = Loop(index, phis)
    yield loop, column
    last = b.block
    index.add_incoming(b.add(index, code.int64(1)), last)
    for phi, value in zip(phis, loop.following, strict=True):
        phi.add_incoming(value, last)
    b.branch(head)
    b.position_at_end(after)


def _rest_of_row(code: KernelBuilder, cursors: Any, ends: Any, row: Loop) -> tuple[Any, Any, Any]:
    """The place of a row's cursor, the entry at which it is, and the end of the row's entries."""
    eight = code.int64(8)
    cursor = code.sum(cursors, (row.index, eight))
    return cursor, code.load(cursor, I64, 8), code.load(code.sum(ends, (row.index, eight)), I64, 8)


def _sparse_forward(code: KernelBuilder) -> None:
    """``sparse_forward(sums, panel, values, columns, ends, cursors, n_rows, first, end)``.

    Add the entries with columns from ``first`` to ``end`` − 1 to the sums of each row; ``ends``
    has the end of each row's entries. The cursors move on to the entries after them.
    """
    sums, panel, values, columns, ends, cursors, n_rows, first, end = code.args
    b, size = code.b, code.int64(code.size)
    panel = b.sub(panel, b.mul(first, code.int64(LINE)))
    with code.loop(n_rows) as row:
        cursor, start, stop = _rest_of_row(code, cursors, ends, row)
        place = code.sum(sums, (row.index, code.int64(LINE)))
        with _entries(code, columns, start, stop, end, [code.load(place)]) as (loop, column):
            weights = code.load(code.sum(panel, (column, code.int64(LINE))))
            x = code.load_splat(code.sum(values, (loop.index, size)))
            loop.next(code.multiply_add(x, weights, loop.carried[0]))
        code.store(loop.carried[0], place)
        code.store(loop.index, cursor, 8)
    code.ret()


def _sparse_weights(code: KernelBuilder) -> None:
    """``sparse_weights(deltas, panel, values, columns, ends, cursors, n_rows, first, end)``.

    Add δ x of each row's entries with columns from ``first`` to ``end`` − 1 to the panel of dW.
    """
    deltas, panel, values, columns, ends, cursors, n_rows, first, end = code.args
    b, size = code.b, code.int64(code.size)
    panel = b.sub(panel, b.mul(first, code.int64(LINE)))
    with code.loop(n_rows) as row:
        cursor, start, stop = _rest_of_row(code, cursors, ends, row)
        delta = code.load(code.sum(deltas, (row.index, code.int64(LINE))))
        with _entries(code, columns, start, stop, end, []) as (loop, column):
            place = code.sum(panel, (column, code.int64(LINE)))
            x = code.load_splat(code.sum(values, (loop.index, size)))
            code.store(code.multiply_add(x, delta, code.load(place)), place)
        code.store(loop.index, cursor, 8)
    code.ret()
