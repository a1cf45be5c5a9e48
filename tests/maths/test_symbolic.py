"""The symbolic namespace: the expressions it makes and shares, and the operations it refuses."""

import copy
import math
import operator

import numpy as np
import pytest

from deltarule.errors import IncompatiblePair, InputError
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Loss
from deltarule.maths.namespace import CROSS_OUTPUT_OPS, ELEMENTWISE, numpy_namespace
from deltarule.maths.printing import symbolic_activation, symbolic_loss
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, SymbolicNamespace, reachable


@pytest.fixture
def xp():
    return SymbolicNamespace()


@pytest.fixture
def z(xp):
    return xp.variable("z")


def test_it_offers_what_the_array_namespace_offers(xp):
    for name in (*ELEMENTWISE, *CROSS_OUTPUT_OPS, *SHARED_FUNCTIONS):
        assert callable(getattr(xp, name))
        assert callable(getattr(numpy_namespace(), name))


def test_equal_expressions_are_one_object(xp, z):
    assert xp.where(z > 0, 1, xp.exp(-z)) is xp.where(z > 0, 1, xp.exp(-z))
    assert z + 1 is not 1 + z  # the order of operations is part of the expression
    count = len(xp)
    assert xp.tanh(z * z) is xp.tanh(z * z)
    assert len(xp) == count + 2


def test_constants_keep_the_type_they_are_written_with(xp):
    kinds = [xp.number(value) for value in (0, 0.0, -0.0, 1, 1.0, np.float32(1))]
    assert len({id(expr) for expr in kinds}) == 5
    assert [repr(expr.data) for expr in kinds] == ["0", "0.0", "-0.0", "1", "1.0", "1.0"]


def test_operators_have_numpys_names(xp, z):
    y = xp.variable("y")
    made = [z + y, z - y, z * y, z / y, z < y, z <= y, z > y, z >= y, z == y, z != y]
    assert [expr.op for expr in made] == [*ARITHMETIC, *COMPARISONS]
    assert all(expr.args == (z, y) for expr in made)
    reflected = [2 + z, 2 - z, 2 * z, 2 / z]
    assert [expr.op for expr in reflected] == list(ARITHMETIC)
    assert all(expr.args == (xp.number(2), z) for expr in reflected)
    assert operator.lt(2, z) is (z > 2)
    assert ((-z).op, abs(z).op, +z) == ("negative", "abs", z)
    assert (z**2, z**3, z**4) == (z * z, z * z * z, (z * z) * (z * z))
    assert z**1 is z


def test_numpy_scalars_are_constants(xp, z):
    assert np.float64(2) * z is 2.0 * z
    assert (np.float64(2) < z).op == "less"
    assert z / np.int64(3) is z / 3


def test_arguments_come_before_what_uses_them(xp, z):
    root = xp.exp(z) / xp.total(xp.exp(z))
    order = reachable([root])
    assert order[-1] is root
    place = {expr: at for at, expr in enumerate(order)}
    assert all(place[argument] < place[expr] for expr in order for argument in expr.args)


def test_values_of_the_row_are_distinguished_from_those_of_outputs(xp, z):
    assert z.varies
    assert not xp.total(z).varies
    assert (z - xp.largest(z)).varies
    assert not (xp.total(z) / xp.n_outputs(z)).varies
    assert xp.per_output((1, 2), z).varies
    assert xp.total(xp.total(z)) is xp.total(z)  # the sum of one number, as in NumPy
    assert xp.n_outputs(xp.total(z)).data == 1


def test_a_condition_on_parameters_picks_a_branch(xp, z):
    assert xp.where(True, z, 0) is z
    assert xp.where(np.bool_(False), z, 0).data == 0


