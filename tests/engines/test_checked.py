"""The checked engine reports layer and block of the first number that is not finite."""

import numpy as np
import pytest

from deltarule.engines import Batch, CheckedEngine, EngineSettings, ReferenceEngine
from deltarule.errors import Diverged
from deltarule.maths import Network

BIG = 1e200


def batch_of(X, Y, w=None):
    X, Y = np.atleast_2d(np.array(X, float)), np.atleast_2d(np.array(Y, float))
    w = np.ones(len(X)) if w is None else np.array(w, float)
    return Batch(X, Y, w, np.arange(len(X)), 1)


def loaded(net, theta, **settings):
    engine = CheckedEngine()
    engine.load(net, theta, EngineSettings(**settings))
    return engine


def linear(*widths, **changes):
    return Network(widths, activation="identity", **changes)


def planted(kind):
    """A network, parameters and a batch whose first number that is not finite is in layer 2."""
    net = linear(1, 1, 1)
    one = batch_of([1.0], [0.0])
    if kind == "W":
        return net, net.pack(W=[[[1.0]], [[np.nan]]]), one
    if kind == "b":
        return net, net.pack(W=[[[1.0]], [[1.0]]], b=[[0.0], [np.inf]]), one
    if kind == "Z":
        return net, net.pack(W=[[[BIG]], [[BIG]]]), one
    if kind == "A":
        net = linear(1, 1, 1, output_activation="exp")
        return net, net.pack(W=[[[1.0]], [[800.0]]]), one
    if kind == "loss":
        return net, net.pack(W=[[[1.0]], [[BIG]]]), one
    if kind == "delta":
        # a² is finite, and 2 a · a is not.
        net = linear(1, 1, 1, output_activation="exp")
        z = np.log(0.9 * np.sqrt(np.finfo(float).max))
        return net, net.pack(W=[[[1.0]], [[z]]]), one
    if kind == "dW":
        # δ = 2 · 1e150 and a = 1e160.
        theta = net.pack(W=[[[1e160]], [[0.0]]], b=[[0.0], [1e150]])
        return net, theta, one
    assert kind == "db"
    # Each δ is finite, and so is δ · 0; the sum of the δ is not.
    theta = net.pack(W=[[[0.0]], [[0.0]]], b=[[0.0], [1.0]])
    w = np.finfo(float).max * np.array([0.45, 0.45])
    return net, theta, batch_of([[1.0], [1.0]], [[0.0], [0.0]], w)


KINDS = ["W", "b", "Z", "A", "loss", "delta", "dW", "db"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_number_that_is_not_finite_is_named_by_layer_and_block(kind):
    net, theta, batch = planted(kind)
    with pytest.raises(Diverged, match=f"layer 2, {kind}") as found:
        loaded(net, theta).gradient(batch)
    assert (found.value.layer, found.value.block) == (2, kind)


@pytest.mark.parametrize("kind", ["W", "Z", "A", "delta", "dW"])
def test_the_first_bad_layer_is_named(kind):
    """The same faults in layer 1 of a deeper network, after which all numbers are bad."""
    deep = linear(1, 1, 1, 1)
    one = batch_of([1.0], [0.0])
    bias = None
    if kind == "W":
        W = [[[np.inf]], [[1.0]], [[1.0]]]
    elif kind == "Z":
        W, one = [[[BIG]], [[1.0]], [[1.0]]], batch_of([BIG], [0.0])
    elif kind == "A":
        deep = Network([1, 1, 1, 1], activation=["exp", "identity"])
        W = [[[800.0]], [[1.0]], [[1.0]]]
    elif kind == "delta":
        # In the backward pass: δ² = 2, times W² = 1e308 · 2 overflows in layer 1.
        W, bias = [[[0.0]], [[1.5e308]], [[1.0]]], [[0.0], [1.0], [0.0]]
    else:
        # δ¹ = 2e150 meets x = 1e160.
        W, bias = [[[0.0]], [[1e150]], [[1.0]]], [[0.0], [1.0], [0.0]]
        one = batch_of([1e160], [0.0])
    with pytest.raises(Diverged) as found:
        loaded(deep, deep.pack(W=W, b=bias)).gradient(one)
    assert (found.value.layer, found.value.block) == (1, kind)


def test_the_message_counts_and_shows_the_first_bad_entry():
    net = linear(2, 3)
    theta = net.pack(W=[[[1, 2], [3, np.nan], [np.inf, 6]]])
    with pytest.raises(Diverged, match=r"2 of 6 values are not finite, first W\[1\]\[1, 1\] = nan"):
        loaded(net, theta).gradient(batch_of([1, 1], [0, 0, 0]))


def test_finite_losses_whose_sum_is_not_finite():
    net = linear(1, 1)
    w = np.full(2, 0.9 * np.finfo(float).max)
    batch = batch_of([[0.0], [0.0]], [[-1.0], [1.0]], w)
    with pytest.raises(Diverged) as found:
        loaded(net, net.pack(W=[[[0.0]]])).gradient(batch)
    assert (found.value.layer, found.value.block) in {(1, "loss"), (1, "delta")}


def test_rows_of_weight_zero_are_not_checked():
    net = Network([1, 1, 1], activation="exp")
    theta = net.pack(W=[[[800.0]], [[1.0]]])
    batch = batch_of([[0.0], [1.0]], [[0.0], [0.0]], [1.0, 0.0])
    cost, grad = loaded(net, theta).gradient(batch)
    assert cost == 1.0
    assert np.isfinite(grad).all()


def test_an_update_to_parameters_that_are_not_finite_is_reported_at_once():
    net = linear(1, 1)
    engine = loaded(net, net.pack(W=[[[1.0]]]))
    with pytest.raises(Diverged) as found:
        engine.apply(np.array([1e300, 0.0]), learning_rate=1e300)
    assert (found.value.layer, found.value.block) == (1, "W")


def test_with_finite_numbers_it_computes_the_bits_of_the_reference_engine():
    net = Network([3, 4, 2], activation="tanh")
    rng = np.random.default_rng(0)
    batch = batch_of(rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))
    engines = [CheckedEngine(), ReferenceEngine()]
    for engine in engines:
        engine.load(net, net.initial(0), EngineSettings(rule="adam", dropout=0.5))
        for step in (1, 2, 3):
            engine.step(batch._replace(step=step), 0.1)
    assert np.array_equal(engines[0].theta, engines[1].theta)
