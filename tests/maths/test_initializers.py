"""Initial weights: the variance each equation promises, one seed one result, biases 0."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.errors import InputError, UnknownName
from deltarule.maths import ACTIVATIONS, INITIALIZERS, Initializer, Network

VARIANCES = {
    "lecun": lambda n_in, n_out: 1 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "he": lambda n_in, n_out: 2 / n_in,
}
SHAPES = [(30, 200), (200, 30), (100, 100)]


@pytest.mark.parametrize(("n_in", "n_out"), SHAPES)
@pytest.mark.parametrize("name", INITIALIZERS.names())
def test_variance_is_the_equations(name, n_in, n_out):
    record = INITIALIZERS.get(name)
    family, distribution = name.split("_")
    true = VARIANCES[family](n_in, n_out)
    assert record.variance(n_in, n_out) == pytest.approx(true, rel=1e-15)
    drawn = np.concatenate(
        [record.sample(np.random.default_rng(seed), n_in, n_out).ravel() for seed in range(20)]
    )
    assert drawn.shape == (20 * n_in * n_out,)
    # The variance of n draws has a relative standard deviation of √(κ/n), κ = 2 for a normal
    # distribution and 4/5 for a uniform one; 6 standard deviations are allowed.
    kurtosis = 2.0 if distribution == "normal" else 0.8
    assert drawn.var() == pytest.approx(true, rel=6 * np.sqrt(kurtosis / drawn.size))
    assert abs(drawn.mean()) < 6 * np.sqrt(true / drawn.size)
    if distribution == "uniform":
        assert np.abs(drawn).max() <= np.sqrt(3 * true)
    else:
        assert np.abs(drawn).max() > 3 * np.sqrt(true)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*INITIALIZERS.names(), "auto"])
def test_one_seed_one_result(name, dtype):
    net = Network([5, 8, 3], "tanh", dtype=dtype)
    theta = net.initial(7, name)
    assert theta.dtype == dtype
    np.testing.assert_array_equal(theta, net.initial(7, name))
    assert (theta != net.initial(8, name))[net.is_weight].all()
    assert (theta[~net.is_weight] == 0).all()
    assert (theta[net.is_weight] != 0).all()


def test_float32_is_the_float64_draw_rounded():
    net = Network([5, 8, 3], "tanh")
    np.testing.assert_array_equal(
        net.with_changes(dtype=np.float32).initial(0), net.initial(0).astype(np.float32)
    )


def test_a_layer_does_not_depend_on_the_others():
    short, long = Network([5, 8, 3], "tanh"), Network([5, 8, 3, 4], "tanh")
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(
            short.block(name).of(short.initial(0)), long.block(name).of(long.initial(0))
        )


@pytest.mark.parametrize("g", [g for g in ACTIVATIONS if g.elementwise], ids=str)
def test_auto_takes_the_one_that_suits_the_activation(g):
    suited = "lecun_normal" if g.name == "selu" else "he_normal" if g.gain == 2 else None
    net = Network([50, 60, 1], g)
    expected = net.initial(0, suited or "glorot_uniform")
    np.testing.assert_array_equal(net.block("W1").of(net.initial(0)), net.block("W1").of(expected))


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(InputError, match=r"seed is .*; expected a whole number, at least 0"):
        Network([2, 1]).initial(seed)


def test_unknown_initializers_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'he_normal'"):
        Network([2, 1]).initial(0, "he_norma")
    odd = Initializer("odd", INITIALIZERS.get("he_normal").formula, distribution="cauchy")
    with pytest.raises(InputError, match="'cauchy'; expected 'normal' or 'uniform'"):
        Network([2, 1]).initial(0, odd)
