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
from deltarule.records import checked_integer, real_number, to_python_scalar

__all__ = ["dropout_mask", "dropout_rates", "per_layer", "philox"]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


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
    words = [np.atleast_1d(np.asarray(word, dtype=np.uint32)) for word in (*counter, *key)]
    found: np.ndarray = philox_words(np, words[:4], words[4:])
    scalar = all(np.ndim(word) == 0 for word in counter)
    return found[0] if scalar else found


def philox_words(library: Any, counter: Sequence[Any], key: Sequence[Any]) -> Any:
    """Philox-4x32-10 over an array library, in 32-bit arithmetic that wraps round.

    Parameters
    ----------
    library : module
        ``numpy`` or ``jax.numpy``.
    counter, key : four and two uint32 arrays that broadcast
        JAX may trace them. NumPy's must have a dimension, since it warns when a scalar wraps.

    Returns
    -------
    words : uint32 array of shape (…, 4)
    """
    x0, x1, x2, x3 = library.broadcast_arrays(*counter)
    k0, k1 = key
    for _ in range(10):
        high0, low0 = _full_product(_MULTIPLIERS[0], x0)
        high1, low1 = _full_product(_MULTIPLIERS[1], x2)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = k0 + np.uint32(_WEYL[0]), k1 + np.uint32(_WEYL[1])
    return library.stack([x0, x1, x2, x3], axis=-1)


def _full_product(constant: int, x: Any) -> tuple[Any, Any]:
    """The high and the low 32 bits of a product of 32-bit numbers, from products of 16-bit halves.

    JAX has no 64-bit integers unless 64-bit types are enabled, and a GPU computes them slowly.
    """
    half, low = np.uint32(16), np.uint32(0xFFFF)
    c_high, c_low = np.uint32(constant >> 16), np.uint32(constant & 0xFFFF)
    x_high, x_low = x >> half, x & low
    middle = c_high * x_low + ((c_low * x_low) >> half)  # at most 2^32 - 2^16
    other = c_low * x_high + (middle & low)
    return c_high * x_high + (middle >> half) + (other >> half), x * np.uint32(constant)


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
    width = checked_integer("width", width, 1)
    seed, step, layer = (
        checked_integer(name, value)
        for name, value in (("seed", seed), ("step", step), ("layer", layer))
    )
    words = mask_words(np, rows, width, key_words(seed), step & 0xFFFFFFFF, layer)
    kept = words >= np.uint64(drop_threshold(rate))
    return np.where(kept, np.dtype(dtype).type(1 / (1 - rate)), np.dtype(dtype).type(0))


def mask_words(library: Any, rows: Any, width: int, key: Any, step: Any, layer: int) -> Any:
    """The random words of a layer's nodes, uint32 of shape (N, width), over an array library.

    Parameters
    ----------
    library : module
        ``numpy`` or ``jax.numpy``.
    rows : integer array of shape (N,)
    width : int
    key : uint32 array of shape (2,)
        From :func:`key_words`.
    step, layer : int
        JAX may trace the step.
    """
    groups = (width + 3) // 4
    counter = (
        library.asarray(rows).astype(np.uint32)[:, None],
        library.arange(groups, dtype=np.uint32)[None, :],
        library.asarray(step, dtype=np.uint32).reshape(1, 1),
        library.full((1, 1), layer, dtype=np.uint32),
    )
    words = philox_words(library, counter, (key[:1], key[1:]))
    return words.reshape(len(rows), 4 * groups)[:, :width]


def key_words(seed: int) -> np.ndarray:
    """The generator's key of a seed: its lowest 64 bits, as two 32-bit words.

    Examples
    --------
    >>> key_words(5 + 2**32)
    array([5, 1], dtype=uint32)
    """
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32)


def drop_threshold(rate: float) -> int:
    """The number below which a node's 32-bit word drops the node: the rate as a part of 2^32."""
    return round(rate * 2**32)


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
