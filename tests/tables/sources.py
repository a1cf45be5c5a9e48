"""The same columns written to each kind of source, and read from it."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sqlite3

import pytest

from deltarule.tables import read_table, table_from_frame


def _rows(columns):
    return zip(*columns.values(), strict=True)


def _csv(columns, folder):
    path = folder / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(_rows(columns))
    return read_table(path)


def _json(columns, folder):
    path = folder / "t.jsonl"
    records = (dict(zip(columns, row, strict=True)) for row in _rows(columns))
    path.write_text("".join(json.dumps(record, default=str) + "\n" for record in records))
    return read_table(path)


def _sqlite(columns, folder):
    path = folder / "t.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE t ({', '.join(columns)})")
        rows = (
            [str(cell) if isinstance(cell, dt.date | dt.time) else cell for cell in row]
            for row in _rows(columns)
        )
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", rows)
    connection.close()
    return read_table(path)


def _parquet(columns, folder):
    path = folder / "t.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(
        pytest.importorskip("pyarrow").table(columns), path
    )
    return read_table(path)


def _pandas(columns, dtype=None):
    return table_from_frame(pytest.importorskip("pandas").DataFrame(columns, dtype=dtype))


SOURCES = {
    "csv": _csv,
    "parquet": _parquet,
    "json": _json,
    "sqlite": _sqlite,
    "pandas": lambda columns, _: _pandas(columns),
    "object": lambda columns, _: _pandas(columns, dtype=object),
    "polars": lambda columns, _: table_from_frame(pytest.importorskip("polars").DataFrame(columns)),
    "pyarrow": lambda columns, _: table_from_frame(pytest.importorskip("pyarrow").table(columns)),
    "dict": lambda columns, _: table_from_frame(columns),
}
"""By name, a function of columns (lists of Python objects) and a folder that gives a Table."""


def through_all(columns, folder):
    """The table of each source, in turn."""
    return (source(columns, folder) for source in SOURCES.values())
