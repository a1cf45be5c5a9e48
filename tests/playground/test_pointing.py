"""What a click and a pointer do to the playground at any size of text: nothing leaves its place."""

import time

import pytest
from tests.browser import frames
from tests.playground.helpers import PRESS, holds
from tests.playground.static_page import presses_of, static_page, text_size

PROJECTOR = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page"), anchor="#data=circles") as found:
        holds(found, "document.body.dataset.frames > 0")
        yield found


@pytest.fixture(autouse=True)
def usual(page, request):
    """The size of the text that a test is about, and afterwards nothing chosen."""
    text_size(page, presses_of(request))
    frames(page)
    yield
    page.mouse.move(640, 5)
    page.evaluate("DR.page.set({ selected: null })")
    page.evaluate("DR.dock.close()")
    page.evaluate("scrollTo(0, 0)")


BOX = """(selector) => {
  const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
  return { left, top, right, bottom, x: (left + right) / 2, y: (top + bottom) / 2 };
}"""


@pytest.mark.parametrize("at", [".network .loss", '[data-node="1,3"]', '[data-node="0,1"]'])
@pytest.mark.parametrize("presses", [0, 2, 4, 7])
def test_no_click_in_the_drawing_takes_the_curve_or_the_surface_away(page, presses, at):
    box = page.evaluate(BOX, at)
    page.mouse.click(box["x"], box["y"])
    holds(page, "document.documentElement.dataset.panel === 'open'")
    page.wait_for_timeout(250)  # what scrolls does so after 60 ms
    frames(page)
    assert page.evaluate("scrollY") == 0
    for part in (".losses-frame canvas", "canvas.plane", "[data-verdict]", at):
        found = page.evaluate(BOX, part)
        assert found["top"] >= 0, part
        assert found["bottom"] <= PROJECTOR["height"], part


def test_a_part_that_comes_below_a_resting_pointer_is_not_pointed_at(page):
    title = page.locator(".place-surface h2")
    name = title.inner_text()
    # Between nodes, so that none is pointed at.
    page.mouse.move(640, 690)
    page.mouse.down()
    page.mouse.up()
    over = """([node, x, y]) => document.querySelector(`[data-node="${node}"]`).dispatchEvent(
        new PointerEvent("pointerover", { clientX: x, clientY: y, bubbles: true }))"""
    # As a browser tells it where the page has moved below the pointer.
    page.evaluate(over, ["1,1", 640, 690])
    assert title.inner_text() == name
    page.evaluate(over, ["1,1", 641, 690])
    assert title.inner_text().startswith("Node 1 of layer 1")
    page.evaluate("document.getElementById('drawing').dispatchEvent(new Event('pointerleave'))")
    assert title.inner_text() == name


# Where the card of a weight is, and what it covers.
COVERED = """() => {
              const box = (element) => element.getBoundingClientRect();
              const card = box(document.querySelector(".weight-card"));
              const all = ".node .face, .network .heading text, .network .loss .box, .legend";
              const seen = [...document.querySelectorAll(all)].filter((element) => {
                const { left, top, right, bottom } = box(element);
                return Math.min(right, card.right) - Math.max(left, card.left) > 1 &&
                  Math.min(bottom, card.bottom) - Math.max(top, card.top) > 1;
              });
              return [card.left, card.top, card.right, card.bottom, seen.map((e) => e.outerHTML)];
            }"""


@pytest.mark.parametrize("presses", [0, 2, 7])
def test_the_card_of_a_weight_covers_no_node_heading_or_scale(page, presses):
    for key in ("1,3,1", "1,1,0", "2,0,2"):
        page.locator(f'[data-edge="{key}"]').dispatch_event("click")
        page.wait_for_selector(".weight-card:not([hidden])")
        # It is placed again until 3 seconds after the panel has opened.
        ends = time.monotonic() + 8
        while (covered := page.evaluate(COVERED))[-1] and time.monotonic() < ends:
            page.wait_for_timeout(100)
        left, top, right, bottom, seen = covered
        assert seen == [], key
        assert 0 <= left < right <= PROJECTOR["width"]
        assert 0 <= top < bottom <= PROJECTOR["height"]


