"""Where a number that is not finite came from, and what to say about it."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from deltarule.engines import Batch, CheckedEngine, Engine, EngineSettings
from deltarule.errors import Diverged
from deltarule.optimizers import Rule

__all__ = ["ADVICE_WITHOUT_RATE", "advice_for", "penalty_diverged", "placed", "raise_diverged"]

ADVICE_WITHOUT_RATE = (
    "Try inputs and targets standardised to mean 0 and variance 1, smaller initial weights, "
    "or a penalty (l2)"
)


def advice_for(settings: EngineSettings, rate: float) -> str:
    """What to try after a step with this learning rate failed."""
    rule = settings.rule
    assert isinstance(rule, Rule)
    if not rule.uses_learning_rate:
        slower = f"smaller steps ({rule.name} with a smaller delta_max)"
    else:
        slower = f"a smaller learning rate (it was {rate:.3g})"
    clip = "" if settings.clip_norm else ", clip_norm=1.0"
    return f"Try {slower}{clip}, and inputs and targets standardised to mean 0 and variance 1"


def placed(found: Diverged, where: str, advice: str, *, epoch: int, index: int) -> Diverged:
    """What an engine that looks at every number has found, with where training was."""
    return Diverged(
        f"{where}: {found}. {advice}",
        epoch=epoch,
        batch=index,
        layer=found.layer,
        block=found.block,
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

    Parameters
    ----------
    engine : Engine
        As it was before the step that failed.
    batch : Batch
        What it failed on.
    where, advice : str
        The beginning and the end of the message.
    epoch, index : int
        The epoch and the batch, both from 1.
    averaged : bool
        Whether the average of the parameters was used.
    dropout : bool
        Whether the pass had dropout: training has, validation has not.
    """
    settings = engine.settings
    checked = CheckedEngine()
    theta = np.array(engine.averaged_theta if averaged else engine.theta)
    rates = settings.dropout if dropout else 0.0
    checked.load(engine.net, theta, EngineSettings(dropout=rates, seed=settings.seed))
    found = Diverged("the cost is not finite")
    try:
        checked.gradient(batch)
    except Diverged as error:
        found = error
    raise placed(found, where, advice, epoch=epoch, index=index) from None


def penalty_diverged(engine: Engine, advice: str, *, epoch: int, index: int) -> Diverged:
    """The error for weights so large that the penalty on them is not finite."""
    theta = np.asarray(engine.theta)
    blocks = [block for block in engine.net.blocks if block.kind == "W"]
    sizes = [float(np.abs(block.of(theta)).max()) for block in blocks]
    worst = blocks[int(np.argmax(sizes))]
    return Diverged(
        f"training diverged in epoch {epoch}, batch {index}: the penalty is not finite; layer "
        f"{worst.layer}, W[{worst.layer}] has entries up to {max(sizes):.3g}. {advice}",
        epoch=epoch,
        batch=index,
        layer=worst.layer,
        block="W",
    )
