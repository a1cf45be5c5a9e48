"""Why a run does not learn, and which learning rate would do: the same answers on both pages."""

import dataclasses
import re

import numpy as np
import pytest
from tests.browser import Watched, browser, violations
from tests.playground.helpers import holds, press, served

from deltarule.playground import RunSettings, run_diagnosis, write_static_playground
from deltarule.playground.run_diagnosis import (
    PLAIN,
    lens_of_run,
    plain_words,
    rates_of_run,
)
from deltarule.playground.run_state import make_run_state
from deltarule.playground.settings import STARTS
from deltarule.playground.static_page import engine_script
from deltarule.training.diagnosis.rate_finding import level_of_jumps

LENS = """({ settings, theta, rows, steps }) => {
  DR.catalogue.first = { ...DR.catalogue.first, ...settings };
  DR.catalogue.diagnosis.rows = rows;
  const sent = [];
  const trainer = DR.trainer.trainer((m) => sent.push(m), () => {});
  for (let i = 0; i < steps; ++i) trainer.receive({ type: "step", id: 3 });
  theta?.forEach((value, entry) => trainer.receive({ type: "weight", id: 2, entry, value }));
  trainer.receive({ type: "lens", id: 1 });
  return sent.find((m) => m.id === 1).result;
}"""
RATES = """({ settings, steps }) => {
  DR.catalogue.first = { ...DR.catalogue.first, ...settings };
  const { rates } = DR.catalogue.diagnosis;
  const usual = rates.steps;
  rates.steps = steps;
  const sent = [];
  const trainer = DR.trainer.trainer((m) => sent.push(m), () => {});
  trainer.receive({ type: "rates", id: 1 });
  rates.steps = usual;
  return sent.find((m) => m.id === 1);
}"""


@pytest.fixture(scope="module")
def context():
    with browser() as context:
        yield context


@pytest.fixture(scope="module")
def engine(context):
    page = context.new_page()
    page.evaluate(engine_script())
    yield page
    page.close()


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """The address of the static page."""
    return write_static_playground(tmp_path_factory.mktemp("static") / "playground.html").as_uri()


def settings_of(**changes):
    data = changes.get("data", "spirals")
    start = {k: tuple(v) if isinstance(v, list) else v for k, v in STARTS[data].items()}
    return RunSettings(**({"data": data} | start | changes))


def planted(kind):
    """Settings and what is done to the initial parameters, by which a finding is expected."""
    deep = {"layers": (5,) * 7, "rows": 80}
    return {
        "none": (settings_of(rows=80), lambda theta, net: theta),
        "vanishing": (settings_of(activation="logistic", **deep), lambda theta, net: theta),
        "exploding": (
            settings_of(activation="identity", **deep), lambda theta, net: 9.0 * theta
        ),
        "dead": (
            settings_of(activation="relu", layers=(6, 4), rows=80),
            lambda theta, net: biased(theta, net, -90.0),
        ),
        "saturated": (
            settings_of(activation="tanh", layers=(6, 4), rows=80),
            lambda theta, net: biased(theta, net, 60.0),
        ),
        "softmax": (
            settings_of(data="digits", rows=80), lambda theta, net: 30.0 * theta
        ),
        "quantity": (settings_of(data="plane", rows=80), lambda theta, net: 0.0 * theta),
    }[kind]  # fmt: skip


def biased(theta, net, value):
    """Half the biases of layer 1 far out."""
    theta = theta.copy()
    block = net.block("b1")
    theta[block.start : block.start + (block.stop - block.start) // 2] = value
    return theta


@pytest.mark.parametrize(
    "kind", ["none", "vanishing", "exploding", "dead", "saturated", "softmax", "quantity"]
)
def test_the_lens_of_the_static_page_finds_what_pythons_finds(engine, kind):
    settings, change = planted(kind)
    snapshot = make_run_state(settings).snapshot()
    # Those of float32 are exact in both.
    theta = change(snapshot.theta, snapshot.net).astype(np.float32).astype(np.float64)
    for rows in (1000, 12):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run_diagnosis, "MOST_ROWS", rows)
            ours = lens_of_run(dataclasses.replace(snapshot, theta=theta))
        given = {"settings": settings.plain(), "theta": theta.tolist(), "rows": rows, "steps": 0}
        theirs = engine.evaluate(LENS, given)
        assert (theirs["rows"], theirs["of"]) == (ours["rows"], ours["of"])
        assert len(ours["sizes"]) == snapshot.net.n_layers
        assert theirs["sizes"] == pytest.approx(ours["sizes"], rel=1e-9)
        kept = ("kind", "layers", "serious")
        assert [{k: each[k] for k in kept} for each in theirs["findings"]] == [
            {**{k: each[k] for k in kept}, "layers": list(each["layers"])}
            for each in ours["findings"]
        ]
        assert {each["kind"] for each in ours["findings"]} <= set(PLAIN)
        if rows == 1000 and kind in PLAIN:
            assert kind in [each["kind"] for each in ours["findings"]]
        if kind == "none":
            assert ours["findings"] == []


