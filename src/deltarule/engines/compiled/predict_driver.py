"""Prediction as a driver: a plan of its own, smaller than a step's, and what Python calls.

A plan is only read once it is made. Scratch is the caller's stack for one row and the
caller's array for many, so that any number of threads may run one plan at a time.

``run_one`` keeps the interpreter's lock, since it takes about as long as giving it away and
taking it back; ``run_rows`` runs without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numba import types

from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    enter,
    integers,
    odd_lines,
    stack,
)

__all__ = ["run_differs", "run_one", "run_rows"]

# The places of the plan: kernels, then the output's activation (a kernel for single numbers, or
# one that looks across outputs; 0 where it does nothing), sizes, and scratch for one row.
KERNELS = (
    "packed", "copy_out", "all_finite", "differ", "transpose", "scatter", "flush_denormals",
)  # fmt: skip
PACKED, COPY_OUT, ALL_FINITE, DIFFER, TRANSPOSE, SCATTER, FLUSH = range(7)
OUT_ACT, OUT_ACROSS, LAYERS, LANES, SIZE, N_INPUTS, N_OUTPUTS, HALF = range(7, 15)
OUT_PARAMETERS, HEADER = 15, 16
# For each layer: inputs, vectors of outputs, W and b, bytes between rows of z, activation, and
# the parameters of that.
N_IN, VECTORS, WEIGHT, BIAS, STRIDE, ACT, PARAMETERS = range(7)
FIELDS = 7

# Rows at a time. A piece of them stays in the second cache.
ROWS = 256
# What ``run_one`` may answer.
DONE, SHAPE, NOT_FINITE, CHANGED = 0, 1, 2, 3


@driver_function()
def _elementwise(plan, target, count, room):
    """The output's activation on so many numbers of the caller's, the last by way of ``room``."""
    rest = count % plan[LANES]
    whole = count - rest
    call(plan[OUT_ACT], (target, 0, whole, 1, 0, plan[OUT_PARAMETERS]))
    if rest > 0:
        end = target + whole * plan[SIZE]
        call(plan[COPY_OUT], (end, 0, room, 1, rest))
        call(plan[OUT_ACT], (room, 0, plan[LANES], 1, 0, plan[OUT_PARAMETERS]))
        call(plan[COPY_OUT], (room, 0, end, 1, rest))


@driver_function()
def _outputs(plan, x, n, target, scratch, half):
    """a^L of n rows, at most ``ROWS``; two halves of scratch hold a layer and the next."""
    size, lanes, n_out = plan[SIZE], plan[LANES], plan[N_OUTPUTS]
    below, below_stride, vectors = x, plan[N_INPUTS] * size, 0
    z, other = scratch, scratch + half
    for layer in range(plan[LAYERS]):
        p = HEADER + layer * FIELDS
        vectors, stride = plan[p + VECTORS], plan[p + STRIDE]
        rows = (z, stride, below, below_stride, plan[p + WEIGHT], plan[p + BIAS])
        call(plan[PACKED], rows + (plan[p + N_IN], n, vectors))
        if plan[p + ACT] != 0:
            call(plan[p + ACT], (z, 0, vectors * lanes, n, stride, plan[p + PARAMETERS]))
        below, below_stride = z, stride
        z, other = other, z
    if plan[OUT_ACROSS] != 0:
        # Outputs under each other, so that a lane is a row, as in training.
        blocks = (n + lanes - 1) // lanes
        across = odd_lines(blocks) * 64
        call(plan[TRANSPOSE], (below, below_stride, z, across, blocks, vectors))
        call(plan[OUT_ACROSS], (z, n_out, across, blocks * lanes, plan[OUT_PARAMETERS]))
        call(plan[SCATTER], (z, across, target, n_out * size, n, n_out))
        return
    alone = n == 1 and plan[OUT_ACT] != 0
    if alone:
        call(plan[OUT_ACT], (below, 0, vectors * lanes, 1, 0, plan[OUT_PARAMETERS]))
    call(plan[COPY_OUT], (below, below_stride, target, n, n_out))
    if plan[OUT_ACT] != 0 and not alone:
        _elementwise(plan, target, n * n_out, z)


@driver_function()
def _differs(plan, table):
    """Whether bytes are not as they were: the number of spans; for each, now, then, how many."""
    for i in range(table[0]):
        if call(plan[DIFFER], (table[1 + 3 * i], table[2 + 3 * i], table[3 + 3 * i])) != 0:
            return True
    return False


def _one_row_types() -> Iterator[Any]:
    """A row by itself, or in a matrix of one; what can be written to may stand for what cannot."""
    for real in (types.float32, types.float64):
        for ndim in (1, 2):
            row = types.Array(real, ndim, "C", readonly=True)
            yield types.int64(types.int64, types.int64, row, types.Array(real, ndim, "C"))


@driver_function(*_one_row_types(), nogil=False)
def run_one(plan_at, table_at, x, out):
    """a^L of one row of finite numbers, if nothing in the table (0 for none) has changed."""
    plan = integers(plan_at)
    if x.shape[-1] != plan[N_INPUTS] or x.size != plan[N_INPUTS] or out.size != plan[N_OUTPUTS]:
        return SHAPE
    if table_at != 0 and _differs(plan, integers(table_at)):
        return CHANGED
    if call(plan[ALL_FINITE], (x.ctypes.data, plan[N_INPUTS])) == 0:
        return NOT_FINITE
    half = plan[HALF]
    scratch = stack(2 * half)
    before = enter(plan[FLUSH])
    _outputs(plan, x.ctypes.data, 1, out.ctypes.data, scratch, half)
    call(plan[FLUSH], (before,))
    return DONE


@driver_function("void(int64, int64, int64, int64, int64, int64)")
def run_rows(plan_at, x, rows, target, scratch, half):
    """a^L of rows, into the caller's array, a piece at a time."""
    plan = integers(plan_at)
    before = enter(plan[FLUSH])
    x_stride, target_stride = plan[N_INPUTS] * plan[SIZE], plan[N_OUTPUTS] * plan[SIZE]
    start = 0
    while start < rows:
        n = min(ROWS, rows - start)
        there = target + start * target_stride
        _outputs(plan, x + start * x_stride, n, there, scratch, half)
        start += n
    call(plan[FLUSH], (before,))


@driver_function("boolean(int64, int64)", nogil=False)
def run_differs(plan_at, table_at):
    """Whether something in the table has changed."""
    return _differs(integers(plan_at), integers(table_at))
