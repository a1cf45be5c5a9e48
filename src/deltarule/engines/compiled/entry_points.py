"""The entry points that Python calls: they take addresses, and release the GIL.

An entry sets the processor to flush denormal numbers to zero and restores its mode at the end: with
denormals an Adam update of nodes whose gradient stays 0 takes 2.4 times as long.

All workers of a call run the same entry, each with the address of its own plan.
:func:`wait_for_workers` comes first in each. ``thread_pool.py`` alone calls entries.
"""

from __future__ import annotations

import numpy as np

from deltarule.engines.compiled import driver
from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.apply_update import add_penalty, apply_update, gradient_is_finite
from deltarule.engines.compiled.jit import (
    call,
    driver_function,
    entry_point,
    float64_pointer,
    flush_denormals,
    int64_pointer,
)


@driver_function
def wait_for_workers(plan, workers):
    """Write the number of workers to the plan and wait for all; return false if cancelled."""
    plan[f.WORKERS] = workers
    driver.barrier_wait(plan)
    return workers == 1 or int64_pointer(plan[f.BARRIER])[f.CANCELLED] == 0


@entry_point
def describe_batch(
    batch_at,
    x, x_item, rows, x_width,
    y, y_item, y_rows, y_width,
    w, w_item, _, w_rows,
    row_numbers, _item, _rows, row_count,
    n_in, n_out,
):  # fmt: skip
    """Write the addresses of a batch's arrays; return the number of rows, −1 if they do not fit.

    In Python this would take 6 µs, twice as long as a step of a small network.
    """
    if not (rows == y_rows == w_rows == row_count and x_item == y_item == w_item):
        return -1
    if x_width != n_in or y_width != n_out:
        return -1
    batch = int64_pointer(batch_at)
    batch[f.X], batch[f.X_STRIDE] = x, n_in * x_item
    batch[f.Y], batch[f.Y_STRIDE] = y, n_out * y_item
    batch[f.W], batch[f.W_STRIDE] = w, w_item
    batch[f.ROW_NUMBERS] = row_numbers
    batch[f.DIVIDE_W] = batch[f.POSITIONS] = batch[f.BASE] = batch[f.X_COLUMNS_AT] = 0
    batch[f.N_ROWS] = rows
    return rows


@entry_point
def run_gradient(plan_at, workers, batch_at):
    """Compute the gradient of one batch into plan[GRAD]; return the data term of the cost."""
    plan, batch = int64_pointer(plan_at), int64_pointer(batch_at)
    numbers = float64_pointer(plan[f.NUMBERS])
    if not wait_for_workers(plan, workers):
        return 0.0
    before = flush_denormals(plan[f.FLUSH])
    numbers[f.WEIGHT_DIVISOR] = 1.0
    n, step = batch[f.N_ROWS], batch[f.STEP]
    cost = driver.batch_gradient(plan, numbers, batch, batch[f.POSITIONS], batch[f.BASE], n, step)
    call(plan[f.FLUSH], (before,))
    return cost


@entry_point
def run_apply(plan_at, workers, rate, cost):
    """Update the parameters by the gradient in plan[GRAD]."""
    plan = int64_pointer(plan_at)
    if not wait_for_workers(plan, workers):
        return
    before = flush_denormals(plan[f.FLUSH])
    apply_update(plan, float64_pointer(plan[f.NUMBERS]), rate, cost)
    call(plan[f.FLUSH], (before,))


@entry_point
def run_penalty(plan_at, workers):
    """The penalty at θ; for one worker only (several would each return the sum of their chunks)."""
    plan = int64_pointer(plan_at)
    if not wait_for_workers(plan, workers):
        return 0.0
    return add_penalty(plan, float64_pointer(plan[f.NUMBERS]), 0)


@entry_point
def run_is_finite(plan_at, workers):
    """Whether every parameter is finite, by one worker."""
    plan = int64_pointer(plan_at)
    if not wait_for_workers(plan, workers):
        return False
    return call(plan[f.FINITE], (plan[f.THETA], plan[f.COUNT])) != 0


