"""A table in chunks has the cells of the table as a whole; bad rows are rejected, not fatal."""

import csv
import json
import sqlite3

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import apply_schema, file_streams, infer_schema, read_table
from deltarule.tables.column_values import read_cells
from deltarule.tables.concatenation import concatenate_tables
from deltarule.tables.rejects import Rejects
from deltarule.tables.table_stream import TableStream
from deltarule.tables.text_column import TextColumn

N = 2500


def columns():
    rng = np.random.default_rng(0)
    towns = np.array(["Ulm", "Bonn", "Rome", None], dtype=object)
    return {
        "x": [None if i % 97 == 5 else float(v) for i, v in enumerate(rng.normal(size=N).round(3))],
        "count": rng.integers(0, 50, N).tolist(),
        "town": towns[rng.integers(0, 4, N)].tolist(),
        "flag": [bool(v) for v in rng.integers(0, 2, N)],
        "when": [f"2020-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(N)],
        "y": rng.normal(size=N).round(4).tolist(),
    }


def write_csv(path, rows=None, delimiter=",", quote=False):
    data = columns()
    rows = list(zip(*data.values(), strict=True)) if rows is None else rows
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(
            file, delimiter=delimiter, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
        )
        writer.writerow(data)
        writer.writerows(rows)


def write(path, kind):
    data = columns()
    if kind == "csv":
        write_csv(path)
    elif kind == "quoted.csv":
        write_csv(path, delimiter=";", quote=True)
    elif kind == "tsv":
        write_csv(path, delimiter="\t")
    elif kind == "jsonl":
        with path.open("w") as file:
            for row in zip(*data.values(), strict=True):
                record = {n: v for n, v in zip(data, row, strict=True) if v is not None}
                file.write(json.dumps(record) + "\n")
    elif kind == "parquet":
        days = pa.array(np.array(data["when"], "datetime64[D]"))
        seconds = pa.array([i % 60 for i in range(N)])
        half = pa.array([(2 * (i % 60) + 1) * 500_000 for i in range(N)])
        typed = {
            "big": pa.array([2**60 + i for i in range(N)]),
            "at": seconds.cast(pa.int32()).cast(pa.time32("s")),
            "micro": half.cast(pa.time64("us")),
            "for": seconds.cast(pa.duration("s")),
            "view": pa.array(data["town"], pa.string_view()),
        }
        table = pa.table({**data, "when": days, **typed})
        pq.write_table(table, path, row_group_size=700)
    elif kind == "duckdb":
        rows = pa.table({**data, "when": pa.array(np.array(data["when"], "datetime64[D]"))})
        with duckdb.connect(str(path)) as connection:
            connection.register("rows", rows)
            connection.execute(
                "CREATE TABLE t AS SELECT *, (1::HUGEINT << 60) + count AS big, "
                "count::DECIMAL(9, 2) AS exact, "
                "(count % 3)::VARCHAR::ENUM('0', '1', '2') AS level, "
                "TIMESTAMP '2020-01-01 06:00:00' + to_days(count::INT) AS at, "
                "TIME '10:00:00' + to_seconds(count) AS hour, "
                "('00000000-0000-0000-0000-0000000000' || (10 + count))::UUID AS id FROM rows"
            )
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE t ({', '.join(map(repr, data))})")
            marks = ", ".join("?" * len(data))
            connection.executemany(
                f"INSERT INTO t VALUES ({marks})", zip(*data.values(), strict=True)
            )
        connection.close()


KINDS = ["csv", "quoted.csv", "tsv", "jsonl", "parquet", "db", "duckdb"]


@pytest.mark.parametrize("kind", KINDS)
def test_typed_cells_are_those_of_the_whole_table(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    write(path, kind)
    table = read_table(path)
    schema = infer_schema(table, "y", ignore=["big"] if "big" in table else [])
    whole = apply_schema(schema, table)
    stream = TableStream(path)
    assert stream.names == table.names
    parts, lines = [], []
    for chunk in stream.chunks():
        assert chunk.first == sum(map(len, parts))
        assert len(chunk.table) in (stream.rows, N - chunk.first)
        parts.append(apply_schema(schema, chunk.table))
        lines += [chunk.table.where(row) for row in range(len(chunk.table))]
    assert len(parts) == 3 or stream.rows != 1024
    if kind == "parquet":
        assert whole.columns["micro"][:2].tolist() == ["00:00:00.5", "00:00:01.5"]
    for name, cells in (*whole.columns.items(), ("", whole.target)):
        found = [part.columns[name] if name else part.target for part in parts]
        if isinstance(cells, TextColumn):
            assert TextColumn.concatenate(found).tolist() == cells.tolist()
        else:
            np.testing.assert_array_equal(np.concatenate(found), cells)
    if kind != "quoted.csv":  # there a field may hold a line break
        assert lines == [table.where(row) for row in range(N)]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_is_checked_once_however_often_it_is_read(tmp_path, kind, monkeypatch):
    path = tmp_path / f"a.{kind}"
    write(path, kind)
    checked = []
    monkeypatch.setattr(file_streams, "scan_file", checked.append)
    stream = TableStream(path)
    for _ in range(2):
        assert sum(len(chunk.table) for chunk in stream.chunks()) == N
    assert checked == [path]


def test_integers_that_float64_cannot_hold_stay_as_they_are(tmp_path):
    write(tmp_path / "a.parquet", "parquet")
    chunk = next(TableStream(tmp_path / "a.parquet").chunks())
    assert chunk.table["big"][0] == str(2**60)


def test_the_files_of_a_pattern_are_read_in_order_and_columns_by_name(tmp_path):
    for number in (2, 1):
        write(tmp_path / f"p{number}.parquet", "parquet")
    stream = TableStream(tmp_path / "p*.parquet", columns={"y", "x"})
    stream = stream.with_rows(1024)
    found = list(stream.chunks())
    assert [len(chunk.table) for chunk in found] == [1024] * 4 + [2 * N - 4 * 1024]
    assert found[0].table.names == ("x", "y")
    assert [chunk.first for chunk in stream.chunks(2)] == [chunk.first for chunk in found][2:]
    before = stream.identity()
    again = TableStream(tmp_path / "p*.parquet", columns={"y", "x"}).with_rows(1024)
    assert again.identity() == before
    pq.write_table(pa.table({"x": [1.0], "z": [1.0]}), tmp_path / "p3.parquet")
    assert TableStream(tmp_path / "p*.parquet").identity() != before
    with pytest.raises(DataError, match=r"p3\.parquet lacks .*'y'.* and has also 'z'"):
        list(TableStream(tmp_path / "p*.parquet").chunks())


def write_part(path, rows):
    """Write some rows to a file of the kind that its name ends in."""
    data = {name: cells[rows] for name, cells in columns().items()}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(data), path)
    elif path.suffix == ".jsonl":
        lines = [
            json.dumps(dict(zip(data, row, strict=True)))
            for row in zip(*data.values(), strict=True)
        ]
        path.write_text("".join(f"{line}\n" for line in lines))
    else:
        write_csv(path, list(zip(*data.values(), strict=True)))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("ends", [(1, 2, 3, 1024, 1025, 2048, N), (1500, 1500, N), (2400, N)])
def test_chunks_do_not_depend_on_how_files_divide_the_rows(tmp_path, kind, ends):
    write_part(tmp_path / f"a.{kind}", slice(0, N))
    starts = (0, *ends[:-1])
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start < end or kind == "parquet":  # a text file without rows is an error
            write_part(tmp_path / f"p{index}.{kind}", slice(start, end))
    whole = TableStream(tmp_path / f"a.{kind}").with_rows(1024)
    divided = TableStream(tmp_path / f"p*.{kind}").with_rows(1024)
    assert divided.names == whole.names
    found = []
    for one, other in zip(whole.chunks(), divided.chunks(), strict=True):
        assert (one.first, len(one.table)) == (other.first, len(other.table))
        for name in whole.names:
            if name in ("x", "count", "y"):  # of which few stay text until they are used
                numbers = [read_cells(each.table, name, "number")[0] for each in (one, other)]
                np.testing.assert_array_equal(*numbers)
            else:
                assert one.table[name].tolist() == other.table[name].tolist()
        found += [other.table.place(row) for row in range(len(other.table))]
    word, header = ("row", 0) if kind == "parquet" else ("line", kind == "csv")
    assert found == [
        (f"p{index}.{kind}", f"{word} {row + 1 + header}")
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
        for row in range(end - start)
    ]


def test_a_joined_chunk_says_line_or_row_as_each_file_does(tmp_path):
    (tmp_path / "p1.csv").write_text('x,y\n1,2\n"3\n",4\n5,6\n')
    (tmp_path / "p2.csv").write_text("x,y\n7,8\n9,0\n")
    for table in (
        next(TableStream(tmp_path / "p*.csv").chunks()).table,
        concatenate_tables([read_table(tmp_path / f"p{k}.csv") for k in (1, 2)], "p*.csv"),
    ):
        assert table.take([0, 2, 3]).where(2) == "p2.csv line 2"
        assert table.take([0, 2, 3]).where(0).startswith("p1.csv ")
    stream = next(TableStream(tmp_path / "p*.csv").chunks()).table
    assert [stream.where(row) for row in (2, 4)] == ["p1.csv row 3", "p2.csv line 3"]


def test_a_column_of_another_type_in_another_file_is_refused_wherever_it_begins(tmp_path):
    n = 3000
    for name, day in (("p1", False), ("p2", True)):
        days = np.arange(n).astype("datetime64[D]") if day else np.arange(n)
        pq.write_table(pa.table({"x": days, "y": np.arange(n)}), tmp_path / f"{name}.parquet")
    for rows in (1000, 1024, 4000):
        stream = TableStream(tmp_path / "p*.parquet").with_rows(rows)
        with pytest.raises(DataError, match=r"'x' is plain in p1\.parquet and date in p2\.parquet"):
            list(stream.chunks())


def ragged(tmp_path, bad=3, quote=False, kind="csv"):
    """A file with some bad rows, and the lines that they are on."""
    path = tmp_path / f"a.{kind}"
    data = columns()
    if kind == "jsonl":
        write(path, kind)
        lines = path.read_text().splitlines()
        for k in range(bad):
            lines.insert(300 * (k + 1), '{"x": 1,' if k % 2 else "[1]")
        path.write_text("\n".join(lines))
        return path, [300 * (k + 1) + 1 for k in range(bad)]
    rows = [list(map(str, row)) for row in zip(*data.values(), strict=True)]
    for k in range(bad):
        rows.insert(300 * (k + 1), ["1", "2"] if k % 2 else ["1"] * 9)
    if quote:
        rows[0][2] = "@"
    write_csv(path, rows)
    if quote:
        path.write_text(path.read_text().replace("@", ' "a town"'))
    return path, [300 * (k + 1) + 2 for k in range(bad)]


@pytest.mark.parametrize(("quote", "kind"), [(False, "csv"), (True, "csv"), (False, "jsonl")])
def test_rows_that_cannot_be_read_are_rejected_with_their_lines(tmp_path, quote, kind):
    path, lines = ragged(tmp_path, quote=quote, kind=kind)
    with Rejects(tmp_path / "rejects.csv") as rejects:
        stream = TableStream(path, rejects=rejects)
        for _ in range(2):  # a second pass counts no row again
            chunks = list(stream.chunks())
    assert sum(len(chunk.table) for chunk in chunks) == N
    assert rejects.count == 3
    with (tmp_path / "rejects.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["place"] for row in found] == [f"line {line}" for line in lines]
    assert {row["file"] for row in found} == {path.name}
    assert all(row["reason"] and row["text"] for row in found)
    assert "3 rows were rejected" in rejects.notes()[0]
    # The rows after a rejected one have their own lines.
    last = chunks[-1].table
    assert last.where(len(last) - 1).endswith(str(N + 3 + (kind == "csv")))


def test_rejected_rows_replace_nothing_but_rejected_rows(tmp_path):
    for k in range(2):
        with Rejects(tmp_path / "r.csv") as rejects:
            rejects.add("a.csv", f"line {k}", "2 fields", "1,2")
    written = (tmp_path / "r.csv").read_text().splitlines()
    assert written == ["file,place,reason,text", 'a.csv,line 1,2 fields,"1,2"']
    write_csv(tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    with pytest.raises(FileError, match="holds no rejected rows"):
        Rejects(tmp_path / "a.csv")
    with pytest.raises(FileError, match="is a folder"):
        Rejects(tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == before


def test_too_many_rejected_rows_are_refused(tmp_path):
    path, _ = ragged(tmp_path, bad=3)
    text = path.read_text()
    path.write_text(text + "1,2\n" * 40)
    with pytest.raises(DataError, match="43 of 2,543 rows cannot be read") as caught:
        list(TableStream(path).chunks())
    assert "at most 1%" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "options", "error", "match"),
    [
        ("a.csv.gz", b"", {}, InputError, "is compressed"),
        ("a.csv", b"x,y\n1,2\n", {"encoding": "latin-1"}, InputError, "files in UTF-8"),
        ("a.json", b'[{"x": 1}]', {}, DataError, "one object per line"),
        ("a.parquet", b"PAR1", {}, DataError, "no readable Parquet file"),
        ("a.csv", b"x,y\n", {}, DataError, "no rows"),
        ("a.db", b"no database", {}, DataError, "SQLite says"),
    ],
)
def test_what_cannot_be_read_in_chunks_is_refused(tmp_path, name, content, options, error, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=match):
        TableStream(tmp_path / name, **options)


def test_standard_input_is_refused():
    with pytest.raises(InputError, match=r"standard input .* write what it gives to a file first"):
        TableStream("-")


def test_a_damaged_page_of_a_parquet_file_with_checksums_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    x = np.random.default_rng(0).normal(size=5000)
    options = {"write_page_checksum": True, "compression": "none", "use_dictionary": False}
    pq.write_table(pa.table({"x": x}), path, **options)
    np.testing.assert_array_equal(next(TableStream(path).chunks()).table["x"], x)
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"no readable Parquet file .* was it copied in full"):
        list(TableStream(path).chunks())


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileError, match="there is no file"):
        TableStream(tmp_path / "a.csv")
