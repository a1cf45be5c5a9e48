"""Derivations of the forward pass: z^l by F3, a^l by F4, the loss C_i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.formula_at_point import (
    FormulaAtPoint,
    agrees,
    recorded_or_none,
    reduces_row,
    uses,
)
from deltarule.explain.intermediates import Intermediates
from deltarule.explain.subject import InputColumn
from deltarule.explain.symbols import Mark, Symbols, partial, plain, product_mark
from deltarule.maths import SymbolicLoss, symbolic_activation, symbolic_loss
from deltarule.maths.printing.boxes import Big, Box, Scripted, Symbol, Terms

__all__ = ["ForwardDerivations", "quotient", "sum_over"]

_SUM = Symbol(r"\sum", "Σ", function=True)
# A form whose value is within this of the computed one is a derivation of it.
_EXACT = 5e-13
_NOT_RECORDED = "the formula does not compute with its xp alone, and cannot be written down"


def sum_over(index: str, *factors: Box) -> Box:
    """The box of a sum over an index: the factors with dots between them, after a Σ."""
    parts = tuple(("·" if place else "", box) for place, box in enumerate(factors))
    return Big(_SUM, index, factors[0] if len(factors) == 1 else Terms(parts))


def quotient(
    mark: Mark, value: float, top: Derivation, bottom: Derivation, formula: Box | None = None
) -> Derivation:
    """The derivation of a quotient of two numbers."""
    return Derivation(
        mark,
        value,
        "function",
        part_values=(top.value, bottom.value),
        make=lambda part: bottom if part else top,
        formula=formula,
        combine=lambda values: values[0] / values[1],
    )


class ForwardDerivations:
    """Builds the derivations of all that is computed before any derivative."""

    def __init__(self, passes: Intermediates) -> None:
        self.passes, self.subject, self.net = passes, passes.subject, passes.net
        self.symbols = Symbols(self.net)
        self._column_of: dict[int, InputColumn] = {
            k: column for column in self.subject.columns for k in column.inputs
        }

    # -- parameters and inputs ---------------------------------------------------------

    def weight_value(self, layer: int, j: int, k: int) -> Derivation:
        """w_jk^l."""
        return Derivation(self.symbols.w(layer, j, k), self.passes.W[layer][j, k])

    def target(self, j: int, sample: int) -> Derivation:
        """y_j, derived from its column where there is a table."""
        mark, value = self.symbols.y(j), self.subject.Y[sample, j]
        name = self.subject.names.outputs[j]
        name = "" if name == f"a_{j}" else name  # not what only repeats the symbol
        if self.subject.target is None:
            of_class = bool(name) and bool(self.subject.classes)
            return Derivation(mark, value, note=f"1 stands for {name!r}" if of_class else name)
        return self.subject.target.derivation(mark, sample, value, name)

    def input_name(self, k: int) -> str:
        """The name of input k; empty where it only repeats the symbol x_k."""
        name = self.subject.names.inputs[k]
        return "" if name == f"x_{k}" else name

    def x(self, k: int, sample: int) -> Derivation:
        """x_k, derived from its column where there is a table."""
        mark, value = self.symbols.a(0, k), self.passes.A[0][sample, k]
        encode = getattr(self._column_of.get(k), "derivation", None)
        if encode is None:
            return Derivation(mark, value, note=self.input_name(k))
        found: Derivation = encode(mark, k, sample, value, self.input_name(k))
        return found

    # -- F3 and F4 ---------------------------------------------------------------------

    def z(self, layer: int, j: int, sample: int) -> Derivation:
        """z_j^l = Σ_k w_jk^l a_k^{l−1} + b_j^l."""
        passes, symbols = self.passes, self.symbols
        inputs = passes.A[layer - 1][sample]
        values = passes.W[layer][j] * inputs
        if self.net.bias:
            values = np.append(values, passes.b[layer][j])

        def make(k: int) -> Derivation:
            if k == len(inputs):
                return Derivation(symbols.b(layer, j), values[k])
            return Derivation(
                product_mark(symbols.w(layer, j, k), symbols.a(layer - 1, k)),
                values[k],
                "product",
                part_values=(passes.W[layer][j, k], inputs[k]),
                make=lambda part: (
                    self.a(layer - 1, k, sample) if part else self.weight_value(layer, j, k)
                ),
            )

        weights = Scripted(Symbol("w", "w"), f"{j}{symbols.between}k", str(layer))
        total: Box = sum_over("k", weights, symbols.any_node("a", layer - 1, "k"))
        if self.net.bias:
            total = Terms((("", total), ("+", symbols.b(layer, j).box)))
        return Derivation(
            symbols.z(layer, j),
            passes.Z[layer][sample, j],
            "sum",
            part_values=values,
            make=make,
            formula=total,
            law="F3",
        )

    def a(self, layer: int, j: int, sample: int) -> Derivation:
        """a_j^l = g^l(z_j^l), times m_j^l where there is dropout; aⱼ⁽⁰⁾ is xⱼ."""
        passes, mark = self.passes, self.symbols.a(layer, j)
        if layer == 0:
            return self.x(j, sample)
        value, mask = passes.A[layer][sample, j], passes.mask(layer)
        if mask is None:
            found = self._g(mark, layer, j, sample)
            if layer == passes.L and self.subject.target is not None:
                found.note = self.subject.target.reading(value)
            return found
        g = self.g_mark(layer, j)
        return Derivation(
            mark,
            value,
            "product",
            part_values=(mask[sample, j], passes.G[layer][sample, j]),
            make=lambda part: self._g(g, layer, j, sample) if part else self.mask(layer, j, sample),
            formula=product_mark(self.symbols.node("m", layer, j), g).box,
            law="F4",
        )

    def g_mark(self, layer: int, j: int) -> Mark:
        """The symbol of g^l(z_j^l): a_j^l, or g_j^l where dropout makes the two differ."""
        if self.passes.mask(layer) is None:
            return self.symbols.a(layer, j)
        return plain("g", below=str(j), above=str(layer))

    def mask(self, layer: int, j: int, sample: int) -> Derivation:
        """m_j^l, the factor of dropout: 0, or 1/(1 − rate)."""
        mask = self.passes.mask(layer)
        assert mask is not None
        return Derivation(self.symbols.node("m", layer, j), mask[sample, j], note="dropout")

    def _g(self, mark: Mark, layer: int, j: int, sample: int) -> Derivation:
        """g^l(z_j^l), before dropout."""
        passes = self.passes
        if passes.mixes(layer):
            return self._mixed_output(mark, j, sample)
        g = self.net.activations[layer]
        assert g is not None
        recorded = recorded_or_none(symbolic_activation, g)
        z = passes.Z[layer][sample, j]
        formula = recorded.value if recorded else None
        marks = {"z": self.symbols.z(layer, j)}
        at_point = FormulaAtPoint(formula, None, {"z": z}, marks)
        value = passes.G[layer][sample, j]
        shown = at_point.shown()
        if recorded and recorded.textbook_value:
            textbook = FormulaAtPoint(recorded.textbook_value, None, {"z": z}, marks)
            shown = textbook.before(at_point, value)

        return Derivation(
            mark,
            value,
            "function",
            part_values=(z,),
            make=lambda _: self.z(layer, j, sample),
            combine=lambda values: passes.activations[layer].value(np.array([values]))[0, 0],
            law="F4",
            **({"note": "" if recorded else _NOT_RECORDED} | shown),
        )

    def _mixed_output(self, mark: Mark, j: int, sample: int) -> Derivation:
        """An output whose activation depends on every z of the row, as softmax does."""
        passes, L = self.passes, self.passes.L
        z, value = passes.Z[-1][sample], passes.G[L][sample, j]
        recorded = recorded_or_none(symbolic_activation, self.net.output_activation)
        marks = {"z": self.symbols.z(L, j)}
        formula = recorded.value if recorded else None
        at_point = FormulaAtPoint(formula, None, {"z": z}, marks, L, j)
        shown: dict[str, Any] = {"formula": at_point.formula}
        if recorded and recorded.textbook_value:
            textbook = FormulaAtPoint(recorded.textbook_value, None, {"z": z}, marks, L, j)
            shown = textbook.before(at_point, value)

        return Derivation(
            mark,
            value,
            "function",
            part_values=z,
            make=lambda m: self.z(L, m, sample),
            focus=j,
            **shown,
            combine=lambda values: passes.activations[-1].value(np.array([values]))[0, j],
            law="F4",
        )

    # -- the loss ----------------------------------------------------------------------

    def cost(self, sample: int) -> Derivation:
        """C_i, the sum of the loss's terms over the outputs."""
        return Derivation(
            self.symbols.C(sample),
            self.subject.per_sample.loss[sample],
            "sum",
            part_values=self.passes.terms[sample],
            make=lambda j: self.cost_term(j, sample),
            formula=sum_over("j", Scripted(Symbol("C", "C"), f"{sample},j")),
            law="F2",
        )

    def cost_term(self, j: int, sample: int) -> Derivation:
        """The term of C_i of output j: from a_j and y_j, or from z where a_j has lost digits."""
        passes = self.passes
        value = passes.terms[sample, j]
        with np.errstate(all="ignore"):
            from_a = passes.bound_loss.from_output(passes.G[-1], self.subject.Y)[0]
        from_a = np.broadcast_to(from_a, passes.terms.shape)[sample, j]
        intact = abs(from_a - value) <= 1e-12 * max(abs(value), 1.0) and np.isfinite(value)
        mark = plain("C", below=f"{sample},{j}")
        return self.loss_function(mark, value, "term", j, sample, fused=not intact)

    def loss_function(
        self, mark: Mark, value: float, result: str, j: int, sample: int, *, fused: bool
    ) -> Derivation:
        """A result of the loss's formula, ``"term"`` or ``"derivative"``, for output j.

        The arguments are a_j and y_j; with ``fused``, z_j and y_j, by the formula that joins the
        loss with the output's activation.
        """
        passes, L, net = self.passes, self.passes.L, self.net
        recorded = recorded_or_none(symbolic_loss, net.loss, net.output_activation)
        derivative = result == "derivative"
        y = self.subject.Y[sample]
        if fused:
            letter, own, source = "z", self.symbols.z(L, j), passes.Z[-1][sample]
            function = passes.bound_loss.from_input
            formula = recorded.from_input if recorded else None
        else:
            letter, own, source = "a", self.symbols.a(L, j), passes.G[-1][sample]
            function = passes.bound_loss.from_output
            formula = recorded.from_output if recorded else None
        assert function is not None
        marks = {letter: own, "y": self.symbols.y(j)}
        at_point = FormulaAtPoint(formula, result, {letter: source, "y": y}, marks, L, j)
        shown = at_point.shown()
        textbook = self._textbook(recorded, fused, j, sample) if derivative and recorded else None
        if textbook is not None:
            if agrees(textbook.value(), value, _EXACT):
                return self._of_textbook(mark, value, textbook, at_point, j, sample)
            shown = textbook.before(at_point, value)
        # Joined with softmax, the formula depends on every output; so may one that is not recorded.
        across = formula is None or (not formula.elementwise and reduces_row(formula.expressions()))
        outputs = list(range(len(y))) if across else [j]

        def combine(values: Sequence[float]) -> float:
            row, target = source.copy(), y.copy()
            row[outputs], target[outputs] = values[: len(outputs)], values[len(outputs) :]
            out = function(row[None], target[None])[int(derivative)]
            return float(np.broadcast_to(out, (1, len(y)))[0, j])

        def make(part: int) -> Derivation:
            if part >= len(outputs):
                return self.target(outputs[part - len(outputs)], sample)
            return (self.z if fused else self.a)(L, outputs[part], sample)

        return Derivation(
            mark,
            value,
            "function",
            part_values=np.concatenate((source[outputs], y[outputs])),
            make=make,
            combine=combine,
            law="F7" if derivative and net.loss.name == "squared_error" else "",
            **({"note": "" if recorded else _NOT_RECORDED} | shown),
        )

    def _textbook(
        self, recorded: SymbolicLoss, fused: bool, j: int, sample: int
    ) -> FormulaAtPoint | None:
        """∂Cᵢ/∂a_j, or with ``fused`` δ_j, as textbooks write it, of a and y; None if no such."""
        formula = recorded.textbook_delta if fused else recorded.textbook_derivative
        if formula is None:
            return None
        passes, L = self.passes, self.passes.L
        values = {"a": passes.G[-1][sample], "y": self.subject.Y[sample]}
        marks = {"a": self.symbols.a(L, j), "y": self.symbols.y(j)}
        return FormulaAtPoint(formula, None, values, marks, L, j)

    def _of_textbook(
        self,
        mark: Mark,
        value: float,
        textbook: FormulaAtPoint,
        computed: FormulaAtPoint,
        j: int,
        sample: int,
    ) -> Derivation:
        """A derivative by the loss, derived from a_j and y_j by the textbook's form."""
        passes = self.passes

        def make(part: int) -> Derivation:
            return self.target(j, sample) if part else self.a(passes.L, j, sample)

        return Derivation(
            mark,
            value,
            "function",
            part_values=(passes.G[-1][sample, j], self.subject.Y[sample, j]),
            make=make,
            combine=lambda parts: textbook.value({"a": parts[0], "y": parts[1]}),
            **textbook.before(computed, value),
        )

    # -- the slope ---------------------------------------------------------------------

    def slope_mark(self, layer: int, j: int) -> Mark:
        """The symbol ∂a_j^l/∂z_j^l, or ∂g_j^l/∂z_j^l where there is dropout."""
        return partial(self.g_mark(layer, j), self.symbols.z(layer, j))

    def slope(self, layer: int, j: int, sample: int) -> Derivation:
        """g^l′(z_j^l), F8."""
        passes = self.passes
        g = self.net.activations[layer]
        assert g is not None
        recorded = recorded_or_none(symbolic_activation, g)
        formula = recorded.slope if recorded else None
        values = {"z": passes.Z[layer][sample, j], "a": passes.G[layer][sample, j]}
        g_mark = self.g_mark(layer, j)
        value = passes.slope(layer, sample)[j]
        marks = {"z": self.symbols.z(layer, j), "a": g_mark}
        at_point = FormulaAtPoint(formula, None, values, marks)
        textbook, shown = None, at_point.shown()
        if recorded and recorded.textbook_slope:
            textbook = FormulaAtPoint(recorded.textbook_slope, None, values, marks)
            shown = textbook.before(at_point, value)
            if agrees(textbook.value(), value, _EXACT):
                formula = recorded.textbook_slope
            else:
                textbook = None
        arguments = [name for name in "za" if formula is None or uses(formula, name)] or ["z"]

        def combine(parts: Sequence[float]) -> float:
            point: dict[str, Any] = values | dict(zip(arguments, parts, strict=True))
            if textbook is not None:
                return textbook.value(point)
            z, a = np.array([[point["z"]]]), np.array([[point["a"]]])
            return float(np.broadcast_to(passes.activations[layer].slope(z, a), (1, 1))[0, 0])

        def make(part: int) -> Derivation:
            if arguments[part] == "z":
                return self.z(layer, j, sample)
            return self._g(g_mark, layer, j, sample)

        return Derivation(
            self.slope_mark(layer, j),
            value,
            "function",
            part_values=[values[name] for name in arguments],
            make=make,
            combine=combine,
            law="F8",
            **({"note": "" if recorded else _NOT_RECORDED} | shown),
        )
