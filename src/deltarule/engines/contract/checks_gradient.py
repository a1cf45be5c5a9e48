"""The laws of what an engine computes: gradients, costs, predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from deltarule.engines.base import Batch, EngineSettings
from deltarule.engines.contract.cases import (
    Case,
    activation_cases,
    loss_cases,
    scales,
    shape_cases,
    small_case,
)
from deltarule.engines.contract.harness import (
    LARGEST_TOLERANCE,
    Bench,
    Findings,
    against_reference,
    compare_gradients,
    largest_gap,
)

__all__ = [
    "law_dropout",
    "law_gradient",
    "law_input_gradient",
    "law_permutation",
    "law_promises",
    "law_sample_gradients",
    "law_shapes",
    "law_sum_of_parts",
    "law_weight_two",
    "law_weight_zero",
]


def law_promises(bench: Bench) -> Findings:
    """The tolerance promised is a number above 0, and no more than the contract allows."""
    allowed = LARGEST_TOLERANCE if bench.promised > 0 else 0.0
    yield abs(bench.promised), allowed, "promises.tolerance"


def law_gradient(bench: Bench) -> Findings:
    """Gradient, cost and prediction are the reference's, for every activation and legal pair."""
    for cases in (activation_cases, loss_cases):
        for case in cases(bench.dtype):
            yield from against_reference(bench, case)
            yield from against_reference(bench, case.trained())


def law_shapes(bench: Bench) -> Findings:
    """One row, width 1, widths that are no multiple of a vector, no biases; any memory layout."""
    for case in shape_cases(bench.dtype):
        yield from against_reference(bench, case)
    case = small_case(bench.dtype)
    for label, laid_out in (("every second", _every_second), ("by columns", np.asfortranarray)):
        batch = case.batch()
        batch = batch._replace(X=laid_out(batch.X), Y=laid_out(batch.Y))
        labelled = dataclasses.replace(case, label=f"X and Y in memory {label}")
        yield from against_reference(bench, labelled, batch)


def _every_second(array: np.ndarray) -> np.ndarray:
    wide = np.full((2 * array.shape[0], 2 * array.shape[1]), np.nan, dtype=array.dtype)
    wide[::2, ::2] = array
    return wide[::2, ::2]


def _same_gradient(bench: Bench, case: Case, changed: list[Batch], where: str) -> Findings:
    """The whole batch against the sum over other batches."""
    engine = bench.load(case)
    cost, whole = engine.gradient(case.batch())
    parts = [engine.gradient(batch) for batch in changed]
    got = case.reference().passes(case.exact().batch())
    total = np.sum([np.asarray(grad, np.float64) for _, grad in parts], axis=0)
    yield from compare_gradients(bench, case, total, whole, scales(case, got), where)
    size = float(np.abs(got.cost)) + 1.0
    gap = abs(sum(part for part, _ in parts) - cost)
    yield gap, bench.tolerance * bench.eps * size, f"{where}, cost"


def law_sum_of_parts(bench: Bench) -> Findings:
    """The gradients of two parts of a batch add to the gradient of the whole."""
    case = small_case(bench.dtype)
    parts = [case.batch(take=slice(0, 8)), case.batch(take=slice(8, None))]
    yield from _same_gradient(bench, case, parts, "parts of 8 rows and the rest")


def law_permutation(bench: Bench) -> Findings:
    """The order of rows changes nothing."""
    case = small_case(bench.dtype)
    order = np.random.default_rng(1).permutation(len(case.X))
    yield from _same_gradient(bench, case, [case.batch(take=order)], "rows permuted")


def law_weight_two(bench: Bench) -> Findings:
    """A row of weight 2w is the row twice with weight w."""
    case = small_case(bench.dtype)
    twice = np.concatenate((np.arange(len(case.X)), [4]))
    changed = case.batch(take=twice)
    w = changed.w.copy()
    w[[4, -1]] /= 2
    yield from _same_gradient(bench, case, [changed._replace(w=w)], "row 4 twice at half weight")


