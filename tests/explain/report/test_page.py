"""The page: the numbers of Python, nothing from outside, names that are only names, axe."""

import contextlib
import re

import numpy as np
import pytest
from tests.browser import Watched, violations_in_both_schemes
from tests.explain.report.tables import NAMES, table_of, trained

from deltarule.errors import Message, Parameter
from deltarule.explain.report import report_html, write_report
from deltarule.explain.report.chart import axis
from deltarule.tabular.diagnostics import (
    calibration,
    confusion,
    group_errors,
    permutation_importance,
    ranked_rows,
    residuals,
)

ALL = [
    ("number", "portfolio"),
    ("two", "portfolio"),
    ("three", "portfolio"),
    ("number", "network"),
    ("three", "network"),
]
SMALLEST = """
() => Math.min(...[...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility())
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => parseFloat(getComputedStyle(e).fontSize)))
"""


def numbers(page):
    """The named numbers of a page, with all their digits."""
    found = re.findall(r'data-value="([^"]+)" data-number="([^"]+)"', page)
    return {name: float(value) for value, name in found}


@contextlib.contextmanager
def opened(chromium, path, width=1280, height=720, **media):
    watched = Watched(chromium[0], width=width, height=height)
    watched.page.emulate_media(reduced_motion="reduce", **media)
    watched.page.goto(path.as_uri())
    try:
        yield watched.page
    finally:
        watched.page.evaluate("localStorage.clear()")
    assert watched.errors == []
    assert watched.outside("file:") == []
    watched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return {
        f"{task}-{kind}": write_report(
            trained(task, kind)[1],
            trained(task, kind)[0],
            folder / f"{task}-{kind}.html",
            folder="<m>.model",
        )
        for task, kind in ALL
    }


@pytest.mark.parametrize(("task", "kind"), ALL)
def test_the_numbers_of_the_page_are_pythons(task, kind):
    table, model = trained(task, kind)
    page = report_html(model, table)
    shown = numbers(page)
    rows = model.scored_rows(table)
    scores = model.report["scores"]["test"]
    assert {name: shown[f"{kind}.{name}"] for name in scores} == scores
    for baseline in ("linear", "constant"):
        for name, value in model.report["baselines"][baseline].items():
            assert shown[f"{baseline}.{name}"] == value
    found = permutation_importance(rows)
    for name, mean in zip(found.columns, found.mean.tolist(), strict=True):
        key = name.encode("unicode_escape").decode().replace("&", "&amp;").replace("<", "&lt;")
        key = key.replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#x27;")
        assert shown[f"importance.{key}"] == mean
    groups = group_errors(rows)
    assert shown["group.error"] == groups.error
    of_groups = [
        v for name, v in shown.items() if name.startswith("group.") and name != "group.error"
    ]
    assert of_groups == [group.error for group in groups.groups[:8]]
    if task == "number":
        assert shown["residuals.low"] == residuals(rows).quantiles[0]
        assert shown["coverage"] == residuals(rows).coverage
    else:
        assert shown["calibration.error"] == calibration(rows).error
        total = sum(value for name, value in shown.items() if name.startswith("confusion."))
        assert total == confusion(rows).matrix.sum() == len(rows)
    worst = ranked_rows(model, rows.typed, rows.outputs)
    what = "error" if task == "number" else "probability"
    errors = worst.predicted - worst.actual if task == "number" else worst.probabilities
    expected = {f"worst.{worst.numbers[i]}.{what}": errors[i] for i in worst.order[:10]}
    assert {key: shown[key] for key in expected} == expected
    every = re.search(r'data-rows="test">([^<]*)<', page)[1]
    assert [int(each) - 1 for each in every.split(", ")] == rows.typed.rows.tolist()
    if kind == "portfolio":
        for each in model.report["leaderboard"]:
            assert shown[f"leaderboard.{each['configuration']}"] == each["out_of_fold_loss"]


