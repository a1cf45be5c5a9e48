"""The same values read from each kind of source, under schemas of a CSV file."""

import datetime as dt

import numpy as np
import pytest
from tests.tables.sources import SOURCES

from deltarule.errors import DataError
from deltarule.tables import apply_schema, infer_schema

N = 12

FALSE_TRUE = {
    "bool": [False, True],
    "int": [0, 1],
    "float": [0.0, 1.0],
    "text": ["false", "true"],
    "Text": ["False", "True"],
    "digits": ["0", "1"],
    "decimals": ["0.0", "1.0"],
}


@pytest.fixture(params=SOURCES)
def through(request, tmp_path):
    """A function that writes columns to one source and reads them from it."""
    return lambda columns: SOURCES[request.param](columns, tmp_path)


def _codes(schema, table):
    """The class number of each row."""
    labels = apply_schema(schema, table).target.tolist()
    return [schema.classes.index(label) for label in labels]


@pytest.mark.parametrize("trained", FALSE_TRUE)
def test_truth_values_are_the_same_classes(trained, through, tmp_path):
    x = [float(i) for i in range(N)]
    values = [int(i % 3 == 0) for i in range(N)]
    schema = infer_schema(
        SOURCES["csv"]({"x": x, "y": [FALSE_TRUE[trained][v] for v in values]}, tmp_path), "y"
    )
    for cells in FALSE_TRUE.values():
        later = through({"x": x, "y": [cells[v] for v in values]})
        assert _codes(schema, later) == values


@pytest.mark.parametrize("trained", FALSE_TRUE)
def test_truth_values_are_the_same_category(trained, through, tmp_path):
    values = [int(i % 3 == 0) for i in range(N)]
    columns = {"x": [float(i) for i in range(N)], "b": [FALSE_TRUE[trained][v] for v in values]}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path), kinds={"b": "category"})
    expected = None
    for cells in FALSE_TRUE.values():
        later = through({**columns, "b": [cells[v] for v in values]})
        labels = apply_schema(schema, later, need_target=False).columns["b"].tolist()
        expected = expected or labels
        assert labels == expected
        alone = apply_schema(schema, later.take([0]), need_target=False).columns["b"].tolist()
        assert alone == expected[:1]


def test_truth_values_are_numbers_where_the_schema_says_so(through, tmp_path):
    values = [0, 1] * (N // 2)
    columns = {"x": [float(i) for i in range(N)], "b": values}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path))
    assert schema["b"].kind == "number"
    for cells in FALSE_TRUE.values():
        later = through({**columns, "b": [cells[v] for v in values]})
        typed = apply_schema(schema, later, need_target=False)
        assert typed.columns["b"].tolist() == values
        assert typed.notes == ()


def test_a_number_is_one_label_among_many(through, tmp_path):
    """Beyond 1,000 different ones a column of a text file is read as numbers."""
    numbers = [float(i) for i in range(1500)]
    columns = {"code": [f"{x:.1f}" for x in numbers], "x": numbers}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path), kinds={"code": "category"})
    expected = [str(int(x)) for x in numbers]
    for cells in (numbers, [int(x) for x in numbers], [f"{x:g}" for x in numbers]):
        later = through({"code": cells, "x": numbers})
        for rows in (slice(None), slice(5, 6)):
            typed = apply_schema(schema, later.take(rows), need_target=False)
            assert typed.columns["code"].tolist() == expected[rows]


def test_times_of_day_are_the_same_category(through):
    times = [dt.time(9 + i % 3, 30) for i in range(N)]
    schema = infer_schema(through({"at": times, "x": [float(i) for i in range(N)]}))
    assert schema["at"].kind == "category"
    labels = [label for label, _ in schema["at"].levels]
    assert labels == ["09:30:00", "10:30:00", "11:30:00"]


