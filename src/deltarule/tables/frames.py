"""Tables from frames in memory: pandas, polars, pyarrow, or a dictionary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, InputError, MissingDependency
from deltarule.tables.cells import (
    DEFAULT_NA,
    clean_text,
    column_from_cells,
    is_rounded,
    mask_tokens,
    missing_tokens,
)
from deltarule.tables.column_values import as_texts
from deltarule.tables.table import Cells, Table, check_names
from deltarule.tables.unreadable_columns import UnreadableColumn, read_columns

__all__ = ["table_from_frame"]

_EXPECTED = (
    "a DataFrame of pandas, polars or another library that Narwhals knows, a pyarrow table, or "
    "a dictionary from names to columns"
)


def table_from_frame(
    frame: Any, *, na: str | Iterable[str] = DEFAULT_NA, source: str | None = None
) -> Table:
    """A table from a frame in memory.

    Parameters
    ----------
    frame : DataFrame, pyarrow table, or mapping of str to 1-d array
        pandas, polars, pyarrow and others through Narwhals; lazy frames are collected.
        A :class:`Table` is given back as it is.
    na : str or iterable of str, optional
        The texts that mean *missing*, as in :func:`read_table`.
    source : str, optional
        What to call it in messages.

    Returns
    -------
    Table
        Columns as they would come from a typed file: numbers are float64; truth
        values are ``"true"`` and ``"false"``; dates are days since 1970-01-01;
        categorical columns are text and of kind ``"category"``. Messages name rows,
        counted from 1.

    Raises
    ------
    InputError
        If it is no frame.
    DataError
        If it has no rows or columns, names are repeated or no text, columns differ in
        length, or no column can be read.

    Examples
    --------
    >>> table = table_from_frame({"x": [1, None, 3], "y": ["a", "?", True]})
    >>> table["x"], table["y"]
    (array([ 1., nan,  3.]), array(['a', None, 'true'], dtype=object))
    """
    if isinstance(frame, Table):
        return frame
    tokens = missing_tokens(na)
    if isinstance(frame, Mapping):
        source = source or "the dictionary"
        pairs = [(name, _as_array_or_list(name, column, source)) for name, column in frame.items()]
        _check_frame([name for name, _ in pairs], source)
        return _table(
            [(name, partial(_from_numpy, name, cells, tokens, source)) for name, cells in pairs],
            tokens,
            source,
        )
    return _from_narwhals(frame, tokens, source)


def _check_frame(names: list[Any], source: str) -> None:
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str):
            raise DataError(
                f"{source}: the name of column {number} is {name!r}, a {type(name).__name__}; "
                "expected text; rename the columns, in pandas with "
                "frame.columns = frame.columns.map(str)"
            )
    if not names:
        raise DataError(f"{source} has no columns; expected at least one")
    check_names(names, source)


def _table(
    readers: Iterable[tuple[str, Callable[[], tuple[Cells, str | None]]]],
    tokens: tuple[str, ...],
    source: str,
) -> Table:
    """The table of the columns that can be read, each by its reader."""
    columns, kinds, unreadable = read_columns(readers)
    table = Table(
        tuple(columns), columns, source=source, kinds=kinds, na=tokens, unreadable=unreadable
    )
    if len(table) == 0:
        raise DataError(f"{source} has no rows; expected at least one")
    return table


def _as_array_or_list(name: Any, column: Any, source: str) -> Any:
    """A column as a NumPy array or a list of Python objects."""
    if "numpy.ma" in sys.modules and isinstance(column, np.ma.MaskedArray):
        return column.tolist()
    if isinstance(column, list | tuple):
        return list(column)
    if isinstance(column, str | bytes) or not hasattr(column, "__len__"):
        raise DataError(
            f"{source}: column {name!r} is a {type(column).__name__}; expected a 1-d array or list"
        )
    array = np.asarray(column)
    if array.ndim != 1:
        raise DataError(
            f"{source}: column {name!r} is an array of shape {array.shape}; expected a 1-d array; "
            "give each of its columns a name"
        )
    return array


def _from_numpy(
    name: str, cells: Any, tokens: tuple[str, ...], source: str
) -> tuple[Cells, str | None]:
    if isinstance(cells, np.ndarray):
        beyond = (
            cells.dtype.kind in "iu" and len(cells) > 0 and is_rounded(cells.min(), cells.max())
        )
        if cells.dtype.kind in "iuf" and not beyond:
            return mask_tokens(cells.astype(np.float64), tokens), None
        if cells.dtype.kind == "M":
            return _days_since_1970(cells), "date"
        # tolist converts np.bool_ to Python's bool.
        cells = cells.tolist()
    return column_from_cells(name, cells, tokens, source)


def _days_since_1970(moments: NDArray[Any]) -> NDArray[np.float64]:
    microseconds = moments.astype("datetime64[us]")
    known = ~np.isnat(microseconds)
    days = np.full(len(moments), np.nan)
    days[known] = microseconds[known].astype(np.int64) / 86_400e6
    return days


def _from_narwhals(frame: Any, tokens: tuple[str, ...], source: str | None) -> Table:
    try:
        import narwhals.stable.v2 as nw
    except ImportError as error:
        raise MissingDependency(
            f"reading a frame needs the package narwhals, which cannot be imported ({error}); "
            "install it with: pip install narwhals"
        ) from error
    source = source or "the frame"
    # Checked before Narwhals, whose error for repeated names of pandas is less clear.
    if type(frame).__module__.startswith("pandas") and hasattr(frame, "columns"):
        _check_frame(list(frame.columns), source)
    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise InputError(f"the data is a {type(frame).__name__}; expected {_EXPECTED}") from None
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect()
    if not isinstance(wrapped, nw.DataFrame):
        raise InputError(f"the data is a {type(frame).__name__}; expected {_EXPECTED}")
    _check_frame(list(wrapped.columns), source)
    readers = [
        (name, partial(_from_series, nw, name, wrapped[name], tokens, source))
        for name in wrapped.columns
    ]
    return _table(readers, tokens, source)


def _from_series(
    nw: Any, name: str, series: Any, tokens: tuple[str, ...], source: str
) -> tuple[Cells, str | None]:
    dtype = series.dtype
    if dtype.is_integer() and is_rounded(series.min(), series.max()):
        return column_from_cells(name, series.to_list(), tokens, source)
    if dtype.is_numeric() and dtype != nw.Decimal:
        values = series.cast(nw.Float64).to_numpy()
        if values.dtype != np.float64:  # some backends give objects where cells are missing
            return column_from_cells(name, values.tolist(), tokens, source)
        return mask_tokens(values, tokens), None
    if dtype.is_nested():
        raise UnreadableColumn(source, name, f" is of type {dtype}")
    if dtype in (nw.Date, nw.Datetime):
        return column_from_cells(name, series.to_list(), tokens, source)[0], "date"
    if dtype in (nw.Categorical, nw.Enum):
        cells = series.to_list()
        texts, _ = column_from_cells(name, cells, tokens, source)
        # The levels of a categorical column are labels, even if they are numbers.
        return clean_text(as_texts(texts), tokens), "category"
    return column_from_cells(name, series.to_list(), tokens, source)
