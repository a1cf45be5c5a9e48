"""Penalties: strength, biases without penalty, independence of the batch, slopes."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.maths import PENALTIES, Network, numpy_namespace, penalty

W = [[[3.0, -4.0], [0.0, 1.0]], [[-2.0, 0.5]]]
B = [[7.0, -8.0], [9.0]]
SQUARES, SIZES = 9 + 16 + 0 + 1 + 4 + 0.25, 3 + 4 + 0 + 1 + 2 + 0.5


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def net(request):
    return Network([2, 2, 1], dtype=request.param)


def test_l2_by_hand(net):
    theta = net.pack(W, B)
    cost, grad = penalty(net, theta, l2=0.5, total_weight=4)
    assert cost == 0.5 / (2 * 4) * SQUARES
    np.testing.assert_array_equal(grad, np.where(net.is_weight, 0.125 * theta, 0))
    assert grad.dtype == net.dtype


def test_l1_by_hand_with_0_at_0(net):
    theta = net.pack(W, B)
    cost, grad = penalty(net, theta, l1=0.5, total_weight=4)
    assert cost == 0.125 * SIZES
    np.testing.assert_array_equal(grad, np.where(net.is_weight, 0.125 * np.sign(theta), 0))
    assert net.block("W1").of(grad)[1, 0] == 0
    assert grad.dtype == net.dtype


def test_both_together_and_none(net):
    theta = net.pack(W, B)
    both = penalty(net, theta, l2=0.5, l1=0.25, total_weight=2)
    one, other = (penalty(net, theta, total_weight=2, **k) for k in ({"l2": 0.5}, {"l1": 0.25}))
    assert both[0] == pytest.approx(one[0] + other[0], rel=1e-6)
    np.testing.assert_allclose(both[1], one[1] + other[1], rtol=1e-6)
    cost, grad = penalty(net, theta)
    assert cost == 0
    assert (grad == 0).all()
    assert grad.dtype == net.dtype


@pytest.mark.parametrize("name", PENALTIES.names())
def test_biases_are_not_penalised(name, net):
    huge = net.pack(W, [[np.inf, -1e30], [1e30]])
    cost, grad = penalty(net, huge, **{name: 1.0})
    assert (cost, grad.tolist()) == (
        penalty(net, net.pack(W), **{name: 1.0})[0],
        penalty(net, net.pack(W), **{name: 1.0})[1].tolist(),
    )


@pytest.mark.parametrize("name", PENALTIES.names())
def test_the_strength_falls_with_the_total_weight_alone(name, net):
    theta = net.pack(W, B)
    cost, grad = penalty(net, theta, **{name: 2.0}, total_weight=1)
    for n in (2.0, 10.0, 0.5):
        scaled = penalty(net, theta, **{name: 2.0}, total_weight=n)
        assert scaled[0] == pytest.approx(cost / n, rel=1e-6)
        np.testing.assert_allclose(scaled[1], grad / n, rtol=1e-6)


@pytest.mark.parametrize("record", PENALTIES, ids=str)
def test_the_slope_is_the_derivative_of_the_value(record):
    of_weight = record.bind(numpy_namespace())
    w = np.array([-3.0, -0.1, 0.2, 5.0])
    h = 1e-6
    difference = (of_weight(w + h)[0] - of_weight(w - h)[0]) / (2 * h)
    np.testing.assert_allclose(of_weight(w)[1], difference, rtol=1e-9)
    assert of_weight(np.zeros(1))[1] == 0


def test_weights_that_overflow_have_an_infinite_penalty(net):
    cost, _ = penalty(net, net.pack([[[np.inf, 1], [1, 1]], [[1, 1]]]), l2=1.0)
    assert cost == np.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l2": -1.0}, r"l2 is -1\.0; expected a finite number ≥ 0"),
        ({"l1": np.nan}, "l1 is nan; expected a finite number ≥ 0"),
        ({"l2": 1.0, "total_weight": 0}, "total_weight is 0; expected Σs of the training set, > 0"),
    ],
)
def test_refusals(arguments, message, net):
    with pytest.raises(InputError, match=message):
        penalty(net, net.pack(W, B), **arguments)
