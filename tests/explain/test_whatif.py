import dataclasses

import numpy as np
import pytest
from tests.explain.pages import article, set_state, until, values

from deltarule.engines import EngineSettings
from deltarule.explain.page import write_page
from deltarule.explain.subject import StepTaken


def nudged(subject, what, delta, sample):
    """The same subject with one number changed."""
    layer, j = what["layer"], what["j"]
    if what["kind"] == "node":
        X = subject.X.copy()
        X[sample, j] += delta
        return dataclasses.replace(subject, X=X)
    W, b = (
        [None if part is None else part.copy() for part in parts]
        for parts in subject.net.unpack(subject.theta)
    )
    if what["kind"] == "edge":
        W[layer][j, what["k"]] += delta
    else:
        b[layer][j] += delta
    return dataclasses.replace(subject, theta=subject.net.pack(W, b if subject.net.bias else None))


def derivative(subject, what, sample):
    """The derivatives of C_i and C by the number that is changed."""
    layer, j, each, trace = what["layer"], what["j"], subject.per_sample, subject.trace
    if what["kind"] == "node":
        W = subject.net.unpack(subject.theta)[0]
        one = each.delta[1][sample] @ W[1][:, j]
        return one, subject.w[sample] * one
    if what["kind"] == "bias":
        return each.delta[layer][sample, j], trace.db[layer][j]
    k = what["k"]
    return each.delta[layer][sample, j] * trace.A[layer - 1][sample, k], trace.dW[layer][j, k]


def read(page):
    found = page.eval_on_selector_all(
        "[data-whatif]", "(all) => all.map((n) => [n.dataset.whatif, n.dataset.value])"
    )
    return {name: float(value) for name, value in found}


CASES = [
    ("article", {"kind": "edge", "layer": 2, "j": 1, "k": 2}, 0.5),
    ("article", {"kind": "edge", "layer": 1, "j": 2, "k": 2}, -0.75),
    ("article", {"kind": "node", "layer": 0, "j": 1}, 0.25),
    ("softmax", {"kind": "edge", "layer": 1, "j": 4, "k": 3}, 0.5),
    ("softmax", {"kind": "bias", "layer": 2, "j": 0}, -1.5),
]


@pytest.mark.parametrize("sample", [0, 1])
@pytest.mark.parametrize(("name", "what", "delta"), CASES)
def test_change_and_promise_are_pythons(shared, name, what, delta, sample):
    tab = shared(name)
    page, subject = tab.page, tab.subject
    set_state(page, selected=what, sample=sample)
    page.locator("#delta").fill(str(delta))
    page.keyboard.press("Enter")
    until(page, "DR.page.state.nudge", lambda nudge: nudge is not None)
    after = nudged(subject, what, delta, sample)
    one, mean = derivative(subject, what, sample)
    found = read(page)
    assert found["promised-sample"] == pytest.approx(one * delta, rel=1e-9)
    assert found["promised-mean"] == pytest.approx(mean * delta, rel=1e-9)
    true = after.trace.loss[sample] - subject.trace.loss[sample]
    assert found["true-sample"] == pytest.approx(true, rel=1e-9, abs=1e-14)
    assert found["true-mean"] == pytest.approx(
        after.trace.cost - subject.trace.cost, rel=1e-9, abs=1e-14
    )
    assert found["difference-sample"] == pytest.approx(true - one * delta, rel=1e-6, abs=1e-12)
    shown = values(page, "svg.network")
    for layer, n in enumerate(subject.net.widths):
        for j in range(n):
            assert shown[f"a^{layer}_{{{j}}}"] == pytest.approx(
                after.trace.A[layer][sample, j], rel=1e-12
            )
    assert shown[f"C_{sample}"] == pytest.approx(after.trace.loss[sample], rel=1e-12)
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("DR.page.state.nudge") is None
    assert values(page, "svg.network")[f"C_{sample}"] == pytest.approx(
        subject.trace.loss[sample], rel=1e-12
    )


