"""JSON: one object per line, or one list of objects.

Read by the standard library, one line at a time: a fault is reported with its line,
and a number keeps the text it was written with where the column turns out to be text.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import DataError, Parameter
from deltarule.tables.cells import column_from_cells, is_big_integer, parse_number, text_column
from deltarule.tables.memory import check_fits
from deltarule.tables.table import Table, check_names
from deltarule.tables.text_header import LONGEST_LINE, scan_file
from deltarule.tables.unreadable_columns import UnreadableColumn

__all__ = ["column_of", "decoded_object", "read_json"]


_BY_LINE = (".jsonl", ".ndjson")
# A file of fewer bytes is read without a look at its values.
_SMALL = 1 << 24
# Bytes, for the text of a value and its part of a dictionary.
_BYTES_A_VALUE = 150


class _NumberText(str):
    """A JSON number, as it was written."""

    __slots__ = ()


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _InvalidRecord(f"the name {twice!r} stands twice; expected every name once")
    return record


class _InvalidRecord(ValueError):
    """An error in a line, before its position is added."""


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_names,
    parse_int=_NumberText,
    parse_float=_NumberText,
    parse_constant=lambda _: None,
)


def read_json(
    path: Path,
    tokens: tuple[str, ...],
    texts: Collection[str] = (),
    max_memory: float | None = None,
) -> Table:
    """A JSON file as a table.

    Parameters
    ----------
    path : Path
        One object per line, or one list of objects. A name that an object lacks
        is a missing value there.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    texts : collection of str
        The columns whose cells are given as texts, in which no token means *missing*.
    max_memory : float, optional
        As for :func:`~deltarule.tables.memory.memory_limit`.

    Raises
    ------
    FileError
        If it cannot be read.
    DataError
        If a line is no object or repeats a name, if no column can be read, or if reading it takes
        too much memory.
    """
    # A list of objects may stand in one line.
    scan_file(path, LONGEST_LINE if path.suffix.lower() in _BY_LINE else float("inf"))
    _check_memory(path, max_memory)
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip()[:1] == "[":
        records, places, word = _parse_list(path.name, text)
    else:
        records, places, word = _parse_lines(path.name, text)
    names = list(dict.fromkeys(name for record in records for name in record))
    if not records or not names:
        raise DataError(f"{path.name} holds no rows; expected one JSON object per line")
    check_names(names, path.name)
    unreadable: dict[str, UnreadableColumn] = {}
    for record, place in zip(records, places, strict=True):
        for name, cell in record.items():
            if isinstance(cell, dict | list) and name not in unreadable:
                what = f" holds {'a list' if isinstance(cell, list) else 'an object'}"
                unreadable[name] = UnreadableColumn(f"{path.name}, {word} {place}", name, what)
    columns = {
        name: text_column(name, [record.get(name) for record in records], path.name)
        if name in texts
        else column_of(name, [record.get(name) for record in records], tokens, path.name)
        for name in names
        if name not in unreadable
    }
    if not columns:
        raise next(iter(unreadable.values()))
    return Table(
        tuple(columns),
        columns,
        source=path.name,
        lines=np.array(places, dtype=np.int64),
        line_word=word,
        na=tokens,
        is_sparse=True,
        unreadable=unreadable,
    )


def decoded_object(line: str) -> dict[str, Any]:
    """The object of a line, with numbers as they are written.

    Raises
    ------
    ValueError
        If the line is no JSON, no object, or has a name twice.
    """
    record = _DECODER.decode(line)
    if not isinstance(record, dict):
        raise _InvalidRecord(f"a {_type_name(record)}; expected an object")
    return record


def _check_memory(path: Path, max_memory: float | None) -> None:
    """Refuse a file that could not be read into memory, by the number of its values."""
    size = path.stat().st_size
    if size < _SMALL:
        return
    n_values = 0
    with path.open("rb") as file:
        while chunk := file.read(_SMALL):
            n_values += chunk.count(b":")
    check_fits(
        path.name,
        2.0 * size + _BYTES_A_VALUE * n_values,
        "while it is read",
        max_memory,
        "convert it to Parquet, or raise the limit with ",
        Parameter("max_memory"),
    )


def column_of(name: str, cells: list[Any], tokens: tuple[str, ...], source: str) -> Any:
    """The column of cells that :func:`decoded_object` gave, None where there is none."""
    if any(isinstance(cell, str) and not isinstance(cell, _NumberText) for cell in cells):
        cells = [str(cell) if isinstance(cell, _NumberText) else cell for cell in cells]
        return column_from_cells(name, cells, tokens, source)[0]
    # 1e999 is valid JSON but overflows float64: its text is kept, to be reported with its line.
    read = [_read_number(cell) if isinstance(cell, _NumberText) else cell for cell in cells]
    if any(isinstance(cell, str | bool) for cell in read):
        read = [str(cell) if isinstance(cell, _NumberText) else cell for cell in cells]
    return column_from_cells(name, read, tokens, source)[0]


def _read_number(text: _NumberText) -> float | int | str:
    if is_big_integer(text) and len(text) < 400:  # Python converts no longer ones
        return int(text)
    value = parse_number(text)
    return str(text) if value is None else value


def _parse_list(name: str, text: str) -> tuple[list[dict[str, Any]], list[int], str]:
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise DataError(_syntax_error(name, error.lineno, error.msg)) from None
    except (_InvalidRecord, RecursionError) as error:
        raise DataError(f"{name}: {error}; correct the file") from None
    for row, record in enumerate(found, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{name}, row {row}: a {_type_name(record)}; expected an object such as "
                '{"x": 1.5, "y": "a"}; write each row as an object'
            )
    return found, list(range(1, len(found) + 1)), "row"


def _parse_lines(name: str, text: str) -> tuple[list[dict[str, Any]], list[int], str]:
    records: list[dict[str, Any]] = []
    places: list[int] = []
    # Not splitlines: JSON text may hold U+2028, which is no line break there.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            raise DataError(_syntax_error(name, number, error.msg)) from None
        except (_InvalidRecord, RecursionError) as error:
            raise DataError(f"{name}, line {number}: {error}; correct the line") from None
        if not isinstance(record, dict):
            raise DataError(
                f"{name}, line {number}: a {_type_name(record)}; expected an object such as "
                '{"x": 1.5, "y": "a"}; write each row as an object on a line of its own'
            )
        records.append(record)
        places.append(number)
    return records, places, "line"


def _type_name(value: Any) -> str:
    if isinstance(value, _NumberText):
        return f"number ({value})"
    return {str: "text", bool: "truth value", list: "list"}.get(type(value), "null")


def _syntax_error(name: str, line: int, what: str) -> str:
    return (
        f"{name}, line {line}: not JSON ({what}); expected one object per line, or one list of "
        "objects; correct the line, or write the file again"
    )
