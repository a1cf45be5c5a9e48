"""Values far outside of all others that repeat are noted, and missing only where that is said."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from deltarule.tables import apply_schema, infer_schema, read_table, table_from_frame
from deltarule.tables.sentinel_values import find_sentinels

N = 300


def rng():
    return np.random.default_rng(0)


def some(values, code, every=10):
    values = np.array(values, dtype=float)
    values[::every] = code
    return values


FOUND = {
    "-999 among temperatures": (some(rng().normal(15, 8, N).round(1), -999), [-999]),
    "-9999 in most rows": (some(rng().random(N), -9999, 2), [-9999]),
    "-200 of a sensor": (some(rng().gamma(2, 100, N).round(), -200), [-200]),
    "-200 in nine of ten rows": (
        np.where(np.arange(3000) % 10 > 0, -200, rng().gamma(2, 100, 3000).round()),
        [-200],
    ),
    "9999 above": (some(rng().integers(1, 60, N), 9999), [9999]),
    "99 beside a scale of 1 to 5": (some(rng().integers(1, 6, N), 99), [99]),
    "two codes": (some(some(rng().integers(0, 60, N), 999), 998, 15), [998, 999]),
    "one on each side": (some(some(rng().integers(0, 60, N), 9999), -999, 15), [-999, 9999]),
    "-1 among fractions": (some(rng().random(N), -1), [-1]),
    "-999.25 of well logs": (some(rng().normal(50, 9, N), -999.25), [-999.25]),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_code_is_found(name):
    values, expected = FOUND[name]
    assert find_sentinels(values) == expected


SILENT = {
    "normal": rng().normal(size=N).round(1),
    "lognormal": rng().lognormal(0, 3, N),
    "Cauchy": rng().standard_cauchy(N).round(),
    "Pareto": (rng().pareto(1, N) * 10).round(),
    "mostly 0": np.where(np.arange(N) % 10 > 0, 0, rng().integers(500, 900, N)),
    "0 for missing": some(rng().integers(60, 130, N), 0),
    "capped": np.minimum(rng().exponential(5, N), 12.0),
    "capped prices": np.minimum(rng().lognormal(12, 0.6, N).round(), 500_001),
    "-1, 0 and 1": rng().integers(-1, 2, N),
    "counts with -1": rng().integers(-1, 30, N),
    "levels": rng().choice([3, 4, 8, 9, 10, 11], N),
    "one outlier": some(rng().normal(size=N), 77, N),
}


@pytest.mark.parametrize("name", SILENT)
def test_other_columns_have_none(name):
    values = np.asarray(SILENT[name], dtype=float)
    assert find_sentinels(values) == []
    assert find_sentinels(-values) == []


def test_a_code_is_noted_and_missing_only_where_said(tmp_path):
    values = FOUND["-200 of a sensor"][0]
    path = tmp_path / "a.csv"
    path.write_text("a;y\n" + "".join(f"{v:.1f};{i}\n" for i, v in enumerate(values)))
    frame = table_from_frame({"a": values, "y": np.arange(N, dtype=float)})
    for table, written in ((read_table(path), "-200.0"), (frame, "-200")):
        schema = infer_schema(table, "y")
        assert (schema["a"].minimum, schema["a"].missing) == (-200, 0)
        (note,) = schema["a"].notes
        assert note.startswith(f"'{written}' (30 cells) lies far outside of all others (")
        assert note.endswith(f"if it means missing, give na={ {'a': written}!r}")
        said = infer_schema(table, "y", na={"a": [written]})
        assert (said["a"].missing, said["a"].notes) == (30, ())
        assert np.isnan(apply_schema(said, table).columns["a"]).sum() == 30


def test_a_code_of_a_target_is_noted():
    table = table_from_frame({"a": np.arange(N, dtype=float) ** 2, "y": FOUND["9999 above"][0]})
    assert "'9999' (30 cells) lies far outside" in infer_schema(table, "y").target.notes[-1]


@pytest.mark.parametrize("code", [date(9999, 12, 31), date(1900, 1, 1)])
def test_a_date_that_stands_for_missing(code, tmp_path):
    days = [date(2015, 1, 1) + timedelta(days=int(i)) for i in rng().integers(0, 2000, N)]
    days[::20] = [code] * len(days[::20])
    columns = {"d": days, "y": np.arange(N, dtype=float)}
    path = tmp_path / "a.csv"
    path.write_text("d,y\n" + "".join(f"{day},{i}\n" for i, day in enumerate(days)))
    for table in (table_from_frame(columns), read_table(path)):
        schema = infer_schema(table, "y")
        assert schema["d"].kind == "date"
        assert f"'{code}' (15 cells) lies far outside of all others (2015-" in schema["d"].notes[-1]
        said = infer_schema(table, "y", na={"d": [str(code)]})
        assert (said["d"].missing, said["d"].notes) == (15, ())
        assert np.isnan(apply_schema(said, table).columns["d"]).sum() == 15
