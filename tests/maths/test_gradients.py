"""Backpropagation against central differences, for everything the registries allow.

Every activation × every legal pair of loss and output × 1 and 3 outputs × uniform, unequal and
some zero weights: each block's raw relative error, no allowance for rounding, below 1e-7.
"""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.maths import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    PENALTIES,
    Activation,
    Loss,
    Network,
    backprop,
    check_gradient,
    cost,
    dropout_mask,
    penalty,
    register_activation,
    register_loss,
)

BAR = 1e-7
HIDDEN = [g.name for g in ACTIVATIONS if g.elementwise]
PAIRS = [(loss.name, g.name) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]
N_OUTPUTS = (1, 3)
N = 5
WEIGHTS = {
    "uniform": None,
    "unequal": (0.5, 2.0, 1.0, 3.0, 0.7),
    "some zero": (1.0, 0.0, 2.0, 0.0, 0.5),
}


def loss_with(name, n_outputs):
    """A loss by its name; a quantile loss with three outputs has three different levels."""
    levels = {"levels": (0.1, 0.5, 0.9)} if name == "quantile" and n_outputs == 3 else {}
    return LOSSES.get(name, **levels)


def cases(hidden, loss):
    """Every network to check for one hidden activation and one loss: seed, output, n_L, weights."""
    for p, (name, output) in enumerate(PAIRS):
        if name == loss:
            for n_outputs in N_OUTPUTS:
                seed = [HIDDEN.index(hidden), p, n_outputs]
                for weights in WEIGHTS.values():
                    yield seed, output, n_outputs, weights


def check(problem, weights=None, masks=None, bar=BAR):
    """The report of check_gradient; nothing skipped, every block's raw error below the bar."""
    report = check_gradient(*problem, weights, masks=masks, entries=None)
    assert sum(block.skipped for block in report.blocks) == 0, f"near a kink:\n{report}"
    assert sum(block.checked for block in report.blocks) == problem.net.n_parameters
    wrong = [block for block in report.blocks if not block.error < bar]
    if wrong:  # where signs cancel the gradient must be exactly 0; the difference is rounded
        grad = backprop(*problem, weights, masks=masks).grad
        wrong = [
            block
            for block in wrong
            if problem.net.block(block.name).of(grad).any() or abs(block.difference) > 1e-12
        ]
    assert not wrong, f"{problem.net!r}, weights {weights}:\n{report}"
    return report


@pytest.mark.parametrize("loss", LOSSES.names())
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_is_the_central_difference(hidden, loss, problem_for):
    checked = 0
    for seed, output, n_outputs, weights in cases(hidden, loss):
        net = Network([2, 3, n_outputs], hidden, output, loss_with(loss, n_outputs))
        check(problem_for(net, seed=seed), weights)
        checked += 1
    pairs_of_this_loss = sum(name == loss for name, _ in PAIRS)
    assert checked == pairs_of_this_loss * len(N_OUTPUTS) * len(WEIGHTS)


def test_number_of_cases_is_what_the_registries_imply():
    listed = sum(1 for hidden in HIDDEN for loss in LOSSES.names() for _ in cases(hidden, loss))
    elementwise = sum(g.elementwise for g in ACTIVATIONS)
    legal = sum(loss.accepts(g) for loss in LOSSES for g in ACTIVATIONS)
    assert listed == elementwise * legal * 2 * 3
    # 13 hidden activations × 71 legal pairs × 2 × 3: fails if a registry becomes smaller.
    assert listed >= 13 * 71 * 2 * 3 == 5538


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_deeper_networks(hidden, bias, problem_for):
    net = Network([3, 4, 3, 4, 2], hidden, "identity", "squared_error", bias=bias)
    # After four layers of e^z a step of 4e-3 is not small.
    check(problem_for(net, seed=1, scale=0.4 if hidden == "exp" else 0.9))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("first", HIDDEN)
