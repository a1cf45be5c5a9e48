"""The products of one fully connected layer, cut so that operands stay in the cache.

(F3), (F13) and (F14) are formulas of ``docs/mathematics.rst``; ``f`` names the fields of the plan.
``layer_at`` is the index of a layer's first field; the layer below starts ``f.FIELDS`` earlier. A
product kernel of ``gemm_tiles.py`` takes c, its stride, s, its stride, v, its stride, the length of
the sums, their start or 0, the rows and columns of c, and a buffer for columns of W or 0.
"""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.jit import call, driver_function, int64_pointer, word_count
from deltarule.engines.compiled.words import row_panel_bytes, word_stride

__all__ = [
    "layer_backward",
    "layer_forward",
    "layer_gradient",
    "layer_input_gradient",
    "layer_sample_gradient",
    "stop_requested",
]

# The most bytes (384 KB) of the operand that a product reads repeatedly. Small processors have
# 512 KB of second-level cache for each core.
_CACHE_BYTES = 3 << 17
# Rows of W of at least this many bytes put consecutive entries of a column into different memory
# pages; the columns of a tile are then copied once for all rows of the batch.
_LONG_ROW_BYTES = 1024
# The fewest vectors of rows for which columns of W are copied.
_MIN_COPY_VECTORS = 4


@driver_function
def stop_requested(plan):
    """Whether a stop is requested; if so, set WORK_SKIPPED, so that ``run_steps`` omits the update.

    The flag is set before the worker reaches a barrier, so that all workers see it after that.
    """
    barrier = int64_pointer(plan[f.BARRIER])
    if barrier[f.STOP_REQUESTED] == 0:
        return False
    barrier[f.WORK_SKIPPED] = 1
    return True


