"""Where things stand on the page: the derivation, letters, boxes, labels, links, the sheet."""

import numpy as np
import pytest
from tests.browser import violations
from tests.explain.pages import SHOWN, Shown, leave_out, set_state, until

from deltarule.explain.page import write_page
from deltarule.explain.subject import Names, Subject
from deltarule.maths import Network

# What the checks below have in common: boxes in pixels of the screen, of text only what is drawn.
MEASURE = """
window.measure = {
  box: (e) => { const { left, top, right, bottom } = e.getBoundingClientRect();
                return [left, top, right, bottom]; },
  inside: (a, b, slack = 1) => a[0] >= b[0] - slack && a[1] >= b[1] - slack
    && a[2] <= b[2] + slack && a[3] <= b[3] + slack,
  overlap: (a, b) => Math.min(a[2], b[2]) - Math.max(a[0], b[0]) > 1
    && Math.min(a[3], b[3]) - Math.max(a[1], b[1]) > 1,
  texts: (root) => [...document.querySelectorAll(`${root} text`)]
    .filter((e) => e.textContent.trim() && e.checkVisibility()),
};
"""
# Letters of the drawing that are smaller than so many pixels: also indices, which are tspans.
SMALL = """(least) => [...document.querySelectorAll("svg.network text, svg.network tspan")]
  .filter((e) => e.checkVisibility())
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => {
    const drawing = e.closest("svg"), scale = drawing.getBoundingClientRect().width
      / drawing.viewBox.baseVal.width;
    return [parseFloat(getComputedStyle(e).fontSize) * scale, e.textContent];
  }).filter(([size]) => size < least - 0.01)"""
# Numbers and names that leave their box, that are cut by the drawing, or that cover each other.
LEAVING = """() => {
  const { box, inside, overlap, texts } = measure, wrong = [];
  const root = document.querySelector("svg.network"), all = box(root);
  const pictured = root.classList.contains("pictured");
  for (const node of root.querySelectorAll(".node")) {
    const face = box(node.querySelector(".face"));
    const kept = pictured ? [] : node.querySelectorAll(".value, .symbol");
    for (const text of kept)
      if (text.textContent && !inside(box(text), [face[0], face[1] - 3, face[2], face[3] + 3]))
        wrong.push(["node", text.textContent, box(text), face]);
  }
  for (const [group, shape, kept] of [
    [".target", "rect", ".value"], [".loss", ".box", "text"], [".one", "rect", "text"],
    [".label", "rect", "text"],
  ])
    for (const part of root.querySelectorAll(group))
      for (const text of part.querySelectorAll(kept))
        if (!inside(box(text), box(part.querySelector(shape)), group === ".label" ? 3 : 1))
          wrong.push([group, text.textContent, box(text), box(part.querySelector(shape))]);
  for (const one of root.querySelectorAll(".one rect"))
    for (const text of root.querySelectorAll(".node :is(.value, .below)")) {
      const [l, t, r, d] = box(text);
      if (text.textContent && overlap(box(one), [l, t + 3, r, d - 3]))
        wrong.push(["one", text.textContent, box(one), box(text)]);
    }
  const numbers = texts("svg.network");
  for (const text of numbers)
    if (!inside(box(text), all, 2)) wrong.push(["cut", text.textContent, box(text), all]);
  const plain = numbers.filter((e) => e.matches(".value, .below, .name, .heading text"))
    .filter((e) => !e.closest(".label"));
  // The lines of a column stand close: the ink of letters is not as high as their boxes.
  const inks = plain.map(box).map(([l, t, r, d]) => [l, t + 3, r, d - 3]);
  inks.forEach((x, i) => inks.slice(i + 1).forEach((y, j) => {
    if (overlap(x, y))
      wrong.push(["over", plain[i].textContent, plain[i + 1 + j].textContent, x, y]);
  }));
  return wrong;
}"""
# Numbers, names and boxes that a label of a line covers.
COVERED = """() => {
  const { box, overlap } = measure, wrong = [];
  const all = document.querySelectorAll(
    "svg.network :is(.value, .below, .name, .heading text, .face, .target rect, .one rect)");
  for (const label of document.querySelectorAll("svg.network .label rect")) {
    const at = box(label);
    for (const e of all)
      if (overlap(at, box(e)) && !e.closest(".label") && e.checkVisibility())
        wrong.push([e.textContent || e.outerHTML.slice(0, 80), at, box(e)]);
  }
  return wrong;
}"""
# In both colours; several of these in one call: between two calls the browser paints, which takes
# longer.
LEAVING_IN_EACH_COLOUR = f"""() => ["weight", "gradient"].flatMap((colour) => {{
  DR.page.set({{ colour, selected: null }});
  return ({LEAVING})().map((wrong) => [colour, ...wrong]);
}})"""
# Of seven weights or more, chosen or with the focus: the key, how many labels there are, and what
# they cover.
LABELLED = f"""(chosen) => {{
  const all = [...document.querySelectorAll("[data-edge]")];
  const every = Math.max(1, Math.floor(all.length / 7));
  const choose = (edge) => {{
    const [layer, j, k] = edge.dataset.edge.split(",").map(Number);
    DR.page.set({{ selected: {{ kind: "edge", layer, j, k }} }});
  }};
  const found = all.filter((_, i) => i % every === 0).map((edge) => {{
    if (chosen) choose(edge);
    else edge.focus({{ preventScroll: true }});
    return [edge.dataset.edge, document.querySelectorAll("svg.network .label").length,
            ({COVERED})()];
  }});
  choose(all.at(-1));
  return found;
}}"""
IN_SIGHT = """(selector) => {
  const e = document.querySelector(selector), [l, t, r, b] = measure.box(e);
  const at = document.elementFromPoint((l + r) / 2, (t + b) / 2);
  return b > t && l >= 0 && t >= 0 && r <= innerWidth && b <= innerHeight
    && (e.contains(at) || at?.contains(e));
}"""

