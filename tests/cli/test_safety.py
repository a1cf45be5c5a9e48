"""What a stranger's table or model holds is neither run nor obeyed by a terminal."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import NUMBERS, contents

from deltarule.cli.csv_writer import csv_text, safe_cell
from deltarule.errors import InputError
from deltarule.tables import TableSource
from deltarule.tables.cells import canonical_label
from deltarule.tabular import RecordedTable, replay_table

FAST = ("--epochs", "2", "--layers", "4", "--quiet")
ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
FORMULAS = ["=1+1", "+x", "-x", "@SUM(A1)", "=cmd|' /C calc'!A0", "＝1+1"]
PLAIN = ["a", "a=b", "-1.5", "+5", "1e3", "'q"]


@pytest.fixture
def labelled(place):
    """A table whose labels are formulas and escapes, and a model of it."""

    def make(labels):
        with Path("l.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "y"])
            writer.writerows((i % len(labels), labels[i % len(labels)]) for i in range(60))

    return make


def fitted(deltarule, labels, labelled):
    labelled(labels)
    arguments = ("fit", "l.csv", "--target", "y", "--task", "classification", "--out", "l.model")
    outcome = deltarule(*arguments, "--epochs", 60, "--layers", 16, "--quiet", "--force")
    assert outcome.status == 0, outcome.err


def test_labels_are_written_as_they_are_unless_asked(deltarule, labelled):
    labels = [*FORMULAS, *PLAIN]
    fitted(deltarule, labels, labelled)
    for name, options in (("p.csv", ()), ("p.tsv", ()), ("s.csv", ["--safe-csv"])):
        assert deltarule("predict", "l.model", "l.csv", "--out", name, *options).status == 0
    piped = deltarule("predict", "l.model", "l.csv", "--quiet").out
    assert piped == Path("p.csv").read_text()
    assert deltarule("predict", "l.model", "l.csv", "--quiet", "--safe-csv").out == (
        Path("s.csv").read_text()
    )

    def column(name, delimiter=","):
        with Path(name).open(newline="") as file:
            return [row[0] for row in csv.reader(file, delimiter=delimiter)][1:]

    raw = column("p.csv")
    assert set(raw) <= {canonical_label(label) for label in labels}
    assert set(raw) & set(FORMULAS)
    assert column("p.tsv", "\t") == raw
    safe = column("s.csv")
    assert [f"'{cell}" if cell in FORMULAS else cell for cell in raw] == safe
    # Reading back takes the sign away, and only from what it was given to.
    assert [c[1:] if c.startswith("'") and safe_cell(c[1:]) == c else c for c in safe] == raw


def test_safe_csv_of_the_other_formats(deltarule, labelled):
    fitted(deltarule, ["=a", "b"], labelled)
    for options in (["--json"], ["--out", "p.jsonl"]):
        outcome = deltarule("predict", "l.model", "l.csv", "--safe-csv", *options)
        assert outcome.status == 2
        assert "--safe-csv was given for JSON; expected CSV" in outcome.out + outcome.err
    assert not Path("p.jsonl").exists()
    outcome = deltarule("predict", "l.model", "l.csv", "--safe-csv", "--json", "--out", "p.csv")
    assert outcome.status == 0
    assert set(Path("p.csv").read_text().split()) <= {"prediction", "'=a", "b"}


def test_numbers_stay_numbers(deltarule, place):
    plain = deltarule("predict", "numbers.model", "numbers.csv", "--quiet")
    safe = deltarule("predict", "numbers.model", "numbers.csv", "--quiet", "--safe-csv")
    assert safe.out == plain.out


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "\ta", "", " a "])
def test_csv_reads_back(cell):
    for delimiter in (",", "\t"):
        text = csv_text(["p", "q"], [[cell, 1.5], [cell, -2]], delimiter=delimiter)
        assert list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter)) == [
            ["p", "q"],
            [cell, "1.5"],
            [cell, "-2"],
        ]


def on_a_terminal(*arguments):
    """What a command sends to a terminal, its standard output and error."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "deltarule", *map(str, arguments)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        shown = bytearray()
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        process.wait(timeout=60)
    os.close(leader)
    return shown.decode()


