"""The forward and the backward pass: shapes, types, weights, factors, dropout, messages."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from tests.maths.conftest import make_problem

from deltarule.errors import InputError
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Network,
    backprop,
    cost,
    dropout_mask,
    forward,
    numpy_namespace,
)
from deltarule.maths.backprop import cost_and_grad

HIDDEN = [g.name for g in ACTIVATIONS if g.elementwise]
PAIRS = [(loss.name, g.name) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]
N = 5


def problem(*arguments, seed=0, **more):
    return make_problem(Network([3, 4, 2], *arguments, **more), seed=seed)


def everything(trace):
    """Every array of a trace."""
    lists = (trace.Z, trace.A, trace.G, trace.delta, trace.dW, trace.db)
    arrays = [x for items in lists for x in items if x is not None]
    arrays += [trace.loss, trace.w, trace.grad, trace.dX, trace.Y, trace.theta]
    if trace.per_sample is not None:
        each = trace.per_sample
        lists = (each.delta, each.dW, each.db, [each.grad, each.dX])
        arrays += [x for items in lists for x in items if x is not None]
    return arrays


@pytest.mark.parametrize("bias", [True, False])
def test_shapes_and_views(bias):
    net, theta, X, Y = problem("tanh", bias=bias)
    trace = backprop(net, theta, X, Y, per_sample=True)
    assert [z if z is None else z.shape for z in trace.Z] == [None, (N, 4), (N, 2)]
    assert [a.shape for a in trace.A] == [(N, 3), (N, 4), (N, 2)]
    assert [d if d is None else d.shape for d in trace.delta] == [None, (N, 4), (N, 2)]
    assert [w if w is None else w.shape for w in trace.dW] == [None, (4, 3), (2, 4)]
    assert [v if v is None else v.shape for v in trace.db] == (
        [None, (4,), (2,)] if bias else [None] * 3
    )
    assert (trace.loss.shape, trace.w.shape, trace.dX.shape) == ((N,), (N,), (N, 3))
    assert trace.grad.shape == (net.n_parameters,)
    assert all(np.shares_memory(part, trace.grad) for part in trace.dW[1:])
    np.testing.assert_array_equal(trace.A[0], X)
    each = trace.per_sample
    assert [w if w is None else w.shape for w in each.dW] == [None, (N, 4, 3), (N, 2, 4)]
    assert each.grad.shape == (N, net.n_parameters)
    assert all(np.shares_memory(part, each.grad) for part in each.dW[1:])
    assert isinstance(trace.cost, float)
    assert (backprop(net, theta, X, Y).per_sample, trace.net, trace.A[1] is trace.G[1]) == (
        None,
        net,
        True,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_the_networks_type_is_kept_everywhere(loss, output, dtype):
    s, eps = [1.0, 2.0, 0.5, 0.0, 1.0], 64 * float(np.finfo(dtype).eps)
    for hidden in HIDDEN:
        net, theta, X, Y = make_problem(Network([3, 4, 2], hidden, output, loss), seed=1)
        trace = backprop(net.with_changes(dtype=dtype), theta, X, Y, s, per_sample=True)
        assert {a.dtype for a in everything(trace)} == {np.dtype(dtype)}
        # float32 is the same computation: the same numbers to float32's precision.
        exact = backprop(net, theta, X, Y, s)
        for layer in (1, 2):
            scale = np.abs(exact.delta[layer]).T @ np.abs(exact.A[layer - 1])
            assert np.abs(trace.dW[layer] - exact.dW[layer]).max() <= eps * scale.max()
        assert trace.cost == pytest.approx(exact.cost, rel=eps)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_nothing_given_is_changed(hidden):
    net, theta, X, Y = problem(hidden, "softmax", "cross_entropy")
    s = np.array([1.0, 2.0, 0.0, 1.0, 0.5])
    masks = [None, dropout_mask(0.5, range(N), 4, seed=0, step=0, layer=1), None]
    given = [theta, X, Y, s, masks[1]]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    backprop(net, theta, X, Y, s, per_sample=True, masks=masks)
    forward(net, theta, X, masks=masks)
    cost(net, theta, X, Y, s, masks=masks)
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_the_order_of_memory_does_not_matter():
    net, theta, X, Y = problem("tanh")
    here = backprop(net, theta, X, Y)
    there = backprop(net, theta, np.asfortranarray(X), np.asfortranarray(Y))
    np.testing.assert_array_equal(here.grad, there.grad)
    np.testing.assert_array_equal(here.grad, backprop(net, theta, X.tolist(), Y.tolist()).grad)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_forward_cost_and_backprop_agree(loss, output):
    net, theta, X, Y = problem("tanh", output, loss)
    s = [1.0, 2.0, 0.0, 1.0, 0.5]
    trace, passed = backprop(net, theta, X, Y, s), forward(net, theta, X)
    assert cost(net, theta, X, Y, s) == trace.cost
    assert trace.cost == pytest.approx(float(trace.w @ trace.loss), rel=1e-14)
    np.testing.assert_array_equal(passed.output, trace.A[-1])
    np.testing.assert_array_equal(passed.Z[1], trace.Z[1])


def test_a_trace_pickles():
    trace = backprop(*problem("tanh"), per_sample=True)
    again = pickle.loads(pickle.dumps(trace))
    assert again.net == trace.net
    for a, b in zip(everything(again), everything(trace), strict=True):
        np.testing.assert_array_equal(a, b)


# -- per sample, factors ---------------------------------------------------------------


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_per_sample_is_backprop_of_each_row_alone(loss, output):
    net, theta, X, Y = problem("tanh", output, loss)
    trace = backprop(net, theta, X, Y, [1, 0, 2, 0.5, 1], per_sample=True)
    y = trace.Y
    for i in range(N):
        alone = backprop(net, theta, X[i : i + 1], y[i : i + 1])
        np.testing.assert_allclose(trace.per_sample.grad[i], alone.grad, rtol=1e-13, atol=1e-16)
        np.testing.assert_allclose(trace.per_sample.delta[1][i], alone.delta[1][0], rtol=1e-12)
        np.testing.assert_allclose(trace.per_sample.dX[i], alone.dX[0], rtol=1e-12, atol=1e-16)
        assert alone.cost == pytest.approx(trace.loss[i], rel=1e-14)
    for layer in (1, 2):
        np.testing.assert_allclose(
            trace.delta[layer], trace.w[:, None] * trace.per_sample.delta[layer], rtol=1e-13
        )


@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize(
    ("loss", "output"), [p for p in PAIRS if ACTIVATIONS.get(p[1]).elementwise]
)
def test_factors_multiply_to_the_gradient(loss, output, per_sample):
    net, theta, X, Y = make_problem(Network([2, 3, 3, 2], "tanh", output, loss), seed=2)
    trace = backprop(net, theta, X, Y, per_sample=per_sample)
    full = backprop(net, theta, X, Y, per_sample=True).per_sample
    for layer in (1, 2, 3):
        n_out, n_in = net.widths[layer], net.widths[layer - 1]
        for j, k, i in itertools.product(range(n_out), range(n_in), (0, N - 1)):
            factors = trace.factors(layer, j, k, i)
            assert np.prod(factors) == pytest.approx(full.dW[layer][i, j, k], rel=1e-11, abs=1e-18)
            assert factors[2] == trace.A[layer - 1][i, k]


def test_factors_of_a_saturated_output_are_the_limits():
    net = Network([1, 1], [], "logistic", "log_loss", bias=False)
    trace = backprop(net, net.pack([[[-800.0]]]), [[1.0]], [[1.0]], per_sample=True)
    assert trace.factors(1, 0, 0) == (-np.inf, 0.0, 1.0)
    assert trace.dW[1][0, 0] == -1.0  # δ is taken from z
    trace = backprop(net, net.pack([[[800.0]]]), [[1.0]], [[1.0]])
    assert trace.factors(1, 0, 0) == (-1.0, 0.0, 1.0)


def test_factors_refuse_what_they_do_not_hold_for():
    net, theta, X, Y = problem("tanh", "softmax", "cross_entropy")
    trace = backprop(net, theta, X, Y)
    with pytest.raises(InputError, match="layer 2 is softmax, which mixes its outputs"):
        trace.factors(2, 0, 0)
    assert len(trace.factors(1, 0, 0)) == 3
    for layer in (0, 3):
        with pytest.raises(InputError, match=f"layer is {layer}; expected 1 to 2"):
            trace.factors(layer, 0, 0)
    for place in ((4, 0, 0), (0, 3, 0), (0, 0, N), (-1, 0, 0)):
        with pytest.raises(InputError, match="expected j below 4, k below 3 and a sample below 5"):
            trace.factors(1, *place)
    masks = [None, np.ones((N, 4)), None]
    with pytest.raises(InputError, match="the pass had dropout"):
        backprop(net, theta, X, Y, masks=masks).factors(1, 0, 0)


# -- sample weights --------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_all_weights_zero_give_cost_and_gradient_zero(loss, output):
    net, theta, X, Y = problem("tanh", output, loss)
    trace = backprop(net, theta, X, Y, np.zeros(N))
    assert trace.cost == 0
    assert cost(net, theta, X, Y, np.zeros(N)) == 0
    assert (trace.grad == 0).all()
    assert (trace.w == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("where", ["cost", "hidden"])
def test_a_row_of_weight_zero_counts_as_absent_even_if_it_is_not_finite(where, dtype):
    net = Network([1, 2, 1], "exp", loss="squared_error", dtype=dtype)
    theta = net.pack([[[30.0], [0.1]], [[1.0, 1.0]]])
    X = np.array([[100.0], [0.1]]) if where == "hidden" else np.array([[-1e30], [0.1]])
    Y = np.array([[1.0], [2.0]])
    if where == "cost":
        Y[0] = 1e30 if dtype == np.float32 else 1e300
    everywhere = backprop(net, theta, X, Y)
    assert not np.isfinite(everywhere.cost)
    trace = backprop(net, theta, X, Y, [0.0, 3.0])
    alone = backprop(net, theta, X[1:], Y[1:])
    assert trace.cost == alone.cost == cost(net, theta, X, Y, [0.0, 3.0])
    np.testing.assert_array_equal(trace.grad, alone.grad)
    assert all((delta[0] == 0).all() for delta in trace.delta[1:])


@pytest.mark.parametrize("s", [np.full(N, 7.0), np.ones(N, int), np.ones(N, bool), [2] * N])
def test_equal_weights_are_no_weights(s):
    net, theta, X, Y = problem("tanh")
    np.testing.assert_array_equal(
        backprop(net, theta, X, Y, s).grad, backprop(net, theta, X, Y).grad
    )


def test_no_rows_give_cost_and_gradient_zero():
    net = Network([3, 4, 2], "tanh")
    trace = backprop(net, net.initial(0), np.zeros((0, 3)), np.zeros((0, 2)), per_sample=True)
    assert trace.cost == 0
    assert (trace.grad == 0).all()
    assert trace.per_sample.grad.shape == (0, net.n_parameters)


# -- dropout ---------------------------------------------------------------------------


def test_masks_multiply_activations():
    net, theta, X, Y = problem("tanh")
    mask = dropout_mask(0.5, range(N), 4, seed=0, step=1, layer=1)
    trace = backprop(net, theta, X, Y, masks=[None, mask, None])
    np.testing.assert_array_equal(trace.A[1], trace.G[1] * mask)
    np.testing.assert_array_equal(trace.A[1], forward(net, theta, X, [None, mask, None]).A[1])
    assert (trace.delta[1][mask == 0] == 0).all()
    ones = backprop(net, theta, X, Y, masks=[None, np.ones((N, 4)), None])
    np.testing.assert_array_equal(ones.grad, backprop(net, theta, X, Y).grad)


def test_a_dropped_node_is_a_node_that_is_not_there():
    net, theta, X, Y = problem("tanh")
    mask = np.ones((N, 4))
    mask[:, 2] = 0
    W, b = net.unpack(theta)
    small = Network([3, 3, 2], "tanh")
    kept = [0, 1, 3]
    alone = backprop(small, small.pack([W[1][kept], W[2][:, kept]], [b[1][kept], b[2]]), X, Y)
    trace = backprop(net, theta, X, Y, masks=[None, mask, None])
    assert trace.cost == pytest.approx(alone.cost, rel=1e-14)
    np.testing.assert_allclose(trace.dW[1][kept], alone.dW[1], rtol=1e-13)
    assert (trace.dW[1][2] == 0).all()
    assert (trace.dW[2][:, 2] == 0).all()


# -- what is refused -------------------------------------------------------------------

BAD_X = [
    ([1.0, 2.0, 3.0], r"X has shape \(3,\); expected \(N, 3\), .*\(a single row is \[\[…\]\]\)"),
    ([[1.0, 2.0]], r"X has shape \(1, 2\); expected \(N, 3\)"),
    ([[1.0, np.nan, 2.0]], r"X\[0, 1\] is nan; expected finite numbers .* impute"),
    ([["a", "b", "c"]], "X has dtype <U1; expected numbers"),
    ([[1.0, None, 2.0]], "X has dtype object; expected numbers"),
]
BAD_Y = [
    ("squared_error", [[1.0]], r"Y has shape \(1, 1\); expected 1 rows like X and 2 columns"),
    ("squared_error", [[1.0, np.inf]], r"Y\[0, 1\] is inf; .*expects finite numbers"),
    ("squared_error", [["a", "b"]], "Y has dtype <U1; expected numbers. Encode classes"),
    ("poisson", [[1.0, -1.0]], r"Y\[0, 1\] is -1\.0; loss 'poisson' expects numbers ≥ 0"),
    ("log_loss", [[0.5, 1.5]], r"Y\[0, 1\] is 1\.5; .* expects numbers from 0 to 1"),
    ("cross_entropy", [2], r"Y\[0\] is 2; expected a class number from 0 to 1"),
    ("cross_entropy", [0.5], r"Y\[0\] is 0\.5; expected a class number from 0 to 1"),
    ("cross_entropy", [np.nan], r"Y\[0\] is nan; expected a class number"),
    ("cross_entropy", [0, 1], "Y has 2 rows; expected 1, as X has"),
    ("cross_entropy", [[0.5, 0.6]], r"expects class numbers, or probabilities that add to 1"),
]
OUTPUT = {"poisson": "exp", "log_loss": "logistic", "cross_entropy": "softmax"}


@pytest.mark.parametrize(("X", "message"), BAD_X)
def test_rows_that_cannot_be_used(X, message):
    net = Network([3, 2], [])
    with pytest.raises(InputError, match=message):
        backprop(net, net.initial(0), X, [[0.0, 0.0]])
    with pytest.raises(InputError, match=message):
        forward(net, net.initial(0), X)


@pytest.mark.parametrize(("loss", "Y", "message"), BAD_Y)
def test_targets_that_cannot_be_used(loss, Y, message):
    net = Network([3, 2], [], OUTPUT.get(loss, "identity"), loss)
    with pytest.raises(InputError, match=message):
        backprop(net, net.initial(0), [[1.0, 2.0, 3.0]], Y)


def test_numbers_beyond_float32_are_refused_and_not_warned_of():
    net = Network([1, 1], [], dtype=np.float32)
    with pytest.raises(InputError, match=r"X\[0, 0\] is inf; .* in the range of float32"):
        forward(net, net.initial(0), [[1e300]])
    with pytest.raises(InputError, match=r"Y\[0, 0\] is inf"):
        backprop(net, net.initial(0), [[1.0]], [[1e300]])
    assert backprop(net, [1e300, 0.0], [[1.0]], [[1.0]]).cost == np.inf


@pytest.mark.parametrize(
    ("s", "message"),
    [
        ([1.0], r"sample_weight has shape \(1,\) and dtype float64; expected 2 numbers"),
        ([1.0, -1.0], r"sample_weight\[1\] is -1\.0; expected finite numbers ≥ 0"),
        ([np.nan, 1.0], r"sample_weight\[0\] is nan"),
        (["a", "b"], "sample_weight has shape"),
    ],
)
def test_weights_that_cannot_be_used(s, message):
    net = Network([1, 1], [])
    with pytest.raises(InputError, match=message):
        backprop(net, net.initial(0), [[1.0], [2.0]], [[1.0], [2.0]], s)


def test_quantile_outputs_share_a_column_of_targets():
    net = Network([1, 4], [], loss=LOSSES.get("quantile", levels=(0.1, 0.9)))
    trace = backprop(net, net.initial(0), [[1.0], [2.0]], [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(trace.Y, [[1, 1, 2, 2], [3, 3, 4, 4]])
    with pytest.raises(InputError, match=r"2 columns \(2 outputs for each column of Y\)"):
        backprop(net, net.initial(0), [[1.0], [2.0]], np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("loss", "changes", "message"),
    [
        ("huber", {"kappa": 0.0}, "loss 'huber': kappa is 0.0; expected a number > 0"),
        ("huber", {"kappa": "wide"}, "kappa is 'wide'; expected a number > 0"),
        ("quantile", {"levels": (0.5, 1.0)}, r"levels is \(0\.5, 1\.0\); expected numbers between"),
        ("quantile", {"levels": ()}, r"levels is \(\); expected numbers between 0 and 1, at least"),
        ("cross_entropy", {"smoothing": 1.0}, "smoothing is 1.0; expected a number ≥ 0 and < 1"),
        ("log_loss", {"smoothing": -0.1}, "smoothing is -0.1; expected a number ≥ 0 and < 1"),
        (
            "weighted_log_loss",
            {"positive_weight": 0.0},
            r"positive_weight is \(0\.0,\); exp",
        ),
        ("weighted_log_loss", {"positive_weight": (1.0, np.inf)}, "expected a finite number > 0"),
        ("weighted_log_loss", {"positive_weight": ()}, "or a list of one for each output"),
        ("weighted_log_loss", {"positive_weight": True}, "positive_weight is True; expected"),
        ("weighted_log_loss", {"positive_weight": "big"}, "positive_weight is 'big'; expected"),
        ("huber", {"delta": 1.0}, "loss 'huber' has no parameter 'delta'; its parameters are: k"),
    ],
)
def test_parameters_of_losses_are_checked(loss, changes, message):
    with pytest.raises(InputError, match=message):
        LOSSES.get(loss, **changes)


def test_a_positive_weight_for_each_of_another_number_of_outputs_is_refused():
    loss = LOSSES.get("weighted_log_loss", positive_weight=np.array([1.0, 2.0]))
    assert loss.settings["positive_weight"] == (1.0, 2.0)
    assert Network([3, 2], [], "logistic", loss).loss is loss
    with pytest.raises(InputError, match="has 2 numbers; expected one for each of 3 outputs"):
        Network([3, 3], [], "logistic", loss)


def test_a_cost_that_overflows_is_infinite_and_no_error():
    net = Network([1, 1], [], "exp")
    trace = backprop(net, net.pack([[[1000.0]]]), [[1.0]], [[0.0]])
    assert trace.cost == np.inf
    assert cost(net, net.pack([[[1000.0]]]), [[1.0]], [[0.0]]) == np.inf


def test_the_core_takes_what_the_shell_prepared():
    net, theta, X, Y = problem("gelu", "logistic", "log_loss")
    w = np.full(N, 1 / N)
    for some_absent in (False, True):
        got = cost_and_grad(numpy_namespace(), net, theta, X, Y, w, some_absent=some_absent)
        trace = backprop(net, theta, X, Y)
        assert float(got.cost) == trace.cost
        np.testing.assert_array_equal(net.pack(got.dW, got.db), trace.grad)
