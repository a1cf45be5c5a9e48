"""The lens section of the page: its numbers are Python's, and it follows the store."""

import dataclasses
import math

import numpy as np
import pytest
from tests.browser import Watched, browser, violations_in_both_schemes
from tests.explain.pages import kept_open

from deltarule import Network, forward, lens
from deltarule.explain import InputColumn, Subject, attribute
from deltarule.explain.page import PageState, payload_of, write_page

N = 40
COLUMNS = ("weight_rms", "delta_ratio", "gradient_norm", "snr", "update_ratio", "dead", "saturated")


def digits_subject():
    """5-12-8-3 with planted dead nodes, unequal weights, and a table behind the inputs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 5))
    y = (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 0.8)
    net = Network([5, 12, 8, 3], "relu", "softmax", "cross_entropy")
    theta = net.initial(0) + 0.1 * rng.standard_normal(net.n_parameters)
    net.unpack(theta)[1][1][[2, 7, 9]] = -50
    columns = (
        InputColumn("size <cm>", "number", (0,), tuple(map(float, x[:, 0]))),
        InputColumn("colour", "category", (1, 2), ("red",) * N),
        InputColumn("age", "number", (3,), (1.0,) * N),
        InputColumn("town", "category", (4,), ("Ulm",) * N),
    )
    s = rng.uniform(0.5, 2, N)
    return Subject.of_arrays(net, theta, x, y, s, columns=columns, classes=("low", "mid", "high"))


def looked_at():
    """The subject, and the lens over three recorded steps that end in it."""
    subject = digits_subject()
    rng = np.random.default_rng(1)
    last = subject.theta
    earlier = [last + scale * rng.standard_normal(len(last)) for scale in (0.4, 0.2)]
    states = list(zip((0, 1, 30), (*earlier, last), strict=True))
    found = lens(subject, learning_rate=0.05, rule="adam", recording=states)
    return subject, states, found


SUBJECT, STATES, FOUND = looked_at()


@pytest.fixture(scope="module")
def tabs(tmp_path_factory):
    with browser() as context:
        yield context, tmp_path_factory.mktemp("lens")


def opened(tabs, subject, found, states=(), name="page", **size):
    context, folder = tabs
    path = folder / f"{name}.html"
    pages = [PageState(theta, step=step, learning_rate=0.05) for step, theta in states]
    write_page(subject, path, states=pages, lens=found, title="The lens")
    tab = Watched(context, **({"width": 1280, "height": 900} | size))
    tab.page.goto(path.as_uri())
    return tab


CHOICES = "[...document.querySelectorAll('#lens select')].map((each) => each.selectedIndex)"
CHOOSE = """
(choices) => document.querySelectorAll("#lens select").forEach((each, i) => {
  if (each.selectedIndex === choices[i]) return;
  each.selectedIndex = choices[i];
  each.dispatchEvent(new Event("change", { bubbles: true }));
})
"""


@pytest.fixture(scope="module")
def shared(tabs):
    tab = opened(tabs, SUBJECT, FOUND, STATES)
    choices = tab.page.evaluate(CHOICES)
    with kept_open(tab) as put_back:
        yield tab, put_back, choices


@pytest.fixture
def tab(shared):
    """The page as it opens, but for attributions, which stay once they have been in sight."""
    tab, put_back, choices = shared
    put_back().evaluate(CHOOSE, choices)
    return tab


def attributed(tab):
    """The page's attribution of each column, its error, and the text around it."""
    tab.page.evaluate("document.querySelector('[data-attribute=all]').scrollIntoView()")
    tab.page.locator("[data-attribute=error]").wait_for()
    return shown_attributions(tab)


def shown_attributions(tab):
    values = tab.page.eval_on_selector_all(
        ".lens-attributions.signed [data-attribution]",
        "(all) => all.map((n) => [n.dataset.attribution, Number(n.dataset.value)])",
    )
    error = tab.page.locator("[data-attribute=error]").get_attribute("data-value")
    return dict(values), float(error)


def settled(tab):
    """Wait until the page is no longer marked as busy."""
    tab.page.locator("[data-attribute=all][aria-busy]").wait_for(state="detached")


def test_the_table_of_layers_holds_the_lenss_numbers(tab):
    for layer in FOUND.layers:
        for name in COLUMNS:
            cell = tab.page.locator(f'#lens [data-lens="{name},{layer.layer}"]')
            value = float(cell.get_attribute("data-value"))
            expected = getattr(layer, name)
            assert value == expected or (math.isnan(value) and math.isnan(expected))
            if math.isnan(expected):
                assert cell.inner_text() == "–"
            elif name == "dead":
                assert cell.inner_text() == f"{round(100 * expected)} %"
            else:
                shown = cell.inner_text().replace("−", "-").removesuffix(" %")
                assert float(shown) == pytest.approx(expected, rel=5e-2, abs=6e-4)