def test_integers_beyond_float64_stay_exact(through):
    numbers = [2**53 + 1 + i for i in range(N)]
    table = through({"id": numbers, "x": [float(i) for i in range(N)]})
    schema = infer_schema(table)
    assert schema["id"].kind == "category"
    assert "beyond 2^53" in schema["id"].notes[0]
    labels = apply_schema(schema, table, need_target=False).columns["id"].tolist()
    assert labels == [str(number) for number in numbers]
    alone = through({"id": numbers[3:4], "x": [1.0]})
    labels = apply_schema(schema, alone, need_target=False).columns["id"].tolist()
    assert labels == [str(numbers[3])]


def test_integers_that_float64_holds_are_numbers(through):
    numbers = [2**53 - i for i in range(N)]
    schema = infer_schema(through({"n": numbers, "x": [float(i) for i in range(N)]}))
    assert schema["n"].kind == "number"
    assert schema["n"].maximum == 2.0**53


def test_leading_zeros_are_text(through):
    codes = [f"0{1000 + i % 3}" if i % 2 else f"{51000 + i % 2}" for i in range(N)]
    table = through({"zip": codes, "x": [float(i) for i in range(N)]})
    schema = infer_schema(table)
    assert schema["zip"].kind == "category"
    assert "leading zeros" in str(schema["zip"].notes[0])
    assert apply_schema(schema, table, need_target=False).columns["zip"].tolist() == codes
    as_number = infer_schema(table, kinds={"zip": "number"})
    numbers = apply_schema(as_number, table, need_target=False).columns["zip"].tolist()
    assert numbers == [float(code) for code in codes]


def test_zero_and_decimals_are_no_leading_zeros(through):
    schema = infer_schema(through({"a": ["0", "0.5", "10", "-0.25"] * 3, "b": [1.0, 2.0] * 6}))
    assert schema["a"].kind == "number"
    assert schema["a"].notes == ()


def test_a_date_is_the_same_day(through, tmp_path):
    days = [dt.date(2014, 9, 1 + i) for i in range(N)]
    columns = {"d": [day.isoformat() for day in days], "x": [float(i) for i in range(N)]}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path))
    assert schema["d"].kind == "date"
    table = through({**columns, "d": days})
    expected = [float((day - dt.date(1970, 1, 1)).days) for day in days]
    assert apply_schema(schema, table, need_target=False).columns["d"].tolist() == expected


@pytest.mark.parametrize("number", [20140924, 16337.0, 16337])
def test_a_number_is_no_date(number, through, tmp_path):
    columns = {"d": [f"2014-09-{1 + i:02d}" for i in range(N)], "x": [float(i) for i in range(N)]}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path))
    for rows in (1, N):
        later = through({"d": [number] * rows, "x": columns["x"][:rows]})
        with pytest.raises(DataError, match="column 'd' is of kind date in the model"):
            apply_schema(schema, later, need_target=False)


def test_a_date_is_no_number(through, tmp_path):
    columns = {"n": [float(i) for i in range(N)], "x": [float(i) for i in range(N)]}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path))
    later = through({"n": [dt.date(2014, 9, 24)] * N, "x": columns["x"]})
    with pytest.raises(DataError, match="column 'n' is of kind number in the model, and has 12"):
        apply_schema(schema, later, need_target=False)


def test_a_row_alone_is_read_as_among_thirty(through, tmp_path):
    columns = {"a": [str(i) for i in range(30)], "b": ["u", "v", "w"] * 10}
    schema = infer_schema(SOURCES["csv"](columns, tmp_path))
    cells = [*columns["a"][:29], "abc"]
    among = apply_schema(schema, through({**columns, "a": cells}), need_target=False)
    alone = apply_schema(schema, through({"a": ["abc"], "b": ["w"]}), need_target=False)
    assert np.isnan(among.columns["a"][29])
    assert np.isnan(alone.columns["a"][0])
    assert len(among.notes) == len(alone.notes) == 1
