"""Printed mathematics: LaTeX, MathML, text, and the simplification before."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Loss, numpy_namespace
from deltarule.maths.printing import symbolic_activation, symbolic_loss
from deltarule.maths.printing.display import abbreviate, cases, simplify
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, SymbolicNamespace, reachable

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def own(formula, *, elementwise=True, symbols=False, **parameters):
    """The value of a user's formula ``formula(xp, z, **parameters)``."""

    def pair(xp, **values):
        return lambda z: formula(xp, z, **values), lambda z, *_: z

    record = Activation("own", pair, parameters, elementwise=elementwise)
    return symbolic_activation(record, symbols=symbols).value


def every_formula():
    """Each formula of each activation and loss, with each of its results."""
    for symbols in (False, True):
        for record in ACTIVATIONS:
            symbolic = symbolic_activation(record, symbols=symbols)
            for formula in (symbolic.value, symbolic.slope, symbolic.pullback):
                if formula is not None:
                    yield pytest.param(formula, None, id=f"{formula.title}-{symbols}")
        for record in LOSSES:
            fused = [ACTIVATIONS.get(name) for name, _ in record.fused]
            for output in [None, *fused]:
                symbolic = symbolic_loss(record, output, symbols=symbols)
                formula = symbolic.from_output if output is None else symbolic.from_input
                for result in formula.results:
                    yield pytest.param(formula, result, id=f"{formula.title}-{result}-{symbols}")


ALL = list(every_formula())


# Expected strings of simple built-in formulas; other cases are tested with formulas made for it.


@pytest.mark.parametrize(
    ("name", "part", "latex"),
    [
        ("identity", "value", "z"),
        ("identity", "slope", "1"),
        (
            "logistic",
            "value",
            (
                r"\begin{cases} \frac{1}{1 + e^{-z}} & \text{if } z > 0 \\ "
                r"\frac{e^{z}}{1 + e^{z}} & \text{otherwise} \end{cases}"
            ),
        ),
        ("tanh", "value", r"\tanh z"),
        ("relu", "value", r"\max\left(z, 0\right)"),
        ("exp", "slope", "a"),
        (
            "leaky_relu",
            "value",
            r"\begin{cases} z & \text{if } z > 0 \\ 0.01 z & \text{otherwise} \end{cases}",
        ),
        (
            "elu",
            "value",
            r"\begin{cases} z & \text{if } z > 0 \\ e^{z} - 1 & \text{otherwise} \end{cases}",
        ),
        (
            "softplus",
            "value",
            r"\max\left(z, 0\right) + \log\left(1 + e^{-\left|z\right|}\right)",
        ),
        ("softmax", "value", r"\frac{e^{z_j - \max_m z_m}}{\sum_m e^{z_m - \max_k z_k}}"),
        ("softmax", "pullback", r"a_j \left(u_j - \sum_m a_m u_m\right)"),
    ],
)
def test_latex_of_activations(name, part, latex):
    assert getattr(symbolic_activation(name), part).latex() == latex


def test_latex_of_losses():
    squared = symbolic_loss("squared_error").from_output
    assert squared.latex("term") == r"\left(a - y\right)^{2}"
    assert squared.latex("derivative") == r"2 \left(a - y\right)"
    assert squared.latex() == squared.latex("term")
    log_loss = symbolic_loss("log_loss").from_output
    assert log_loss.latex() == (
        r"-\left(y \log a + \left(1 - y\right) \log\left(1 - a\right)\right)"
    )
    assert symbolic_loss("poisson", "exp").from_input.latex("derivative") == "e^{z} - y"


