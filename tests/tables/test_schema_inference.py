"""What a schema infers, and what it refuses."""

import json

import numpy as np
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import Schema, infer_schema, read_table, table_from_frame
from deltarule.tables.schema import Column

LETTERS = ["a", "b", "c", "d"]


def texts(*cells):
    return list(cells)


@pytest.fixture
def mixed():
    """Twenty rows and one column of every kind."""
    return {
        "number": [str(i / 2) for i in range(20)],
        "town": (LETTERS * 5),
        "day": [f"2020-01-{i + 1:02d}" for i in range(20)],
        "const": ["x"] * 20,
        "void": [None] * 20,
        "flag": ["y", None] * 10,
        "y": ["yes", "no"] * 10,
    }


def column(schema, name):
    return schema[name]


def test_kinds(make_table, mixed):
    schema = infer_schema(make_table(**mixed), "y")
    assert {c.name: c.kind for c in schema.columns} == {
        "number": "number",
        "town": "category",
        "day": "date",
        "flag": "category",
    }
    assert (schema["number"].minimum, schema["number"].maximum) == (0.0, 9.5)
    assert schema["number"].distinct == 20
    assert schema["town"].levels == (("a", 5), ("b", 5), ("c", 5), ("d", 5))
    assert schema["day"].minimum == 18262.0
    assert schema["flag"].missing == 10
    assert schema.dropped == (
        ("const", "the same value in every row: x (20)"),
        ("void", "missing in every row"),
    )
    assert schema.n_rows == 20


def test_a_number_column_with_a_few_cells_that_are_none(make_table):
    cells = [str(i) for i in range(40)]
    cells[3], cells[30] = "many", "inf"
    schema = infer_schema(make_table(a=cells, y=[float(i % 7) for i in range(40)]), "y")
    assert (schema["a"].kind, schema["a"].missing) == ("number", 2)
    assert schema["a"].notes == (
        (
            "2 cells are not a finite number and counted as missing: row 4 'many', row 31 'inf'; "
            "if 'many' and 'inf' mean missing, give na={'a': 'many'} and na={'a': 'inf'}"
        ),
    )


def test_a_note_shows_three_cells_and_counts_the_rest(make_table):
    cells = [str(i) for i in range(100)]
    cells[10:15] = ["x" * 100] * 5
    schema = infer_schema(make_table(a=cells))
    assert f"row 11 '{'x' * 37}...'" in schema["a"].notes[0]
    assert schema["a"].notes[0].endswith("and 2 more")


def test_below_95_percent_a_column_is_a_category(make_table):
    cells = [str(i % 7) for i in range(40)]
    cells[:3] = ["p", "q", "r"]
    schema = infer_schema(make_table(a=cells))
    assert schema["a"].kind == "category"
    assert schema["a"].notes == (
        (
            "92 % of its known cells are numbers; a column needs 95 % to be read as numbers, "
            "so it is a category; others are: row 1 'p', row 2 'q', row 3 'r'"
        ),
    )


def test_infinities_in_a_float_column_are_missing(make_table):
    schema = infer_schema(make_table(a=[1.0, np.inf, 3.0, np.nan]))
    assert (schema["a"].missing, schema["a"].maximum) == (2, 3.0)
    assert "row 2 'inf'" in schema["a"].notes[0]


def test_kinds_can_be_given(make_table):
    table = make_table(zip=["10115", "50667", "50667"], y=[1.0, 2.0, 3.0])
    assert infer_schema(table)["zip"].kind == "number"
    schema = infer_schema(table, kinds={"zip": "category"})
    assert schema["zip"].levels == (("50667", 2), ("10115", 1))
    assert infer_schema(table, kinds={"y": "category"})["y"].levels[0] == ("1", 1)


def test_a_given_kind_must_fit(make_table):
    table = make_table(a=["1", "x", "y"], y=[1.0, 2.0, 3.0])
    with pytest.raises(
        DataError, match="'a' was said to be a number, but 2 of 3 cells are not a fi"
    ):
        infer_schema(table, kinds={"a": "number"})
    with pytest.raises(
        InputError, match="kinds gives 'float' for column 'a'; expected one of number"
    ):
        infer_schema(table, kinds={"a": "float"})


