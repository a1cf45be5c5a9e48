"""``deltarule explain MODEL DATA --row R``: what a model says about one row."""

import dataclasses
import json
import math
import re
import shlex
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import NUMBERS

from deltarule import explain
from deltarule.errors import InputError
from deltarule.explain.number_format import short
from deltarule.explain.portfolio_parts import portfolio_parts
from deltarule.explain.row_answer import model_answer, row_answer
from deltarule.explain.row_text import LEFT
from deltarule.explain.training_parts import training_parts
from deltarule.tables import apply_schema, read_table
from deltarule.tables.random_features import RandomFeatures
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics.rows import scored_rows
from deltarule.tabular.portfolio.members import encoders_of
from deltarule.tabular.scores import row_losses

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
    # It is a row that was learned from, and compared with these.
    like = np.array(training_parts(model, e.subject.table.typed)) == "train"
    losses = e.subject.per_sample.loss[like]
    assert (answer["part"], answer["rows"]) == ("train", len(losses))
    assert answer["mean_loss"] == pytest.approx(losses.mean())
    assert answer["larger"] == int((losses > answer["loss"]).sum()) != answer["rows"]
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


def printed_parts(text):
    """The printed numbers of the parts with their names, from the start to the prediction."""
    block = text[text.index("What made it so") :].split("\n\n")[0].splitlines()
    start = next(i for i, line in enumerate(block) if "the start: " in line)
    end = next(i for i, line in enumerate(block) if "together, the prediction" in line)
    lines = [line.rsplit(maxsplit=1) for line in block[start : end + 1]]
    return [(name.strip(), Decimal(value.replace("−", "-"))) for name, value in lines]


@pytest.mark.parametrize("name", ["numbers", "classes"])
@pytest.mark.parametrize("missed", [0.0, 3e-3, -0.2])
def test_printed_numbers_add_up_to_the_prediction(place, name, missed):
    model = TableModel.load(f"{name}.model")
    e = explain(model, apply_schema(model.schema, table_of(name)))
    for sample in range(4):
        answer = row_answer(e, sample)
        first, *others = answer.columns
        # As if the numerical integration were so far off.
        first = dataclasses.replace(first, part=first.part + missed * answer.value)
        answer = dataclasses.replace(answer, columns=(first, *others))
        text = answer.text()
        *parts, (_, total) = printed_parts(text)
        unit = Decimal(1).scaleb(total.as_tuple().exponent)
        assert abs(sum(value for _, value in parts) - total) <= unit * (len(parts) + 1) / 2
        left = [value for name, value in parts if name.startswith(LEFT)]
        assert bool(left) == (missed != 0)
        assert "may be larger than any change of the prediction" in " ".join(text.split())


def test_a_whole_portfolio(place, deltarule):
    outcome = answered(deltarule, "many.model", "numbers.csv", "--json").json
    model, table = TableModel.load("many.model"), table_of("numbers")
    answer, predictions = outcome["answer"], model.predict(table)
    whole = float(predictions[ROW - 1])
    assert answer["predicted"] == pytest.approx(whole, rel=1e-6)
    assert answer["value"] == pytest.approx(whole, rel=1e-5)
    assert answer["networks"] == sum(len(each.models) for each in model.members())
    total = math.fsum(column["part"] for column in answer["columns"])
    sizes = math.fsum(abs(column["part"]) for column in answer["columns"])
    assert abs(answer["start"] + total - answer["value"]) < 2e-4 * sizes
    actual = np.array([float(line.split(",")[-1]) for line in NUMBERS.splitlines()[1:]])
    squares = (predictions - actual) ** 2
    assert answer["loss"] == pytest.approx(squares[ROW - 1])
    # It is a test row, and compared with these.
    test = scored_rows(model, table).typed.rows
    assert (answer["part"], answer["rows"]) == ("test", len(test))
    assert answer["larger"] == int((squares[test] > squares[ROW - 1]).sum())
    assert answer["typical_error"] == pytest.approx(math.sqrt(squares[test].mean()))
    out = answered(deltarule, "many.model", "numbers.csv").out
    assert "The portfolio predicts y as " in out
    low, high = model.predict_interval(table, 0.9)[ROW - 1]
    assert answer["interval"] == pytest.approx([low, high])
    inside = low <= actual[ROW - 1] <= high
    where = "in" if inside else "above" if actual[ROW - 1] > high else "below"
    said = f"The 90 % interval, such as holds nine of ten new rows, is {short(low, 6)} to "
    said += f"{short(high, 6)}; the table's number is {where} it."
    assert said in " ".join(out.split())
    gap = short(abs(whole - actual[ROW - 1]), 6)
    assert f"so the prediction is {gap} too" in out
    assert "deltarule distill many.model numbers.csv --out one.model\n" in out


