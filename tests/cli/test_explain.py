"""Steps that were recorded and models that were trained, explained on the command line."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import SOME

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.explain import explain
from deltarule.maths.subsample import evenly_spaced
from deltarule.tables import apply_schema, read_table
from deltarule.tabular import RecordedTable, TableModel, replay_table
from deltarule.training import load_recording

STEP = 8


@pytest.fixture
def model(place):
    """The recorded model, and its table, read by the library."""
    return RecordedTable.open("kept.model", "kept.csv")


def rows_of(model, step=STEP):
    return model.replay(step).source_rows.tolist()


def test_the_data_of_the_tests_have_a_row_without_a_target():
    assert [line.endswith(",") for line in SOME.splitlines()].index(True) == 5


def test_fit_says_that_it_recorded(place, deltarule):
    outcome = deltarule("fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 2)
    assert outcome.status == 0
    assert "loss.svg, and the recording of its training." in outcome.out
    recording = load_recording("m")
    assert recording.extra["source"]["digest"] == read_digest("kept.csv")
    assert not list(Path("m").glob(".*"))
    again = deltarule(
        "fit", "kept.csv", "--target", "y", "--record", "--out", "n", "--epochs", 2, "--json"
    )
    assert again.json["recorded_steps"] == recording.end
    quiet = deltarule("fit", "kept.csv", "--target", "y", "--out", "o", "--epochs", 2, "--json")
    assert quiet.json["recorded_steps"] is None
    assert not Path("o", "record").exists()
    one, other = (TableModel.load(name).model.theta for name in "no")
    assert np.array_equal(one, other)  # recording changes nothing


def read_digest(name):
    import hashlib

    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def test_a_recording_does_not_outlive_its_model(place, deltarule):
    command = ["fit", "kept.csv", "--target", "y", "--out", "kept.model", "--force", "--epochs", 2]
    assert deltarule(*command, "-q").status == 0
    assert not Path("kept.model", "record").exists()
    assert deltarule("explain", "kept.model", "--step", 1).status == 3
    assert deltarule(*command, "--record", "-q").status == 0
    assert deltarule("explain", "kept.model", "--step", 1).status == 0
    model = TableModel.load("kept.model")
    model.save("kept.model", overwrite=True)  # the very model: its recording stays
    assert Path("kept.model", "record").exists()


@pytest.mark.parametrize("step", [1, STEP, 20])
def test_a_step_is_replayed_and_explained(place, deltarule, step):
    outcome = deltarule("explain", "kept.model", "kept.csv", "--step", step, "--weight", "2,0,3")
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    found = replay_table("kept.model", step, "kept.csv")
    e = explain(found)
    head, _, rest = outcome.out.partition("\n\n")
    assert head.startswith(f"kept.model: step {step} of 20 (epoch {found.epoch}, batch ")
    assert f"{len(found.source_rows)} rows" in head
    assert rest.strip() == f"{e.weight(2, 0, 3).text()}\n\n{e.update_weight(2, 0, 3).text()}"
    # It is the real step: what the update says is what the engine made of the weight.
    block = found.net.block("W2")
    after = block.of(found.after["theta"])[0, 3]
    assert np.isclose(e.update_weight(2, 0, 3).value, after, rtol=1e-5)


def test_the_numbers_of_a_step_are_those_of_the_reference(place, deltarule):
    outcome = deltarule("explain", "kept.model", "kept.csv", "--step", STEP, "--json")
    found = replay_table("kept.model", STEP, "kept.csv")
    given = outcome.json
    assert given["step"] == STEP
    assert given["rows"] == found.source_rows.tolist()
    assert given["verified"] == found.verified
    assert given["cost"] == found.cost
    assert given["derivations"].keys() == {"overview"}
    engine = ReferenceEngine()
    engine.load(found.net, found.before["theta"], EngineSettings())
    cost, gradient = engine.gradient(found.batch)
    assert np.isclose(cost, given["cost"], rtol=1e-5)
    one = deltarule("explain", "kept.model", "kept.csv", "--step", STEP, "--json", "--bias", "1,2")
    derivations = one.json["derivations"]
    assert list(derivations) == ["bias 1,2", "update of bias 1,2"]
    expected = found.net.block("b1").of(gradient)[2]
    assert np.isclose(derivations["bias 1,2"]["value"], expected, rtol=1e-4, atol=1e-7)


def test_without_data_it_reads_them_where_they_were(place, deltarule):
    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 2, "-q"]
    assert deltarule(*fresh).status == 0
    assert deltarule("explain", "m", "--step", 1).status == 0
    outcome = deltarule("explain", "m")
    assert outcome.status == 0
    assert "m: the trained model on 59 rows" in outcome.out
    Path("kept.csv").rename("moved.csv")
    assert deltarule("explain", "m", "--step", 1).status == 3
    assert deltarule("explain", "m", "moved.csv", "--step", 1).status == 0


def test_a_row_of_the_batch(model, deltarule):
    row = rows_of(model)[3]
    outcome = deltarule(
        "explain", "kept.model", "kept.csv", "--step", STEP, "--row", row, "--weight", "1,0,1"
    )
    assert f"; row {row} (line {row + 1}) is one of them" in outcome.out
    found = model.replay(STEP)
    e = explain(found)
    assert e.weight(1, 0, 1, sample=3).text() in outcome.out
    assert e.update_weight(1, 0, 1).text() in outcome.out
    assert e.subject.names.rows[3] == str(row)


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_row_that_is_not_in_the_batch_is_explained_alone(model, deltarule, part):
    rows = (model.parts[part].rows + 1).tolist()
    row = next(each for each in rows if each not in rows_of(model))
    command = ["explain", "kept.model", "kept.csv", "--step", STEP, "--row", row]
    outcome = deltarule(*command, "--weight", "2,0,0", "--input", "a", "--column", "k")
    assert outcome.status == 0, outcome.err
    words = {"train": "a training row, whose turn in epoch", "valid": "a validation row"}
    assert f"row {row} (line {row + 1}) is not in the batch of step {STEP}" in outcome.err
    assert words.get(part, "a test row") in outcome.err
    assert "update" not in outcome.out
    # It is that row, at the parameters before the step.
    theta = model.replay(STEP).before["theta"]
    typed = model.parts[part].take(np.flatnonzero(model.parts[part].rows == row - 1))
    e = explain(model.model_at(theta), typed)
    assert e.weight(2, 0, 0, sample=0).text() in outcome.out
    assert e.input(0, 0).text() in outcome.out
    given = deltarule(*command, "--json").json
    assert (given["part"], given["in_batch"], given["row"]) == (part, False, row)
    assert given["derivations"]["cost"]["value"] == e.cost(0).value
    if part == "train":
        turn = model.step_of(row, given["epoch"])
        assert row in rows_of(model, turn)
        assert f"is step {turn}." in outcome.err


def test_rows_are_counted_from_one_as_everywhere(model, deltarule):
    outcome = deltarule(
        "explain", "kept.model", "kept.csv", "--row", 1, "--column", "a", "--depth", 3
    )
    first = SOME.splitlines()[1].split(",")
    assert "the trained model, row 1 (line 2) of 59" in outcome.out
    typed = model.parts
    assert sum(map(len, typed.values())) == 59
    assert float(first[0]) == 0.0
    table = read_table("kept.csv")
    e = explain(model.model, table)
    assert e.subject.columns[0].cells[0] in (0.0, "0", "0.0")
    assert e.column("a", 0).text(depth=3) in outcome.out


def test_the_trained_model_on_any_table(place, deltarule):
    Path("new.csv").write_text("a,b,k,y\n1,2,p,3\n2,1,q,5\n,,,1\n")
    outcome = deltarule("explain", "numbers.model", "new.csv", "--weight", "2,0,1", "--json")
    model = TableModel.load("numbers.model")
    e = explain(model, read_table("new.csv"))
    given = outcome.json
    assert given["step"] is None
    assert given["rows"] == 3
    assert given["derivations"]["weight 2,0,1"]["value"] == e.weight(2, 0, 1).value
    third = deltarule("explain", "numbers.model", "new.csv", "--row", 3, "--activation", "1,0")
    assert e.activation(1, 0, 2).text() in third.out


def test_classes(place, deltarule):
    outcome = deltarule("explain", "classes.model", "classes.csv", "--row", 2)
    assert outcome.status == 0
    assert "y is predicted as " in outcome.out


def test_depth_terms_and_digits_are_handed_on(model, deltarule):
    command = ["explain", "kept.model", "kept.csv", "--step", STEP, "--weight", "1,0,0"]
    outcome = deltarule(*command, "--depth", 1, "--terms", 2, "--digits", 3)
    e = explain(model.replay(STEP))
    assert e.weight(1, 0, 0).text(depth=1, terms=2, digits=3) in outcome.out
    assert "further terms" in outcome.out


def test_very_many_rows_are_cut_with_a_word_about_it(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.cli.run_explain._MOST_NUMBERS", 100)
    command = ["explain", "numbers.model", "numbers.csv", "--weight", "2,0,0"]
    outcome = deltarule(*command)
    model = TableModel.load("numbers.model")
    most = 100 // sum(model.model.net.widths)
    assert f"of 60 rows {most}, evenly spaced, are explained" in outcome.err
    assert 2 < most < 60
    assert f"on {most} of 60 rows" in outcome.out
    typed = apply_schema(model.schema, read_table("numbers.csv"))
    e = explain(model, typed.take(evenly_spaced(60, most)))
    assert e.weight(2, 0, 0).text(more="more: --depth {}") in outcome.out
    # A row that is asked for is one of them.
    row = deltarule(*command, "--row", 60, "--json").json
    alone = explain(model, read_table("numbers.csv").take([59]))
    expected = alone.weight(2, 0, 0, sample=0).value
    assert np.isclose(row["derivations"]["weight 2,0,0"]["value"], expected, rtol=1e-12)
    assert "evenly spaced, the row asked for among them, are explained" in row["notes"][-1]


def test_latex_of_one_and_of_several(model, deltarule):
    command = ["explain", "kept.model", "kept.csv", "--step", STEP]
    assert deltarule(*command, "--weight", "1,0,0", "--latex", "deep/one.tex", "-q").out == ""
    e = explain(model.replay(STEP))
    own = e.weight(1, 0, 0).latex(standalone=False)
    text = Path("deep/one.tex").read_text()
    assert own in text
    assert text.count(r"\begin{document}") == text.count(r"\end{document}") == 1
    outcome = deltarule(*command, "--bias", "1,0", "--latex", "one.tex")
    assert outcome.out.endswith("\nWrote one.tex.\n")
    assert deltarule(*command, "--latex", "one.tex").status == 3  # it is there
    assert deltarule(*command, "--latex", "one.tex", "--force", "-q").status == 0
    assert e.latex() == Path("one.tex").read_text()


def test_a_page(model, deltarule):
    pytest.importorskip("deltarule.explain.page")
    command = ["explain", "kept.model", "kept.csv", "--step", STEP, "--html", "page.html"]
    outcome = deltarule(*command, "--row", rows_of(model)[2], "--weight", "2,0,1")
    assert outcome.status == 0, outcome.err
    assert outcome.out.endswith("\nWrote page.html.\n")
    text = Path("page.html").read_text()
    start = text.index('<script type="application/json" id="payload">')
    payload = json.loads(text[text.index(">", start) + 1 : text.index("</script>", start)])
    steps = [state["step"] for state in payload["states"]]
    assert set(model.recording.steps) <= set(steps)
    assert len(payload["history"]) == 4
    assert payload["start"]["sample"] == 2
    assert payload["start"]["selected"] == {"kind": "edge", "layer": 2, "j": 0, "k": 1}
    own = payload["states"][payload["start"]["state"]]
    assert own["step"] in (None, STEP - 1)
    assert deltarule(*command).status == 3
    assert deltarule(*command, "--force", "-q").status == 0


def payload_in(name):
    text = Path(name).read_text()
    start = text.index('<script type="application/json" id="payload">')
    return json.loads(text[text.index(">", start) + 1 : text.index("</script>", start)])


def theta_of(state):
    packed = state["theta"]
    raw = base64.b64decode(packed["base64"])
    return np.frombuffer(raw, {"f4": "<f4", "f8": "<f8"}[packed["dtype"]]).astype(float)


def test_an_image_needs_a_page_and_as_many_pixels_as_inputs(place, deltarule):
    refused = deltarule("explain", "kept.model", "--image", "8x8")
    assert "--image was given without --html" in refused.err
    command = ["explain", "kept.model", "kept.csv", "--html", "image.html", "--image"]
    refused = deltarule(*command, "8x8")
    assert "--image is 8 x 8, which are 64 pixels; expected as many" in refused.err
    assert "expected rows and columns of pixels, such as 28x28" in deltarule(*command, "8").err
    assert not Path("image.html").exists()


def test_columns_that_may_be_pixels_are_said_so_and_no_page_is_advised_beside_one(place, deltarule):
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 17, (40, 64))
    rows[0] = 16
    for name, columns in (
        ("plain", [f"c{i}" for i in range(64)]),
        ("named", [f"pixel_{i // 8}_{i % 8}" for i in range(64)]),
    ):
        lines = [",".join([*columns, "y"])]
        lines += [",".join(map(str, [*row, i % 2])) for i, row in enumerate(rows)]
        Path(f"{name}.csv").write_text("\n".join(lines) + "\n")
        fit = ["fit", f"{name}.csv", "--target", "y", "--out", f"{name}.model", "--epochs", 2]
        assert deltarule(*fit, "--layers", "3", "-q").status == 0
    explain_row = ["explain", "plain.model", "plain.csv", "--row", 2]
    assert "--html page.html" in deltarule(*explain_row).out
    with_page = deltarule(*explain_row, "--html", "plain.html")
    assert "--html page.html" not in with_page.out
    assert "--image 8x8" in with_page.out + with_page.err
    assert payload_in("plain.html")["image"] is None
    told = deltarule(*explain_row, "--html", "plain.html", "--force", "--image", "8x8")
    assert "--image 8x8" not in told.out + told.err
    assert payload_in("plain.html")["image"]["shape"] == [8, 8]
    named = deltarule("explain", "named.model", "named.csv", "--row", 2, "--html", "named.html")
    assert "--image 8x8" not in named.out + named.err


def test_a_short_training_has_about_fifty_states_on_the_page(place, deltarule):
    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 40, "-q"]
    assert deltarule(*fresh, "--batch-size", 5, "--layers", "4").status == 0
    recording = load_recording("m")
    assert deltarule("explain", "m", "--step", 117, "--html", "step.html", "-q").status == 0
    payload = payload_in("step.html")
    states = payload["states"]
    steps = [state["step"] for state in states]
    assert 50 <= len(steps) <= 52
    assert (steps[0], steps[-1]) == (0, recording.end)
    assert max(np.diff(steps)) <= 1.1 * recording.end / 49 + 1
    own = states[payload["start"]["state"]]
    assert (own["step"], own["label"]) == (116, "before step 117")
    assert payload["title"].startswith("step 117 of ")
    for state in states[1:-1:16]:
        before = replay_table("m", state["step"] + 1).before["theta"]
        assert np.array_equal(theta_of(state), np.asarray(before, dtype=float))
        assert state["label"] == f"before step {state['step'] + 1}"


def test_the_trained_model_stands_at_its_own_step(place, deltarule):
    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 30, "-q"]
    assert deltarule(*fresh, "--layers", "4").status == 0
    recording = load_recording("m")
    assert deltarule("explain", "m", "--html", "model.html", "-q").status == 0
    payload = payload_in("model.html")
    own = payload["states"][payload["start"]["state"]]
    theta = TableModel.load("m").model.theta
    assert np.array_equal(theta_of(own), theta)
    records = recording.history.logs
    validated = any(record.validation_loss is not None for record in records)
    best = min(records, key=lambda record: record.monitored).steps if validated else recording.end
    assert own["step"] == best
    assert own["label"] == f"after step {best}, the trained model"
    assert f", after step {best} of its training" in payload["title"]
    assert payload["states"][-1]["step"] == recording.end
    steps = [state["step"] for state in payload["states"]]
    assert steps == sorted(steps)
    # On other data than those it was trained on, the moments that were kept are shown.
    lines = Path("kept.csv").read_text().splitlines()
    Path("other.csv").write_text("\n".join(lines[:-3]) + "\n")
    assert deltarule("explain", "m", "other.csv", "--html", "other.html", "-q").status == 0
    assert payload_in("other.html")["states"][0]["step"] == 0


def test_a_long_training_shows_its_checkpoints_and_its_end(place, deltarule, monkeypatch):
    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 30, "-q"]
    assert deltarule(*fresh, "--layers", "4", "--valid", 0).status == 0
    monkeypatch.setattr("deltarule.cli.page_states._LONGEST_REPLAY", -1.0)
    recording = load_recording("m")
    assert deltarule("explain", "m", "--step", 3, "--html", "step.html", "-q").status == 0
    steps = [state["step"] for state in payload_in("step.html")["states"]]
    assert set(steps) == {*recording.steps, 2, recording.end}
    assert deltarule("explain", "m", "--html", "model.html", "-q").status == 0
    payload = payload_in("model.html")
    own = payload["states"][payload["start"]["state"]]
    assert own["label"] == f"after step {recording.end}, the trained model"
    assert len({state["step"] for state in payload["states"]}) == len(payload["states"])


def test_a_recording_of_another_model_is_refused(place, deltarule):
    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 2, "-q"]
    assert deltarule(*fresh).status == 0
    shutil.rmtree("m/record")
    shutil.copytree("kept.model/record", "m/record")
    outcome = deltarule("explain", "m", "kept.csv", "--step", 1)
    assert outcome.status == 3
    assert "the recording is of another training than the model" in outcome.err


def test_a_replay_that_does_not_come_out_is_a_failed_check(place, deltarule, monkeypatch):
    from deltarule.engines.reference import ReferenceEngine

    fresh = ["fit", "kept.csv", "--target", "y", "--record", "--out", "m", "--epochs", 2, "-q"]
    assert deltarule(*fresh, "--engine", "reference").status == 0
    right = ReferenceEngine.gradient

    def wrong(self, batch):
        cost, grad = right(self, batch)
        return cost, grad * (1 + 1e-5)

    monkeypatch.setattr(ReferenceEngine, "gradient", wrong)
    outcome = deltarule("explain", "m", "--step", 1)
    assert outcome.status == 5
    assert "gives θ another digest" in outcome.err


def test_it_says_that_bits_may_differ_on_another_processor(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.engines.environment.processor", lambda: "Another 9000")
    outcome = deltarule("explain", "kept.model", "kept.csv", "--step", 2)
    assert outcome.status == 0
    assert "and is 'Another 9000': bits may differ, but those of θ came out" in outcome.err
