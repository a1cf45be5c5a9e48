"""The laws of the engine contract, each a function that yields findings.

A finding is an error, what is allowed, and where it was. A law is broken by one finding
whose error is above what is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Batch, Engine, EngineSettings
from deltarule.engines.cases import (
    Case,
    activation_cases,
    loss_cases,
    scales,
    shape_cases,
    small_case,
)
from deltarule.errors import ContractViolation, Diverged
from deltarule.optimizers import RULES

__all__ = ["LAWS", "Bench", "Findings"]

# Each finding: an error, what is allowed, and where.
Findings = Iterator[tuple[float, float, str]]

# What an engine may promise at most, in units of eps · max over the block of |δ|ᵀ|A|.
LARGEST_TOLERANCE = 64.0
# Costs of ten steps, in eps: each step's rounding is carried and multiplied by the next.
# The reference in float32 stays below 2 eps there.
TRAJECTORY = 2.0**10


@dataclasses.dataclass
class Bench:
    """An engine under test in one dtype."""

    engine: Engine
    dtype: np.dtype[Any]

    @property
    def eps(self) -> float:
        """The spacing of numbers at 1."""
        return float(np.finfo(self.dtype).eps)

    @property
    def tolerance(self) -> float:
        """What the engine promises, refused if it is more than the contract allows."""
        promised = float(self.engine.promises.tolerance[str(self.dtype)])
        if promised > LARGEST_TOLERANCE:
            raise ContractViolation(
                f"the engine promises {promised:g} units for {self.dtype}; the contract allows "
                f"{LARGEST_TOLERANCE:g} at most",
                law="promises",
            )
        return promised

    def load(self, case: Case, **settings: Any) -> Engine:
        """The engine, loaded with a case."""
        self.engine.load(case.net, case.theta.copy(), EngineSettings(**settings))
        return self.engine


def compare_gradients(
    bench: Bench, case: Case, ours: Any, theirs: Any, unit: dict[str, float], where: str
) -> Findings:
    """One finding for each block."""
    for block in case.net.blocks:
        gap = np.abs(block.of(np.asarray(ours, np.float64)) - block.of(np.asarray(theirs)))
        error = float(gap.max()) if np.isfinite(gap).all() else np.inf
        yield error, bench.tolerance * bench.eps * unit[block.name], f"{where}, {block.name}"


def _against_reference(bench: Bench, case: Case) -> Findings:
    cost, grad = bench.load(case).gradient(case.batch())
    exact = case.exact()
    got = case.reference().passes(exact.batch())
    reference = exact.net.pack(got.dW, got.db if exact.net.bias else None)
    yield from compare_gradients(bench, case, grad, reference, scales(case, got), case.label)
    size = float((exact.w * np.abs(got.loss)).sum())
    # A loss is a difference of an output and a target, each rounded at its own size.
    size += float((exact.w * np.abs(got.A[-1]).max(axis=1)).sum())
    yield abs(cost - float(got.cost)), bench.tolerance * bench.eps * size, f"{case.label}, cost"
    alone = bench.engine.cost(case.batch())
    yield abs(alone - float(got.cost)), bench.tolerance * bench.eps * size, f"{case.label}, cost()"
    output = bench.engine.predict(case.X.copy())
    gap = float(np.abs(output.astype(np.float64) - got.A[-1]).max())
    largest = max(1.0, float(np.abs(got.A[-1]).max()), *(float(np.abs(z).max()) for z in got.Z[1:]))
    yield gap, bench.tolerance * bench.eps * largest, f"{case.label}, predict"


def law_gradient(bench: Bench) -> Findings:
    """Gradient, cost and prediction are the reference's, for every activation and legal pair."""
    for cases in (activation_cases, loss_cases):
        for case in cases(bench.dtype):
            yield from _against_reference(bench, case)
            yield from _against_reference(bench, case.trained())


def law_shapes(bench: Bench) -> Findings:
    """One row, width 1, widths that are no multiple of a vector, deep, without biases."""
    for case in shape_cases(bench.dtype):
        yield from _against_reference(bench, case)


def _update_error(
    bench: Bench, before: np.ndarray, one: np.ndarray, other: np.ndarray, spread: np.ndarray
) -> tuple[float, float]:
    """|θ − θ′| against rounding: of θ, and of the gradient as the rule magnifies it."""
    gap = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    moved = np.abs(np.asarray(other, np.float64) - before)
    allowed = bench.tolerance * bench.eps * (np.abs(before) + moved * (1 + spread))
    worst = int(np.argmax(gap / allowed)) if np.isfinite(gap).all() else 0
    return (float(gap[worst]) if np.isfinite(gap).all() else np.inf), float(allowed[worst])