WORDS = ("x", "sepal length (cm)", "a" * 60, "W" * 40, "\u6f22\u5b57" * 12, "\N{GRINNING FACE}" * 9,
         "net income after tax, in thousands", "iiiiiiiiiiiiiiiiiiii", "_", "Σx²")  # fmt: skip
SHAPES = ([2, 8, 8, 1], [4, 5, 3], [30, 64, 2])
CROWDED = [64, 128, 64, 10]


def random_shown(seed):
    """A network of random widths with long names and numbers from 1e-300 to 1e300."""
    rng = np.random.default_rng(seed)
    widths = [int(n) for n in rng.integers(1, 14, rng.integers(2, 6))]
    if seed % 4 == 0:
        widths[rng.integers(len(widths))] = int(rng.integers(17, 60))
    hidden = len(widths) - 2
    kinds = [str(k) for k in rng.choice(["tanh", "relu", "logistic", "identity"], hidden)]
    softmax = seed % 3 == 0 and widths[-1] > 1
    output = ("softmax", "cross_entropy") if softmax else ("identity", "half_squared_error")
    net = Network(widths, kinds, *output, bias=seed % 5 != 0)

    def extreme(*shape):
        return rng.normal(size=shape) * 10.0 ** rng.integers(-8, 5, shape)

    X = extreme(4, widths[0])
    X[0] *= 10.0 ** rng.choice([-290, 0, 0, 12])
    Y = rng.integers(0, widths[-1], 4) if softmax else extreme(4, widths[-1])
    names = Names(
        tuple(str(rng.choice(WORDS)) for _ in range(widths[0])),
        tuple(str(rng.choice(WORDS)) for _ in range(widths[-1])),
        tuple("abcd"),
    )
    theta = extreme(net.n_parameters) if seed % 2 else rng.normal(size=net.n_parameters)
    return Shown(f"random {seed}", Subject.of_arrays(net, theta, X, Y, names=names))


@pytest.fixture(autouse=True)
def named_pages(monkeypatch):
    """The networks of this file, by names that `show` knows."""
    for widths in (*SHAPES, CROWDED):
        name = "-".join(map(str, widths))

        def make(widths=widths, name=name):
            rng = np.random.default_rng(len(name))
            one = widths[-1] == 1
            output = ("logistic", "log_loss") if one else ("softmax", "cross_entropy")
            net = Network(widths, "tanh", *output)
            X = rng.normal(size=(12, widths[0]))
            Y = rng.integers(0, max(2, widths[-1]), 12)
            Y = Y.reshape(-1, 1).astype(float) if one else Y
            theta = 0.6 * rng.normal(size=net.n_parameters)
            return Shown(name, Subject.of_arrays(net, theta, X, Y))

        monkeypatch.setitem(SHOWN, name, make)


