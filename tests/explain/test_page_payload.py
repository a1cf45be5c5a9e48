"""The payload of a page: exact arrays, within a size limit, in one file."""

import base64
import dataclasses
import json
import re
import subprocess
import zipfile

import numpy as np
import pytest
from tests.house.test_repository import ROOT

from deltarule.engines import EngineSettings
from deltarule.errors import FileError, InputError
from deltarule.explain.page import (
    MOST_ROWS,
    PageState,
    packed,
    page_html,
    payload_of,
    write_page,
)
from deltarule.explain.page.page import (
    ANSWER_SCRIPTS,
    ANSWER_STYLE,
    FONT,
    SCRIPTS,
    STYLES,
    TOOLS,
    TOUR_SCRIPTS,
    TOUR_STYLE,
)
from deltarule.explain.subject import InputColumn, StepTaken, Subject
from deltarule.maths import Network, backprop

ASSETS = ROOT / "src" / "deltarule" / "explain" / "page" / "assets"


def unpacked(given):
    dtype = {"f4": "<f4", "f8": "<f8"}[given["dtype"]]
    raw = base64.b64decode(given["base64"])
    return np.frombuffer(raw, dtype).astype(np.float64).reshape(given["shape"])


def subject_of(widths, n_rows, **others):
    rng = np.random.default_rng(1)
    net = Network(widths, "tanh", "softmax", "cross_entropy")
    theta = rng.standard_normal(net.n_parameters).astype(np.float32)
    X = rng.standard_normal((n_rows, widths[0])).astype(np.float32)
    return Subject.of_arrays(net, theta, X, rng.integers(0, widths[-1], n_rows), **others)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.5, -3.0], "f4"),
        ([0.1], "f8"),
        (np.float32([0.1, 1e-30]), "f4"),
        ([np.nan, np.inf, -0.0], "f4"),
        ([1e300], "f8"),
        (np.zeros((0, 3)), "f4"),
    ],
)
def test_an_array_travels_exactly(values, dtype):
    given = packed(values)
    assert given["dtype"] == dtype
    got, true = unpacked(given), np.asarray(values, dtype=np.float64)
    np.testing.assert_array_equal(got, true)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(true))


def test_rows_beyond_the_budget_are_left_out_and_the_mean_is_over_the_others():
    subject = subject_of([3, 4, 2], 1000, sample_weight=np.linspace(0, 2, 1000))
    payload = payload_of(subject, start={"sample": 501})
    rows = [int(name) for name in payload["names"]["rows"]]
    assert len(rows) == MOST_ROWS
    assert payload["rows_of"] == 1000
    assert rows == sorted(set(rows))
    assert rows[0] == 0
    assert rows[-1] == 999
    assert rows[payload["start"]["sample"]] == 501
    w = unpacked(payload["rows"]["w"])
    assert w.sum() == pytest.approx(1)
    np.testing.assert_allclose(w / w.sum(), subject.w[rows] / subject.w[rows].sum())
    trace = backprop(subject.net, subject.theta, subject.X[rows], subject.Y[rows], subject.s[rows])
    assert payload["reference"]["cost"] == pytest.approx(trace.cost)
    np.testing.assert_allclose(unpacked(payload["reference"]["grad"]), trace.grad, rtol=1e-12)
    # An engine's gradient over all rows cannot be compared with one over these.
    assert payload["engine"]["grad"] is None


def test_a_step_whose_batch_is_cut_keeps_the_gradient_it_went_by():
    step = StepTaken(EngineSettings(rule="sgd"), 0.1)
    whole = payload_of(subject_of([3, 4, 2], 20, step=step))
    assert whole["states"][-1]["update"]["grad"] is None
    subject = subject_of([3, 4, 2], 700, step=step)
    grad = payload_of(subject)["states"][-1]["update"]["grad"]
    np.testing.assert_array_equal(unpacked(grad), subject.trace.grad)


def test_wide_rows_are_fewer():
    payload = payload_of(subject_of([3000, 2, 2], 100))
    assert 1 < payload["rows"]["X"]["shape"][0] < 60


def test_the_subjects_own_state_is_found_or_put_in_its_place():
    subject = subject_of([3, 4, 2], 5)
    thetas = [subject.theta * scale for scale in (0.5, 1.0, 2.0)]
    states = [PageState(theta, step=10 * i) for i, theta in enumerate(thetas)]
    payload = payload_of(subject, states=states)
    assert len(payload["states"]) == 3
    assert payload["reference"]["state"] == payload["start"]["state"] == 1
    step = StepTaken(EngineSettings(rule="sgd"), 0.1, number=16)
    subject = dataclasses.replace(subject, theta=subject.theta * 3, step=step)
    payload = payload_of(subject, states=states)
    assert [state["step"] for state in payload["states"]] == [0, 10, 15, 20]
    assert payload["reference"]["state"] == 2
    updates = [state["update"] is not None for state in payload["states"]]
    assert updates == [False, False, True, False]


def test_many_states_are_thinned_but_the_first_the_last_and_the_own_stay():
    subject = subject_of([50, 100, 10], 5)
    states = [PageState(subject.theta + i, step=i) for i in range(1, 400)]
    own = dataclasses.replace(subject, theta=subject.theta + 123)
    payload = payload_of(own, states=states)
    steps = [state["step"] for state in payload["states"]]
    assert len(steps) < 60
    assert steps[0] == 1
    assert steps[-1] == 399
    assert steps[payload["reference"]["state"]] == 123


