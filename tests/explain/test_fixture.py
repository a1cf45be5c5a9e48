"""The article's network: its derivations have the numbers of docs/mathematics."""

import json
from pathlib import Path

import pytest
from tests.explain.trees import walk

from deltarule import Network, explain
from deltarule.errors import InputError

DATA = json.loads((Path(__file__).parents[1] / "data" / "worked_examples.json").read_text())
FIXTURE = DATA["article_fixture"]


@pytest.fixture(scope="module")
def fixture():
    net = Network(FIXTURE["widths"], "logistic", "logistic", "squared_error", bias=False)
    rate = FIXTURE["step"]["learning_rate"]
    return explain(
        net,
        FIXTURE["X"],
        FIXTURE["Y"],
        theta=net.pack(FIXTURE["W"]),
        rule="sgd",
        learning_rate=rate,
    )


def test_a_weight_of_the_output_has_three_factors_and_their_product(fixture):
    node = fixture.weight(2, 1, 2, sample=0)
    assert node.value == pytest.approx(-0.12672106229613669299, rel=1e-14)
    a1, a2, y = 0.487502603515789656, 0.479222178894984500, 1.0
    factors = [2 * (a2 - y), a2 * (1 - a2), a1]  # F7, F8, F9
    assert node.part_values.tolist() == pytest.approx(factors, rel=1e-14)
    assert [part.law for part in node.parts()[0]] == ["F7", "F8", "F9"]
    assert node.law == "F6"


def test_the_text_of_that_weight_shows_them(fixture):
    text = fixture.weight(2, 1, 2, 0).text(depth=1)
    for shown in (
        "∂C₀/∂w₁₂⁽²⁾ = ∂C₀/∂a₁⁽²⁾ · ∂a₁⁽²⁾/∂z₁⁽²⁾ · ∂z₁⁽²⁾/∂w₁₂⁽²⁾",
        "−1.041556 · 0.249568 · 0.487503",
        "−0.126721",
        "2 (a₁⁽²⁾ − y₁) = 2 (0.479222 − 1.000000) = −1.041556  (F7)",
        "∂z₁⁽²⁾/∂w₁₂⁽²⁾ = a₂⁽¹⁾ = 0.487503  (F9)",
    ):
        assert shown in text


def test_a_hidden_weight_sums_over_every_node_of_the_next_layer(fixture):
    node = fixture.weight(1, 2, 2, sample=0)
    assert node.value == pytest.approx(0.01981359913162573532, rel=1e-13)
    through = node.part(0)
    assert (through.law, through.kind, through.n_parts) == ("F13", "sum", 3)
    # Each term has F6's first two factors and the weight, and expands to the output.
    for j in range(3):
        term = through.part(j)
        assert [part.law for part in term.parts()[0]] == ["F7", "F8", "F14"]
        assert term.part_values[2] == FIXTURE["W"][1][j][2]


@pytest.mark.parametrize("layer", [1, 2])
def test_every_mean_is_the_fixtures(fixture, layer):
    for j, row in enumerate(FIXTURE["mean_dW"][layer - 1]):
        for k, expected in enumerate(row):
            node = fixture.weight(layer, j, k)
            assert node.value == pytest.approx(expected, abs=5e-16)
            assert node.recombined() == pytest.approx(expected, abs=5e-16)


def test_costs(fixture):
    assert fixture.cost().value == pytest.approx(FIXTURE["cost"], rel=1e-14)
    for i, expected in enumerate(FIXTURE["loss_per_sample"]):
        assert fixture.cost(i).value == pytest.approx(expected, rel=1e-14)


def test_the_update_is_u(fixture):
    node = fixture.update("W2", (1, 2))
    assert node.law == "U"
    assert node.value == pytest.approx(-0.102781099913155130, rel=1e-14)
    assert fixture.update_weight(1, 2, 2).value == pytest.approx(0.096071168720621417, rel=1e-14)
    text = node.text(depth=1)
    assert "−0.100000 − 0.500000 · 0.005562 = −0.102781" in text
    assert "η = 0.500000" in text


def test_the_updated_network_has_the_fixtures_cost(fixture):
    net, theta = fixture.subject.net, fixture.subject.theta.copy()
    for block in net.blocks:
        for index in range(block.stop - block.start):
            node = fixture.update(block.name, block.position(index))
            theta[block.start + index] = node.value
    after = explain(net, FIXTURE["X"], FIXTURE["Y"], theta=theta)
    assert after.cost().value == pytest.approx(FIXTURE["step"]["cost_after"], rel=1e-13)


