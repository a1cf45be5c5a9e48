"""The page with large text, in print, in forced colours, without scripts, with unusual names."""

import contextlib

import pytest
from tests.browser import Watched, violations_in_both_schemes
from tests.explain.pages import article, set_state, until
from tests.explain.test_page_payload import subject_of

from deltarule.engines import EngineSettings
from deltarule.explain.page import payload_of, write_page
from deltarule.explain.page.formulas import formulas_script
from deltarule.explain.page.page import page_html
from deltarule.explain.subject import Names, StepTaken

EDGE = {"kind": "edge", "layer": 2, "j": 1, "k": 2}
BAD = (
    "</script><script>window.bitten = 1</script>",
    "<!-- <b onclick=x> -->",
    '"quo\'ted" & <i>&amp;',
    "\N{GRINNING FACE}" * 30,
    "x" * 300,
    "\u05e9\u05dc\u05d5\u05dd \u202e turned",
)


# Pairs of controls at the top that overlap.
COVERED = """
() => {
  const all = [...document.querySelectorAll(".top button, .top select, .top .choice")];
  const boxes = all.filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect());
  const over = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  return boxes.flatMap((a, i) =>
    boxes.slice(i + 1).flatMap((b) => (over(a, b) ? [JSON.stringify([a, b])] : [])));
}
"""
BEYOND = "((e) => e.scrollHeight - e.clientHeight)(document.getElementById('panel'))"
HALVES = r"/[\ud800-\udbff](?![\udc00-\udfff])/.test(document.body.innerText)"


@contextlib.contextmanager
def opened(chromium, path, width=1280, height=800):
    watched = Watched(chromium[0], width=width, height=height)
    watched.page.emulate_media(reduced_motion="reduce")
    watched.page.goto(path.as_uri())
    try:
        yield watched.page
    finally:
        watched.page.evaluate("localStorage.clear()")
    assert watched.errors == []
    assert watched.outside("file:") == []
    watched.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    names = Names(BAD, BAD, (*BAD, "a", "b"))
    subject = subject_of([6, 4, 6], 8, names=names, classes=BAD)
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    title = f"</title><script>window.bitten = 2</script><!--PAYLOAD-->/*CSS*/{'t' * 300}"
    return write_page(subject, path, title=title)


@pytest.mark.parametrize("width", [360, 1280])
def test_names_that_bite_are_only_names(chromium, hostile, width):
    with opened(chromium, hostile, width=width) as page:
        assert page.evaluate("window.bitten === undefined")
        for selected in (
            {"kind": "node", "layer": 0, "j": 0},
            {"kind": "node", "layer": 0, "j": 5},
            {"kind": "edge", "layer": 2, "j": 4, "k": 1},
            {"kind": "cost"},
        ):
            set_state(page, selected=selected, sample=4)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#lens").scroll_into_view_if_needed()
        page.wait_for_timeout(400)
        assert page.evaluate("window.bitten === undefined")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        set_state(page, selected={"kind": "node", "layer": 0, "j": 0})
        assert BAD[0] in page.inner_text("#panel h3")
        # A surrogate pair cut in two would show a replacement character.
        assert "\N{REPLACEMENT CHARACTER}" not in page.locator("svg.network").text_content()
        assert not page.evaluate(HALVES)
        page.fill("#goto-text", BAD[1])
        page.press("#goto-text", "Enter")
        assert page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 0, "j": 1}


def test_axe_finds_nothing_with_everything_open(chromium, hostile):
    with opened(chromium, hostile) as page:
        set_state(page, selected=EDGE, mode="mean", colour="gradient")
        page.locator("#heat").scroll_into_view_if_needed()
        page.wait_for_selector("#heat canvas")
        page.locator("#lens").scroll_into_view_if_needed()
        page.wait_for_timeout(400)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        page.fill("#goto-text", "nothing")
        page.press("#goto-text", "Enter")
        assert violations_in_both_schemes(page) == []
        page.click("#help-open")
        assert violations_in_both_schemes(page) == []
        page.keyboard.press("Escape")
        sweep = {"direction": "backward", "layer": 1, "node": 2}
        set_state(page, sweep=sweep, nudge={"what": EDGE, "delta": 0.3})
        assert violations_in_both_schemes(page) == []


