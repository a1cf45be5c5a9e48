"""Columns of lists, structures and bytes: named in an error, or left out by request."""

import json
import sqlite3

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError
from deltarule.tables import apply_schema, infer_schema, read_table, table_from_frame

N = 12
GOOD = {"x": [i / 2 for i in range(N)], "y": [float(i) for i in range(N)]}
NESTED = {
    "list": [[i, i + 1] for i in range(N)],
    "structure": [{"a": i} for i in range(N)],
    "bytes": [bytes([i]) for i in range(N)],
}


def parquet(folder, cells):
    pq.write_table(pa.table({**GOOD, "bad": cells}), folder / "x.parquet")
    return read_table(folder / "x.parquet")


def json_lines(folder, cells):
    if isinstance(cells[0], bytes):
        return None
    rows = [
        dict(zip((*GOOD, "bad"), row, strict=True))
        for row in zip(*GOOD.values(), cells, strict=True)
    ]
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_table(folder / "x.jsonl")


def sqlite(folder, cells):
    if not isinstance(cells[0], bytes):
        return None
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute("create table t (x real, y real, bad blob)")
        connection.executemany(
            "insert into t values (?, ?, ?)", list(zip(*GOOD.values(), cells, strict=True))
        )
    connection.close()
    return read_table(folder / "x.db")


def sql(folder, cells):
    parquet(folder, cells)
    return read_table(folder / "x.parquet", sql="select * from data")


DOORS = {
    "parquet": parquet,
    "json": json_lines,
    "sqlite": sqlite,
    "sql": sql,
    "pandas": lambda _, cells: table_from_frame(pd.DataFrame({**GOOD, "bad": cells})),
    "polars": lambda _, cells: table_from_frame(pl.DataFrame({**GOOD, "bad": cells})),
    "pyarrow": lambda _, cells: table_from_frame(pa.table({**GOOD, "bad": cells})),
    "dictionary": lambda _, cells: table_from_frame({**GOOD, "bad": cells}),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("door", DOORS)
def test_a_nested_column_is_left_out_by_request_alone(tmp_path, door, kind):
    table = DOORS[door](tmp_path, NESTED[kind])
    if table is None:
        return  # no such values there
    assert table.names == ("x", "y")
    with pytest.raises(DataError) as caught:
        infer_schema(table, "y")
    message = str(caught.value)
    assert "column 'bad' " in message
    assert "expected one number, text, date or truth value per cell" in message
    assert message.endswith("split it into columns, or leave it out with ignore='bad'")
    with pytest.raises(DataError, match="column 'bad' "):
        table["bad"]
    with pytest.raises(DataError, match="column 'bad' "):
        infer_schema(table, "bad")
    schema = infer_schema(table, "y", ignore=["bad"])
    assert schema.names == ("x",)
    assert schema.ignored == ("bad",)
    # Later tables may have the column, or not.
    assert not apply_schema(schema, table).notes
    assert not apply_schema(schema, table_from_frame(GOOD)).notes


def test_a_nested_column_that_a_model_does_not_know_is_no_obstacle(tmp_path):
    schema = infer_schema(table_from_frame(GOOD), "y")
    typed = apply_schema(schema, parquet(tmp_path, NESTED["list"]))
    assert typed.notes == ("columns that the model does not know are left out: bad",)


def test_a_nested_column_that_a_model_needs_is_named(tmp_path):
    schema = infer_schema(table_from_frame(GOOD), "y")
    table = table_from_frame({"x": [[1]] * 2, "y": [1, 2]})
    with pytest.raises(DataError, match="column 'x' holds a list in row 1"):
        apply_schema(schema, table)


def test_a_table_of_nested_columns_alone_is_refused(tmp_path):
    pq.write_table(pa.table({"bad": NESTED["list"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"column 'bad' is of type BIGINT\[\]"):
        read_table(tmp_path / "x.parquet")


def test_a_column_that_is_nested_in_one_file_of_a_pattern(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1, "bad": 1}\n{"x": 2, "bad": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"x": 3, "bad": [1]}\n')
    table = read_table(tmp_path / "*.jsonl")
    assert table["x"].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match=r"b\.jsonl, line 1: column 'bad' holds a list"):
        infer_schema(table, "x")
