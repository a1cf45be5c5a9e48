import dataclasses

import numpy as np
import pytest
from tests.browser import violations
from tests.explain.pages import leave_out, set_state, shown, until, values

from deltarule.explain.page import formulas_script, payload_of

WEIGHT = {"kind": "edge", "layer": 2, "j": 1, "k": 2}

# Every part of the drawing that arrow keys reach from the first node.
REACHED = """
() => {
  const root = document.querySelector("svg.network"), reached = new Set();
  const press = (key) => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    return document.activeElement;
  };
  const walk = (key, from) => {
    from.focus();
    for (let at = from, next; ; at = next) {
      reached.add(at);
      next = press(key);
      if (next === at) return;
    }
  };
  const waiting = [root.querySelector('[tabindex="0"]')], seen = new Set(waiting);
  while (waiting.length) {
    const node = waiting.pop();
    reached.add(node);
    for (const key of ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "ArrowLeft", "ArrowRight"]) {
      node.focus();
      const next = press(key);
      if (next.matches(".edge")) { walk("Home", next); walk("ArrowDown", document.activeElement); }
      else if (!seen.has(next)) { seen.add(next); waiting.push(next); }
    }
  }
  const all = [...root.querySelectorAll('[role="button"]')];
  const missed = all.filter((part) => !reached.has(part));
  return [all.length, missed.map((part) => part.getAttribute("aria-label"))];
}
"""


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "biases"), [("article", 9, 18, 0), ("softmax", 12, 35, 8)]
)
def test_a_small_network_is_drawn_whole(shared, name, nodes, edges, biases):
    page = shared(name).page
    count = {
        hook: page.locator(f"svg.network [data-{hook}]").count()
        for hook in ("node", "edge", "bias")
    }
    assert count == {"node": nodes, "edge": edges, "bias": biases}


def test_a_large_network_is_drawn_in_part_and_says_so(shared):
    page = shared("deep").page
    assert page.locator("#drawing *").count() < 3000
    assert "10 of 128 shown" in page.locator("svg.network").text_content()
    drawn = set(
        page.eval_on_selector_all('[data-node^="1,"]', "(a) => a.map((n) => n.dataset.node)")
    )
    hidden = next(f"1,{j}" for j in range(128) if f"1,{j}" not in drawn)
    set_state(page, selected={"kind": "node", "layer": 1, "j": int(hidden[2:])})
    assert page.locator(f'[data-node="{hidden}"]').get_attribute("aria-pressed") == "true"
    theta_into = shown("deep").subject.net.unpack(shown("deep").subject.theta)[0][1][
        int(hidden[2:])
    ]
    strongest = int(np.argmax(np.abs(theta_into)))
    assert page.locator(f'[data-edge="{hidden},{strongest}"]').count() == 1
    assert page.locator("#drawing *").count() < 3000


@pytest.mark.parametrize("name", ["article", "softmax"])
def test_nodes_show_the_numbers_of_the_pass(shared, name):
    tab = shared(name)
    trace, each = tab.subject.trace, tab.subject.per_sample
    for sample in range(2):
        set_state(tab.page, sample=sample, colour="gradient")
        found = values(tab.page, "svg.network")
        for layer, n in enumerate(tab.subject.net.widths):
            for j in range(n):
                assert found[f"a^{layer}_{{{j}}}"] == pytest.approx(
                    trace.A[layer][sample, j], rel=1e-12
                )
                if layer:
                    assert found[f"delta^{layer}_{{{j}}}"] == pytest.approx(
                        each.delta[layer][sample, j], rel=1e-9, abs=1e-15
                    )
        assert found[f"C_{sample}"] == pytest.approx(trace.loss[sample], rel=1e-12)


