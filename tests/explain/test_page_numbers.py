"""Every number in the rendered page equals the reference to the digits shown."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.browser import Watched, browser
from tests.explain.page_reading import READ, Expected, check_reading, readings, shown_number

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.engines.base import Batch
from deltarule.explain.page import packed, payload_of, write_page
from deltarule.explain.subject import Names, StepTaken, Subject
from deltarule.maths import LOSSES, Network

# A point on an edge, a third along it, where no other edge crosses.
ALONG_EDGE = """
(key) => {
  const node = document.querySelector(`[data-edge="${key}"]`);
  const path = node.getPointAtLength ? node : node.querySelector("path, line");
  path.scrollIntoView({ block: "center" });
  const at = path.getPointAtLength(path.getTotalLength() / 3);
  const place = at.matrixTransform(path.getScreenCTM());
  return [place.x, place.y];
}
"""
DATA = Path(__file__).parents[1] / "data" / "worked_examples.json"


def fixture_subject():
    """Layers 3-3-3 of docs/mathematics, with the step at η = 0.5."""
    net = Network([3, 3, 3], "logistic", "logistic", bias=False)
    W = [
        [[(((3 * j + 2 * k + layer) % 7) - 3) / 10 for k in range(3)] for j in range(3)]
        for layer in (1, 2)
    ]
    X, Y = [[0.5, -0.25, 0.75], [-1, 0.125, 0.25]], [[0, 1, 0.5], [1, 0, 0.25]]
    step = StepTaken(EngineSettings(rule="sgd"), learning_rate=0.5)
    return Subject.of_arrays(net, net.pack(W), X, Y, step=step)


def softmax_subject():
    """4-5-3 with bias, softmax, unequal weights (one of them 0), and a step of Adam."""
    rng = np.random.default_rng(3)
    net = Network([4, 5, 3], "tanh", "softmax", "cross_entropy")
    p = net.n_parameters
    s = rng.uniform(0.5, 2.0, 9)
    s[4] = 0
    settings = EngineSettings(rule="adam", l2=0.3, l1=0.05, total_weight=9.0, clip_norm=0.2)
    slots = {"m": 0.01 * rng.standard_normal(p), "v": rng.uniform(0, 1e-3, p)}
    return Subject.of_arrays(
        net,
        net.initial(seed=4) + 0.2 * rng.standard_normal(p),
        rng.standard_normal((9, 4)),
        rng.integers(0, 3, 9),
        s,
        names=Names(("age", "<b>", "x & y", "λ"), ("red", "green", "blue"), tuple("abcdefghi")),
        step=StepTaken(settings, learning_rate=0.01, number=7, slots=slots),
        classes=("red", "green", "blue"),
    )


def digits_subject():
    """64-32-10 on scikit-learn's digits, trained for a few epochs in float32."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X, y = (X[:150] / 16).astype(np.float32), y[:150]
    net = Network([64, 32, 10], "relu", "softmax", "cross_entropy", dtype=np.float32)
    engine = ReferenceEngine()
    engine.load(net, net.initial(seed=0), EngineSettings(rule="adam"))
    Y = net.loss.prepare(y, len(X), 10, np.float32)
    w = np.full(len(X), 1 / len(X), dtype=np.float32)
    for step in range(1, 31):
        engine.step(Batch(X, Y, w, np.arange(len(X)), step), 0.01)
    return Subject.of_arrays(net, engine.theta, X, y, engine="reference", dtype="float32")


def dropout_subject():
    """5-6-4-2 in a step of training with dropout in both hidden layers; losses with a kink."""
    rng = np.random.default_rng(8)
    net = Network([5, 6, 4, 2], "leaky_relu", "identity", LOSSES.get("huber", kappa=0.5))
    masks = [None, *(rng.integers(0, 2, (7, n)) * 2.0 for n in (6, 4)), None]
    theta = net.initial(seed=1) + 0.1 * rng.standard_normal(net.n_parameters)
    X, Y = rng.standard_normal((7, 5)), rng.standard_normal((7, 2))
    return Subject.of_arrays(net, theta, X, Y, masks=masks)


