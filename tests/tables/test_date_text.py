"""Dates as people write them: what is read, and what is not guessed."""

import datetime as dt
import json
import sqlite3

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import Schema, apply_schema, infer_schema, read_table, table_from_frame
from deltarule.tables.cells import canonical_label
from deltarule.tables.date_text import date_reader, parse_date

DAY = (dt.date(2021, 3, 12) - dt.date(1970, 1, 1)).days
HALF_PAST_ONE_PM = 13.5 / 24


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-12", "2021/03/12", "2021-3-12", "2021/3/12", "12 Mar 2021", "12 March 2021",
        "12-Mar-2021", "12/Mar/2021", "12. March 2021", "Mar 12, 2021", "March 12 2021",
        "MAR 12, 2021", " 2021-03-12 ", "12 mar. 2021",
    ],
)  # fmt: skip
def test_a_day(text):
    assert parse_date(text) == DAY
    assert canonical_label(text.strip()) == "2021-03-12"


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-12 13:30", "2021-03-12T13:30:00", "2021-03-12 1:30 PM", "2021-03-12 01:30:00 pm",
        "2021/3/12 13:30:00 UTC", "2021-03-12 13:30 GMT", "2021-03-12T13:30Z",
        "2021-03-12T15:30+02:00", "2021-03-12T08:00-0530", "12 Mar 2021 13:30",
        "Mar 12, 2021, 1:30 p.m.", "2021-03-12 13:30:00.000000000", "2021-03-12 13:30:00.000 UTC",
    ],
)  # fmt: skip
def test_a_time(text):
    assert parse_date(text) == DAY + HALF_PAST_ONE_PM


def test_noon_midnight_and_nanoseconds():
    assert parse_date("2021-03-12 12:00 AM") == DAY
    assert parse_date("2021-03-12 12:00 PM") == DAY + 0.5
    second = parse_date("2021-03-12 00:00:00.123456789")
    assert second == pytest.approx(DAY + 0.123456789 / 86400, abs=1e-11)


@pytest.mark.parametrize(
    "text",
    [
        "03/04/2021", "12/03/2021", "12.03.2021", "3-4-21", "20210312", "2021-13-01", "2021-02-30",
        "31 Feb 2021", "12 Mrz 2021", "2021-03-12 25:00", "2021-03-12 13:30 PM",
        "2021-03-12 0:30 AM",
        "2021-03", "2021/03-12", "March 2021", "12 Ma 2021", "2021-03-12 10:00 CET", "12:30", "",
        "2021-03-12 10:00:00.1234567890", "0000-01-01", "12 J 2021", "12 Jux 2021",
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_no_date_is_not_guessed(text):
    assert parse_date(text) is None


def test_a_column_of_one_form_is_read_by_another():
    days = [dt.date(2021, 1, 1) + dt.timedelta(i) for i in range(40)]
    columns = {"d": [f"{day:%d %b %Y}" for day in days], "x": [float(i) for i in range(40)]}
    schema = infer_schema(table_from_frame(columns))
    assert schema["d"].kind == "date"
    later = {"d": [f"{days[3]:%Y/%m/%d} 12:00 AM", days[3].isoformat(), None], "x": [1.0, 2.0, 3.0]}
    read = apply_schema(schema, table_from_frame(later), need_target=False).columns["d"]
    assert read[:2].tolist() == [(days[3] - dt.date(1970, 1, 1)).days] * 2


@pytest.mark.parametrize(
    "text",
    [
        "12MAR2021:13:30:00", "Fri, 12 Mar 2021 13:30:00 +0000", "Fri Mar 12 13:30:00 2021",
        "Fri Mar 12 13:30:00 UTC 2021", "20210312T133000", "20210312T1330Z", "20210312 13:30",
        "Friday, March 12th, 2021 at 1:30 PM", "2021-03-12 13:30:00+00", "2021.03.12 13:30",
        "2021-Mar-12 13:30", "Mar-12-2021 13:30", "12/Mar/2021:14:30:00 +0100",
        "Fri Mar 12 2021 13:30:00 GMT+0000 (Coordinated Universal Time)",
    ],
)  # fmt: skip
def test_more_forms_that_need_no_format(text):
    assert parse_date(text) == DAY + HALF_PAST_ONE_PM


DAYS = [dt.date(2021, 1, 1) + dt.timedelta(3 * i) for i in range(100)]
EARLY = [day for day in DAYS if day.day <= 12]
X = np.linspace(0, 1, 100)


def days_of(dates):
    return [(each - dt.date(1970, 1, 1)).days for each in dates]


def schema_of(texts, **arguments):
    columns = {"d": list(texts), "x": X[: len(texts)].tolist()}
    return infer_schema(table_from_frame(columns), **arguments)


def read_by(schema, cells):
    table = table_from_frame({"d": cells, "x": [0.5] * len(cells)})
    return apply_schema(schema, table, need_target=False).columns["d"].tolist()


@pytest.mark.parametrize(
    "date_format",
    [
        "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %m %Y", "%m/%d/%y",
        "%d-%b-%y", "%d %b %y", "%a %d/%m/%Y", "%A, %m/%d/%Y",
    ],
)  # fmt: skip
def test_the_format_of_a_column_is_found_noted_and_stored(date_format):
    schema = schema_of([f"{day:{date_format}}" for day in DAYS])
    column = schema["d"]
    assert (column.kind, column.date_format) == ("date", date_format)
    assert column.notes[0].startswith(f"dates are read as {date_format}: row ")
    assert column.minimum == days_of(DAYS)[0]
    stored = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    # One row alone, of a day to 12, is read by the stored format.
    assert read_by(stored, [f"{EARLY[3]:{date_format}}"]) == days_of(EARLY[3:4])


@pytest.mark.parametrize("clock", ["%H:%M", "%H:%M:%S", "%I:%M %p", "%H:%M:%S.%f", "%H:%M UTC"])
def test_a_time_may_follow_a_date_of_a_format(clock):
    moments = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=37 * i) for i in range(100)]
    schema = schema_of([f"{moment:%d/%m/%Y {clock}}" for moment in moments])
    assert schema["d"].date_format == "%d/%m/%Y"
    assert schema["d"].maximum == days_of([dt.date(2021, 1, 1)])[0] + 99 * 37 / 24
    assert read_by(schema, ["03/04/2021"]) == days_of([dt.date(2021, 4, 3)])


