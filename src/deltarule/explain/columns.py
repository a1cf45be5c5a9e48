"""The columns of a table, and how each of their cells became the network's inputs."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.subject import Column
from deltarule.explain.symbols import Mark
from deltarule.maths.printing.boxes import Box, Fraction, Terms, Words
from deltarule.tables.columncodes import CategoryCode, NumberCode

__all__ = ["EncodedColumn", "encoded_columns"]

_MEAN = Mark(Words("mean"), "mean")
_STD = Mark(Words("std"), "std")


@dataclasses.dataclass(frozen=True)
class EncodedColumn(Column):
    """A column with the code that encodes it.

    Attributes
    ----------
    code : NumberCode or CategoryCode
    numbers : array of float64, or None
        The cells of a number or date as the code takes them.
    dtype : dtype
        What the network takes.
    """

    code: NumberCode | CategoryCode = None  # type: ignore[assignment]
    numbers: np.ndarray | None = None
    dtype: Any = np.float64

    def derivation(self, mark: Mark, k: int, sample: int, value: float, name: str) -> Derivation:
        """Input k of a row, from its cell."""
        if isinstance(self.code, CategoryCode):
            return self._level(mark, sample, value, name)
        indicator = self.code.indicator and k == self.inputs[-1]
        if indicator:
            cell = "missing" if self.cells[sample] is None else "known"
            formula: Box = Words(f"[{self.name} is missing]")
            return Derivation(mark, value, formula=formula, note=f"{self.name} is {cell}")
        return self._standardised(mark, sample, value, name)

    def _level(self, mark: Mark, sample: int, value: float, name: str) -> Derivation:
        cell = self.cells[sample]
        raw = "missing" if cell is None else repr(cell)
        level = name.removeprefix(f"{self.name}=") or name
        formula = Words(f"[{self.name} = {level}]")
        return Derivation(mark, value, formula=formula, note=f"{self.name} is {raw}")

    def _standardised(self, mark: Mark, sample: int, value: float, name: str) -> Derivation:
        """(x − mean)/std; the median stands in for a missing cell."""
        code, numbers = self.code, self.numbers
        assert isinstance(code, NumberCode)
        assert numbers is not None
        missing = bool(np.isnan(numbers[sample]))
        raw = code.median if missing else float(numbers[sample])
        note = ""
        if missing:
            note = "missing: the median of training stands in"
        elif self.kind == "date":
            note = f"{self.cells[sample]}, in days since 1970-01-01"
        own = Mark(Words(self.name), self.name)
        parts = (
            (own, raw, note),
            (_MEAN, code.mean, "of training"),
            (_STD, code.std, "of training"),
        )
        top = Terms((("", own.box), ("-", _MEAN.box)))

        def combine(values: Sequence[float]) -> float:
            x, mean, std = values
            return float(np.asarray((x - mean) / std).astype(self.dtype))

        return Derivation(
            mark,
            value,
            "function",
            part_values=(raw, code.mean, code.std),
            make=lambda part: Derivation(parts[part][0], parts[part][1], note=parts[part][2]),
            formula=Fraction(top, _STD.box),
            combine=combine,
            note="" if np.dtype(self.dtype) == np.float64 else f"rounded to {self.dtype}",
        )


def encoded_columns(model: Any, typed: Any, dtype: Any) -> tuple[EncodedColumn, ...]:
    """The columns behind the inputs of a table model, for rows of its table."""
    kinds = {column.name: column.kind for column in model.schema.columns}
    found, at = [], 0
    for code in model.encoder.codes:
        width = len(code.features())
        cells = typed.columns[code.name]
        numeric = isinstance(code, NumberCode)
        kind = kinds.get(code.name, "number" if numeric else "category")
        found.append(
            EncodedColumn(
                name=code.name,
                kind=kind,
                inputs=tuple(range(at, at + width)),
                cells=tuple(_cell(cell, kind) for cell in cells),
                code=code,
                numbers=np.asarray(cells, dtype=np.float64) if numeric else None,
                dtype=np.dtype(dtype),
            )
        )
        at += width
    return tuple(found)


def _cell(cell: Any, kind: str) -> Any:
    """A cell as it stands in the table; None where missing."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    if kind == "date":
        days = float(cell)
        start = dt.datetime(1970, 1, 1)
        moment = start + dt.timedelta(days=days)
        return moment.isoformat(sep=" ") if days % 1 else moment.date().isoformat()
    return float(cell) if kind == "number" else str(cell)