def test_kinds_of_the_source_hold(make_table):
    frame = table_from_frame({"d": np.array(["2020-01-01", "2020-01-05"], dtype="datetime64[D]")})
    assert infer_schema(frame)["d"].kind == "date"


def test_notes_on_columns_that_predict_nothing(make_table):
    n = 30
    schema = infer_schema(
        make_table(
            id=[float(i + 1) for i in range(n)],
            name=[f"name {i}" for i in range(n)],
            comma=[f"{i},5" for i in range(n)],
            fine=[float(i) ** 2 for i in range(n)],
        )
    )
    assert schema["id"].notes[0].startswith("every integer from 1 to 30 once: if it is a row")
    assert (
        schema["name"].notes[0].startswith("30 different values in 30 cells: it looks like a name")
    )
    assert schema["comma"].kind == "number"
    assert schema["comma"].notes == ("',' is read as the decimal mark: '0,5' as 0.5",)
    assert schema["fine"].notes == ()


# The task


@pytest.mark.parametrize(
    ("cells", "task", "reason", "classes"),
    [
        (["yes", "no"] * 3, "classification", "'y' is text, with 2 classes", ("no", "yes")),
        (["0", "1"] * 3, "classification", "holds exactly two numbers, 0 and 1", ("0", "1")),
        ([0.0, 1.0] * 3, "classification", "holds exactly two numbers, 0 and 1", ("0", "1")),
        (["10", "9"] * 3, "classification", "holds exactly two numbers, 9 and 10", ("9", "10")),
        (["01", "2"] * 3, "classification", "is text, with 2 classes", ("01", "2")),
        (["1", "2", "3"] * 3, "regression", "holds 3 different numbers, more than two", ()),
        ([1.5, 2.5, 3.5] * 3, "regression", "holds 3 different numbers, more than two", ()),
        (
            ["2020-01-01", "2020-01-02"] * 3,
            "regression",
            "holds dates, predicted in days since 1970",
            (),
        ),
        (["true", "false"] * 3, "classification", "is text, with 2 classes", ("false", "true")),
    ],
)
def test_the_task_by_the_target(make_table, cells, task, reason, classes):
    table = make_table(x=[float(i) for i in range(len(cells))], y=cells)
    schema = infer_schema(table, "y")
    assert schema.task == task
    assert schema.task_reason.startswith(f"{task}: the target 'y' ")
    assert reason in schema.task_reason
    assert schema.classes == classes


def test_the_task_can_be_asked_for(make_table):
    table = make_table(x=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], y=["3", "4", "10"] * 2)
    schema = infer_schema(table, "y", task="classification")
    assert schema.classes == ("3", "4", "10")
    assert schema.task_reason == "classification, as asked: the target 'y' has 3 classes"
    assert "if they are classes" in infer_schema(table, "y")["y"].notes[0]
    table = make_table(x=[1.0, 2.0, 3.0], y=["0", "1", "1"])
    schema = infer_schema(table, "y", task="regression")
    assert (schema.task, schema["y"].kind) == ("regression", "number")
    assert infer_schema(table, "y", kinds={"y": "category"}).task == "classification"


@pytest.mark.parametrize(
    ("cells", "asked", "words"),
    [
        (["1", "2", "5"] * 3, "auto", "quantities: 'y' has 3 different whole numbers, 1 … 5; if"),
        (["0", "1"] * 3, "auto", "classes: 'y' has 2 different numbers, '0' and '1'; if"),
        (["1 star", "2 stars", "5 stars"] * 3, "auto", ""),
        (["1★", "2★", "5★"] * 3, "auto", "classes: 'y' has 3 different numbers, '1★' … '5★'; if"),
        (["0", "1"] * 3, "classification", ""),
        (["0", "1"] * 3, "regression", ""),
        (["1", "2", "5"] * 3, "classification", ""),
        (["1", "2", "5.5"] * 3, "auto", ""),
        (["yes", "no"] * 3, "auto", ""),
        (["2020-01-01", "2020-01-02"] * 3, "auto", ""),
    ],
)
def test_where_few_numbers_leave_a_choice_the_schema_says_which_was_taken(
    make_table, cells, asked, words
):
    table = make_table(x=[float(i) for i in range(len(cells))], y=cells)
    schema = infer_schema(table, "y", task=asked)
    said = schema.scored_as()
    assert said.startswith(f"scored as {words}" if words else "")
    assert bool(said) == bool(words)
    if words:
        assert schema.other_task == {"regression": "classification"}.get(schema.task, "regression")
        assert said.endswith(f"train with task='{schema.other_task}'")
        assert infer_schema(table, "y", task=schema.other_task).task == schema.other_task
    assert Schema.from_dict(schema.to_dict()).scored_as() == said


