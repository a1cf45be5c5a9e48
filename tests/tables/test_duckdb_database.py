"""Databases that DuckDB opens: its own files, and Postgres, whose place a file takes here."""

import subprocess
import sys

import duckdb
import numpy as np
import pytest

from deltarule.errors import DataError, FileError, InputError, MissingDependency
from deltarule.tables import duckdb_database, read_table
from deltarule.tables.query_file import query_to_parquet
from deltarule.tables.table_source import TableSource
from deltarule.tables.table_stream import TableStream
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.large_fit import fit_large_table
from deltarule.tabular.replay import RecordedTable

ADDRESS = "postgres://me:se%40cret@db.example:5432/sales?sslmode=require&password=hid"
SHOWN = "postgres://me@db.example:5432/sales?sslmode=require"


@pytest.fixture
def path(tmp_path):
    """A database of some tables, in a folder and under a name with quotes."""
    folder = tmp_path / "it's"
    folder.mkdir()
    (folder / "other.csv").write_text("x,y\n1,2\n")
    with duckdb.connect(str(folder / 'a"[b].duckdb')) as connection:
        connection.execute(
            "CREATE TABLE plants AS SELECT i AS id, sin(i) AS x, "
            "CASE WHEN i % 3 = 0 THEN 'oak' WHEN i % 3 = 1 THEN 'fir' END AS kind, "
            "i % 2 = 0 AS flag, sin(i) + i % 3 AS y FROM range(200) t(i)"
        )
        connection.execute('CREATE SCHEMA "s 1"')
        connection.execute('CREATE TABLE "s 1"."or""d\'ers; --" AS SELECT id, y FROM plants')
        connection.execute('CREATE TABLE "other.csv" AS SELECT 5 AS x, 6 AS y')
        connection.execute("CREATE VIEW fine AS SELECT x, y FROM plants WHERE id < 5")
        outside = str(folder / "other.csv").replace("'", "''")
        connection.execute(f"CREATE VIEW reads AS FROM read_csv('{outside}')")
        connection.execute(f"CREATE MACRO also() AS TABLE FROM read_csv('{outside}')")
        connection.execute("CREATE TABLE nested AS SELECT [1, 2] AS l, 1 AS y")
        connection.execute("CREATE TABLE nothing AS SELECT 1 AS x, 2 AS y WHERE false")
    return folder / 'a"[b].duckdb'


def test_tables_and_views_by_their_names(path):
    plants = read_table(path, table="plants")
    assert plants.names == ("id", "x", "kind", "flag", "y")
    assert plants["kind"][:4].tolist() == ["oak", "fir", None, "oak"]
    assert plants["flag"][:2].tolist() == ["true", "false"]
    np.testing.assert_array_equal(plants["id"], np.arange(200.0))
    assert plants.source == 'a"[b].duckdb, table plants'
    orders = read_table(path, table="s 1.or\"d'ers; --")
    np.testing.assert_array_equal(orders["y"], plants["y"])
    assert len(read_table(path, table="fine")) == 5
    assert read_table(path, table="other.csv")["x"].tolist() == [5.0]


