"""``deltarule export --onnx``."""

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tests.cli.conftest import contents

from deltarule.export import onnx_export
from deltarule.tabular import TableModel
from deltarule.training.inspection import model_fingerprint


@pytest.mark.parametrize("model", ["numbers", "many", "classes"])
def test_a_model_is_written_and_compared_and_predicts_the_same(model, place, deltarule):
    data = "classes.csv" if model == "classes" else "numbers.csv"
    outcome = deltarule("export", f"{model}.model", data, "--onnx", "m.onnx")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("Wrote m.onnx: ")
    unit = r" percentage points" if model == "classes" else r", in the unit of 'y'"
    what = "probabilities" if model == "classes" else "predictions"
    labels = "; 0 of 160 labels differ" if model == "classes" else ""
    said = re.search(
        rf"Compared with the model on 160 rows: {what} differ by at most (\S+?)"
        rf"{unit}, which is (\S+) % of the (\S+) tolerated there as rounding of float32(?:, the "
        rf"largest share of all|; each row has a tolerance of its own, and the largest share of "
        rf"one, of another row, is (\S+) %){labels}\.\n",
        outcome.out,
    )
    parts = "42 on which it was trained, 6 of its validation rows and"
    parts = "48 on which it was trained and" if model == "many" else parts
    difference, own, tolerance, largest = map(float, said.groups(default="nan"))
    assert 0 < difference < tolerance < 1e-1
    assert 100 * difference / tolerance == pytest.approx(own, rel=0.06)
    assert not largest < own
    assert (
        f"The rows: all 60 rows of {data} (sha256 of its cells "
        f"{TableModel.load(f'{model}.model').report['fingerprint'][:16]}…), which is the table of "
        f"the training: {parts} 12 of its test rows, and 100 with missing, "
    ) in outcome.out
    sha256 = hashlib.sha256(Path("m.onnx").read_bytes()).hexdigest()
    assert f"\nsha256 of m.onnx: {sha256}.\n" in outcome.out
    fingerprint = model_fingerprint(f"{model}.model")
    assert f"\nMade of the model with the fingerprint: sha256 {fingerprint}.\n" in outcome.out
    rows = {"a": np.array([3.0, np.nan]), "b": np.array([1.5, 1e9]), "k": np.array(["q", ""])}
    if model == "classes":
        del rows["k"]
    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    feed = {name: cells.astype(object) if name == "k" else cells for name, cells in rows.items()}
    found = session.run(None, feed)[0]
    wanted = TableModel.load(f"{model}.model").predict(rows)
    if model == "classes":
        assert found.tolist() == wanted.tolist()
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_without_rows_and_as_json_and_both_forms_at_once(place, deltarule):
    outcome = deltarule("export", "numbers.model", "--onnx", "m.onnx", "--c", "c", "--json")
    assert outcome.status == 0, outcome.err
    facts = outcome.json
    assert facts["onnx_inputs"] == ["a", "b", "k"]
    assert (facts["onnx_outputs"], facts["onnx_rows"]) == (["prediction"], 300)
    assert 0 < facts["onnx_share_of_tolerance"] < 1
    assert facts["onnx_differing_labels"] is None
    assert facts["c"] == "c"
    assert 0 < facts["largest_difference"] < 1e-3
    assert 0 < facts["share_of_tolerance"] < 1
    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    about = json.loads(metadata["deltarule.model"])
    assert about["fingerprint"] == model_fingerprint("numbers.model")
    assert about["trained_on"]["rows"] == 60
    assert json.loads(metadata["deltarule.comparison"]) == {
        "rows": 300,
        "given_rows": 0,
        "made_rows": 300,
        "left_out_rows": 0,
        "data_given": False,
        "data": None,
        "drawn": "schema",
        "quantity": "predictions",
        "unit": "y",
        "precision": "float32",
        "tolerance": facts["onnx_tolerance"],
        "largest_difference": facts["onnx_largest_difference"],
        "share_of_tolerance": facts["onnx_share_of_tolerance"],
        "differing_labels": None,
    }


