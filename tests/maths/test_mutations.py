"""The gradient check rejects every planted fault, and names the right block and formula."""

from __future__ import annotations

import numpy as np
import pytest
from tests.maths.conftest import make_problem

from deltarule.errors import GradientMismatch, InputError
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    Network,
    backprop,
    check_gradient,
    numpy_namespace,
)
from deltarule.maths.backprop import loss_terms

WEIGHTS = (0.5, 2.0, 1.0, 3.0, 0.7)


def by_hand(net, theta, X, Y, w, *, fault=None, where=2):
    """The gradient, written out, with one fault at one layer."""
    trace = backprop(net, theta, X, Y)
    xp, L = numpy_namespace(), net.n_layers
    W, _ = net.unpack(theta)
    _, slope = loss_terms(xp, net, trace, trace.Y)
    if fault == "mean over outputs":
        slope = slope / net.n_outputs
    weight = np.full_like(w, 1 / len(w)) if fault == "forgotten w" else w
    delta = weight[:, None] * slope
    dW, db = [None] * (L + 1), [None] * (L + 1)
    for layer in range(L, 0, -1):
        here = layer == where
        below = trace.Z[layer - 1] if here and fault == "z below" else trace.A[layer - 1]
        dW[layer], db[layer] = delta.T @ below, delta.sum(axis=0)
        if here and fault == "db = 0":
            db[layer][...] = 0
        if here and fault == "dW = 0":
            dW[layer][...] = 0
        if here and fault == "transposed":
            dW[layer] = dW[layer].T.reshape(dW[layer].shape)
        if layer == 1:
            break
        up = delta @ W[layer]
        if (
            here and fault == "one j dropped"
        ):  # of an active node: dropping a dead ReLU changes nothing
            j = np.argmax(np.abs(delta).sum(axis=0))
            up = np.delete(delta, j, axis=1) @ np.delete(W[layer], j, axis=0)
        g = net.activations[layer - 1].bind(xp)
        z, a = trace.Z[layer - 1], trace.A[layer - 1]
        if here and fault == "slope omitted":
            delta = up
        elif here and fault == "slope of a, not of z":
            delta = up * g.slope(a, g.value(a))
        elif here and fault == "slope given z for a":
            delta = up * g.slope(z, z)
        else:
            delta = up * g.slope(z, a)
    return net.pack(dW, db)


def faulty(fault, where=2):
    return lambda *given: by_hand(*given, fault=fault, where=where)


def deep(output="logistic", loss="squared_error", hidden="tanh"):
    return make_problem(Network([3, 4, 4, 3], hidden, output, loss), seed=20)


def test_without_a_fault_the_gradient_by_hand_passes():
    report = check_gradient(*deep(), WEIGHTS, gradient=faulty(None), entries=None)
    assert report.error < 1e-9


@pytest.mark.parametrize(
    ("fault", "where", "named", "wrong"),
    [
        ("one j dropped", 3, 2, "W1 b1 W2 b2"),
        ("one j dropped", 2, 1, "W1 b1"),
        ("mean over outputs", 3, 3, "W1 b1 W2 b2 W3 b3"),
        ("forgotten w", 3, 3, "W1 b1 W2 b2 W3 b3"),
        ("db = 0", 3, 3, "b3"),
        ("db = 0", 1, 1, "b1"),
        ("dW = 0", 2, 2, "W2"),
        ("transposed", 2, 2, "W2"),
        ("z below", 2, 2, "W2"),
        ("slope omitted", 3, 2, "W1 b1 W2 b2"),
        ("slope omitted", 2, 1, "W1 b1"),
        ("slope of a, not of z", 3, 2, "W1 b1 W2 b2"),
        ("slope of a, not of z", 2, 1, "W1 b1"),
    ],
)
def test_a_planted_fault_is_rejected_in_the_right_blocks(fault, where, named, wrong):
    problem, gradient = deep(), faulty(fault, where)
    report = check_gradient(*problem, WEIGHTS, gradient=gradient, entries=None, raises=False)
    assert " ".join(block.name for block in report.blocks if not block.passed) == wrong
    with pytest.raises(GradientMismatch, match=rf"^layer {named}, block [Wb]\[{named}\]") as caught:
        check_gradient(*problem, WEIGHTS, gradient=gradient, entries=None)
    assert "check the sums over nodes and samples" in str(caught.value)
    assert caught.value.report == report


