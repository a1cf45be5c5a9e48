"""The page in Chromium: its numbers, its controls and its accessibility."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from tests.browser import Watched, browser, frames, violations_in_both_schemes
from tests.playground.helpers import TOKEN, holds, press, served
from tests.playground.shared_page import SharedPage

from deltarule.playground import ReadTable, RunSettings
from deltarule.tables import infer_schema, table_from_frame

WIDE, PHONE = {"width": 1500, "height": 950}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def context():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def server():
    with served(RunSettings(data="moons", layers=(4, 3))) as found:
        yield found


def opened(context, server, size=WIDE, address=None):
    """A page of the playground that has drawn the network."""
    watched = Watched(context, **size)
    watched.page.goto(address or server.url)
    watched.page.wait_for_selector("[data-node]", timeout=30_000)
    holds(watched.page, "document.body.dataset.frames > 0")
    return watched


@pytest.fixture(scope="module")
def shared(context, server):
    found = SharedPage(lambda: opened(context, server), WIDE)
    yield found
    found.close()


@pytest.fixture
def watched(shared, server):
    server.runner.submit("setup", settings=RunSettings(data="moons").plain()).result(60)
    server.runner.submit("speed", steps_per_second=300).result(60)
    found = shared.take()
    yield found
    settle(found.page)
    assert found.errors == []
    assert found.outside(f"{server.root}/", f"ws://127.0.0.1:{server.port}/live") == []


def settle(page):
    """Wait for two animation frames, after which all changes are painted."""
    frames(page, 2)


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def step_of(page):
    return int(page.evaluate("document.body.dataset.step"))


def until_step(page, condition):
    holds(page, f"Number(document.body.dataset.step) {condition}")


def plane(page):
    """The pixels of the decision surface."""
    return page.evaluate("document.querySelector('canvas.plane').toDataURL()")


def theta_drawn(page):
    """Every parameter that the drawing shows, keyed by layer and node."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-edge], [data-bias]')].map(
            (e) => [e.dataset.edge ?? 'b' + e.dataset.bias, e.getAttribute('aria-label')]))"""
    )


def test_a_click_on_a_node_shows_its_derivation_beside_the_drawing(watched):
    page = watched.page
    page.set_viewport_size({"width": 1280, "height": 720})
    settle(page)
    assert not page.locator("#panel").is_visible()
    page.locator('[data-node="1,1"]').click()
    inside = """(selector) => {
      const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
      return bottom > top && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    }"""
    assert page.evaluate(inside, "#panel h3")
    assert page.evaluate(inside, "#panel .step h4")
    holds(page, f"({inside})('[data-node=\"1,1\"]')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert not page.locator("#settings").is_visible()
    button(page, "Close the derivation").click()
    assert page.locator("#settings").is_visible()
    page.evaluate("DR.page.set({ selected: null })")


@pytest.mark.parametrize("trace", ["", "localStorage.left = 1", "DR.page.set({ sample: 3 })"])
def test_a_page_with_a_trace_of_a_test_is_opened_again(watched, shared, trace):
    watched.page.evaluate(f"() => {{ {trace}; }}")
    again = shared.take()
    assert (again is watched) is (trace == "")
    assert again.page.evaluate("[DR.page.state.sample, 'left' in localStorage]") == [0, False]


def test_step_epoch_play_pause_and_reset(watched, server):
    page = watched.page
    start = plane(page)
    button(page, "Step").click()
    until_step(page, "=== 1")
    button(page, "Epoch").click()
    until_step(page, "=== 7")
    assert page.locator("[data-where=epoch]").inner_text() == "1"
    button(page, "Play").click()
    until_step(page, "> 60")
    assert page.locator("#transport .main").inner_text() == "Pause"
    button(page, "Pause").click()
    holds(page, "document.body.dataset.phase === 'paused'")
    step = server.runner.submit("snapshot").result(30).step
    until_step(page, f"=== {step}")
    settle(page)
    assert plane(page) != start
    button(page, "Reset").click()
    until_step(page, "=== 0")
    settle(page)
    assert plane(page) == start


def test_a_page_that_paints_late_follows_the_run_that_was_begun_meanwhile(watched, server):
    page = watched.page
    press(page, "Play")
    until_step(page, "> 20")
    # Frames of this run come, and are not painted before another run is there.
    page.evaluate(
        """() => {
          const late = [], asked = requestAnimationFrame;
          window.requestAnimationFrame = (paint) => late.push(paint);
          window.resume = () => {
            window.requestAnimationFrame = asked;
            for (const paint of late) asked(paint);
          };
        }"""
    )
    page.wait_for_timeout(300)
    server.runner.submit("reset").result(30)
    page.wait_for_timeout(300)
    page.evaluate("window.resume()")
    until_step(page, "=== 0")
    server.runner.submit("step").result(30)
    until_step(page, "=== 1")


def test_keyboard_shortcuts_do_what_the_buttons_do(watched):
    page = watched.page
    page.locator("body").press("s")
    until_step(page, "=== 1")
    page.keyboard.press("e")
    until_step(page, "=== 7")
    page.keyboard.press("k")
    until_step(page, "> 20")
    page.keyboard.press("k")
    holds(page, "document.body.dataset.phase === 'paused'")
    page.keyboard.press("r")
    until_step(page, "=== 0")
    # Not while a text field has the focus.
    page.locator("#seed").focus()
    page.keyboard.press("s")
    settle(page)
    assert step_of(page) == 0


# The next answer to the page's question for the network is kept back until it is let go.
HOLD = """() => {
  const ask = window.fetch;
  window.fetch = async (...what) => {
    window.fetch = ask;
    const answer = await ask(...what);
    document.body.dataset.held = "yes";
    await new Promise((go) => { window.letGo = go; });
    delete document.body.dataset.held;
    return answer;
  };
}"""


def test_a_step_that_comes_while_the_network_of_the_one_before_is_fetched_is_shown(watched):
    page = watched.page
    page.evaluate(HOLD)
    press(page, "Step")
    holds(page, "document.body.dataset.held === 'yes'")
    press(page, "Step")
    until_step(page, "=== 2")
    page.evaluate("letGo()")
    holds(page, "DR.page.current().step === 2", timeout=20)


def test_the_drawing_shows_the_parameters_of_the_engine(watched, server):
    page = watched.page
    for _ in range(3):
        press(page, "Step")
    until_step(page, "=== 3")
    snapshot = server.runner.submit("snapshot").result(30)
    W, b = snapshot.net.unpack(snapshot.theta)
    holds(page, "DR.page.current().step === 3")
    settle(page)
    drawn = theta_drawn(page)
    for layer in (1, 2, 3):
        for j in range(W[layer].shape[0]):
            for k in range(W[layer].shape[1]):
                assert shown(drawn[f"{layer},{j},{k}"]) == f"{float(W[layer][j, k]):.6f}"
            assert shown(drawn[f"b{layer},{j}"]) == f"{float(b[layer][j]):.6f}"


def shown(label):
    """The number at the end of a label, with an ASCII minus sign."""
    return label.rsplit(": ", 1)[1].replace("\u2212", "-")


def test_the_drawing_moves_while_the_network_trains(watched):
    page = watched.page
    before = theta_drawn(page)
    press(page, "Play")
    holds(page, "DR.page.current().step > 5")
    settle(page)
    press(page, "Pause")
    assert theta_drawn(page) != before


def test_a_click_shows_the_derivation_with_the_numbers_of_the_next_step(watched, server):
    page = watched.page
    press(page, "Step")
    until_step(page, "=== 1")
    page.get_by_role("radio", name="Rows of the next step").check()
    holds(page, "DR.page.current().update !== null && DR.page.current().step === 1")
    page.evaluate("DR.page.set({selected: {kind: 'edge', layer: 3, j: 0, k: 1}})")
    settle(page)
    engine, batch = server.runner._current.run.engine, server.runner._current.run.next_batch()
    snapshot = server.runner.submit("snapshot").result(30)
    exact = snapshot.net.with_changes(dtype="float64")
    from deltarule import backprop

    X, Y = batch.X.astype(float), batch.Y.astype(float)
    trace = backprop(exact, snapshot.theta.astype(float), X, Y)
    block = exact.block("W3")
    expected = block.of(trace.grad)[0, 1]
    text = page.locator("#panel").inner_text().replace("\u2212", "-")
    assert f"{expected:.6f}" in text
    _, grad = engine.gradient(batch)
    assert block.of(grad)[0, 1] == pytest.approx(expected, rel=1e-4)


def test_changed_settings_start_a_new_run(watched):
    page = watched.page
    press(page, "Step")
    until_step(page, "=== 1")
    page.locator("#data-digits").check()
    holds(page, "document.querySelector('#drawing').innerText.includes('64')")
    until_step(page, "=== 0")
    assert page.locator("#loss").input_value() == "cross_entropy"
    before = plane(page)
    page.locator("#axis-x").select_option("36")
    holds(page, f"document.querySelector('canvas.plane').toDataURL() !== {before!r}")
    page.get_by_role("button", name="Add a hidden layer").click()
    holds(page, "DR.page.net.widths.length === 4")
    page.get_by_label("Nodes of hidden layer 2").fill("5")
    page.get_by_label("Nodes of hidden layer 2").press("Enter")
    holds(page, "DR.page.net.widths[2] === 5")
    page.get_by_role("button", name="Remove hidden layer 1").click()
    holds(page, "DR.page.net.widths.join() === '64,5,10'")


def test_the_drawing_names_the_activation_that_was_chosen(watched):
    page = watched.page
    for name, words in [("relu", "ReLU"), ("gelu", "GELU"), ("tanh", "tanh")]:
        page.locator("#activation").select_option(name)
        holds(
            page,
            "[...document.querySelectorAll('#drawing .heading')].some("
            f"(each) => each.textContent === 'layer 1{words}')",
        )


def test_invalid_settings_are_reported_on_the_page(watched):
    page = watched.page
    page.locator("#rate").fill("0")
    page.locator("#rate").press("Enter")
    page.wait_for_selector("#refused")
    assert "learning_rate is 0; expected" in page.locator("#refused").inner_text()
    page.locator("#rate").fill("0.5")
    page.locator("#rate").press("Enter")
    page.wait_for_selector("#refused", state="detached")


def test_reset_keeps_the_rate_that_was_typed_during_the_run(watched):
    page = watched.page
    press(page, "Step")
    until_step(page, "=== 1")
    page.locator("#rate").fill("0.5")
    page.locator("#rate").press("Enter")
    holds(page, "location.hash.includes('learning_rate=0.5')")
    press(page, "Reset")
    until_step(page, "=== 0")
    assert page.locator("#rate").input_value() == "0.5"
    assert "learning_rate=0.5" in page.evaluate("location.hash")


REFUSED = [
    ("#rate", "0", "learning_rate"),
    ("#rate", "", "left empty: expected a number from"),
    ("#n-rows", "1", "rows"),
    ("#n-rows", "", "left empty: expected a whole number from"),
    ("#held", "0.95", "held"),
    ("#noise", "-3", "noise"),
    ("#seed", "-1", "seed"),
    ("#l2", "-1", "l2"),
    ("#batch", "-1", "batch"),
    ("[aria-label='Nodes of hidden layer 1']", "0", "layer"),
    ("[aria-label='Nodes of hidden layer 2']", "", "left empty: expected a whole number from"),
]


# A field, and what is said of what was typed into it.
REFUSAL = """(selector) => {
  const field = document.querySelector(selector), refused = document.getElementById("refused");
  return {
    value: field.value, described: field.getAttribute("aria-describedby"),
    focused: field === document.activeElement,
    reason: refused.innerText, role: refused.getAttribute("role"),
    banners: document.querySelectorAll("#notices .banner").length,
  };
}"""


@pytest.mark.parametrize("how", ["Enter", "Tab"])
def test_a_refused_value_is_replaced_by_the_current_one_with_the_reason(watched, how):
    page = watched.page
    for at, (field, refused, message) in enumerate(REFUSED):
        said = (field, refused)
        before = page.locator(field).input_value()
        page.locator(field).fill(refused)
        page.keyboard.press(how)
        page.wait_for_selector("#refused")
        found = page.evaluate(REFUSAL, field)
        assert found["value"] == before, said
        assert message in found["reason"], said
        # Beside the field alone, linked to it by ARIA, and told as an alert.
        assert found["described"] == "refused", said
        assert found["role"] == "alert", said
        assert found["banners"] == 0, said
        if refused:
            assert found["reason"].startswith(f"{refused} was refused: ")
        if how == "Enter":
            assert found["focused"], said
        # The next accepted value removes the reason.
        accepted = ("0.25", "0.5")[at % 2]
        page.locator("#l2").fill(accepted)
        page.locator("#l2").press("Enter")
        holds(page, "document.getElementById('refused') === null")
        # The description of the run, which comes later, writes the fields again.
        holds(page, f"location.hash.includes('l2={accepted}')")
        assert page.locator("[aria-describedby=refused]").count() == 0, said
        assert page.locator("#l2").input_value() == accepted


def test_divergence_is_reported_on_the_page(watched, server):
    page = watched.page
    server.runner.submit("setup", settings={"rule": "sgd", "learning_rate": 1000, "l2": 1000,
                        "loss": "squared_error", "activation": "identity"}).result(60)  # fmt: skip
    press(page, "Play")
    page.wait_for_selector("[data-cause=diverged]", timeout=30_000)
    assert "smaller learning rate" in page.locator("[data-cause=diverged]").inner_text()
    press(page, "Reset")
    page.wait_for_selector("[data-cause=diverged]", state="detached")


def test_two_browsers_show_one_run(watched, context, server):
    other = opened(context, server)
    try:
        press(watched.page, "Play")
        until_step(other.page, "> 30")
        press(other.page, "Pause")
        holds(watched.page, "document.body.dataset.phase === 'paused'")
        step = server.runner.submit("snapshot").result(30).step
        for page in (watched.page, other.page):
            until_step(page, f"=== {step}")
        other.page.locator("#activation").select_option("relu")
        holds(watched.page, "document.querySelector('#activation').value === 'relu'")
        assert other.errors == []
    finally:
        other.close()


def test_a_page_reloaded_during_a_run_shows_its_current_state(watched):
    page = watched.page
    press(page, "Play")
    until_step(page, "> 100")
    page.reload()
    holds(page, "document.body.dataset.frames > 0")
    assert step_of(page) > 100
    assert page.evaluate("document.body.dataset.phase") == "playing"
    page.wait_for_selector("[data-node]")
    press(page, "Pause")


def test_files_can_be_downloaded(watched, tmp_path):
    page = watched.page
    press(page, "Epoch")
    until_step(page, "=== 7")
    for text, ending in (("Python script", ".py"), ("Model", ".zip"), ("Explain page", ".html")):
        with page.expect_download() as taken:
            page.get_by_role("link", name=text).click()
        path = tmp_path / taken.value.suggested_filename
        taken.value.save_as(path)
        assert path.suffix == ending
        assert path.stat().st_size > 400


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("data", ["moons", "digits"])
def test_it_is_accessible(context, server, size, data):
    server.runner.submit("setup", settings={"data": data, "loss": "", "layers": [6]}).result(60)
    watched = opened(context, server, size)
    page = watched.page
    page.evaluate("DR.page.set({selected: {kind: 'edge', layer: 2, j: 0, k: 1}})")
    settle(page)
    assert violations_in_both_schemes(page) == []
    # Nothing is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert watched.errors == []
    watched.close()


PLACES = """[...document.querySelectorAll('main .card')].map((card) => {
    const { left, top } = card.getBoundingClientRect();
    return [Math.round(left), Math.round(top + scrollY), card.className];
})"""


@pytest.mark.parametrize(
    "size", [WIDE, PHONE, {"width": 1280, "height": 800}], ids=["wide", "phone", "laptop"]
)
def test_the_visual_order_of_the_cards_is_that_of_the_document(context, server, size):
    watched = opened(context, server, size)
    places = watched.page.evaluate(PLACES)
    assert len(places) == 7
    if size is PHONE:  # the derivation is a sheet at the lower edge, above the others
        assert "place-panel" in places.pop()[-1]
    assert [name for *_, name in sorted(places)] == [name for *_, name in places]
    watched.close()


def test_the_window_can_be_resized_during_training(watched, server):
    page = watched.page
    server.runner.submit("setup", settings={"data": "digits", "loss": "", "layers": [6]}).result(60)
    holds(page, "DR.page.net.widths[0] === 64")
    press(page, "Play")
    for size in (PHONE, {"width": 1000, "height": 700}, {"width": 2560, "height": 1300}, WIDE):
        page.set_viewport_size(size)
        settle(page)
        step = step_of(page)
        until_step(page, f"> {step}")
        canvas = page.evaluate(
            "(({width, clientWidth}) => width / clientWidth)(document.querySelector('.plane'))"
        )
        assert canvas == pytest.approx(page.evaluate("Math.min(devicePixelRatio, 2)"), rel=0.01)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    press(page, "Pause")
    assert page.locator("#notices .banner").count() == 0


def test_on_a_narrow_screen_the_settings_are_collapsed(context, server):
    server.runner.submit("setup", settings=RunSettings(data="moons").plain()).result(60)
    watched = opened(context, server, PHONE)
    page = watched.page
    assert not page.locator("#rule").is_visible()
    assert page.locator("#chosen").inner_text() == "Moons, 2\u20134\u20133\u20131, tanh, adam"
    page.locator("#chosen").click()
    assert page.locator("#rule").is_visible()
    page.set_viewport_size(WIDE)
    holds(page, "document.querySelector('#fold').open")
    assert not page.locator("#chosen").is_visible()
    watched.close()


def test_between_large_layers_the_largest_weights_are_emphasised(watched, server):
    page = watched.page
    server.runner.submit("setup", settings={"layers": [16, 16]}).result(60)
    holds(page, "document.querySelector('#drawing [data-edge=\"2,15,15\"]') !== null")
    settle(page)
    snapshot = server.runner.submit("snapshot").result(30)
    W, _ = snapshot.net.unpack(snapshot.theta)
    lines = page.evaluate(
        """[...document.querySelectorAll('[data-edge^="2,"]')].map(
            (e) => [e.dataset.edge, e.classList.contains('faint')])"""
    )
    assert len(lines) == 256
    full = {place for place, faint in lines if not faint}
    order = sorted(
        (f"2,{j},{k}" for j in range(16) for k in range(16)),
        key=lambda place: -abs(W[2][tuple(map(int, place.split(",")[1:]))]),
    )
    assert 30 <= len(full) <= 48
    assert full == set(order[: len(full)])
    # All lines of the selected node are shown.
    page.evaluate("DR.page.set({selected: {kind: 'node', layer: 2, j: 3}})")
    settle(page)
    assert page.locator('[data-edge^="2,3,"].faint').count() == 0


def test_help_and_colours_by_keyboard(watched):
    page = watched.page
    page.locator("body").press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    before = plane(page)
    page.locator("#theme").press("Enter")
    holds(page, "document.documentElement.dataset.theme === 'dark'")
    settle(page)
    assert plane(page) != before
    page.locator("#theme").press("Enter")


def test_every_control_can_be_reached_by_tab(watched):
    page = watched.page
    reached = set()
    page.locator("body").click(position={"x": 1, "y": 1})
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    wanted = {"Play", "Step", "data-moons", "activation", "loss", "rule", "rate", "axis-x", "seed",
              "Python script", "The derivation", "log-loss"}  # fmt: skip
    assert wanted <= reached
    button(page, "The derivation").press("Enter")
    assert page.evaluate("document.activeElement.id") == "panel"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Close the derivation"
    page.keyboard.press("Enter")


def test_derived_inputs_are_inputs_of_the_network(watched, server):
    page = watched.page
    page.locator("#derived-product").check()
    holds(page, "DR.page.net.widths[0] === 3")
    page.locator("#derived-sine_1").check()
    holds(page, "DR.page.net.widths[0] === 4")
    assert page.evaluate("DR.page.payload.names.inputs.slice(2)") == ["x₀·x₁", "sin(π x₁)"]
    # The formulas in the browser are those of Python.
    data = server.runner._current.data
    for row in (0, 7):
        a, b = map(float, data.X[row, :2])
        found = page.evaluate(
            "([a, b]) => [DR.derived.product(a, b), DR.derived.sine_1(a, b)]", [a, b]
        )
        assert found == pytest.approx(data.X[row, 2:].tolist(), abs=1e-6)
    page.locator("#derived-product").uncheck()
    page.locator("#data-digits").check()
    holds(page, "DR.page.net.widths[0] === 64")
    assert page.locator("#derived-product").count() == 0


def test_a_weight_is_set_by_typing_a_number_on_its_line(watched, server):
    page = watched.page
    page.evaluate("document.querySelector('[data-edge=\"2,1,3\"]').focus()")
    page.keyboard.type("-0.5")
    assert page.evaluate("document.activeElement.id") == "weight"
    page.keyboard.press("Enter")
    holds(page, "DR.page.theta()[DR.page.entry({kind: 'edge', layer: 2, j: 1, k: 3})] === -0.5")
    snapshot = server.runner.submit("snapshot").result(30)
    W, _ = snapshot.net.unpack(snapshot.theta)
    assert W[2][1, 3] == -0.5
    assert len(snapshot.edits) == 1
    # The focus is on the line again; Escape leaves a weight as it is.
    assert page.evaluate("document.activeElement.dataset.edge") == "2,1,3"
    page.keyboard.type("9")
    page.keyboard.press("Escape")
    settle(page)
    assert len(server.runner.submit("snapshot").result(30).edits) == 1


@pytest.mark.parametrize(("typed", "value"), [("-5,5", -5.5), ("\u22120,25", -0.25), ("1e-1", 0.1)])
def test_a_weight_is_typed_with_a_comma(watched, typed, value):
    page = watched.page
    page.locator('[data-edge="2,1,3"]').dispatch_event("click")
    page.wait_for_selector(".weight-card:not([hidden])")
    page.locator("#weight").click()
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    weight = "DR.page.theta()[DR.page.entry({kind: 'edge', layer: 2, j: 1, k: 3})]"
    holds(page, f"Math.abs({weight} - {value}) < 1e-6")
    page.get_by_label("Change the sign of the weight").click()
    holds(page, f"Math.abs({weight} + {value}) < 1e-6")


def test_a_weight_that_is_no_number_is_refused_and_stays(watched, server):
    page = watched.page
    page.locator('[data-edge="2,1,3"]').dispatch_event("click")
    page.wait_for_selector(".weight-card:not([hidden])")
    page.locator("#weight").click()
    page.keyboard.type("5,5,5")
    page.keyboard.press("Enter")
    holds(page, "document.getElementById('weight-refused').innerText.includes('5,5,5')")
    # Said at the field and nowhere else, and what was typed can be mended.
    assert page.locator("[data-cause=order]").count() == 0
    assert page.get_attribute("#weight", "aria-invalid") == "true"
    page.evaluate("document.getElementById('weight').blur()")
    settle(page)
    assert page.input_value("#weight") == "5,5,5"
    page.locator("#weight").fill("2000000")
    assert page.locator("#weight-refused").inner_text() == ""
    page.keyboard.press("Enter")
    holds(page, "document.getElementById('weight-refused').innerText.includes('2000000')")
    assert server.runner.submit("snapshot").result(30).edits == ()


def test_a_setting_is_typed_with_a_comma_and_moved_by_the_arrow_keys(watched):
    page = watched.page
    page.locator("#rate").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("0,03")
    page.keyboard.press("Enter")
    holds(page, "location.hash.includes('learning_rate=0.03')")
    for key, value in (("ArrowUp", "0.04"), ("ArrowDown", "0.03")):
        page.locator("#rate").press(key)
        holds(page, f"document.getElementById('rate').value === '{value}'")
        holds(page, f"location.hash.includes('learning_rate={value}')")


def test_the_losses_after_a_weight_was_set_by_hand_are_those_of_the_weights(watched, server):
    page = watched.page
    press(page, "Epoch")
    until_step(page, "> 0")
    holds(page, "document.body.dataset.phase === 'paused'")
    settle(page)
    before = page.locator("[data-where=loss]").inner_text()
    assert "by hand" not in page.locator("#losses").inner_text()
    server.runner.submit("weight", entry=0, value=40.0).result(30)
    holds(page, "document.querySelector('[data-verdict]').innerText.includes('by hand')")
    state = server.runner._state
    loss, _ = state.run.current_losses()
    shown = page.locator("[data-loss-now]")
    assert float(shown.get_attribute("data-loss-now")) == pytest.approx(loss, abs=1e-5)
    assert float(shown.inner_text()) == pytest.approx(loss, abs=6e-4)
    assert "weights set by hand" in page.locator("#losses").inner_text()
    assert page.locator("[data-where=loss]").inner_text() != before
    press(page, "Epoch")
    verdict = "document.querySelector('[data-verdict]').innerText"
    holds(page, f"{verdict}.startsWith('A weight was set by hand after epoch')")
    assert "weights set by hand" not in page.locator("#losses").inner_text()


def test_a_weight_is_moved_by_the_buttons_of_its_card(watched, server):
    page = watched.page
    key = "{kind: 'edge', layer: 2, j: 1, k: 3}"
    entry = page.evaluate(f"DR.page.entry({key})")
    server.runner.submit("weight", entry=entry, value=-0.53).result(30)
    holds(page, f"Math.abs(DR.page.theta()[{entry}] + 0.53) < 1e-6")
    page.locator('[data-edge="2,1,3"]').dispatch_event("click")
    page.wait_for_selector(".weight-card:not([hidden])")
    holds(page, "Number(document.getElementById('weight').value) === -0.53")
    for label, value in (("larger", -0.5), ("larger", -0.4), ("smaller", -0.5), ("smaller", -0.6)):
        page.get_by_label(f"Make the weight {label}").click()
        holds(page, f"Math.abs(DR.page.theta()[{entry}] - {value}) < 1e-6")
    box = page.get_by_label("Make the weight larger").bounding_box()
    assert min(box["width"], box["height"]) >= 32
    steps = page.evaluate("[0, 0.02, 0.4, 1, 3, -12, 400].map(DR.weights.stepOf)")
    assert steps == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.5, 2, 50])


def test_a_row_is_chosen_by_its_point_with_keys(watched):
    page = watched.page
    page.locator("canvas.plane").focus()
    page.keyboard.press("ArrowRight")
    text = page.locator(".plane-frame .readout").inner_text()
    row = int(re.match(r"row (\d+)", text)[1])
    page.keyboard.press("Enter")
    holds(page, f"DR.page.payload.names.rows[DR.page.state.sample] === '{row}'")
    # It stays the row that is shown after a step.
    press(page, "Step")
    holds(page, "DR.page.current().step === 1")
    assert page.evaluate("DR.page.payload.names.rows[DR.page.state.sample]") == str(row)


def test_the_settings_stand_in_the_address(watched, context, server):
    page = watched.page
    page.locator("#activation").select_option("relu")
    holds(page, "location.hash.includes('activation=relu')")
    page.locator("#discrete").check()
    holds(page, "location.hash.includes('discrete=1')")
    # A link sets them.
    page.evaluate("location.hash = '#data=circles&layers=5,2&l1=0.5&derived=product'")
    holds(page, "DR.page.net.widths.join() === '3,5,2,1'")
    assert page.locator("#l1").input_value() == "0.5"
    assert page.locator("[data-cause=address]").count() == 0
    # One bad value: none is taken, and one message says why.
    for bad, words in (
        ("data=xor&layers=0", "layers is"),
        ("data=xor&rows=many", "rows is 'many'"),
        ("data=nothing", "data is 'nothing'"),
        ("data=xor&bias=1", "settings hold 'bias'"),
    ):
        page.evaluate("(text) => { location.hash = text; }", bad)
        holds(page, "document.querySelectorAll('[data-cause=address]').length === 1")
        holds(page, f"document.querySelector('[data-cause=address]').innerText.includes({words!r})")
        assert page.evaluate("DR.page.net.widths.join()") == "3,5,2,1"
        holds(page, "location.hash.includes('data=circles')")
    # A reload during a run has the same settings, and the run goes on.
    press(page, "Step")
    until_step(page, "=== 1")
    page.reload()
    page.wait_for_selector("[data-node]", timeout=30_000)
    holds(page, "document.body.dataset.frames > 0")
    settle(page)
    assert step_of(page) == 1


def test_the_notes_on_a_table_are_shown(context):
    columns = {
        "a": [float(i) for i in range(40)],
        "same": ["x"] * 40,
        "y": [i * 2.0 for i in range(40)],
    }
    table = table_from_frame(columns)
    source = ReadTable.of(table, infer_schema(table, "y"), name="notes.csv")
    with served(RunSettings(data="table", layers=(2,), rows=20), source) as own:
        watched = opened(context, own)
        text = watched.page.locator(".notes").inner_text()
        assert "same: left out" in text
        assert "20 of 40 rows, chosen at random with the seed" in text
        assert watched.errors == []
        watched.close()


def test_a_regression_on_a_table(context):
    table = table_from_frame(
        {"size": [i % 17 * 1.5 for i in range(80)],
         "town": ["Ulm", "Bonn"] * 40,
         "price": [i % 17 * 3.0 + i % 2 * 10 for i in range(80)]}
    )  # fmt: skip
    source = ReadTable.of(table, infer_schema(table, "price"), name="houses.csv")
    with served(RunSettings(data="table", layers=(4,)), source) as own:
        watched = opened(context, own)
        page = watched.page
        assert page.locator("#data label:has(:checked)").inner_text() == "houses.csv"
        assert page.locator("#where dt").all_inner_texts()[3:] == ["error", "held-out error"]
        press(page, "Epoch")
        holds(page, "document.querySelector('[data-where=epoch]').textContent === '1'")
        page.locator("label", has_text="town").first.click()
        holds(page, "DR.page.net.widths[0] === 1")
        settle(page)
        assert watched.errors == []
        watched.close()


def test_over_a_single_column_the_prediction_is_a_line(context):
    x = [i / 10 for i in range(100)]
    table = table_from_frame({"x": x, "y": [(v - 5) ** 2 for v in x]})
    source = ReadTable.of(table, infer_schema(table, "y"), name="parabola.csv")
    with served(RunSettings(data="table", layers=(4,), held=0), source) as own:
        watched = opened(context, own)
        page = watched.page
        before = plane(page)
        press(page, "Epoch")
        holds(page, "document.querySelector('[data-where=epoch]').textContent === '1'")
        settle(page)
        assert plane(page) != before
        assert page.locator("#axis-x").count() == 0
        # The smallest target is 0, without the rounding error of standardising and back.
        assert page.locator("#surface .classes").inner_text().split()[:2] == ["y", "0"]
        ink = page.evaluate(
            """(() => {
                const probe = document.createElement('span');
                probe.style.color = 'var(--ink)';
                document.body.append(probe);
                const wanted = getComputedStyle(probe).color.match(/[0-9]+/g).slice(0, 3).join();
                probe.remove();
                const canvas = document.querySelector('canvas.plane');
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                let columns = 0;
                for (let x = 0; x < width; ++x)
                    for (let y = 0; y < height; ++y) {
                        const at = 4 * (y * width + x);
                        if ([...data.slice(at, at + 3)].join() !== wanted) continue;
                        columns += 1;
                        break;
                    }
                return columns / width;
            })()"""
        )
        assert ink > 0.7
        assert watched.errors == []
        watched.close()


def started(port, token):
    """Start a playground process and wait for its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deltarule", "playground", "--no-open", "--port", str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"DELTARULE_PLAYGROUND_TOKEN": token},
    )  # fmt: skip
    assert process.stdout.readline().strip().endswith(token)
    return process


