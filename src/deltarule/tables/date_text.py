"""Dates as people write them, where the order of year, month and day is unambiguous."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

__all__ = ["days_since_1970", "parse_date"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TIME = (
    r"(?:(?:T|,? )(?P<hour>\d\d?):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?: ?(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<zone_hour>\d\d)"
    r":?(?P<zone_minute>\d\d)))?)?"
)
_FORMS = tuple(
    re.compile(form + _TIME, re.ASCII)
    for form in (
        r"(?P<year>\d{4})(?P<mark>[-/])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)",
        r"(?P<day>\d\d?)(?:[-/ ]|\. ?)(?P<name>[A-Za-z]{3,9})\.?[-/ ](?P<year>\d{4})",
        r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d\d?),? (?P<year>\d{4})",
    )
)


def parse_date(text: str) -> float | None:
    """The days since 1970-01-01 (UTC) of a date or time, or None.

    Year, month and day in this order with ``-`` or ``/`` (ISO 8601), or with the month's English
    name; then, if given, the time, with AM or PM, up to nanoseconds, and a zone: ``Z``, ``UTC``,
    ``GMT`` or an offset. ``3/4/2021`` is none: it may be in March or in April.

    Examples
    --------
    >>> parse_date("1970-01-02"), parse_date("1970-01-02T12:00"), parse_date("2.1.1970")
    (1.0, 1.5, None)
    >>> parse_date("Jan 2, 1970"), parse_date("1970/1/2 6:00 PM"), parse_date("2-JAN-1970 0:00 UTC")
    (1.0, 1.75, 1.0)
    """
    text = text.strip()
    for form in _FORMS:
        if (match := form.fullmatch(text)) is not None:
            try:
                return _days(match)
            except ValueError:  # the 30th of February
                return None
    return None


def _days(match: re.Match[str]) -> float:
    """The days of a match; ValueError if there is no such moment."""
    part = match.groupdict()
    hour = int(part["hour"] or 0)
    if (half := part["half"]) is not None:
        if not 1 <= hour <= 12:
            raise ValueError(f"there is no hour {hour} with AM or PM")
        hour = hour % 12 + 12 * (half in "Pp")
    nanoseconds = int((part["fraction"] or "0").ljust(9, "0"))
    zone = UTC
    if part["sign"]:
        offset = timedelta(hours=int(part["zone_hour"]), minutes=int(part["zone_minute"]))
        zone = timezone(offset if part["sign"] == "+" else -offset)
    moment = datetime(
        int(part["year"]),
        _month(part),
        int(part["day"]),
        hour,
        int(part["minute"] or 0),
        int(part["second"] or 0),
        nanoseconds // 1000,
        zone,
    )
    return days_since_1970(moment) + nanoseconds % 1000 / 86_400e9


def _month(part: dict[str, str | None]) -> int:
    """The number of the month, from its digits or from at least three letters of its name."""
    name = part.get("name")
    if name is None:
        return int(part["month"] or 0)
    found = [i for i, month in enumerate(_MONTHS, start=1) if month.startswith(name.lower())]
    if name.lower() == "sept":
        found = [9]
    if len(found) != 1:
        raise ValueError(f"there is no month {name!r}")
    return found[0]


def days_since_1970(moment: date) -> float:
    """Days since 1970-01-01; a time without a zone counts as UTC.

    Examples
    --------
    >>> days_since_1970(date(1970, 1, 11))
    10.0
    """
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / _DAY
