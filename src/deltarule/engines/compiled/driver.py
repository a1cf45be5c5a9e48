"""The driver: the forward and backward pass for networks of any shape, compiled once.

It reads a *plan*, an array of 64-bit integers (:mod:`deltarule.engines.compiled.plan_layout`):
addresses of arrays and kernels, widths, strides in bytes. The driver computes with integers and
calls kernels by address, so that one compilation of a few seconds serves both dtypes and all
activations, losses and rules. It is cached on disk, and compiled again when one of its source files
changes.

For the rows of a batch it runs, for l = 1 … L (F3, F4, F13 and F14 of ``docs/mathematics.rst``):

1. ``gather_rows``: copy the rows of nonzero weight into the workspace, as rows and as columns.
2. ``forward``: Z[l] by a product, then a = g(z) over z, with the slope g′ beside it.
3. ``loss``: Σ w_i C_i, and δ^L over y.
4. ``backward``: δ[l-1] over the slope of layer l-1.
5. ``_parameter_gradient``: dW[l] and db[l].

Several workers (threads) may run the same batch, each with a plan that holds its number. In 1 to 4
a worker computes a range of the rows; after a barrier, in 5, a range of the nodes of every layer.
No sum is divided among workers, so the bits do not depend on their number.

A batch of very many rows is divided into parts, whose number depends on the batch's rows and the
network alone: each part has its own gradient, and the gradients are added in the parts' order.
"""

from __future__ import annotations

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.dense import layer_backward, layer_forward, layer_gradient
from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    float64_pointer,
    int64_pointer,
    odd_line_stride,
    vector_count,
    word_count,
)
from deltarule.engines.compiled.sparse_layer import sparse_forward, sparse_gradient
from deltarule.engines.compiled.words import (
    column_pairs,
    delta_words,
    input_words,
    output_row_pairs,
    weight_words,
)

# Rows are divided among workers in pairs of SIMD vectors, nodes in single vectors.
_PAIR = 2


@driver_function
def barrier_wait(plan):
    """Wait until every worker has arrived; their earlier writes are then visible to all workers."""
    if plan[f.WORKERS] > 1:
        call(plan[f.BARRIER_WAIT], (plan[f.BARRIER], plan[f.WORKERS], plan[f.YIELD]))


@driver_function
def _worker_range(plan, total):
    """The range of ``total`` items that this worker computes: first, end."""
    worker, workers = plan[f.WORKER], plan[f.WORKERS]
    return total * worker // workers, total * (worker + 1) // workers


