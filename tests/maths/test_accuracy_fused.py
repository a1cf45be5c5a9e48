"""Fused losses and softmax against 60-digit arithmetic, at any size of z: see test_accuracy."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

from deltarule.maths import ACTIVATIONS, LOSSES, Network, backprop, numpy_namespace

_spec = importlib.util.spec_from_file_location("exact", Path(__file__).with_name("exact.py"))
exact = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exact)

# Of the points that many targets and weights share.
exponential = functools.cache(mp.exp)
softplus = functools.cache(lambda x: mp.log1p(exponential(x)))

BAR = 4.0
DTYPES = [np.float64, np.float32]
EXTREMES = (37.0, 88.0, 104.0, 710.0, 1e4)


@pytest.fixture(params=DTYPES, ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def within(got, true, dtype, terms=None, near=0.5):
    assert got.dtype == dtype
    found = exact.errors(got, true, dtype, terms, near)
    i = int(np.argmax(found))
    assert found[i] <= BAR, f"{found[i]:.3g} ulp at item {i}: {np.ravel(got)[i]!r}, {true[i]}"


def fused(loss, output, dtype, **settings):
    bound = LOSSES.get(loss, **settings).bind(numpy_namespace(dtype), ACTIVATIONS.get(output))
    assert bound.from_input is not None
    return bound.from_input


def test_every_fused_pair_is_tested_here():
    pairs = {(loss.name, output) for loss in LOSSES for output, _ in loss.fused}
    assert pairs == {
        ("log_loss", "logistic"),
        ("weighted_log_loss", "logistic"),
        ("cross_entropy", "softmax"),
        ("poisson", "exp"),
        ("poisson", "softplus"),
    }


@pytest.mark.parametrize("target", [0.0, 1.0, 0.3, 0.999, 1e-6])
def test_log_loss_with_logistic(target, dtype):
    root = float(np.log(target / (1 - target))) if 0 < target < 1 else 0.0
    z = exact.points(dtype, roots=(root,))
    y = np.full_like(z, target)
    value, delta = fused("log_loss", "logistic", dtype)(z, y)
    Z, Y = exact.exactly(z), exact.exactly(y)
    pairs = list(zip(Z, Y, strict=True))
    true = [t * softplus(-x) + (1 - t) * softplus(x) for x, t in pairs]
    within(value, true, dtype)
    # σ(z) − y = (1 − y) − σ(−z): for z > 0 only the second form is accurate even with 60 digits.
    true = [
        (1 - t) - 1 / (1 + exponential(x)) if x > 0 else 1 / (1 + exponential(-x)) - t
        for x, t in pairs
    ]
    terms = [(1 / (1 + exponential(-x)), -t) for x, t in pairs]
    within(delta, true, dtype, None if target in (0, 1) else terms)


@pytest.mark.parametrize("weight", [1.0, 0.01, 0.3, 7.0, 1e3])
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3, 0.999, 1e-6])
def test_weighted_log_loss_with_logistic(target, weight, dtype):
    root = float(np.log(weight * target / (1 - target))) if 0 < target < 1 else 0.0
    z = exact.points(dtype, roots=(root,))
    y = np.full_like(z, target)
    value, delta = fused("weighted_log_loss", "logistic", dtype, positive_weight=weight)(z, y)
    pairs = list(zip(exact.exactly(z), exact.exactly(y), strict=True))
    p = mpf(float(dtype(weight)))  # a plain number is rounded to the type it is computed in
    true = [p * t * softplus(-x) + (1 - t) * softplus(x) for x, t in pairs]
    within(value, true, dtype)
    terms = [((1 - t) / (1 + exponential(-x)), -p * t / (1 + exponential(x))) for x, t in pairs]
    within(delta, [sum(t) for t in terms], dtype, None if target in (0, 1) else terms)


@pytest.mark.parametrize("weights", [(0.25, 1.0, 4.0), [3.0, 0.5, 1.0]], ids=str)
def test_a_weight_for_each_output_is_the_loss_of_each_with_its_own(weights, dtype):
    rng = np.random.default_rng(5)
    z = rng.normal(0, 3, (9, 3)).astype(dtype)
    y = rng.integers(0, 2, (9, 3)).astype(dtype)
    all_at_once = fused("weighted_log_loss", "logistic", dtype, positive_weight=weights)(z, y)
    for j, weight in enumerate(weights):
        one = fused("weighted_log_loss", "logistic", dtype, positive_weight=weight)
        for got, expected in zip(all_at_once, one(z[:, j], y[:, j]), strict=True):
            np.testing.assert_array_equal(got[:, j], expected)


def test_a_positive_weight_of_one_is_log_loss(dtype):
    z = exact.points(dtype)
    eps = np.finfo(dtype).eps
    for target in (0.0, 0.3, 1.0):
        y = np.full_like(z, target)
        plain = fused("log_loss", "logistic", dtype)(z, y)
        weighted = fused("weighted_log_loss", "logistic", dtype)(z, y)
        least = 4 * np.finfo(dtype).tiny
        np.testing.assert_allclose(weighted[0], plain[0], rtol=4 * eps, atol=least)
        rounding = 4 * eps if target else least
        np.testing.assert_allclose(weighted[1], plain[1], rtol=4 * eps, atol=rounding)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
@pytest.mark.parametrize("loss", ["log_loss", "weighted_log_loss"])
def test_smoothing_of_two_classes_is_that_of_a_softmax_of_two(loss, smoothing):
    # z of one logistic output is the difference of two logits.
    z = np.linspace(-30, 30, 61)
    y = (np.arange(61) % 2).astype(float)
    value, delta = fused(loss, "logistic", np.float64, smoothing=smoothing)(z, y)
    both = np.stack([0 * z, z], axis=1), np.stack([1 - y, y], axis=1)
    terms, deltas = fused("cross_entropy", "softmax", np.float64, smoothing=smoothing)(*both)
    np.testing.assert_allclose(value, terms.sum(axis=1), rtol=1e-14)
    np.testing.assert_allclose(delta, deltas[:, 1], rtol=0, atol=1e-15)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0, 3.0, 20.0])
def test_poisson_with_exp(target, dtype):
    z = exact.points(dtype, roots=(float(np.log(target or 1.0)),))
    y = np.full_like(z, target)
    pairs = list(zip(exact.exactly(z), exact.exactly(y), strict=True))
    value, delta = fused("poisson", "exp", dtype)(z, y)
    terms = [(exponential(x), -t * x) for x, t in pairs]
    within(value, [sum(t) for t in terms], dtype, terms)
    terms = [(exponential(x), -t) for x, t in pairs]
    within(delta, [sum(t) for t in terms], dtype, terms)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0, 3.0, 20.0])
def test_poisson_with_softplus(target, dtype):
    z = exact.points(dtype, roots=(0.541324854612918, float(np.log(np.expm1(target or 1.0)))))
    y = np.full_like(z, target)
    pairs = [(x, t, softplus(x)) for x, t in zip(exact.exactly(z), exact.exactly(y), strict=True)]
    value, delta = fused("poisson", "softplus", dtype)(z, y)
    terms = [(a, -t * mp.log(a), t if 0.5 < a < 2 else 0) for _, t, a in pairs]
    within(value, [a + b for a, b, _ in terms], dtype, terms)
    terms = [(exact.logistic(x), -t * exact.logistic(x) / a) for x, t, a in pairs]
    within(delta, [sum(t) for t in terms], dtype, terms)


# -- softmax and cross-entropy ---------------------------------------------------------


def logits(n, dtype, seed=0):
    """Rows of n logits: of every size, at the extremes, and with ties."""
    rng = np.random.default_rng([n, seed])
    rows = [rng.normal(0, size, (40, n)) for size in (0.1, 1, 5, 20, 100)]
    for top in EXTREMES:
        r = np.zeros((9, n))
        r[0, 0], r[1, -1] = top, -top
        r[2], r[3] = top, -top  # all tied
        r[4, :2] = top  # two tied at the top
        r[5] = np.linspace(-top, top, n)
        r[6, 0], r[6, 1] = top, -top
        r[7:] = top * rng.choice([-1, 0, 1], (2, n))
        rows.append(r)
    return np.concatenate(rows).astype(dtype)


def others(row, j):
    """Σ_{k≠j} e^(z_k − z_j), which does not cancel for any size of z."""
    return sum(mp.exp(x - row[j]) for k, x in enumerate(row) if k != j)


@pytest.mark.parametrize("n", [2, 5])
def test_softmax(n, dtype):
    g = ACTIVATIONS.get("softmax").bind(numpy_namespace(dtype))
    z = logits(n, dtype)
    a = g.value(z)
    rows = [exact.exactly(row) for row in z]
    within(a, [1 / (1 + others(row, j)) for row in rows for j in range(n)], dtype)
    up = np.random.default_rng(2).normal(0, 1, z.shape).astype(dtype)
    terms = []
    for row_a, row_up in zip(a, up, strict=True):
        A, U = exact.exactly(row_a), exact.exactly(row_up)
        for j in range(n):
            parts = [-A[j] * p * u for p, u in zip(A, U, strict=True)]
            above, below = sum(p for p in parts if p > 0), sum(p for p in parts if p < 0)
            terms.append((A[j] * U[j], above, below))
    within(g.pullback(z, a, up), [sum(t) for t in terms], dtype, terms, near=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("n", [2, 5])
def test_cross_entropy_with_softmax(n, soft, smoothing, dtype):
    z = logits(n, dtype, seed=1)
    rng = np.random.default_rng(3)
    y = rng.dirichlet(np.ones(n), len(z)) if soft else np.eye(n)[rng.integers(0, n, len(z))]
    y = y.astype(dtype)
    value, delta = fused("cross_entropy", "softmax", dtype, smoothing=smoothing)(z, y)
    assert np.isfinite(value).all()
    assert np.isfinite(delta).all()
    values, deltas, terms = [], [], []
    for row, given in zip(z, y, strict=True):
        Z = exact.exactly(row)
        Y = [(1 - mpf(smoothing)) * t + mpf(smoothing) / n for t in exact.exactly(given)]
        for j in range(n):
            rest = others(Z, j)
            values.append(Y[j] * mp.log1p(rest))
            deltas.append(((sum(Y) - Y[j]) - Y[j] * rest) / (1 + rest))
            terms.append((sum(Y) / (1 + rest), Y[j]))
    within(value, values, dtype)
    within(delta, deltas, dtype, terms if soft or smoothing else None, near=1)


# -- the whole pass at extreme logits --------------------------------------------------


@pytest.mark.parametrize("top", [37.0, -37.0, 710.0, -710.0, 1e4, -1e4])
def test_log_loss_network_is_finite_and_exact_at_extreme_logits(top, dtype):
    net = Network([1, 1], [], "logistic", "log_loss", dtype=dtype)
    for target in (0.0, 1.0, 0.5):
        trace = backprop(net, net.pack(W=[[[top]]]), [[1.0]], [[target]])
        assert np.isfinite(trace.cost)
        assert np.isfinite(trace.grad).all()
        x, t = mpf(top), mpf(target)
        true = t * softplus(-x) + (1 - t) * softplus(x)
        within(trace.loss, [true], dtype)
        true = (1 - t) - 1 / (1 + mp.exp(x)) if x > 0 else 1 / (1 + mp.exp(-x)) - t
        within(trace.delta[1], [true], dtype)
        within(trace.db[1], [true], dtype)


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("top", [37.0, 710.0, 1e4])
def test_cross_entropy_network_is_finite_and_exact_at_extreme_logits(top, n, dtype):
    net = Network([1, n], [], "softmax", "cross_entropy", dtype=dtype)
    for first in ([top, -top], [-top, top], [top, top], [-top, -top], [top, 0]):
        z = np.array([*first, *([0.0] * (n - 2))])
        for target in range(n):
            trace = backprop(net, net.pack(W=[z[:, None]]), [[1.0]], [target])
            assert np.isfinite(trace.grad).all()
            row = [mpf(x) for x in z]
            within(trace.loss, [mp.log1p(others(row, target))], dtype)
            true = [
                -others(row, j) / (1 + others(row, j)) if j == target else 1 / (1 + others(row, j))
                for j in range(n)
            ]
            within(trace.delta[1], true, dtype)
