"""A fully connected layer: its three products, in pieces that stay in the second cache.

The kinds of layers that there are stand at the end. A new kind is a file like this one, with
one branch in each function there; the rest of the driver does not change.
"""

from __future__ import annotations

from deltarule.engines.compiled.jit import call, driver_function, integers
from deltarule.engines.compiled.plan_layout import (
    ASKED,
    BACKWARD,
    BACKWARD_FIRST,
    BACKWARD_LAST,
    BACKWARD_MORE,
    BIAS,
    DENSE,
    FIELDS,
    FORWARD,
    FORWARD_MORE,
    GRAD,
    HEADER,
    KIND,
    LANES,
    MEETING,
    N_IN,
    N_OUT,
    OUT,
    ROOM,
    ROW_STRIDE,
    ROW_SUMS,
    ROWS_OF,
    SIZE,
    SKIPPED,
    SLOPE,
    WEIGHT,
    WEIGHTS,
    WEIGHTS_MORE,
    X_COLUMNS,
    X_ROW_STRIDE,
    X_ROWS,
    ZEROS,
)

__all__ = [
    "asked_to_stop",
    "layer_backward",
    "layer_forward",
    "layer_inputs",
    "layer_sample",
    "layer_weights",
]

# What one product reads again and again is cut so that it stays in the second cache, of which
# small processors have 512 kB a core.
_CACHED = 3 << 17
# A walk down a column of W takes a page a step from here on, and is made once for all rows.
_LONG_ROW = 1024