@driver_function
def worker_chunks(plan):
    """The chunks of the parameters that this worker updates: first, end, size of a chunk."""
    chunk = plan[f.CHUNK]
    first, end = _worker_range(plan, (plan[f.COUNT] + chunk - 1) // chunk)
    return first, end, chunk


@driver_function
def row_vectors(plan, n_rows):
    """The number of SIMD vectors that hold ``n_rows`` rows, and the feature stride in bytes."""
    vectors = vector_count(n_rows, plan[f.LANES])
    return vectors, odd_line_stride(vectors) * f.VECTOR_BYTES


@driver_function
def _worker_vectors(plan, vectors):
    """The first of this worker's vectors of rows, and their number."""
    first, end = _worker_range(plan, (vectors + _PAIR - 1) // _PAIR)
    first, end = first * _PAIR, min(end * _PAIR, vectors)
    return first, end - first


@driver_function
def _worker_nodes(plan, layer_at):
    """The nodes of a layer of which this worker computes the sums over rows: first, end."""
    first, end = _worker_range(plan, vector_count(plan[layer_at + f.N_OUT], plan[f.LANES]))
    return first * plan[f.LANES], min(end * plan[f.LANES], plan[layer_at + f.N_OUT])


@driver_function
def gather_rows(plan, source, source_stride, n_rows, with_y, y, y_stride, training):
    """Copy the selected rows of X (and Y, if ``with_y``) to the workspace, as rows and columns.

    Words are also made into pairs of rows if ``training``.
    """
    vectors, stride = row_vectors(plan, n_rows)
    first, count = _worker_vectors(plan, vectors)
    lanes = plan[f.LANES]
    before = first * lanes
    taken = min(count * lanes, n_rows - before)
    chosen = plan[f.SELECTED] + 8 + 8 * before
    n_in = plan[f.HEADER + f.N_IN]
    if plan[f.HAS_WORDS] != 0:
        input_words(plan, source, source_stride, stride, first, count, taken, training)
    elif plan[f.COLUMNS] == 0:
        row = plan[f.X_ROW_STRIDE]
        rows, columns = plan[f.X_ROWS] + before * row, plan[f.X_COLUMNS] + first * f.VECTOR_BYTES
        call(plan[f.COPY_ROWS], (source, source_stride, chosen, taken, rows, row, n_in))
        call(plan[f.TRANSPOSE], (rows, row, columns, stride, count, vector_count(n_in, lanes)))
    if with_y:
        n_out = plan[f.HEADER + (plan[f.LAYERS] - 1) * f.FIELDS + f.N_OUT]
        row = plan[f.Y_ROW_STRIDE]
        rows, columns = plan[f.Y_ROWS] + before * row, plan[f.Y_COLUMNS] + first * f.VECTOR_BYTES
        call(plan[f.COPY_ROWS], (y, y_stride, chosen, taken, rows, row, n_out))
        call(plan[f.TRANSPOSE], (rows, row, columns, stride, count, vector_count(n_out, lanes)))


@driver_function
def gather_batch(plan, batch, n_rows, training):
    """Copy the selected rows of a batch, X and Y, to the workspace; sparse X is read in place."""
    x, y = (batch[f.X], batch[f.X_STRIDE]), (batch[f.Y], batch[f.Y_STRIDE])
    plan[f.VALUES], plan[f.COLUMNS] = x[0], batch[f.X_COLUMNS_AT]
    plan[f.ROW_STARTS] = batch[f.X_STARTS]
    gather_rows(plan, x[0], x[1], n_rows, True, y[0], y[1], training)


@driver_function
def output_rows(plan, layer_at, stride, first, count):
    """Write a of a hidden layer as rows, for these vectors of rows."""
    z, row = plan[layer_at + f.OUT] + first * f.VECTOR_BYTES, plan[layer_at + f.ROW_STRIDE]
    rows = plan[layer_at + f.OUT_ROWS] + first * plan[f.LANES] * row
    columns = vector_count(plan[layer_at + f.N_OUT], plan[f.LANES])
    call(plan[f.TRANSPOSE], (z, stride, rows, row, columns, count))


@driver_function
def round_weights(plan, theta, backward_from):
    """The words of W of every layer, if products are of words; then wait for the other workers.

    δ will be taken down through the layers from number ``backward_from`` on.
    """
    if plan[f.HAS_WORDS] == 0:
        return
    for layer in range(plan[f.LAYERS]):
        layer_at = f.HEADER + layer * f.FIELDS
        n_out = plan[layer_at + f.N_OUT]
        start, stop = _worker_range(plan, word_count(n_out))
        with_pairs = layer + 1 >= backward_from
        weight_words(plan, layer_at, theta, 2 * start, min(2 * stop, n_out), with_pairs)
    barrier_wait(plan)


@driver_function
def select_rows(plan, batch, positions, base, n):
    """Write positions, numbers and weights of the rows of nonzero weight; return their count."""
    divisor = plan[f.NUMBERS] + 8 * f.WEIGHT_DIVISOR
    rows = (positions, batch[f.ROW_NUMBERS], n, base, batch[f.W], batch[f.W_STRIDE], divisor)
    return call(plan[f.SELECT_ROWS], rows + (plan[f.SELECTED], plan[f.W_BUFFER]))


@driver_function
def forward(plan, theta, n_rows, training, step):
    """Z and A of every layer; in training also the slopes, and A as rows, which dW needs."""
    vectors, stride = row_vectors(plan, n_rows)
    first, count = _worker_vectors(plan, vectors)
    offset, last = first * f.VECTOR_BYTES, plan[f.LAYERS]
    for layer in range(1, last + 1):
        layer_at = f.HEADER + (layer - 1) * f.FIELDS
        if layer == 1 and plan[f.COLUMNS] != 0:
            nodes = _worker_nodes(plan, layer_at)
            sparse_forward(plan, theta, stride, n_rows, nodes[0], nodes[1])
            barrier_wait(plan)
        else:
            layer_forward(plan, layer_at, theta, stride, first, count)
        if layer == last:
            return
        n_out, z = plan[layer_at + f.N_OUT], plan[layer_at + f.OUT] + offset
        slope = plan[layer_at + f.DELTA] + offset if training else 0
        shape = (count * plan[f.LANES], n_out, stride)
        call(plan[layer_at + f.ACT], (z, slope) + shape + (plan[layer_at + f.PARAMETERS],))
        if training:
            if plan[layer_at + f.HAS_DROPOUT] != 0:
                numbers = plan[f.SELECTED] + 8 + 8 * (plan[f.ROWS] + first * plan[f.LANES])
                arrays = (z, slope, stride, n_out, count, numbers)
                key = (plan[f.SEED_LOW], plan[f.SEED_HIGH], step & 0xFFFFFFFF, layer)
                factor = plan[f.NUMBERS] + 8 * (f.DROP_FACTORS + layer)
                call(plan[f.DROPOUT], arrays + key + (plan[layer_at + f.DROP_THRESHOLD], factor))
            if plan[f.HAS_WORDS] == 0:
                output_rows(plan, layer_at, stride, first, count)
            else:
                output_row_pairs(plan, layer_at, stride, first, count, n_rows)
        if plan[f.HAS_WORDS] != 0:
            column_pairs(plan, z, stride, first, count, n_out)


@driver_function
def loss(plan, numbers, n_rows, training):
    """Σ w_i C_i of this worker's rows; in training also δ^L, written over y.

    The cost of each pair of vectors is stored, and ``total_loss`` adds the costs in order, so that
    the sum does not depend on the number of workers.
    """
    vectors, stride = row_vectors(plan, n_rows)
    first, count = _worker_vectors(plan, vectors)
    layer_at = f.HEADER + (plan[f.LAYERS] - 1) * f.FIELDS
    costs, end = float64_pointer(plan[f.COSTS]), first + count
    while first < end:
        offset, few = first * f.VECTOR_BYTES, min(_PAIR, end - first)
        delta = plan[layer_at + f.DELTA] + offset if training else 0
        z, y, w = plan[layer_at + f.OUT], plan[f.Y_COLUMNS], plan[f.W_BUFFER]
        arrays = (z + offset, y + offset, w + offset, delta)
        cost_at = plan[f.NUMBERS] + 8 * f.DATA_COST
        size = (plan[layer_at + f.N_OUT], stride, few * plan[f.LANES], cost_at)
        call(plan[f.LOSS], arrays + size + (plan[f.LOSS_PARAMETERS],))
        costs[first // _PAIR] = numbers[f.DATA_COST]
        first += _PAIR


@driver_function
def total_loss(plan, n_rows):
    """The sum of the costs that :func:`loss` has written, in the order of the rows."""
    vectors, _ = row_vectors(plan, n_rows)
    costs, total = float64_pointer(plan[f.COSTS]), 0.0
    for pair in range((vectors + _PAIR - 1) // _PAIR):
        total += costs[pair]
    return total


@driver_function
def backward(plan, theta, n_rows):
    """δ of every layer, from the output down, for this worker's rows."""
    vectors, stride = row_vectors(plan, n_rows)
    first, count = _worker_vectors(plan, vectors)
    for layer in range(plan[f.LAYERS], 1, -1):
        layer_at = f.HEADER + (layer - 1) * f.FIELDS
        if plan[f.HAS_WORDS] != 0:
            delta_words(plan, layer_at, stride, first, count, n_rows)
            delta = plan[layer_at + f.DELTA] + first * f.VECTOR_BYTES
            column_pairs(plan, delta, stride, first, count, plan[layer_at + f.N_OUT])
        layer_backward(plan, layer_at, theta, stride, first, count)
    if plan[f.HAS_WORDS] != 0:
        delta_words(plan, f.HEADER, stride, first, count, n_rows)


@driver_function
def _parameter_gradient(plan, n_rows, accumulate):
    """dW and db of every layer for this worker's nodes; added to the gradient if ``accumulate``."""
    _, stride = row_vectors(plan, n_rows)
    for layer in range(1, plan[f.LAYERS] + 1):
        layer_at = f.HEADER + (layer - 1) * f.FIELDS
        start, stop = _worker_nodes(plan, layer_at)
        if start >= stop:
            continue
        if layer == 1 and plan[f.COLUMNS] != 0:
            sparse_gradient(plan, stride, n_rows, accumulate, start, stop)
        else:
            layer_gradient(plan, layer_at, stride, n_rows, accumulate, start, stop)


@driver_function
def _block_gradient(plan, numbers, batch, positions, base, n, step, accumulate):
    """The data term of the cost of n rows, at most one block; the gradient goes to plan[GRAD].

    It is added to the gradient there if ``accumulate``.
    """
    n_rows = select_rows(plan, batch, positions, base, n)
    if n_rows == 0:
        if not accumulate:
            call(plan[f.CLEAR], (plan[f.GRAD], plan[f.COUNT]))
            barrier_wait(plan)
        return 0.0
    gather_batch(plan, batch, n_rows, True)
    forward(plan, plan[f.THETA], n_rows, True, step)
    loss(plan, numbers, n_rows, True)
    backward(plan, plan[f.THETA], n_rows)
    barrier_wait(plan)
    cost = total_loss(plan, n_rows)
    _parameter_gradient(plan, n_rows, accumulate)
    barrier_wait(plan)
    return cost


@driver_function
def _rows_gradient(plan, numbers, batch, positions, base, n, step):
    """The data term of the cost of n rows, computed block by block; the gradient in plan[GRAD]."""
    pieces = max(n // plan[f.BLOCK], 1)
    vector = plan[f.LANES]
    size = ((n + pieces - 1) // pieces + vector - 1) // vector * vector
    cost, start = 0.0, 0
    while True:
        m = min(size, n - start)
        block_positions = positions + 8 * start if positions != 0 else 0
        cost += _block_gradient(
            plan, numbers, batch, block_positions, base + start, m, step, start > 0
        )
        start += m
        if start >= n:
            return cost


@driver_function
def batch_gradient(plan, numbers, batch, positions, base, n, step):
    """The data term of the cost of a batch; plan[GRAD] holds its whole gradient after the call."""
    round_weights(plan, plan[f.THETA], 2)
    parts = min(n // plan[f.BLOCK], plan[f.MAX_PARTS])
    if parts <= 1:
        return _rows_gradient(plan, numbers, batch, positions, base, n, step)
    own, costs = int64_pointer(plan[f.OWN_PLAN]), float64_pointer(plan[f.COSTS])
    size = (n + parts - 1) // parts
    bytes_ = plan[f.COUNT] * plan[f.ITEM_SIZE]
    for part in range(plan[f.WORKER], parts, plan[f.WORKERS]):
        start = part * size
        part_positions = positions + 8 * start if positions != 0 else 0
        own[f.GRAD] = plan[f.PART_GRADS] + (part - 1) * bytes_ if part > 0 else plan[f.GRAD]
        m = min(size, n - start)
        costs[part] = _rows_gradient(own, numbers, batch, part_positions, base + start, m, step)
    barrier_wait(plan)
    first, end, chunk = worker_chunks(plan)
    offset = first * chunk * plan[f.ITEM_SIZE]
    count = min(end * chunk, plan[f.COUNT]) - first * chunk
    cost = costs[0]
    for part in range(1, parts):
        other = plan[f.PART_GRADS] + (part - 1) * bytes_
        call(plan[f.ADD], (plan[f.GRAD] + offset, other + offset, count))
        cost += costs[part]
    barrier_wait(plan)
    return cost
