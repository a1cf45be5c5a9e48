"""Small problems for the tests of the mathematics: a network, parameters and data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from deltarule.maths import LOSSES, Network
from deltarule.maths.backprop import forward_pass
from deltarule.maths.namespace import numpy_namespace


class Problem(NamedTuple):
    """The arguments of check_gradient and backprop."""

    net: Network
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray


def targets_for(loss, n_rows, n_outputs, rng):
    """Random targets that the loss accepts, boundary values included."""
    loss = LOSSES.get(loss)
    columns = n_outputs // loss.outputs_per_target()
    if loss.targets == "nonnegative":
        return np.where(np.arange(n_rows)[:, None] == 0, 0.0, rng.poisson(2.0, (n_rows, columns)))
    if loss.targets == "unit":
        y = rng.integers(0, 2, (n_rows, columns)).astype(float)
        y[-1] = 0.3
        return y
    if loss.targets == "classes":
        if n_outputs == 1:
            return np.ones((n_rows, 1))
        y = np.eye(n_outputs)[rng.integers(0, n_outputs, n_rows)]
        y[-1] = rng.dirichlet(np.ones(n_outputs))
        return y
    return rng.normal(0.0, 1.0, (n_rows, columns))


def distance_to_kinks(problem, masks=None):
    """The smallest distance of any z or residual from a kink."""
    net, theta, X, Y = problem
    passed = forward_pass(numpy_namespace(), net, theta, X, masks)
    y = net.loss.prepare(Y, len(X), net.n_outputs, np.float64)
    gaps = [
        np.abs(passed.Z[layer] - kink).min()
        for layer, g in enumerate(net.activations)
        if g is not None
        for kink in g.kinks
    ]
    gaps += [np.abs(passed.output - y - kink).min() for kink in net.loss.kink_values()]
    return min(gaps, default=np.inf)


def make_problem(net, n_rows=5, seed=0, scale=0.9, margin=0.02):
    """Random parameters and data, drawn again until no z or residual lies near a kink."""
    for attempt in range(2000):
        rng = np.random.default_rng([seed, attempt])
        theta = rng.uniform(-scale, scale, net.n_parameters)
        X = rng.uniform(-1.5, 1.5, (n_rows, net.n_inputs))
        problem = Problem(net, theta, X, targets_for(net.loss, n_rows, net.n_outputs, rng))
        if distance_to_kinks(problem) > margin:
            return problem
    raise AssertionError(f"no problem away from kinks was found for {net!r}")


@pytest.fixture(scope="session")
def problem_for():
    """``make_problem(net, n_rows, seed, scale, margin)``: parameters and data for a network."""
    return make_problem


@pytest.fixture(scope="session")
def targets():
    """``targets_for(loss, n_rows, n_outputs, rng)``: targets that a loss accepts."""
    return targets_for
