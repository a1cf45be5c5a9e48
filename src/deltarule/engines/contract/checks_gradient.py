"""The checks of what an engine computes: gradients, costs, predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from deltarule.engines.base import Batch, EngineSettings
from deltarule.engines.contract.cases import (
    Case,
    activation_cases,
    loss_cases,
    shape_cases,
    small_case,
)
from deltarule.engines.contract.harness import (
    Findings,
    Subject,
    against_reference,
    compare_gradients,
    largest_gap,
    refused,
)
from deltarule.engines.gradient_scale import LARGEST_TOLERANCE, block_scales


def check_promises(subject: Subject) -> Findings:
    """The promised tolerance is a number above 0, and at most what the contract allows."""
    allowed = LARGEST_TOLERANCE if subject.promised > 0 else 0.0
    yield abs(subject.promised), allowed, "promises.tolerance"


def check_gradient(subject: Subject) -> Findings:
    """Gradient, cost and prediction are the reference's, for all activations and losses."""
    for cases in (activation_cases, loss_cases):
        for case in cases(subject.dtype):
            yield from against_reference(subject, case)
            yield from against_reference(subject, case.trained())


def check_shapes(subject: Subject) -> Findings:
    """One row, width 1, widths that are no multiple of a vector, no biases, any memory layout."""
    for case in shape_cases(subject.dtype):
        yield from against_reference(subject, case)
    case = small_case(subject.dtype)
    for label, laid_out in (("every second", _every_second), ("by columns", np.asfortranarray)):
        batch = case.batch()
        batch = batch._replace(X=laid_out(batch.X), Y=laid_out(batch.Y))
        labelled = dataclasses.replace(case, label=f"X and Y in memory {label}")
        yield from against_reference(subject, labelled, batch)


def _every_second(array: np.ndarray) -> np.ndarray:
    wide = np.full((2 * array.shape[0], 2 * array.shape[1]), np.nan, dtype=array.dtype)
    wide[::2, ::2] = array
    return wide[::2, ::2]


def _same_gradient(subject: Subject, case: Case, changed: list[Batch], where: str) -> Findings:
    """Compare the gradient of the whole batch with the sum over other batches."""
    engine = subject.load(case)
    cost, whole = engine.gradient(case.batch())
    parts = [engine.gradient(batch) for batch in changed]
    got = case.reference().passes(case.in_float64().batch())
    total = np.sum([np.asarray(grad, np.float64) for _, grad in parts], axis=0)
    yield from compare_gradients(subject, case, total, whole, block_scales(case.net, got), where)
    size = float(np.abs(got.cost)) + 1.0
    gap = abs(sum(part for part, _ in parts) - cost)
    yield gap, subject.tolerance * size, f"{where}, cost"


def check_sum_of_parts(subject: Subject) -> Findings:
    """The gradients of two parts of a batch add up to the gradient of the whole."""
    case = small_case(subject.dtype)
    parts = [case.batch(take=slice(0, 8)), case.batch(take=slice(8, None))]
    yield from _same_gradient(subject, case, parts, "parts of 8 rows and the rest")


def check_permutation(subject: Subject) -> Findings:
    """The order of rows has no effect."""
    case = small_case(subject.dtype)
    order = np.random.default_rng(1).permutation(len(case.X))
    yield from _same_gradient(subject, case, [case.batch(take=order)], "rows permuted")


def check_weight_two(subject: Subject) -> Findings:
    """A row of weight 2w has the same effect as the row twice with weight w."""
    case = small_case(subject.dtype)
    twice = np.concatenate((np.arange(len(case.X)), [4]))
    changed = case.batch(take=twice)
    w = changed.w.copy()
    w[[4, -1]] /= 2
    yield from _same_gradient(subject, case, [changed._replace(w=w)], "row 4 twice at half weight")


