"""Frames in memory, and the table itself."""

import datetime as dt
import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from deltarule.errors import DataError, InputError, MissingDependency
from deltarule.tables import Table, table_from_frame

DATA = {
    "i": [1, None, 3],
    "t": ["a", " ?", "b "],
    "b": [True, None, False],
    "d": [dt.date(1970, 1, 2), None, dt.date(1970, 1, 3)],
    "ts": [dt.datetime(1970, 1, 2, 12), None, dt.datetime(1970, 1, 3)],
    "dec": [decimal.Decimal("1.5"), None, decimal.Decimal(2)],
    "none": [None, None, None],
}


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table, dict],
    ids=["pandas", "polars", "lazy", "pyarrow", "dict"],
)
def test_every_frame_gives_the_same_table(make):
    table = table_from_frame(make(DATA))
    assert table.names == tuple(DATA)
    values = {name: [None if c != c else c for c in table[name].tolist()] for name in table.names}
    assert values == {
        "i": [1.0, None, 3.0],
        "t": ["a", None, "b"],
        "b": ["true", None, "false"],
        "d": [1.0, None, 2.0],
        "ts": [1.5, None, 2.0],
        "dec": [1.5, None, 2.0],
        "none": [None, None, None],
    }
    assert table.kinds["d"] == table.kinds["ts"] == "date"
    assert table.where(0) == "row 1"


def test_types_of_pandas():
    frame = pd.DataFrame(
        {
            "I": pd.array([1, None, 3], dtype="Int64"),
            "B": pd.array([True, None, False], dtype="boolean"),
            "s": pd.array(["x", None, "?"], dtype="string"),
            "c": pd.Categorical([1, 2, None]),
            "mixed": [1, "x", None],
            "tz": pd.to_datetime(DATA["ts"]).tz_localize("Europe/Berlin"),
            "nat": [pd.NaT, pd.NaT, pd.NaT],
        }
    )
    table = table_from_frame(frame)
    np.testing.assert_array_equal(table["I"], [1, np.nan, 3])
    assert table["B"].tolist() == ["true", None, "false"]
    assert table["s"].tolist() == ["x", None, None]
    assert table["c"].tolist() == ["1", "2", None]
    assert table["mixed"].tolist() == ["1", "x", None]
    np.testing.assert_allclose(table["tz"], [1.5 - 1 / 24, np.nan, 2 - 1 / 24])
    assert dict(table.kinds) == {"c": "category", "tz": "date", "nat": "date"}


def test_types_of_polars():
    table = table_from_frame(
        pl.DataFrame({"c": pl.Series(["u", None], dtype=pl.Categorical), "u8": pl.Series([1, 2])})
    )
    assert table["c"].tolist() == ["u", None]
    assert dict(table.kinds) == {"c": "category"}


def test_a_dictionary_of_arrays():
    table = table_from_frame(
        {
            "f": np.array([1.5, np.nan], dtype=np.float32),
            "b": np.array([True, False]),
            "u": np.array(["x", "NA"]),
            "m": np.array(["1970-01-02", "NaT"], dtype="datetime64[D]"),
            "o": np.array([np.float64(1), pd.NA], dtype=object),
            "k": np.ma.masked_array([1, 2], mask=[False, True]),
            "s": pd.Series([1, 2]),
            "big": [10**400, 1],
        }
    )
    values = {n: [None if c != c else c for c in table[n].tolist()] for n in table.names}
    assert values == {
        "f": [1.5, None],
        "b": ["true", "false"],
        "u": ["x", None],
        "m": [1.0, None],
        "o": [1.0, None],
        "k": [1.0, None],
        "s": [1.0, 2.0],
        "big": ["1" + "0" * 400, "1"],
    }


def test_missing_tokens_hold_for_frames_too():
    table = table_from_frame({"a": [1.0, -999.0], "b": ["x", "none"]}, na=["-999", "None"])
    assert np.isnan(table["a"]).tolist() == [False, True]
    assert table["b"].tolist() == ["x", None]


