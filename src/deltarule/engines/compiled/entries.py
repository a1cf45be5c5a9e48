"""What Python calls: each entry takes addresses, and runs the driver without the lock.

On the way in, the processor is told to flush denormal numbers to zero, and on the way out
to do as before: with them an Adam pass over dead units is 2.4 times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import types

from deltarule.engines.compiled.calling import call, driver_function, integers
from deltarule.engines.compiled.calling import numbers as numbers_of
from deltarule.engines.compiled.driver import (
    apply,
    choose,
    extent,
    forward,
    gradient,
    loss,
    penalty,
    take_rows,
)
from deltarule.engines.compiled.fields import (
    BASE,
    CHOOSE,
    CHOSEN,
    COUNT,
    DIVISOR,
    FIELDS,
    FINITE,
    FLUSH,
    GRAD,
    HEADER,
    LANES,
    LAYERS,
    MEAN,
    N_IN,
    N_OUT,
    N_ROWS,
    NUMBERS,
    OUT,
    OUT_ACROSS,
    OUT_ACT,
    POSITIONS,
    PREDICT_ROWS,
    ROW_NUMBERS,
    SCATTER,
    SHARES,
    SIZE,
    STEP,
    THETA,
    W_BUFFER,
    X_STRIDE,
    Y_STRIDE,
    W,
    X,
    Y,
)

__all__ = [
    "describe",
    "run_apply",
    "run_cost",
    "run_gradient",
    "run_penalty",
    "run_predict",
    "run_steps",
]

_FLUSH_BITS = 0x8040


@driver_function()
def _enter(plan):
    """Flush denormals to zero in this thread; gives what has to be put back."""
    before = call(plan[FLUSH], (0,))
    call(plan[FLUSH], (before | _FLUSH_BITS,))
    return before


def _described_types() -> Iterator[Any]:
    """The arrays of a batch as Numba types: what can be written to may stand for what cannot."""
    for real in (types.float32, types.float64):
        matrix = types.Array(real, 2, "C", readonly=True)
        vector = types.Array(real, 1, "C", readonly=True)
        numbers = types.Array(types.int64, 1, "C", readonly=True)
        widths = (types.int64, types.int64)
        yield types.int64(types.int64[::1], matrix, matrix, vector, numbers, *widths)


@driver_function(*_described_types())
def describe(batch, x, y, w, row_numbers, n_in, n_out):
    """Write down where the rows of a batch are; gives their number, or −1 if shapes disagree.

    In Python the same takes 6 µs, twice as long as a small network's step.
    """
    n = len(x)
    if not (len(y) == n == len(w) == len(row_numbers)):
        return -1
    if x.shape[1] != n_in or y.shape[1] != n_out:
        return -1
    batch[X], batch[X_STRIDE] = x.ctypes.data, n_in * x.itemsize
    batch[Y], batch[Y_STRIDE] = y.ctypes.data, n_out * y.itemsize
    batch[W], batch[ROW_NUMBERS] = w.ctypes.data, row_numbers.ctypes.data
    batch[SHARES] = batch[POSITIONS] = batch[BASE] = 0
    batch[N_ROWS] = n
    return n


@driver_function("float64(int64, int64, int64)")
def run_gradient(plan_at, numbers_at, batch_at):
    """The gradient of one batch."""
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    batch = integers(batch_at)
    before = _enter(plan)
    n, base, step = batch[N_ROWS], batch[BASE], batch[STEP]
    numbers[DIVISOR] = 1.0
    cost = gradient(plan, numbers, batch, batch[POSITIONS], base, n, step)
    call(plan[FLUSH], (before,))
    return cost


@driver_function("void(int64, int64, float64, float64)")
def run_apply(plan_at, numbers_at, rate, cost):
    """One update from the gradient in the plan's array."""
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    before = _enter(plan)
    apply(plan, numbers, rate, cost)
    call(plan[FLUSH], (before,))