def test_what_moved_shows_what_it_was(shared):
    tab = shared("article")
    what = {"kind": "edge", "layer": 2, "j": 1, "k": 2}
    set_state(tab.page, selected=what, nudge={"what": what, "delta": 0.5})
    moved = tab.page.eval_on_selector_all(
        ".node.moved",
        "(all) => all.map((n) => [n.dataset.node, n.querySelector('.below').textContent])",
    )
    assert moved == [["2,1", "was 0.479"]]


def test_the_slider_moves_it_too(shared):
    page = shared("softmax").page
    set_state(page, selected={"kind": "node", "layer": 1, "j": 2})
    page.locator("#delta-range").focus()
    page.keyboard.press("ArrowRight")
    nudge = until(page, "DR.page.state.nudge", lambda nudge: nudge is not None)
    assert nudge["what"] == {"kind": "bias", "layer": 1, "j": 2}
    assert nudge["delta"] > 0


@pytest.mark.parametrize("eta", [0.5, 40.0])
@pytest.mark.parametrize("name", ["article", "softmax"])
def test_a_full_step_beside_its_promise(shared, name, eta):
    tab = shared(name)
    subject = tab.subject
    tab.page.locator("#eta").fill(str(eta))
    tab.page.keyboard.press("Enter")
    grad = subject.trace.grad
    promised = -eta * float(grad @ grad)
    found = until(
        tab.page, "0", lambda _: read(tab.page)["promised-step"] == pytest.approx(promised)
    )
    after = dataclasses.replace(subject, theta=subject.theta - eta * grad)
    found = read(tab.page)
    change = after.trace.cost - subject.trace.cost
    assert found["true-step"] == pytest.approx(change, rel=1e-8, abs=1e-13)
    verdict = tab.page.locator("#whatif .note").last.text_content()
    assert ("overshoots" in verdict) == (change > 0)


def test_the_step_that_was_taken(show, tmp_path):
    subject = article().subject
    after = subject.theta - 0.1 * np.sign(subject.trace.grad)
    taken = StepTaken(EngineSettings(rule="adam"), learning_rate=0.1, theta_after=after)
    subject = dataclasses.replace(subject, step=taken)
    tab = show("article")
    tab.page.goto(write_page(subject, tmp_path / "page.html").as_uri())
    tab.page.wait_for_selector("[data-whatif=true-rule]")
    found = read(tab.page)
    moved = dataclasses.replace(subject, theta=after)
    assert found["true-rule"] == pytest.approx(moved.trace.cost - subject.trace.cost, rel=1e-9)
    assert found["promised-rule"] == pytest.approx(
        float(subject.trace.grad @ (after - subject.theta))
    )


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0,5", 0.5), (" 0.5 ", 0.5), ("−0,25", -0.25), ("1/8", 0.125), ("2e-3", 0.002)],
)
def test_a_number_is_read_as_a_reader_types_it(shared, typed, value):
    page = shared("article").page
    set_state(page, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2})
    page.locator("#delta").fill(typed)
    page.keyboard.press("Enter")
    nudge = until(page, "DR.page.state.nudge", lambda nudge: nudge is not None)
    assert nudge["delta"] == value
    page.locator("#eta").fill(typed.replace("−", ""))
    page.keyboard.press("Enter")
    said = "Number(document.getElementById('eta-range').getAttribute('aria-valuetext'))"
    until(page, said, lambda eta: eta == pytest.approx(abs(value), rel=1e-6))


def test_what_is_no_number_leaves_the_one_before(shared):
    page = shared("article").page
    set_state(page, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2})
    page.locator("#delta").fill("0.25")
    page.keyboard.press("Enter")
    until(page, "DR.page.state.nudge", lambda nudge: nudge is not None)
    page.locator("#delta").fill("a lot")
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.nudge.delta") == 0.25
    assert page.locator("#delta").input_value() == "0.25"


def test_the_curve_of_the_full_step_is_that_of_the_step_shown(show):
    page = show("trained").page
    curve = """() => document.querySelectorAll("#whatif .half")[1].querySelector("path.line")
      ?.getAttribute("d") ?? null"""
    last = until(page, f"({curve})()", bool)
    set_state(page, state=0)
    first = until(page, f"({curve})()", lambda d: d != last)
    set_state(page, state=4, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2})
    assert until(page, f"({curve})()", lambda d: d != first) == last
