"""Notes on columns: what alone predicts the target, what identifies rows, classes of few rows."""

import hashlib
import json
import sqlite3
import uuid

import numpy as np
import pytest

from deltarule.tables import infer_schema, read_table, table_from_frame
from deltarule.tables.schema import Column, Schema

N = 200
LEAK = ("alone predicts", "is equal to the target", "the target 'y' is", "whether it is missing")


def _random(seed=0):
    return np.random.default_rng(seed)


def _notes(columns, target="y", **settings):
    """The notes of each column of a table; those without are left out."""
    schema = infer_schema(table_from_frame(columns), target, **settings)
    return {each.name: [str(note) for note in each.notes] for each in schema.columns if each.notes}


def _texts(values):
    return np.array(values, dtype=object)


def _leaks(columns, **settings):
    found = _notes(columns, **settings)
    return {name for name, notes in found.items() if any(w in n for w in LEAK for n in notes)}


y = _random(1).normal(size=N) * 10 + 50
label = _texts(["no", "yes"])[(_random(2).random(N) < 0.3).astype(int)]
three = _texts(["a", "b", "c"])[_random(3).integers(0, 3, N)]
noise = _random(4).normal(size=N)


@pytest.mark.parametrize(
    ("leak", "target", "expected"),
    [
        (y.copy(), y, "in all 200 rows it is equal to the target 'y'"),
        (y * 1.8 + 32, y, "in all 200 rows the target 'y' is 0.555556 · 'leak' - 17.7778"),
        (-1000 * y, y, "in all 200 rows the target 'y' is -0.001 · 'leak'"),
        (np.where(noise > 1, np.nan, y), y, "where it is known it is equal to the target"),
        (np.round(y), y, "almost perfectly by a straight line: R² 0.99"),
        (y**3 + 7, y, "almost perfectly by its order: R² 1.0000"),
        (noise, noise**2, "by its neighbours in value among other rows: R² 0.99"),
        (_texts([f"P{i % 9}" for i in range(N)]), np.arange(N) % 9 * 1.7 % 4, "mean of its level"),
        ((label == "yes") * 3.0, label, "correctly in 100.0 % of the rows"),
        (_texts(["ok" if t == "yes" else "rejected" for t in label]), label, "100.0 % of the rows"),
        (_texts([f"level {t}" for t in three]), three, "correctly in 100.0 % of the rows"),
        (np.abs(noise) * np.where(label == "yes", 1, -1), label, "% of the rows"),
        (
            np.where(label == "yes", np.nan, noise),
            label,
            "whether it is missing tells whether the target 'y' is 'yes': it is missing in 100.0 %",
        ),
        (
            _texts([None if t == "b" else "ab"[i % 2] for i, t in enumerate(three)]),
            three,
            "is 'b': it is missing in 100.0 %",
        ),
        (np.where(three == "b", noise, np.nan), three, "is 'b': it is known in 100.0 %"),
    ],
)
def test_a_column_that_alone_predicts_the_target_is_named(leak, target, expected):
    found = _notes({"leak": leak, "noise": noise[::-1].copy(), "y": target})
    assert list(found) == ["leak"]
    (note,) = found["leak"]
    assert expected in note
    assert note.endswith("with the target, leave it out with ignore='leak'")


def test_a_rare_class_is_found_in_a_large_table():
    n = 50_000
    rare = _texts(["ok"] * n)
    rare[_random().integers(0, n, 40)] = "fraud"
    columns = {"flag": (rare == "fraud") * 1.0, "x": _random().normal(size=n), "y": rare}
    (note,) = _notes(columns)["flag"]
    assert "100.0 % of the rows" in note
    assert "the most frequent class is that of 99.92 %" in note


