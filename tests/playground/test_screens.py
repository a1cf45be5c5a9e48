"""What is in sight without scrolling, on a projector, a laptop and a phone, with larger text."""

import pytest
from tests.browser import browser, frames, violations
from tests.playground.helpers import holds, press
from tests.playground.static_page import presses_of, static_page, text_size

PROJECTOR, LAPTOP = {"width": 1280, "height": 720}, {"width": 1440, "height": 900}
PHONE, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}
# The boxes of the network with its numbers, of the decision surface, of the curve that is shown, of
# the button that starts the run, and of the sheet that covers the lower edge of a phone.
PLACES = """(() => {
  const box = (element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return { left, top, right, bottom, width: right - left, height: bottom - top };
  };
  const nodes = [...document.querySelectorAll('.network .node')].map(box);
  const hull = {
    left: Math.min(...nodes.map((b) => b.left)), top: Math.min(...nodes.map((b) => b.top)),
    right: Math.max(...nodes.map((b) => b.right)), bottom: Math.max(...nodes.map((b) => b.bottom)),
  };
  const strip = document.querySelector('.curve-strip canvas');
  const panel = document.querySelector('.place-panel');
  const sheet = panel.getBoundingClientRect();
  return {
    nodes: hull,
    drawing: box(document.querySelector('svg.network')),
    surface: box(document.querySelector('canvas.plane')),
    curve: box(strip.offsetParent ? strip : document.querySelector('.losses-frame canvas')),
    play: box(document.querySelector('#transport .main')),
    step: box(document.querySelector('#transport .named')),
    rate: box(document.querySelector('#rate')),
    verdict: box(document.querySelector('[data-verdict]')),
    floor: sheet.width > 0.9 * innerWidth ? sheet.top : innerHeight,
    wide: document.documentElement.scrollWidth,
  };
})()"""


# What is asked for during a lecture: how fast it learns, whether it does, and the next step.
AT_HAND = ("rate", "verdict", "step")