def test_the_table_follows_the_recorded_step(tab):
    for at, (step, _) in enumerate(STATES[:-1]):
        tab.page.evaluate("(state) => DR.page.set({ state })", at)
        cell = tab.page.locator('#lens [data-lens="snr,2"]')
        assert float(cell.get_attribute("data-value")) == FOUND.over_training("snr")[at][1]
        assert f"after step {step}" in tab.page.locator("#lens caption").first.inner_text()
        cursor = tab.page.locator(".lens-chart .lens-cursor").first
        assert cursor.get_attribute("visibility") == "visible"
    tab.page.evaluate("DR.page.set({ state: 2 })")
    cell = tab.page.locator('#lens [data-lens="update_ratio,1"]')
    assert float(cell.get_attribute("data-value")) == FOUND.layers[0].update_ratio


def test_what_is_marked_stands_with_reason_and_advice(tab):
    text = tab.page.locator(".lens-advice").inner_text()
    assert FOUND.advice
    for advice in FOUND.advice:
        for part in (advice.kind, advice.seen, advice.why, advice.what):
            assert part in text


def test_buttons_of_dead_nodes_select_them(tab):
    dead = FOUND.measured.dead_nodes[0].tolist()
    assert {2, 7, 9} <= set(dead)
    button = tab.page.get_by_role("button", name="Show dead node 7 of layer 1")
    button.click()
    selected = tab.page.evaluate("DR.page.state.selected")
    assert selected == {"kind": "node", "layer": 1, "j": 7}


def test_the_hardest_rows_select_their_sample(tab):
    hardest = FOUND.hardest(20)
    buttons = tab.page.locator("#lens [data-row]")
    assert [b.get_attribute("data-row") for b in buttons.all()] == [each.name for each in hardest]
    second = hardest[1]
    button = tab.page.locator(f'#lens [data-row="{second.name}"]')
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("DR.page.state.sample") == second.row
    assert button.get_attribute("aria-pressed") == "true"


def test_each_layer_has_a_chart_that_can_be_read_and_a_table(tab):
    charts = tab.page.locator(".lens-chart")
    assert charts.count() == 3
    select = tab.page.locator('#lens [data-lens="charted"]')
    select.select_option("snr")
    values = FOUND.over_training("snr")
    for at, chart in enumerate(charts.all()):
        assert chart.locator("title").text_content().startswith(f"Layer {at + 1}, ")
        assert "after step 30" in chart.locator("desc").text_content()
        points = chart.locator("polyline").get_attribute("points").split()
        heights = [-float(point.split(",")[1]) for point in points]
        assert len(points) == 3
        assert np.argsort(heights).tolist() == np.argsort(values[:, at]).tolist()
    cells = tab.page.eval_on_selector_all(
        ".lens-part details .lens-table td", "(all) => all.map((n) => Number(n.dataset.value))"
    )
    assert cells == values.ravel().tolist()


@pytest.mark.parametrize("of", [None, 1, "loss"])
@pytest.mark.parametrize("baseline", ["zeros", "mean"])
@pytest.mark.parametrize("method", ["integrated", "gradient"])
def test_attributions_are_those_of_python_and_complete(tab, method, baseline, of):
    attributed(tab)
    labels = {None: "the largest output", 1: "output mid", "loss": "the loss Cᵢ"}
    method_label = {"integrated": "integrated gradients", "gradient": "gradient × input"}[method]
    tab.page.locator("[data-attribute=of]").select_option(label=labels[of])
    tab.page.locator("[data-attribute=method]").select_option(label=method_label)
    tab.page.locator("[data-attribute=baseline]").select_option(
        index=["zeros", "mean"].index(baseline)
    )
    tab.page.evaluate("DR.page.set({ sample: 3 })")
    settled(tab)
    values, error = shown_attributions(tab)
    expected = attribute(SUBJECT, rows=3, of=of, method=method, baseline=baseline)
    for (name, _), value in zip(expected.columns, expected.by_column[0], strict=True):
        assert values[name] == pytest.approx(value, rel=2e-6, abs=2e-7)
    assert error == pytest.approx(expected.error[0], abs=1e-6)
    if method == "integrated":
        change = expected.value[0] - expected.baseline_value[0]
        assert abs(error) <= 1e-6 * max(np.abs(expected.values).sum(), abs(change)) + 1e-12
        assert sum(values.values()) == pytest.approx(change, abs=2e-6)


def test_attributions_follow_sample_and_step(tab):
    attributed(tab)
    for state, sample in ((0, 5), (2, 17)):
        tab.page.evaluate("([state, sample]) => DR.page.set({ state, sample })", [state, sample])
        settled(tab)
        there = dataclasses.replace(SUBJECT, theta=STATES[state][1])
        expected = attribute(there, rows=sample)
        values, _ = shown_attributions(tab)
        for (name, _), value in zip(expected.columns, expected.by_column[0], strict=True):
            assert values[name] == pytest.approx(value, rel=2e-6, abs=2e-7)


