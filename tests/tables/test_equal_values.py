"""Equal values are equal, whatever source they come from and however they are written."""

import datetime as dt

import numpy as np
import pytest
from tests.tables.sources import SOURCES

from deltarule.errors import DataError
from deltarule.tables import apply_schema, infer_schema, read_table

DOORS = list(SOURCES)


@pytest.fixture
def through(tmp_path):
    """A table of these columns, of Python objects, through one of the doors."""
    return lambda door, **columns: SOURCES[door](columns, tmp_path)


Y = [float(i) for i in range(12)]


def inputs(schema, table):
    cells = apply_schema(schema, table, need_target=False).columns["x"]
    return cells.tolist()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ([1, 2, 3] * 4, ["1", "2", "3"] * 4),
        ([1.0, 2.5, 3.0] * 4, ["1", "2.5", "3"] * 4),
        ([True, False, None] * 4, ["true", "false", None] * 4),
        ([2**53 + 1, 2**53, 7] * 4, [str(2**53 + 1), str(2**53), "7"] * 4),
        (["007", "7", "x"] * 4, ["007", "7", "x"] * 4),
        (
            [dt.date(2014, 9, 24), dt.date(2015, 1, 1), None] * 4,
            ["2014-09-24", "2015-01-01", None] * 4,
        ),
    ],
)
def test_labels(through, door, cells, labels):
    table = through(door, x=cells, y=Y)
    if door == "sqlite" and True in cells and "true" in labels:  # it stores truth values as digits
        labels = [{"true": "1", "false": "0"}.get(label) for label in labels]
    schema = infer_schema(table, "y", kinds={"x": "category"})
    assert inputs(schema, table) == labels
    assert dict(schema["x"].levels) == {t: labels.count(t) for t in set(labels) - {None}}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("yes", "no"), [(True, False), (1, 0), (1.0, 0.0)])
def test_truth_values_and_digits_stand_for_each_other(through, door, yes, no):
    flags = {
        "words": through("csv", x=["True", "FALSE"] * 6, y=Y),
        "digits": through("csv", x=["1", "0"] * 6, y=Y),
    }
    new = through(door, x=[yes, no, None], y=[yes, no, yes])
    schema = infer_schema(flags["words"], "y")
    assert inputs(schema, new) == ["true", "false", None]
    np.testing.assert_array_equal(inputs(infer_schema(flags["digits"], "y"), new), [1, 0, np.nan])
    for cells, classes in ((["true", "false"], ["true", "false", "true"]), (["1.0", "0.0"], "101")):
        target = through("csv", x=[str(i) for i in range(12)], y=cells * 6)
        target = infer_schema(target, "y")
        evaluated = through(door, x=[1.0, 2.0, 3.0], y=[yes, no, yes])
        assert apply_schema(target, evaluated).target.tolist() == list(classes)


@pytest.mark.parametrize("door", DOORS)
def test_one_value_has_one_label_in_a_long_column_too(through, door):
    cells = [float(i % 1500) for i in range(3000)]
    schema = infer_schema(
        through(door, x=cells, y=[i % 7 for i in range(3000)]), "y", kinds={"x": "category"}
    )
    assert schema["x"].distinct == 1500
    assert inputs(schema, through("csv", x=["103.0", "103", "+103"])) == ["103"] * 3


@pytest.mark.parametrize("door", [door for door in DOORS if door not in ("csv", "json", "sqlite")])
def test_dates_are_equal_and_numbers_are_none(through, door):
    days = [dt.date(2014, 9, 1 + i) for i in range(12)]
    schema = infer_schema(through("csv", x=days, y=Y), "y")
    assert inputs(schema, through(door, x=days[:3])) == [16314.0, 16315.0, 16316.0]
    for number in (20140924, 16337.0):
        with pytest.raises(DataError, match="column 'x' is of kind date in the model"):
            inputs(schema, through(door, x=[number]))
    numbers = infer_schema(through(door, x=Y, y=Y[::-1]), "y")
    with pytest.raises(DataError, match=r"kind number in the model, and has 1 .*2014-09-01"):
        inputs(numbers, through(door, x=days[:1]))