def test_a_terminal_is_sent_no_escapes_of_a_table(deltarule, labelled):
    fitted(deltarule, [f"x{ESCAPE}y", "two\nlines"], labelled)
    dangerous = ("\x1b]0", "\x1b[2J", "\x07", "\x9b", "\u202e")
    for options in ((), ("--proba",)):
        shown = on_a_terminal("predict", "l.model", "l.csv", *options)
        assert not any(each in shown for each in dangerous)
        assert r"x\x1b]0;owned\x07\x1b[2J\x9b31m\u202ey" in shown
        piped = deltarule("predict", "l.model", "l.csv", "--quiet", *options).out
        assert f"x{ESCAPE}y" in piped
    shown = on_a_terminal("predict", "l.model", "l.csv", "--json")
    assert not any(each in shown for each in dangerous)
    assert set(json.loads(shown)["prediction"]) <= {f"x{ESCAPE}y", "two\nlines"}


def test_escapes_in_names_and_messages(deltarule, place):
    name = f"c{ESCAPE}"
    Path(f"{ESCAPE}.csv").write_text(NUMBERS.replace("a,b", f"{name},b").replace("4,2.0", "zz,2.0"))
    dangerous = ("\x1b]0", "\x1b[2J", "\x07", "\x9b", "\u202e")
    data = f"{ESCAPE}.csv"
    commands = [
        ("fit", data, "--target", "y", "--out", "e.model", *FAST[:-1]),
        ("fit", data, "--target", f"n{ESCAPE}"),
        ("fit", f"no{ESCAPE}.csv", "--target", "y"),
        ("fit", data, "--target", "y", f"--no{ESCAPE}", "1"),
        ("fit", data, "--target", "y", "--sql", f"select '{ESCAPE}"),
        ("fit", data, "--target", "y", "--kind", f"b={ESCAPE}"),
        ("evaluate", "e.model", data),
        ("evaluate", "numbers.model", data),
        ("predict", "numbers.model", data, "--json"),
        ("explain", "e.model", data, "--row", "3", "--column", name),
        ("explain", "e.model", data, "--input", f"q{ESCAPE}", "--row", 3),
        ("predict", f"no{ESCAPE}", data),
        ("predict", "e.model", data, "--out", f"x{ESCAPE}.csv", "--json"),
    ]
    for command in commands:
        outcome = deltarule(*command)
        shown = outcome.out + outcome.err
        assert not any(each in shown for each in dangerous), command
        assert "Traceback" not in shown
    assert deltarule("evaluate", "e.model", data).status == 0


# A recording's SQL


@pytest.fixture
def recorded(deltarule, place):
    """A model whose table was the result of a query, as a stranger's may be."""
    with sqlite3.connect("d.db") as connection:
        connection.execute("create table t(a, y)")
        connection.executemany(
            "insert into t values (?, ?)", [(i % 7, i % 7 * 2 + i % 3) for i in range(60)]
        )
    connection.close()
    sql = "select a, y from t order by a"
    outcome = deltarule("fit", "d.db", "--sql", sql, "--target", "y", "--record", *FAST)
    assert outcome.status == 0, outcome.err
    return "d.model", sql


@pytest.mark.parametrize("how", [("--step", "1"), (), ("d.db", "--step", "2"), ("--row", "3")])
def test_recorded_sql_is_shown_and_run_on_request(deltarule, recorded, how):
    model, sql = recorded
    before = contents(".")
    outcome = deltarule("explain", model, *how)
    assert outcome.status == 2
    assert sql in outcome.err
    assert "give --run-recorded-sql" in outcome.err
    assert "True" not in outcome.err
    as_json = deltarule("explain", model, *how, "--json")
    assert sql in as_json.json["error"]
    outcome = deltarule("explain", model, *how, "--run-recorded-sql")
    assert outcome.status == 0, outcome.err
    assert contents(".") == before


