"""Over the registries: every derivation equals its parts combined, and the root the trace."""

import numpy as np
import pytest
from tests.explain.trees import faults, per_sample
from tests.maths.conftest import make_problem

from deltarule import ACTIVATIONS, LOSSES, Network, check_gradient, explain
from deltarule.explain import Remainder

PAIRS = [(loss, g) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]
HIDDEN = [g for g in ACTIVATIONS if g.elementwise]
WEIGHTS = {"none": None, "unequal": [1.0, 2.5, 0.5], "one absent": [1.0, 0.0, 3.0]}


def levelled(loss):
    return loss.with_parameters(levels=(0.1, 0.9)) if "levels" in loss.settings else loss


def problem(hidden, loss, g, bias):
    return make_problem(Network([2, 2, 2], hidden, g, levelled(loss), bias=bias), n_rows=3)


def everything(e):
    """One derivation of each kind with the trace's number for it."""
    net, trace, each = e.subject.net, e.trace, per_sample(e)
    yield e.weight(1, 0, 1), trace.dW[1][0, 1]
    yield e.weight(2, 1, 0), trace.dW[2][1, 0]
    if net.bias:
        yield e.bias(1, 1), trace.db[1][1]
        yield e.bias(2, 0), trace.db[2][0]
    yield e.cost(), trace.cost
    yield e.input(1, 2), each.dX[2, 1]
    yield e.delta(1, 0, 2), each.delta[1][2, 0]
    yield e.delta(2, 1, 0), each.delta[2][0, 1]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("loss", "g"), PAIRS, ids=[f"{p[0].name}-{p[1].name}" for p in PAIRS])
def test_every_loss_and_output(loss, g, bias, weights):
    p = problem("tanh", loss, g, bias)
    e = explain(p.net, p.X, p.Y, theta=p.theta, sample_weight=WEIGHTS[weights])
    seen = set()
    for node, expected in everything(e):
        assert faults(node, seen=seen) == []
        assert node.value == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("pair", ["squared_error-identity", "log_loss-logistic",
                                  "cross_entropy-softmax"])  # fmt: skip
@pytest.mark.parametrize("hidden", HIDDEN, ids=[g.name for g in HIDDEN])
def test_every_hidden_activation(hidden, pair):
    loss, g = pair.split("-")
    p = problem(hidden, LOSSES.get(loss), ACTIVATIONS.get(g), True)
    e = explain(p.net, p.X, p.Y, theta=p.theta, sample_weight=[1.0, 2.0, 0.5])
    seen = set()
    for node, expected in everything(e):
        assert faults(node, seen=seen) == []
        assert node.value == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("loss", "g"), PAIRS, ids=[f"{p[0].name}-{p[1].name}" for p in PAIRS])
def test_every_formula_is_shown(loss, g):
    """Text, LaTeX and HTML of every formula in the registries can be printed."""
    p = problem("gelu", loss, g, True)
    e = explain(p.net, p.X, p.Y, theta=p.theta)
    for node, _ in everything(e):
        text = node.text(depth=6, terms=2)
        assert "None" not in text
        assert max(map(len, text.splitlines())) < 300
        assert node.latex(depth=3, standalone=False)
        assert node._repr_html_()


def test_a_deep_network_to_the_last_leaf():
    net = Network([2, 2, 3, 2, 1], "tanh", "logistic", "log_loss")
    p = make_problem(net, n_rows=2)
    e = explain(net, p.X, p.Y, theta=p.theta)
    node = e.weight(1, 0, 0, 1)
    assert faults(node) == []
    # a feeds three nodes, these feed two, and these one: F13 nested three times.
    assert node.part(0).part(2).part(0).part(1).part(0).law == "F13"


def test_dropout_is_one_more_factor():
    net = Network([2, 3, 2, 1], "tanh")
    p = make_problem(net, n_rows=2)
    masks = [None, np.array([[2.0, 0.0, 2.0], [0.0, 2.0, 2.0]]), np.array([[4.0, 0.0], [4.0, 4.0]])]
    e = explain(net, p.X, p.Y, theta=p.theta, masks=[*masks, None])
    for j in range(3):
        node = e.weight(1, j, 0)
        assert faults(node) == []
        assert node.value == pytest.approx(e.trace.dW[1][j, 0], rel=1e-12, abs=1e-16)
    factors = e.weight(1, 0, 0, 0)
    assert [part.mark.key for part in factors.parts()[0]][1] == "m^1_{0}"
    assert factors.part_values[1] == 2.0
    assert e.check(raises=True).passed


def test_the_trees_agree_with_finite_differences():
    p = problem("silu", LOSSES.get("cross_entropy"), ACTIVATIONS.get("softmax"), True)
    s = [1.0, 2.0, 0.5]
    e = explain(p.net, p.X, p.Y, theta=p.theta, sample_weight=s)

    def from_trees(net, theta, X, Y, w):
        grad = np.zeros(net.n_parameters)
        for block in net.blocks:
            kind = e.weight if block.kind == "W" else e.bias
            for entry in range(block.stop - block.start):
                node = kind(block.layer, *block.position(entry))
                grad[block.start + entry] = node.recombined()
        return grad

    assert check_gradient(p.net, p.theta, p.X, p.Y, s, gradient=from_trees).passed


