"""The advice on a whole run: its learning rate, and its divergence."""

from __future__ import annotations

from deltarule.engines import EngineSettings
from deltarule.errors import Message, Parameter
from deltarule.maths.printing.numbers import short
from deltarule.optimizers import Rule
from deltarule.training.diagnosis.advice import Advice

__all__ = ["ADVICE_WITHOUT_RATE", "advice_for_divergence", "recovered", "wrong_learning_rate"]


def wrong_learning_rate(
    rate: float, run: tuple[int, float, float], tried: tuple[float, int, float], rows: int
) -> Advice:
    """Return the finding that a run's learning rate is far off, since another one does better.

    Parameters
    ----------
    rate : float
        η of the run.
    run : tuple of int and two floats
        The number of its steps, and the loss before the first and after the last of them.
    tried : tuple of float, int and float
        The other rate, the number of steps that were tried with it from the same start, and the
        loss after them.
    rows : int
        The number of training rows that these losses are of.

    Examples
    --------
    >>> wrong_learning_rate(3.0, (4000, 1.0, 1.25), (0.1, 66, 0.2), 500).kind
    'learning rate too high'
    """
    steps, first, last = run
    other, count, reached = tried
    high = other < rate
    name = "high" if high else "low"
    return Advice(
        f"learning rate too {name}",
        (),
        True,
        f"{steps} steps with η = {short(rate)} brought the loss from {short(first)} to "
        f"{short(last)} on {rows} training rows.",
        f"From the same start {count} steps with η = {short(other)} bring it to {short(reached)}.",
        f"{'Lower' if high else 'Raise'} the learning rate; find_learning_rate, on the command "
        "line deltarule tune-lr, tries a range of them."
        + ("" if high else " Or train for many more epochs."),
    )


def recovered(where: tuple[int, int, int], halvings: int, rate: float, epoch: int) -> Advice:
    """Return the finding that a run diverged and went on, or ended, at an earlier epoch.

    Parameters
    ----------
    where : tuple of int
        Epoch, batch and layer of the last divergence.
    halvings : int
        How often the learning rate was halved; 0 if the run ended.
    rate : float
        The learning rate that the run began with.
    epoch : int
        The epoch that was restored.

    Examples
    --------
    >>> recovered((3, 2, 1), 0, 0.5, 2).seen
    'A number was not finite in epoch 3, batch 2, layer 1.'
    """
    what = "Lower the learning rate, clip the gradient (clip_norm), or scale the inputs."
    again = "" if halvings < 2 else f", for the {halvings}th time"
    if halvings:
        what = (
            f"Training went on from the end of epoch {epoch} with half the learning rate: "
            f"{short(rate * 0.5**halvings)} in place of {short(rate)}. {what}"
        )
    else:
        what = f"The end of epoch {epoch}, the best one, was restored, and training ended. {what}"
    return Advice(
        "diverged",
        (where[2],),
        True,
        f"A number was not finite in epoch {where[0]}, batch {where[1]}, layer {where[2]}{again}.",
        "",
        what,
    )


ADVICE_WITHOUT_RATE = Message(
    "Try inputs and targets standardised to mean 0 and variance 1, smaller initial weights, "
    "or a penalty (",
    Parameter("l2"),
    ")",
)
"""The advice for a run of a minimizer that diverged."""


def advice_for_divergence(settings: EngineSettings, rate: float) -> Message:
    """Return the advice for a run that diverged at this learning rate."""
    rule = settings.rule
    assert isinstance(rule, Rule)
    if not rule.uses_learning_rate:
        slower = f"smaller steps ({rule.name} with a smaller delta_max)"
    else:
        slower = f"a smaller learning rate (it was {rate:.3g})"
    clip = () if settings.clip_norm else (", ", Parameter("clip_norm", 1.0))
    standardised = ", and inputs and targets standardised to mean 0 and variance 1"
    return Message(f"Try {slower}", *clip, standardised)
