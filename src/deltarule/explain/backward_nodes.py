"""Derivations of the backward pass: F6 to F15, for one sample.

∂C_i/∂w_jk^l is the product of three factors. At the output the first is the loss's derivative; in
a hidden layer it is F13's sum over every node of the next layer, and each term has such factors
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from deltarule.explain.derivation import Derivation, added
from deltarule.explain.forward_nodes import ForwardNodes, given, summed
from deltarule.explain.number_format import number_box
from deltarule.explain.symbols import Mark, dotted, partial, plain
from deltarule.maths.printing.boxes import Apply, Box, Fenced, Number, Partial, Symbol, Terms, Words

__all__ = ["BackwardNodes", "Factor", "product_of"]


class Factor(NamedTuple):
    """A factor of a product that is made when it is asked for."""

    mark: Mark
    value: float
    make: Callable[[], Derivation]


def product_of(
    mark: Mark, value: float, factors: Sequence[Factor], law: str = "", note: str = ""
) -> Derivation:
    """A product of factors, its formula their symbols."""
    return Derivation(
        mark,
        value,
        "product",
        part_values=[factor.value for factor in factors],
        make=lambda index: factors[index].make(),
        formula=dotted(*(factor.mark for factor in factors)).box,
        law=law,
        note=note,
    )


class BackwardNodes(ForwardNodes):
    """Builds the nodes of derivatives of C_i, before w_i."""

    # -- by a, F7 and F13 --------------------------------------------------------------

    def up(self, layer: int, j: int, sample: int) -> Derivation:
        """∂C_i/∂a_j^l: from the loss at the output, else the sum over the next layer."""
        mark = self.up_mark(layer, j, sample)
        value = self.figures.up(layer, sample)[j]
        if layer == self.figures.L:
            return self.loss_function(mark, value, "derivative", j, sample, fused=False)
        values = self.figures.delta[layer + 1][sample] * self.figures.W[layer + 1][:, j]
        return Derivation(
            mark,
            value,
            "sum",
            part_values=values,
            make=lambda m: self.through(layer + 1, m, j, sample),
            formula=self._f13(layer, j, sample),
            law="F13",
            note=self.input_name(j) if layer == 0 else "",
        )

    def up_mark(self, layer: int, j: int, sample: int) -> Mark:
        """The symbol ∂C_i/∂a_j^l."""
        return partial(self.symbols.C(sample), self.symbols.a(layer, j))

    def _f13(self, layer: int, k: int, sample: int) -> Box:
        symbols, C = self.symbols, self.symbols.C(sample).box
        z = symbols.any_node("z", layer + 1, "j")
        a = symbols.any_node("a", layer + 1, "j")
        own = symbols.a(layer, k).box
        if self.figures.mixes(layer + 1):
            return summed("j", Partial(C, z), Partial(z, own))
        return summed("j", Partial(C, a), Partial(a, z), Partial(z, own))

    def through(self, layer: int, j: int, k: int, sample: int) -> Derivation:
        """One term of F13: how node j of a layer passes ∂C_i back to node k before it."""
        figures = self.figures
        own = partial(self.symbols.z(layer, j), self.symbols.a(layer - 1, k))
        weight = figures.W[layer][j, k]
        last = Factor(
            own,
            weight,
            lambda: Derivation(
                own,
                weight,
                "product",
                part_values=(weight,),
                make=lambda _: self.weight_value(layer, j, k),
                formula=self.symbols.w(layer, j, k).box,
                law="F14",
            ),
        )
        factors = [*self.factors(layer, j, sample), last]
        value = figures.delta[layer][sample, j] * weight
        node = product_of(dotted(*(factor.mark for factor in factors)), value, factors)
        return node.without_formula()

    # -- by z --------------------------------------------------------------------------

    def factors(self, layer: int, j: int, sample: int) -> list[Factor]:
        """What gives ∂C_i/∂z_j^l: ∂C_i/∂a, the mask, g′; or δ alone where those do not."""
        figures = self.figures
        at_limit = layer == figures.L and not figures.intact[sample, j]
        if figures.mixes(layer) or at_limit:
            mark = self.delta_mark(layer, j, sample)
            value = figures.delta[layer][sample, j]
            return [Factor(mark, value, lambda: self.delta(layer, j, sample))]
        return self._two_factors(layer, j, sample)

    def _two_factors(self, layer: int, j: int, sample: int) -> list[Factor]:
        figures, symbols = self.figures, self.symbols
        mask = figures.mask(layer)
        found = [
            Factor(
                self.up_mark(layer, j, sample),
                figures.up(layer, sample)[j],
                lambda: self.up(layer, j, sample),
            )
        ]
        slope = partial(symbols.a(layer, j), symbols.z(layer, j))
        if mask is not None:
            slope = partial(plain("g", below=str(j), above=str(layer)), symbols.z(layer, j))
            own = symbols.mask(layer, j)
            found.append(Factor(own, mask[sample, j], lambda: self.mask(layer, j, sample)))
        found.append(
            Factor(
                slope,
                figures.slope(layer, sample)[j],
                lambda: self.slope(layer, j, sample, slope),
            )
        )
        return found

    def delta_mark(self, layer: int, j: int, sample: int) -> Mark:
        """The symbol ∂C_i/∂z_j^l."""
        return partial(self.symbols.C(sample), self.symbols.z(layer, j))

    def delta(self, layer: int, j: int, sample: int) -> Derivation:
        """∂C_i/∂z_j^l, which is δ_j^l before w_i."""
        figures = self.figures
        mark, value = self.delta_mark(layer, j, sample), figures.delta[layer][sample, j]
        if layer == figures.L and not figures.intact[sample, j]:
            return self._limit(mark, value, j, sample)
        if figures.mixes(layer):
            return self._mixing_sum(mark, value, j, sample)
        return product_of(mark, value, self._two_factors(layer, j, sample))

    def _mixing_sum(self, mark: Mark, value: float, j: int, sample: int) -> Derivation:
        """δ_j = Σ_i ∂C/∂a_i ∂a_i/∂z_j: every output depends on z_j."""
        figures, symbols, L = self.figures, self.symbols, self.figures.L
        up, jacobian = figures.up(L, sample), figures.jacobian(sample, j)
        with np.errstate(all="ignore"):
            values = up * jacobian

        def make(i: int) -> Derivation:
            inner = partial(symbols.a(L, i), symbols.z(L, j))
            factors = [
                Factor(self.up_mark(L, i, sample), up[i], lambda: self.up(L, i, sample)),
                Factor(inner, jacobian[i], lambda: self._jacobian(inner, i, j, sample)),
            ]
            node = product_of(dotted(*(f.mark for f in factors)), values[i], factors)
            node.without_formula()
            if not np.isfinite(values[i]):
                node.show_numbers(lambda digits: _limits_box((up[i], jacobian[i]), digits))
            return node

        def numbers(digits: int) -> Box | None:
            lost = np.flatnonzero(~np.isfinite(values))
            if not len(lost):
                return None
            boxes = [_limits_box((up[i], jacobian[i]), digits) for i in lost[:2]]
            rest = () if len(lost) == len(values) else (("+", Words("…")),)
            return Terms((*(("+" if k else "", box) for k, box in enumerate(boxes)), *rest))

        a = symbols.any_node("a", L, "i")
        C, z = symbols.C(sample).box, symbols.z(L, j).box
        return Derivation(
            mark,
            value,
            "sum",
            part_values=values,
            make=make,
            formula=summed("i", Partial(C, a), Partial(a, z)),
            numbers=numbers if not np.isfinite(values).all() else None,
        )

    def _jacobian(self, mark: Mark, i: int, j: int, sample: int) -> Derivation:
        """∂a_i/∂z_j of a mixing output: of softmax, a_i ([i = j] − a_j).

        The value is the pullback's. The formula is that of the textbook, which the pullback never
        forms; it gives the value again, or tests fail.
        """
        figures, symbols, L = self.figures, self.symbols, self.figures.L
        value = figures.jacobian(sample, j)[i]
        if self.net.output_activation.name != "softmax":
            return given(mark, value, "from the activation's own pullback")
        a_i, a_j = figures.G[L][sample, [i, j]]
        same = float(i == j)
        inner: Box = Terms((("", Number(f"{same:.0f}")), ("-", symbols.a(L, j).box)))
        return Derivation(
            mark,
            value,
            "function",
            part_values=(a_i, a_j),
            make=lambda part: self.a(L, j if part else i, sample),
            formula=Terms((("", symbols.a(L, i).box), ("·", Fenced((inner,))))),
            numbers=lambda digits: _softmax_numbers(a_i, same, a_j, digits),
            combine=lambda values: values[0] * (same - values[1]),
        )

    def _limit(self, mark: Mark, value: float, j: int, sample: int) -> Derivation:
        """δ from z by the loss's fused formula, beside the factors that do not give it."""
        figures, L = self.figures, self.figures.L
        fused = self.symbols.node("delta", L, j)
        parts: list[Factor]
        plain_sum: Derivation | None
        if figures.mixes(L):
            with np.errstate(all="ignore"):
                total = added(figures.up(L, sample) * figures.jacobian(sample, j))
            mixed = plain_sum = self._mixing_sum(mark, total, j, sample)
            parts = [Factor(mark, total, lambda: mixed)]
            formula: Box = mixed.formula or mark.box
        else:
            plain_sum = None
            parts = self._two_factors(L, j, sample)
            formula = dotted(*(part.mark for part in parts)).box
        finite = np.isfinite([part.value for part in parts]).all()
        parts.append(
            Factor(
                fused,
                value,
                lambda: self.loss_function(fused, value, "derivative", j, sample, fused=True),
            )
        )
        values = [part.value for part in parts]

        def numbers(digits: int) -> Box | None:
            if plain_sum is not None:
                return plain_sum.numbers(digits)
            return _limits_box(values[:-1], digits)

        why = "the factors have lost their digits" if finite else "the factors are at their limits"
        return Derivation(
            mark,
            value,
            "limit",
            part_values=values,
            make=lambda index: parts[index].make(),
            formula=formula,
            numbers=numbers,
            combine=lambda found: found[-1],
            note=f"{why}; δ is taken from z, by the loss's formula for this output",
        )

    # -- by parameters -----------------------------------------------------------------

    def weight(self, layer: int, j: int, k: int, sample: int) -> Derivation:
        """∂C_i/∂w_jk^l, F6."""
        figures, symbols = self.figures, self.symbols
        a = figures.A[layer - 1][sample, k]
        own = partial(symbols.z(layer, j), symbols.w(layer, j, k))
        last = Factor(
            own,
            a,
            lambda: Derivation(
                own,
                a,
                "product",
                part_values=(a,),
                make=lambda _: self.a(layer - 1, k, sample),
                formula=symbols.a(layer - 1, k).box,
                law="F9",
            ),
        )
        return product_of(
            partial(symbols.C(sample), symbols.w(layer, j, k)),
            figures.delta[layer][sample, j] * a,
            [*self.factors(layer, j, sample), last],
            "F6",
        )

    def bias(self, layer: int, j: int, sample: int) -> Derivation:
        """∂C_i/∂b_j^l: F6 with ∂z_j^l/∂b_j^l = 1."""
        symbols = self.symbols
        own = partial(symbols.z(layer, j), symbols.b(layer, j))
        return product_of(
            partial(symbols.C(sample), symbols.b(layer, j)),
            self.figures.delta[layer][sample, j],
            [
                *self.factors(layer, j, sample),
                Factor(own, 1.0, lambda: Derivation(own, 1.0, formula=Number("1"))),
            ],
            "F6",
        )


def _softmax_numbers(a_i: float, same: float, a_j: float, digits: int) -> Box:
    inner = Terms((("", Number(f"{same:.0f}")), ("-", number_box(a_j, digits))))
    return Terms((("", number_box(a_i, digits)), ("·", Fenced((inner,)))))


def _limits_box(values: Sequence[float], digits: int) -> Box:
    """Factors that tend to what they are shown as: (→ −∞) · (→ 0)."""
    parts: list[tuple[str, Box]] = []
    for value in values:
        if np.isnan(value):
            box: Box = Words("undetermined")
        else:
            at_limit = np.isinf(value) or abs(value) < 1e-12
            shown = value if np.isinf(value) or not at_limit else 0.0
            inner = number_box(shown, digits)
            arrow = Apply(Symbol(r"\to", "→", function=True), inner)
            box = Fenced((arrow,)) if at_limit else inner
        parts.append(("·" if parts else "", box))
    return Terms(tuple(parts))
