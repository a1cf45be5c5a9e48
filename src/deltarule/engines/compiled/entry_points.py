"""What Python calls: each entry takes addresses, and runs the driver without the lock.

On the way in, the processor is told to flush denormal numbers to zero, and on the way out
to do as before: with them an Adam pass over dead units is 2.4 times slower.

The workers of a call run the same entry, each with the address of its own plan and with their
number, which :func:`begin` writes there before anything else; nobody begins before all are there.
Entries are called by ``thread_pool.py`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import types

from deltarule.engines.compiled.apply_update import apply, finite, penalty
from deltarule.engines.compiled.driver import (
    batch_gradient,
    choose,
    extent,
    forward,
    loss,
    meet,
    take_rows,
    total_loss,
)
from deltarule.engines.compiled.jit import call, driver_function, enter, integers
from deltarule.engines.compiled.jit import numbers as numbers_of
from deltarule.engines.compiled.plan_layout import (
    ALONE,
    BASE,
    CALLED_OFF,
    CHOOSE,
    CHOSEN,
    COUNT,
    DIVISOR,
    FIELDS,
    FINITE,
    FLUSH,
    HEADER,
    LANES,
    LAYERS,
    MEAN,
    MEETING,
    MEMBER,
    MEMBERS,
    N_IN,
    N_OUT,
    N_ROWS,
    NUMBERS,
    OUT,
    OUT_ACROSS,
    OUT_ACT,
    OUT_PARAMETERS,
    POSITIONS,
    PREDICT_ROWS,
    ROW_NUMBERS,
    SCATTER,
    SHARES,
    SIZE,
    SKIPPED,
    STEP,
    THETA,
    W_BUFFER,
    W_STRIDE,
    X_STRIDE,
    Y_STRIDE,
    W,
    X,
    Y,
)

__all__ = [
    "begin",
    "describe",
    "run_apply",
    "run_cost",
    "run_finite",
    "run_gradient",
    "run_penalty",
    "run_predict",
    "run_steps",
]


@driver_function()
def begin(plan, workers):
    """Write down how many workers this call has, and wait for all; false if it is called off."""
    plan[MEMBERS] = workers
    meet(plan)
    return workers == 1 or integers(plan[MEETING])[CALLED_OFF] == 0


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
    batch[W], batch[W_STRIDE] = w.ctypes.data, w.itemsize
    batch[ROW_NUMBERS] = row_numbers.ctypes.data
    batch[SHARES] = batch[POSITIONS] = batch[BASE] = 0
    batch[N_ROWS] = n
    return n


@driver_function("float64(int64, int64, int64)")
def run_gradient(plan_at, workers, batch_at):
    """The gradient of one batch."""
    plan, batch = integers(plan_at), integers(batch_at)
    numbers = numbers_of(plan[NUMBERS])
    if not begin(plan, workers):
        return 0.0
    before = enter(plan[FLUSH])
    numbers[DIVISOR] = 1.0
    n, step = batch[N_ROWS], batch[STEP]
    cost = batch_gradient(plan, numbers, batch, batch[POSITIONS], batch[BASE], n, step)
    call(plan[FLUSH], (before,))
    return cost


@driver_function("void(int64, int64, float64, float64)")
def run_apply(plan_at, workers, rate, cost):
    """One update from the gradient in the plan's array."""
    plan = integers(plan_at)
    if not begin(plan, workers):
        return
    before = enter(plan[FLUSH])
    apply(plan, numbers_of(plan[NUMBERS]), rate, cost)
    call(plan[FLUSH], (before,))


@driver_function("float64(int64, int64)")
def run_penalty(plan_at, workers):
    """The penalty at θ, by one worker: of several each gets the sum over its own share."""
    plan = integers(plan_at)
    if not begin(plan, workers):
        return 0.0
    return penalty(plan, numbers_of(plan[NUMBERS]), 0)


@driver_function("boolean(int64, int64)")
def run_finite(plan_at, workers):
    """Whether every parameter is finite."""
    plan = integers(plan_at)
    if not begin(plan, workers):
        return False
    return call(plan[FINITE], (plan[THETA], plan[COUNT])) != 0