@pytest.fixture(scope="module")
def context():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def page(context, tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page"), context=context) as found:
        yield found


@pytest.fixture(autouse=True)
def usual(page, request):
    """The size of the text that a test is about."""
    text_size(page, presses_of(request))


def shown(page, size):
    """The places of the parts in a window of this size, at its upper end."""
    page.set_viewport_size(size)
    page.evaluate("scrollTo(0, 0)")
    frames(page)
    return page.evaluate(PLACES)


def in_sight(box, places, size):
    return (
        box["left"] >= 0
        and box["top"] >= 0
        and box["right"] <= size["width"]
        and box["bottom"] <= places["floor"] + 0.5
    )


def area(box):
    return box["width"] * box["height"]


@pytest.mark.parametrize("size", [PROJECTOR, LAPTOP, LYING], ids=["projector", "laptop", "lying"])
def test_the_network_its_surface_and_the_loss_are_seen_together(page, size):
    places = shown(page, size)
    for part in ("nodes", "surface", "curve", "play", *(() if size is LYING else AT_HAND)):
        assert in_sight(places[part], places, size), part
    assert places["wide"] <= size["width"]
    # The pictures are not bought with smallness.
    assert area(places["surface"]) > 0.1 * size["width"] * size["height"]
    assert area(places["drawing"]) > 0.25 * size["width"] * size["height"]


def test_on_a_phone_the_curve_stays_in_sight_beside_every_picture(page):
    places = shown(page, PHONE)
    for part in ("nodes", "curve", "play"):
        assert in_sight(places[part], places, PHONE), part
    assert places["wide"] <= PHONE["width"]
    page.locator("canvas.plane").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('canvas.plane').scrollIntoView({ block: 'end' })")
    page.evaluate("scrollBy(0, 80)")
    places = page.evaluate(PLACES)
    for part in ("surface", "curve", "play"):
        assert in_sight(places[part], places, PHONE), part


@pytest.mark.parametrize(
    "size", [PROJECTOR, LAPTOP, PHONE, LYING], ids=["projector", "laptop", "phone", "lying"]
)
def test_larger_text_takes_no_room_from_the_pictures(page, size):
    before = shown(page, size)
    for presses in range(1, 6):
        text_size(page, presses)
        places = shown(page, size)
        assert area(places["drawing"]) >= 0.98 * area(before["drawing"]), presses
        # The letters beside the surface grow into its canvas, and the canvas hardly shrinks.
        assert area(places["surface"]) >= 0.96 * area(before["surface"]), presses
        assert places["wide"] <= size["width"]
        also = {PHONE["width"]: ("rate",), LYING["width"]: ("nodes", "surface")}
        parts = also.get(size["width"], ("nodes", "surface", *AT_HAND))
        for part in ("curve", "play", *parts):
            assert in_sight(places[part], places, size), (part, presses)
        drawing = places["drawing"]
        assert drawing["right"] <= size["width"]
    assert violations(page) == []


def over(page, one, other):
    """The square pixels that two elements have in common."""
    return page.evaluate(
        """([one, other]) => {
          const [a, b] = [one, other].map((s) => document.querySelector(s).getBoundingClientRect());
          return Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
            Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
        }""",
        [one, other],
    )


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("derivation", [False, True], ids=["alone", "derivation"])
def test_settings_at_the_edge_open_as_a_drawer_that_hides_neither_curve_nor_surface(
    page, presses, derivation
):
    text_size(page)
    shown(page, PROJECTOR)
    assert page.locator("#activation").is_visible()
    assert not page.locator("#chosen").is_visible()
    text_size(page, presses)
    holds(page, "document.documentElement.dataset.settings === 'tab'")
    if derivation:
        page.locator('[data-edge="1,1,0"]').dispatch_event("click")
        holds(page, "document.documentElement.dataset.panel === 'open'")
    assert not page.locator("#activation").is_visible()
    before = shown(page, PROJECTOR)
    page.locator("#chosen").click()
    page.locator("#activation").scroll_into_view_if_needed()  # which scrolls the drawer alone
    assert page.locator("#activation").is_visible()
    assert page.evaluate("scrollY") == 0
    places = page.evaluate(PLACES)
    for part in ("surface", "curve", "play", *AT_HAND):
        assert places[part] == before[part], part
        assert in_sight(places[part], places, PROJECTOR), part
    for selector in (".place-losses", ".place-advice", ".place-surface", ".place-panel"):
        assert over(page, ".place-settings", selector) == 0, selector
    # The network is another one while the drawer is open, and it closes by the key for it.
    page.locator("#activation").focus()
    page.keyboard.press("Escape")
    assert not page.locator("#activation").is_visible()
    assert page.evaluate("document.activeElement.id") == "chosen"
    if derivation:
        press(page, "Close the derivation")


def test_the_settings_scroll_by_themselves_and_the_most_used_come_first(page):
    shown(page, PROJECTOR)
    page.locator("#seed").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") == 0
    names = page.locator("#settings legend").all_inner_texts()
    assert names == ["Data", "Network", "Training", "Inputs", "Rows"]
    page.evaluate("document.querySelector('.place-settings').scrollTo(0, 0)")


@pytest.mark.parametrize("presses", [0, 2])
def test_the_rates_that_were_tried_stand_beside_the_curve_without_a_scroll(page, presses):
    shown(page, PROJECTOR)
    if presses:
        page.locator("#chosen").click()
    press(page, "Find a learning rate")
    page.wait_for_selector(".tune-chart", timeout=60_000)
    places = shown(page, PROJECTOR)
    assert in_sight(
        page.evaluate(
            "(() => { const { left, top, right, bottom } ="
            " document.querySelector('.tune-chart').getBoundingClientRect();"
            " return { left, top, right, bottom }; })()"
        ),
        places,
        PROJECTOR,
    )
    for selector in (".place-losses", ".place-surface", ".bar", ".place-settings"):
        if selector != ".place-settings" or presses:
            assert over(page, ".tune-found", selector) == 0, selector
    for part in ("surface", "curve", "play", *AT_HAND):
        assert in_sight(places[part], places, PROJECTOR), part
    # The layers have the place of the rates; a network with other weights is another question.
    press(page, "Look into the layers")
    page.wait_for_selector("#advice [data-finding]")
    assert page.locator(".tune-chart").count() == 0
    page.get_by_role("button", name="Close: What the layers show").click()
    assert page.locator("#advice [data-finding]").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Look into the layers"
    press(page, "Undo")


def test_a_verdict_that_has_more_lines_than_room_is_read_whole_on_demand(page):
    shown(page, PROJECTOR)
    verdict = page.locator("[data-verdict]")
    was = verdict.inner_text()
    assert not page.locator(".verdict-more").is_visible()
    height = verdict.bounding_box()["height"]
    verdict.evaluate("(p) => { p.textContent = 'It learns little. '.repeat(20); }")
    shown(page, {"width": 1300, "height": 720})  # another width, for which the lines are counted
    page.wait_for_selector(".verdict-more:not([hidden])")
    assert verdict.bounding_box()["height"] == pytest.approx(height, abs=1)
    # All of it is read beside the card, and nothing moves.
    before = page.evaluate(PLACES)
    page.locator(".verdict-more").click()
    assert page.locator(".verdict-more").get_attribute("aria-expanded") == "true"
    assert page.get_by_role("group", name="What the losses say").inner_text().endswith(was)
    assert page.evaluate(PLACES) == before
    page.locator(".verdict-more").click()
    assert not page.get_by_role("group", name="What the losses say").is_visible()
    assert page.evaluate(PLACES) == before
    assert page.locator(".verdict-more").inner_text() == "more"
    verdict.evaluate("(p, was) => { p.textContent = was; }", was)
    shown(page, PROJECTOR)


@pytest.mark.parametrize("size", [PROJECTOR, LAPTOP], ids=["projector", "laptop"])
def test_the_curve_has_100_pixels_whatever_the_size_of_the_text(page, size):
    for presses in range(6):
        text_size(page, presses)
        places = shown(page, size)
        # Less the margin above it and the letters of the axis below.
        letters = page.evaluate("27 + 20 * (DR.canvas.scale() - 1)")
        assert places["curve"]["height"] - letters >= 100, presses
        for part in ("surface", "nodes", "curve"):
            assert in_sight(places[part], places, size), (part, presses)


def test_long_numbers_and_a_weight_set_by_hand_move_nothing(page):
    calm = shown(page, PROJECTOR)
    page.evaluate(
        """() => {
          const values = document.querySelectorAll("#losses .value");
          values.forEach((value) => { value.dataset.was = value.textContent; });
          values.forEach((value) => { value.textContent = "9.999999e+11"; });
          const [usual, hand] = document.querySelectorAll("#losses .class > span:not([class])");
          [usual.hidden, hand.hidden] = [true, false];
        }"""
    )
    assert shown(page, PROJECTOR) == calm
    page.evaluate(
        """() => {
          const values = document.querySelectorAll("#losses .value");
          values.forEach((value) => { value.textContent = value.dataset.was; });
          const [usual, hand] = document.querySelectorAll("#losses .class > span:not([class])");
          [usual.hidden, hand.hidden] = [false, true];
        }"""
    )


def test_escape_closes_what_is_open_from_anywhere_the_topmost_first(page):
    shown(page, PROJECTOR)
    text_size(page, 2)
    holds(page, "document.documentElement.dataset.settings === 'tab'")
    page.locator('[data-edge="1,1,0"]').dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'open'")
    press(page, "Look into the layers")
    page.wait_for_selector("#advice [data-finding]")
    page.locator("#chosen").click()
    opened = """[document.getElementById('fold').open,
      !document.querySelector('#advice .found').hidden,
      document.documentElement.dataset.panel === 'open',
      DR.page.state.selected !== null]"""
    assert page.evaluate(opened) == [True, True, True, True]
    # With the focus in a field, on a button, and nowhere: none of them is within what is closed.
    for focus, left in (
        ("document.getElementById('rate').focus()", [False, True, True, True]),
        ("document.getElementById('help-open').focus()", [False, False, True, True]),
        ("document.activeElement.blur()", [False, False, False, False]),
    ):
        page.evaluate(focus)
        page.keyboard.press("Escape")
        assert page.evaluate(opened) == left, focus
    # A weight that is typed comes before all else.
    page.locator('[data-edge="1,1,0"]').dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'open'")
    page.evaluate("document.querySelector('[data-edge=\"1,1,0\"]').focus()")
    page.keyboard.type("5")
    page.keyboard.press("Escape")
    assert page.evaluate(opened) == [False, False, True, True]
    page.keyboard.press("Escape")
    assert page.evaluate(opened) == [False, False, False, False]


@pytest.mark.parametrize("size", [PROJECTOR, LAPTOP], ids=["projector", "laptop"])
def test_the_bar_keeps_its_lines_while_the_numbers_grow_and_reset_has_its_word(page, size):
    page.set_viewport_size(size)
    for larger in range(3):
        text_size(page, larger)
        # The same bar with the numbers of a run that has just begun, and of a long one.
        heights = page.evaluate(
            """() => {
              const places = ["epoch", "step"].map((name) =>
                document.querySelector(`[data-where=${name}]`));
              const before = places.map((place) => place.textContent);
              const perEpoch = 9;
              const found = [[0, 0], [9, 5], [307, 0], [307, 1], [9999, 8]].map(([epoch, done]) => {
                places[0].textContent = done ? `${epoch} + ${done}/${perEpoch}` : String(epoch);
                places[1].textContent = String(epoch * perEpoch + done);
                return document.querySelector(".top").getBoundingClientRect().height;
              });
              places.forEach((place, i) => { place.textContent = before[i]; });
              return found;
            }"""
        )
        assert len(set(heights)) == 1, (larger, heights)
        for name in ("Reset", "Step", "Epoch"):
            assert page.locator("#transport button", has_text=name).inner_text() == name
            word = page.locator("#transport button", has_text=name).locator("span").bounding_box()
            assert word["width"] > 20


def test_on_a_phone_the_numbers_of_a_long_run_stay_in_one_line(page):
    shown(page, PHONE)
    tops = page.evaluate(
        """() => {
          const values = {
            epoch: "307 + 8/9", step: "9999", loss: "9.6e\u22124", score: "99.9 %", held: "100 %",
          };
          const places = Object.keys(values).map((key) =>
            document.querySelector(`[data-where=${key}]`));
          const before = places.map((place) => place.textContent);
          places.forEach((place) => { place.textContent = values[place.dataset.where]; });
          const found = places.map((place) => place.getBoundingClientRect().top);
          places.forEach((place, i) => { place.textContent = before[i]; });
          return found;
        }"""
    )
    assert len(set(tops)) == 1, tops


def test_on_a_lying_phone_what_was_found_leaves_the_tab_of_the_settings(page):
    shown(page, LYING)
    press(page, "Look into the layers")
    page.wait_for_selector("#advice [data-finding]")
    assert over(page, "#advice .found", "#chosen") == 0
    assert over(page, "#advice .found", ".place-surface") == 0
    page.locator("#chosen").click()
    # The drawer stands over it, with the learning rate at its head.
    assert page.locator("#rate").evaluate(
        "(rate) => { const b = rate.getBoundingClientRect();"
        " return document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2) === rate; }"
    )
    page.locator("#chosen").click()
    page.get_by_role("button", name="Close: What the layers show").click()