def test_the_check_of_an_explanation_is_the_check_of_its_network():
    loss = levelled(LOSSES.get("quantile"))
    p = make_problem(Network([2, 3, 2], "tanh", "identity", loss), n_rows=4)
    e = explain(p.net, p.X, p.Y, theta=p.theta, sample_weight=[1.0, 2.0, 0.0, 1.0])
    assert e.check(entries=None).passed


def test_sums_that_are_cut_stay_exact():
    net = Network([60, 50, 40, 3], "tanh", "softmax", "cross_entropy")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 60)), rng.integers(0, 3, 30)
    e = explain(net, X, Y, theta=net.initial(0))
    for node in (e.weight(1, 2, 3, 0).part(0), e.weight(1, 2, 3), e.cost()):
        parts, left = node.parts(terms=5)
        assert len(parts) == 5
        assert left.count == node.n_parts - 5
        shown = sum(part.value for part in parts)
        scale = np.abs(node.part_values).sum()
        assert abs(shown + left.value - node.value) <= 1e-13 * scale
        # The largest terms are shown in their order; the remainder is the sum of the others.
        kept = node.shown(5)
        assert kept == sorted(kept)
        out = np.delete(node.part_values, kept)
        assert np.abs(out).max() <= np.abs(node.part_values[kept]).min()
        assert left.value == pytest.approx(out.sum(), abs=1e-14 * scale)
        assert f"… {left.count} further terms, together" in node.text(terms=5, depth=1)


def test_one_term_alone_is_not_left_out():
    net = Network([6, 1], [], bias=False)
    e = explain(net, [[1.0] * 6], [[0.0]], theta=np.arange(6.0))
    z = e.output(0, 0).part(0)
    parts, left = z.parts(terms=5)
    assert (len(parts), left) == (6, None)
    parts, left = z.parts(terms=4)
    assert (len(parts), left.count, left.zeros) == (4, 1, 1)


def test_terms_that_are_exactly_0_are_one_line():
    net = Network([6, 1], [], bias=False)
    e = explain(net, [[1.0, 0.0, 0.0, 2.0, 0.0, 3.0]], [[0.0]], theta=[1.0] * 6)
    z = e.output(0, 0).part(0)
    parts, left = z.parts(terms=8)
    assert ([part.value for part in parts], left) == ([1.0, 2.0, 3.0], Remainder(0, 0.0, 3))
    assert z.text(depth=1).endswith("└─ … 3 terms that are exactly 0")
    assert "= 1.000000 + 2.000000 + 3.000000 = 6.000000" in z.text(depth=0)
    assert "3 terms that are exactly 0" in z.latex()
    assert "3 terms that are exactly 0" in z._repr_html_()
    none = explain(net, [[0.0] * 6], [[0.0]], theta=[1.0] * 6).output(0, 0).part(0)
    assert none.text(depth=1).splitlines()[1:] == ["└─ … 6 terms that are exactly 0"]


def test_a_text_is_at_most_a_screen_and_says_how_to_see_more():
    net = Network([30, 40, 20], "tanh", "softmax", "cross_entropy")
    rng = np.random.default_rng(2)
    e = explain(net, rng.normal(size=(3, 30)), [1, 2, 3], theta=net.initial(1))
    for node in (e.output(7, 0), e.weight(1, 3, 2), e.delta(1, 0, 0), e.cost(), e.input(4, 1)):
        lines = node.text().splitlines()
        assert len(lines) <= 41
        whole = node.text(depth=2)
        if len(whole.splitlines()) > 40:
            assert lines[-1].startswith("more: depth=")
            assert len(node.text(depth=int(lines[-1][-1])).splitlines()) > len(lines)
        else:
            assert "\n".join(lines) == whole
    shown = e.output(7, 0).text()
    assert shown.count("z₇⁽²⁾ = ") == 1
    assert "w₇," in shown.split("z₇⁽²⁾ = ")[1]  # only its own z is taken apart
    assert shown.count(" · a") == 8 + 8  # its terms without the bias; the formula of each z


def test_a_large_network_is_not_walked(monkeypatch):
    from deltarule.explain import Derivation

    net = Network([256, 256, 256, 10], "relu", "softmax", "cross_entropy")
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(40, 256)), rng.integers(0, 10, 40)
    e = explain(net, X, Y, theta=net.initial(0), rule="adam", learning_rate=1e-3)
    made = 0
    initialise = Derivation.__init__

    def counting(self, *args, **options):
        nonlocal made
        made += 1
        initialise(self, *args, **options)

    monkeypatch.setattr(Derivation, "__init__", counting)
    for node in (e.weight(1, 3, 4, 0), e.weight(1, 3, 4), e.update_weight(1, 3, 4)):
        made = 0
        text = node.text()
        assert made < 150
        assert len(text.splitlines()) < 80
    made = 0
    e.text()
    assert made < 300
