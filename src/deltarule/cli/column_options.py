"""Options that name columns: ``--ignore a,b``, ``--na insulin=0``, ``--kind zip=category``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deltarule.errors import InputError
from deltarule.tables import Table

__all__ = [
    "kinds_by_column",
    "marks_by_column",
    "missing_by_column",
    "named_columns",
    "possible_names",
    "split_marks",
    "split_tokens",
]


def named_columns(text: str, table: Table) -> list[str]:
    """Return the column names in the text of an option: one name, or several with commas.

    The whole text is tried as one name first, since a name may contain a comma. Unknown names are
    returned too; the caller refuses them.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table(("a", "b", "a,b"), dict.fromkeys(("a", "b", "a,b"), np.zeros(1)))
    >>> named_columns("a,b", table), named_columns("b, a", table), named_columns("c", table)
    (['a,b'], ['b', 'a'], ['c'])
    """
    if text in table or text in table.unreadable:
        return [text]
    return [name.strip() for name in text.split(",") if name.strip()] or [text]


def split_tokens(tokens: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split the values of ``--na`` into texts for every column and ``COLUMN=TEXT``.

    A text for every column that contains ``=`` is given with one more ``=`` before it.

    Examples
    --------
    >>> split_tokens(["-", "insulin=0", "=a=b"])
    (['-', 'a=b'], ['insulin=0'])
    """
    by_column = [text for text in tokens if "=" in text[1:] and text[0] != "="]
    return [text.removeprefix("=") for text in tokens if text not in by_column], by_column


def missing_by_column(tokens: Iterable[str], table: Table) -> dict[str, list[str]]:
    """Return the missing texts of each column, from ``COLUMN=TEXT`` or ``COLUMN,COLUMN=TEXT``.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table(("a", "b"), dict.fromkeys("ab", np.zeros(1)))
    >>> missing_by_column(["a,b=0", "b=-1"], table)
    {'a': ['0'], 'b': ['0', '-1']}
    """
    missing: dict[str, list[str]] = {}
    for text in tokens:
        names, token = _names_and_value(text, table)
        for name in names:
            missing.setdefault(name, []).append(token)
    return missing


def kinds_by_column(kinds: Iterable[str], table: Table) -> dict[str, str]:
    """Return the kind of each column, from ``COLUMN=KIND`` or ``COLUMN,COLUMN=KIND``."""
    kind_of: dict[str, str] = {}
    for text in kinds:
        if "=" not in text:
            raise InputError(
                parameter="kind",
                given=text,
                expected="a column and its kind, such as zip=category",
                hint="the kinds are number, date and category",
            )
        names, kind = _names_and_value(text, table)
        kind_of |= dict.fromkeys(names, kind)
    return kind_of


def split_marks(option: str, marks: Iterable[str]) -> tuple[str | None, list[str]]:
    """Split the values of ``--decimal`` into the mark of every column and ``COLUMN=MARK``.

    Examples
    --------
    >>> split_marks("decimal", [",", "price=."])
    (',', ['price=.'])
    """
    by_column = [text for text in marks if "=" in text]
    whole = list(dict.fromkeys(text for text in marks if "=" not in text))
    if len(whole) > 1:
        raise InputError(
            parameter=option,
            given=" ".join(whole),
            expected="one for all columns",
            hint="give those of single columns as COLUMN=TEXT",
        )
    return (whole[0] if whole else None), by_column


def marks_by_column(marks: Iterable[str], table: Table) -> dict[str, str]:
    """Return the mark of each column, from ``COLUMN=MARK`` or ``COLUMN,COLUMN=MARK``."""
    mark_of: dict[str, str] = {}
    for text in marks:
        names, mark = _names_and_value(text, table)
        mark_of |= dict.fromkeys(names, mark)
    return mark_of


def possible_names(marks: Iterable[str]) -> set[str]:
    """Return the names that ``COLUMN=MARK`` may mean, before the table's names are known."""
    fronts = {front for text in marks for front, _ in _divisions(text)}
    return fronts | {name.strip() for front in fronts for name in front.split(",")}


def _names_and_value(text: str, table: Table) -> tuple[list[str], str]:
    """Split at the last ``=`` before which known columns are named; names may hold ``=``."""
    divisions = list(_divisions(text))
    for front, value in divisions:
        names = named_columns(front, table)
        if all(name in table for name in names):
            return names, value
    front, value = divisions[-1]
    return named_columns(front, table), value


def _divisions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the texts before and after each ``=``, from the last to the first."""
    index = len(text)
    while (index := text.rfind("=", 0, index)) >= 0:
        yield text[:index], text[index + 1 :]
