"""The downloads: the script, run as a process; the model; the explain page."""

import io
import json
import re
import runpy
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from deltarule import StopFlag, load_model
from deltarule.errors import Diverged, InputError, UnknownName
from deltarule.playground import ReadTable, RunSettings, with_derived
from deltarule.playground.export import export_file
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_subject import run_payload, subject_of_run
from deltarule.playground.script import run_script
from deltarule.tables import infer_schema, read_table
from deltarule.tabular import TableModel


def problem(source=None, **given):
    return make_run_state(RunSettings(**given), source, StopFlag())


def take(problem, steps):
    left = steps
    while left:
        left -= problem.run.advance(left)
    return problem


def digests(printed):
    """The two digests that a script prints: of its own θ, and of the playground's."""
    found = re.findall(r": ([0-9a-f]{64})$", printed, re.MULTILINE)
    assert len(found) == 2
    return found


@pytest.fixture
def made_again(monkeypatch, capsys):
    """Runs a script in a folder, as a program of its own; gives its digests.

    In this process, where the library is loaded: another one takes most of its time to load it.
    """

    def run(script, folder):
        path = folder / "run.py"
        path.write_text(script, encoding="utf-8")
        monkeypatch.chdir(folder)
        capsys.readouterr()
        runpy.run_path(path.name, run_name="__main__")
        return digests(capsys.readouterr().out)

    return run


