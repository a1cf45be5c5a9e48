"""Published examples and the article's fixture, number by number."""

import json
from pathlib import Path

import numpy as np
import pytest

from deltarule.maths import Network, backprop, cost

CASES = json.loads(
    (Path(__file__).parents[1] / "data" / "worked_examples.json").read_text(encoding="utf-8")
)
NAMES = [name for name in CASES if name != "_"]

# MATHS.md's fixture, computed there with 40 digits.
A1_SAMPLE_0 = [0.512497396484210344, 0.456361312762921136, 0.487502603515789656]
A2_SAMPLE_0 = [0.535101456800445770, 0.479222178894984500, 0.498750262954112270]
C_0, C_1, C = 0.557544669867530722, 0.502361691553800822, 0.529953180710665772


def network(case, **changes):
    arguments = {
        "activation": case["activation"],
        "output_activation": case["output_activation"],
        "loss": case["loss"],
        "bias": case["bias"],
    }
    return Network(case["widths"], **(arguments | changes))


def start(case, net):
    return net.pack(case["W"], case.get("b"))


@pytest.mark.parametrize("name", NAMES)
def test_a_published_example(name):
    case = CASES[name]
    net = network(case)
    trace = backprop(net, start(case, net), case["X"], case["Y"])
    compared = 0
    for key, value in (
        ("cost", trace.cost),
        ("loss_per_sample", trace.loss),
        ("A1", trace.A[1]),
        ("A2", trace.A[2]),
        ("delta1", trace.delta[1]),
        ("delta2", trace.delta[2]),
        ("minus_delta1", -trace.delta[1]),
        ("minus_delta2", -trace.delta[2]),
    ):
        if key in case:
            np.testing.assert_allclose(value, case[key], rtol=0, atol=1e-9, err_msg=key)
            compared += 1
    for key in ("dW", "mean_dW"):
        for layer, expected in enumerate(case.get(key, []), start=1):
            np.testing.assert_allclose(trace.dW[layer], expected, rtol=0, atol=1e-9)
            compared += 1
    assert compared >= 2


@pytest.mark.parametrize("name", NAMES)
def test_one_step_of_a_published_example(name):
    case = CASES[name]
    net = network(case)
    theta = start(case, net)
    trace = backprop(net, theta, case["X"], case["Y"])
    step = case["step"]
    grad = trace.grad
    if step.get("biases_updated") is False:
        grad = np.where(net.is_weight, grad, 0)
    after = theta - step["learning_rate"] * grad
    W, b = net.unpack(after)
    compared = 0
    for layer, expected in enumerate(step.get("W", []), start=1):
        np.testing.assert_allclose(W[layer], expected, rtol=0, atol=1e-9)
        compared += 1
    for layer, expected in enumerate(step.get("b", []), start=1):
        np.testing.assert_allclose(b[layer], expected, rtol=0, atol=1e-9)
        compared += 1
    if "cost_after" in step:
        assert cost(net, after, case["X"], case["Y"]) == pytest.approx(step["cost_after"], abs=1e-9)
        compared += 1
    assert compared >= 1


def test_mazur_after_ten_thousand_steps_with_biases_held():
    case = CASES["mazur_2_2_2"]
    net = network(case)
    theta = start(case, net)
    for _ in range(10_000):
        grad = backprop(net, theta, case["X"], case["Y"]).grad
        theta = theta - 0.5 * np.where(net.is_weight, grad, 0)
    assert cost(net, theta, case["X"], case["Y"]) == pytest.approx(
        case["steps_10000_cost"], abs=5e-12
    )


# -- the article's fixture, to 1e-12 ------------------------------------------------------


def fixture():
    case = CASES["article_fixture"]
    net = network(case)
    return net, start(case, net), np.array(case["X"]), np.array(case["Y"])


def test_the_fixture_s_weights_follow_their_rule():
    net, theta, _, _ = fixture()
    W, _ = net.unpack(theta)
    for layer in (1, 2):
        j, k = np.indices((3, 3))
        expected = (((3 * j + 2 * k + layer) % 7) - 3) / 10
        np.testing.assert_allclose(W[layer], expected, rtol=1e-15)


def test_the_fixture_forward():
    net, theta, X, Y = fixture()
    trace = backprop(net, theta, X, Y)
    np.testing.assert_allclose(trace.A[1][0], A1_SAMPLE_0, rtol=1e-12)
    np.testing.assert_allclose(trace.A[2][0], A2_SAMPLE_0, rtol=1e-12)
    np.testing.assert_allclose(trace.loss, [C_0, C_1], rtol=1e-12)
    assert trace.cost == pytest.approx(C, rel=1e-12)


def test_the_fixture_gradients():
    net, theta, X, Y = fixture()
    first = backprop(net, theta, X[:1], Y[:1])
    assert first.dW[2][1, 2] == pytest.approx(-0.12672106229613669299, rel=1e-12)
    assert first.dW[1][2, 2] == pytest.approx(0.01981359913162573532, rel=1e-12)
    both = backprop(net, theta, X, Y, per_sample=True)
    assert both.dW[2][1, 2] == pytest.approx(0.00556219982631026011, rel=1e-12)
    assert both.dW[1][2, 2] == pytest.approx(0.00785766255875716548, rel=1e-12)
    assert both.per_sample.dW[2][0, 1, 2] == pytest.approx(-0.12672106229613669299, rel=1e-12)


def test_the_fixture_after_one_step():
    net, theta, X, Y = fixture()
    after = theta - 0.5 * backprop(net, theta, X, Y).grad
    W, _ = net.unpack(after)
    assert W[2][1, 2] == pytest.approx(-0.102781099913155130, rel=1e-12)
    assert W[1][2, 2] == pytest.approx(0.096071168720621417, rel=1e-12)
    assert cost(net, after, X, Y) == pytest.approx(0.527813485437407985, rel=1e-12)
