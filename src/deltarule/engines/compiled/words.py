"""The operands of the products of bfloat16, as words of two numbers (``bfloat16_kernels.py``).

``f`` names the fields of the plan; ``layer_at`` is the index of a layer's first field. ``first``
and ``count`` are a worker's vectors of rows; ``first`` is even, so that a word and a vector of
words belong to one worker. What is rounded stays in float32 too, for activations, slopes, sums and
biases.
"""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.jit import call, driver_function, odd_line_stride

__all__ = [
    "column_pairs",
    "delta_words",
    "input_pairs",
    "input_row_pairs",
    "output_row_pairs",
    "weight_words",
    "word_count",
    "word_stride",
]


@driver_function
def word_count(n):
    """The number of words that hold n numbers."""
    return (n + 1) // 2


@driver_function
def word_stride(plan, n_rows):
    """The feature stride, in bytes, of words of two rows."""
    numbers = 2 * plan[f.LANES]
    return odd_line_stride((n_rows + numbers - 1) // numbers) * f.VECTOR_BYTES


@driver_function
def _vectors(plan, words):
    return (words + plan[f.LANES] - 1) // plan[f.LANES]


@driver_function
def weight_words(plan, layer_at, theta, start, stop, with_pairs):
    """The words of rows ``start`` … ``stop`` − 1 of W; ``start`` is even.

    Pairs of rows, which only the product that takes δ down reads, if ``with_pairs``.
    """
    n_in, pair_stride = plan[layer_at + f.N_IN], plan[layer_at + f.W_PAIR_STRIDE]
    row_bytes, word_bytes = n_in * plan[f.ITEM_SIZE], plan[layer_at + f.W_WORD_STRIDE]
    source = theta + plan[layer_at + f.WEIGHT] + start * row_bytes
    words = plan[layer_at + f.W_WORDS] + start * word_bytes
    call(plan[f.ROW_WORDS], (source, row_bytes, words, word_bytes, stop - start, n_in))
    if not with_pairs:
        return
    pairs = plan[layer_at + f.W_PAIRS] + start // 2 * pair_stride
    call(plan[f.PAIR_WORDS], (source, row_bytes, pairs, pair_stride, stop - start, n_in))


@driver_function
def input_pairs(plan, stride, first, count, n_rows):
    """The columns of X as pairs, for this worker's ``n_rows`` rows: the operand of layer 1."""
    n_in, before = plan[f.HEADER + f.N_IN], first * plan[f.LANES]
    rows, row = plan[f.X_ROWS] + before * plan[f.X_ROW_STRIDE], plan[f.X_ROW_STRIDE]
    words, word_row = plan[f.X_WORDS] + before * plan[f.X_WORD_STRIDE], plan[f.X_WORD_STRIDE]
    call(plan[f.ROW_WORDS], (rows, row, words, word_row, n_rows, n_in))
    columns, blocks = plan[f.PAIRS] + first * f.VECTOR_BYTES, _vectors(plan, word_count(n_in))
    call(plan[f.TRANSPOSE], (words, word_row, columns, stride, count, blocks))


@driver_function
def input_row_pairs(plan, first, count, n_rows):
    """The rows of X as pairs, for this worker's rows: the operand of dW of layer 1."""
    before, row = first * plan[f.LANES], plan[f.X_ROW_STRIDE]
    taken = min(count * plan[f.LANES], n_rows - before)
    rows, pairs = plan[f.X_ROWS] + before * row, plan[f.X_ROW_PAIRS] + before // 2 * row
    call(plan[f.PAIR_WORDS], (rows, row, pairs, row, taken, plan[f.HEADER + f.N_IN]))


@driver_function
def column_pairs(plan, source, stride, first, count, width):
    """Columns of a or δ as pairs: the operand of the next product, forward or backward."""
    pairs = plan[f.PAIRS] + first * f.VECTOR_BYTES
    call(plan[f.PAIR_WORDS], (source, stride, pairs, stride, width, count * plan[f.LANES]))


@driver_function
def _row_words(plan, source, stride, target, first, count, width, n_rows):
    """Words of two rows of a or δ, with 0 after the last row; returns their address and stride."""
    between = word_stride(plan, n_rows)
    taken = min(count * plan[f.LANES], n_rows - first * plan[f.LANES])
    words = target + first // 2 * f.VECTOR_BYTES
    source += first * f.VECTOR_BYTES
    call(plan[f.ROW_WORDS], (source, stride, words, between, width, taken))
    return words, between


@driver_function
def output_row_pairs(plan, layer_at, stride, first, count, n_rows):
    """The rows of a of a hidden layer as pairs: the operand of dW of the layer above."""
    width, row = plan[layer_at + f.N_OUT], plan[layer_at + f.ROW_STRIDE]
    source, target = plan[layer_at + f.OUT], plan[f.OUT_WORDS]
    words, between = _row_words(plan, source, stride, target, first, count, width, n_rows)
    pairs = plan[layer_at + f.OUT_ROWS] + first * plan[f.LANES] // 2 * row
    shape = (_vectors(plan, width), (count + 1) // 2)
    call(plan[f.TRANSPOSE], (words, between, pairs, row) + shape)


@driver_function
def delta_words(plan, layer_at, stride, first, count, n_rows):
    """Words of two rows of δ: the operand of dW of its layer."""
    source, target = plan[layer_at + f.DELTA], plan[layer_at + f.DELTA_WORDS]
    width = plan[layer_at + f.N_OUT]
    _row_words(plan, source, stride, target, first, count, width, n_rows)
