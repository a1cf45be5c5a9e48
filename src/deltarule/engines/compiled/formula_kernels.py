"""Kernels made from the formulas of the registries: activations and losses.

Each kernel is one pass over its arrays. A formula's value and slope are written into the same loop
body, so that what they have in common (such as e^−|z|) is computed once. A formula with reductions
over the outputs (softmax) becomes, for one vector of samples at a time, a loop over the outputs for
each reduction and one for the results; nothing is stored in between.

A kernel reads the parameters of its formula from an array (``kernel_parameters.py``), so that all
values of a parameter have one kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.ir_builder import DOUBLE, I64, LINE, KernelBuilder
from deltarule.engines.compiled.ir_namespace import IRNamespace, IRValue, evaluate
from deltarule.engines.compiled.kernel_parameters import Formula, record_formula
from deltarule.engines.compiled.linker import compiled_library
from deltarule.engines.compiled.workspace import address_of
from deltarule.errors import InputError
from deltarule.maths import Activation, Loss
from deltarule.maths.symbolic import REDUCTIONS, Expr, reachable

__all__ = [
    "Kernel",
    "activation_kernel",
    "kernel_of",
    "loss_kernel",
    "mixing_kernel",
    "write_activation",
]


class Kernel(NamedTuple):
    """The address of a kernel, and the float64 parameters that it reads."""

    address: int
    values: np.ndarray

    @property
    def addresses(self) -> tuple[int, int]:
        """The addresses of the kernel and of its parameters, valid as long as this object lives."""
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
    """``name(z, slope, lanes, n, stride, parameters)``: write a over z, and the slope.

    For ``lanes`` samples of each of n nodes, ``stride`` bytes apart. Prediction passes 0 as the
    address of the slope, and runs a loop without it. The kernel of a :class:`Formula` reads its
    parameters at run time; in the kernel of an ``Activation`` they are constants.
    """
    if isinstance(activation, Activation):
        activation = record_formula(_value_and_slope, activation, as_data=False)
    (a, slope), z = activation.roots, activation.variables["z"]
    code = KernelBuilder(module, name, 6, dtype)
    z_at, slope_at, lanes, n, stride, numbers = code.args
    bytes_ = code.b.mul(lanes, code.int64(code.size))

    def body(offset: Any, roots: list[Expr]) -> list[Any]:
        xp = IRNamespace(code)
        known = {z.index: xp.value(code.load(code.sum(z_at, offset)))}

        def leaf(node: Expr) -> Any:
            if node.op == "symbol":
                return xp.value(code.parameter(numbers, node.data[1]))
            raise InputError(
                f"a formula for single numbers uses {node.op!r}, which combines several outputs"
            )

        return [xp.as_vector(value) for value in evaluate(xp, roots, known, leaf)]

    training = code.b.icmp_signed("!=", slope_at, code.int64(0))
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
    code.ret()


def kernel_of(name: str, formula: Any, dtype: str, write: Callable[..., None]) -> Kernel:
    """The kernel of a recorded formula or program, with its parameters."""
    library = compiled_library(
        (name, formula.key, dtype),
        lambda module: write(module, dtype, name, formula),
        in_package=True,
    )
    return Kernel(library[name], np.array([*formula.values, 0.0]))


@functools.lru_cache(maxsize=256)
def activation_kernel(activation: Activation, dtype: str) -> Kernel:
    """The kernel of an elementwise activation."""
    formula = record_formula(_value_and_slope, activation)
    return kernel_of("activation", formula, dtype, write_activation)


@functools.lru_cache(maxsize=256)
def mixing_kernel(activation: Activation, dtype: str) -> Kernel:
    """The prediction kernel of an activation that combines several outputs, such as softmax."""
    formula = record_formula(_value, activation)
    return kernel_of("prediction", formula, dtype, _write_mixing)


@functools.lru_cache(maxsize=256)
def loss_kernel(loss: Loss, output: Activation, dtype: str) -> Kernel:
    """The kernel of a loss with an output activation."""
    return kernel_of("loss", record_formula(_loss_and_slope, loss, output), dtype, _write_loss)


def _value(xp: Any, records: Any) -> tuple[Any]:
    (activation,) = records
    return (activation.bind(xp).value(xp.variable("z")),)


def _loss_and_slope(xp: Any, records: Any) -> tuple[Any, Any]:
    """C_i and ∂C_i/∂z, by the fused formula of a loss with its output activation if it has one."""
    loss, output = records
    z, y = xp.variable("z"), xp.variable("y")
    bound = loss.bind(xp, output)
    if bound.from_input is not None:
        return bound.from_input(z, y)
    activation = output.bind(xp)
    a = activation.value(z)
    term, up = bound.from_output(a, y)
    return term, activation.pullback(z, a, up)


class _PanelEvaluator:
    """Evaluates a recorded formula for one vector of samples, output by output.

    Parameters
    ----------
    code : KernelBuilder
    n : integer
        The number of outputs.
    loads : dict of str to function
        By the name of a variable: ``load(j)`` loads it at output j.
    numbers : integer
        The address of the formula's parameters.
    """

    def __init__(
        self, code: KernelBuilder, n: Any, loads: dict[str, Callable[[Any], Any]], numbers: Any
    ) -> None:
        self.code, self.n, self.loads, self.numbers = code, n, loads, numbers
        self.known: dict[int, Any] = {}

    def prepare(self, roots: list[Expr]) -> None:
        """Compute all expressions that have one value for a sample, reductions in their order."""
        for node in reachable(roots):
            if node.varies or node.op in ("constant", "symbol"):
                continue
            if node.op in REDUCTIONS:
                self.known[node.index] = self._reduce(node)
            else:
                self.known[node.index] = self.at(self.code.int64(0), [node])[0]

    def _reduce(self, node: Expr) -> Any:
        code = self.code
        start = code.constant(code.vector, 0.0 if node.op == "total" else float("-inf"))
        with code.loop(self.n, carried=[start]) as loop:
            (value,) = self.at(loop.index, list(node.args))
            xp = IRNamespace(code)
            so_far = xp.value(loop.carried[0])
            op = "add" if node.op == "total" else "maximum"
            loop.next(xp.apply(op, so_far, value).ir)
        return IRNamespace(code).value(loop.carried[0])

    def at(self, j: Any, roots: list[Expr]) -> list[Any]:
        """The values of ``roots`` at output j."""
        xp = IRNamespace(self.code)
        known = {
            index: xp.value(value.ir) if isinstance(value, IRValue) else value
            for index, value in self.known.items()
        }
        return evaluate(xp, roots, known, lambda node: self._leaf(xp, node, j))

    def _leaf(self, xp: IRNamespace, node: Expr, j: Any) -> Any:
        code = self.code
        if node.op == "variable":
            return xp.value(self.loads[node.data](j))
        if node.op == "n_outputs":
            return xp.value(code.b.sitofp(self.n, DOUBLE))
        if node.op == "symbol":
            return xp.value(code.parameter(self.numbers, node.data[1]))
        place, values = node.data  # of a node "per_output"
        which = code.b.urem(j, code.int64(len(values)))
        if isinstance(place, int):
            where = code.sum(self.numbers, code.int64(8 * place), (which, code.int64(8)))
            return xp.value(code.load(where, DOUBLE))
        table = ir.GlobalVariable(
            code.module,
            ir.ArrayType(DOUBLE, len(values)),
            f"{code.function.name}.table{len(code.module.globals)}",
        )
        table.initializer = ir.Constant(ir.ArrayType(DOUBLE, len(values)), list(values))
        table.linkage, table.global_constant = "internal", True
        base = code.b.ptrtoint(table, I64)
        return xp.value(code.load(code.sum(base, (which, code.int64(8))), DOUBLE))


def _write_mixing(module: Any, dtype: Any, name: str, formula: Formula) -> None:
    """``name(z, n, stride, lanes, parameters)``: write a over z; the activation mixes outputs."""
    (value,) = formula.roots
    code = KernelBuilder(module, name, 5, dtype)
    z, n, stride, lanes, numbers = code.args
    with code.loop(code.b.mul(lanes, code.int64(code.size)), LINE) as panel:
        here = code.sum(z, panel.index)
        loads = {"z": lambda j: code.load(code.sum(here, (j, stride)))}
        evaluator = _PanelEvaluator(code, n, loads, numbers)
        evaluator.prepare([value])
        # All reductions have been computed, so a may be written over z output by output.
        with code.loop(n) as output:
            (result,) = evaluator.at(output.index, [value])
            there = code.sum(here, (output.index, stride))
            code.store(IRNamespace(code).as_vector(result), there)
    code.ret()


def _write_loss(module: Any, dtype: Any, name: str, formula: Formula) -> None:
    """``name(z, y, w, delta, n, stride, lanes, cost, parameters)``: Σ w_i C_i, and δ^L.

    δ is not stored if its address is 0; it may be written over y. The sum is stored at ``cost``, as
    float64. Samples of weight 0, such as the lanes after the last one, add nothing, whatever their
    z and y.
    """
    term, slope = formula.roots
    code = KernelBuilder(module, name, 9, dtype)
    z_at, y_at, w_at, delta_at, n, stride, lanes, cost_at, numbers = code.args
    b = code.b
    bytes_ = b.mul(lanes, code.int64(code.size))

    def panels(training: bool) -> Any:
        with code.loop(bytes_, LINE, carried=[code.zeros]) as panel:
            place = {"z": code.sum(z_at, panel.index), "y": code.sum(y_at, panel.index)}
            weight = code.load(code.sum(w_at, panel.index))
            present = b.fcmp_unordered("!=", weight, code.zeros)

            def column(at: Any) -> Callable[[Any], Any]:
                return lambda j: code.load(code.sum(at, (j, stride)))

            loads = {key: column(at) for key, at in place.items()}
            evaluator = _PanelEvaluator(code, n, loads, numbers)
            roots = [term, slope] if training else [term]
            evaluator.prepare(roots)
            with code.loop(n, carried=[code.zeros]) as one:
                results = [
                    IRNamespace(code).as_vector(value) for value in evaluator.at(one.index, roots)
                ]
                one.next(b.fadd(one.carried[0], results[0]))
                if training:
                    weighted = b.fmul(weight, results[1])
                    there = code.sum(delta_at, panel.index, (one.index, stride))
                    code.store(b.select(present, weighted, code.zeros), there)
            each = b.select(present, b.fmul(weight, one.carried[0]), code.zeros)
            panel.next(b.fadd(panel.carried[0], each))
        code.store(code.sum_lanes(panel.carried[0]), cost_at)

    with b.if_else(b.icmp_signed("!=", delta_at, code.int64(0))) as (then, otherwise):
        with then:
            panels(training=True)
        with otherwise:
            panels(training=False)
    code.ret()
