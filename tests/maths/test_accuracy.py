"""Values and slopes within 4 ulp of 60-digit arithmetic, over the range and in the tails.

The bar is 4 units in the last place of the exact value, with one exception: where an exact
value is the sum of two terms that cancel, no formula of rounded terms can be near it in its own
units. The unit is then that of the larger term, and these are all the places, fused losses
(test_accuracy_fused) included:

- the slopes of silu (near −1.278) and mish (near −1.192), where |g′| is less than half its larger
  term; gelu's slope has its root taken out and needs no exception;
- δ = σ(z) − y of log_loss for 0 < y < 1, δ of poisson near a = y, and the value a − y log a of
  poisson near its roots, all where they are less than half the larger term. When a = log(1 + e^z)
  is near 1, log a itself crosses zero, and y log a has the unit of y;
- δ_j = a_j Σy − y_j of cross_entropy for soft targets, and softmax's pullback
  a_j up_j − a_j Σ a up, where smaller than the larger term (the sums of the positive and of
  the negative products a up count as two terms).

With targets 0 and 1 nothing is excepted: δ is exact to 4 ulp at any logits.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

from deltarule.maths import ACTIVATIONS, LOSSES, numpy_namespace

_spec = importlib.util.spec_from_file_location("exact", Path(__file__).with_name("exact.py"))
exact = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exact)

BAR = 4.0
DTYPES = [np.float64, np.float32]
ROOTS = {"gelu": (-0.7517915246935645,), "silu": (-1.2784645427610738,), "mish": (-1.192431214515,)}
HARD = (0.0, 1.0)


@pytest.fixture(params=DTYPES, ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture(autouse=True)
def quiet():
    # Overflow to infinity in the far tails is tested too.
    with np.errstate(all="ignore"):
        yield


def within(got, true, dtype, terms=None, near=0.5, bar=BAR):
    """Assert that every number is within ``bar`` ulp of the exact one."""
    assert got.dtype == dtype
    found = exact.errors(got, true, dtype, terms, near)
    i = int(np.argmax(found))
    assert found[i] <= bar, f"{found[i]:.3g} ulp at item {i}: {np.ravel(got)[i]!r}, {true[i]}"


def split(raw):
    """(sums, terms) of slopes that are numbers or tuples of terms."""
    terms = raw if isinstance(raw[0], tuple) else None
    return ([sum(t) for t in raw] if terms else raw), terms


def parameters(record):
    return {key: mpf(value) for key, value in record.parameters}


def test_every_elementwise_activation_has_an_exact_formula():
    assert set(exact.ELEMENTWISE) == {g.name for g in ACTIVATIONS if g.elementwise}


@pytest.mark.parametrize("name", list(exact.ELEMENTWISE))
def test_activation(name, dtype):
    g = ACTIVATIONS.get(name)
    value, slope = exact.ELEMENTWISE[name]
    z = exact.points(dtype, roots=ROOTS.get(name, ()))
    assert len(z) > 1000
    Z = exact.exactly(z)
    bound = g.bind(numpy_namespace(dtype))
    a = bound.value(z)
    within(a, [value(x, **parameters(g)) for x in Z], dtype)
    true, terms = split([slope(x, **parameters(g)) for x in Z])
    within(bound.slope(z, a), true, dtype, None if name == "gelu" else terms)


def test_slopes_keep_their_digits_where_a_times_one_minus_a_has_none():
    xp = numpy_namespace()
    z = np.array([37.0, -37.0, 700.0])
    for name in ("logistic", "tanh"):
        g = ACTIVATIONS.get(name).bind(xp)
        within(g.slope(z, g.value(z)), [exact.ELEMENTWISE[name][1](x) for x in exact.exactly(z)],
               np.float64)  # fmt: skip
    a = ACTIVATIONS.get("logistic").bind(xp).value(z)
    assert a[0] == 1.0  # so a (1 − a) would be 0


# -- functions that formulas share -----------------------------------------------------


def test_normal_functions(dtype):
    xp = numpy_namespace(dtype)
    z = exact.points(dtype, roots=(-0.7517915246935645, -1.0, -0.375))
    Z = exact.exactly(z)
    within(xp.normal_cdf(z), [mp.ncdf(x) for x in Z], dtype)
    within(xp.normal_pdf(z), [mp.npdf(x) for x in Z], dtype)
    within(xp.times_normal_cdf(3 * z, z), [x * mp.ncdf(y) for x, y in
           zip(exact.exactly(3 * z), Z, strict=True)], dtype)  # fmt: skip
    within(xp.times_normal_pdf(z, z), [x * mp.npdf(x) for x in Z], dtype)


def test_times_exp_has_all_digits_until_the_product_is_subnormal(dtype):
    z = exact.points(dtype)
    z = z[z <= 0]
    x = np.abs(z) + dtype(1)
    true = [a * mp.exp(b) for a, b in zip(exact.exactly(x), exact.exactly(z), strict=True)]
    within(numpy_namespace(dtype).times_exp(x, z), true, dtype)


def test_exp_difference(dtype):
    rng = np.random.default_rng(0)
    pairs = rng.normal(0, 10.0 ** rng.uniform(-3, 4, (2000, 1)), (2000, 2)).astype(dtype)
    x, y = np.sort(pairs, axis=1).T
    true = [mp.exp(a - b) for a, b in zip(exact.exactly(x), exact.exactly(y), strict=True)]
    within(numpy_namespace(dtype).exp_difference(x, y), true, dtype)
    tied = np.array([0.0, 1e4, -1e4, 710.0], dtype)
    assert (numpy_namespace(dtype).exp_difference(tied, tied) == 1).all()


def test_xlogy_and_xlog1py(dtype):
    xp = numpy_namespace(dtype)
    x = np.array([0, 0, 0, 0.3, 1, 20], dtype)
    y = np.array([0, np.inf, 0.5, 1e-20, 1e-3, 7], dtype)
    within(xp.xlogy(x, y)[3:], [a * mp.log(b) for a, b in
           zip(exact.exactly(x[3:]), exact.exactly(y[3:]), strict=True)], dtype)  # fmt: skip
    within(xp.xlog1py(x, y)[3:], [a * mp.log1p(b) for a, b in
           zip(exact.exactly(x[3:]), exact.exactly(y[3:]), strict=True)], dtype)  # fmt: skip
    assert (xp.xlogy(x, y)[:3] == 0).all()
    assert (xp.xlog1py(x, y)[:3] == 0).all()


# -- losses of a -----------------------------------------------------------------------


def of_output(name, a, y, settings):
    """(term, terms of the term, ∂/∂a) of a loss as exact numbers."""
    r = a - y
    size, sign = abs(r), mp.sign(r)
    if name == "squared_error":
        return r * r, None, 2 * r
    if name == "half_squared_error":
        return r * r / 2, None, r
    if name == "absolute_error":
        return size, None, sign
    if name == "huber":
        k = settings["kappa"]
        return (r * r / 2, None, r) if size <= k else (k * (size - k / 2), None, k * sign)
    if name == "quantile":
        rate = (1 - settings["level"]) if r > 0 else -settings["level"] if r < 0 else mpf(0)
        return rate * r, None, rate
    if name == "poisson":
        terms = (a, -y * mp.log(a) if y else mpf(0))
        return sum(terms), terms, 1 - y / a
    if name in ("log_loss", "weighted_log_loss"):  # of weight 1
        term = -(y * mp.log(a) if y else 0) - ((1 - y) * mp.log1p(-a) if y != 1 else 0)
        slope = -1 / a if y == 1 else (a - y) / (a * (1 - a))
        return term, None, slope
    if name == "cross_entropy":
        return (-y * mp.log(a), None, -y / a) if y else (mpf(0), None, mpf(0))
    raise AssertionError(f"no exact formula for loss {name!r}; add one")


@pytest.mark.parametrize("name", LOSSES.names())
def test_loss_of_the_output(name, dtype):
    rng = np.random.default_rng(1)
    if LOSSES.get(name).targets in ("unit", "classes"):
        z = exact.points(dtype, density=40)
        a = 1 / (1 + np.exp(-z.astype(np.float64)))
        a = a.astype(dtype)
        a = a[(a > 0) & (a < 1)]
        targets = (0.0, 0.3, 1.0)
    elif LOSSES.get(name).targets == "nonnegative":
        a, targets = np.abs(exact.points(dtype, density=40)), (0.0, 0.3, 1.0, 3.0, 20.0)
        a = a[a > 0]
    else:
        a, targets = exact.points(dtype, density=40), (0.0, 0.3, -7.0, float(rng.normal()))
    a = a.reshape(-1, 1)
    loss = LOSSES.get(name)
    settings = {"kappa": mpf(1), "level": mpf(0.5)}
    for target in targets:
        y = np.full_like(a, target)
        value, slope = loss.bind(numpy_namespace(dtype)).from_output(a, y)
        true = [
            of_output(name, p, q, settings)
            for p, q in zip(exact.exactly(a), exact.exactly(y), strict=True)
        ]
        terms = [t for _, t, _ in true] if name == "poisson" else None
        within(value, [v for v, _, _ in true], dtype, terms)
        within(slope, [s for _, _, s in true], dtype)


def test_quantile_levels_that_are_no_binary_fractions(dtype):
    # A level is a number of the network's type: in float32 it is the float32 next to 0.9.
    a = exact.points(dtype, density=40)
    levels = (0.05, 0.9)
    loss = LOSSES.get("quantile", levels=levels).bind(numpy_namespace(dtype))
    rows = np.repeat(a[:, None], 2, axis=1)
    value, slope = loss.from_output(rows, np.zeros_like(rows))
    for j, level in enumerate(exact.exactly(np.array(levels, dtype))):
        true = [of_output("quantile", x, mpf(0), {"level": level}) for x in exact.exactly(a)]
        within(value[:, j], [v for v, _, _ in true], dtype)
        within(slope[:, j], [s for _, _, s in true], dtype)


def test_limits_of_saturated_outputs_are_the_right_ones():
    a, one = np.array([0.0, 1.0]), np.ones(2)
    _, slope = LOSSES.get("log_loss").bind(numpy_namespace()).from_output(a, one)
    assert slope.tolist() == [-np.inf, -1.0]
    value, slope = LOSSES.get("log_loss").bind(numpy_namespace()).from_output(a, 0 * one)
    assert slope.tolist() == [1.0, np.inf]
    assert value.tolist() == [0.0, np.inf]
    _, slope = LOSSES.get("poisson").bind(numpy_namespace()).from_output(a, 0 * one)
    assert slope.tolist() == [1.0, 1.0]
