"""Rounding to bfloat16, and products of bfloat16 operands, by another way of computing them."""

from fractions import Fraction

import numpy as np
import pytest

from deltarule.maths.bfloat16 import bfloat16_namespace, round_to_bfloat16


def nearest(x):
    """The nearest bfloat16 in exact arithmetic: of two at the same distance the even one."""
    low = np.array([x], np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    candidates = [low, low + np.uint32(0x10000)]

    def key(bits):
        value = bits.view(np.float32)[0]
        # 2^128 is the number after the largest, in whose place infinity stands.
        exact = (
            Fraction(2) ** 128 * (1 if x > 0 else -1) if np.isinf(value) else Fraction(float(value))
        )
        return abs(exact - Fraction(x)), bits[0] >> 16 & 1

    return min(candidates, key=key).view(np.float32)[0]


def test_numbers_are_rounded_to_the_nearest_and_halves_to_even():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(300) * 2.0 ** rng.integers(-120, 120, 300)).astype(np.float32)
    halves = (rng.integers(-400, 400, 300) * 2.0**-8 + 2.0).astype(np.float32)
    largest = np.float32(3.4e38)
    for number in (*x, *halves, largest, -largest, np.float32(2.0**-126)):
        if number != 0:
            assert round_to_bfloat16(number)[0] == nearest(float(number)), number


@pytest.mark.parametrize("x", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-39, -1e-39, 2.0**-149])
def test_zeros_infinities_nan_and_denormal_numbers(x):
    expected = x if not np.isfinite(x) else np.copysign(0.0, x)
    rounded = round_to_bfloat16([x])[0]
    assert np.array_equal(rounded, np.float32(expected), equal_nan=True)
    assert np.isnan(x) or np.signbit(rounded) == np.signbit(x)


def test_a_nan_with_bits_in_the_lower_half_alone_stays_nan():
    assert np.isnan(round_to_bfloat16(np.array([0x7F800001], np.uint32).view(np.float32))).all()


def test_a_product_is_added_term_by_term_with_one_rounding_to_float32_for_each():
    rng = np.random.default_rng(1)
    a, W = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 37), (4, 37)))
    b = rng.standard_normal(4).astype(np.float32)
    left, right = round_to_bfloat16(a), round_to_bfloat16(W)
    expected = np.empty((3, 4), np.float32)
    for i in range(3):
        for j in range(4):
            total = b[j]
            for q in range(37):
                # Exact in float64, as is the sum before it is rounded.
                exact = float(total) + float(left[i, q]) * float(right[j, q])
                total = np.float32(exact)
            expected[i, j] = total
    xp = bfloat16_namespace()
    assert np.array_equal(xp.affine(a, W, b), expected)
    assert np.array_equal(xp.affine(a, W, np.zeros(4, np.float32)), xp.product(a, W.T))
    assert np.array_equal(xp.affine(a, W, None), xp.product(a, W.T))
    assert not np.array_equal(xp.product(a, W.T), left @ right.T + np.float32(1e-3))
