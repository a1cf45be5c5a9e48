"""Derivations of the network's inputs and targets from the cells of a table."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.number_format import fenced_number, number_box, number_text
from deltarule.explain.subject import InputColumn
from deltarule.explain.symbols import Mark
from deltarule.maths.printing.boxes import Box, Fraction, Terms, Words
from deltarule.tables import TargetEncoder
from deltarule.tables.column_encoders import CategoryEncoder, NumberEncoder

__all__ = ["EncodedColumn", "EncodedTarget", "encoded_columns", "encoded_target", "table_cell"]

_MEAN = Mark(Words("mean"), "mean")
_STD = Mark(Words("std"), "std")


@dataclasses.dataclass(frozen=True)
class EncodedColumn(InputColumn):
    """A column of a table with its encoding.

    Attributes
    ----------
    code : NumberEncoder, CategoryEncoder, or another encoder of a column
    numbers : array of float64, or None
        The cells of a number or date, as float64.
    dtype : dtype
        The dtype of the network's inputs.
    """

    code: Any
    numbers: np.ndarray | None = None
    dtype: Any = np.float64

    def derivation(self, mark: Mark, k: int, sample: int, value: float, name: str) -> Derivation:
        """The derivation of input k of a row from its cell."""
        cell = self.cells[sample]
        if isinstance(self.code, CategoryEncoder):
            raw = "missing" if cell is None else repr(cell)
            level = name.removeprefix(f"{self.name}=") or name
            formula: Box = Words(f"[{self.name} = {level}]")
            return Derivation(mark, value, formula=formula, note=f"{self.name} is {raw}")
        if getattr(self.code, "indicator", False) and k == self.inputs[-1]:
            known = "missing" if cell is None else "known"
            formula = Words(f"[{self.name} is missing]")
            return Derivation(mark, value, formula=formula, note=f"{self.name} is {known}")
        if not isinstance(self.code, NumberEncoder):
            raw = "missing" if cell is None else cell
            how = type(self.code).__name__
            return Derivation(mark, value, note=f"{self.name} is {raw}, encoded by {how}")
        return self._standardised(mark, sample, value, name)

    def _standardised(self, mark: Mark, sample: int, value: float, name: str) -> Derivation:
        """(x − mean)/std, with the median of training for a missing cell."""
        code, numbers = self.code, self.numbers
        assert isinstance(code, NumberEncoder)
        assert numbers is not None
        missing = bool(np.isnan(numbers[sample]))
        raw = code.median if missing else float(numbers[sample])
        note = ""
        if missing:
            note = "missing: the median of training stands in"
        elif self.kind == "date":
            note = f"{self.cells[sample]}, in days since 1970-01-01"
        own = Mark(Words(self.name), self.name)
        parts = ((own, raw), (_MEAN, code.mean), (_STD, code.std))
        return _scaled(mark, value, parts, (note, "of training", "of training"), self.dtype)


@dataclasses.dataclass(frozen=True)
class EncodedTarget:
    """The column of a table that is predicted, with its encoder.

    Attributes
    ----------
    name : str
    cells : tuple
        The number or label of each row as in the table.
    code : TargetEncoder
    dtype : dtype
        The dtype of the targets in training.
    """

    name: str
    cells: tuple[Any, ...]
    code: TargetEncoder
    dtype: Any = np.float64

    def derivation(self, mark: Mark, sample: int, value: float, output: str) -> Derivation:
        """The derivation of y_j from a cell: standardised, or 1 if it is the output's class."""
        cell, code = self.cells[sample], self.code
        if code.task != "regression":
            words = f"; 1 stands for {output!r}" if output else ""
            return Derivation(mark, value, note=f"{self.name} is {cell!r}{words}")
        own = Mark(Words(self.name), self.name)
        parts = ((own, float(cell)), (_MEAN, code.mean), (_STD, code.std))
        return _scaled(mark, value, parts, ("", "of training", "of training"), self.dtype)

    def reading(self, value: float) -> str:
        """An output in the target's own unit, as text; empty for a class."""
        if self.code.task != "regression":
            return ""
        return f"that is, {self.name} {number_text(float(self.code.inverse(value)))}"


def encoded_target(model: Any, typed: Any, dtype: Any = np.float64) -> EncodedTarget | None:
    """Return the target's column for some rows of a table; None if they have no target."""
    if typed.target is None:
        return None
    cells = tuple(cell.item() if hasattr(cell, "item") else cell for cell in typed.target)
    column = model.schema.target
    name = "target" if column is None else column.name
    return EncodedTarget(name, cells, model.target, np.dtype(dtype))


def _scaled(
    mark: Mark,
    value: float,
    parts: Sequence[tuple[Mark, float]],
    notes: Sequence[str],
    dtype: Any,
) -> Derivation:
    """The derivation of (x − mean)/std, of three numbers with their symbols, rounded to dtype."""
    (own, raw), (_, mean), (_, std) = parts
    exact = np.dtype(dtype) == np.float64

    def shown(digits: int) -> Box:
        top = Terms((("", number_box(raw, digits)), ("-", fenced_number(mean, digits))))
        return Fraction(top, number_box(std, digits))

    def combine(values: Sequence[float]) -> float:
        return float(np.asarray((values[0] - values[1]) / values[2]).astype(dtype))

    return Derivation(
        mark,
        value,
        "function",
        part_values=(raw, mean, std),
        make=lambda part: Derivation(*parts[part], note=notes[part]),
        formula=Fraction(Terms((("", own.box), ("-", _MEAN.box))), _STD.box),
        numbers=shown,
        combine=combine,
        note="" if exact else f"rounded to {np.dtype(dtype)}",
    )


def encoded_columns(model: Any, typed: Any, dtype: Any) -> tuple[EncodedColumn, ...]:
    """Return the columns that a table model encodes, for some rows of a table."""
    kinds = {column.name: column.kind for column in model.schema.columns}
    found, start = [], 0
    for code in model.encoder.column_encoders:
        width = len(code.features())
        cells = typed.columns[code.name]
        numeric = isinstance(code, NumberEncoder)
        kind = kinds.get(code.name, "number" if numeric else "category")
        found.append(
            EncodedColumn(
                name=code.name,
                kind=kind,
                inputs=tuple(range(start, start + width)),
                cells=tuple(table_cell(cell, kind) for cell in cells),
                code=code,
                numbers=np.asarray(cells, dtype=np.float64) if numeric else None,
                dtype=np.dtype(dtype),
            )
        )
        start += width
    return tuple(found)


def table_cell(cell: Any, kind: str) -> Any:
    """Return a cell as in the table, a date as ISO text; None where missing.

    Examples
    --------
    >>> table_cell(19.5, "date"), table_cell(2.0, "number"), table_cell(float("nan"), "number")
    ('1970-01-20 12:00:00', 2.0, None)
    """
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    if kind == "date":
        days = float(cell)
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(days=days)
        return moment.isoformat(sep=" ") if days % 1 else moment.date().isoformat()
    return float(cell) if kind == "number" else str(cell)
