"""Derivations of the backward pass: F6 to F15, for one sample.

∂Cᵢ/∂w_jk^l is the product of three factors. At the output the first is the loss's derivative; in
a hidden layer it is F13's sum over every node of the next layer, and each term has such factors
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.derivation import Derivation, float_sum
from deltarule.explain.forward_derivations import ForwardDerivations, sum_over
from deltarule.explain.number_format import DIGITS, number_box, number_text
from deltarule.explain.subject import InputColumn
from deltarule.explain.symbols import Mark, partial, product_mark
from deltarule.maths.printing.boxes import (
    Apply,
    Box,
    Fenced,
    Number,
    Partial,
    Scripted,
    Symbol,
    Terms,
    Words,
)
from deltarule.maths.printing.markup import box_text
from deltarule.tables.column_encoders import NumberEncoder

__all__ = ["BackwardDerivations", "Factor", "product_derivation", "term_derivation"]


class Factor(NamedTuple):
    """A factor of a product: its symbol, its value, and a function that makes its derivation."""

    mark: Mark
    value: float
    make: Callable[[], Derivation]


def product_derivation(
    mark: Mark, value: float, factors: Sequence[Factor], law: str = "", **others: Any
) -> Derivation:
    """The derivation of a product; its formula is the product of the factors' symbols."""
    formula = product_mark(*(factor.mark for factor in factors)).box
    return Derivation(
        mark,
        value,
        "product",
        part_values=[factor.value for factor in factors],
        make=lambda index: factors[index].make(),
        law=law,
        **({"formula": formula} | others),
    )


def term_derivation(value: float, factors: Sequence[Factor], **others: Any) -> Derivation:
    """The derivation of a term of a sum: its symbol is the product of its factors' symbols."""
    mark = product_mark(*(factor.mark for factor in factors))
    return product_derivation(mark, value, factors, formula=None, **others)


