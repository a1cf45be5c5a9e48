"""Printed JavaScript and C compute what the formulas compute in NumPy.

Every formula of every registered activation and loss, and of some of a user's own, is
printed; all functions go into one Node process and into one C library for each dtype.
Numbers travel as their bits, so nothing is lost on the way.
"""

import ctypes
import dataclasses
import json
import shutil
import struct
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Loss, numpy_namespace
from deltarule.maths.printing import (
    SymbolicFormula,
    print_c99,
    print_javascript,
    symbolic_activation,
    symbolic_loss,
    symbolic_shared_function,
)
from deltarule.maths.shared_functions import SHARED_FUNCTIONS

NODE = shutil.which("node")
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = ["-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
# In the float variant no constant and no function may be one of double.
FLAGS += ["-Wdouble-promotion", "-Wfloat-conversion"]

SIZES = (0.0, 1e-8, 0.3, 1.0, 5.0, 37.0, 710.0, 1e4)
GRID = [sign * size for size in SIZES for sign in (1, -1)]
EDGES = [*GRID, float("inf"), float("-inf"), float("nan")]
ROWS = [[0.3], [-1e4], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, -0.0], [37.0, 0.3, -37.0]]
ROWS += [[710.0, -710.0], [5.0, float("nan"), 1.0], *(GRID[i : i + 5] for i in range(0, 12, 3))]
TARGETS = {
    "real": (-2.0, 0.0, 0.3, 1.0, 710.0),
    "nonnegative": (0.0, 1.0, 3.7),
    "unit": (0.0, 0.3, 1.0),
}


# A user's own formulas, with parameters, and with operations that no built-in formula uses.


def bent(xp, steepness, shift):
    def value(z):
        cube = (z - shift) ** 3
        return abs(z) * np.sqrt(steepness) - xp.sqrt(xp.abs(cube)) + (+z) / np.float64(7)

    def slope(z, a):
        minus = -z
        inside = xp.where(z >= shift, xp.tanh(z) ** 2, -minus - -shift)
        return xp.where(z != 1, inside, xp.where(z <= -5, a, xp.rint(z / 2)))

    return value, slope


def sparse(xp, share):
    def value(z):
        z = xp.maximum(z, xp.total(z) / xp.n_outputs(z) * share)
        return z - xp.largest(xp.minimum(z, 1 - z)) * xp.exp(-1.0)

    def pullback(z, a, up):
        weight = xp.per_output((0.1, -0.25, 1 / 3), z)
        return (up - xp.total(weight * up)) / (1 + xp.largest(xp.abs(z)))

    return value, pullback


def log_cosh(xp, width):
    def from_output(a, y):
        r = (a - y) / width
        m = xp.abs(r)
        return m + xp.log1p(xp.exp(-2 * m)) - 0.6931471805599453, xp.tanh(r) / width

    return from_output


def ranked(xp, weights):
    def from_output(a, y):
        r = xp.per_output(weights, a) * (a - y)
        return r * r + xp.total(r) / xp.n_outputs(a), 2 * r + (r - xp.largest(r))

    return from_output


OWN_ACTIVATIONS = [
    Activation("bent", bent, {"steepness": 0.3, "shift": -0.1}),
    Activation("sparse", sparse, {"share": 1 / 3}, elementwise=False),
    ACTIVATIONS.get("leaky_relu", alpha=-1e-300),
]
OWN_LOSSES = [
    Loss("log_cosh", log_cosh, {"width": 0.7}),
    Loss("ranked", ranked, {"weights": (0.5, 2.0)}),
    LOSSES.get("huber", kappa=0.1),
    LOSSES.get("quantile", levels=[0.05, 0.5, 0.95]),
    LOSSES.get("cross_entropy", smoothing=0.1),
    LOSSES.get("log_loss", smoothing=0.1),
    LOSSES.get("weighted_log_loss", positive_weight=3.0, smoothing=0.1),
    LOSSES.get("weighted_log_loss", positive_weight=(0.25, 1.0, 4.0)),
]