def test_means_over_the_table_stand_below(tab):
    values = tab.page.eval_on_selector_all(
        ".lens-attributions.sizes [data-attribution]",
        "(all) => all.map((n) => [n.dataset.attribution, Number(n.dataset.value)])",
    )
    found = FOUND.attributions
    assert dict(values) == pytest.approx(
        {name: mean for (name, _), mean in zip(found.columns, found.mean_by_column, strict=True)}
    )


def test_many_inputs_are_twelve_bars_and_the_others(tabs):
    rng = np.random.default_rng(4)
    net = Network([30, 16, 2], "relu")
    subject = Subject.of_arrays(
        net, net.initial(1), rng.standard_normal((6, 30)), rng.standard_normal((6, 2))
    )
    tab = opened(tabs, subject, lens(subject), name="many")
    values, error = attributed(tab)
    assert len(values) == 13
    assert "18 others" in values
    a = forward(net, subject.theta, np.r_[subject.X[[0]], np.zeros((1, 30))]).output
    j = a[0].argmax()
    assert sum(values.values()) == pytest.approx(a[0, j] - a[1, j] + error, abs=1e-12)
    # Without classes, f has the names of the outputs.
    assert "a_" in tab.page.locator("#lens [role=status]").inner_text()
    assert tab.errors == []
    tab.close()


def test_a_choice_in_the_middle_of_the_work_calls_it_off(tabs):
    """The page computes in slices of some milliseconds and shows only the last request."""
    rng = np.random.default_rng(6)
    net = Network([20, 128, 64, 3], "relu")
    theta = net.initial(0) + 0.1 * rng.standard_normal(net.n_parameters)
    x = rng.standard_normal((30, 20))
    subject = Subject.of_arrays(net, theta, x, np.zeros((30, 3)))
    tab = opened(tabs, subject, lens(subject), name="busy")
    attributed(tab)
    for sample in range(1, 9):
        tab.page.evaluate("(sample) => DR.page.set({ sample })", sample)
        tab.page.wait_for_timeout(45)
    settled(tab)
    _, error = shown_attributions(tab)
    assert "Row 8," in tab.page.locator("#lens [role=status]").inner_text()
    values, _ = shown_attributions(tab)
    expected = attribute(subject, rows=8).values[0]
    largest = int(np.abs(expected).argmax())
    assert values[f"x_{largest}"] == pytest.approx(expected[largest], rel=1e-5)
    # Divided at the kinks, the integral is exact but for rounding.
    assert abs(error) < 1e-11
    tab.close()


def test_the_page_opens_without_waiting_for_attributions(tabs):
    tab = opened(tabs, SUBJECT, FOUND, STATES, name="late")
    tab.page.evaluate("window.scrollTo(0, 0)")
    assert tab.page.locator(".lens-attributions.signed").count() == 0
    attributed(tab)
    assert tab.page.locator(".lens-attributions.signed").count() == 1
    tab.close()


def test_nothing_is_wider_than_a_phone(tabs):
    tab = opened(tabs, SUBJECT, FOUND, STATES, name="phone", width=360, height=780)
    attributed(tab)
    wide = tab.page.evaluate(
        """() => [...document.querySelectorAll("#lens *")]
            .filter((n) => !n.closest(".scroll") || n.matches(".scroll"))
            .filter((n) => n.getBoundingClientRect().right > innerWidth + 0.5)
            .map((n) => n.tagName + "." + n.className)"""
    )
    assert wide == []
    tab.close()


def test_axe_finds_nothing_to_object_to(tabs):
    tab = opened(tabs, SUBJECT, FOUND, STATES, name="axe")
    attributed(tab)
    for details in tab.page.locator("#lens details").all():
        details.locator("summary").click()
    assert violations_in_both_schemes(tab.page, "#lens") == []
    assert tab.errors == []
    tab.close()


def test_numbers_that_are_not_finite_reach_the_page(tabs):
    net = Network([1, 2, 1], "tanh")
    subject = Subject.of_arrays(net, net.initial(0), [[1.0], [1.0]], [[0.5], [0.5]])
    found = lens(subject)
    assert math.isinf(found.layers[0].snr)
    payload = payload_of(subject, lens=found)
    assert payload["lens"]["layers"][0]["snr"] == "Infinity"
    tab = opened(tabs, subject, found, name="infinite")
    cell = tab.page.locator('#lens [data-lens="snr,1"]')
    assert cell.inner_text() == "∞"
    assert tab.errors == []
    tab.close()


def test_no_word_of_the_page_has_an_index_as_in_source_text(tab):
    tab.page.locator("#lens").scroll_into_view_if_needed()
    settled(tab)
    words = tab.page.evaluate("""() => [document.body.innerText,
      ...[...document.querySelectorAll("[title], [aria-label], option")].map(
        (node) => `${node.title} ${node.getAttribute("aria-label") ?? ""} ${node.text ?? ""}`)]""")
    assert "‖δ‖/‖δ⁽ᴸ⁾‖" in words[0]
    assert [each for each in words if "^" in each or "_{" in each] == []
