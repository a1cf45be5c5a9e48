"""Elementary functions and activations of compiled kernels, with errors in ulp.

An ulp is the spacing of numbers at the exact value. Every limit is a little above the largest error
found in a search of some hundred million arguments.
"""

import ctypes
import functools
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from llvmlite import ir
from mpmath import mp
from tests.maths import exact
from tests.maths.test_accuracy import ROOTS, parameters, split, within

from deltarule.engines.compiled import linker
from deltarule.engines.compiled.elementary import Elementary
from deltarule.engines.compiled.formula_kernels import write_activation
from deltarule.engines.compiled.ir_builder import KernelBuilder
from deltarule.engines.compiled.ir_namespace import IRNamespace
from deltarule.engines.compiled.row_kernels import write_row_kernels
from deltarule.engines.compiled.target import VARIABLE, is_x86, processor
from deltarule.engines.compiled.workspace import address_of, aligned
from deltarule.maths import ACTIVATIONS

DTYPES = ["float32", "float64"]
LOG_2 = float(np.log(2))

# function: (largest error in ulp, (from, to) in float32, in float64, where its formula changes)
WORDS = {
    "exp": (1.1, (-104, 88.8), (-746, 709.8), (-LOG_2 / 2, 0, LOG_2 / 2, 64 * LOG_2)),
    "expm1": (1.4, (-25, 88.8), (-45, 709.8), (np.log(0.75), 0, np.log(1.5), np.log(3))),
    "tanh": (1.6, (-12, 12), (-25, 25), (-9 / 16, 0, 9 / 16, 9.01, 19.06)),
    "log": (1.1, (1e-45, 3.4e38), (5e-324, 1.7e308), (0.5, 0.75, 1, 1.5, 3)),
    "log1p": (1.2, (-1 + 6e-8, 3.4e38), (-1 + 2e-16, 1.7e308), (-0.25, 0, 0.5, 2)),
    "sqrt": (0.5, (0, 3.4e38), (0, 1.7e308), (1, 4)),
    "normal_pdf": (2.0, (-14.5, 14.5), (-38.5, 38.5), (-1, 0, 1)),
    "normal_cdf": (3.0, (-14.5, 14.5), (-38.5, 38.5), (-1, 0, 1)),
    "gelu_slope": (3.0, (-14.5, 14.5), (-38.5, 38.5), (-0.7517915, -0.375, 0, 0.375)),
}
EXACT = {
    "normal_pdf": mp.npdf,
    "normal_cdf": mp.ncdf,
    "gelu_slope": lambda z: sum(exact.gelu_terms(z)),
}


# -- kernels ----------------------------------------------------------------------------------


def write_word(module, dtype, word, count):
    """``map(x, y, out, vectors)``: apply a function of one or two arguments to vectors."""
    code = KernelBuilder(module, "map", 4, dtype)
    *arrays, out, vectors = code.args
    with code.loop(vectors) as loop:
        offset = code.b.mul(loop.index, code.int64(64))
        tracer = IRNamespace(code)
        values = [tracer.value(code.load(code.sum(at, offset))) for at in arrays[:count]]
        code.store(getattr(tracer, word)(*values).ir, code.sum(out, offset))
    code.ret()


def run(word, *arrays, dtype):
    """The results of a function for arrays of numbers."""
    compiled = linker.compiled_library(
        ("test", word, dtype), lambda module: write_word(module, dtype, word, len(arrays))
    )
    places = [aligned(len(arrays[0]), dtype) for _ in range(3)]
    for place, values in zip(places, arrays, strict=False):
        place[: len(values)] = values
    call(compiled["map"], *map(address_of, places), places[0].nbytes // 64)
    return places[2][: len(arrays[0])]


def activation(name, z, dtype, *, training=True):
    """(value, slope) of an activation's kernel."""
    compiled = linker.compiled_library(
        ("test activation", name, dtype),
        lambda module: write_activation(module, dtype, name, ACTIVATIONS.get(name)),
    )
    a, slope = aligned(len(z), dtype), aligned(len(z), dtype)
    a[: len(z)] = z
    call(compiled[name], address_of(a), address_of(slope) if training else 0, len(a), 1, 0)
    return a[: len(z)], slope[: len(z)]


def call(address, *arguments):
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))(address)
    return kernel(*arguments)


# -- arguments --------------------------------------------------------------------------------


def limits(word, dtype):
    return WORDS[word][1] if dtype == "float32" else WORDS[word][2]


