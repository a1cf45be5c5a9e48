"""A path that exists is a path, whatever its name holds; patterns are for what does not."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, FileError
from deltarule.tables import TableSource, infer_schema, read_table
from deltarule.tables.paths import find_files, matching_files

# Each beside a file that it would stand for, were it taken for a pattern.
NAMES = [
    ("t[1]", "t1"),
    ("a*", "ab"),
    ("a?", "ab"),
    ("[!x]", "y"),
    ("[[]", "["),
    ("**", "deep"),
    ("it's", "its"),
    ('say "a"', "say a"),
    ("two\nlines", "two"),
    ("~root", "root"),
    ("~nobody-of-that-name", "x"),
    ("-t", "t"),
    ("--help", "help"),
    ("b\\c", "b"),
    ("b\\*", "b\\x"),
    ("ünï", "uni"),
    ("a?b#c%41", "a"),
    ("{a,b}", "a"),
    ("$HOME", "home"),
    (" blank ", "blank"),
    ("\ttab", "tab"),
    ("\x1b[31mred", "red"),
    ("http:", "http"),
    ("year=2020", "year"),
]


def csv_file(path, number):
    path.write_text(f"x,y\n{number},1\n{number},2\n")


def json_file(path, number):
    path.write_text(f'{{"x": {number}, "y": 1}}\n{{"x": {number}, "y": 2}}\n')


def parquet_file(path, number):
    pq.write_table(pa.table({"x": [number, number], "y": [1, 2]}), path)


def sqlite_file(path, number):
    with sqlite3.connect(path) as connection:
        connection.execute("create table t(x, y)")
        connection.execute("insert into t values (?, 1), (?, 2)", (number, number))
    connection.close()


WRITERS = {
    ".csv": csv_file,
    ".jsonl": json_file,
    ".parquet": parquet_file,
    ".db": sqlite_file,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def numbers(table):
    return {float(cell) for cell in table["x"]}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(("name", "other"), NAMES)
def test_the_file_of_that_name_is_read(here, name, other, ending):
    path = here / f"{name}{ending}"
    WRITERS[ending](path, 7)
    WRITERS[ending](here / f"{other}{ending}", 99)
    if "\\" in name and "*" in name and ending == ".parquet":
        with pytest.raises(FileError, match="backslash beside one of"):
            read_table(path)
        return
    sources = []
    for given in (path.name, str(path), path, os.fsencode(path)):
        read = read_table(given)
        assert numbers(read) == {7.0}
        assert read.notes == ()
        source = TableSource.of(read, given)
        assert source.data == os.fsdecode(given)
        assert numbers(source.read()) == {7.0}
        sources.append(dataclasses.replace(source, data=""))
    # Another place is read alike by each of them.
    assert sources == [sources[0]] * 4
    assert source.path == str(path)
    if ending != ".db":
        assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert numbers(source.read(path)) == {7.0}
    with pytest.raises(DataError, match="is not what the network was trained on"):
        source.read(here / f"{other}{ending}")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".db"])
@pytest.mark.parametrize(("name", "other"), NAMES)
def test_sql_over_the_file_of_that_name(here, name, other, ending):
    WRITERS[ending](here / f"{name}{ending}", 7)
    WRITERS[ending](here / f"{other}{ending}", 99)
    given = f"{name}{ending}"
    table = "t" if ending == ".db" else "data"
    if "\\" in name and "*" in name and ending != ".db":
        with pytest.raises(FileError, match="backslash beside one of"):
            read_table(given, sql="select x from data")
        return
    assert numbers(read_table(given, sql=f"select x from {table}")) == {7.0}
    if ending != ".db":
        literal = "'" + given.replace("'", "''") + "'"
        assert numbers(read_table(sql=f"select x from {literal}")) == {7.0}


@pytest.mark.parametrize(("name", "other"), NAMES)
def test_folders_of_that_name(here, name, other):
    for folder, number in ((name, 7), (other, 99)):
        (here / folder).mkdir()
        csv_file(here / folder / "p1.csv", number)
        csv_file(here / folder / "p2.csv", number)
    assert numbers(read_table(f"{name}/p1.csv")) == {7.0}
    read = read_table(f"{name}/*.csv")
    assert numbers(read) == {7.0}
    assert len(read) == 4
    assert numbers(read_table(here / name / "*.csv")) == {7.0}
    with pytest.raises(FileError, match=r"there is no file|no file matches"):
        read_table(f"{name}/p3.csv")


def test_a_pattern_says_what_it_stands_for(here):
    for number in (10, 9, 1):
        csv_file(here / f"t{number}.csv", number)
    read = read_table("t*.csv")
    assert [float(cell) for cell in read["x"][::2]] == [1.0, 10.0, 9.0]
    note = (
        "the pattern 't*.csv' stands for 3 files, read in this order: 't1.csv', 't10.csv', 't9.csv'"
    )
    assert read.notes == (note,)
    assert read.take([0]).select(["y"]).notes == (note,)
    assert note in infer_schema(read, "y").notes
    source = TableSource.of(read, "t*.csv")
    assert source.is_pattern
    one = read_table("t[1].csv")
    assert one.notes == ("the pattern 't[1].csv' stands for 1 file: 't1.csv'",)
    assert read_table("t*.csv", sql="select * from data").notes == (note,)
    assert read_table(sql="select * from 't*.csv'").notes == (note,)
    # As soon as there is a file of that name, it is meant.
    source = TableSource.of(one, "t[1].csv")
    csv_file(here / "t[1].csv", 5)
    assert numbers(read_table("t[1].csv")) == {5.0}
    with pytest.raises(DataError, match="is not what"):
        source.read()


def test_a_recorded_file_is_no_pattern_once_it_is_gone(here):
    csv_file(here / "t[1].csv", 1)
    source = TableSource.of(read_table("t[1].csv"), "t[1].csv")
    (here / "t[1].csv").rename(here / "t1.csv")
    with pytest.raises(FileError, match="are not there"):
        source.read()
    assert numbers(source.read("t1.csv")) == {1.0}


def test_the_digest_is_of_the_files_that_were_read(here):
    csv_file(here / "t1.csv", 1)
    read = read_table("t[1].csv")
    csv_file(here / "t[1].csv", 2)
    source = TableSource.of(read, "t[1].csv")
    assert source.digest == hashlib.sha256((here / "t1.csv").read_bytes()).hexdigest()


def test_patterns_go_down_into_folders(here):
    for name in ("a", "a/b", ".hidden", "d[1]", "d1"):
        (here / name).mkdir()
        csv_file(here / name / "t.csv", 1)
    csv_file(here / "t.csv", 1)
    names = [str(path) for path in matching_files("**/t.csv")]
    assert names == ["a/b/t.csv", "a/t.csv", "d1/t.csv", "d[1]/t.csv", "t.csv"]
    assert [str(path) for path in matching_files("d[1]/**")] == ["d[1]/t.csv"]
    assert [str(path) for path in matching_files("./?/*.csv")] == ["a/t.csv"]
    assert matching_files(str(here / "*" / "t.csv"))[0] == here / "a" / "t.csv"
    assert [str(path) for path in matching_files("d*/t.csv")] == ["d1/t.csv", "d[1]/t.csv"]
    assert not find_files("a/t.csv").is_pattern


def test_the_home_folder(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "home"))
    (here / "home").mkdir()
    csv_file(here / "home" / "t.csv", 3)
    assert numbers(read_table("~/t.csv")) == {3.0}
    assert numbers(read_table("~/t*.csv")) == {3.0}
    assert numbers(read_table(sql="from '~/t.csv'")) == {3.0}
    (here / "~").mkdir()
    csv_file(here / "~" / "t.csv", 4)
    assert numbers(read_table("~/t.csv")) == {4.0}


def test_what_is_no_plain_file_is_refused(here):
    os.mkfifo(here / "p.csv")
    with pytest.raises(FileError, match="is a pipe or a device; expected a plain file"):
        read_table("p.csv")
    (here / "z.csv").symlink_to("/dev/zero")
    with pytest.raises(FileError, match="is a pipe or a device"):
        read_table("z.csv")
    with pytest.raises(FileError, match="is a pipe or a device"):
        read_table(sql="from 'z.csv'")
    (here / "gone.csv").symlink_to("nowhere.csv")
    with pytest.raises(FileError, match="there is no file"):
        read_table("gone.csv")
    for name in ("a\0.csv", "a\udcff.csv"):
        with pytest.raises(FileError, match="expected"):
            read_table(name)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_folder_is_no_column(here, ending):
    (here / "year=2020").mkdir()
    WRITERS[ending](here / "year=2020" / f"t{ending}", 7)
    assert read_table(f"year=2020/t{ending}").names == ("x", "y")
    assert read_table(f"year=2020/t{ending}", sql="select * from data").names == ("x", "y")
