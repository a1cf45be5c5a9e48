"""A finger reaches lines that a pointer must be nearer to; large text hides no derivation."""

import pytest
from tests.explain.pages import go_to, leave_out, set_state, shown, until

from deltarule.explain.page import write_page

# Points beside lines, with the nearest line and its distance, in pixels of the screen.
BESIDE = """() => {
  const all = document.querySelectorAll("#drawing :is([data-edge], [data-bias])");
  const lines = [...all].map((edge) => {
    const line = edge.querySelector("line") ?? edge;
    const matrix = line.getScreenCTM();
    const end = (i) => new DOMPoint(+line.getAttribute(`x${i}`), +line.getAttribute(`y${i}`))
      .matrixTransform(matrix);
    return { key: edge.dataset.edge ?? edge.dataset.bias, a: end(1), b: end(2) };
  });
  const away = ({ a, b }, p) => {
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const t = Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
  };
  const found = [];
  for (const { a, b } of lines)
    for (const t of [0.4, 0.5, 0.6]) for (const off of [-19, 19]) {
      const size = Math.hypot(b.x - a.x, b.y - a.y);
      const p = { x: a.x + t * (b.x - a.x) - (off * (b.y - a.y)) / size,
                  y: a.y + t * (b.y - a.y) + (off * (b.x - a.x)) / size };
      const at = document.elementFromPoint(p.x, p.y);
      const node = at?.closest("[data-node], [data-loss], [data-of]");
      if (node || !at?.closest("svg.network")) continue;
      const sorted = lines.map((line) => [away(line, p), line.key]).sort((u, v) => u[0] - v[0]);
      // A line is drawn to the edge of its nodes, and counts to their middle: not too near a tie.
      const [[first, key], [second]] = sorted;
      if (first > 14 && first < 23 && second > first + 4) found.push({ ...p, key });
    }
  return found;
}"""
# All at once, since the page scrolls to what was tapped, and the points would be elsewhere then.
CLICKS = """(places) => {
  const click = ({ x, y }, pointerType) => {
    DR.page.set({ selected: null });
    document.elementFromPoint(x, y).dispatchEvent(new PointerEvent("click",
      { pointerType, clientX: x, clientY: y, bubbles: true, detail: 1 }));
    const { selected } = DR.page.state;
    return selected
      && [selected.layer, selected.j, selected.k].filter((n) => n !== undefined).join();
  };
  return places.map((place) => [click(place, "mouse"), click(place, "touch")]);
}"""


def test_a_finger_catches_the_nearest_line_from_further_away(show):
    page = show("planar", width=390, height=844).page
    page.evaluate("document.querySelector('#drawing svg').scrollIntoView({ block: 'center' })")
    places = page.evaluate(BESIDE)
    assert len(places) >= 2
    assert page.evaluate(CLICKS, places) == [[None, place["key"]] for place in places]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_large_text_leaves_the_derivation_of_a_weight_in_sight(show, width, height):
    page = show("softmax", width=width, height=height).page
    set_state(page, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2}, sample=1)
    for _ in range(3):
        page.click("#larger")
    until(page, "document.querySelectorAll('.panel-head .value').length", lambda n: n == 3)
    page.wait_for_timeout(400)
    panel = page.locator("#panel").bounding_box()
    below = min(panel["y"] + panel["height"], height)
    # The weight and its derivative for this sample are seen without scrolling.
    for at in (0, 1):
        box = page.locator(".panel-head .value").nth(at).bounding_box()
        assert box["y"] >= panel["y"]
        assert box["y"] + box["height"] <= below
    head = page.locator("#derivation > .head").bounding_box()
    assert head["height"] <= 0.17 * height
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_tour_leads_back_to_the_text_that_it_goes_along_with(show, chromium, tmp_path):
    tab = show("article")
    page = tab.page
    page.goto(page.url.split("#")[0] + "#tour-3")
    page.wait_for_selector(".tour-text h3")
    assert page.get_by_text("The same in text").count() == 0
    beside = write_page(shown("article").subject, tmp_path / "page.html", article="by_hand.html")
    page.goto(f"{beside.as_uri()}#tour-3")
    link = page.get_by_text("The same in text: Backpropagation by hand")
    assert link.get_attribute("href") == "by_hand.html#chapter-3"
    assert link.get_attribute("target") == "_top"


# The chapter that is shown, and whether drawing and heading are in sight, and do not touch.
TOUR = """(() => {
  const box = (selector) => document.querySelector(selector).getBoundingClientRect();
  const [drawing, heading, text] = ['.tour-drawing', '.tour-chapter > h3', '.tour-text'].map(box);
  return {
    heading: heading.top >= 0 && heading.bottom <= innerHeight,
    drawing: Math.min(drawing.bottom, innerHeight) - Math.max(drawing.top, 0),
    share: (Math.min(drawing.bottom, innerHeight) - Math.max(drawing.top, 0)) / drawing.height,
    beside: drawing.right <= text.left + 1,
    wide: document.documentElement.scrollWidth,
  };
})()"""