def test_the_slope_that_uses_a_is_rejected_when_given_z():
    # e^z has the slope a: passing z, or the wrong array to any slope, must be found.
    with pytest.raises(GradientMismatch, match="layer 2"):
        check_gradient(*deep(hidden="exp"), gradient=faulty("slope given z for a", 3))


@pytest.mark.parametrize("activation", [g.name for g in ACTIVATIONS if g.elementwise])
def test_every_fault_shows_with_every_activation(activation):
    problem = deep(hidden=activation)
    for fault in ("one j dropped", "forgotten w", "db = 0", "dW = 0", "slope omitted"):
        if fault == "slope omitted" and activation == "identity":
            continue  # its slope is 1
        report = check_gradient(
            *problem, WEIGHTS, gradient=faulty(fault), entries=None, raises=False
        )
        assert not report.passed, fault


# -- wrong formulas --------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.001, 0.999])
@pytest.mark.parametrize("block", ["W1", "b1", "W2", "b2"])
def test_a_block_wrong_by_a_tenth_of_a_percent_is_rejected(block, factor):
    problem = make_problem(Network([3, 4, 2], "tanh"), seed=21)

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y).grad.copy()
        net.block(block).of(grad)[...] *= factor
        return grad

    with pytest.raises(GradientMismatch, match=rf"block {block[0]}\[{block[1]}\]") as caught:
        check_gradient(*problem, gradient=gradient)
    assert [b.name for b in caught.value.report.blocks if not b.passed] == [block]
    bad = next(b for b in caught.value.report.blocks if b.name == block)
    assert bad.error == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize("position", range(3))
def test_one_entry_wrong_by_a_tenth_of_a_percent_is_found(position):
    problem = make_problem(Network([3, 4, 2], "tanh"), seed=21)

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y).grad.copy()
        largest = np.argmax(np.abs(net.block("W1").of(grad)[:, position]))
        net.block("W1").of(grad)[largest, position] *= 1.001
        return grad

    with pytest.raises(GradientMismatch, match=rf"W\[1\]\[\d, {position}\]"):
        check_gradient(*problem, gradient=gradient)


def with_wrong_slope(xp, factor):
    def value(z):
        return xp.tanh(z)

    def slope(z, a):
        return factor * (1 - a * a)

    return value, slope


@pytest.mark.parametrize("place", ["hidden 1", "hidden 2", "output"])
def test_a_users_wrong_slope_is_refused_and_named(place):
    wrong = Activation("nearly_tanh", with_wrong_slope, {"factor": 1.001})
    hidden = [wrong if place == f"hidden {layer}" else "tanh" for layer in (1, 2)]
    output = wrong if place == "output" else "identity"
    problem = make_problem(Network([3, 4, 4, 2], hidden, output), seed=22)
    layer = {"hidden 1": 1, "hidden 2": 2, "output": 3}[place]
    with pytest.raises(GradientMismatch) as caught:
        check_gradient(*problem)
    message = str(caught.value)
    assert message.startswith(f"layer {layer}, block ")
    named = f"slope of activation 'nearly_tanh(factor=1.001)' (layer {layer})"
    assert named in message
    assert "at z = " in message
    right = Activation("nearly_tanh", with_wrong_slope, {"factor": 1.0})
    hidden = [right if h is wrong else h for h in hidden]
    fixed = problem.net.with_changes(
        activation=hidden, output_activation=right if output is wrong else output
    )
    assert check_gradient(fixed, *problem[1:]).error < 1e-9


