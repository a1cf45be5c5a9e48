"""The operands of the products of bfloat16, as words of two numbers (``bfloat16_kernels.py``).

``f`` names the fields of the plan; ``layer_at`` is the index of a layer's first field. ``first``
and ``count`` are a worker's vectors of rows; ``first`` is even, so that a word and a vector of
words belong to one worker. What is rounded stays in float32 too, for activations, slopes, sums and
biases.
"""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    odd_line_stride,
    vector_count,
    word_count,
)

__all__ = [
    "column_pairs",
    "delta_words",
    "input_words",
    "output_row_pairs",
    "row_panel_bytes",
    "weight_words",
    "word_stride",
]


@driver_function
def word_stride(plan, n_rows):
    """The feature stride, in bytes, of words of two rows."""
    return odd_line_stride(vector_count(word_count(n_rows), plan[f.LANES])) * f.VECTOR_BYTES


@driver_function
def row_panel_bytes(plan):
    """The bytes of a panel of rows as pairs: of as many rows as the workspace can hold.

    A panel has two vectors for each word along the sum, in squares.
    """
    lanes = plan[f.LANES]
    return vector_count(word_count(plan[f.ROWS]), lanes) * lanes * f.PAIR_BYTES


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
    shape = (pair_stride, f.PAIR_BYTES, stop - start, n_in)
    call(plan[f.PAIR_WORDS], (source, row_bytes, pairs) + shape)


@driver_function
def input_words(plan, source, source_stride, first, count, n_rows, training):
    """The words of this worker's ``n_rows`` selected rows of X.

    The columns as pairs, the operand of layer 1, and if ``training`` the rows as pairs, that of
    its dW. Two vectors of rows at a time are copied to the same place, which stays in the cache.
    """
    n_in, before, size = plan[f.HEADER + f.N_IN], first * plan[f.LANES], 2 * plan[f.LANES]
    row, word_row = plan[f.X_ROW_STRIDE], plan[f.X_WORD_STRIDE]
    rows, words = plan[f.X_ROWS] + before * row, plan[f.X_WORDS] + before * word_row
    panel, row_panel = plan[f.PAIRS_STRIDE], row_panel_bytes(plan)
    columns = plan[f.PAIRS] + first // 2 * panel
    pairs = plan[f.X_ROW_PAIRS] + before // 2 * f.PAIR_BYTES
    chosen = plan[f.SELECTED] + 8 + 8 * before
    blocks = vector_count(word_count(n_in), plan[f.LANES])
    start = 0
    while start < n_rows:
        taken, vectors = min(size, n_rows - start), min(2, count - start // plan[f.LANES])
        places = chosen + 8 * start
        call(plan[f.COPY_ROWS], (source, source_stride, places, taken, rows, row, n_in))
        call(plan[f.ROW_WORDS], (rows, row, words, word_row, taken, n_in))
        target = columns + start // size * panel
        call(plan[f.TRANSPOSE], (words, word_row, target, f.PAIR_BYTES, vectors, blocks))
        if training:
            target = pairs + start // 2 * f.PAIR_BYTES
            shape = (f.PAIR_BYTES, row_panel, taken, n_in)
            call(plan[f.PAIR_WORDS], (rows, row, target) + shape)
        start += size


@driver_function
def column_pairs(plan, source, stride, first, count, width):
    """Columns of a or δ as pairs: the operand of the next product, forward or backward."""
    panel, columns = plan[f.PAIRS_STRIDE], count * plan[f.LANES]
    pairs = plan[f.PAIRS] + first // 2 * panel
    call(plan[f.PAIR_WORDS], (source, stride, pairs, f.PAIR_BYTES, panel, width, columns))


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
    width, panel = plan[layer_at + f.N_OUT], row_panel_bytes(plan)
    source, target = plan[layer_at + f.OUT], plan[f.OUT_WORDS]
    words, between = _row_words(plan, source, stride, target, first, count, width, n_rows)
    pairs = plan[layer_at + f.OUT_ROWS] + first * plan[f.LANES] // 2 * f.PAIR_BYTES
    for nodes in range(vector_count(width, plan[f.LANES])):
        source = words + nodes * plan[f.LANES] * between
        target = pairs + nodes // 2 * panel + nodes % 2 * f.VECTOR_BYTES
        call(plan[f.TRANSPOSE], (source, between, target, f.PAIR_BYTES, 1, (count + 1) // 2))


@driver_function
def delta_words(plan, layer_at, stride, first, count, n_rows):
    """Words of two rows of δ: the operand of dW of its layer."""
    source, target = plan[layer_at + f.DELTA], plan[layer_at + f.DELTA_WORDS]
    width = plan[layer_at + f.N_OUT]
    _row_words(plan, source, stride, target, first, count, width, n_rows)
