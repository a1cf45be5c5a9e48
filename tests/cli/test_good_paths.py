"""What a user does: fit, predict, evaluate, check, and what is printed, saved and returned."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from tests.cli.conftest import FAST, contents

import deltarule as package
from deltarule.cli.status import STATUSES
from deltarule.errors import InputError
from deltarule.tables import read_table
from deltarule.tabular import TableModel, replay_table
from deltarule.training import load_recording

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wine():
    """Thirteen numbers, and labels that only stay themselves as text."""
    frame = load_wine(as_frame=True).frame
    frame["kind"] = frame.pop("target").map({0: "01", 1: "yes", 2: "1.0"})
    return frame


def rows_of(path, delimiter=","):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_the_commands_of_make_demo(place, deltarule):
    recipe = (ROOT / "Makefile").read_text().split("\ndemo:")[1].split("\n\n")[0]
    commands = re.findall(r"\$\(BIN\)/deltarule (.+)", recipe)
    assert len(commands) == 6
    subprocess.run(
        [sys.executable, str(ROOT / "examples" / "make_demo_data.py"), "demo"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    for command in commands:
        # The fewest networks: what the recipe trains by default takes longer.
        quick = ("--quality", "fast") if command.startswith("fit ") else ()
        outcome = deltarule(*command.split(), *quick)
        assert outcome.status == 0, outcome.err
    cancer = TableModel.load("demo/breast_cancer.model")
    assert cancer.report["scores"]["test"]["accuracy"] > 0.93
    assert cancer.report["baselines"]["constant"]["accuracy"] < 0.7
    diabetes = TableModel.load("demo/diabetes.model")
    assert diabetes.report["scores"]["test"]["r2"] > 0.3
    found = rows_of("demo/breast_cancer.predictions.csv")
    assert len(found) == 569
    assert {row["prediction"] for row in found} == {"benign", "malignant"}
    assert len(rows_of("demo/diabetes.predictions.csv")) == 442


def test_every_kind_of_file_gives_the_same_model(place, deltarule, wine):
    wine.to_csv("w.csv", index=False)
    wine.to_csv("w.tsv", index=False, sep="\t")
    wine.to_json("w.jsonl", orient="records", lines=True, double_precision=15)
    wine.to_parquet("w.parquet")
    wine[:100].to_csv("part-1.csv", index=False)
    wine[100:].to_csv("part-2.csv", index=False)
    with sqlite3.connect("w.sqlite") as connection:
        wine.to_sql("wine", connection, index=False)
        wine[:5].to_sql("few", connection, index=False)
    connection.close()
    sources = {
        "csv": ["w.csv"],
        "tsv": ["w.tsv"],
        "jsonl": ["w.jsonl"],
        "parquet": ["w.parquet"],
        "glob": ["part-*.csv"],
        "table": ["w.sqlite", "--table", "wine"],
        "sqlite": ["w.sqlite", "--sql", "select * from wine"],
        "sql": ["w.parquet", "--sql", "select * from data"],
        "files": ["--sql", "select * from 'w.parquet'"],
    }
    arrays = set()
    for name, source in sources.items():
        outcome = deltarule("fit", *source, "-t", "kind", "--out", f"m/{name}", "--json", *FAST)
        assert outcome.status == 0, outcome.err
        assert outcome.json["classes"] == ["01", "1", "yes"]
        arrays.add(contents(f"m/{name}")["arrays.safetensors"])
    assert len(arrays) == 1


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(place, deltarule):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        common = ("numbers.csv", "--target", "y", *FAST)
        assert deltarule("fit", *common, "--out", name, "--seed", seed).status == 0
        assert deltarule("predict", name, "numbers.csv", "--out", f"{name}.csv").status == 0
    one, two, other = map(contents, ("one", "two", "other"))
    assert one["arrays.safetensors"] == two["arrays.safetensors"]
    assert one["loss.svg"] == two["loss.svg"]
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    assert one["arrays.safetensors"] != other["arrays.safetensors"]


def test_what_fit_prints(place, deltarule):
    outcome = deltarule("fit", "classes.csv", "--target", "y", "--out", "m", *FAST)
    assert outcome.status == 0
    for part in (
        "classes.csv: 60 rows, 2 columns to predict from",
        "classification: the target 'y' is text, with 2 classes",
        "network 2-4-1: 17 parameters",
        "accuracy",
        "log loss",
        "  95 % interval",
        "training",
        "validation",
        "test, constant baseline",
        "test, linear baseline",
        "linear baseline",
        "Saved in m",
    ):
        assert part in outcome.out
    assert "note: only 12 test rows" in outcome.err
    assert sorted(contents("m")) == [
        *("arrays.safetensors", "history.json", "loss.svg", "manifest.json", "model.json"),
        *("report.html", "times.json"),
    ]
    # Nothing moves, and nothing is coloured, where output is no terminal.
    assert "\x1b" not in outcome.out + outcome.err
    assert "epoch 1 of" not in outcome.out + outcome.err


def test_the_picture_and_the_history(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST).status == 0
    picture = Path("m/loss.svg").read_text()
    assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("training", "validation", "epoch", "kept: epoch 2", "y: 4-4-1"):
        assert text in picture
    history = json.loads(Path("m/history.json").read_text())
    assert [record["epoch"] for record in history] == [1, 2]
    assert all(record["validation_loss"] > 0 for record in history)


def test_quiet_prints_nothing(place, deltarule):
    for arguments in (
        ("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST),
        ("predict", "numbers.model", "numbers.csv", "--out", "p.csv"),
    ):
        outcome = deltarule(*arguments, "--quiet")
        assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_json_has_all_notes_as_they_are_printed(place, deltarule):
    lines = ["nr,k,a b,x,y", *(f"{i},k,n{i},{i * 7 % 5},{i * 7 % 11}" for i in range(60))]
    Path("t.csv").write_text("\n".join([*lines, "60,k,n60,1,"]) + "\n")
    printed = deltarule("fit", "t.csv", "-t", "y", "--out", "m", *FAST)
    notes = deltarule("fit", "t.csv", "-t", "y", "--out", "n", "--json", *FAST).json["notes"]
    lines = [line.removeprefix("  - ") for line in printed.out.splitlines() if "  - " in line]
    lines += [line.removeprefix("note: ") for line in printed.err.splitlines()]
    assert notes == lines
    assert len(set(notes)) == len(notes)
    starts = (
        "1 row is left out",
        "k: left out, the same",
        "nr: every integer",
        "a b: 60 different",
    )
    for start in starts:
        assert sum(note.startswith(start) for note in notes) == 1, start


@pytest.mark.parametrize("name", ["a b", "it's", "größe", "$x", "a,b", "(c)", 'd"e', "#f", "-g"])
def test_the_option_in_a_note_works_as_it_is_written(name, place, deltarule):
    quoted = '"' + name.replace('"', '""') + '"'
    lines = [f"{quoted},x,y", *(f"n{i},{i * 7 % 5},{i * 7 % 11}" for i in range(60))]
    Path("t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ("fit", "t.csv", "-t", "y", "--json", *FAST)
    (note,) = (n for n in deltarule(*command, "--out", "m").json["notes"] if "identifier" in n)
    advice = note.rsplit("leave it out with ")[1]
    report = deltarule(*command, "--out", "n", *shlex.split(advice)).json
    assert report["left_out"] == {name: "on request"}
    assert not any("identifier" in each for each in report["notes"])


def test_parts_without_a_class_are_noted(place, deltarule):
    lines = ["x,y", *(f"{i * 7 % 5},{'rare' if i < 2 else 'ab'[i % 2]}" for i in range(60))]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    notes = deltarule("fit", "t.csv", "-t", "y", "--out", "m", "--json", *FAST).json["notes"]
    assert "y: classes of at most 5 rows, too few to learn or to score: 'rare' (2 rows)" in notes
    found = [note for note in notes if "row is of class 'rare'" in note]
    assert [note.split(" row")[0] for note in found] == ["no test", "no validation"]


def test_json_is_one_object(place, deltarule):
    report = deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", "--json", *FAST).json
    assert report["model"] == "m"
    assert report["rows"] == {"train": 42, "valid": 6, "test": 12}
    assert set(report["scores"]) == {"train", "valid", "test"}
    assert set(report["scores"]["test"]) == {"r2", "rmse", "mae"}
    assert set(report["baselines"]) == {"constant", "linear"}
    # 12 test rows are too few for a verdict.
    assert report["against_linear"] is report["against_constant"] is None
    assert any("the test rows are 12, and fewer than 30" in note for note in report["notes"])
    assert any("a larger --test" in note for note in report["notes"])
    assert report["advice"] == []
    assert report["settings"]["layers"] == [4]
    assert [column["kind"] for column in report["columns"]] == ["number", "number", "category"]
    scores = deltarule("evaluate", "numbers.model", "numbers.csv", "--json").json
    assert scores["rows"] == 60
    assert scores["seen"] is True
    found = deltarule("predict", "numbers.model", "numbers.csv", "--json").json
    assert len(found["prediction"]) == found["rows"] == 60
    written = deltarule("predict", "numbers.model", "numbers.csv", "--json", "-o", "p.csv").json
    assert (written["rows"], written["out"]) == (60, "p.csv")


def test_both_verdicts_are_printed_and_in_the_json(place, deltarule):
    rows = "".join(f"{i % 17},{i % 5},{(i % 17) * 2 + i % 5}\n" for i in range(200))
    Path("x.csv").write_text("a,b,y\n" + rows)
    fit = ("fit", "x.csv", "-t", "y", "--epochs", "40", "--layers", "32", "--force", "--out", "x")
    text = deltarule(*fit).out
    assert "on 200 rows in 10 folds that it had not seen, the network is\n" in text
    assert re.search(
        r"  better than the constant: 0\.\d{4} less, standard error 0\.\d{4}, t = ", text
    )
    assert "  worse than the linear baseline: " in text
    assert re.search("Advice: the network underfits: .* try .*--layers none", text)
    report = deltarule(*fit, "--json").json
    assert report["against_constant"]["verdict"] == "better"
    assert report["against_linear"]["verdict"] == "worse"
    assert report["against_linear"]["df"] == 9
    assert "--l2 0.5" in report["advice"][0]
    assert "on the 40 test rows, the network is\n" in deltarule(*fit, "--folds", "0").out


def test_predictions_are_those_of_the_model(place, deltarule):
    model = TableModel.load("classes.model")
    table = read_table("classes.csv")
    for name, delimiter in (("p.csv", ","), ("p.tsv", "\t")):
        outcome = deltarule("predict", "classes.model", "classes.csv", "--proba", "--out", name)
        assert outcome.out == f"Wrote 60 predictions to {name}.\n"
        rows = rows_of(name, delimiter)
        assert list(rows[0]) == ["prediction", "probability_no", "probability_yes"]
        assert [row["prediction"] for row in rows] == model.predict(table).tolist()
        found = [[row["probability_no"], row["probability_yes"]] for row in rows]
        # Every digit that a float32 has, and none that it has not.
        assert np.array_equal(np.array(found, np.float32), model.predict_proba(table))
    assert deltarule("predict", "classes.model", "classes.csv", "--out", "p.jsonl").status == 0
    rows = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == model.predict(table).tolist()
    outcome = deltarule("predict", "numbers.model", "numbers.csv")
    numbers = [float(line) for line in outcome.out.splitlines()[1:]]
    assert outcome.out.startswith("prediction\n")
    expected = TableModel.load("numbers.model").predict(read_table("numbers.csv"))
    assert numbers == expected.tolist()


def test_predictions_go_into_a_new_folder_and_replace_by_force(place, deltarule):
    arguments = ("predict", "numbers.model", "numbers.csv", "--out", "new/folder/p.csv")
    assert deltarule(*arguments).status == 0
    before = Path("new/folder/p.csv").read_bytes()
    assert deltarule(*arguments).status == 3
    assert deltarule(*arguments, "--force").status == 0
    assert Path("new/folder/p.csv").read_bytes() == before


def test_columns_in_another_order_and_no_target_are_enough(place, deltarule):
    frame = pd.read_csv("numbers.csv")
    frame[["k", "b", "a"]].to_parquet("new.parquet")
    usual = deltarule("predict", "numbers.model", "numbers.csv")
    assert deltarule("predict", "numbers.model", "new.parquet").out == usual.out


def test_evaluate_tells_known_rows_from_new_ones(place, deltarule):
    known = deltarule("evaluate", "classes.model", "classes.csv")
    assert known.status == 0
    assert "classes.model: classification of 'y'" in known.out
    assert "test rows, when trained" in known.out
    assert "most of which it was trained on" in known.out
    Path("new.csv").write_text("a,b,y\n6,3.5,yes\n0,2,no\n")
    new = deltarule("evaluate", "classes.model", "new.csv")
    assert new.err == ""
    assert "note:" not in new.out
    assert re.search(r"new\.csv +2 ", new.out)


def test_a_fit_can_be_replaced_by_force_and_keeps_what_others_put_there(place, deltarule):
    Path("numbers.model/notes.txt").write_text("mine")
    before = contents("numbers.model")
    arguments = ("fit", "numbers.csv", "--target", "y", "--seed", "5", *FAST)
    assert deltarule(*arguments).status == 3
    assert contents("numbers.model") == before
    assert deltarule(*arguments, "--force").status == 0
    assert contents("numbers.model")["arrays.safetensors"] != before["arrays.safetensors"]
    assert Path("numbers.model/notes.txt").read_text() == "mine"


def test_missing_texts_for_all_columns_and_for_one(place, deltarule):
    rows = "".join(
        f"{i % 5},{'0.0' if i % 2 else i},{'-' if i % 3 else i},{i}\n" for i in range(60)
    )
    Path("x.csv").write_text("a,b,c=d,y\n" + rows)
    outcome = deltarule(
        *("fit", "x.csv", "-t", "y", "--na", "-", "--na", "b=0", "--na", "a,c=d=3", "--json"),
        *("--kind", "a=category", *FAST),
    )
    columns = {each["name"]: (each["kind"], each["missing"]) for each in outcome.json["columns"]}
    assert columns == {"a": ("category", 12), "b": ("number", 31), "c=d": ("number", 41)}


def test_columns_are_left_out_and_rows_are_weighted(place, deltarule):
    Path("x.csv").write_text(
        "id,a,w,y\n" + "".join(f"{i},{i % 7},{i % 3},{i % 7 * (i % 3 > 0)}\n" for i in range(90))
    )
    common = ("fit", "x.csv", "-t", "y", "--ignore", "id", "--json", "--epochs", "60")
    weighted = deltarule(*common, "--weights", "w", "--out", "w").json
    assert [each["name"] for each in weighted["columns"]] == ["a"]
    # Rows of weight 0 are the ones that follow no rule; without them there is one.
    assert weighted["scores"]["test"]["r2"] > 0.9
    plain = deltarule(*common, "--ignore", "w", "--out", "p").json
    assert plain["scores"]["test"]["r2"] < 0.9


def test_every_option_of_training_reaches_it(place, deltarule):
    outcome = deltarule(
        *("fit", "numbers.csv", "-t", "y", "--out", "m", "--json", "--layers", "6,3"),
        *("--activation", "tanh", "--dropout", "0.1", "--l2", "0.5", "--rule", "momentum"),
        *("--l1", "0.25", "--loss", "absolute_error"),
        *("--learning-rate", "0.01", "--schedule", "cosine", "--batch-size", "16"),
        *("--patience", "3", "--clip-norm", "1", "--averaging", "none", "--epochs", "4"),
        *("--engine", "reference", "--precision", "bfloat16"),
        *("--test", "0.25", "--valid", "0", "--seed", "7"),
        *("--folds", "4", "--min-level-rows", "2", "--max-levels", "50"),
        *("--task", "regression", "--on-divergence", "restore_best"),
    )
    assert outcome.json["settings"] == {
        "test": 0.25,
        "valid": 0.0,
        "folds": 4,
        "layers": [6, 3],
        "activation": "tanh",
        "rule": "momentum",
        "schedule": "cosine",
        "learning_rate": 0.01,
        "batch_size": 16,
        "epochs": 4,
        "patience": 3,
        "l2": 0.5,
        "l1": 0.25,
        "loss": "absolute_error",
        "dropout": 0.1,
        "clip_norm": 1.0,
        "on_divergence": "restore_best",
        "averaging": None,
        "min_level_rows": 2,
        "max_levels": 50,
        "seed": 7,
        "engine": "reference",
        "precision": "bfloat16",
    }
    assert outcome.json["rows"] == {"train": 45, "test": 15}
    assert outcome.json["network"] == [4, 6, 3, 1]


def test_no_layers_are_a_linear_model(place, deltarule):
    outcome = deltarule("fit", "numbers.csv", "-t", "y", "-o", "m", "--json", "--layers", "none")
    assert outcome.json["network"] == [4, 1]


def test_without_held_out_rows_the_scores_say_so(place, deltarule):
    common = ("fit", "numbers.csv", "-t", "y", "--test", "0", *FAST)
    outcome = deltarule(*common, "--out", "m1")
    assert "validation, linear baseline" in outcome.out
    assert "their scores are a little too good" in outcome.err
    outcome = deltarule(*common, "--valid", "0", "--out", "m2")
    assert "training, linear baseline" in outcome.out
    assert "no rows were held out" in outcome.err


def test_check(place, deltarule, monkeypatch):
    outcome = deltarule("check", "--json")
    assert outcome.status == 0
    assert outcome.json["passed"] is True
    assert len(outcome.json["gradients"]) > 50
    rows = package.cli.run_check.check_gradients()
    wrong = [type(rows[0])("a wrong slope", 0.1, False), *rows[1:]]
    monkeypatch.setattr("deltarule.cli.run_check.check_gradients", lambda: wrong)
    monkeypatch.setattr("deltarule.cli.run_check.check_engine", _passing)
    outcome = deltarule("check")
    assert outcome.status == 5
    assert "a wrong slope" in outcome.out
    assert "FAILED" in outcome.out
    outcome = deltarule("check", "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (5, "", "")


class _Passing:
    passed, results = True, ()

    def __str__(self):
        return "engine"


def _passing(engine, raises):
    return _Passing()


def test_help_and_version(deltarule):
    outcome = deltarule("--help")
    assert outcome.status == 0
    for status, what in STATUSES.items():
        assert re.search(rf"^ +{status.value} +{re.escape(what)}$", outcome.out, re.MULTILINE)
    for command in ("fit", "predict", "evaluate", "check"):
        assert re.search(rf"^  {command} ", outcome.out, re.MULTILINE)
        assert deltarule(command, "--help").status == 0
    text = deltarule("fit", "-h").out
    for option in (
        *("target", "task", "test", "valid", "seed", "epochs", "layers", "weights", "ignore"),
        *("na", "kind", "table", "sql", "out", "force", "json", "quiet", "averaging", "dropout"),
        *("l2", "activation", "rule", "schedule", "learning-rate", "batch-size", "patience"),
        *("engine", "clip-norm", "record"),
    ):
        assert re.search(rf"--{option}\b", text), option
    assert deltarule("--version").out == f"deltarule {package.__version__}\n"
    assert deltarule().status == 2


def process(*arguments, **settings):
    command = [sys.executable, "-m", "deltarule", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def test_a_reader_that_has_had_enough_is_no_error(place):
    Path("long.csv").write_text("a,b,k\n" + "1,2,p\n" * 100_000)
    running = process("predict", "numbers.model", "long.csv")
    assert running.stdout.readline() == "prediction\n"
    running.stdout.close()
    assert running.wait(120) == 0
    assert running.stderr.read() == ""
    running.stderr.close()


def rest_of(terminal):
    """All that a process writes to its end of a pseudo-terminal until it closes it."""
    seen = b""
    try:
        while piece := os.read(terminal, 65536):
            seen += piece
    except OSError:
        pass  # the other end is closed
    os.close(terminal)
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_c_saves_the_best_model_so_far(place):
    data = load_diabetes(as_frame=True).frame
    data.to_csv("d.csv", index=False)
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "deltarule", "fit", "d.csv", "--target", "target", "--out", "m"]
        + ["--epochs", "9000000", "--patience", "9000000", "--layers", "8", "--record"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while not re.search(rb"epoch \d+ of at most", seen):
        seen += os.read(ours, 65536)
    running.send_signal(signal.SIGINT)
    seen += rest_of(ours)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "(interrupted)" in out
    assert b"saving the best epoch so far" in seen
    model = TableModel.load("m")
    assert model.report["epochs"] > 0
    assert model.report["stopped"] == "interrupted"
    assert len(model.predict(read_table("d.csv"))) == 442
    # The recording goes to the last step that was taken, and no further.
    last = load_recording("m").end
    assert replay_table("m", last).verified == last
    with pytest.raises(InputError, match=f"to {last}"):
        replay_table("m", last + 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_live_line_on_a_terminal(place):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    common = ("fit", "numbers.csv", "-t", "y", "--layers", "4", "--epochs", "3000", "--force")
    running = subprocess.Popen(
        [sys.executable, "-m", "deltarule", *common, "--patience", "3000"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = rest_of(ours)
    assert running.wait(120) == 0
    assert re.search(rb"epoch \d+ of at most 3000   loss \d\.\d{4}   validation", seen)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("command", ["predict", "evaluate", "explain"])
def test_progress_on_a_terminal_leaves_standard_output_alone(place, deltarule, command):
    arguments = (command, "numbers.model", "numbers.csv")
    expected = deltarule(*arguments).out
    with Path("out.txt").open("w") as file:
        seen = with_a_terminal(arguments, file)
    assert Path("out.txt").read_text() == expected
    assert expected.splitlines()[-1].encode() not in seen
    # Where both are one terminal, the line of progress is gone before the result comes.
    seen = with_a_terminal(arguments, None).replace(b"\r\n", b"\n")
    assert seen.partition(b"\x1b[1A\x1b[2K")[2].startswith(expected.encode())


def with_a_terminal(arguments, file):
    """What a command sends to the terminal of its standard error, and of its output if no file."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "deltarule", *arguments],
        stdout=file or theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(theirs)
    seen = rest_of(ours)
    assert running.wait(120) == 0
    return seen


def test_breast_cancer_beats_the_constant(place, deltarule):
    load_breast_cancer(as_frame=True).frame.to_csv("c.csv", index=False)
    report = deltarule("fit", "c.csv", "-t", "target", "--json", "--epochs", "30").json
    assert report["task"] == "classification"
    assert report["classes"] == ["0", "1"]
    assert report["scores"]["test"]["accuracy"] > 0.93
    assert report["scores"]["test"]["log_loss"] < report["baselines"]["constant"]["log_loss"] / 2
