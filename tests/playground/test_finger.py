"""The static page under a finger: number fields, refusals, the card of a weight, the help."""

import pytest
from tests.browser import settled, started
from tests.playground.helpers import holds

from deltarule.playground import write_static_playground

UPRIGHT, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}
WEIGHT = "DR.page.theta()[DR.page.entry({ kind: 'edge', layer: 2, j: 0, k: 3 })]"
HOME = "document.querySelector('.weight-card').dataset.home"
CLOSED = "document.documentElement.dataset.panel === 'closed'"
SELECTED = "DR.page.state.selected"


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    path = write_static_playground(tmp_path_factory.mktemp("page") / "playground.html")
    started()  # skips without a browser
    context = started().new_context(viewport=UPRIGHT, has_touch=True, is_mobile=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{path.as_uri()}#data=circles")
    page.wait_for_selector("[data-node]", timeout=60_000)
    holds(page, "document.body.dataset.frames > 0")
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def page(phone):
    """The page upright, at its top, with nothing chosen and the first settings."""
    phone.set_viewport_size(UPRIGHT)
    phone.evaluate("DR.page.set({ selected: null }); location.hash = 'data=circles'")
    holds(phone, "DR.page.net.widths.join() === '2,6,1'")
    phone.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    phone.evaluate("document.getElementById('fold').open = false")
    return phone


def choose(page, edge="2,0,3"):
    page.locator(f'[data-edge="{edge}"]').dispatch_event("click")
    page.wait_for_selector(".weight-card:not([hidden])")
    settled(page)


def close(page):
    page.get_by_role("button", name="Close the derivation").tap()
    holds(page, CLOSED)


@pytest.mark.parametrize("open_", [True, False], ids=["open", "closed"])
def test_a_weight_that_is_typed_leaves_the_page_where_it_is(page, open_):
    choose(page)
    if not open_:
        close(page)
    page.evaluate("document.querySelector('.place-surface').scrollIntoView()")
    assert settled(page) > 300
    # Where the picture is on the screen: what is said above it may have another line afterwards.
    picture = page.locator(".plane-frame")
    at = picture.bounding_box()["y"]
    page.locator("#weight").tap()
    page.keyboard.type("1.5")
    page.keyboard.press("Enter")
    holds(page, f"{WEIGHT} === 1.5")
    settled(page)
    assert picture.bounding_box()["y"] == pytest.approx(at, abs=1)


# The field, with what a key begins with: whether all of its number is selected.
FIELDS = ["#rate", "[aria-label='Nodes of hidden layer 1']", "#seed", "#held"]


@pytest.mark.parametrize("by", ["finger", "mouse"])
@pytest.mark.parametrize("field", [*FIELDS, "#weight"])
def test_what_is_typed_into_a_number_field_replaces_its_number(page, field, by):
    if field == "#weight":
        choose(page)
    else:
        page.evaluate("document.getElementById('fold').open = true")
    place = page.locator(field)
    if by == "finger":
        place.tap()
    else:
        place.click()
    page.keyboard.type("7")
    assert place.input_value() == "7"
    # The next press sets the caret, so that a number can be changed.
    if by == "mouse":
        place.click()
        page.keyboard.press("End")
        page.keyboard.type("5")
        assert place.input_value() == "75"
    # Nothing is sent: the number of the run is there again.
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.value = document.activeElement.defaultValue")


REFUSED = [
    ("#rate", "0.00.52", "0.03", "0.00.52 was refused: expected a number from "),
    (FIELDS[1], "812", "6", "812 was refused: a width of layers is 812; expected a whole number"),
    (FIELDS[1], "", "6", "The field was left empty: expected a whole number from 1 to "),
    ("#seed", "-", "0", "What was typed was refused: expected a whole number from 0 to "),
]


@pytest.mark.parametrize(("field", "text", "before", "reason"), REFUSED)
def test_a_refusal_is_said_once_and_the_field_can_be_typed_into(page, field, text, before, reason):
    page.evaluate("document.getElementById('fold').open = true")
    page.locator(field).tap()
    page.keyboard.press("Backspace")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused")
    assert page.inner_text("#refused").startswith(reason)
    assert page.locator("#notices .banner").count() == 0
    box = page.locator("#refused").bounding_box()
    assert box["y"] + box["height"] <= page.locator(".place-panel").bounding_box()["y"]
    assert page.locator(field).input_value() == before
    # The number is selected again; the reason goes with the first key.
    page.keyboard.type("2")
    assert page.locator(field).input_value() == "2"
    assert page.locator("#refused").count() == 0
    page.locator(field).fill(before)
    page.keyboard.press("Enter")


def test_a_reason_that_was_read_goes_with_the_next_tap(page):
    page.locator("#rate").tap()
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused")
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Step", exact=True).tap()
    holds(page, "document.getElementById('refused') === null")


def test_layers_are_added_by_taps_at_one_place_up_to_the_most(page):
    page.evaluate("document.getElementById('fold').open = true")
    more = page.get_by_role("button", name="Add a hidden layer")
    more.scroll_into_view_if_needed()
    settled(page)
    box = more.bounding_box()
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    most = page.evaluate("DR.catalogue.choices.limits.layers")
    for layers in range(2, most + 1):
        page.touchscreen.tap(*at)
        holds(page, f"DR.page.net.widths.length === {layers + 2}")
        assert more.bounding_box() == box
    assert more.is_disabled()
    assert more.get_attribute("title") == f"{most} hidden layers are the most there can be"
    assert more.get_attribute("title") in page.inner_text("#settings")


def test_derived_inputs_are_held_at_nothing(page):
    page.evaluate("location.hash = 'data=circles&derived=square_0,square_1'")
    holds(page, "DR.page.net.widths[0] === 4")
    assert page.get_by_text("Others at mean").count() == 0
    page.evaluate("location.hash = 'data=digits'")
    holds(page, "DR.page.net.widths[0] === 64")
    assert page.get_by_text("Others at mean").count() == 1


def test_on_a_lying_phone_the_card_covers_no_node_and_is_closed_by_a_finger(page):
    page.set_viewport_size(LYING)
    covered = """(() => {
      const card = document.querySelector('.weight-card').getBoundingClientRect();
      return [...document.querySelectorAll('.network .node, .network .label')].filter((part) => {
        const { left, right, top, bottom } = part.getBoundingClientRect();
        return left < card.right && right > card.left && top < card.bottom && bottom > card.top;
      }).length;
    })()"""
    for edge in ("2,0,5", "1,5,0", "2,0,0"):
        choose(page, edge)
        close(page)
        page.evaluate("scrollTo(0, 0)")
        holds(page, f"{HOME} === 'corner'")
        assert page.evaluate(covered) == 0
        # Of the surface it has the heading, and the margin above the picture.
        card = page.locator(".weight-card").bounding_box()
        assert card["y"] + card["height"] < page.locator(".plane-frame").bounding_box()["y"] + 12
    page.get_by_role("button", name="Close the weight").tap()
    page.wait_for_selector(".weight-card", state="hidden")
    assert page.evaluate(SELECTED) is None
    # A tap on what the card sets leaves it; one beside all of that closes it.
    choose(page)
    close(page)
    page.get_by_label("Change the sign of the weight").tap()
    page.get_by_role("button", name="Step", exact=True).tap()
    assert page.evaluate(SELECTED) is not None
    page.touchscreen.tap(60, 340)
    page.wait_for_selector(".weight-card", state="hidden")
    assert page.evaluate(SELECTED) is None


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_that_the_next_tap_chooses_another_line_is_in_sight(page, size):
    page.set_viewport_size(size)
    page.evaluate("location.hash = 'data=spirals'")
    holds(page, "DR.page.net.widths.join() === '2,8,8,1'")
    choose(page)
    close(page)
    page.evaluate("document.querySelector('svg.network').scrollIntoView({ block: 'start' })")
    settled(page)
    line = "[...document.querySelectorAll('[data-edge] line')][20].getBoundingClientRect()"
    page.touchscreen.tap(
        *page.evaluate(f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])({line})")
    )
    taps = page.locator(".taps")
    holds(page, "document.querySelector('.taps').textContent.startsWith('Line ')")
    close(page)
    settled(page)
    holds(
        page,
        """(() => {
          const { left, bottom, top } = document.querySelector('.taps').getBoundingClientRect();
          const there = document.elementFromPoint(left + 8, (top + bottom) / 2);
          return there?.matches('.taps') && bottom <= innerHeight;
        })()""",
    )
    assert taps.is_visible()


