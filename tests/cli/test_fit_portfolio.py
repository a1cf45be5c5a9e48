"""``deltarule fit`` without a setting of a single network, and the commands on its model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import NUMBERS
from tests.tabular.small_portfolio import FEW, train_few_configurations

from deltarule.cli.status import execute
from deltarule.tabular import NetworkModel, PortfolioModel, TableModel
from deltarule.training.inspection import model_fingerprint

USAGE, DATA = 2, 3
FIT = ("fit", "more.csv", "-t", "y", "--out", "p")
MORE = NUMBERS + "".join(
    f"{i % 7},{i * 0.5},{'pq'[i % 2]},{i % 7 * 2 + i % 3}\n" for i in range(60, 200)
)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    return train_few_configurations(monkeypatch)


@pytest.fixture
def fitted(place, deltarule):
    """A folder with more.csv and its portfolio, p; the outcome of the command."""
    Path("more.csv").write_text(MORE)
    outcome = deltarule(*FIT)
    assert outcome.status == 0, outcome.err
    return outcome


def test_the_leaderboard_the_scores_and_the_verdict_are_printed(fitted):
    board = TableModel.load("p").report["leaderboard"]
    lines = [line.split() for line in fitted.out.splitlines()]
    at = lines.index(
        ["configuration", "out-of-fold", "squared", "error", "weight", "networks", "seconds"]
    )
    for each, printed in zip(board, lines[at + 1 : at + 5], strict=True):
        assert printed[:4] == [
            each["configuration"],
            f"{each['out_of_fold_loss']:.4g}",
            f"{each['weight']:.2f}",
            f"{each['networks']}",
        ]
    for name in ("training, out of fold", "test, constant baseline", "test, linear baseline"):
        assert name in fitted.out
    assert "on the 40 test rows, the portfolio is\n" in fitted.out
    assert fitted.out.endswith("Saved in p: the model, report.html.\n")


def test_one_json_object_has_all_of_it(place, deltarule):
    Path("more.csv").write_text(MORE)
    found = deltarule(*FIT, "--json", "--quality", "fast", "--time-budget", "60").json
    assert found["model_fingerprint"] == model_fingerprint("p")
    again = deltarule(*FIT[:-1], "q", "--json", "--quality", "fast", "--time-budget", "60").json
    assert again["seconds"] != found["seconds"]
    assert again["model_fingerprint"] == found["model_fingerprint"]
    settings = {"test": 0.2, "seed": 0, "quality": "fast", "time_budget": 60.0}
    assert found["settings"] == {**settings, "precision": "full"}
    assert {each["configuration"] for each in found["leaderboard"]} == {c.name for c in FEW}
    assert found["rows"] == {"test": 40, "train": 160}
    assert set(found["scores"]) == {"test", "out_of_fold"}
    assert found["against_linear"]["pairs"] == 40
    assert "network" not in found


@pytest.mark.parametrize(
    "more",
    [
        # A default that is given counts.
        ("--epochs", "2", "--layers", "4"),
        ("--record", "--epochs", "2", "--patience", "20"),
        ("--folds", "0", "--valid", "0.1", "--epochs", "3"),
    ],
)
def test_an_option_of_a_single_network_trains_it(place, deltarule, few, more):
    outcome = deltarule(*FIT[:1], "numbers.csv", *FIT[2:], *more)
    assert outcome.status == 0, outcome.err
    assert isinstance(TableModel.load("p"), NetworkModel)
    assert not few


def test_a_default_that_is_given_counts(place, deltarule):
    outcome = deltarule(*FIT[:1], "numbers.csv", *FIT[2:], "--dropout", "0", "--quality", "fast")
    assert outcome.status == USAGE
    assert outcome.err == (
        "error: --quality was given with --dropout, which is a setting of a single network; "
        "expected one or the other; leave --dropout out for a portfolio, or --quality for a single "
        "network\n"
    )
    assert not Path("p").exists()


def test_both_at_once_are_refused_before_the_table_is_read(place, deltarule):
    outcome = deltarule("fit", "gone.csv", "-t", "y", "--record", "--time-budget", "3", "--json")
    assert outcome.status == USAGE
    assert outcome.json["parameter"] == ["--time-budget", "--record"]


def test_predict_and_evaluate_use_the_portfolio(fitted, deltarule):
    model = TableModel.load("p")
    assert isinstance(model, PortfolioModel)
    found = deltarule("predict", "p", "more.csv", "--json").json["prediction"]
    scores = deltarule("evaluate", "p", "more.csv", "--json").json
    assert len(found) == 200
    assert scores["seen"]
    assert scores["test_scores"] == model.report["scores"]["test"]
    y = np.array([float(line.split(",")[3]) for line in MORE.splitlines()[1:]])
    assert scores["scores"]["rmse"] == pytest.approx(np.sqrt(np.mean((y - found) ** 2)))


def test_intervals_are_two_more_columns(fitted, deltarule, place):
    Path("ids.csv").write_text(MORE)
    outcome = deltarule("predict", "p", "ids.csv", "--coverage", ".8", "--id", "b")
    lines = [line.split(",") for line in outcome.out.splitlines()]
    assert lines[0] == ["b", "prediction", "lower", "upper"]
    columns = dict(
        zip(
            "abky",
            zip(*(row.split(",") for row in MORE.splitlines()[1:]), strict=True),
            strict=True,
        )
    )
    expected = TableModel.load("p").predict_interval(columns, 0.8)
    assert np.array(lines[1:])[:, 2:].astype(float) == pytest.approx(expected)
    found = deltarule("predict", "p", "ids.csv", "--coverage", ".8", "--json").json
    assert found["lower"] == pytest.approx(expected[:, 0].tolist())
    for model in ("numbers.model", "classes.model"):
        outcome = deltarule("predict", model, f"{model[:7]}.csv", "--coverage", ".9")
        assert outcome.status == USAGE
        assert outcome.err == (
            f"error: --coverage was given, and '{model}' has no intervals; expected a portfolio of "
            "networks for a number; leave --coverage out\n"
        )


def test_explain_says_which_network_it_explains(fitted, deltarule):
    first = TableModel.load("p").members()[0]
    outcome = deltarule("explain", "p", "more.csv")
    name = first.configuration.name
    assert outcome.out.startswith(
        f"p: network 1 of {len(first.models)} of the member '{name}' (wei"
    )
    last = TableModel.load("p").members()[-1].configuration.name
    outcome = deltarule("explain", "p", "more.csv", "--member", last, "--row", 3, "--json")
    assert (outcome.json["member"], outcome.json["network"]) == (last, 1)
    page = deltarule("explain", "p", "more.csv", "--row", 2, "--column", "a", "--html", "p.html")
    assert page.status == 0, page.err
    assert Path("p.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("p", "more.csv", "--member", "no"), USAGE, "--member is 'no'; expected one of 'linear'"),
        (("numbers.model", "more.csv", "--member", "silu"), USAGE, "leave --member out"),
        (("kept.model", "--step", "1", "--member", "silu"), USAGE, "leave --member out"),
        (("p", "more.csv", "--step", "1"), DATA, "train one with 'deltarule fit --record'"),
        (("p",), USAGE, "DATA is missing"),
    ],
)
def test_what_cannot_be_explained(place, deltarule, stored, arguments, status, message):
    stored()
    outcome = deltarule("explain", *arguments)
    assert outcome.status == status
    if message.startswith("--member is"):
        message = message.removesuffix("'linear'")
    assert message in outcome.err


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Writes more.csv and its portfolio, p, which is trained once, to the current folder."""
    kept = []

    def write():
        Path("more.csv").write_text(MORE)
        if not kept:
            assert execute([*FIT, "-q"]) == 0
            kept.append(TableModel.load("p"))
        else:
            kept[0].save("p")

    return write


def test_a_portfolio_replaces_a_network_and_its_picture(place, deltarule):
    assert Path("numbers.model/loss.svg").exists()
    outcome = deltarule("fit", "numbers.csv", "-t", "y", "--force", "-q")
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in Path("numbers.model").iterdir()) == [
        "arrays.safetensors",
        "manifest.json",
        "model.json",
        "report.html",
        "times.json",
    ]
    assert json.loads(Path("numbers.model/manifest.json").read_text())["version"] == 2