def test_a_state_of_another_network_is_refused():
    with pytest.raises(InputError, match="theta has shape"):
        payload_of(subject_of([3, 4, 2], 5), states=[PageState(np.zeros(3))])


def test_a_first_sample_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"sample 9 .* expected 0 to 4"):
        payload_of(subject_of([3, 4, 2], 5), start={"sample": 9})


def test_what_is_no_json_is_left_out_or_spelled():
    column = InputColumn(
        "when", "date", (0,), (np.datetime64("2020-01-01"), None, 1.5, np.nan, "x")
    )
    history = [{"epoch": 1, "loss": np.float64(np.inf)}]
    subject = subject_of([3, 4, 2], 5, columns=(column,))
    payload = payload_of(subject, history=history)
    assert payload["columns"][0]["cells"] == ["2020-01-01", None, 1.5, None, "x"]
    assert payload["history"] == [{"epoch": 1, "loss": None}]
    json.dumps(payload, allow_nan=False)


def test_the_cost_that_a_rule_sees_has_its_penalty():
    subject = subject_of([3, 4, 2], 5)
    assert subject.objective == subject.trace.cost
    settings = EngineSettings(rule="sgd", l2=0.5, total_weight=5.0)
    subject = dataclasses.replace(subject, step=StepTaken(settings, 0.1))
    weights = subject.theta[subject.net.is_weight]
    assert subject.objective == pytest.approx(subject.trace.cost + 0.05 * weights @ weights)


def test_a_large_networks_gradient_is_compared_at_some_entries():
    subject = subject_of([400, 200, 10], 2)
    reference = payload_of(subject)["reference"]
    at = reference["at"]
    assert 1000 < len(at) < 5000
    np.testing.assert_array_equal(unpacked(reference["grad"]), subject.trace.grad[at])


def test_the_file_of_64_128_64_10_with_ten_states_is_below_2_mb(tmp_path):
    step = StepTaken(EngineSettings(rule="sgd"), 0.1)
    subject = subject_of([64, 128, 64, 10], 2000, step=step)
    states = [PageState((subject.theta * (1 + i)).astype("f4"), step=i) for i in range(1, 11)]
    path = write_page(subject, tmp_path / "page.html", states=states)
    assert path.stat().st_size < 2_000_000
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_very_large_networks_step_is_left_out_and_the_page_says_how_large():
    settings = EngineSettings(rule="adam")
    net = Network([500, 400, 4], "tanh", "softmax", "cross_entropy")
    slots = {name: np.full(net.n_parameters, 0.1) for name in ("m", "v")}
    step = StepTaken(settings, 0.1, number=3, slots=slots)
    subject = subject_of([500, 400, 4], 3, step=step)
    state = payload_of(subject)["states"][0]
    assert state["update"] is None
    assert state["left_out"] > 2 * 8 * net.n_parameters
    small = payload_of(subject_of([5, 4, 4], 3, step=StepTaken(EngineSettings(), 0.1)))
    assert small["states"][0]["update"]["rule"]
    assert small["states"][0]["left_out"] is None


def test_rows_are_fewer_the_larger_the_network():
    page = payload_of(subject_of([1000, 1200, 4], 200))
    assert 100 < len(page["names"]["rows"]) < 170
    assert page["rows_of"] == 200


def test_parameters_beyond_64_mb_are_refused_with_what_to_do(tmp_path):
    net = Network([2500, 2500], [], "identity", bias=False)
    theta = np.full(net.n_parameters, 0.1)
    subject = Subject.of_arrays(net, theta, np.zeros((1, 2500)), np.zeros((1, 2500)))
    with pytest.raises(InputError, match=r"6,250,000 parameters.*67 MB.*at most 64 MB.*as text"):
        write_page(subject, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_page_names_no_place_outside_itself():
    text = page_html(payload_of(subject_of([3, 4, 2], 5)), "")
    text = text.replace("http://www.w3.org/", "")  # XML namespaces, which are not fetched
    assert not re.search(r"https?://|@import|(?:src|href)\s*=\s*[\"'](?!#|data:)", text)
    assert "default-src 'none'" in text


def test_a_marker_in_a_name_is_no_marker():
    payload = payload_of(subject_of([3, 4, 2], 5), title="/*CSS*/ <!--PAYLOAD-->")
    text = page_html(payload, "")
    assert text.count("@font-face") == 1
    assert "<title>/*CSS*/ &lt;!--PAYLOAD--&gt;</title>" in text


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        write_page(subject_of([3, 4, 2], 5), tmp_path / "none" / "page.html")


def test_every_asset_is_used_and_short_enough_to_read():
    named = {*STYLES, *SCRIPTS, FONT, "main.js", "page.html", TOOLS, "GUST-FONT-LICENSE.txt"}
    named |= {*ANSWER_SCRIPTS, ANSWER_STYLE, *TOUR_SCRIPTS, TOUR_STYLE}
    assert {path.name for path in ASSETS.iterdir()} == named
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines())
        for path in ASSETS.glob("*.[jc]s*")
    }
    assert {name: n for name, n in lengths.items() if n > 450} == {}


def test_the_font_is_small_and_its_licence_lies_beside_it():
    assert (ASSETS / FONT).stat().st_size < 120_000
    assert "GUST Font License" in (ASSETS / "GUST-FONT-LICENSE.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_wheel_has_the_assets(tmp_path):
    pytest.importorskip("hatchling")
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name.rsplit("/", 1)[1] for name in archive.namelist() if "/page/assets/" in name}
    assert inside == {path.name for path in ASSETS.iterdir()}
