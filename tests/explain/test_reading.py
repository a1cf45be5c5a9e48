"""The wording of derivations: no repetition, squares as squares, names unchanged."""

import html

import numpy as np
import pytest

from deltarule import LOSSES, Activation, Network, explain, lens
from deltarule.explain import attribute
from deltarule.explain.explanation import Explanation
from deltarule.explain.subject import Names, Subject
from deltarule.maths import symbolic_activation
from deltarule.maths.printing.boxes import Fraction, Terms, Words
from deltarule.maths.printing.layout import layout
from deltarule.maths.printing.markup import box_mathml, box_text
from deltarule.maths.symbolic import SymbolicNamespace


def explained(activation="relu", widths=(2, 3, 2), **options):
    net = Network(list(widths), activation=activation)
    X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])[:, : widths[0]]
    Y = np.ones((3, widths[-1]))
    return explain(net, X, Y, theta=net.initial(4), **options)


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        ("logistic", "e^(-|z|)/(1 + e^(-|z|))^2"),
        ("tanh", "(4 e^(-2 |z|))/(1 + e^(-2 |z|))^2"),
    ],
)
def test_a_square_that_was_multiplied_out_is_a_square(activation, slope):
    assert symbolic_activation(activation).slope.text() == slope


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        (lambda x: 4 + x * (4 + x), "(2 + x)^2"),
        (lambda x: 1 + (2 + x) * x, "(1 + x)^2"),
        (lambda x: 1 + x * (3 + x), "1 + x (3 + x)"),
        (lambda x: 4 + x * (2 + x), "4 + x (2 + x)"),
        (lambda x: -1 + x * (2 + x), None),
        (lambda x: 0.25 + x * (1 + x), "0.25 + x (1 + x)"),
    ],
)
def test_only_a_square_is_shown_as_one(formula, shown):
    text = box_text(layout(formula(SymbolicNamespace().variable("x"))))
    assert "^2" not in text if shown is None else text == shown


def test_a_constant_is_shown_once():
    e = explained("relu")
    slopes = {e.delta(1, j, i).part(1).text(depth=0) for j in range(3) for i in range(3)}
    assert {line.split("  ")[0].split(" = ", 1)[1] for line in slopes} == {"0", "1"}
    assert any("= 1$" in e.delta(1, j, i).part(1).latex() for j in range(3) for i in range(3))
    linear = Network([1, 1, 1], "selu")
    scaled = explain(linear, [[1.0]], [[0.0]], theta=[1.0, 0.0, 1.0, 0.0]).delta(1, 0, 0).part(1)
    assert scaled.text(depth=0) == "∂a₀⁽¹⁾/∂z₀⁽¹⁾ = 1.050701  (F8; z₀⁽¹⁾ > 0)"


def test_a_hyphen_in_a_name_is_no_minus_sign():
    box = Terms((("", Words("a-b * c")), ("-", Words("d"))))
    assert box_text(box) == "a-b * c − d"
    assert 'alttext="a-b * c - d"' in box_mathml(box)
    assert box_text(Fraction(Words("std"), Words("std of x"))) == "std/(std of x)"


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_node_by_the_forward_pass(layer):
    e = explained("tanh")
    for j in range(e.subject.net.widths[layer]):
        for sample in range(3):
            node = e.node(layer, j, sample)
            assert node.value == e.trace.A[layer][sample, j]
            assert node.mark.key == f"a^{layer}_{{{j}}}"
            assert layer == 0 or node.part(0).mark.key == f"z^{layer}_{{{j}}}"
    assert e.node(2, 1, 0).text() == e.output(1, 0).text()


def test_wide_layers_have_a_comma_in_the_sum_too():
    assert "Σ_k w₃,ₖ⁽¹⁾ · xₖ" in explained(widths=(2, 12, 2)).node(1, 3, 0).text()
    assert "Σ_k w₂ₖ⁽¹⁾ · xₖ" in explained().node(1, 2, 0).text()


def test_the_overview_says_where_to_go_next():
    with_step = explained(rule="adam", learning_rate=0.1)
    *_, last = with_step.text().split("\n\n")
    assert last.startswith("next: e.weight(1, ")
    calls = last.removeprefix("next: ").replace("\n", " ").split(" · ")
    for call in calls[:-1]:
        assert eval(call, {"e": with_step}).value is not None
    assert "update" not in explained().text()
    assert max(map(len, with_step.text().splitlines())) <= 100


def test_powers_of_ten_and_inputs_in_a_note():
    node = explained().input(0, 1)
    node.note = "50% by 5.55897 × 10^−6; raising x₀ would lower the loss"
    shown = node.latex(depth=0, standalone=False)
    assert r"50\% by 5.55897$\times 10^{-6}$; raising $x_{0}$ would" in shown
    assert "× 10<sup>−6</sup>; raising" in node._repr_html_()


