"""Numbers in place of symbols: the lines of a formula break, and a sum has its terms."""

import pytest
from tests.explain.page_reading import shown_number
from tests.explain.pages import set_state


@pytest.fixture
def show(show):
    return lambda name: show(name, width=1280, height=720).page


def show_numbers(page):
    page.locator("#larger").click(click_count=2)
    page.locator(".panel-numbers").click()


def test_no_formula_is_cut_with_larger_text(show):
    page = show("article")
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 1, "k": 2})
    show_numbers(page)
    widths = page.evaluate(
        """() => [...document.querySelectorAll('#panel .formula')]
            .map((each) => [each.scrollWidth, each.clientWidth])"""
    )
    assert widths
    assert all(content <= place + 1 for content, place in widths)
    # The key formula is on more than one line: its last factor stands below the first.
    tops = page.evaluate(
        """() => [...document.querySelector('#panel .formula-parts').children]
            .map((each) => each.getBoundingClientRect().left)"""
    )
    assert tops != sorted(tops)


def sums(page):
    """The terms of every sum in numbers, and its total, as they are shown."""
    found = []
    for text in page.locator("#panel .sum-numbers").all_text_contents():
        first, *terms = text.replace("\u2212", "+\u2212").removeprefix("=").split("+")
        terms, (last, total) = ([first, *terms][:-1], [first, *terms][-1].split("="))
        found.append(([*terms, last], total))
    return found


def test_a_sum_has_its_terms_with_numbers(show):
    page = show("article")
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 1, "k": 2})
    assert not page.locator("#panel .sum-numbers").first.is_visible()
    show_numbers(page)
    assert page.locator("#panel .sum-numbers").first.is_visible()
    for terms, total in sums(page):
        numbers = [float(shown_number(each)[0]) for each in terms if each]
        assert len(numbers) >= 2
        assert sum(numbers) == pytest.approx(float(shown_number(total)[0]), abs=3e-6)


def test_many_terms_are_added_up_in_the_sum(show):
    page = show("deep")
    set_state(page, selected={"kind": "node", "layer": 1, "j": 0})
    show_numbers(page)
    text = page.locator("#panel .sum-numbers").first.text_content()
    assert "(59 more)" in text  # 64 inputs and the bias, six of them shown


def test_the_largest_of_many_terms_is_written_out_wherever_it_stands(show):
    text = show("article").evaluate(
        """() => {
          const total = { id: "s", text: "s", value: 15, draw: () => DR.maths.mi("s") };
          const terms = [1, 1, 1, 1, 1, 1, 1, 8].map((value) => ({ value, factors: () => [] }));
          return DR.sums.list(terms, total).querySelector(".sum-numbers").textContent;
        }"""
    )
    terms = [shown_number(each.split("\u00a0")[0])[0] for each in text[1:].split("=")[0].split("+")]
    assert [float(each) for each in terms] == [1, 1, 1, 1, 1, 8, 2]
    assert "(2 more)" in text


def test_a_negative_factor_is_in_brackets(show):
    page = show("article")
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 1, "k": 2})
    texts = page.locator("#panel .term .numbers").all_text_contents()
    negative = [text for text in texts if "× " in text and "\u2212" in text.split("× ")[1]]
    assert negative
    assert all("× (\u2212" in text and text.endswith(")") for text in negative)


def test_the_number_of_a_formula_keeps_its_words(show):
    page = show("article")
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 1, "k": 2})
    words = page.locator("#panel .law-words").all_text_contents()
    assert "F13, below" in words
    assert page.locator("#panel .law-words").first.evaluate(
        "(each) => each.getClientRects().length === 1"
    )
