"""The article's example, on which the page gives its guided tour."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.engines import Batch, started_engine
from deltarule.explain.page.formulas import formulas_script
from deltarule.explain.page.payload import payload_of
from deltarule.explain.page.states import PageState
from deltarule.explain.subject import Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.maths import Network

__all__ = ["example_formulas", "example_payload", "example_states", "example_subject"]

LEARNING_RATE = 0.5
# The steps after which a state is kept for the chapter on many steps.
STEPS = (0, 1, *range(5, 201, 5))
# The weight that three chapters follow, and whose derivative the article computes.
WEIGHT = {"kind": "edge", "layer": 2, "j": 1, "k": 2}


@functools.cache
def example_subject() -> Subject:
    """The article's network, layers 3-3-3 without biases, with two samples and its first step.

    Examples
    --------
    >>> round(example_subject().trace.cost, 6)
    0.529953
    """
    net = Network([3, 3, 3], "logistic", "logistic", "squared_error", bias=False)
    W = [
        [[((3 * j + 2 * k + layer) % 7 - 3) / 10 for k in range(3)] for j in range(3)]
        for layer in (1, 2)
    ]
    X = [[0.5, -0.25, 0.75], [-1.0, 0.125, 0.25]]
    Y = [[0.0, 1.0, 0.5], [1.0, 0.0, 0.25]]
    return subject_of(net, X, Y, theta=net.pack(W), rule="sgd", learning_rate=LEARNING_RATE)


def example_states() -> list[PageState]:
    """The states of the example after some of 200 steps of its rule.

    Examples
    --------
    >>> [state.step for state in example_states()][:4]
    [0, 1, 5, 10]
    """
    subject = example_subject()
    assert subject.step is not None  # it was made with a rule
    engine = started_engine("reference", subject.net, subject.theta, subject.step.settings)
    states = []
    for done in range(max(STEPS) + 1):
        if done in STEPS:
            states.append(PageState(engine.theta.copy(), step=done, learning_rate=LEARNING_RATE))
        batch = Batch(subject.X, subject.Y, subject.w, np.arange(len(subject.X)), done + 1)
        engine.step(batch, LEARNING_RATE)
    return states


@functools.cache
def example_payload() -> dict[str, Any]:
    """The example as :func:`payload_of` gives it, with its states.

    Examples
    --------
    >>> len(example_payload()["states"]) == len(example_states())
    True
    """
    start = {"sample": 0, "selected": WEIGHT}
    title = "The article's example"
    return payload_of(example_subject(), title=title, states=example_states(), start=start)


@functools.cache
def example_formulas() -> str:
    """The script that defines the example's formulas, ``DR.exampleFormulas``.

    Examples
    --------
    >>> "DR.exampleFormulas = {" in example_formulas()
    True
    """
    subject = example_subject()
    return formulas_script(subject.net, subject.step, subject.objective, name="exampleFormulas")
