"""Use of the page by pointer, keys and screen reader, in other colours, on a phone."""

import json
import subprocess

import numpy as np
import pytest
from tests.browser import Watched, violations_in_both_schemes
from tests.explain.pages import kept_open
from tests.explain.test_page_numbers import fixture_subject, softmax_subject

from deltarule.explain.page import page_html, payload_of, write_page
from deltarule.explain.page.formulas import formulas_script
from deltarule.explain.subject import Subject
from deltarule.maths import Network


@pytest.fixture(scope="module")
def kept(chromium, tmp_path_factory):
    watched = Watched(chromium[0], width=1280, height=900)
    path = tmp_path_factory.mktemp("reader") / "page.html"
    watched.page.goto(write_page(fixture_subject(), path).as_uri())
    with kept_open(watched) as put_back:
        yield put_back


@pytest.fixture
def page(kept):
    return kept()


EDGE = "DR.page.set({ sample: 0, selected: { kind: 'edge', layer: 2, j: 1, k: 2 } })"


def python_number(x):
    if x == 0:
        return "0"
    if 1e-4 <= abs(x) < 1e6:
        return f"{x:.6f}".replace("-", "−")
    mantissa, exponent = f"{x:.5e}".split("e")
    up = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{up}".replace("-", "−")


def test_numbers_are_written_as_python_writes_them(page):
    rng = np.random.default_rng(0)
    numbers = [
        0.0, -0.0, 1e-4, 9.99999e-5, 999999.9999999, 1e6, 0.0078125, 2.5 * 2**-7, -0.0234375,
        1234565000000.0, 1234575000000.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 123456.5,
        *(rng.integers(-(2**20), 2**20, 400) / 128),
        *(rng.standard_normal(400) * 10.0 ** rng.integers(-12, 12, 400)),
        *(rng.integers(10**6, 10**7, 200) * 5.0 * 10.0 ** rng.integers(0, 9, 200)),
    ]  # fmt: skip
    numbers = [float(x) for x in numbers]
    got = page.evaluate("(numbers) => numbers.map((x) => DR.number(x))", numbers)
    assert got == [python_number(x) for x in numbers]
    special = page.evaluate("[Infinity, -Infinity, NaN].map((x) => DR.number(x))")
    assert special == ["∞", "−∞", "not a number"]


def test_pointing_at_a_symbol_puts_its_number_in_its_place_and_marks_it_everywhere(page):
    page.evaluate(EDGE)
    symbol = page.locator('#panel .step .sym[data-symbol="dC_0/da^2_{1}"]').first
    symbol.scroll_into_view_if_needed()
    number = symbol.locator("> .as-number")
    assert not number.is_visible()
    symbol.hover()
    assert number.is_visible()
    assert number.text_content() == "−1.041556"
    assert not symbol.locator("> .as-symbol").is_visible()
    marked = page.locator(".same")
    assert marked.count() > 1
    names = set(marked.evaluate_all("(nodes) => nodes.map((node) => node.dataset.symbol)"))
    assert names == {"dC_0/da^2_{1}"}
    page.mouse.move(1, 1)
    assert not number.is_visible()
    assert page.locator(".same").count() == 0


def test_a_symbol_under_a_resting_pointer_does_not_flicker(page):
    page.evaluate(EDGE)
    symbol = page.locator('#panel .step .sym[data-symbol="dC_0/da^2_{1}"]').first
    symbol.scroll_into_view_if_needed()
    box = symbol.bounding_box()
    x, y = box["x"] + box["width"] - 1, box["y"] + box["height"] / 2
    seen = []
    for step in range(6):
        page.mouse.move(x + 0.2 * (step % 2), y)
        seen.append(symbol.locator("> .as-number").is_visible())
    assert seen == [True] * 6


def test_all_numbers_in_place_at_the_press_of_a_button(page):
    page.evaluate(EDGE)
    button = page.get_by_role("button", name="Numbers in place")
    number = page.locator("#panel .formula .sym .as-number").locator("visible=true")
    assert number.count() == 0
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert number.count() > 0
    button.click()
    assert number.count() == 0


def test_arrow_keys_walk_through_a_formula_and_enter_goes_where_a_symbol_leads(page):
    page.evaluate(EDGE)
    page.keyboard.press("Tab")
    page.locator("#panel .formula").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".sym.swapped").get_attribute("data-symbol") == "dC_0/da^2_{1}"
    said = page.locator("[role=status]").all_text_contents()
    assert any("−1.041556" in text for text in said)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("DR.page.state.sample") == 0
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 1, "j": 2}


def test_clicking_a_term_leads_to_the_next_layer_up_to_the_output(page):
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 1, j: 0, k: 1 } })")
    page.locator('#panel .terms .sym[data-symbol="delta^2_{1}"]').first.click()
    assert page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 2, "j": 1}
    assert "F7" in page.inner_text("#panel")


def test_a_long_sum_shows_its_largest_terms_and_what_the_others_add_up_to(context, tmp_path):
    rng = np.random.default_rng(2)
    net = Network([40, 3, 1], "tanh")
    subject = Subject.of_arrays(
        net, rng.standard_normal(net.n_parameters), rng.standard_normal((4, 40)), np.ones(4)
    )
    watched = Watched(context, width=1280, height=900)
    page = watched.page
    page.goto(write_page(subject, tmp_path / "page.html").as_uri())
    page.evaluate("DR.page.set({ sample: 2, selected: { kind: 'node', layer: 1, j: 1 } })")
    W, b = net.unpack(subject.theta)
    true = np.append(W[1][1] * subject.X[2], b[1][1])
    order = np.argsort(-np.abs(true))
    list_of = page.locator("#panel .sum-list").first
    for shown in (6, 30, 41):
        results = list_of.locator(".term:not(.rest, .total) .result").all_text_contents()
        assert results == [python_number(x) for x in true[order[:shown]]]
        if shown < 41:
            rest = float(list_of.locator("[data-rest]").get_attribute("data-rest"))
            assert rest == pytest.approx(true[order[shown:]].sum(), abs=1e-14)
            assert f"{41 - shown} further terms" in list_of.inner_text()
            list_of.get_by_role("button").click()
    assert list_of.get_by_role("button").count() == 0


