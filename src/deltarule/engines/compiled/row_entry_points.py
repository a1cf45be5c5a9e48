"""The entry point that computes a gradient for each row: ∂C/∂x or ∂C_i/∂θ."""

from __future__ import annotations

from deltarule.engines.compiled import driver
from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.dense import (
    layer_input_gradient,
    layer_sample_gradient,
    stop_requested,
)
from deltarule.engines.compiled.entry_points import wait_for_workers
from deltarule.engines.compiled.jit import (
    call,
    entry_point,
    float64_pointer,
    flush_denormals,
    int64_pointer,
)
from deltarule.engines.compiled.words import column_pairs

__all__ = ["run_gradient_rows"]


@entry_point
def run_gradient_rows(plan_at, workers, batch_at, target, bytes_of_row):
    """Write ∂C_i/∂θ of each row to ``target``, ``bytes_of_row`` apart; ∂C/∂x if the stride is 0."""
    plan, batch = int64_pointer(plan_at), int64_pointer(batch_at)
    if not wait_for_workers(plan, workers):
        return
    own = int64_pointer(plan[f.OWN_PLAN])
    numbers, selected = float64_pointer(own[f.NUMBERS]), int64_pointer(own[f.SELECTED])
    before = flush_denormals(plan[f.FLUSH])
    theta, rows, size = plan[f.THETA], batch[f.N_ROWS], plan[f.ITEM_SIZE]
    n_in = plan[f.HEADER + f.N_IN]
    numbers[f.WEIGHT_DIVISOR] = 1.0
    driver.round_weights(plan, theta, 1)
    pieces = (rows + f.PREDICT_ROWS - 1) // f.PREDICT_ROWS
    for piece in range(plan[f.WORKER], pieces, plan[f.WORKERS]):
        if stop_requested(own):
            break
        start = piece * f.PREDICT_ROWS
        n = driver.select_rows(own, batch, 0, start, min(f.PREDICT_ROWS, rows - start))
        if n == 0:
            continue
        driver.gather_batch(own, batch, n, False)
        driver.forward(own, theta, n, True, batch[f.STEP])
        vectors, stride = driver.row_vectors(own, n)
        if own[f.HAS_WORDS] != 0:
            # The gradient of a row is no sum: its products are of float32.
            for layer in range(plan[f.LAYERS] - 1):
                driver.output_rows(own, f.HEADER + layer * f.FIELDS, stride, 0, vectors)
        driver.loss(own, numbers, n, True)
        driver.backward(own, theta, n)
        if bytes_of_row == 0:
            if own[f.HAS_WORDS] != 0:
                delta, n_out = own[f.HEADER + f.DELTA], own[f.HEADER + f.N_OUT]
                column_pairs(own, delta, stride, 0, vectors, n_out)
            layer_input_gradient(own, f.HEADER, theta, stride, vectors)
        for sample in range(n):
            if stop_requested(own):
                break
            position = selected[1 + sample]
            if bytes_of_row == 0:
                row_at = target + position * n_in * size
                source = own[f.X_COLUMNS] + sample * size
                call(own[f.SCATTER], (source, stride, row_at, n_in * size, 1, n_in))
            else:
                row_at = target + position * bytes_of_row
                for layer in range(plan[f.LAYERS]):
                    layer_sample_gradient(own, f.HEADER + layer * f.FIELDS, stride, sample, row_at)
    call(plan[f.FLUSH], (before,))
    driver.barrier_wait(plan)