@pytest.mark.parametrize("door", DOORS)
def test_big_integers_are_identifiers(through, door):
    cells = [10**17 + i for i in range(12)]
    schema = infer_schema(through(door, x=cells, y=Y), "y")
    assert schema["x"].kind == "category"
    assert schema["x"].distinct == 12
    assert "beyond 2^53" in schema["x"].notes[0]
    schema = infer_schema(through(door, x=cells, y=Y), "y", kinds={"x": "number"})
    assert any("rounded to 53 bits" in note for note in schema["x"].notes)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["01234", "99999", "12345", "55555"], "category"),
        (["0", "1", "2", "10"], "number"),
        (["0.5", "0", "1.5", "0.25"], "number"),
        (["-01", "2", "3", "4"], "category"),
        ([*("1.5", "2.5", "3.5", "4.5") * 10, "05.5"], "number"),
    ],
)
@pytest.mark.parametrize("times", [1, 1200])
def test_leading_zeros(through, cells, kind, times):
    table = through("csv", x=cells * times, y=[str(i % 5) for i in range(len(cells) * times)])
    schema = infer_schema(table, "y")
    assert schema["x"].kind == kind
    padded = any(cell.lstrip("-").startswith("0") and cell[1:2].isdigit() for cell in cells)
    assert ("leading zero" in " ".join(schema["x"].notes)) == (padded or "-01" in cells)
    assert infer_schema(table, "y", kinds={"x": "number"})["x"].kind == "number"


@pytest.mark.parametrize("cells", [["1.5", "word", "3"], ["3", None, "inf"]])
def test_one_row_alone_is_read_as_among_thirty(through, cells):
    schema = infer_schema(through("csv", x=[1.5 + i for i in range(12)], y=Y), "y")
    together = inputs(schema, through("csv", x=cells * 10, z=["1"] * 30))
    alone = [inputs(schema, through("csv", x=[cell], z=["1"]))[0] for cell in cells]
    np.testing.assert_array_equal(together, alone * 10)


def test_a_row_of_json_may_name_some_columns_only(tmp_path, through):
    schema = infer_schema(through("json", x=[i * 1.5 for i in range(12)], z=Y[::-1], y=Y), "y")
    path = tmp_path / "rows.jsonl"
    path.write_text('{"z": 1}\n{"x": 2, "z": 1}\n')
    together = inputs(schema, read_table(path))
    path.write_text('{"z": 1}\n')
    typed = apply_schema(schema, read_table(path), need_target=False)
    np.testing.assert_array_equal(typed.columns["x"], together[:1])
    assert typed.notes == ("columns that no row names count as missing: x",)
    path.write_text('{"X": 1}\n')
    with pytest.raises(DataError, match="lacks 2 of the columns"):
        apply_schema(schema, read_table(path), need_target=False)


def test_unreadable_cells_of_training_are_no_error_later(through):
    cells = [*(f"2014-09-{1 + i % 28:02d}" for i in range(40)), "0"]
    table = through("csv", x=cells, y=[str(i) for i in range(41)])
    schema = infer_schema(table, "y")
    assert schema["x"].kind == "date"
    assert np.isnan(inputs(schema, table)[-1])
    assert np.isnan(inputs(schema, through("csv", x=["20140924"], z=["1"]))).all()


def test_notes_on_merged_labels(through):
    def notes(*cells):
        table = through("csv", x=[str(i) for i in range(len(cells) * 3)], y=list(cells) * 3)
        schema = infer_schema(table, "y")
        return schema.classes, schema["y"].notes

    assert notes("0.0", "1", "1.0", "0") == (
        ("0", "1"),
        ("labels that are the same value are one: '0' and '0.0' are '0', '1' and '1.0' are '1'",),
    )
    classes, found = notes("True", "False")
    assert (classes, found) == (
        ("false", "true"),
        ("classes are written by their value: 'False' as 'false', 'True' as 'true'",),
    )
    assert notes("true", "1", "0", "false")[0] == ("false", "true")
    assert notes("true", "false", "maybe")[0] == ("false", "maybe", "true")
    assert notes("yes", "no") == (("no", "yes"), ())


def test_files_of_json_may_name_different_columns(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"x": 1}\n')
    (tmp_path / "2.jsonl").write_text('{"y": "a"}\n{"x": 2}\n')
    table = read_table(tmp_path / "*.jsonl")
    assert [table["x"].tolist(), table["y"].tolist()] == [
        [1.0, pytest.approx(np.nan, nan_ok=True), 2.0],
        [None, "a", None],
    ]