@entry_point
def run_steps(plan_at, workers, batch_at, rates_at, costs_at, first, last, batch_size):
    """Take steps ``first`` to ``last`` − 1 of an epoch; return the first step not taken.

    Step i has the epoch's rows from i · batch_size on. It is not taken if its cost or gradient is
    not finite: costs[i] is then not finite, and nothing has changed. It is not taken either if a
    stop was requested while it ran: costs[i] is then undefined. A single step is an epoch of one.
    """
    plan, batch = int64_pointer(plan_at), int64_pointer(batch_at)
    numbers = float64_pointer(plan[f.NUMBERS])
    rates, costs = float64_pointer(rates_at), float64_pointer(costs_at)
    index = first
    if not wait_for_workers(plan, workers):
        return index
    before = flush_denormals(plan[f.FLUSH])
    rows = batch[f.N_ROWS]
    while index < last:
        start = index * batch_size
        n = min(batch_size, rows - start)
        positions = batch[f.POSITIONS]
        if positions != 0:
            positions += 8 * start
        numbers[f.WEIGHT_DIVISOR] = n if batch[f.DIVIDE_W] != 0 else 1
        cost = driver.batch_gradient(
            plan, numbers, batch, positions, batch[f.BASE] + start, n, batch[f.STEP] + index
        )
        # Before the test of WORK_SKIPPED: the barrier in it makes all workers see the same value.
        good = gradient_is_finite(plan)
        if int64_pointer(plan[f.BARRIER])[f.WORK_SKIPPED] != 0:
            break
        if not good:
            cost = np.nan if np.isfinite(cost) else cost
        if plan[f.WORKER] == 0:
            costs[index] = cost
        if not np.isfinite(cost):
            break
        apply_update(plan, numbers, rates[index], cost)
        index += 1
    call(plan[f.FLUSH], (before,))
    return index


@entry_point
def run_cost(plan_at, workers, batch_at, averaged, costs_at):
    """The data term of the cost by a forward pass, one number for every PREDICT_ROWS rows."""
    plan, batch = int64_pointer(plan_at), int64_pointer(batch_at)
    if not wait_for_workers(plan, workers):
        return
    own, costs = int64_pointer(plan[f.OWN_PLAN]), float64_pointer(costs_at)
    numbers = float64_pointer(own[f.NUMBERS])
    before = flush_denormals(plan[f.FLUSH])
    theta = plan[f.MEAN] if averaged else plan[f.THETA]
    rows = batch[f.N_ROWS]
    numbers[f.WEIGHT_DIVISOR] = 1.0
    driver.round_weights(plan, theta, plan[f.LAYERS] + 1)
    pieces = (rows + f.PREDICT_ROWS - 1) // f.PREDICT_ROWS
    for piece in range(plan[f.WORKER], pieces, plan[f.WORKERS]):
        start = piece * f.PREDICT_ROWS
        n = driver.select_rows(own, batch, 0, start, min(f.PREDICT_ROWS, rows - start))
        costs[piece] = 0.0
        if n > 0:
            driver.gather_batch(own, batch, n, False)
            driver.forward(own, theta, n, False, 0)
            driver.loss(own, numbers, n, False)
            costs[piece] = driver.total_loss(own, n)
    call(plan[f.FLUSH], (before,))
    driver.barrier_wait(plan)


@entry_point
def run_predict(plan_at, workers, x, rows, one, averaged, target):
    """Write a^L of the rows to the caller's array, PREDICT_ROWS rows at a time."""
    plan = int64_pointer(plan_at)
    if not wait_for_workers(plan, workers):
        return
    own = int64_pointer(plan[f.OWN_PLAN])
    numbers = float64_pointer(own[f.NUMBERS])
    before = flush_denormals(plan[f.FLUSH])
    theta = plan[f.MEAN] if averaged else plan[f.THETA]
    layer_at = f.HEADER + (plan[f.LAYERS] - 1) * f.FIELDS
    x_stride, target_stride = (
        plan[f.HEADER + f.N_IN] * plan[f.ITEM_SIZE],
        plan[layer_at + f.N_OUT] * plan[f.ITEM_SIZE],
    )
    numbers[f.WEIGHT_DIVISOR] = 1.0
    driver.round_weights(plan, theta, plan[f.LAYERS] + 1)
    pieces = (rows + f.PREDICT_ROWS - 1) // f.PREDICT_ROWS
    for piece in range(plan[f.WORKER], pieces, plan[f.WORKERS]):
        start = piece * f.PREDICT_ROWS
        n = min(f.PREDICT_ROWS, rows - start)
        divisor = own[f.NUMBERS] + 8 * f.WEIGHT_DIVISOR
        selection = (0, 0, n, 0, one, 0, divisor, own[f.SELECTED], own[f.W_BUFFER])
        call(own[f.SELECT_ROWS], selection)  # all rows, with weight 1
        driver.gather_rows(own, x + start * x_stride, x_stride, n, False, 0, 0, False)
        driver.forward(own, theta, n, False, 0)
        vectors, stride = driver.row_vectors(own, n)
        z, n_out = own[layer_at + f.OUT], own[layer_at + f.N_OUT]
        if own[f.OUT_NON_ELEMENTWISE] != 0:
            arguments = (z, n_out, stride, vectors * own[f.LANES], own[f.OUT_PARAMETERS])
            call(own[f.OUT_NON_ELEMENTWISE], arguments)
        else:
            shape = (vectors * own[f.LANES], n_out, stride)
            call(own[f.OUT_ACT], (z, 0) + shape + (own[f.OUT_PARAMETERS],))
        rows_at = target + start * target_stride
        call(own[f.SCATTER], (z, stride, rows_at, target_stride, n, n_out))
    call(plan[f.FLUSH], (before,))
    driver.barrier_wait(plan)
