"""The tests' own checks find every fault that is planted in the builders of derivations."""

import functools

import numpy as np
import pytest
from tests.explain.trees import faults
from tests.maths.conftest import make_problem

from deltarule import Network, explain
from deltarule.explain import (
    backward_derivations,
    forward_derivations,
    mean_derivations,
    update_derivations,
)
from deltarule.explain.derivation import Derivation

NET = Network([2, 3, 2], "tanh", "logistic")
PROBLEM = make_problem(NET, n_rows=3)


def found():
    """The faults that the checks find in one derivation of each kind."""
    e = explain(
        NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, sample_weight=[1.0, 2.0, 3.0],
        rule="momentum", learning_rate=0.5, l2=0.3, clip_norm=0.1,
    )  # fmt: skip
    nodes = [e.weight(1, 1, 0), e.weight(2, 0, 1), e.bias(1, 0), e.cost(), e.input(0, 1)]
    return [fault for node in [*nodes, e.update("W1", (0, 1))] for fault in faults(node)]


def test_without_a_fault_nothing_is_found():
    assert found() == []


def one_part_less(method):
    """Make a builder drop the last part of its derivation."""

    @functools.wraps(method)
    def broken(*args, **options):
        node = method(*args, **options)
        if node.kind in ("sum", "product") and node.n_parts > 1:
            node.part_values = node.part_values[:-1]
        return node

    return broken


def other_value(method):
    """Make a builder return a slightly wrong value."""

    @functools.wraps(method)
    def broken(*args, **options):
        node = method(*args, **options)
        node.value = node.value * (1 + 1e-9) + 1e-12
        return node

    return broken


BUILDERS = [
    (backward_derivations.BackwardDerivations, "upstream"),  # F13 with one j dropped
    (backward_derivations.BackwardDerivations, "weight"),
    (backward_derivations.BackwardDerivations, "path_term"),
    (forward_derivations.ForwardDerivations, "z"),  # the bias, or a weight, forgotten
    (forward_derivations.ForwardDerivations, "cost"),
    (mean_derivations.MeanDerivations, "mean_weight"),  # a sample forgotten
    (mean_derivations.MeanDerivations, "mean_bias"),
    (update_derivations.UpdateDerivations, "_with_penalties"),
    (update_derivations.UpdateDerivations, "gradient"),
]


@pytest.mark.parametrize(("owner", "name"), BUILDERS, ids=[name for _, name in BUILDERS])
def test_a_part_that_is_dropped_is_seen(monkeypatch, owner, name):
    monkeypatch.setattr(owner, name, one_part_less(getattr(owner, name)))
    assert found()


OTHERS = [
    (forward_derivations.ForwardDerivations, "a", other_value),
    (forward_derivations.ForwardDerivations, "slope", other_value),
    (forward_derivations.ForwardDerivations, "loss_function", other_value),
    (forward_derivations.ForwardDerivations, "weight_value", other_value),
    (mean_derivations.MeanDerivations, "share", other_value),
    (update_derivations.UpdateDerivations, "_clip_factor", other_value),
]


@pytest.mark.parametrize(("owner", "name", "fault"), OTHERS, ids=[name for _, name, _ in OTHERS])
def test_a_value_that_is_off_is_seen(monkeypatch, owner, name, fault):
    monkeypatch.setattr(owner, name, fault(getattr(owner, name)))
    assert found()


def test_a_forgotten_w_is_seen(monkeypatch):
    share = mean_derivations.MeanDerivations.share

    def ones(self, i):
        node = share(self, i)
        node.value = 1.0
        return node

    monkeypatch.setattr(mean_derivations.MeanDerivations, "share", ones)
    assert found()


def test_a_slope_of_the_wrong_node_is_seen(monkeypatch):
    slope = forward_derivations.ForwardDerivations.slope

    def shifted(self, layer, j, sample):
        return slope(self, layer, (j + 1) % self.net.widths[layer], sample)

    monkeypatch.setattr(forward_derivations.ForwardDerivations, "slope", shifted)
    assert found()


def test_weights_transposed_are_seen(monkeypatch):
    weight = forward_derivations.ForwardDerivations.weight_value

    def transposed(self, layer, j, k):
        shape = self.passes.W[layer].shape
        return weight(self, layer, k % shape[0], j % shape[1])

    monkeypatch.setattr(forward_derivations.ForwardDerivations, "weight_value", transposed)
    assert found()


def test_a_remainder_by_subtraction_would_be_seen():
    """A remainder computed as value minus shown terms would hide a dropped term."""
    values = np.array([1.0, -2.0, 3.0, 0.5, 0.25])
    node = Derivation(
        mean_derivations.plain("S"),
        100.0,  # not their sum
        "sum",
        part_values=values,
        make=lambda i: Derivation(mean_derivations.plain("s"), values[i]),
    )
    _, left = node.parts(terms=2)
    assert left.value == 1.0 + 0.5 + 0.25
    assert faults(node)
