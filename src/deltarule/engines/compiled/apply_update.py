"""The update of the parameters: penalty, frozen parameters, clipping, rule, average.

θ is divided into chunks (ranges of parameters), and each worker updates some of the chunks. A sum
over all parameters is the sum of one number for each chunk, in order, so that it does not depend on
the number of workers.
"""

from __future__ import annotations

import numpy as np

from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.driver import barrier_wait, worker_chunks
from deltarule.engines.compiled.jit import call, driver_function, float64_pointer, square_root

__all__ = ["add_penalty", "apply_update", "gradient_is_finite"]


@driver_function
def _chunk_count(plan):
    _, _, chunk = worker_chunks(plan)
    return (plan[f.COUNT] + chunk - 1) // chunk


@driver_function
def gradient_is_finite(plan):
    """Whether every entry of the gradient is finite; the same for all workers."""
    partials = float64_pointer(plan[f.PARTIALS])
    first, end, chunk = worker_chunks(plan)
    for index in range(first, end):
        start = index * chunk
        count = min(chunk, plan[f.COUNT] - start)
        partials[index] = call(plan[f.FINITE], (plan[f.GRAD] + start * plan[f.ITEM_SIZE], count))
    barrier_wait(plan)
    good = 0.0
    for index in range(_chunk_count(plan)):
        good += partials[index]
    return good == _chunk_count(plan)


@driver_function
def add_penalty(plan, numbers, grad):
    """The penalty of this worker's chunks; its gradient is added at address ``grad`` unless 0."""
    if plan[f.PENALTY] == 0:
        return 0.0
    scales, out = plan[f.NUMBERS] + 8 * f.SCALES, plan[f.NUMBERS] + 8 * f.PENALTY_COST
    first, end, chunk = worker_chunks(plan)
    total = 0.0
    for index in range(first, end):
        start = index * chunk * plan[f.ITEM_SIZE]
        count = min(chunk, plan[f.COUNT] - index * chunk)
        arrays = (plan[f.THETA], grad, plan[f.IS_WEIGHT], scales, start, count, out)
        call(plan[f.PENALTY], arrays)
        total += numbers[f.PENALTY_COST]
    return total


@driver_function
def _clip(plan, numbers):
    """Clip the gradient as :func:`deltarule.optimizers.clip_by_norm` does: g · min(1, c/‖g‖)."""
    partials, chunks = float64_pointer(plan[f.PARTIALS]), _chunk_count(plan)
    first, end, chunk = worker_chunks(plan)
    largest_at, squares_at = plan[f.NUMBERS] + 8 * f.LARGEST_G, plan[f.NUMBERS] + 8 * f.SQUARES_G
    barrier_wait(plan)  # until all workers have read the partial sums of an earlier use
    for index in range(first, end):
        grad = plan[f.GRAD] + index * chunk * plan[f.ITEM_SIZE]
        call(plan[f.LARGEST], (grad, min(chunk, plan[f.COUNT] - index * chunk), largest_at))
        partials[index] = numbers[f.LARGEST_G]
    barrier_wait(plan)
    largest = 0.0
    for index in range(chunks):
        # Negated, so that a NaN is kept.
        if not partials[index] <= largest:
            largest = partials[index]
    if not (0.0 < largest < np.inf):
        return
    numbers[f.LARGEST_G] = largest
    barrier_wait(plan)
    for index in range(first, end):
        grad = plan[f.GRAD] + index * chunk * plan[f.ITEM_SIZE]
        count = min(chunk, plan[f.COUNT] - index * chunk)
        call(plan[f.SQUARES], (grad, count, largest_at, squares_at))
        partials[index] = numbers[f.SQUARES_G]
    barrier_wait(plan)
    squares = 0.0
    for index in range(chunks):
        squares += partials[index]
    root = square_root(squares)
    if largest * root > numbers[f.MAX_NORM]:
        numbers[f.CLIP_FACTOR] = numbers[f.MAX_NORM] / root
        factor_at = plan[f.NUMBERS] + 8 * f.CLIP_FACTOR
        grad = plan[f.GRAD] + first * chunk * plan[f.ITEM_SIZE]
        count = min(end * chunk, plan[f.COUNT]) - first * chunk
        call(plan[f.RESCALE], (grad, count, largest_at, factor_at))


@driver_function
def apply_update(plan, numbers, rate, cost):
    """Update this worker's parameters: penalty, frozen parameters, clipping, rule, average.

    For a rule that uses the cost, penalty included, all parameters are one chunk.
    """
    first, end, chunk = worker_chunks(plan)
    cost = cost + add_penalty(plan, numbers, plan[f.GRAD])
    if plan[f.CLIP] != 0:
        if plan[f.FROZEN] != 0 and first < end:
            start = first * chunk * plan[f.ITEM_SIZE]
            count = min(end * chunk, plan[f.COUNT]) - first * chunk
            call(plan[f.ZERO_FROZEN], (plan[f.GRAD], plan[f.FROZEN], start, count))
        _clip(plan, numbers)
    numbers[f.STEP_COUNT] += 1.0
    numbers[f.RATE] = rate
    numbers[f.COST] = cost
    if first < end:
        arrays = (plan[f.THETA], plan[f.GRAD], plan[f.IS_WEIGHT], plan[f.FROZEN], plan[f.MEAN])
        start = first * chunk
        count = min(end * chunk, plan[f.COUNT]) - start
        range_ = (plan[f.NUMBERS], start * plan[f.ITEM_SIZE], count, plan[f.SLOTS])
        call(plan[f.UPDATE], arrays + range_ + (plan[f.UPDATE_PARAMETERS],))
    barrier_wait(plan)
