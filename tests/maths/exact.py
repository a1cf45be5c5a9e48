"""Exact values to measure against: mpmath with 60 digits, and errors in units in the last place.

Every function takes numbers of mpmath and is written for exactness, not for speed or range:
exponents have no limit there, so nothing overflows. None of it is a formula of the library.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp, mpf

mp.dps = 60
EPS = {np.dtype(np.float32): -23, np.dtype(np.float64): -52}
LEAST = {np.dtype(np.float32): -149, np.dtype(np.float64): -1074}


def logistic(z):
    return 1 / (1 + mp.exp(-z))


def logistic_slope(z):
    return 1 / (2 * mp.cosh(z / 2)) ** 2


def _when_positive(z, above, below):
    return mpf(above) if z > 0 else mpf(below)


def gelu_terms(z):
    return mp.ncdf(z), z * mp.npdf(z)


def silu_terms(z):
    return logistic(z), z * logistic_slope(z)


def mish_terms(z):
    s = mp.log1p(mp.exp(z))
    return mp.tanh(s), z * logistic(z) * mp.sech(s) ** 2


# name: (value(z, **parameters), slope(z, **parameters)); a slope may be a tuple of terms to add,
# whose sizes show where the sum cancels.
ELEMENTWISE = {
    "identity": (lambda z: z, lambda z: mpf(1)),
    "logistic": (logistic, logistic_slope),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "relu": (lambda z: max(z, mpf(0)), lambda z: _when_positive(z, 1, 0)),
    "leaky_relu": (
        lambda z, alpha: z if z > 0 else alpha * z,
        lambda z, alpha: _when_positive(z, 1, alpha),
    ),
    "elu": (
        lambda z, alpha: z if z > 0 else alpha * mp.expm1(z),
        lambda z, alpha: _when_positive(z, 1, alpha * mp.exp(z)),
    ),
    "selu": (
        lambda z, alpha, scale: scale * (z if z > 0 else alpha * mp.expm1(z)),
        lambda z, alpha, scale: scale * _when_positive(z, 1, alpha * mp.exp(z)),
    ),
    "softplus": (lambda z: mp.log1p(mp.exp(z)), logistic),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "exp": (mp.exp, mp.exp),
    "gelu": (lambda z: z * mp.ncdf(z), gelu_terms),
    "silu": (lambda z: z * logistic(z), silu_terms),
    "mish": (lambda z: z * mp.tanh(mp.log1p(mp.exp(z))), mish_terms),
}


def points(dtype, *, density=120, seed=0, roots=()):
    """The points of measurement: around 0, over the range, in both tails, near roots."""
    rng = np.random.default_rng(seed)
    small = np.finfo(dtype).smallest_subnormal
    borders = [88, 104, 17, 9] if dtype == np.float32 else [37, 710, 745, 19]
    positive = np.concatenate(
        [
            [small, np.finfo(dtype).tiny, 1e-30, 1e-20, 1e-10, 0.5, 1, 2, *borders, 1000, 1e4],
            10.0 ** rng.uniform(-8, 1, density),
            rng.uniform(0, 5, density),
            rng.uniform(0, borders[0], density),
            rng.uniform(borders[0], 1.06 * borders[1], density),
            10.0 ** rng.uniform(1, 4, density // 3),
        ]
    )
    near = [root * (1 + s * 10.0**-d) for root in roots for d in range(1, 17) for s in (-1, 1)]
    z = np.concatenate([positive, -positive, near, [0.0]]).astype(dtype)
    return np.unique(z)


def exactly(array):
    """The numbers of an array as exact numbers of mpmath."""
    return [mpf(float(x)) for x in np.ravel(array)]


def ulp(x, dtype):
    """The distance between floating-point numbers at x: a power of two."""
    dtype = np.dtype(dtype)
    size = mp.mag(x) - 1 + EPS[dtype] if x else LEAST[dtype]
    return mp.ldexp(1, max(int(size), LEAST[dtype]))


def error(got, exact, dtype, scale=None):
    """|got − exact| in units in the last place of the exact value, or of ``scale``."""
    got, largest = float(got), mpf(float(np.finfo(dtype).max))
    if np.isnan(got):
        return np.inf
    if abs(exact) > largest:  # it must overflow, with its sign
        return 0.0 if got == float(mp.sign(exact)) * np.inf else np.inf
    if np.isinf(got):
        return np.inf
    return float(abs(mpf(got) - exact) / ulp(exact if scale is None else scale, dtype))


def errors(got, exact, dtype, terms=None, near=0.5):
    """The error of every number of an array, in units in the last place.

    Where ``terms`` are given and the exact value, their sum, is smaller than ``near`` times the
    largest of them, it is crossing zero by cancellation, and the unit is that of the largest
    term.
    """
    got = np.ravel(got)
    assert len(got) == len(exact)
    found = np.zeros(len(got))
    for i, (one, true) in enumerate(zip(got, exact, strict=True)):
        largest = max(map(abs, terms[i])) if terms is not None else mpf(0)
        found[i] = error(one, true, dtype, largest if abs(true) < near * largest else None)
    return found
