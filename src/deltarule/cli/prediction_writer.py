"""Predictions written as CSV, TSV, JSON lines or Parquet, some rows at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Self

import numpy as np

from deltarule.cli.csv_writer import csv_text
from deltarule.tables.parquet_writer import ParquetWriter

__all__ = ["PredictionWriter"]


class PredictionWriter:
    r"""Writes columns of the same names and types, part after part; used in a ``with`` statement.

    Parameters
    ----------
    file : binary file, or None
        Standard output if None, of a terminal with control characters escaped.
    suffix : str
        ``".csv"``, ``".tsv"``, ``".jsonl"`` or ``".parquet"``.
    safe_csv : bool
        Whether a ``'`` is put before cells that a spreadsheet would take for formulas.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> with PredictionWriter(file, ".csv") as writer:
    ...     writer.write({"prediction": np.array([1.5])})
    ...     writer.write({"prediction": np.array([2.5])})
    >>> file.getvalue()
    b'prediction\n1.5\n2.5\n'
    """

    def __init__(self, file: BinaryIO | None, suffix: str, *, safe_csv: bool = False) -> None:
        self._file, self._suffix, self._safe = file, suffix, safe_csv
        self._started = False
        self._parquet: ParquetWriter | None = None
        if suffix == ".parquet":
            assert file is not None
            self._parquet = ParquetWriter(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._parquet is not None:
            self._parquet.close()

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write some rows: for each column an array of floats, or of texts and None."""
        if self._parquet is not None:
            self._parquet.write(columns)
        else:
            self._write_text(columns)
        self._started = True

    def _write_text(self, columns: Mapping[str, Any]) -> None:
        rows = zip(*map(_cells, columns.values()), strict=True)
        if self._suffix == ".jsonl":
            records = (dict(zip(columns, row, strict=True)) for row in rows)
            text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        else:
            text = csv_text(
                None if self._started else list(columns),
                rows,
                delimiter="\t" if self._suffix == ".tsv" else ",",
                safe=self._safe,
                terminal=self._file is None and sys.stdout.isatty(),
            )
        if self._file is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            self._file.write(text.encode())


def _cells(values: np.ndarray) -> list[Any]:
    """Return Python values; a float32 becomes the float with the same shortest text."""
    if values.dtype == np.float32:
        return [float(str(value)) for value in values]
    cells: list[Any] = values.tolist()
    return cells