def test_parts_of_a_portfolio_are_those_of_its_members(place):
    """Of one member of one network the parts are those of that network."""
    model = TableModel.load("many.model")
    typed = apply_schema(model.schema, table_of("numbers"))
    one = model.member()
    alone = dataclasses.replace(one, models=one.models[:1], weight=1.0)
    encoders = encoders_of([alone], model.portfolio.encoders)
    # A portfolio predicts no number out of the range of training, a network may.
    wide = dataclasses.replace(model.portfolio.target, low=-1e9, high=1e9)
    portfolio = dataclasses.replace(
        model.portfolio, target=wide, members=(alone,), encoders=encoders
    )
    single = model_answer(model.network(), typed, ROW - 1)
    found = portfolio_parts(portfolio, typed.take([ROW - 1]))
    assert found.value == pytest.approx(single.value, rel=1e-6)
    assert found.start == pytest.approx(single.start, rel=1e-6)
    sizes = sum(abs(each.part) for each in single.columns)
    for each in single.columns:
        assert found.columns[each.name] == pytest.approx(each.part, abs=2e-4 * sizes)


def test_random_features_pass_slopes_on():
    features = RandomFeatures(pairs=5, scale=2.0, n_inputs=3, n_columns=2)
    rng = np.random.default_rng(0)
    x, slopes, h = rng.normal(size=(4, 3)), rng.normal(size=(4, 10)), 1e-6

    def at(points):
        found = np.zeros((4, 10))
        features.write(points, found)
        return found

    exact = features.input_slopes(at(x), slopes)
    for k, step in enumerate(np.eye(3) * h):
        numeric = ((at(x + step) - at(x - step)) / (2 * h) * slopes).sum(axis=1)
        np.testing.assert_allclose(exact[:, k], numeric, atol=1e-7)


def test_a_portfolios_member_beside_the_whole(place, deltarule):
    name = TableModel.load("many.model").member().configuration.name
    outcome = answered(deltarule, "many.model", "numbers.csv", "--member", name, "--json").json
    whole = float(TableModel.load("many.model").predict(table_of("numbers"))[ROW - 1])
    assert outcome["answer"]["whole"] == pytest.approx(whole, rel=1e-6)
    assert outcome["member"] == name
    out = answered(deltarule, "many.model", "numbers.csv", "--member", name).out
    assert "The portfolio predicts y as " in out
    assert "Its network, which is explained:" in out


@pytest.mark.parametrize("name", ["numbers", "classes", "many"])
def test_other_cells_are_predicted_as_predict_does(place, name):
    model = TableModel.load(f"{name}.model")
    data = Path("numbers.csv" if name == "many" else f"{name}.csv")
    typed = apply_schema(model.schema, read_table(data))
    answer = model_answer(model, typed, ROW - 1)
    head, *lines = data.read_text().splitlines()
    names, n = head.split(","), 0
    assert {change.name for change in answer.changes} == {each.name for each in answer.columns}
    for change in answer.changes:
        assert change.values
        for cell, value in change.values:
            row = lines[ROW - 1].split(",")
            assert change.cell != cell
            row[names.index(change.name)] = str(cell)
            Path("other.csv").write_text(f"{head}\n{','.join(row)}\n")
            outputs = model.outputs(apply_schema(model.schema, read_table("other.csv")))[0]
            expected = outputs[model.classes.index(answer.predicted)] if model.classes else outputs
            assert value == pytest.approx(float(expected), rel=1e-6)
            n += 1
    assert n >= 5
    sizes = [change.largest(answer.value) for change in answer.changes]
    assert sizes == sorted(sizes, reverse=True)
    assert "Had one cell been another" in answer.text()