def ready(show, name, **options):
    page = show(name, **options).page
    page.evaluate(MEASURE)
    return page


@pytest.mark.parametrize("name", ["-".join(map(str, widths)) for widths in SHAPES])
def test_the_derivation_is_in_sight_after_a_click_at_1280_by_720(show, name):
    page = ready(show, name, width=1280, height=720)
    layers = list(map(int, name.split("-")))
    for kind, key in (("node", "1,0"), ("edge", f"{len(layers) - 1},0,0"), ("node", "0,0")):
        part = page.locator(f'[data-{kind}="{key}"]')
        if not part.count():
            part = page.locator(f"[data-{kind}]").last
        part.click()
        assert page.evaluate("scrollY") == 0
        assert page.evaluate(IN_SIGHT, "#panel h3")
        assert page.evaluate(IN_SIGHT, "#panel .panel-head .big .value")
        assert page.evaluate(IN_SIGHT, "#panel .step h4, #panel .step .formula")
    # It stays beside whatever is chosen below.
    page.locator("#heat").scroll_into_view_if_needed()
    page.wait_for_selector("#heat canvas")
    page.locator("#heat canvas").first.click()
    assert page.evaluate(IN_SIGHT, "#panel h3")


@pytest.mark.parametrize("name", ["-".join(map(str, widths)) for widths in SHAPES])
def test_letters_are_not_small_and_larger_text_enlarges_the_drawing(show, name):
    page = ready(show, name, width=1280, height=720)
    assert page.evaluate(SMALL, 11) == []
    radius = "document.querySelector('svg.network .face').getBoundingClientRect().height"
    before = page.evaluate(radius)
    for _ in range(2):
        page.click("#larger")
    assert page.evaluate(SMALL, 11 * 1.15**2) == []
    assert page.evaluate(radius) > 1.1 * before
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    frame = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)"
    assert page.evaluate(f"{frame}(document.querySelector('.network-frame'))") <= 0
    assert page.evaluate(LEAVING) == []


# Pairs of texts above the columns that touch.
TOUCHING = """(() => {
  const texts = [...document.querySelectorAll("svg.network .heading text")];
  const boxes = texts.map((text) => [text.getBoundingClientRect(), text.textContent]);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1)
    .filter(([b]) => a.left < b.right && b.left < a.right)
    .filter(([b]) => a.top < b.bottom - 4 && b.top < a.bottom - 4)
    .map(([, other]) => [one, other]));
})()"""


def test_what_stands_above_close_columns_does_not_touch(show):
    page = ready(show, "-".join(map(str, CROWDED)), width=1280, height=720)
    assert "of 128" in page.text_content("svg.network")
    for _ in range(5):
        assert page.evaluate(TOUCHING) == []
        page.click("#larger")


def test_a_small_network_fills_its_card(show):
    page = ready(show, "article", width=1280, height=720)
    share = """(() => {
      const [l, t, r, b] = measure.box(document.querySelector("svg.network"));
      const [fl, , fr] = measure.box(document.querySelector(".network-frame"));
      return [(r - l) / (fr - fl), b - t];
    })()"""
    wide, high = page.evaluate(share)
    assert wide > 0.95
    assert high > 300


# All of the above of one page, in one call. While the drawing is looked at, the layout leaves out
# what is below and beside it, of which a selection changes more; its numbers are computed.
SEEN_AT = f"""async ([wide, chosen]) => {{
  if (innerWidth !== wide)
    await new Promise((resized) => addEventListener("resize", resized, {{ once: true }}));
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  {MEASURE}
  window.rest ??= document.head.appendChild(document.createElement("style"));
  rest.disabled = false;
  rest.textContent = ":is(#panel, .beside, #whatif, #heat) {{ content-visibility: hidden; }}";
  const small = wide > 900 ? ({SMALL})(11) : [];
  const leaving = ({LEAVING_IN_EACH_COLOUR})();
  const edges = ({LABELLED})(chosen);
  rest.disabled = true;
  const scrolled = document.documentElement.scrollWidth;
  rest.disabled = !chosen;
  return [small, leaving, edges, scrolled];
}}"""


