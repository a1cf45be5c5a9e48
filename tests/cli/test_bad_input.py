"""Every wrong input gives one clear line and its exit status, and changes no file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import FAST, NUMBERS, SOME, contents

from deltarule import Model, Network, save_model

USAGE, DATA, DIVERGED = 2, 3, 4

N = 40
ROWS = range(N)


def csv(header, row):
    """A table of N rows; ``row`` gives the text of row i."""
    return header + "\n" + "".join(f"{row(i)}\n" for i in ROWS)


def at(i, wrong, right):
    """A wrong cell in row 3, which is line 5."""
    return wrong if i == 3 else right


JUNK = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()

# Name of the case, name of the file, its content, more options, status, parts of the message.
TABLES = [
    ("an empty file", "x.csv", "", [], DATA, ["x.csv is empty", "column names"]),
    ("only blank lines", "x.csv", "\n\n\n", [], DATA, ["x.csv is empty"]),
    ("a header only", "x.csv", "a,y\n", [], DATA, ["header of 2 columns (a, y) and no rows"]),
    ("one row", "x.csv", "a,y\n1,2\n", [], DATA, ["only row", "two different values"]),
    ("few rows", "x.csv", "a,y\n1,2\n2,3\n3,1\n", [], DATA, ["3 rows", "at least 10"]),
    ("binary junk", "x.csv", JUNK, [], DATA, ["x.csv, line", "UTF-8"]),
    ("Latin-1", "x.csv", "a,y\nü,3\n".encode("latin-1"), [], DATA, ["line 2", "not UTF-8"]),
    ("UTF-16", "x.csv", "a,y\n1,2\n".encode("utf-16-le"), [], DATA, ["a NUL byte"]),
    ("Latin-1 in a name", "x.csv", "ä,y\n1,2\n".encode("latin-1"), [], DATA, ["--encoding cp1252"]),
    ("a NUL byte", "x.csv", b"a,y\n1,2\n\0,3\n", [], DATA, ["line 3: a NUL byte"]),
    ("a short row", "x.csv", "a,y\n1,2\n3\n", [], DATA, ["line 3: 1 field; expected 2"]),
    ("a long row", "x.csv", "a,y\n1,2\n3,4,5\n", [], DATA, ["line 3: 3 fields; expected 2"]),
    ("an open quote", "x.csv", 'a,y\n"1,2\n', [], DATA, ["line 2", "never closed"]),
    ("a column twice", "x.csv", "a,a,y\n1,2,3\n", [], DATA, ["'a' stands twice", "rename"]),
    (
        "no header",
        "x.csv",
        "3,2\n3,4\n",
        [],
        DATA,
        ["no column 'y'", "line 1 holds data", "--names"],
    ),
    (
        "100 000 columns",
        "x.csv",
        ",".join(f"c{i}" for i in range(99_999)) + ",y\n" + "1," * 99_999 + "1\n",
        [],
        DATA,
        ["100000 columns; expected at most 20000"],
    ),
    ("one class", "x.csv", csv("a,y", lambda i: f"{i},no"), [], DATA, ["'no' in all 40 rows"]),
    ("one number", "x.csv", csv("a,y", lambda i: f"{i},7"), [], DATA, ["is 7 in all 40 rows"]),
    (
        "a target missing throughout",
        "x.csv",
        csv("a,y", lambda i: f"{i},"),
        [],
        DATA,
        ["'y' is missing in all 40 rows"],
    ),
    (
        "a target never known beside known ones",
        "x.csv",
        "a,y\n" + "1,\n" * 30 + "1,2\n",
        [],
        DATA,
        ["is 2 in the only row"],
    ),
    (
        "a target with infinities",
        "x.csv",
        csv("a,y", lambda i: f"{i},{at(i, 'inf', i)}"),
        [],
        DATA,
        ["1 cell is not", "line 5 'inf'", "leave them empty"],
    ),
    (
        "text in a numeric target",
        "x.csv",
        csv("a,y", lambda i: f"{i},{at(i, 'oops', i)}"),
        [],
        DATA,
        ["line 5 'oops'", "--task classification"],
    ),
    (
        "names as target",
        "x.csv",
        csv("a,y", lambda i: f"{i},name{i}"),
        [],
        DATA,
        ["40 different values", "--task classification"],
    ),
    (
        "classes as numbers",
        "classes.csv",
        None,
        ["--task", "regression"],
        DATA,
        ["'y' is to be numbers", "line 2 'no'"],
    ),
    (
        "nothing but missing cells",
        "x.csv",
        csv("a,y", lambda i: f",{i}"),
        [],
        DATA,
        ["no column is left to predict from", "a (missing in every row)"],
    ),
    (
        "nothing but a constant",
        "x.csv",
        csv("a,y", lambda i: f"5,{i}"),
        [],
        DATA,
        ["no column is left", "the same value in every row: 5"],
    ),
    (
        "the target alone",
        "numbers.csv",
        None,
        ["--ignore", "a,b", "--ignore", "k"],
        DATA,
        ["no column is left", "none beside the target"],
    ),
    (
        "a rare class that no training row holds",
        "x.csv",
        csv("a,y", lambda i: f"{i},{at(i, 'yes', 'no')}"),
        ["--test", "0.7"],
        DATA,
        ["training rows are 'no'", "two classes"],
    ),
    (
        "a negative weight",
        "x.csv",
        csv("a,w,y", lambda i: f"{i},{at(i, -1, 1)},{i}"),
        ["--weights", "w"],
        DATA,
        ["unusable as weights", "line 5 '-1'"],
    ),
    (
        "a missing weight",
        "x.csv",
        csv("a,w,y", lambda i: f"{i},{at(i, '', 1)},{i}"),
        ["--weights", "w"],
        DATA,
        ["line 5 (missing)"],
    ),
    (
        "an infinite weight",
        "x.csv",
        csv("a,w,y", lambda i: f"{i},{at(i, 'inf', 1)},{i}"),
        ["--weights", "w"],
        DATA,
        ["line 5 'inf'"],
    ),
    (
        "weights all zero",
        "x.csv",
        csv("a,w,y", lambda i: f"{i},0,{i}"),
        ["--weights", "w"],
        DATA,
        ["all weights in column 'w' are zero"],
    ),
    (
        "one weight above zero",
        "x.csv",
        csv("a,w,y", lambda i: f"{i},{at(i, 1, 0)},{i}"),
        ["--weights", "w"],
        DATA,
        ["part has weight 0", "another seed"],
    ),
    ("weights of text", "numbers.csv", None, ["--weights", "k"], DATA, ["line 2 'p'"]),
    ("no Parquet", "x.parquet", b"PAR1" + bytes(90), [], DATA, ["no readable Parquet file"]),
    ("no SQLite", "x.sqlite", b"nope" * 99, [], DATA, ["file is not a database"]),
    ("no JSON", "x.jsonl", '{"a": 1, "y": 2}\n{"a":\n', [], DATA, ["line 2: not JSON"]),
    ("nested JSON", "x.jsonl", '{"a": [1], "y": 2}\n', [], DATA, ["column 'a' holds a list"]),
    ("JSON without names", "x.jsonl", "3\n", [], DATA, ["line 1: a number (3)"]),
    ("a JSON name twice", "x.jsonl", '{"a": 1, "a": 2}\n', [], DATA, ["'a' stands twice"]),
    ("a spreadsheet", "x.xlsx", "PK", [], DATA, ["ends in '.xlsx'", "save the sheet as CSV"]),
    ("an archive", "x.csv.7z", "", [], DATA, ["ends in '.7z'", "unpack it first"]),
    ("a damaged archive", "x.csv.gz", "a,y\n1,2\n", [], DATA, ["cannot be unpacked"]),
    ("no ending", "x", "a,y\n1,2\n", [], DATA, ["x has no ending", ".csv"]),
]


def options(*given):
    """Options that are wrong for a good table, as cases."""
    return [(" ".join(each[0]) or "-", *each) for each in given]


OPTIONS = options(
    (["--target", "z"], DATA, ["no column 'z' (the target)", "a, b, k, y"]),
    (["--target", "K", "--target", "Y"], DATA, ["did you mean 'y'?"]),
    (["--target", ""], DATA, ["no column '' (the target)"]),
    (["--task", "clasification"], USAGE, ["--task is 'clasification'", "regression"]),
    (["--test", "1"], USAGE, ["--test is 1", "[0, 1)"]),
    (["--test", "-0.1"], USAGE, ["--test is -0.1"]),
    (["--test", "nan"], USAGE, ["--test is nan"]),
    (["--test", "0.6", "--valid", "0.4"], USAGE, ["--test and --valid are 0.6 and 0.4"]),
    (["--valid", "1"], USAGE, ["--valid is 1"]),
    (["--valid", "10%"], USAGE, ["--valid is '10%'; expected a number"]),
    (["--seed", "-1"], USAGE, ["--seed is -1", "whole number"]),
    (["--seed", "1.5"], USAGE, ["--seed is '1.5'; expected a whole number"]),
    (["--epochs", "0"], USAGE, ["--epochs is 0"]),
    (["--epochs", "many"], USAGE, ["--epochs is 'many'; expected a whole number"]),
    (["--epochs", "99999999999"], USAGE, ["--epochs is 99999999999", "10,000,000"]),
    (["--patience", "0"], USAGE, ["--patience is 0"]),
    (["--layers", "0,4"], USAGE, ["--layers is '0,4'", "128,64"]),
    (["--layers", "-4"], USAGE, ["--layers is '-4'"]),
    (["--layers", "wide"], USAGE, ["--layers is 'wide'", "128,64, or none"]),
    (["--layers", "4,,4"], USAGE, ["--layers is '4,,4'"]),
    (["--layers", "1000000"], USAGE, ["--layers is '1000000'", "100,000"]),
    (["--batch-size", "0"], USAGE, ["--batch-size is 0"]),
    (["--batch-size", "some"], USAGE, ["--batch-size is 'some'", "auto"]),
    (["--rule", "rprop", "--batch-size", "9"], USAGE, ["--batch-size is 9", "'rprop'", "'auto'"]),
    (["--rule", "adma"], USAGE, ["unknown rule 'adma'; did you mean 'adam'?"]),
    (["--activation", "rleu"], USAGE, ["did you mean 'relu'?"]),
    (["--activation", "softmax"], USAGE, ["'softmax'", "outputs only"]),
    (["--schedule", "cosin"], USAGE, ["did you mean 'cosine'?"]),
    (["--engine", "gpu"], USAGE, ["unknown engine 'gpu'", "reference"]),
    (["--learning-rate", "0"], USAGE, ["--learning-rate is 0", "(0, inf)"]),
    (["--learning-rate", "inf"], USAGE, ["--learning-rate is inf"]),
    (["--learning-rate", "fast"], USAGE, ["--learning-rate is 'fast'; expected a number"]),
    (["--l2", "-1"], USAGE, ["--l2 is -1", "[0, inf)"]),
    (["--dropout", "1"], USAGE, ["--dropout is 1"]),
    (["--clip-norm", "0"], USAGE, ["--clip-norm is 0"]),
    (["--averaging", "2"], USAGE, ["--averaging is 2"]),
    (["--averaging", "some"], USAGE, ["--averaging is 'some'; expected a number or none"]),
    (["--ignore", "zz"], DATA, ["no column 'zz' (the one to ignore)"]),
    (["--ignore", "a,zz"], DATA, ["no column 'zz' (the one to ignore)"]),
    (["--ignore", "y"], USAGE, ["'y' is given as target and in ignore"]),
    (["--weights", "zz"], DATA, ["no column 'zz' (the weights)"]),
    (["--weights", "y"], USAGE, ["'y' is given as target and as weights"]),
    (["--weights", "b", "--ignore", "b"], USAGE, ["'b' is given as weights and in ignore"]),
    (["--na", "zz=0"], DATA, ["no column 'zz'", "missing tokens"]),
    (["--kind", "a"], USAGE, ["--kind is 'a'", "zip=category"]),
    (["--kind", "a=text"], USAGE, ["--kind gives 'text' for column 'a'", "category"]),
    (["--kind", "zz=number"], DATA, ["no column 'zz' (the one given a kind)"]),
    (["--kind", "k=number"], DATA, ["column 'k' was said to be a number", "line 2 'p'"]),
    (["--kind", "a=date"], DATA, ["column 'a' was said to be a date"]),
    (["--table", "t"], USAGE, ["--table t was given for numbers.csv", "databases"]),
    (["--sql", "select nope from data"], DATA, ['"nope" not found']),
    (["--sql", "selec"], DATA, ["--sql: Parser Error"]),
    (["--sql", "select 1; select 2"], DATA, ["--sql holds 2 statements"]),
    (["--sql", "create table z(a int)"], DATA, ["--sql is no SELECT"]),
    (["--sql", "select * from data where false"], DATA, ["and no rows"]),
    (["--sql", "select * from 'http://x/y.csv'"], DATA, ["downloads no DuckDB extension"]),
    (["--bogus"], USAGE, ["no such option: --bogus", "deltarule fit --help"]),
    (["--epochs"], USAGE, ["'--epochs' requires an argument", "deltarule fit --help"]),
    (["more.csv"], USAGE, ["unexpected extra argument"]),
    (["--learning-rate", "1e10", "--epochs", "9"], DIVERGED, ["diverged", "epoch 1", "layer 2"]),
    (
        ["--learning-rate", "1e10", "--averaging", "none", "--valid", "0", "--batch-size", "5"]
        + ["--epochs", "9"],
        DIVERGED,
        ["diverged in epoch", "batch", "layer", "smaller learning rate", "--clip-norm 1.0"],
    ),
)

PLACES = [
    ("no such file", ["nofile.csv"], DATA, ["there is no file 'nofile.csv'", "check the path"]),
    ("nearly its name", ["number.csv"], DATA, ["did you mean 'numbers.csv'?"]),
    ("a folder", ["."], DATA, ["'.' is a folder", "*.csv"]),
    ("an address", ["https://a/b.csv"], DATA, ["is an address", "download"]),
    ("a pattern without files", ["z*.csv"], DATA, ["no file matches 'z*.csv'"]),
    ("a pattern of unlike files", ["*s.csv"], DATA, ["has also 'k'", "classes.csv"]),
    ("no data", [], USAGE, ["DATA is missing", "--sql"]),
    ("SQL over no file", ["--sql", "select * from nofile"], DATA, ["nofile does not exist"]),
    ("SQL over data not given", ["--sql", "select * from data"], DATA, ["give the file too"]),
    ("a database of two", ["d.sqlite"], DATA, ["2 tables: t, u", "--table or --sql"]),
    ("no such table", ["d.sqlite", "--table", "tt"], DATA, ["no table 'tt'; did you mean 't'?"]),
    ("an empty table", ["d.sqlite", "--table", "u"], DATA, ["table u has 1 column (a) and no"]),
    ("bad SQL in SQLite", ["d.sqlite", "--sql", "selec"], DATA, ['near "selec": syntax error']),
    ("SQL that writes", ["d.sqlite", "--sql", "drop table t"], DATA, ["readonly"]),
    (
        "a table and SQL",
        ["d.sqlite", "--table", "t", "--sql", "select 1"],
        USAGE,
        ["both --table and --sql were given"],
    ),
]

OUTS = [
    ("a model", ["--out", "numbers.model"], ["exists already", "--force"]),
    ("a file", ["--out", "numbers.csv"], ["exists already", "--force"]),
    ("a file, by force", ["--out", "numbers.csv", "--force"], ["not the folder of a model"]),
    ("another folder, by force", ["--out", ".", "--force"], ["not the folder of a model"]),
    ("below a file", ["--out", "numbers.csv/m"], ["cannot write to", "Not a directory"]),
    ("nowhere", ["--out", "/proc/nowhere/m"], ["cannot write to", "another place"]),
    ("no name", ["--out", ""], ["'.' exists already"]),
    ("the usual name, taken", [], ["'numbers.model' exists already"]),
]


def check(outcome, status, parts):
    """One line, of the right status, with every part in it, and no traceback."""
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    for part in parts:
        assert part in outcome.err
    assert outcome.status == status


@pytest.fixture
def refused(place, deltarule):
    """Run a command that must fail, and see that it changed nothing."""

    def refused(status, parts, *arguments):
        before = contents(place)
        check(deltarule(*arguments), status, parts)
        assert contents(place) == before
        # Behind the command, since the last argument may be an option that lacks its value.
        as_json = deltarule(arguments[0], "--json", *arguments[1:])
        assert as_json.err == ""
        assert as_json.json["status"] == as_json.status == status
        assert as_json.json["error"]
        assert contents(place) == before
        # Folders that are empty do not show in the contents.
        assert not [path for path in place.rglob(".*") if path.is_dir()]

    return refused


def over(model):
    """Options that would put a new model in the place of a good one."""
    return ["--out", model, "--force", "--quiet"]


@pytest.mark.parametrize(
    ("name", "content", "more", "status", "parts"),
    [each[1:] for each in TABLES],
    ids=[each[0] for each in TABLES],
)
def test_a_table_that_cannot_be_used(place, refused, name, content, more, status, parts):
    if content is not None:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(status, parts, "fit", name, "--target", "y", *over("numbers.model"), *FAST, *more)


@pytest.mark.parametrize(
    ("more", "status", "parts"), [each[1:] for each in OPTIONS], ids=[each[0] for each in OPTIONS]
)
def test_an_option_that_cannot_be_used(refused, more, status, parts):
    quiet = over("numbers.model")
    refused(status, parts, "fit", "numbers.csv", "--target", "y", *quiet, *FAST, *more)


@pytest.mark.parametrize(
    ("where", "status", "parts"), [each[1:] for each in PLACES], ids=[each[0] for each in PLACES]
)
def test_data_that_is_not_there(place, refused, where, status, parts):
    with sqlite3.connect("d.sqlite") as connection:
        connection.execute("create table t(a, y)")
        connection.executemany("insert into t values (?, ?)", [(i, i * 2) for i in ROWS])
        connection.execute("create table u(a)")
    connection.close()
    refused(status, parts, "fit", *where, "--target", "y", *over("numbers.model"), *FAST)


@pytest.mark.parametrize(
    ("more", "parts"), [each[1:] for each in OUTS], ids=[each[0] for each in OUTS]
)
def test_a_place_that_cannot_be_written_to(refused, monkeypatch, more, parts):
    # It is refused before anything is read.
    monkeypatch.setattr("deltarule.cli.load_table.read_table", None)
    refused(DATA, parts, "fit", "numbers.csv", "--target", "y", *FAST, *more)


def test_something_else_in_the_place_of_the_recording(place, refused, monkeypatch):
    monkeypatch.setattr("deltarule.cli.load_table.read_table", None)
    Path("numbers.model/record").mkdir()
    Path("numbers.model/record/mine.txt").write_text("mine")
    command = ["fit", "numbers.csv", "--target", "y", "--record", *over("numbers.model"), *FAST]
    refused(DATA, ["record' is not a recording", "leave --record out"], *command)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(place, refused):
    Path("locked").mkdir(mode=0o500)
    refused(
        DATA,
        ["cannot write to", "Permission denied"],
        *("fit", "numbers.csv", "--target", "y", "--out", "locked/m"),
    )


def test_a_target_not_named_is_answered_with_the_columns(refused):
    refused(USAGE, ["--target is missing", "a, b, k, y"], "fit", "numbers.csv", "--out", "x.model")


# A model that is there, a table or None for the good one, more options, and what it gives.
PREDICTIONS = [
    ("no model", "predict", "nomodel", None, [], DATA, ["'nomodel' is not a folder"]),
    ("a file as model", "predict", "numbers.csv", None, [], DATA, ["is not a folder"]),
    ("another folder", "predict", ".", None, [], DATA, ["no manifest.json"]),
    ("no data", "predict", "numbers.model", "", [], USAGE, ["DATA is missing"]),
    ("no model at all", "predict", "", "", [], USAGE, ["missing argument 'MODEL'"]),
    (
        "probabilities of numbers",
        "predict",
        "numbers.model",
        None,
        ["--proba"],
        USAGE,
        ["predicts a number", "leave --proba out"],
    ),
    (
        "an unknown format",
        "predict",
        "numbers.model",
        None,
        ["--out", "p.xlsx"],
        USAGE,
        ["'p.xlsx'", ".csv, .tsv, .jsonl"],
    ),
    (
        "a file that is there",
        "predict",
        "numbers.model",
        None,
        ["--out", "numbers.csv"],
        DATA,
        ["'numbers.csv' exists already", "--force"],
    ),
    (
        "nowhere to write",
        "predict",
        "numbers.model",
        None,
        ["--out", "/proc/nowhere/p.csv"],
        DATA,
        ["cannot write to"],
    ),
    (
        "a lost column",
        "predict",
        "numbers.model",
        "a,k\n1,p\n",
        [],
        DATA,
        ["lacks 1 of the columns the model needs: 'b'"],
    ),
    (
        "a renamed column",
        "predict",
        "numbers.model",
        "a,B,k\n1,2,p\n",
        [],
        DATA,
        ["'b' (is it 'B'?)"],
    ),
    (
        "dates for numbers",
        "predict",
        "numbers.model",
        "a,b,k\n" + "2020-01-01,2,p\n" * 5,
        [],
        DATA,
        ["column 'a' is of kind number in the model, and has 5 cells", "line 2"],
    ),
    ("no rows", "predict", "numbers.model", "a,b,k\n", [], DATA, ["no rows"]),
    (
        "a number too large",
        "predict",
        "numbers.model",
        "a,b,k\n1e300,2,p\n",
        [],
        DATA,
        ["column 'a' holds", "too large"],
    ),
    (
        "no target to score",
        "evaluate",
        "classes.model",
        "a,b\n1,2\n",
        [],
        DATA,
        ["'y' (the target)"],
    ),
    (
        "an unknown class",
        "evaluate",
        "classes.model",
        "a,b,y\n1,2,maybe\n",
        [],
        DATA,
        ["line 2 'maybe'", "'no', 'yes'"],
    ),
    (
        "targets all missing",
        "evaluate",
        "classes.model",
        "a,b,y\n1,2,\n",
        [],
        DATA,
        ["'y' is missing in the only row"],
    ),
    (
        "a target of text",
        "evaluate",
        "numbers.model",
        "a,b,k,y\n1,2,p,much\n",
        [],
        DATA,
        ["line 2 'much'"],
    ),
]


@pytest.mark.parametrize(
    ("command", "model", "content", "more", "status", "parts"),
    [each[1:] for each in PREDICTIONS],
    ids=[each[0] for each in PREDICTIONS],
)
def test_a_prediction_that_cannot_be_made(
    place, refused, command, model, content, more, status, parts
):
    data = ["numbers.csv"]
    if content is not None:
        Path("new.csv").write_text(content)
        data = ["new.csv"] if content else []
    refused(status, parts, command, *([model] if model else []), *data, *more)


def rewrite(document, change):
    """Change a JSON file of a model, its checksum too, as a careful hand would."""
    path = Path("numbers.model", document)
    value = json.loads(path.read_text())
    change(value)
    if document == "manifest.json":
        value.pop("checksum", None)  # it may be missing, as earlier versions wrote none
    path.write_text(json.dumps(value))
    if document != "manifest.json":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rewrite("manifest.json", lambda manifest: manifest["sha256"].update({document: digest}))


def cut(name):
    path = Path("numbers.model", name)
    path.write_bytes(path.read_bytes()[:100])


def edit(name):
    path = Path("numbers.model", name)
    path.write_text(path.read_text().replace("relu", "tanh"))


def plain():
    shutil.rmtree("numbers.model")
    net = Network([2, 3, 1])
    save_model("numbers.model", Model(net, net.initial(0)))


def extra(key, change):
    return lambda: rewrite("model.json", lambda value: change(value["extra"], key))


DAMAGES = [
    ("no arrays", lambda: Path("numbers.model/arrays.safetensors").unlink(), ["arrays"]),
    ("no manifest", lambda: Path("numbers.model/manifest.json").unlink(), ["no manifest.json"]),
    ("no model.json", lambda: Path("numbers.model/model.json").unlink(), ["model.json"]),
    ("arrays cut short", lambda: cut("arrays.safetensors"), ["checksum differs", "cut short"]),
    ("history cut short", lambda: cut("history.json"), ["checksum differs"]),
    ("manifest cut short", lambda: cut("manifest.json"), ["not valid JSON"]),
    ("an edited model", lambda: edit("model.json"), ["checksum differs", "edited"]),
    (
        "another format",
        lambda: rewrite("manifest.json", lambda m: m.update(format="recipe")),
        ["holds a 'recipe'", "deltarule model"],
    ),
    (
        "a later version",
        lambda: rewrite("manifest.json", lambda m: m.update(version=99)),
        ["later version of deltarule", "update deltarule"],
    ),
    (
        "no checksums",
        lambda: rewrite("manifest.json", lambda m: m.update(sha256=3)),
        ["checksums"],
    ),
    ("a plain network", plain, ["a network without a table", "deltarule.load_model"]),
    ("no schema", extra("schema", dict.pop), ["a network without a table"]),
    ("no encoder", extra("encoder", dict.pop), ["not a complete model of a table"]),
    ("no report", extra("report", dict.pop), ["not a complete model of a table"]),
    (
        "a later schema",
        extra("schema", lambda value, key: value[key].update(format=9)),
        ["format 9"],
    ),
    (
        "an empty encoder",
        extra("encoder", lambda value, key: value[key].update(columns=[])),
        ["encoder"],
    ),
    (
        "other widths",
        lambda: rewrite("model.json", lambda m: m["network"].update(widths=[3, 4, 1])),
        ["not a complete model"],
    ),
    (
        "an unknown activation",
        lambda: rewrite("model.json", lambda m: m["network"].update(activation=["zzz"])),
        ["unknown activation 'zzz'"],
    ),
    (
        "a history of something else",
        lambda: rewrite("history.json", lambda h: h.append({"zz": 1})),
        ["not a complete model"],
    ),
]


@pytest.mark.parametrize(
    ("damage", "parts"), [each[1:] for each in DAMAGES], ids=[each[0] for each in DAMAGES]
)
def test_a_damaged_model(place, refused, damage, parts):
    damage()
    refused(DATA, parts, "predict", "numbers.model", "numbers.csv")
    refused(DATA, parts, "evaluate", "numbers.model", "numbers.csv")


def at_step(*more):
    """A step of the recorded model, with the data where they are now."""
    return ["kept.model", "kept.csv", "--step", "3", *more]


def moved(content):
    """Data that are not what was trained on any more."""
    return ["kept.model", "new.csv", "--step", "3"], content


# What is explained, what the table new.csv holds (if it is there), status, parts of the message.
EXPLANATIONS = [
    ("no model", ["nomodel"], None, DATA, ["'nomodel' is not a folder"]),
    ("a file as model", ["kept.csv"], None, DATA, ["is not a folder"]),
    ("another folder", ["."], None, DATA, ["no manifest.json"]),
    ("a recording as model", ["kept.model/record"], None, DATA, ["holds a 'deltarule recording'"]),
    ("no data", ["numbers.model"], None, USAGE, ["DATA is missing", "fit --record"]),
    ("no such data", ["numbers.model", "no.csv"], None, DATA, ["there is no file 'no.csv'"]),
    (
        "no recording",
        ["numbers.model", "--step", "1"],
        None,
        DATA,
        ["not recorded", "--record"],
    ),
    ("step 0", ["kept.model", "--step", "0"], None, USAGE, ["--step is 0", "from 1"]),
    ("a step before", ["kept.model", "--step", "-3"], None, USAGE, ["--step is -3"]),
    (
        "a step beyond",
        ["kept.model", "--step", "21"],
        None,
        USAGE,
        ["--step is 21", "1 to 20"],
    ),
    ("half a step", ["kept.model", "--step", "1.5"], None, USAGE, ["--step is '1.5'; expected a"]),
    ("step of no data", ["kept.model", "no.csv", "--step", "3"], None, DATA, ["no.csv"]),
    (
        "changed data",
        *moved(SOME.replace("6,3.0", "6,3.1")),
        DATA,
        ["new.csv", "SHA-256"],
    ),
    ("data with a row more", *moved(SOME + "1,1,p,1\n"), DATA, ["is not what the network was"]),
    (
        "other data",
        *moved(NUMBERS),
        DATA,
        ["is not what the network", "train again"],
    ),
    ("data as a folder", ["kept.model", ".", "--step", "3"], None, DATA, ["cannot read '.'"]),
    ("SQL at a step", at_step("--sql", "select 1"), None, USAGE, ["--sql was given with --step"]),
    ("a table at a step", at_step("--table", "t"), None, USAGE, ["--table was given with --step"]),
    ("row 0", at_step("--row", "0"), None, USAGE, ["--row is 0", "from 1 to 60"]),
    ("a row beyond", at_step("--row", "61"), None, USAGE, ["--row is 61", "from 1 to 60"]),
    ("a row of text", at_step("--row", "a"), None, USAGE, ["--row is 'a'; expected a whole"]),
    ("a row without target", at_step("--row", "5"), None, DATA, ["row 5 (line 6) has no target"]),
    (
        "a row beyond, of a model",
        ["kept.model", "kept.csv", "--row", "61"],
        None,
        USAGE,
        ["--row is"],
    ),
    ("no weight", at_step("--weight", "2,0,4"), None, USAGE, ["4", "from 0 to 3"]),
    ("no layer", at_step("--weight", "3,0,0"), None, USAGE, ["3", "2 layers"]),
    ("layer 0", at_step("--bias", "0,0"), None, USAGE, ["0", "1 to 2"]),
    ("no node", at_step("--row", "1", "--activation", "1,9"), None, USAGE, ["9", "from 0 to 3"]),
    ("two numbers", at_step("--weight", "2,1"), None, USAGE, ["--weight is '2,1'", "2,1,4"]),
    ("four numbers", at_step("--bias", "2,1,1,1"), None, USAGE, ["--bias is '2,1,1,1'"]),
    ("a name as weight", at_step("--weight", "a"), None, USAGE, ["--weight is 'a'"]),
    ("a negative node", at_step("--weight", "1,-1,0"), None, USAGE, ["--weight is '1,-1,0'"]),
    ("nothing as weight", at_step("--weight", ""), None, USAGE, ["--weight is ''"]),
    ("an activation of all", at_step("--activation", "1,0"), None, USAGE, ["--row R beside it"]),
    ("an input of all", at_step("--input", "a"), None, USAGE, ["--input is about one row"]),
    ("no input", at_step("--row", "1", "--input", "zz"), None, USAGE, ["--input is 'zz'", "'k=p'"]),
    ("no column", at_step("--row", "1", "--column", "y"), None, USAGE, ["--column is 'y'", "'k'"]),
    ("depth below 0", at_step("--depth", "-1"), None, USAGE, ["--depth is -1"]),
    ("no terms", at_step("--terms", "0"), None, USAGE, ["--terms is 0"]),
    ("no digits", at_step("--digits", "0"), None, USAGE, ["--digits is 0"]),
    ("LaTeX in a Word file", at_step("--latex", "a.docx"), None, USAGE, ["--latex is", ".tex"]),
    ("a page of no kind", at_step("--html", "page"), None, USAGE, ["--html is 'page'", ".html"]),
    ("nowhere", at_step("--html", "/proc/no/p.html"), None, DATA, ["cannot write to", "--html"]),
    ("below a file", at_step("--latex", "kept.csv/a.tex"), None, DATA, ["cannot write to"]),
    ("a file there", at_step("--latex", "there.tex"), None, DATA, ["exists already", "--force"]),
    ("a page there", at_step("--html", "there.html"), None, DATA, ["exists already", "--force"]),
    ("a folder there", at_step("--html", "folder.html"), None, DATA, ["is a folder", "--html"]),
    ("no model at all", [], None, USAGE, ["missing argument 'MODEL'"]),
    ("a table without columns", ["numbers.model", "new.csv"], "a,y\n1,2\n", DATA, ["'b'", "'k'"]),
    ("no target", ["numbers.model", "new.csv"], "a,b,k\n1,2,p\n", DATA, ["'y' (the target)"]),
]


@pytest.mark.parametrize(
    ("arguments", "content", "status", "parts"),
    [each[1:] for each in EXPLANATIONS],
    ids=[each[0] for each in EXPLANATIONS],
)
def test_an_explanation_that_cannot_be_given(refused, arguments, content, status, parts):
    Path("there.tex").write_text("mine")
    Path("there.html").write_text("mine")
    Path("folder.html").mkdir()
    if content is not None:
        Path("new.csv").write_text(content)
    refused(status, parts, "explain", *arguments)


def test_data_that_are_not_where_they_were(place, refused, deltarule):
    Path("own.csv").write_text(NUMBERS)
    assert deltarule("fit", "own.csv", "--target", "y", "--record", "-q", *FAST).status == 0
    Path("own.csv").rename("gone.csv")
    parts = ["own.csv', are not there", "give their new place as DATA"]
    refused(DATA, parts, "explain", "own.model", "--step", "1")
    refused(DATA, parts, "explain", "own.model")
    Path("own.csv").write_text(NUMBERS + "1,1,p,1\n")
    refused(DATA, ["own.csv", "SHA-256"], "explain", "own.model", "--step", "1")


def recording_cut(name):
    path = Path("kept.model", "record", name)
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda: recording_cut("arrays.safetensors"), ["checksum differs"]),
        (lambda: recording_cut("recording.json"), ["checksum differs"]),
        (lambda: Path("kept.model/record/history.json").unlink(), ["history.json"]),
        (lambda: Path("kept.model/record/manifest.json").unlink(), ["no manifest.json"]),
        (lambda: shutil.rmtree("kept.model/record"), ["was not recorded"]),
    ],
)
def test_a_damaged_recording(place, refused, deltarule, damage, parts):
    damage()
    refused(DATA, parts, "explain", "kept.model", "kept.csv", "--step", "1")
    # The model itself is as good as before.
    assert deltarule("evaluate", "kept.model", "kept.csv").status == 0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["fti"], ["no such command 'fti'", "'fit'"]),
        (["train", "x"], ["no such command 'train'", "deltarule --help"]),
        (["check", "--engine", "gpu"], ["unknown engine 'gpu'"]),
        (["--verbose"], ["no such option: --verbose"]),
    ],
)
def test_a_command_that_is_none(refused, arguments, parts):
    refused(USAGE, parts, *arguments)


# What is accepted, with a word about it: name, content, more options, parts of the output.
ACCEPTED = [
    (
        "text among numbers",
        csv("a,y", lambda i: f"{at(i, 'oops', i % 9)},{i}"),
        "a: 1 cell is not a finite number and counted as missing: line 5 'oops'",
    ),
    (
        "an infinity among numbers",
        csv("a,y", lambda i: f"{at(i, 'inf', i % 9)},{i}"),
        "line 5 'inf'",
    ),
    (
        "rows without a target",
        csv("a,y", lambda i: f"{i % 9},{at(i, '', i)}"),
        "1 row is left out because the target 'y' is missing: line 5",
    ),
    (
        "a column missing throughout",
        csv("a,b,y", lambda i: f"{i % 9},,{i}"),
        "b: left out, missing in every row",
    ),
    (
        "a constant column",
        csv("a,b,y", lambda i: f"{i % 9},7,{i}"),
        "b: left out, the same value in every row: 7",
    ),
    (
        "a row number",
        csv("a,y", lambda i: f"{i},{i * i}"),
        "if it is a row number, it predicts nothing",
    ),
    (
        "grades as numbers",
        csv("a,y", lambda i: f"{i % 9},{i % 3}"),
        "if they are classes, give --task classification",
    ),
    (
        "an enormous number",
        csv("a,y", lambda i: f"{at(i, '1e300', i % 9)},{i}"),
        "1 cell is out of the column's scale (-3e+06 to 3e+06) and counted as missing: line 5",
    ),
    (
        "an enormous target",
        csv("a,y", lambda i: f"{i % 9},{at(i, '1e300', i)}"),
        "1 row is left out because the target 'y' is out of scale (-1e+07 to 1e+07): line 5",
    ),
]


@pytest.mark.parametrize(
    ("content", "part"), [each[1:] for each in ACCEPTED], ids=[each[0] for each in ACCEPTED]
)
def test_what_is_accepted_is_mentioned(place, deltarule, content, part):
    Path("x.csv").write_text(content)
    outcome = deltarule("fit", "x.csv", "--target", "y", *FAST)
    assert outcome.status == 0
    assert part in outcome.out
    assert "error" not in outcome.err


def test_levels_and_columns_that_training_did_not_see_are_mentioned(place, deltarule):
    Path("new.csv").write_text("a,b,k,colour\n1,2,zz,red\n,,,\n")
    outcome = deltarule("predict", "numbers.model", "new.csv")
    assert outcome.status == 0
    assert outcome.out.count("\n") == 3
    assert "column 'k': 1 cell holds a level that training did not see: 'zz'" in outcome.err
    assert "columns that the model does not know are left out: colour" in outcome.err


def test_a_broken_cell_cannot_colour_the_terminal(place, deltarule):
    Path("x.csv").write_text("a\x1b[31m,y\n1,2\n")
    outcome = deltarule("fit", "x.csv", "--target", "z", "--out", "x.model")
    assert "\x1b" not in outcome.err
    assert r"a\x1b[31m" in outcome.err


def test_there_are_sixty_kinds():
    tables = [TABLES, OPTIONS, PLACES, OUTS, PREDICTIONS, DAMAGES, ACCEPTED, EXPLANATIONS]
    names = [each[0] for table in tables for each in table]
    assert len(names) >= 60


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (["fit", "nofile.csv", "--target", "y"], DATA, "there is no file"),
        (["fit", "numbers.csv", "--target", "y", "--epochs", "no"], USAGE, "--epochs is 'no'"),
        (["predict", "nomodel", "numbers.csv"], DATA, "'nomodel'"),
        (
            ["fit", "numbers.csv", "--target", "y", "--out", "x", "--learning-rate", "1e10", "-q"],
            DIVERGED,
            "diverged",
        ),
    ],
)
def test_in_a_process_of_its_own(place, arguments, status, part):
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert part in done.stderr