def test_other_textbooks():
    example = DATA["hagan_1_2_1"]
    net = Network(example["widths"], "logistic", "identity", "squared_error")
    theta = net.pack(example["W"], example["b"])
    e = explain(net, example["X"], example["Y"], theta=theta, rule="sgd", learning_rate=0.1)
    for layer in (1, 2):
        for j, expected in enumerate(example[f"delta{layer}"][0]):
            assert e.delta(layer, j, 0).value == pytest.approx(expected, rel=1e-8)
        for j, expected in enumerate(example["step"]["b"][layer - 1]):
            assert e.update_bias(layer, j).value == pytest.approx(expected, rel=1e-9)


def test_a_bias_has_the_factor_one():
    net = Network([2, 2, 1], "tanh")
    e = explain(net, [[0.5, 1.0]], [[0.0]], theta=net.initial(3))
    node = e.bias(1, 1, 0)
    assert node.part_values[-1] == 1.0
    assert node.value == e.trace.db[1][1]


def test_an_input_says_what_would_lower_the_loss(fixture):
    node = fixture.input(0, sample=0)
    direction = "raising" if node.value < 0 else "lowering"
    assert f"{direction} x₀ would lower the loss" in node.note
    assert node.value * 0.5 == pytest.approx(fixture.trace.dX[0, 0], rel=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.weight(0, 0, 0), "layer is 0; expected 1 to 2"),
        (lambda e: e.weight(3, 0, 0), "layer is 3; expected 1 to 2"),
        (lambda e: e.weight(1.0, 0, 0), "layer is 1.0"),
        (lambda e: e.weight(1, 3, 0), "j is 3; expected the number of a node of layer 1"),
        (lambda e: e.weight(1, -1, 0), "j is -1"),
        (lambda e: e.weight(1, 0, 3), "k is 3; expected the number of a node of layer 0"),
        (lambda e: e.weight(1, 0, 0, sample=2), "sample is 2; expected the number of a row"),
        (lambda e: e.weight(1, 0, 0, sample=True), "sample is True"),
        (lambda e: e.weight(1, 0, 0, sample="0"), "sample is '0'"),
        (lambda e: e.bias(1, 0), "bias=False"),
        (lambda e: e.update_bias(1, 0), "bias=False"),
        (lambda e: e.activation(4, 0, 0), "layer is 4; expected 0 to 2"),
        (lambda e: e.input(3, 0), "j is 3"),
        (lambda e: e.update("W3", (0, 0)), "no block 'W3'"),
        (lambda e: e.update("W1", (0, 3)), "entry \\(0, 3\\) of W1"),
        (lambda e: e.update("W1", 0), "entry 0 of W1; expected 2 whole numbers"),
        (lambda e: e.column("age", 0), "the inputs do not come from a table"),
        (lambda e: e.weight(1, 0, 0).text(depth=-1), "depth is -1"),
        (lambda e: e.weight(1, 0, 0).text(terms=0), "terms is 0"),
        (lambda e: e.weight(1, 0, 0).latex(digits=0), "digits is 0"),
        (lambda e: e.weight(1, 0, 0).part(2), "there is no part 2"),
    ],
)
def test_what_is_not_there_is_one_clear_error(fixture, call, message):
    with pytest.raises(InputError, match=message):
        call(fixture)


def test_without_a_rule_there_is_no_update():
    net = Network([1, 1])
    with pytest.raises(InputError, match="no step is known"):
        explain(net, [[1.0]], [[1.0]], theta=[1.0, 0.0]).update("W1", (0, 0))


def test_nothing_is_computed_before_it_is_looked_at(fixture, monkeypatch):
    node = fixture.weight(1, 2, 2, 0)

    def refuse(*_):
        raise AssertionError("a part was made")

    monkeypatch.setattr(node, "_make", refuse)
    node.text(depth=0)
    node.to_dict(depth=0)


def test_the_trees_of_the_fixture_end_at_what_is_given(fixture):
    leaves = {n.mark.key for n in walk(fixture.weight(1, 2, 2, 0)) if n.n_parts == 0}
    assert {"w^2_{0,2}", "w^1_{0,1}", "a^0_{1}", "y_{2}"} <= leaves
    assert all(key.startswith(("w^", "a^0", "y_")) for key in leaves)
