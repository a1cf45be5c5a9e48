"""Functions that several formulas need and that no array library has accurately.

Each is a formula like any other: written once against an array namespace. A
namespace offers them under their names (``xp.normal_cdf(z)``), so NumPy, JAX and
compiled code all evaluate these very lines; the recording namespace keeps the
name, so that a printed formula says Φ(z) and not thirty lines of polynomial,
and prints the function itself once beside it where the target language lacks it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

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
        How it is printed, with ``{0}``, ``{1}`` for its arguments.
    """

    name: str
    formula: Callable[..., Any]
    latex: str


def exp_difference(xp: Any, x: Any, y: Any) -> Any:
    """e^(x−y), exact to the last digits for any x and y.

    The rounding error of x − y is multiplied by the size of the exponent: at
    x − y = −700.1 the plain e^(x−y) has lost eight bits. Knuth's two-sum gives
    the error of the subtraction exactly, and e^(d + r) = e^d (1 + r) for tiny r.
    """
    d = x - y
    x_part = d + y
    r = (x - x_part) - (y - (x_part - d))
    # Where d is infinite so is its "error"; e^d is 0 or infinity there and needs no correction.
    r = xp.where(xp.abs(d) <= 1e6, r, 0 * y)
    return xp.exp(d) * (1 + r)


def normal_pdf(xp: Any, z: Any) -> Any:
    """The standard normal density φ(z) = e^(−z²/2)/√(2π), accurate in the tails.

    The rounding error of z² is multiplied by z²/2: hundreds of ulp at z = 30. So
    z is split into h, of few enough bits that h² is exact, and a rest; the
    rounding error r of the sum h² + rest then enters as a factor 1 − r/2.
    """
    m = xp.minimum(xp.abs(z), 64.0)  # φ(64) is 0 in every precision; h² stays finite
    h = xp.rint(m * 256.0) / 256.0
    rest = (m - h) * (m + h)
    square = h * h + rest
    r = rest - (square - h * h)
    return xp.exp(-0.5 * square) * ((1 - 0.5 * r) * 0.3989422804014327)


# Chebyshev coefficients of (1 + m) (1 − Φ(m))/φ(m) in t = (m − 5)/(m + 5), m ≥ 0, computed with
# 40 digits by interpolation at 80 nodes; the first one left out is 7.5e-18.
_MILLS = (
    1.1579976221305188,
    -0.1633449388451398,
    -0.013683136055781576,
    0.03082200019810004,
    -0.016220073012046806,
    0.005616691016460094,
    -0.0014133933783549216,
    0.0002502625460725661,
    -2.468907239728387e-05,
    -1.0107964061837592e-06,
    7.495419179740573e-07,
    -7.600274268728337e-08,
    -1.1574771441328644e-08,
    3.333386472599843e-09,
    7.538039628171347e-11,
    -1.1104247263727494e-10,
    3.509243776551059e-12,
    3.6894953861750955e-12,
    -2.337669777638309e-13,
    -1.327179752354139e-13,
    9.921706995888464e-15,
    5.2760049954555455e-15,
    -3.3730976941869175e-16,
    -2.280433877637884e-16,
)


def mills_ratio(xp: Any, m: Any) -> Any:
    """Mills' ratio (1 − Φ(m))/φ(m) for m ≥ 0, a Chebyshev series summed by Clenshaw's rule.

    It falls gently from √(π/2) at 0 like 1/m, so that 1 − Φ(m) = φ(m) · ratio keeps
    all its digits where 1 − Φ(m) itself is as small as 1e-300.
    """
    t = (m - 5.0) / (m + 5.0)
    later, latest = 0 * t, 0 * t
    for coefficient in reversed(_MILLS[1:]):
        later, latest = 2 * t * later - latest + coefficient, later
    return (t * later - latest + _MILLS[0]) / (1 + m)


def normal_cdf(xp: Any, z: Any) -> Any:
    """The standard normal distribution function Φ(z), accurate in both tails."""
    m = xp.minimum(xp.abs(z), 64.0)
    tail = xp.normal_pdf(m) * xp.mills_ratio(m)
    return xp.where(z > 0, 1 - tail, tail)


def xlogy(xp: Any, x: Any, y: Any) -> Any:
    """x log y, and 0 where x = 0 whatever y is."""
    none = x == 0
    return xp.where(none, 0 * x, x * xp.log(xp.where(none, 1 + 0 * x, y)))


SHARED_FUNCTIONS: dict[str, SharedFunction] = {
    function.name: function
    for function in (
        SharedFunction("exp_difference", exp_difference, r"e^{{{0} - {1}}}"),
        SharedFunction("normal_pdf", normal_pdf, r"\varphi({0})"),
        SharedFunction("mills_ratio", mills_ratio, r"\mathrm{{M}}({0})"),
        SharedFunction("normal_cdf", normal_cdf, r"\Phi({0})"),
        SharedFunction("xlogy", xlogy, r"{0} \log {1}"),
    )
}
