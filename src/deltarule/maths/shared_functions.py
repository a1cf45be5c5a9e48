"""Functions that several formulas need and that array libraries do not provide accurately.

Each is written once against an array namespace, which offers it by name
(``xp.normal_cdf(z)``), so NumPy, JAX and compiled code evaluate the same lines (except
``times_exp``, which the compiled exponential kernel contains). In the symbolic namespace a call
is one expression, so that a printed formula shows Φ(z) and not a polynomial; printed code contains
the function once as a helper.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["SHARED_FUNCTIONS", "SharedFunction"]


@dataclasses.dataclass(frozen=True)
class SharedFunction:
    """A function that namespaces offer by name.

    Parameters
    ----------
    name : str
        Its name in every namespace.
    formula : callable
        ``formula(xp, *arguments)``.
    latex : str
        The printed form, with ``{0}``, ``{1}`` for the arguments.
    """

    name: str
    formula: Callable[..., Any]
    latex: str


def exp_difference(xp: Any, x: Any, y: Any) -> Any:
    """e^(x−y), with a small relative error for any x and y.

    A rounding error r of d = x − y is a relative error r of e^d: at d = −700.1 the plain
    e^(x−y) has lost eight bits. Knuth's two-sum gives r exactly, and e^(d + r) = e^d + e^d r
    for tiny r.
    """
    d = x - y
    x_part = d + y
    r = (x - x_part) - (y - (x_part - d))
    # Where d is infinite, r is NaN; e^d is 0 or infinite there and needs no correction.
    r = xp.where(xp.abs(d) <= 1e6, r, 0 * y)
    e = xp.exp(d)
    return e + e * r


_EXP_MINUS_64 = 1.603810890548638e-28


def times_exp(xp: Any, x: Any, z: Any) -> Any:
    """x e^z for z ≤ 0, accurate as long as x e^z itself is a normal number.

    Where e^z is subnormal (in float64 it has two digits left at z = −740), a large x would
    multiply its rounding error. For z < −80, above which e^z is normal in float32 too (down to
    −87), x e^−64 · e^(z + 64) is computed instead; z + 64 is exact.
    """
    deep = z < -80.0
    return x * xp.where(deep, _EXP_MINUS_64, 1) * xp.exp(xp.where(deep, z + 64.0, z))


def _times_gaussian(xp: Any, x: Any, high: Any, low: Any, m: Any) -> Any:
    """x (high + low) e^(−m²/2) for m ≥ 0, accurate in the tail.

    A rounding error of m² would be hundreds of ulp of the result at m = 30. So m is split into
    h, with so few bits that h² is exact, and a rest; the rounding error r of the sum h² + rest is
    corrected by the factor 1 − r/2. ``high`` is a power of two, so that x · high is exact and only
    the smaller terms, with ``low`` and r, are rounded.
    """
    h = xp.rint(m * 256.0) / 256.0
    rest = (m - h) * (m + h)
    square = h * h + rest
    r = rest - (square - h * h)
    part = x * high + x * (low - (high + low) * (0.5 * r))
    return xp.times_exp(part, -0.5 * square)


def _abs_up_to_64(xp: Any, z: Any) -> Any:
    """min(|z|, 64): e^(−64²/2) is 0 in every precision, and squares stay finite."""
    return xp.minimum(xp.abs(z), 64.0)


def times_normal_pdf(xp: Any, x: Any, z: Any) -> Any:
    """x φ(z), with φ(z) = e^(−z²/2)/√(2π) the standard normal density, accurate in the tails."""
    # 1/√(2π) = 0.5 + (1/√(2π) − 0.5).
    return _times_gaussian(xp, x, 0.5, -0.10105771959856732, _abs_up_to_64(xp, z))


def normal_pdf(xp: Any, z: Any) -> Any:
    """The standard normal density φ(z) = e^(−z²/2)/√(2π), accurate in the tails."""
    return xp.times_normal_pdf(1.0, z)


# The polynomials below interpolate at Chebyshev points, computed with 50 digits; the first
# omitted Chebyshev coefficient is below 1.2e-17.

# (Φ(z) − ½)/z as a polynomial in z², for |z| ≤ 1.
_CDF_CENTRE = (
    0.39894228040143265,
    -0.06649038006690387,
    0.009973557009983732,
    -0.001187328214811527,
    0.0001154346832492605,
    -9.444639861853272e-06,
    6.659317805752481e-07,
    -4.117317843452298e-08,
    2.2271240384729976e-09,
    -9.027164883791298e-11,
)
# m e^(m²/2) (1 − Φ(m)) − ¼ as a polynomial in t = 2 (m − 1)/(m + 4) − 1, for m ≥ 1. Without
# the −¼ the function rises from 0.26 to 1/√(2π).
_CDF_TAIL = (
    0.13867588594668107,
    0.03180947595937364,
    -0.04054569073457534,
    0.030469606661125033,
    -0.016426560307061536,
    0.006362340707537213,
    -0.0015426582202950603,
    6.659872843831584e-05,
    0.00010383027939907916,
    -2.93503275940346e-05,
    -4.647429986490211e-06,
    3.721247452570774e-06,
    1.2341897811723915e-07,
    -4.5061203175156777e-07,
    3.2960647388584634e-09,
    5.918773318184994e-08,
    1.305215942742201e-10,
    -8.25741309186907e-09,
    -2.9539963444701886e-10,
    1.059943124068231e-09,
    4.8951478205734833e-11,
    -8.640955193508297e-11,
)
# (Φ(z) + z φ(z) − ½)/z as a polynomial in z², for |z| ≤ 3/8.
_SLOPE_CENTRE = (
    0.7978845608028654,
    -0.2659615202676216,
    0.059841342060189755,
    -0.009498625722411669,
    0.001154346836107746,
    -0.00011333526635062873,
    9.318438948795885e-06,
    -6.370291971701908e-07,
)
# With −m₀ the root of the derivative of z Φ(z): (1 − Φ(m) − m φ(m)) e^(m²/2)/(m₀ − m) − ½ as a
# polynomial in t = 2 (m − 3/8)/(m + 4) − 1, for m ≥ 3/8. The factor m₀ − m is divided out to keep
# all digits near the root.
_SLOPE_TAIL = (
    -0.04622165303793919,
    -0.08557380364609929,
    0.04484629013534338,
    -0.0190742269612053,
    0.006097048804721155,
    -0.0011754159758442647,
    -2.7834118138812672e-05,
    9.042692267759023e-05,
    -1.4650243751766583e-05,
    -6.333221127551151e-06,
    2.1759043550867353e-06,
    5.697536025224792e-07,
    -2.8280750384715934e-07,
    -7.463165359232417e-08,
    3.664516662468637e-08,
    1.3055221940326739e-08,
    -4.484911469679743e-09,
    -2.471827907335664e-09,
    4.4356795621173635e-10,
    3.9931499647732473e-10,
    -2.4990721700856858e-11,
    -3.754485856163391e-11,
)
# m₀ in three parts, the first exact in float32, so that m₀ − m is accurate near the root.
_SLOPE_ROOT = (0.7517915368080139, -1.211444945855772e-08, -2.869037074309186e-25)


# Far below half the float32 spacing at 1, 2^-25.
_FLOAT32_TOLERANCE = 2.0**-29


@functools.cache
def _for_float32(coefficients: tuple[float, ...], low: float, high: float) -> tuple[float, ...]:
    """The polynomial without the Chebyshev terms that are too small for float32: half as long."""
    from numpy.polynomial import Chebyshev, Polynomial

    series = Polynomial(coefficients).convert(kind=Chebyshev, domain=[low, high])
    left_out = np.cumsum(np.abs(series.coef[::-1]))
    kept = len(coefficients) - int(np.searchsorted(left_out, _FLOAT32_TOLERANCE))
    shorter = series.truncate(kept).convert(kind=Polynomial)
    return tuple(map(float, shorter.coef))


def _polynomial(xp: Any, coefficients: tuple[float, ...], x: Any, low: float, high: float) -> Any:
    """Σ c_n xⁿ for low ≤ x ≤ high, to the precision of ``xp``."""
    if xp.dtype == np.float32:
        coefficients = _for_float32(coefficients, low, high)
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def times_normal_cdf(xp: Any, x: Any, z: Any) -> Any:
    """x Φ(z), with Φ the standard normal distribution function, accurate in both tails.

    For |z| < 1 Φ(z) is ½ + z · polynomial; beyond it is e^(−z²/2)/|z| · polynomial, or 1 minus
    that. x is multiplied before the exponential, which may be subnormal.
    """
    near = xp.minimum(xp.maximum(z, -1.0), 1.0)
    centre = x * (0.5 + near * _polynomial(xp, _CDF_CENTRE, near * near, 0.0, 1.0))
    m = _abs_up_to_64(xp, z)
    low = _polynomial(xp, _CDF_TAIL, 2 * ((m - 1.0) * (1 / (m + 4.0))) - 1, -1.0, 1.0)
    tail = _times_gaussian(xp, x / xp.maximum(m, 1.0), 0.25, low, m)
    return xp.where(xp.abs(z) < 1.0, centre, xp.where(z > 0, x - tail, tail))


def normal_cdf(xp: Any, z: Any) -> Any:
    """The standard normal distribution function Φ(z), accurate in both tails."""
    return xp.times_normal_cdf(1.0, z)


def gelu_slope(xp: Any, z: Any) -> Any:
    """Φ(z) + z φ(z), the derivative of z Φ(z), accurate in both tails and at its root −0.7518."""
    near = xp.minimum(xp.maximum(z, -0.375), 0.375)
    centre = 0.5 + near * _polynomial(xp, _SLOPE_CENTRE, near * near, 0.0, 0.140625)
    m = _abs_up_to_64(xp, z)
    low = _polynomial(xp, _SLOPE_TAIL, 2 * ((m - 0.375) * (1 / (m + 4.0))) - 1, -1.0, 1.0)
    from_root = ((_SLOPE_ROOT[0] - m) + _SLOPE_ROOT[1]) + _SLOPE_ROOT[2]
    tail = _times_gaussian(xp, from_root, 0.5, low, m)
    return xp.where(xp.abs(z) < 0.375, centre, xp.where(z > 0, 1 - tail, tail))


def xlogy(xp: Any, x: Any, y: Any) -> Any:
    """x log y, and 0 where x = 0 for any y."""
    zero = x == 0
    return xp.where(zero, 0 * x, x * xp.log(xp.where(zero, 1 + 0 * x, y)))


def xlog1py(xp: Any, x: Any, y: Any) -> Any:
    """x log(1 + y), and 0 where x = 0 for any y."""
    zero = x == 0
    return xp.where(zero, 0 * x, x * xp.log1p(xp.where(zero, 0 * x, y)))


SHARED_FUNCTIONS: dict[str, SharedFunction] = {
    function.name: function
    for function in (
        SharedFunction("exp_difference", exp_difference, r"e^{{{0} - {1}}}"),
        SharedFunction("times_exp", times_exp, r"\mathrm{{timesexp}}({0}, {1})"),
        SharedFunction("times_normal_pdf", times_normal_pdf, r"\mathrm{{timespdf}}({0}, {1})"),
        SharedFunction("normal_pdf", normal_pdf, r"\varphi({0})"),
        SharedFunction("times_normal_cdf", times_normal_cdf, r"\mathrm{{timescdf}}({0}, {1})"),
        SharedFunction("normal_cdf", normal_cdf, r"\Phi({0})"),
        SharedFunction("gelu_slope", gelu_slope, r"\mathrm{{GELU}}'({0})"),
        SharedFunction("xlogy", xlogy, r"{0} \log {1}"),
        SharedFunction("xlog1py", xlog1py, r"{0} \log(1 + {1})"),
    )
}
