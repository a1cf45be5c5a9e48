"""Saturated outputs: the limits are shown, and δ is computed from z with all its digits."""

import numpy as np
import pytest
from tests.explain.trees import walk

from deltarule import Network, explain

LOGISTIC = Network([1, 1], [], "logistic", "log_loss")
SOFTMAX = Network([1, 3], [], "softmax", "cross_entropy", bias=False)


@pytest.mark.parametrize("z", [40.0, 800.0])
@pytest.mark.parametrize(("y", "delta", "sign"), [(0.0, 1.0, 1), (1.0, -1.0, -1)])
def test_a_logistic_output_on_the_wrong_side(z, y, delta, sign):
    z = z if y == 0 else -z
    e = explain(LOGISTIC, [[2.0]], [[y]], theta=[z / 2, 0.0])
    node = e.delta(1, 0, 0)
    assert node.value == pytest.approx(delta, rel=1e-15)
    assert e.weight(1, 0, 0, 0).value == pytest.approx(2 * delta, rel=1e-15)
    if node.kind == "function":  # at z = −40 and y = 1 nothing is lost, and δ is a − y
        assert (z, y) == (-40.0, 1.0)
        return
    assert node.kind == "limit"
    up, slope, fused = node.parts()[0]
    assert np.isinf(up.value)
    assert np.sign(up.value) == sign
    assert slope.value < 1e-16
    assert fused.value == node.value == fused.recombined()
    assert f"(→ {'−' if sign < 0 else ''}∞) · (→ 0)" in node.text()
    assert "δ is taken from z" in node.text()


def test_a_weight_at_a_limit_is_delta_times_its_input():
    e = explain(LOGISTIC, [[2.0]], [[0.0]], theta=[400.0, 0.0])
    node = e.weight(1, 0, 0, 0)
    assert node.part_values.tolist() == [1.0, 2.0]
    assert node.recombined() == node.value == 2.0


def test_digits_that_a_has_lost_are_taken_from_z():
    """At z = 37 and y = 0.5 σ(z) is 1 in float64, so the product of the factors is wrong."""
    e = explain(LOGISTIC, [[1.0]], [[0.3]], theta=[37.0, 0.0])
    node = e.delta(1, 0, 0)
    assert node.kind == "limit"
    assert node.value == pytest.approx(0.7, rel=1e-15)


def test_what_has_its_digits_is_a_minus_y_and_by_the_chain_rule_the_product():
    for z in (-30.0, -3.0, 0.0, 3.0):
        e = explain(LOGISTIC, [[1.0]], [[1.0]], theta=[z, 0.0])
        node = e.delta(1, 0, 0)
        assert node.text().startswith("∂C₀/∂z₀⁽¹⁾ = a₀⁽¹⁾ − y₀ = ")
        a, y, chain = node.parts()[0]
        assert a.value - y.value == pytest.approx(node.value, rel=1e-12)
        assert chain.kind == "product"
        assert chain.recombined() == pytest.approx(node.value, rel=1e-9)


@pytest.mark.parametrize("j", [0, 1, 2])
def test_a_softmax_that_is_certain_and_wrong(j):
    e = explain(SOFTMAX, [[1.0]], [2], theta=[800.0, 0.0, -30.0])
    node = e.delta(1, j, 0)
    expected = [1.0, 0.0, -1.0][j]
    assert node.value == pytest.approx(expected, abs=1e-300)
    assert node.kind == "limit"
    assert node.parts()[0][-1].recombined() == node.value
    text = node.text(depth=3)
    assert "(→ −∞) · (→ 0)" in text
    assert f"δ{'₀₁₂'[j]}⁽¹⁾ = a{'₀₁₂'[j]}⁽¹⁾ − y{'₀₁₂'[j]}" in text


def test_a_softmax_that_is_all_but_certain_and_right():
    e = explain(SOFTMAX, [[1.0]], [0], theta=[40.0, 0.0, 0.0])
    node = e.delta(1, 0, 0)
    assert node.kind == "limit"
    assert node.value == pytest.approx(-2 * np.exp(-40.0), rel=1e-14)
    assert "lost their digits" in node.note


