"""``validation``: which rows the networks of a portfolio are trained on, and which held out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError

__all__ = ["forward_splits", "validation_splits"]

Split = tuple[NDArray[np.int64], NDArray[np.int64]]

_BLOCKS = 5
_LEAST_ROWS = 2 * _BLOCKS


def validation_splits(
    validation: Any, y: NDArray[Any], groups: NDArray[np.int64] | None
) -> list[Split] | None:
    """Return the training rows and the held-out rows of each fold; None for the usual folds.

    Parameters
    ----------
    validation : {"auto", "groups", "time"} or splitter
        As ``TabularClassifier`` takes it.
    y : array of shape (N,)
    groups : array of shape (N,) or None

    Raises
    ------
    InputError
        If it is none of these, or does not suit ``groups`` or the number of rows.
    """
    if isinstance(validation, str) and validation in ("auto", "groups"):
        if validation == "groups" and groups is None:
            raise InputError(
                "validation is 'groups', and fit was given none; expected groups, one for each row",
                parameter="groups",
            )
        return None
    if isinstance(validation, str) and validation == "time":
        if groups is not None:
            raise InputError(
                "validation is 'time', and fit was given groups; expected one of both",
                parameter="groups",
            )
        return forward_splits(len(y))
    if not hasattr(validation, "split") or isinstance(validation, str):
        raise InputError(
            parameter="validation",
            given=validation,
            expected="'auto', 'groups', 'time' or a splitter such as TimeSeriesSplit()",
        )
    found = [
        (np.asarray(training, dtype=np.int64), np.asarray(held_out, dtype=np.int64))
        for training, held_out in validation.split(np.zeros((len(y), 1)), y, groups)
    ]
    if not found or not all(len(part) for split in found for part in split):
        raise InputError(
            f"validation is {validation!r}, which gives no fold or an empty one; expected rows to "
            "train on and rows to hold out",
            parameter="validation",
        )
    return found


def forward_splits(n_rows: int) -> list[Split]:
    """Return five splits of rows in their order: each block after the half, and all rows before it.

    Raises
    ------
    InputError
        If there are fewer than 10 rows.

    Examples
    --------
    >>> for training, held_out in forward_splits(10):
    ...     print(len(training), held_out)
    5 [5]
    6 [6]
    7 [7]
    8 [8]
    9 [9]
    """
    if n_rows < _LEAST_ROWS:
        raise InputError(
            f"validation is 'time', and there are {n_rows} rows; expected at least {_LEAST_ROWS}",
            parameter="validation",
        )
    ends = np.linspace(n_rows - n_rows // 2, n_rows, _BLOCKS + 1).astype(np.int64)
    rows = np.arange(n_rows)
    return [(rows[:a], rows[a:b]) for a, b in itertools.pairwise(ends)]
