"""The driver: forward and backward passes for every architecture, compiled once.

It reads a *plan*, an array of 64-bit integers (:mod:`deltarule.engines.compiled.plan_layout`):
addresses of arrays and kernels, widths, strides in bytes. It computes with integers only and
calls kernels by address, so that one compilation of a few seconds serves both types, all
activations, losses and rules. Numba keeps it on disk and compiles it anew when a file it is
made of changes.

What happens for the rows of a batch, for l = 1 … L (MATHS.md F3, F4, then δ from the top):

1. ``take_rows``: the rows that have a weight are copied into place, as rows and as columns.
2. ``forward``: Z[l] by a product, then one pass: a = g(z) in place of z, the slope beside it.
3. ``loss``: Σ w_i C_i, and δ^L in place of y.
4. ``deltas``: δ[l-1] in place of the slope of layer l-1.
5. ``_weights``: dW[l] and db[l].

Several members of a team may run the same batch, each with a plan of its own that says which
of them it is. Each takes a share of the rows for 1 to 4, which need nothing of the others; they
meet; then each takes a share of the nodes of every layer for 5. No sum is divided, so that
the number of members leaves no trace in the result.

A batch of very many rows is divided into parts, into how many depends on nothing but its rows
and the network: each part's gradient is a sum of its own, and the parts' are added in order.
"""

from __future__ import annotations

from deltarule.engines.compiled.dense import layer_backward, layer_forward, layer_weights
from deltarule.engines.compiled.jit import call, driver_function, integers, odd_lines
from deltarule.engines.compiled.jit import numbers as numbers_of
from deltarule.engines.compiled.plan_layout import (
    ACT,
    ADD,
    ALONE,
    BLOCK,
    CHOOSE,
    CHOSEN,
    CHUNK,
    CLEAR,
    COPY_ROWS,
    COSTS,
    COUNT,
    DATA_COST,
    DIVISOR,
    DROP_FACTORS,
    DROP_THRESHOLD,
    DROPOUT,
    DROPS,
    FIELDS,
    GRAD,
    HEADER,
    LANES,
    LAYERS,
    LOSS,
    LOSS_PARAMETERS,
    MEET,
    MEETING,
    MEMBER,
    MEMBERS,
    MOST_PARTS,
    N_IN,
    N_OUT,
    NUMBERS,
    OUT,
    PARAMETERS,
    PART_GRADS,
    ROW_NUMBERS,
    ROW_STRIDE,
    ROWS,
    ROWS_OF,
    SEED_HIGH,
    SEED_LOW,
    SIZE,
    SLOPE,
    THETA,
    TRANSPOSE,
    W_BUFFER,
    W_STRIDE,
    X_COLUMNS,
    X_ROW_STRIDE,
    X_ROWS,
    X_STRIDE,
    Y_COLUMNS,
    Y_ROW_STRIDE,
    Y_ROWS,
    Y_STRIDE,
    YIELD,
    W,
    X,
    Y,
)

__all__ = [
    "batch_gradient",
    "choose",
    "deltas",
    "extent",
    "forward",
    "loss",
    "meet",
    "my_chunks",
    "take_rows",
    "total_loss",
]

# Rows and nodes are shared out two vectors and one vector at a time.
_PAIR = 2


@driver_function()
def meet(plan):
    """Wait until every member of the team is here; what each has written, all see."""
    if plan[MEMBERS] > 1:
        call(plan[MEET], (plan[MEETING], plan[MEMBERS], plan[YIELD]))


@driver_function()
def _share(plan, total):
    """From where to where this member's share of ``total`` goes."""
    worker, workers = plan[MEMBER], plan[MEMBERS]
    return total * worker // workers, total * (worker + 1) // workers


