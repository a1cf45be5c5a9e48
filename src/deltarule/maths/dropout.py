"""Inverted dropout: masks from a counter-based generator.

    a_j^l = m_j g(z_j^l),   m_j = 1/(1 − rate) with probability 1 − rate, else 0

so that the expectation of a is the same as without dropout, and prediction needs no
correction. Masks are arguments of the forward and backward pass. Their bits come from
Philox-4x32-10, a function of (seed, step, layer, row, node): every engine, every shard of a
batch and every replay of a step computes the same mask without drawing the numbers before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import real_number, to_python_scalar, whole_number

__all__ = ["dropout_mask", "dropout_rates", "per_layer", "philox"]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


def philox(counter: Sequence[Any], key: tuple[int, int]) -> np.ndarray:
    """Philox-4x32-10: four random 32-bit words for each counter.

    Parameters
    ----------
    counter : four integers or integer arrays that broadcast
        The 32-bit words of the counter.
    key : two integers
        The 32-bit words of the key.

    Returns
    -------
    words : uint32 array of shape (…, 4)

    Notes
    -----
    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).

    Examples
    --------
    >>> from deltarule.maths.dropout import philox
    >>> [hex(word) for word in philox((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    x0, x1, x2, x3 = (np.asarray(word, dtype=np.uint64) for word in np.broadcast_arrays(*counter))
    k0, k1 = key
    for _ in range(10):
        product0, product1 = _MULTIPLIERS[0] * x0, _MULTIPLIERS[1] * x2
        x0, x1, x2, x3 = (
            (product1 >> np.uint64(32)) ^ x1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> np.uint64(32)) ^ x3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], axis=-1).astype(np.uint32)


def dropout_mask(
    rate: float,
    rows: Any,
    width: int,
    *,
    seed: int,
    step: int,
    layer: int,
    dtype: Any = np.float64,
) -> np.ndarray:
    """The mask of one layer: 0 with probability ``rate``, else 1/(1 − rate).

    Parameters
    ----------
    rate : float
        The probability of dropping a node, 0 ≤ rate < 1.
    rows : integer array of shape (N,)
        The row numbers of the batch *in the training set*: a row's mask does not depend on its
        position in the batch.
    width : int
        n_l, the number of nodes.
    seed, step, layer : int

    Returns
    -------
    mask : array of shape (N, width)

    Raises
    ------
    InputError
        If the rate is not in [0, 1), or ``rows`` are not integers ≥ 0.

    Examples
    --------
    >>> from deltarule.maths import dropout_mask
    >>> dropout_mask(0.5, [0, 1], 6, seed=0, step=1, layer=1)
    array([[2., 2., 2., 0., 2., 2.],
           [0., 0., 2., 0., 0., 0.]])
    """
    rate = _check_rate(rate)
    rows = np.asarray(rows)
    if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0)):
        raise InputError(
            f"rows is {rows.dtype} of shape {rows.shape}; expected row numbers, each ≥ 0"
        )
    rows = rows.astype(np.uint64)
    groups = np.arange((width + 3) // 4, dtype=np.uint64)
    seed, step, layer = (
        _check_integer(name, value)
        for name, value in (("seed", seed), ("step", step), ("layer", layer))
    )
    counter = (rows[:, None], groups[None, :], step & 0xFFFFFFFF, layer)
    words = philox(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
    words = words.reshape(len(rows), 4 * len(groups))[:, :width]
    # A node is dropped when its 32-bit word, as a fraction of 2^32, is below the rate.
    kept = words >= np.uint64(round(rate * 2**32))
    return np.where(kept, np.dtype(dtype).type(1 / (1 - rate)), np.dtype(dtype).type(0))


def dropout_rates(dropout: float | Sequence[float], n_layers: int) -> tuple[float, ...]:
    """The dropout rate of each hidden layer, from one number for all or a sequence.

    Raises
    ------
    InputError
        If the number of rates is not the number of hidden layers, or one is not in [0, 1).
    """
    n_hidden, given = n_layers - 1, per_layer(dropout)
    if isinstance(given, tuple):
        rates = given
    else:
        rates = (_check_rate(given),) * n_hidden
        if n_hidden == 0 and given:
            raise InputError("dropout was asked for, but the network has no hidden layer")
    if len(rates) != n_hidden:
        raise InputError(
            f"dropout has {len(rates)} rates; expected {n_hidden}, one for each hidden layer, "
            "or a single number for all"
        )
    return rates


def per_layer(dropout: Any) -> Any:
    """One dropout rate for all layers as a Python number, or a tuple of rates.

    Raises
    ------
    InputError
        If it is neither a number nor a sequence of numbers.

    Examples
    --------
    >>> per_layer(np.array(0.5)), per_layer(np.array([0.5, 0.25]))
    (0.5, (0.5, 0.25))
    """
    dropout = to_python_scalar(dropout)
    if isinstance(dropout, Sequence | np.ndarray) and not isinstance(dropout, str | bytes):
        return tuple(map(_check_rate, dropout))
    if real_number(dropout) is None:
        raise InputError(
            parameter="dropout",
            given=dropout,
            expected="a number ≥ 0 and < 1, or one for each hidden layer",
        )
    return dropout


def _check_integer(name: str, value: Any) -> int:
    number = whole_number(value)
    if number is None or number < 0:
        raise InputError(parameter=name, given=value, expected="a whole number ≥ 0")
    return number


def _check_rate(rate: Any) -> float:
    number = real_number(rate)
    if number is None or not 0 <= number < 1:
        raise InputError(
            f"dropout rate is {rate!r}",
            parameter="dropout",
            given=rate,
            expected="a number ≥ 0 and < 1",
        )
    return number
