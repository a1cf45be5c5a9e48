"""Polynomials of elementary functions in float32, for compiled kernels and for printed C.

They are minimax approximations; how they were found stands in
:mod:`deltarule.engines.compiled.elementary`, which has those that kernels alone use.
"""

__all__ = ["EXP_FLOAT32", "LN2_FLOAT32", "TANH_FLOAT32"]

LN2_FLOAT32 = (0.693359375, -2.12194440054690583e-4)
"""ln 2 in two parts; the first has so few bits that its product with an exponent is exact."""

EXP_FLOAT32 = (
    0.4999999403953552,
    0.1666652113199234,
    0.04166826605796814,
    0.008368676528334618,
    0.0013820691965520382,
)
"""(e^r − 1 − r)/r² as a polynomial in r, for |r| ≤ ½ ln 2."""

TANH_FLOAT32 = (
    -0.3333331346511841,
    0.13332439959049225,
    -0.05383630469441414,
    0.02100336365401745,
    -0.006174634676426649,
)
"""(tanh x/x − 1)/x² as a polynomial in x², for |x| ≤ 9/16."""