@driver_function
def _equal_parts(total, size_of_one, most):
    """The number of ``total`` items to take at a time: equal parts of about the size ``most``."""
    parts = max((total * size_of_one + most - 1) // most, 1)
    return (total + parts - 1) // parts


@driver_function
def _input_columns(plan, layer_at):
    """The address of the layer's inputs, feature-major."""
    return plan[f.X_COLUMNS] if layer_at == f.HEADER else plan[layer_at - f.FIELDS + f.OUT]


@driver_function
def layer_forward(plan, layer_at, theta, stride, first_vector, n_vectors):
    """Z = W A + b (F3) for ``n_vectors`` SIMD vectors of rows from vector ``first_vector`` on."""
    if stop_requested(plan):
        return
    n_in, n_out = plan[layer_at + f.N_IN], plan[layer_at + f.N_OUT]
    n_samples, offset = n_vectors * plan[f.LANES], first_vector * f.VECTOR_BYTES
    z, inputs = plan[layer_at + f.OUT] + offset, _input_columns(plan, layer_at) + offset
    weight, row_bytes = theta + plan[layer_at + f.WEIGHT], n_in * plan[f.ITEM_SIZE]
    length = _equal_parts(n_in, n_vectors * f.VECTOR_BYTES, _CACHE_BYTES)
    input_stride, input_bytes = stride, stride
    if plan[f.HAS_WORDS] != 0:
        n_in = word_count(n_in)
        weight, row_bytes = plan[layer_at + f.W_WORDS], plan[layer_at + f.W_WORD_STRIDE]
        input_stride, input_bytes = plan[f.PAIRS_STRIDE], f.PAIR_BYTES
        inputs = plan[f.PAIRS] + first_vector // 2 * input_stride
        length = _equal_parts(n_in, 1, f.SUM_WORDS)
    bias = theta + plan[layer_at + f.BIAS] if plan[layer_at + f.BIAS] >= 0 else plan[f.ZEROS]
    kernel, k = plan[f.FORWARD], 0
    while k < n_in:
        m = min(length, n_in - k)
        source = inputs + k * input_bytes
        operands = (z, stride, weight + k * plan[f.ITEM_SIZE], row_bytes, source, input_stride)
        call(kernel, operands + (m, bias, n_out, n_samples, 0))
        kernel, k = plan[f.FORWARD_ADD], k + m


@driver_function
def layer_backward(plan, layer_at, theta, stride, first_vector, n_vectors):
    """δ of the layer below, (Wᵀ δ) ⊙ g′ (F13), written over g′, for the same vectors of rows."""
    if stop_requested(plan):
        return
    n_in, n_out = plan[layer_at + f.N_IN], plan[layer_at + f.N_OUT]
    below_at = layer_at - f.FIELDS
    n_samples, offset = n_vectors * plan[f.LANES], first_vector * f.VECTOR_BYTES
    target, delta = plan[below_at + f.DELTA] + offset, plan[layer_at + f.DELTA] + offset
    weight, row_bytes = theta + plan[layer_at + f.WEIGHT], n_in * plan[f.ITEM_SIZE]
    length = _equal_parts(n_out, n_vectors * f.VECTOR_BYTES, _CACHE_BYTES)
    delta_stride, delta_bytes = stride, stride
    if plan[f.HAS_WORDS] != 0:
        n_out = word_count(n_out)
        weight, row_bytes = plan[layer_at + f.W_PAIRS], plan[layer_at + f.W_PAIR_STRIDE]
        delta_stride, delta_bytes = plan[f.PAIRS_STRIDE], f.PAIR_BYTES
        delta = plan[f.PAIRS] + first_vector // 2 * delta_stride
        length = _equal_parts(n_out, 1, f.SUM_WORDS)
    copied = n_vectors >= _MIN_COPY_VECTORS and row_bytes >= _LONG_ROW_BYTES
    buffer = plan[f.PACK_BUFFER] if copied else 0
    if length == n_out:
        operands = (target, stride, weight, row_bytes, delta, delta_stride)
        call(plan[f.BACKWARD], operands + (n_out, 0, n_in, n_samples, buffer))
        return
    # a of the layer below is no longer needed; its memory holds the partial sums.
    partial = plan[below_at + f.OUT] + offset
    kernel, j = plan[f.BACKWARD_FIRST], 0
    while j < n_out:
        m = min(length, n_out - j)
        result = partial
        if j + m == n_out:
            kernel, result = plan[f.BACKWARD_LAST], target
        source = delta + j * delta_bytes
        operands = (result, stride, weight + j * row_bytes, row_bytes, source, delta_stride)
        call(kernel, operands + (m, partial, n_in, n_samples, buffer))
        kernel, j = plan[f.BACKWARD_ADD], j + m


@driver_function
def layer_gradient(plan, layer_at, stride, n_rows, accumulate, start, stop):
    """∂C/∂W = δᵀ A and ∂C/∂b = Σ δ (F14) of nodes ``start`` … ``stop`` − 1; or add them."""
    if stop_requested(plan):
        return
    n_in, size = plan[layer_at + f.N_IN], plan[f.ITEM_SIZE]
    words = plan[f.HAS_WORDS] != 0
    if layer_at == f.HEADER:
        rows = plan[f.X_ROW_PAIRS] if words else plan[f.X_ROWS]
        rows_stride = plan[f.X_ROW_STRIDE]
    else:
        below_at = layer_at - f.FIELDS
        rows, rows_stride = plan[below_at + f.OUT_ROWS], plan[below_at + f.ROW_STRIDE]
    row_bytes = n_in * size
    target = plan[f.GRAD] + plan[layer_at + f.WEIGHT] + start * row_bytes
    delta, delta_stride, terms = plan[layer_at + f.DELTA] + start * stride, stride, n_rows
    if plan[layer_at + f.BIAS] >= 0:
        bias = plan[f.GRAD] + plan[layer_at + f.BIAS] + start * size
        call(plan[f.ROW_SUMS], (delta, stride, n_rows, stop - start, bias, accumulate))
    if words:
        delta_stride, terms = word_stride(plan, n_rows), word_count(n_rows)
        delta = plan[layer_at + f.DELTA_WORDS] + start * delta_stride
        rows_stride = row_panel_bytes(plan)
    kernel = plan[f.WEIGHTS_ADD] if accumulate else plan[f.WEIGHTS]
    pair = 2 * plan[f.LANES]
    if words:
        width = _equal_parts(n_in, terms, f.COLUMN_WORDS)
    else:
        width = _equal_parts(n_in, terms * size, _CACHE_BYTES)
    width = (width + pair - 1) // pair * pair
    k = 0
    while k < n_in:
        m = min(width, n_in - k)
        source = rows + (k // pair * rows_stride if words else k * size)
        operands = (target + k * size, row_bytes, delta, delta_stride, source)
        call(kernel, operands + (rows_stride, terms, 0, stop - start, m, 0))
        k += m


@driver_function
def layer_input_gradient(plan, layer_at, theta, stride, n_vectors):
    """∂C/∂x = Wᵀ δ of the first layer, written over the columns of X."""
    n_in, n_out = plan[layer_at + f.N_IN], plan[layer_at + f.N_OUT]
    row_bytes, n_samples = n_in * plan[f.ITEM_SIZE], n_vectors * plan[f.LANES]
    weight, delta = theta + plan[layer_at + f.WEIGHT], plan[layer_at + f.DELTA]
    delta_stride = stride
    if plan[f.HAS_WORDS] != 0:
        n_out, delta = word_count(n_out), plan[f.PAIRS]
        weight, row_bytes = plan[layer_at + f.W_PAIRS], plan[layer_at + f.W_PAIR_STRIDE]
        delta_stride = plan[f.PAIRS_STRIDE]
    operands = (plan[f.X_COLUMNS], stride, weight, row_bytes, delta, delta_stride)
    call(plan[f.BACKWARD_FIRST], operands + (n_out, 0, n_in, n_samples, 0))


@driver_function
def layer_sample_gradient(plan, layer_at, stride, sample, target):
    """∂C_i/∂W and ∂C_i/∂b of one row, written to ``target`` at their offsets in θ."""
    n_in, n_out, size = plan[layer_at + f.N_IN], plan[layer_at + f.N_OUT], plan[f.ITEM_SIZE]
    if layer_at == f.HEADER:
        rows = plan[f.X_ROWS] + sample * plan[f.X_ROW_STRIDE]
    else:
        below_at = layer_at - f.FIELDS
        rows = plan[below_at + f.OUT_ROWS] + sample * plan[below_at + f.ROW_STRIDE]
    delta, weights = plan[layer_at + f.DELTA] + sample * size, target + plan[layer_at + f.WEIGHT]
    kernel = plan[f.FLOAT32_WEIGHTS] if plan[f.HAS_WORDS] != 0 else plan[f.WEIGHTS]
    call(kernel, (weights, n_in * size, delta, stride, rows, 0, 1, 0, n_out, n_in, 0))
    if plan[layer_at + f.BIAS] >= 0:
        call(plan[f.ROW_SUMS], (delta, stride, 1, n_out, target + plan[layer_at + f.BIAS], 0))