def test_a_click_beside_a_line_selects_it_and_labels_it(shared):
    page = shared("article").page
    x1, y1, x2, y2 = page.evaluate(
        """() => {
          const line = document.querySelector('[data-edge="2,1,2"] line'), m = line.getScreenCTM();
          const place = (at) => line[at].baseVal.value * m.a + (at[0] === "x" ? m.e : m.f);
          return ["x1", "y1", "x2", "y2"].map(place);
        }"""
    )
    page.mouse.click(x1 + 0.25 * (x2 - x1), y1 + 0.25 * (y2 - y1) + 5)
    assert page.evaluate("DR.page.state.selected") == WEIGHT
    assert page.locator("svg.network .label").text_content() == "w₁₂⁽²⁾ = −0.100000"
    set_state(page, colour="gradient")
    assert page.locator("svg.network .label").text_content() == "∂C₀/∂w₁₂⁽²⁾ = −0.126721"
    set_state(page, mode="mean")
    assert page.locator("svg.network .label").text_content() == "∂C/∂w₁₂⁽²⁾ = 0.005562"


# A pointer's click on the centre of each of these parts: its key, that of what lies there, and what
# is selected then. In one call: after each one the browser would paint, which takes longer.
CLICKED = """([hook, most]) => {
  const all = [...document.querySelectorAll(`#drawing [data-${hook}]`)];
  const every = Math.max(1, Math.floor(all.length / most));
  const centre = (part) => {
    const { left, top, width, height } = part.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };
  return all.filter((_, i) => i % every === 0).map((part) => {
    if (centre(part)[1] < 0 || centre(part)[1] > innerHeight) part.scrollIntoView();
    const [clientX, clientY] = centre(part);
    const hit = document.elementFromPoint(clientX, clientY);
    for (const [Kind, name] of [[PointerEvent, "pointermove"], [PointerEvent, "pointerdown"],
                                [MouseEvent, "mousedown"], [PointerEvent, "pointerup"],
                                [MouseEvent, "mouseup"], [PointerEvent, "click"]])
      hit.dispatchEvent(new Kind(name, { clientX, clientY, bubbles: true, cancelable: true,
        detail: Kind === MouseEvent || name === "click" ? 1 : 0, pointerType: "mouse" }));
    return [part.dataset[hook], hit.closest(`[data-${hook}]`)?.dataset[hook],
            DR.page.state.selected];
  });
}"""
PARTS = {"node": ("layer", "j"), "edge": ("layer", "j", "k")}


@pytest.mark.parametrize("name", ["article", "softmax", "deep"])
def test_a_click_on_the_centre_of_an_element_selects_it(show, name):
    """Also where the middles of w_12 and w_21 are the same point."""
    page = show(name).page

    def selected_by(hook, key):
        return {"kind": hook, **dict(zip(PARTS[hook], map(int, key.split(",")), strict=True))}

    leave_out(page, ":is(#panel, .beside, #whatif, #heat)")
    for colour, hook, most in (("weight", "node", 9), ("gradient", "node", 9), (None, "edge", 18)):
        if colour:
            set_state(page, colour=colour)
        clicked = page.evaluate(CLICKED, [hook, most])
        assert len(clicked) >= 8
        for key, hit, selected in clicked:
            assert hit == key
            assert selected == selected_by(hook, key)
    # And a few of a real pointer, which takes the focus along as well.
    for hook, at in (("edge", 5), ("edge", -1), ("node", 1), ("node", -1)):
        part = page.locator(f"#drawing [data-{hook}]").nth(at)
        part.click()
        key = part.get_attribute(f"data-{hook}")
        assert page.evaluate("DR.page.state.selected") == selected_by(hook, key)
    page.locator("[data-loss]").click()
    assert page.evaluate("DR.page.state.selected") == {"kind": "cost"}


def test_negative_lines_are_dashed_and_wide_ones_are_large(shared):
    page = shared("article").page
    style = (
        "(n) => [getComputedStyle(n).strokeDasharray, parseFloat(n.getAttribute('stroke-width'))]"
    )
    W = shown("article").subject.net.unpack(shown("article").subject.theta)[0]
    drawn = {
        (layer, j, k): page.eval_on_selector(f'[data-edge="{layer},{j},{k}"]', style)
        for layer in (1, 2) for j in range(3) for k in range(3)
    }  # fmt: skip
    for (layer, j, k), (dash, width) in drawn.items():
        assert (dash != "none") == (W[layer][j, k] < 0)
        for (other, j2, k2), (_, width2) in drawn.items():
            if abs(W[layer][j, k]) > abs(W[other][j2, k2]) + 1e-9:
                assert width > width2


