"""What each row has of its own: ∂C/∂x, and ∂C_i/∂θ; entries that Python calls."""

from __future__ import annotations

from deltarule.engines.compiled.dense import asked_to_stop, layer_inputs, layer_sample
from deltarule.engines.compiled.driver import (
    choose,
    deltas,
    extent,
    forward,
    loss,
    meet,
    take_rows,
)
from deltarule.engines.compiled.entry_points import begin
from deltarule.engines.compiled.jit import call, driver_function, enter, integers
from deltarule.engines.compiled.jit import numbers as numbers_of
from deltarule.engines.compiled.plan_layout import (
    ALONE,
    CHOSEN,
    DIVISOR,
    FIELDS,
    FLUSH,
    HEADER,
    LAYERS,
    MEMBER,
    MEMBERS,
    N_IN,
    N_ROWS,
    NUMBERS,
    PREDICT_ROWS,
    SCATTER,
    SIZE,
    STEP,
    THETA,
    X_COLUMNS,
    X_STRIDE,
    Y_STRIDE,
    X,
    Y,
)

__all__ = ["run_rows"]


@driver_function("void(int64, int64, int64, int64, int64)")
def run_rows(plan_at, workers, batch_at, target, bytes_of_row):
    """For each row its gradient in θ, so many bytes of ``target``; or, with 0 bytes, ∂C/∂x."""
    plan, batch = integers(plan_at), integers(batch_at)
    if not begin(plan, workers):
        return
    alone = integers(plan[ALONE])
    numbers, chosen = numbers_of(alone[NUMBERS]), integers(alone[CHOSEN])
    before = enter(plan[FLUSH])
    theta, rows, size = plan[THETA], batch[N_ROWS], plan[SIZE]
    n_in = plan[HEADER + N_IN]
    numbers[DIVISOR] = 1.0
    pieces = (rows + PREDICT_ROWS - 1) // PREDICT_ROWS
    for piece in range(plan[MEMBER], pieces, plan[MEMBERS]):
        if asked_to_stop(alone):
            break
        start = piece * PREDICT_ROWS
        n = choose(alone, batch, 0, start, min(PREDICT_ROWS, rows - start))
        if n == 0:
            continue
        take_rows(alone, batch[X], batch[X_STRIDE], n, True, batch[Y], batch[Y_STRIDE])
        forward(alone, theta, n, True, batch[STEP])
        loss(alone, numbers, n, True)
        deltas(alone, theta, n)
        vectors, stride = extent(alone, n)
        if bytes_of_row == 0:
            layer_inputs(alone, HEADER, theta, stride, vectors)
        for sample in range(n):
            if asked_to_stop(alone):
                break
            position = chosen[1 + sample]
            if bytes_of_row == 0:
                there = target + position * n_in * size
                source = alone[X_COLUMNS] + sample * size
                call(alone[SCATTER], (source, stride, there, n_in * size, 1, n_in))
            else:
                there = target + position * bytes_of_row
                for layer in range(plan[LAYERS]):
                    layer_sample(alone, HEADER + layer * FIELDS, stride, sample, there)
    call(plan[FLUSH], (before,))
    meet(plan)