@driver_function()
def _cut(total, bytes_of_one):
    """How many of ``total`` at a time, so that their bytes stay in the cache."""
    pieces = max((total * bytes_of_one + _CACHED - 1) // _CACHED, 1)
    return (total + pieces - 1) // pieces


@driver_function()
def _below(plan, p):
    """Columns of what the layer sees."""
    return plan[X_COLUMNS] if p == HEADER else plan[p - FIELDS + OUT]


@driver_function()
def dense_forward(plan, p, theta, stride, first, vectors):
    """Z = W A + b (F3) for some vectors of rows."""
    n_in, n_out = plan[p + N_IN], plan[p + N_OUT]
    lanes, across = vectors * plan[LANES], first * 64
    z, below = plan[p + OUT] + across, _below(plan, p) + across
    weight, row = theta + plan[p + WEIGHT], n_in * plan[SIZE]
    bias = theta + plan[p + BIAS] if plan[p + BIAS] >= 0 else plan[ZEROS]
    length = _cut(n_in, vectors * 64)
    kernel, k = plan[FORWARD], 0
    while k < n_in:
        m = min(length, n_in - k)
        source = below + k * stride
        call(
            kernel,
            (z, stride, weight + k * plan[SIZE], row, source, stride, m, bias, n_out, lanes, 0),
        )
        kernel, k = plan[FORWARD_MORE], k + m


@driver_function()
def dense_backward(plan, p, theta, stride, first, vectors):
    """δ of the layer below, (Wᵀ δ) ⊙ g′ (F13), in place of g′, for some vectors of rows."""
    n_in, n_out = plan[p + N_IN], plan[p + N_OUT]
    q = p - FIELDS
    lanes, across = vectors * plan[LANES], first * 64
    target, delta = plan[q + SLOPE] + across, plan[p + SLOPE] + across
    weight, row = theta + plan[p + WEIGHT], n_in * plan[SIZE]
    room = plan[ROOM] if vectors >= 4 and row >= _LONG_ROW else 0
    length = _cut(n_out, vectors * 64)
    if length == n_out:
        call(
            plan[BACKWARD],
            (target, stride, weight, row, delta, stride, n_out, 0, n_in, lanes, room),
        )
        return
    # a of the layer below has been used for the last time: room for sums that are cut.
    partial = plan[q + OUT] + across
    kernel, j = plan[BACKWARD_FIRST], 0
    while j < n_out:
        m = min(length, n_out - j)
        there = partial
        if j + m == n_out:
            kernel, there = plan[BACKWARD_LAST], target
        source = delta + j * stride
        call(
            kernel,
            (there, stride, weight + j * row, row, source, stride, m, partial, n_in, lanes, room),
        )
        kernel, j = plan[BACKWARD_MORE], j + m


@driver_function()
def dense_weights(plan, p, stride, n_rows, more, start, stop):
    """∂C/∂W = δᵀ A and ∂C/∂b = Σ δ, for the nodes from ``start`` to ``stop``.

    ``more`` adds them to what is there.
    """
    n_in, size = plan[p + N_IN], plan[SIZE]
    if p == HEADER:
        rows, rows_stride = plan[X_ROWS], plan[X_ROW_STRIDE]
    else:
        rows, rows_stride = plan[p - FIELDS + ROWS_OF], plan[p - FIELDS + ROW_STRIDE]
    delta, row = plan[p + SLOPE] + start * stride, n_in * size
    target = plan[GRAD] + plan[p + WEIGHT] + start * row
    kernel = plan[WEIGHTS_MORE] if more else plan[WEIGHTS]
    pair = 2 * plan[LANES]
    width = (_cut(n_in, n_rows * size) + pair - 1) // pair * pair
    k = 0
    while k < n_in:
        m = min(width, n_in - k)
        tile = (target + k * size, row, delta, stride, rows + k * size, rows_stride)
        call(kernel, tile + (n_rows, 0, stop - start, m, 0))
        k += m
    if plan[p + BIAS] >= 0:
        there = plan[GRAD] + plan[p + BIAS] + start * size
        call(plan[ROW_SUMS], (delta, stride, n_rows, stop - start, there, more))


@driver_function()
def dense_inputs(plan, p, theta, stride, vectors):
    """∂C/∂x, Wᵀ δ, for the first layer: in place of the columns of X."""
    n_in, n_out, row = plan[p + N_IN], plan[p + N_OUT], plan[p + N_IN] * plan[SIZE]
    weight, delta, lanes = theta + plan[p + WEIGHT], plan[p + SLOPE], vectors * plan[LANES]
    what = (plan[X_COLUMNS], stride, weight, row, delta, stride, n_out, 0, n_in, lanes, 0)
    call(plan[BACKWARD_FIRST], what)


@driver_function()
def dense_sample(plan, p, stride, sample, target):
    """∂C_i/∂W and ∂C_i/∂b of one row, at ``target`` and where they stand in θ."""
    n_in, n_out, size = plan[p + N_IN], plan[p + N_OUT], plan[SIZE]
    if p == HEADER:
        rows = plan[X_ROWS] + sample * plan[X_ROW_STRIDE]
    else:
        rows = plan[p - FIELDS + ROWS_OF] + sample * plan[p - FIELDS + ROW_STRIDE]
    delta, there = plan[p + SLOPE] + sample * size, target + plan[p + WEIGHT]
    call(plan[WEIGHTS], (there, n_in * size, delta, stride, rows, 0, 1, 0, n_out, n_in, 0))
    if plan[p + BIAS] >= 0:
        call(plan[ROW_SUMS], (delta, stride, 1, n_out, target + plan[p + BIAS], 0))


# -- the kinds of layers --------------------------------------------------------------------


@driver_function()
def asked_to_stop(plan):
    """Whether somebody wants the step to end: what is left of it is skipped, and it is not taken.

    A member that skips says so before it meets the others, so that all of them know.
    """
    words = integers(plan[MEETING])
    if words[ASKED] == 0:
        return False
    words[SKIPPED] = 1
    return True


@driver_function()
def layer_forward(plan, p, theta, stride, first, vectors):
    """Weighted inputs of a layer, whatever its kind, for ``vectors`` vectors from ``first`` on."""
    if asked_to_stop(plan):
        return
    if plan[p + KIND] == DENSE:
        dense_forward(plan, p, theta, stride, first, vectors)


@driver_function()
def layer_backward(plan, p, theta, stride, first, vectors):
    """δ of the layer below, in place of its slope."""
    if asked_to_stop(plan):
        return
    if plan[p + KIND] == DENSE:
        dense_backward(plan, p, theta, stride, first, vectors)


@driver_function()
def layer_weights(plan, p, stride, n_rows, more, start, stop):
    """The gradient of the layer's parameters, of the nodes from ``start`` to ``stop``."""
    if asked_to_stop(plan):
        return
    if plan[p + KIND] == DENSE:
        dense_weights(plan, p, stride, n_rows, more, start, stop)


@driver_function()
def layer_inputs(plan, p, theta, stride, vectors):
    """∂C/∂x, of the first layer."""
    if plan[p + KIND] == DENSE:
        dense_inputs(plan, p, theta, stride, vectors)


@driver_function()
def layer_sample(plan, p, stride, sample, target):
    """The gradient of the layer's parameters of one row alone."""
    if plan[p + KIND] == DENSE:
        dense_sample(plan, p, stride, sample, target)