def test_the_tour_lies_beside_its_drawing_on_a_phone_on_its_side(show):
    page = show("article", width=844, height=390).page
    for chapter in (4, 2):
        assert go_to(page, f"#tour-{chapter}")[0] == str(chapter)
        found = page.evaluate(TOUR)
        assert found["heading"]
        assert found["beside"]
        assert found["share"] > 0.95
        assert found["wide"] <= 844
        page.locator(".tour-question").scroll_into_view_if_needed()
        assert page.evaluate(TOUR)["share"] > 0.95
    page.evaluate("location.hash = ''")


def test_the_drawing_of_the_tour_is_in_sight_after_an_answer_on_a_phone(show):
    page = show("article", width=390, height=844).page
    assert go_to(page, "#tour-3")[0] == "3"
    assert page.evaluate(TOUR)["heading"]
    for answer, seen in (("7", False), ("-0.1332", True)):
        page.fill("#tour-answer", answer)
        page.press("#tour-answer", "Enter")
        assert ("Right" in page.inner_text(".tour-verdict")) == seen
        assert (page.evaluate(TOUR)["share"] > 0.95) == seen
    page.evaluate("document.activeElement.blur()")
    page.evaluate("location.hash = ''")


def test_a_sum_of_the_tour_gives_each_term_a_second(show):
    page = show("article", width=390, height=844, reduced_motion="no-preference").page
    assert go_to(page, "#tour-4")[0] == "4"
    page.wait_for_selector(".tour-drawing .flow", state="attached")
    # The plates of three terms, and the time that the sum of them takes.
    length = page.evaluate(
        """() => {
          const real = performance.now.bind(performance);
          const plates = () => document.querySelectorAll('.tour-drawing .flow-plate').length;
          document.querySelector('.tour-text .link').click();
          let at = 0;
          const start = real();
          performance.now = () => start + at;
          const ended = '.tour-drawing .flow-plate.total.done';
          const done = () => document.querySelector(ended) !== null;
          const frame = () => new Promise((next) => requestAnimationFrame(next));
          return (async () => {
            for (; at <= 9000 && !done(); at += 250) await frame().then(frame);
            performance.now = real;
            return [at, plates()];
          })();
        }"""
    )
    assert 3000 <= length[0] <= 5000
    page.evaluate("location.hash = ''")


def test_no_word_of_the_title_is_broken_on_a_phone(show):
    page = show("article", width=390, height=844).page
    lines = page.evaluate(
        """() => {
          const title = document.querySelector("h1");
          title.textContent = "Backpropagation by hand: the example of the article";
          const text = title.firstChild;
          const words = [...text.data.matchAll(/\\S+/g)].map((word) => {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            return range.getClientRects().length;
          });
          const cut = title.scrollHeight - title.clientHeight;
          return [words, cut, document.documentElement.scrollWidth];
        }"""
    )
    words, cut, wide = lines
    assert set(words) == {1}
    assert cut <= 1
    assert wide <= 390


def test_a_derivation_on_a_lying_phone_covers_no_control_of_the_bars(show):
    page = show("article").page
    page.set_viewport_size({"width": 844, "height": 390})
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 2, k: 2 } })")
    page.wait_for_timeout(300)
    left, rights = page.evaluate(
        """() => {
          const box = (element) => element.getBoundingClientRect();
          const controls = document.querySelectorAll(".top :is(button, a, select, label)");
          return [box(document.querySelector(".place-panel")).left,
            [...controls].filter((each) => box(each).width > 1).map((each) => box(each).right)];
        }"""
    )
    assert len(rights) >= 8
    assert max(rights) <= left


# What stands where in the window of a phone on its side.
LYING = """() => {
  const box = (element) => element.getBoundingClientRect();
  const one = (selector) => box(document.querySelector(selector));
  const faces = [...document.querySelectorAll("#drawing [data-node] .face, #drawing .loss .box")];
  const part = document.querySelector("#drawing .selected");
  return {
    bars: Math.max(one(".top").bottom, one(".bar").bottom, 0),
    nodes: Math.max(...faces.map((face) => box(face).bottom)),
    drawing: one(".place-drawing").right,
    panel: one(".place-panel"),
    text: one("#panel"),
    selected: part && { top: box(part).top, bottom: box(part).bottom },
    wide: document.documentElement.scrollWidth,
  };
}"""


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("article", (844, 390)),
        ("planar", (844, 390)),
        ("article", (740, 360)),
        ("planar", (932, 430)),
    ],
)
def test_a_lying_phone_shows_the_drawing_whole_and_the_derivation_beside_it(show, size, name):
    width, height = size
    page = show(name, width=width, height=height).page
    page.wait_for_timeout(200)
    found = page.evaluate(LYING)
    assert found["wide"] <= width
    if width < 900:
        # Where the derivation is closed: one line of controls, and no sheet below.
        assert found["bars"] <= 0.16 * height
        assert found["nodes"] <= height
        assert found["panel"]["left"] >= found["drawing"]
        page.click(".panel-peek")
        page.click("[aria-label='Close the derivation']")
    set_state(page, selected={"kind": "edge", "layer": 2, "j": 0, "k": 2})
    page.wait_for_timeout(300)
    found = page.evaluate(LYING)
    assert found["wide"] <= width
    assert found["drawing"] <= found["panel"]["left"]
    assert found["text"]["height"] >= 0.6 * height
    assert found["text"]["bottom"] <= height
    assert found["selected"]["top"] >= (found["bars"] if width >= 900 else 0)
    assert found["selected"]["bottom"] <= height
    # The bars scroll away with everything else where they would take more than a line.
    page.evaluate("scrollBy({ top: 300, behavior: 'instant' })")
    assert page.evaluate(LYING)["bars"] <= (0.16 * height if width >= 900 else 0)


