"""Where a table came from: the same again, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3

import numpy as np
import pytest

from deltarule.errors import DataError, FileError, InputError
from deltarule.tables import TableSource, read_table, table_from_frame

TEXT = "a,k,y\n1,p,3\n2,,4\n,q,5\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder that is the current one, with a table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TEXT)
    return tmp_path


def source_of(data, **options):
    return TableSource.of(read_table(data, **options), data, **options)


def same(one, other):
    assert one.names == other.names
    for name in one.names:
        assert one[name].tolist() == other[name].tolist()


def test_a_file_is_known_by_what_sha256sum_prints(here):
    source = source_of("t.csv")
    assert source.digest == hashlib.sha256(TEXT.encode()).hexdigest()
    assert source.path == str(here / "t.csv")
    same(source.read(), read_table("t.csv"))
    again = TableSource.from_dict(json.loads(json.dumps(source.to_dict())))
    assert again == source


def test_a_file_is_found_from_another_folder_and_at_another_place(here, monkeypatch):
    source = source_of("t.csv")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    same(source.read(), read_table(here / "t.csv"))
    (here / "t.csv").rename(here / "elsewhere" / "moved.csv")
    with pytest.raises(FileError, match=r"t\.csv', are not there; .*give their new place as DATA"):
        source.read()
    same(source.read("moved.csv"), read_table("moved.csv"))
    # The way it was given may lead to it from another folder.
    (here / "elsewhere" / "moved.csv").rename(here / "elsewhere" / "t.csv")
    same(source.read(), read_table("t.csv"))


@pytest.mark.parametrize("text", [TEXT + "9,p,1\n", TEXT.replace("3", "4", 1), TEXT + "\n"])
def test_a_file_that_has_changed_is_refused(here, text):
    source = source_of("t.csv")
    (here / "t.csv").write_text(text)
    with pytest.raises(DataError, match=r"SHA-256 of its files is .*, expected .*train again"):
        source.read()
    (here / "u.csv").write_text(text)
    with pytest.raises(DataError, match=r"'u\.csv' is not what the network was trained on"):
        source.read("u.csv")


def test_files_of_a_pattern(here):
    (here / "t2.csv").write_text("a,k,y\n7,p,8\n")
    source = source_of("t*.csv")
    assert len(source.read()) == 4
    (here / "t3.csv").write_text("a,k,y\n7,p,8\n")
    with pytest.raises(DataError, match="is not what"):
        source.read()
    (here / "t3.csv").unlink()
    (here / "t.csv").rename(here / "t9.csv")  # another order of rows
    with pytest.raises(DataError, match="is not what"):
        source.read()


def test_missing_texts_are_those_of_then(here):
    (here / "n.csv").write_text("a,y\n-9,1\n2,3\n")
    source = TableSource.of(read_table("n.csv", na=("-9",)), "n.csv")
    assert source.read()["a"].tolist() == [None, "2"]


@pytest.fixture
def database(here):
    """A SQLite file of two tables."""
    with sqlite3.connect("d.sqlite") as connection:
        connection.execute("create table t(a, k)")
        connection.executemany("insert into t values (?, ?)", [(1, "p"), (2, None)])
        connection.execute("create table u(b)")
        connection.execute("insert into u values (1)")
    connection.close()
    return here


def changed(statement):
    with sqlite3.connect("d.sqlite") as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("how", [{"table": "t"}, {"sql": "select a, k from t"}])
def test_of_a_database_the_cells_count(database, how):
    source = source_of("d.sqlite", **how)
    assert source.kind == "content"
    changed("insert into u values (2)")
    same(source.read(), read_table("d.sqlite", **how))
    changed("update t set k = 'q' where a = 1")
    with pytest.raises(DataError, match="SHA-256 of its cells"):
        source.read()


def test_a_query_over_files(here):
    source = source_of("t.csv", sql="select a, y from data order by y desc")
    assert source.read()["y"].tolist() == [5.0, 4.0, 3.0]
    own = TableSource.of(read_table(sql="select * from 't.csv'"), sql="select * from 't.csv'")
    assert (own.data, own.kind) == (None, "content")
    assert len(own.read()) == 3
    (here / "t.csv").write_text(TEXT.replace("q", "r"))
    with pytest.raises(DataError, match="SHA-256 of its cells"):
        own.read()
    assert len(source.read()) == 3  # the column that has changed is none of its own


def test_a_table_from_memory():
    table = table_from_frame({"a": [1.0, np.nan], "k": ["p", None]})
    source = TableSource.of(table)
    with pytest.raises(InputError, match="made in memory, and no file of it is known"):
        source.read()
    source.check(table)
    for other in (
        {"a": [1.0, 2.0], "k": ["p", None]},
        {"a": [1.0, np.nan], "k": ["p", "-"]},
        {"a": [1.0, np.nan], "K": ["p", None]},
        {"k": ["p", None], "a": [1.0, np.nan]},
        {"a": [1.0], "k": ["p"]},
    ):
        with pytest.raises(DataError, match="is not what the network was trained on"):
            source.check(table_from_frame(other))


def test_cells_are_kept_apart():
    one = TableSource.of(table_from_frame({"k": ["ab", "c"]}))
    with pytest.raises(DataError, match="is not what"):
        one.check(table_from_frame({"k": ["a", "bc"]}))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(here):
    source = source_of("t.csv")
    (here / "t.csv").chmod(0)
    with pytest.raises(FileError, match="cannot read"):
        source.read()
