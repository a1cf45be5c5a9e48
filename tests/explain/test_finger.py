"""The explain page under a finger: the derivation's sheet, the field to go by, the tour's head."""

import pytest
from tests.browser import settled, started
from tests.explain.pages import go_to, shown, until

UPRIGHT, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    path = shown("trained").write(tmp_path_factory.mktemp("page"))
    context = started().new_context(viewport=UPRIGHT, has_touch=True, is_mobile=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.uri = path.as_uri()
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def page(phone):
    """The page, opened anew."""
    phone.set_viewport_size(UPRIGHT)
    phone.goto("about:blank")
    phone.goto(phone.uri)
    phone.wait_for_selector("#drawing [data-edge]")
    return phone


def box(page, selector):
    found = page.locator(selector).bounding_box()
    return found["y"], found["y"] + found["height"]


def test_the_network_is_seen_first_and_a_line_that_is_tapped_above_the_sheet(page):
    panel = "document.documentElement.dataset.panel"
    assert page.evaluate(panel) == "closed"
    sheet, _ = box(page, ".place-panel")
    assert box(page, "#drawing [data-node='1,2']")[1] < sheet
    for edge in ("1,2,2", "2,2,2"):
        x, y = page.evaluate(
            """(edge) => {
              const line = document.querySelector(`#drawing [data-edge="${edge}"] line`);
              const { x, y, width, height } = line.getBoundingClientRect();
              return [x + width / 2, y + height / 2];
            }""",
            edge,
        )
        page.touchscreen.tap(x, y)
        until(page, panel, lambda now: now == "open")
        settled(page)
        bar, sheet = box(page, ".bar")[1], box(page, ".place-panel")[0]
        line = box(page, "#drawing .edge.selected line")
        assert bar < line[0] <= line[1] < sheet, edge


def test_what_is_typed_to_go_to_is_read_whole(page):
    page.get_by_role("button", name="The derivation").tap()
    field = page.locator("#goto-text")
    field.tap()
    page.keyboard.type("w 1,0,2")
    room = """(input) => {
      const style = getComputedStyle(input);
      const pad = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
      return input.clientWidth - pad - DR.dom.textWidth(input.value, `400 ${style.fontSize}`);
    }"""
    assert field.evaluate(room) > 20  # the caret, and another index
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected.k") == 2
    page.evaluate("document.activeElement.blur()")
    assert field.evaluate(room) > 0
    assert page.locator("#h-panel").is_visible()


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_the_chapters_of_the_tour_stay_in_sight(page, size):
    page.set_viewport_size(size)
    page.locator("#tour-link").tap()
    page.wait_for_selector(".tour-chapters")
    settled(page)
    # When it opens, the choice of the network, too.
    for part in (".tour-chapters", ".tour-head > .choice", ".tour-head > .button"):
        assert box(page, part)[0] >= 0, part
    for chapter in (2, 4, 7):
        page.evaluate("scrollTo(0, 600)")
        settled(page)
        place = page.locator(f".tour-chapters a[href='#tour-{chapter}']")
        at = place.bounding_box()
        assert 0 <= at["y"] < 60, chapter
        assert at["height"] >= (40 if size is UPRIGHT else 33)
        page.touchscreen.tap(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        until(page, "location.hash", f"#tour-{chapter}".__eq__)
        settled(page)
        head, drawing = box(page, ".tour-chapters"), box(page, ".tour-drawing")
        assert 0 <= head[0] < head[1] <= (drawing[0] + 1 if size is UPRIGHT else 90)
        assert 0 <= drawing[0] < size["height"] / 2
        title = box(page, ".tour-chapter > h3")
        assert head[1] <= title[0] < title[1] < size["height"], chapter
    page.get_by_role("button", name="Leave the tour").first.tap()
    assert page.locator("#tour").is_hidden()


def test_chapter_four_marks_the_line_of_its_weight_and_the_sum_points_to_its_node(page):
    go_to(page, "#tour-4")
    page.wait_for_selector(".tour-drawing .flow-plate.total", state="attached")
    # Its sum takes a second for each term: the clock of the page is set to its end.
    page.evaluate(
        "{ const now = performance.now.bind(performance); performance.now = () => now() + 30000; }"
    )
    page.wait_for_selector(".tour-drawing .flow-plate.total.done")
    name = page.locator(".tour-chapter math").first.text_content()
    assert "22" in "".join(name.split())
    edge = page.locator(".tour-drawing [data-edge='1,2,2']")
    assert edge.evaluate("(e) => getComputedStyle(e).opacity") == "1"
    assert "meant" in edge.get_attribute("class")
    assert page.locator(".tour-drawing .edge.meant").count() == 1
    away = page.evaluate(
        """(() => {
          const tail = document.querySelector(".tour-drawing .flow-tail").getBoundingClientRect();
          const at = (node) => {
            const face = document.querySelector(`.tour-drawing [data-node="${node}"] .face`);
            const { x, y, width, height } = face.getBoundingClientRect();
            const [cx, cy] = [x + width / 2, y + height / 2];
            return Math.hypot(tail.right - cx, tail.bottom - cy) / (width / 2);
          };
          return [at("1,2"), at("0,2")];
        })()"""
    )
    assert away[0] < 1.1  # of the radius
    assert away[1] > 1.5