@driver_function("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def run_steps(plan_at, workers, batch_at, rates_at, costs_at, first, last, batch_size):
    """Steps ``first`` to ``last`` − 1 of an epoch; gives the first that was not taken.

    Step i has the rows at i · batch_size of the epoch. It is not taken if its cost or its
    gradient is not finite; costs[i] says so, and nothing has moved. Nor is it taken if somebody
    has asked to stop; then some of it was skipped, and costs[i] says nothing. A single step is an
    epoch of one.
    """
    plan, batch = integers(plan_at), integers(batch_at)
    numbers = numbers_of(plan[NUMBERS])
    rates, costs = numbers_of(rates_at), numbers_of(costs_at)
    index = first
    if not begin(plan, workers):
        return index
    before = enter(plan[FLUSH])
    rows = batch[N_ROWS]
    while index < last:
        start = index * batch_size
        n = min(batch_size, rows - start)
        positions = batch[POSITIONS]
        if positions != 0:
            positions += 8 * start
        numbers[DIVISOR] = n if batch[SHARES] != 0 else 1
        cost = batch_gradient(
            plan, numbers, batch, positions, batch[BASE] + start, n, batch[STEP] + index
        )
        # First whether all is finite: its meeting tells every member whether one has skipped.
        good = finite(plan)
        if integers(plan[MEETING])[SKIPPED] != 0:
            break
        if not good:
            cost = np.nan if np.isfinite(cost) else cost
        if plan[MEMBER] == 0:
            costs[index] = cost
        if not np.isfinite(cost):
            break
        apply(plan, numbers, rates[index], cost)
        index += 1
    call(plan[FLUSH], (before,))
    return index


@driver_function("void(int64, int64, int64, int64, int64)")
def run_cost(plan_at, workers, batch_at, averaged, costs_at):
    """The data term of the cost, by a forward pass alone: one number for each piece of rows."""
    plan, batch = integers(plan_at), integers(batch_at)
    if not begin(plan, workers):
        return
    alone, costs = integers(plan[ALONE]), numbers_of(costs_at)
    numbers = numbers_of(alone[NUMBERS])
    before = enter(plan[FLUSH])
    theta = plan[MEAN] if averaged else plan[THETA]
    rows = batch[N_ROWS]
    numbers[DIVISOR] = 1.0
    pieces = (rows + PREDICT_ROWS - 1) // PREDICT_ROWS
    for piece in range(plan[MEMBER], pieces, plan[MEMBERS]):
        start = piece * PREDICT_ROWS
        n = choose(alone, batch, 0, start, min(PREDICT_ROWS, rows - start))
        costs[piece] = 0.0
        if n > 0:
            take_rows(alone, batch[X], batch[X_STRIDE], n, True, batch[Y], batch[Y_STRIDE])
            forward(alone, theta, n, False, 0)
            loss(alone, numbers, n, False)
            costs[piece] = total_loss(alone, n)
    call(plan[FLUSH], (before,))
    meet(plan)


@driver_function("void(int64, int64, int64, int64, int64, int64, int64)")
def run_predict(plan_at, workers, x, rows, one, averaged, target):
    """a^L of the rows, into the caller's array, a piece at a time."""
    plan = integers(plan_at)
    if not begin(plan, workers):
        return
    alone = integers(plan[ALONE])
    numbers = numbers_of(alone[NUMBERS])
    before = enter(plan[FLUSH])
    theta = plan[MEAN] if averaged else plan[THETA]
    p = HEADER + (plan[LAYERS] - 1) * FIELDS
    x_stride, target_stride = plan[HEADER + N_IN] * plan[SIZE], plan[p + N_OUT] * plan[SIZE]
    numbers[DIVISOR] = 1.0
    pieces = (rows + PREDICT_ROWS - 1) // PREDICT_ROWS
    for piece in range(plan[MEMBER], pieces, plan[MEMBERS]):
        start = piece * PREDICT_ROWS
        n = min(PREDICT_ROWS, rows - start)
        divisor = alone[NUMBERS] + 8 * DIVISOR
        where = (0, 0, n, 0, one, 0, divisor, alone[CHOSEN], alone[W_BUFFER])
        call(alone[CHOOSE], where)  # of weight 1: all of them
        take_rows(alone, x + start * x_stride, x_stride, n, False, 0, 0)
        forward(alone, theta, n, False, 0)
        vectors, stride = extent(alone, n)
        z, n_out = alone[p + OUT], alone[p + N_OUT]
        if alone[OUT_ACROSS] != 0:
            what = (z, n_out, stride, vectors * alone[LANES], alone[OUT_PARAMETERS])
            call(alone[OUT_ACROSS], what)
        else:
            shape = (vectors * alone[LANES], n_out, stride)
            call(alone[OUT_ACT], (z, 0) + shape + (alone[OUT_PARAMETERS],))
        there = target + start * target_stride
        call(alone[SCATTER], (z, stride, there, target_stride, n, n_out))
    call(plan[FLUSH], (before,))
    meet(plan)
