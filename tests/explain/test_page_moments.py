"""Step numbers, what-ifs in every section of the page, and text size apart from the drawing."""

import numpy as np
import pytest
from tests.browser import Watched
from tests.explain.pages import set_state, shown, until, values
from tests.explain.test_page_lens import FOUND, STATES, SUBJECT
from tests.explain.test_whatif import nudged

from deltarule import Network, train
from deltarule.explain import explain
from deltarule.explain.page import PageState, write_page
from deltarule.explain.subject import Names, Subject
from deltarule.training import Recorder, replay, replay_states

EDGE = {"kind": "edge", "layer": 2, "j": 1, "k": 2}
SIZES = [(1280, 720), (1440, 900), (390, 844)]


def opened(context, path, width=1280, height=720):
    watched = Watched(context, width=width, height=height)
    watched.page.emulate_media(reduced_motion="reduce", color_scheme="light")
    watched.page.goto(path.as_uri())
    return watched


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    Y = np.c_[X[:, 0] * X[:, 1], X[:, 2]]
    recorder = Recorder()
    net = Network([3, 3, 2], "tanh")
    train(net, X, Y, rule="adam", batch_size=8, epochs=9, callbacks=[recorder])
    return recorder.recording(), X, Y


# -- moments ------------------------------------------------------------------------------


def test_states_of_a_run_are_spread_over_it_and_are_its_own(run):
    recording, X, Y = run
    states = replay_states(recording, X, Y, 50)
    steps = [state.step for state in states]
    assert len(steps) == 50
    assert (steps[0], steps[-1]) == (0, recording.end)
    assert max(np.diff(steps)) - min(np.diff(steps)) <= 1
    for state in (states[0], states[17], states[-2]):
        step = replay(recording, X, Y, state.step + 1)
        assert np.array_equal(step.before["theta"], state.theta)
        assert step.learning_rate == state.learning_rate
    assert states[-1].learning_rate is None
    few = replay_states(recording, X, Y, 2, also=[5, recording.end + 4])
    assert [state.step for state in few] == [0, 5, recording.end]


def test_title_slider_and_panel_call_a_step_by_one_number(context, tmp_path, run):
    recording, X, Y = run
    number = 34
    pages = [
        PageState(state.theta, step=state.step, learning_rate=state.learning_rate)
        for state in replay_states(recording, X, Y, 12)
    ]
    e = explain(replay(recording, X, Y, number))
    path = e.html(tmp_path / "page.html", states=pages, title=f"step {number} of {recording.end}")
    tab = opened(context, path)
    page = tab.page
    set_state(page, selected=EDGE)
    assert page.inner_text("#title") == f"step {number} of {recording.end}"
    assert page.inner_text(".bar output") == f"before step {number}"
    assert page.get_attribute("#state", "aria-valuetext") == f"before step {number}"
    assert f"Step {number} by Adam" in page.inner_text("#panel")
    labels = [state["label"] for state in page.evaluate("DR.page.payload.states")]
    assert labels[0] == "before step 1"
    assert labels[-1] == f"after step {recording.end}"
    assert all(label.startswith("before step ") for label in labels[:-1])
    tab.close()
    assert tab.errors == []


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # it does not converge in five epochs
def test_a_model_whose_place_in_a_training_is_unknown_is_at_no_step(context, tmp_path):
    from sklearn.datasets import load_iris

    from deltarule import MLPClassifier

    X, y = load_iris(return_X_y=True)
    model = MLPClassifier((3, 3), max_iter=5, random_state=0).fit(X, y)
    model.coefs_[0] *= 2  # no longer the θ at the end of training
    tab = opened(context, explain(model, X, y).html(tmp_path / "page.html"))
    state = tab.page.evaluate("DR.page.payload.states[0]")
    assert (state["step"], state["label"]) == (None, "these parameters")
    set_state(tab.page, selected=EDGE)
    assert "A first step from here by Adam" in tab.page.inner_text("#panel")
    tab.close()
    fitted = MLPClassifier((3, 3), max_iter=5, random_state=0).fit(X, y)
    tab = opened(context, explain(fitted, X, y).html(tmp_path / "fitted.html"))
    steps = explain(fitted, X, y).subject.step.number
    assert tab.page.evaluate("DR.page.payload.states[0].label") == f"before step {steps}"
    tab.close()
    assert tab.errors == []


