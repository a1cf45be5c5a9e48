"""The result of a query as a Parquet file: the rows that read_table gives, written once."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import query_file, read_table
from deltarule.tables.query_file import query_to_parquet

N = 40_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("query")
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.normal(size=N), "k": rng.integers(0, 9, N)})
    pq.write_table(table.slice(0, 30_000), place / "p1.parquet")
    pq.write_table(table.slice(30_000), place / "p2.parquet")
    (place / "t.csv").write_text("x,y\n1,2\n3,\n5,6\n")
    return place


def write(source, sql, out, shown=None, **options):
    given = {
        "memory": 10**8,
        "reading": {},
        "show": [].append if shown is None else shown.append,
    } | options
    return query_to_parquet(source, sql, out, **given)


SQL = "SELECT a * 2 AS b, k, CASE WHEN k = 3 THEN NULL ELSE 't' || k END AS town FROM data -- end"


def test_the_rows_are_those_of_read_table(folder, tmp_path):
    out, shown = tmp_path / "r.parquet", []
    notes = write(folder / "p*.parquet", SQL, out, shown)
    wanted, found = read_table(folder / "p*.parquet", sql=SQL), read_table(out)
    assert notes == wanted.notes
    assert found.names == wanted.names
    for name in wanted.names:
        np.testing.assert_array_equal(found[name], wanted[name])
    assert shown[-1] == N
    assert len(shown) > 2  # in batches


@pytest.mark.parametrize(
    ("expression", "cells"),
    [
        ("17::HUGEINT", [17.0]),
        ("1.25::DECIMAL(9, 2)", [1.25]),
        ("TRUE", ["true"]),
        ("DATE '1970-01-03'", [2.0]),
        ("TIMESTAMP '1970-01-01 12:00:00'", [0.5]),
        ("'a'::ENUM('a', 'b')", ["a"]),
        ("'00000000-0000-0000-0000-000000000001'::UUID", ["00000000-0000-0000-0000-000000000001"]),
        ("TIME '10:00:00'", ["10:00:00"]),
    ],
)
def test_types_become_those_of_read_table(tmp_path, expression, cells):
    sql = f"SELECT {expression} AS x, 1 AS y"
    write(None, sql, tmp_path / "r.parquet")
    found = read_table(tmp_path / "r.parquet")["x"].tolist()
    assert found == cells == read_table(None, sql=sql)["x"].tolist()


def test_a_result_is_kept_until_the_query_or_the_files_change(folder, tmp_path):
    source, out = tmp_path / "t.csv", tmp_path / "r.parquet"
    source.write_text("x,y\n1,2\n3,\n5,6\n")
    shown = []
    write(source, "SELECT * FROM data", out, shown)
    write(source, "SELECT * FROM data", out, shown)
    assert shown == [3]
    write(source, "SELECT x FROM data", out, shown)
    assert shown == [3, 3]
    source.write_text("x,y\n1,2\n3,\n5,6\n7,8\n")
    write(source, "SELECT x FROM data", out, shown)
    named = f"SELECT x FROM '{source}'"
    write(None, named, out, shown)
    write(None, named, out, shown)
    assert shown == [3, 3, 4, 4]
    source.write_text("x,y\n1,2\n")
    write(None, named, out, shown)
    assert shown[-1] == 1
    assert len(shown) == 5
    out.write_bytes(out.read_bytes()[:-20])  # damaged
    write(None, named, out, shown)
    assert len(shown) == 6


@pytest.mark.parametrize("sql", [SQL, "SELECT * FROM data WHERE a > 99"])
def test_a_file_that_is_no_result_is_not_replaced(folder, tmp_path, sql):
    out = tmp_path / "r.parquet"
    pq.write_table(pa.table({"x": [1.0]}), out)
    before = out.read_bytes()
    with pytest.raises(FileError, match="is no result of a query"):
        write(folder / "p*.parquet", sql, out)
    assert out.read_bytes() == before
    out.write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="is no result of a query"):
        write(folder / "p*.parquet", sql, out)
    assert out.read_text() == "a,b\n1,2\n"


def test_a_query_that_is_ended_leaves_no_file(folder, tmp_path):
    def stop(n_rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(folder / "p*.parquet", SQL, tmp_path / "r.parquet", show=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "sql", "error", "match"),
    [
        ("t.csv", "DELETE FROM data", DataError, "is no SELECT"),
        ("t.csv", "SELECT * FROM read_text('/etc/passwd')", DataError, "table function read_text"),
        ("t.csv", "SELECT z FROM data", DataError, "z"),
        ("t.csv", "SELECT x FROM data WHERE x > 99", DataError, "has no rows"),
        ("t.csv", "SELECT x, x FROM data", DataError, "x"),
        (None, "SELECT * FROM data", DataError, "give the file too"),
        (None, "SELECT * FROM 'https://a.b/c.parquet'", DataError, "is an address"),
        ("-", "SELECT * FROM data", InputError, "standard input"),
        ("t.db", "SELECT * FROM data", InputError, "of its own first"),
    ],
)
def test_what_read_table_refuses_is_refused(folder, tmp_path, source, sql, error, match):
    (tmp_path / "t.db").write_bytes(b"")
    place = {"t.csv": folder / "t.csv", "t.db": tmp_path / "t.db"}.get(source, source)
    with pytest.raises(error, match=match):
        write(place, sql, tmp_path / "r.parquet")
    assert not (tmp_path / "r.parquet").exists()


def test_how_a_text_file_is_written_cannot_be_said(folder, tmp_path):
    with pytest.raises(InputError, match="delimiter"):
        write(folder / "t.csv", "SELECT x FROM data", tmp_path / "r", reading={"delimiter": ";"})


def test_a_limit_below_the_least_is_that(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(query_file, "_LEAST_MEMORY", 50_000_000)
    write(folder / "p*.parquet", SQL, tmp_path / "r.parquet", memory=1)
    assert pq.read_metadata(tmp_path / "r.parquet").num_rows == N
