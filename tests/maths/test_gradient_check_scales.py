"""The gradient check accepts right and rejects wrong gradients at any scale, and at kinks."""

import numpy as np
import pytest

from deltarule.errors import GradientMismatch, InputError
from deltarule.maths import LOSSES, Activation, Loss, Network, backprop, check_gradient
from deltarule.maths.finite_differences import DifferencedCost

SCALES = [1e-150, 1e-75, 1e-20, 1e-8, 1.0, 1e8, 1e20, 1e75, 1e150]


def times(factor, only=None):
    """Backprop's gradient, wrong by a factor in one block or in all."""

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y, w).grad.copy()
        part = slice(None) if only is None else slice(net.block(only).start, net.block(only).stop)
        grad[part] *= factor
        return grad

    return gradient


def problem(x=1.0, y=1.0, loss="squared_error", activation="tanh", output="identity"):
    rng = np.random.default_rng(5)
    net = Network([3, 4, 2], activation=activation, output_activation=output, loss=loss)
    X, Y = x * rng.normal(size=(12, 3)), y * rng.normal(size=(12, 2))
    if output == "exp":
        Y = np.abs(Y)
    theta = net.initial(1)
    theta[~net.is_weight] = 0.1 * rng.normal(size=int((~net.is_weight).sum()))
    return net, theta, X, Y


def judge(net, theta, X, Y):
    assert check_gradient(net, theta, X, Y).passed
    blocks = [block.name for block in net.blocks]
    for factor in (1.001, 1.5, 0.0, np.inf, np.nan):
        for only in blocks if factor == 1.001 else (None,):
            grad = times(1.0, only)(net, theta, X, Y, np.full(len(X), 1 / len(X)))
            part = grad if only is None else grad[net.block(only).start : net.block(only).stop]
            if not np.abs(part).max() > 0:
                continue
            with np.errstate(all="ignore"), pytest.raises(GradientMismatch):
                check_gradient(net, theta, X, Y, gradient=times(factor, only))


@pytest.mark.parametrize("y", SCALES)
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("squared_error", "identity"),
        ("half_squared_error", "tanh"),
        ("absolute_error", "identity"),
        ("huber", "identity"),
        ("poisson", "exp"),
        ({"name": "quantile", "levels": [0.3]}, "identity"),
    ],
    ids=str,
)
def test_at_any_scale_of_the_targets(loss, output, y):
    judge(*problem(y=y, loss=loss, output=output))


@pytest.mark.parametrize("x", SCALES)
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
def test_at_any_scale_of_the_inputs(activation, x):
    net, theta, X, Y = problem(x=x, activation=activation)
    if x > 1 and activation == "tanh":
        theta[: net.block("W1").stop] /= x  # otherwise all nodes are saturated
    elif x > 1:
        theta[net.block("W2").start : net.block("W2").stop] /= x
    judge(net, theta, X, Y)


@pytest.mark.parametrize("scale", [1e-100, 1e-50, 1e50, 1e100])
def test_at_any_scale_of_the_parameters(scale):
    net, theta, X, Y = problem(y=scale, activation="identity")
    theta[net.block("W2").start :] *= scale
    judge(net, theta, X, Y)


@pytest.mark.parametrize("y", SCALES)
def test_a_loss_whose_derivative_is_off_is_rejected_at_any_scale(y):
    def off(xp):
        return lambda a, t: ((a - t) ** 2, 2.002 * (a - t))

    with pytest.raises(GradientMismatch, match="derivative of loss 'off' is not that"):
        check_gradient(*problem(y=y, loss=Loss("off", off)))


# -- many points in one forward pass ----------------------------------------------------------


def test_a_formula_that_mixes_rows_is_rejected():
    """In one pass over the rows of many points it would mix points, and look right."""

    def minus_mean(xp):
        return lambda z: z - z.mean(), lambda z, a: 1 + 0 * z

    def minus_largest(xp):
        return lambda z: z - 0.5 * z.max(), lambda z, a: 1 + 0 * z

    X, Y = np.random.default_rng(0).normal(size=(2, 5, 3))
    for formula in (minus_mean, minus_largest):
        for width in (2, 30):
            net = Network([3, width, 1], Activation("mixed", formula), "identity")
            for theta in (net.initial(0), np.full(net.n_parameters, 0.1)):
                assert not check_gradient(net, theta, X, Y[:, :1], raises=False).passed


def test_a_formula_that_branches_on_a_number_is_checked_point_by_point():
    def sloped(xp, right):
        def slope(z, a):
            return right if z > 0 else 0.5

        return lambda z: right * z if z > 0 else 0.5 * z, slope

    net = Network([1, 1], [], Activation("sloped", sloped, {"right": 2.0}, kinks=(0.0,)))
    theta = np.array([1.0, 0.1])
    for x in (-2.0, 2.0):
        assert check_gradient(net, theta, [[x]], [[5.0]]).passed
        with pytest.raises(GradientMismatch):
            check_gradient(net, theta, [[x]], [[5.0]], gradient=times(1.001))


