"""Why a run does not learn, and which learning rate would do: what a reader of the page may ask.

The measurements and their advice are those of the gradient lens; beside them stands each finding in
plain words, with what to do about it on the page. The static page measures and tries rates itself
(``diagnosis.js``), with the limits and the words from here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.explain.subject import Subject
from deltarule.maths import ACTIVATIONS, cost
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import Rule
from deltarule.playground.interactive_run import start_run
from deltarule.playground.run_state import Snapshot
from deltarule.playground.run_subject import subject_of_run
from deltarule.training import StopFlag, find_learning_rate
from deltarule.training.diagnosis.advice import THRESHOLDS, Advice, advise
from deltarule.training.diagnosis.measures import FLAT, MOSTLY, largest_slope, measure_rows
from deltarule.training.diagnosis.rate_finding import (
    FACTORS,
    LONG_FACTORS,
    RATE_LIMITS,
    RateTrials,
)
from deltarule.training.diagnosis.trials import cost_at

__all__ = [
    "PLAIN",
    "RATES",
    "lens_of_run",
    "limits",
    "plain_words",
    "rate_limits",
    "rates_of_run",
    "search_steps",
]

MOST_ROWS = 1000
"""Rows that the layers are measured on."""
RATES: dict[str, float] = {"lowest": 1e-4, "highest": 10.0, "per_decade": 2, "most_rows": 4096}
"""The learning rates that are tried, and the rows that their losses are of."""
_STEPS, _LEAST_STEPS = 300, 20
# Multiplications of the forward passes of all trials: some seconds at the most.
_MOST_WORK = 1_500_000_000

PLAIN: dict[str, tuple[str, str]] = {
    "not finite": (
        "A number has become too large to be computed.",
        "Choose a lower learning rate and press Reset.",
    ),
    "no gradient": (
        "Nothing is left to learn from these rows: the loss is flat here.",
        "If the loss is not small, press Reset, or choose another loss.",
    ),
    "vanishing": (
        "The layers near the inputs hardly learn: the error fades on its way back to them.",
        "Press Use tanh, choose another activation such as ReLU or GELU, or take fewer layers.",
    ),
    "penalty": (
        (
            "The penalty outweighs the loss: it draws the weights to 0, so that the answer is "
            "the same for all rows."
        ),
        "Choose a much smaller L2 or L1 penalty, or 0, and press Reset.",
    ),
    "linear": (
        (
            "No layer bends what it computes, so that the network can only weigh its inputs: "
            "between two classes it draws a straight line, and for a quantity a plane."
        ),
        (
            "Choose an activation that bends, such as tanh or GELU, with at least one hidden "
            "layer, or add derived inputs."
        ),
    ),
    "learning rate too high": (
        "The learning rate is too high: from the same start a lower one does far better.",
        "Press Find a learning rate, and then Reset.",
    ),
    "learning rate too low": (
        "The learning rate is too low: from the same start a higher one does far better.",
        "Press Find a learning rate, and then Reset.",
    ),
    "exploding": (
        "The error grows on its way back, and the layers near the inputs change far too much.",
        "Choose a lower learning rate, and press Reset.",
    ),
    "dead": (
        "Some nodes are off for every row, and can no longer learn.",
        (
            "Choose a lower learning rate and press Reset, or an activation that is nowhere flat, "
            "such as leaky ReLU or GELU."
        ),
    ),
    "saturated": (
        (
            "Some nodes are at the flat end of their activation: they hardly react to their "
            "inputs, and learn slowly."
        ),
        "Choose a lower learning rate and press Reset, or add a little of an L2 penalty.",
    ),
}
"""Each finding in plain words, and what to do on the page."""

_STEEP = tuple(
    name for name in ACTIVATIONS.names() if not largest_slope(ACTIVATIONS.get(name))[0] < 1
)
ALREADY: dict[str, tuple[tuple[str, ...], str]] = {
    "vanishing": (
        _STEEP,
        "Press Reset to begin with other weights, choose another seed, or take fewer layers.",
    ),
    "dead": (("leaky_relu", "gelu"), "Choose a lower learning rate and press Reset."),
}
"""What to do where the hidden layers have one of these activations already."""

OWN: dict[str, float] = {"share": 0.5, "shrunk": 0.2, "poor": 0.5, "linear": 0.2}
"""Limits of the findings that only the playground has.