def kill(process, number=signal.SIGKILL):
    process.send_signal(number)
    process.communicate(timeout=60)


def test_a_page_whose_server_ended_says_so_and_can_be_reloaded(context):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/?token={TOKEN}"
    process = started(port, TOKEN)
    watched = None
    try:
        watched = opened(context, None, address=address)
        page = watched.page
        press(page, "Step")
        until_step(page, "=== 1")
        kill(process)
        page.wait_for_selector("[data-cause=line]", timeout=30_000)
        said = page.locator("[data-cause=line]")
        assert "does not answer" in said.inner_text()
        assert button(page, "Play").is_disabled()
        # A new server on the same port with the same token has another run; the page says so.
        process = started(port, TOKEN)
        holds(
            page,
            "document.querySelector('[data-cause=line]').innerText.includes('started anew')",
            timeout=60_000,
        )
        assert step_of(page) == 1
        button(page, "Reload the page").click()
        page.wait_for_selector("[data-node]", timeout=30_000)
        assert step_of(page) == 0
        assert page.locator("[data-cause=line]").count() == 0
        # A server with another token refuses the page.
        kill(process)
        page.wait_for_selector("[data-cause=line]", timeout=30_000)
        process = started(port, TOKEN + "-another")
        holds(
            page,
            "document.querySelector('[data-cause=line]').innerText.includes('Another server')",
            timeout=60_000,
        )
        assert re.search("address that the terminal shows", said.inner_text())
    finally:
        kill(process)
        if watched is not None:
            watched.page.close()
