"""Notes on texts that may mean *missing*."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deltarule.errors import Message, Parameter
from deltarule.tables.cells import DEFAULT_NA
from deltarule.tables.column_values import NUMERIC_SHARE
from deltarule.tables.date_text import date_value
from deltarule.tables.number_formats import find_number_format
from deltarule.tables.number_text import PLAIN, NumberFormat, is_number_like
from deltarule.tables.table import Cells, count_noun, join_items
from deltarule.tables.text_column import TextColumn
from deltarule.tables.unread_numbers import mark_advice

__all__ = ["kept_note", "na_advice", "token_notes", "unread_advice"]

_LIKELY = frozenset(
    """
    - -- --- . .. * n.a. n.a na. #n/a #n/a! #na <na> <n/a> (na) none nil (null) <null> \\n nan -nan
    #null! #value! #ref! #div/0! #num! #name? missing unknown unavailable undefined void tbd tba
    n/d n.d. nd nodata no_data na null inf -inf
    """.split()  # noqa: SIM905  a list of quoted texts would be longer
) | {"not available", "no data", "not known", "not applicable"}
_MANY_VALUES = 10
_MOST_TOKENS = 5
_LEAST_SHARE = 0.1
_LONGEST = 20
_DEFAULT = frozenset(token.lower() for token in DEFAULT_NA)


def na_advice(name: str, tokens: Iterable[str]) -> Message:
    """The parameters by which these texts mean missing in a column.

    Examples
    --------
    >>> print(na_advice("age", ["-", "x"]))
    na={'age': '-'} and na={'age': 'x'}
    """
    parts: list[str | Parameter] = []
    for token in tokens:
        parts += [" and " if parts else "", Parameter("na", {name: token})]
    return Message(*parts)


def kept_note(column: Cells, name: str) -> Message | None:
    """A note on cells that are missing by default, and may be values; None if there are none.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["EU", "NA", "NA"]).without(lambda text: text == "NA")
    >>> print(kept_note(cells, "continent"))
    'NA' (2 cells) counts as missing; if it is a value, give keep_na='continent'
    """
    counts = column.na_counts() if isinstance(column, TextColumn) else {}
    counts = {text: n for text, n in counts.items() if text.lower() in _DEFAULT}
    if not counts:
        return None
    ordered = sorted(counts, key=lambda text: -counts[text])
    shown = " and ".join(f"{text!r} ({count_noun(counts[text], 'cell')})" for text in ordered)
    one = len(ordered) == 1
    what = "counts as missing; if it is a value" if one else "count as missing; if these are values"
    return Message(
        f"{shown} {what}, give ",
        Parameter("keep_na", name),
    )


def token_notes(column: TextColumn, name: str, stated: NumberFormat) -> list[str]:
    """A note on few texts without which a category is a column of numbers or of dates.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["1.5", "-", "2", "3", "-", "4"])
    >>> print(token_notes(cells, "a", NumberFormat())[0])
    4 of 6 known cells are numbers, the others are '-' (2), so it is a category; if this means \
missing, give na={'a': '-'}
    """
    counts = column.counts()
    likely_texts = [text for text in column.texts if text.lower() in _LIKELY]
    rest = column.map_texts(lambda text: None if text in likely_texts else text)
    choice = find_number_format(rest, None if stated == PLAIN else stated)
    readers: list[tuple[str, Callable[[str], float | None]]] = [
        ("numbers", choice.format.parse),
        ("dates", date_value),
    ]
    for what, parse in readers:
        others = {text: count for text, count in counts.items() if parse(text) is None}
        total, n_values = sum(counts.values()), len(counts) - len(others)
        n_read = total - sum(others.values())
        ordered = sorted(others, key=lambda text: -others[text])
        tokens = [text for text in ordered if text.lower() in _LIKELY][:_MOST_TOKENS]
        likely = bool(tokens)
        tokens = tokens or ordered[:_MOST_TOKENS]
        left = total - sum(others[text] for text in tokens)
        if not others or n_values < 2 or n_read < NUMERIC_SHARE * left:
            continue
        if n_read < total * (_LEAST_SHARE if likely else 0.5):
            continue
        if not likely and n_values <= _MANY_VALUES:
            continue
        shown = join_items(f"{text!r} ({others[text]})" for text in ordered[:_MOST_TOKENS])
        more = len(others) - _MOST_TOKENS
        return [
            Message(
                f"{n_read} of {total} known cells are {what}, the others are {shown}"
                f"{f' and {more} more' if more > 0 else ''}, so it is a category; if "
                f"{'this means' if len(tokens) == 1 else 'these mean'} missing, give ",
                na_advice(name, tokens),
            )
        ]
    return []


def unread_advice(name: str, texts: TextColumn, stated: NumberFormat) -> Message:
    """What helps with the few texts of a number column that are no numbers; may be empty.

    Parameters
    ----------
    name : str
        The column's.
    texts : TextColumn
        The cells that could not be read.
    stated : NumberFormat
        In which they are no numbers.

    Examples
    --------
    >>> print(unread_advice("a", TextColumn.from_cells(["-", "1,255"]), NumberFormat()))
    ; if '-' means missing, give na={'a': '-'}; if '1,255' is a number, give \
thousands={'a': ','} or decimal={'a': ','}
    """
    counts = texts.counts()
    words = [text for text in counts if len(text) <= _LONGEST and not is_number_like(text)]
    words = sorted(words, key=lambda text: -counts[text])[:3]
    parts: list[str | Parameter] = []
    if words:
        quoted = " and ".join(map(repr, words))
        parts += [
            f"; if {quoted} {'means' if len(words) == 1 else 'mean'} missing, give ",
            na_advice(name, words),
        ]
    for text in counts:
        if is_number_like(text) and (advice := mark_advice(name, text)):
            parts += [f"; if {text!r} is a number, give ", advice]
            break
    return Message(*parts)