def both(engine, settings, steps, theta=None):
    """The findings of Python and of the static page after some steps of the same run."""
    state = make_run_state(settings)
    for _ in range(steps):
        state.run.advance(1)
    snapshot = state.snapshot()
    if theta is not None:
        snapshot = dataclasses.replace(snapshot, theta=theta(snapshot))
    ours = lens_of_run(snapshot)["findings"]
    given = None if theta is None else snapshot.theta.astype(float).tolist()
    told = {"settings": settings.plain(), "theta": given, "rows": 1000, "steps": steps}
    theirs = engine.evaluate(LENS, told)["findings"]
    assert [each["kind"] for each in theirs] == [each["kind"] for each in ours]
    return ours, theirs


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"l2": 10_000.0}, 0),
        ({"l2": 10_000.0}, 60),
        ({"l2": 300.0, "learning_rate": 0.03, "activation": "gelu"}, 150),
        ({"l1": 300.0, "activation": "tanh"}, 150),
    ],
)
def test_a_penalty_that_outweighs_the_loss_is_named_and_no_activation_blamed(
    engine, changes, steps
):
    settings = settings_of(data="moons", rows=100, **changes)
    for found in both(engine, settings, steps):
        assert found[0]["kind"] == "penalty"
        assert "vanishing" not in [each["kind"] for each in found]
        assert found[0]["share"] >= 0.5 or found[0]["size"] < 0.2
    ours, theirs = both(engine, settings, steps)
    assert theirs[0]["share"] == pytest.approx(ours[0]["share"], rel=0.05, abs=1e-6)
    assert theirs[0]["size"] == pytest.approx(ours[0]["size"], rel=0.05, abs=1e-6)


def test_a_small_penalty_of_a_run_that_learns_is_not_named(engine):
    settings = settings_of(data="moons", rows=100, l2=0.1)
    for found in both(engine, settings, 200):
        assert "penalty" not in [each["kind"] for each in found]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data": "circles", "activation": "identity"}, True),
        ({"data": "xor", "layers": ()}, True),
        ({"data": "circles", "activation": "tanh"}, False),
        ({"data": "plane", "activation": "identity"}, False),  # this one is a plane
    ],
)
def test_a_network_without_bends_is_named_where_it_has_to_bend(engine, changes, named):
    settings = settings_of(rows=100, **{"learning_rate": 0.1, **changes})
    for found in both(engine, settings, 60):
        assert ("linear" in [each["kind"] for each in found]) is named


def test_a_dead_layer_comes_first_and_its_consequence_is_not_told_beside_it(engine):
    settings = settings_of(data="moons", rows=100, activation="relu", layers=(6, 6, 4))

    def dead(snapshot):
        theta = snapshot.theta.copy()
        block = snapshot.net.block("b2")
        theta[block.start : block.stop] = -90.0
        return theta

    for found in both(engine, settings, 0, dead):
        assert found[0]["kind"] == "dead"
        assert "vanishing" not in [each["kind"] for each in found]


def test_no_activation_is_recommended_that_is_chosen_already():
    names = {"relu": "ReLU", "gelu": "GELU", "tanh": "tanh", "leaky_relu": "leaky ReLU"}
    for kind in ("vanishing", "dead"):
        _, todo, activations, instead = plain_words()[kind]
        for name, written in names.items():
            shown = instead if name in activations else todo
            assert written not in shown.replace(
                "leaky ReLU", "" if name == "relu" else "leaky ReLU"
            )