def test_inspect_reads_what_a_graph_says_of_its_model(place, deltarule):
    assert deltarule("export", "numbers.model", "numbers.csv", "--onnx", "m.onnx").status == 0
    facts = deltarule("inspect", "m.onnx", "--json").json
    assert facts["form"] == "ONNX graph"
    assert facts["model"]["fingerprint"] == model_fingerprint("numbers.model")
    found = facts["comparison"]
    assert (found["rows"], found["given_rows"], found["made_rows"]) == (160, 60, 100)
    assert found["data"]["sha256"] == facts["model"]["trained_on"]["sha256"]
    shown = deltarule("inspect", "m.onnx", "--strict")
    assert shown.status == 0
    digest = hashlib.sha256(Path("m.onnx").read_bytes()).hexdigest()
    assert shown.out.startswith(
        "m.onnx: a deltarule ONNX graph\nunchanged since it was exported and tested: m.onnx\n"
        f"sha256 of m.onnx: {digest}\nmade of the model with the fingerprint: sha256 "
    )
    assert "\nthe rows: all 60 rows of numbers.csv (sha256 of its cells " in shown.out
    again = deltarule("export", "numbers.model", "numbers.csv", "--onnx", "m.onnx", "--force")
    for line in again.out.splitlines()[2:]:  # the same sentences, but for their first letter
        assert f"\n{line[:1].lower()}{line[1:-1]}\n" in shown.out
    Path("broken.onnx").write_bytes(Path("m.onnx").read_bytes()[:1000])
    broken = deltarule("inspect", "broken.onnx")
    assert broken.status == 3
    assert "is not a valid ONNX graph" in broken.err
    onnx.save(onnx.ModelProto(), "bare.onnx")
    bare = deltarule("inspect", "bare.onnx")
    assert bare.status == 3
    assert "does not say which model it was made of" in bare.err


def test_inspect_notices_that_a_weight_was_changed_and_sees_through_writing_it_again(
    place, deltarule
):
    assert deltarule("export", "classes.model", "classes.csv", "--onnx", "m.onnx").status == 0
    # The same content, with its metadata in another order.
    graph = onnx.load("m.onnx")
    entries = [(each.key, each.value) for each in graph.metadata_props]
    del graph.metadata_props[:]
    for key, value in reversed(entries):
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, "again.onnx")
    assert Path("again.onnx").read_bytes() != Path("m.onnx").read_bytes()
    again = deltarule("inspect", "again.onnx", "--strict")
    assert (again.status, "warning" in again.out) == (0, False)
    sha256 = hashlib.sha256(Path("again.onnx").read_bytes()).hexdigest()
    assert f"\nsha256 of again.onnx: {sha256}\n" in again.out
    # One bit of one weight.
    weights = max(graph.graph.initializer, key=lambda each: len(each.raw_data))
    data = bytearray(weights.raw_data)
    data[0] ^= 1
    weights.raw_data = bytes(data)
    onnx.save(graph, "bit.onnx")
    said = "warning: bit.onnx is changed: it is not what was exported and tested\n"
    assert said in deltarule("inspect", "bit.onnx").out
    assert "unchanged" not in deltarule("inspect", "bit.onnx").out
    assert deltarule("inspect", "bit.onnx", "--strict").status == 5
    assert deltarule("inspect", "bit.onnx", "--json").json["state"] == {"bit.onnx": "changed"}
    # What it says of its comparison.
    graph = onnx.load("m.onnx")
    found = next(each for each in graph.metadata_props if each.key == "deltarule.comparison")
    found.value = found.value.replace('"differing_labels": 0', '"differing_labels": 1')
    onnx.save(graph, "claim.onnx")
    assert deltarule("inspect", "claim.onnx", "--strict").status == 5
    # Without the digest nothing is known.
    kept = [each for each in entries if each[0] != "deltarule.sha256"]
    del graph.metadata_props[:]
    for key, value in kept:
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, "without.onnx")
    without = deltarule("inspect", "without.onnx", "--strict")
    assert (without.status, "is not known: it has no checksum" in without.out) == (5, True)


