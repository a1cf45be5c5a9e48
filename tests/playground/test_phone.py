"""The static page on a phone: what a finger opens and closes, and the card of a weight."""

import time

import pytest
from tests.browser import Watched, browser, frames, settled
from tests.playground.helpers import holds, press

from deltarule.playground import write_static_playground

UPRIGHT, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = write_static_playground(tmp_path_factory.mktemp("page") / "playground.html")
    with browser() as context:
        watched = Watched(context, **UPRIGHT)
        watched.page.goto(f"{path.as_uri()}#data=circles")
        watched.page.wait_for_selector("[data-node]", timeout=60_000)
        holds(watched.page, "document.body.dataset.frames > 0")
        yield watched.page
        assert watched.errors == []


def settle(page):
    """Wait for orders, for what they paint, and for a scroll that would follow."""
    frames(page, 12)


def choose(page, edge):
    # A mouse that has clicked would rest over the drawing, and point at another line.
    page.mouse.move(2, 2)
    page.locator(f'[data-edge="{edge}"]').dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'open'")
    page.wait_for_selector(".weight-card:not([hidden])")


def step_is(page, step):
    holds(page, f"DR.page.current().step === {step}")


def test_a_deep_network_says_that_it_is_wider_than_the_screen_and_a_press_moves_it(page):
    page.set_viewport_size(UPRIGHT)
    settle(page)
    way = page.locator(".sideways")
    assert not way.is_visible()
    page.evaluate("location.hash = 'data=circles&layers=6,6,6,6,6,6'")
    page.wait_for_selector('[data-node="6,1"]')
    way.wait_for(state="visible")
    assert way.inner_text() == "swipe: more layers →"
    outputs = "document.querySelector('[data-node=\"7,0\"]').getBoundingClientRect().right"
    assert page.evaluate(outputs) > UPRIGHT["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= UPRIGHT["width"]
    way.click()
    holds(page, f"{outputs} < {UPRIGHT['width']}")
    holds(page, "document.querySelector('.sideways').textContent.includes('back')")
    way.click()
    holds(page, "document.querySelector('.network-frame').scrollLeft === 0")
    press(page, "Undo")
    way.wait_for(state="hidden")


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_a_derivation_that_was_closed_stays_closed_until_something_is_chosen(page, size):
    page.set_viewport_size(size)
    press(page, "Reset")
    step_is(page, 0)
    choose(page, "2,0,3")
    press(page, "Close the derivation")
    settle(page)
    page.evaluate("scrollTo(0, 0)")
    settle(page)
    for name, step in (("Step", 1), ("Step", 2), ("Reset", 0), ("Undo", 2), ("Reset", 0)):
        press(page, name)
        step_is(page, step)
        settle(page)
        assert page.evaluate("document.documentElement.dataset.panel") == "closed", name
        assert page.evaluate("scrollY") == 0, name
    press(page, "Play")
    holds(page, "document.body.dataset.phase === 'playing' && DR.page.current().step > 3")
    press(page, "Pause")
    holds(page, "document.body.dataset.phase === 'paused'")
    settle(page)
    assert page.evaluate("document.documentElement.dataset.panel") == "closed"
    # The same line again opens it, and so does another one.
    choose(page, "2,0,3")
    press(page, "Close the derivation")
    choose(page, "1,0,1")


def test_the_sign_of_a_weight_changes_and_its_digits_stay(page):
    page.set_viewport_size(UPRIGHT)
    choose(page, "2,0,3")
    weight = "DR.page.theta()[DR.page.entry({ kind: 'edge', layer: 2, j: 0, k: 3 })]"
    before = page.evaluate(weight)
    assert page.input_value("#weight") != repr(before)  # which has more digits than the field
    for sign in (-1, 1):
        page.get_by_label("Change the sign of the weight").click()
        holds(page, f"{weight} === {sign * before!r}")
    # Leaving the field as it is leaves the weight, too.
    page.locator("#weight").click()
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate(weight) == before


# The share of the card that lies over each kind of thing, and whether all of it is in sight.
CARD = """(() => {
  const box = (element) => element.getBoundingClientRect();
  const card = box(document.querySelector('.weight-card'));
  const over = (other) =>
    Math.max(0, Math.min(card.right, other.right) - Math.max(card.left, other.left)) *
    Math.max(0, Math.min(card.bottom, other.bottom) - Math.max(card.top, other.top));
  const line = document.querySelector('.edge.selected line');
  const matrix = line.getScreenCTM();
  const end = (x, y) => new DOMPoint(x.baseVal.value, y.baseVal.value).matrixTransform(matrix);
  const ends = [end(line.x1, line.y1), end(line.x2, line.y2)].filter(
    ({ x, y }) => x > card.left && x < card.right && y > card.top && y < card.bottom);
  const sheet = box(document.querySelector('.place-panel'));
  const open = document.documentElement.dataset.panel !== 'closed';
  const lying = innerHeight < innerWidth;
  // What lies below the sheet itself is not seen, whatever stands on the sheet.
  const seen = ({ left, top, right, bottom }) => ({ left, top,
    right: lying && open ? Math.min(right, sheet.left) : right,
    bottom: !lying ? Math.min(bottom, sheet.top) : bottom });
  const all = (selector) =>
    [...document.querySelectorAll(selector)].reduce((sum, each) => sum + over(seen(box(each))), 0);
  return {
    nodes: all('.network .node'), label: all('.network .label'), ends: ends.length,
    inside: card.left >= 0 && card.right <= innerWidth && (open
      ? card.top >= sheet.top && card.left >= sheet.left && card.bottom <= innerHeight
      : card.top >= box(document.querySelector('.bar')).bottom &&
        card.bottom <= (lying ? innerHeight : sheet.top + 1)),
  };
})()"""


@pytest.mark.parametrize("edge", ["1,2,0", "2,0,0", "2,0,5"])
@pytest.mark.parametrize("open_", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_the_card_of_a_weight_covers_nothing_of_the_network(page, edge, open_, size):
    page.set_viewport_size(size)
    page.evaluate("scrollTo(0, 0)")
    choose(page, edge)
    settled(page)
    if not open_:
        # Where the page was scrolled to for the line, too.
        press(page, "Close the derivation")
    # A lying phone has no place of its own for it while the sheet is closed: there a sliver of
    # another node, of some 900 square pixels, may be below it, and nothing that the line joins.
    most = 300 if size is LYING and not open_ else 0
    well = f"(({{ inside, label, ends, nodes }}) => inside && !label && !ends && nodes <= {most})"
    ends = time.monotonic() + 10
    while not page.evaluate(f"{well}({CARD})"):
        assert time.monotonic() < ends, page.evaluate(CARD)
        page.wait_for_timeout(50)


def test_a_weight_is_typed_while_its_card_moves_into_the_sheet_and_out(page):
    weight = "DR.page.theta()[DR.page.entry({ kind: 'edge', layer: 2, j: 0, k: 0 })]"
    home = "document.querySelector('.weight-card').dataset.home"
    page.set_viewport_size(UPRIGHT)
    choose(page, "2,0,0")
    settled(page)
    press(page, "Close the derivation")
    holds(page, f"{home} === 'edge'")
    page.locator("#weight").fill("0.125")
    page.evaluate("DR.dock.open()")
    holds(page, f"{home} === 'sheet'")
    assert page.evaluate("document.activeElement.id") == "weight"
    assert page.input_value("#weight") == "0.125"
    page.keyboard.press("Enter")
    holds(page, f"{weight} === 0.125")
    # What was typed is set when the sheet is closed.
    page.locator("#weight").fill("0.25")
    press(page, "Close the derivation")
    holds(page, f"{weight} === 0.25 && {home} === 'edge'")


def test_the_card_names_its_weight_as_the_formulas_do(page):
    choose(page, "2,0,0")
    assert page.locator(".weight-card math .sym").count() == 0
    assert page.locator(".weight-card math mn").all_text_contents() == ["0", "0", "2"]
    assert page.get_attribute("#weight", "aria-label").startswith("weight w")


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_the_bar_names_its_buttons_and_stays_where_it_is_while_the_numbers_grow(page, size):
    page.set_viewport_size(size)
    settle(page)
    for name in ("Reset", "Undo", "Redo", "Play", "Step", "Epoch"):
        word = page.locator("#transport button", has_text=name).locator("span")
        assert word.bounding_box()["width"] > 20, name
        assert word.evaluate("(w) => getComputedStyle(w).clipPath") == "none", name
    seen = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("[data-where]")];
          const was = all.map((place) => place.innerHTML);
          const at = Object.fromEntries(all.map((place) => [place.dataset.where, place]));
          const part = ' <span class="part">+ 3/7</span>';
          const found = [];
          for (const [epoch, score, held] of [
            ["1", "9.5 %", "51.7 %"],
            ["57" + part, "99.5 %", "100.0 %"],
            ["217", "100.0 %", "100.0 %"],
          ]) {
            at.epoch.innerHTML = epoch;
            [at.score.textContent, at.held.textContent] = [score, held];
            const tops = all.map((place) => Math.round(place.getBoundingClientRect().top));
            const main = document.querySelector("main").getBoundingClientRect().top;
            const { right } = at.held.getBoundingClientRect();
            const room = document.querySelector(".bar").getBoundingClientRect().right;
            const lines = new Set(tops.filter((top) => top > 0)).size;
            found.push([lines, Math.round(main), right <= room]);
          }
          all.forEach((place, i) => { place.innerHTML = was[i]; });
          return found;
        }"""
    )
    assert all(each == [1, seen[0][1], True] for each in seen), seen


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_the_curve_in_the_bar_has_a_scale(page, size):
    page.set_viewport_size(size)
    press(page, "Reset")
    step_is(page, 0)
    settle(page)
    page.evaluate(
        """() => {
          const { fillText } = CanvasRenderingContext2D.prototype;
          window.written = [];
          CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
            if (this.canvas.closest("#strip")) window.written.push(text);
            return fillText.call(this, text, ...at);
          };
          window.unwatch = () => { CanvasRenderingContext2D.prototype.fillText = fillText; };
        }"""
    )
    for _ in range(2):
        press(page, "Epoch")
        settle(page)
    holds(page, "document.querySelector('[data-where=epoch]').textContent === '2'")
    settle(page)
    written = page.evaluate("window.written")
    page.evaluate("window.unwatch()")
    most, *epochs, least = written[-3:] if size is UPRIGHT else written[-2:]
    assert float(most) > float(least) == 0
    assert epochs == (["2 epochs"] if size is UPRIGHT else [])


def test_other_data_begin_with_all_of_their_settings_and_the_page_says_so(page):
    page.set_viewport_size(UPRIGHT)
    choice = "DR.page && document.querySelector('#chosen').textContent"
    page.evaluate("document.getElementById('fold').open = true")
    page.select_option("#rule", "momentum")
    holds(page, f"{choice} === 'Circles, 2–6–1, tanh, momentum'")
    assert "Undo brings back" in page.inner_text("#settings")
    page.locator(".thumb", has_text="Moons").click()
    holds(page, f"{choice} === 'Moons, 2–8–4–1, tanh, adam'")
    assert page.input_value("#rate") == "0.02"
    press(page, "Undo")
    holds(page, f"{choice} === 'Circles, 2–6–1, tanh, momentum'")
    press(page, "Undo")
    holds(page, f"{choice} === 'Circles, 2–6–1, tanh, adam'")
    page.evaluate("document.getElementById('fold').open = false")


def test_turning_the_phone_keeps_the_part_in_view_that_was(page):
    seen = """(() => {
      const { top, bottom } = document.querySelector(".plane-frame").getBoundingClientRect();
      const bar = document.querySelector(".bar").getBoundingClientRect().bottom;
      return (Math.min(bottom, innerHeight) - Math.max(top, bar)) / (bottom - top);
    })()"""
    page.evaluate("DR.page.set({ selected: null })")
    page.set_viewport_size(UPRIGHT)
    settle(page)
    page.evaluate("document.querySelector('.place-surface').scrollIntoView({ block: 'center' })")
    settled(page)
    for size in (LYING, UPRIGHT):
        page.set_viewport_size(size)
        settled(page)
        assert page.evaluate(seen) > 0.7, size
    page.evaluate("scrollTo(0, 0)")
    settled(page)
    page.set_viewport_size(LYING)
    settled(page)
    assert page.evaluate("scrollY") == 0


def test_a_tap_beside_the_settings_closes_them_on_a_lying_phone(page):
    page.set_viewport_size(LYING)
    opened = "document.getElementById('fold').open"
    page.evaluate("document.getElementById('fold').open = true")
    page.mouse.click(200, 200)  # within them
    assert page.evaluate(opened)
    press(page, "Step")
    assert page.evaluate(opened)
    page.mouse.click(700, 200)
    assert not page.evaluate(opened)


def test_the_derivation_says_that_a_weight_was_set_since_its_step(page):
    page.set_viewport_size(UPRIGHT)
    press(page, "Reset")
    step_is(page, 0)
    press(page, "Step")
    step_is(page, 1)
    choose(page, "2,0,1")
    told = "document.querySelector('[data-derived]').textContent"
    holds(page, f"{told} === 'after step 1'")
    page.get_by_label("Change the sign of the weight").click()
    holds(page, f"{told} === 'after step 1, a weight set by hand since'")
    press(page, "Step")
    holds(page, f"{told} === 'after step 2'")
    press(page, "Reset")
    holds(page, f"{told} === 'after step 0'")
    settle(page)
    page.get_by_label("Change the sign of the weight").click()
    holds(page, f"{told} === 'after step 0, a weight set by hand since'")