def test_every_layer_its_own_activation(first, bias, problem_for):
    others = HIDDEN[HIDDEN.index(first) :] + HIDDEN[: HIDDEN.index(first)]
    net = Network([2, 3, 4, 3, 2], others[:3], "softmax", "cross_entropy", bias=bias)
    check(problem_for(net, seed=2, scale=0.7))


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_one_layer_alone(loss, output, problem_for):
    for n_outputs in N_OUTPUTS:
        check(problem_for(Network([3, n_outputs], [], output, loss_with(loss, n_outputs)), seed=3))


@pytest.mark.parametrize(
    ("loss", "changes", "output", "n_outputs"),
    [
        ("huber", {"kappa": 0.3}, "identity", 3),
        ("quantile", {"levels": (0.05, 0.95)}, "identity", 4),  # two targets, two levels each
        ("quantile", {"levels": (0.5,)}, "tanh", 3),  # three targets
        ("cross_entropy", {"smoothing": 0.1}, "softmax", 4),
        ("cross_entropy", {"smoothing": 0.1}, "softmax", 2),
        ("log_loss", {"smoothing": 0.1}, "logistic", 1),
        ("log_loss", {"smoothing": 0.1}, "logistic", 3),
        ("weighted_log_loss", {"positive_weight": 5.0}, "logistic", 1),
        ("weighted_log_loss", {"positive_weight": (0.2, 1.0, 5.0)}, "logistic", 3),
        ("weighted_log_loss", {"positive_weight": 0.2, "smoothing": 0.1}, "logistic", 2),
    ],
)
def test_parameters_of_losses(loss, changes, output, n_outputs, problem_for):
    net = Network([2, 3, n_outputs], "tanh", output, LOSSES.get(loss, **changes))
    for weights in WEIGHTS.values():
        check(problem_for(net, seed=4), weights)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("leaky_relu", {"alpha": 0.3}), ("elu", {"alpha": 0.5}), ("selu", {"alpha": 1.2, "scale": 2})],
)
def test_parameters_of_activations(name, changes, problem_for):
    g = ACTIVATIONS.get(name, **changes)
    check(problem_for(Network([2, 4, 2], g, g), seed=5))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_dropout_masks_are_part_of_the_function(hidden, problem_for):
    net = Network([2, 6, 5, 2], hidden, "softmax", "cross_entropy")
    problem = problem_for(net, seed=6, scale=0.5)
    masks = [None, *(dropout_mask(0.4, range(N), n, seed=1, step=2, layer=n) for n in (6, 5)), None]
    assert any((mask == 0).any() for mask in masks[1:3])
    check(problem, WEIGHTS["unequal"], masks)


@pytest.mark.parametrize("initializer", INITIALIZERS.names())
def test_at_every_initializer(initializer, problem_for):
    net = Network([3, 5, 2], "tanh")
    problem = problem_for(net, seed=7)
    check(problem._replace(theta=net.initial(0, initializer)))


@pytest.mark.parametrize("name", PENALTIES.names())
def test_penalty_is_differentiated_too(name, problem_for):
    problem = problem_for(Network([3, 4, 2], "tanh"), seed=8)
    net, theta, X, Y = problem
    strength = {name: 0.7, "total_weight": 12.0}
    grad = backprop(*problem).grad + penalty(net, theta, **strength)[1]

    def total(point):
        return cost(net, point, X, Y) + penalty(net, point, **strength)[0]

    h = 1e-5
    assert np.abs(theta).min() > h  # no weight straddles the kink of |w|
    difference = [
        (total(theta + h * e) - total(theta - h * e)) / (2 * h) for e in np.eye(len(theta))
    ]
    for block in net.blocks:
        np.testing.assert_allclose(
            block.of(grad), block.of(np.array(difference)), rtol=0, atol=1e-7 * abs(grad).max()
        )


# -- blocks whose true gradient is 0 ---------------------------------------------------


