"""Some steps of training on a copy, to see what a learning rate does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings, ReferenceEngine
from deltarule.maths import Network
from deltarule.training.batches import Batches

__all__ = ["cost_at", "cost_of", "trial_steps"]


def cost_of(engine: Engine, theta: np.ndarray, rows: Batch) -> float:
    """Return the cost of rows at θ for the engine's network, without penalty or dropout.

    It is infinite where it is not a number.
    """
    return cost_at(engine.net, engine.settings, theta, rows)


def cost_at(net: Network, settings: EngineSettings, theta: np.ndarray, rows: Batch) -> float:
    """Return the cost of rows at θ as :func:`cost_of` does, for a network and settings."""
    reference = ReferenceEngine()
    # The cost does not depend on the rule; that of plain descent has no slots to allocate.
    reference.load(net, theta, dataclasses.replace(settings, dropout=0.0, rule="sgd"))
    with np.errstate(all="ignore"):
        cost = float(reference.cost(rows))
    return math.inf if math.isnan(cost) else cost


def trial_steps(
    engine: Engine,
    net: Network,
    settings: EngineSettings,
    start: np.ndarray,
    batches: Batches,
    rate: float,
    count: int,
) -> np.ndarray | None:
    """Return θ after ``count`` steps with one learning rate.

    Parameters
    ----------
    engine : Engine
        The one to use; it is loaded anew.
    net : Network
    settings : EngineSettings
    start : array of shape (p,)
        θ before the first step.
    batches : Batches
        An order of its own is not asked for, since it may have a state; the order is that of the
        seed.
    rate : float
        η.
    count : int

    Returns
    -------
    array of shape (p,), or None
        None if a cost or a gradient is not finite.
    """
    ordered = batches.in_seeded_order()
    engine.load(net, start, dataclasses.replace(settings, averaging=None))
    done = epoch = 0
    with np.errstate(all="ignore"):
        while done < count:
            for piece, first in ordered.epoch_steps(epoch).pieces(0):
                few = min(piece.steps - first, count - done)
                for index in range(first, first + few):
                    if not math.isfinite(engine.step(piece.batch(index), rate)):
                        return None
                done += few
                if done == count:
                    break
            epoch += 1
    return np.array(engine.theta)
