"""The address of what a page shows, and rows by their numbers in the table."""

import dataclasses

import pytest
from tests.browser import Watched, browser
from tests.explain.pages import Shown, article, set_state, softmax, trained, until

EDGE = {"kind": "edge", "layer": 1, "j": 1, "k": 2}
SHOWN = "(({ selected, sample, state }) => [selected, sample, state])(DR.page.state)"
# The rows of the softmax page as those of a table of which the page has some only.
ROWS = ("1", "3", "6", "9", "20", "30")


def of_a_table():
    subject = softmax().subject
    names = dataclasses.replace(subject.names, rows=ROWS)
    return Shown("Of a table", dataclasses.replace(subject, names=names))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = {}
    for name, shown in {"article": article, "trained": trained, "table": of_a_table}.items():
        folder = tmp_path_factory.mktemp(name)
        made[name] = shown().write(folder).as_uri()
    return made


def opened(context, address):
    watched = Watched(context, width=1280, height=800)
    watched.page.goto(address)
    return watched


@pytest.fixture
def fresh():
    """A context whose tabs have no history."""
    with browser() as context:
        yield context


@pytest.fixture
def show(context, files):
    return lambda name, address="": opened(context, files[name] + address)


def hash_of(page, expected):
    return until(page, "location.hash", lambda t: t == expected)


def test_the_address_follows_what_is_chosen_and_opens_it_again(show, files, fresh):
    tab = opened(fresh, files["trained"])
    page = tab.page
    assert page.evaluate("location.hash") == ""
    set_state(page, selected=EDGE, sample=1, state=2)
    hash_of(page, "#at=w1,1,2&row=1&step=2")
    again = show("trained", "#at=w1,1,2&row=1&step=2").page
    assert again.evaluate(SHOWN) == [EDGE, 1, 2]
    assert "Weight to node 1 of layer 1" in again.inner_text("#panel")
    set_state(page, selected=None, sample=0, state=4)
    hash_of(page, "")
    assert page.evaluate("history.length") == 2  # nothing to go back through but the blank page
    assert tab.errors == []


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("a2,1", {"kind": "node", "layer": 2, "j": 1}),
        ("x0", {"kind": "node", "layer": 0, "j": 0}),
        ("b1,3", {"kind": "bias", "layer": 1, "j": 3}),
        ("cost", {"kind": "cost"}),
    ],
)
def test_whatever_can_be_selected_has_an_address(show, text, selected):
    page = show("table").page
    set_state(page, selected=selected)
    hash_of(page, f"#at={text}")
    set_state(page, selected=EDGE)
    hash_of(page, "#at=w1,1,2")
    page.evaluate("(to) => { location.hash = to }", f"#at={text}")
    assert until(page, SHOWN, lambda found: found[0] == selected)


def test_an_address_chosen_right_after_something_else_is_not_overwritten(show):
    page = show("trained").page
    page.evaluate(
        """() => {
          DR.page.set({ sample: 2 }); // the address follows after 0.2 s
          const end = performance.now() + 400;
          while (performance.now() < end);
          location.hash = "#tour-3"; // the event comes later
        }"""
    )
    until(page, "document.activeElement.textContent", lambda text: text.startswith("3."))
    assert page.evaluate("location.hash") == "#tour-3"


def test_an_address_of_what_is_not_there_shows_what_is_nearest(show):
    page = show("trained", "#at=w9,9,9&row=77&step=99").page
    assert page.evaluate(SHOWN) == [None, 1, 4]
    page = show("trained", "#at=%E0%A4%A&row=x&step=").page
    assert page.evaluate(SHOWN) == [None, 0, 4]


def test_rows_of_a_table_go_by_their_numbers(show):
    tab = show("table", "#tour-4-own-6")
    page = tab.page
    until(page, "document.activeElement.textContent", lambda t: t.startswith("4."))
    assert page.evaluate("DR.page.state.sample") == ROWS.index("6")
    links = page.eval_on_selector_all(".tour-chapters a", "(all) => all.map((a) => a.hash)")
    assert links[4] == "#tour-5-own-6"
    page.evaluate("location.hash = '#tour-1-own-6'")
    until(page, "document.activeElement.textContent", lambda t: t.startswith("1."))
    assert "row 6, sample 2" in page.inner_text(".tour-chapter")
    page.click(".tour-head > button")
    hash_of(page, "#row=6")
    options = page.eval_on_selector_all("#sample option", "(all) => all.map((o) => o.text)")
    assert options == list(ROWS)
    assert page.inner_text("label[for=sample]") == "Row"
    # A number that is no row of the page, as those of old addresses: the nearest row.
    page.evaluate("location.hash = '#tour-1-own-18'")
    until(page, "DR.page.state.sample", lambda i: i == ROWS.index("20"))
    assert tab.errors == []


def test_samples_of_arrays_keep_their_numbers(show):
    page = show("article", "#tour-1-own-1").page
    assert page.evaluate("DR.page.state.sample") == 1
    assert "here it is sample 1." in page.inner_text(".tour-chapter")
    assert page.locator("label[for=sample]").text_content() == "Sample"
