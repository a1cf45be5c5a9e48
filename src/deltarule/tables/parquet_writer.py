"""Columns written to a Parquet file, some rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

__all__ = ["ParquetWriter"]


class ParquetWriter:
    """Writes columns of the same names and types, part after part, to a file.

    Parameters
    ----------
    file : binary file

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> writer = ParquetWriter(file)
    >>> writer.write({"prediction": np.array([1.5])})
    >>> writer.close()
    >>> file.getvalue()[:4]
    b'PAR1'
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write some rows: for each column an array of floats, or of texts and None."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                name: pa.array(values.tolist(), pa.string())
                if values.dtype == object
                else pa.array(values)
                for name, values in columns.items()
            }
        )
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file; nothing if no rows were written."""
        if self._writer is not None:
            self._writer.close()
