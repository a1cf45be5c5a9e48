"""The field "Go to" finds every number by its name, and reports names that do not exist."""

import pytest
from tests.explain.pages import kept_open, opened, set_state

EDGE = {"kind": "edge", "layer": 2, "j": 1, "k": 2}
BIAS = {"kind": "bias", "layer": 2, "j": 1}
NODE = {"kind": "node", "layer": 1, "j": 4}


@pytest.fixture(scope="module")
def softmax_page(chromium):
    with kept_open(opened(*chromium, "softmax")) as put_back:
        yield put_back


@pytest.fixture
def page(softmax_page):
    page = softmax_page()
    assert page.input_value("#goto-text") == page.inner_text(".goto-words") == ""
    assert page.get_attribute("#goto-text", "aria-invalid") != "true"
    return page


def input_(k):
    return {"kind": "node", "layer": 0, "j": k}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("w 2,1,2", EDGE),
        ("2 1 2", EDGE),
        ("W(2, 1, 2)", EDGE),
        ("w_12^2", EDGE),
        ("w₁₂⁽²⁾", EDGE),
        ("w^2_{1,2}", EDGE),
        ("b 2,1", BIAS),
        ("b^2_1", BIAS),
        ("a 1,4", NODE),
        ("delta^1_{4}", NODE),
        ("δ 1,4", NODE),
        ("1,4", NODE),
        ("x 3", input_(3)),
        ("x_3", input_(3)),
        ("sepal length (cm)", input_(0)),
        ("b", {"kind": "node", "layer": 2, "j": 1}),
        ("C", {"kind": "cost"}),
        (" cost ", {"kind": "cost"}),
    ],
)
def test_a_name_leads_to_what_it_names(page, text, selected):
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected") == selected
    assert page.inner_text(".goto-words") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expected w 2,1,0"),
        ("w 2,1", "Expected w 2,1,0"),
        ("petal", "Expected w 2,1,0"),
        ("2,-1,0", "Expected w 2,1,0"),
        ("w 3,0,0", "no layer 3 of that kind; expected 1 to 2"),
        ("w 0,0,0", "no layer 0 of that kind; expected 1 to 2"),
        ("w 2,3,0", "Layer 2 has no node 3; expected 0 to 2"),
        ("w 2,0,5", "Layer 1 has no node 5; expected 0 to 4"),
        ("x 4", "Layer 0 has no node 4; expected 0 to 3"),
    ],
)
def test_what_there_is_not_is_said_and_nothing_moves(page, text, words):
    set_state(page, selected=EDGE)
    page.fill("#goto-text", text)
    page.press("#goto-text", "Enter")
    assert words in page.inner_text(".goto-words")
    assert page.get_attribute("#goto-text", "aria-invalid") == "true"
    assert page.evaluate("DR.page.state.selected") == EDGE
    page.fill("#goto-text", "w 1,0,0")
    assert page.inner_text(".goto-words") == ""


def test_it_leads_into_a_large_layer(show):
    page = show("deep").page
    assert page.locator('[data-edge="1,101,33"]').count() == 0
    page.fill("#goto-text", "w 1,101,33")
    page.get_by_role("button", name="Show", exact=True).click()
    assert page.locator('[data-edge="1,101,33"]').get_attribute("aria-pressed") == "true"


def test_a_network_without_biases_says_so(show):
    page = show("article").page
    page.fill("#goto-text", "b 1,0")
    page.press("#goto-text", "Enter")
    assert page.inner_text(".goto-words") == "This network has no biases."
