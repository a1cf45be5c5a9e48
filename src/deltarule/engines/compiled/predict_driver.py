"""The driver of a predictor: its plan, smaller than a training plan, and its entry points.

A plan is not changed once it is made, and work arrays are on the caller's stack for one row and in
an array of the caller for several, so that any number of threads may use one plan.

``run_one`` keeps the interpreter's lock, since it takes about as long as releasing and acquiring
it; ``run_rows`` releases it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numba import types

from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    flush_denormals,
    integers,
    odd_lines,
    stack_address,
)

__all__ = ["run_differs", "run_one", "run_rows"]

# The plan: kernels; the output's activation (an elementwise kernel, or one that mixes outputs, the
# other being 0; both 0 for the identity); sizes, the last that of one of two work arrays for a row.
KERNELS = (
    "packed", "copy_out", "all_finite", "differ", "transpose", "scatter", "flush_denormals",
)  # fmt: skip
PACKED, COPY_OUT, ALL_FINITE, DIFFER, TRANSPOSE, SCATTER, FLUSH = range(7)
OUT_ACT, OUT_MIXING, LAYERS, LANES, SIZE, N_INPUTS, N_OUTPUTS, HALF = range(7, 15)
OUT_PARAMETERS, HEADER = 15, 16
# Then for each layer: inputs, vectors of outputs, the addresses of W and b, bytes between rows of
# z, and the addresses of the activation's kernel and parameters.
N_IN, VECTORS, WEIGHT, BIAS, STRIDE, ACT, PARAMETERS = range(7)
FIELDS = 7

# Rows computed together: the activations of so many rows stay in the second-level cache.
ROWS = 256
# The results of ``run_one``.
DONE, SHAPE, NOT_FINITE, CHANGED = 0, 1, 2, 3


@driver_function()
def _activate(plan, target, count, buffer):
    """Apply the output's activation to ``count`` numbers, a last partial vector in ``buffer``."""
    rest = count % plan[LANES]
    full = count - rest
    call(plan[OUT_ACT], (target, 0, full, 1, 0, plan[OUT_PARAMETERS]))
    if rest > 0:
        end = target + full * plan[SIZE]
        call(plan[COPY_OUT], (end, 0, buffer, 1, rest))
        call(plan[OUT_ACT], (buffer, 0, plan[LANES], 1, 0, plan[OUT_PARAMETERS]))
        call(plan[COPY_OUT], (buffer, 0, end, 1, rest))


@driver_function()
def _forward(plan, x, n, target, work, half):
    """Write a^L of n ≤ ``ROWS`` rows; the halves of ``work`` hold alternate layers."""
    size, lanes, n_out = plan[SIZE], plan[LANES], plan[N_OUTPUTS]
    below, below_stride, vectors = x, plan[N_INPUTS] * size, 0
    z, other = work, work + half
    for layer in range(plan[LAYERS]):
        p = HEADER + layer * FIELDS
        vectors, stride = plan[p + VECTORS], plan[p + STRIDE]
        rows = (z, stride, below, below_stride, plan[p + WEIGHT], plan[p + BIAS])
        call(plan[PACKED], rows + (plan[p + N_IN], n, vectors))
        if plan[p + ACT] != 0:
            call(plan[p + ACT], (z, 0, vectors * lanes, n, stride, plan[p + PARAMETERS]))
        below, below_stride = z, stride
        z, other = other, z
    if plan[OUT_MIXING] != 0:
        # Transpose to feature-major, as in training: a lane is a row.
        blocks = (n + lanes - 1) // lanes
        across = odd_lines(blocks) * 64
        call(plan[TRANSPOSE], (below, below_stride, z, across, blocks, vectors))
        call(plan[OUT_MIXING], (z, n_out, across, blocks * lanes, plan[OUT_PARAMETERS]))
        call(plan[SCATTER], (z, across, target, n_out * size, n, n_out))
        return
    one_row = n == 1 and plan[OUT_ACT] != 0
    if one_row:
        call(plan[OUT_ACT], (below, 0, vectors * lanes, 1, 0, plan[OUT_PARAMETERS]))
    call(plan[COPY_OUT], (below, below_stride, target, n, n_out))
    if plan[OUT_ACT] != 0 and not one_row:
        _activate(plan, target, n * n_out, z)


@driver_function()
def _differs(plan, table):
    """Whether arrays differ from their copies: a count, then (address, address of copy, bytes)."""
    for i in range(table[0]):
        if call(plan[DIFFER], (table[1 + 3 * i], table[2 + 3 * i], table[3 + 3 * i])) != 0:
            return True
    return False


def _one_row_types() -> Iterator[Any]:
    """Types of one row, as a vector or a matrix; read-only types accept writable arrays too."""
    for real in (types.float32, types.float64):
        for ndim in (1, 2):
            row = types.Array(real, ndim, "C", readonly=True)
            yield types.int64(types.int64, types.int64, row, types.Array(real, ndim, "C"))


@driver_function(*_one_row_types(), nogil=False)
def run_one(plan_at, table_at, x, out):
    """Write a^L of one finite row, unless an array of the table (0: no table) has changed."""
    plan = integers(plan_at)
    if x.shape[-1] != plan[N_INPUTS] or x.size != plan[N_INPUTS] or out.size != plan[N_OUTPUTS]:
        return SHAPE
    if table_at != 0 and _differs(plan, integers(table_at)):
        return CHANGED
    if call(plan[ALL_FINITE], (x.ctypes.data, plan[N_INPUTS])) == 0:
        return NOT_FINITE
    half = plan[HALF]
    work = stack_address(2 * half)
    before = flush_denormals(plan[FLUSH])
    _forward(plan, x.ctypes.data, 1, out.ctypes.data, work, half)
    call(plan[FLUSH], (before,))
    return DONE


@driver_function("void(int64, int64, int64, int64, int64, int64)")
def run_rows(plan_at, x, rows, target, work, half):
    """Write a^L of all rows to the caller's array, ``ROWS`` rows at a time."""
    plan = integers(plan_at)
    before = flush_denormals(plan[FLUSH])
    x_stride, target_stride = plan[N_INPUTS] * plan[SIZE], plan[N_OUTPUTS] * plan[SIZE]
    start = 0
    while start < rows:
        n = min(ROWS, rows - start)
        rows_at = target + start * target_stride
        _forward(plan, x + start * x_stride, n, rows_at, work, half)
        start += n
    call(plan[FLUSH], (before,))


@driver_function("boolean(int64, int64)", nogil=False)
def run_differs(plan_at, table_at):
    """Whether an array of the table differs from its copy."""
    return _differs(integers(plan_at), integers(table_at))