@pytest.mark.parametrize("name", ["numbers", "classes", "many"])
def test_a_row_without_a_target_is_explained_too(place, deltarule, name):
    data = "numbers.csv" if name == "many" else f"{name}.csv"
    whole = answered(deltarule, f"{name}.model", data, "--json").json["answer"]
    lines = [line.rsplit(",", 1)[0] for line in Path(data).read_text().splitlines()]
    Path("bare.csv").write_text("\n".join(lines) + "\n")
    bare = answered(deltarule, f"{name}.model", "bare.csv", "--json").json["answer"]
    assert (bare["actual"], bare["loss"]) == (None, None)
    for key in ("predicted", "value", "start", "columns", "changes"):
        assert bare[key] == whole[key], key
    out = answered(deltarule, f"{name}.model", "bare.csv").out
    assert "the table has no y for it to be compared with" in out
    assert "loss" not in out
    page = deltarule("explain", f"{name}.model", "bare.csv", "--row", ROW, "--html", "p.html")
    assert page.status == 3
    assert not Path("p.html").exists()


def test_one_row_alone_is_tried_within_the_range_of_training(place):
    model = TableModel.load("numbers.model")
    Path("new.csv").write_text("a,b,k\n3,4.5,q\n")
    typed = apply_schema(model.schema, read_table("new.csv"), need_target=False)
    changes = {each.name: each for each in model_answer(model, typed, 0).changes}
    assert [cell for cell, _ in changes["b"].values] == [0.0, 7.375, 14.75, 22.125, 29.5]
    assert [cell for cell, _ in changes["k"].values] == ["p"]


def test_more_columns_and_digits(place, deltarule):
    few = answered(deltarule, "numbers.model", "numbers.csv", "--terms", 1).out
    assert "2 other columns" in few
    assert "--row 7 --terms 3\n" in few
    most = answered(deltarule, "numbers.model", "numbers.csv", "--terms", 3).out
    assert "other column" not in most
    assert "C₆ = " not in most
    numbers = [line.split()[-1] for line in most.split("What made it so")[1].splitlines()[1:6]]
    assert len({len(number.partition(".")[2]) for number in numbers}) == 1  # decimals aligned
    assert "−" not in numbers[0] or numbers[0].count("−") == 1


@pytest.mark.parametrize("name", ["numbers", "many"])
def test_which_part_of_the_training_a_row_was_in(place, deltarule, name):
    model, table = TableModel.load(f"{name}.model"), table_of("numbers")
    typed = apply_schema(model.schema, table)
    parts = training_parts(model, typed)
    counts = {part: parts.count(part) for part in set(parts)}
    assert counts == model.report["rows"]
    said = {"train": "learned from", "valid": "validation row", "test": "did not see"}
    out = answered(deltarule, f"{name}.model", "numbers.csv").out
    assert said[parts[ROW - 1]] in out
    lines = Path("numbers.csv").read_text().splitlines()
    Path("other.csv").write_text("\n".join(lines[:40]) + "\n")
    assert "whether it learned from such a row is not known" in " ".join(
        answered(deltarule, f"{name}.model", "other.csv").out.split()
    )


def test_commands_to_look_next_at_work_as_they_stand(place, deltarule):
    Path("two words.csv").write_text(Path("numbers.csv").read_text().replace(",", ";"))
    model = "numbers.model"
    out = answered(deltarule, model, "two words.csv", "--delimiter", ";").out
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("  deltarule ")]
    assert len(commands) == 3
    for program, *words in commands:
        assert program == "deltarule"
        assert deltarule(*words).status == 0, words


def test_a_distilled_network(place, deltarule, monkeypatch):
    monkeypatch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    monkeypatch.setattr("deltarule.tabular.distill._LEAST_EPOCHS", 5)
    assert deltarule("distill", "many.model", "numbers.csv", "--out", "one").status == 0
    answer = answered(deltarule, "one", "numbers.csv", "--json").json["answer"]
    predicted = float(TableModel.load("one").predict(table_of("numbers"))[ROW - 1])
    assert answer["value"] == pytest.approx(predicted, rel=1e-4)
    assert answer["whole"] is None
    assert answer["interval"] is None


def test_the_derivation_of_the_loss_is_there_when_asked_for(place, deltarule):
    short = answered(deltarule, "classes.model", "classes.csv")
    assert "C₆ = " not in short.out
    assert "it is sample" not in short.out
    long = answered(deltarule, "classes.model", "classes.csv", "--depth", 1)
    assert "C₆ = Σ_j" in long.out
    assert "in the derivation it is sample 6, from 0" in long.out
    both = answered(deltarule, "classes.model", "classes.csv", "--json").json
    assert both["derivations"]["cost"]["value"] == both["answer"]["loss"]


