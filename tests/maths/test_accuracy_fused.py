"""Fused losses and softmax against 60-digit arithmetic, at any size of z: see test_accuracy."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

from deltarule.maths import ACTIVATIONS, LOSSES, Network, backprop, numpy_namespace

_spec = importlib.util.spec_from_file_location("exact", Path(__file__).with_name("exact.py"))
exact = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exact)

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
    true = [t * mp.log1p(mp.exp(-x)) + (1 - t) * mp.log1p(mp.exp(x)) for x, t in pairs]
    within(value, true, dtype)
    # σ(z) − y = (1 − y) − σ(−z): for z > 0 only the second form has digits left at 60 of them.
    true = [(1 - t) - 1 / (1 + mp.exp(x)) if x > 0 else 1 / (1 + mp.exp(-x)) - t for x, t in pairs]
    terms = [(1 / (1 + mp.exp(-x)), -t) for x, t in pairs]
    within(delta, true, dtype, None if target in (0, 1) else terms)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0, 3.0, 20.0])
def test_poisson_with_exp(target, dtype):
    z = exact.points(dtype, roots=(float(np.log(target or 1.0)),))
    y = np.full_like(z, target)
    pairs = list(zip(exact.exactly(z), exact.exactly(y), strict=True))
    value, delta = fused("poisson", "exp", dtype)(z, y)
    terms = [(mp.exp(x), -t * x) for x, t in pairs]
    within(value, [sum(t) for t in terms], dtype, terms)
    terms = [(mp.exp(x), -t) for x, t in pairs]
    within(delta, [sum(t) for t in terms], dtype, terms)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0, 3.0, 20.0])
def test_poisson_with_softplus(target, dtype):
    z = exact.points(dtype, roots=(0.541324854612918, float(np.log(np.expm1(target or 1.0)))))
    y = np.full_like(z, target)
    pairs = [
        (x, t, mp.log1p(mp.exp(x))) for x, t in zip(exact.exactly(z), exact.exactly(y), strict=True)
    ]
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
    """Σ_{k≠j} e^(z_k − z_j): never cancels, whatever the size of z."""
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
        true = t * mp.log1p(mp.exp(-x)) + (1 - t) * mp.log1p(mp.exp(x))
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
