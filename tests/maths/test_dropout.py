"""Dropout masks: known answers of Philox, a row's mask in any batch, frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.maths import dropout_mask
from deltarule.maths.dropout import dropout_rates, philox

ONES = 0xFFFFFFFF
# From the test vectors that Random123 publishes for philox4x32, 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES,) * 4, (ONES, ONES), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    found = philox(counter, key)
    assert found.dtype == np.uint32
    assert " ".join(f"{int(word):08x}" for word in found) == words


def test_arrays_of_counters_give_what_each_gives_alone():
    rows, groups = np.arange(5)[:, None], np.arange(3)[None, :]
    words = philox((rows, groups, 7, 2), (3, 4))
    assert words.shape == (5, 3, 4)
    for i in range(5):
        for j in range(3):
            np.testing.assert_array_equal(words[i, j], philox((i, j, 7, 2), (3, 4)))


KEY = {"seed": 5, "step": 9, "layer": 1}


@pytest.mark.parametrize("width", [1, 3, 4, 7, 64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shape_type_and_values(width, dtype):
    mask = dropout_mask(0.25, range(10), width, dtype=dtype, **KEY)
    assert mask.shape == (10, width)
    assert mask.dtype == dtype
    assert set(np.unique(mask)) <= {dtype(0), dtype(1 / 0.75)}


def test_the_mask_does_not_depend_on_how_a_batch_is_split_or_ordered():
    rows = np.array([17, 3, 250, 4, 99, 100000])
    whole = dropout_mask(0.5, rows, 13, **KEY)
    for part in (slice(0, 2), slice(2, 5), [5], [4, 0, 3]):
        np.testing.assert_array_equal(dropout_mask(0.5, rows[part], 13, **KEY), whole[part])


def test_a_wider_layer_begins_with_the_narrower_ones_mask():
    np.testing.assert_array_equal(
        dropout_mask(0.5, range(4), 30, **KEY)[:, :13], dropout_mask(0.5, range(4), 13, **KEY)
    )


@pytest.mark.parametrize("change", [{"seed": 6}, {"step": 10}, {"layer": 2}, {"seed": 5 + 2**32}])
def test_seed_step_and_layer_all_count(change):
    here = dropout_mask(0.5, range(20), 20, **KEY)
    there = dropout_mask(0.5, range(20), 20, **(KEY | change))
    assert 0.3 < (here == there).mean() < 0.7


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_frequency_and_mean(rate):
    mask = dropout_mask(rate, range(500), 200, seed=0, step=1, layer=1)
    spread = 5 * np.sqrt(rate * (1 - rate) / mask.size)
    assert (mask == 0).mean() == pytest.approx(rate, abs=spread + 1e-15)
    assert mask.mean() == pytest.approx(1, abs=spread / (1 - rate) + 1e-12)
    if rate == 0:
        assert (mask == 1).all()


def test_nodes_and_rows_are_dropped_independently():
    dropped = dropout_mask(0.5, range(400), 300, seed=2, step=3, layer=1) == 0
    for axis in (0, 1):
        counts = dropped.sum(axis=axis)
        n = dropped.shape[axis]
        assert counts.var() == pytest.approx(n / 4, rel=0.35)
    together = (dropped[:, :-1] & dropped[:, 1:]).mean()
    assert together == pytest.approx(0.25, abs=0.01)


def test_no_rows_and_refusals():
    assert dropout_mask(0.5, [], 3, **KEY).shape == (0, 3)
    for rate in (1.0, -0.1, np.nan):
        with pytest.raises(InputError, match=r"dropout rate is .*; expected a number ≥ 0"):
            dropout_mask(rate, [0], 3, **KEY)
    for rows in ([-1], [[0]], [0.5]):
        with pytest.raises(InputError, match="expected row numbers, each ≥ 0"):
            dropout_mask(0.5, rows, 3, **KEY)


def test_rates_one_for_all_or_one_for_each():
    assert dropout_rates(0.2, 3) == (0.2, 0.2)
    assert dropout_rates(0, 1) == ()
    assert dropout_rates([0.1, 0], 3) == (0.1, 0.0)
    with pytest.raises(InputError, match="has 1 rates; expected 2, one for each hidden layer"):
        dropout_rates([0.1], 3)
    with pytest.raises(InputError, match="no hidden layer"):
        dropout_rates(0.1, 1)
    with pytest.raises(InputError, match=r"dropout rate is 1\.5"):
        dropout_rates([0.1, 1.5], 3)
