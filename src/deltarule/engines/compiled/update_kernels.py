"""Kernels that pass over all parameters: update rules, averages, penalties, clipping.

The formula of a rule is recorded once, with its parameters as data, and becomes the body of one
loop that also keeps frozen parameters and updates the moving average. All arrays are padded with
zeros to a multiple of four vectors, so that no loop has a remainder.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from llvmlite import ir

from deltarule.engines.compiled.formula_kernels import Kernel, kernel_of
from deltarule.engines.compiled.ir_builder import DOUBLE, I64, LINE, KernelBuilder
from deltarule.engines.compiled.ir_namespace import IRNamespace, IRValue
from deltarule.engines.compiled.kernel_parameters import Program, Tape, record_program
from deltarule.maths.penalties import PENALTIES
from deltarule.optimizers import Rule, StepInfo, average
from deltarule.records import Record

__all__ = ["update_kernel", "write_parameter_kernels", "write_penalty"]


class _Update(NamedTuple):
    """An update of all parameters: its recorded program, and the arrays that it needs."""

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
    """The kernel of a rule, with the average updated and frozen parameters left unchanged."""
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

    program = record_program(run, lambda: Tape(dtype, IRValue), rule, follows)
    update = _Update(program, slots, rule.uses_weights, follows is not None, some_frozen)
    return kernel_of("update", update, dtype, _write_update)


def _write_update(module: Any, dtype: Any, name: str, update: _Update) -> None:
    """``name(theta, grad, is_weight, frozen, mean, numbers, offset, count, slots, parameters)``.

    ``numbers`` are float64: t, η, and the cost with the penalty. ``slots`` is an array of
    addresses, one for each slot. ``offset`` is where to begin in the arrays, in bytes.
    ``parameters`` are those of the rule, float64.
    """
    code = KernelBuilder(module, name, 10, dtype)
    theta_at, grad_at, weights_at, frozen_at, mean_at, numbers = code.args[:6]
    offset, count, table, parameters = code.args[6:]
    b = code.b
    once = IRNamespace(code, reciprocals=True)
    t, rate, cost = (
        once.value(code.load(code.sum(numbers, code.int64(8 * i)), DOUBLE)) for i in range(3)
    )
    addresses = {
        slot: code.load(code.sum(table, code.int64(8 * i)), I64, 8)
        for i, (slot, _) in enumerate(update.slots)
    }
    single = [slot for slot, kind in update.slots if kind == "scalar"]

    singles = {key: code.widen(code.load(addresses[key], code.real)) for key in single}
    following = list(singles.values())
    with code.loop(b.mul(count, code.int64(code.size)), LINE, carried=following) as loop:
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
        code.replace(once.as_vector(results["theta"]), code.sum(theta_at, here))
        if update.averages:
            code.replace(once.as_vector(results["mean"]), code.sum(mean_at, here))
        for slot, kind in update.slots:
            if kind == "theta":
                value = once.as_vector(results[f"slot {slot}"])
                code.replace(value, code.sum(addresses[slot], here))
        loop.next(*[once.as_value(results[f"slot {key}"]).ir for key in single])
    for key, value in zip(single, loop.carried, strict=True):
        narrow = b.fptrunc(value, code.real) if code.size == 4 else value
        code.store(narrow, addresses[key])
    code.ret()


def write_penalty(module: Any, dtype: Any, name: str, penalties: tuple[str, ...]) -> None:
    """``name(theta, grad, is_weight, scales, offset, count, cost)``: add the penalty's gradient.

    ``scales`` are float64, α/Σs for each penalty. The penalty itself is stored at ``cost``. With 0
    as the address of the gradient only the penalty is computed. ``offset`` is where to begin in the
    arrays, in bytes.
    """
    code = KernelBuilder(module, name, 7, dtype)
    theta_at, grad_at, weights_at, scales_at, offset, count, cost_at = code.args
    b = code.b
    xp = IRNamespace(code)
    scales = [
        xp.value(code.load(code.sum(scales_at, code.int64(8 * i)), DOUBLE))
        for i in range(len(penalties))
    ]
    wanted = b.icmp_signed("!=", grad_at, code.int64(0))
    with code.loop(
        b.mul(count, code.int64(code.size)), LINE, carried=[code.zeros] * len(penalties)
    ) as loop:
        theta = xp.value(code.load(code.sum(theta_at, offset, loop.index)))
        is_weight = xp.value(code.load_bits(weights_at, b.add(offset, loop.index)))
        totals, slopes = [], []
        for penalty, scale, total in zip(penalties, scales, loop.carried, strict=True):
            value, slope = PENALTIES.get(penalty).bind(xp)(theta)
            totals.append((xp.value(total) + xp.where(is_weight, value, 0 * theta)).ir)
            slopes.append(scale * xp.where(is_weight, slope, 0 * theta))
        with code.b.if_then(wanted):
            there = code.sum(grad_at, offset, loop.index)
            grad = xp.value(code.load(there))
            for slope in slopes:
                grad = grad + slope
            code.store(grad.ir, there)
        loop.next(*totals)
    cost = xp.value(ir.Constant(DOUBLE, 0.0))
    for scale, total in zip(scales, loop.carried, strict=True):
        cost = cost + scale * xp.value(code.sum_lanes(total))
    code.store(cost.ir, cost_at)
    code.ret()


def write_parameter_kernels(module: Any, dtype: Any) -> None:
    """Write the kernels for clipping, finiteness tests and the like.

    ``finite(g, count)`` is 1 if every entry is finite, else 0, by whether Σ 0 · g_i is 0.
    ``largest(g, count, out)`` is max |g_i| and ``squares(g, count, unit, out)`` is Σ (g_i/unit)²,
    both float64. ``rescale(g, count, unit, factor)``: g ← g/unit · factor. ``add(x, y, count)``: x
    ← x + y. ``clear(x, count)``: x ← 0. ``zero_frozen(g, frozen, offset, count)``: g_i ← 0 where
    frozen.
    """

    def begin(name: str, arguments: int, count: int = 1) -> tuple[KernelBuilder, Any]:
        """A kernel, and its number of bytes from that argument."""
        code = KernelBuilder(module, name, arguments, dtype)
        return code, code.b.mul(code.args[count], code.int64(code.size))

    code, n_bytes = begin("finite", 2)
    # Four sums, so that an addition does not wait for the one before it.
    with code.loop(n_bytes, 4 * LINE, carried=[code.zeros] * 4) as loop:
        place = [code.sum(code.args[0], loop.index, code.int64(n * LINE)) for n in range(4)]
        sums = zip(place, loop.carried, strict=True)
        loop.next(*[code.multiply_add(code.load(at), code.zeros, one) for at, one in sums])
    total = code.zeros
    for part in loop.carried:
        total = code.b.fadd(total, part)
    is_zero = code.b.fcmp_ordered("==", code.sum_lanes(total), ir.Constant(DOUBLE, 0.0))
    code.ret(code.b.zext(is_zero, I64))

    code, n_bytes = begin("largest", 3)
    xp = IRNamespace(code)
    with code.loop(n_bytes, LINE, carried=[code.zeros]) as loop:
        size = abs(xp.value(code.load(code.sum(code.args[0], loop.index))))
        loop.next(xp.maximum(xp.value(loop.carried[0]), size).ir)
    most = xp.value(ir.Constant(DOUBLE, 0.0))
    for lane in code.lanes_of(loop.carried[0]):
        most = xp.maximum(most, xp.value(code.widen(lane)))
    code.store(most.ir, code.args[2])
    code.ret()

    code, n_bytes = begin("squares", 4)
    xp = IRNamespace(code)
    unit = xp.value(code.load(code.args[2], DOUBLE))
    with code.loop(n_bytes, LINE, carried=[code.zeros]) as loop:
        one = xp.value(code.load(code.sum(code.args[0], loop.index))) / unit
        loop.next((xp.value(loop.carried[0]) + one * one).ir)
    code.store(code.sum_lanes(loop.carried[0]), code.args[3])
    code.ret()

    code, n_bytes = begin("rescale", 4)
    xp = IRNamespace(code)
    unit, factor = (xp.value(code.load(at, DOUBLE)) for at in code.args[2:])
    with code.loop(n_bytes, LINE) as loop:
        address = code.sum(code.args[0], loop.index)
        code.store((xp.value(code.load(address)) / unit * factor).ir, address)
    code.ret()

    code, n_bytes = begin("add", 3, count=2)
    with code.loop(n_bytes, LINE) as loop:
        target, other = (code.sum(at, loop.index) for at in code.args[:2])
        code.store(code.b.fadd(code.load(target), code.load(other)), target)
    code.ret()

    code, n_bytes = begin("clear", 2)
    with code.loop(n_bytes, LINE) as loop:
        code.store(code.zeros, code.sum(code.args[0], loop.index))
    code.ret()

    code, n_bytes = begin("zero_frozen", 4, count=3)
    grad_at, frozen_at, offset, _ = code.args
    with code.loop(n_bytes, LINE) as loop:
        here = code.b.add(offset, loop.index)
        address = code.sum(grad_at, here)
        frozen = code.load_bits(frozen_at, here)
        code.replace(code.b.select(frozen, code.zeros, code.load(address)), address)
    code.ret()