A penalty outweighs the loss that is above ``poor`` times that of a constant guess: where it is the
``share`` of the cost or more, or the RMS of the weights is below ``shrunk`` times that at the
start. A network without bends is named where the loss stays above ``linear`` times that of the
guess.
"""


def plain_words() -> dict[str, tuple[str, str, tuple[str, ...], str]]:
    """Each finding in plain words, what to do, and what instead with some activations.

    Examples
    --------
    >>> seen, todo, activations, instead = plain_words()["vanishing"]
    >>> "gelu" in activations, "logistic" in activations
    (True, False)
    """
    return {kind: (*words, *ALREADY.get(kind, ((), ""))) for kind, words in PLAIN.items()}


def rate_limits() -> dict[str, Any]:
    """Limits of the findings on a learning rate, and the factors that are tried.

    Examples
    --------
    >>> rate_limits()["few_steps"]
    100
    """
    return RATE_LIMITS | {"factors": FACTORS, "long_factors": LONG_FACTORS}


def limits() -> dict[str, Any]:
    """What the static page measures by: thresholds, words, and each activation's largest slope.

    Examples
    --------
    >>> limits()["slopes"]["relu"]
    [1.0, True]
    """
    slopes = {}
    for name in ACTIVATIONS.names():
        largest, off = largest_slope(ACTIVATIONS.get(name))
        slopes[name] = [largest if np.isfinite(largest) else None, off]
    return {
        "thresholds": dict(THRESHOLDS) | {"flat": FLAT, "mostly": MOSTLY},
        "own": OWN,
        "rate": rate_limits(),
        "slopes": slopes,
        "rows": MOST_ROWS,
        "rates": RATES | {"steps": _STEPS, "least": _LEAST_STEPS, "work": _MOST_WORK},
    }


def lens_of_run(snapshot: Snapshot) -> dict[str, Any]:
    """What the gradient lens finds on the training rows of a run, at its present parameters.

    Returns
    -------
    dict
        ``rows`` that were measured, ``of`` all training rows; ``sizes``, √(mean of ‖∂Cᵢ/∂z^l‖²)
        for l = 1 … L, None where that is not finite; and ``findings``: the advice of
        :mod:`deltarule.training.diagnosis`, as dictionaries, and those of :data:`OWN`, without
        layers.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> settings = RunSettings(activation="logistic", layers=(6,) * 6)
    >>> found = lens_of_run(make_run_state(settings).snapshot())
    >>> [each["kind"] for each in found["findings"]], found["rows"]
    (['vanishing'], 210)
    """
    subject = subject_of_run(snapshot, "same", MOST_ROWS)
    measured = measure_rows(subject.net, subject.theta, subject.X, subject.Y, subject.w)
    rows, of = len(subject.X), len(snapshot.data.trained)
    penalised = snapshot.settings.l2 > 0 or snapshot.settings.l1 > 0
    advice = advise(subject.net, measured, measured, rows, of, penalised=penalised)
    findings = [dataclasses.asdict(each) for each in advice]
    if "not finite" not in [each["kind"] for each in findings]:
        findings = _arranged(findings, _own_findings(snapshot, subject))
        rate = _rate_finding(snapshot)
        findings = [*([dataclasses.asdict(rate)] if rate is not None else []), *findings]
    norms = [each.delta_norm for each in measured.layers]
    sizes = [norm if np.isfinite(norm) else None for norm in norms]
    return {"rows": rows, "of": of, "sizes": sizes, "findings": findings}


def _rate_finding(snapshot: Snapshot) -> Advice | None:
    """What the guard of ``fit`` finds of the learning rate of such a run.

    A run whose weights or rate were set by hand has no start that other rates could begin from.
    """
    run, settings = snapshot, snapshot.settings
    if run.step < RATE_LIMITS["few_steps"] or run.edits or len(run.changes) > 1:
        return None
    net, fresh = start_run(run.data, settings, StopFlag())
    rule = fresh.engine.settings.rule
    assert isinstance(rule, Rule)
    rows, _ = fresh.batches.sample(MOST_ROWS)
    trials = RateTrials(
        engine=fresh.engine,
        settings=fresh.engine.settings,
        net=net,
        batches=fresh.batches,
        rows=rows,
        start=net.initial(settings.seed),
        last=cost_at(net, fresh.engine.settings, run.theta, rows),
        rate=settings.learning_rate if rule.uses_learning_rate else None,
        most_steps=search_steps(net.n_multiply_adds, run.batch_size),
        guess=run.guess,
    )
    return trials.finding(run.step, [each.loss for each in run.history.logs])


def _own_findings(snapshot: Snapshot, subject: Subject) -> list[dict[str, Any]]:
    """A penalty that outweighs the loss, and a network without bends that has to bend."""
    net, guess, settings = subject.net, snapshot.guess, snapshot.settings
    if guess is None:
        return []
    loss = cost(net, subject.theta, subject.X, subject.Y)
    found: list[dict[str, Any]] = []
    strengths = {"l2": settings.l2, "l1": settings.l1}
    xp, total = numpy_namespace(net.dtype), snapshot.total_weight
    penalty = float(penalty_terms(xp, strengths, subject.theta, net.is_weight, total)[0])
    share = penalty / (penalty + loss) if penalty else 0.0
    start = snapshot.net.initial(settings.seed).astype(np.float64)
    size = float(
        np.linalg.norm(subject.theta[net.is_weight]) / np.linalg.norm(start[net.is_weight])
    )
    if (share >= OWN["share"] or (any(strengths.values()) and size < OWN["shrunk"])) and (
        loss > OWN["poor"] * guess
    ):
        found.append(_own("penalty", share=share, size=size))
    straight = settings.activation == "identity" or not settings.layers
    if straight and snapshot.step and loss > OWN["linear"] * guess:
        found.append(_own("linear"))
    return found


def _own(kind: str, **numbers: float) -> dict[str, Any]:
    return {"kind": kind, "layers": (), "serious": True, "own": True, **numbers}


def _arranged(findings: list[dict[str, Any]], own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Causes first, and without what only follows from them: an error that fades."""
    dead = [each for each in findings if each["kind"] == "dead" and each["serious"]]
    others = [each for each in findings if each not in dead]
    if any(each["kind"] == "penalty" for each in own):
        others = [each for each in others if each["kind"] != "vanishing"]
    # Below a layer with dead nodes little or no δ arrives, whatever the activation.
    top = max((layer for each in dead for layer in each["layers"]), default=0)
    others = [each for each in others if each["kind"] != "vanishing" or max(each["layers"]) > top]
    return [*dead, *own, *others]


