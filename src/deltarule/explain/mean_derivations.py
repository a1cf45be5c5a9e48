"""Derivations of the mean over samples: Σ_i ω_i ∂Cᵢ/∂…, formula F11 of docs/mathematics.rst."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deltarule.explain.backward_derivations import BackwardDerivations
from deltarule.explain.derivation import Derivation
from deltarule.explain.forward_derivations import quotient, sum_over
from deltarule.explain.symbols import OMEGA, Mark, partial, plain, product_mark, share_mark
from deltarule.maths.input_checks import normalise_weights
from deltarule.maths.printing.boxes import Big, Box, Fraction, Number, Partial, Scripted, Symbol

__all__ = ["MeanDerivations"]


class MeanDerivations(BackwardDerivations):
    """Builds the derivations of sums over samples."""

    def mean_weight(self, layer: int, j: int, k: int) -> Derivation:
        """∂C/∂w_jk^l = Σ_i ω_i ∂Cᵢ/∂w_jk^l."""
        with np.errstate(all="ignore"):
            per_sample = self.passes.delta[layer][:, j] * self.passes.A[layer - 1][:, k]
        value = self.subject.trace.dW[layer][j, k]
        mark = self.symbols.w(layer, j, k)
        return self._mean(mark, value, per_sample, lambda i: self.weight(layer, j, k, i))

    def mean_bias(self, layer: int, j: int) -> Derivation:
        """∂C/∂b_j^l = Σ_i ω_i ∂Cᵢ/∂b_j^l."""
        mark, value = self.symbols.b(layer, j), self.subject.trace.db[layer][j]
        per_sample = self.passes.delta[layer][:, j]
        return self._mean(mark, value, per_sample, lambda i: self.bias(layer, j, i))

    def mean_cost(self) -> Derivation:
        """C = Σ_i ω_i Cᵢ."""
        return self._mean(None, self.subject.trace.cost, self.subject.per_sample.loss, self.cost)

    def _mean(
        self,
        parameter: Mark | None,
        value: float,
        per_sample: np.ndarray,
        make: Callable[[int], Derivation],
    ) -> Derivation:
        """Σ_i ω_i times a number of each sample: Cᵢ, or its derivative by a parameter."""
        w = self.subject.w
        with np.errstate(all="ignore"):
            values = np.where(w == 0, 0.0, w * per_sample)  # a row of weight 0 counts as absent

        def mark_of(sample: int | None) -> Mark:
            C = self.symbols.C(sample)
            return C if parameter is None else partial(C, parameter)

        def term(i: int) -> Derivation:
            mark = product_mark(share_mark(i), mark_of(i))
            if w[i] == 0:
                return Derivation(mark, 0.0, note="weight 0: the row counts as absent")
            return Derivation(
                mark,
                values[i],
                "product",
                part_values=(w[i], per_sample[i]),
                make=lambda part: make(i) if part else self.share(i),
                note=self._row_name(i),
            )

        C_i: Box = Scripted(Symbol("C", "C"), "i")
        if parameter is not None:
            C_i = Partial(C_i, parameter.box)
        return Derivation(
            mark_of(None),
            value,
            "sum",
            part_values=values,
            make=term,
            formula=sum_over("i", Scripted(OMEGA, "i"), C_i),
            law="F11",
        )

    def _row_name(self, i: int) -> str:
        rows = self.subject.names.rows
        return "" if rows == tuple(map(str, range(len(rows)))) else f"row {rows[i]}"

    def share(self, i: int) -> Derivation:
        """ω_i = s_i/Σ_m s_m, 1/N without sample weights; a training step has its own ω_i."""
        s, w = self.subject.s, self.subject.w
        mark = share_mark(i)
        if not np.array_equal(w, normalise_weights(s, np.float64)):
            return Derivation(mark, w[i], note="as the training step had it: s_i/(s̄ B)")
        if (s == 1).all():
            return Derivation(mark, w[i], formula=Fraction(Number("1"), Number(str(len(s)))))
        total, s_i = float(s.sum()), plain("s", below=str(i))
        sum_of_s = Mark(Big(Symbol(r"\sum", "Σ"), "m", Scripted(Symbol("s", "s"), "m")), "sum s")
        parts = Derivation(s_i, s[i]), Derivation(sum_of_s, total)
        return quotient(mark, w[i], *parts, formula=Fraction(s_i.box, sum_of_s.box))
