"""Small files and tables."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.tables import Table


@pytest.fixture
def write(tmp_path):
    """Write a file of this content (text or bytes) and give its path."""

    def write(content, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def make_table():
    """A table from keyword columns: floats as they are, texts and None as objects."""

    def make_table(source="t.csv", **columns):
        arrays = {}
        for name, cells in columns.items():
            is_text = any(isinstance(cell, str) or cell is None for cell in cells)
            array = np.empty(len(cells), dtype=object if is_text else np.float64)
            array[:] = cells
            arrays[name] = array
        return Table(tuple(arrays), arrays, source=source)

    return make_table