def test_parameters_are_shown_by_value_or_by_name():
    leaky = [symbolic_activation("leaky_relu", symbols=symbols).slope for symbols in (False, True)]
    assert "0.01 &" in leaky[0].latex()
    assert r"\alpha &" in leaky[1].latex()
    levels = LOSSES.get("quantile", levels=[0.1, 0.9])
    assert r"1 - \left(0.1, 0.9\right)_j &" in symbolic_loss(levels).from_output.latex("derivative")
    named = symbolic_loss(levels, symbols=True).from_output
    assert r"1 - \mathrm{levels}_j &" in named.latex("derivative")
    assert "0.9" in named.javascript("f")


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        (lambda xp, z: z - (1 - z), r"z - \left(1 - z\right)"),
        (lambda xp, z: z + (1 - z), "z + 1 - z"),
        (lambda xp, z: -z + 1, "1 - z"),
        (lambda xp, z: 1 + (2 + z), "3 + z"),
        (lambda xp, z: 0.1 + (0.2 + z), "0.1 + 0.2 + z"),
        (lambda xp, z: -(z + 1), r"-\left(z + 1\right)"),
        (lambda xp, z: z - -2.0 * z, "z + 2 z"),
        (lambda xp, z: z * -0.5, "-0.5 z"),
        (lambda xp, z: z * 2 * 0.25, r"2 \cdot 0.25 z"),
        (lambda xp, z: 1e-7 * z, "10^{-7} z"),
        (lambda xp, z: 3 * (2.5e20 * z), r"3 \cdot 2.5 \cdot 10^{20} z"),
        (lambda xp, z: z * z * z, "z^{3}"),
        (lambda xp, z: (z**2) ** 2, "z^{4}"),
        (lambda xp, z: (1 + z) * (1 + z), r"\left(1 + z\right)^{2}"),
        (lambda xp, z: xp.exp(-z) * xp.exp(-z), "e^{-2 z}"),
        (lambda xp, z: z * (1 / (1 + z)), r"\frac{z}{1 + z}"),
        (lambda xp, z: z / 2 / z, r"\frac{z}{2 z}"),
        (lambda xp, z: 1 / (z / 2), r"\frac{2}{z}"),
        (lambda xp, z: (z / 2) ** 2, r"\frac{z^{2}}{2^{2}}"),
        (lambda xp, z: xp.log(z) * z, r"z \log z"),
        (lambda xp, z: z * xp.log(z), r"z \log z"),
        (lambda xp, z: xp.log(z) * xp.log(z), r"\left(\log z\right)^{2}"),
        (lambda xp, z: xp.log(2 * z), r"\log\left(2 z\right)"),
        (lambda xp, z: xp.log(xp.abs(z)), r"\log \left|z\right|"),
        (lambda xp, z: xp.sqrt(1 + z), r"\sqrt{1 + z}"),
        (lambda xp, z: xp.sign(z) + xp.rint(z), (r"\operatorname{sign}\left(z\right)"
          r" + \operatorname{round}\left(z\right)")),
        (lambda xp, z: xp.expm1(z) - xp.log1p(z), r"e^{z} - 1 - \log\left(1 + z\right)"),
        (lambda xp, z: xp.normal_cdf(z) * xp.normal_pdf(z),
         r"\Phi\left(z\right) \varphi\left(z\right)"),
        (lambda xp, z: xp.exp_difference(1, z), "e^{1 - z}"),
        (lambda xp, z: xp.xlogy(z, 1 - z), r"z \log\left(1 - z\right)"),
        (lambda xp, z: xp.where(z <= 0, xp.abs(z), xp.minimum(z, 0)),
         r"\begin{cases} -z & \text{if } z \le 0 \\ 0 & \text{otherwise} \end{cases}"),
        (lambda xp, z: xp.where(z != 1, 1 + 0 * z, 1), "1"),
        (lambda xp, z: xp.where(z > 0, xp.where(z < 1, z, 1), 0),
         (r"\begin{cases} z & \text{if } z > 0 \text{ and } z < 1 \\ 1 & \text{if } z > 0 \\ "
          r"0 & \text{otherwise} \end{cases}")),
        (lambda xp, z: float("inf") + z, r"\infty + z"),
        (lambda xp, z: xp.where(z != 1, z, 0),
         r"\begin{cases} z & \text{if } z \ne 1 \\ 0 & \text{otherwise} \end{cases}"),
    ],
)  # fmt: skip
def test_how_expressions_are_written(formula, latex):
    assert own(formula).latex() == latex


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        (lambda xp, z: z / xp.total(z), r"\frac{z_j}{\sum_m z_m}"),
        (lambda xp, z: z * xp.total(z + 1), r"z_j \sum_m \left(z_m + 1\right)"),
        (lambda xp, z: xp.total(z) - z, r"\left(\sum_m z_m\right) - z_j"),
        (lambda xp, z: xp.total(z) * z, r"z_j \sum_m z_m"),
        (lambda xp, z: z / xp.n_outputs(z), r"\frac{z_j}{n}"),
        (lambda xp, z: z - xp.total(1 + 0 * z), "z_j - n"),
        (lambda xp, z: z - xp.total(xp.where(z == xp.largest(z), 1, 0)),
         (r"z_j - \sum_m \begin{cases} 1 & \text{if } z_m = \max_k z_k \\ "
          r"0 & \text{otherwise} \end{cases}")),
    ],
)  # fmt: skip
def test_indices_in_formulas_that_combine_outputs(formula, latex):
    assert own(formula, elementwise=False).latex() == latex