@pytest.mark.parametrize("part", [0, 1])
def test_no_number_leaves_its_box_and_no_label_covers_one(show, tmp_path, part):
    """On a wide screen and on a phone; each page is opened on the one and turned into the other."""
    widths = [1280, 390]
    page = ready(show, "article", width=1280, height=720)
    for seed in range(10 * part, 10 * part + 10):
        path = tmp_path / f"{seed}.html"
        write_page(random_shown(seed).subject, path, lens=None)
        page.goto(path.as_uri())
        for chosen, width in zip((True, False), widths, strict=True):
            page.set_viewport_size({"width": width, "height": 720 if width > 900 else 844})
            small, leaving, edges, scrolled = page.evaluate(SEEN_AT, [width, chosen])
            assert small == [], (seed, width)
            assert leaving == [], (seed, width)
            assert edges
            assert [key for key, labels, _ in edges if labels != 1] == [], (seed, width)
            if width > 900:
                assert [(key, covered) for key, _, covered in edges if covered] == [], seed
            assert scrolled <= width, seed
        widths.reverse()  # the next one is opened as this one was left


# Which part of its line the label of each weight covers.
HIDDEN = """() => [...document.querySelectorAll("svg.network [data-edge]")].map((e) => {
  const [layer, j, k] = e.dataset.edge.split(",").map(Number);
  DR.page.set({ selected: { kind: "edge", layer, j, k } });
  const [left, top, right, bottom] = measure.box(
    document.querySelector("svg.network .label rect"));
  const line = e.querySelector("line"), matrix = line.getScreenCTM();
  const end = (n) => new DOMPoint(line[`x${n}`].baseVal.value, line[`y${n}`].baseVal.value)
    .matrixTransform(matrix);
  const [a, b] = [end(1), end(2)];
  const at = Array.from({ length: 101 }, (_, i) => i / 100)
    .map((t) => [a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)]);
  const under = at.filter(([x, y]) => x > left && x < right && y > top && y < bottom);
  return [e.dataset.edge, under.length / at.length];
})"""


@pytest.mark.parametrize(("name", "larger"), [("article", 0), ("article", 3), ("planar", 2)])
def test_the_label_of_a_weight_does_not_hide_its_line(show, name, larger):
    page = ready(show, name, width=1280, height=720)
    for _ in range(larger):
        page.click("#larger")
    leave_out(page, ":is(#panel, .beside, #whatif, #heat)")
    hidden = page.evaluate(HIDDEN)
    assert hidden
    assert [each for each in hidden if each[1] > 0.45] == []


LINKED = """() => [...document.querySelectorAll("svg.network .linked")]
  .map((e) => e.dataset.node ?? e.dataset.edge ?? e.dataset.bias).sort()"""


def test_pointing_at_a_term_lights_its_weight_and_node_and_the_reverse(show):
    page = ready(show, "softmax", width=1280, height=720)
    page.locator('[data-edge="1,1,1"]').click()
    terms = page.locator("#panel .terms").first.locator(".term:not(.total)")
    ids = terms.nth(1).locator("[data-symbol]").first.get_attribute("data-symbol")
    node = ids.removeprefix("delta^2_{").removesuffix("}")
    terms.nth(1).scroll_into_view_if_needed()
    terms.nth(1).hover()
    assert page.evaluate(LINKED) == sorted([f"2,{node}", f"2,{node},1"])
    page.mouse.move(2, 2)
    assert page.evaluate(LINKED) == []
    page.locator(f'[data-node="2,{node}"]').hover()
    assert page.locator("#panel .term.linked").count() == 1
    assert (
        page.locator("#panel .term.linked .factors").text_content()
        == terms.nth(1).locator(".factors").text_content()
    )
    page.locator('[data-edge="1,1,1"]').hover()
    marked = page.eval_on_selector_all(
        "#panel [data-symbol].linked", "(all) => all.map((e) => e.dataset.symbol)"
    )
    assert {"w^1_{1,1}", "dC_0/dw^1_{1,1}"} <= set(marked)


def test_arrow_keys_go_from_term_to_term_and_light_them(show):
    page = ready(show, "softmax", width=1280, height=720)
    set_state(page, selected={"kind": "node", "layer": 1, "j": 2})
    page.locator("#panel .formula").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "terms"
    seen = [page.evaluate(LINKED)]
    page.keyboard.press("ArrowDown")
    seen.append(page.evaluate(LINKED))
    assert all(seen)
    assert seen[0] != seen[1]
    assert " times " in page.locator(".unseen[role=status]").text_content()
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected.kind") in ("edge", "bias")