def test_a_table_must_be_named_where_there_are_several(path, tmp_path):
    names = "fine, nested, nothing, other.csv, plants, reads, s 1.or\"d'ers; --"
    for read in (read_table, TableStream):
        with pytest.raises(DataError) as caught:
            read(path)
        assert f"holds 7 tables: {names}; expected the name of one" in str(caught.value)
        assert caught.value.parameter == "table"
        with pytest.raises(
            DataError, match=r"no table 'plant'; did you mean 'plants'\? its tables"
        ):
            read(path, table="plant")
    with duckdb.connect(str(tmp_path / "one.ddb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS x")
    assert read_table(tmp_path / "one.ddb")["x"].tolist() == [1.0]
    with duckdb.connect(str(tmp_path / "none.ddb")):
        pass
    with pytest.raises(DataError, match="holds 0 tables: none"):
        read_table(tmp_path / "none.ddb")


def test_a_query_sees_the_tables_of_the_database(path):
    found = read_table(path, sql="SELECT x, y FROM plants JOIN fine USING (x, y) ORDER BY x")
    assert len(found) == 5
    assert read_table(path, sql='SELECT x FROM "other.csv"')["x"].tolist() == [5.0]
    assert read_table(path, sql='SELECT count(*) AS n FROM "s 1"."or""d\'ers; --"')["n"] == [200]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"table": "reads"}, "expected tables that it can read, without other files"),
        ({"sql": "SELECT * FROM reads"}, "only DATA, and files named as tables"),
        ({"sql": "SELECT * FROM also()"}, r"calls the table function also\(\)"),
        ({"sql": "DELETE FROM plants"}, "is no SELECT"),
        ({"sql": "SELECT 1; SELECT 2"}, "holds 2 statements"),
        ({"sql": "SELECT * FROM plant"}, "a SELECT that DuckDB can run"),
        ({"sql": "SELECT * FROM 'b.sqlite'"}, "there is no file"),
        ({"table": "nothing"}, "has 2 columns .* and no rows"),
        ({"table": "plants", "delimiter": ","}, "only for text files"),
        ({"table": "plants", "sql": "SELECT 1"}, "both table= and sql= were given"),
        ({"table": "plants", "max_memory": 1e-6}, "would take 8e-06 GB in memory"),
    ],
)
def test_what_is_refused(path, options, match):
    with pytest.raises(
        InputError if "both" in match or "only for" in match else (DataError, FileError),
        match=match,
    ):
        read_table(path, **options)


def test_nested_columns_are_an_error_only_where_they_are_asked_for(path):
    found = read_table(path, table="nested")
    assert found.names == ("y",)
    with pytest.raises(DataError, match="'l' is of type INTEGER"):
        found.column("l")
    chunk = next(TableStream(path, table="nested").chunks()).table
    assert chunk.names == ("y",)
    assert "l" in chunk.unreadable


def test_files_that_are_no_database_of_duckdb(path, tmp_path):
    contents = {
        "a.duckdb": (b"SQLite format 3\0" + bytes(100), "is a database of SQLite; .*to .sqlite"),
        "b.duckdb": (b"rubbish" * 100, "is no database; expected one of DuckDB"),
        "c.duckdb": (b"", "is no database; expected one of DuckDB"),
        "d.duckdb": (path.read_bytes()[:3000], "cannot be opened: DuckDB says"),
        "e.db": (path.read_bytes(), "is a database of DuckDB; .*rename it to .duckdb"),
    }
    for name, (content, match) in contents.items():
        (tmp_path / name).write_bytes(content)
        for read in (read_table, TableStream):
            with pytest.raises(FileError, match=match):
                read(tmp_path / name)


def test_a_database_to_which_a_process_writes_is_refused(path):
    script = "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint(1, flush=True)\n"
    script += "sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"1\n"
        with pytest.raises(FileError, match="to which no other process writes"):
            read_table(path, table="plants")
        writer.stdin.close()


def test_a_recording_of_a_database_reads_its_table_again(path):
    source = TableSource.of(read_table(path, table="plants"), str(path), table="plants")
    assert source.kind == "content"
    assert len(source.read()) == 200
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE plants SET y = 0 WHERE id = 7")
    with pytest.raises(DataError, match="is not what the network was trained on"):
        source.read()


def test_postgres_without_the_extension_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # where DuckDB keeps extensions
    calls = [
        lambda: read_table(ADDRESS, table="t"),
        lambda: fit_large_table(ADDRESS, "y", memory="8GB", reading={"table": "t"}),
    ]
    for call in calls:
        with pytest.raises(MissingDependency) as caught:
            call()
        error = caught.value
        assert "needs DuckDB's extension postgres, which is not installed" in str(error)
        assert "INSTALL postgres" in str(error)
        assert error.given == SHOWN
        assert not any(each in str(error) for each in ("se%40cret", "se@cret", "hid"))


