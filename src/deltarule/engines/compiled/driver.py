"""The driver: a step for every architecture, compiled once.

It reads a *plan*, an array of 64-bit integers (:mod:`deltarule.engines.compiled.fields`):
addresses of arrays and kernels, widths, strides in bytes. It computes with integers only and
calls kernels by address, so that one compilation of about two seconds serves both types,
all activations, losses and rules. Numba keeps it on disk and compiles it anew when this
file changes; everything it is made of stands in this file for that reason.

What happens in a step, for l = 1 … L (MATHS.md F3, F4, then δ from the top):

1. ``_take``: the rows of the batch that have a weight are copied into place, as rows
   and as columns.
2. ``forward``: Z[l] by a product, then one pass: a = g(z) in place of z, the slope beside it.
3. the loss kernel: Σ w_i C_i, and δ^L in place of the slope of the output.
4. ``_backward``: dW[l] and db[l]; then δ[l-1] in place of the slope of layer l-1.
5. ``apply``: penalty, frozen parameters, clipping, and the rule in one pass.
"""

from __future__ import annotations

import numpy as np

from deltarule.engines.compiled.calling import call, driver_function
from deltarule.engines.compiled.fields import (
    ACT,
    BACKWARD_BLAS,
    BIAS,
    BLAS,
    CHOOSE,
    CHOSEN,
    CLEAR,
    CLIP,
    COPY_ROWS,
    COST,
    COUNT,
    DATA_COST,
    DIVISOR,
    DROP_FACTORS,
    DROP_THRESHOLD,
    DROPOUT,
    DROPS,
    FACTOR,
    FIELDS,
    FILL_ROWS,
    FORWARD_BLAS,
    FROZEN,
    GEMM,
    GRAD,
    HEADER,
    HOLD,
    IS_WEIGHT,
    LANES,
    LARGEST,
    LARGEST_G,
    LAYERS,
    LOSS,
    MAX_NORM,
    MEAN,
    MULTIPLY,
    N_IN,
    N_OUT,
    NUMBERS,
    OUT,
    PENALTY,
    PENALTY_COST,
    PRODUCT,
    PRODUCT_BACK,
    PRODUCT_DW,
    RATE,
    RESCALE,
    ROW_NUMBERS,
    ROW_STRIDE,
    ROW_SUMS,
    ROWS,
    ROWS_OF,
    SCALES,
    SEED_HIGH,
    SEED_LOW,
    SIZE,
    SLOPE,
    SLOTS,
    SQUARES,
    SQUARES_G,
    THETA,
    TRANSPOSE,
    UPDATE,
    W_BUFFER,
    WEIGHT,
    WEIGHTS_BLAS,
    X_COLUMNS,
    X_ROW_STRIDE,
    X_ROWS,
    X_STRIDE,
    Y_COLUMNS,
    Y_ROW_STRIDE,
    Y_ROWS,
    Y_STRIDE,
    ZEROS,
    T,
    W,
    X,
    Y,
)

__all__ = ["apply", "choose", "extent", "forward", "gradient", "loss", "penalty", "take_rows"]

# From this many vectors on, the stride between features is an odd number of cache lines:
# a power of two would bring the same lane of all features into few sets of the cache.
_ODD_FROM = 8
_FLUSH_BITS = 0x8040


@driver_function()
def extent(plan, n_rows):
    """Vectors for so many rows, and bytes between features."""
    vectors = (n_rows + plan[LANES] - 1) // plan[LANES]
    wide = vectors | 1 if vectors >= _ODD_FROM else vectors
    return vectors, wide * 64


@driver_function()
def _columns(plan, width):
    return (width + plan[LANES] - 1) // plan[LANES]


@driver_function()
def take_rows(plan, source, source_stride, n_rows, with_y, y, y_stride):
    """The chosen rows of X, and of Y, into place: as rows, and as columns."""
    vectors, stride = extent(plan, n_rows)
    n_in = plan[HEADER + N_IN]
    chosen = plan[CHOSEN] + 8
    rows, rows_stride = plan[X_ROWS], plan[X_ROW_STRIDE]
    call(plan[COPY_ROWS], (source, source_stride, chosen, n_rows, rows, rows_stride, n_in))
    if n_rows < plan[HEADER + FORWARD_BLAS]:
        blocks = _columns(plan, n_in)
        call(plan[TRANSPOSE], (rows, rows_stride, plan[X_COLUMNS], stride, vectors, blocks))
    if with_y:
        n_out = plan[HEADER + (plan[LAYERS] - 1) * FIELDS + N_OUT]
        rows, rows_stride = plan[Y_ROWS], plan[Y_ROW_STRIDE]
        call(plan[COPY_ROWS], (y, y_stride, chosen, n_rows, rows, rows_stride, n_out))
        blocks = _columns(plan, n_out)
        call(plan[TRANSPOSE], (rows, rows_stride, plan[Y_COLUMNS], stride, vectors, blocks))


