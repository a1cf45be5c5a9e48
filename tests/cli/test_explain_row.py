"""``deltarule explain MODEL DATA --row R``: what a model says about one row."""

import math
import re

import numpy as np
import pytest
from tests.cli.conftest import NUMBERS

from deltarule import explain
from deltarule.errors import InputError
from deltarule.explain.row_answer import row_answer
from deltarule.tables import apply_schema, read_table
from deltarule.tabular import TableModel

ROW = 7


def table_of(name):
    return read_table(f"{name}.csv")


def answered(deltarule, model, data, *more):
    outcome = deltarule("explain", model, data, "--row", ROW, *more)
    assert outcome.status == 0, outcome.err
    return outcome


def test_a_number_in_the_tables_own_unit(place, deltarule):
    out = answered(deltarule, "numbers.model", "numbers.csv").out
    model, table = TableModel.load("numbers.model"), table_of("numbers")
    answer = answered(deltarule, "numbers.model", "numbers.csv", "--json").json["answer"]
    predicted = float(model.predict(table)[ROW - 1])
    assert answer["predicted"] == pytest.approx(predicted, rel=1e-5)
    assert answer["value"] == pytest.approx(predicted, rel=1e-5)
    head, *rows = (line.split(",") for line in NUMBERS.splitlines())
    assert answer["actual"] == float(rows[ROW - 1][head.index("y")])
    gap = "high" if predicted > answer["actual"] else "low"
    assert re.search(rf"y is predicted as [−\d.]+; the table has [−\d.]+, so .* too {gap}\.", out)
    # The parts of all columns add up to the prediction less that of inputs of 0.
    zeros = model.target.inverse(
        model.model.predict(np.zeros((1, model.encoder.n_features), model.model.net.dtype))
    )
    assert answer["start"] == pytest.approx(float(zeros[0, 0]), rel=1e-4)
    total = math.fsum(column["part"] for column in answer["columns"])
    assert answer["start"] + total == pytest.approx(predicted, rel=1e-4)
    assert {column["name"] for column in answer["columns"]} == {
        code.name for code in model.encoder.column_encoders
    }
    sizes = [abs(column["part"]) for column in answer["columns"]]
    assert sizes == sorted(sizes, reverse=True)
    e = explain(model, apply_schema(model.schema, table))
    assert answer["loss"] == e.cost(ROW - 1).value
    assert answer["mean_loss"] == pytest.approx(e.trace.cost)
    assert answer["larger"] == int((e.subject.per_sample.loss > answer["loss"]).sum())
    assert f"--row {ROW} --column {answer['columns'][0]['name']}" in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_class_with_its_probability(place, deltarule):
    model, table = TableModel.load("classes.model"), table_of("classes")
    probabilities = model.predict_proba(table)
    e = explain(model, apply_schema(model.schema, table))
    seen = set()
    for sample in range(12):
        answer = row_answer(e, sample)
        best = int(probabilities[sample].argmax())
        seen.add(best)
        assert answer.predicted == model.classes[best]
        assert answer.value == pytest.approx(probabilities[sample, best], rel=1e-4)
        total = math.fsum(column.part for column in answer.columns)
        assert answer.start + total - answer.error == pytest.approx(answer.value, rel=1e-9)
        assert abs(answer.error) < 1e-5
        right = answer.predicted == answer.actual
        assert f"so the prediction is {'right' if right else 'wrong'}." in answer.text()
        assert f"with a probability of {100 * answer.value:.1f}"[:-2] in answer.text()
    assert len(seen) == 2  # of one logistic output, both classes
    out = answered(deltarule, "classes.model", "classes.csv").out
    assert "in percentage points of the probability of" in out
    assert "The loss (log loss) is" in out


def test_a_portfolios_member_beside_the_whole(place, deltarule):
    outcome = answered(deltarule, "many.model", "numbers.csv", "--json").json
    whole = float(TableModel.load("many.model").predict(table_of("numbers"))[ROW - 1])
    assert outcome["answer"]["whole"] == pytest.approx(whole, rel=1e-6)
    assert outcome["member"]
    out = answered(deltarule, "many.model", "numbers.csv").out
    assert "The portfolio predicts y as " in out
    assert "Its network, which is explained:" in out


def test_a_distilled_network(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    monkeypatch.setattr("deltarule.tabular.distill._LEAST_EPOCHS", 5)
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one").status == 0
    answer = answered(deltarule, "one", "numbers.csv", "--json").json["answer"]
    predicted = float(TableModel.load("one").predict(table_of("numbers"))[ROW - 1])
    assert answer["value"] == pytest.approx(predicted, rel=1e-4)
    assert answer["whole"] is None


def test_the_derivation_of_the_loss_is_there_when_asked_for(place, deltarule):
    short = answered(deltarule, "classes.model", "classes.csv")
    assert "C₆ = " not in short.out
    assert "below it is sample" not in short.out
    long = answered(deltarule, "classes.model", "classes.csv", "--depth", 1)
    assert "C₆ = Σ_j" in long.out
    assert "below it is sample 6" in long.out
    both = answered(deltarule, "classes.model", "classes.csv", "--json").json
    assert both["derivations"]["cost"]["value"] == both["answer"]["loss"]


def test_rows_of_arrays_have_no_columns():
    from deltarule import Network

    e = explain(Network([1, 1], [], bias=False), [[2.0]], [[1.0]], theta=[0.25])
    with pytest.raises(InputError, match="do not come from a table"):
        row_answer(e, 0)