def _spread(case: Case, grad: np.ndarray) -> np.ndarray:
    """How much of a gradient entry is rounding, in eps: |δ|ᵀ|A| of its block over its size."""
    unit = scales(case, case.reference().passes(case.exact().batch()))
    spread = np.zeros(case.net.n_parameters)
    for block in case.net.blocks:
        size = np.maximum(np.abs(grad[block.start : block.stop]), np.finfo(np.float64).tiny)
        spread[block.start : block.stop] = unit[block.name] / size
    return spread


def law_step(bench: Bench) -> Findings:
    """A step is ``gradient`` then ``apply``, for every rule, and gives the same cost."""
    case = small_case(bench.dtype)
    before = case.theta.astype(np.float64)
    for rule in RULES:
        engine = bench.load(case, rule=rule)
        cost = engine.step(case.batch(), 0.01)
        stepped = engine.theta.copy()
        engine = bench.load(case, rule=rule)
        separate, grad = engine.gradient(case.batch())
        engine.apply(grad, 0.01, separate)
        spread = _spread(case, np.asarray(grad, np.float64))
        yield *_update_error(bench, before, stepped, engine.theta, spread), f"rule {rule.name}"
        yield abs(cost - separate), bench.tolerance * bench.eps * abs(separate), f"{rule.name} cost"
        # That the parameters move at all: an engine whose step does nothing would pass above.
        still = float((stepped.astype(np.float64) == before).all())
        yield still, 0.5, f"rule {rule.name} moves nothing"


def law_update(bench: Bench) -> Findings:
    """Penalties, clipping, averaging and frozen parameters act as the reference's."""
    held = small_case(bench.dtype, frozen=["b1", "W2"])
    for label, case, settings in (
        ("l2", small_case(bench.dtype), {"l2": 3.0, "total_weight": 22.0}),
        ("l1", small_case(bench.dtype), {"l1": 3.0, "total_weight": 22.0}),
        ("clip_norm", small_case(bench.dtype), {"clip_norm": 0.01}),
        ("averaging", small_case(bench.dtype), {"averaging": 0.6}),
        ("frozen", held, {"rule": "adamw", "l2": 1.0}),
    ):
        exact = case.exact()
        engine, reference = bench.load(case, **settings), case.reference(EngineSettings(**settings))
        for _ in range(3):
            grad = reference.gradient(exact.batch())[1].astype(bench.dtype)
            engine.apply(grad, 0.05)
            reference.apply(grad.astype(np.float64), 0.05)
        for what, ours, theirs in (
            ("theta", engine.theta, reference.theta),
            ("average", engine.averaged_theta, reference.averaged_theta),
        ):
            gap = float(np.abs(ours.astype(np.float64) - theirs).max())
            largest = 1.0 + float(np.abs(theirs).max())
            yield gap, bench.tolerance * bench.eps * largest, f"{label}, {what}"
        moved = float(np.abs(engine.theta[case.net.frozen] - case.theta[case.net.frozen]).sum())
        yield moved, 0.0, f"{label}, what is frozen"
        gap = abs(engine.penalty_cost() - reference.penalty_cost())
        size = 1.0 + abs(reference.penalty_cost())
        yield gap, bench.tolerance * bench.eps * size, f"{label}, penalty_cost"


def law_trajectory(bench: Bench) -> Findings:
    """The costs of ten steps are the reference's, for every rule."""
    case = small_case(bench.dtype)
    exact = case.exact()
    for rule in RULES:
        settings = EngineSettings(rule=rule)
        engine, reference = bench.load(case, rule=rule), case.reference(settings)
        for step in range(1, 11):
            ours, theirs = (
                engine.step(case.batch(step), 0.02),
                reference.step(exact.batch(step), 0.02),
            )
            gap = abs(ours - theirs) if np.isfinite(ours) else np.inf
            yield gap, TRAJECTORY * bench.eps * abs(theirs), f"rule {rule.name}, step {step}"


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
    """A row of weight 0 is absent, even where its loss overflows."""
    case = small_case(bench.dtype, output_activation="exp", loss="squared_error", activation="relu")
    batch = case.batch()
    huge = np.full((2, case.net.n_inputs), np.finfo(bench.dtype).max / 4, dtype=bench.dtype)
    X = np.concatenate((batch.X, huge * np.array([[1.0], [-1.0]], dtype=bench.dtype)))
    Y = np.concatenate((batch.Y, batch.Y[:2]))
    w = np.concatenate((batch.w, np.zeros(2, dtype=bench.dtype)))
    rows = np.concatenate((batch.rows, [900, 901]))
    yield from _same_gradient(bench, case, [Batch(X, Y, w, rows, 1)], "two rows of weight 0")