@pytest.fixture
def server(path, monkeypatch):
    """A file of DuckDB in the place of a server, which opens it by its address."""

    def attach(module, connection, address):
        assert address == ADDRESS
        literal = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{literal}' AS source (READ_ONLY)")

    monkeypatch.setattr(duckdb_database, "_attach_postgres", attach)
    return path


def test_a_server_is_read_as_a_file_is_and_its_password_is_kept_nowhere(server):
    read = read_table(ADDRESS, table="plants")
    assert read.source == f"{SHOWN}, table plants"
    assert read["x"].tolist() == read_table(server, table="plants")["x"].tolist()
    source = TableSource.of(read, ADDRESS, table="plants")
    assert (source.data, source.kind) == (SHOWN, "content")
    assert not any(each in repr(source.to_dict()) for each in ("cret", "hid"))
    assert len(read_table(ADDRESS, sql="FROM fine")) == 5
    with pytest.raises(DataError, match="holds 7 tables"):
        read_table(ADDRESS)
    with pytest.raises(InputError, match="only for text files"):
        read_table(ADDRESS, table="plants", skip=1)


def test_a_recording_does_not_connect_to_a_server_by_itself(server, tmp_path, monkeypatch):
    read = read_table(ADDRESS, table="plants")
    source = TableSource.of(read, ADDRESS, table="plants")
    settings = TableSettings(layers=(4,), epochs=1, engine="reference", folds=0)
    fit_table(read, "y", settings, record=source).save(tmp_path / "m")
    monkeypatch.setattr(
        duckdb_database, "_attach_postgres", lambda *given: pytest.fail("connected")
    )
    with pytest.raises(InputError, match="is in the database") as caught:
        RecordedTable.open(tmp_path / "m")
    assert caught.value.parameter == "run_recorded_sql"
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingDependency):
        RecordedTable.open(tmp_path / "m", run_recorded_sql=True)


def test_a_table_of_a_server_is_copied_once(server, tmp_path):
    settings = TableSettings(layers=(4,), epochs=2, engine="reference")
    phases = []
    options = {"memory": "8GB", "reading": {"table": "plants"}, "columns": {"ignore": ["id"]}}
    kept = options | {"store": tmp_path / "s", "progress": phases.append}
    model = fit_large_table(ADDRESS, "y", settings, **kept)
    assert phases[0] == "copying the table"
    of_file = fit_large_table(server, "y", settings, **options)
    np.testing.assert_array_equal(model.model.theta, of_file.model.theta)
    assert model.schema.source == f"{SHOWN}, table plants"
    with duckdb.connect(str(server)) as connection:
        connection.execute("DELETE FROM plants WHERE id < 100")
    again = fit_large_table(ADDRESS, "y", settings, **kept)
    np.testing.assert_array_equal(again.model.theta, model.model.theta)
    (note,) = [each for each in again.report["notes"] if "remove it to read them again" in each]
    assert note.startswith(f"the rows of {SHOWN}, table plants are those of")
    (tmp_path / "s.query.parquet").unlink()
    assert sum(fit_large_table(ADDRESS, "y", settings, **kept).report["rows"].values()) == 100


def test_a_copy_of_a_file_is_made_again_once_the_file_has_changed(path, tmp_path):
    out, shown = tmp_path / "r.parquet", []
    options = {"memory": 10**8, "reading": {}, "show": shown.append}
    query_to_parquet(path, "FROM fine", out, **options)
    query_to_parquet(path, "FROM fine", out, **options)
    assert shown == [5]
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM plants WHERE id = 1")
    query_to_parquet(path, "FROM fine", out, **options)
    assert shown == [5, 4]
