"""Kernels that pass over all parameters: rules, averages, penalties, clipping.

What a rule's formula does is written down once, with its parameters as data, and becomes the
body of one loop in which the frozen parameters are held and the average follows. Arrays are
padded to four vectors with zeros, so that no loop has a rest.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from llvmlite import ir

from deltarule.engines.compiled.formula_kernels import (
    DOUBLE,
    Kernel,
    added,
    kernel_of,
    vector,
    zero,
)
from deltarule.engines.compiled.ir_builder import I64, LINE, Code
from deltarule.engines.compiled.ir_namespace import IRNamespace, IRValue
from deltarule.engines.compiled.kernel_parameters import Program, Tape, taped
from deltarule.maths.penalties import PENALTIES
from deltarule.optimizers import Rule, StepInfo, average
from deltarule.records import Record

__all__ = ["update_kernel", "write_passes", "write_penalty"]


class _Update(NamedTuple):
    """One pass over all parameters: what is done, and what it needs."""

    program: Program
    slots: tuple[tuple[str, str], ...]
    uses_weights: bool
    averages: bool
    some_frozen: bool

    @property
    def key(self) -> Any:
        return self.program.key, *self[1:]

    @property
    def values(self) -> tuple[float, ...]:
        return self.program.values


def _averaged(xp: Any, decay: float) -> Any:
    return lambda mean, theta, t: average(xp, mean, theta, decay, t)


@functools.lru_cache(maxsize=256)
def update_kernel(rule: Rule, averaging: float | None, some_frozen: bool, dtype: str) -> Kernel:
    """The kernel of a rule, the frozen parameters held, the average following."""
    follows = None if averaging is None else Record("average", _averaged, {"decay": averaging})
    slots = tuple((slot.name, slot.kind) for slot in rule.slots)

    def run(tape: Tape, records: Any) -> dict[str, Any]:
        moving, mean = records
        t, rate, cost = (tape.given(name) for name in ("t", "rate", "cost"))
        theta, grad = tape.given("theta"), tape.given("grad")
        before = {name: tape.given(f"slot {name}") for name, _ in slots}
        weights = tape.given("weights") if rule.uses_weights else None
        held = tape.given("held") if some_frozen else None
        if held is not None:
            grad = tape.where(held, 0.0, grad)
        moved, after = moving.bind(tape)(theta, grad, before, StepInfo(t, rate, cost, weights))
        if held is not None:
            # A frozen parameter has gradient 0, but a weight decay would still move it.
            moved = tape.where(held, theta, moved)
        results = {"theta": moved} | {f"slot {name}": after[name] for name, _ in slots}
        if mean is not None:
            results["mean"] = mean.bind(tape)(tape.given("mean"), moved, t)
        return results

    program = taped(run, lambda: Tape(dtype, IRValue), rule, follows)
    update = _Update(program, slots, rule.uses_weights, follows is not None, some_frozen)
    return kernel_of("update", update, dtype, _write_update)


def _write_update(module: Any, dtype: Any, name: str, update: _Update) -> None:
    """One pass over all parameters.

    ``name(theta, grad, is_weight, frozen, mean, numbers, offset, count, slots, parameters)``; the
    numbers are float64: t, η and the cost, penalty included; ``slots`` is a table of addresses,
    one for each slot. Every slot is replaced. ``offset``, in bytes, says where in the arrays to
    begin. The parameters are the rule's, float64.
    """
    code = Code(module, name, 10, dtype)
    theta_at, grad_at, weights_at, frozen_at, mean_at, numbers = code.args[:6]
    offset, count, table, parameters = code.args[6:]
    b = code.b
    once = IRNamespace(code, reciprocals=True)
    t, rate, cost = (
        once.value(code.load(code.sum(numbers, code.whole(8 * i)), DOUBLE)) for i in range(3)
    )
    addresses = {
        slot: code.load(code.sum(table, code.whole(8 * i)), I64, 8)
        for i, (slot, _) in enumerate(update.slots)
    }
    single = [slot for slot, kind in update.slots if kind == "scalar"]

    def widened(value: Any) -> Any:
        return b.fpext(value, DOUBLE) if code.size == 4 else value

    singles = {key: widened(code.load(addresses[key], code.real)) for key in single}
    following = list(singles.values())
    with code.loop(b.mul(count, code.whole(code.size)), LINE, carried=following) as loop:
        here = b.add(offset, loop.index)

        def at(address: Any) -> Any:
            return once.value(code.load(code.sum(address, here)))

        given = {"t": t, "rate": rate, "cost": cost, "theta": at(theta_at), "grad": at(grad_at)}
        for slot, kind in update.slots:
            one = kind == "scalar"
            given[f"slot {slot}"] = once.value(singles[slot]) if one else at(addresses[slot])
        if update.uses_weights:
            given["weights"] = once.value(code.load_bits(weights_at, here))
        if update.some_frozen:
            given["held"] = once.value(code.load_bits(frozen_at, here))
        if update.averages:
            given["mean"] = at(mean_at)
        results = update.program.run(
            given, once, lambda place: once.value(code.parameter(parameters, place))
        )
        code.replace(vector(once, results["theta"]), code.sum(theta_at, here))
        if update.averages:
            code.replace(vector(once, results["mean"]), code.sum(mean_at, here))
        for slot, kind in update.slots:
            if kind == "theta":
                value = vector(once, results[f"slot {slot}"])
                code.replace(value, code.sum(addresses[slot], here))
        loop.next(*[once._lifted(results[f"slot {key}"]).ir for key in single])
    for key, value in zip(single, loop.carried, strict=True):
        narrow = b.fptrunc(value, code.real) if code.size == 4 else value
        code.store(narrow, addresses[key])
    code.done()


def write_penalty(module: Any, dtype: Any, name: str, penalties: tuple[str, ...]) -> None:
    """``name(theta, grad, is_weight, scales, offset, count, cost)``: the gradient grows by its own.

    ``scales`` are float64, α/Σs for each penalty; ``cost`` is where the penalty's own cost
    is put. With a gradient at address 0 only the cost is computed. ``offset``, in bytes, says
    where in the arrays to begin.
    """
    code = Code(module, name, 7, dtype)
    theta_at, grad_at, weights_at, scales_at, offset, count, cost_at = code.args
    b = code.b
    xp = IRNamespace(code)
    scales = [
        xp.value(code.load(code.sum(scales_at, code.whole(8 * i)), DOUBLE))
        for i in range(len(penalties))
    ]
    wanted = b.icmp_signed("!=", grad_at, code.whole(0))
    with code.loop(
        b.mul(count, code.whole(code.size)), LINE, carried=[zero(code)] * len(penalties)
    ) as loop:
        theta = xp.value(code.load(code.sum(theta_at, offset, loop.index)))
        is_weight = xp.value(code.load_bits(weights_at, b.add(offset, loop.index)))
        totals, slopes = [], []
        for penalty, scale, total in zip(penalties, scales, loop.carried, strict=True):
            value, slope = PENALTIES.get(penalty).bind(xp)(theta)
            totals.append((xp.value(total) + xp.where(is_weight, value, 0 * theta)).ir)
            slopes.append(scale * xp.where(is_weight, slope, 0 * theta))
        with code.when(wanted):
            there = code.sum(grad_at, offset, loop.index)
            grad = xp.value(code.load(there))
            for slope in slopes:
                grad = grad + slope
            code.store(grad.ir, there)
        loop.next(*totals)
    cost = xp.value(ir.Constant(DOUBLE, 0.0))
    for scale, total in zip(scales, loop.carried, strict=True):
        cost = cost + scale * xp.value(added(code, total))
    code.store(cost.ir, cost_at)
    code.done()


def write_passes(module: Any, dtype: Any) -> None:
    """Passes over a whole array: what clipping, the look for infinities and the like need.

    ``finite(g, count)`` is 1 if every entry is finite: Σ 0 · g_i is 0 then, and NaN
    otherwise. ``largest(g, count, out)`` is max |g_i|, ``squares(g, count, unit, out)`` is
    Σ (g_i/unit)², both float64; ``rescale(g, count, unit, factor)`` makes g ← g/unit · factor;
    ``add(x, y, count)`` x ← x + y; ``clear(x, count)`` x ← 0; ``hold(g, frozen, offset, count)``
    sets g to 0 where it is frozen.
    """
    code = Code(module, "finite", 2, dtype)
    grad_at, count = code.args
    none = zero(code)
    # Four sums, so that none waits for the one before it; arrays are padded to four vectors.
    with code.loop(code.b.mul(count, code.whole(code.size)), 4 * LINE, carried=[none] * 4) as loop:
        found = [
            code.multiply_add(
                code.load(code.sum(grad_at, loop.index, code.whole(n * LINE))), none, s
            )
            for n, s in enumerate(loop.carried)
        ]
        loop.next(*found)
    total = none
    for part in loop.carried:
        total = code.b.fadd(total, part)
    is_zero = code.b.fcmp_ordered("==", added(code, total), ir.Constant(DOUBLE, 0.0))
    code.done(code.b.zext(is_zero, I64))

    code = Code(module, "largest", 3, dtype)
    grad_at, count, out = code.args
    xp = IRNamespace(code)
    with code.loop(code.b.mul(count, code.whole(code.size)), LINE, carried=[none]) as loop:
        size = abs(xp.value(code.load(code.sum(grad_at, loop.index))))
        loop.next(xp.maximum(xp.value(loop.carried[0]), size).ir)
    most = xp.value(ir.Constant(DOUBLE, 0.0))
    for lane in range(code.lanes):
        one = code.b.extract_element(loop.carried[0], ir.Constant(ir.IntType(32), lane))
        one = code.b.fpext(one, DOUBLE) if code.size == 4 else one
        most = xp.maximum(most, xp.value(one))
    code.store(most.ir, out)
    code.done()

    code = Code(module, "squares", 4, dtype)
    grad_at, count, unit_at, out = code.args
    xp = IRNamespace(code)
    unit = xp.value(code.load(unit_at, DOUBLE))
    with code.loop(code.b.mul(count, code.whole(code.size)), LINE, carried=[none]) as loop:
        one = xp.value(code.load(code.sum(grad_at, loop.index))) / unit
        loop.next((xp.value(loop.carried[0]) + one * one).ir)
    code.store(added(code, loop.carried[0]), out)
    code.done()

    code = Code(module, "rescale", 4, dtype)
    grad_at, count, unit_at, factor_at = code.args
    xp = IRNamespace(code)
    unit = xp.value(code.load(unit_at, DOUBLE))
    factor = xp.value(code.load(factor_at, DOUBLE))
    with code.loop(code.b.mul(count, code.whole(code.size)), LINE) as loop:
        there = code.sum(grad_at, loop.index)
        code.store((xp.value(code.load(there)) / unit * factor).ir, there)
    code.done()

    code = Code(module, "add", 3, dtype)
    target, other, count = code.args
    with code.loop(code.b.mul(count, code.whole(code.size)), LINE) as loop:
        there = code.sum(target, loop.index)
        more = code.load(code.sum(other, loop.index))
        code.store(code.b.fadd(code.load(there), more), there)
    code.done()

    code = Code(module, "clear", 2, dtype)
    with code.loop(code.b.mul(code.args[1], code.whole(code.size)), LINE) as loop:
        code.store(zero(code), code.sum(code.args[0], loop.index))
    code.done()

    code = Code(module, "hold", 4, dtype)
    grad_at, frozen_at, offset, count = code.args
    with code.loop(code.b.mul(count, code.whole(code.size)), LINE) as loop:
        here = code.b.add(offset, loop.index)
        there = code.sum(grad_at, here)
        frozen = code.load_bits(frozen_at, here)
        code.replace(code.b.select(frozen, zero(code), code.load(there)), there)
    code.done()
