"""Kernels made from the formulas of the registries: activations and losses.

Each is one pass over its arrays. What is shared between a value and its slope (e^−|z|) is
computed once, since both are written into the same loop body. A formula that looks across
outputs (softmax) becomes, for 16 samples at a time, one loop over the outputs for each
reduction and one for the results; nothing is stored in between.

A parameter of a formula is a number that its kernel reads (``kernel_parameters.py``): all
values have one kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, LINE, Code
from deltarule.engines.compiled.ir_namespace import IRNamespace, IRValue, evaluate
from deltarule.engines.compiled.kernel_parameters import Formula, recorded
from deltarule.engines.compiled.linker import compiled
from deltarule.engines.compiled.workspace import address_of
from deltarule.errors import InputError
from deltarule.maths import Activation, Loss
from deltarule.maths.symbolic import REDUCTIONS, Expr, reachable

__all__ = [
    "DOUBLE",
    "Kernel",
    "activation_kernel",
    "added",
    "kernel_of",
    "loss_kernel",
    "prediction_kernel",
    "vector",
    "write_activation",
    "write_loss",
    "write_prediction",
    "zero",
]

DOUBLE = ir.DoubleType()


class Kernel(NamedTuple):
    """A kernel, and the numbers that it reads."""

    address: int
    values: np.ndarray

    @property
    def places(self) -> tuple[int, int]:
        """The two addresses; the numbers must outlive whoever has theirs."""
        return self.address, address_of(self.values)


def _value_and_slope(xp: Any, records: Any) -> tuple[Any, Any]:
    (activation,) = records
    bound = activation.bind(xp)
    z = xp.variable("z")
    a = xp.number(bound.value(z))
    if bound.slope is None:
        raise InputError(f"activation {activation} mixes outputs; expected an elementwise one")
    return a, bound.slope(z, a)


def write_activation(module: Any, dtype: Any, name: str, activation: Activation | Formula) -> None:
    """``name(z, slope, lanes, n, stride, numbers)``: a replaces z, and the slope is stored.

    For ``lanes`` samples of each of n nodes, ``stride`` bytes apart. Two loops: one for training,
    one for prediction, which has 0 for the address of the slope. The numbers are a formula's; of
    an activation as such they are part of the text.
    """
    if isinstance(activation, Activation):
        activation = recorded(_value_and_slope, activation, data=False)
    (a, slope), z = activation.roots, activation.variables["z"]
    code = Code(module, name, 6, dtype)
    z_at, slope_at, lanes, n, stride, numbers = code.args
    bytes_ = code.b.mul(lanes, code.whole(code.size))

    def body(offset: Any, roots: list[Expr]) -> list[Any]:
        tracer = IRNamespace(code)
        known = {z.index: tracer.value(code.load(code.sum(z_at, offset)))}

        def leaf(node: Expr) -> Any:
            if node.op == "symbol":
                return tracer.value(code.parameter(numbers, node.data[1]))
            raise InputError(
                f"a formula for single numbers uses {node.op!r}, which looks across outputs"
            )

        return [vector(tracer, value) for value in evaluate(tracer, roots, known, leaf)]

    training = code.b.icmp_signed("!=", slope_at, code.whole(0))
    with code.b.if_else(training) as (then, otherwise):
        with then, code.loop(n) as node, code.loop(bytes_, LINE) as loop:
            here = code.sum((node.index, stride), loop.index)
            value, rate = body(here, [a, slope])
            code.replace(value, code.sum(z_at, here))
            code.store(rate, code.sum(slope_at, here))
        with otherwise, code.loop(n) as node, code.loop(bytes_, LINE) as loop:
            here = code.sum((node.index, stride), loop.index)
            (value,) = body(here, [a])
            code.replace(value, code.sum(z_at, here))
    code.done()


def vector(tracer: IRNamespace, value: Any) -> Any:
    """A result as a vector, be it one number for all lanes."""
    return (
        tracer.apply("add", value, tracer.value(zero(tracer.code))).ir
        if not (isinstance(value, IRValue) and isinstance(value.ir.type, ir.VectorType))
        else value.ir
    )


def zero(code: Code) -> Any:
    """A vector of zeros."""
    return code.number(code.vector, 0.0)


def kernel_of(name: str, formula: Any, dtype: str, write: Callable[..., None]) -> Kernel:
    """The kernel of a formula or program, with the numbers that it reads."""
    library = compiled(
        (name, formula.key, dtype), lambda module: write(module, dtype, name, formula)
    )
    return Kernel(library[name], np.array([*formula.values, 0.0]))


@functools.lru_cache(maxsize=256)
def activation_kernel(activation: Activation, dtype: str) -> Kernel:
    """The kernel of an activation for single numbers."""
    formula = recorded(_value_and_slope, activation)
    return kernel_of("activation", formula, dtype, write_activation)


@functools.lru_cache(maxsize=256)
def prediction_kernel(activation: Activation, dtype: str) -> Kernel:
    """The kernel that predicts with an activation that mixes outputs."""
    formula = recorded(_value, activation)
    return kernel_of("prediction", formula, dtype, write_prediction)


@functools.lru_cache(maxsize=256)
def loss_kernel(loss: Loss, output: Activation, dtype: str) -> Kernel:
    """The kernel of a loss on that output."""
    return kernel_of("loss", recorded(_term_and_slope, loss, output), dtype, write_loss)


def _value(xp: Any, records: Any) -> tuple[Any]:
    (activation,) = records
    return (activation.bind(xp).value(xp.variable("z")),)


def _term_and_slope(xp: Any, records: Any) -> tuple[Any, Any]:
    """The loss fused with its output where it is, else a = g(z) first and the pullback after."""
    loss, output = records
    z, y = xp.variable("z"), xp.variable("y")
    bound = loss.bind(xp, output)
    if bound.from_input is not None:
        return bound.from_input(z, y)
    activation = output.bind(xp)
    a = activation.value(z)
    term, up = bound.from_output(a, y)
    return term, activation.pullback(z, a, up)


class _AcrossOutputs:
    """Evaluates recorded formulas for a panel of samples, output by output.

    Parameters
    ----------
    code : Code
    n : integer
        The number of outputs.
    places : dict of str to function
        How a variable is loaded at output j.
    numbers : integer
        Where the formula's parameters stand.
    """

    def __init__(
        self, code: Code, n: Any, places: dict[str, Callable[[Any], Any]], numbers: Any
    ) -> None:
        self.code, self.n, self.places, self.numbers = code, n, places, numbers
        self.known: dict[int, Any] = {}

    def prepare(self, roots: list[Expr]) -> None:
        """Compute what has one value for a sample: the reductions, in order."""
        for node in reachable(roots):
            if node.varies or node.op in ("constant", "symbol"):
                continue
            if node.op in REDUCTIONS:
                self.known[node.index] = self._reduced(node)
            else:
                self.known[node.index] = self.at(self.code.whole(0), [node])[0]

    def _reduced(self, node: Expr) -> Any:
        code = self.code
        start = code.number(code.vector, 0.0 if node.op == "total" else float("-inf"))
        with code.loop(self.n, carried=[start]) as loop:
            (value,) = self.at(loop.index, list(node.args))
            tracer = IRNamespace(code)
            so_far = tracer.value(loop.carried[0])
            op = "add" if node.op == "total" else "maximum"
            loop.next(tracer.apply(op, so_far, value).ir)
        return IRNamespace(code).value(loop.carried[0])

    def at(self, j: Any, roots: list[Expr]) -> list[Any]:
        """The roots at output j."""
        tracer = IRNamespace(self.code)
        known = {
            index: tracer.value(value.ir) if isinstance(value, IRValue) else value
            for index, value in self.known.items()
        }
        return evaluate(tracer, roots, known, lambda node: self._leaf(tracer, node, j))

    def _leaf(self, tracer: IRNamespace, node: Expr, j: Any) -> Any:
        code = self.code
        if node.op == "variable":
            return tracer.value(self.places[node.data](j))
        if node.op == "n_outputs":
            return tracer.value(code.b.sitofp(self.n, DOUBLE))
        if node.op == "symbol":
            return tracer.value(code.parameter(self.numbers, node.data[1]))
        place, values = node.data  # per_output
        which = code.b.urem(j, code.whole(len(values)))
        if isinstance(place, int):
            where = code.sum(self.numbers, code.whole(8 * place), (which, code.whole(8)))
            return tracer.value(code.load(where, DOUBLE))
        table = ir.GlobalVariable(
            code.module,
            ir.ArrayType(DOUBLE, len(values)),
            f"{code.function.name}.table{len(code.module.globals)}",
        )
        table.initializer = ir.Constant(ir.ArrayType(DOUBLE, len(values)), list(values))
        table.linkage, table.global_constant = "internal", True
        base = code.b.ptrtoint(table, I64)
        return tracer.value(code.load(code.sum(base, (which, code.whole(8))), DOUBLE))


def write_prediction(module: Any, dtype: Any, name: str, formula: Formula) -> None:
    """``name(z, n, stride, lanes, numbers)``: a replaces z; the activation mixes outputs."""
    (value,) = formula.roots
    code = Code(module, name, 5, dtype)
    z, n, stride, lanes, numbers = code.args
    with code.loop(code.b.mul(lanes, code.whole(code.size)), LINE) as panel:
        here = code.sum(z, panel.index)
        loads = {"z": lambda j: code.load(code.sum(here, (j, stride)))}
        across = _AcrossOutputs(code, n, loads, numbers)
        across.prepare([value])
        # Reductions are done: a may replace z output by output.
        with code.loop(n) as output:
            (result,) = across.at(output.index, [value])
            code.store(vector(IRNamespace(code), result), code.sum(here, (output.index, stride)))
    code.done()


def write_loss(module: Any, dtype: Any, name: str, formula: Formula) -> None:
    """``name(z, y, w, delta, n, stride, lanes, cost, numbers)``: Σ w_i C_i, and δ^L.

    δ is not stored if its address is 0; it may take the place of y. ``cost`` is where a float64
    is put. Samples of weight 0 (the lanes behind the last) count for nothing, whatever is in them.
    """
    term, slope = formula.roots
    code = Code(module, name, 9, dtype)
    z_at, y_at, w_at, delta_at, n, stride, lanes, cost_at, numbers = code.args
    b = code.b
    bytes_ = b.mul(lanes, code.whole(code.size))

    def panels(training: bool) -> Any:
        with code.loop(bytes_, LINE, carried=[zero(code)]) as panel:
            place = {"z": code.sum(z_at, panel.index), "y": code.sum(y_at, panel.index)}
            weight = code.load(code.sum(w_at, panel.index))
            present = b.fcmp_unordered("!=", weight, zero(code))

            def column(at: Any) -> Callable[[Any], Any]:
                return lambda j: code.load(code.sum(at, (j, stride)))

            loads = {key: column(at) for key, at in place.items()}
            across = _AcrossOutputs(code, n, loads, numbers)
            roots = [term, slope] if training else [term]
            across.prepare(roots)
            with code.loop(n, carried=[zero(code)]) as one:
                results = [
                    vector(IRNamespace(code), value) for value in across.at(one.index, roots)
                ]
                one.next(b.fadd(one.carried[0], results[0]))
                if training:
                    weighted = b.fmul(weight, results[1])
                    there = code.sum(delta_at, panel.index, (one.index, stride))
                    code.store(b.select(present, weighted, zero(code)), there)
            each = b.select(present, b.fmul(weight, one.carried[0]), zero(code))
            panel.next(b.fadd(panel.carried[0], each))
        code.store(added(code, panel.carried[0]), cost_at)

    with b.if_else(b.icmp_signed("!=", delta_at, code.whole(0))) as (then, otherwise):
        with then:
            panels(training=True)
        with otherwise:
            panels(training=False)
    code.done()


def added(code: Code, vector: Any) -> Any:
    """The sum of a vector's lanes, in float64."""
    total = ir.Constant(DOUBLE, 0.0)
    for lane in range(code.lanes):
        one = code.b.extract_element(vector, ir.Constant(ir.IntType(32), lane))
        one = code.b.fpext(one, DOUBLE) if code.size == 4 else one
        total = code.b.fadd(total, one)
    return total
