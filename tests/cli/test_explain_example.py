"""``deltarule explain --example``: the article's example, without a model and data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deltarule.cli.explain_example import EXAMPLES
from deltarule.explain.page.tour import STEPS, WEIGHT, example_subject
from deltarule.maths import backprop


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, which is the current one: there is no model and no table."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_overview_has_the_cost_of_the_article(empty, deltarule):
    outcome = deltarule("explain", "--example", "article")
    assert outcome.status == 0
    assert f"= {example_subject().trace.cost:.6f}  (F11)" in outcome.out
    assert "and of one row with --row 1" in outcome.out


def test_a_weight_of_a_row_and_its_update(empty, deltarule):
    subject = example_subject()
    whole = backprop(subject.net, subject.theta, subject.X, subject.Y)
    first = backprop(subject.net, subject.theta, subject.X[:1], subject.Y[:1])
    outcome = deltarule("explain", "--example", "article", "--row", 1, "--weight", "2,1,2")
    assert outcome.status == 0
    assert "row 1; in the derivation it is sample 0" in " ".join(outcome.out.split())
    assert f"= {first.dW[2][1, 2]:.6f}  (F6)".replace("-", "−") in outcome.out
    weight = subject.net.unpack(subject.theta)[0][2][1, 2] - 0.5 * whole.dW[2][1, 2]
    assert f"= {weight:.6f}  (U)".replace("-", "−") in outcome.out


def test_a_row_alone_is_its_loss(empty, deltarule):
    found = deltarule("explain", "--example", "article", "--row", 2, "--json").json
    assert (found["model"], found["example"], found["row"], found["sample"]) == (
        None,
        "article",
        2,
        1,
    )
    assert found["derivations"]["cost"]["value"] == example_subject().per_sample.loss[1]


def test_the_page_is_that_of_the_example(empty, deltarule):
    assert deltarule("explain", "--example", "article", "--html", "a.html").status == 0
    text = Path("a.html").read_text(encoding="utf-8")
    payload = json.loads(re.search(r'id="payload">(.*?)</script>', text)[1])
    assert payload["title"] == "Backpropagation by hand"
    assert [state["step"] for state in payload["states"]] == list(STEPS)
    assert payload["start"]["selected"] == WEIGHT
    other = ("--row", 2, "--weight", "1,0,0", "--html", "b.html")
    assert deltarule("explain", "--example", "article", *other).status == 0
    text = Path("b.html").read_text(encoding="utf-8")
    start = json.loads(re.search(r'id="payload">(.*?)</script>', text)[1])["start"]
    assert (start["sample"], start["selected"]["layer"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "parameter", "parts"),
    [
        (["--example", "xor"], "--example", [f"'{name}'" for name in EXAMPLES]),
        (["a.model", "--example", "article"], "--example", ["MODEL was given", "a.model"]),
        (["--example", "article", "--step", "1"], "--step", ["leave --step out"]),
        (["--example", "article", "--sql", "select 1"], "--sql", ["leave --sql out"]),
        (["--example", "article", "--skip", "2"], "--skip", ["leave --skip out"]),
        (["--example", "article", "--row", "3"], "--row", ["from 1 to 2"]),
        (["--example", "article", "--row", "1", "--column", "x"], "--column", ["'x'"]),
        ([], None, ["missing argument 'MODEL'", "--example article"]),
    ],
)
def test_what_cannot_be_asked_of_it(arguments, parameter, parts, empty, deltarule):
    outcome = deltarule("explain", *arguments)
    assert outcome.status == 2
    assert all(part in outcome.err for part in parts)
    assert deltarule("explain", *arguments, "--json").json["parameter"] == parameter