@driver_function("float64(int64, int64)")
def run_penalty(plan_at, numbers_at):
    """The penalty at θ."""
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    return penalty(plan, numbers, 0)


@driver_function("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def run_steps(plan_at, numbers_at, batch_at, rates_at, costs_at, first, last, batch_size):
    """Steps ``first`` to ``last`` − 1 of an epoch; gives the first that was not taken.

    Step i has the rows at i · batch_size of the epoch. It is not taken if its cost or its
    gradient is not finite; costs[i] says so, and nothing has moved. A single step is an epoch of
    one.
    """
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    batch = integers(batch_at)
    rates, costs = numbers_of(rates_at), numbers_of(costs_at)
    before = _enter(plan)
    rows, index = batch[N_ROWS], first
    while index < last:
        start = index * batch_size
        n = min(batch_size, rows - start)
        positions = batch[POSITIONS]
        if positions != 0:
            positions += 8 * start
        numbers[DIVISOR] = n if batch[SHARES] != 0 else 1
        cost = gradient(
            plan, numbers, batch, positions, batch[BASE] + start, n, batch[STEP] + index
        )
        if np.isfinite(cost) and call(plan[FINITE], (plan[GRAD], plan[COUNT])) == 0:
            cost = np.nan
        costs[index] = cost
        if not np.isfinite(cost):
            break
        apply(plan, numbers, rates[index], cost)
        index += 1
    call(plan[FLUSH], (before,))
    return index


@driver_function("float64(int64, int64, int64, int64)")
def run_cost(plan_at, numbers_at, batch_at, averaged):
    """The data term of the cost, by a forward pass alone, a piece at a time."""
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    batch = integers(batch_at)
    before = _enter(plan)
    theta = plan[MEAN] if averaged else plan[THETA]
    cost, start, rows = 0.0, 0, batch[N_ROWS]
    numbers[DIVISOR] = 1.0
    while start < rows:
        n = choose(plan, batch, 0, start, min(PREDICT_ROWS, rows - start))
        if n > 0:
            take_rows(plan, batch[X], batch[X_STRIDE], n, True, batch[Y], batch[Y_STRIDE])
            forward(plan, theta, n, False, 0)
            cost += loss(plan, numbers, n, False)
        start += PREDICT_ROWS
    call(plan[FLUSH], (before,))
    return cost


@driver_function("void(int64, int64, int64, int64, int64, int64, int64)")
def run_predict(plan_at, numbers_at, x, rows, ones, averaged, target):
    """a^L of the rows, into the caller's array, a piece at a time."""
    plan = integers(plan_at)
    numbers = numbers_of(numbers_at)
    before = _enter(plan)
    theta = plan[MEAN] if averaged else plan[THETA]
    p = HEADER + (plan[LAYERS] - 1) * FIELDS
    x_stride, target_stride = plan[HEADER + N_IN] * plan[SIZE], plan[p + N_OUT] * plan[SIZE]
    numbers[DIVISOR] = 1.0
    start = 0
    while start < rows:
        # Never more, so that a row's bits do not depend on what other batches had room for.
        n = min(PREDICT_ROWS, rows - start)
        where = (0, 0, n, 0, ones, plan[NUMBERS] + 8 * DIVISOR, plan[CHOSEN], plan[W_BUFFER])
        call(plan[CHOOSE], where)  # of weight 1: all of them
        take_rows(plan, x + start * x_stride, x_stride, n, False, 0, 0)
        forward(plan, theta, n, False, 0)
        vectors, stride = extent(plan, n)
        z, n_out = plan[p + OUT], plan[p + N_OUT]
        if plan[OUT_ACROSS] != 0:
            call(plan[OUT_ACROSS], (z, n_out, stride, vectors * plan[LANES]))
        else:
            call(plan[OUT_ACT], (z, 0, n_out * stride // plan[SIZE]))
        there = target + start * target_stride
        call(plan[SCATTER], (z, stride, there, target_stride, n, n_out))
        start += n
    call(plan[FLUSH], (before,))