def test_arguments_of_a_rule_are_all_shown():
    e = explained(rule="adam", learning_rate=0.1)
    text = e.update_weight(1, 0, 1).text(depth=1, terms=1)
    assert "further" not in text
    assert {"η", "m̂", "v̂"} <= {line.split(" ")[1] for line in text.splitlines() if "─" in line}


def test_the_derivative_of_z_by_a_bias_is_1():
    node = explained().bias(1, 0, 0)
    assert node.part(node.n_parts - 1).text() == "∂z₀⁽¹⁾/∂b₀⁽¹⁾ = 1"


def test_an_explanation_can_be_looked_at_further():
    e = explained("tanh", rule="adam", learning_rate=0.1)
    assert lens(e).measured.cost == pytest.approx(e.trace.cost, rel=1e-14)
    assert str(lens(e)) == lens(e).text()
    found = attribute(e, rows=[1])
    assert str(found) == found.text()
    assert "-" not in "".join(found.text().splitlines()[2:])
    assert explain(e).subject is e.subject


def test_the_overview_says_whether_the_rule_starts_here():
    assert "a first step of adam" in explained(rule="adam", learning_rate=0.1).text()
    assert "step 1 of sgd" in explained(rule="sgd", learning_rate=0.1).text()
    slots = {"m": np.zeros(17), "v": np.ones(17)}
    going = explained(rule="adam", learning_rate=0.1, number=4, slots=slots)
    assert "step 4 of adam" in going.text()


def test_advice_fits_the_page():
    e = explained("relu", widths=(2, 9, 2))
    text = lens(e).text()
    assert max(map(len, text.splitlines())) <= 120


def test_a_condition_that_another_one_contains_is_not_said():
    net = Network([1, 2], [], loss=LOSSES.get("quantile", levels=[0.1, 0.9]))
    e = explain(net, [[2.0]], [[1.0]], theta=[0.5, -0.5, 0.0, 0.25])
    below = e.activation(1, 1, 0)
    assert below.text(depth=0) == "∂C₀/∂a₁⁽¹⁾ = −0.900000  (a₁⁽¹⁾ − y₁ < 0)"
    over = explain(net, [[2.0]], [[0.5]], theta=[0.5, -0.5, 0.0, 0.25]).cost(0).part(0)
    assert over.text(depth=0).startswith("C₀,₀ = (1 − 0.1) (a₀⁽¹⁾ − y₀) = (1 − 0.1) (1.0")


def test_a_formula_that_cannot_be_written_down_says_so():
    def formula(xp):
        return np.tanh, lambda z, a: 1 - a * a

    net = Network([1, 1, 1], activation=Activation("its_own", formula))
    e = explain(net, [[2.0]], [[1.0]], theta=[0.5, 0.0, 0.5, 0.0])
    assert e.node(1, 0, 0).value == np.tanh(1.0)
    assert "cannot be written down" in e.node(1, 0, 0).text()
    assert "cannot be written down" not in e.node(2, 0, 0).text(depth=0)


def test_the_overview_in_a_notebook_opens_the_cost_alone():
    page = explained(rule="sgd", learning_rate=0.5)._repr_html_()
    assert page.count('open="open"') == 1
    assert page.count("<mo>∑</mo>") > 1
    assert "e.update_weight(" in page


@pytest.mark.parametrize(
    ("rows", "weight", "words"),
    [
        (None, None, "C is the mean loss of these 3 rows, Cᵢ that of row i, from 0."),
        (
            ("12", "7", "1554"),
            None,
            (
                "C is the mean loss of these 3 rows, Cᵢ that of row i, counted from 0; its number "
                "in the table stands beside it."
            ),
        ),
        (None, [1.0, 2.0, 1.0], "C is the weighted mean loss of these 3 rows, Cᵢ that of"),
        (("1554",), None, "C is the loss of this one row, 1554 in the table."),
    ],
)
def test_the_overview_says_whose_loss_c_is(rows, weight, words):
    net = Network([2, 1])
    n = 3 if rows is None else len(rows)
    X, Y = np.arange(2.0 * n).reshape(n, 2), np.ones((n, 1))
    names = None if rows is None else Names(("x_0", "x_1"), ("a",), rows)
    subject = Subject.of_arrays(net, net.initial(0), X, Y, sample_weight=weight, names=names)
    e = Explanation(subject)
    assert words in " ".join(e.text().split())
    assert words in " ".join(html.unescape(e._repr_html_()).split())
