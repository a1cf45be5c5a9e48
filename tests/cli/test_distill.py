"""``deltarule distill`` and ``deltarule update``."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import NUMBERS, contents

from deltarule.tabular import NetworkModel, PortfolioModel, TableModel
from deltarule.training.inspection import model_fingerprint

ROWS = [line.split(",") for line in NUMBERS.splitlines()]


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    monkeypatch.setattr("deltarule.tabular.distill._LEAST_EPOCHS", 5)


def test_one_network_is_trained_scored_explained_and_predicts(place, deltarule):
    outcome = deltarule("distill", "many.model", "numbers.csv", "--out", "one")
    assert outcome.status == 0, outcome.err
    network, portfolio = TableModel.load("one"), TableModel.load("many.model")
    assert isinstance(network, NetworkModel)
    rmse = [each.report["scores"]["test"]["rmse"] for each in (network, portfolio)]
    assert "-128-128-1: " in outcome.out
    assert "on 48 rows, and 10,000 mixed from them\n" in outcome.out
    assert (
        f"The network's RMSE is {rmse[0] / rmse[1]:.3f} times that of the portfolio.\n"
        in outcome.out
    )
    columns = dict(zip(ROWS[0], zip(*ROWS[1:], strict=True), strict=True))
    test = network.scored_rows(columns)
    gap = np.abs(test.outputs - portfolio.outputs(test.typed)).max()
    said = (
        "predictions of 12 test rows, which neither was trained on, differ from those of its "
        f"portfolio by at most {gap:.3g}"
    )
    assert f"\nDistance: {said}.\n" in outcome.out
    source = model_fingerprint("many.model")
    known = {"rows": 12, "same_class": None, "part": "test", "portfolio": source}
    distilled = deltarule("inspect", "one", "--json").json["distilled"]
    assert distilled.pop("largest_difference") == pytest.approx(gap)
    assert distilled == known
    inspected = deltarule("inspect", "one").out
    assert f"distilled: {said}; the portfolio has the fingerprint sha256 {source}\n" in inspected
    fingerprint = model_fingerprint("one")
    shown = (
        f"Fingerprint of the model, which 'deltarule inspect' shows again: sha256 {fingerprint}\n"
    )
    assert outcome.out.endswith(f"{shown}Saved in one: the model.\n")
    assert "the scores are of the test rows of the training, which neither" in outcome.err
    found = deltarule("predict", "one", "numbers.csv", "--json").json["prediction"]
    assert found == pytest.approx(network.predict(columns).tolist())
    evaluated = deltarule("evaluate", "one", "numbers.csv", "--json").json
    assert evaluated["seen"]
    assert evaluated["test_scores"]["rmse"] == rmse[0]
    explained = deltarule("explain", "one", "numbers.csv", "--row", "2", "--column", "a")
    assert explained.status == 0, explained.err
    assert "distill" not in explained.err
    assert (
        "'deltarule distill' trains one network"
        in deltarule("explain", "many.model", "numbers.csv").err
    )


def test_a_distilled_network_knows_the_test_rows_of_its_portfolio(place, deltarule):
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one").status == 0
    network, portfolio = TableModel.load("one"), TableModel.load("many.model")
    columns = dict(zip(ROWS[0], zip(*ROWS[1:], strict=True), strict=True))
    own, of_portfolio = (each.scored_rows(columns) for each in (network, portfolio))
    assert own.part == "test"
    np.testing.assert_array_equal(own.typed.rows, of_portfolio.typed.rows)
    outcome = deltarule("evaluate", "one", "numbers.csv", "--report", "one.html")
    assert outcome.out.count("95 % interval") == 1  # of the test rows, not of all
    page = Path("one.html").read_text(encoding="utf-8")
    assert "On 12 test rows, which the model has not seen; 95 % intervals" in page
    command = re.findall("<code>deltarule (explain one numbers.csv --rows [^<]*)</code>", page)
    assert command == ["explain one numbers.csv --rows test"]
    others = np.setdiff1d(np.arange(60), own.typed.rows)
    for part, kept in (("test", own.typed.rows), ("train", others)):
        listed = deltarule("explain", "one", "numbers.csv", "--rows", part, "--json").json["rows"]
        numbers = sorted(each["row"] for each in listed)
        assert numbers == [row + 1 for row in kept]
    row = str(own.typed.rows[0] + 1)
    assert deltarule("explain", "one", "numbers.csv", "--row", row, "--json").json["part"] == "test"


def test_of_a_network_that_does_not_say_its_test_rows_nothing_is_promised(place, deltarule):
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one").status == 0
    network = TableModel.load("one")
    del (
        network.report["division"],
        network.report["score_intervals"],
    )  # as of earlier versions
    network.save("older")
    outcome = deltarule("evaluate", "older", "numbers.csv", "--report", "older.html")
    assert "95 % interval" not in outcome.out
    page = Path("older.html").read_text(encoding="utf-8")
    assert "On 60 rows of the table that the model was made from, most of which" in page
    assert "bootstrap" not in page
    (command,) = re.findall("<code>deltarule (explain older numbers.csv --rows .*?)</code>", page)
    assert deltarule(*command.split()).status == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": "0.2"}, "test"),
        ({"test": 1.5}, "test"),
        ({"seed": 0.5}, "seed"),
        ({"rows": {"test": -1}}, "negative"),
        ({"more": 1}, "more"),
    ],
)
def test_a_division_of_rows_that_is_none_is_refused(place, deltarule, change, message):
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one").status == 0
    network = TableModel.load("one")
    network.report["division"].update(change)
    network.save("wrong")
    outcome = deltarule("evaluate", "wrong", "numbers.csv")
    assert outcome.status == 3
    assert message in outcome.err


def test_rows_without_a_target_give_no_scores(place, deltarule):
    Path("rows.csv").write_text("\n".join(",".join(row[:3]) for row in ROWS))
    found = deltarule(
        "distill", "many.model", "rows.csv", "--out", "one", "--seed", "5", "--json"
    ).json
    assert (found["model"], found["rows"], found["scores"]) == ("one", {"train": 60}, {})
    assert found["model_fingerprint"] == model_fingerprint("one")
    assert "there are no scores: the rows have no column 'y'" in found["notes"]
    assert TableModel.load("one").settings["seed"] == 5
    # The rows with their targets are those of the portfolio.
    seen = deltarule("evaluate", "one", "numbers.csv", "--json").json
    assert (seen["rows_seen"], seen["score_intervals"]) == (60, {})


def test_a_portfolio_is_updated_in_its_place(place, deltarule):
    raised = "".join(f"{a},{b},{k},{float(y) + 50}\n" for a, b, k, y in ROWS[1:])
    Path("new.csv").write_text("a,b,k,y\n" + raised)
    first = TableModel.load("many.model")
    before = deltarule("evaluate", "many.model", "new.csv", "--json").json["scores"]["rmse"]
    outcome = deltarule("update", "many.model", "new.csv", "--out", "many.model", "--force")
    assert outcome.status == 0, outcome.err
    assert outcome.out.endswith("Saved in many.model: the model.\n")
    model = TableModel.load("many.model")
    assert isinstance(model, PortfolioModel)
    lines = [line.split() for line in outcome.out.splitlines()]
    assert [line[:-3] for line in lines[1:3]] == [
        ["before", "60"],
        ["after,", "out", "of", "fold", "60"],
    ]
    assert model.report["baselines"]["before"]["rmse"] == before
    after = deltarule("evaluate", "many.model", "new.csv", "--json").json
    assert after["scores"]["rmse"] < before
    assert after["seen"]
    assert "its scores on new rows are to be expected lower" in after["notes"][0]  # no test rows
    fitted, known = first.report["fingerprint"], deltarule("inspect", "many.model", "--json").json
    own = {"source": "numbers.csv", "rows": 60, "sha256": fitted}
    more = {"source": "new.csv", "rows": 60, "sha256": model.report["fingerprint"]}
    assert known["trained_on"] == {**own, "row_digests": 120, "further": [more]}
    one, two = (
        f"numbers.csv, 60 rows, sha256 of its cells {fitted}",
        "; then new.csv, 60 rows",
    )
    assert f"\ntrained on: {one}{two}" in deltarule("inspect", "many.model").out
    assert deltarule("evaluate", "many.model", "new.csv", "--report", "r.html").status == 0
    assert f"{fitted[:16]}…" in Path("r.html").read_text(encoding="utf-8")
    assert deltarule("update", "many.model", "numbers.csv", "--out", "two.model").status == 0
    assert deltarule("inspect", "two.model", "--json").json["trained_on"] == known["trained_on"]


def test_a_distilled_network_names_the_table_of_its_portfolio_and_its_own(place, deltarule):
    first = TableModel.load("many.model").report["fingerprint"]
    raised = "".join(f"{a},{b},{k},{float(y) + 50}\n" for a, b, k, y in ROWS[1:])
    Path("new.csv").write_text("a,b,k,y\n" + raised)
    Path("rows.csv").write_text("\n".join(",".join(row[:3]) for row in ROWS))
    for data, known in (("numbers.csv", None), ("new.csv", True), ("rows.csv", False)):
        assert deltarule("distill", "many.model", data, "--out", "one", "--force").status == 0
        found = deltarule("inspect", "one", "--json").json["trained_on"]
        assert (found["source"], found["rows"], found["sha256"]) == ("numbers.csv", 60, first)
        own = [(each["source"], each["rows"], bool(each["sha256"])) for each in found["further"]]
        assert own == ([] if known is None else [(data, 60, known)])


@pytest.mark.parametrize("command", ["distill", "update"])
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("many.model", "--out", "new"), 2, "DATA is missing"),
        (("many.model", "numbers.csv"), 2, "missing option '--out'"),
        (("many.model", "numbers.csv", "--out", "many.model"), 3, "'many.model' exists already"),
        (("numbers.model", "numbers.csv", "--out", "new"), 3,
         "'numbers.model' holds a single network; expected a portfolio"),
        (("gone", "numbers.csv", "--out", "new"), 3, "'gone'"),
        (("many.model", "few.csv", "--out", "new"), 2, "expected at least 20"),
        (("many.model", "classes.csv", "--out", "new"), 3, "'k'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(place, deltarule, command, arguments, status, message):
    Path("few.csv").write_text("\n".join(NUMBERS.splitlines()[:19]))
    before = contents(place)
    outcome = deltarule(command, *arguments)
    assert outcome.status == status, outcome.err
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert contents(place) == before


def test_ctrl_c_saves_nothing(place, deltarule, monkeypatch):

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("deltarule.tabular.distill.train", interrupted)
    monkeypatch.setattr("deltarule.tabular.update.train_many", interrupted)
    for command in ("distill", "update"):
        outcome = deltarule(command, "many.model", "numbers.csv", "--out", "new")
        assert (outcome.status, outcome.err) == (130, "error: interrupted; nothing was saved\n")
    assert not Path("new").exists()
