"""A stored schema applied to other tables."""

import numpy as np
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import Schema, Table, TextColumn, apply_schema, infer_schema, read_table


@pytest.fixture
def train(make_table):
    return make_table(
        source="train.csv",
        age=[str(20 + i) for i in range(40)],
        town=["a", "b", "c", None] * 10,
        day=[f"2020-02-{1 + i % 28:02d}" for i in range(40)],
        y=["yes", "no"] * 20,
        w=[1.0 + i for i in range(40)],
    )


@pytest.fixture
def schema(train):
    return Schema.from_dict(infer_schema(train, "y", weights="w", ignore="day").to_dict())


def test_the_training_table(schema, train):
    typed = apply_schema(schema, train)
    assert list(typed.columns) == ["age", "town"]
    assert typed.columns["age"].dtype == np.float64
    assert typed.columns["town"][:4].tolist() == ["a", "b", "c", None]
    assert typed.target[:2].tolist() == ["yes", "no"]
    assert typed.weights.tolist() == train["w"].tolist()
    assert typed.rows.tolist() == list(range(40))
    assert typed.notes == ()
    part = typed.take([3, 1])
    assert (part.rows.tolist(), part.target.tolist(), part.weights.tolist(), len(part)) == (
        [3, 1],
        ["no", "no"],
        [4.0, 2.0],
        2,
    )
    with pytest.raises(InputError, match="expected row numbers from 0 to 39"):
        typed.take([40])


def test_predictions_need_no_target(schema, make_table):
    new = make_table(town=["z", "?"], age=[33.0, np.nan], colour=["r", "g"], day=["x", "y"])
    typed = apply_schema(schema, new, need_target=False)
    assert typed.target is None
    assert typed.weights is None
    assert typed.columns["town"].tolist() == ["z", "?"]
    assert typed.notes == ("columns that the model does not know are left out: colour",)


def test_a_target_that_is_not_needed_is_not_looked_at(schema, make_table):
    new = make_table(age=["1"], town=["a"], y=["no class"], w=["x"])
    assert apply_schema(schema, new, need_target=False).target is None


def test_the_schemas_missing_tokens_hold(make_table):
    train = make_table(a=["1", "2", "-999", "5"], b=["0", "4", "5", "6"], y=[1.0, 2.0, 3.0, 4.0])
    schema = infer_schema(train, "y", na="-999")
    new = make_table(a=["-999", "7"], b=["0", "1"])
    typed = apply_schema(schema, new, need_target=False)
    np.testing.assert_array_equal(typed.columns["a"], [np.nan, 7])
    schema = infer_schema(train, "y", na={"b": "0"})
    typed = apply_schema(schema, new, need_target=False)
    np.testing.assert_array_equal(typed.columns["a"], [-999, 7])
    np.testing.assert_array_equal(typed.columns["b"], [np.nan, 1])


def test_missing_columns_are_all_named(schema, make_table):
    new = make_table(source="new.csv", Age=["1"], city=["a"], y=["yes"])
    with pytest.raises(DataError) as caught:
        apply_schema(schema, new)
    assert str(caught.value) == (
        "new.csv lacks 3 of the columns the model needs: 'age' (is it 'Age'?), 'town', "
        "'w' (the weights); expected the columns it was made from; it has: Age, city, y; "
        "rename a column that has another name there"
    )
    assert apply_schema(
        schema, make_table(age=["1"], town=["a"], y=["yes"]), need_weights=False
    ).target.tolist() == ["yes"]
    with pytest.raises(DataError, match=r"'y' \(the target\)"):
        apply_schema(schema, make_table(age=["1"], town=["a"], w=["1"]))


def test_text_where_numbers_are_expected(schema, write):
    rows = "".join(f"{20 + i},a\n" for i in range(30))
    path = write(f"age,town\n{rows}old,b\n")
    typed = apply_schema(schema, read_table(path), need_target=False)
    assert np.isnan(typed.columns["age"][-1])
    assert typed.notes == (
        "column 'age': 1 cell counts as missing, being no finite number: line 32 'old'",
    )
    # One row alone, and any number of them, are treated as among others.
    for n, counts in ((1, "1 cell counts"), (2, "all 2 known cells count")):
        path = write("age,town\n" + "old,b\n" * n)
        typed = apply_schema(schema, read_table(path), need_target=False)
        assert np.isnan(typed.columns["age"]).all()
        assert typed.notes[0].startswith(f"column 'age': {counts} as missing, being no finite")


def test_a_column_that_is_missing_throughout_is_no_error(schema, make_table):
    typed = apply_schema(schema, make_table(age=[None], town=[None]), need_target=False)
    assert np.isnan(typed.columns["age"]).all()


