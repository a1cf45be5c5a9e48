"""Textbooks' forms first, tooltips of the numbered formulas, names under numbers."""

import pytest
from tests.browser import Watched, browser
from tests.explain.pages import set_state
from tests.explain.test_page_numbers import saturated_subject, softmax_subject

from deltarule.explain.page import write_page

SUBJECTS = {"softmax": softmax_subject, "saturated": saturated_subject}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    with browser() as context:
        found = {}
        for name, subject in SUBJECTS.items():
            path = write_page(subject(), tmp_path_factory.mktemp("page") / f"{name}.html")
            found[name] = Watched(context, width=1280, height=900)
            found[name].page.goto(path.as_uri())
        yield found


def select(page, sample, **selected):
    page.evaluate("([sample, selected]) => DR.page.set({ sample, selected })", [sample, selected])


def section(page, title):
    return page.locator("#panel .step", has=page.get_by_role("heading", name=title))


def test_the_textbooks_form_is_first_and_the_computed_one_folded(pages):
    page = pages["softmax"].page
    select(page, 0, kind="node", layer=1, j=0)
    slope = section(page, "The slope")
    first = slope.locator(".formula").first.evaluate("(e) => e.textContent")
    assert "1−" in first
    assert "|" not in first
    folded = slope.locator("details.computed")
    assert folded.count() == 1
    assert folded.get_attribute("open") is None
    assert "|" in folded.evaluate("(e) => e.textContent")
    select(page, 0, kind="node", layer=2, j=1)
    delta = section(page, "The delta of this node")
    assert "a" in delta.locator(".formula").first.evaluate("(e) => e.textContent")
    assert delta.locator("details.chain summary").inner_text() == "the same by the chain rule"
    assert "2 terms, each exactly 0" in delta.evaluate("(e) => e.textContent")


def test_where_a_form_loses_digits_the_page_says_what_it_gives(pages):
    page = pages["saturated"].page
    select(page, 3, kind="node", layer=1, j=0)  # z = 40
    slope = section(page, "The slope").locator(".limit")
    assert slope.count() == 1
    assert "this form gives 0 here" in slope.inner_text()
    select(page, 0, kind="node", layer=1, j=0)  # z = 0
    assert section(page, "The slope").locator(".limit").count() == 0


def test_the_number_of_a_formula_shows_it(pages):
    page = pages["softmax"].page
    select(page, 0, kind="edge", layer=1, j=1, k=2)
    law = page.locator("#panel .law", has_text="F6").first
    assert law.get_attribute("aria-label").startswith("F6: ∂Cᵢ/∂wⱼₖ⁽ˡ⁾ = ")
    assert law.locator(".tip").count() == 0
    law.focus()
    tip = law.locator(".tip")
    assert tip.is_visible()
    assert tip.locator("math mfrac").count() == 4
    inside = page.locator("#panel").bounding_box()
    box = tip.bounding_box()
    assert inside["x"] <= box["x"]
    assert box["x"] + box["width"] <= inside["x"] + inside["width"] + 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_numbers_in_place_of_symbols_have_their_names(pages):
    page = pages["softmax"].page
    select(page, 0, kind="edge", layer=1, j=1, k=2)
    page.locator(".panel-numbers").click()
    line = page.locator("#panel .step .formula").first
    labelled = line.locator(".sym .as-label")
    assert labelled.count() >= 4
    assert labelled.first.is_visible()
    assert not line.locator(".sym > .as-symbol").first.is_visible()
    # Outside of formulas a symbol goes on to name the number beside it.
    assert page.locator("#panel .panel-head .sym > .as-symbol").first.is_visible()
    select(page, 1, kind="edge", layer=1, j=1, k=2)  # what is drawn afterwards has names too
    assert page.locator("#panel .step .formula").first.locator(".as-label").count() >= 4
    page.locator(".panel-numbers").click()
    assert page.locator("#panel .step .formula .sym > .as-symbol").first.is_visible()


def test_plain_words(pages):
    page = pages["softmax"].page
    select(page, 0, kind="cost")
    text = page.locator("#panel").evaluate("(e) => e.textContent")
    assert "The loss is cross-entropy" in text
    assert "smoothing" not in text
    assert "ω" in text
    assert all(watched.errors == [] for watched in pages.values())


def test_letters_of_losses_and_of_softmax_have_their_indices(show):
    page = show("softmax").page
    for selected in ({"kind": "node", "layer": 2, "j": 1}, {"kind": "cost"}):
        set_state(page, selected=selected)
        bare = page.eval_on_selector_all(
            "#panel .formula mi",
            """(all) => all.filter((mi) => ["a", "z", "y"].includes(mi.textContent)
                 && !mi.closest(mi.textContent === "y" ? "msub, .sym" : "msubsup, .sym"))
                 .map((mi) => mi.parentElement.outerHTML)""",
        )
        assert bare == []