@pytest.mark.parametrize(("task", "kind"), ALL)
def test_the_page_needs_nothing_else_and_escapes_every_name(task, kind, pages):
    text = pages[f"{task}-{kind}"].read_text(encoding="utf-8")
    # The namespace of SVG is made by a script and never asked for.
    assert set(re.findall(r"https?://[^\"' <)]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text
    for raw in (NAMES[0], NAMES[1], "<b>Bonn", "</td>mid", "<odd>", "<m>"):
        assert raw not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "b\\nline" in text
    # Neither turns the text round nor breaks a line.
    assert "\u202e" not in text
    assert "b\nline" not in text
    assert len(text) < 500_000


def test_the_same_model_gives_the_same_page():
    table, model = trained("two")
    assert report_html(model, table) == report_html(model, table)


def test_a_page_with_weights_without_test_rows_and_of_another_table():
    for task, kind, changes, words in (
        ("number", "portfolio", {"weighted": True}, "the weights of the rows"),
        ("two", "network", {"weighted": True}, "the weights of the rows"),
        ("number", "portfolio", {"test": 0.0}, "each predicted by networks that were not trained"),
        ("three", "network", {"test": 0.0}, "validation rows, which chose the epoch"),
    ):
        table, model = trained(task, kind, **changes)
        page = report_html(model, table)
        assert words in page
        # With these weights the test rows are too few for a verdict, and without any there is none.
        assert "No verdict on the baselines" in page
    _, model = trained("three")
    page = report_html(model, table_of("three", n=40))
    assert "40 rows of the table that was given" in page
    assert "when trained" in page
    shown = numbers(page)
    assert shown["portfolio.accuracy"] == model.evaluate(table_of("three", n=40))["accuracy"]


def test_the_models_that_a_portfolio_gives_have_reports_too():
    table, model = trained("number")
    new = table_of("number", n=40)
    for other, rows, words in (
        (model.distill(table), table, "test rows, which the model has not seen"),
        (model.network(), table, "test rows, which the model has not seen"),
        (model.update(new), new, "each predicted by networks that were not trained on it"),
    ):
        page = report_html(other, rows)
        assert words in page
        assert "Better than" not in page


def test_messages_are_spelled_as_they_are_asked_to_be():
    table, model = trained("two")
    spelled = report_html(model, table, spell=lambda text: text.render(_as_option) if
                          isinstance(text, Message) else text)  # fmt: skip
    assert "--ignore" in spelled


def _as_option(setting: Parameter) -> str:
    return f"--{setting.name}"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(("task", "kind"), ALL[1:4])
def test_nothing_bites_or_overflows_and_every_label_can_be_read(chromium, pages, task, kind, width):
    with opened(chromium, pages[f"{task}-{kind}"], width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(SMALLEST) >= 11
        assert page.locator("script").count() == 1
        if width < 400:  # a row of a table is a block of lines, and nothing scrolls sideways
            assert page.locator(".stacked").count() >= 2
            for box in page.locator(".stacked").all():
                assert box.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
            head = page.locator(".stacked td").first
            before = head.evaluate("(e) => getComputedStyle(e, '::before').content")
            assert before == '"rows"'
        assert page.locator(".chart svg").count() >= 3


@pytest.mark.parametrize("name", ["number-portfolio", "three-network"])
def test_axe_finds_nothing(chromium, pages, name):
    with opened(chromium, pages[name]) as page:
        assert violations_in_both_schemes(page) == []


def test_the_first_screen_answers(chromium, pages):
    with opened(chromium, pages["two-portfolio"]) as page:
        for heading in ("#h-verdict", "#h-why", "#h-next"):
            box = page.locator(heading).bounding_box()
            assert box["y"] + box["height"] < 720
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.click("#help-open")
        assert "95 % interval" in page.inner_text("#help")


@pytest.mark.parametrize("width", [390, 1280])
def test_large_text_makes_nothing_wider_than_the_screen(chromium, pages, width):
    with opened(chromium, pages["three-network"], width=width) as page:
        for _ in range(5):
            page.click("#larger")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_all_is_there_but_the_buttons(chromium, pages, tmp_path):
    text = pages["two-portfolio"].read_text(encoding="utf-8")
    # A policy that forbids scripts, since disabling them needs a context of its own.
    text = text.replace("script-src 'unsafe-inline'", "script-src 'none'")
    text = text.replace("<noscript>", "").replace("</noscript>", "")
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    page = chromium[0].new_page()
    page.goto(path.as_uri())
    assert not page.locator(".tools").is_visible()
    assert page.locator(".chart svg").count() >= 3
    assert "Log loss" in page.inner_text(".tiles")
    page.close()


def test_on_paper_it_is_light_and_without_controls(chromium, pages):
    with opened(chromium, pages["two-portfolio"], color_scheme="dark") as page:
        page.emulate_media(media="print")
        for hidden in (".tools", ".bar"):
            assert not page.locator(hidden).is_visible()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert min(map(int, re.findall(r"\d+", paper))) > 220


@pytest.mark.parametrize(
    ("values", "log"),
    [([0.0], False), ([1e-300, 2e-300], False), ([-1e15, 1e15], False), ([0.1, 0.3], True),
     ([1e-9, 1e6], True), ([5.0, 5.0], True), ([], False), ([float("nan"), 1.0], False)],
)  # fmt: skip
def test_an_axis_has_a_few_round_ticks_within_it(values, log):
    found = axis(values, "x", log=log)
    assert 1 <= len(found.ticks) <= 7
    for value, text in found.ticks:
        assert -1e-9 <= found.at(value) <= 1 + 1e-9
        assert text
    for value in values:
        if np.isfinite(value):
            assert 0 <= found.at(value) <= 1
