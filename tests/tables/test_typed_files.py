"""Parquet, SQLite, SQL, JSON, patterns of files and paths."""

import datetime as dt
import decimal
import json
import shutil
import sqlite3
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, FileError, InputError, MissingDependency
from deltarule.tables import DEFAULT_NA, infer_schema, read_table
from deltarule.tables.duckdb_connection import connect


def cells(table):
    return {name: table[name].tolist() for name in table.names}


@pytest.fixture
def parquet(tmp_path):
    def write(columns, name="x.parquet"):
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return path

    return write


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (a integer, b text, c)")
    connection.executemany(
        "insert into t values (?, ?, ?)", [(1, "x", 1.5), (None, " ?", "q"), (3, "y", None)]
    )
    connection.commit()
    yield path, connection
    connection.close()


# Parquet


def test_parquet_keeps_types(parquet):
    noon = dt.datetime(1970, 1, 2, 12)
    table = read_table(
        parquet(
            {
                "a": [1, None],
                "A": [2.5, 3.0],
                "text": ["x ", " ?"],
                "flag": [True, None],
                "day": [dt.date(1970, 1, 2), None],
                "moment": [noon, None],
                "zoned": pa.array([noon, None], pa.timestamp("us", "UTC")),
                "nano": pa.array([noon, None], pa.timestamp("ns")),
                "money": [decimal.Decimal("1.50"), None],
                "nothing": pa.nulls(2),
                "small": pa.array([1, 2], pa.int8()),
                "half": pa.array([1.5, None], pa.float32()),
            }
        )
    )
    values = {
        name: [None if c != c else c for c in column] for name, column in cells(table).items()
    }
    assert values == {
        "a": [1.0, None],
        "A": [2.5, 3.0],
        "text": ["x", None],
        "flag": ["true", None],
        "day": [1.0, None],
        "moment": [1.5, None],
        "zoned": [1.5, None],
        "nano": [1.5, None],
        "money": [1.5, None],
        "nothing": [None, None],
        "small": [1.0, 2.0],
        "half": [1.5, None],
    }
    assert dict(table.kinds) == dict.fromkeys(["day", "moment", "zoned", "nano"], "date")
    assert table.where(1) == "row 2"


def test_parquet_with_a_numeric_token(parquet):
    table = read_table(parquet({"a": [1.0, -999.0]}), na=(*DEFAULT_NA, "-999"))
    assert np.isnan(table["a"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("cell", "type_"),
    [([1], "BIGINT[]"), ({"x": 1}, "STRUCT(x BIGINT)"), (b"x", "BLOB"), (dt.timedelta(1), None)],
)
def test_parquet_nested_columns_are_refused_by_name(parquet, cell, type_):
    path = parquet({"good": [1], "bad": [cell]})
    if type_ is None:  # Parquet stores a duration as an integer
        assert read_table(path).names == ("good", "bad")
        return
    with pytest.raises(DataError) as caught:
        infer_schema(read_table(path))
    assert f"x.parquet: column 'bad' is of type {type_}; expected one number, text" in str(
        caught.value
    )


def test_parquet_without_rows(parquet):
    with pytest.raises(DataError, match=r"x.parquet has 1 column \(a\) and no rows"):
        read_table(parquet({"a": pa.array([], pa.int64())}))


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_no_parquet_at_all(write, content):
    with pytest.raises(DataError, match=r"x.parquet is no readable Parquet file \("):
        read_table(write(content, "x.parquet"))


# SQLite


def test_sqlite_takes_its_only_table(database):
    table = read_table(database[0])
    assert table.source == "x.db, table t"
    np.testing.assert_array_equal(table["a"], [1, np.nan, 3])
    assert cells(table.without(["a"])) == {"b": ["x", None, "y"], "c": ["1.5", "q", None]}


def test_sqlite_by_table_and_by_query(database):
    path, connection = database
    connection.execute('create table "o""dd" (z)')
    connection.execute('insert into "o""dd" values (1)')
    connection.commit()
    assert read_table(path, table='o"dd')["z"].tolist() == [1.0]
    assert read_table(path, sql="select a * 2 as d from t where a = 3")["d"].tolist() == [6.0]
    with pytest.raises(DataError, match=r'x.db holds 2 tables: o"dd, t; expected the name of one'):
        read_table(path)
    with pytest.raises(DataError, match=r"no table 'T1'; did you mean 't'\? its tables are: o"):
        read_table(path, table="T1")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("delete from t", "attempt to write a readonly database"),
        ("selec", 'near "selec": syntax error'),
        ("select a, a from t", "the column name 'a' stands twice"),
        ("select a from t where a > 9", "has 1 column (a) and no rows"),
        ("select zeroblob(2) as z", "column 'z' holds a bytes in row 1; expected one number"),
        ("begin", "sql is no SELECT"),
    ],
)
def test_sqlite_queries_that_are_refused(database, sql, message):
    with pytest.raises(DataError) as caught:
        read_table(database[0], sql=sql)
    assert message in str(caught.value)
    assert database[1].execute("select count(*) from t").fetchone() == (3,)


