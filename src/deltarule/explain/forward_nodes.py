"""Derivations of the forward pass: z^l by F3, a^l by F4, the loss C_i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.formula_at_point import Written, recorded_activation, recorded_loss, uses
from deltarule.explain.intermediates import Figures
from deltarule.explain.subject import Column
from deltarule.explain.symbols import Mark, Symbols, dotted, plain
from deltarule.maths.printing.boxes import Big, Box, Fraction, Power, Scripted, Symbol, Terms

__all__ = ["ForwardNodes", "given", "summed"]

_SUM = Symbol(r"\sum", "Σ", function=True)
_E = Symbol("e", "e")
_UNWRITTEN = "the formula does not compute with its xp alone, and cannot be written down"


def summed(index: str, *factors: Box) -> Box:
    """Σ over an index of a product with dots."""
    parts = tuple(("·" if place else "", box) for place, box in enumerate(factors))
    return Big(_SUM, index, factors[0] if len(factors) == 1 else Terms(parts))


def given(mark: Mark, value: float, note: str = "", law: str = "") -> Derivation:
    """A number that is not derived from others."""
    return Derivation(mark, value, note=note, law=law)


class ForwardNodes:
    """Builds the nodes of what was computed before any derivative.

    Parameters
    ----------
    figures : Figures
    """

    def __init__(self, figures: Figures) -> None:
        self.figures, self.subject, self.net = figures, figures.subject, figures.net
        self.symbols = Symbols(self.net)
        self._column_of: dict[int, Column] = {
            k: column for column in self.subject.columns for k in column.inputs
        }

    # -- parameters and inputs ---------------------------------------------------------

    def weight_value(self, layer: int, j: int, k: int) -> Derivation:
        """w_jk^l."""
        return given(self.symbols.w(layer, j, k), self.figures.W[layer][j, k])

    def bias_value(self, layer: int, j: int) -> Derivation:
        """b_j^l."""
        return given(self.symbols.b(layer, j), self.figures.b[layer][j])

    def target(self, j: int, sample: int) -> Derivation:
        """y_j, from its column where there is a table."""
        mark, value = self.symbols.y(j), self.subject.Y[sample, j]
        if self.subject.target is None:
            name = self._output_name(j)
            known = bool(name) and bool(self.subject.classes)
            return given(mark, value, f"1 stands for {name!r}" if known else name)
        found: Derivation = self.subject.target.derivation(
            mark, sample, value, self._output_name(j)
        )
        return found

    def _output_name(self, j: int) -> str:
        name = self.subject.names.outputs[j]
        return "" if name == f"a_{j}" else name

    def input_name(self, k: int) -> str:
        """What input k is called, if that says more than its place."""
        name = self.subject.names.inputs[k]
        return "" if name == f"x_{k}" else name

    # -- F3 and F4 ---------------------------------------------------------------------

    def z(self, layer: int, j: int, sample: int) -> Derivation:
        """z_j^l = Σ_k w_jk^l a_k^{l−1} + b_j^l."""
        figures, symbols = self.figures, self.symbols
        inputs = figures.A[layer - 1][sample]
        values = figures.W[layer][j] * inputs
        if self.net.bias:
            values = np.append(values, figures.b[layer][j])

        def make(k: int) -> Derivation:
            if k == len(inputs):
                return self.bias_value(layer, j)
            pair = symbols.w(layer, j, k), symbols.a(layer - 1, k)
            return Derivation(
                dotted(*pair),
                values[k],
                "product",
                part_values=(figures.W[layer][j, k], inputs[k]),
                make=lambda part: (
                    self.a(layer - 1, k, sample) if part else self.weight_value(layer, j, k)
                ),
            )

        weights = Scripted(Symbol("w", "w"), f"{j}{symbols.between}k", str(layer))
        total: Box = summed("k", weights, symbols.any_node("a", layer - 1, "k"))
        if self.net.bias:
            total = Terms((("", total), ("+", symbols.b(layer, j).box)))
        return Derivation(
            symbols.z(layer, j),
            figures.Z[layer][sample, j],
            "sum",
            part_values=values,
            make=make,
            formula=total,
            law="F3",
        )

    def a(self, layer: int, j: int, sample: int) -> Derivation:
        """a_j^l = g^l(z_j^l), times its mask where there was dropout; a_j^0 is x_j."""
        figures, mark = self.figures, self.symbols.a(layer, j)
        value = figures.A[layer][sample, j]
        if layer == 0:
            return self.x(j, sample)
        mask = figures.mask(layer)
        if mask is None:
            node = self._g(mark, layer, j, sample)
            if layer == figures.L and self.subject.target is not None:
                node.note = self.subject.target.reading(value)
            return node
        own = plain("g", below=str(j), above=str(layer))
        factors = (mask[sample, j], figures.G[layer][sample, j])
        return Derivation(
            mark,
            value,
            "product",
            part_values=factors,
            make=lambda part: (
                self._g(own, layer, j, sample) if part else self.mask(layer, j, sample)
            ),
            formula=dotted(self.symbols.mask(layer, j), own).box,
            law="F4",
        )

    def mask(self, layer: int, j: int, sample: int) -> Derivation:
        """m_j^l, the factor of dropout: 0, or 1/(1 − rate)."""
        mask = self.figures.mask(layer)
        assert mask is not None
        return given(self.symbols.mask(layer, j), mask[sample, j], "dropout")

    def x(self, k: int, sample: int) -> Derivation:
        """x_k, from its column where there is a table."""
        mark, value = self.symbols.a(0, k), self.figures.A[0][sample, k]
        column = self._column_of.get(k)
        encode = getattr(column, "derivation", None)
        if encode is None:
            return given(mark, value, self.input_name(k))
        found: Derivation = encode(mark, k, sample, value, self.input_name(k))
        return found

    def _g(self, mark: Mark, layer: int, j: int, sample: int) -> Derivation:
        figures = self.figures
        if figures.mixes(layer):
            return self._mixed(mark, j, sample)
        g = self.net.activations[layer]
        assert g is not None
        recorded = recorded_activation(g)
        z = figures.Z[layer][sample, j]
        written = Written(
            recorded.value if recorded else None, None, {"z": z}, {"z": self.symbols.z(layer, j)}
        )

        def combine(values: Sequence[float]) -> float:
            with np.errstate(all="ignore"):
                return float(figures.activations[layer].value(np.array([[values[0]]]))[0, 0])

        return Derivation(
            mark,
            figures.G[layer][sample, j],
            "function",
            part_values=(z,),
            make=lambda _: self.z(layer, j, sample),
            formula=written.formula,
            numbers=written.numbers,
            case=written.case,
            combine=combine,
            law="F4",
            note="" if recorded else _UNWRITTEN,
        )

    def _mixed(self, mark: Mark, j: int, sample: int) -> Derivation:
        """An output that looks at every z of its row."""
        figures = self.figures
        z = figures.Z[-1][sample]
        L = figures.L
        formula: Box | None
        if self.net.output_activation.name == "softmax":
            # As on paper; as computed, the largest z is taken off before.
            top = Power(_E, self.symbols.z(L, j).box)
            formula = Fraction(top, Big(_SUM, "k", Power(_E, self.symbols.any_node("z", L, "k"))))
        else:
            recorded = recorded_activation(self.net.output_activation)
            marks = {"z": self.symbols.z(L, j)}
            shown = recorded.value if recorded else None
            formula = Written(shown, None, {"z": z}, marks, L, j).formula()

        def combine(values: Sequence[float]) -> float:
            with np.errstate(all="ignore"):
                return float(figures.activations[-1].value(np.array([values]))[0, j])

        return Derivation(
            mark,
            figures.G[L][sample, j],
            "function",
            part_values=z,
            make=lambda k: self.z(L, k, sample),
            formula=formula,
            combine=combine,
            law="F4",
        )

    # -- the loss ----------------------------------------------------------------------

    def cost(self, sample: int) -> Derivation:
        """C_i = Σ_j of the loss's terms."""
        values = self.figures.terms[sample]
        term = Mark(Scripted(Symbol("C", "C"), f"{sample},j"), "")
        return Derivation(
            self.symbols.C(sample),
            self.figures.loss[sample],
            "sum",
            part_values=values,
            make=lambda j: self.cost_term(j, sample),
            formula=summed("j", term.box),
            law="F2",
        )

    def cost_term(self, j: int, sample: int) -> Derivation:
        """The term of C_i of one output: of a_j and y_j, or of z where a has lost its digits."""
        figures, L = self.figures, self.figures.L
        value = figures.terms[sample, j]
        with np.errstate(all="ignore"):
            plain_value = figures.bound_loss.from_output(figures.G[-1], self.subject.Y)[0]
        plain_value = np.broadcast_to(plain_value, figures.terms.shape)[sample, j]
        intact = abs(plain_value - value) <= 1e-12 * max(abs(value), 1.0) and np.isfinite(value)
        mark = plain("C", below=f"{sample},{j}")
        return self.loss_function(mark, value, "term", j, sample, fused=not intact and L > 0)

    def loss_function(
        self, mark: Mark, value: float, result: str, j: int, sample: int, *, fused: bool
    ) -> Derivation:
        """A result of the loss's formula: of (a_j, y_j), or fused with the output, of (z, y)."""
        figures, L, net = self.figures, self.figures.L, self.net
        recorded = recorded_loss(net.loss, net.output_activation)
        letter = "z" if fused else "a"
        source = figures.Z[-1] if fused else figures.G[-1]
        y = self.subject.Y[sample]
        place = 0 if result == "term" else 1
        formula = None
        if recorded is not None:
            formula = recorded.from_input if fused else recorded.from_output
        own = self.symbols.z(L, j) if fused else self.symbols.a(L, j)
        written = Written(
            formula,
            result,
            {letter: source[sample], "y": y},
            {letter: own, "y": self.symbols.y(j)},
            L,
            j,
        )
        # Fused with softmax it looks at every output.
        across = formula is not None and not formula.elementwise and _looks_across(formula)
        across = across or formula is None
        which = list(range(len(y))) if across else [j]
        function = figures.bound_loss.from_input if fused else figures.bound_loss.from_output
        assert function is not None

        def combine(values: Sequence[float]) -> float:
            row, target = source[sample].copy(), y.copy()
            row[which], target[which] = values[: len(which)], values[len(which) :]
            with np.errstate(all="ignore"):
                out = function(row[None], target[None])[place]
            return float(np.broadcast_to(out, (1, len(y)))[0, j])

        def make(part: int) -> Derivation:
            if part >= len(which):
                return self.target(which[part - len(which)], sample)
            node = which[part]
            return self.z(L, node, sample) if fused else self.a(L, node, sample)

        def shown() -> Box | None:
            box = written.formula()
            wanted = box is None and fused and result == "derivative"
            return self._short_fusion(j) if wanted else box

        law = "F7" if result == "derivative" and net.loss.name == "squared_error" else ""
        return Derivation(
            mark,
            value,
            "function",
            part_values=np.concatenate((source[sample][which], y[which])),
            make=make,
            formula=shown,
            numbers=written.numbers,
            case=written.case,
            combine=combine,
            law=law,
            note="" if recorded else _UNWRITTEN,
        )

    def _short_fusion(self, j: int) -> Box | None:
        """What softmax and cross entropy make of each other, which as computed fills a page."""
        names = self.net.loss.name, self.net.output_activation.name
        if names != ("cross_entropy", "softmax") or self.net.loss.settings["smoothing"]:
            return None
        every = Big(_SUM, "k", Scripted(Symbol("y", "y"), "k"))
        first = Terms((("", self.symbols.a(self.figures.L, j).box), ("·", every)))
        return Terms((("", first), ("-", self.symbols.y(j).box)))

    def slope(self, layer: int, j: int, sample: int, mark: Mark) -> Derivation:
        """g^l′(z_j^l), F8."""
        figures = self.figures
        g = self.net.activations[layer]
        assert g is not None
        recorded = recorded_activation(g)
        formula = recorded.slope if recorded else None
        values = {"z": figures.Z[layer][sample, j], "a": figures.G[layer][sample, j]}
        own = self.symbols.a(layer, j)
        if figures.mask(layer) is not None:
            own = plain("g", below=str(j), above=str(layer))
        marks = {"z": self.symbols.z(layer, j), "a": own}
        written = Written(formula, None, values, marks)
        looks = [name for name in "za" if formula is None or uses(formula, name)]
        looks = looks or ["z"]

        def combine(parts: Sequence[float]) -> float:
            at: dict[str, Any] = {name: np.array([[x]]) for name, x in values.items()}
            at |= {name: np.array([[x]]) for name, x in zip(looks, parts, strict=True)}
            with np.errstate(all="ignore"):
                found = figures.activations[layer].slope(at["z"], at["a"])
            return float(np.broadcast_to(found, (1, 1))[0, 0])

        def make(part: int) -> Derivation:
            if looks[part] == "z":
                return self.z(layer, j, sample)
            return self._g(own, layer, j, sample)

        return Derivation(
            mark,
            figures.slope(layer, sample)[j],
            "function",
            part_values=[values[name] for name in looks],
            make=make,
            formula=written.formula,
            numbers=written.numbers,
            case=written.case,
            combine=combine,
            law="F8",
            note="" if recorded else _UNWRITTEN,
        )


def _looks_across(formula: Any) -> bool:
    return any(node.op in ("total", "largest") for node in formula.expressions())
