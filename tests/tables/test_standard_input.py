"""Standard input: every format, by how it begins; recorded by its cells."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import sys
import tempfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import TableSource, read_table

TEXT = "size,kind\n1.5,oak\n2.5,fir\n"
ROWS = [{"size": "1.5", "kind": "oak"}, {"size": "2.5", "kind": "fir"}]


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which must be empty at the end of each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def stdin(monkeypatch):
    def give(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


def zipped(_):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", TEXT)
    return buffer.getvalue()


def parquet(_):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer)
    return buffer.getvalue()


def sqlite(folder):
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute("create table t (size text, kind text)")
        connection.executemany("insert into t values (:size, :kind)", ROWS)
    connection.close()
    return (folder / "x.db").read_bytes()


CONTENTS = {
    "csv": lambda _: TEXT.encode(),
    "utf-16": lambda _: TEXT.encode("utf-16"),
    "json lines": lambda _: "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "json": lambda _: json.dumps(ROWS).encode(),
    "gzip": lambda _: gzip.compress(TEXT.encode()),
    "json in xz": lambda _: lzma.compress(json.dumps(ROWS).encode()),
    "bzip2": lambda _: bz2.compress(TEXT.encode()),
    "zstandard": lambda _: bytes(pa.Codec("zstd").compress(TEXT.encode())),
    "json in zstandard": lambda _: bytes(pa.Codec("zstd").compress(json.dumps(ROWS).encode())),
    "zip": zipped,
    "parquet": parquet,
    "sqlite": sqlite,
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_format_is_found_by_how_it_begins(tmp_path, stdin, kind):
    stdin(CONTENTS[kind](tmp_path))
    table = read_table("-")
    assert table.names == ("size", "kind")
    assert table["size"].tolist() == ["1.5", "2.5"]
    assert table["kind"].tolist() == ["oak", "fir"]


def test_options_of_text_hold_for_it(stdin):
    stdin(b"-\n1;x\n")
    assert read_table("-", skip=1, names="a,b")["b"].tolist() == ["x"]


def test_an_error_has_the_line(stdin):
    stdin(b"a,b\n1,2\n3\n")
    with pytest.raises(DataError, match=r"stdin\.csv, line 3: 1 field"):
        read_table("-")


def test_more_than_the_limit_is_refused(stdin):
    stdin(b"a,b\n" + b"1,2\n" * 1000)
    with pytest.raises(DataError, match=r"standard input gives more than 1e-06 GB"):
        read_table("-", max_memory=1e-6)


def test_a_terminal_is_refused(monkeypatch, stdin):
    stdin(b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(InputError, match="standard input, which is a terminal or closed"):
        read_table("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input, which is a terminal or closed"):
        read_table("-")


def test_a_file_of_that_name_is_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_text("x")
    with pytest.raises(OSError, match="has no ending"):
        read_table("-")


def test_a_recorded_source_is_its_cells(tmp_path, stdin):
    stdin(TEXT.encode())
    source = TableSource.of(read_table("-"), "-")
    assert (source.data, source.kind) == (None, "content")
    with pytest.raises(InputError, match=r"no file of it is known \(nor of standard input\)"):
        source.read()
    path = tmp_path / "a.csv"
    path.write_text(TEXT)
    assert source.read(path)["size"].tolist() == ["1.5", "2.5"]
    path.write_text(TEXT.replace("oak", "ash"))
    with pytest.raises(DataError, match="is not what the network was trained on"):
        source.read(path)
