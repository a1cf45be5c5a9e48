"""The running average of the parameters."""

from fractions import Fraction
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import InputError
from deltarule.optimizers import average
from deltarule.optimizers.scalars import one_minus_power


def run(thetas, decay, start=0.0):
    mean = np.full(np.shape(thetas[0]), start)
    for t, theta in enumerate(thetas, start=1):
        mean = average(np, mean, np.asarray(theta), decay, t)
    return mean


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        (0.0, [Fraction(1), Fraction(4), Fraction(8)]),
        (0.5, [Fraction(1), Fraction(3), Fraction(41, 7)]),
        (0.75, [Fraction(1), Fraction(19, 7), Fraction(9 + 48 + 128, 16) / Fraction(37, 16)]),
        (1.0, [Fraction(1), Fraction(5, 2), Fraction(13, 3)]),
    ],
)
def test_by_hand(decay, expected):
    for n, value in enumerate(expected, start=1):
        np.testing.assert_allclose(run([1.0, 4.0, 8.0][:n], decay), float(value), rtol=1e-15)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), st.floats(0.0, 0.9999))
def test_is_the_weighted_mean_and_adams_debiased_form(values, decay):
    n = len(values)
    weights = decay ** np.arange(n - 1, -1, -1.0)
    mean = run(values, decay, start=5.0)
    np.testing.assert_allclose(mean, weights @ values / weights.sum(), rtol=1e-9, atol=1e-9)
    m = 0.0
    for value in values:
        m = decay * m + (1 - decay) * value
    np.testing.assert_allclose(mean, m / (1 - decay**n), rtol=1e-9, atol=1e-9)


def test_equal_parameters_stay_bit_for_bit():
    theta = np.random.default_rng(0).normal(size=9)
    mean = theta
    for t in range(1, 50):
        mean = average(np, mean, theta, 0.99, t)
        np.testing.assert_array_equal(mean, theta)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [0.9, 1.0, np.float64(0.9)])
def test_type_is_kept_and_the_inputs_unchanged(dtype, decay):
    mean, theta = np.zeros(3, dtype), np.ones(3, dtype)
    result = average(np, mean, theta, decay, np.int64(2))
    assert result.dtype == dtype
    np.testing.assert_array_equal(mean, 0.0)
    np.testing.assert_array_equal(theta, 1.0)


@pytest.mark.parametrize("decay", [-0.1, 1.1, nan, None])
def test_decay_out_of_range_is_refused(decay):
    with pytest.raises(InputError, match=r"average: decay is .*; expected a number in"):
        average(np, np.zeros(1), np.zeros(1), decay, 1)


@pytest.mark.parametrize("base", [0.0, 0.5, 0.9, 0.999, 0.99999])
def test_traced_form_of_one_minus_power_equals_the_plain_one(base):
    t = np.arange(1.0, 200.0)
    plain = [one_minus_power(np, base, int(n)) for n in t]
    np.testing.assert_allclose(one_minus_power(np, base, t), plain, rtol=1e-11)
