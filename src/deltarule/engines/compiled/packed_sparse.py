"""The product of a predictor's layer 1 with sparse rows, by the packed W of ``packed_gemm.py``.

A panel of W holds the weights from one input to two vectors of outputs side by side, so that an
entry x[i, k] of a row takes one multiply-add of each:

    z[i, outputs] = b[outputs] + Σ_k x[i, k] · w[k, outputs]

The terms come in the order of the dense product, and a term that is left out is 0, so that the
sums have the bits of dense rows.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder
from deltarule.engines.compiled.packed_gemm import PANEL

__all__ = ["write_sparse_packed"]

_COLUMN = ir.IntType(32)


def write_sparse_packed(module: Any, dtype: Any) -> None:
    """``sparse_packed(z, z_stride, values, columns, starts, w, bias, n_in, n_rows, vectors)``.

    ``starts`` has where the entries of each row begin, and where those of the last one end. A row
    of z has ``vectors`` whole vectors, as in ``packed``.
    """
    code = KernelBuilder(module, "sparse_packed", 10, dtype)
    z, z_stride, values, columns, starts, w, bias, n_in, n_rows, vectors = code.args
    b, eight = code.b, code.int64(8)

    def multiply_rows(n: int, panel: Any) -> None:
        """All rows times one panel of n vectors."""
        offset = b.mul(panel, code.int64(PANEL * LINE))
        weights = code.sum(w, (panel, b.mul(n_in, code.int64(PANEL * LINE))))
        begin = [code.load(code.sum(bias, offset, code.int64(i * LINE))) for i in range(n)]
        with code.loop(n_rows) as row:
            place = code.sum(starts, (row.index, eight))
            first = code.load(place, I64, 8)
            count = b.sub(code.load(b.add(place, eight), I64, 8), first)
            column_at = code.sum(columns, (first, code.int64(4)))
            value_at = code.sum(values, (first, code.int64(code.size)))
            with code.loop(count, carried=begin) as entry:
                column = code.load(code.sum(column_at, (entry.index, code.int64(4))), _COLUMN, 4)
                at = code.sum(weights, (b.sext(column, I64), code.int64(n * LINE)))
                x = code.load_splat(code.sum(value_at, (entry.index, code.int64(code.size))))
                entry.next(
                    *(
                        code.multiply_add(x, code.load(b.add(at, code.int64(i * LINE))), total)
                        for i, total in enumerate(entry.carried)
                    )
                )
            target = code.sum(z, (row.index, z_stride), offset)
            for i, total in enumerate(entry.carried):
                code.store(total, b.add(target, code.int64(i * LINE)))

    full = b.udiv(vectors, code.int64(PANEL))
    with code.loop(full) as panel:
        multiply_rows(PANEL, panel.index)
    with b.if_then(b.icmp_signed(">", b.urem(vectors, code.int64(PANEL)), code.int64(0))):
        multiply_rows(1, full)
    code.ret()
