"""What goes in, checked: rows and sample weights as the passes take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import numeric
from deltarule.maths.network import Network

__all__ = ["check_rows", "check_weights", "normalised"]


def check_rows(net: Network, X: Any) -> np.ndarray:
    """X as a finite (N, n_0) array of the network's type; frames and sparse rows become dense."""
    array = numeric("X", X)
    if array.ndim != 2 or array.shape[1] != net.n_inputs:
        hint = " (a single row is [[…]])" if array.ndim == 1 else ""
        raise InputError(
            f"X has shape {array.shape}; expected (N, {net.n_inputs}), one row per sample{hint}"
        )
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, and is refused below
        array = np.ascontiguousarray(array, dtype=net.dtype)
    # A piece at a time: a mark for each number of X would take a quarter of its memory.
    if not all(
        np.isfinite(array[start : start + 512]).all() for start in range(0, len(array), 512)
    ):
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise InputError(
            f"X[{row}, {column}] is {float(array[row, column])!r}; expected finite numbers in the "
            f"range of {net.dtype}: impute missing values first"
        )
    return array


def check_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Sample weights s as a float64 array of shape (N,): ones if None, which take no memory."""
    if sample_weight is None:
        return np.broadcast_to(np.float64(1.0), (n_rows,))
    try:
        s = numeric("sample_weight", sample_weight)
    except InputError as error:
        shape = np.asarray(sample_weight, dtype=object).shape
        raise InputError(
            f"sample_weight has shape {shape} ({error}); expected {n_rows} numbers"
        ) from None
    if s.shape != (n_rows,):
        raise InputError(
            f"sample_weight has shape {s.shape} and dtype {s.dtype}; expected {n_rows} numbers"
        )
    s = s.astype(np.float64)
    bad = ~(np.isfinite(s) & (s >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"sample_weight[{row}] is {float(s[row])!r}; expected finite numbers ≥ 0")
    return s


def normalised(s: np.ndarray, dtype: Any) -> np.ndarray:
    """w_i = s_i/Σs; all 0 if Σs = 0."""
    total = s.sum()
    return (s / total if total > 0 else np.zeros_like(s)).astype(dtype)