@pytest.mark.parametrize(
    "date_format", ["%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d/%m/%Y %H:%M", "%d/%m/%y"]
)
def test_an_order_that_no_cell_shows_is_refused(date_format):
    texts = [f"{day:{date_format}}" for day in EARLY]
    with pytest.raises(DataError) as error:
        schema_of(texts)
    assert "column 'd'" in str(error.value)
    assert f"row 2 {texts[1]!r} is " in str(error.value)
    assert "date_format={'d': '%" in str(error.value)
    assert schema_of(texts, date_format={"d": date_format})["d"].minimum == days_of(EARLY)[0]
    assert schema_of(texts, date_format=date_format)["d"].minimum == days_of(EARLY)[0]
    assert schema_of(texts, kinds={"d": "category"})["d"].kind == "category"


def test_days_of_either_order_alone_do_not_show_it():
    with pytest.raises(DataError, match="no cell shows what comes first"):
        schema_of([f"{i:02}/{i:02}/2021" for i in range(1, 13)])


def test_a_two_digit_year_may_be_a_day():
    with pytest.raises(DataError, match="2001-01-21 or 2021-01-01"):
        schema_of([f"{day:%d/%m/%y}" for day in DAYS])


def test_dates_in_two_orders_are_refused():
    texts = [f"{day:%d/%m/%Y}" for day in DAYS[:50]] + [f"{day:%m/%d/%Y}" for day in DAYS[50:]]
    with pytest.raises(DataError, match="row 5 '13/01/2021' as %d/%m/%Y and row 51 '05/31/2021'"):
        schema_of(texts)


def test_the_same_date_in_every_row_is_left_out():
    assert schema_of(["03/04/2021"] * 30).dropped[0][0] == "d"


def test_what_is_ignored_or_a_label_needs_no_format():
    texts = [f"{day:%d/%m/%Y}" for day in EARLY[:3] * 12]
    table = table_from_frame({"d": texts, "x": list(range(36)), "y": [*X[:36]]})
    assert "d" not in infer_schema(table, "y", ignore="d").names
    assert infer_schema(table, "d", task="classification").classes[0] == "01/01/2021"


