"""Texts that mean missing: which do, which are named, and how they are kept as values."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from deltarule.errors import DataError
from deltarule.tables import (
    Schema,
    TextColumn,
    apply_schema,
    infer_schema,
    read_table,
    table_from_frame,
)

CONTINENTS = ["EU", "NA", "AS", "NA", "none", "EU"] * 10


def frame(cells=CONTINENTS):
    rng = np.random.default_rng(0)
    return {
        "a": list(cells),
        "b": rng.normal(size=len(cells)).tolist(),
        "y": list(range(len(cells))),
    }


def again(schema):
    return Schema.from_dict(json.loads(json.dumps(schema.to_dict())))


def sources(tmp_path, columns):
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    parquet = pytest.importorskip("pyarrow.parquet")
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(columns).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        pd.DataFrame(columns).to_sql("t", connection, index=False)
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.db"):
        yield read_table(tmp_path / name)
    for make in (pd.DataFrame, pl.DataFrame, pa.table, dict):
        yield table_from_frame(make(columns))


def test_a_level_is_missing_with_a_note_or_kept(tmp_path):
    for table in sources(tmp_path, frame()):
        schema = infer_schema(table, "y")
        assert schema["a"].missing == 20
        assert schema["a"].notes == (
            "'NA' (20 cells) counts as missing; if it is a value, give keep_na='a'",
        )
        kept = again(infer_schema(table, "y", keep_na="a"))
        assert (kept["a"].missing, kept["a"].distinct, kept["a"].notes) == (0, 4, ())
        assert apply_schema(kept, table).columns["a"].tolist() == CONTINENTS
        # One row is read as it would be among many.
        assert apply_schema(kept, table.take([1])).columns["a"].tolist() == ["NA"]
        assert apply_schema(schema, table.take([1])).columns["a"].tolist() == [None]


def test_a_class_is_kept(tmp_path):
    columns = frame() | {"y": CONTINENTS}
    for table in sources(tmp_path, columns):
        schema = infer_schema(table, "y")
        assert schema.classes == ("AS", "EU", "none")
        assert schema.notes[-1].startswith("20 rows are left out because the target 'y' is missing")
        assert schema.notes[-1].endswith(
            "'NA' (20 cells) counts as missing; if it is a value, give keep_na='y'"
        )
        kept = again(infer_schema(table, "y", keep_na=["y"]))
        assert kept.classes == ("AS", "EU", "NA", "none")
        assert (kept.n_rows, kept.notes) == (60, ())
        assert len(apply_schema(kept, table).target) == 60


def test_a_target_of_one_class_beside_na_says_how_it_is_kept():
    columns = frame() | {"y": ["EU", "NA"] * 30}
    with pytest.raises(DataError, match="is 'EU' in all 30 rows") as error:
        infer_schema(table_from_frame(columns), "y")
    assert "give keep_na='y'" in str(error.value)


def test_the_empty_cell_and_the_columns_own_tokens_stay_missing():
    cells = ["NA", "", "x", None, "EU", "null"] * 10
    schema = infer_schema(table_from_frame(frame(cells)), "y", keep_na="a", na={"a": ["x"]})
    assert schema["a"].missing == 30
    assert [level for level, _ in schema["a"].levels] == ["EU", "NA", "null"]


@pytest.mark.parametrize("cells", [["1", "NA", "2.5"] * 20, ["2020-01-01", "2021-01-01", "?"] * 20])
def test_numbers_and_dates_without_a_value_have_no_note(cells):
    schema = infer_schema(table_from_frame(frame(cells)), "y")
    assert schema["a"].missing == 20
    assert schema["a"].notes == ()


def test_texts_that_mean_missing_are_as_any_missing_cell():
    column = TextColumn([0, 1, -1, 2, 0], ["NA", "a", "?"]).without(lambda text: text != "a")
    assert column.tolist() == [None, "a", None, None, None]
    assert column.is_missing().tolist() == [True, False, True, True, True]
    assert column.counts() == {"a": 1}
    assert column.na_counts() == {"NA": 2, "?": 1}
    assert column.ranks().tolist() == [-1, 0, -1, -1, -1]
    assert column.lookup([5.0], np.nan)[1] == 5
    assert column[[0, 1]].restored().tolist() == ["NA", "a"]
    assert column.map_texts(str.upper).restored().tolist() == ["NA", "A", None, "?", "NA"]
    both = TextColumn.concatenate([column, TextColumn([0], ["?"]).without(bool)])
    assert both.restored().tolist() == ["NA", "a", None, "?", "NA", "?"]
    assert column.without(lambda text: True).na_counts() == {"NA": 2, "?": 1, "a": 1}
    assert TextColumn([0, -1], ["a"]).restored().tolist() == ["a", None]