def check_weight_zero(subject: Subject) -> Findings:
    """A row of weight 0 has no effect, even if its loss overflows; without rows, results are 0."""
    case = small_case(
        subject.dtype, output_activation="exp", loss="squared_error", activation="relu"
    )
    batch = case.batch()
    huge = np.full((2, case.net.n_inputs), np.finfo(subject.dtype).max / 4, dtype=subject.dtype)
    X = np.concatenate((batch.X, huge * np.array([[1.0], [-1.0]], dtype=subject.dtype)))
    Y = np.concatenate((batch.Y, batch.Y[:2]))
    w = np.concatenate((batch.w, np.zeros(2, dtype=subject.dtype)))
    rows = np.concatenate((batch.rows, [900, 901]))
    extended = Batch(X, Y, w, rows, 1)
    yield from _same_gradient(subject, case, [extended], "two rows of weight 0")
    gap = abs(subject.engine.cost(extended) - subject.engine.cost(batch))
    size = 1.0 + abs(subject.engine.cost(batch))
    yield gap, subject.tolerance * size, "two rows of weight 0, cost()"
    cost, grad = subject.engine.gradient(extended._replace(w=0 * w))
    yield abs(cost), 0.0, "no row at all, cost"
    yield largest_gap(grad, np.zeros(case.net.n_parameters)), 0.0, "no row at all, gradient"


def check_dropout(subject: Subject) -> Findings:
    """The masks are those of (seed, step, layer, row, node), and prediction uses none."""
    case = small_case(subject.dtype)
    settings = {"dropout": (0.25, 0.5), "seed": 3}
    exact = case.in_float64()
    engine, reference = subject.load(case, **settings), case.reference(EngineSettings(**settings))  # type: ignore[arg-type]
    unit = block_scales(case.net, reference.passes(exact.batch()))
    for step in (1, 2):
        _, ours = engine.gradient(case.batch(step))
        _, theirs = reference.gradient(exact.batch(step))
        yield from compare_gradients(subject, case, ours, theirs, unit, f"step {step}")
    gap = largest_gap(engine.predict(case.X), reference.predict(exact.X))
    yield gap, subject.tolerance, "predict"
    gap = abs(engine.cost(case.batch()) - reference.cost(exact.batch()))
    yield gap, subject.tolerance * (1 + reference.cost(exact.batch())), "cost"


def check_input_gradient(subject: Subject) -> Findings:
    """∂C/∂x is the reference's for every row, and 0 for a row of weight 0."""
    if "input_gradient" in subject.engine.lacks:
        yield from refused(subject, "input_gradient")
        return
    for case in _cases_of_rows(subject):
        exact = case.in_float64()
        w = exact.w.copy()
        w[-1] = 0
        batch = case.batch()._replace(w=w.astype(subject.dtype))
        got = case.reference().passes(exact.batch()._replace(w=w))
        W, _ = exact.net.unpack(exact.theta)
        unit = float((np.abs(got.delta[1]) @ np.abs(W[1])).max())
        ours = subject.load(case).input_gradient(batch)
        allowed = subject.tolerance * unit
        yield largest_gap(ours, got.dX), allowed, f"{case.label}, ∂C/∂x"
        yield largest_gap(ours[-1], np.zeros(case.net.n_inputs)), 0.0, f"{case.label}, weight 0"


def check_sample_gradients(subject: Subject) -> Findings:
    """∂C_i/∂θ is the reference's for every row, whatever its weight."""
    if "sample_gradients" in subject.engine.lacks:
        yield from refused(subject, "sample_gradients")
        return
    for case in _cases_of_rows(subject):
        exact = case.in_float64()
        theirs = case.reference().sample_gradients(exact.batch())
        batch = case.batch()
        w = batch.w.copy()
        w[0] = 0
        ours = subject.load(case).sample_gradients(batch._replace(w=w))
        for row in range(len(case.X)):
            alone = case.reference().passes(
                exact.batch(take=slice(row, row + 1))._replace(w=np.ones(1))
            )
            where = f"{case.label}, row {row}"
            # For one row the scale |δ|ᵀ|A| is the gradient's own size, but δ (such as a − y) is
            # rounded at the size of its operands, so the scale is at least 1.
            unit = {key: max(value, 1.0) for key, value in block_scales(case.net, alone).items()}
            one = ours[row] if len(ours) == len(case.X) else np.zeros(0)
            yield from compare_gradients(subject, case, one, theirs[row], unit, where)


def _cases_of_rows(subject: Subject) -> Iterator[Case]:
    """Mixing and elementwise outputs, with and without biases; more rows than a vector holds."""
    yield small_case(subject.dtype)
    yield small_case(subject.dtype, output_activation="logistic", loss="log_loss", bias=False)
    yield small_case(subject.dtype, widths=[5, 3], activation=[])