# -- what if ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "delta"),
    [
        (EDGE, 0.8),
        ({"kind": "bias", "layer": 1, "j": 2}, -0.5),
        ({"kind": "node", "layer": 0, "j": 1}, 1.5),
    ],
)
def test_the_derivation_follows_the_what_if(context, tmp_path, what, delta):
    subject = shown("softmax").subject
    tab = opened(context, write_page(subject, tmp_path / "page.html"))
    page = tab.page
    set_state(page, selected=EDGE, sample=1, nudge={"what": what, "delta": delta})
    page.wait_for_selector("#panel [data-changed]")
    after = nudged(subject, what, delta, 1)
    found = values(page, "#panel")
    each = after.per_sample.delta[2][1, 1] * after.trace.A[1][1, 2]
    assert found["w^2_{1,2}"] == pytest.approx(after.net.unpack(after.theta)[0][2][1, 2], rel=1e-12)
    assert found["dC_1/dw^2_{1,2}"] == pytest.approx(each, rel=1e-10)
    assert found["dC/dw^2_{1,2}"] == pytest.approx(after.trace.dW[2][1, 2], rel=1e-10)
    drawn = values(page, "svg.network")
    assert drawn["C_1"] == pytest.approx(after.trace.loss[1], rel=1e-12)
    text = page.inner_text("#panel [data-changed]")
    assert "in place of" in text
    # The check also uses the changed network,
    page.click("#check button")
    assert page.locator("#check [aria-live] .verdict.good").count() == 1
    # and so do sweep and heat maps.
    page.evaluate("DR.sweep.step(1)")
    page.get_by_role("button", name="Back to the network as it was").click()
    until(page, "document.querySelectorAll('#panel [data-changed]').length", lambda n: n == 0)
    set_state(page, selected=EDGE)  # the derivation followed the sweep
    back = values(page, "#panel")
    assert back["dC/dw^2_{1,2}"] == pytest.approx(subject.trace.dW[2][1, 2], rel=1e-12)
    tab.close()
    assert tab.errors == []


def test_sweep_and_heat_maps_follow_it_too(context, tmp_path):
    subject = shown("softmax").subject
    tab = opened(context, write_page(subject, tmp_path / "page.html"))
    page = tab.page
    after = nudged(subject, EDGE, 3.5, 0)
    sweep = {"direction": "forward", "layer": 2, "node": 1}
    set_state(page, selected=EDGE, nudge={"what": EDGE, "delta": 3.5}, sweep=sweep)
    assert values(page, "#sweep")["z^2_{1}"] == pytest.approx(after.trace.Z[2][0, 1], rel=1e-12)
    page.locator("#heat").scroll_into_view_if_needed()
    listed = until(
        page,
        "Object.fromEntries([...document.querySelectorAll('#heat .lists [data-symbol]')]"
        ".map((n) => [n.dataset.symbol, Number(n.dataset.value)]))",
        lambda found: "w^2_{1,2}" in found,
    )
    W = after.net.unpack(after.theta)[0][2]
    assert listed["w^2_{1,2}"] == pytest.approx(W[1, 2], rel=1e-12)
    tab.close()
    assert tab.errors == []


# -- the size of the text -----------------------------------------------------------------

# Where the drawing is at first and after each of the steps of A+, once it has been drawn.
PLACES = """
async (steps) => {
  const drawn = () =>
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
  const place = () => {
    const box = document.querySelector("svg.network").getBoundingClientRect();
    const text = parseFloat(getComputedStyle(document.querySelector("#panel")).fontSize);
    return { top: box.top + scrollY, bottom: box.bottom + scrollY, width: box.width, text,
             beyond: document.documentElement.scrollWidth - innerWidth };
  };
  await drawn();
  const found = [place()];
  for (let step = 0; step < steps; ++step) {
    document.getElementById("larger").click();
    await drawn();
    found.push(place());
  }
  return found;
}
"""


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", ["softmax", "trained", "deep"])
def test_larger_text_leaves_the_drawing_on_the_screen(context, tmp_path, name, width, height):
    tab = opened(context, shown(name).write(tmp_path), width, height)
    set_state(tab.page, selected=EDGE)
    before, *places = tab.page.evaluate(PLACES, 8)
    for after in places:
        assert after["width"] >= before["width"] - 1
        assert after["top"] <= before["top"] + 40
        if before["bottom"] <= height:
            assert after["bottom"] <= height
        assert after["beyond"] <= 0
    assert places[-1]["text"] > 2.2 * before["text"]
    tab.close()
    assert tab.errors == []