FACES = """() => [...document.querySelectorAll("#drawing [data-node]")].map((node) => {
  const { left, top, width, height } = node.querySelector(".face").getBoundingClientRect();
  return { node: node.dataset.node, x: left + width / 2, y: top + height / 2, width, height };
})"""
# A finger's click beside the middle of each unit that is in sight: the unit, and what is chosen.
# All at once, since the page scrolls what was tapped to where no sheet covers it.
TAP = """([dx, dy]) => {
  const tap = (node) => {
    const before = DR.page.state.selected;
    DR.dock.close();
    document.querySelector("#drawing svg.network").scrollIntoView({ block: "center" });
    const [x, y] = place(node);
    document.elementFromPoint(x, y).dispatchEvent(new PointerEvent("click",
      { pointerType: "touch", clientX: x, clientY: y, bubbles: true, detail: 1 }));
    const { selected } = DR.page.state;
    const chosen = selected !== before && selected.kind === "node";
    return chosen ? `${selected.layer},${selected.j}` : null;
  };
  const place = (node) => {
    const { left, top, width, height } = node.querySelector(".face").getBoundingClientRect();
    return [left + width / 2 + dx, top + height / 2 + dy];
  };
  return [...document.querySelectorAll("#drawing [data-node]")]
    .filter((node) => place(node)[0] > 38 && place(node)[0] < innerWidth - 38)
    .map((node) => [node.dataset.node, tap(node)]);
}"""


@pytest.mark.parametrize("fitted", [False, True])
def test_every_unit_of_a_deep_network_can_be_tapped_on_a_phone(show, fitted):
    page = show("layered", width=390, height=844).page
    page.evaluate("document.querySelector('#drawing svg').scrollIntoView({ block: 'start' })")
    on, back = page.get_by_text("and the loss →"), page.get_by_text("at the left")
    assert on.is_visible()
    assert not back.is_visible()
    if fitted:
        page.get_by_label("Fit the drawing").click()
        assert not on.is_visible()
        assert page.evaluate(FACES)[-1]["x"] < 390
    else:
        assert "layers and the loss" in on.text_content()
        for _ in range(2):
            if on.is_visible():
                on.click()
                page.wait_for_timeout(100)
        assert back.is_visible()
        page.evaluate("scrollTo(0, 0)")
    leave_out(page, "#panel")
    reached = set()
    for sideways in (99999, 0):
        page.evaluate(
            "(left) => { document.querySelector('#drawing .network-frame').scrollLeft = left; }",
            sideways,
        )
        # Each is 24 pixels wide and high.
        for place in ((0, 0), (11.5, 0), (0, -11.5)):
            found = page.evaluate(TAP, place)
            assert [node for node, chosen in found if chosen != node] == []
            reached |= {node for node, _ in found}
    assert reached == {f"{n},{j}" for n, w in enumerate([3, *[6] * 5, 2]) for j in range(w)}
    # Drawn in its own size again.
    if fitted:
        page.get_by_label("Fit the drawing").click()
        assert on.is_visible()


def test_taps_at_one_place_choose_one_close_line_after_the_other(show):
    page = show("layered", width=390, height=844).page
    page.evaluate("document.querySelector('#drawing svg').scrollIntoView({ block: 'start' })")
    page.evaluate("DR.dock.close()")
    faces = {face["node"]: face for face in page.evaluate(FACES)}
    first, second = faces["1,2"], faces["2,3"]
    x, y = (first["x"] + second["x"]) / 2, (first["y"] + second["y"]) / 2
    taps = """(places) => places.map(([x, y]) => {
      document.elementFromPoint(x, y).dispatchEvent(new PointerEvent("click",
        { pointerType: "touch", clientX: x, clientY: y, bubbles: true, detail: 1 }));
      const { layer, j, k } = DR.page.state.selected;
      return [[layer, j, k].join(), document.querySelector("#drawing .taps").textContent];
    })"""
    beside = [x + second["x"] - first["x"], y]
    *found, elsewhere = page.evaluate(taps, [*[[x, y]] * 7, beside])
    assert len({line for line, _ in found[:6]}) == 6
    assert [words for _, words in found[:2]] == [
        "Line 1 of 6 here: tap again for the next",
        "Line 2 of 6 here: tap again for the next",
    ]
    assert found[6] == found[0]
    # Elsewhere it begins with the nearest one.
    assert "Line 1 of" in elsewhere[1]
