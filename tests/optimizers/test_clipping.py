"""Clipping by norm, over the whole range of floats."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.errors import InputError
from deltarule.optimizers import clip_by_norm

TINY = 5e-324


@pytest.mark.parametrize(
    ("g", "bound", "expected", "norm"),
    [
        ([3.0, 4.0], 2.5, [1.5, 2.0], 5.0),
        ([3.0, 4.0], 5.0, [3.0, 4.0], 5.0),
        ([3.0, 4.0], inf, [3.0, 4.0], 5.0),
        ([0.0, 0.0], 1e-300, [0.0, 0.0], 0.0),
        ([], 1.0, [], 0.0),
        ([-3e200, 4e200], 5.0, [-3.0, 4.0], 5e200),
        ([-3e200, 4e200], 1e201, [-3e200, 4e200], 5e200),
        # c/‖g‖ is subnormal and has few digits: g times it would not be within 1e-15
        ([3e299, 4e299], 5e-20, [3e-20, 4e-20], 5e299),
        ([3e-200, -4e-200], 5e-201, [3e-201, -4e-201], 5e-200),
        ([3e-200, 4e-200], 1.0, [3e-200, 4e-200], 5e-200),
        ([TINY, 0.0], 1.0, [TINY, 0.0], TINY),
        ([3 * TINY, 4 * TINY], 1.0, [3 * TINY, 4 * TINY], 5 * TINY),
        ([1e200, 1e-200], 1.0, [1.0, 0.0], 1e200),
    ],
)
def test_by_hand(g, bound, expected, norm):
    clipped, length = clip_by_norm(np, np.array(g), bound)
    np.testing.assert_allclose(clipped, expected, rtol=1e-15)
    np.testing.assert_allclose(length, norm, rtol=1e-15)


@pytest.mark.parametrize(
    ("g", "norm"),
    [
        ([1.0, nan, 1e200], nan),
        ([1e200, inf, -inf], inf),
        ([inf, nan], nan),
        ([1.7e308, 1.7e308], inf),  # finite entries, but their norm is no float
    ],
)
def test_a_norm_that_is_not_finite_is_returned(g, norm):
    clipped, length = clip_by_norm(np, np.array(g), 1.0)
    np.testing.assert_array_equal(clipped, g)
    np.testing.assert_array_equal(length, norm)


def test_nothing_is_raised_under_errstate_raise():
    with np.errstate(all="raise"):
        for g in ([1e200, 1e-200], [inf, 1e200], [1.7e308] * 3, [TINY, 1.0]):
            clip_by_norm(np, np.array(g), 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [1e-3, np.float64(1e-3), 7, np.float32(100.0)])
def test_type_is_kept_and_the_input_unchanged(dtype, bound):
    g = np.array([3.0, 4.0], dtype)
    g.flags.writeable = False
    clipped, norm = clip_by_norm(np, g, bound)
    assert clipped.dtype == norm.dtype == dtype
    assert norm.shape == ()
    np.testing.assert_allclose(np.hypot(*clipped), min(float(bound), 5.0), rtol=1e-6)


@given(
    arrays(np.float64, st.integers(1, 6), elements=st.floats(-1e300, 1e300)), st.floats(1e-9, 1e9)
)
def test_laws(g, bound):
    clipped, norm = clip_by_norm(np, g, bound)
    if norm <= bound:
        assert clipped.tobytes() == g.tobytes()
    else:
        again, length = clip_by_norm(np, clipped, 2.0 * bound)
        np.testing.assert_allclose(length, bound, rtol=1e-14)
        np.testing.assert_array_equal(again, clipped)
        np.testing.assert_allclose(clipped, g * (1.0 / norm) * bound, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("bound", [0.0, -1.0, nan, "1", None, True])
def test_invalid_bounds_are_refused(bound):
    with pytest.raises(InputError, match=r"max_norm is .*; expected a number in"):
        clip_by_norm(np, np.ones(2), bound)
