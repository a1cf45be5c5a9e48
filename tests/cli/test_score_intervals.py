"""The intervals of scores in the terminal: of ``fit``, and of ``evaluate`` on other rows."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import CLASSES, FAST, NUMBERS

from deltarule.maths.printing.numbers import plain
from deltarule.tables import apply_schema, read_table
from deltarule.tabular import TableModel
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics import group_errors
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


def new_rows(text):
    """Forty rows like those of a table, of which none is in it."""
    head, *lines = text.splitlines(keepends=True)[:41]
    cells = (line.split(",", 2) for line in lines)
    return head + "".join(f"{a},{float(b) + 0.25},{rest}" for a, b, rest in cells)


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
    Path("other.csv").write_text(new_rows(text))
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
    assert "\nnote: these are the rows the model was made from" in outcome.out
    again = deltarule("evaluate", "numbers.model", "numbers.csv", "--json").json
    assert again["score_intervals"] == {}


def test_rows_some_of_which_were_learned_from_have_none_and_it_is_said(place, deltarule):
    head, *lines = NUMBERS.splitlines()
    mixed = [*lines[:50], *new_rows(NUMBERS).splitlines()[1:11]]
    Path("mixed.csv").write_text("\n".join([head, *mixed[::-1]]) + "\n")
    said = "50 of 60 rows also occur in the training table"
    for name in ("numbers.model", "many.model"):
        outcome = deltarule("evaluate", name, "mixed.csv", "--report", f"{name}.html")
        assert f"\nnote: {said}; the scores are not those of new rows" in outcome.out
        assert "mixed.csv" in outcome.out
        assert outcome.out.count("95 % interval") == 1  # of the test rows
        found = deltarule("evaluate", name, "mixed.csv", "--json").json
        assert (found["seen"], found["rows_seen"], found["rows_compared"]) == (False, 50, 60)
        assert found["score_intervals"] == {}
        assert found["notes"][0].startswith(said)
        page = Path(f"{name}.html").read_text(encoding="utf-8")
        verdict = page[page.index('id="h-verdict"') : page.index('id="h-why"')]
        assert f"<b>{said}: these are not scores on new rows, and have no intervals.</b>" in verdict
        assert "bootstrap resamples" not in verdict
    Path("new.csv").write_text(new_rows(NUMBERS))
    found = deltarule("evaluate", "numbers.model", "new.csv", "--json").json
    assert (found["rows_seen"], found["rows_compared"], found["notes"]) == (0, 40, [])


def test_evaluate_says_how_its_table_differs_from_that_of_the_training(place, deltarule):
    head, *lines = NUMBERS.splitlines()

    def compared(rows):
        Path("other.csv").write_text("\n".join([head, *rows]) + "\n")
        found = deltarule("evaluate", "numbers.model", "other.csv", "--json").json["tables"]
        said = deltarule("evaluate", "numbers.model", "other.csv").out
        assert f"\nThis table: other.csv, {len(rows)} rows, sha256 of its cells " in said
        assert f"{found['table']['sha256']}" in said
        return found, said

    own, said = compared(lines)
    trained = TableModel.load("numbers.model").report["fingerprint"]
    assert own["table"]["sha256"] == own["training"]["sha256"] == trained
    assert (own["order"], own["other_rows"]) == (True, 0)
    covers = "; a model's fingerprint covers the name of its table, too, which is another"
    assert f"; the same rows, in the same order{covers}.\n" in said
    under_its_name = deltarule("evaluate", "numbers.model", "numbers.csv").out
    assert "; the same rows, in the same order.\n" in under_its_name
    turned, said = compared(lines[::-1])
    assert turned["table"]["sha256"] != turned["training"]["sha256"] == trained
    assert (turned["order"], turned["repeated"]) == (False, False)
    assert "; the same rows in another order.\n" in said
    changed = [line.replace(",p,", ",q,") if i in (4, 10) else line for i, line in enumerate(lines)]
    assert changed != lines
    found, said = compared(changed)
    assert (found["order"], found["other_rows"], found["missing_rows"]) == (None, 2, 2)
    assert found["row_numbers"] == [5, 11]
    assert "; 2 of 60 rows are not in it (rows 5, 11); 2 of the distinct rows of the " in said
    assert "which of their cells differ is not known, as the model holds no cells" in said
    found, said = compared([f"{line}5" for line in lines[:55]] + lines[55:])
    assert found["row_numbers"] == list(range(1, 56))
    assert f"(rows {', '.join(map(str, range(1, 51)))} and 5 more, all in the output of" in said
    found, said = compared(lines[:20])
    assert (found["order"], found["other_rows"], found["missing_rows"]) == (None, 0, 40)
    assert "; all of these rows are in it; 40 of the distinct" in said
    _, said = compared(new_rows(NUMBERS).splitlines()[1:])
    assert "; none of these rows is in it.\n" in said
    # As many rows, but another one is repeated.
    found, _ = compared([*lines[:59], lines[0]])
    assert (found["order"], found["other_rows"], found["missing_rows"]) == (None, 0, 1)


def test_digests_of_another_table_than_the_model_names_are_a_contradiction(place, deltarule):
    model = TableModel.load("numbers.model")
    model.report["fingerprint"] = "ab" * 32
    model.save("numbers.model", overwrite=True)
    said = "the model's files contradict each other: their digests of rows are of this table"
    outcome = deltarule("evaluate", "numbers.model", "numbers.csv")
    assert f"sha256 of its cells {'ab' * 32}; {said}" in outcome.out
    assert "in another order" not in outcome.out
    found = deltarule("evaluate", "numbers.model", "numbers.csv", "--json").json["tables"]
    assert (found["contradiction"], found["order"]) == (True, None)


def test_a_changed_report_is_a_note_of_the_commands_that_judge_a_model(place, deltarule):
    page = Path("numbers.model/report.html")
    commands = (
        ("evaluate", "numbers.model", "numbers.csv"),
        ("explain", "numbers.model", "numbers.csv", "--row", "1"),
        ("explain", "numbers.model", "numbers.csv", "--rows", "test"),
        ("export", "numbers.model", "--c", "c", "--force"),
    )
    said = "is not what was saved with the model; see 'deltarule inspect numbers.model'\n"
    for command in commands:
        outcome = deltarule(*command)
        assert outcome.status == 0, outcome.err
        assert "is not what was saved" not in outcome.err
    page.write_bytes(page.read_bytes() + b"<p>")
    for command in commands:
        outcome = deltarule(*command)
        assert outcome.status == 0, outcome.err
        assert f"note: report.html is changed: it {said}" in outcome.err
    assert "report.html" not in deltarule("predict", "numbers.model", "numbers.csv").err
    page.unlink()
    found = deltarule("evaluate", "numbers.model", "numbers.csv", "--json").json
    assert any(note.startswith("report.html is missing: ") for note in found["notes"])


def test_the_worst_group_is_a_line(place, deltarule):
    rows = [
        f"{i % 7},{i / 2 + 0.25},{'pq'[i % 2]},{i % 7 * 2 + (90 if i % 2 else 0)}"
        for i in range(60)
    ]
    Path("odd.csv").write_text("a,b,k,y\n" + "\n".join(rows) + "\n")
    model = TableModel.load("numbers.model")
    found = group_errors(model.scored_rows(read_table("odd.csv")))
    group = next(each for each in found.worse if each.column == "k")
    assert group == found.worse[0]
    said = (
        f"k = q: predictions of 30 rows miss by {plain(group.error)} on average, of the others by "
        f"{plain(group.others)}: {plain(group.error - group.others)} more, {plain(group.least)} to "
        f"{plain(group.most)} at {100 * found.level:.4g} %"
    )
    n = len(found.groups)
    said += f", so that the intervals of all {n} groups hold together with 95 %"
    worse = len(found.worse)
    if worse > 1:
        said = f"of {worse} that are worse than their other rows beyond chance: {said}"
    assert f"{said}.\n" in deltarule("evaluate", "numbers.model", "odd.csv").out
    assert said in deltarule("evaluate", "numbers.model", "odd.csv", "--json").json["worst_group"]


def test_of_the_table_of_the_training_it_is_of_the_test_rows(place, deltarule):
    rng = np.random.default_rng(0)
    a, k = rng.normal(size=300), rng.choice(["p", "q"], 300)
    y = 2 * a + np.where(k == "q", 5.0, 0.1) * rng.normal(size=300)
    rows = [f"{x},{level},{value}" for x, level, value in zip(a, k, y, strict=True)]
    Path("odd.csv").write_text("a,k,y\n" + "\n".join(rows) + "\n")
    fitted = deltarule("fit", "odd.csv", "--target", "y", "--out", "new", *FAST)
    assert fitted.status == 0, fitted.err
    found = group_errors(TableModel.load("new").scored_rows(read_table("odd.csv")))
    (group,) = found.worse
    start = f"orst group of the 60 test rows: k = q: predictions of {group.rows} rows miss by "
    (line,) = [each for each in fitted.out.splitlines() if start in each]
    assert f"{plain(group.least)} to {plain(group.most)} at {100 * found.level:.4g} %" in line
    evaluated = deltarule("evaluate", "new", "odd.csv")
    assert f"{line}\n" in evaluated.out
    as_json = deltarule("evaluate", "new", "odd.csv", "--json").json["worst_group"]
    assert line == f"W{as_json[1:]}."
    # Where no group is, the terminal says so, and how to be surer.
    rows = [f"{x},{level},{e}" for x, level, e in zip(a, k, rng.normal(size=300), strict=True)]
    Path("even.csv").write_text("a,k,y\n" + "\n".join(rows) + "\n")
    even = deltarule("fit", "even.csv", "--target", "y", "--out", "even", "--json", *FAST).json
    assert even["worst_group"] is None
    start = (
        "no group of the 60 test rows is clearly worse than the others in all its errors; nearest"
    )
    assert even["groups"].startswith(start)
    assert "'deltarule fit' with --test 0.5 holds out more" in even["groups"]
    said = deltarule("evaluate", "even", "even.csv").out
    assert f"N{even['groups'][1:]}.\n" in said
    # Of rows that were learned from there is none.
    again = ("fit", "odd.csv", "--target", "y", "--test", "0", "--valid", "0", "--json")
    found = deltarule(*again, "--out", "learned", *FAST)
    assert found.json["worst_group"] is None
    learned = deltarule("evaluate", "learned", "odd.csv", "--json").json
    assert (learned["worst_group"], learned["groups"]) == (None, None)


def test_so_many_rows_that_it_takes_long_have_none(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.cli.run_evaluate._MOST_RESAMPLED", 39)
    Path("other.csv").write_text(new_rows(NUMBERS))
    found = deltarule("evaluate", "numbers.model", "other.csv", "--json").json
    assert found["score_intervals"] == {}
    assert np.isfinite(found["scores"]["rmse"])
