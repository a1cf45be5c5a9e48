"""Printing formulas as C99.

The calling convention: the formula's arguments in order, then, for a formula that combines
outputs, their number ``int n``, then one pointer for each result. An elementwise function with a
single result returns it instead::

    double logistic(double z);
    void squared(double a, double y, double *term, double *derivative);
    void softmax(const double *z, int n, double *out);
    void entropy(const double *a, const double *y, int n, double *term, double *derivative);

An output may be the array of an input. Nothing is allocated. Minimum and maximum return NaN for
NaN, as NumPy's do (``fmin`` does not); zeros may differ in sign. ``rint`` expects the default
rounding mode. In float, tanh is a helper of arithmetic alone, as in the compiled engine: a loop of
it is vectorised, while the library's ``tanhf`` takes more than half of the time of a small network.
Under ``-ffast-math``, which would reassociate the exact subtraction in ``exp_difference``, the
source does not compile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.polynomials import EXP_FLOAT32, LN2_FLOAT32, TANH_FLOAT32
from deltarule.maths.printing.code import CodePrinter, Scope
from deltarule.maths.printing.formulas import SymbolicFormula

__all__ = ["print_c99"]

_HEAD = """\
#include <math.h>

#ifdef __FAST_MATH__
#error "these formulas rely on the order of their operations: compile without -ffast-math"
#endif

"""
_HELPERS = {
    "sign": "(real x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }",
    "minimum": "(real x, real y) { return x < y || x != x ? x : y; }",
    "maximum": "(real x, real y) { return x > y || x != x ? x : y; }",
}
# As Elementary.tanh of the compiled engine has it; the magic number holds k + 127 in its lowest
# bits. What a condition chooses from is computed before it: compilers make no vector instructions
# of a branch, nor of functions that they are not told to inline.
_TANH = """\
static inline float dr_tanhf(float x) {
  const float size = fabsf(x), square = x * x, twice = -2.0f * size;
  const float z = twice < -80.0f ? -80.0f : twice;
  const float magic = z * %(per_ln2)s + 12583039.0f, k = magic - 12583039.0f;
  const float r = z - k * %(ln2_high)s - k * %(ln2_low)s;
  union { float number; unsigned int bits; } power;
  float e, far, near;
  power.number = magic;
  power.bits <<= 23;
  e = power.number + power.number * (r + r * r * (%(exp)s));
  far = copysignf(1.0f - (e + e) / (1.0f + e), x);
  near = x + square * x * (%(tanh)s);
  return size < 0.5625f ? near : far;
}
"""
_MATH = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1
    fabs fdim floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10
    log1p log2 logb lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo
    rint round scalbln scalbn sin sinh sqrt tan tanh tgamma trunc
"""
# Keywords; names that POSIX adds to math.h; built-in functions of compilers.
_WORDS = """
    auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef
    union unsigned void volatile while
    drem gamma j0 j1 jn signgam significand y0 y1 yn
    abs div exit main
"""
_RESERVED = frozenset(
    _WORDS.split() + [name + suffix for name in _MATH.split() for suffix in ("", "f", "l")]
)


def print_c99(
    formulas: Mapping[str, SymbolicFormula], dtype: str = "double", *, static: bool = False
) -> str:
    """The source of C99 functions, after the helper functions that they call.

    Parameters
    ----------
    formulas : mapping of str to SymbolicFormula
        The formulas, by the name of the function to print.
    dtype : {"double", "float"}
        The type of every argument, constant and operation.
    static : bool
        Whether the functions are visible in their file alone.

    Returns
    -------
    str
        The source of one file.

    Raises
    ------
    InputError
        If a name is not valid for a C function, or the type is neither.

    Examples
    --------
    >>> from deltarule.maths.printing import symbolic_activation
    >>> source = print_c99({"squash": symbolic_activation("softsign").value}, "float")
    >>> print(source[source.index("/*"):])
    /* softsign: value */
    float squash(float z) {
      return z / (1.0f + fabsf(z));
    }
    """
    if dtype not in ("double", "float"):
        raise InputError(f"dtype is {dtype!r}; expected 'double' or 'float'")
    return _HEAD + _C99Printer(dtype, static).program(formulas)


