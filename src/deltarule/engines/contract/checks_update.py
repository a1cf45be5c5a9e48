"""The checks of what an engine changes: steps, updates, state, and what must not change."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.engines.base import Batch, EngineSettings
from deltarule.engines.contract.cases import Case, shape_cases, small_case
from deltarule.engines.contract.harness import Findings, Subject, largest_gap
from deltarule.engines.gradient_scale import block_scales
from deltarule.errors import Diverged
from deltarule.maths import Network
from deltarule.optimizers import RULES, Rule

# Tolerance for the costs of ten steps, in eps: later steps multiply the rounding errors of earlier
# ones. The reference engine in float32 stays below 2 eps.
TRAJECTORY = 2.0**10

# And at most this part of the cost, for an engine whose eps is coarse.
LARGEST_DEVIATION = 0.05

# All settings of an update except the rule.
EVERYTHING: dict[str, Any] = {
    "l2": 3.0,
    "l1": 1.0,
    "total_weight": 22.0,
    "clip_norm": 0.05,
    "averaging": 0.6,
    "dropout": 0.2,
}

# Parameters other than the registered ones, to detect an engine with constants of its own. ε is
# large, so that its position in the formula matters in float32 too.
_STEP_SIZES = {"delta0": 0.05, "eta_plus": 1.4, "eta_minus": 0.3, "delta_max": 0.06}
OTHER_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "momentum": [{"momentum": 0.5}],
    "nesterov": [{"momentum": 0.5}],
    "rmsprop": [{"rho": 0.6, "epsilon": 0.01}],
    "adam": [
        {"beta1": 0.7, "beta2": 0.9, "epsilon": 0.01},
        {"epsilon": 0.01, "epsilon_inside": False},
    ],
    "adamw": [{"beta1": 0.7, "beta2": 0.9, "epsilon": 0.01, "weight_decay": 0.5}],
    "rprop": [_STEP_SIZES],
    "irprop-": [_STEP_SIZES],
    "rprop+": [_STEP_SIZES],
    "irprop+": [_STEP_SIZES],
}


def _rules() -> Iterator[Rule]:
    """All registered rules; the rules of this library also with other parameters."""
    for rule in RULES:
        yield rule
        for changes in OTHER_PARAMETERS.get(rule.name, []):
            if all(name in rule.settings for name in changes):
                yield rule.with_parameters(**changes)


def _some_frozen(dtype: Any) -> Case:
    """The small case with every third parameter frozen, so that no block is frozen as a whole."""
    free = small_case(dtype)
    return small_case(dtype, frozen=np.arange(free.net.n_parameters) % 3 == 0)


def _update_error(
    subject: Subject, before: np.ndarray, one: np.ndarray, other: np.ndarray, spread: np.ndarray
) -> tuple[float, float]:
    """The |θ − θ′| that is largest relative to the allowed rounding, and that limit."""
    gap = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    moved = np.abs(np.asarray(other, np.float64) - before)
    allowed = subject.tolerance * (np.abs(before) + moved * (1 + spread))
    worst = int(np.argmax(gap / allowed)) if np.isfinite(gap).all() else 0
    return (float(gap[worst]) if np.isfinite(gap).all() else np.inf), float(allowed[worst])


def _spread(case: Case, grad: np.ndarray) -> np.ndarray:
    """|δ|ᵀ|A| of each gradient entry's block over its size: its possible rounding error in eps."""
    unit = block_scales(case.net, case.reference().passes(case.in_float64().batch()))
    spread = np.zeros(case.net.n_parameters)
    for block in case.net.blocks:
        size = np.maximum(np.abs(grad[block.start : block.stop]), np.finfo(np.float64).tiny)
        spread[block.start : block.stop] = unit[block.name] / size
    return spread


def check_step(subject: Subject) -> Findings:
    """A step is ``gradient`` then ``apply``, for all rules and settings, and returns that cost."""
    plain = small_case(subject.dtype)
    settings: list[tuple[str, Case, dict[str, Any]]] = [
        (f"rule {rule.name}", plain, {"rule": rule}) for rule in RULES
    ]
    for name in ("l2", "l1"):
        settings.append((name, plain, {name: 3.0, "total_weight": 22.0}))
    for name in ("clip_norm", "averaging", "dropout"):
        settings.append((name, plain, {name: EVERYTHING[name]}))
    settings.append(("frozen", _some_frozen(subject.dtype), {"rule": "adamw"}))
    for label, case, changes in settings:
        before = case.theta.astype(np.float64)
        engine = subject.load(case, **changes)
        cost = engine.step(case.batch(), 0.01)
        stepped, mean = engine.theta.copy(), np.array(engine.averaged_theta)
        engine = subject.load(case, **changes)
        separate, grad = engine.gradient(case.batch())
        engine.apply(grad, 0.01, separate)
        spread = _spread(case, np.asarray(grad, np.float64))
        yield *_update_error(subject, before, stepped, engine.theta, spread), label
        yield *_update_error(subject, before, mean, engine.averaged_theta, spread), f"{label}, mean"
        yield abs(cost - separate), subject.tolerance * abs(separate), f"{label}, cost"
        # A step that does nothing would pass the comparisons above.
        still = float((stepped.astype(np.float64) == before).all())
        yield still, 0.5, f"{label}, moves nothing"


