"""The textbook's forms, which are shown, and the formulas that compute are equal to 1e-12."""

import dataclasses

import numpy as np
import pytest

from deltarule.maths import ACTIVATIONS, LOSSES, numpy_namespace, textbook
from deltarule.maths.printing import symbolic_activation, symbolic_loss

XP = numpy_namespace(np.float64)
# To ±700, where e^z is still finite; dense around 0.
Z = np.concatenate((np.linspace(-700, 700, 1401), np.linspace(-8, 8, 1601)))[:, None]
SETTINGS = {"smoothing": (0.0, 0.1), "positive_weight": (1.0, 3.0), "alpha": (0.3,)}


def variants(record):
    """The record, and with other values of the parameters that its textbook form depends on."""
    yield record
    for name, values in SETTINGS.items():
        if name in record.settings:
            yield from (record.with_parameters(**{name: value}) for value in values)


def largest_gap(shown, computed):
    """The largest difference; relative where the numbers are above 1."""
    gap = np.abs(shown - computed) / np.maximum(1.0, np.abs(computed))
    return float(gap.max())


def activation_gaps(record):
    g = record.bind(XP)
    value, slope = record.textbook(XP, **record.settings)
    z = Z if record.elementwise else np.hstack((Z, Z[::-1], 0.5 * Z))
    a = g.value(z)
    with np.errstate(over="ignore"):
        if value is not None:
            yield "value", largest_gap(value(z), a)
        if slope is not None:
            yield "slope", largest_gap(slope(z, a), g.slope(z, a))


def loss_gaps(record):
    """The gaps of ∂C/∂a inside the outputs' range, and of δ for z over all of it."""
    rng = np.random.default_rng(0)
    for loss in variants(record):
        for output in loss.outputs:
            if output == "elementwise":
                continue
            activation = ACTIVATIONS.get(output)
            bound = loss.bind(XP, activation)
            n = 3 if output == "softmax" else 1
            spread = rng.choice([0.5, 3.0, 12.0], (2000, 1)) * rng.standard_normal((2000, n))
            y = rng.dirichlet(np.ones(n), 2000) if n > 1 else rng.uniform(size=(2000, 1))
            y[::3] = np.eye(n)[rng.integers(0, n, 667)] if n > 1 else rng.integers(0, 2, (667, 1))
            a = np.clip(activation.bind(XP).value(spread), 0.01, 0.99)
            if loss.textbook is not None:
                shown = loss.textbook(XP, **loss.settings)(a, y)
                yield f"{loss}, {output}", largest_gap(shown, bound.from_output(a, y)[1])
            delta = dict(loss.deltas).get(output)
            if delta is not None:
                a = activation.bind(XP).value(spread)
                shown = delta(XP, **loss.settings)(a, y)
                yield f"δ of {loss}, {output}", largest_gap(shown, bound.from_input(spread, y)[1])


@pytest.mark.parametrize("record", [r for r in ACTIVATIONS if r.textbook], ids=lambda r: r.name)
def test_an_activations_two_forms_agree(record):
    gaps = dict(activation_gaps(record))
    assert gaps
    assert max(gaps.values()) <= 1e-12, gaps


@pytest.mark.parametrize("record", [r for r in LOSSES if r.textbook], ids=lambda r: r.name)
def test_a_losss_two_forms_agree(record):
    gaps = dict(loss_gaps(record))
    assert any("δ" in name for name in gaps)
    assert max(gaps.values()) <= 1e-12, gaps


def test_a_wrong_form_is_noticed():
    def half(xp):
        return None, lambda z, a: 0.5 * a * (1 - a)

    wrong = dataclasses.replace(ACTIVATIONS.get("logistic"), textbook=half)
    assert dict(activation_gaps(wrong))["slope"] > 0.1
    swapped = dataclasses.replace(
        LOSSES.get("log_loss"), deltas=(("logistic", lambda xp, smoothing: lambda a, y: y - a),)
    )
    assert max(dict(loss_gaps(swapped)).values()) > 0.1


def test_the_forms_that_every_textbook_has():
    assert symbolic_activation("logistic").textbook_slope.text() == "a (1 - a)"
    assert symbolic_activation("logistic").textbook_value.text() == "1/(1 + e^(-z))"
    assert symbolic_activation("tanh").textbook_slope.text() == "1 - a^2"
    assert symbolic_loss("cross_entropy", "softmax").textbook_delta.text() == "a - y"
    assert symbolic_loss("log_loss", "logistic").textbook_delta.text() == "a - y"
    assert symbolic_activation("softmax").textbook_value.text() == "e^z_j/(Σ_m e^z_m)"


def test_every_registered_pair_that_is_fused_and_has_a_difference_says_so():
    pairs = {(loss.name, name) for loss in LOSSES for name, _ in loss.fused}
    shown = {(loss.name, name) for loss in LOSSES for name, _ in loss.deltas}
    assert pairs - shown == {("poisson", "softplus")}  # its δ is no function of a and y alone


def test_no_digit_is_left_of_the_slope_far_out():
    _, slope = textbook.logistic(XP)
    z = np.array([37.0])
    g = ACTIVATIONS.get("logistic").bind(XP)
    assert slope(z, g.value(z)) == 0.0
    assert g.slope(z, g.value(z)) == pytest.approx(8.533e-17, rel=1e-3)