class BackwardDerivations(ForwardDerivations):
    """Builds the derivations of derivatives of C_i, before w_i."""

    # -- by a, F7 and F13 --------------------------------------------------------------

    def upstream(self, layer: int, j: int, sample: int) -> Derivation:
        """∂Cᵢ/∂a_j^l: at the output from the loss (F7), else the sum over the next layer (F13)."""
        passes, mark = self.passes, self.upstream_mark(layer, j, sample)
        value = passes.upstream(layer, sample)[j]
        if layer == passes.L:
            return self.loss_function(mark, value, "derivative", j, sample, fused=False)
        return Derivation(
            mark,
            value,
            "sum",
            part_values=passes.delta[layer + 1][sample] * passes.W[layer + 1][:, j],
            make=lambda m: self.path_term(layer + 1, m, j, sample),
            formula=self._f13(layer, j, sample),
            law="F13",
            note=self.input_name(j) if layer == 0 else "",
        )

    def upstream_mark(self, layer: int, j: int, sample: int) -> Mark:
        """The symbol ∂Cᵢ/∂a_j^l."""
        return partial(self.symbols.C(sample), self.symbols.a(layer, j))

    def _f13(self, layer: int, k: int, sample: int) -> Box:
        symbols, C = self.symbols, self.symbols.C(sample).box
        z = symbols.any_node("z", layer + 1, "j")
        a = symbols.any_node("a", layer + 1, "j")
        dz_da = Partial(z, symbols.a(layer, k).box)
        if self.passes.mixes(layer + 1):
            return sum_over("j", Partial(C, z), dz_da)
        return sum_over("j", Partial(C, a), Partial(a, z), dz_da)

    def path_term(self, layer: int, j: int, k: int, sample: int) -> Derivation:
        """The term of F13 that leads from node j of a layer back to node k of the layer before."""
        weight = self.passes.W[layer][j, k]
        mark = partial(self.symbols.z(layer, j), self.symbols.a(layer - 1, k))
        w = Factor(self.symbols.w(layer, j, k), weight, lambda: self.weight_value(layer, j, k))
        last = Factor(mark, weight, lambda: product_derivation(mark, weight, [w], "F14"))
        value = self.passes.delta[layer][sample, j] * weight
        return term_derivation(value, [*self.factors(layer, j, sample), last])

    # -- by z --------------------------------------------------------------------------

    def factors(self, layer: int, j: int, sample: int) -> list[Factor]:
        """The factors of ∂Cᵢ/∂z_j^l: ∂Cᵢ/∂a, the mask and g′, or δ where those do not give it."""
        passes = self.passes
        at_limit = layer == passes.L and not passes.intact[sample, j]
        if passes.mixes(layer) or at_limit:
            mark, value = self.delta_mark(layer, j, sample), passes.delta[layer][sample, j]
            return [Factor(mark, value, lambda: self.delta(layer, j, sample))]
        return self._separate_factors(layer, j, sample)

    def _separate_factors(self, layer: int, j: int, sample: int) -> list[Factor]:
        """∂Cᵢ/∂a_j^l, m_j^l where there is dropout, and g^l′(z_j^l)."""
        passes, mask = self.passes, self.passes.mask(layer)
        upstream = Factor(
            self.upstream_mark(layer, j, sample),
            passes.upstream(layer, sample)[j],
            lambda: self.upstream(layer, j, sample),
        )
        slope = Factor(
            self.slope_mark(layer, j),
            passes.slope(layer, sample)[j],
            lambda: self.slope(layer, j, sample),
        )
        if mask is None:
            return [upstream, slope]
        mark = self.symbols.node("m", layer, j)
        dropout = Factor(mark, mask[sample, j], lambda: self.mask(layer, j, sample))
        return [upstream, dropout, slope]

    def delta_mark(self, layer: int, j: int, sample: int) -> Mark:
        """The symbol ∂Cᵢ/∂z_j^l."""
        return partial(self.symbols.C(sample), self.symbols.z(layer, j))

    def delta(self, layer: int, j: int, sample: int) -> Derivation:
        """∂Cᵢ/∂z_j^l, which is δ_j^l before w_i."""
        passes = self.passes
        mark, value = self.delta_mark(layer, j, sample), passes.delta[layer][sample, j]
        if layer == passes.L and not passes.intact[sample, j]:
            return self._delta_from_z(mark, value, j, sample)
        if passes.mixes(layer):
            chain = self._mixing_sum(mark, value, j, sample)
        else:
            chain = product_derivation(mark, value, self._separate_factors(layer, j, sample))
        if layer < passes.L:
            return chain
        return self._difference(mark, value, chain, j, sample) or chain

    def _difference(
        self, mark: Mark, value: float, chain: Derivation, j: int, sample: int
    ) -> Derivation | None:
        """δ = a − y of a loss that is joined with its output, and the chain rule as a last part.

        None where there is no such form, or where a − y has lost digits.
        """
        if self.passes.bound_loss.from_input is None:
            return None
        short = self.loss_function(mark, value, "derivative", j, sample, fused=True)
        if short.n_parts != 2 or short.part(0).mark != self.symbols.a(self.passes.L, j):
            return None
        chain.note = "the same by the chain rule"
        return short.with_part(chain)

    def _mixing_sum(self, mark: Mark, value: float, j: int, sample: int) -> Derivation:
        """δ_j = Σ_m ∂C/∂a_m ∂a_m/∂z_j: every output depends on z_j."""
        passes, symbols, L = self.passes, self.symbols, self.passes.L
        upstream, jacobian = passes.upstream(L, sample), passes.jacobian(sample, j)
        with np.errstate(all="ignore"):
            values = upstream * jacobian

        def make(m: int) -> Derivation:
            inner = partial(symbols.a(L, m), symbols.z(L, j))
            dC_da = self.upstream_mark(L, m, sample)
            factors = [
                Factor(dC_da, upstream[m], lambda: self.upstream(L, m, sample)),
                Factor(inner, jacobian[m], lambda: self._jacobian(inner, m, j, sample)),
            ]
            if np.isfinite(values[m]):
                return term_derivation(values[m], factors)
            return term_derivation(values[m], factors, numbers=lambda d: limits(m, d))

        def limits(m: int, digits: int) -> Box:
            return _limits_box((upstream[m], jacobian[m]), digits)

        def numbers(digits: int) -> Box:
            lost = np.flatnonzero(~np.isfinite(values))
            boxes = [limits(m, digits) for m in lost[:2]]
            rest = () if len(lost) == len(values) else (("+", Words("…")),)
            return Terms((*(("+" if k else "", box) for k, box in enumerate(boxes)), *rest))

        a = symbols.any_node("a", L, "m")
        C, z = symbols.C(sample).box, symbols.z(L, j).box
        return Derivation(
            mark,
            value,
            "sum",
            part_values=values,
            make=make,
            formula=sum_over("m", Partial(C, a), Partial(a, z)),
            numbers=None if np.isfinite(values).all() else numbers,
        )

    def _jacobian(self, mark: Mark, m: int, j: int, sample: int) -> Derivation:
        """∂a_m/∂z_j of a mixing output: of softmax, a_m ([m = j] − a_j).

        The value comes from the activation's pullback. The formula is the textbook's, which the
        pullback never forms; tests compare the two.
        """
        passes, symbols, L = self.passes, self.symbols, self.passes.L
        value = passes.jacobian(sample, j)[m]
        if self.net.output_activation.name != "softmax":
            return Derivation(mark, value, note="from the activation's own pullback")
        a_m, a_j = passes.G[L][sample, [m, j]]
        same = float(m == j)

        def product(first: Box, second: Box) -> Box:
            inner = Terms((("", Number(f"{same:.0f}")), ("-", second)))
            return Terms((("", first), ("·", Fenced((inner,)))))

        return Derivation(
            mark,
            value,
            "function",
            part_values=(a_m, a_j),
            make=lambda part: self.a(L, j if part else m, sample),
            formula=product(symbols.a(L, m).box, symbols.a(L, j).box),
            numbers=lambda digits: product(number_box(a_m, digits), number_box(a_j, digits)),
            combine=lambda values: values[0] * (same - values[1]),
        )

    def _delta_from_z(self, mark: Mark, value: float, j: int, sample: int) -> Derivation:
        """δ from z by the loss's fused formula, shown beside the factors that do not give it."""
        passes, L = self.passes, self.passes.L
        fused_mark = self.symbols.node("delta", L, j)
        if passes.mixes(L):
            with np.errstate(all="ignore"):
                total = float_sum(passes.upstream(L, sample) * passes.jacobian(sample, j))
            mixed = self._mixing_sum(mark, total, j, sample)
            factors = [Factor(mark, total, lambda: mixed)]
            formula, numbers = mixed.formula or mark.box, mixed.numbers
        else:
            factors = self._separate_factors(L, j, sample)
            formula = product_mark(*(factor.mark for factor in factors)).box

            def numbers(digits: int = DIGITS) -> Box | None:
                return _limits_box([factor.value for factor in factors], digits)

        finite = np.isfinite([factor.value for factor in factors]).all()
        why = "the factors have lost their digits" if finite else "the factors are at their limits"
        fused = Factor(
            fused_mark,
            value,
            lambda: self.loss_function(fused_mark, value, "derivative", j, sample, fused=True),
        )
        parts = [*factors, fused]
        return Derivation(
            mark,
            value,
            "limit",
            part_values=[part.value for part in parts],
            make=lambda index: parts[index].make(),
            formula=formula,
            numbers=numbers,
            combine=lambda found: found[-1],
            note=f"{why}; δ is taken from z, by the loss's formula for this output",
        )

    # -- by parameters -----------------------------------------------------------------

    def weight(self, layer: int, j: int, k: int, sample: int) -> Derivation:
        """∂Cᵢ/∂w_jk^l, F6."""
        symbols, a = self.symbols, self.passes.A[layer - 1][sample, k]
        mark = partial(symbols.z(layer, j), symbols.w(layer, j, k))
        before = Factor(symbols.a(layer - 1, k), a, lambda: self.a(layer - 1, k, sample))
        last = Factor(mark, a, lambda: product_derivation(mark, a, [before], "F9"))
        return product_derivation(
            partial(symbols.C(sample), symbols.w(layer, j, k)),
            self.passes.delta[layer][sample, j] * a,
            [*self.factors(layer, j, sample), last],
            "F6",
        )

    def bias(self, layer: int, j: int, sample: int) -> Derivation:
        """∂Cᵢ/∂b_j^l: F6 with ∂z_j^l/∂b_j^l = 1."""
        symbols = self.symbols
        mark = partial(symbols.z(layer, j), symbols.b(layer, j))
        one = Factor(mark, 1.0, lambda: Derivation(mark, 1.0, formula=Number("1")))
        return product_derivation(
            partial(symbols.C(sample), symbols.b(layer, j)),
            self.passes.delta[layer][sample, j],
            [*self.factors(layer, j, sample), one],
            "F6",
        )

    # -- by inputs ---------------------------------------------------------------------

    def input(self, k: int, sample: int) -> Derivation:
        """∂Cᵢ/∂xₖ, with a note that says in which direction of xₖ the loss falls."""
        found = self.upstream(0, k, sample)
        words = [self.input_name(k)] if self.input_name(k) else []
        if found.value:
            change = "raising" if found.value < 0 else "lowering"
            words.append(f"{change} {box_text(self.symbols.a(0, k).box)} would lower the loss")
        found.note = "; ".join(words)
        return found

    def column(self, name: Any, sample: int) -> Derivation:
        """Σ_k xₖ ∂Cᵢ/∂xₖ over a column's inputs: its part of Cᵢ, to first order."""
        column = self._column(name)
        inputs = column.inputs
        dC_dx, x = self.passes.upstream(0, sample), self.passes.A[0][sample]
        values = [x[k] * dC_dx[k] for k in inputs]

        def make(place: int) -> Derivation:
            k = inputs[place]
            mark = self.upstream_mark(0, k, sample)
            factors = [
                Factor(self.symbols.a(0, k), x[k], lambda: self.x(k, sample)),
                Factor(mark, dC_dx[k], lambda: self.input(k, sample)),
            ]
            return term_derivation(values[place], factors, note=self.input_name(k))

        x_k = Scripted(Symbol("x", "x"), "k")
        return Derivation(
            Mark(Words(f"attribution of {column.name}"), f"column {column.name}"),
            float(sum(values)),
            "sum",
            part_values=values,
            make=make,
            formula=sum_over("k", x_k, Partial(self.symbols.C(sample).box, x_k)),
            note=self._column_note(column, dC_dx, sample),
        )

    def _column_note(self, column: InputColumn, dC_dx: Any, sample: int) -> str:
        cell = column.cells[sample]
        known = f"{column.name} is {'missing' if cell is None else cell}"
        code = getattr(column, "code", None)
        if not column.inputs:
            return f"{known}; it did not vary in training and feeds no input"
        if isinstance(code, NumberEncoder) and code.varies and cell is not None:
            rate = dC_dx[column.inputs[0]] / code.std
            unit = "day" if column.kind == "date" else "unit of it"
            return f"{known}; per {unit} the loss changes by {number_text(rate)}"
        return known

    def _column(self, name: Any) -> InputColumn:
        columns = {column.name: column for column in self.subject.columns}
        if not columns:
            raise InputError(
                "the inputs do not come from a table, so there are no columns; use input(k, sample)"
            )
        if name not in columns:
            known = ", ".join(map(repr, list(columns)[:12]))
            more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
            raise InputError(f"the table has no column {name!r}; its columns are {known}{more}")
        return columns[name]


def _limits_box(values: Sequence[float], digits: int) -> Box:
    """The product of factors with the limits that they tend to: (→ −∞) · (→ 0)."""
    parts: list[tuple[str, Box]] = []
    for value in values:
        if np.isnan(value):
            box: Box = Words("undetermined")
        elif np.isinf(value) or abs(value) < 1e-12:
            limit = number_box(value if np.isinf(value) else 0.0, digits)
            box = Fenced((Apply(Symbol(r"\to", "→", function=True), limit),))
        else:
            box = number_box(value, digits)
        parts.append(("·" if parts else "", box))
    return Terms(tuple(parts))
