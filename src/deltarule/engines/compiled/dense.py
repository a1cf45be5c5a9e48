"""The products of one fully connected layer, cut so that operands stay in the cache."""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.jit import call, driver_function, integers

__all__ = [
    "layer_backward",
    "layer_forward",
    "layer_gradient",
    "layer_inputs",
    "layer_sample",
    "stop_requested",
]

# The most bytes of the operand that a product reads repeatedly. Small processors have 512 KB of
# second-level cache for each core.
_CACHE_BYTES = 3 << 17
# In rows of W of so many bytes, consecutive entries of a column are in different memory pages; the
# columns of a tile are then copied once for all rows of the batch.
_LONG_ROW = 1024


@driver_function()
def stop_requested(plan):
    """Whether a stop is requested; if so, records that work is skipped, and the step is not taken.

    The record is made before the worker reaches a barrier, so that all workers see it after that.
    """
    barrier = integers(plan[f.BARRIER])
    if barrier[f.STOP_REQUESTED] == 0:
        return False
    barrier[f.WORK_SKIPPED] = 1
    return True


@driver_function()
def cache_block(total, bytes_of_one):
    """How many of ``total`` items to take at a time, so that they fit the cache."""
    blocks = max((total * bytes_of_one + _CACHE_BYTES - 1) // _CACHE_BYTES, 1)
    return (total + blocks - 1) // blocks


@driver_function()
def _input_columns(plan, p):
    """The address of the layer's inputs, feature-major."""
    return plan[f.X_COLUMNS] if p == f.HEADER else plan[p - f.FIELDS + f.OUT]


@driver_function()
def layer_forward(plan, p, theta, stride, first, vectors):
    """Z = W A + b (F3) for ``vectors`` vectors of rows from vector ``first`` on."""
    if stop_requested(plan):
        return
    n_in, n_out = plan[p + f.N_IN], plan[p + f.N_OUT]
    lanes, across = vectors * plan[f.LANES], first * 64
    z, below = plan[p + f.OUT] + across, _input_columns(plan, p) + across
    weight, row = theta + plan[p + f.WEIGHT], n_in * plan[f.SIZE]
    bias = theta + plan[p + f.BIAS] if plan[p + f.BIAS] >= 0 else plan[f.ZEROS]
    length = cache_block(n_in, vectors * 64)
    kernel, k = plan[f.FORWARD], 0
    while k < n_in:
        m = min(length, n_in - k)
        source = below + k * stride
        call(
            kernel,
            (z, stride, weight + k * plan[f.SIZE], row, source, stride, m, bias, n_out, lanes, 0),
        )
        kernel, k = plan[f.FORWARD_ADD], k + m


@driver_function()
def layer_backward(plan, p, theta, stride, first, vectors):
    """δ of the layer below, (Wᵀ δ) ⊙ g′ (F13), written over g′, for the same vectors of rows."""
    if stop_requested(plan):
        return
    n_in, n_out = plan[p + f.N_IN], plan[p + f.N_OUT]
    q = p - f.FIELDS
    lanes, across = vectors * plan[f.LANES], first * 64
    target, delta = plan[q + f.SLOPE] + across, plan[p + f.SLOPE] + across
    weight, row = theta + plan[p + f.WEIGHT], n_in * plan[f.SIZE]
    buffer = plan[f.PACK_BUFFER] if vectors >= 4 and row >= _LONG_ROW else 0
    length = cache_block(n_out, vectors * 64)
    if length == n_out:
        call(
            plan[f.BACKWARD],
            (target, stride, weight, row, delta, stride, n_out, 0, n_in, lanes, buffer),
        )
        return
    # a of the layer below is no longer needed; its memory holds the partial sums.
    partial = plan[q + f.OUT] + across
    kernel, j = plan[f.BACKWARD_FIRST], 0
    while j < n_out:
        m = min(length, n_out - j)
        result = partial
        if j + m == n_out:
            kernel, result = plan[f.BACKWARD_LAST], target
        source = delta + j * stride
        rows = (result, stride, weight + j * row, row, source, stride)
        call(kernel, rows + (m, partial, n_in, lanes, buffer))
        kernel, j = plan[f.BACKWARD_ADD], j + m


@driver_function()
def layer_gradient(plan, p, stride, n_rows, more, start, stop):
    """∂C/∂W = δᵀ A and ∂C/∂b = Σ δ (F14) for nodes ``start`` to ``stop``; added if ``more``."""
    if stop_requested(plan):
        return
    n_in, size = plan[p + f.N_IN], plan[f.SIZE]
    if p == f.HEADER:
        rows, rows_stride = plan[f.X_ROWS], plan[f.X_ROW_STRIDE]
    else:
        rows, rows_stride = plan[p - f.FIELDS + f.OUT_ROWS], plan[p - f.FIELDS + f.ROW_STRIDE]
    delta, row = plan[p + f.SLOPE] + start * stride, n_in * size
    target = plan[f.GRAD] + plan[p + f.WEIGHT] + start * row
    kernel = plan[f.WEIGHTS_ADD] if more else plan[f.WEIGHTS]
    pair = 2 * plan[f.LANES]
    width = (cache_block(n_in, n_rows * size) + pair - 1) // pair * pair
    k = 0
    while k < n_in:
        m = min(width, n_in - k)
        tile = (target + k * size, row, delta, stride, rows + k * size, rows_stride)
        call(kernel, tile + (n_rows, 0, stop - start, m, 0))
        k += m
    if plan[p + f.BIAS] >= 0:
        bias = plan[f.GRAD] + plan[p + f.BIAS] + start * size
        call(plan[f.ROW_SUMS], (delta, stride, n_rows, stop - start, bias, more))


@driver_function()
def layer_inputs(plan, p, theta, stride, vectors):
    """∂C/∂x = Wᵀ δ of the first layer, written over the columns of X."""
    n_in, n_out, row = plan[p + f.N_IN], plan[p + f.N_OUT], plan[p + f.N_IN] * plan[f.SIZE]
    weight, delta, lanes = theta + plan[p + f.WEIGHT], plan[p + f.SLOPE], vectors * plan[f.LANES]
    columns = (plan[f.X_COLUMNS], stride, weight, row, delta, stride)
    call(plan[f.BACKWARD_FIRST], columns + (n_out, 0, n_in, lanes, 0))


@driver_function()
def layer_sample(plan, p, stride, sample, target):
    """∂C_i/∂W and ∂C_i/∂b of one row, written to ``target`` at their offsets in θ."""
    n_in, n_out, size = plan[p + f.N_IN], plan[p + f.N_OUT], plan[f.SIZE]
    if p == f.HEADER:
        rows = plan[f.X_ROWS] + sample * plan[f.X_ROW_STRIDE]
    else:
        rows = plan[p - f.FIELDS + f.OUT_ROWS] + sample * plan[p - f.FIELDS + f.ROW_STRIDE]
    delta, weights = plan[p + f.SLOPE] + sample * size, target + plan[p + f.WEIGHT]
    call(plan[f.WEIGHTS], (weights, n_in * size, delta, stride, rows, 0, 1, 0, n_out, n_in, 0))
    if plan[p + f.BIAS] >= 0:
        call(plan[f.ROW_SUMS], (delta, stride, 1, n_out, target + plan[p + f.BIAS], 0))