@pytest.mark.parametrize("z", [800.0, 40.0])
def test_where_a_derivative_overflows_the_limit_is_shown(context, tmp_path, z):
    net = Network([1, 1], [], "logistic", "log_loss", bias=False)
    subject = Subject.of_arrays(net, [z], [[1.0]], [[0.0]])
    page = Watched(context, width=1280, height=900).page
    page.goto(write_page(subject, tmp_path / "page.html").as_uri())
    page.evaluate("DR.page.set({ selected: { kind: 'node', layer: 1, j: 0 } })")
    text = " ".join(page.locator("#panel .limit").all_inner_texts())
    assert "∂C/∂a → ∞ while ∂a/∂z → 0" in text
    assert "δ is taken from z" in text
    delta = page.locator('#panel .panel-head .value[data-symbol="delta^1_{0}"]')
    assert delta.text_content() == "1.000000"


def test_the_user_sees_rows_left_out_and_rows_absent(context, tmp_path):
    page = Watched(context, width=1280, height=900).page
    page.goto(write_page(softmax_subject(), tmp_path / "page.html").as_uri())
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 1, k: 2 } })")
    assert "1 of weight 0 count as absent" in page.inner_text("#panel")
    net = Network([2, 1], [])
    X = np.random.default_rng(0).standard_normal((600, 2))
    many = Subject.of_arrays(net, np.ones(3), X, np.ones(600))
    page.goto(write_page(many, tmp_path / "many.html").as_uri())
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 1, j: 0, k: 1 } })")
    assert "the 256 rows in this page, of 600" in page.inner_text("#panel")


def test_at_a_kink_the_check_says_that_there_is_nothing_to_compare(context, tmp_path):
    net = Network([1, 1, 1], "relu", bias=False)
    subject = Subject.of_arrays(net, [0.0, 1.0], [[1.0]], [[1.0]])
    page = Watched(context, width=1280, height=900).page
    page.goto(write_page(subject, tmp_path / "page.html").as_uri())
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 1, j: 0, k: 0 } })")
    page.click("#check button")
    text = page.inner_text("#check")
    assert "at a kink" in text
    assert "takes the slope from the left" in text


def test_check_me_sees_a_wrong_derivative(context, tmp_path):
    subject = fixture_subject()
    script = formulas_script(subject.net)
    true = "return t1 / (1 + t1 * (2 + t1));"
    assert true in script
    false = script.replace(true, "return 1.001 * t1 / (1 + t1 * (2 + t1));")
    false = false.replace("up * (t1", "up * (1.001 * t1")
    path = tmp_path / "page.html"
    path.write_text(page_html(payload_of(subject), false), encoding="utf-8")
    page = Watched(context, width=1280, height=900).page
    page.goto(path.as_uri())
    for selected in ("null", "{ kind: 'edge', layer: 1, j: 0, k: 0 }"):
        page.evaluate(f"DR.page.set({{ selected: {selected} }})")
        page.click("#check button")
        assert page.locator("#check [aria-live] .verdict.bad").count() == 1


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_accessible(context, tmp_path, width):
    watched = Watched(context, width=width, height=900)
    page = watched.page
    page.goto(write_page(softmax_subject(), tmp_path / "page.html").as_uri())
    for selected in (
        "null",
        "{ kind: 'edge', layer: 2, j: 1, k: 2 }",
        "{ kind: 'node', layer: 1, j: 2 }",
        "{ kind: 'bias', layer: 1, j: 2 }",
        "{ kind: 'node', layer: 0, j: 2 }",
    ):
        page.evaluate(f"DR.page.set({{ selected: {selected} }})")
        page.evaluate("document.querySelector('#check button').click()")
        assert violations_in_both_schemes(page) == [], selected
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, selected
    assert watched.errors == []
    watched.close()


def test_the_maths_font_is_the_pages_own(page):
    assert page.evaluate(
        "document.fonts.ready.then(() => document.fonts.check('16px \"DR Math\"'))"
    )
    loaded = page.evaluate("[...document.fonts].map((font) => [font.family, font.status])")
    assert ['"DR Math"', "loaded"] in loaded or ["DR Math", "loaded"] in loaded


def test_scripts_are_scripts(tmp_path):
    """Each file alone is valid JavaScript, as ``node --check`` has it, where node is installed."""
    import shutil

    from tests.explain.test_page_payload import ASSETS

    from deltarule.explain.page.page import ANSWER_SCRIPTS, SCRIPTS, TOUR_SCRIPTS

    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on the PATH")
    # In one process: to start it takes longer than to compile all of them.
    compile_all = """
      const fs = require("fs"), vm = require("vm"), wrong = [];
      for (const path of process.argv.slice(1))
        try { new vm.Script(fs.readFileSync(path, "utf8"), { filename: path }); }
        catch (error) { wrong.push([path.split("/").at(-1), error.name]); }
      console.log(JSON.stringify(wrong));
    """
    broken = tmp_path / "broken.js"
    broken.write_text('"use strict";\nconst a = (1;\n', encoding="utf-8")
    paths = [str(ASSETS / n) for n in (*SCRIPTS, *ANSWER_SCRIPTS, *TOUR_SCRIPTS, "main.js")]
    done = subprocess.run(
        [node, "-e", compile_all, *paths, str(broken)], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [["broken.js", "SyntaxError"]]
