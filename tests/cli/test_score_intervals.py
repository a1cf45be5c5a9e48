"""The intervals of scores in the terminal: of ``fit``, and of ``evaluate`` on other rows."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import CLASSES, FAST, NUMBERS

from deltarule.tables import apply_schema, read_table
from deltarule.tabular import TableModel
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.network_fit import true_values

LINE = re.compile(r"^  95 % interval\s+(.*)$")


def intervals_below(text, label):
    """The ends in the line below the line of a label."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{label} "))
    found = LINE.match(lines[at + 1])
    assert found, lines[at + 1]
    ends = re.findall(r"(\S+) to (\S+)", found[1])
    return [[float(end.replace(",", "")) for end in each] for each in ends]


def rounded(intervals):
    """Whether each end is shown to four digits."""
    return [pytest.approx(ends, rel=1e-3, abs=6e-5) for ends in intervals.values()]


@pytest.mark.parametrize("name", ["numbers", "classes"])
def test_fit_prints_those_of_its_report(name, place, deltarule):
    outcome = deltarule("fit", f"{name}.csv", "--target", "y", "--out", "new", *FAST)
    assert outcome.status == 0, outcome.err
    report = TableModel.load("new").report
    known = report["score_intervals"]["scores"]
    assert intervals_below(outcome.out, "test") == rounded(known["network"])
    for baseline in ("constant", "linear"):
        label = f"test, {baseline} baseline"
        assert intervals_below(outcome.out, label) == rounded(known[baseline])
    # One line for each of the three; the training rows have none.
    assert outcome.out.count("95 % interval") == 3


@pytest.mark.parametrize(("name", "text"), [("numbers", NUMBERS), ("classes", CLASSES)])
def test_evaluate_prints_those_of_other_rows_and_of_the_test_rows(name, text, place, deltarule):
    Path("other.csv").write_text("".join(text.splitlines(keepends=True)[:41]))
    outcome = deltarule("evaluate", f"{name}.model", "other.csv")
    model = TableModel.load(f"{name}.model")
    typed = apply_schema(model.schema, read_table("other.csv"))
    outputs, truth = model.outputs(typed), true_values(model.target, typed)
    found = bootstrap_intervals(model.task, truth, {"model": outputs})["scores"]["model"]
    assert intervals_below(outcome.out, "other.csv") == rounded(found)
    own = model.report["score_intervals"]["scores"]["network"]
    assert intervals_below(outcome.out, "test rows, when trained") == rounded(own)
    assert deltarule("evaluate", f"{name}.model", "other.csv", "--json").json[
        "score_intervals"
    ] == {score: pytest.approx(ends) for score, ends in found.items()}


def test_rows_that_were_learned_from_have_none(place, deltarule):
    outcome = deltarule("evaluate", "numbers.model", "numbers.csv")
    assert outcome.out.count("95 % interval") == 1  # of the test rows
    again = deltarule("evaluate", "numbers.model", "numbers.csv", "--json").json
    assert again["score_intervals"] == {}


def test_so_many_rows_that_it_takes_long_have_none(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.cli.run_predict._MOST_RESAMPLED", 39)
    Path("other.csv").write_text("".join(NUMBERS.splitlines(keepends=True)[:41]))
    found = deltarule("evaluate", "numbers.model", "other.csv", "--json").json
    assert found["score_intervals"] == {}
    assert np.isfinite(found["scores"]["rmse"])