def saturated_subject():
    """Two labels by log_loss with z from 0 to ±800, where the factors of δ overflow."""
    net = Network([1, 2], [], "logistic", "log_loss")
    X = [[0.0], [3.0], [-36.0], [40.0], [800.0]]
    Y = [[0, 1], [1, 0], [1, 1], [0, 1], [0, 0]]
    return Subject.of_arrays(net, [1.0, -1.0, 0.0, 0.25], X, Y)


SUBJECTS = {
    "3-3-3": fixture_subject,
    "4-5-3": softmax_subject,
    "64-32-10": digits_subject,
    "dropout": dropout_subject,
    "saturated": saturated_subject,
}


@pytest.fixture(scope="module")
def context():
    with browser() as context:
        yield context


@pytest.fixture(scope="module")
def opened(context, tmp_path_factory):
    """Opens each network's page once; returns the subject and the page."""
    pages = {}

    def open_page(name):
        if name not in pages:
            subject = SUBJECTS[name]()
            path = write_page(subject, tmp_path_factory.mktemp("page") / "page.html")
            watched = Watched(context, width=1280, height=900)
            watched.page.goto(path.as_uri())
            pages[name] = subject, watched
        return pages[name]

    return open_page


def everything(net, most=4):
    """Selections of every kind: the first and last weights and nodes of every layer."""
    rng = np.random.default_rng(0)
    chosen = [None, {"kind": "cost"}]
    for layer in range(net.n_layers + 1):
        n = net.widths[layer]
        for j in {0, n - 1, *rng.integers(0, n, most).tolist()}:
            chosen.append({"kind": "node", "layer": layer, "j": j})
            if layer and net.bias:
                chosen.append({"kind": "bias", "layer": layer, "j": j})
            for k in rng.integers(0, net.widths[layer - 1], 2).tolist() if layer else ():
                chosen.append({"kind": "edge", "layer": layer, "j": j, "k": k})
    return chosen


