"""The products of layer 1 with sparse rows, by the kernels of ``sparse_kernels.py``.

``f`` names the fields of the plan. Both products are divided among workers by nodes; each worker
reads all rows of the batch.
"""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.dense import stop_requested
from deltarule.engines.compiled.jit import call, driver_function, vector_count

__all__ = ["sparse_forward", "sparse_gradient"]


@driver_function
def _panel_width(plan, n_in):
    """The columns of a panel: those of layer 1 in equal parts, in whole vectors."""
    blocks = (n_in + f.PANEL_WIDTH - 1) // f.PANEL_WIDTH
    return vector_count((n_in + blocks - 1) // blocks, plan[f.LANES]) * plan[f.LANES]


@driver_function
def _start_rows(plan, bias, present, n_rows):
    """Set every row to its first entry, and its sums to the biases unless the address is 0."""
    rows = (plan[f.ROW_STARTS], plan[f.SELECTED] + 8, n_rows)
    out = (plan[f.CURSORS], plan[f.ROW_ENDS])
    call(plan[f.PANEL_START], (plan[f.PANEL_SUMS], bias, present) + rows + out)


@driver_function
def _use_entries(plan, kernel, n_rows, first, end):
    """Call a kernel with the entries of all rows in columns ``first`` … ``end`` − 1."""
    entries = (plan[f.VALUES], plan[f.COLUMNS], plan[f.ROW_ENDS], plan[f.CURSORS])
    call(kernel, (plan[f.PANEL_SUMS], plan[f.PANEL]) + entries + (n_rows, first, end))


@driver_function
def sparse_forward(plan, theta, stride, n_rows, start, stop):
    """Z = W A + b (F3) of the nodes ``start`` … ``stop`` − 1 of layer 1, for all rows."""
    layer_at, lanes, size = f.HEADER, plan[f.LANES], plan[f.ITEM_SIZE]
    n_in = plan[layer_at + f.N_IN]
    row_bytes, width = n_in * size, _panel_width(plan, n_in)
    weight = theta + plan[layer_at + f.WEIGHT]
    has_bias = plan[layer_at + f.BIAS] >= 0
    for node in range(start, stop, lanes):
        if stop_requested(plan):
            return
        present = min(lanes, stop - node)
        bias = theta + plan[layer_at + f.BIAS] + node * size if has_bias else plan[f.ZEROS]
        _start_rows(plan, bias, present, n_rows)
        k = 0
        while k < n_in:
            m = min(width, n_in - k)
            source = weight + node * row_bytes + k * size
            call(plan[f.PANEL_COLUMNS], (source, row_bytes, present, plan[f.PANEL], m))
            _use_entries(plan, plan[f.SPARSE_FORWARD], n_rows, k, k + m)
            k += m
        z, vectors = plan[layer_at + f.OUT] + node * stride, vector_count(n_rows, lanes)
        call(plan[f.TRANSPOSE], (plan[f.PANEL_SUMS], f.VECTOR_BYTES, z, stride, vectors, 1))


@driver_function
def sparse_gradient(plan, stride, n_rows, accumulate, start, stop):
    """∂C/∂W = δᵀ A and ∂C/∂b = Σ δ (F14) of nodes ``start`` … ``stop`` − 1 of layer 1; or add."""
    layer_at, lanes, size = f.HEADER, plan[f.LANES], plan[f.ITEM_SIZE]
    n_in = plan[layer_at + f.N_IN]
    row_bytes, width = n_in * size, _panel_width(plan, n_in)
    weight = plan[f.GRAD] + plan[layer_at + f.WEIGHT]
    if plan[layer_at + f.BIAS] >= 0 and not stop_requested(plan):
        bias = plan[f.GRAD] + plan[layer_at + f.BIAS] + start * size
        delta = plan[layer_at + f.DELTA] + start * stride
        call(plan[f.ROW_SUMS], (delta, stride, n_rows, stop - start, bias, accumulate))
    for node in range(start, stop, lanes):
        if stop_requested(plan):
            return
        present = min(lanes, stop - node)
        delta, vectors = plan[layer_at + f.DELTA] + node * stride, vector_count(n_rows, lanes)
        call(plan[f.TRANSPOSE], (delta, stride, plan[f.PANEL_SUMS], f.VECTOR_BYTES, 1, vectors))
        _start_rows(plan, 0, present, n_rows)
        k = 0
        while k < n_in:
            m = min(width, n_in - k)
            target = weight + node * row_bytes + k * size
            if accumulate:
                call(plan[f.PANEL_COLUMNS], (target, row_bytes, present, plan[f.PANEL], m))
            else:
                call(plan[f.CLEAR], (plan[f.PANEL], m * lanes))
            _use_entries(plan, plan[f.SPARSE_WEIGHTS], n_rows, k, k + m)
            call(plan[f.PANEL_ROWS], (target, row_bytes, present, plan[f.PANEL], m))
            k += m