def wrong_only_beyond_one(xp):
    def value(z):
        return z * z

    def slope(z, a):
        return xp.where(z > 1, 2.1 * z, 2 * z)

    return value, slope


def test_the_message_says_where_the_slope_differs():
    net = Network([1, 1, 1], Activation("square", wrong_only_beyond_one))
    theta = net.pack(W=[[[1.0]], [[1.0]]], b=[[0.0], [0.0]])
    assert check_gradient(net, theta, [[0.5], [-3.0]], [[0.0], [1.0]]).passed
    with pytest.raises(
        GradientMismatch, match=r"at z = 3 \(row 1, node 0\) it gives 6\.3, "
    ) as got:
        check_gradient(net, theta, [[0.5], [3.0]], [[0.0], [1.0]])
    assert "the difference 6." in str(got.value)


def pinned(xp):
    """A wrong pullback: softmax's without the sum, as if outputs did not mix."""

    def value(z):
        e = xp.exp(z - xp.largest(z))
        return e / xp.total(e)

    def pullback(z, a, up):
        return a * (1 - a) * up

    return value, pullback


def test_a_wrong_pullback_is_refused_and_named():
    net = Network([2, 3], [], Activation("pinned", pinned, elementwise=False), half_loss("pinned"))
    with pytest.raises(GradientMismatch, match="pullback of activation 'pinned'"):
        check_gradient(*make_problem(net, seed=23))


def half_loss(output):
    return Loss("half", LOSSES.get("half_squared_error").formula, outputs=(output,))


def mean_in_the_value(xp):
    """Summed in its derivative, averaged over outputs in its value."""

    def from_output(a, y):
        r = a - y
        return r * r / xp.n_outputs(a), 2 * r

    return from_output


def clipped(xp):
    """A value clipped to look finite, with the derivative of the unclipped one."""

    def from_output(a, y):
        kept = xp.minimum(xp.maximum(a, 0.2), 0.8)
        value = -(y * xp.log(kept) + (1 - y) * xp.log(1 - kept))
        return value, (a - y) / (a * (1 - a))

    return from_output


def without_two(xp):
    def from_output(a, y):
        return (a - y) * (a - y), a - y

    return from_output


@pytest.mark.parametrize("formula", [mean_in_the_value, without_two])
def test_a_loss_whose_derivative_is_not_its_values_is_refused_and_named(formula):
    problem = make_problem(Network([2, 3, 3], "tanh", "identity", Loss("wrong", formula)), seed=24)
    with pytest.raises(GradientMismatch, match="derivative of loss 'wrong'") as caught:
        check_gradient(*problem)
    assert str(caught.value).startswith("layer 2, block ")
    assert "at a = " in str(caught.value)


def test_a_clipped_value_is_refused():
    loss = Loss("clipped", clipped, outputs=("logistic",), targets="unit")
    net = Network([1, 1], [], "logistic", loss)
    X, Y = [[1.0], [-1.0]], [[1.0], [0.0]]
    assert check_gradient(net, net.pack(W=[[[0.5]]]), X, Y).passed  # nothing is clipped yet
    with pytest.raises(GradientMismatch, match="derivative of loss 'clipped'"):
        check_gradient(net, net.pack(W=[[[3.0]]]), X, Y)


def fused_but_wrong(xp):
    def from_input(z, y):
        e = xp.exp(-xp.abs(z))
        return xp.where(z > 0, (1 - y) * z, -y * z) + xp.log1p(e), 1 / (1 + xp.exp(-z)) - 0.999 * y

    return from_input


def test_a_wrong_fused_derivative_is_refused_and_named():
    right = LOSSES.get("log_loss")
    loss = Loss("fused", right.formula, outputs=("logistic",), targets="unit",
                fused=(("logistic", fused_but_wrong),))  # fmt: skip
    problem = make_problem(Network([2, 3, 2], "tanh", "logistic", loss), seed=25)
    with pytest.raises(GradientMismatch, match=r"derivative of loss 'fused' .* at z = "):
        check_gradient(*problem)


# -- faults that are small in the whole gradient --------------------------------------