@pytest.mark.parametrize(("data", "rule"), [("moons", "adam"), ("plane", "sgd")])
def test_the_rates_of_the_static_page_are_pythons(engine, data, rule, monkeypatch):
    monkeypatch.setattr(run_diagnosis, "_STEPS", 25)
    settings = settings_of(data=data, rule=rule, rows=120, l2=0.1)
    ours = rates_of_run(make_run_state(settings).snapshot())
    theirs = engine.evaluate(RATES, {"settings": settings.plain(), "steps": 25})["result"]
    assert theirs["steps"] == ours["steps"] == 25
    np.testing.assert_allclose(theirs["rates"], ours["rates"], rtol=1e-12)
    assert theirs["suggestion"] == pytest.approx(ours["suggestion"])
    assert theirs["start"] == pytest.approx(ours["start"], rel=1e-5)
    # At rates at which training is stable the roundings of float32 do not grow.
    stable = [k for k, rate in enumerate(ours["rates"]) if rate < 0.02]
    assert len(stable) == 5
    for k in stable:
        assert theirs["losses"][k] == pytest.approx(ours["losses"][k], rel=2e-3)


def test_the_search_says_where_no_rate_helps_and_leaves_it(context, static):
    tab = Watched(context, width=390, height=844)
    page = tab.page
    page.goto(f"{static}#data=circles&rows=60&activation=identity&learning_rate=0.125")
    page.wait_for_selector("#drawing [data-node]")
    page.get_by_role("button", name="Epoch").click()
    press(page, "Look into the layers")
    page.wait_for_selector("[data-finding=linear]")
    assert "straight line" in page.inner_text("[data-finding=linear]")
    assert "gradient lens" not in page.inner_text("[data-finding=linear]")
    page.evaluate("document.getElementById('fold').open = true")
    page.click("#tune button")
    page.wait_for_selector(".tune-chart", timeout=60_000)
    assert "No learning rate helps" in page.inner_text("#tune")
    # The chart recommends nothing either.
    assert "recommended" not in page.text_content("#tune svg")
    assert page.locator("#tune :is(.tune-best, .tune-mark)").count() == 0
    assert page.input_value("#rate") == "0.125"
    assert tab.errors == []
    tab.close()


def test_a_rule_without_a_rate_is_refused_with_its_reason(engine):
    settings = settings_of(rule="rprop")
    answer = engine.evaluate(RATES, {"settings": settings.plain(), "steps": 5})
    assert answer["type"] == "error"
    assert "rprop uses no learning rate" in answer["message"]


def use(page):
    """Use the card and the button of a page that has just been opened, as a reader would."""
    page.wait_for_selector("#drawing [data-node]")
    assert "press Play" in page.inner_text("[data-verdict]")
    page.click("#tune button")
    page.wait_for_selector(".tune-chart", timeout=60_000)
    suggested = page.eval_on_selector_all(
        ".tune-table td", "(all) => all.map((n) => [Number(n.dataset.rate), n.dataset.value])"
    )
    known = {rate: float(loss) for rate, loss in suggested if loss != "null"}
    # The lowest of the rates whose loss is hardly above the smallest, by what that gains.
    start = float(re.search(r"Before training it is ([0-9.]+)", page.inner_text("#tune"))[1])
    least = min(known.values())
    lowest = 0.099 * min(known, key=known.get)
    most = least + 0.01 * (start - least)
    best = min(rate for rate, loss in known.items() if loss <= most and rate > lowest)
    recommended = page.input_value("#rate")
    assert float(recommended) == pytest.approx(best, rel=0.05)
    assert "now set: press Play" in page.inner_text("#tune")
    for typed, words in (("0.0123", "false"), (recommended, "true")):
        page.fill("#rate", typed)
        page.press("#rate", "Enter")
        holds(
            page, f"document.querySelector('.tune-found').innerText.includes('now set') === {words}"
        )
    press(page, "Look into the layers")
    page.wait_for_selector("#advice [data-finding]")
    assert "All layers are in order" in page.inner_text("#advice")
    assert violations(page) == []
    page.keyboard.press("e")
    holds(page, "document.querySelector('[data-verdict]').innerText.includes('epoch')")


def test_a_reader_finds_a_rate_and_looks_into_the_layers(context, static):
    with served(RunSettings(data="moons", rows=100)) as server:
        tab = Watched(context, width=1280, height=900)
        tab.page.goto(server.url)
        use(tab.page)
        assert tab.errors == []
        tab.close()
    tab = Watched(context, width=1280, height=900)
    tab.page.goto(f"{static}#data=moons&rows=100")
    use(tab.page)
    page = tab.page
    # A node that is pointed at stands in place of the decision surface.
    heading = "#h-surface"
    page.evaluate("scrollTo(0, 0)")
    before = page.locator("canvas.plane").bounding_box()
    page.hover('[data-node="1,1"]')
    assert page.inner_text(heading).startswith("Node 1 of layer 1: a from")
    after = page.locator("canvas.plane").bounding_box()
    assert after == before
    page.mouse.move(5, 5)
    assert page.inner_text(heading) == "The decision surface"
    page.focus('[data-node="0,0"]')
    assert tab.errors == []
    tab.close()