def test_dead_relu_layer_has_a_gradient_of_exactly_zero(problem_for):
    net = Network([3, 4, 2], "relu")
    problem = problem_for(net, seed=9)
    W, b = net.unpack(problem.theta)
    W[1][...], b[1][...] = -np.abs(W[1]), -1.0
    W[1][0] = 0.5  # one node is active
    problem = problem._replace(X=np.abs(problem.X))
    b[1][0] = 1.0
    check(problem)
    trace = backprop(*problem)
    assert (trace.dW[1][1:] == 0).all()
    assert (trace.db[1][1:] == 0).all()
    assert (trace.dW[2][:, 1:] == 0).all()
    b[1][0], W[1][0] = -1.0, -0.5  # now none is active
    assert (check(problem).blocks[0].backprop, check(problem).blocks[0].difference) == (0, 0)
    trace = backprop(*problem)
    assert (trace.dW[1] == 0).all()
    assert (trace.db[1] == 0).all()
    assert (trace.dW[2] == 0).all()
    assert (trace.db[2] != 0).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "half_squared_error"])
def test_softmax_of_one_output_has_a_gradient_of_exactly_zero(loss, problem_for):
    problem = problem_for(Network([2, 3, 1], "tanh", "softmax", loss), seed=10)
    check(problem)
    assert (backprop(*problem).grad == 0).all()


@pytest.mark.parametrize("output", HIDDEN)
def test_perfect_fit_has_a_gradient_of_exactly_zero(output, problem_for):
    net, theta, X, _ = problem_for(Network([2, 3, 2], "tanh", output), seed=11)
    Y = backprop(net, theta, X, np.zeros((N, 2))).A[-1]
    trace = backprop(net, theta, X, Y)
    assert trace.cost == 0
    assert (trace.grad == 0).all()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_input_that_is_always_zero(hidden, problem_for):
    problem = problem_for(Network([2, 3, 1], hidden), seed=12)
    problem.X[:, 1] = 0
    report = check_gradient(*problem)
    assert report.error < BAR
    assert (backprop(*problem).dW[1][:, 1] == 0).all()


# -- formulas of users ------------------------------------------------------------------


def sine(xp, rate):
    """g(z) = z + r tanh²(z): not one of the library's."""

    def value(z):
        t = xp.tanh(z)
        return z + rate * t * t

    def slope(z, a):
        t = xp.tanh(z)
        return 1 + 2 * rate * t * (1 - t * t)

    return value, slope


def log_cosh(xp, scale):
    """log cosh((a − y)/s), smooth where |r| is not."""

    def from_output(a, y):
        r = (a - y) / scale
        return xp.log1p(xp.exp(-2 * xp.abs(r))) + xp.abs(r), xp.tanh(r) / scale

    return from_output


def centred(xp):
    """An activation that mixes outputs: a_j = z_j minus the mean of z."""

    def value(z):
        return z - xp.total(z) / xp.n_outputs(z)

    def pullback(z, a, up):
        return up - xp.total(up) / xp.n_outputs(z)

    return value, pullback


@pytest.fixture
def registered():
    register_activation(Activation("ripple", sine, {"rate": 0.7}))
    register_activation(Activation("centred", centred, elementwise=False))
    register_loss(Loss("log_cosh", log_cosh, {"scale": 0.5}, outputs=("elementwise", "centred")))
    yield
    ACTIVATIONS.unregister("ripple")
    ACTIVATIONS.unregister("centred")
    LOSSES.unregister("log_cosh")


@pytest.mark.usefixtures("registered")
def test_user_records_pass_the_same_check(problem_for):
    checked = 0
    outputs = [g for g in ACTIVATIONS if LOSSES.get("log_cosh").accepts(g)]
    for output in outputs:
        for n_outputs in N_OUTPUTS:
            for weights in WEIGHTS.values():
                net = Network([2, 3, n_outputs], "ripple", output, "log_cosh")
                check(problem_for(net, seed=13), weights)
                checked += 1
    assert checked == len(outputs) * 6 == 15 * 6


def test_float32_network_is_checked_in_float64(problem_for):
    net = Network([2, 3, 2], "tanh", dtype=np.float32)
    problem = problem_for(net.with_changes(dtype=np.float64), seed=14)
    check(problem._replace(net=net))
