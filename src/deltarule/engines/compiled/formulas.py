"""Kernels made from the formulas of the registries: activations and losses.

Each is one pass over its arrays. What is shared between a value and its slope (e^−|z|) is
computed once, since both are written into the same loop body. A formula that looks across
outputs (softmax) becomes, for 16 samples at a time, one loop over the outputs for each
reduction and one for the results; nothing is stored in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.code import I64, LINE, Code
from deltarule.engines.compiled.library import compiled
from deltarule.engines.compiled.tracing import Traced, Tracer, evaluate
from deltarule.errors import InputError
from deltarule.maths import Activation, Loss
from deltarule.maths.recording import REDUCTIONS, Node, RecordingNamespace, reachable

__all__ = [
    "DOUBLE",
    "activation_kernel",
    "added",
    "prediction_kernel",
    "vector",
    "write_activation",
    "write_loss",
    "write_prediction",
    "zero",
]

DOUBLE = ir.DoubleType()


def write_activation(module: Any, dtype: Any, name: str, activation: Activation) -> None:
    """``name(z, slope, lanes, n, stride)``: a replaces z, and the slope is stored unless at 0.

    For ``lanes`` samples of each of n nodes, ``stride`` bytes apart. Two loops: one for training,
    one for prediction, which needs no slope.
    """
    xp = RecordingNamespace()
    bound = activation.bind(xp)
    z = xp.variable("z")
    a = xp.number(bound.value(z))
    if bound.slope is None:
        raise InputError(f"activation {activation} mixes outputs; expected an elementwise one")
    slope = xp.number(bound.slope(z, a))
    code = Code(module, name, 5, dtype)
    z_at, slope_at, lanes, n, stride = code.args
    bytes_ = code.b.mul(lanes, code.whole(code.size))

    def body(offset: Any, roots: list[Node]) -> list[Any]:
        tracer = Tracer(code)
        known = {z.index: tracer.value(code.load(code.sum(z_at, offset)))}
        return [vector(tracer, value) for value in evaluate(tracer, roots, known, _no_leaf)]

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


def _no_leaf(node: Node) -> Any:
    raise InputError(f"a formula for single numbers uses {node.op!r}, which looks across outputs")


def vector(tracer: Tracer, value: Any) -> Any:
    """A result as a vector, be it one number for all lanes."""
    return (
        tracer.apply("add", value, tracer.value(zero(tracer.code))).ir
        if not (isinstance(value, Traced) and isinstance(value.ir.type, ir.VectorType))
        else value.ir
    )


def zero(code: Code) -> Any:
    """A vector of zeros."""
    return code.number(code.vector, 0.0)


def activation_kernel(activation: Activation, dtype: str) -> int:
    """The address of the kernel of an activation for single numbers."""
    return compiled(
        ("activation", activation, dtype),
        lambda module: write_activation(module, dtype, "activation", activation),
    )["activation"]


def prediction_kernel(activation: Activation, dtype: str) -> int:
    """The address of the kernel that predicts with an activation that mixes outputs."""
    return compiled(
        ("prediction", activation, dtype),
        lambda module: write_prediction(module, dtype, "prediction", activation),
    )["prediction"]


class _AcrossOutputs:
    """Evaluates recorded formulas for a panel of samples, output by output.

    Parameters
    ----------
    code : Code
    n : integer
        The number of outputs.
    places : dict of str to function
        How a variable is loaded at output j.
    """

    def __init__(self, code: Code, n: Any, places: dict[str, Callable[[Any], Any]]) -> None:
        self.code, self.n, self.places = code, n, places
        self.known: dict[int, Any] = {}

    def prepare(self, roots: list[Node]) -> None:
        """Compute what has one value for a sample: the reductions, in order."""
        for node in reachable(roots):
            if node.spread or node.op in ("constant", "symbol"):
                continue
            if node.op in REDUCTIONS:
                self.known[node.index] = self._reduced(node)
            else:
                self.known[node.index] = self.at(self.code.whole(0), [node])[0]

    def _reduced(self, node: Node) -> Any:
        code = self.code
        start = code.number(code.vector, 0.0 if node.op == "total" else float("-inf"))
        with code.loop(self.n, carried=[start]) as loop:
            (value,) = self.at(loop.index, list(node.args))
            tracer = Tracer(code)
            so_far = tracer.value(loop.carried[0])
            op = "add" if node.op == "total" else "maximum"
            loop.next(tracer.apply(op, so_far, value).ir)
        return Tracer(code).value(loop.carried[0])

    def at(self, j: Any, roots: list[Node]) -> list[Any]:
        """The roots at output j."""
        tracer = Tracer(self.code)
        known = {
            index: tracer.value(value.ir) if isinstance(value, Traced) else value
            for index, value in self.known.items()
        }
        return evaluate(tracer, roots, known, lambda node: self._leaf(tracer, node, j))

    def _leaf(self, tracer: Tracer, node: Node, j: Any) -> Any:
        code = self.code
        if node.op == "variable":
            return tracer.value(self.places[node.data](j))
        if node.op == "n_outputs":
            return tracer.value(code.b.sitofp(self.n, DOUBLE))
        values = node.data[1]  # per_output
        table = ir.GlobalVariable(
            code.module,
            ir.ArrayType(DOUBLE, len(values)),
            f"{code.function.name}.table{len(code.module.globals)}",
        )
        table.initializer = ir.Constant(ir.ArrayType(DOUBLE, len(values)), list(values))
        table.linkage, table.global_constant = "internal", True
        base = code.b.ptrtoint(table, I64)
        which = code.b.urem(j, code.whole(len(values)))
        return tracer.value(code.load(code.sum(base, (which, code.whole(8))), DOUBLE))


def write_prediction(module: Any, dtype: Any, name: str, activation: Activation) -> None:
    """``name(z, n, stride, lanes)``: a replaces z, for an activation that mixes outputs."""
    xp = RecordingNamespace()
    value = xp.number(activation.bind(xp).value(xp.variable("z")))
    code = Code(module, name, 4, dtype)
    z, n, stride, lanes = code.args
    with code.loop(code.b.mul(lanes, code.whole(code.size)), LINE) as panel:
        here = code.sum(z, panel.index)
        across = _AcrossOutputs(code, n, {"z": lambda j: code.load(code.sum(here, (j, stride)))})
        across.prepare([value])
        # Reductions are done: a may replace z output by output.
        with code.loop(n) as output:
            (result,) = across.at(output.index, [value])
            code.store(vector(Tracer(code), result), code.sum(here, (output.index, stride)))
    code.done()


def write_loss(module: Any, dtype: Any, name: str, loss: Loss, output: Activation) -> None:
    """``name(z, y, w, delta, n, stride, lanes, cost)``: Σ w_i C_i, and δ^L unless its address is 0.

    The loss comes fused with its output where it is, else a = g(z) first and the pullback
    after. δ may take the place of y. ``cost`` is where a float64 is put. Samples of weight 0
    (the lanes behind the last) count for nothing, whatever is in them.
    """
    xp = RecordingNamespace()
    z, y = xp.variable("z"), xp.variable("y")
    bound = loss.bind(xp, output)
    if bound.from_input is not None:
        term, slope = bound.from_input(z, y)
    else:
        activation = output.bind(xp)
        a = activation.value(z)
        term, up = bound.from_output(a, y)
        slope = activation.pullback(z, a, up)
    term, slope = xp.number(term), xp.number(slope)
    code = Code(module, name, 8, dtype)
    z_at, y_at, w_at, delta_at, n, stride, lanes, cost_at = code.args
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
            across = _AcrossOutputs(code, n, loads)
            roots = [term, slope] if training else [term]
            across.prepare(roots)
            with code.loop(n, carried=[zero(code)]) as one:
                results = [vector(Tracer(code), value) for value in across.at(one.index, roots)]
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
