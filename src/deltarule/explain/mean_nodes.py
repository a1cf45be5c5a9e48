"""Derivations over all samples, F11: Σ_i w_i ∂C_i/∂…, the w_i a factor of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deltarule.explain.backward_nodes import BackwardNodes
from deltarule.explain.derivation import Derivation
from deltarule.explain.forward_nodes import given, summed
from deltarule.explain.symbols import Mark, dotted, partial, plain
from deltarule.maths.input_checks import normalise_weights
from deltarule.maths.printing.boxes import Big, Box, Fraction, Number, Partial, Scripted, Symbol

__all__ = ["MeanNodes"]


class MeanNodes(BackwardNodes):
    """Builds the nodes that are sums over samples."""

    def mean_weight(self, layer: int, j: int, k: int) -> Derivation:
        """∂C/∂w_jk^l = Σ_i w_i ∂C_i/∂w_jk^l."""
        figures = self.figures
        by = self.symbols.w(layer, j, k)
        with np.errstate(all="ignore"):
            each = figures.delta[layer][:, j] * figures.A[layer - 1][:, k]
        value = self.subject.trace.dW[layer][j, k]
        return self._mean(by, value, each, lambda i: self.weight(layer, j, k, i))

    def mean_bias(self, layer: int, j: int) -> Derivation:
        """∂C/∂b_j^l = Σ_i w_i ∂C_i/∂b_j^l."""
        by, each = self.symbols.b(layer, j), self.figures.delta[layer][:, j]
        value = self.subject.trace.db[layer][j]
        return self._mean(by, value, each, lambda i: self.bias(layer, j, i))

    def mean_cost(self) -> Derivation:
        """C = Σ_i w_i C_i."""
        return self._mean(None, self.subject.trace.cost, self.figures.loss, self.cost)

    def _mean(
        self, by: Mark | None, value: float, each: np.ndarray, make: Callable[[int], Derivation]
    ) -> Derivation:
        w = self.subject.w
        with np.errstate(all="ignore"):
            values = np.where(w == 0, 0.0, w * each)  # a row of weight 0 is absent

        def of(sample: int | None) -> Mark:
            C = self.symbols.C(sample)
            return C if by is None else partial(C, by)

        def term(i: int) -> Derivation:
            own = self.share_mark(i)
            mark = dotted(own, of(i))
            if w[i] == 0:
                return given(mark, 0.0, "weight 0: the row counts as absent")
            return Derivation(
                mark,
                values[i],
                "product",
                part_values=(w[i], each[i]),
                make=lambda part: make(i) if part else self.share(i),
                note=self._row_name(i),
            )

        C_i: Box = Scripted(Symbol("C", "C"), "i")
        one: Box = C_i if by is None else Partial(C_i, by.box)
        return Derivation(
            of(None),
            value,
            "sum",
            part_values=values,
            make=term,
            formula=summed("i", Scripted(Symbol("w", "w"), "i"), one),
            law="F11",
        )

    def _row_name(self, i: int) -> str:
        rows = self.subject.names.rows
        return "" if rows == tuple(map(str, range(len(rows)))) else f"row {rows[i]}"

    def share_mark(self, i: int) -> Mark:
        """The symbol w_i."""
        return plain("w", below=str(i))

    def share(self, i: int) -> Derivation:
        """w_i = s_i/Σs, 1/N without sample weights; of a batch as its step had it."""
        s, w = self.subject.s, self.subject.w
        mark = self.share_mark(i)
        if not np.array_equal(w, normalise_weights(s, np.float64)):
            return given(mark, w[i], "as the training step had it: s_i/(s̄ B)")
        if (s == 1).all():
            formula: Box = Fraction(Number("1"), Number(str(len(s))))
            return Derivation(mark, w[i], formula=formula)
        total = float(s.sum())
        own = plain("s", below=str(i))
        sum_of_s = Mark(Big(Symbol(r"\sum", "Σ"), "i", Scripted(Symbol("s", "s"), "i")), "sum s")
        return Derivation(
            mark,
            w[i],
            "function",
            part_values=(s[i], total),
            make=lambda part: given(sum_of_s, total) if part else given(own, s[i]),
            formula=Fraction(own.box, sum_of_s.box),
            combine=lambda values: values[0] / values[1],
        )