def arguments(word, dtype, n):
    """Arguments over the range, near 0, of all sizes, and on both sides of every border."""
    low, high = limits(word, dtype)
    borders = [*WORDS[word][3], low, high]
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], n)
    kind = np.finfo(dtype)
    near = np.array(borders)[:, None] * (1 + kind.eps * np.arange(-8, 9))
    x = np.concatenate(
        (
            rng.uniform(max(low, -800), min(high, 800), n),
            rng.uniform(-2, 2, n),
            signs * 10.0 ** rng.uniform(-9, 1, n),
            signs * 2.0 ** rng.uniform(kind.minexp - kind.nmant, kind.maxexp - 0.1, n),
            near.ravel(),
        )
    ).astype(dtype)
    return np.unique(x[(x >= dtype_of(dtype)(low)) & (x <= dtype_of(dtype)(high))])


def dtype_of(dtype):
    return np.dtype(dtype).type


def true_values(word, x):
    function = EXACT.get(word) or getattr(mp, word)
    return [function(value) for value in exact.exactly(x)]


def ulp_apart(got, wide):
    """|got − exact| in ulp, where the exact values are numbers of a wider type."""
    kind = np.finfo(got.dtype)
    power = np.frexp(np.abs(wide))[1] - 1 - kind.nmant
    unit = np.ldexp(wide.dtype.type(1), np.maximum(power, kind.minexp - kind.nmant))
    apart = np.abs(got.astype(wide.dtype) - wide) / unit
    overflows = np.isinf(got) & (np.abs(wide) > kind.max) & (np.sign(got) == np.sign(wide))
    return np.where(overflows | (got.astype(wide.dtype) == wide), 0, apart)


# -- accuracy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("word", WORDS)
def test_a_function_is_accurate(word, dtype):
    x = arguments(word, dtype, 400)
    assert len(x) > 700
    within(run(word, x, dtype=dtype), true_values(word, x), np.dtype(dtype), bar=WORDS[word][0])


@pytest.mark.parametrize("word", ["exp", "expm1", "tanh", "log", "log1p", "sqrt"])
def test_a_function_of_float32_is_accurate_at_every_997th_number(word):
    x = np.arange(0, 2**32, 997, dtype=np.uint64).astype(np.uint32).view(np.float32)
    low, high = np.array(limits(word, "float32"), np.float32)
    with np.errstate(invalid="ignore"):
        x = x[(x >= low) & (x <= high)]
    with np.errstate(under="ignore"):
        wide = getattr(np, word)(x.astype(np.float64))
    apart = ulp_apart(run(word, x, dtype="float32"), wide)
    worst = int(np.argmax(apart))
    assert apart[worst] <= WORDS[word][0], x[worst]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="longdouble is no wider")
@pytest.mark.parametrize("word", ["exp", "expm1", "tanh", "log", "log1p", "sqrt"])
def test_a_function_of_float64_is_accurate_at_many_numbers(word):
    x = arguments(word, "float64", 100_000)
    apart = ulp_apart(run(word, x, dtype="float64"), getattr(np, word)(x.astype(np.longdouble)))
    worst = int(np.argmax(apart))
    assert apart[worst] <= WORDS[word][0], x[worst]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_two_arguments_are_accurate(dtype):
    z = exact.points(dtype)
    z = z[z <= 0]
    x = np.abs(z) + dtype_of(dtype)(1)
    Z, X = exact.exactly(z), exact.exactly(x)
    got = run("times_exp", x, z, dtype=dtype)
    within(got, [a * mp.exp(b) for a, b in zip(X, Z, strict=True)], np.dtype(dtype), bar=2.0)
    got = run("exp_difference", z, x, dtype=dtype)
    within(got, [mp.exp(b - a) for a, b in zip(X, Z, strict=True)], np.dtype(dtype), bar=2.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(exact.ELEMENTWISE))
def test_an_activation_s_kernel_is_as_accurate_as_its_formula(name, dtype):
    g = ACTIVATIONS.get(name)
    value, slope = exact.ELEMENTWISE[name]
    z = exact.points(dtype, roots=ROOTS.get(name, ()))
    Z = exact.exactly(z)
    a, rate = activation(name, z, dtype)
    within(a, [value(x, **parameters(g)) for x in Z], np.dtype(dtype))
    true, terms = split([slope(x, **parameters(g)) for x in Z])
    within(rate, true, np.dtype(dtype), None if name == "gelu" else terms)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(exact.ELEMENTWISE))
def test_an_activation_has_one_value_with_and_without_its_slope(name, dtype):
    z = exact.points(dtype)
    trained, _ = activation(name, z, dtype)
    predicted, _ = activation(name, z, dtype, training=False)
    assert np.array_equal(trained, predicted)


