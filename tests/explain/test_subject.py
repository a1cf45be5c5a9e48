"""Subjects hold arrays exactly, and refuse arrays that cannot be explained."""

import dataclasses

import numpy as np
import pytest

from deltarule import Network, backprop, explain
from deltarule.errors import InputError
from deltarule.explain import Subject

NET = Network([2, 3, 1], activation="tanh", dtype=np.float32)
X, Y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[1.0], [0.0]])


def test_float32_parameters_are_kept_to_the_last_digit():
    theta = NET.initial(0)
    subject = Subject.of_arrays(NET, theta, X, Y)
    assert subject.theta.dtype == np.float64
    assert (subject.theta.astype(np.float32) == theta).all()
    assert subject.net.dtype == np.float64


def test_the_trace_is_backprops_with_unequal_weights():
    s = [3.0, 1.0]
    subject = Subject.of_arrays(NET, NET.initial(0), X, Y, s)
    exact = NET.with_changes(dtype=np.float64)
    assert (subject.trace.grad == backprop(exact, subject.theta, X, Y, s).grad).all()
    np.testing.assert_allclose(
        subject.per_sample.delta[1] * subject.w[:, None], subject.trace.delta[1], rtol=1e-15
    )


def test_a_batch_keeps_the_weights_its_step_had():
    subject = Subject.of_arrays(NET, NET.initial(0), X, Y)
    batch = dataclasses.replace(subject, w=np.array([0.1, 0.3]))
    assert batch.trace.cost == pytest.approx(
        0.1 * subject.trace.loss[0] + 0.3 * batch.trace.loss[1]
    )


@pytest.mark.parametrize(
    ("theta", "rows", "message"),
    [
        (NET.initial(0) * np.nan, X, "theta is not finite"),
        (NET.initial(0), X[:0], "X has no rows"),
        (NET.initial(0), X[:, :1], "expected \\(N, 2\\)"),
        (NET.initial(0)[1:], X, "theta has shape"),
    ],
)
def test_what_cannot_be_explained_is_refused(theta, rows, message):
    with pytest.raises(InputError, match=message):
        Subject.of_arrays(NET, theta, rows, Y[: len(rows)])


def test_only_what_is_asked_for_is_computed():
    e = explain(NET, X, Y, theta=NET.initial(0))
    assert not {"forward", "per_sample", "trace"} & set(vars(e.subject))
    e.node(1, 0, 1).text()
    assert {"each", "trace"}.isdisjoint(vars(e.subject))
    e.weight(1, 0, 0, 1).text()
    assert "trace" not in vars(e.subject)
    assert e.subject.per_sample.dX is None
    assert e.subject.per_sample.Z[1] is e.trace.Z[1]