def test_the_costs_of_many_points_are_those_of_each_alone():
    net, theta, X, Y = problem(activation="relu", loss="huber")
    masks = [None, np.arange(48.0).reshape(12, 4) % 3, None]
    w = np.where(np.arange(12) % 4 == 0, 0, 0.1)
    entries = np.repeat(np.arange(net.n_parameters), 3)
    moved = theta[entries] + np.tile([-1.0, 1e-3, 1.0], net.n_parameters)
    for cost in (whole := DifferencedCost(net, theta, X, Y, w, masks)), whole.linear():
        cost.points_at_once = 7
        values, sides, sizes = cost.at_points(entries, moved)
        assert len(np.unique(sides, axis=0)) > 1
        for k, (m, value) in enumerate(zip(entries, moved, strict=True)):
            point = theta.copy()
            point[m] = value
            alone = cost(point)
            np.testing.assert_allclose((values[k], sizes[k]), (alone[0], alone[2]), rtol=1e-13)
            assert (sides[k] == alone[1]).all()


# -- at kinks ------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "softsign"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_rows_of_zeros_with_biases_of_zero(activation, loss):
    rng = np.random.default_rng(0)
    net = Network([3, 6, 5, 2], activation=activation, loss=loss)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    X[[2, 7]] = 0
    theta = net.initial(0)  # with biases of 0
    report = check_gradient(net, theta, X, Y)
    by_name = {block.name: block for block in report.blocks}
    assert report.passed
    assert by_name["b1"].rows_skipped == 2
    assert by_name["b1"].checked > 0
    assert by_name["W1"].rows_skipped == 0
    assert "without 2 rows at a kink" in str(report)
    for only in ("b1", "W1", "b2", "W3"):
        with pytest.raises(GradientMismatch):
            check_gradient(net, theta, X, Y, gradient=times(1.001, only))
    weighted = check_gradient(net, theta, X, Y, sample_weight=np.arange(12.0))
    assert weighted.passed


def test_where_every_row_lies_at_a_kink_it_says_so():
    net = Network([2, 3, 1])
    with pytest.raises(InputError, match="no entry of b1 could be compared: all lie at a kink"):
        check_gradient(net, net.initial(0), np.zeros((4, 2)), np.ones(4))


def test_residuals_of_zero():
    net = Network([2, 1], activation=[], loss=LOSSES.get("absolute_error"))
    X = np.array([[1.0, 2.0], [0.5, -1.0], [0.25, 1.0]])
    theta = np.array([1.0, 1.0, 0.0])
    Y = X.sum(axis=1) + np.array([0.0, 1.0, -2.0])  # the first residual is 0
    report = check_gradient(net, theta, X, Y)
    assert report.passed
    assert {block.rows_skipped for block in report.blocks} == {1}


def test_a_gradient_that_is_not_finite_never_passes():
    net, theta, X, Y = problem()
    for bad in (np.inf, -np.inf, np.nan):
        for entry in (0, net.n_parameters - 1):

            def gradient(*arguments, bad=bad, entry=entry):
                grad = times(1.0)(*arguments)
                grad[entry] = bad
                return grad

            with np.errstate(all="ignore"), pytest.raises(GradientMismatch):
                check_gradient(net, theta, X, Y, gradient=gradient, entries=2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("squared_error", "softmax"),
        ("squared_error", "logistic"),
        ("cross_entropy", "softmax"),
    ],
)
def test_rows_that_saturate_beside_rows_that_do_not(loss, output, seed):
    rng = np.random.default_rng(seed)
    net = Network([2, 3, 2], activation="relu", output_activation=output, loss=loss)
    X = 1e20 * rng.normal(size=(5, 2))
    Y = np.eye(2)[[0, 1, 0, 1, 1]] if loss == "cross_entropy" else 1e20 * rng.random((5, 2))
    theta = net.initial(seed)
    theta[~net.is_weight] = 0.1 * rng.normal(size=int((~net.is_weight).sum()))
    theta[: net.block("W1").stop] = np.abs(theta[: net.block("W1").stop])
    X[0] = -np.abs(X[0])  # all hidden nodes are 0: z is b2 in this row, and 1e20 in others
    X[1:] = np.abs(X[1:])
    assert check_gradient(net, theta, X, Y).passed
    with pytest.raises(GradientMismatch):
        check_gradient(net, theta, X, Y, gradient=times(1.001, "b2"))


@pytest.mark.parametrize("y", [1e-300, 1e150])
def test_a_quotient_that_is_subnormal_is_no_mismatch(y):
    net, theta, X, Y = problem(x=1e-300, y=y)
    assert check_gradient(net, 1e-20 * theta, X, Y).passed


@pytest.mark.parametrize("loss", ["squared_error", "half_squared_error", "huber"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("y", [1e-170, 1e-300])
def test_a_residual_whose_square_underflows_is_no_fault_of_the_loss(loss, activation, y):
    net, theta, X, Y = problem(y=y, loss=loss, activation=activation)
    theta[~net.is_weight] = 0.0
    X[3] = 0.0  # the output is 0 there, and the residual y
    assert check_gradient(net, theta, X, Y).passed
    with pytest.raises(GradientMismatch):
        check_gradient(net, theta, X, Y, gradient=times(1.5))
