"""A cell out of all proportion does not ruin its column, and is named."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.errors import DataError
from deltarule.tables import (
    Schema,
    TableEncoder,
    TargetEncoder,
    apply_schema,
    infer_schema,
    read_table,
    table_from_frame,
)
from deltarule.tables.implausible_values import plausible_range
from deltarule.tabular import TableSettings, fit_table

WILD = [1e300, -1e300, 1e308, -1.7e308, 3.5e38, 1e39, 1e12, 1e8]


def columns(seed=0, n=300):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return {"x": x, "b": rng.integers(0, 2, n).astype(float), "y": 2 * x + rng.normal(size=n) / 9}


@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("name", ["x", "b"])
def test_one_cell_leaves_the_others_as_they_are(name, wild):
    frame = columns()
    good = TableEncoder().fit(table := table_from_frame(frame), infer_schema(table, "y"))
    frame[name][17] = wild
    table = table_from_frame(frame)
    schema = Schema.from_dict(infer_schema(table, "y").to_dict())
    note = schema[name].notes[0]
    assert "1 cell is out of the column's scale" in note
    assert "row 18" in note
    assert "correct it" in note
    assert schema[name].missing == 1
    typed = apply_schema(schema, table)
    assert np.isnan(typed.columns[name][17])
    assert any("row 18" in each and name in each for each in typed.notes)
    encoder = TableEncoder().fit(typed, schema)
    code, other = (
        next(each for each in one.column_encoders if each.name == name) for one in (encoder, good)
    )
    assert code.std == pytest.approx(other.std, rel=0.02)
    # Another table's cell like it is treated like it.
    again = apply_schema(schema, table.take([17, 18]), need_target=False)
    assert np.isnan(again.columns[name][0])


def test_from_a_file_the_line_is_given(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i % 13},{i % 7}" for i in range(300)]
    lines[4] = "1e300,3"
    path.write_text("x,y\n" + "\n".join(lines) + "\n")
    schema = infer_schema(read_table(path), "y")
    assert "line 6 '1e300'" in schema["x"].notes[0]


def test_two_signs_and_a_few_cells():
    frame = columns()
    frame["x"][[3, 5, 9]] = 1e308, -1e308, np.inf
    table = table_from_frame(frame)
    schema = infer_schema(table, "y")
    assert schema["x"].missing == 3
    assert "2 cells are out of the column's scale" in schema["x"].notes[1]
    assert "row 10 'inf'" in schema["x"].notes[0]


@pytest.mark.parametrize("wild", WILD)
def test_a_target_out_of_scale_leaves_its_row_out(wild):
    frame = columns()
    frame["y"][17] = wild
    table = table_from_frame(frame)
    schema = infer_schema(table, "y")
    assert schema.n_rows == 299
    assert any("target 'y' is out of scale" in note and "row 18" in note for note in schema.notes)
    typed = apply_schema(schema, table)
    assert len(typed) == 299
    assert 17 not in typed.rows
    target = TargetEncoder.from_schema(schema).fit(typed.target)
    assert target.std == pytest.approx(2, rel=0.2)
    with pytest.raises(DataError, match=r"out of scale in the only row: row 18|row 1 "):
        apply_schema(schema, table.take([17]))


def test_a_model_made_with_such_cells_predicts_as_one_without():
    settings = TableSettings(layers=(8,), epochs=30, seed=1)
    scores = []
    for spoiled in (False, True):
        frame = columns()
        if spoiled:
            frame["x"][17] = 1e300
        table = table_from_frame(frame)
        model = fit_table(table, infer_schema(table, "y"), settings)
        new = table_from_frame(columns(seed=1))
        typed = apply_schema(model.schema, new)
        scores.append(model.score(typed, model.outputs(typed))["r2"])
    assert min(scores) > 0.9


NO_CASE = {
    "a heavy tail": lambda rng: 1 / rng.random(20_000),
    "a heavier tail on both sides": lambda rng: rng.standard_cauchy(20_000),
    "many magnitudes": lambda rng: 10 ** rng.uniform(-30, 30, 2000),
    "lognormal": lambda rng: np.exp(3 * rng.normal(size=20_000)),
    "counts, most of them 0": lambda rng: np.r_[np.zeros(290), np.arange(1.0, 11)],
    "two values": lambda rng: np.r_[np.full(299, 5.0), 1e300],
    "one value": lambda rng: np.full(9, 1e308),
    "all large": lambda rng: rng.normal(size=300) * 1e307,
    "all small": lambda rng: rng.normal(size=300) * 1e-310,
    "two numbers": lambda rng: np.array([1.0, 1e300]),
    "nothing": lambda rng: np.zeros(0),
    "moments": lambda rng: 1.7e9 + rng.normal(size=300),
}


@pytest.mark.parametrize("case", NO_CASE)
def test_what_is_no_such_cell(case):
    scale = plausible_range(NO_CASE[case](np.random.default_rng(0)))
    assert scale[:3] == (None, None, None)


def test_marks_that_are_many_are_named_and_stay():
    frame = columns()
    frame["x"][:60] = 9.97e36
    schema = infer_schema(table_from_frame(frame), "y")
    assert schema["x"].missing == 0
    assert "60 cells are more than 1000 times as far from the median" in schema["x"].notes[0]
    assert "say with na= what means missing" in schema["x"].notes[0]
    frame = columns()
    frame["x"][5] = 1e5  # far, and no more than that
    assert (
        "1 cell is more than 1000 times" in infer_schema(table_from_frame(frame), "y")["x"].notes[0]
    )


def test_numbers_at_both_ends_are_standardised():
    ends = {
        "x": np.array([1.5e308, -1.5e308, 0.0, 1e307]),
        "y": np.array([1.5e308, -1.5e308, 0.0, 1.0]),
    }
    table = table_from_frame(ends)
    schema = infer_schema(table, "y")
    typed = apply_schema(schema, table)
    matrix = TableEncoder().fit(typed, schema).transform(typed)
    assert np.isfinite(matrix).all()
    assert matrix.std() == pytest.approx(1)
    target = TargetEncoder.from_schema(schema).fit(typed.target)
    assert np.isfinite(target.transform(typed.target)).all()


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udcff!"])
def test_text_that_no_file_can_hold_is_refused_on_reading(tmp_path, text):
    import json
    import sqlite3

    frame = {"k": ["a", text], "y": [1.0, 2.0]}
    for make in (table_from_frame, lambda frame: table_from_frame(_pandas(frame))):
        with pytest.raises(DataError, match=r"column 'k' holds '.*' in row 2, which is no Unicode"):
            make(frame)
    with pytest.raises(DataError, match=r"the name of column 1, '.*', is no Unicode text"):
        table_from_frame({text: [1.0], "y": [2.0]})
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"k": "a"}, {"k": text}]))
    with pytest.raises(DataError, match="in row 2, which is no Unicode"):
        read_table(path)
    path.write_text(json.dumps([{text: 1}]))
    with pytest.raises(DataError, match="is no Unicode text; expected text; rename"):
        read_table(path)
    database = tmp_path / "t.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table t(k)")
        raw = text.encode("utf-8", "surrogatepass")
        connection.execute("insert into t values ('a'), (cast(? as text))", (raw,))
    connection.close()
    with pytest.raises(DataError, match="in row 2, which is no Unicode"):
        read_table(database)


def _pandas(frame):
    import pandas as pd

    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in frame.items()})


def test_a_weight_beside_which_all_others_are_nothing():
    frame = columns() | {"w": np.ones(300)}
    frame["w"][1:] += np.arange(299) / 299
    assert infer_schema(table_from_frame(frame), "y", weights="w").notes == ()
    frame["w"][17] = 1e300
    (note,) = infer_schema(table_from_frame(frame), "y", weights="w").notes
    assert "weights 'w': 1 cell is more than 1000 times" in note
    assert "row 18" in note