# -- special values ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "word", ["exp", "expm1", "tanh", "log", "log1p", "sqrt", "sign", "abs", "rint"]
)
def test_special_values_give_numpy_s_results(word, dtype):
    biggest = np.finfo(dtype).max
    x = [0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 1.0, biggest, -biggest, 1e-30, -1e-30, 1e4, -1e4]
    x = np.array(x, dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, word)(x)
    assert run(word, x, dtype=dtype) == pytest.approx(
        expected, rel=4 * float(np.finfo(dtype).eps), abs=0, nan_ok=True
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("word", ["exp", "expm1", "tanh", "log", "log1p", "normal_cdf"])
def test_every_nan_gives_nan(word, dtype):
    # NaNs with and without bits set in the mantissa, to which an exponent is added.
    whole = np.dtype(f"uint{8 * np.dtype(dtype).itemsize}")
    x = np.array([np.nan, -np.nan] * 8, dtype)
    x[2:] = (x[2:].view(whole) + np.arange(1, 15, dtype=whole) * whole.type(37)).view(dtype)
    assert np.isnan(run(word, x, dtype=dtype)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("word", ["minimum", "maximum"])
def test_minimum_and_maximum_are_numpy_s(word, dtype):
    some = np.array([0.0, 1.0, -2.0, np.inf, -np.inf, np.nan], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(some, some))
    assert np.array_equal(run(word, x, y, dtype=dtype), getattr(np, word)(x, y), equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_reaches_the_subnormal_numbers_and_infinity(dtype):
    tiny = np.log(np.finfo(dtype).tiny)
    x = np.linspace(tiny - 12, tiny + 2, 100).astype(dtype)
    with np.errstate(under="ignore"):
        expected = np.exp(x.astype(np.longdouble)).astype(dtype)
    gap = np.abs(run("exp", x, dtype=dtype) - expected)
    assert (gap <= 1.1 * np.spacing(expected)).all()
    top = np.log(np.finfo(dtype).max)
    ends = np.array([top * (1 - 1e-6), top * (1 + 1e-6), 1.5 * tiny], dtype)
    assert np.isfinite(run("exp", ends, dtype=dtype)).tolist() == [True, False, True]
    assert run("exp", ends, dtype=dtype)[2] == 0


# -- other processors and settings ------------------------------------------------------------


@functools.cache
def flush_denormals(dtype):
    """The engine's kernel that sets the control register of this thread."""
    compiled = linker.compiled_library(
        ("test rows", dtype), lambda module: write_row_kernels(module, dtype)
    )
    return lambda word: call(compiled["flush_denormals"], word)


@pytest.mark.skipif(not is_x86(), reason="x86's control register")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("word", ["exp", "expm1", "tanh", "log", "log1p"])
def test_with_denormals_flushed_normal_results_have_the_same_bits(word, dtype):
    x = arguments(word, dtype, 20_000)
    tiny = np.finfo(dtype).tiny
    plain = run(word, x, dtype=dtype)
    before = flush_denormals(dtype)(0)
    flush_denormals(dtype)(before | 0x8040)
    flushed = run(word, x, dtype=dtype)
    flush_denormals(dtype)(before)
    # expm1 computes half its result first, which must be normal too.
    normal = (np.abs(x) >= 2 * tiny) & (np.abs(plain) >= 2 * tiny)
    assert normal.sum() > 20_000
    assert np.array_equal(plain[normal], flushed[normal])
    small = np.abs(plain[~normal] - flushed[~normal]) <= 2 * tiny
    assert (small | (word == "log")).all()  # log of a flushed number is −∞


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get(VARIABLE)), reason="already on the generic processor")
def test_all_tests_of_this_file_pass_without_fused_multiply_add():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=os.environ | {VARIABLE: "generic"},
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_environment_variable_selects_the_processor():
    assert processor()[0] == (os.environ.get(VARIABLE) or linker.llvm.get_host_cpu_name())


def test_a_kernel_sets_no_fast_math_flag():
    module = ir.Module("test")
    for name in exact.ELEMENTWISE:
        write_activation(module, "float32", name, ACTIVATIONS.get(name))
    words = set(str(module).replace(",", " ").split())
    assert not words & {"fast", "reassoc", "nnan", "ninf", "nsz", "arcp", "contract", "afn"}


def test_every_function_of_one_argument_is_tested():
    words = {name for name in vars(Elementary) if not name.startswith("_")}
    assert words == {*WORDS, "abs", "rint", "sign", "minimum", "maximum", "times_exp"} - set(EXACT)
