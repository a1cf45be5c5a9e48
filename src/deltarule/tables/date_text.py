"""Dates as people write them: in an unambiguous way, or in a format that is stated."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

from deltarule.errors import InputError, Message, Parameter

__all__ = [
    "EPOCH",
    "check_date_format",
    "compact_width",
    "date_reader",
    "date_value",
    "day_text",
    "days_since_1970",
    "parse_date",
    "split_date",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_LENGTH = timedelta(days=1)
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = (
    r"(?: ?(?:Z|UTC|GMT|(?:UTC|GMT)?(?P<sign>[+-])(?P<zone_hour>\d\d?)(?::?(?P<zone_minute>\d\d))?)"
    r"(?: \([A-Z ]+\))?)?"
)
_CLOCK = (
    rf"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d){_FRACTION})?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?"
)
_WITH_TIME = rf"(?:T|,? (?:at )?|:){_CLOCK}{_ZONE}"
_TIME = f"(?:{_WITH_TIME})?"
_WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?\.?,? )?"
_DAY = r"(?P<day>\d\d?)(?:st|nd|rd|th)?"
_NAME = r"(?P<name>[A-Z]{3,9})\.?"
_YEAR = r"(?P<year>\d{4})"
_DIGITS = r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?){_TIME}",
        rf"{_WEEKDAY}{_DAY}(?:[-/ ]|\. ?)?{_NAME},?[-/ ]?{_YEAR}{_TIME}",
        rf"{_WEEKDAY}{_NAME}[-/ ] ?{_DAY},?[-/ ]{_YEAR}{_TIME}",
        rf"{_YEAR}[-/ ]{_NAME}[-/ ]{_DAY}{_TIME}",
        rf"{_WEEKDAY}{_NAME} +{_DAY},? {_CLOCK}{_ZONE} {_YEAR}",  # as the C function ctime
        rf"{_DIGITS}T(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d){_FRACTION})?{_ZONE}",
        rf"{_DIGITS}{_WITH_TIME}",
    )
)
_WITH_DATE = re.compile(rf"(?P<date>.+?){_WITH_TIME}", re.ASCII | re.IGNORECASE)
_IN_DIGITS = re.compile(
    r"(?P<date>(?P<weekday>[A-Z]{3,9}(?:,|\.)? )?\d\d?(?P<mark>[-/. ])\d\d?(?P=mark)"
    rf"(?P<year>\d{{4}}|\d\d)){_TIME}",
    re.ASCII | re.IGNORECASE,
)
_SHORT_YEAR = re.compile(
    r"(?P<date>(?P<weekday>[A-Z]{3,9}(?:,|\.)? )?\d\d?(?P<before>[-/ ]?)(?P<name>[A-Z]{3,9})"
    rf"(?P<after>[-/ ]?)\d\d){_TIME}",
    re.ASCII | re.IGNORECASE,
)
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2}
_LONG_FRACTION = re.compile(r"(?<=\.\d{6})\d{1,3}(?!\d)", re.ASCII)


def parse_date(text: str) -> float | None:
    """The days since 1970-01-01 (UTC) of a date or time, or None.

    Year, month and day in this order with ``-``, ``/`` or ``.`` (ISO 8601), or in any order with
    the month's English name; then, if given, the time, with AM or PM, up to nanoseconds, and a
    zone: ``Z``, ``UTC``, ``GMT`` or an offset. ``3/4/2021`` is none: it may be in March or in
    April. Nor is ``20210403``, which is a number, but for ``20210403T1200``.

    Examples
    --------
    >>> parse_date("1970-01-02"), parse_date("1970-01-02T12:00"), parse_date("2.1.1970")
    (1.0, 1.5, None)
    >>> parse_date("Jan 2, 1970"), parse_date("1970/1/2 6:00 PM"), parse_date("2-JAN-1970 0:00 UTC")
    (1.0, 1.75, 1.0)
    """
    text = text.strip()
    if len(text) in (10, 16, 19) and text[4] == text[7] == "-" and text[10:11] in ("", " ", "T"):
        # Most dates by far. fromisoformat takes other texts of this length too, but for a ":".
        try:
            moment = datetime.fromisoformat(text) if text[13:14] in ("", ":") else None
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None:
            return days_since_1970(moment)
    for form in _FORMS:
        if (match := form.fullmatch(text)) is not None:
            part = match.groupdict()
            try:
                return _days(int(part["year"]), _month(part), int(part["day"]), part)
            except ValueError:  # the 30th of February
                return None
    return None


def _days(year: int, month: int, day: int, part: dict[str, str | None]) -> float:
    """The days of a date and the parts of a time; ValueError if there is no such moment."""
    hour = int(part.get("hour") or 0)
    if (half := part.get("half")) is not None:
        if not 1 <= hour <= 12:
            raise ValueError(f"there is no hour {hour} with AM or PM")
        hour = hour % 12 + 12 * (half in "Pp")
    nanoseconds = int((part.get("fraction") or "0").ljust(9, "0"))
    zone = UTC
    if sign := part.get("sign"):
        minutes = int(part["zone_minute"] or 0)
        offset = timedelta(hours=int(part["zone_hour"] or 0), minutes=minutes)
        zone = timezone(offset if sign == "+" else -offset)
    moment = datetime(
        year,
        month,
        day,
        hour,
        int(part.get("minute") or 0),
        int(part.get("second") or 0),
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
    return (moment - EPOCH) / _DAY_LENGTH


def check_date_format(date_format: str) -> str:
    """Return a format of :meth:`datetime.datetime.strptime`, if it is one of dates.

    Raises
    ------
    InputError
        If it is none, has no year, or asks for what strptime reads without using it.

    Examples
    --------
    >>> check_date_format("%d/%m/%Y")
    '%d/%m/%Y'
    """
    problem = ""
    used = _DIRECTIVE.findall(date_format) if isinstance(date_format, str) else []
    known = {*_WIDTHS, *"BbAaAfpzZ%"}
    if unknown := [f"%{letter}" for letter in used if letter not in known]:
        problem = f"holds {unknown[0]!r}, which is not known"
    elif not {"Y", "y"} & set(used):
        problem = "has no year, %Y or %y"
    elif ("p" in used) != ("I" in used):
        problem = "has one of %I and %p; they go together"
    elif duplicates := [letter for letter in used if used.count(letter) > 1 and letter != "%"]:
        problem = f"holds '%{duplicates[0]}' twice"
    if problem:
        raise InputError(
            Message(Parameter("date_format", date_format), f" {problem}"),
            parameter="date_format",
            given=date_format,
            expected="a format such as %d/%m/%Y, %m/%d/%Y %H:%M or %Y%m%d",
            hint="%d is the day, %m the month, %b its short name, %Y the year, %y its last two "
            "digits, %H:%M:%S the time, %I %p the hour with AM or PM",
        )
    return date_format


def compact_width(date_format: str | None) -> int | None:
    """The number of digits of dates in a format of digits alone, otherwise None.

    Examples
    --------
    >>> compact_width("%Y%m%d"), compact_width("%Y-%m-%d"), compact_width(None)
    (8, None, None)
    """
    used = _DIRECTIVE.findall(date_format or "")
    if not used or _DIRECTIVE.sub("", date_format or "") or not set(used) <= set(_WIDTHS):
        return None
    return sum(_WIDTHS[letter] for letter in used)


def _fixed_width(date_format: str) -> int | None:
    """The length of texts in a format in which digits of two parts touch, otherwise None.

    strptime reads ``2014112`` as ``%Y%m%d`` too, although it may be two days.
    """
    used = _DIRECTIVE.findall(date_format)
    if not re.search(r"%[YymdjHIMS]%[YymdjHIMS]", date_format) or not set(used) <= set(_WIDTHS):
        return None
    return len(_DIRECTIVE.sub("", date_format)) + sum(_WIDTHS[letter] for letter in used)


@functools.lru_cache(maxsize=64)
def date_reader(date_format: str | None) -> Callable[[str], float | None]:
    """Return a function that gives the days since 1970-01-01 of a text, or None.

    It reads the texts of the format, after a date without a time a time as :func:`parse_date`
    does; and what :func:`parse_date` reads.

    Examples
    --------
    >>> read = date_reader("%d/%m/%Y")
    >>> read("02/01/1970"), read("2/1/1970 6:00 PM"), read("1970-01-02"), read("1/13/1970")
    (1.0, 1.75, 1.0, None)
    """
    if date_format is None:
        return parse_date
    used = "".join(_DIRECTIVE.findall(date_format))
    has_time = bool(set(used) & set("HIMSfzZ"))
    # "%Y-%d-%m" is read instead of ISO 8601, not beside it.
    is_alone = re.search("Y.*[dj].*[mbB]", used) is not None
    width = _fixed_width(date_format)

    def strptime(text: str) -> datetime | None:
        if width is not None and len(text) != width:
            return None
        try:
            return datetime.strptime(text, date_format)
        except ValueError:
            return None

    date_of = functools.lru_cache(maxsize=50_000)(strptime)

    def read(text: str) -> float | None:
        text = text.strip()
        if has_time:
            text = _LONG_FRACTION.sub("", text) if "f" in used else text
            moment = strptime(text)
            if moment is not None:
                return days_since_1970(moment)
        else:
            found = _WITH_DATE.fullmatch(text) if ":" in text else None
            moment = date_of(found["date"] if found else text)
            if moment is not None and found is None:
                return days_since_1970(moment)
            if moment is not None and found is not None:
                try:
                    return _days(moment.year, moment.month, moment.day, found.groupdict())
                except ValueError:
                    return None
        return None if is_alone else parse_date(text)

    return read


def split_date(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The date at the beginning of a text that needs a format, and the formats it may have.

    None if the text is no date, or, as those of :func:`parse_date`, needs no format.

    Examples
    --------
    >>> split_date("3/4/2021 12:00")
    ('3/4/2021', ('%d/%m/%Y', '%m/%d/%Y'))
    >>> split_date("12-Mar-21"), split_date("2021-03-12")
    (('12-Mar-21', ('%d-%b-%y',)), None)
    """
    if not text[-1:].isascii() or len(text) < 5:
        return None
    if (found := _IN_DIGITS.fullmatch(text)) is not None:
        mark = found["mark"]
        orders = ["dmY", "mdY"] if len(found["year"]) == 4 else ["dmy", "mdy", "ymd"]
        formats = [mark.join(f"%{letter}" for letter in order) for order in orders]
    elif (found := _SHORT_YEAR.fullmatch(text)) is not None:
        month = "%b" if len(found["name"]) == 3 else "%B"
        formats = [f"%d{found['before']}{month}{found['after']}%y"]
    else:
        return None
    weekday = found["weekday"] or ""
    name = weekday.rstrip(" .,")
    prefix = ("%a" if len(name) == 3 else "%A") + weekday[len(name) :] if weekday else ""
    return found["date"], tuple(prefix + each for each in formats)


def date_value(text: str) -> float | None:
    """The days since 1970-01-01 of a date in any format, perhaps one of several; or None.

    Examples
    --------
    >>> [date_value(text) for text in ("1970-01-03", "13/01/1970", "31/02/1970")]
    [2.0, 12.0, None]
    """
    if (days := parse_date(text)) is not None:
        return days
    dated = split_date(text)
    read = [] if dated is None else [date_reader(each)(text) for each in dated[1]]
    return next((days for days in read if days is not None), None)


def day_text(days: float) -> str:
    """Return a date, given in days since 1970-01-01, as text.

    Examples
    --------
    >>> day_text(1.5), day_text(1e9)
    ('1970-01-02', '1e+09 days')
    """
    try:
        return (date(1970, 1, 1) + timedelta(days=days // 1)).isoformat()
    except OverflowError:
        return f"{days:.6g} days"