def search_steps(n_multiply_adds: int, batch_rows: int) -> int:
    """The number of steps that are taken with each rate, fewer of a large network.

    Examples
    --------
    >>> search_steps(100, 32), search_steps(1_000_000, 256)
    (300, 20)
    """
    rates = RATES["per_decade"] * np.log10(RATES["highest"] / RATES["lowest"]) + 1
    fitting = _MOST_WORK / (rates * n_multiply_adds * batch_rows)
    return int(np.clip(fitting, _LEAST_STEPS, _STEPS))


def rates_of_run(snapshot: Snapshot) -> dict[str, Any]:
    """The loss that each of some learning rates reaches from the start of a run, and the best.

    Raises
    ------
    InputError
        If the rule uses no learning rate.
    Diverged
        If no rate gives a finite loss.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> found = rates_of_run(make_run_state(RunSettings(data="circles", rule="adam")).snapshot())
    >>> len(found["rates"]), found["suggestion"] in found["rates"], found["steps"]
    (11, True, 300)
    """
    data, net, settings = snapshot.data, snapshot.net, snapshot.settings
    rows = data.trained
    found = find_learning_rate(
        net,
        data.X[rows],
        data.targets(net)[rows],
        rule=settings.rule,
        lowest=RATES["lowest"],
        highest=RATES["highest"],
        steps=search_steps(net.n_multiply_adds, snapshot.batch_size),
        batch_size=snapshot.batch_size,
        seed=settings.seed,
        l2=settings.l2,
        l1=settings.l1,
    )
    return found.to_dict()