def test_notes_on_classes(make_table):
    schema = infer_schema(
        make_table(x=[1.0, 2, 3, 4, 5, 6], y=["1", "1.0", "0", "0", "1", "0"]), "y"
    )
    assert schema.classes == ("0", "1")
    assert schema["y"].notes == ("labels that are the same value are one: '1' and '1.0' are '1'",)
    table = make_table(x=[1.0, 2, 3, 4, 5], y=["a", "b", "a", "b", "c"])
    notes = infer_schema(table, "y", task="classification")["y"].notes
    assert notes == ("classes with one row only: 'c'",)


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        (["a"] * 4, {}, "the target 'y' is 'a' in all 4 rows; expected at least two classes"),
        (["1"] * 4, {}, "the target 'y' is 1 in all 4 rows; expected at least two different"),
        ([2.5] * 4, {}, "the target 'y' is 2.5 in all 4 rows"),
        ([None] * 4, {}, "the target 'y' is missing in all 4 rows; expected values to learn"),
        (["a", "b", "c", "c"], {}, "text with 3 different values in 4 rows (a, b, c)"),
        ([f"c{i % 101}" for i in range(400)], {}, "expected at most 100 for classes"),
        (
            ["1", "x", "y", "2"],
            {"task": "regression"},
            "2 of 4 cells are not: row 2 'x', row 3 'y'",
        ),
        ([*map(str, range(40)), "x"], {}, "is to be numbers, but 1 cell is not: row 41 'x'"),
        ([1.0, 2.0, np.inf, 3.0], {}, "1 cell is not: row 3 'inf'; expected finite numbers"),
        (["1", "2", "3"], {"task": "classify"}, "task is 'classify'; expected one of auto"),
    ],
)
def test_targets_that_are_refused(make_table, cells, settings, message):
    table = make_table(x=[float(i) for i in range(len(cells))], y=cells)
    with pytest.raises(InputError) as caught:
        infer_schema(table, "y", **settings)
    assert message in str(caught.value)


def test_many_classes_may_be_asked_for(make_table):
    table = make_table(x=[float(i) for i in range(400)], y=[f"c{i % 101}" for i in range(400)])
    assert len(infer_schema(table, "y", task="classification").classes) == 101


def test_rows_without_a_target_are_left_out_and_counted(make_table):
    table = make_table(x=[1.0, 2.0, 3.0, 99.0], y=["a", "b", "a", None])
    schema = infer_schema(table, "y")
    assert schema.n_rows == 3
    assert schema["x"].maximum == 3.0
    assert schema.notes == ("1 row is left out because the target 'y' is missing: row 4",)


# Settings


def test_columns_to_ignore(make_table, mixed):
    schema = infer_schema(make_table(**mixed), "y", ignore=["town", "day"])
    assert schema.names == ("number", "flag")
    assert schema.ignored == ("town", "day")
    assert infer_schema(make_table(**mixed), "y", ignore="town").ignored == ("town",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "Y"}, "no column 'Y' (the target); did you mean 'y'? its columns are: number"),
        ({"target": "y", "ignore": ["twon"]}, "'twon' (the one to ignore); did you mean 'town'?"),
        ({"target": "y", "weights": "w"}, "no column 'w' (the weights); its columns are"),
        ({"target": "y", "kinds": {"q": "date"}}, "'q' (the one given a kind)"),
        ({"target": "y", "na": {"q": "0"}}, "'q' (the one given missing tokens)"),
        ({"target": "y", "weights": "y"}, "given as target and as weights; expected two columns"),
        ({"target": "y", "ignore": "y"}, "'y' is given as target and in ignore"),
        ({"target": "y", "weights": "number", "ignore": "number"}, "as weights and in ignore"),
        ({"task": "regression"}, "task='regression' was given without a target"),
        (
            {"target": "y", "ignore": ["number", "town", "day", "flag"]},
            "no column is left to predict",
        ),
    ],
)
def test_settings_that_are_refused(make_table, mixed, settings, message):
    with pytest.raises(InputError) as caught:
        infer_schema(make_table(**mixed), **settings)
    assert message in str(caught.value)


