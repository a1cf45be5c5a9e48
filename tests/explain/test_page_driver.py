"""The page's driver keeps the engine contract, in a real browser."""

import numpy as np
import pytest
from tests.browser import browser
from tests.explain.page_engine import DRIVER, ChromiumEngine

from deltarule.engines import CHECKS, EngineSettings, check_engine
from deltarule.engines.contract.cases import Case
from deltarule.errors import ContractViolation, InputError
from deltarule.explain.page import formulas_script, page_html, payload_of
from deltarule.explain.page.page import asset
from deltarule.explain.subject import Subject
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    Network,
    backprop,
    register_activation,
    register_loss,
)


@pytest.fixture(scope="module")
def page():
    with browser() as context:
        yield context.new_page()


def test_it_keeps_every_law_of_the_contract(page):
    report = check_engine(ChromiumEngine(page))
    assert {result.check for result in report.results} == set(CHECKS)
    assert report.passed


def swish_of(xp, beta):
    def value(z):
        return z / (1 + xp.exp(-beta * z))

    def slope(z, a):
        s = 1 / (1 + xp.exp(-beta * z))
        return s + beta * a * (1 - s)

    return value, slope


def share_of_squares(xp):
    """A user's own mixing output: a_j = (z_j² + 1) / Σ (z² + 1)."""

    def value(z):
        e = z * z + 1
        return e / xp.total(e)

    def pullback(z, a, up):
        total = xp.total(z * z + 1)
        return 2 * z / total * (up - xp.total(a * up))

    return value, pullback


def quartic(xp):
    def from_output(a, y):
        r = a - y
        return r * r * r * r, 4 * r * r * r

    return from_output


def test_what_a_user_wrote_keeps_the_law_of_gradients(page):
    """Registered, so that the contract's own cases have it."""
    register_activation(Activation("swish_of", swish_of, {"beta": 1.5}))
    register_activation(Activation("share_of_squares", share_of_squares, elementwise=False))
    register_loss(Loss("quartic", quartic, outputs=("elementwise", "share_of_squares")))
    try:
        report = check_engine(ChromiumEngine(page), checks=["gradient"])
    finally:
        ACTIVATIONS.unregister("swish_of")
        ACTIVATIONS.unregister("share_of_squares")
        LOSSES.unregister("quartic")
    assert report.passed


# Drivers with one fault each, which the contract must find.
FAULTS = {
    "one node dropped in F13": ("const d = delta[l][j];", "const d = j ? delta[l][j] : 0;"),
    "bias forgotten": ("grad[bias + j] += d;", "grad[bias + j] += 0;"),
    "w forgotten": ("const d = weight * delta[l][j];", "const d = delta[l][j];"),
    "slope of the wrong layer": (
        "fill(formulas.pullback[l - 1], delta[l - 1], passed.Z[l - 1]",
        "fill(formulas.pullback[l - 1], delta[l - 1], passed.A[l - 1]",
    ),
    "rows of weight 0 seen": ("if (w[i] === 0) continue;", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_sees_a_fault_of_the_driver(page, fault):
    true, false = FAULTS[fault]
    source = "\n".join(map(asset, DRIVER))
    assert true in source
    engine = ChromiumEngine(page, source.replace(true, false))
    with pytest.raises(ContractViolation):
        check_engine(engine, checks=["shapes", "weight_zero", "sum_of_parts"])


@pytest.mark.parametrize("z", [0.0, 30.0, 40.0, 710.0, 1e4, -1e4])
@pytest.mark.parametrize(
    ("g", "loss", "y"),
    [
        ("logistic", "log_loss", [[1.0, 0.0]]),
        ("softmax", "cross_entropy", [[0.0, 1.0]]),
        ("exp", "poisson", [[2.0, 0.0]]),
    ],
)
def test_a_fused_pair_is_exact_where_its_factors_overflow(page, g, loss, y, z):
    net = Network([1, 2], [], g, loss)
    theta = np.array([z, -z, 0.0, 0.5])
    X, Y = np.ones((1, 1)), np.array(y)
    engine = ChromiumEngine(page)
    case = Case("", net, theta, X, Y, np.ones(1))
    engine.load(net, theta, EngineSettings())
    cost, grad = engine.gradient(case.batch())
    trace = backprop(net, theta, X, Y)
    np.testing.assert_allclose(grad, trace.grad, rtol=1e-13)
    np.testing.assert_allclose(cost, trace.cost, rtol=1e-13)


def test_a_formula_that_cannot_be_printed_is_refused_in_one_sentence():
    def cubed(xp):
        return (lambda z: np.power(z, 3)), (lambda z, a: 3 * z * z)

    net = Network([2, 3, 1], Activation("cubed", cubed))
    with pytest.raises(InputError, match=r"cannot be printed.*cubed.*array namespace"):
        formulas_script(net)


def test_a_name_cannot_end_the_script():
    def same(xp):
        return (lambda z: z), (lambda z, a: 1 + 0 * z)

    net = Network([1, 1, 1], Activation("</script><b>", same))
    subject = Subject.of_arrays(net, np.ones(4), [[1.0]], [[1.0]])
    text = page_html(payload_of(subject, title="</title><script>"), formulas_script(net))
    assert text.count("</script>") == 3  # the payload, the tour's example, the scripts
    assert "<script>" not in text.split("</title>")[0]