def test_recorded_sql_in_python(recorded):
    model, sql = recorded
    for call in (
        lambda **given: RecordedTable.open(model, **given),
        lambda **given: RecordedTable.open(model, "d.db", **given),
        lambda **given: replay_table(model, 1, **given),
    ):
        with pytest.raises(InputError, match="read it, and give run_recorded_sql=True") as caught:
            call()
        assert repr(sql) in str(caught.value)
        call(run_recorded_sql=True)
    table = RecordedTable.open(model, run_recorded_sql=True).table
    assert replay_table(model, 1, table).step == 1  # nothing to run


EVIL = {
    "sqlite": ("d.db", "vacuum into 'stolen.db'"),
    "attached": ("d.db", "attach 'stolen.db' as s"),
    "duckdb": (None, "copy (select 1 as a) to 'stolen.csv'"),
    "text": (None, "from read_text('numbers.csv')"),
}


@pytest.mark.parametrize("case", EVIL)
def test_a_strangers_sql_writes_nothing_even_then(deltarule, recorded, case, monkeypatch):
    _, sql = recorded
    data, evil = EVIL[case]
    honest = TableSource.to_dict

    def to_dict(source):
        path = data and str(Path(data).resolve())
        return honest(source) | {"sql": evil, "data": data, "path": path}

    with monkeypatch.context() as patch:
        patch.setattr(TableSource, "to_dict", to_dict)
        arguments = ("fit", "d.db", "--sql", sql, "--target", "y", "--record", *FAST)
        assert deltarule(*arguments, "--out", "evil.model").status == 0
    before = contents(".")
    for options, status in (((), 2), (("--run-recorded-sql",), 3)):
        outcome = deltarule("explain", "evil.model", "--step", "1", *options)
        assert outcome.status == status
        assert "expected" in outcome.err
        assert options or evil in outcome.err
        assert contents(".") == before


@pytest.mark.parametrize(
    ("data", "sql"),
    [
        ("d.db", "vacuum into 'stolen.db'"),
        ("d.db", "attach 'stolen.db' as s"),
        ("numbers.csv", "copy data to 'stolen.csv'"),
        ("numbers.csv", "from read_text('classes.csv')"),
        ("numbers.csv", "select 1; select 2"),
    ],
)
@pytest.mark.parametrize("door", ["fit", "predict", "evaluate", "explain", "playground"])
def test_every_door_to_sql(deltarule, recorded, door, data, sql):
    before = contents(".")
    fit = ["--target", "y", "--out", "f.model"]
    options = {"fit": fit, "playground": ["--target", "y", "--no-open"]}
    model = [] if door in options else ["numbers.model"]
    outcome = deltarule(door, *model, data, "--sql", sql, *options.get(door, []))
    assert outcome.status == 3
    assert "SELECT" in outcome.err
    assert contents(".") == before


def test_a_pattern_is_noted_at_every_door(deltarule, place):
    Path("n1.csv").write_text(NUMBERS)
    Path("n2.csv").write_text(NUMBERS)
    note = "the pattern 'n[12].csv' stands for 2 files, read in this order: 'n1.csv', 'n2.csv'"
    outcome = deltarule("fit", "n[12].csv", "--target", "y", "--out", "n.model", *FAST[:-1])
    assert note in outcome.out
    assert note in deltarule("predict", "n.model", "n[12].csv", "--out", "p.csv").err
    assert note in deltarule("evaluate", "n.model", "n[12].csv").err
    assert note in deltarule("explain", "n.model", "n[12].csv").err
    # A file of that name has a model of its own name, and is the one that is read.
    Path("n[12].csv").write_text(NUMBERS.replace("2.0,p", "2.5,p"))
    outcome = deltarule("fit", "n[12].csv", "--target", "y", "--record", *FAST)
    assert outcome.status == 0
    assert Path("n[12].model").is_dir()
    assert note not in outcome.out
    assert deltarule("explain", "n[12].model", "--step", "1").status == 0
    assert deltarule("predict", "n[12].model", "n[12].csv", "--out", "[x]*.csv").status == 0
    assert Path("[x]*.csv").is_file()