@driver_function()
def my_chunks(plan):
    """Which chunks of the parameters are this member's to pass over: first, end, size."""
    chunk = plan[CHUNK]
    first, end = _share(plan, (plan[COUNT] + chunk - 1) // chunk)
    return first, end, chunk


@driver_function()
def extent(plan, n_rows):
    """Vectors for so many rows, and bytes between features."""
    vectors = (n_rows + plan[LANES] - 1) // plan[LANES]
    return vectors, odd_lines(vectors) * 64


@driver_function()
def _my_vectors(plan, vectors):
    """The first of this member's vectors of rows, and how many they are."""
    first, end = _share(plan, (vectors + _PAIR - 1) // _PAIR)
    first, end = first * _PAIR, min(end * _PAIR, vectors)
    return first, end - first


@driver_function()
def _columns(plan, width):
    return (width + plan[LANES] - 1) // plan[LANES]


@driver_function()
def take_rows(plan, source, source_stride, n_rows, with_y, y, y_stride):
    """The chosen rows of X, and of Y, into place: as rows, and as columns."""
    vectors, stride = extent(plan, n_rows)
    first, mine = _my_vectors(plan, vectors)
    before = first * plan[LANES]
    taken = min(mine * plan[LANES], n_rows - before)
    chosen = plan[CHOSEN] + 8 + 8 * before
    n_in = plan[HEADER + N_IN]
    row = plan[X_ROW_STRIDE]
    rows, columns = plan[X_ROWS] + before * row, plan[X_COLUMNS] + first * 64
    call(plan[COPY_ROWS], (source, source_stride, chosen, taken, rows, row, n_in))
    call(plan[TRANSPOSE], (rows, row, columns, stride, mine, _columns(plan, n_in)))
    if with_y:
        n_out = plan[HEADER + (plan[LAYERS] - 1) * FIELDS + N_OUT]
        row = plan[Y_ROW_STRIDE]
        rows, columns = plan[Y_ROWS] + before * row, plan[Y_COLUMNS] + first * 64
        call(plan[COPY_ROWS], (y, y_stride, chosen, taken, rows, row, n_out))
        call(plan[TRANSPOSE], (rows, row, columns, stride, mine, _columns(plan, n_out)))


@driver_function()
def choose(plan, batch, positions, base, n):
    """The rows that have a weight; their number."""
    divisor = plan[NUMBERS] + 8 * DIVISOR
    where = (positions, batch[ROW_NUMBERS], n, base, batch[W], batch[W_STRIDE], divisor)
    return call(plan[CHOOSE], where + (plan[CHOSEN], plan[W_BUFFER]))


@driver_function()
def forward(plan, theta, n_rows, training, step):
    """Z and A of every layer; in training the slopes, and A as rows where dW needs it."""
    vectors, stride = extent(plan, n_rows)
    first, mine = _my_vectors(plan, vectors)
    across, last = first * 64, plan[LAYERS]
    for layer in range(1, last + 1):
        p = HEADER + (layer - 1) * FIELDS
        layer_forward(plan, p, theta, stride, first, mine)
        if layer == last:
            return
        n_out, z = plan[p + N_OUT], plan[p + OUT] + across
        slope = plan[p + SLOPE] + across if training else 0
        shape = (mine * plan[LANES], n_out, stride)
        call(plan[p + ACT], (z, slope) + shape + (plan[p + PARAMETERS],))
        if training:
            if plan[p + DROPS] != 0:
                numbers = plan[CHOSEN] + 8 + 8 * (plan[ROWS] + first * plan[LANES])
                where = (z, slope, stride, n_out, mine, numbers)
                key = (plan[SEED_LOW], plan[SEED_HIGH], step & 0xFFFFFFFF, layer)
                factor = plan[NUMBERS] + 8 * (DROP_FACTORS + layer)
                call(plan[DROPOUT], where + key + (plan[p + DROP_THRESHOLD], factor))
            row = plan[p + ROW_STRIDE]
            rows = plan[p + ROWS_OF] + first * plan[LANES] * row
            call(plan[TRANSPOSE], (z, stride, rows, row, _columns(plan, n_out), mine))


@driver_function()
def loss(plan, numbers, n_rows, training):
    """Σ w_i C_i of this member's rows, in training δ^L in place of y.

    Two vectors of rows have a cost of their own, so that their sum, in order, does not depend on
    how they are shared out.
    """
    vectors, stride = extent(plan, n_rows)
    first, mine = _my_vectors(plan, vectors)
    p = HEADER + (plan[LAYERS] - 1) * FIELDS
    costs, end = numbers_of(plan[COSTS]), first + mine
    while first < end:
        across, few = first * 64, min(_PAIR, end - first)
        delta = plan[p + SLOPE] + across if training else 0
        where = (plan[p + OUT] + across, plan[Y_COLUMNS] + across, plan[W_BUFFER] + across, delta)
        size = (plan[p + N_OUT], stride, few * plan[LANES], plan[NUMBERS] + 8 * DATA_COST)
        call(plan[LOSS], where + size + (plan[LOSS_PARAMETERS],))
        costs[first // _PAIR] = numbers[DATA_COST]
        first += _PAIR


@driver_function()
def total_loss(plan, n_rows):
    """What :func:`loss` has found, added in the order of the rows."""
    vectors, _ = extent(plan, n_rows)
    costs, total = numbers_of(plan[COSTS]), 0.0
    for pair in range((vectors + _PAIR - 1) // _PAIR):
        total += costs[pair]
    return total


@driver_function()
def deltas(plan, theta, n_rows):
    """δ of every layer from the output's down, for this member's rows."""
    vectors, stride = extent(plan, n_rows)
    first, mine = _my_vectors(plan, vectors)
    for layer in range(plan[LAYERS], 1, -1):
        layer_backward(plan, HEADER + (layer - 1) * FIELDS, theta, stride, first, mine)


@driver_function()
def _weights(plan, n_rows, more):
    """dW and db of every layer, for this member's nodes; ``more`` adds to what is there."""
    _, stride = extent(plan, n_rows)
    for layer in range(1, plan[LAYERS] + 1):
        p = HEADER + (layer - 1) * FIELDS
        start, stop = _share(plan, _columns(plan, plan[p + N_OUT]))
        start, stop = start * plan[LANES], min(stop * plan[LANES], plan[p + N_OUT])
        if start < stop:
            layer_weights(plan, p, stride, n_rows, more, start, stop)


@driver_function()
def _block_gradient(plan, numbers, batch, positions, base, n, step, more):
    """The data term of the cost of some rows; their gradient is in the plan's array.

    With ``more`` it is added to what is there.
    """
    n_rows = choose(plan, batch, positions, base, n)
    if n_rows == 0:
        if not more:
            call(plan[CLEAR], (plan[GRAD], plan[COUNT]))
            meet(plan)
        return 0.0
    take_rows(plan, batch[X], batch[X_STRIDE], n_rows, True, batch[Y], batch[Y_STRIDE])
    forward(plan, plan[THETA], n_rows, True, step)
    loss(plan, numbers, n_rows, True)
    deltas(plan, plan[THETA], n_rows)
    meet(plan)
    cost = total_loss(plan, n_rows)
    _weights(plan, n_rows, more)
    meet(plan)
    return cost


@driver_function()
def _rows_gradient(plan, numbers, batch, positions, base, n, step):
    """The same for any number of rows, a block at a time."""
    pieces = max(n // plan[BLOCK], 1)
    vector = plan[LANES]
    size = ((n + pieces - 1) // pieces + vector - 1) // vector * vector
    cost, start = 0.0, 0
    while True:
        m = min(size, n - start)
        there = positions + 8 * start if positions != 0 else 0
        cost += _block_gradient(plan, numbers, batch, there, base + start, m, step, start > 0)
        start += m
        if start >= n:
            return cost


@driver_function()
def batch_gradient(plan, numbers, batch, positions, base, n, step):
    """The data term of the cost; its gradient is in the plan's array, whole for every member."""
    parts = min(n // plan[BLOCK], plan[MOST_PARTS])
    if parts <= 1:
        return _rows_gradient(plan, numbers, batch, positions, base, n, step)
    alone, costs = integers(plan[ALONE]), numbers_of(plan[COSTS])
    size = (n + parts - 1) // parts
    bytes_ = plan[COUNT] * plan[SIZE]
    for part in range(plan[MEMBER], parts, plan[MEMBERS]):
        start = part * size
        there = positions + 8 * start if positions != 0 else 0
        alone[GRAD] = plan[PART_GRADS] + (part - 1) * bytes_ if part > 0 else plan[GRAD]
        m = min(size, n - start)
        costs[part] = _rows_gradient(alone, numbers, batch, there, base + start, m, step)
    meet(plan)
    first, end, chunk = my_chunks(plan)
    where = first * chunk * plan[SIZE]
    count = min(end * chunk, plan[COUNT]) - first * chunk
    cost = costs[0]
    for part in range(1, parts):
        other = plan[PART_GRADS] + (part - 1) * bytes_
        call(plan[ADD], (plan[GRAD] + where, other + where, count))
        cost += costs[part]
    meet(plan)
    return cost