def test_what_is_wrong_is_said_in_plain_words(context):
    settings = RunSettings(data="moons", rows=100, activation="logistic", layers=(4,) * 6)
    with served(settings) as server:
        tab = Watched(context, width=390, height=844)
        page = tab.page
        page.goto(server.url)
        page.wait_for_selector("#drawing [data-node]")
        press(page, "Look into the layers")
        found = page.locator("[data-finding=vanishing]")
        found.wait_for()
        assert PLAIN["vanishing"][0] in found.inner_text()
        assert found.get_attribute("data-layers").startswith("1")
        found.locator("summary").click()
        assert "‖δ‖" in found.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # What is to be done is a press away.
        found.get_by_role("button", name="Use tanh").click()
        holds(page, "document.querySelector('#activation').value === 'tanh'")
        assert tab.errors == []
        tab.close()


@pytest.mark.parametrize("finger", [True, False])
def test_help_begins_with_what_a_finger_does_where_there_is_one(context, static, finger):
    phone = context.browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=finger, is_mobile=finger
    )
    page = phone.new_page()
    page.goto(static)
    page.wait_for_selector("#drawing [data-node]")
    page.evaluate("document.getElementById('help').showModal()")
    text = page.inner_text("#help")
    assert "tap a line" in text
    assert ("play or pause" in text) is not finger  # folded, below what a finger does
    assert finger or text.index("play or pause") < text.index("tap a node")
    assert "click" not in text.lower()
    boxes = [box.bounding_box()["y"] for box in page.locator("#where > div").all()]
    phone.close()
    assert boxes[-1] == boxes[0]  # in one line below the buttons


LEVELS = "(all) => all.map((losses) => DR.jumps.level(losses, 1, DR.catalogue.diagnosis.rate))"


def test_both_pages_and_the_guard_say_alike_where_a_loss_jumps(engine):
    rng = np.random.default_rng(3)
    all_losses = [
        (level * (1 + rough * rng.random(count)) * decay ** np.arange(count)).tolist()
        for count in (5, 19, 20, 31, 200)
        for level in (0.3, 3.0)
        for rough in (0.01, 0.1, 2.0)
        for decay in (1.0, 0.99, 0.9)
    ]
    ours = [level_of_jumps(losses, 1.0) for losses in all_losses]
    assert engine.evaluate(LEVELS, all_losses) == pytest.approx(ours)
    assert 10 < sum(level is None for level in ours) < len(ours) - 10


@pytest.mark.parametrize(
    ("rule", "rate", "steps", "kind"),
    [
        ("sgd", 30, 300, "learning rate too high"),
        ("adam", 1e-6, 300, "learning rate too low"),
        ("adam", 0.02, 300, None),
        ("sgd", 30, 90, None),  # too few steps to tell
        # All rows get one answer, from a start that was worse: the loss has fallen, and by much.
        ("bumps", 30, 1600, "learning rate too high"),
        ("rprop", 0.02, 120, None),
    ],
)
def test_a_learning_rate_that_is_far_off_is_named_on_both_pages(engine, rule, rate, steps, kind):
    changes = {"data": "bumps"} if rule == "bumps" else {"data": "moons", "rule": rule}
    settings = settings_of(learning_rate=rate, **changes)
    state = make_run_state(settings)
    while state.run.step < steps:
        state.run.advance(steps - state.run.step)
    given = {"settings": settings.plain(), "theta": None, "rows": 1000, "steps": steps}
    for found in (lens_of_run(state.snapshot()), engine.evaluate(LENS, given)):
        kinds = [each["kind"] for each in found["findings"]]
        assert kinds[:1] == [kind] if kind else not any("learning rate" in each for each in kinds)
        assert kind is None or f"{steps} steps with η = " in found["findings"][0]["seen"]
    # After a weight was set by hand there is no start to compare with.
    state.run.set_parameter(0, 0.25)
    kinds = [each["kind"] for each in lens_of_run(state.snapshot())["findings"]]
    assert not any("learning rate" in each for each in kinds)