def test_rows_of_arrays_have_no_columns():
    from deltarule import Network

    e = explain(Network([1, 1], [], bias=False), [[2.0]], [[1.0]], theta=[0.25])
    with pytest.raises(InputError, match="do not come from a table"):
        row_answer(e, 0)


def test_a_table_before_the_model_says_the_order(place, deltarule):
    for command in ("explain", "predict"):
        outcome = deltarule(command, "numbers.csv", "numbers.model")
        assert outcome.status == 3
        assert "MODEL DATA" in outcome.err


def test_a_number_far_from_training_is_noted(place, deltarule):
    Path("far.csv").write_text("a,b,k\n3,4500,q\n")
    for command in (
        ("explain", "numbers.model", "far.csv", "--row", 1),
        ("predict", "many.model", "far.csv"),
    ):
        outcome = deltarule(*command)
        assert outcome.status == 0
        assert "column 'b': 1 cell is far outside the range of training" in outcome.err


def test_the_page_of_a_portfolio_has_its_answer_on_the_row(place, deltarule):
    answer = answered(deltarule, "many.model", "numbers.csv", "--json").json["answer"]
    printed = answered(deltarule, "many.model", "numbers.csv", "--html", "page.html")
    assert printed.out.startswith(f"many.model: the portfolio, row {ROW} (line {ROW + 1}) of ")
    assert "derivations are of network 1 of" in printed.err + printed.out
    text = Path("page.html").read_text(encoding="utf-8")
    payload = json.loads(re.search(r'id="payload">(.*?)</script>', text)[1])
    # Other rows can be chosen there, so the title names none.
    assert payload["title"].startswith("the portfolio; drawn: network 1 of ")
    assert f"row {ROW}" not in payload["title"]
    found = payload["answer"]
    assert found["whole"] == {"sample": ROW - 1, **answer}
    predicted = TableModel.load("many.model").predict(table_of("numbers"))
    assert found["portfolio"]["predicted"] == pytest.approx(predicted.tolist(), rel=1e-6)
    assert found["portfolio"]["networks"] == answer["networks"]
    assert found["cells"][ROW - 1] == answer["actual"]


def test_a_test_row_of_a_portfolio_is_compared_with_test_rows(place, deltarule):
    model = TableModel.load("many.model")
    typed = apply_schema(model.schema, read_table("numbers.csv"))
    test = scored_rows(model, typed)
    number = int(test.typed.rows[0])
    losses = row_losses("regression", test.truth, test.outputs)
    answer = model_answer(model, typed, number)
    assert (answer.part, answer.rows) == ("test", len(test)) == ("test", 12)
    assert answer.mean_loss == pytest.approx(losses.mean(), rel=1e-6)
    assert answer.larger == (losses > losses[0]).sum()
    out = deltarule("explain", "many.model", "numbers.csv", "--row", number + 1).out
    said = " ".join(out.split())
    assert "over the 12 test rows the root mean square is" in said
    assert re.search(r"(\d+|no other) of them ha(s|ve) a larger loss", said)
    # Of another table all rows are compared.
    other = model_answer(model, typed.take(np.arange(30)), 0)
    assert (other.part, other.rows) == ("", 30)
    assert "over the 30 rows given here the root mean square" in " ".join(other.text().split())


@pytest.mark.parametrize("kind", ["test", "train", "valid"])
def test_a_row_of_one_network_is_compared_with_rows_of_its_own_part(place, kind):
    model, table = TableModel.load("classes.model"), table_of("classes")
    typed = apply_schema(model.schema, table)
    parts = training_parts(model, typed)
    own = np.flatnonzero(np.array(parts) == kind)
    answer = model_answer(model, typed, int(own[0]))
    losses = explain(model, typed).subject.per_sample.loss
    assert (answer.part, answer.rows) == (kind, len(own))
    assert 0 < len(own) < len(typed)
    assert answer.mean_loss == pytest.approx(losses[own].mean(), rel=1e-6)
    assert answer.larger == int((losses[own] > losses[own[0]]).sum())
    words = {"test": "test rows", "train": "training rows", "valid": "validation rows"}[kind]
    assert f"; the mean over the {len(own)} {words} is " in " ".join(answer.text().split())
    # Where only the table is known to be that of the training, it says so.
    answer = row_answer(
        explain(model, typed), 0, model=model, typed=typed, parts=["seen"] * len(typed)
    )
    said = f"over the {len(typed)} rows of the table, most of which the model learned from is"
    assert said in " ".join(answer.text().split())