@pytest.mark.parametrize(("width", "presses"), [(1280, (3, 7)), (390, (4,))])
def test_large_text_covers_nothing(chromium, hostile, width, presses):
    with opened(chromium, hostile, width=width) as page:
        for press in range(1, 1 + max(presses)):
            page.click("#larger")
            if press not in presses:
                continue
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            covered = page.evaluate(COVERED)
            assert covered == []


def test_on_paper_nothing_is_cut_off_and_the_maps_are_drawn(chromium, hostile):
    with opened(chromium, hostile) as page:
        set_state(page, selected=EDGE)
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#heat canvas").count() > 1
        for hidden in (".tools", "#goto", "#sweep", ".panel-numbers"):
            assert not page.locator(hidden).is_visible()
        cut = page.evaluate(BEYOND)
        assert cut <= 1
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert min(map(int, paper.removeprefix("rgb(").removesuffix(")").split(","))) > 220


def test_with_forced_colours_what_is_chosen_is_marked(chromium, hostile):
    with opened(chromium, hostile) as page:
        page.emulate_media(forced_colors="active")
        style = "(n) => getComputedStyle(n).outlineStyle"
        assert page.eval_on_selector(".choice input:checked + span", style) == "solid"
        assert page.eval_on_selector(".choice input:not(:checked) + span", style) == "none"


def test_without_scripts_the_page_says_what_it_needs(chromium, tmp_path):
    path = article().write(tmp_path)
    # A policy that forbids scripts, since disabling them needs a context of its own.
    text = path.read_text(encoding="utf-8").replace(
        "script-src 'unsafe-inline'", "script-src 'none'"
    )
    text = text.replace("<noscript>", "<div>").replace("</noscript>", "</div>")
    path.write_text(text, encoding="utf-8")
    page = chromium[0].new_page()
    page.goto(path.as_uri())
    assert "needs JavaScript" in page.inner_text("body")
    assert not page.locator("main").is_visible()
    page.close()


def test_without_a_lens_the_attributions_remain(chromium, tmp_path):
    path = write_page(article().subject, tmp_path / "page.html", lens=None)
    with opened(chromium, path) as page:
        page.locator("#lens").scroll_into_view_if_needed()
        page.wait_for_selector("[data-attribution]")
        assert page.inner_text("#h-lens") == "Attributions"
        assert page.locator("#lens [data-lens]").count() == 0


def test_a_step_that_is_left_out_is_said_to_be(chromium, tmp_path):
    subject = subject_of([5, 4, 4], 3, step=StepTaken(EngineSettings(), 0.1))
    payload = payload_of(subject)
    payload["states"][0] |= {"update": None, "left_out": 21_000_000}
    path = tmp_path / "page.html"
    path.write_text(page_html(payload, formulas_script(subject.net)), encoding="utf-8")
    with opened(chromium, path) as page:
        set_state(page, selected=EDGE)
        text = page.inner_text("#panel")
        assert "another 21 MB" in text
        assert "--weight l,j,k" in text


def test_what_the_browser_puts_off_is_no_failure(chromium, hostile):
    with opened(chromium, hostile) as page:
        words = "ResizeObserver loop completed with undelivered notifications."
        tell = "(message) => dispatchEvent(new ErrorEvent('error', { message }))"
        page.evaluate(tell, words)
        assert not page.locator("#banner").is_visible()
        page.evaluate(tell, "x is not defined")
        assert "x is not defined" in page.inner_text("#banner")


def test_a_selection_beyond_the_frame_is_brought_into_it(chromium, tmp_path):
    path = article().write(tmp_path)
    with opened(chromium, path, width=390, height=844) as page:
        set_state(page, selected={"kind": "node", "layer": 2, "j": 1})
        inside = """(([node, frame]) => frame.left <= node.left && node.right <= frame.right)(
            ['[data-node="2,1"]', ".network-frame"]
                .map((selector) => document.querySelector(selector).getBoundingClientRect()))"""
        until(page, inside, bool)
