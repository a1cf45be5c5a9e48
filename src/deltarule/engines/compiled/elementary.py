"""exp, log, tanh and friends on whole vectors.

``math.exp`` takes 3 ns an element in a Numba loop and ``math.tanh`` 15, because they do
not vectorise; these take under 1. Each is written for one type, a vector of float32 or
float64 or a single double, from a reduction of the argument and a Taylor series, whose
coefficients need no table: 1/k! and 2/(2k+1). Special values (0, ∞, NaN) come out as
NumPy's; tests hold every function to a few ulp against mpmath.

No instruction here may be reassociated: no fast-math flag is set.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.code import Code

__all__ = ["Elementary"]


class _Float32:
    bits, mantissa, bias = 32, 23, 127
    # ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
    ln2 = (0.693359375, -2.12194440054690583e-4)
    exp_terms, log_terms = 7, 6
    exp_range = (-104.0, 89.0)
    tiny = float(np.finfo(np.float32).tiny)
    number, integer = np.float32, np.uint32


class _Float64:
    bits, mantissa, bias = 64, 52, 1023
    ln2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
    exp_terms, log_terms = 13, 11
    exp_range = (-746.0, 710.0)
    tiny = float(np.finfo(np.float64).tiny)
    number, integer = np.float64, np.uint64


class Elementary:
    """The elementary functions, written into a kernel."""

    def __init__(self, code: Code) -> None:
        self.code, self.b = code, code.b

    # -- small words ------------------------------------------------------------------

    @staticmethod
    def _format(x: Any) -> Any:
        element = x.type.element if isinstance(x.type, ir.VectorType) else x.type
        return _Float32 if isinstance(element, ir.FloatType) else _Float64

    def _number(self, x: Any, value: float) -> Any:
        return self.code.number(x.type, value)

    def _integers(self, x: Any) -> Any:
        whole = ir.IntType(self._format(x).bits)
        return ir.VectorType(whole, x.type.count) if isinstance(x.type, ir.VectorType) else whole

    def _integer(self, x: Any, value: int) -> Any:
        return self.code.number(self._integers(x), value)

    def _bits_of(self, kind: Any, value: float) -> int:
        return int(kind.number(value).view(kind.integer))

    def _if(self, x: Any, sign: str, value: float, then: Any, other: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered(sign, x, self._number(x, value)), then, other)

    def _horner(self, x: Any, coefficients: list[float]) -> Any:
        total = self._number(x, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            total = self.code.multiply_add(total, x, self._number(x, coefficient))
        return total

    def _power_of_two(self, k: Any) -> Any:
        """2^k for a whole k within the exponents of normal numbers.

        Added to 1.5 · 2^mantissa, k stands in the lowest bits; shifted up it is the
        exponent. A NaN gives some number and not undefined behaviour, as a conversion to
        an integer would.
        """
        kind = self._format(k)
        shifted = self.b.fadd(k, self._number(k, 1.5 * 2.0**kind.mantissa))
        bits = self.b.bitcast(shifted, self._integers(k))
        bits = self.b.shl(bits, self._integer(k, kind.mantissa))
        bits = self.b.add(bits, self._integer(k, kind.bias << kind.mantissa))
        return self.b.bitcast(bits, k.type)

    # -- exponentials -----------------------------------------------------------------

    def _reduced(self, x: Any) -> tuple[Any, Any, Any, Any]:
        """x = k ln 2 + r with |r| ≤ ½ ln 2: e^r − 1, and 2^k in two factors, and k."""
        kind, b = self._format(x), self.b
        low, high = kind.exp_range
        x = self._if(x, ">", high, self._number(x, high), x)
        x = self._if(x, "<", low, self._number(x, low), x)
        k = self.code.call("llvm.rint", b.fmul(x, self._number(x, 1 / math.log(2))))
        r = self.code.multiply_add(k, self._number(x, -kind.ln2[0]), x)
        r = self.code.multiply_add(k, self._number(x, -kind.ln2[1]), r)
        series = [1 / math.factorial(n) for n in range(2, kind.exp_terms + 1)]
        less_one = self.code.multiply_add(b.fmul(r, r), self._horner(r, series), r)
        half = self.code.call("llvm.rint", b.fmul(k, self._number(x, 0.5)))
        return less_one, self._power_of_two(half), self._power_of_two(b.fsub(k, half)), k

    def exp(self, x: Any) -> Any:
        """e^x, within 1 ulp or so; ∞ and 0 beyond the range, subnormals on the way."""
        less_one, one, other, _ = self._reduced(x)
        value = self.b.fadd(less_one, self._number(x, 1.0))
        return self.b.fmul(self.b.fmul(value, one), other)

    def expm1(self, x: Any) -> Any:
        """e^x − 1 = 2^k (e^r − 1) + (2^k − 1), which has no cancellation."""
        b = self.b
        less_one, one, other, k = self._reduced(x)
        scale = b.fmul(one, other)
        unit = self._number(x, 1.0)
        near = self.code.multiply_add(scale, less_one, b.fsub(scale, unit))
        far = b.fsub(b.fmul(b.fmul(b.fadd(less_one, unit), one), other), unit)
        return self._if(k, "<", 64.0, near, far)

    def tanh(self, x: Any) -> Any:
        """−t/(t + 2) with t = e^−2|x| − 1, and the sign of x."""
        b = self.b
        size = self.code.call("llvm.fabs", x)
        t = self.expm1(b.fmul(size, self._number(x, -2.0)))
        value = b.fdiv(b.fneg(t), b.fadd(t, self._number(x, 2.0)))
        return self._if(x, "<", 0.0, b.fneg(value), value)

    # -- logarithms -------------------------------------------------------------------

    def log(self, x: Any) -> Any:
        """e ln 2 + log(1 + f), with x = 2^e (1 + f) and √½ ≤ 1 + f < √2."""
        kind, b = self._format(x), self.b
        small = b.fcmp_ordered("<", x, self._number(x, kind.tiny))
        up = 2.0 ** (kind.mantissa + 2)
        normal = b.select(small, b.fmul(x, self._number(x, up)), x)
        bits = b.bitcast(normal, self._integers(x))
        shift = self._integer(x, kind.mantissa)
        offset = (kind.bias << kind.mantissa) - self._bits_of(kind, math.sqrt(0.5))
        exponent = b.lshr(b.add(bits, self._integer(x, offset)), shift)  # plus the bias
        unbiased = b.sub(exponent, self._integer(x, kind.bias))
        fraction = b.bitcast(b.sub(bits, b.shl(unbiased, shift)), x.type)
        # The exponent as a number: it stands in the lowest bits of 1.5 · 2^mantissa.
        magic = 1.5 * 2.0**kind.mantissa
        e = b.bitcast(b.add(unbiased, self._integer(x, self._bits_of(kind, magic))), x.type)
        e = b.fsub(e, self._number(x, magic))
        down = b.fsub(e, self._number(x, float(kind.mantissa + 2)))
        e = b.select(small, down, e)
        f = b.fsub(fraction, self._number(x, 1.0))
        s = b.fdiv(f, b.fadd(f, self._number(x, 2.0)))
        z = b.fmul(s, s)
        series = [2 / (2 * n + 1) for n in range(1, kind.log_terms + 1)]
        rest = b.fmul(z, self._horner(z, series))
        tail = b.fsub(b.fmul(s, b.fsub(f, rest)), b.fmul(e, self._number(x, kind.ln2[1])))
        value = self.code.multiply_add(e, self._number(x, kind.ln2[0]), b.fsub(f, tail))
        infinity = self._number(x, math.inf)
        value = self._if(x, "<", math.inf, value, infinity)
        value = self._if(x, "==", 0.0, b.fneg(infinity), value)
        # Below 0, and for NaN, no number: ordered comparisons are false for NaN.
        return self._if(x, ">=", 0.0, value, self._number(x, math.nan))

    def log1p(self, x: Any) -> Any:
        """log u + (x − (u − 1))/u with u = 1 + x: the second term is what u has lost."""
        b = self.b
        unit = self._number(x, 1.0)
        u = b.fadd(x, unit)
        lost = b.fdiv(b.fsub(x, b.fsub(u, unit)), u)
        none = self._number(x, 0.0)
        lost = self._if(u, ">", 0.0, self._if(x, "<", 1e30, lost, none), none)
        return b.fadd(self.log(u), lost)

    # -- the rest of the namespace ----------------------------------------------------

    def sqrt(self, x: Any) -> Any:
        """√x."""
        return self.code.call("llvm.sqrt", x)

    def abs(self, x: Any) -> Any:
        """|x|."""
        return self.code.call("llvm.fabs", x)

    def rint(self, x: Any) -> Any:
        """The nearest whole number, the even one of two."""
        return self.code.call("llvm.rint", x)

    def sign(self, x: Any) -> Any:
        """1, −1, or x itself where it is 0 or NaN."""
        less = self._if(x, "<", 0.0, self._number(x, -1.0), x)
        return self._if(x, ">", 0.0, self._number(x, 1.0), less)

    def minimum(self, x: Any, y: Any) -> Any:
        """The smaller; NaN if one is."""
        return self._chosen("<", x, y)

    def maximum(self, x: Any, y: Any) -> Any:
        """The larger; NaN if one is."""
        return self._chosen(">", x, y)

    def _chosen(self, sign: str, x: Any, y: Any) -> Any:
        better = self.b.select(self.b.fcmp_unordered(sign, x, y), x, y)
        return self.b.select(self.b.fcmp_unordered("uno", y, y), y, better)
