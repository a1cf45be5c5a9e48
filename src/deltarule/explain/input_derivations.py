"""Derivations of ∂C_i/∂x_k, and of its sum over the inputs that a column of a table became."""

from __future__ import annotations

from typing import Any

from deltarule.errors import InputError
from deltarule.explain.backward_derivations import Factor, term_derivation
from deltarule.explain.derivation import Derivation
from deltarule.explain.forward_derivations import sum_over
from deltarule.explain.number_format import number_text
from deltarule.explain.subject import InputColumn
from deltarule.explain.symbols import Mark
from deltarule.explain.update_derivations import UpdateDerivations
from deltarule.maths.printing.boxes import Partial, Scripted, Symbol, Words
from deltarule.tables.column_encoders import NumberEncoder

__all__ = ["InputDerivations"]


class InputDerivations(UpdateDerivations):
    """Builds the derivations of the loss by the inputs."""

    def input(self, k: int, sample: int) -> Derivation:
        """∂C_i/∂x_k, with a note that says in which direction of x_k the loss falls."""
        found = self.upstream(0, k, sample)
        words = [self.input_name(k)] if self.input_name(k) else []
        if found.value:
            change = "raising" if found.value < 0 else "lowering"
            words.append(f"{change} x_{k} would lower the loss")
        found.note = "; ".join(words)
        return found

    def column(self, name: Any, sample: int) -> Derivation:
        """Σ_k x_k ∂C_i/∂x_k over a column's inputs: its part of C_i, to first order."""
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
            return term_derivation(values[place], factors, self.input_name(k))

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
