import re

import pytest
from tests.explain.pages import until, values

STEPS = "(byNode) => DR.sweep.steps(DR.page, byNode)"


@pytest.mark.parametrize("name", ["article", "softmax"])
def test_every_node_is_a_step_once_forward_and_once_backward(show, name):
    tab = show(name)
    widths = tab.subject.net.widths
    steps = tab.page.evaluate(STEPS, True)
    places = [(s["direction"], s["layer"], s["node"]) for s in steps]
    L = len(widths) - 1
    forward = [("forward", layer, j) for layer in range(1, L + 1) for j in range(widths[layer])]
    backward = [("backward", layer, j) for layer in range(L, 0, -1) for j in range(widths[layer])]
    loss = ("forward", L + 1, None)
    assert places == [
        ("forward", 0, None), *forward, loss, *backward, ("backward", 0, None)
    ]  # fmt: skip


def test_by_layer_there_is_one_step_for_each(show):
    steps = show("deep").page.evaluate(STEPS, False)
    assert [(s["direction"], s["layer"]) for s in steps] == [
        *(("forward", layer) for layer in range(5)),
        *(("backward", layer) for layer in range(3, -1, -1)),
    ]


def test_large_layers_have_few_steps_and_end_at_their_last_node(show):
    tab = show("deep")
    steps = tab.page.evaluate(STEPS, True)
    assert len(steps) < 90
    for direction in ("forward", "backward"):
        for layer in (1, 2, 3):
            nodes = [s["node"] for s in steps if (s["direction"], s["layer"]) == (direction, layer)]
            assert nodes == sorted(set(nodes))
            assert nodes[-1] == tab.subject.net.widths[layer] - 1


def test_what_is_not_computed_yet_is_empty(show):
    tab = show("softmax")
    page, net = tab.page, tab.subject.net
    on, steps = page.get_by_label("One step on"), page.evaluate(STEPS, True)
    seen = []
    for at, step in enumerate(steps):
        on.click()
        found = set(values(page, "svg.network"))
        a = {s for s in found if s.startswith("a^")}
        deltas = {s for s in found if s.startswith("delta^")}
        done = steps[: at + 1]
        forward = {(s["layer"], s["node"]) for s in done if s["direction"] == "forward"}
        backward = {(s["layer"], s["node"]) for s in done if s["direction"] == "backward"}
        assert a == {f"a^0_{{{j}}}" for j in range(net.widths[0])} | {
            f"a^{layer}_{{{j}}}" for layer, j in forward if j is not None
        }
        assert deltas == {f"delta^{layer}_{{{j}}}" for layer, j in backward if j is not None}
        assert ("C_0" in found) == any(layer == 3 for layer, _ in forward)
        seen.append(page.locator("svg.network .now").count())
        assert step == page.evaluate("DR.page.state.sweep")
    assert seen[1:-1] == [1] * (len(steps) - 2)
    page.get_by_label("Leave the sweep").click()
    assert page.evaluate("DR.page.state.sweep") is None
    assert "C_0" in values(page, "svg.network")


def test_captions_have_formula_and_numbers(show):
    tab = show("article")
    page, trace, each = tab.page, tab.subject.trace, tab.subject.per_sample
    texts = []
    for _ in page.evaluate(STEPS, True):
        page.get_by_label("One step on").click()
        step = page.evaluate("DR.page.state.sweep")
        caption = page.locator(".caption")
        texts.append(caption.text_content())
        found = values(page, ".caption")
        layer, j = step["layer"], step["node"]
        if step["direction"] == "forward" and j is not None:
            assert re.search(r"F3.*F4", texts[-1])
            assert found[f"z^{layer}_{{{j}}}"] == pytest.approx(trace.Z[layer][0, j], rel=1e-12)
            assert found[f"a^{layer}_{{{j}}}"] == pytest.approx(trace.A[layer][0, j], rel=1e-12)
        elif j is not None:
            assert re.search("F7.*F8" if layer == 2 else "F13.*F8", texts[-1])
            assert found[f"delta^{layer}_{{{j}}}"] == pytest.approx(
                each.delta[layer][0, j], rel=1e-9
            )
        elif layer == 3:
            assert found["C_0"] == pytest.approx(trace.loss[0], rel=1e-12)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_playing_goes_to_the_end_and_moves_only_where_motion_is_welcome(show, motion):
    page = show("article", reduced_motion=motion).page
    page.get_by_label("Speed of the sweep").select_option("4")
    page.get_by_text("Play", exact=True).click()
    until(page, "DR.page.state.sweep", lambda s: s and s["layer"] == 1)
    moving = page.locator("svg.network .edge.lit").first.evaluate(
        "(e) => getComputedStyle(e).animationName"
    )
    assert (moving != "none") == (motion == "no-preference")
    until(page, "DR.page.state.sweep", lambda s: s["direction"] == "backward" and s["layer"] == 0)
    until(page, "document.querySelector('.sweep .main').textContent", lambda text: text == "Play")


def test_pause_keys_and_the_slider(show):
    page = show("article").page
    page.keyboard.press("p")
    until(page, "DR.page.state.sweep", lambda s: s and s["layer"] >= 1)
    page.keyboard.press("p")
    at = page.evaluate("DR.page.state.sweep")
    page.wait_for_timeout(1300)
    assert page.evaluate("DR.page.state.sweep") == at
    page.keyboard.press(".")
    assert page.evaluate("DR.page.state.sweep") != at
    page.keyboard.press(",")
    assert page.evaluate("DR.page.state.sweep") == at
    page.get_by_label("Place in the sweep").focus()
    page.keyboard.press("End")
    assert page.evaluate("DR.page.state.sweep") == page.evaluate(STEPS, True)[-1]
    page.keyboard.press("Escape")
    assert page.evaluate("DR.page.state.sweep") is None
