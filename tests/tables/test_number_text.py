"""Numbers as people write them: what is recognised, what must be stated, and what is refused."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import (
    NumberFormat,
    Schema,
    TextColumn,
    apply_schema,
    choose_task,
    infer_schema,
    read_table,
    table_from_frame,
)

N = 60
VALUES = [round(float(v), 2) for v in np.random.default_rng(0).normal(size=N) * 1000]


def written(value, decimal=".", thousands=""):
    marks = str.maketrans({",": thousands, ".": decimal})
    return f"{value:,.2f}".translate(marks)


def with_column(cells, target=None):
    y = list(np.random.default_rng(1).normal(size=len(cells))) if target is None else target
    return {"a": list(cells), "b": [float(i % 7) for i in range(len(cells))], "y": y}


def schema_of(cells, **arguments):
    return infer_schema(table_from_frame(with_column(cells)), "y", **arguments)


def read_back(cells, **arguments):
    """The values of a column, by a schema that was written to JSON and read again."""
    table = table_from_frame(with_column(cells))
    schema = infer_schema(table, "y", **arguments)
    schema = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    return apply_schema(schema, table).columns["a"]


NOTATIONS = {
    "decimal comma": lambda v: written(v, ","),
    "German": lambda v: written(v, ",", "."),
    "American": lambda v: written(v, ".", ","),
    "Swiss": lambda v: written(v, ".", "'"),
    "typographic apostrophe": lambda v: written(v, ".", "’"),
    "blank": lambda v: written(v, ",", " "),
    "no-break space": lambda v: written(v, ",", "\u00a0"),
    "narrow no-break space": lambda v: written(v, ",", "\u202f"),
    "thin space": lambda v: written(v, ".", "\u2009"),
    "minus sign": lambda v: written(v).replace("-", "\u2212"),
    "full width": lambda v: written(v).translate({48 + i: 0xFF10 + i for i in range(10)}),
    "dollar": lambda v: written(v, ".", ",").replace("-", "-$") if v < 0 else f"${written(v)}",
    "sign after the dollar": lambda v: f"${written(v)}",
    "euro": lambda v: f"{written(v, ',', '.')} €",
    "code of money": lambda v: f"CHF {written(v)}",
    "kg": lambda v: f"{written(v)} kg",
    "kg without a blank": lambda v: f"{written(v)}kg",
    "percent": lambda v: f"{written(v)}%",
    "percent after a blank": lambda v: f"{written(v, ',')} %",
    "degrees": lambda v: f"{written(v)} °C",
    "area": lambda v: f"{written(v)} m²",
    "accounting": lambda v: f"({written(-v)})" if v < 0 else written(v),
    "accounting with money": lambda v: f"(${-v:,.2f})" if v < 0 else f"${v:,.2f}",
    "exponent": lambda v: f"{v:.5e}".replace(".", ","),
}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_an_unambiguous_notation_is_read_with_a_note(notation):
    write = NOTATIONS[notation]
    cells = [write(v) for v in VALUES]
    schema = schema_of(cells)
    assert schema["a"].kind == "number"
    assert np.allclose(read_back(cells), VALUES)
    assert schema["a"].notes
    assert any(repr(cell)[1:-1] in note for note in schema["a"].notes for cell in cells)


@pytest.mark.parametrize("cells", [["1.5", "2"], ["-3", "4e2"], ["1.234", "5.678"], ["12", "1000"]])
def test_plain_numbers_have_no_note(cells):
    schema = schema_of(cells * 20)
    assert (schema["a"].kind, schema["a"].notes) == ("number", ())
    assert schema["a"].number_format is None


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ({"decimal": ","}, 1.255),
        ({"thousands": ","}, 1255.0),
        ({"decimal": {"a": ","}}, 1.255),
        ({"thousands": {"a": ","}}, 1255.0),
        ({"decimal": ".", "thousands": ","}, 1255.0),
    ],
)
def test_groups_of_three_alone_are_not_guessed(arguments, first):
    cells = ["1,255", "3,100", "2,050", "7,125"] * 10
    schema = schema_of(cells)
    assert schema["a"].kind == "category"
    note = schema["a"].notes[0]
    assert "'1,255' may be 1255 or 1.255" in note
    assert "thousands={'a': ','} or decimal={'a': ','}" in note
    assert read_back(cells, **arguments)[0] == first


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["0,255", "3,100"], 0.255),  # no group of thousands begins with 0
        (["1,255", "12,5"], 1.255),
        (["1,255", "1,255,300"], 1255.0),
        (["1.255", "1.255.300"], 1255.0),
        (["1,25,300", "99,000"], 125300.0),  # as in India
    ],
)
def test_one_text_can_decide(cells, first):
    assert read_back(cells * 20)[0] == first


def test_few_larger_numbers_with_marks_among_plain_ones():
    cells = [written(v, ".", ",") for v in np.linspace(1, 1020, 50)]
    assert read_back(cells)[-1] == 1020.0
    integers = [*map(str, range(1, 99)), "1,255"]
    schema = schema_of(integers)
    assert schema["a"].missing == 1
    assert "if '1,255' is a number, give thousands={'a': ','} or decimal" in schema["a"].notes[0]


HINDERED = {
    "bounds": (lambda v: f"<{abs(v)}" if v < 0 else str(v), "bounds", "na={'a': '<"),
    "estimates": (lambda v: f"~{abs(v)}", "estimates", "'~"),
    "fractions": (lambda v: f"{int(abs(v)) + 1}/3", "fractions", "decimal numbers"),
    "trailing minus": (lambda v: f"{abs(v)}-" if v < 0 else str(v), "sign at the end", "-'"),
    "two units": (lambda v: f"{v} kg" if v < 0 else f"{v} g", "different units", "one unit"),
    "some without": (lambda v: f"{v}k" if v < 0 else f"{v}", "different units", "k'"),
    "two marks": (lambda v: written(v, "," if v < 0 else "."), "other marks", "alike"),
    "marks behind": (lambda v: f"{v}*" if v < 0 else f"{v}", "more after the number", "alone"),
    "errors": (lambda v: f"{v} ± 0.1", "more after the number", "alone"),
    "parentheses": (lambda v: f"({abs(v)})", "in parentheses", "minus sign"),
}


@pytest.mark.parametrize("kind", HINDERED)
def test_a_note_names_the_text_that_hinders(kind):
    write, reason, help_ = HINDERED[kind]
    schema = schema_of([write(v) for v in VALUES])
    assert schema["a"].kind == "category"
    assert reason in schema["a"].notes[0]
    assert help_ in schema["a"].notes[0]
    assert not any("leave it out" in note for note in schema["a"].notes)


@pytest.mark.parametrize(
    "cells",
    [
        [f"ID{i}" for i in range(100, 400)],
        [f"{i}-{i + 9}" for i in range(0, 100, 10)] * 9,
        ["1", "2", "3+"] * 20,
        ["12 Main Street 4", "3 Oak Lane 5"] * 20,
        ["1.2.3", "1.2.4", "10.0.1"] * 20,
        ["A1", "B2", "C3"] * 20,
        ["<=50K", ">50K"] * 30,
    ],
)
def test_texts_with_digits_stay_texts(cells):
    assert schema_of(cells)["a"].kind == "category"


def test_the_kind_number_leaves_any_text_off_that_all_cells_have():
    cells = [f"ID{i}" for i in range(100, 400)]
    assert read_back(cells, kinds={"a": "number"})[0] == 100


@pytest.mark.parametrize(
    "token", ["-", "None", "#N/A", "<NA>", "\\N", ".", "missing", "unknown", "--", "n.a."]
)
@pytest.mark.parametrize("write", [str, lambda v: f"{written(v, ',')} €"])
def test_a_token_in_many_cells_is_named_with_na(token, write):
    cells = [token if i % 4 == 0 else write(v) for i, v in enumerate(VALUES)]
    schema = schema_of(cells)
    assert schema["a"].kind == "category"
    (note,) = schema["a"].notes
    assert f"45 of 60 known cells are numbers, the others are {token!r} (15)" in note
    assert note.endswith(f"na={ {'a': token}!r}")
    again = schema_of(cells, na={"a": [token]})
    assert (again["a"].kind, again["a"].missing) == ("number", 15)


def test_a_token_in_a_few_cells_is_named_with_na():
    schema = schema_of(["-" if i in (3, 7) else str(v) for i, v in enumerate(VALUES)])
    assert schema["a"].notes[0].endswith("; if '-' means missing, give na={'a': '-'}")


def test_tokens_among_dates_are_named():
    days = [f"2015-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(60)]
    schema = schema_of(["-" if i % 5 == 0 else day for i, day in enumerate(days)])
    assert "48 of 60 known cells are dates, the others are '-' (12)" in schema["a"].notes[0]


# Targets


def test_a_target_in_a_notation_is_regression():
    target = [f"{written(v, ',', '.')} €" for v in VALUES]
    table = table_from_frame(with_column(VALUES, target))
    schema = infer_schema(table, "y")
    assert schema.task == "regression"
    assert schema.target.notes[0].startswith("',' is read as the decimal mark")
    assert np.allclose(apply_schema(schema, table).target, VALUES)
    assert choose_task(table, "y").task == "regression"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda i, v: f"{i + 1},255", "may be 1255 or 1.255"),
        (lambda i, v: "-" if i % 4 == 0 else str(v), "na={'y': '-'}"),
        (lambda i, v: f"<{abs(v)}" if v < 0 else str(v), "bounds or estimates"),
    ],
)
def test_a_target_that_is_no_number_yet_is_refused_with_the_reason(write, words):
    target = [write(i, v) for i, v in enumerate(VALUES)]
    with pytest.raises(DataError, match=r"text with .* different values") as error:
        infer_schema(table_from_frame(with_column(VALUES, target)), "y")
    assert words in str(error.value)


def test_few_labels_with_a_unit_are_classes_unless_asked_otherwise():
    target = [f"{1 + i % 5} stars" for i in range(N)]
    table = table_from_frame(with_column(VALUES, target))
    schema = infer_schema(table, "y")
    assert schema.classes == tuple(f"{i} stars" for i in range(1, 6))
    assert schema.target.notes[0].endswith("if they are quantities, give task='regression'")
    assert apply_schema(schema, table).target[0] == "1 stars"
    assert infer_schema(table, "y", task="regression").task == "regression"
    assert infer_schema(table, "y", kinds={"y": "number"}).task == "regression"


# By source


def test_every_source_gives_the_same(tmp_path):
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    parquet = pytest.importorskip("pyarrow.parquet")
    frame = with_column([written(v, ",", ".") + " €" for v in VALUES])
    pd.DataFrame(frame).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(frame).to_csv(tmp_path / "s.csv", index=False, sep=";")
    pd.DataFrame(frame).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    parquet.write_table(pa.table(frame), tmp_path / "a.parquet")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        pd.DataFrame(frame).to_sql("t", connection, index=False)
    tables = [
        *(
            read_table(tmp_path / name)
            for name in ("a.csv", "s.csv", "a.jsonl", "a.parquet", "a.db")
        ),
        *(table_from_frame(make(frame)) for make in (pd.DataFrame, pl.DataFrame, pa.table, dict)),
    ]
    schema = infer_schema(tables[0], "y")
    assert schema["a"].number_format == NumberFormat(",", ".", suffix="€")
    for table in tables:
        assert infer_schema(table, "y")["a"].notes == schema["a"].notes
        assert np.allclose(apply_schema(schema, table).columns["a"], VALUES)
    # Later the column may be of numbers, and one row is read as among many.
    typed = table_from_frame(with_column(VALUES))
    assert np.allclose(apply_schema(schema, typed).columns["a"], VALUES)
    assert apply_schema(schema, tables[0].take([7])).columns["a"][0] == VALUES[7]


def test_a_number_in_another_notation_is_refused_later():
    schema = schema_of([written(v, ",") for v in VALUES])
    for text in ("1.5", "1,5 kg", "1'255,0"):
        with pytest.raises(DataError, match="another kind or notation") as error:
            apply_schema(schema, table_from_frame(with_column([text])))
        assert "with ',' as the decimal mark" in str(error.value)


def test_a_long_file_is_not_read_with_a_point_where_a_comma_is_stated(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;y\n" + "".join(f"{i / 1000:.3f};{i % 9}\n" for i in range(1001, 4000)))
    plain = infer_schema(read_table(path), "y")
    assert plain["a"].maximum == 3.999
    stated = read_table(path, thousands={"a": "."})
    schema = infer_schema(stated, "y")
    assert schema["a"].number_format == NumberFormat(",", ".")
    assert schema["a"].maximum == 3999
    with pytest.raises(DataError, match="when the file is read"):
        infer_schema(read_table(path), "y", thousands={"a": "."})
    with pytest.raises(DataError, match="another kind or notation"):
        apply_schema(replace_format(plain, NumberFormat(",", ".")), read_table(path))
    again = read_table(path, number_formats={"a": NumberFormat(",", "."), "absent": NumberFormat()})
    assert isinstance(again.column("a"), TextColumn)


def replace_format(schema, number_format):
    found = schema.to_dict()
    found["columns"][0]["number_format"] = vars(number_format)
    return Schema.from_dict(found)


def test_weights_in_a_notation():
    frame = with_column(VALUES) | {"w": [f"{i % 5},5" for i in range(N)]}
    table = table_from_frame(frame)
    schema = infer_schema(table, "y", weights="w")
    assert schema.notes == ("weights 'w': ',' is read as the decimal mark: '0,5' as 0.5",)
    assert apply_schema(schema, table).weights[1] == 1.5


@pytest.mark.parametrize(
    "arguments",
    [
        {"decimal": ";"},
        {"decimal": ""},
        {"decimal": "x"},
        {"thousands": ";"},
        {"thousands": "00"},
        {"decimal": ",", "thousands": ","},
        {"decimal": {"absent": ","}},
    ],
)
def test_marks_that_are_none_are_refused(arguments):
    with pytest.raises(InputError) as error:
        schema_of(["1,5", "2,5"], **arguments)
    assert error.value.parameter in ("decimal", "thousands")
