"""Boxes that do not come from formulas: upper and lower indices, derivatives, numbers."""

from xml.etree import ElementTree as ET

import pytest

from deltarule.maths import symbolic_activation
from deltarule.maths.printing.boxes import (
    Fenced,
    Partial,
    Scripted,
    Shown,
    Symbol,
    Terms,
    Words,
)
from deltarule.maths.printing.layout import layout, layout_condition
from deltarule.maths.printing.markup import box_latex, box_mathml, box_text

W = Scripted(Symbol("w", "w"), "12", "2")
C = Scripted(Symbol("C", "C"), "0")


@pytest.mark.parametrize(
    ("box", "text", "latex"),
    [
        (W, "w₁₂⁽²⁾", "w_{12}^{2}"),
        (Scripted(Symbol("w", "w"), "1,12", "2"), "w₁,₁₂⁽²⁾", "w_{1,12}^{2}"),
        (Scripted(Symbol("z", "z"), "", "13"), "z⁽¹³⁾", "z^{13}"),
        (
            Partial(C, W),
            "∂C₀/∂w₁₂⁽²⁾",
            r"\frac{\partial C_{0}}{\partial w_{12}^{2}}",
        ),
        (Shown("0.126721", "", True), "−0.126721", "-0.126721"),
        (Shown("1.50000", "-7"), "1.50000 × 10^−7", r"1.50000 \times 10^{-7}"),
        (Shown("1", "-8"), "10^−8", "10^{-8}"),
        (Shown("∞", "", True), "−∞", r"-\infty"),
        (Terms((("", W), ("←", C), ("·", Fenced((Shown("2", "", True),))))), "w₁₂⁽²⁾ ← C₀ · (−2)",
         r"w_{12}^{2} \leftarrow C_{0} \cdot \left(-2\right)"),
        (Words("50%_x"), "50%_x", r"\text{50\%\_x}"),
    ],
)  # fmt: skip
def test_how_boxes_are_spelled(box, text, latex):
    assert box_text(box) == text
    assert box_latex(box) == latex
    root = ET.fromstring(box_mathml(box))
    assert root.tag.endswith("math")


def at(value):
    """``names`` for layout that replaces z by a number."""

    def names(expr, depth):
        return Shown(f"{abs(value):g}", "", value < 0) if expr.op == "variable" else None

    return names


def test_a_number_in_place_of_a_variable():
    formula = symbolic_activation("exp").value.result()
    assert box_text(layout(formula, at(2.0))) == "e^2"
    assert box_text(layout(formula, at(-2.0))) == "e^(−2)"
    swish = symbolic_activation("softplus").value.result()
    assert box_text(layout(swish, at(-1.5))) == "max(−1.5, 0) + log(1 + e^(−|−1.5|))"


def test_only_the_case_that_is_chosen_is_laid_out():
    relu = symbolic_activation("elu").slope.result()
    assert box_text(layout(relu, choose=lambda rows: rows[0])) == "1"
    assert box_text(layout(relu, choose=lambda rows: rows[-1])) == "e^z"
    assert box_text(layout_condition(relu, lambda n, d: None, lambda c: True)) == "z > 0"
    assert box_text(layout_condition(relu, lambda n, d: None, lambda c: False)) == "z ≤ 0"
    assert layout_condition(symbolic_activation("exp").value.result(), at(1.0), bool) is None