@driver_function()
def choose(plan, batch, positions, base, n):
    """The rows that have a weight; their number."""
    return call(
        plan[CHOOSE],
        (
            positions,
            batch[ROW_NUMBERS],
            n,
            base,
            batch[W],
            plan[NUMBERS] + 8 * DIVISOR,
            plan[CHOSEN],
            plan[W_BUFFER],
        ),
    )


@driver_function()
def forward(plan, theta, n_rows, training, step):
    """Z and A of every layer; in training the slopes, and A as rows where dW needs it."""
    vectors, stride = extent(plan, n_rows)
    lanes, size = vectors * plan[LANES], plan[SIZE]
    below, last = plan[X_COLUMNS], plan[LAYERS]
    for layer in range(1, last + 1):
        p = HEADER + (layer - 1) * FIELDS
        n_in, n_out, z = plan[p + N_IN], plan[p + N_OUT], plan[p + OUT]
        weight, bias = theta + plan[p + WEIGHT], plan[p + BIAS]
        bias = theta + bias if bias >= 0 else plan[ZEROS]
        if n_rows < plan[p + FORWARD_BLAS]:
            call(
                plan[PRODUCT],
                (z, stride, weight, n_in * size, below, stride, n_in, bias, n_out, lanes),
            )
        else:
            call(plan[FILL_ROWS], (bias, z, stride, n_out, vectors))
            ld = stride // size
            if layer == 1:
                rows, ld_rows = plan[X_ROWS], plan[X_ROW_STRIDE] // size
                shape = (plan[BLAS], 1, 0, n_rows, n_out, n_in, rows, ld_rows)
                call(plan[GEMM], shape + (weight, n_in, z, ld, 1))
            else:
                shape = (plan[BLAS], 0, 0, n_rows, n_out, n_in, below, ld)
                call(plan[GEMM], shape + (weight, n_in, z, ld, 1))
        if layer < last:
            slope = plan[p + SLOPE] if training else 0
            call(plan[p + ACT], (z, slope, n_out * stride // size))
            if training:
                if plan[p + DROPS] != 0:
                    numbers = plan[CHOSEN] + 8 + 8 * plan[ROWS]
                    where = (z, slope, stride, n_out, vectors, numbers)
                    key = (plan[SEED_LOW], plan[SEED_HIGH], step & 0xFFFFFFFF, layer)
                    factor = plan[NUMBERS] + 8 * (DROP_FACTORS + layer)
                    call(plan[DROPOUT], where + key + (plan[p + DROP_THRESHOLD], factor))
                if n_rows < plan[p + FIELDS + WEIGHTS_BLAS]:
                    blocks = _columns(plan, n_out)
                    target = (plan[p + ROWS_OF], plan[p + ROW_STRIDE])
                    call(plan[TRANSPOSE], (z, stride) + target + (blocks, vectors))
        below = z


@driver_function()
def loss(plan, numbers, n_rows, training):
    """Σ w_i C_i; in training δ^L takes the place of the output's slope."""
    vectors, stride = extent(plan, n_rows)
    p = HEADER + (plan[LAYERS] - 1) * FIELDS
    delta = plan[p + SLOPE] if training else 0
    where = (plan[p + OUT], plan[Y_COLUMNS], plan[W_BUFFER], delta, plan[p + N_OUT])
    call(plan[LOSS], where + (stride, vectors * plan[LANES], plan[NUMBERS] + 8 * DATA_COST))
    return numbers[DATA_COST]


@driver_function()
def _backward(plan, theta, n_rows):
    """dW and db of every layer, from the δ of the output down."""
    vectors, stride = extent(plan, n_rows)
    lanes, size = vectors * plan[LANES], plan[SIZE]
    ld = stride // size
    for layer in range(plan[LAYERS], 0, -1):
        p = HEADER + (layer - 1) * FIELDS
        q = p - FIELDS
        n_in, n_out, delta = plan[p + N_IN], plan[p + N_OUT], plan[p + SLOPE]
        target = plan[GRAD] + plan[p + WEIGHT]
        if n_rows < plan[p + WEIGHTS_BLAS]:
            rows = plan[X_ROWS] if layer == 1 else plan[q + ROWS_OF]
            rows_stride = plan[X_ROW_STRIDE] if layer == 1 else plan[q + ROW_STRIDE]
            tile = (target, n_in * size, delta, stride, rows, rows_stride)
            call(plan[PRODUCT_DW], tile + (n_rows, target, n_out, n_in))
        elif layer == 1:
            rows, ld_rows = plan[X_ROWS], plan[X_ROW_STRIDE] // size
            shape = (plan[BLAS], 0, 0, n_in, n_out, n_rows, rows, ld_rows)
            call(plan[GEMM], shape + (delta, ld, target, n_in, 0))
            # BLAS wants δ without its transpose: column j of it is row j of ours.
        else:
            shape = (plan[BLAS], 1, 0, n_in, n_out, n_rows, plan[q + OUT], ld)
            call(plan[GEMM], shape + (delta, ld, target, n_in, 0))
        if plan[p + BIAS] >= 0:
            there = plan[GRAD] + plan[p + BIAS]
            call(plan[ROW_SUMS], (delta, stride, n_rows, n_out, there))
        if layer > 1:
            weight, below = theta + plan[p + WEIGHT], plan[q + SLOPE]
            if n_rows < plan[p + BACKWARD_BLAS]:
                tile = (below, stride, weight, n_in * size, delta, stride)
                call(plan[PRODUCT_BACK], tile + (n_out, weight, n_in, lanes))
            else:
                # a of the layer below has been used for the last time: room for ∂C/∂a.
                up = plan[q + OUT]
                shape = (plan[BLAS], 0, 1, n_rows, n_in, n_out, delta, ld)
                call(plan[GEMM], shape + (weight, n_in, up, ld, 0))
                call(plan[MULTIPLY], (below, up, n_in * ld))


@driver_function()
def gradient(plan, numbers, batch, positions, base, n, step):
    """The data term of the cost; its gradient is in the plan's array."""
    n_rows = choose(plan, batch, positions, base, n)
    if n_rows == 0:
        call(plan[CLEAR], (plan[GRAD], plan[COUNT]))
        return 0.0
    take_rows(plan, batch[X], batch[X_STRIDE], n_rows, True, batch[Y], batch[Y_STRIDE])
    forward(plan, plan[THETA], n_rows, True, step)
    cost = loss(plan, numbers, n_rows, True)
    _backward(plan, plan[THETA], n_rows)
    return cost


@driver_function()
def _clip(plan, numbers):
    """g · min(1, c/‖g‖), from g/max|g|, as :func:`deltarule.optimizers.clip_by_norm` has it."""
    largest_at, squares_at = plan[NUMBERS] + 8 * LARGEST_G, plan[NUMBERS] + 8 * SQUARES_G
    call(plan[LARGEST], (plan[GRAD], plan[COUNT], largest_at))
    largest = numbers[LARGEST_G]
    if not (0.0 < largest < np.inf):
        return
    call(plan[SQUARES], (plan[GRAD], plan[COUNT], largest_at, squares_at))
    root = np.sqrt(numbers[SQUARES_G])
    if largest * root > numbers[MAX_NORM]:
        numbers[FACTOR] = numbers[MAX_NORM] / root
        factor_at = plan[NUMBERS] + 8 * FACTOR
        call(plan[RESCALE], (plan[GRAD], plan[COUNT], largest_at, factor_at))


@driver_function()
def penalty(plan, numbers, grad):
    """The penalty at θ; its gradient is added at an address that is not 0."""
    if plan[PENALTY] == 0:
        return 0.0
    scales, out = plan[NUMBERS] + 8 * SCALES, plan[NUMBERS] + 8 * PENALTY_COST
    call(plan[PENALTY], (plan[THETA], grad, plan[IS_WEIGHT], scales, plan[COUNT], out))
    return numbers[PENALTY_COST]


@driver_function()
def apply(plan, numbers, rate, cost):
    """Penalty, frozen parameters, clipping, rule, average: in this order."""
    cost = cost + penalty(plan, numbers, plan[GRAD])
    if plan[CLIP] != 0:
        if plan[FROZEN] != 0:
            call(plan[HOLD], (plan[GRAD], plan[FROZEN], plan[COUNT]))
        _clip(plan, numbers)
    numbers[T] += 1.0
    numbers[RATE] = rate
    numbers[COST] = cost
    what = (plan[THETA], plan[GRAD], plan[IS_WEIGHT], plan[FROZEN], plan[MEAN])
    call(plan[UPDATE], what + (plan[NUMBERS], plan[COUNT], plan[SLOTS]))
