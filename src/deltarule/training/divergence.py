"""Finding the first number that is not finite, and the error that reports it."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from deltarule.engines import Batch, CheckedEngine, Engine, EngineSettings, ReferenceEngine
from deltarule.errors import Diverged, Message
from deltarule.maths import Network
from deltarule.training.batches import RowChunks, Rows, chunks

__all__ = [
    "RUNAWAY_RATIO",
    "diverged_at",
    "penalty_diverged",
    "raise_diverged",
    "refuse_runaway",
]

RUNAWAY_RATIO = 1e6
"""A final loss above this multiple of the loss at the start, and of those of untrained networks,
counts as divergence."""


def diverged_at(error: Diverged, where: str, advice: str, *, epoch: int, index: int) -> Diverged:
    """Return the error with the position in training and the advice added to its message."""
    return Diverged(
        Message(f"{where}: ", error.message, ". ", advice),
        epoch=epoch,
        batch=index,
        layer=error.layer,
        block=error.block,
        row=error.row,
    )


def raise_diverged(
    engine: Engine,
    batch: Batch,
    *,
    where: str,
    advice: str,
    epoch: int,
    index: int,
    averaged: bool = False,
    dropout: bool = True,
) -> NoReturn:
    """Find the first layer and block that is not finite, and raise :class:`Diverged`.

    ``batch`` is the one that failed, and the engine is in the state before its step. ``where`` and
    ``advice`` begin and end the message; ``epoch`` and ``index``, the batch, count from 1.
    ``averaged`` tells whether the pass used the average of the parameters; ``dropout``, whether it
    had dropout, as in training.
    """
    settings = engine.settings
    checked = CheckedEngine()
    theta = np.array(engine.averaged_theta if averaged else engine.theta)
    rates = settings.dropout if dropout else 0.0
    checked.load(engine.net, theta, EngineSettings(dropout=rates, seed=settings.seed))
    failure = Diverged("the cost is not finite")
    try:
        checked.gradient(batch.dense())
    except Diverged as error:
        failure = error
    raise diverged_at(failure, where, advice, epoch=epoch, index=index) from None


def penalty_diverged(engine: Engine, advice: str, *, epoch: int, index: int) -> Diverged:
    """Return the error for weights so large that the penalty is not finite."""
    theta = np.asarray(engine.theta)
    blocks = [block for block in engine.net.blocks if block.kind == "W"]
    sizes = [float(np.abs(block.of(theta)).max()) for block in blocks]
    worst = blocks[int(np.argmax(sizes))]
    return Diverged(
        Message(
            f"training diverged in epoch {epoch}, batch {index}: the penalty is not finite; layer "
            f"{worst.layer}, W[{worst.layer}] has entries up to {max(sizes):.3g}. ",
            advice,
        ),
        epoch=epoch,
        batch=index,
        layer=worst.layer,
        block="W",
    )


def refuse_runaway(
    net: Network,
    rows: Rows | RowChunks,
    start: np.ndarray | None,
    last: float,
    *,
    advice: str,
    epoch: int,
    index: int,
) -> None:
    """Raise :class:`Diverged` if the final loss is finite but shows that the run diverged.

    The final loss is compared with the loss on the same rows of the initial parameters and of two
    untrained networks: all parameters 0, and initial weights with biases of 1. So neither a nearly
    perfect start nor a change in the scale of the targets counts as divergence. ``start`` holds
    the initial parameters, shape (p,), and ``last`` the final loss.
    """
    untrained = net.initial(0)
    for block in net.blocks:
        if block.kind == "b":
            block.of(untrained)[...] = 1
    start_cost = None if start is None else _cost_of(net, start, rows)
    untrained_costs = [
        _cost_of(net, theta, rows) for theta in (np.zeros_like(untrained), untrained)
    ]
    finite = [
        abs(cost)
        for cost in (start_cost, *untrained_costs)
        if cost is not None and np.isfinite(cost)
    ]
    if not last > RUNAWAY_RATIO * max(finite, default=0.0):
        return
    from_where = "" if start_cost is None else f"from {start_cost:.3g} at the start of this run "
    raise Diverged(
        Message(
            f"training diverged: the loss grew {from_where}to {last:.3g} in epoch {epoch}, more "
            f"than {RUNAWAY_RATIO:.0e} times that of a network that has learned nothing "
            f"({max(untrained_costs):.3g}). ",
            advice,
        ),
        epoch=epoch,
        batch=index,
        layer=net.n_layers,
        block="loss",
    )


def _cost_of(net: Network, theta: np.ndarray, rows: Rows | RowChunks) -> float:
    """Return the mean cost of all rows at θ, without penalty."""
    engine = ReferenceEngine()
    engine.load(net, theta, EngineSettings())
    return sum(engine.cost(batch) for batch in chunks(rows, engine))