def test_the_derivation_is_closed_and_opens_with_a_selection(show):
    page = ready(show, "article", width=1280, height=720)
    page.get_by_role("button", name="Close the derivation").click()
    assert not page.locator("#panel").is_visible()
    peek = page.get_by_role("button", name="The derivation", exact=True)
    assert page.evaluate("document.activeElement.className") == "panel-peek"
    page.keyboard.press("Enter")
    assert page.locator("#panel").is_visible()
    assert page.evaluate("document.activeElement.id") == "panel"
    page.get_by_role("button", name="Close the derivation").click()
    page.locator('[data-node="1,1"]').click()
    assert page.evaluate(IN_SIGHT, "#panel h3")
    assert not peek.is_visible()


def test_on_a_phone_a_tap_opens_a_sheet_that_leaves_what_was_tapped_in_sight(show):
    page = ready(show, "softmax", width=390, height=844)
    assert not page.locator("#panel").is_visible()
    page.locator('[data-node="2,1"]').click()
    assert page.evaluate(IN_SIGHT, "#panel h3")
    high = "document.getElementById('derivation').getBoundingClientRect().top / innerHeight"
    until(page, high, lambda share: 0.4 < share < 0.5)
    above = """(() => {
      const node = measure.box(document.querySelector('[data-node="2,1"]'));
      return node[1] > measure.box(document.querySelector(".bar"))[3]
        && node[3] < measure.box(document.getElementById("derivation"))[1];
    })()"""
    until(page, above, bool)
    page.get_by_role("button", name="Raise the derivation").click()
    until(page, high, lambda share: share < 0.15)
    page.get_by_role("button", name="Lower the derivation").press("Enter")
    until(page, high, lambda share: 0.4 < share < 0.5)
    grip = page.locator(".panel-grip").bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 200, steps=4)
    page.mouse.move(x, 800, steps=4)
    page.mouse.up()
    assert not page.locator("#panel").is_visible()
    page.get_by_role("button", name="The derivation", exact=True).click()
    assert page.locator("#panel").is_visible()
    page.locator('svg.network [tabindex="0"]').focus()
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    # The last of the page can be scrolled above the sheet.
    # The room for the sheet is made in a later frame.
    gap = """(() => {
      scrollTo(0, document.body.scrollHeight);
      return document.getElementById("derivation").getBoundingClientRect().top
        - document.querySelector(".foot p").getBoundingClientRect().bottom;
    })()"""
    until(page, gap, lambda pixels: pixels >= 0)


def test_axe_finds_nothing_in_the_sheet(show):
    page = ready(show, "softmax", width=390, height=844)
    for to in ("open", "full"):
        set_state(page, selected={"kind": "edge", "layer": 2, "j": 1, "k": 2})
        page.evaluate("(to) => (document.documentElement.dataset.panel = to)", to)
        page.wait_for_timeout(50)
        assert violations(page) == []


def test_the_file_of_a_large_network_is_small(show):
    show("deep")
    assert (show.folder / "deep.html").stat().st_size < 2_500_000


def test_the_check_does_not_scroll_sideways_on_a_phone(show):
    page = show("article", width=390, height=844).page
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 0, "k": 0})
    page.evaluate(
        """() => {
          const theta = DR.page.theta();
          for (let i = 0; i < theta.length; ++i) theta[i] *= -1.234567e-9;
          DR.page.move({ ...DR.page.current() });
        }"""
    )
    page.locator("#check button").first.click()
    page.wait_for_selector("#check .check-grid td")
    wide = page.eval_on_selector_all(
        "#check .check-grid, #check .scroll, #check",
        "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.className)",
    )
    assert wide == []


def test_on_a_phone_the_levels_of_a_category_are_told_apart_in_little_room(show):
    page = ready(show, "softmax", width=390, height=844)
    names = ["region=north", "region=south", "region=west", "a region of the country=east"]
    short = page.evaluate(
        """(names) => [44, 70, 400].map((room) =>
          names.map((name) => DR.layout.nameIn(name, room, "400 12px sans-serif", 3)))""",
        names,
    )
    for shown in short:
        assert len(set(shown)) == len(names), shown
    assert all(name.startswith("=") for name in short[0])
    assert short[2] == names
    # On a wide screen a name keeps its beginning.
    wide = page.evaluate("DR.layout.nameIn('region=north', 44, '400 12px sans-serif')")
    assert wide.startswith("r")