def test_the_field_of_a_weight_shows_what_it_writes(page):
    choose(page)
    room = "({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth"
    for value in (-0.8969812, -0.01234567, -2.0645e-7, 123456.7, -98765.43):
        page.locator("#weight").fill(str(value))
        page.keyboard.press("Enter")
        holds(page, f"{WEIGHT} === {value!r}")
        holds(page, "document.activeElement.id !== 'weight'")
        assert page.locator("#weight").evaluate(room), value
        shown = float(page.input_value("#weight"))
        assert shown == pytest.approx(value, rel=5e-3)
        # In the derivation it stands in one line, its power of ten included.
        # It is drawn again with each value: all of it is read at once, when it shows this one.
        lines = holds(
            page,
            f"""(() => {{
              const told = document.querySelector(".panel-head .big .value");
              return Number(told?.dataset.value) === {value!r} &&
                told.getBoundingClientRect().height / parseFloat(getComputedStyle(told).fontSize);
            }})()""",
        )
        assert lines < 1.7, value


def test_the_help_has_its_close_at_the_top_and_the_page_behind_stays(page):
    page.get_by_role("button", name="Keys and how to read this page").tap()
    text = page.inner_text("#help")
    assert "tap a line" in text
    assert "play or pause" not in text  # folded
    away = page.get_by_role("button", name="Close the help")
    page.get_by_text("With a keyboard").tap()
    assert "play or pause" in page.inner_text("#help")
    page.evaluate("document.getElementById('help').scrollTop = 1e4")
    box = away.bounding_box()
    assert 0 <= box["y"] < 120
    touch = page.context.new_cdp_session(page)

    def send(kind, *points):
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": 195, "y": y} for y in points]},
        )

    send("touchStart", 600)
    for y in range(580, 100, -40):
        send("touchMove", y)
        page.wait_for_timeout(16)
    send("touchEnd")
    assert settled(page) == 0
    away.tap()
    assert not page.locator("#help").is_visible()


def test_a_raised_derivation_begins_below_the_numbers_of_the_bar(page):
    choose(page)
    page.evaluate("scrollTo(0, 400)")
    settled(page)
    page.locator(".panel-grip").dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'full'")
    page.wait_for_timeout(400)
    sheet = page.locator(".place-panel").bounding_box()["y"]
    numbers = page.locator("[data-where=loss]").bounding_box()
    assert numbers["y"] + numbers["height"] <= sheet <= 0.25 * UPRIGHT["height"]
    page.locator(".panel-grip").dispatch_event("click")