def test_a_table_is_given_back():
    table = table_from_frame({"a": [1]})
    assert table_from_frame(table) is table


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (5, InputError, "the data is a int; expected a DataFrame of pandas, polars"),
        ([[1]], InputError, "the data is a list"),
        (np.zeros((2, 2)), InputError, "the data is a ndarray"),
        (pd.Series([1]), InputError, "the data is a Series"),
        ({}, DataError, "the dictionary has no columns"),
        ({"a": []}, DataError, "the dictionary has no rows"),
        ({"a": 5}, DataError, "column 'a' is a int; expected a 1-d array or list"),
        ({"a": "xyz"}, DataError, "column 'a' is a str; expected a 1-d array or list"),
        ({"a": np.zeros((2, 2))}, DataError, "column 'a' is an array of shape (2, 2)"),
        ({"a": [1], "b": [1, 2]}, DataError, "the columns differ in length: a has 1, b has 2"),
        ({3: [1]}, DataError, "the name of column 1 is 3, a int; expected text"),
        ({"a": [[1]]}, DataError, "column 'a' holds a list in row 1"),
        ({"a": [1, b"x"]}, DataError, "column 'a' holds a bytes in row 2"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), DataError, "'a' stands twice"),
        (pd.DataFrame([[1, 2]]), DataError, "the name of column 1 is 0, a int; expected text"),
        (pd.DataFrame({"a": [[1]]}), DataError, "column 'a' holds a list in row 1"),
        (pl.DataFrame({"a": [[1]]}), DataError, "column 'a' is of type List(Int64)"),
        (pl.DataFrame({"a": [dt.timedelta(1)]}), DataError, "column 'a' holds a timedelta"),
        (pa.table({"a": pa.array([b"x"])}), DataError, "column 'a' holds a bytes in row 1"),
        (pd.DataFrame(), DataError, "the frame has no columns"),
        (pd.DataFrame({"a": []}), DataError, "the frame has no rows"),
        ({f"x{i}": [1] for i in range(20_001)}, DataError, "has 20001 columns; expected at most"),
    ],
)
def test_frames_that_are_refused(frame, error, message):
    with pytest.raises(error) as caught:
        table_from_frame(frame)
    assert message in str(caught.value)


def test_without_narwhals(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("narwhals")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    with pytest.raises(MissingDependency, match="pip install narwhals"):
        table_from_frame(pd.DataFrame({"a": [1]}))


def test_importing_tables_is_cheap():
    code = (
        "import sys; import deltarule.tables; "
        "print([m for m in ('duckdb', 'narwhals', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The table


@pytest.fixture
def table(make_table):
    return make_table(x=[1.0, 2.0, 3.0], y=["a", None, "c"], z=[0.0, 0.0, 1.0])


def test_a_table_selects_and_takes(table):
    assert table.select(["z", "x"]).names == ("z", "x")
    assert table.without(["y"]).names == ("x", "z")
    assert table.take([2, 0])["x"].tolist() == [3.0, 1.0]
    assert table.take(np.array([False, True, True]))["x"].tolist() == [2.0, 3.0]
    assert table.take(slice(1, None)).where(0) == "row 2"
    assert table.take([])["y"].tolist() == []
    assert table.head(2)["y"].tolist() == ["a", None]
    assert (len(table), table.n_rows, "x" in table, "q" in table) == (3, 3, True, False)
    assert repr(table) == "Table(3 rows of 3 columns from t.csv: x, y, z)"


@pytest.mark.parametrize(
    "use",
    [
        lambda t: t["yy"],
        lambda t: t.select(["yy"]),
        lambda t: t.without(["yy"]),
    ],
)
def test_an_unknown_column_is_named_with_a_close_one(table, use):
    with pytest.raises(
        DataError, match=r"t.csv has no column 'yy' .* did you mean 'y'\? its columns"
    ):
        use(table)


@pytest.mark.parametrize("rows", [[3], [-4], [0.5], [True, False], [[0]], ["a"]])
def test_rows_that_are_not_there(table, rows):
    with pytest.raises(
        InputError, match="expected row numbers from 0 to 2, or a mask of 3 booleans"
    ):
        table.take(rows)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"a": np.zeros(2, dtype=int)},
            "column 'a' is an array of int64 with 1 dimensions; expected",
        ),
        ({"a": [1.0]}, "column 'a' is a list; expected a 1-d NumPy array"),
        ({"b": np.zeros(1)}, "the names are a, but the columns are b"),
    ],
)
def test_a_table_checks_its_columns(columns, message):
    with pytest.raises(DataError) as caught:
        Table(("a",), columns)
    assert message in str(caught.value)


def test_a_table_without_columns_is_empty():
    assert len(Table((), {})) == 0