def check_update(subject: Subject) -> Findings:
    """Penalties, clipping, averaging and frozen parameters have the reference's effect."""
    plain = small_case(subject.dtype)
    held = small_case(subject.dtype, frozen=["b1", "W2"])
    penalised = {"l2": 3.0, "l1": 1.0, "total_weight": 22.0}
    for label, case, settings in (
        ("l2", plain, {"l2": 3.0, "total_weight": 22.0}),
        ("l1", plain, {"l1": 3.0, "total_weight": 22.0}),
        ("clip_norm", plain, {"clip_norm": 0.01}),
        ("clip_norm that is not reached", plain, {"clip_norm": 1e3}),
        ("penalties and clip_norm", plain, penalised | {"clip_norm": 0.1}),
        ("averaging", plain, {"averaging": 0.6}),
        ("frozen blocks", held, {"rule": "adamw", "l2": 1.0}),
        ("frozen entries and clip_norm", _some_frozen(subject.dtype), {"clip_norm": 0.01}),
    ):
        exact = case.in_float64()
        options = EngineSettings(**settings)
        engine, reference = subject.load(case, **settings), case.reference(options)
        for _ in range(3):
            grad = reference.gradient(exact.batch())[1].astype(subject.dtype)
            engine.apply(grad, 0.05)
            reference.apply(grad.astype(np.float64), 0.05)
        for what, ours, theirs in (
            ("theta", engine.theta, reference.theta),
            ("average", engine.averaged_theta, reference.averaged_theta),
        ):
            largest = 1.0 + float(np.abs(theirs).max())
            gap = largest_gap(ours, theirs)
            yield gap, subject.update_tolerance * largest, f"{label}, {what}"
        moved = float(np.abs(engine.theta[case.net.frozen] - case.theta[case.net.frozen]).sum())
        yield moved, 0.0, f"{label}, what is frozen"
        gap = abs(engine.penalty_cost() - reference.penalty_cost())
        size = 1.0 + abs(reference.penalty_cost())
        yield gap, subject.update_tolerance * size, f"{label}, penalty_cost"
        for averaged in (False, True):
            ours, theirs = (one.predict(case.X, averaged=averaged) for one in (engine, reference))
            gap = largest_gap(ours, theirs)
            yield gap, 16 * subject.tolerance, f"{label}, predict({averaged})"
            one, other = (
                each.cost(case.batch(), averaged=averaged) for each in (engine, reference)
            )
            size = 1.0 + abs(other)
            yield abs(one - other), 16 * subject.tolerance * size, f"{label}, cost()"


def check_trajectory(subject: Subject) -> Findings:
    """The costs of ten steps are the reference's, for all rules, other parameters, all settings."""
    plain = small_case(subject.dtype)
    runs: list[tuple[str, Case, dict[str, Any]]] = [
        (f"rule {rule}", plain, {"rule": rule}) for rule in _rules()
    ]
    runs += [
        ("all settings", _some_frozen(subject.dtype), {"rule": rule} | EVERYTHING)
        for rule in ("sgd", "nesterov", "adamw")
    ]
    for label, case, settings in runs:
        engine = subject.load(case, **settings)
        reference, exact, eps = subject.followed(case, **settings)
        for step in range(1, 11):
            # A rate that changes, as by a schedule.
            rate = 0.01 * (1 + step % 3)
            ours = engine.step(case.batch(step), rate)
            theirs = reference.step(exact.batch(step), rate)
            gap = abs(ours - theirs) if np.isfinite(ours) else np.inf
            allowed = min(TRAJECTORY * eps, LARGEST_DEVIATION)
            yield gap, allowed * abs(theirs), f"{label}, step {step}"