@dataclasses.dataclass
class Case:
    """A formula, its NumPy function, and arguments; those of a row are lists."""

    formula: SymbolicFormula
    reference: Callable
    arguments: list


def columns(points, *others):
    """Every point with every tuple of other arguments."""
    return [(point, *other(point)) for point in points for other in others]


def activation_cases():
    for place, record in enumerate([*ACTIVATIONS, *OWN_ACTIVATIONS]):
        symbolic = symbolic_activation(record)
        points = EDGES if record.elementwise else ROWS

        def bound(part, record=record):
            return lambda xp: getattr(record.bind(xp), part)

        with np.errstate(all="ignore"):
            value = record.bind(numpy_namespace()).value
            known = [(z, value(np.asarray(z)).tolist()) for z in points]
        backwards = [
            (z, a, (np.cos(np.arange(np.size(z)) + k) * 2).tolist() if np.ndim(z) else 0.3 - k)
            for z, a in known
            for k in (0, 1)
        ]
        name = f"a{place}_{record.name}"
        yield f"{name}_value", Case(symbolic.value, bound("value"), [(z,) for z in points])
        yield f"{name}_pullback", Case(symbolic.pullback, bound("pullback"), backwards)
        if symbolic.slope is not None:
            yield f"{name}_slope", Case(symbolic.slope, bound("slope"), known)


def targets(loss, point):
    """Some y for a point (a number) or row (a list of numbers)."""
    if not isinstance(point, list):
        return TARGETS[loss.targets]
    n = len(point)
    if loss.targets == "classes":
        return [np.eye(n)[0].tolist(), np.eye(n)[n - 1].tolist(), [1 / n] * n]
    return [[0.3] * n, np.linspace(-2, 3, n).tolist(), list(point)]


def loss_cases():
    for place, loss in enumerate([*LOSSES, *OWN_LOSSES]):
        legal = [output for output in ACTIVATIONS if loss.accepts(output)]
        assert legal
        first = ACTIVATIONS.get("identity") if "elementwise" in loss.outputs else legal[0]
        for output in [None, *(o for o in legal if o.name in dict(loss.fused))]:
            symbolic = symbolic_loss(loss, output)
            part = "from_output" if output is None else "from_input"
            formula = getattr(symbolic, part)
            points = EDGES if formula.elementwise else ROWS
            if output is None:
                with np.errstate(all="ignore"):
                    value = first.bind(numpy_namespace()).value
                    points = [value(np.asarray(z)).tolist() for z in points]
            arguments = [(point, y) for point in points for y in targets(loss, point)]

            def bound(xp, loss=loss, output=output, part=part):
                return getattr(loss.bind(xp, output), part)

            name = f"l{place}_{loss.name}_{output.name if output else part}"
            yield name, Case(formula, bound, arguments)


def shared_cases():
    points = [*GRID, -740.0, 30.1, 63.9]
    for name in SHARED_FUNCTIONS:
        formula = symbolic_shared_function(name)
        if len(formula.arguments) == 1:
            arguments = [(x,) for x in points]
        else:
            arguments = [(x, y) for x in points for y in points]
        yield f"s_{name}", Case(formula, lambda xp, name=name: getattr(xp, name), arguments)


CASES = dict([*activation_cases(), *loss_cases(), *shared_cases()])
FORMULAS = {name: case.formula for name, case in CASES.items()}


def expected(case, dtype):
    """For each tuple of arguments, the list of results, each a list of numbers."""
    function = case.reference(numpy_namespace(dtype))
    out = []
    with np.errstate(all="ignore"):
        for arguments in case.arguments:
            arrays = [np.atleast_1d(np.asarray(x, dtype=dtype)) for x in arguments]
            given = function(*arrays)
            given = given if isinstance(given, tuple) else (given,)
            out.append([np.broadcast_to(x, arrays[0].shape).tolist() for x in given])
    return out