def test_names_of_parameters():
    def formula(xp, z, beta, slope_at_0, c):
        return beta * z + slope_at_0 * c

    printed = own(formula, symbols=True, beta=2.0, slope_at_0=1, c=3)
    assert printed.latex() == r"\beta z + \mathrm{slope\_at\_0} c"
    assert printed.text() == "β z + slope_at_0 c"
    assert "2.0 * z + 1 * 3" in printed.javascript("f")


def test_a_long_expression_gets_letters_for_its_parts():
    def formula(xp, z):
        part = xp.exp(-z) + z
        for _ in range(5):
            part = part + part * z * part
        return part

    latex = own(formula).latex()
    assert latex.startswith(r"\begin{aligned} & ")
    assert r"\text{where } s = e^{-z} + z \\ & t = s + s^{2} z \\ & p = t + t^{2} z" in latex


def test_a_very_long_expression_is_refused_with_its_size():
    def formula(xp, z):
        for _ in range(12):
            z = z + z * z
        return z

    with pytest.raises(InputError, match="symbols when written out, more than 4000"):
        own(formula).latex()
    assert own(formula).javascript("f").count("const t") == 11


def test_a_result_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no result 'slope'; its results are: term, derivative"):
        symbolic_loss("huber").from_output.latex("slope")


# All formulas.


@pytest.mark.parametrize(("formula", "result"), ALL)
def test_latex_is_balanced(formula, result):
    latex = formula.latex(result)
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left") == latex.count(r"\right")
    for environment in ("cases", "aligned"):
        begun = latex.count(rf"\begin{{{environment}}}")
        assert begun == latex.count(rf"\end{{{environment}}}")
    assert "--" not in latex
    assert "0 z" not in re.sub(r"\d\.\d+ z", "", latex)


@pytest.mark.parametrize(("formula", "result"), ALL)
def test_mathml_is_well_formed(formula, result):
    root = ET.fromstring(formula.mathml(result))
    assert root.tag == f"{MATHML}math"
    assert root.get("alttext") == formula.text(result)
    arity = dict.fromkeys(("mfrac", "msup", "msub", "munder"), 2)
    arity |= dict.fromkeys(("mi", "mn", "mo", "mtext", "mspace"), 0)
    for element in root.iter():
        tag = element.tag.removeprefix(MATHML)
        assert element.tag.startswith(MATHML)
        if tag in arity:
            assert len(element) == arity[tag]
        else:
            assert tag in {"math", "mrow", "msqrt", "mtable", "mtr", "mtd"}
            assert len(element) > 0
            assert not (element.text or "").strip()
    words = {
        element.text
        for element in root.iter()
        if element.tag.removeprefix(MATHML) in {"mo", "mn", "mtext"}
    }
    # A single letter is a variable, and variables are <mi>.
    assert not {word for word in words if word and len(word) == 1 and word.isalpha()}


def test_mathml_of_a_fraction_in_cases():
    root = ET.fromstring(symbolic_activation("logistic").value.mathml(display="inline"))
    assert root.get("display") == "inline"
    assert root.get("alttext") == "1/(1 + e^(-z)) if z > 0; e^z/(1 + e^z) otherwise"
    rows = root.findall(f".//{MATHML}mtr")
    assert [len(row.findall(f".//{MATHML}mfrac")) for row in rows] == [1, 1]
    texts = [text.text.replace("\xa0", " ") for text in root.iter(f"{MATHML}mtext")]
    assert texts == ["if ", "otherwise"]
    letters = {element.text for element in root.iter(f"{MATHML}mi")}
    assert letters == {"e", "z"}


# The displayed formula equals the computed one for real numbers: the simplified graph, its cases
# and abbreviations are evaluated at points where rounding is harmless.

OPERATORS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    **{name: getattr(np, name) for name in COMPARISONS},
}