def test_softmax_has_its_whole_jacobian():
    e = explain(SOFTMAX, [[1.0]], [[0.2, 0.5, 0.3]], theta=[0.3, -0.2, 0.1])
    short = e.delta(1, 1, 0)
    node = short.part(2)
    a, y = e.subject.per_sample.G[1][0], e.subject.Y[0]
    terms = [-y[i] / a[i] * a[i] * ((i == 1) - a[1]) for i in range(3)]
    assert node.part_values.tolist() == pytest.approx(terms, rel=1e-14)
    assert node.value == pytest.approx(a[1] - y[1], rel=1e-14)
    assert "a₁⁽¹⁾ · (1 − a₁⁽¹⁾)" in node.text(depth=2)
    assert node.value == short.value
    assert short.text(depth=0) == f"∂C₀/∂z₁⁽¹⁾ = a₁⁽¹⁾ − y₁ = {a[1]:.6f} − 0.500000 = {text(short)}"


def text(node):
    return f"{node.value:.6f}".replace("-", "−")


@pytest.mark.parametrize("z", [20.0, 37.0, -3.0, 0.0])
def test_the_slope_is_a_times_1_minus_a_and_says_where_that_loses_digits(z):
    e = explain(LOGISTIC, [[1.0]], [[1.0]], theta=[z, 0.0])
    node = e.weight(1, 0, 0, 0).part(1) if z < 30 else e.delta(1, 0, 0).part(1)
    assert node.text(depth=0).replace("\n", " ").split("= ")[1].strip() == "a₀⁽¹⁾ (1 − a₀⁽¹⁾)"
    a = e.subject.per_sample.G[1][0, 0]
    lost = abs(a * (1 - a) - node.value) > 1e-9 * node.value
    assert ("digits are lost" in node.note) == lost == (z > 0)
    assert ("(1 − " + f"{a:.6f}" in node.text(depth=0)) == (not lost)
    assert "computed as e^(−|z₀⁽¹⁾|)/(1 + e^(−|z₀⁽¹⁾|))^2" in node.text(depth=1)
    assert node.value == pytest.approx(np.exp(-abs(z)) / (1 + np.exp(-abs(z))) ** 2, rel=1e-14)
    if z == 37.0:
        assert "this form gives 0" in node.note


def test_no_fold_where_the_computed_form_is_the_textbooks():
    e = explain(LOGISTIC, [[1.0]], [[1.0]], theta=[3.0, 0.0])
    assert e.output(0, 0).computed() is None
    below = explain(LOGISTIC, [[1.0]], [[1.0]], theta=[-3.0, 0.0])
    assert "computed as e^(z₀⁽¹⁾)/(1 + e^(z₀⁽¹⁾))" in below.output(0, 0).text()
    assert "<summary>computed as</summary>" in below.output(0, 0)._repr_html_()
    assert "computed as $" in below.output(0, 0).latex()
    assert below.output(0, 0).to_dict()["computed"] == "e^(z₀⁽¹⁾)/(1 + e^(z₀⁽¹⁾))"


def test_a_loss_is_taken_from_z_where_a_has_none_left():
    e = explain(LOGISTIC, [[1.0]], [[0.0]], theta=[800.0, 0.0])
    assert e.cost(0).value == 800.0
    assert e.cost(0).part(0).recombined() == 800.0


def test_infinite_numbers_are_printed_and_stored():
    import json

    e = explain(LOGISTIC, [[1.0]], [[1.0]], theta=[-800.0, 0.0])
    node = e.activation(1, 0, 0)
    assert node.value == -np.inf
    assert "−∞" in node.text()
    stored = json.loads(json.dumps(node.to_dict(), allow_nan=False))
    assert stored["value"] == "-Infinity"
    assert float(stored["value"]) == -np.inf
    assert [n.value for n in walk(node, 1)][1] == 0.0
