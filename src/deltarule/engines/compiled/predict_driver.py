"""The driver of a predictor, and its entry points; the plan is that of ``predict_layout.py``.

``run_one`` keeps the GIL: releasing and reacquiring it would take about as long as the prediction.
``run_rows`` releases the GIL.
"""

from __future__ import annotations

from deltarule.engines.compiled import predict_layout as f
from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    entry_point,
    flush_denormals,
    int64_pointer,
    odd_line_stride,
    stack_address,
)

__all__ = ["run_differs", "run_one", "run_rows", "run_sparse_rows"]


@driver_function
def _activate(plan, target, count, buffer):
    """Apply the output's activation to ``count`` elements; ``buffer`` pads a partial vector."""
    # Activation kernels take z, slopes or 0, columns, rows, stride in bytes, parameters; copy_out
    # takes source, its stride, target, rows, columns.
    rest = count % plan[f.LANES]
    full = count - rest
    call(plan[f.OUT_ACT], (target, 0, full, 1, 0, plan[f.OUT_PARAMETERS]))
    if rest > 0:
        end = target + full * plan[f.ITEM_SIZE]
        call(plan[f.COPY_OUT], (end, 0, buffer, 1, rest))
        call(plan[f.OUT_ACT], (buffer, 0, plan[f.LANES], 1, 0, plan[f.OUT_PARAMETERS]))
        call(plan[f.COPY_OUT], (buffer, 0, end, 1, rest))


@driver_function
def _forward(plan, x, columns, starts, n, target, work, work_bytes):
    """Write a^L of n ≤ ``ROWS`` rows; ``work`` has two arrays, which alternate layers use.

    If ``columns`` is not 0, x has the entries of sparse rows, and ``starts`` where rows begin.
    """
    size, lanes, n_out = plan[f.ITEM_SIZE], plan[f.LANES], plan[f.N_OUTPUTS]
    previous, previous_stride, vectors = x, plan[f.N_INPUTS] * size, 0
    z, other = work, work + work_bytes
    for layer in range(plan[f.LAYERS]):
        p = f.HEADER + layer * f.FIELDS
        vectors, stride = plan[p + f.N_VECTORS], plan[p + f.STRIDE]
        parameters = (plan[p + f.WEIGHT], plan[p + f.BIAS], plan[p + f.N_IN], n, vectors)
        if layer == 0 and columns != 0:
            call(plan[f.SPARSE_PACKED], (z, stride, x, columns, starts) + parameters)
        else:
            call(plan[f.PACKED], (z, stride, previous, previous_stride) + parameters)
        if plan[p + f.ACT] != 0:
            call(plan[p + f.ACT], (z, 0, vectors * lanes, n, stride, plan[p + f.PARAMETERS]))
        previous, previous_stride = z, stride
        z, other = other, z
    if plan[f.OUT_NON_ELEMENTWISE] != 0:
        # Transpose to feature-major, as in training: each SIMD lane holds one row.
        blocks = (n + lanes - 1) // lanes
        feature_stride = odd_line_stride(blocks) * 64
        call(plan[f.TRANSPOSE], (previous, previous_stride, z, feature_stride, blocks, vectors))
        columns = (z, n_out, feature_stride, blocks * lanes)
        call(plan[f.OUT_NON_ELEMENTWISE], columns + (plan[f.OUT_PARAMETERS],))
        call(plan[f.SCATTER], (z, feature_stride, target, n_out * size, n, n_out))
        return
    one_row = n == 1 and plan[f.OUT_ACT] != 0
    if one_row:
        call(plan[f.OUT_ACT], (previous, 0, vectors * lanes, 1, 0, plan[f.OUT_PARAMETERS]))
    call(plan[f.COPY_OUT], (previous, previous_stride, target, n, n_out))
    if plan[f.OUT_ACT] != 0 and not one_row:
        _activate(plan, target, n * n_out, z)


@driver_function
def _differs(plan, table):
    """Whether an array differs from its copy: n, then n times (address, address of copy, bytes)."""
    for i in range(table[0]):
        if call(plan[f.DIFFER], (table[1 + 3 * i], table[2 + 3 * i], table[3 + 3 * i])) != 0:
            return True
    return False


@entry_point
def run_one(plan_at, table_at, x, x_item, x_rows, x_width, out, out_item, out_rows, out_width):
    """Write a^L of one finite row, unless an array in ``table`` has changed since W was packed."""
    plan = int64_pointer(plan_at)
    if x_rows != 1 or x_width != plan[f.N_INPUTS] or out_rows * out_width != plan[f.N_OUTPUTS]:
        return f.WRONG_SHAPE
    if x_item != plan[f.ITEM_SIZE] or out_item != plan[f.ITEM_SIZE]:
        return f.WRONG_SHAPE
    if table_at != 0 and _differs(plan, int64_pointer(table_at)):
        return f.ARRAY_CHANGED
    if call(plan[f.ALL_FINITE], (x, plan[f.N_INPUTS])) == 0:
        return f.NOT_FINITE
    work_bytes = plan[f.WORK_BYTES]
    work = stack_address(2 * work_bytes)
    before = flush_denormals(plan[f.FLUSH])
    _forward(plan, x, 0, 0, 1, out, work, work_bytes)
    call(plan[f.FLUSH], (before,))
    return f.DONE


@entry_point
def run_rows(plan_at, x, rows, target, work, work_bytes):
    """Write a^L of all rows to the caller's array, ``ROWS`` rows at a time."""
    plan = int64_pointer(plan_at)
    before = flush_denormals(plan[f.FLUSH])
    x_stride, target_stride = (
        plan[f.N_INPUTS] * plan[f.ITEM_SIZE],
        plan[f.N_OUTPUTS] * plan[f.ITEM_SIZE],
    )
    start = 0
    while start < rows:
        n = min(f.ROWS, rows - start)
        out_address = target + start * target_stride
        _forward(plan, x + start * x_stride, 0, 0, n, out_address, work, work_bytes)
        start += n
    call(plan[f.FLUSH], (before,))


@entry_point
def run_sparse_rows(plan_at, values, columns, starts, rows, target, work, work_bytes):
    """Write a^L of sparse rows to the caller's array, ``ROWS`` rows at a time."""
    plan = int64_pointer(plan_at)
    before = flush_denormals(plan[f.FLUSH])
    target_stride = plan[f.N_OUTPUTS] * plan[f.ITEM_SIZE]
    start = 0
    while start < rows:
        n = min(f.ROWS, rows - start)
        out_address = target + start * target_stride
        _forward(plan, values, columns, starts + 8 * start, n, out_address, work, work_bytes)
        start += n
    call(plan[f.FLUSH], (before,))


@entry_point
def run_differs(plan_at, table_at):
    """Whether an array of the table differs from its copy."""
    return _differs(int64_pointer(plan_at), int64_pointer(table_at))
