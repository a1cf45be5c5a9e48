import re

import pytest
from tests.explain.pages import go_to, resize, set_state, until, values

MOVING = """(() => {
  const line = document.querySelector("svg.network .edge.lit");
  return line && getComputedStyle(line).animationName;
})()"""
STEPS = "(byNode) => DR.sweep.steps(DR.page, byNode)"


@pytest.mark.parametrize("name", ["article", "softmax"])
def test_every_node_is_a_step_once_forward_and_once_backward(shared, name):
    tab = shared(name)
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


def test_by_layer_there_is_one_step_for_each(shared):
    steps = shared("deep").page.evaluate(STEPS, False)
    assert [(s["direction"], s["layer"]) for s in steps] == [
        *(("forward", layer) for layer in range(5)),
        *(("backward", layer) for layer in range(3, -1, -1)),
    ]


def test_large_layers_have_few_steps_and_end_at_their_last_node(shared):
    tab = shared("deep")
    steps = tab.page.evaluate(STEPS, True)
    assert len(steps) < 90
    for direction in ("forward", "backward"):
        for layer in (1, 2, 3):
            nodes = [s["node"] for s in steps if (s["direction"], s["layer"]) == (direction, layer)]
            assert nodes == sorted(set(nodes))
            assert nodes[-1] == tab.subject.net.widths[layer] - 1


# One step on after the other by the button: after each the step, the numbers of the drawing and of
# the caption, its text, and how many parts are marked as the place of the step.
STEPPED = """(most) => {
  const numbers = (root) => Object.fromEntries([...document.querySelectorAll(
    `${root} [data-symbol]`)].map((n) => [n.dataset.symbol, Number(n.dataset.value)]));
  return Array.from({ length: most }, () => {
    document.querySelector("[aria-label='One step on']").click();
    return [DR.page.state.sweep, numbers("svg.network"), numbers(".caption"),
            document.querySelector(".caption").textContent,
            document.querySelectorAll("svg.network .now").length];
  });
}"""


def test_what_is_not_computed_yet_is_empty(shared):
    tab = shared("softmax")
    page, net = tab.page, tab.subject.net
    steps = page.evaluate(STEPS, True)
    page.get_by_label("One step on").click()
    assert page.evaluate("DR.page.state.sweep") == steps[0]
    page.get_by_label("One step back").click()
    stepped = page.evaluate(STEPPED, len(steps))
    assert [step for step, *_ in stepped] == steps
    for at, (_, found, *_) in enumerate(stepped):
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
    assert [marked for *_, marked in stepped][1:-1] == [1] * (len(steps) - 2)
    page.get_by_label("Leave the sweep").click()
    assert page.evaluate("DR.page.state.sweep") is None
    assert "C_0" in values(page, "svg.network")


def test_captions_have_formula_and_numbers(shared):
    tab = shared("article")
    page, trace, each = tab.page, tab.subject.trace, tab.subject.per_sample
    texts = []
    for step, _, found, text, _ in page.evaluate(STEPPED, len(page.evaluate(STEPS, True))):
        texts.append(text)
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


