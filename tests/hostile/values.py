"""Values that no public entry can use, by what they stand in for."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
from scipy import sparse

# Rows, of shape (12, 3) where right.
_GOOD = np.linspace(-1.0, 1.0, 36).reshape(12, 3)


def _with(value, dtype=float):
    rows = _GOOD.astype(dtype)
    rows[4, 1] = value
    return rows


def paths():
    """What is no path, by name."""
    return {
        "none": None,
        "number": 3,
        "empty": "",
        "nul": "a\0b",
        "bytes": b"x",
        "list": ["a"],
    }


def targets(good):
    """What are no targets of a fit whose right ones are ``good``, by name."""
    n = len(good)
    return {
        "none": None,
        "too few": good[:-1],
        "too many": np.append(good, good[:1]),
        "word": "y",
        "number": 3,
        "nan": np.where(np.arange(n) == 1, np.nan, 1.0),
        "infinity": np.where(np.arange(n) == 1, np.inf, 1.0),
        "complex": np.ones(n) * 1j,
        "more axes": np.ones((n, 1, 1)),
        "empty": good[:0],
        "ragged": [[1], [1, 2]] * (n // 2),
        "nones": [None] * n,
        "dictionary": {"a": 1},
    }


def arrays(shape):
    """What is no array of finite numbers of this shape, by name."""
    good = np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)

    def holding(value, dtype=float):
        array = good.astype(dtype)
        array.flat[1] = value
        return array

    return {
        "none": None,
        "number": 3.0,
        "word": "rows",
        "bytes": b"rows",
        "dictionary": {"a": 1},
        "set": {1, 2},
        "class": float,
        "function": len,
        "iterator": iter([1, 2]),
        "nan": holding(np.nan),
        "infinity": holding(np.inf),
        "minus infinity": holding(-np.inf),
        "float32 nan": holding(np.nan, np.float32),
        "masked": np.ma.masked_array(good, mask=good == good.flat[1]),
        "texts": good.astype(str),
        "texts in a list": good.astype(str).tolist(),
        "bytes in an array": good.astype("S8"),
        "complex": good.astype(complex),
        "dates": np.full(shape, np.datetime64("2026-01-01")),
        "durations": np.full(shape, np.timedelta64(1, "D")),
        "date objects": np.full(shape, dt.date(2026, 1, 1), dtype=object),
        "objects": holding(None, object),
        "lists within": holding([1.0], object) if len(shape) == 2 else holding("x", object),
        "records": np.zeros(shape, dtype=[("a", float)]),
        "ragged": [[1.0, 2.0], [1.0]],
        "huge whole number": [[10**400] * shape[-1]] * shape[0]
        if len(shape) == 2
        else [10**400] * shape[0],
        "more axes": good[..., None, None],
        "shape ()": np.array(3.0),
        "too few": good[:-1],
        "too many": np.concatenate([good, good]),
        "empty": good[:0],
        "empty list": [],
    }


def rows(wide=3):
    """What is no matrix of rows to read, by name."""
    bad = arrays((12, wide))
    for name in ("too few", "too many", "empty"):  # rows of any number
        del bad[name]
    return bad | {
        "one row without its axis": _GOOD[0],
        "a column less": _GOOD[:, :-1],
        "a column more": np.hstack([_GOOD, _GOOD[:, :1]]),
        "transposed": _GOOD.T,
        "no columns": _GOOD[:, :0],
        "sparse with nan": sparse.csr_array(_with(np.nan)),
        "frame of texts": pd.DataFrame(_GOOD.astype(str)),
        "frame with a missing cell": pd.DataFrame(_with(np.nan)),
        "frame with pandas.NA": pd.DataFrame(_GOOD).astype("Float64").mask(_GOOD > 0.9),
    }


NO_COUNT = {
    "zero": 0,
    "negative": -1,
    "float": 2.0,
    "fraction": 2.5,
    "bool": True,
    "numpy bool": np.True_,
    "text": "3",
    "nan": np.nan,
    "infinity": np.inf,
    "list": [3],
    "array": np.array([3, 4]),
    "complex": 3j,
    "bytes": b"3",
    "decimal": decimal.Decimal(3),
    "function": len,
    "dictionary": {},
}
NO_SEED = {k: v for k, v in NO_COUNT.items() if k != "zero"} | {"none": None}
NO_NUMBER = {
    "negative": -1.0,
    "nan": np.nan,
    "numpy nan": np.float32(np.nan),
    "minus infinity": -np.inf,
    "text": "0.1",
    "bool": True,
    "numpy bool": np.True_,
    "list": [0.1],
    "array": np.array([0.1, 0.2]),
    "complex": 0.1j,
    "dictionary": {},
    "function": len,
    "date": dt.date(2026, 1, 1),
    "minus a huge whole number": -(10**400),
}
NO_NAME = {
    "unknown": "no such name",
    "empty": "",
    "case": "ADAM RELU MSE",
    "number": 3,
    "nan": np.nan,
    "bool": True,
    "bytes": b"adam",
    "list": [3],
    "class": float,
    "function": len,
    "mapping without a name": {"rate": 1},
    "mapping with another": {"name": "no such name"},
    "mapping of a number": {"name": 3},
    "array": np.array(["a", "b"]),
}