def evaluated(root, given):
    """The value of an expression for arrays by name, one row of outputs."""
    xp, n = numpy_namespace(), next(iter(given.values())).shape[-1]
    values = {}
    for expr in reachable([root]):
        args = [values[argument.index] for argument in expr.args]
        if expr.op in ("constant", "symbol", "variable"):
            name = expr.data if expr.op != "symbol" else expr.data[0]
            value = name if expr.op == "constant" else given.get(name, expr.data)
            value = value[2] if isinstance(value, tuple) else value
            value = np.full(n, value, dtype=float) if np.ndim(value) == 0 else value
        elif expr.op == "n_outputs":
            value = np.full(n, float(n))
        elif expr.op == "per_output":
            value = np.resize(expr.data[1], n)
        elif expr.op in OPERATORS:
            value = OPERATORS[expr.op](*args)
        else:
            value = np.broadcast_to(getattr(xp, expr.op)(*args), (n,))
        values[expr.index] = value
    return values[root.index]


def shown(root, given):
    """The value from the displayed form: cases, first match, and abbreviations."""
    short, definitions = abbreviate(simplify(root))
    given = dict(given)

    def rows(expr):
        *first, last = cases(expr)
        assert last.conditions == ()
        value = evaluated(last.value, given)
        for case in reversed(first):
            holds = np.all([evaluated(c, given) for c in case.conditions], axis=0)
            value = np.where(holds, evaluated(case.value, given), value)
        return value

    for name, definition in definitions:
        letter = name.data if name.op == "variable" else name.data[0]
        given[letter] = rows(definition)
    return rows(short)


POINTS = {
    "z": np.array([-3.1, -0.7, -0.05, 0.0, 0.4, 1.3, 2.9, 2.9]),
    "a": np.array([0.11, 0.25, 0.31, 0.47, 0.55, 0.71, 0.83, 0.97]),
    "y": np.array([0.11, 0.0, 0.31, 1.0, 0.25, 0.9, 0.1, 0.6]),
    "up": np.array([-1.0, 0.3, 2.0, -0.4, 0.8, 1.1, -2.2, 0.6]),
}


@pytest.mark.parametrize(("formula", "result"), ALL)
def test_what_is_shown_equals_what_is_computed(formula, result):
    root = formula.result(result)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            shown(root, POINTS), evaluated(root, POINTS), rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize(
    "formula",
    [
        lambda xp, z: (z / 3) / (1 / (z - 5)) * (2 / z) - -(z / -7),
        lambda xp, z: (-z) * (-z) / (-(z - 9)) * -(1 / z) * (z / 2),
        lambda xp, z: 0 - (0 * z - z) - 0 / (1 + z * z),
        lambda xp, z: xp.where(z < 0, xp.abs(z), xp.maximum(z, 0)) * xp.minimum(z, 0),
        lambda xp, z: xp.where(z >= 0, xp.maximum(z, 0), xp.abs(z) + xp.maximum(z, 0)),
        lambda xp, z: xp.where(z > 1, xp.abs(z), xp.where(z < -1, -xp.abs(z), z)) ** 3,
        lambda xp, z: xp.where(z > xp.where(z > 1, 1, 0), xp.abs(z), xp.exp(z) * xp.exp(z)),
        lambda xp, z: xp.total(xp.where(z > 0, z, 1)) * xp.where(z > 0, z, -1),
        lambda xp, z: z - xp.total(2 + 0 * z),
        lambda xp, z: xp.largest(xp.abs(z)) - xp.where(z > 0, xp.total(xp.abs(z)), z),
    ],
)  # fmt: skip
def test_simplification_keeps_the_value(formula):
    xp = SymbolicNamespace()
    root = formula(xp, xp.variable("z"))
    with np.errstate(all="ignore"):
        given = {"z": POINTS["z"][POINTS["z"] != 0]}
        np.testing.assert_allclose(shown(root, given), evaluated(root, given), rtol=1e-13)


def test_the_evaluator_knows_every_operator():
    assert set(OPERATORS) >= {*ARITHMETIC, *COMPARISONS}


def test_a_loss_of_a_users_own_is_shown():
    def formula(xp, width):
        def from_output(a, y):
            r = (a - y) / width
            return xp.log1p(r * r), 2 * r / (width * (1 + r * r))

        return from_output

    cauchy = symbolic_loss(Loss("cauchy", formula, {"width": 0.5}), symbols=True).from_output
    assert cauchy.latex("term") == (
        r"\log\left(1 + \frac{\left(a - y\right)^{2}}{\mathrm{width}^{2}}\right)"
    )
    assert cauchy.text("term") == "log(1 + (a - y)^2/width^2)"
