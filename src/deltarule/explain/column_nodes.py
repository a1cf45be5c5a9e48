"""Derivations by inputs: ∂C/∂x, what would lower the loss, and the same per column of a table."""

from __future__ import annotations

from typing import Any

from deltarule.errors import InputError
from deltarule.explain.backward_nodes import Factor, product_of
from deltarule.explain.derivation import Derivation
from deltarule.explain.number_format import number_text
from deltarule.explain.subject import Column
from deltarule.explain.symbols import Mark, dotted
from deltarule.explain.update_nodes import UpdateNodes
from deltarule.maths.printing.boxes import Big, Partial, Scripted, Symbol, Terms, Words
from deltarule.tables.columncodes import NumberCode

__all__ = ["ColumnNodes"]


class ColumnNodes(UpdateNodes):
    """Builds the nodes that say how the loss depends on what went in."""

    def input(self, k: int, sample: int) -> Derivation:
        """∂C_i/∂x_k, and in which direction the loss falls."""
        node = self.up(0, k, sample)
        words = [self.input_name(k)] if self.input_name(k) else []
        if node.value:
            words.append(
                f"{'raising' if node.value < 0 else 'lowering'} x_{k} would lower the loss"
            )
        node.note = "; ".join(words)
        return node

    def column(self, name: Any, sample: int) -> Derivation:
        """Σ_k x_k ∂C_i/∂x_k over a column's inputs: its part of C_i to first order."""
        column = self._column(name)
        inputs = column.inputs
        up, x = self.figures.up(0, sample), self.figures.A[0][sample]
        values = [x[k] * up[k] for k in inputs]

        def make(place: int) -> Derivation:
            k = inputs[place]
            mark = self.up_mark(0, k, sample)
            factors = [
                Factor(self.symbols.a(0, k), x[k], lambda: self.x(k, sample)),
                Factor(mark, up[k], lambda: self.input(k, sample)),
            ]
            node = product_of(dotted(*(f.mark for f in factors)), values[place], factors)
            node.note = self.input_name(k)
            return node.without_formula()

        x_k = Scripted(Symbol("x", "x"), "k")
        one = Terms((("", x_k), ("·", Partial(self.symbols.C(sample).box, x_k))))
        return Derivation(
            Mark(Words(f"attribution of {column.name}"), f"column {column.name}"),
            float(sum(values)),
            "sum",
            part_values=values,
            make=make,
            formula=Big(Symbol(r"\sum", "Σ", function=True), "k", one),
            note=self._column_note(column, up, sample),
        )

    def _column_note(self, column: Column, up: Any, sample: int) -> str:
        cell = column.cells[sample]
        known = f"{column.name} is {'missing' if cell is None else cell}"
        code = getattr(column, "code", None)
        if not column.inputs:
            return f"{known}; it did not vary in training and feeds no input"
        if isinstance(code, NumberCode) and code.varies and cell is not None:
            rate = up[column.inputs[0]] / code.std
            unit = "day" if column.kind == "date" else "unit of it"
            return f"{known}; per {unit} the loss changes by {number_text(rate)}"
        return known

    def _column(self, name: Any) -> Column:
        columns = {column.name: column for column in self.subject.columns}
        if not columns:
            raise InputError(
                "no table is behind these inputs, so there are no columns; use input(k, sample)"
            )
        if name not in columns:
            known = ", ".join(map(repr, list(columns)[:12]))
            more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
            raise InputError(f"the table has no column {name!r}; its columns are {known}{more}")
        return columns[name]