def check_inputs_unchanged(subject: Subject) -> Findings:
    """Arguments are not written to and may be read-only; results do not change later."""
    case = _some_frozen(subject.dtype)
    theta, batch, other = case.theta.copy(), case.batch(), case.batch(take=slice(None, None, -1))
    settings = EngineSettings(rule="adam", **EVERYTHING)
    engine = subject.engine
    engine.load(case.net, theta, settings)
    _, grad = engine.gradient(batch)
    output = engine.predict(batch.X)
    state = engine.state()
    out = {"gradient": grad, "predict": output, **{f"state {k}": v for k, v in state.items()}}
    kept = {name: np.array(value) for name, value in out.items()}
    engine.apply(grad, 0.1)
    engine.step(batch, 0.1)
    engine.cost(batch)
    engine.gradient(other)
    engine.predict(other.X)
    engine.restore(state)
    engine.step(other, 0.1)
    for name, now, then in (
        ("theta", theta, case.theta),
        ("X", batch.X, case.X),
        ("Y", batch.Y, case.Y),
        ("w", batch.w, case.w),
        ("rows", batch.rows, case.rows),
    ):
        yield float(not np.array_equal(now, then)), 0.5, name
    for name, value in out.items():
        yield float(not np.array_equal(value, kept[name])), 0.5, f"what {name} gave"
    for array in (theta, grad, *batch[:4]):
        array.flags.writeable = False
    engine.load(case.net, theta, settings)
    engine.apply(grad, 0.1)
    finite = np.isfinite(engine.step(batch, 0.1)) and np.isfinite(engine.predict(batch.X)).all()
    yield float(not finite), 0.5, "arrays that are read-only"


def check_state(subject: Subject) -> Findings:
    """After ``restore`` of a state, the steps that followed it repeat bit for bit."""
    case = small_case(subject.dtype)
    for rule in RULES:
        settings = {"rule": rule, "averaging": 0.9, "dropout": 0.2}
        engine = subject.load(case, **settings)
        for step in (1, 2, 3):
            engine.step(case.batch(step), 0.02)
        state = engine.state()
        here = np.array_equal(state.get("theta", ()), engine.theta)
        yield float(not here), 0.5, f"rule {rule.name}, state()['theta']"
        ends = []
        for how in ("continued", "restored", "loaded anew and restored"):
            if how.startswith("loaded"):
                subject.load(case, **settings)
            if how.endswith("restored"):
                engine.restore(state)
            costs = [engine.step(case.batch(step), 0.02) for step in (4, 5)]
            ends.append(np.concatenate((costs, engine.theta, engine.averaged_theta)))
            yield float(not np.array_equal(ends[0], ends[-1])), 0.5, f"rule {rule.name}, {how}"
        engine.restore(state | {"theta": case.theta.copy()})
        moved = not np.array_equal(engine.theta, case.theta)
        yield float(moved), 0.5, f"rule {rule.name}, another theta"


def check_repeatable(subject: Subject) -> Findings:
    """The same calls give the same bits."""
    case = small_case(subject.dtype)
    ends = []
    for _ in range(2):
        engine = subject.load(case, rule="adam", dropout=0.2)
        costs = [engine.step(case.batch(step), 0.02) for step in range(1, 6)]
        ends.append(np.concatenate((costs, engine.theta)))
    yield float(not np.array_equal(ends[0], ends[1])), 0.5, "five steps twice"


def _overflowing(dtype: Any) -> Iterator[tuple[str, Network, np.ndarray, Batch]]:
    case = small_case(dtype, output_activation="exp", loss="squared_error")
    theta = case.theta.copy()
    last = case.net.block(f"W{case.net.n_layers}")
    theta[last.start : last.stop] = 1e30
    yield "a cost that overflows", case.net, theta, case.batch()
    # a² is finite and its derivative 2a² is not.
    net = Network([1, 1], [], "exp", "squared_error", dtype=dtype)
    theta = net.pack(W=[[[1.0]]], b=[[np.log(0.9 * np.sqrt(float(np.finfo(dtype).max)))]])
    zero, one = np.zeros((1, 1), dtype), np.ones(1, dtype)
    yield "a gradient that overflows", net, theta, Batch(zero, zero, one, np.arange(1), 1)


def check_not_finite(subject: Subject) -> Findings:
    """A step whose cost or gradient is not finite returns such a cost and keeps the state."""
    engine = subject.engine
    for label, net, theta, batch in _overflowing(subject.dtype):
        engine.load(net, theta, EngineSettings(rule="adam", averaging=0.5))
        before = engine.state()
        try:
            cost = engine.step(batch, 0.1)
        except Diverged:  # an engine may also raise
            cost = float("nan")
        yield float(np.isfinite(cost)), 0.5, f"{label}: what is returned is finite"
        after = engine.state()
        changed = any(not np.array_equal(before[name], after[name]) for name in before)
        yield float(changed), 0.5, f"{label}: the state has changed"


def check_memory(subject: Subject) -> Findings:
    """A step allocates no memory of Python, if the engine promises that."""
    if subject.engine.promises.allocates:
        return
    case = next(c for c in shape_cases(subject.dtype) if len(c.X) > 128)
    engine, batch = subject.load(case, rule="adam"), case.batch()
    for _ in range(3):
        engine.step(batch, 0.001)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        engine.step(batch, 0.001)
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # For Python's own small objects; one row of floats for each sample would be more.
    yield float(taken), 2048.0, "bytes in one step"