def test_a_date_that_is_none_is_named():
    texts = [*(f"{day:%d/%m/%Y}" for day in DAYS[:99]), "31/02/2021"]
    schema = schema_of(texts)
    assert "row 100 '31/02/2021'" in schema["d"].notes[1]
    table = table_from_frame({"d": ["31/02/2021", "13/03/2021"], "x": [0.5, 0.5]})
    typed = apply_schema(schema, table, need_target=False)
    assert typed.notes == (
        "column 'd': 1 cell counts as missing, being no date as %d/%m/%Y: row 1 '31/02/2021'",
    )


@pytest.mark.parametrize("text", ["04/13/2021", "20210413", "1,5", "true"])
def test_a_date_in_another_order_is_refused_later(text):
    schema = schema_of([f"{day:%d/%m/%Y}" for day in DAYS])
    with pytest.raises(DataError, match=f"row 1 {text!r}; expected dates as %d/%m/%Y"):
        read_by(schema, [text])


@pytest.mark.parametrize("text", ["13/04/2021", "03/04/2021", "4-13-2021"])
def test_a_date_that_needs_a_format_is_refused_where_there_is_none(text):
    for cells in ([day.isoformat() for day in DAYS], [f"{i}" for i in range(100)]):
        with pytest.raises(DataError, match=f"row 1 {text!r}"):
            read_by(schema_of(cells), [text])


def test_dates_that_need_no_format_go_with_any():
    schema = schema_of([f"{day:%d/%m/%Y}" for day in DAYS])
    day = DAYS[4]
    cells = [f"{day:%Y-%m-%d}", f"{day:%d %b %Y}", f"{day:%d/%m/%Y} 0:00", None]
    assert read_by(schema, cells)[:3] == days_of([day]) * 3
    assert read_by(schema, [day]) == days_of([day])


def test_a_stated_format_is_read_instead_of_iso_8601():
    schema = schema_of([f"{day:%Y-%d-%m}" for day in DAYS], date_format={"d": "%Y-%d-%m"})
    assert read_by(schema, ["2021-03-04"]) == days_of([dt.date(2021, 4, 3)])
    assert date_reader("%Y-%d-%m")("2021-01-13") is None


def test_digits_alone_are_dates_by_a_format_only():
    digits = [f"{day:%Y%m%d}" for day in DAYS]
    for cells in (digits, [int(each) for each in digits]):
        column = schema_of(cells)["d"]
        assert column.kind == "number"
        assert "date_format={'d': '%Y%m%d'}" in str(column.notes[0])
        for date_format in ("%Y%m%d", {"d": "%Y%m%d"}):
            schema = schema_of(cells, date_format=date_format)
            assert schema["d"].kind == "date"
            assert schema["x"].kind == "number"
            assert read_by(schema, ["20210403"]) == days_of([dt.date(2021, 4, 3)])
            assert read_by(schema, [20210403]) == days_of([dt.date(2021, 4, 3)])


def test_digits_that_lost_their_zero():
    schema = schema_of([int(f"{day:%d%m%Y}") for day in DAYS], date_format={"d": "%d%m%Y"})
    assert schema["d"].minimum == days_of(DAYS)[0]
    assert date_reader("%Y%m%d")("2014112") is None


def test_nanoseconds_of_a_stated_format():
    read = date_reader("%d/%m/%Y %H:%M:%S.%f")
    assert read("12/03/2021 12:00:00.123456789") == read("12/03/2021 12:00:00.123456")


@pytest.mark.parametrize(
    "date_format", ["DD/MM/YYYY", "%d/%m", "%Q/%Y", "%Y %W", "%d/%m/%Y %H:%M %p", "%Y %y %Y", "", 5]
)
def test_a_format_that_is_none(date_format):
    with pytest.raises(InputError, match="date_format"):
        schema_of([f"{day:%d/%m/%Y}" for day in DAYS], date_format=date_format)