def test_the_script_of_complete_epochs_calls_train_and_gives_the_same_bits(made_again, tmp_path):
    run = take(problem(data="moons", rows=100, rule="adam", l2=0.1, seed=3), 5 * 3)
    script = run_script(run.snapshot())
    assert "train(" in script
    ours, its = made_again(script, tmp_path)
    assert ours == its
    done = subprocess.run(
        [sys.executable, "-W", "error", "run.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert digests(done.stdout) == [ours, its]


def test_the_script_repeats_steps_within_an_epoch_at_several_rates(made_again, tmp_path):
    run = take(problem(data="digits", rows=200, layers=(6,), held=0.0, rule="momentum"), 4)
    run.change_rate(0.05)
    take(run, 5)
    run.change_rate(0.001)
    take(run, 2)
    script = run_script(run.snapshot())
    assert "train(" not in script
    ours, its = made_again(script, tmp_path)
    assert ours == its


def test_the_script_repeats_weights_set_by_hand_derived_inputs_and_both_penalties(
    made_again, tmp_path
):
    run = problem(data="xor", rows=100, derived=("product", "sine_1"), l1=0.2, l2=0.1, seed=1)
    run.set_parameter(2, 0.125)
    take(run, 3 * 4)
    run.set_parameter(0, -0.5)
    run.set_parameter(9, 2.0)
    take(run, 2)
    run.set_parameter(1, 0.25)
    script = run_script(run.snapshot())
    assert "train(" not in script
    ours, its = made_again(script, tmp_path)
    assert ours == its


def test_the_script_of_complete_epochs_has_derived_inputs_and_both_penalties(made_again, tmp_path):
    run = take(problem(data="plane", rows=100, derived=("square_0",), l1=0.2, l2=0.1), 5 * 3)
    script = run_script(run.snapshot())
    assert "train(" in script
    ours, its = made_again(script, tmp_path)
    assert ours == its


def test_a_modified_script_gives_other_bits(made_again, tmp_path):
    script = run_script(take(problem(data="xor", rows=100), 6).snapshot())
    changed = script.replace("learning_rate=0.01", "learning_rate=0.011")
    assert changed != script
    ours, its = made_again(changed, tmp_path)
    assert ours != its


@pytest.mark.parametrize("steps", [0, 1])
def test_the_script_repeats_the_first_steps(made_again, tmp_path, steps):
    script = run_script(take(problem(data="circles", rows=60), steps).snapshot())
    ours, its = made_again(script, tmp_path)
    assert ours == its


def test_the_script_repeats_a_full_batch_run_up_to_its_divergence(made_again, tmp_path):
    run = problem(data="moons", rows=60, rule="sgd", activation="identity", loss="squared_error",
                  learning_rate=1e3, l2=50.0, batch_size=0)  # fmt: skip
    with pytest.raises(Diverged):
        take(run, 5000)
    ours, its = made_again(run_script(run.snapshot(diverged=True)), tmp_path)
    assert ours == its


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(1)
    rows = [
        f"{rng.normal():.4f},{'' if i % 9 == 0 else round(rng.normal(5, 2), 3)},"
        f"{['Ulm', 'Bonn'][i % 2]},{['no', 'yes', 'perhaps'][rng.integers(3)]}"
        for i in range(120)
    ]
    path = tmp_path / "a table.csv"
    path.write_text("size,age,town,answer\n" + "\n".join(rows) + "\n")
    found = read_table(str(path))
    return ReadTable.of(
        found,
        infer_schema(found, "answer"),
        reading="table = read_table('a table.csv')\nschema = infer_schema(table, 'answer')",
    )


def test_the_script_repeats_a_run_on_a_table(made_again, tmp_path, table):
    run = take(problem(table, data="table", columns=("age", "town"), rows=100, layers=(5,)), 13)
    ours, its = made_again(run_script(run.snapshot(), table), tmp_path)
    assert ours == its


def extracted(data, folder):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
        tops = {name.split("/")[0] for name in archive.namelist()}
    (top,) = tops
    return folder / top


def test_the_model_of_a_run_on_a_table_predicts_tables(tmp_path, table):
    snapshot = take(problem(table, data="table", layers=(5,)), 20).snapshot()
    model = TableModel.load(extracted(export_file("model.zip", snapshot, table).data, tmp_path))
    assert (model.model.theta == snapshot.theta).all()
    rows = read_table(str(tmp_path / "a table.csv"))
    shares = model.predict_proba(rows)
    expected = snapshot.data.X
    assert shares.shape == (120, 3)
    from deltarule import Model

    own = Model(snapshot.net, snapshot.theta).predict(expected)
    assert shares == pytest.approx(own, rel=1e-6)


def test_the_model_with_derived_inputs_predicts_from_the_two_columns(tmp_path):
    rng = np.random.default_rng(3)
    rows = [f"{u:.4f},{v:.4f},{u * v:.4f}" for u, v in rng.normal(3, 2, (90, 2))]
    (tmp_path / "two.csv").write_text("u,v,area\n" + "\n".join(rows) + "\n")
    found = read_table(str(tmp_path / "two.csv"))
    source = ReadTable.of(found, infer_schema(found, "area"))
    run = take(problem(source, data="table", derived=("product", "sine_0"), layers=(4,)), 30)
    snapshot = run.snapshot()
    assert snapshot.data.inputs == ("u", "v", "u·v", "sin(π u)")
    model = TableModel.load(extracted(export_file("model.zip", snapshot, source).data, tmp_path))
    from deltarule import Model

    own = Model(snapshot.net, snapshot.theta).predict(snapshot.data.X)[:, 0]
    target = snapshot.data.target
    assert model.predict(found) == pytest.approx(own * target.scale + target.mean, rel=1e-5)
    # Without the derived inputs it would predict something else.
    other = snapshot.data.X.copy()
    other[:, 2:] = 0
    wrong = Model(snapshot.net, snapshot.theta).predict(other)[:, 0]
    assert np.abs(own - wrong).max() > 0.01


def test_the_model_of_built_in_data_says_what_its_inputs_are(tmp_path):
    snapshot = take(problem(data="moons", derived=("square_1",)), 9).snapshot()
    model = load_model(extracted(export_file("model.zip", snapshot).data, tmp_path))
    given = snapshot.data.X[:, :2]
    assert model.extra["inputs"] == ["x_0", "x_1", "x₁²"]
    X = with_derived(given, model.extra["derived"])
    assert (X == snapshot.data.X).all()
    assert "with_derived" in model.extra["note"]


def test_the_model_of_a_run_on_built_in_data_loads_unchanged(tmp_path):
    snapshot = take(problem(data="digits", rows=100, layers=(4,)), 9).snapshot()
    first, again = (export_file("model.zip", snapshot).data for _ in range(2))
    assert first == again
    model = load_model(extracted(first, tmp_path))
    assert model.net == snapshot.net
    assert (model.theta == snapshot.theta).all()
    assert len(model.history) == snapshot.epoch
    assert model.extra["settings"]["data"] == "digits"


def test_the_explain_page_has_the_current_parameters():
    snapshot = take(problem(data="moons"), 9).snapshot()
    text = export_file("explain.html", snapshot).data.decode()
    payload = json.loads(re.search(r'id="payload">(.*?)</script>', text, re.DOTALL)[1])
    import base64

    state = payload["states"][payload["reference"]["state"]]
    theta = np.frombuffer(base64.b64decode(state["theta"]["base64"]), "<f4")
    assert (theta == snapshot.theta).all()
    assert state["step"] == 9
    assert len(payload["history"]) == snapshot.epoch


def test_the_subject_of_the_next_step_has_the_gradient_and_update_of_that_step():
    run = take(problem(data="spirals", rows=90, rule="sgd", learning_rate=0.5), 3)
    subject = subject_of_run(run.snapshot(), "step")
    grad = subject.trace.grad
    before = run.run.engine.theta.astype(np.float64)
    take(run, 1)
    after = run.run.engine.theta.astype(np.float64)
    assert after == pytest.approx(before - 0.5 * grad, abs=1e-6)
    assert subject.step.number == 4


@pytest.mark.parametrize("rows", ["same", "step"])
def test_a_chosen_row_is_in_the_payload_and_not_in_means(rows):
    run = take(problem(data="spirals", rows=200), 3)
    snapshot = run.snapshot()
    held = int(snapshot.data.held[-1])
    found = run_payload(snapshot, rows, held)["payload"]
    plain = run_payload(snapshot, rows)["payload"]
    names = found["names"]["rows"]
    assert names[found["start"]["sample"]] == str(held)
    assert names[:-1] == plain["names"]["rows"]
    assert found["rows_of"] == plain["rows_of"] == len(names) - 1
    assert found["reference"]["cost"] == pytest.approx(plain["reference"]["cost"], rel=1e-12)
    assert "sample" not in plain["start"]
    kept = int(plain["names"]["rows"][7])
    again = run_payload(snapshot, rows, kept)["payload"]
    assert again["start"]["sample"] == 7
    assert again["names"] == plain["names"]
    with pytest.raises(InputError, match="row is 200; expected 0 to 199"):
        run_payload(snapshot, rows, 200)


def test_the_subject_contains_the_slots_of_adam():
    run = take(problem(data="spirals", rows=90), 5)
    subject = subject_of_run(run.snapshot(), "step")
    assert set(subject.step.slots) == {"m", "v"}
    assert (subject.step.slots["v"] > 0).any()


def test_an_unknown_kind_of_file_is_refused():
    with pytest.raises(UnknownName, match=r"run\.py, model\.zip, explain\.html"):
        export_file("theta.npy", problem(data="xor").snapshot())