def test_missing_tokens_by_column(make_table):
    table = make_table(a=["0", "1", "2", "3"], b=["0", "1", "2", "3"], c=[0.0, 1.0, 2.0, 3.0])
    schema = infer_schema(table, na={"a": ["0"], "c": "0"})
    assert [c.missing for c in schema.columns] == [1, 0, 1]
    assert schema["a"].na == ("0",)
    assert [c.missing for c in infer_schema(table, na="0").columns] == [1, 1, 1]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "-1", "2"], "1 cell is unusable as weights in column 'w': row 2 '-1'; expected fin"),
        (["1", None, "2"], "row 2 (missing)"),
        (
            ["1", "x", "inf"],
            "2 cells are unusable as weights in column 'w': row 2 'x', row 3 'inf'",
        ),
        (["0", "0", "0"], "all weights in column 'w' are zero"),
    ],
)
def test_weights_that_are_refused(make_table, cells, message):
    table = make_table(x=[1.0, 2.0, 3.0], y=[1.0, 2.0, 4.0], w=cells)
    with pytest.raises(DataError) as caught:
        infer_schema(table, "y", weights="w")
    assert message in str(caught.value)


def test_weights_of_rows_without_a_target_do_not_matter(make_table):
    table = make_table(x=[1.0, 2.0, 3.0], y=[1.0, 2.0, np.nan], w=["1", "2", "x"])
    schema = infer_schema(table, "y", weights="w")
    assert (schema.weights, schema.names) == ("w", ("x",))


# The record


def test_a_schema_survives_json(make_table, mixed):
    table = make_table(**mixed, w=[0.1] * 20)
    schema = infer_schema(table, "y", weights="w", ignore="town", na={"number": "0.5"})
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    plain = infer_schema(table)
    assert Schema.from_dict(json.loads(json.dumps(plain.to_dict()))) == plain


def test_damaged_records_are_refused(make_table, mixed):
    record = infer_schema(make_table(**mixed), "y").to_dict()
    with pytest.raises(DataError, match="of format 99; expected 1"):
        Schema.from_dict(record | {"format": 99})
    with pytest.raises(DataError, match="the schema record is damaged"):
        Schema.from_dict({"format": 1})
    with pytest.raises(DataError, match="the schema record is damaged"):
        Schema.from_dict(record | {"colour": 1})
    with pytest.raises(DataError, match="the schema has no column 'q'"):
        Schema.from_dict(record)["q"]


def test_the_description(write):
    path = write(
        "age,town,const,price\n"
        + "".join(f"{20 + i % 25},T{i % 3},k,{i * 1.5}\n" for i in range(30))
        + "x,T1,k,2\n50,,k,\n"
    )
    schema = infer_schema(read_table(path), "price")
    assert schema.describe() == "\n".join(
        [
            "x.csv: 31 rows, 2 columns to predict from",
            ("regression: the target 'price' holds 31 different numbers, more than two"),
            "",
            "  column          kind      missing  distinct  range or most frequent",
            "  price (target)  number          0        31  0 … 43.5",
            "  age             number          1        25  20 … 44",
            "  town            category        0         3  T1 (11), T0 (10), T2 (10)",
            "",
            "notes",
            "  - 1 row is left out because the target 'price' is missing: line 33",
            "  - const: left out, the same value in every row: k (31)",
            (
                "  - age: 1 cell is not a finite number and counted as missing: line 32 'x'; if "
                "'x' means missing, give na={'age': 'x'}"
            ),
        ]
    )


def test_a_long_description_is_cut():
    columns = tuple(Column(f"x{i}", "number", notes=("n",)) for i in range(100))
    text = Schema(columns).describe(limit=10)
    assert "… and 90 more columns" in text
    assert len(text.splitlines()) < 40
    assert "…" in Column("d", "date", minimum=0.0, maximum=10.0).span()
    assert Column("d", "date", minimum=-1e12, maximum=1e12).span() == "-1e+12 days … 1e+12 days"