def test_numbers_where_labels_are_expected_become_labels(make_table):
    train = make_table(code=["1", "2", "x"] * 4, y=[float(i) for i in range(12)])
    schema = infer_schema(train, "y")
    new = make_table(code=[1.0, 2.5, np.nan])
    assert apply_schema(schema, new, need_target=False).columns["code"].tolist() == [
        "1",
        "2.5",
        None,
    ]


def test_rows_without_a_target_are_left_out(schema, make_table):
    table = make_table(
        age=["1", "2", "3"], town=["a"] * 3, y=["yes", None, "no"], w=["1", "x", "0"]
    )
    typed = apply_schema(schema, table)
    assert typed.rows.tolist() == [0, 2]
    assert typed.columns["age"].tolist() == [1.0, 3.0]
    assert typed.weights.tolist() == [1.0, 0.0]
    assert typed.notes == ("rows left out because the target 'y' is missing: 1",)
    with pytest.raises(DataError, match="'y' is missing in the only row; expected known values"):
        apply_schema(schema, table.take([1]))


def test_targets_that_are_refused(schema, make_table):
    table = make_table(age=["1", "2"], town=["a", "b"], y=["yes", "maybe"], w=["1", "1"])
    with pytest.raises(
        DataError, match="labels that are no class: row 2 'maybe'; expected one of 'no'"
    ):
        apply_schema(schema, table)
    train = make_table(x=[1.0, 2.0, 3.0], y=["1", "2", "4"])
    schema = infer_schema(train, "y")
    assert apply_schema(schema, train).target.tolist() == [1.0, 2.0, 4.0]
    with pytest.raises(DataError, match="has cells that are no finite number: row 1 'x'"):
        apply_schema(schema, make_table(x=[1.0], y=["x"]))


def test_weights_that_are_refused(schema, make_table):
    table = make_table(age=["1", "2"], town=["a", "b"], y=["yes", "no"], w=["1", "-1"])
    with pytest.raises(DataError, match="unusable as weights in column 'w': row 2 '-1'"):
        apply_schema(schema, table)


def test_a_schema_without_a_target(make_table):
    table = make_table(x=[1.0, 2.0])
    schema = infer_schema(table)
    assert (schema.task, schema.target) == (None, None)
    with pytest.raises(InputError, match="the schema was inferred without one"):
        apply_schema(schema, table)
    assert len(apply_schema(schema, table, need_target=False)) == 2


def test_dates_in_another_dress(make_table):
    train = make_table(d=["2020-01-01", "2020-01-02T12:00", "2020-01-01T00:00+02:00"])
    schema = infer_schema(train)
    days = apply_schema(schema, train, need_target=False).columns["d"]
    np.testing.assert_allclose(days - 18262, [0, 1.5, -2 / 24], atol=1e-9)
    same = Table(("d",), {"d": np.array([18262.0])}, kinds={"d": "date"})
    assert apply_schema(schema, same, need_target=False).columns["d"].tolist() == [18262.0]
    for cells in ([18262.0], ["20200101"], ["2020-01-01", "18262"], ["true"]):
        with pytest.raises(DataError, match="column 'd' is of kind date in the model, and has 1"):
            apply_schema(schema, make_table(d=cells), need_target=False)
    typed = apply_schema(schema, make_table(d=["soon"]), need_target=False)
    assert "being no date: row 1 'soon'" in typed.notes[0]


def test_a_text_column_is_used_as_an_array_of_its_cells():
    cells = ["oak", None, "fir", "oak"]
    column = TextColumn.from_cells(cells)
    array = np.array(cells, dtype=object)
    assert (len(column), column.tolist(), list(column)) == (4, cells, cells)
    np.testing.assert_array_equal(np.asarray(column), array)
    for rows in ([3, 1], slice(1, None), array == "oak", np.array([], dtype=int)):
        assert column[rows].tolist() == array[rows].tolist()
    for other in ("oak", "none", array, column):
        np.testing.assert_array_equal(column == other, array == other)
    assert (column[0], column[1]) == ("oak", None)
    assert column[[2]].counts() == {"fir": 1}
    assert column.ranks().tolist() == [1, -1, 0, 1]
    assert column.map_texts(lambda text: text[0]).tolist() == ["o", None, "f", "o"]
    assert TextColumn.concatenate([column, column[:1]]).tolist() == [*cells, "oak"]
    empty = TextColumn([-1, -1], [])
    assert (empty.tolist(), empty.counts(), empty.ranks().tolist()) == ([None] * 2, {}, [-1, -1])