def test_a_zeroed_block_of_a_deep_network_is_rejected_although_globally_tiny():
    net = Network([4, *[8] * 8, 1], "logistic", "logistic")
    problem = make_problem(net, seed=26, scale=0.5)

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y).grad.copy()
        net.block("W1").of(grad)[...] = 0
        return grad

    full = backprop(*problem).grad
    lost = net.block("W1").of(full)
    assert (
        np.linalg.norm(lost) / np.linalg.norm(full) < 1e-6
    )  # relative to the whole gradient it is negligible
    with pytest.raises(GradientMismatch, match=r"layer 1, block W\[1\]") as caught:
        check_gradient(*problem, gradient=gradient, entries=None)
    assert [b.name for b in caught.value.report.blocks if not b.passed] == ["W1"]
    assert caught.value.report.error == 1.0


def test_a_gradient_that_is_not_a_number_is_rejected():
    problem = make_problem(Network([2, 3, 1], "tanh"), seed=27)

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y).grad.copy()
        grad[1] = np.nan
        return grad

    with pytest.raises(GradientMismatch, match=r"worst entry W\[1\]\[0, 1\]"):
        check_gradient(*problem, gradient=gradient)


def test_a_small_gradient_where_the_truth_is_zero_is_rejected():
    problem = make_problem(Network([2, 3, 1], "tanh"), seed=28)
    problem.X[:, 1] = 0

    def gradient(net, theta, X, Y, w):
        grad = backprop(net, theta, X, Y).grad.copy()
        net.block("W1").of(grad)[:, 1] = 1e-5
        return grad

    with pytest.raises(GradientMismatch, match=r"W\[1\]\[\d, 1\]"):
        check_gradient(*problem, gradient=gradient)


# -- the report ------------------------------------------------------------------------


def test_entries_near_a_kink_are_skipped_and_counted():
    net = Network([1, 2, 1], "relu")
    theta = net.pack(W=[[[1.0], [1.0]], [[1.0, 1.0]]], b=[[0.0, 0.5], [0.0]])
    report = check_gradient(net, theta, [[0.0]], [[1.0]])  # z of node 0 is the kink itself
    blocks = {block.name: block for block in report.blocks}
    assert (blocks["b1"].checked, blocks["b1"].skipped) == (1, 1)
    assert (blocks["W1"].checked, blocks["W1"].skipped) == (2, 0)  # x = 0: z does not move
    assert report.passed
    assert "b1" in str(report)


def test_at_most_so_many_entries_are_drawn():
    problem = make_problem(Network([9, 9, 1], "tanh"), seed=29)
    report = check_gradient(*problem, entries=10)
    assert [block.checked for block in report.blocks] == [10, 9, 9, 1]
    assert check_gradient(*problem, entries=10, seed=1).passed


def test_a_cost_that_is_not_finite_cannot_be_checked():
    net = Network([1, 1], [], "exp", "squared_error")
    with pytest.raises(InputError, match="cost is inf at this theta; expected a finite one"):
        check_gradient(net, net.pack(W=[[[800.0]]]), [[1.0]], [[0.0]])


def test_a_gradient_of_another_length_is_refused():
    problem = make_problem(Network([2, 3, 1], "tanh"), seed=30)
    with pytest.raises(InputError, match=r"theta has shape \(3,\); expected \(13,\)"):
        check_gradient(*problem, gradient=lambda *given: np.zeros(3))


def test_a_check_that_could_compare_nothing_does_not_pass():
    net = Network([1, 1], activation=[], loss="absolute_error")
    theta, X = net.pack(W=[[[1.0]]], b=[[0.0]]), [[1.0], [2.0]]
    wrong = np.array([5.0, 7.0])
    with pytest.raises(InputError, match="no entry of W1, b1 could be compared"):
        check_gradient(net, theta, X, X, gradient=lambda *_: wrong)
    report = check_gradient(net, theta, X, X, gradient=lambda *_: wrong, raises=False)
    assert not report.passed