def test_an_export_repeats_how_far_a_distilled_network_is_from_its_portfolio(place, deltarule):
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one", "-q").status == 0
    distance = deltarule("inspect", "one", "--json").json["distilled"]
    said = deltarule("export", "one", "--onnx", "one.onnx").out
    assert distance["part"] == "test"
    assert (
        f"\nDistilled: predictions of {distance['rows']} test rows, which neither was trained on, "
        "differ from those of its portfolio by at most "
    ) in said
    found = deltarule("export", "one", "--onnx", "one.onnx", "--force", "--json").json
    assert found["distilled"] == distance
    assert "\ndistilled: predictions of " in deltarule("inspect", "one.onnx").out


def test_labels_that_differ_are_counted(place, deltarule, monkeypatch):
    facts = deltarule("export", "classes.model", "classes.csv", "--onnx", "m.onnx", "--json").json
    assert facts["onnx_differing_labels"] == 0
    # Where rounding may make either label the more probable one, another is allowed and counted.
    monkeypatch.setattr(
        "deltarule.export.onnx_export._are_possible", lambda got, wanted: got == got
    )
    run = onnx_export._run

    def other_first_label(*arguments):
        found = run(*arguments)
        labels = next(each for each in found if each.dtype.kind == "O")
        labels[0] = next(label for label in ("yes", "no") if label != labels[0])
        return found

    monkeypatch.setattr("deltarule.export.onnx_export._run", other_first_label)
    outcome = deltarule("export", "classes.model", "classes.csv", "--onnx", "n.onnx")
    decided = r"; 1 of [0-9]+ labels differ, where rounding decides between two classes\.\n"
    assert re.search(decided, outcome.out)


def test_a_member_of_a_portfolio(place, deltarule):
    name = TableModel.load("many.model").members()[0].configuration.name
    outcome = deltarule("export", "many.model", "--onnx", "m.onnx", "--member", name)
    said = (
        f"networks, the first of {name!r}; compared with this network, and not with the portfolio"
    )
    assert said in outcome.out
    assert said in deltarule("inspect", "m.onnx").out
    assert outcome.status == 0, outcome.err
    whole = deltarule("export", "many.model", "--onnx", "whole.onnx")
    sizes = [(place / each).stat().st_size for each in ("m.onnx", "whole.onnx")]
    assert whole.status == 0
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["numbers.model"], 2, "expected --c DIR or --onnx FILE"),
        (["numbers.model", "--onnx", "m.txt"], 2, "a name that ends in .onnx"),
        (["numbers.model", "--onnx", "numbers.csv"], 2, "a name that ends in .onnx"),
        (["numbers.model", "--onnx", "there.onnx"], 3, "exists already"),
        (["numbers.model", "--onnx", "m.onnx", "--encoded"], 2, "--encoded was given without --c"),
        (["numbers.model", "--onnx", "m.onnx", "--name", "n"], 2, "--name was given without --c"),
        (["numbers.model", "--onnx", "m.onnx", "--member", "x"], 2, "--member was given for a"),
        (["many.model", "--onnx", "m.onnx", "--member", "x"], 2, "--member is 'x'; expected one"),
        (["no.model", "--onnx", "m.onnx"], 3, "no.model"),
        (["classes.model", "numbers.csv", "--onnx", "m.onnx"], 0, ""),
        (["numbers.model", "classes.csv", "--onnx", "m.onnx"], 3, "lacks 1 of the columns"),
    ],
)
def test_what_is_refused_leaves_nothing(arguments, status, words, place, deltarule):
    (place / "there.onnx").write_text("mine")
    before = contents(place)
    outcome = deltarule("export", *arguments)
    assert (outcome.status, outcome.err.count("error:")) == (status, int(status > 0))
    assert words in outcome.err
    if status:
        assert contents(place) == before


def test_without_the_library_nothing_is_trained_read_or_written(place, deltarule, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    before = contents(place)
    outcome = deltarule("export", "numbers.model", "--onnx", "m.onnx")
    assert outcome.status != 0
    assert "install deltarule[onnx]" in outcome.err
    assert contents(place) == before
