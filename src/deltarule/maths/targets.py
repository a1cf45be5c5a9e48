"""Targets, checked: what Y may hold for a loss, and class numbers as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError

__all__ = ["check_targets", "one_hot"]


def check_targets(y: np.ndarray, kind: str, loss: str) -> None:
    """Refuse a target that the loss cannot be given; the message names the first one.

    Parameters
    ----------
    y : array of shape (N, n_L)
    kind : str
        ``Loss.targets``: ``"real"``, ``"nonnegative"``, ``"unit"`` or ``"classes"``.
    loss : str
        The loss's name, for the message.

    Raises
    ------
    InputError
        If a value is not finite or not of that kind.
    """
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(y)
        expected = "finite numbers"
        if kind == "nonnegative":
            bad, expected = bad | (y < 0), "numbers ≥ 0"
        elif kind == "unit":
            bad, expected = bad | (y < 0) | (y > 1), "numbers from 0 to 1"
        elif kind == "classes":
            sums = y.sum(axis=1, keepdims=True)
            bad = bad | (y < 0) | (np.abs(sums - 1) > 1e-5)
            expected = "class numbers, or probabilities that add to 1 in each row"
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"Y[{row}, {column}] is {float(y[row, column])!r}; loss {loss!r} expects {expected}"
        )


def one_hot(given: np.ndarray, n_rows: int, n_outputs: int, dtype: Any) -> np.ndarray:
    """Class numbers 0 … n_L − 1 as rows of one 1 among zeros.

    Raises
    ------
    InputError
        If their number is not that of the rows, or one is no class number.
    """
    if given.shape[0] != n_rows:
        raise InputError(f"Y has {given.shape[0]} rows; expected {n_rows}, as X has")
    bad = (given != np.floor(given)) | (given < 0) | (given >= n_outputs)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"Y[{row}] is {given[row].item()!r}; expected a class number from 0 to {n_outputs - 1}"
        )
    y = np.zeros((n_rows, n_outputs), dtype=dtype)
    y[np.arange(n_rows), given.astype(np.intp)] = 1
    return y
