"""``deltarule explain --rows``: rows by number; and what is said of another table."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import NUMBERS

from deltarule.tables import apply_schema, read_table
from deltarule.tabular import TableModel, TableSettings
from deltarule.tabular.splitting import table_parts


def parts_of(name):
    """The model, its typed rows and the parts of them, by the functions that trained it."""
    model = TableModel.load(f"{name}.model")
    typed = apply_schema(model.schema, read_table(f"{name}.csv"))
    settings = TableSettings(**{each: model.settings[each] for each in ("test", "valid", "seed")})
    return model, typed, table_parts(model.schema, typed, settings)


@pytest.mark.parametrize("part", ["test", "valid", "train"])
@pytest.mark.parametrize("name", ["numbers", "classes"])
def test_the_rows_of_a_part_the_largest_error_first(name, part, place, deltarule):
    model, typed, parts = parts_of(name)
    outputs = model.outputs(typed)
    if name == "numbers":
        errors = np.abs(outputs - np.asarray(typed.target))
    else:
        truth = [model.classes.index(str(each)) for each in typed.target]
        errors = 1 - outputs[np.arange(len(truth)), truth]
    found = deltarule(
        "explain", f"{name}.model", f"{name}.csv", "--rows", part, "--json", "--terms", 2
    ).json
    numbers = [each["row"] - 1 for each in found["rows"]]
    assert sorted(numbers) == sorted(parts[part].tolist())
    assert np.all(np.diff(errors[numbers]) <= 1e-12)
    first = found["rows"][0]
    assert first["actual"] == typed.target[numbers[0]]
    text = deltarule("explain", f"{name}.model", f"{name}.csv", "--rows", part, "--terms", 2).out
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if re.match(r"row +y  ", line))
    assert [int(line.split()[0]) - 1 for line in lines[head + 1 : head + 3]] == numbers[:2]
    assert f"{len(numbers) - 2} more, with smaller errors: --terms {len(numbers)} lists" in text
    listed = text.split("by number:")[1].split("Look next")[0]
    assert [int(each) - 1 for each in re.findall(r"\d+", listed)] == sorted(numbers)
    assert f"explain {name}.model {name}.csv --row {numbers[0] + 1}\n" in text


def test_a_portfolio_has_test_rows_and_no_validation_rows(place, deltarule):
    found = deltarule("explain", "many.model", "numbers.csv", "--rows", "test", "--json").json
    assert len(found["rows"]) == 12
    none = deltarule("explain", "many.model", "numbers.csv", "--rows", "valid")
    assert none.status == 2
    assert "this model has no validation rows; expected one of test, train, all" in none.err


def test_another_table_has_no_parts_and_is_said_to_be_another(place, deltarule):
    Path("other.csv").write_text("".join(NUMBERS.splitlines(keepends=True)[:41]))
    refused = deltarule("explain", "numbers.model", "other.csv", "--rows", "test")
    assert refused.status == 2
    assert "not the table that the model was made from ('numbers.csv'), which has 60 rows" in (
        refused.err
    )
    assert "--rows all lists the rows of any table" in refused.err
    every = deltarule("explain", "numbers.model", "other.csv", "--rows", "all")
    assert every.out.startswith("numbers.model: 40 rows of other.csv; the largest error first\n")
    assert "made from ('numbers.csv')" in every.out
    for more in ((), ("--row", 3), ("--weight", "1,0,0")):
        outcome = deltarule("explain", "numbers.model", "other.csv", *more)
        assert "of another table than the training's" in " ".join(outcome.out.split())
        assert "note: these rows are not the table that the model was made from" in outcome.err
        assert deltarule("explain", "numbers.model", "other.csv", *more, "--json").json[
            "table_of_training"
        ] is (False)
    own = deltarule("explain", "numbers.model", "numbers.csv", "--row", 3)
    assert "another table" not in own.out + own.err
    assert deltarule("explain", "numbers.model", "numbers.csv", "--json").json["table_of_training"]


@pytest.mark.parametrize(
    ("more", "parameter"),
    [
        (["--rows", "tests"], "--rows"),
        (["--rows", "test", "--row", "3"], "--row"),
        (["--rows", "test", "--weight", "1,0,0"], "--weight"),
        (["--rows", "test", "--html", "a.html"], "--html"),
        (["--rows", "test", "--depth", "2"], "--depth"),
    ],
)
def test_what_does_not_go_with_a_list(more, parameter, place, deltarule):
    outcome = deltarule("explain", "numbers.model", "numbers.csv", *more, "--json")
    assert outcome.status == 2
    assert outcome.json["parameter"] == parameter