@pytest.mark.parametrize(
    "name",
    [
        "3-3-3",
        "4-5-3",
        "dropout",
        "saturated",
        pytest.param("64-32-10", marks=pytest.mark.slow),
    ],
)
def test_every_number_equals_the_reference_to_the_digits_shown(opened, name):
    subject, watched = opened(name)
    expected = Expected(subject)
    page = watched.page
    compared = 0
    last = len(subject.X) - 1
    for sample in sorted({0, 1, last // 2, last}):
        changes = [{"sample": sample, "selected": each} for each in everything(subject.net)]
        for _, read in readings(page, changes):
            compared += check_reading(read, expected, sample)
    assert compared > (1000 if name[0].isdigit() else 300)
    for mode in ("mean", "sample"):
        changes = [{"mode": mode, "colour": colour} for colour in ("gradient", "weight")]
        for _, read in readings(page, changes):
            check_reading(read, expected, last)
    assert watched.errors == []
    assert watched.outside("file:") == []


def test_the_reading_sees_a_wrong_number(opened):
    subject, watched = opened("3-3-3")
    expected = Expected(subject)
    watched.page.evaluate("DR.page.set({ sample: 0, selected: { kind: 'node', layer: 1, j: 0 } })")
    read = watched.page.evaluate(READ, "#panel")
    at = next(i for i, (symbol, *_) in enumerate(read) if symbol == "a^1_{0}")
    symbol, value, text, inside = read[at]
    for changed in (
        [symbol, str(float(value) * (1 + 1e-8)), text, inside],
        [symbol, value, text[:-1] + str((int(text[-1]) + 2) % 10), inside],
    ):
        with pytest.raises(AssertionError):
            check_reading([changed], expected, 0)


def test_clicking_the_fixtures_weight_shows_its_gradient_and_three_factors(opened):
    subject, watched = opened("3-3-3")
    page = watched.page
    page.evaluate("DR.page.set({ sample: 0, mode: 'sample', selected: null })")
    page.mouse.click(*page.evaluate(ALONG_EDGE, "2,1,2"))
    assert page.evaluate("DR.page.state.selected") == {"kind": "edge", "layer": 2, "j": 1, "k": 2}
    known = json.loads(DATA.read_text(encoding="utf-8"))["article_fixture"]["mean_dW"][1][1][2]
    shown = {
        symbol: text
        for symbol, _, text, inside in page.evaluate(READ, "#panel")
        if inside and shown_number(text)
    }
    assert shown["dC_0/dw^2_{1,2}"] == "−0.126721"
    assert shown["dC/dw^2_{1,2}"] == f"{known:.6f}" == "0.005562"
    factors = subject.trace.factors(2, 1, 2, sample=0)
    texts = page.locator("#panel .factors3 .value").all_text_contents()
    assert len(texts) == 3
    for text, factor in zip(texts, factors, strict=True):
        assert text == f"{factor:.6f}".replace("-", "−")
    product = np.prod([float(text.replace("−", "-")) for text in texts])
    assert product == pytest.approx(-0.126721, abs=2e-6)
    assert shown["new w^2_{1,2}"] == "−0.102781"


@pytest.mark.parametrize("name", ["3-3-3", "4-5-3"])
def test_the_update_is_the_reference_engines(opened, name):
    subject, watched = opened(name)
    step = subject.step
    engine = ReferenceEngine()
    engine.load(subject.net, subject.theta, step.settings)
    slots = {f"slot.{key}": value for key, value in step.slots.items()}
    engine.restore({"theta": subject.theta, "t": np.array(step.number - 1), **slots})
    engine.apply(subject.trace.grad, step.learning_rate)
    W, b = subject.net.unpack(engine.theta)
    changes = [
        {"selected": each}
        for each in everything(subject.net)
        if each is not None and each["kind"] in ("edge", "bias")
    ]
    for change, found in readings(watched.page, changes, "#panel"):
        selected, read = change["selected"], {s: float(v) for s, v, *_ in found}
        layer, j = selected["layer"], selected["j"]
        if selected["kind"] == "edge":
            k = selected["k"]
            new, true = read[f"new w^{layer}_{{{j},{k}}}"], W[layer][j, k]
        else:
            new, true = read[f"new b^{layer}_{{{j}}}"], b[layer][j]
        assert new == pytest.approx(true, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_page_says_that_its_gradient_is_pythons(opened, name):
    _, watched = opened(name)
    found = watched.page.evaluate("DR.check.compare(DR.page)")
    assert found["same"]
    assert found["error"] < 1e-12
    watched.page.wait_for_selector("#check .verdict.good")


def test_the_page_says_so_where_its_gradient_is_not_pythons(context, tmp_path):
    subject = fixture_subject()
    subject.trace.grad[4] *= 1 + 1e-8
    path = write_page(subject, tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    true = payload_of(subject)["reference"]["grad"]["base64"]
    false = packed(subject.trace.grad)["base64"]
    assert true in text
    assert true != false
    path.write_text(text.replace(true, false), encoding="utf-8")
    watched = Watched(context, width=1000, height=800)
    watched.page.goto(path.as_uri())
    watched.page.wait_for_selector("#check .verdict.bad")
    assert "W1" in watched.page.inner_text("#check .verdict.bad")


# Without the saturated one, where z = 800 makes finite differences 0.
@pytest.mark.parametrize("name", [name for name in SUBJECTS if name != "saturated"])
def test_check_me_agrees(opened, name):
    subject, watched = opened(name)
    page = watched.page
    L = subject.net.n_layers
    for selected in (
        {"kind": "edge", "layer": 1, "j": 0, "k": 1},
        {"kind": "edge", "layer": L, "j": 1, "k": 0},
        {"kind": "node", "layer": L, "j": 1},
        {"kind": "node", "layer": 0, "j": 1},
        None,
    ):
        page.evaluate("(selected) => DR.page.set({ selected, sample: 1 })", selected)
        page.evaluate("document.querySelector('#check button').click()")
        assert page.locator("#check [aria-live] .verdict.good").count() == 1, selected
        assert page.locator("#check .verdict.bad").count() == 0


def test_where_the_engines_digits_differ_both_are_shown(context, tmp_path):
    subject = fixture_subject()
    grad = subject.trace.grad.copy()
    entry = subject.net.block("W2").start + 1 * 3 + 2
    grad[entry] += 4e-6
    given = dataclasses.replace(subject, engine="compiled", dtype="float32", engine_grad=grad)
    page = Watched(context, width=1000, height=800).page
    page.goto(write_page(given, tmp_path / "page.html").as_uri())
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 1, k: 2 } })")
    assert "compiled, float32) computes 0.005566" in page.inner_text("#panel .engine")
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 1, k: 1 } })")
    assert page.locator("#panel .engine").count() == 0
    assert "within" in page.inner_text("#check")