def law_inputs_unchanged(bench: Bench) -> Findings:
    """Neither the data nor θ nor the gradient handed in is written to."""
    case = small_case(bench.dtype)
    theta, batch = case.theta.copy(), case.batch()
    bench.engine.load(case.net, theta, EngineSettings(rule="adam", l2=1.0, dropout=0.3))
    _, grad = bench.engine.gradient(batch)
    kept = np.array(grad)
    bench.engine.apply(grad, 0.1)
    bench.engine.step(batch, 0.1)
    bench.engine.predict(batch.X)
    for name, now, then in (
        ("theta", theta, case.theta),
        ("X", batch.X, case.X),
        ("Y", batch.Y, case.Y),
        ("w", batch.w, case.w),
        ("rows", batch.rows, case.rows),
        ("grad", grad, kept),
    ):
        yield float(not np.array_equal(now, then)), 0.5, name


def law_state(bench: Bench) -> Findings:
    """``restore`` takes back everything that moves: the steps after it repeat bit for bit."""
    case = small_case(bench.dtype)
    for rule in RULES:
        engine = bench.load(case, rule=rule, averaging=0.9, dropout=0.2)
        for step in (1, 2, 3):
            engine.step(case.batch(step), 0.02)
        state = engine.state()
        ends = []
        for _ in range(2):
            engine.restore(state)
            costs = [engine.step(case.batch(step), 0.02) for step in (4, 5)]
            ends.append(np.concatenate((costs, engine.theta, engine.averaged_theta)))
        yield float(not np.array_equal(ends[0], ends[1])), 0.5, f"rule {rule.name}"


def law_repeatable(bench: Bench) -> Findings:
    """The same calls give the same bits."""
    case = small_case(bench.dtype)
    ends = []
    for _ in range(2):
        engine = bench.load(case, rule="adam", dropout=0.2)
        costs = [engine.step(case.batch(step), 0.02) for step in range(1, 6)]
        ends.append(np.concatenate((costs, engine.theta)))
    yield float(not np.array_equal(ends[0], ends[1])), 0.5, "five steps twice"


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
    gap = float(np.abs(engine.predict(case.X) - reference.predict(exact.X)).max())
    yield gap, bench.tolerance * bench.eps, "predict"
    gap = abs(engine.cost(case.batch()) - reference.cost(exact.batch()))
    yield gap, bench.tolerance * bench.eps * (1 + reference.cost(exact.batch())), "cost"


def law_not_finite(bench: Bench) -> Findings:
    """A step whose cost is not finite says so and changes nothing."""
    case = small_case(bench.dtype, output_activation="exp", loss="squared_error")
    theta = case.theta.copy()
    last = case.net.block(f"W{case.net.n_layers}")
    theta[last.start : last.stop] = 1e30
    engine = bench.engine
    engine.load(case.net, theta, EngineSettings(rule="adam"))
    before = engine.state()
    try:
        cost = engine.step(case.batch(), 0.1)
    except Diverged:  # saying so by raising is as good
        cost = float("nan")
    yield float(np.isfinite(cost)), 0.5, "the cost returned is finite"
    after = engine.state()
    changed = any(not np.array_equal(before[name], after[name]) for name in before)
    yield float(changed), 0.5, "the state has changed"


LAWS: dict[str, Callable[[Bench], Findings]] = {
    "gradient": law_gradient,
    "shapes": law_shapes,
    "step": law_step,
    "update": law_update,
    "trajectory": law_trajectory,
    "sum_of_parts": law_sum_of_parts,
    "permutation": law_permutation,
    "weight_two": law_weight_two,
    "weight_zero": law_weight_zero,
    "inputs_unchanged": law_inputs_unchanged,
    "state": law_state,
    "repeatable": law_repeatable,
    "dropout": law_dropout,
    "not_finite": law_not_finite,
}
