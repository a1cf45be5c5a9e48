"""The header of the page: A− and A+ keep their places, and the title is shown in full."""

import dataclasses

import pytest
from tests.explain.pages import SHOWN, deep, shown, trained

TITLE = "the trained model of a survey on 1,797 rows, after step 1520 of its training"
MOST = 8  # steps of A+ from the usual size to the largest, and more than to the smallest
# What is at a point of the screen, by its button's id.
AT = """([x, y]) => {
  const at = document.elementFromPoint(x, y);
  return at.closest("button")?.id ?? at.outerHTML.slice(0, 80);
}"""


@pytest.fixture(autouse=True)
def titled_pages(monkeypatch):
    for name, make in (("titled", trained), ("titled deep", deep)):
        monkeypatch.setitem(SHOWN, name, lambda make=make: dataclasses.replace(make(), title=TITLE))
    yield
    shown.cache_clear()


def steps(page, button):
    """Click a button again and again where it was at first; what else was hit."""
    box = page.locator(f"#{button}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    missed = []
    for step in range(MOST):
        if (at := page.evaluate(AT, [x, y])) != button:
            missed.append((button, step, at))
        page.mouse.click(x, y)
    return missed


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [
        ("titled", 1280, 720),
        ("titled", 1440, 900),
        ("titled", 900, 700),
        ("titled", 390, 844),
        ("titled", 844, 390),
        ("titled", 960, 430),
        ("titled deep", 1280, 720),
        ("article", 1280, 720),
        ("article", 844, 390),
    ],
)
def test_clicks_at_one_spot_go_on_making_text_larger_and_smaller(show, name, width, height):
    page = show(name, width=width, height=height).page
    before = page.evaluate("JSON.stringify(DR.page.state)")
    scale = "Number(document.documentElement.style.getPropertyValue('--scale'))"
    assert steps(page, "larger") == []
    assert page.evaluate(scale) == pytest.approx(2.4)
    assert steps(page, "smaller") == []
    assert page.evaluate(scale) < 1
    assert page.evaluate("JSON.stringify(DR.page.state)") == before


def test_in_the_tour_too(show):
    page = show("titled", width=1280, height=720).page
    page.evaluate("location.hash = '#tour-4'")
    page.wait_for_selector(".tour-chapter h3")
    assert steps(page, "larger") == []
    assert steps(page, "smaller") == []


@pytest.mark.parametrize("width", [1280, 1024, 1440])
def test_a_title_is_not_cut_and_no_word_of_it_broken(show, width):
    page = show("titled", width=width, height=720).page
    cut = """(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(
      document.querySelector("h1"))"""
    for _ in range(3):
        assert page.evaluate(cut) <= 1
        page.click("#larger")
    # A word alone is as wide as in the title: it stands in one line.
    wide = page.evaluate(
        """() => {
          const node = document.querySelector("h1").firstChild, range = document.createRange();
          let at = 0;
          return node.data.split(" ").filter((word) => {
            range.setStart(node, at);
            range.setEnd(node, at + word.length);
            at += word.length + 1;
            return range.getClientRects().length > 1;
          });
        }"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
