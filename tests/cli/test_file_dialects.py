"""The options that describe a file, standard input, and names with line breaks, by command."""

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import FAST

ROWS = [(i % 7, i * 0.5, "pq"[i % 2], i % 7 * 2 + i % 3) for i in range(60)]
TEXT = "secret\n" + "".join(f"{a}|{b}|{k}|{y}\n! {a}\n" for a, b, k, y in ROWS)
OPTIONS = ("--skip", "1", "--comment", "!", "--names", "a,b,k,y")


def test_options_of_a_file_hold_for_every_command_and_the_recording(place, deltarule):
    Path("x.txt").write_text(TEXT)
    fit = ("fit", "x.txt", "-t", "y", "--out", "m", "--record", *FAST, "--folds", "0", *OPTIONS)
    outcome = deltarule(*fit, "--json")
    assert outcome.status == 0, outcome.err
    assert [column["name"] for column in outcome.json["columns"]] == ["a", "b", "k"]
    found = deltarule("predict", "m", "x.txt", "--json", *OPTIONS).json
    assert found["rows"] == len(ROWS)
    assert deltarule("evaluate", "m", "x.txt", "--json", *OPTIONS).json["rows"] == len(ROWS)
    assert deltarule("explain", "m", "x.txt", "--row", "3", *OPTIONS).status == 0
    replayed = deltarule("explain", "m", "--step", "1")
    assert replayed.status == 0, replayed.err
    # The rows are those of a plain file.
    with Path("y.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "k", "y"), *ROWS])
    assert deltarule("predict", "m", "y.csv", "--json").json["prediction"] == found["prediction"]


def test_a_file_without_a_header_is_noted(place, deltarule):
    Path("x.data").write_text("".join(f"{a}.5,{b},{y}\n" for a, b, _, y in ROWS))
    outcome = deltarule("fit", "x.data", "-t", "column3", "--out", "m", *FAST, "--folds", "0")
    assert outcome.status == 0
    assert "line 1 holds data and no names of columns" in outcome.out
    assert "name them with --names" in outcome.out


@pytest.mark.parametrize("command", ["fit", "predict", "evaluate"])
def test_standard_input(place, deltarule, monkeypatch, command):
    content = Path("numbers.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    if command == "fit":
        outcome = deltarule("fit", "-", "-t", "y", "--record", "--folds", "0", *FAST)
        assert outcome.status == 0, outcome.err
        assert Path("data.model").is_dir()
        assert "no file of it is known" in deltarule("explain", "data.model", "--step", "1").err
        assert deltarule("explain", "data.model", "numbers.csv", "--step", "1").status == 0
    else:
        outcome = deltarule(command, "numbers.model", "-", "--json")
        assert outcome.json["rows"] == 60


def test_a_nested_column_is_left_out_by_every_command(place, deltarule):
    rows = [{"a": a, "b": b, "bad": [a], "y": y} for a, b, _, y in ROWS]
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fit = ("fit", "x.jsonl", "-t", "y", "--out", "m", "--folds", "0", "--record", *FAST)
    refused = deltarule(*fit)
    assert refused.status == 3
    assert refused.err.count("\n") == 1
    assert "column 'bad' holds a list" in refused.err
    assert "leave it out with --ignore bad" in refused.err
    assert deltarule(*fit, "--ignore", "bad").status == 0
    for command in (("predict",), ("evaluate",), ("explain", "--row", "1")):
        outcome = deltarule(command[0], "m", "x.jsonl", *command[1:])
        assert outcome.status == 0, outcome.err
    assert deltarule("explain", "m", "--step", "1").status == 0


BROKEN = ("a\nZb", "c\x1b[31m\td\u2028Ze", "k\r\nZl", "y\nZz", "gone\nZx", "one\nZw")


def test_line_breaks_in_names_and_cells_break_no_line(place, deltarule):
    with Path("x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BROKEN)
        for i, (a, b, k, y) in enumerate(ROWS):
            cell = "oops\nZhere" if i == 3 else a
            writer.writerow(
                [cell, b, f"{k}\nZ{k}", "u\nZv" if y > 6 else "w\rZx", i, "same\nZhere"]
            )
    fit = ("fit", "x.csv", "-t", "y\nZz", "--ignore", "gone\nZx", "--out", "m", "--folds", "0")
    outcomes = [deltarule(*fit, *FAST)]
    assert outcomes[0].status == 0, outcomes[0].err
    lines = outcomes[0].out.split("\n")
    (header,) = (i for i, line in enumerate(lines) if line.startswith("  column "))
    kinds = lines[header].index("kind")
    for line in lines[header + 1 : header + 5]:
        assert line[kinds:].split()[0] in ("number", "category")
    notes = lines[lines.index("notes") + 1 : lines.index("", lines.index("notes"))]
    assert all(line.startswith("  - ") for line in notes)
    assert any("--na $'a\\nZb=oops\\nZhere'" in line for line in notes)
    outcomes.append(deltarule("evaluate", "m", "x.csv"))
    outcomes.append(deltarule("predict", "m", "x.csv", "--out", "p.csv"))
    for more in ((), ("--row", "4"), ("--row", "4", "--column", "a\nZb")):
        outcomes.append(deltarule("explain", "m", "x.csv", *more))
    outcomes.append(deltarule("evaluate", "m", "numbers.csv"))
    outcomes.append(deltarule("fit", "x.csv", "-t", "none", "--out", "n"))
    for outcome in outcomes:
        assert "\x1b" not in outcome.out + outcome.err
        assert not re.search(r"[\n\r\v\f\x85\u2028]Z", outcome.out + outcome.err)