def test_the_buttons_of_the_text_size_are_grey_at_its_ends(page):
    for name, other, presses in (("larger", "smaller", 7), ("smaller", "larger", 9)):
        for _ in range(presses):
            assert page.locator(f"#{name}").is_enabled()
            page.locator(f"#{name}").click()
        assert page.locator(f"#{name}").is_disabled()
        assert page.locator(f"#{other}").is_enabled()
    # As many presses back lead to the usual size, though the ends are no whole steps away.
    for _ in range(2):
        page.locator("#larger").click()
    assert page.evaluate("document.documentElement.style.getPropertyValue('--scale')") == "1.000"


@pytest.mark.parametrize("derivation", [False, True], ids=["alone", "derivation"])
@pytest.mark.parametrize("presses", [0, 1, 2, 4, 7])
def test_the_legends_are_in_sight_whatever_the_size_of_the_text(page, presses, derivation):
    if derivation:
        page.locator('[data-edge="1,1,0"]').dispatch_event("click")
        holds(page, "document.documentElement.dataset.panel === 'open'")
        frames(page)
    seen = page.evaluate(
        """() => [...document.querySelectorAll(
          ".place-surface .classes > .class, .place-losses .classes > .class")].map((element) => {
          const { left, right, bottom } = element.getBoundingClientRect();
          const row = element.parentElement.getBoundingClientRect();
          const cut = element.closest(".place-losses") && bottom > row.bottom + 1;
          return [element.textContent, left >= row.left - 1, right <= row.right + 1,
            bottom <= innerHeight, !cut];
        })"""
    )
    assert len(seen) == 4
    for text, *whole in seen:
        assert whole == [True] * 4, text
    # The lists of the axes are no larger than what stands beside them.
    sizes = page.evaluate(
        """[".axes-of-plane label", ".place-surface .check label"].map((selector) => {
          const element = document.querySelector(selector);
          return parseFloat(getComputedStyle(element).fontSize) * element.currentCSSZoom;
        })"""
    )
    assert sizes[0] <= 1.35 * sizes[1]


@pytest.mark.parametrize("layers", [[], [3], [6, 6]], ids=["none", "one", "two"])
@pytest.mark.parametrize("width", [1280, 1366, 1440])
def test_the_wire_to_the_loss_stays_in_the_drawing(page, layers, width):
    page.set_viewport_size({"width": width, "height": 720})
    named = ",".join(map(str, layers))
    page.evaluate("(n) => { location.hash = `data=circles&layers=${n}`; }", named)
    holds(page, f"DR.page.net.L === {len(layers) + 1}")
    frames(page)
    beyond = page.evaluate(
        """() => {
          const svg = document.querySelector("svg.network").getBoundingClientRect();
          const frame = document.querySelector(".network-frame").getBoundingClientRect();
          return [...document.querySelectorAll(".network .wire")].map((wire) =>
            wire.getBoundingClientRect().right - Math.min(svg.right, frame.right));
        }"""
    )
    page.set_viewport_size(PROJECTOR)
    assert beyond
    assert max(beyond) <= 0.5


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("", ""),
        ("button.disabled = true", "it is disabled"),
        ("button.hidden = true", "there are 0 such buttons"),
        ("button.after(button.cloneNode(true))", "there are 2 such buttons"),
        ("lid.style.cssText = 'position: fixed; inset: 0; z-index: 9'", "over it lies <div"),
    ],
)
def test_a_button_that_no_reader_could_press_is_not_pressed_by_a_test(page, fault, why):
    page.evaluate(
        f"""() => {{
          const place = document.createElement("div"), lid = document.createElement("div");
          const button = document.createElement("button");
          place.id = "planted";
          button.textContent = "Planted";
          button.onclick = () => {{ place.dataset.pressed = "yes"; }};
          place.append(button, lid);
          document.querySelector("main").append(place);
          {fault};
        }}"""
    )
    found = page.evaluate(PRESS, "Planted")
    pressed = page.evaluate("document.getElementById('planted').dataset.pressed ?? ''")
    page.evaluate("document.getElementById('planted').remove()")
    assert found.startswith(why)
    assert (found == "") is (pressed == "yes") is (fault == "")