@pytest.mark.parametrize("name", ["article", "softmax", "deep"])
def test_arrow_keys_reach_every_part(show, name):
    count, missed = show(name).page.evaluate(REACHED)
    assert count > 20
    assert missed == []


def test_enter_selects_and_escape_clears(show):
    page = show("article").page
    page.locator('svg.network [tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected") == {"kind": "edge", "layer": 1, "j": 1, "k": 0}
    page.keyboard.press("Escape")
    assert page.evaluate("DR.page.state.selected") is None


def test_what_has_the_focus_is_labelled_until_it_leaves_the_drawing(show):
    page = show("article").page
    page.locator('svg.network [tabindex="0"]').focus()
    labels = page.locator("svg.network .label")
    assert labels.count() == 0
    page.keyboard.press("ArrowRight")
    first = labels.text_content()
    page.keyboard.press("ArrowDown")
    assert labels.text_content() != first
    # The cursor is the pointer's, which is elsewhere.
    assert page.locator("svg.network.pointing").count() == 0
    page.keyboard.press("Tab")
    assert labels.count() == 0
    page.locator('[data-node="1,1"]').hover()
    assert page.locator("svg.network.pointing").count() == 1


def test_tab_reaches_every_control(show):
    page = show("trained").page
    wanted = page.evaluate(
        """() => {
          const which = "button, select, input, [tabindex='0'], summary, a[href]";
          const all = [...document.querySelectorAll(which)];
          const seen = (e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0;
          // Of a group of radio buttons the chosen one is the stop.
          const stops = all.filter((e) => seen(e) && (e.type !== "radio" || e.checked));
          stops.forEach((e, i) => (e.dataset.stop = i));
          return stops.length;
        }"""
    )
    reached = set()
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.stop"))
    assert {str(i) for i in range(wanted)} <= reached


@pytest.mark.parametrize(
    ("name", "seen"),
    [("trained", (("light", 1280), ("dark", 390))), ("softmax", (("dark", 1280), ("light", 390)))],
)
def test_axe_finds_nothing(show, name, seen):
    page = show(name, height=844).page
    set_state(page, selected=WEIGHT, nudge={"what": WEIGHT, "delta": 0.25}, colour="gradient")
    for scheme, width in seen:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        page.locator("#heat").scroll_into_view_if_needed()
        page.wait_for_selector("#heat canvas")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.dataset.panel") == "open"
        assert violations(page) == []


def test_tab_stops_at_one_node_of_the_drawing_and_not_at_the_drawing(show):
    page = show("article").page
    page.get_by_label("Larger drawing").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.node") == "0,0"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "One step back"


def test_whoever_follows_a_symbol_by_key_stays_in_the_derivation(show):
    page = show("article").page
    set_state(page, selected=WEIGHT)
    page.locator("#panel .formula").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected") != WEIGHT
    assert page.evaluate("document.activeElement.id") == "panel"


SIDEWAYS = (
    "((frame) => frame.scrollWidth - frame.clientWidth)(document.querySelector('.network-frame'))"
)


def test_a_phone_shows_a_small_network_whole_and_turned_sideways_the_wide_drawing(show):
    page = show("article", width=360, height=740).page
    loss, output = (page.locator(f"svg.network [data-{what}]") for what in ("loss", 'node="2,1"'))
    assert page.evaluate(SIDEWAYS) == 0
    assert loss.bounding_box()["y"] > output.bounding_box()["y"] + 60
    page.set_viewport_size({"width": 1280, "height": 800})
    until(page, "document.querySelector('.network').viewBox.baseVal.width", lambda w: w > 700)
    assert page.evaluate(SIDEWAYS) == 0
    middle = [box["y"] + box["height"] / 2 for box in (loss.bounding_box(), output.bounding_box())]
    assert abs(middle[0] - middle[1]) < 10


@pytest.mark.parametrize("name", ["trained", "softmax", "deep"])
def test_no_page_is_wider_than_a_small_phone(show, name):
    page = show(name, width=360, height=740).page
    set_state(page, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2})
    page.locator("#heat").scroll_into_view_if_needed()
    page.wait_for_selector("#heat canvas")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll(".top button, select, #sweep button, .row button")]
          .filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect())
          .filter((box) => Math.min(box.width, box.height) < 24).length"""
    )
    assert small == 0


def test_another_payload_is_drawn_in_place(show):
    page, other = show("article").page, shown("softmax").subject
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 2, "k": 2})
    page.evaluate(formulas_script(other.net))
    page.evaluate("(payload) => DR.page.replace(payload, DR.formulas)", payload_of(other))
    assert page.locator("svg.network [data-node]").count() == 12
    assert page.locator("svg.network [data-bias]").count() == 8
    assert values(page, "svg.network")["a^2_{0}"] == pytest.approx(other.trace.A[2][0, 0])


def test_the_same_network_at_another_theta_keeps_its_elements(show):
    page = show("article").page
    page.evaluate(
        """() => {
          window.before = document.querySelector('[data-edge="1,0,0"]');
          DR.page.replace({ ...DR.page.payload });
        }"""
    )
    assert page.evaluate("window.before === document.querySelector('[data-edge=\"1,0,0\"]')")


def test_another_activation_of_the_same_layers_is_named_in_the_drawing(show):
    page = show("article").page
    heading = "[...document.querySelectorAll('.heading')].map((e) => e.textContent).join(' ')"
    assert "logistic" in page.evaluate(heading)
    page.evaluate(
        """() => {
          const { net } = DR.page.payload;
          const words = net.words.map((each) => each && 'GELU');
          DR.page.replace({ ...DR.page.payload, net: { ...net, words } });
        }"""
    )
    assert "layer 1GELU" in page.evaluate(heading)
    assert "logistic" not in page.evaluate(heading)


def test_theme_size_and_help(show):
    page = show("article").page
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    assert page.evaluate(paper) != light
    size = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    page.locator("#larger").click()
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > size
    page.keyboard.press("?")
    assert page.locator("#help").evaluate("(d) => d.open")
    page.keyboard.press("Escape")
    assert not page.locator("#help").evaluate("(d) => d.open")
    page.evaluate("localStorage.clear()")


def test_a_part_that_fails_is_named_and_the_others_stand(show, tmp_path):
    tab = show("article")
    broken = (show.folder / "article.html").read_text().replace("DR.heat = heatModule;", "")
    path = tmp_path / "broken.html"
    path.write_text(broken)
    page = tab.page.context.new_page()
    page.goto(path.as_uri())
    assert "heat maps" in page.locator("#banner").text_content()
    assert page.locator("svg.network [data-node]").count() == 9
    page.close()


def test_sample_and_step_controls(show):
    tab = show("trained")
    page, states = tab.page, shown("trained").states
    page.locator("#sample").select_option("1")
    assert page.evaluate("DR.page.state.sample") == 1
    page.locator("#state").focus()
    page.keyboard.press("Home")
    found = values(page, "svg.network")
    first = dataclasses.replace(tab.subject, theta=states[0].theta)
    assert found["a^2_{0}"] == pytest.approx(first.trace.A[2][1, 0], rel=1e-12)
    assert page.locator(".plot .marker .now").count() == 1
    until(page, "Number(document.querySelector('[data-curve] [data-value]').dataset.value)",
          lambda cost: abs(cost - first.trace.cost) < 1e-12)  # fmt: skip
    page.get_by_label("The recorded step after").click()
    assert page.evaluate("DR.page.state.state") == 1
