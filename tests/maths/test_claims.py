"""The twelve claims of the page on the mathematics, by their numbers there."""

import itertools

import numpy as np
import pytest

from deltarule.errors import GradientMismatch
from deltarule.maths import (
    LOSSES,
    Network,
    backprop,
    check_gradient,
    cost,
    forward,
    numpy_namespace,
)


def small(loss="squared_error", output="logistic", widths=(3, 4, 2), **more):
    net = Network(widths, activation="tanh", output_activation=output, loss=loss, **more)
    rng = np.random.default_rng(net.n_parameters)
    theta = rng.normal(0, 0.7, net.n_parameters)
    X = rng.normal(0, 1, (5, widths[0]))
    Y = rng.uniform(0.1, 0.9, (5, widths[-1]))
    return net, theta, X, Y


def test_1_forward_by_hand_and_the_order_of_indices():
    # w_jk leads TO node j FROM node k: an asymmetric matrix distinguishes the two.
    net = Network([2, 2, 1], activation="relu", bias=True)
    theta = net.pack(W=[[[1.0, 10.0], [-2.0, 3.0]], [[0.5, -1.0]]], b=[[0.25, 0.5], [2.0]])
    trace = backprop(net, theta, [[1.0, 2.0]], [[0.0]])
    np.testing.assert_array_equal(trace.Z[1], [[1 + 20 + 0.25, -2 + 6 + 0.5]])
    np.testing.assert_array_equal(trace.A[1], [[21.25, 4.5]])
    np.testing.assert_array_equal(trace.Z[2], [[0.5 * 21.25 - 4.5 + 2.0]])
    assert trace.loss[0] == (0.5 * 21.25 - 2.5) ** 2


def test_2_the_loss_has_no_half_and_no_division_by_the_outputs():
    net = Network([1, 3], activation=[], bias=False)
    trace = backprop(net, net.pack(W=[[[1.0], [2.0], [3.0]]]), [[1.0]], [[0.0, 0.0, 0.0]])
    assert trace.cost == 1 + 4 + 9
    np.testing.assert_array_equal(trace.dW[1], [[2.0], [4.0], [6.0]])


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_3_every_weight_is_the_product_of_its_three_factors(layer):
    net, theta, X, Y = small(widths=(3, 4, 3, 2))
    trace = backprop(net, theta, X, Y, per_sample=True)
    n_out, n_in = net.widths[layer], net.widths[layer - 1]
    for j, k, i in itertools.product(range(n_out), range(n_in), range(len(X))):
        product = np.prod(trace.factors(layer, j, k, i))
        assert product == pytest.approx(trace.per_sample.dW[layer][i, j, k], rel=1e-12, abs=1e-300)


def test_4_each_factor_by_number():
    net = Network([2, 1], activation=[], output_activation="logistic", bias=False)
    trace = backprop(net, net.pack(W=[[[0.5, -0.25]]]), [[2.0, 4.0]], [[1.0]])
    up, slope, below = trace.factors(1, 0, 1)
    assert trace.A[1][0, 0] == 0.5  # z = 0
    assert up == 2 * (0.5 - 1.0)  # F7
    assert slope == 0.25  # F8
    assert below == 4.0  # F9
    assert trace.dW[1][0, 1] == -1.0 * 0.25 * 4.0  # F10


def test_5_the_batch_gradient_is_the_weighted_mean_of_the_samples():
    net, theta, X, Y = small()
    s = np.array([1.0, 3.0, 0.5, 2.0, 1.5])
    trace = backprop(net, theta, X, Y, sample_weight=s, per_sample=True)
    mean = (s / s.sum()) @ trace.per_sample.grad
    np.testing.assert_allclose(trace.grad, mean, rtol=1e-12, atol=1e-16)


def test_5_two_equal_halves_average_to_the_whole():
    net, theta, X, Y = small()
    whole = backprop(net, theta, X[:4], Y[:4])
    halves = [backprop(net, theta, X[p], Y[p]) for p in (slice(0, 2), slice(2, 4))]
    np.testing.assert_allclose(whole.grad, (halves[0].grad + halves[1].grad) / 2, rtol=1e-12)
    assert whole.cost == pytest.approx((halves[0].cost + halves[1].cost) / 2, rel=1e-14)


def test_5_permuting_rows_changes_nothing():
    net, theta, X, Y = small()
    order = np.array([3, 0, 4, 1, 2])
    there, here = backprop(net, theta, X[order], Y[order]), backprop(net, theta, X, Y)
    np.testing.assert_allclose(there.grad, here.grad, rtol=1e-12, atol=1e-16)
    np.testing.assert_array_equal(there.delta[1], here.delta[1][order])


def test_5_weight_two_is_the_row_twice_and_weight_zero_its_absence():
    net, theta, X, Y = small()
    rows = np.array([0, 1, 1, 2, 3])  # row 1 twice, row 4 absent
    by_weight = backprop(net, theta, X, Y, sample_weight=[1, 2, 1, 1, 0])
    by_rows = backprop(net, theta, X[rows], Y[rows])
    np.testing.assert_allclose(by_weight.grad, by_rows.grad, rtol=1e-12, atol=1e-16)
    assert by_weight.cost == pytest.approx(by_rows.cost, rel=1e-14)