def disagreements(case, got, want, tolerance):
    """The arguments where results differ by more than a relative ``tolerance``."""
    found = []
    for arguments, mine, theirs in zip(case.arguments, got, want, strict=True):
        a, b = np.array(mine, dtype=float), np.array(theirs, dtype=float)
        assert a.shape == b.shape
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            close = np.isfinite(a) & np.isfinite(b) & (abs(a - b) <= tolerance * abs(b))
        if not (same | close).all():
            found.append((arguments, mine, theirs))
    return found


def test_the_comparison_rejects_a_small_error():
    case = Case(None, None, [(1.0,), (2.0,)])
    want = [[[1.0]], [[3.0]]]
    assert disagreements(case, [[[1.0 + 1e-15]], [[3.0]]], want, 1e-14) == []
    assert len(disagreements(case, [[[1.0 + 1e-13]], [[3.0]]], want, 1e-14)) == 1
    assert len(disagreements(case, [[[float("nan")]], [[float("inf")]]], want, 1e-14)) == 2


# JavaScript.

DRIVER = """
const view = new DataView(new ArrayBuffer(8));
const read = (text) => {
  if (Array.isArray(text)) return text.map(read);
  view.setBigUint64(0, BigInt('0x' + text));
  return view.getFloat64(0);
};
const write = (number) => {
  if (Array.isArray(number)) return number.map(write);
  view.setFloat64(0, number);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
};
const tasks = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const answers = {};
for (const [name, list] of Object.entries(tasks)) {
  answers[name] = list.map((given) => write(functions[name](...given.map(read))));
}
process.stdout.write(JSON.stringify(answers));
"""


def bits(value):
    return [bits(x) for x in value] if isinstance(value, list) else struct.pack(">d", value).hex()


def number(text):
    return (
        [number(x) for x in text]
        if isinstance(text, list)
        else struct.unpack(">d", bytes.fromhex(text))[0]
    )