def test_a_format_of_no_column_or_of_another_kind():
    texts = [f"{day:%d/%m/%Y}" for day in DAYS]
    with pytest.raises(DataError, match="no column has dates in the format date_format='%Y%m%d'"):
        schema_of(texts, date_format="%Y%m%d")
    with pytest.raises(DataError, match="100 of 100 cells are not a date as %Y%m%d: row 1"):
        schema_of([f"name {i}" for i in range(100)], date_format={"d": "%Y%m%d"})
    with pytest.raises(DataError, match="no column 'e'"):
        schema_of(texts, date_format={"e": "%d/%m/%Y"})
    with pytest.raises(InputError, match="kinds="):
        schema_of(texts, date_format={"d": "%d/%m/%Y"}, kinds={"d": "number"})


def test_a_category_that_looks_like_dates_is_noted():
    notes = schema_of([f"{i % 28 + 1} Mrz {2000 + i}" for i in range(100)])["d"].notes
    assert "row 1 '1 Mrz 2000'" in notes[0]
    notes = schema_of([f"{day:%d-%m-%y}" for day in EARLY])["d"].notes
    assert "date_format={'d': '%d-%m-%y'}" in str(notes[0])
    dashed = [text if i % 4 else "-" for i, text in enumerate(f"{day:%d/%m/%Y}" for day in DAYS)]
    assert "na={'d': '-'}" in str(schema_of(dashed)["d"].notes[0])


def test_a_target_of_dates_with_a_format():
    texts = [f"{day:%d/%m/%Y}" for day in DAYS]
    table = table_from_frame({"x": X.tolist(), "d": texts})
    schema = infer_schema(table, "d")
    assert schema.task == "regression"
    assert schema.target.date_format == "%d/%m/%Y"
    assert apply_schema(schema, table).target.tolist() == days_of(DAYS)


def write_csv(path, texts):
    lines = ["d,x", *(f"{text},{x}" for text, x in zip(texts, X.tolist(), strict=False))]
    path.write_text("\n".join(lines) + "\n")
    return read_table(path)


def write_jsonl(path, texts):
    rows = [{"d": text, "x": x} for text, x in zip(texts, X.tolist(), strict=False)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_table(path)


def write_parquet(path, texts):
    columns = {"d": texts, "x": X.tolist()[: len(texts)]}
    pq.write_table(pa.table(columns), path)
    return read_table(path)


def write_sqlite(path, texts):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (d TEXT, x REAL)")
        database.executemany("INSERT INTO t VALUES (?, ?)", zip(texts, X.tolist(), strict=False))
    database.close()
    return read_table(path)


SOURCES = {
    "a.csv": write_csv,
    "a.jsonl": write_jsonl,
    "a.parquet": write_parquet,
    "a.sqlite": write_sqlite,
    "pandas": lambda _, texts: table_from_frame(pd.DataFrame({"d": texts, "x": X[: len(texts)]})),
    "polars": lambda _, texts: table_from_frame(pl.DataFrame({"d": texts, "x": X[: len(texts)]})),
    "pyarrow": lambda _, texts: table_from_frame(pa.table({"d": texts, "x": X[: len(texts)]})),
    "dict": lambda _, texts: table_from_frame({"d": texts, "x": X[: len(texts)]}),
}


@pytest.mark.parametrize("source", SOURCES)
def test_dates_by_source(source, tmp_path):
    schema = infer_schema(SOURCES[source](tmp_path / source, [f"{day:%d/%m/%Y}" for day in DAYS]))
    assert schema["d"].date_format == "%d/%m/%Y"
    (tmp_path / "later").mkdir()
    later = SOURCES[source](tmp_path / "later" / source, ["03/04/2021"])
    read = apply_schema(schema, later, need_target=False).columns["d"]
    assert read.tolist() == days_of([dt.date(2021, 4, 3)])
    (tmp_path / "early").mkdir()
    early = SOURCES[source](tmp_path / "early" / source, [f"{day:%d/%m/%Y}" for day in EARLY])
    with pytest.raises(DataError, match=r"column 'd' .* (line|row) \d '\d\d/\d\d/2021' is 2021-"):
        infer_schema(early)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_dates_of_typed_sources_go_with_any_format(frame, tmp_path):
    schema = schema_of([f"{day:%d/%m/%Y}" for day in DAYS])
    typed = table_from_frame(frame({"d": [dt.datetime(2021, 4, 3, 12)], "x": [0.5]}))
    read = apply_schema(schema, typed, need_target=False).columns["d"]
    assert read.tolist() == [days_of([dt.date(2021, 4, 3)])[0] + 0.5]
