"""Some steps of training on a copy, to see what a learning rate does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from deltarule.engines import Batch, Engine, EngineSettings, ReferenceEngine
from deltarule.maths import Network
from deltarule.maths.subsample import evenly_spaced
from deltarule.training.batches import Batches

__all__ = ["cost_of", "sample_of", "trial_steps"]


def sample_of(batches: Batches, most: int) -> tuple[Batch, int]:
    """Return at most so many evenly spaced training rows, and the number of all.

    Those of weight 0 are none; the weights of the others add up to 1.
    """
    weights = batches.training_rows().s
    present = np.flatnonzero(weights > 0)
    rows = present[evenly_spaced(len(present), most)]
    w = np.asarray(weights[rows], dtype=np.float64)
    w = (w / w.sum()).astype(batches.Y.dtype)
    return Batch(np.asarray(batches.X[rows]), batches.Y[rows], w, rows, 1), len(present)


def cost_of(engine: Engine, theta: np.ndarray, rows: Batch) -> float:
    """Return the cost of rows at θ for the engine's network, without penalty or dropout.

    It is infinite where it is not a number.
    """
    reference = ReferenceEngine()
    reference.load(engine.net, theta, dataclasses.replace(engine.settings, dropout=0.0))
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
    rows = (batches.X, batches.Y, batches.s, batches.batch_size, batches.seed, batches.shuffle)
    ordered = Batches(*rows, rows=batches.rows)
    engine.load(net, start, dataclasses.replace(settings, averaging=None))
    done = epoch = 0
    with np.errstate(all="ignore"):
        while done < count:
            steps = ordered.epoch_steps(epoch)
            few = min(steps.steps, count - done)
            for index in range(few):
                if not math.isfinite(engine.step(steps.batch(index), rate)):
                    return None
            done, epoch = done + few, epoch + 1
    return np.array(engine.theta)
