"""Columns of pyarrow's types as cells: numbers as float64, texts as codes, dates as days.

The values are those that :mod:`deltarule.tables.database` reads from the same file by DuckDB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.cells import clean_text, is_rounded, mask_tokens, time_label
from deltarule.tables.column_collector import array_values
from deltarule.tables.table import Cells
from deltarule.tables.text_column import TextColumn
from deltarule.tables.unreadable_columns import UnreadableColumn

__all__ = ["cells_of_arrow"]


def cells_of_arrow(
    array: Any, tokens: tuple[str, ...], source: str, name: str, *, as_text: bool = False
) -> tuple[Cells, str | None]:
    """The cells of a pyarrow array, and ``"date"`` if they are days since 1970.

    Parameters
    ----------
    array : pyarrow.Array
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    source, name : str
        Of the column, for errors.
    as_text : bool
        Whether the cells stay as they are written, and only the empty text is missing.

    Raises
    ------
    UnreadableColumn
        If they are lists, structures or bytes.

    Examples
    --------
    >>> import pyarrow as pa
    >>> cells, _ = cells_of_arrow(pa.array([1, None, 3]), ("",), "t", "x")
    >>> cells
    array([ 1., nan,  3.])
    >>> cells_of_arrow(pa.array([True, False, None]), ("",), "t", "x")[0].tolist()
    ['true', 'false', None]
    """
    import pyarrow as pa

    types, kind = pa.types, array.type
    if types.is_dictionary(kind):
        return cells_of_arrow(array.dictionary_decode(), tokens, source, name, as_text=as_text)
    if types.is_null(kind):
        return TextColumn(np.full(len(array), -1, np.int32), ()), None
    exact = types.is_integer(kind) or types.is_decimal(kind)
    if exact or types.is_floating(kind):
        if exact and (as_text or _loses_digits(array)):
            return _texts(array.cast(pa.string()), ("",) if as_text else tokens), None
        values = _numbers(array)
        if not as_text:
            return mask_tokens(values, tokens), None
        from deltarule.tables.column_values import as_texts

        return clean_text(as_texts(values), ("",)), None
    if (types.is_date(kind) or types.is_timestamp(kind)) and not as_text:
        return _days(array), "date"
    if types.is_boolean(kind):
        codes = np.where(_valid(array), np.asarray(array.fill_null(False).cast(pa.int8())), -1)
        return TextColumn(codes, ("false", "true")), None
    if types.is_duration(kind):  # Parquet stores it as an integer
        number = array.cast(pa.int64())
        return cells_of_arrow(number, tokens, source, name, as_text=as_text)
    if types.is_time(kind):
        return _times(array, ("",) if as_text else tokens), None
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if is_text or (types.is_temporal(kind) and not types.is_interval(kind)):
        return _texts(array.cast(pa.string()), ("",) if as_text else tokens), None
    raise UnreadableColumn(source, name, f" is of type {kind}")


def _valid(array: Any) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid().cast("int8")).astype(np.bool_)


def _loses_digits(array: Any) -> bool:
    """Whether an exact number would lose digits as float64."""
    import pyarrow.compute as pc

    ends = pc.min_max(array).as_py()
    return is_rounded(ends["min"], ends["max"])


def _numbers(array: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    if pa.types.is_decimal(array.type):
        values = array_values(array.cast(pa.float64(), safe=False), np.float64)
    else:  # a quarter of the time of pyarrow's cast, which looks its function up
        given = array_values(array, array.type.to_pandas_dtype())
        values = given.astype(np.float64, copy=False)
    if array.null_count:
        values = np.where(_valid(array), values, np.nan)
    return values


def _days(array: Any) -> NDArray[np.float64]:
    """Days since 1970-01-01 (UTC), with times to the microsecond."""
    import pyarrow as pa

    if pa.types.is_date32(array.type):
        days = array_values(array.cast(pa.int32()), np.int32).astype(np.float64)
    else:
        unit = pa.timestamp("us", getattr(array.type, "tz", None))
        numbers = array.cast(unit, safe=False).cast(pa.int64())
        days = array_values(numbers, np.int64).astype(np.float64) / 86400e6
    return np.where(_valid(array), days, np.nan) if array.null_count else days


def _times(array: Any, tokens: tuple[str, ...]) -> TextColumn:
    """Times of day as ``13:30:00`` or ``13:30:00.5``: pyarrow's text has all digits of the unit."""
    import pyarrow as pa

    return _texts(array.cast(pa.string()), tokens).map_texts(time_label)


def _texts(array: Any, tokens: tuple[str, ...]) -> TextColumn:
    encoded = array.dictionary_encode()
    codes = array_values(encoded.indices, np.int32)
    if array.null_count:
        codes = np.where(_valid(array), codes, np.int32(-1))
    return clean_text(TextColumn(codes, encoded.dictionary.to_pylist()), tokens)
