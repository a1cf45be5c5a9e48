"""Conversion of users' data to NumPy arrays: lists, frames, nullable columns, sparse matrices.

pandas, Polars, PyArrow and SciPy are not imported: their objects are recognised by their
attributes. Missing values become NaN.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import numpy as np

from deltarule.errors import InputError, short_repr

__all__ = ["describe", "is_frame", "is_sparse", "numeric"]

_NUMBERS = "biuf"
_TYPES = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}


def is_sparse(given: Any) -> bool:
    """Whether ``given`` is a sparse matrix or array of SciPy."""
    return hasattr(given, "tocsr") and hasattr(given, "toarray")


def is_frame(given: Any) -> bool:
    """Whether ``given`` is a data frame or table of pandas, Polars or PyArrow."""
    return not isinstance(given, np.ndarray) and (
        (hasattr(given, "iloc") and getattr(given, "ndim", 0) == 2)
        or hasattr(given, "get_columns")
        or (hasattr(given, "column_names") and hasattr(given, "columns"))
    )


def describe(given: Any) -> str:
    """What a value is, for a message: the dtype and shape of an array, else its repr.

    Examples
    --------
    >>> describe(np.zeros((2, 3))), describe([1])
    ('float64 of shape (2, 3)', '[1]')
    """
    shape, dtype = getattr(given, "shape", None), getattr(given, "dtype", None)
    return short_repr(given) if shape is None or dtype is None else f"{dtype} of shape {shape}"


def numeric(name: str, given: Any) -> np.ndarray:
    """The numbers in ``given`` as an array of a boolean, integer or floating-point dtype.

    Parameters
    ----------
    name : str
        The name of the argument in messages.
    given : array, sequence, frame, column, or sparse matrix
        Missing cells become NaN.

    Raises
    ------
    InputError
        If a value is not a number, or the rows have different lengths.

    Examples
    --------
    >>> numeric("X", np.ma.masked_invalid([[1.0, np.nan]]))
    array([[ 1., nan]])
    >>> numeric("y", ["a", "b"])
    Traceback (most recent call last):
    deltarule.errors.InputError: y has dtype <U1; expected numbers
    """
    # Without the module numpy.ma, which is loaded when it is first used, no array is masked.
    if "numpy.ma" in sys.modules and isinstance(given, np.ma.MaskedArray):
        if given.dtype.kind in _NUMBERS and np.ma.is_masked(given):
            return np.where(np.ma.getmaskarray(given), np.nan, given.data)
        return numeric(name, given.data)
    if is_sparse(given):
        return numeric(name, given.toarray())
    if hasattr(given, "collect") and hasattr(given, "lazy"):  # a lazy frame of Polars
        given = given.collect()
    if is_frame(given):
        return _frame_array(name, given)
    return _column_array(name, given)


def _frame_array(name: str, frame: Any) -> np.ndarray:
    if hasattr(frame, "iloc"):
        columns = [frame.iloc[:, k] for k in range(frame.shape[1])]
    else:
        columns = list(frame.get_columns() if hasattr(frame, "get_columns") else frame.columns)
    names = list(frame.column_names if hasattr(frame, "column_names") else frame.columns)
    if not columns:
        return np.empty((len(frame), 0))
    arrays = [
        _column_array(f"column {label!r} of {name}", column)
        for label, column in zip(names, columns, strict=True)
    ]
    return np.column_stack(arrays)


def _column_array(name: str, given: Any) -> np.ndarray:
    """The array of one column of a frame, or of any other array-like object."""
    kind = str(getattr(getattr(given, "dtype", None), "kind", ""))
    if kind in _TYPES and hasattr(given, "isna") and hasattr(given, "to_numpy"):  # pandas
        missing = bool(np.any(given.isna()))
        if not isinstance(given.dtype, np.dtype):  # a nullable dtype
            wanted = np.float64 if missing else _TYPES[kind]
            options = {"na_value": np.nan} if missing else {}
            return np.asarray(given.to_numpy(dtype=wanted, **options))
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, OverflowError) as error:  # a ragged list, for one
        raise InputError(
            f"{name} is no array ({error}); expected numbers, rows of one length"
        ) from error
    if array.dtype == object and not isinstance(given, np.ndarray | list | tuple) and array.ndim:
        array = _from_objects(name, array)
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"{name} has dtype {array.dtype}; expected numbers")
    return array


def _from_objects(name: str, array: np.ndarray) -> np.ndarray:
    """The numbers of an object array of a column with nulls; None and NA become NaN."""
    cells = array.ravel().tolist()
    if cells and all(isinstance(cell, bool | np.bool_) for cell in cells):
        return array.astype(np.bool_)
    values = np.empty(len(cells))
    for index, cell in enumerate(cells):
        if cell is None or type(cell).__name__ == "NAType":
            values[index] = np.nan
        elif isinstance(cell, bool | int | float | Decimal | np.number | np.bool_):
            values[index] = float(cell)
        else:
            raise InputError(
                f"{name} holds {cell!r}, a {type(cell).__name__}; expected numbers: encode texts, "
                "categories and dates first, or use TabularClassifier or TabularRegressor"
            )
    return values.reshape(array.shape)