def law_weight_zero(bench: Bench) -> Findings:
    """A row of weight 0 is absent, even where its loss overflows; without any row all is 0."""
    case = small_case(bench.dtype, output_activation="exp", loss="squared_error", activation="relu")
    batch = case.batch()
    huge = np.full((2, case.net.n_inputs), np.finfo(bench.dtype).max / 4, dtype=bench.dtype)
    X = np.concatenate((batch.X, huge * np.array([[1.0], [-1.0]], dtype=bench.dtype)))
    Y = np.concatenate((batch.Y, batch.Y[:2]))
    w = np.concatenate((batch.w, np.zeros(2, dtype=bench.dtype)))
    rows = np.concatenate((batch.rows, [900, 901]))
    extended = Batch(X, Y, w, rows, 1)
    yield from _same_gradient(bench, case, [extended], "two rows of weight 0")
    gap = abs(bench.engine.cost(extended) - bench.engine.cost(batch))
    size = 1.0 + abs(bench.engine.cost(batch))
    yield gap, bench.tolerance * bench.eps * size, "two rows of weight 0, cost()"
    cost, grad = bench.engine.gradient(extended._replace(w=0 * w))
    yield abs(cost), 0.0, "no row at all, cost"
    yield largest_gap(grad, np.zeros(case.net.n_parameters)), 0.0, "no row at all, gradient"


def law_dropout(bench: Bench) -> Findings:
    """The masks are those of (seed, step, layer, row, node), and prediction has none."""
    case = small_case(bench.dtype)
    settings = {"dropout": (0.25, 0.5), "seed": 3}
    exact = case.exact()
    engine, reference = bench.load(case, **settings), case.reference(EngineSettings(**settings))  # type: ignore[arg-type]
    unit = scales(case, reference.passes(exact.batch()))
    for step in (1, 2):
        _, ours = engine.gradient(case.batch(step))
        _, theirs = reference.gradient(exact.batch(step))
        yield from compare_gradients(bench, case, ours, theirs, unit, f"step {step}")
    gap = largest_gap(engine.predict(case.X), reference.predict(exact.X))
    yield gap, bench.tolerance * bench.eps, "predict"
    gap = abs(engine.cost(case.batch()) - reference.cost(exact.batch()))
    yield gap, bench.tolerance * bench.eps * (1 + reference.cost(exact.batch())), "cost"


def law_input_gradient(bench: Bench) -> Findings:
    """∂C/∂x is the reference's, of every row; that of a row of weight 0 is 0."""
    for case in _cases_of_rows(bench):
        exact = case.exact()
        w = exact.w.copy()
        w[-1] = 0
        batch = case.batch()._replace(w=w.astype(bench.dtype))
        got = case.reference().passes(exact.batch()._replace(w=w))
        W, _ = exact.net.unpack(exact.theta)
        unit = float((np.abs(got.delta[1]) @ np.abs(W[1])).max())
        ours = bench.load(case).input_gradient(batch)
        allowed = bench.tolerance * bench.eps * unit
        yield largest_gap(ours, got.dX), allowed, f"{case.label}, ∂C/∂x"
        yield largest_gap(ours[-1], np.zeros(case.net.n_inputs)), 0.0, f"{case.label}, weight 0"


def law_sample_gradients(bench: Bench) -> Findings:
    """∂C_i/∂θ is the reference's, of every row whatever its weight."""
    for case in _cases_of_rows(bench):
        exact = case.exact()
        theirs = case.reference().sample_gradients(exact.batch())
        batch = case.batch()
        w = batch.w.copy()
        w[0] = 0
        ours = bench.load(case).sample_gradients(batch._replace(w=w))
        for row in range(len(case.X)):
            alone = case.reference().passes(
                exact.batch(take=slice(row, row + 1))._replace(w=np.ones(1))
            )
            where = f"{case.label}, row {row}"
            # A row's products are one term each, but its δ is rounded at the size of its terms.
            unit = {key: max(value, 1.0) for key, value in scales(case, alone).items()}
            one = ours[row] if len(ours) == len(case.X) else np.zeros(0)
            yield from compare_gradients(bench, case, one, theirs[row], unit, where)


def _cases_of_rows(bench: Bench) -> Iterator[Case]:
    """A softmax and an elementwise output, without biases and with; more rows than a vector."""
    yield small_case(bench.dtype)
    yield small_case(bench.dtype, output_activation="logistic", loss="log_loss", bias=False)
    yield small_case(bench.dtype, widths=[5, 3], activation=[])