def test_sqlite_without_tables(tmp_path):
    path = tmp_path / "e.sqlite"
    sqlite3.connect(path).close()
    with pytest.raises(DataError, match="holds 0 tables: none"):
        read_table(path)


def test_no_sqlite_at_all(write):
    with pytest.raises(DataError, match="SQLite says: file is not a database"):
        read_table(write(b"junk" * 300, "x.sqlite3"))


# SQL over files


def test_sql_over_a_file_a_pattern_and_files_it_names(write, tmp_path):
    path = write("x,y\n1,2\n3,4\n", "a.csv")
    write("x,y\n5,6\n", "b.csv")
    table = read_table(path, sql="select x, x + y as s from data order by x desc; -- a remark")
    assert cells(table) == {"x": [3.0, 1.0], "s": [7.0, 3.0]}
    assert cells(read_table(tmp_path / "*.csv", sql="select count(*) n from data")) == {"n": [3.0]}
    assert cells(read_table(sql=f"from '{path}' select y")) == {"y": [2.0, 4.0]}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec", "syntax error"),
        ("select 1; select 2", "sql holds 2 statements"),
        ("copy (select 1) to 'out.csv'", "sql is no SELECT"),
        ("select * from data", "give the file too: it is then the table 'data'"),
        ("select * from nowhere", "Table with name nowhere does not exist"),
        ("select 1 as a where false", "the SQL result has 1 column (a) and no rows"),
        ("select [1] as a", "column 'a' is of type INTEGER[]"),
        ("select 1 as a, 2 as a", "the column name 'a' stands twice"),
        ("select interval 1 day as a", "column 'a' is of type INTERVAL"),
        ("select * from 'https://x.invalid/a.csv'", "deltarule downloads no DuckDB extension"),
    ],
)
def test_sql_that_is_refused(sql, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_table(sql=sql)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_sql_does_not_see_python_variables():
    frame = pa.table({"a": [1]})
    with pytest.raises(DataError, match="Table with name frame does not exist"):
        read_table(sql="select * from frame")
    assert frame.num_rows == 1


def test_sql_types():
    table = read_table(
        sql="select 'a'::enum('a', 'b') as e, uuid() as u, 1::hugeint as h, true as t, "
        "date '1970-01-03' as d"
    )
    assert dict(table.kinds) == {"e": "category", "u": "category", "d": "date"}
    assert (table["h"][0], table["t"][0], table["d"][0]) == (1.0, "true", 2.0)


# JSON


def test_json_lines(write):
    table = read_table(write('{"a": 1, "b": "x"}\n\n{"a": 2.50, "c": true}\n', "x.jsonl"))
    assert cells(table) == {"a": [1.0, 2.5], "b": ["x", None], "c": [None, "true"]}
    assert [table.where(row) for row in range(2)] == ["line 1", "line 3"]


def test_a_json_list(write):
    table = read_table(write(json.dumps([{"a": 1}, {"a": None}, {"a": 3}]), "x.json"))
    np.testing.assert_array_equal(table["a"], [1, np.nan, 3])
    assert table.where(2) == "row 3"


def test_json_numbers_keep_their_text_beside_texts(write):
    content = '{"a": 1.50}\n{"a": "q"}\n{"a": NaN}\n'
    assert cells(read_table(write(content, "x.ndjson"))) == {"a": ["1.50", "q", None]}


def test_a_json_number_that_is_infinite_stays_to_be_reported(write):
    assert cells(read_table(write('{"a": 1e999}\n{"a": 2}', "x.json"))) == {"a": ["1e999", "2"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": [1]}', "x.json, line 2: column 'a' holds a list; expected one number"),
        ('{"a": {"b": 1}}', "x.json, line 1: column 'a' holds an object"),
        ('{"a": 1, "a": 2}', "x.json, line 1: the name 'a' stands twice; expected every name once"),
        ('{"a": 1}\n[1]', "x.json, line 2: a list; expected an object such as"),
        ('{"a": 1}\n{"a":', "x.json, line 2: not JSON (Expecting value)"),
        ("[1]", "x.json, row 1: a number (1); expected an object"),
        ('[{"a": 1},\n{"a": }]', "x.json, line 2: not JSON"),
        ("[]", "x.json holds no rows"),
        ("{}", "x.json holds no rows"),
        ("", "x.json is empty"),
        ('{"": 1}', "column 1 of 1 has no name"),
    ],
)
def test_json_that_is_refused(write, content, message):
    with pytest.raises(DataError) as caught:
        read_table(write(content, "x.json"))
    assert message in str(caught.value)


# Patterns and paths


def test_a_pattern_reads_files_in_sorted_order(write, tmp_path):
    write("y,x\n20,10\n", "b.csv")
    write("x,y\n1,2\n3,4\n", "a.csv")
    table = read_table(tmp_path / "*.csv")
    assert cells(table) == {"x": ["1", "3", "10"], "y": ["2", "4", "20"]}
    assert [table.where(row) for row in range(3)] == [
        "a.csv line 2",
        "a.csv line 3",
        "b.csv line 2",
    ]
    assert table.take([2]).where(0) == "b.csv line 2"


def test_a_pattern_of_files_that_differ(write, tmp_path):
    write("x,y\n1,2\n", "a.csv")
    write("x,z\n1,2\n", "b.csv")
    with pytest.raises(
        DataError, match=r"b.csv lacks 'y' and has also 'z'; expected the columns of"
    ):
        read_table(tmp_path / "*.csv")


def test_a_pattern_of_a_long_and_a_short_file(write, tmp_path):
    write("x\n" + "\n".join(str(i + 0.5) for i in range(2000)), "a.csv")
    write("x\n7\nNA\n", "b.csv")
    assert read_table(tmp_path / "*.csv")["x"][-3:].tolist()[:2] == [1999.5, 7.0]
    write("x\nseven\n", "b.csv")
    assert read_table(tmp_path / "*.csv")["x"][-2:].tolist() == ["1999.5", "seven"]


def test_a_pattern_of_files_whose_types_differ(parquet, tmp_path):
    parquet({"x": [dt.date(2020, 1, 1)]}, "a.parquet")
    parquet({"x": [1.5]}, "b.parquet")
    with pytest.raises(DataError, match="column 'x' is date in one and plain in another file"):
        read_table(tmp_path / "*.parquet")
    parquet({"x": pa.nulls(1)}, "b.parquet")
    assert read_table(tmp_path / "*.parquet").kinds == {"x": "date"}


def test_paths_that_are_refused(write, tmp_path):
    path = write("a,b\n1,2\n", "prices.csv")
    write("", "b.xlsx")
    write("", "b.csv.7z")
    (tmp_path / "dir").mkdir()
    for name in ("a.csv", "b.parquet", "c.parquet", "README"):
        write("", f"dir/{name}")
    (tmp_path / "link.csv").symlink_to("nowhere")
    for source, message in [
        (tmp_path / "price.csv", "did you mean 'prices.csv'?"),
        (tmp_path / "no" / "x.csv", "expected an existing file; check the path"),
        (tmp_path, f"is a folder; expected a file, or a pattern such as '{tmp_path / '*.csv'}'"),
        (tmp_path / "dir", f"a pattern such as '{tmp_path / 'dir' / '*.parquet'}'"),
        (tmp_path / "link.csv", "it is a link to 'nowhere', which is not there; expected"),
        (tmp_path / "q*.csv", "no file matches"),
        (tmp_path / "b.xlsx", "save the sheet as CSV"),
        (tmp_path / "b.csv.7z", "unpack it first"),
        ("https://example.org/a.csv", "is an address; expected a file on this machine"),
        ("s3://me:secret@host/a.csv", "'s3://me@host/a.csv' is an address"),
    ]:
        with pytest.raises(FileError) as caught:
            read_table(source)
        assert message in str(caught.value)
    with pytest.raises(InputError, match="neither a file nor a query"):
        read_table()
    with pytest.raises(InputError, match="expected it only for databases"):
        read_table(path, table="t")
    (tmp_path / "b.xlsx").unlink()
    (tmp_path / "b.csv.7z").unlink()
    shutil.rmtree(tmp_path / "dir")
    (tmp_path / "link.csv").unlink()
    write("{}", "c.json")
    with pytest.raises(InputError, match="expected one kind where sql= is given"):
        read_table(tmp_path / "*", sql="select 1")


def test_table_and_sql_exclude_each_other(database):
    with pytest.raises(InputError, match="both table= and sql= were given"):
        read_table(database[0], table="t", sql="select 1")


def test_without_duckdb(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingDependency, match="pip install duckdb"):
        read_table(sql="select 1 as a")


def test_without_pyarrow(write, monkeypatch):
    small = write("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert read_table(small)["b"].tolist() == ["2"]
    large = write("a,b\n" + "1,2\n" * 40_000)
    with pytest.raises(MissingDependency, match="pip install pyarrow"):
        read_table(large)


def test_a_parquet_file_is_refused_before_it_is_read_if_its_table_would_be_too_large(parquet):
    # All cells of a column are the same, so that a file of kilobytes unpacks to 12 MB.
    n = 1_000_000
    path = parquet({"x": np.full(n, 1.5), "t": pa.array(["level"] * n)})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError) as caught:
        read_table(path, max_memory=0.01)
    message = str(caught.value)
    assert "0.012 GB in memory (1,000,000 rows); expected at most 0.01 GB; " in message
    assert message.endswith("choose rows or columns with sql, or raise the limit with max_memory")
    assert len(read_table(path, max_memory=0.1)) == n
    with pytest.raises(InputError, match="max_memory is 0; expected GB, above 0"):
        read_table(path, max_memory=0)


def test_a_long_query_prints_no_progress_bar():
    with connect()[1] as connection:
        assert connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (
            False,
        )
