"""How the parameters move, chunk by chunk: penalty, frozen ones, clipping, rule, average.

Sums over all parameters are made of one sum for each chunk, added in order, so that they do
not depend on which member of a team makes which.
"""

from __future__ import annotations

import numpy as np

from deltarule.engines.compiled.driver import meet, my_chunks
from deltarule.engines.compiled.jit import call, driver_function
from deltarule.engines.compiled.jit import numbers as numbers_of
from deltarule.engines.compiled.plan_layout import (
    CLIP,
    COST,
    COUNT,
    FACTOR,
    FINITE,
    FROZEN,
    GRAD,
    HOLD,
    IS_WEIGHT,
    LARGEST,
    LARGEST_G,
    MAX_NORM,
    MEAN,
    NUMBERS,
    PARTIALS,
    PENALTY,
    PENALTY_COST,
    RATE,
    RESCALE,
    SCALES,
    SIZE,
    SLOTS,
    SQUARES,
    SQUARES_G,
    THETA,
    UPDATE,
    UPDATE_PARAMETERS,
    T,
)

__all__ = ["apply", "finite", "penalty"]


@driver_function()
def _chunks(plan):
    _, _, chunk = my_chunks(plan)
    return (plan[COUNT] + chunk - 1) // chunk


@driver_function()
def finite(plan):
    """Whether every entry of the gradient is finite; every member is told the same."""
    partials = numbers_of(plan[PARTIALS])
    first, end, chunk = my_chunks(plan)
    for index in range(first, end):
        start = index * chunk
        count = min(chunk, plan[COUNT] - start)
        partials[index] = call(plan[FINITE], (plan[GRAD] + start * plan[SIZE], count))
    meet(plan)
    good = 0.0
    for index in range(_chunks(plan)):
        good += partials[index]
    return good == _chunks(plan)


@driver_function()
def penalty(plan, numbers, grad):
    """The penalty at θ, of this member's chunks; its gradient is added where that is not 0."""
    if plan[PENALTY] == 0:
        return 0.0
    scales, out = plan[NUMBERS] + 8 * SCALES, plan[NUMBERS] + 8 * PENALTY_COST
    first, end, chunk = my_chunks(plan)
    total = 0.0
    for index in range(first, end):
        start = index * chunk * plan[SIZE]
        count = min(chunk, plan[COUNT] - index * chunk)
        what = (plan[THETA], grad, plan[IS_WEIGHT], scales, start, count, out)
        call(plan[PENALTY], what)
        total += numbers[PENALTY_COST]
    return total


@driver_function()
def _clip(plan, numbers):
    """g · min(1, c/‖g‖), from g/max|g|, as :func:`deltarule.optimizers.clip_by_norm` has it."""
    partials, chunks = numbers_of(plan[PARTIALS]), _chunks(plan)
    first, end, chunk = my_chunks(plan)
    largest_at, squares_at = plan[NUMBERS] + 8 * LARGEST_G, plan[NUMBERS] + 8 * SQUARES_G
    meet(plan)  # everyone has read what stood in the partial sums
    for index in range(first, end):
        where = plan[GRAD] + index * chunk * plan[SIZE]
        call(plan[LARGEST], (where, min(chunk, plan[COUNT] - index * chunk), largest_at))
        partials[index] = numbers[LARGEST_G]
    meet(plan)
    largest = 0.0
    for index in range(chunks):
        # No number is greater than NaN, which must be seen all the same.
        if not partials[index] <= largest:
            largest = partials[index]
    if not (0.0 < largest < np.inf):
        return
    numbers[LARGEST_G] = largest
    meet(plan)
    for index in range(first, end):
        where = plan[GRAD] + index * chunk * plan[SIZE]
        count = min(chunk, plan[COUNT] - index * chunk)
        call(plan[SQUARES], (where, count, largest_at, squares_at))
        partials[index] = numbers[SQUARES_G]
    meet(plan)
    squares = 0.0
    for index in range(chunks):
        squares += partials[index]
    root = np.sqrt(squares)
    if largest * root > numbers[MAX_NORM]:
        numbers[FACTOR] = numbers[MAX_NORM] / root
        factor_at = plan[NUMBERS] + 8 * FACTOR
        where = plan[GRAD] + first * chunk * plan[SIZE]
        count = min(end * chunk, plan[COUNT]) - first * chunk
        call(plan[RESCALE], (where, count, largest_at, factor_at))


@driver_function()
def apply(plan, numbers, rate, cost):
    """Penalty, frozen parameters, clipping, rule, average: in this order.

    A rule that looks at the cost, penalty included, has one chunk for all parameters.
    """
    first, end, chunk = my_chunks(plan)
    cost = cost + penalty(plan, numbers, plan[GRAD])
    if plan[CLIP] != 0:
        if plan[FROZEN] != 0 and first < end:
            start = first * chunk * plan[SIZE]
            count = min(end * chunk, plan[COUNT]) - first * chunk
            call(plan[HOLD], (plan[GRAD], plan[FROZEN], start, count))
        _clip(plan, numbers)
    numbers[T] += 1.0
    numbers[RATE] = rate
    numbers[COST] = cost
    if first < end:
        what = (plan[THETA], plan[GRAD], plan[IS_WEIGHT], plan[FROZEN], plan[MEAN])
        start = first * chunk
        count = min(end * chunk, plan[COUNT]) - start
        where = (plan[NUMBERS], start * plan[SIZE], count, plan[SLOTS])
        call(plan[UPDATE], what + where + (plan[UPDATE_PARAMETERS],))
    meet(plan)