def test_6_the_sum_runs_over_all_nodes_of_the_next_layer():
    net, theta, X, Y = small()

    def one_dropped(net, theta, X, Y, w):
        """F13 without the term j = 0."""
        trace = backprop(net, theta, X, Y)
        W, _ = net.unpack(theta)
        up = trace.delta[2][:, 1:] @ W[2][1:]
        delta = up * (1 - trace.A[1] ** 2)
        grad = trace.grad.copy()
        grad[: W[1].size] = (delta.T @ X).ravel()
        return grad

    with pytest.raises(GradientMismatch, match=r"layer 1, block W\[1\]"):
        check_gradient(net, theta, X, Y, gradient=one_dropped)


@pytest.mark.parametrize("depth", [1, 2, 5, 9])
def test_7_the_recursion_holds_at_any_depth(depth):
    widths = (3, *[4] * (depth - 1), 2)
    net, theta, X, Y = small(widths=widths)
    report = check_gradient(net, theta, X, Y, entries=None)
    assert report.error < 1e-7


def test_7_a_block_whose_gradient_is_zero_is_exactly_zero():
    # Layer 1 has no effect on the loss, since W[2] is 0.
    net, theta, X, Y = small()
    W, _ = net.unpack(theta)
    W[2][...] = 0
    trace = backprop(net, theta, X, Y)
    assert (trace.dW[1] == 0).all()
    assert (trace.db[1] == 0).all()
    assert (trace.dW[2] != 0).all()


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_8_a_small_step_lowers_the_cost_by_eta_times_the_squared_gradient(loss):
    net, theta, X, Y = small(loss)
    trace = backprop(net, theta, X, Y)
    squared = trace.grad @ trace.grad
    gaps = []
    for eta in (1e-2, 1e-3, 1e-4):
        after = cost(net, theta - eta * trace.grad, X, Y)
        assert after < trace.cost
        gaps.append(abs(after - (trace.cost - eta * squared)))
    # The remainder is O(η²): a tenth of the step leaves a hundredth of it.
    assert gaps[0] / gaps[1] == pytest.approx(100, rel=0.2)
    assert gaps[1] / gaps[2] == pytest.approx(100, rel=0.2)


def test_8_where_the_gradient_is_zero_the_step_changes_nothing():
    net = Network([1, 1], activation=[])
    theta = net.pack(W=[[[2.0]]], b=[[0.0]])
    trace = backprop(net, theta, [[1.0], [3.0]], [[2.0], [6.0]])
    assert (trace.grad == 0).all()
    assert trace.cost == 0


def test_9_no_gradient_flows_to_the_targets():
    # ∂C/∂y is not 0, but no part of any gradient: ∂C/∂x and ∂C/∂θ equal the differences of the cost
    # with y held constant.
    net, theta, X, Y = small()
    trace = backprop(net, theta, X, Y)
    h = 1e-6
    for i, k in itertools.product(range(2), range(3)):
        up, down = X.copy(), X.copy()
        up[i, k] += h
        down[i, k] -= h
        slope = (cost(net, theta, up, Y) - cost(net, theta, down, Y)) / (2 * h)
        assert trace.dX[i, k] == pytest.approx(slope, rel=1e-6, abs=1e-9)
    for loss in LOSSES:
        a, y = np.array([[0.3, 0.2, 0.5]]), np.array([[0.2, 0.3, 0.5]])
        _, slope = loss.bind(numpy_namespace()).from_output(a, y)
        assert slope.shape == a.shape  # one derivative per output, none per target


def test_10_a_change_of_an_activation_moves_each_z_by_its_weight_exactly():
    # Dyadic numbers are added without rounding, so equality is exact.
    net = Network([3, 4], activation=[], bias=True)
    rng = np.random.default_rng(1)
    theta = rng.integers(-64, 64, net.n_parameters) / 16
    x = rng.integers(-64, 64, (1, 3)) / 16
    W, _ = net.unpack(theta)
    z = forward(net, theta, x).Z[1]
    for k in range(3):
        moved = x.copy()
        moved[0, k] += 0.375
        np.testing.assert_array_equal(forward(net, theta, moved).Z[1] - z, [W[1][:, k] * 0.375])


@pytest.mark.parametrize("widths", [(1, 1), (3, 4, 2), (20, 30, 10, 5)])
def test_11_one_backward_pass_gives_as_many_gradients_as_there_are_weights(widths):
    # What it costs beside the forward pass is measured in benchmarks/steps.py.
    net, theta, X, Y = small(widths=widths)
    trace = backprop(net, theta, X, Y)
    assert trace.grad.shape == theta.shape
    assert np.count_nonzero(trace.grad) == net.n_parameters


def test_12_output_and_hidden_layers_share_two_factors():
    # The same layer as the output and as a hidden one in front of an identity layer: factors 2
    # and 3 are equal, and with W = 1 so is the first.
    last = Network([3, 2], activation=[], output_activation="tanh", bias=False)
    W = np.random.default_rng(5).normal(size=(2, 3))
    X, Y = np.array([[0.5, -1.0, 2.0]]), np.array([[0.1, 0.2]])
    hidden = Network([3, 2, 2], activation="tanh", bias=False)
    as_output = backprop(last, last.pack(W=[W]), X, Y)
    as_hidden = backprop(hidden, hidden.pack(W=[W, np.eye(2)]), X, Y)
    for j, k in itertools.product(range(2), range(3)):
        assert as_output.factors(1, j, k) == as_hidden.factors(1, j, k)
    np.testing.assert_array_equal(as_output.dW[1], as_hidden.dW[1])