@pytest.mark.parametrize("n", [30, 60, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_noise_and_identifiers_are_no_leak(n, seed):
    random = _random(seed)
    columns = {f"x{i}": random.normal(size=n) for i in range(10)}
    columns["x0"][: n // 3] = np.nan
    columns |= {f"i{i}": random.integers(0, 2 + 9 * i, n) * 1.0 for i in range(5)}
    columns |= {
        f"c{i}": _texts([f"L{k}" for k in random.integers(0, 2**i, n)]) for i in range(1, 8)
    }
    columns["who"] = _texts([f"N{i}" for i in range(n)])
    columns["number"] = random.permutation(n) * 1.0
    few = _texts(["a"] * n)
    few[random.permutation(n)[:12]] = "b"
    numbers = random.normal(size=n)
    for target in (numbers, np.exp(5 * numbers), np.arange(n) % 4 * 1.0, few):
        assert _leaks(columns | {"y": random.permutation(target)}) == set()


def test_a_good_predictor_is_no_leak():
    assert _leaks({"x": y + noise * 2, "z": noise, "y": y}) == set()
    most = np.where(_random(9).random(N) < 0.06, label[::-1], label)
    assert _leaks({"x": most, "z": noise, "y": label}) == set()


def _codes(make):
    return _texts([make(i) for i in range(N)])


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("n", np.arange(1.0, N + 1), "every integer from 1 to 200 once"),
        ("n", _random().permutation(N) + 7.0, "every integer from 7 to 206 once"),
        ("n", _random().choice(2000, N, replace=False) * 1.0, "200 different integers in 200 c"),
        ("CustomerId", _random().choice(10**8, N, replace=False) * 1.0, "200 different integers"),
        ("row_nr", np.arange(N) * 10.0, "200 different integers in 200 cells, from 0 to 1990"),
        ("who", _codes(lambda i: f"Person {i}"), "200 different values in 200 cells"),
        ("who", _codes(lambda i: f"Person {min(i, 185)}"), "186 different values in 200 cells"),
        ("u", _codes(lambda i: str(uuid.UUID(int=i // 2 * 7**40))), "100 different values in 200"),
        ("h", _codes(lambda i: hashlib.sha1(b"%d" % (i // 3)).hexdigest()), "67 different values"),
    ],
)
def test_identifiers_are_noted_with_the_parameter_that_leaves_them_out(name, cells, expected):
    found = _notes({name: cells, "x": noise, "y": np.roll(noise, 3)})
    (note,) = found.pop(name)
    assert expected in note
    assert note.endswith(f"leave it out with ignore='{name}'")
    assert found == {}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("size", y),
        ("salary", np.round(np.exp(noise) * 40_000)),
        ("price", np.round(y * 1e6)),
        ("hour", np.arange(N) * 3600.0),  # a grid
        ("id", _random().integers(0, 20, N) * 1.0),  # repeated, as that of a group
        ("paid", np.round(np.abs(noise) * 1e7)),
        ("count", _random().integers(0, 2000, N) * 1.0),
        ("town", _codes(lambda i: f"T{i % 100}")),
        ("beef", _codes(lambda i: "feed" * (1 + i % 9))),
    ],
)
def test_measurements_are_no_identifiers(name, cells):
    assert _notes({name: cells, "x": noise, "y": np.roll(noise, 3)}) == {}


def _dropped(target="y", na=(), **columns):
    columns = {name: _texts(cells) for name, cells in columns.items()}
    columns = {"x": np.arange(12.0) % 5, "y": np.arange(12.0) % 7} | columns
    schema = infer_schema(table_from_frame(columns), target, na=na)
    return dict(schema.dropped), schema.names


def test_the_same_value_is_said_of_every_row_only_where_it_is():
    k = ["k"] * 12
    some = ["k"] * 11 + [None]
    tens = ["10"] * 11
    dropped, names = _dropped(a=k, b=some, c=["True"] * 6 + ["true"] * 6, d=[*tens, "10.0"])
    assert dropped == {
        "a": "the same value in every row: k (12)",
        "c": "the same value in every row: true (12)",
        "d": "the same value in every row: 10",
    }
    assert names == ("x", "b")  # that a cell is missing says something
    # Cells that count as missing: a token, an infinity; and a number that differs.
    dropped, names = _dropped(a=[*tens, "-1"], b=[*tens, "inf"], c=[*tens, "11"], na={"a": "-1"})
    assert dropped == {}
    assert names == ("x", "a", "b", "c")


def test_rows_without_a_target_are_told_from_every_row():
    y = ["1", "2", "3", "4"] * 2 + ["5"] * 3 + [None]
    dropped, _ = _dropped(a=["k"] * 11 + ["l"], b=["k"] * 12, c=[None] * 11 + ["l"], y=y)
    assert dropped == {
        "a": "the same value in every row with a usable target: k (11)",
        "b": "the same value in every row: k (11)",
        "c": "missing in every row with a usable target",
    }


def test_few_cells_are_no_identifiers():
    n = 20
    assert _notes({"a": np.arange(n) * 1.0, "y": np.arange(n) % 7 * 1.5}) == {}


def test_classes_of_few_rows_are_named_with_their_counts():
    labels = _texts(["a"] * 50 + ["b"] * 6 + ["c"] * 5 + ["d"])
    schema = infer_schema(table_from_frame({"x": np.arange(62.0) % 7, "y": labels}), "y")
    (note,) = schema["y"].notes
    assert (
        note == "classes of at most 5 rows, too few to learn or to score: 'd' (1 row), 'c' (5 rows)"
    )


def _write(folder, kind, columns):
    """A table as a file of this kind; return its path."""
    names, rows = list(columns), list(zip(*columns.values(), strict=True))
    path = folder / f"t.{kind}"
    if kind == "csv":
        lines = [names, *([str(cell) for cell in row] for row in rows)]
        path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    elif kind == "jsonl":
        lines = (json.dumps(dict(zip(names, row, strict=True))) for row in rows)
        path.write_text("\n".join(lines), encoding="utf-8")
    elif kind == "parquet":
        polars = pytest.importorskip("polars")
        polars.DataFrame(dict(zip(names, map(list, columns.values()), strict=True))).write_parquet(
            path
        )
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE t ({', '.join(names)})")
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO t VALUES ({marks})", rows)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "sqlite", "pandas", "polars", "arrow"])
def test_the_notes_are_the_same_from_every_source(kind, tmp_path):
    columns = {
        "nr": [int(i) for i in range(1, 41)],
        "who": [f"P{i}" for i in range(40)],
        "flag": [("late", "on time")[i * 7 % 3 % 2] for i in range(40)],
        "x": [i * 17 % 11 / 2 for i in range(40)],
        "y": [("no", "yes")[i * 7 % 3 % 2] for i in range(40)],
    }
    if kind in ("pandas", "polars"):
        table = table_from_frame(pytest.importorskip(kind).DataFrame(columns))
    elif kind == "arrow":
        table = table_from_frame(pytest.importorskip("pyarrow").table(columns))
    else:
        table = read_table(_write(tmp_path, kind, columns))
    notes = {c.name: [str(n) for n in c.notes] for c in infer_schema(table, "y").columns}
    assert notes["x"] == []
    assert ["every integer" in n for n in notes["nr"]] == [True]
    assert ["40 different values" in n for n in notes["who"]] == [True]
    assert ["alone predicts the target 'y'" in n for n in notes["flag"]] == [True]


def test_long_lists_are_cut_with_counts():
    columns = tuple(Column(f"x{i}", "number", notes=(f"note {i}",)) for i in range(100))
    dropped = tuple((f"d{i}", "missing in every row") for i in range(50))
    ignored = tuple(f"i{i}" for i in range(40))
    schema = Schema(
        columns, dropped=dropped, ignored=ignored, notes=tuple(f"t{i}" for i in range(30))
    )
    text = schema.describe(limit=30)
    for line in (
        "  … and 70 more columns",
        "  … and 20 more notes on the table",
        "  … and 41 more columns left out",
        "  … and 90 more notes",
    ):
        assert line in text.splitlines()
    assert len(schema.remarks()) == 30 + 51 + 100


def test_names_of_any_length_and_kind_stay_in_one_line():
    name = "n" * 500 + "\n"
    schema = Schema((Column("a\nb", "number", notes=("n",)), Column(name, "number", notes=("m",))))
    lines = schema.describe().splitlines()
    assert max(map(len, lines)) < 120
    assert "  - a\\nb: n" in lines