REFUSED = {
    "if": (lambda xp, z: 1 if z > 0 else 0, "branch on a value", "xp.where"),
    "and": (lambda xp, z: z > 0 and z < 1, "branch on a value", "xp.where"),
    "chain": (lambda xp, z: 0 < z < 1, "branch on a value", "xp.where"),
    "min": (lambda xp, z: min(z, 0), "branch on a value", "xp.minimum"),
    "in": (lambda xp, z: z in (0, 1), "branch on a value", "xp.where"),
    "and_bits": (lambda xp, z: (z > 0) & (z < 1), "combine conditions", "nest xp.where"),
    "invert": (lambda xp, z: ~(z > 0), "combine conditions", "nest xp.where"),
    "index": (lambda xp, z: z[0], "to index", "xp.total"),
    "iterate": (lambda xp, z: sum(z), "to index, iterate", "xp.total"),
    "len": (lambda xp, z: len(z), "take the length", "xp.n_outputs"),
    "store": (lambda xp, z: z.__setitem__(0, 1), "to index", "xp.total"),
    "attribute": (lambda xp, z: z.sum(axis=-1), r"attribute \.sum", "xp.total"),
    "shape": (lambda xp, z: z.shape[-1], r"attribute \.shape", "xp.n_outputs"),
    "ufunc": (lambda xp, z: np.exp(z), r"np\.exp", "use xp.exp"),
    "unknown_ufunc": (lambda xp, z: np.sin(z), r"np\.sin", "xp offers"),
    "near_ufunc": (lambda xp, z: np.log10(z), r"np\.log10", "did you mean xp.log"),
    "out": (lambda xp, z: np.add(z, 1, out=None, where=True), "NumPy array", "per_output"),
    "reduce": (lambda xp, z: np.add.reduce(z), "NumPy array", "per_output"),
    "array": (lambda xp, z: np.array([1.0, 2.0]) * z, "NumPy array", "xp.per_output"),
    "np_where": (lambda xp, z: np.where(z > 0, 1, 0), "into an array", "functions of xp"),
    "asarray": (lambda xp, z: np.asarray(z), "into an array", "functions of xp"),
    "math": (lambda xp, z: math.exp(z), "Python number", "functions of xp"),
    "float": (lambda xp, z: float(z), "Python number", "functions of xp"),
    "range": (lambda xp, z: range(xp.n_outputs(z)), "Python number", "functions of xp"),
    "modulo": (lambda xp, z: z % 2, "among %", "xp.rint"),
    "matmul": (lambda xp, z: z @ z, "matrix product", "xp.total"),
    "round": (lambda xp, z: round(z), "to round", "xp.rint"),
    "floor": (lambda xp, z: math.floor(z), "to round", "xp.rint"),
    "big_power": (lambda xp, z: z**5, r"\*\* 5", "1 to 4"),
    "half_power": (lambda xp, z: z**0.5, r"\*\* 0.5", "xp.sqrt"),
    "true_power": (lambda xp, z: z**True, r"\*\* True", "1 to 4"),
    "base": (lambda xp, z: 2**z, "variable exponent", "xp.exp"),
    "string": (lambda xp, z: z + "1", "calculate with '1'", "use numbers"),
    "complex": (lambda xp, z: z + 1j, "calculate with 1j", "use numbers"),
    "truth": (lambda xp, z: z * True, "calculate with True", "use numbers"),
    "comparison": (lambda xp, z: (z > 0) * z, "with a comparison", r"xp.where\(condition, 1, 0\)"),
    "of_comparison": (lambda xp, z: xp.total(z > 0), "of a condition", "an expression"),
    "of_number": (lambda xp, z: xp.total(3), "of 3", "an expression"),
    "where_number": (lambda xp, z: xp.where(z, 1, 0), "without a condition", "a comparison"),
    "unknown": (lambda xp, z: xp.sin(z), r"xp\.sin", "xp offers exp, expm1"),
    "misspelt": (lambda xp, z: xp.maximun(z, 0), r"xp\.maximun", "did you mean xp.maximum"),
    "library": (lambda xp, z: xp.library.exp(z), r"xp\.library", "xp offers"),
    "count": (lambda xp, z: xp.exp(z, z), "xp.exp with 2 arguments", "give it 1 argument and"),
    "option": (lambda xp, z: xp.minimum(z, 0, out=z), r"options \['out'\]", "2 arguments"),
    "calculated": (lambda xp, z: xp.per_output((z, 1), z), "calculated values", "numbers"),
    "empty": (lambda xp, z: xp.per_output((), z), "calculated values", "numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_with_what_to_write_instead(name, xp, z):
    formula, tried, instead = REFUSED[name]
    with pytest.raises(InputError, match=f"(?s)a formula tried .*{tried}.*; .*{instead}"):
        formula(xp, z)


def test_values_of_two_namespaces_do_not_mix(z):
    with pytest.raises(InputError, match="values of two namespaces"):
        z + SymbolicNamespace().variable("y")


def test_probes_of_python_see_an_ordinary_object(xp, z):
    assert not hasattr(z, "_private")
    assert not hasattr(xp, "__wrapped__")
    assert "variable('z')" in repr(z)
    assert "expressions" in repr(xp)
    assert copy.copy([z])[0] is z


# Symbolic activations and losses.


def test_a_symbolic_activation_mirrors_a_bound_one():
    softmax, relu = symbolic_activation("softmax"), symbolic_activation("relu")
    assert softmax.slope is None
    assert not softmax.value.elementwise
    assert not softmax.pullback.elementwise
    assert relu.slope.elementwise
    assert relu.slope.arguments == ("z", "a")
    assert relu.pullback.arguments == ("z", "a", "up")
    assert list(relu.pullback.results) == ["pullback"]


def test_a_symbolic_loss_mirrors_a_bound_one():
    assert symbolic_loss("squared_error", "tanh").from_input is None
    fused = symbolic_loss("log_loss", "logistic").from_input
    assert fused.arguments == ("z", "y")
    assert list(fused.results) == ["term", "derivative"]
    assert symbolic_loss("log_loss").from_input is None
    assert not symbolic_loss("quantile").from_output.elementwise
    with pytest.raises(IncompatiblePair):
        symbolic_loss("log_loss", "relu")


def test_only_the_operations_of_the_namespace_are_in_a_graph():
    known = {*ELEMENTWISE, *CROSS_OUTPUT_OPS, *SHARED_FUNCTIONS, *ARITHMETIC, *COMPARISONS}
    known |= {"negative", "constant", "variable", "symbol"}
    for record in ACTIVATIONS:
        symbolic = symbolic_activation(record)
        assert {expr.op for expr in symbolic.value.expressions()} <= known
        assert {expr.op for expr in symbolic.pullback.expressions()} <= known


def test_symbols_carry_their_values(xp):
    huber = symbolic_loss(LOSSES.get("huber", kappa=0.25), symbols=True).from_output
    symbols = [expr.data for expr in huber.expressions() if expr.op == "symbol"]
    assert symbols == [("kappa", None, 0.25)]


def test_parameters_that_are_strings_or_booleans_stay_values():
    def formula(xp, sharp, kind, by):
        def value(z):
            return by * (xp.tanh(z) if kind == "tanh" and sharp else z)

        return value, lambda z, a: xp.where(z > 0, by, 1)

    record = Activation("switch", formula, {"sharp": True, "kind": "tanh", "by": 2})
    assert symbolic_activation(record, symbols=True).value.text() == "by tanh z"


def test_an_error_names_the_formula():
    def formula(xp):
        return lambda z: z if z > 0 else 0, lambda z, a: 1

    with pytest.raises(
        InputError, match=r"no symbolic form of mine: value: a formula tried to branch"
    ):
        symbolic_activation(Activation("mine", formula))


def test_an_error_while_binding_names_the_formula():
    def formula(xp, alpha):
        top = 1 if alpha > 0 else 0
        return lambda z: top * z, lambda z, a: top

    record = Activation("mine", formula, {"alpha": 0.5})
    assert symbolic_activation(record).slope.text() == "1"
    with pytest.raises(
        InputError, match=r"no symbolic form of activation mine\(alpha=0.5\): .* branch"
    ):
        symbolic_activation(record, symbols=True)
    loss = Loss("mine", formula, {"alpha": 0.5})
    with pytest.raises(InputError, match=r"no symbolic form of loss mine\(alpha=0.5\): .* branch"):
        symbolic_loss(loss, symbols=True)


def test_an_elementwise_activation_must_not_combine_outputs():
    def formula(xp):
        return lambda z: z - xp.largest(z), lambda z, a: 1

    with pytest.raises(InputError, match=r"combines outputs \(largest\); pass elementwise=Fa"):
        symbolic_activation(Activation("mine", formula))


def test_a_result_for_the_row_is_refused():
    def formula(xp):
        return lambda a, y: (xp.total((a - y) * (a - y)), 2 * (a - y))

    with pytest.raises(InputError, match="its term is one number for the row"):
        symbolic_loss(Loss("mine", formula))


@pytest.mark.parametrize(
    "given", [lambda a, y: (a - y,), lambda a, y: (a, y, a), lambda a, y: [a, y]]
)
def test_a_loss_that_gives_no_pair_is_refused(given):
    with pytest.raises(InputError, match=r"expected the pair \(term, derivative\)"):
        symbolic_loss(Loss("mine", lambda xp: given))


def test_a_condition_is_no_result():
    record = Activation("step", lambda xp: (lambda z: z > 0, lambda z, a: 0 * z))
    with pytest.raises(InputError, match=r"xp.where\(condition, 1, 0\)"):
        symbolic_activation(record)