class _C99Printer(CodePrinter):
    language = "C"
    equality: ClassVar = {}
    loop = "for (int j = 0; j < n; ++j)"
    reserved = _RESERVED

    def __init__(self, dtype: str, static: bool) -> None:
        super().__init__()
        self.real, self.static = dtype, static
        self.suffix = "f" if dtype == "float" else ""
        self.length = f"({dtype})n"  # type: ignore[misc]  # it names the type

    def number(self, value: float) -> str:
        if self.real == "float":
            with np.errstate(over="ignore"):
                text = str(np.float32(value))
        else:
            text = repr(float(value))
        infinity = "INFINITY" if self.real == "float" else "HUGE_VAL"  # of the right type
        special = {"inf": infinity, "-inf": f"-{infinity}", "nan": f"({self.real})NAN"}
        return special.get(text, text + self.suffix)

    def callee(self, op: str) -> str:
        if op == "tanh" and self.real == "float":
            return "dr_tanhf"
        if op in ("exp", "expm1", "log", "log1p", "tanh", "sqrt", "rint"):
            return op + self.suffix
        return f"fabs{self.suffix}" if op == "abs" else f"dr_{op}{self.suffix}"

    def helper(self, op: str) -> str:
        if op == "tanh":
            return _TANH % {
                "per_ln2": self.number(1 / math.log(2)),
                "ln2_high": self.number(LN2_FLOAT32[0]),
                "ln2_low": f"({self.number(LN2_FLOAT32[1])})",
                "exp": self._polynomial("r", EXP_FLOAT32),
                "tanh": self._polynomial("square", TANH_FLOAT32),
            }
        definition = _HELPERS[op].replace("real", self.real)
        return f"static inline {self.real} dr_{op}{self.suffix}{definition}\n"

    def _polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """The text of c_0 + x (c_1 + x (…))."""
        text = self.number(coefficients[-1])
        for each in reversed(coefficients[:-1]):
            text = f"{self.number(each)} + {x} * ({text})"
        return text

    def constant(self, name: str, text: str, condition: bool) -> str:
        return f"const {'int' if condition else self.real} {name} = {text};"

    def variable(self, name: str, text: str) -> str:
        return f"{self.real} {name} = {text};"

    def wrap(
        self,
        name: str,
        formula: SymbolicFormula,
        scope: Scope,
        results: Sequence[str],
        helper: bool,
    ) -> str:
        real, returns = self.real, formula.elementwise and len(results) == 1
        pointers = [] if returns else list(formula.results) if len(results) > 1 else ["out"]
        if formula.elementwise:
            given = [f"{real} {argument}" for argument in formula.arguments]
        else:
            given = [f"const {real} *{argument}" for argument in formula.arguments] + ["int n"]
        given += [f"{real} *{pointer}" for pointer in pointers]
        # A title may contain a user's text, and */ would end the comment.
        title = " ".join(formula.title.split()).replace("*/", "* /")
        storage = "static inline " if helper or self.static else ""
        kind = real if returns else "void"
        lines = [f"/* {title} */", f"{storage}{kind} {name}({', '.join(given)}) {{"]
        lines += [
            f"  static const {real} {table}[{len(values)}] = "
            f"{{{', '.join(map(self.number, values))}}};"
            for values, table in scope.tables.items()
        ]
        used = {expr.data for expr in formula.expressions() if expr.op == "variable"}
        lines += [f"  (void){unused};" for unused in formula.arguments if unused not in used]
        lines += scope.lines
        if returns:
            lines.append(f"  return {results[0]};")
        elif formula.elementwise:
            lines += [f"  *{p} = {r};" for p, r in zip(pointers, results, strict=True)]
        else:
            lines += [f"    {p}[j] = {r};" for p, r in zip(pointers, results, strict=True)]
            lines.append("  }")
        return "\n".join([*lines, "}", ""])
