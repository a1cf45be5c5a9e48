"""Dates as people write them: what is read, and what is not guessed."""

import datetime as dt

import pytest

from deltarule.tables import apply_schema, infer_schema, table_from_frame
from deltarule.tables.cells import canonical_label
from deltarule.tables.date_text import parse_date

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
