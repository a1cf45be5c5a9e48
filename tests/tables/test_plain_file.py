"""Compressed files, other encodings and delimiters: the same table, and clear refusals."""

import bz2
import gzip
import json
import lzma
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import TableSource, read_table

TEXT = "größe,art\n1.5,fichte\n2.5,ähre\n"
PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which must be empty at the end of each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def check(table):
    assert table.names == ("größe", "art")
    assert table["größe"].tolist() == ["1.5", "2.5"]
    assert table["art"].tolist() == ["fichte", "ähre"]
    assert table.where(1) == "line 3"


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_is_the_same_table(tmp_path, suffix):
    path = tmp_path / f"x.csv{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT.encode()))
    table = read_table(path)
    check(table)
    assert table.source == "x.csv"
    assert table.paths == (path,)


@pytest.mark.parametrize("name", ["x.zip", "x.csv.zip"])
def test_a_zip_of_one_file(tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/plants.csv", TEXT)
        archive.writestr("__MACOSX/plants.csv", "x")
    check(read_table(tmp_path / name))


def test_json_and_parquet_in_gzip(tmp_path):
    rows = [{"größe": "1.5", "art": "fichte"}, {"größe": "2.5", "art": "ähre"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert read_table(tmp_path / "x.jsonl.gz")["art"].tolist() == ["fichte", "ähre"]
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "x.parquet")
    data = gzip.compress((tmp_path / "x.parquet").read_bytes())
    (tmp_path / "y.parquet.gz").write_bytes(data)
    np.testing.assert_array_equal(read_table(tmp_path / "y.parquet.gz")["a"], [1, 2])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "UTF8"])
def test_an_encoding(tmp_path, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.encode(encoding))
    check(read_table(path, encoding=encoding))
    if encoding.startswith("utf-16"):
        check(read_table(path))


def test_another_encoding_than_utf8_is_refused_with_the_parameter(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(DataError, match=r"x.csv, line 1: .* not UTF-8; .*encoding='cp1252'"):
        read_table(path)
    with pytest.raises(DataError, match="not text in encoding='ascii'"):
        read_table(path, encoding="ascii")


@pytest.mark.parametrize("encoding", ["latin-0", "base64", "", 5])
def test_an_unknown_encoding_is_refused(tmp_path, encoding):
    (tmp_path / "x.csv").write_text(TEXT)
    with pytest.raises(InputError, match="encoding is"):
        read_table(tmp_path / "x.csv", encoding=encoding)


def test_a_source_keeps_delimiter_and_encoding(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.replace(",", "^").encode("latin-1"))
    reading = {"delimiter": "^", "encoding": "latin-1"}
    source = TableSource.of(read_table(path, **reading), path, **reading)
    check(TableSource.from_dict(json.loads(json.dumps(source.to_dict()))).read())


def test_what_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 500_000))
    with pytest.raises(DataError, match=r"unpacks to more than 0.001 GB; .*max_memory"):
        read_table(path, max_memory=0.001)
    assert len(read_table(path)) == 500_000


def test_archives_that_are_refused(tmp_path):
    (tmp_path / "x.csv.gz").write_text("no archive")
    (tmp_path / "x.zip").write_text("no archive")
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(TEXT.encode())[:-9])
    for name in ("x.csv.gz", "x.zip", "y.csv.gz"):
        with pytest.raises(FileError, match=f"{name} cannot be unpacked"):
            read_table(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with pytest.raises(FileError, match=r"two.zip holds 2 files .'a.csv', 'b.csv'.; expected one"):
        read_table(tmp_path / "two.zip")
    (tmp_path / "data.gz").write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(FileError, match=r"name it by what it holds, such as data\.csv\.gz"):
        read_table(tmp_path / "data.gz")


def test_a_line_of_an_error_is_that_of_the_text(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n1,2,3\n"))
    with pytest.raises(DataError, match=r"x.csv, line 3: 3 fields; expected 2"):
        read_table(path)


def test_what_goes_with_no_query_or_type_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text(TEXT)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    sql = "SELECT * FROM data"
    for name in ("delimiter", "encoding"):
        with pytest.raises(InputError, match=f"both {name}= and sql= were given"):
            read_table(
                tmp_path / "x.csv", sql=sql, **{name: ";" if name == "delimiter" else "utf8"}
            )
    with pytest.raises(InputError, match=r"sql= was given for x.csv.gz; expected a file"):
        read_table(tmp_path / "x.csv.gz", sql=sql)
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1.0, 2.0]}), Path(tmp_path, "x.parquet"))
    with pytest.raises(InputError, match=r"encoding='latin-1' was given for x.parquet"):
        read_table(tmp_path / "x.parquet", encoding="latin-1")