# From now on the clock and the timers of the page are so many times as fast.
FASTER = """(times) => {
  const now = performance.now.bind(performance), later = setTimeout, start = now();
  performance.now = () => start + times * (now() - start);
  window.setTimeout = (f, wait = 0, ...given) => later(f, wait / times, ...given);
}"""
# Notes every step that is shown, with the animation of a line that carries it.
NOTED = f"""() => {{
  window.noted = [];
  DR.page.subscribe(({{ sweep }}, changed) => {{
    if (changed.has("sweep")) noted.push([sweep, {MOVING}]);
  }});
}}"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_playing_goes_to_the_end_and_moves_only_where_motion_is_welcome(show, motion):
    page = show("article", reduced_motion=motion).page
    page.evaluate(NOTED)
    page.evaluate(FASTER, 10)
    page.get_by_label("Speed of the sweep").select_option("4")
    page.get_by_text("Play", exact=True).click()
    assert page.text_content(".sweep .main") == "Pause"
    until(page, "document.querySelector('.sweep .main').textContent", lambda text: text == "Play")
    noted = page.evaluate("noted")
    assert [step for step, _ in noted] == page.evaluate(STEPS, True)
    moving = {name for step, name in noted if step["layer"] in (1, 2) and name is not None}
    assert moving == {"none" if motion == "reduce" else "glow"}


def read(text):
    return float(text.split("=")[-1].replace("−", "-"))


# Steps of the sweep: after each the step, what is selected, and the texts of the plates of a kind.
SUMS = """(most) => Array.from({ length: most }, () => {
  DR.sweep.step(1);
  const plates = (kind) => [...document.querySelectorAll(`.flow-plate.${kind}`)]
    .filter((plate) => plate.getBoundingClientRect().width > 0).map((plate) => plate.textContent);
  return [DR.page.state.sweep, DR.page.state.selected, plates("total"),
          [...plates("positive"), ...plates("negative")]];
})"""


@pytest.mark.parametrize(("name", "first"), [("softmax", 99), ("deep", 14)])
def test_the_sum_of_a_step_stands_at_its_node_and_the_derivation_follows(shared, name, first):
    tab = shared(name)
    page, net, trace = tab.page, tab.subject.net, tab.subject.trace
    delta, (W, _) = tab.subject.per_sample.delta, net.unpack(tab.subject.theta)
    steps = page.evaluate(STEPS, True)[:first]
    for step, (now, selected, totals, terms) in zip(
        steps, page.evaluate(SUMS, len(steps)), strict=True
    ):
        assert now == step
        layer, j = step["layer"], step["node"]
        forward = step["direction"] == "forward"
        if j is not None:
            assert selected == {"kind": "node", "layer": layer, "j": j}
        elif layer > net.n_layers:
            assert selected == {"kind": "cost"}
        if j is None or (not forward and layer == net.n_layers):
            assert totals == []
            continue
        total = trace.Z[layer][0, j] if forward else delta[layer + 1][0] @ W[layer + 1][:, j]
        assert read(totals[0]) == pytest.approx(total, rel=2e-3, abs=6e-4)
        assert sum(map(read, terms)) == pytest.approx(total, abs=6e-4 * len(terms) + 1e-3)
        drawn = 12 if name == "deep" else net.widths[layer - 1] + 1 if forward else 3
        assert len(terms) == drawn


def test_terms_fly_one_after_the_other_and_pause_where_they_are(show):
    page = show("softmax", reduced_motion="no-preference").page
    key = page.keyboard.press
    key(".")
    key("p")
    counts = until(
        page,
        "[...document.querySelectorAll('.flow-plate.flying, .flow-point')].length",
        lambda n: n > 0,
    )
    assert counts > 0
    key("p")
    places = "[...document.querySelectorAll('.flow-plate')].map((p) => p.outerHTML)"
    held = page.evaluate(places)
    step = page.evaluate("DR.page.state.sweep")
    page.wait_for_timeout(200)
    assert page.evaluate(places) == held
    key("p")
    until(page, places, lambda now: now != held)
    # A step by hand ends the play, and its sum runs to its end.
    key(".")
    until(page, "document.querySelector('.flow-plate.total.done') !== null", bool)
    assert page.evaluate("DR.page.state.sweep") != step


# Of steps of the sweep at times from their begin to their end: every two plates of which one covers
# the other, the plates that leave the drawing, how many plates were seen, and how many in flight.
# The frames are as many as there are times, without one that the browser would paint.
COVERED = """([scope, times]) => {
  const real = performance.now.bind(performance), drawn = requestAnimationFrame, waiting = [];
  window.requestAnimationFrame = (f) => waiting.push(f);
  const frame = () => waiting.splice(0).forEach((f) => f(at));
  let at = real();
  performance.now = () => at;
  const flying = "flow-plate flying";
  const shown = () => [...document.querySelectorAll(`${scope} .flow-plate`)]
    .filter((plate) => plate.getAttribute("display") !== "none")
    .map((plate) => {
      const { left, top, right, bottom } = plate.querySelector("rect").getBoundingClientRect();
      return { name: plate.getAttribute("class"), left, top, right, bottom };
    });
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const found = { covered: [], out: [], seen: 0, moving: 0 };
  const { L, widths } = DR.page.net;
  const steps = [];
  for (let layer = 1; layer <= L; ++layer)
    for (const node of new Set([0, widths[layer] - 1])) {
      steps.push({ direction: "forward", layer, node });
      if (layer < L) steps.push({ direction: "backward", layer, node });
    }
  // A chapter of the tour has a sum of its own, which is added again.
  const again = document.querySelector(".tour-text .link");
  for (const sweep of again ? steps.slice(0, 1) : steps) {
    if (again) again.click();
    else DR.page.set({ sweep });
    frame();
    const start = at;
    for (const time of times) {
      at = start + time;
      frame();
      const all = shown();
      const moving = [...document.querySelectorAll(`${scope} .flow-point`)]
        .filter((point) => point.getAttribute("display") !== "none").length;
      found.moving += moving + all.filter(({ name }) => name.startsWith(flying)).length;
      found.seen += all.length;
      const svg = document.querySelector(`${scope} svg.network`);
      const { left, top, right, bottom } = svg.getBoundingClientRect();
      all.forEach((a, i) => {
        const say = `${sweep.direction} ${sweep.layer},${sweep.node} ${time}: ${a.name}`;
        for (const b of all.slice(0, i)) if (over(a, b)) found.covered.push(`${say}, ${b.name}`);
        if (a.left < left - 1 || a.right > right + 1 || a.top < top - 1 || a.bottom > bottom + 1)
          found.out.push(say);
      });
    }
  }
  performance.now = real;
  window.requestAnimationFrame = drawn;
  waiting.forEach((f) => drawn(f));
  return found;
}"""


@pytest.mark.parametrize(
    ("name", "tour"), [("article", False), ("eights", False), ("eights", True), ("planar", False)]
)
@pytest.mark.parametrize("larger", [0, 3])
def test_no_plate_of_a_sum_covers_another_while_it_flies_or_stands(show, larger, name, tour):
    page = show(name, width=1280, height=720, reduced_motion="no-preference").page
    for _ in range(larger):
        page.evaluate("document.getElementById('larger').click()")
    if tour:
        go_to(page, "#tour-4-own")
        page.wait_for_selector(".tour-drawing .flow-plate", state="attached")
    scope = ".tour-drawing" if tour else "#drawing"
    # In the tour a term has a second.
    times = [*range(0, 8000, 800), 12000] if tour else [0, 600, 1100, 4000]
    for size in [(1280, 720), (1440, 900), (390, 844), (844, 390)]:
        set_state(page, sweep=None)
        # As a page that is opened at this size: a derivation beside the drawing takes its room.
        page.evaluate("(open) => DR.dock[open ? 'open' : 'close']()", size[0] >= 900)
        resize(page, *size)
        found = page.evaluate(COVERED, [scope, times])
        assert found["covered"] == [], size
        assert found["out"] == [], size
        assert found["seen"] > 12, size
        assert found["moving"] >= (2 if tour else 6), size
    page.evaluate("localStorage.clear()")


def test_dashes_say_negative_in_a_sweep_too(show):
    page = show("article", reduced_motion="no-preference").page
    page.keyboard.press(".")
    page.keyboard.press(".")
    dashes = page.evaluate("""() => [...document.querySelectorAll("svg.network .edge.lit")].map(
      (e) => [e.classList.contains("negative"), getComputedStyle(e).strokeDasharray !== "none"])""")
    assert dashes
    assert all(negative == dashed for negative, dashed in dashes)


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