def run_javascript(cases):
    """What the printed functions give, for each case a list of lists of results."""
    source = print_javascript({name: case.formula for name, case in cases.items()})
    table = f"const functions = {{{', '.join(cases)}}};\n"
    tasks = {name: [bits(list(x)) for x in case.arguments] for name, case in cases.items()}
    done = subprocess.run(
        [NODE, "-e", "'use strict';\n" + source + table + DRIVER],
        input=json.dumps(tasks),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = {}
    for name, answer in json.loads(done.stdout).items():
        values = [number(x) for x in answer]
        formula = cases[name].formula
        if len(formula.results) == 1:
            values = [[x] for x in values]
        answers[name] = [[x if isinstance(x, list) else [x] for x in row] for row in values]
    return answers


@pytest.fixture(scope="module")
def javascript():
    if NODE is None:
        pytest.skip("not run, because Node is not installed")
    return run_javascript(CASES)


# V8 and NumPy each keep exp, log1p and tanh within about one ulp, 2.2e-16, of the exact value; the
# formulas add a handful of roundings, and lose at most a factor of some 10 by cancellation
# at the points of the grid. 1e-14 is 45 eps; the largest difference seen is 10 (2 in Node).
@pytest.mark.parametrize("name", CASES)
def test_javascript_agrees_with_numpy(name, javascript):
    case = CASES[name]
    assert disagreements(case, javascript[name], expected(case, np.float64), 1e-14) == []


@pytest.mark.skipif(NODE is None, reason="not run, because Node is not installed")
def test_rint_takes_halves_to_the_even_neighbour_in_javascript():
    halves = [(x / 2,) for x in range(-9, 10)] + [(0.49999999999999994,), (2.0**52 + 1,), (1e300,)]
    record = Activation("round", lambda xp: (xp.rint, lambda z, a: 0 * z))
    case = Case(symbolic_activation(record).value, lambda xp: xp.rint, halves)
    got = run_javascript({"round_half": case})["round_half"]
    assert disagreements(case, got, expected(case, np.float64), 0) == []


# C99.


def compile_c(source, folder, flags=()):
    path, library = folder / "formulas.c", folder / "formulas.so"
    path.write_text(source)
    command = [CC, *FLAGS, *flags, "-shared", "-fPIC", str(path), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done, library


def call_c(library, name, case, real):
    """The function's results for every tuple of arguments, by the calling convention."""
    formula, function = case.formula, getattr(library, name)
    count, out = len(formula.results), []
    function.restype = real if formula.elementwise and count == 1 else None
    for arguments in case.arguments:
        if formula.elementwise:
            results = [(real * 1)() for _ in range(count)] if count > 1 else []
            value = function(*map(real, arguments), *results)
            out.append([list(x) for x in results] if results else [[value]])
        else:
            n = len(arguments[0])
            arrays = [(real * n)(*x) for x in arguments]
            results = [(real * n)() for _ in range(count)]
            function(*arrays, ctypes.c_int(n), *results)
            out.append([list(x) for x in results])
    return out


@pytest.fixture(scope="module", params=["double", "float"])
def compiled(request, tmp_path_factory):
    if CC is None:
        pytest.skip("not run, because there is no C compiler")
    source = print_c99(FORMULAS, request.param)
    done, library = compile_c(source, tmp_path_factory.mktemp(request.param))
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, ctypes.CDLL(str(library))


# As for JavaScript. In float32 eps is 1.2e-7, so that 5e-6 is 42 eps; the largest seen is 12.
TOLERANCE = {"double": 1e-14, "float": 5e-6}


@pytest.mark.parametrize("name", CASES)
def test_c99_agrees_with_numpy(name, compiled):
    dtype, library = compiled
    real = {"double": ctypes.c_double, "float": ctypes.c_float}[dtype]
    case = CASES[name]
    want = expected(case, np.float64 if dtype == "double" else np.float32)
    assert disagreements(case, call_c(library, name, case, real), want, TOLERANCE[dtype]) == []


@pytest.mark.skipif(CC is None, reason="not run, because there is no C compiler")
def test_the_tanh_of_printed_float_code_is_accurate(tmp_path):
    """Its largest error is 1.4 eps; infinite arguments and NaN are as in NumPy."""
    loop = "void all(float *x, int n) { for (int j = 0; j < n; ++j) x[j] = squash(x[j]); }\n"
    source = symbolic_activation("tanh").value.c99("squash", "float") + loop
    done, path = compile_c(source, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    sizes = np.geomspace(1e-30, 50, 100_000).astype(np.float32)
    x = np.concatenate([sizes, -sizes, [0.5625, np.inf, -np.inf, np.nan, 0, 3e38]])
    x = x.astype(np.float32)
    got, want = x.copy(), np.tanh(x.astype(np.float64))
    pointer = got.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    ctypes.CDLL(str(path)).all(pointer, ctypes.c_int(len(x)))
    assert (np.isnan(got) == np.isnan(want)).all()
    known = ~np.isnan(want)
    error = np.abs(got - want)[known] / np.maximum(np.abs(want[known]), 1e-38)
    assert error.max() < 1.5 * np.finfo(np.float32).eps


def test_c99_refuses_to_compile_under_fast_math(tmp_path):
    source = symbolic_activation("softmax").value.c99("softmax")
    assert compile_c(source, tmp_path)[0].returncode == 0
    done, _ = compile_c(source, tmp_path, ["-ffast-math"])
    assert done.returncode != 0
    assert "compile without -ffast-math" in done.stderr


@pytest.mark.skipif(CC is None, reason="not run, because there is no C compiler")
def test_c99_may_write_a_result_over_an_argument(tmp_path):
    loss = symbolic_loss("cross_entropy", "softmax").from_input
    done, path = compile_c(loss.c99("loss"), tmp_path)
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(path))
    three = ctypes.c_double * 3
    z, y, term, derivative = three(1, 2, 0.5), three(0, 1, 0), three(), three()
    library.loss(z, y, 3, term, derivative)
    library.loss(z, y, 3, z, y)
    assert (list(z), list(y)) == (list(term), list(derivative))