def payload_in(name):
    text = Path(name).read_text(encoding="utf-8")
    return json.loads(re.search(r'id="payload">(.*?)</script>', text)[1])


def test_a_row_of_a_sampled_table_is_compared_with_all_rows_of_its_part(
    place, deltarule, monkeypatch
):
    command = ("explain", "numbers.model", "numbers.csv", "--row", ROW, "--json", "--force")
    whole = deltarule(*command, "--html", "whole.html").json
    full = payload_in("whole.html")["answer"]
    parts = full["parts"]
    assert {"train", "test"} <= set(parts)
    model = TableModel.load("numbers.model")
    most = 45
    # The share is that of a sample of thousands of rows.
    monkeypatch.setattr("deltarule.cli.explain_sample._WORST_SHARE", 0.1)
    monkeypatch.setattr(
        "deltarule.cli.run_explain._MOST_NUMBERS", most * sum(model.model.net.widths)
    )
    found = deltarule(*command, "--html", "some.html").json
    # The same answer as of the whole table, the cells that were tried included.
    assert found["answer"].keys() == whole["answer"].keys()
    for name, value in whole["answer"].items():
        if isinstance(value, float):
            assert found["answer"][name] == pytest.approx(value, rel=1e-9), name
        else:
            assert found["answer"][name] == value, name
    assert (found["answer"]["part"], found["part"]) == ("train", "train")
    assert found["answer"]["rows"] == parts.count("train") > most / 2
    some = payload_in("some.html")
    at = [int(row) - 1 for row in some["names"]["rows"]]
    assert len(at) == most < len(parts)
    assert some["answer"]["parts"] == [parts[i] for i in at]
    assert some["answer"]["larger"] == [full["larger"][i] for i in at]
    assert some["answer"]["tried"] == full["tried"]
    for part, of_part in full["compared"].items():
        found_part = some["answer"]["compared"][part]
        assert found_part.pop("words") == of_part.pop("words")
        assert found_part == pytest.approx(of_part, rel=1e-9)
    # The test rows with the largest losses are in the sample.
    e = explain(model, apply_schema(model.schema, table_of("numbers")))
    losses = np.where(np.array(parts) == "test", e.subject.per_sample.loss, -1.0)
    worst = np.argsort(-losses, kind="stable")[:4]
    assert set(worst.tolist()) <= set(at)
    assert "the 4 test rows with the largest losses among them" in found["notes"][-1]


def test_a_portfolios_row_of_a_sampled_table_is_compared_with_all_rows_of_its_part(
    place, deltarule, monkeypatch
):
    command = ("explain", "many.model", "numbers.csv", "--row", ROW, "--json")
    whole = deltarule(*command).json["answer"]
    monkeypatch.setattr("deltarule.cli.run_explain._MOST_NUMBERS", 1000)
    found = deltarule(*command, "--html", "many.html")
    assert "evenly spaced, the row asked for" in " ".join(found.json["notes"])
    assert found.json["answer"] == whole
    assert whole["part"] == "test"
    answer = payload_in("many.html")["answer"]
    assert set(answer["parts"]) <= {"train", "test"}
    assert answer["compared"]["test"]["words"] == "test rows"
    assert answer["compared"]["test"]["rows"] == whole["rows"]


def test_a_rows_part_is_known_at_a_step_of_training(place, deltarule):
    """A batch, or one row, is not the table that the model was made from."""
    for row in (None, "1", "2", "3", "4"):
        chosen = () if row is None else ("--row", row)
        page = ("--html", "step.html", "--force")
        outcome = deltarule("explain", "kept.model", "kept.csv", "--step", 2, *chosen, *page)
        assert outcome.status == 0, outcome.err
        answer = payload_in("step.html")["answer"]
        assert set(answer["parts"]) <= {"train", "valid", "test"}
        assert "another table" not in " ".join(answer["part_words"].values())
        assert "rows given here" not in " ".join(outcome.out.split())
