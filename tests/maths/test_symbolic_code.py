"""The text of printed JavaScript and C: what is shared, in which order, under which names."""

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, Activation
from deltarule.maths.printing import print_c99, print_javascript, symbolic_activation


def own(formula):
    """The value of a user's formula ``formula(xp, z)``."""

    def pair(xp):
        return lambda z: formula(xp, z), lambda z, a: z

    return symbolic_activation(Activation("own", pair)).value


def test_a_subexpression_is_calculated_once():
    def formula(xp, z):
        same = xp.where(z > 0, 1, xp.exp(-z)) - xp.where(z > 0, xp.exp(-z), 2)
        return same * xp.exp(-z)

    source = own(formula).javascript("f")
    assert source.count("Math.exp(") == 1
    assert source.count("z > 0") == 1


def test_a_helper_is_printed_once_and_before_its_users():
    formulas = {
        "first": own(lambda xp, z: xp.normal_cdf(z) * xp.normal_cdf(2 * z)),
        "second": own(lambda xp, z: xp.normal_cdf(-z) + xp.xlogy(z, xp.normal_pdf(z))),
    }
    for source in (print_javascript(formulas), print_c99(formulas)):
        headers = [line for line in source.splitlines() if line.endswith(") {")]
        names = [line.split("(")[0].split()[-1] for line in headers if "for " not in line]
        assert sorted(set(names)) == sorted(names)
        assert names.index("dr_times_normal_cdf") < names.index("dr_normal_cdf")
        assert names[-2:] == ["first", "second"]


def test_one_loop_for_each_reduction_and_one_for_the_outputs():
    source = symbolic_activation("softmax").value.c99("softmax")
    assert source.count("for (int j = 0; j < n; ++j)") == 3


def test_a_value_of_the_row_is_computed_before_the_loop():
    def formula(xp):
        return lambda z: z / xp.sqrt(xp.total(z * z)), lambda z, a, up: up

    value = symbolic_activation(Activation("unit", formula, elementwise=False)).value
    lines = value.c99("unit").splitlines()
    assert [line for line in lines if "sqrt" in line] == ["  const double t2 = sqrt(t1);"]


def test_constants_read_back_exactly():
    third = ACTIVATIONS.get("leaky_relu", alpha=1 / 3)
    assert repr(1 / 3) in symbolic_activation(third).slope.c99("slope")
    single = symbolic_activation(third).slope.c99("slope", "float")
    assert f"{np.float32(1 / 3)!s}f" in single


def test_the_order_of_the_source_is_kept():
    def formula(xp, z):
        minus = -z
        return (z - (z - (1 - z))) * (z / (z * 2)) - (-minus + -0.5)

    source = own(formula).javascript("f")
    assert "(z - (z - (1 - z))) * (z / (z * 2)) - (-(-z) + -0.5)" in source


@pytest.mark.parametrize("name", ["exp", "double", "two words", "", "1st", "dr_sign", "a-b", "y1"])
def test_a_name_that_c_cannot_use_is_refused(name):
    with pytest.raises(InputError, match=r"choose another|cannot name a C function"):
        symbolic_activation("relu").value.c99(name)


@pytest.mark.parametrize("name", ["function", "Math", "two words", "dr_rint"])
def test_a_name_that_javascript_cannot_use_is_refused(name):
    with pytest.raises(InputError, match=r"choose another|cannot name a JavaScript function"):
        symbolic_activation("relu").value.javascript(name)


def test_another_dtype_is_refused():
    with pytest.raises(InputError, match="'half'; expected 'double' or 'float'"):
        symbolic_activation("relu").value.c99("relu", "half")


def test_a_title_cannot_end_the_comment():
    wild = Activation("a */ b\n#error", lambda xp: (lambda z: z, lambda z, a: 1))
    first = symbolic_activation(wild).value.c99("wild").split("/*", 1)[1].splitlines()[0]
    assert first == " a * / b #error: value */"
    assert "\n#error: value" not in symbolic_activation(wild).value.javascript("wild")