# -- help, check, print ----------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [*SIZES, (640, 360)])
def test_help_opens_at_its_top(context, tmp_path, width, height):
    tab = opened(context, shown("article").write(tmp_path), width, height)
    for _ in range(2):
        tab.page.click("#help-open")
        assert tab.page.evaluate("document.getElementById('help').scrollTop") == 0
        seen = tab.page.locator("#h-help").bounding_box()
        assert 0 <= seen["y"] < height
        tab.page.evaluate("document.getElementById('help').scrollTop = 1e4")
        tab.page.keyboard.press("Escape")
    tab.close()
    assert tab.errors == []


@pytest.mark.parametrize("scale", [1.0, 1e-7])
def test_check_me_is_whole_at_1280(context, tmp_path, scale):
    import dataclasses

    subject = shown("softmax").subject
    subject = dataclasses.replace(subject, X=scale * subject.X)
    tab = opened(context, write_page(subject, tmp_path / "page.html"))
    set_state(tab.page, selected={"kind": "edge", "layer": 1, "j": 1, "k": 2})
    for _ in range(2):
        tab.page.click("#check button")
        clipped = tab.page.evaluate(
            """() => [...document.querySelectorAll("#check, #check *")]
                .filter((n) => n.scrollWidth > n.clientWidth + 1 && n.clientWidth > 0)
                .map((n) => n.outerHTML.slice(0, 200))"""
        )
        assert clipped == []
        set_state(tab.page, selected=None)
    tab.close()
    assert tab.errors == []


def test_paper_has_bars_and_the_whole_table(context, tmp_path):
    path = tmp_path / "page.html"
    states = [PageState(theta, step=step, learning_rate=0.05) for step, theta in STATES]
    write_page(SUBJECT, path, states=states, lens=FOUND)
    tab = opened(context, path, 718, 1000)  # A4 within its margins
    page = tab.page
    set_state(page, selected=EDGE)
    page.locator("#lens").scroll_into_view_if_needed()
    page.locator("[data-attribute=error]").wait_for()
    page.emulate_media(media="print")
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
            .filter((n) => n.checkVisibility() && !n.closest(".unseen") && !n.closest(".choice"))
            .filter((n) => n.getBoundingClientRect().right > innerWidth + 1)
            .map((n) => n.outerHTML.slice(0, 120))"""
    )
    assert wide == []
    exact = page.evaluate(
        """() => [".term .size i", ".lens-bar span", ".lens-share-bar", ".lens-way span", ".ramp"]
            .map((name) => getComputedStyle(document.querySelector(name)).printColorAdjust)"""
    )
    assert set(exact) == {"exact"}
    high = page.evaluate(
        "((e) => e.scrollHeight - e.clientHeight)(document.querySelector('.lens-rows'))"
    )
    assert high <= 0
    tab.close()
    assert tab.errors == []


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("names", [("sex=m", "wmmw"), ("MMMMMMMMMMMM", "b"), ("温度計の値", "b")])
def test_names_of_inputs_are_inside_the_drawing(context, tmp_path, names, width, height):
    net = Network([2, 3, 1], "tanh")
    known = Names(names, ("a_0",), ("0",))
    subject = Subject.of_arrays(net, net.initial(0), [[1.0, 2.0]], [[1.0]], names=known)
    tab = opened(context, write_page(subject, tmp_path / "page.html"), width, height)
    left = tab.page.eval_on_selector_all(
        "svg.network text.name[data-of]", "(all) => all.map((name) => name.getBBox().x)"
    )
    assert len(left) == 2
    assert min(left) >= 2  # with the stroke around the letters
    tab.close()
    assert tab.errors == []
