"""Checks of what users pass: rows X, targets Y and sample weights, as the passes take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.arrays import numeric

if TYPE_CHECKING:
    from deltarule.maths.network import Network

__all__ = [
    "check_masks",
    "check_network",
    "check_rows",
    "check_targets",
    "check_weights",
    "normalise_weights",
    "one_hot",
]


def check_network(net: Any) -> Network:
    """Return ``net``, if it is a :class:`Network`; raise InputError otherwise."""
    from deltarule.maths.network import Network  # whose modules use this one

    if not isinstance(net, Network):
        raise InputError(
            parameter="net",
            given=net,
            expected="a Network, such as Network([4, 16, 3])",
        )
    return net


def check_rows(net: Network, X: Any) -> np.ndarray:
    """X as a dense, finite array of the network's type, shape (N, n_0)."""
    array = numeric("X", X)
    if array.ndim != 2 or array.shape[1] != net.n_inputs:
        hint = " (a single row is [[…]])" if array.ndim == 1 else ""
        raise InputError(
            f"X has shape {array.shape}; expected (N, {net.n_inputs}), one row per sample{hint}"
        )
    with np.errstate(over="ignore"):  # beyond float32: infinite, and refused below
        array = np.ascontiguousarray(array, dtype=net.dtype)
    # 512 rows at a time: isfinite of all of X would take up to a quarter of its memory.
    if not all(
        np.isfinite(array[start : start + 512]).all() for start in range(0, len(array), 512)
    ):
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise InputError(
            f"X[{row}, {column}] is {float(array[row, column])!r}; expected finite numbers in the "
            f"range of {net.dtype}: impute missing values first"
        )
    return array


def check_masks(net: Network, masks: Any, n_rows: int) -> None:
    """Raise InputError if ``masks`` is neither None nor L+1 items, of shape (N, n_l) or None."""
    if masks is None:
        return
    if not isinstance(masks, list | tuple) or len(masks) != net.n_layers + 1:
        raise InputError(
            parameter="masks",
            given=masks,
            expected=f"a list of {net.n_layers + 1} masks, or None where a layer has none",
        )
    for layer, (mask, width) in enumerate(zip(masks, net.widths, strict=True)):
        if mask is not None and np.shape(mask) not in ((n_rows, width), (1, width), (width,)):
            raise InputError(
                f"masks[{layer}] has shape {np.shape(mask)}; expected ({n_rows}, {width})"
            )


def check_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Sample weights s as float64, shape (N,): ones if None (broadcast, without memory)."""
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


def normalise_weights(s: np.ndarray, dtype: Any) -> np.ndarray:
    """w_i = s_i/Σs; all 0 if Σs = 0."""
    total = s.sum()
    return (s / total if total > 0 else np.zeros_like(s)).astype(dtype)


def check_targets(y: np.ndarray, kind: str, loss: str) -> None:
    """Raise if a target is not valid for the loss; the message names the first one.

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
    """Class numbers 0 … n_L − 1 as one-hot rows, shape (N, n_L).

    Raises
    ------
    InputError
        If there is not one for each row, or one is not a class number.
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
