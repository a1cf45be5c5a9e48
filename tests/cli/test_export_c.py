"""``deltarule export --c``: the program of a model, and what is refused before it is written."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import contents

from deltarule import Model, Network, save_model
from deltarule.tables import read_table
from deltarule.tabular import TableModel
from deltarule.training.inspection import model_fingerprint

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="not run, because there is no C compiler"
)


def test_a_model_of_a_table_becomes_a_tested_program(place, deltarule):
    outcome = deltarule("export", "numbers.model", "numbers.csv", "--c", "c")
    assert outcome.status == 0, outcome.err
    assert (
        "Wrote numbers.json, numbers.h, numbers.c, numbers_test.c to c, and manifest.json, which "
        "has their checksums.\n"
    ) in outcome.out
    error, own, tolerance, largest = map(float, re.search(
        r"Compared with the model on \d+ rows: predictions differ by at most (\S+), "
        r"in the unit of 'y', which is (\S+) % of the (\S+) tolerated there as rounding of float32"
        r"(?:, the largest share of all|; each row has a tolerance of its own, and the largest "
        r"share of one, of another row, is (\S+) %)\.\n",
        outcome.out,
    ).groups(default="nan"))  # fmt: skip
    assert 0 < error < tolerance < 1e-1
    assert 100 * error / tolerance == pytest.approx(own, rel=0.06)
    assert not largest < own
    test = "cc -std=c99 -O2 numbers.c numbers_test.c -lm -o numbers_test && ./numbers_test"
    assert f"  cd c && {test}\n" in outcome.out
    manifest = hashlib.sha256(Path("c/manifest.json").read_bytes()).hexdigest()
    assert f"\nsha256 of manifest.json: {manifest}.\n" in outcome.out
    assert " of flash, 0 of static RAM, at most " in outcome.out
    columns = json.loads(Path("c/numbers.json").read_text())["columns"]
    assert {each["name"]: each["kind"] for each in columns}["k"] == "category"
    about = json.loads(Path("c/numbers.json").read_text())
    assert about["model"]["fingerprint"] == model_fingerprint("numbers.model")
    assert about["model"]["trained_on"]["source"] == "numbers.csv"
    assert about["comparison"]["rows"] > 0
    assert 0 < about["comparison"]["share_of_tolerance"] < 1
    given = TableModel.load("numbers.model").report["fingerprint"]
    rows = {name: about["comparison"][name] for name in ("rows", "given_rows", "made_rows")}
    assert rows["given_rows"] == 50
    assert rows["rows"] == 50 + rows["made_rows"]
    table = about["comparison"]["data"]
    known = {name: table[name] for name in ("source", "rows", "sha256", "with_target")}
    assert known == {"source": "numbers.csv", "rows": 60, "sha256": given, "with_target": True}
    numbers = table["row_numbers"]
    assert (len(numbers), numbers[0], numbers[-1], sorted(set(numbers))) == (50, 1, 60, numbers)
    model = TableModel.load("numbers.model")
    held_out = model.scored_rows(read_table("numbers.csv")).typed.rows + 1
    n_test = len(set(numbers) & set(held_out.tolist()))
    assert 0 < n_test < 12
    valid = table["parts"]["valid"]
    assert table["parts"] == {"train": 50 - n_test - valid, "valid": valid, "test": n_test}
    said = (
        f"50 of the 60 rows of numbers.csv (sha256 of its cells {given[:16]}…), evenly spaced from "
        f"row 1 to row 60, which is the table of the training: {50 - n_test - valid} on which it "
        f"was trained, {valid} of its validation rows and {n_test} of its test rows, "
        f"and {rows['made_rows']} with missing, unknown or extreme cells"
    )
    assert f"\nThe rows: {said}.\n" in outcome.out
    before = contents("c")
    shown = deltarule("inspect", "c")
    assert f"fingerprint: sha256 {model_fingerprint('numbers.model')}\n" in shown.out
    assert f"compared with the model on {rows['rows']} rows: predictions differ by" in shown.out
    assert f"\nthe rows: {said}\n" in shown.out
    files = ["numbers.json", "numbers.h", "numbers.c", "numbers_test.c"]
    assert f"\nunchanged since it was exported and tested: {', '.join(files)}\n" in shown.out
    for name in (*files, "manifest.json"):
        digest = hashlib.sha256(Path("c", name).read_bytes()).hexdigest()
        assert f"\nsha256 of {name}: {digest}\n" in shown.out
    facts = deltarule("inspect", "c", "--json").json
    assert (facts["form"], facts["model"]) == ("C program", about["model"])
    assert facts["comparison"] == about["comparison"]
    source = Path("c/numbers.c").read_bytes()
    Path("c/numbers.c").write_bytes(source + b"/**/")
    assert "warning: numbers.c is changed: it is not what was exp" in deltarule("inspect", "c").out
    strict = deltarule("inspect", "c", "--strict")
    assert strict.status == 5
    digest = hashlib.sha256(source + b"/**/").hexdigest()
    assert f"\nsha256 of numbers.c: {digest}\n" in strict.out
    assert "tested: numbers.json, numbers.h, numbers_test.c\n" in strict.out
    Path("c/numbers.c").unlink()
    assert "warning: numbers.c is missing: it is not what" in deltarule("inspect", "c").out
    Path("c/numbers.c").write_bytes(source)
    Path("c/numbers.json").write_text(Path("c/numbers.json").read_text().replace("60", "61"))
    edited = deltarule("inspect", "c")
    assert edited.status == 3
    assert "cut short; restore it or export the model again" in edited.err
    Path("c/numbers.json").write_text(json.dumps(about, indent=2) + "\n")
    again = deltarule("export", "numbers.model", "--c", "c")
    assert again.status == 3
    assert "--force" in again.err
    assert contents("c") == before
    found = deltarule("export", "numbers.model", "--c", "c", "--name", "two", "--force", "--json")
    assert (found.json["name"], found.json["c"]) == ("two", "c")
    assert (found.json["given_rows"], found.json["made_rows"]) == (0, found.json["rows"])
    assert "\nthe rows: all made at random, " in deltarule("inspect", "c").out
    assert any("random" in note for note in found.json["notes"])
    assert Path("c/two.c").is_file()
    assert not Path("c/numbers.c").exists()


def test_labels_that_differ_are_counted_in_the_words_of_onnx(place, deltarule):
    command = ("export", "classes.model", "classes.csv", "--c", "c", "--force")
    said = deltarule(*command)
    assert said.status == 0, said.err
    rows = re.search(r"Compared with the model on (\d+) rows: .*probabilities", said.out)[1]
    assert f"; 0 of {rows} labels differ.\n" in said.out
    facts = deltarule(*command, "--json").json
    assert facts["differing_labels"] == 0
    about = json.loads(Path("c/classes.json").read_text())
    assert about["comparison"]["differing_labels"] == 0
    numbers = deltarule("export", "numbers.model", "--c", "c", "--force", "--json")
    assert numbers.json["differing_labels"] is None


def test_a_portfolio_names_what_comes_first_and_one_of_its_members_is_exported(place, deltarule):
    outcome = deltarule("export", "many.model", "--c", "c")
    assert outcome.status == 2
    assert "is a portfolio of" in outcome.err
    assert "'deltarule distill'" in outcome.err
    assert "--member" in outcome.err
    wrong = deltarule("export", "many.model", "--c", "c", "--member", "none")
    name = wrong.err.split("expected one of '")[1].split("'")[0]
    found = deltarule("export", "many.model", "numbers.csv", "--c", "c", "--member", name, "--json")
    assert found.json["tested"].endswith("; 0 wrong")
    assert found.json["member"]["name"] == name
    shown = deltarule("inspect", "c").out
    assert f"the first of '{name}'; compared with this network" in shown
    assert "\ncompared with that one network (not with its portfolio) on " in shown
    assert f"the largest error is {found.json['largest_difference']:.3g}," in found.json["tested"]


def test_a_table_without_a_target_and_a_machine_without_a_compiler(place, deltarule, monkeypatch):
    rows = [line.rpartition(",")[0] for line in Path("numbers.csv").read_text().splitlines()]
    Path("rows.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setenv("CC", "none")
    outcome = deltarule("export", "numbers.model", "rows.csv", "--c", "c")
    assert outcome.status == 0, outcome.err
    table = json.loads(Path("c/numbers.json").read_text())["comparison"]["data"]
    assert (table["with_target"], table["parts"], table["rows"]) == (False, None, 60)
    said = f"rows of rows.csv (sha256 of its cells without the target {table['sha256'][:16]}…), eve"
    assert said in outcome.out
    shown = deltarule("inspect", "c").out
    assert said in shown
    assert "\nunchanged since it was exported: numbers.json, " in shown
    assert "\nnot compared with the model, for want of a compiler; there are " in shown


def test_a_network_without_a_table(place, deltarule):
    net = Network([2, 3, 1], activation="tanh")
    save_model("plain", Model(net, net.initial(0)))
    assert deltarule("export", "plain", "--c", "c").status == 0
    assert "void plain_predict(const float x[PLAIN_N_INPUTS]" in Path("c/plain.h").read_text()
    shown = deltarule("inspect", "c").out
    assert re.search(
        r"compared with the model on 100 rows: outputs differ by at most \S+, w", shown
    )
    assert "\nthe rows: all made at random, from a normal distribution, since none were" in shown
    assert "trained on" not in shown
    outcome = deltarule("export", "plain", "numbers.csv", "--c", "other")
    assert outcome.status == 2
    assert "DATA was given for a network without a table" in outcome.err


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ([], 2, "expected --c DIR"),
        (["--c", "numbers.csv"], 3, "exists already"),
        (["--c", "c", "--name", "a b"], 2, "--name is 'a b'"),
        (["--c", "c", "--member", "m"], 2, "--member was given"),
        (["--c", "c", "no.csv"], 3, "no.csv"),
    ],
)
def test_what_is_refused_before_anything_is_written(options, status, words, place, deltarule):
    before = contents(".")
    outcome = deltarule("export", "numbers.model", *options)
    assert (outcome.status, words in outcome.err) == (status, True), outcome.err
    assert contents(".") == before
