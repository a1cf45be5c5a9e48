"""The driver of a predictor: its plan, smaller than a training plan, and its entry points.

A *plan* is an int64 array of addresses, strides in bytes and sizes. It is never changed, and work
arrays are on the stack (one row) or passed by the caller (several rows), so that any number of
threads may use one plan. ``run_one`` keeps the GIL: releasing and reacquiring it would take about
as long as the prediction. ``run_rows`` releases the GIL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numba import types

from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    flush_denormals,
    int64_pointer,
    odd_line_stride,
    stack_address,
)

__all__ = ["run_differs", "run_one", "run_rows"]

# The plan's fields. First the addresses of kernels:
KERNELS = (
    "packed", "copy_out", "all_finite", "differ", "transpose", "scatter", "flush_denormals",
)  # fmt: skip
PACKED, COPY_OUT, ALL_FINITE, DIFFER, TRANSPOSE, SCATTER, FLUSH = range(7)
# The kernel of the output's activation if elementwise, or if not (softmax); both 0: identity. Then
# layers, elements of a SIMD vector, bytes of an element, inputs, outputs, bytes of a work array.
OUT_ACT, OUT_NON_ELEMENTWISE, LAYERS, LANES, ITEM_SIZE = range(7, 12)
N_INPUTS, N_OUTPUTS, WORK_BYTES = range(12, 15)
OUT_PARAMETERS, HEADER = 15, 16
# Then for each layer: inputs, SIMD vectors of outputs, the addresses of W and b, the stride of z in
# bytes, and the addresses of the activation's kernel and parameters.
N_IN, N_VECTORS, WEIGHT, BIAS, STRIDE, ACT, PARAMETERS = range(7)
FIELDS = 7

# Rows computed together: the activations of 256 rows stay in the second-level cache.
ROWS = 256
# The return codes of ``run_one``.
DONE, WRONG_SHAPE, NOT_FINITE, ARRAY_CHANGED = 0, 1, 2, 3


@driver_function()
def _activate(plan, target, count, buffer):
    """Apply the output's activation to ``count`` elements; ``buffer`` pads a partial vector."""
    # Activation kernels take z, slopes or 0, columns, rows, stride in bytes, parameters; copy_out
    # takes source, its stride, target, rows, columns.
    rest = count % plan[LANES]
    full = count - rest
    call(plan[OUT_ACT], (target, 0, full, 1, 0, plan[OUT_PARAMETERS]))
    if rest > 0:
        end = target + full * plan[ITEM_SIZE]
        call(plan[COPY_OUT], (end, 0, buffer, 1, rest))
        call(plan[OUT_ACT], (buffer, 0, plan[LANES], 1, 0, plan[OUT_PARAMETERS]))
        call(plan[COPY_OUT], (buffer, 0, end, 1, rest))


@driver_function()
def _forward(plan, x, n, target, work, work_bytes):
    """Write a^L of n ≤ ``ROWS`` rows; ``work`` has two arrays, which alternate layers use."""
    size, lanes, n_out = plan[ITEM_SIZE], plan[LANES], plan[N_OUTPUTS]
    previous, previous_stride, vectors = x, plan[N_INPUTS] * size, 0
    z, other = work, work + work_bytes
    for layer in range(plan[LAYERS]):
        p = HEADER + layer * FIELDS
        vectors, stride = plan[p + N_VECTORS], plan[p + STRIDE]
        gemm_arguments = (z, stride, previous, previous_stride, plan[p + WEIGHT], plan[p + BIAS])
        call(plan[PACKED], gemm_arguments + (plan[p + N_IN], n, vectors))
        if plan[p + ACT] != 0:
            call(plan[p + ACT], (z, 0, vectors * lanes, n, stride, plan[p + PARAMETERS]))
        previous, previous_stride = z, stride
        z, other = other, z
    if plan[OUT_NON_ELEMENTWISE] != 0:
        # Transpose to feature-major, as in training: each SIMD lane holds one row.
        blocks = (n + lanes - 1) // lanes
        feature_stride = odd_line_stride(blocks) * 64
        call(plan[TRANSPOSE], (previous, previous_stride, z, feature_stride, blocks, vectors))
        columns = (z, n_out, feature_stride, blocks * lanes)
        call(plan[OUT_NON_ELEMENTWISE], columns + (plan[OUT_PARAMETERS],))
        call(plan[SCATTER], (z, feature_stride, target, n_out * size, n, n_out))
        return
    one_row = n == 1 and plan[OUT_ACT] != 0
    if one_row:
        call(plan[OUT_ACT], (previous, 0, vectors * lanes, 1, 0, plan[OUT_PARAMETERS]))
    call(plan[COPY_OUT], (previous, previous_stride, target, n, n_out))
    if plan[OUT_ACT] != 0 and not one_row:
        _activate(plan, target, n * n_out, z)


@driver_function()
def _differs(plan, table):
    """Whether an array differs from its copy: n, then n times (address, address of copy, bytes)."""
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
    """Write a^L of one finite row, unless an array in ``table`` has changed since W was packed."""
    plan = int64_pointer(plan_at)
    if x.shape[-1] != plan[N_INPUTS] or x.size != plan[N_INPUTS] or out.size != plan[N_OUTPUTS]:
        return WRONG_SHAPE
    if table_at != 0 and _differs(plan, int64_pointer(table_at)):
        return ARRAY_CHANGED
    if call(plan[ALL_FINITE], (x.ctypes.data, plan[N_INPUTS])) == 0:
        return NOT_FINITE
    work_bytes = plan[WORK_BYTES]
    work = stack_address(2 * work_bytes)
    before = flush_denormals(plan[FLUSH])
    _forward(plan, x.ctypes.data, 1, out.ctypes.data, work, work_bytes)
    call(plan[FLUSH], (before,))
    return DONE


@driver_function("void(int64, int64, int64, int64, int64, int64)")
def run_rows(plan_at, x, rows, target, work, work_bytes):
    """Write a^L of all rows to the caller's array, ``ROWS`` rows at a time."""
    plan = int64_pointer(plan_at)
    before = flush_denormals(plan[FLUSH])
    x_stride, target_stride = plan[N_INPUTS] * plan[ITEM_SIZE], plan[N_OUTPUTS] * plan[ITEM_SIZE]
    start = 0
    while start < rows:
        n = min(ROWS, rows - start)
        out_address = target + start * target_stride
        _forward(plan, x + start * x_stride, n, out_address, work, work_bytes)
        start += n
    call(plan[FLUSH], (before,))


@driver_function("boolean(int64, int64)", nogil=False)
def run_differs(plan_at, table_at):
    """Whether an array of the table differs from its copy."""
    return _differs(int64_pointer(plan_at), int64_pointer(table_at))
