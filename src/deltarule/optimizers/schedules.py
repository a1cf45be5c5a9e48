"""Schedules: by what factor the learning rate is multiplied, step by step.

Each formula takes an array namespace and its parameters and returns a function
of :class:`Progress` that gives one factor per step. A factor depends on where
training stands and on nothing else: a schedule has no state, and a resumed run
has the rates of one that was never interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.optimizers import curves
from deltarule.optimizers.loss_curve import LossCurve
from deltarule.records import Record, Registry

__all__ = ["SCHEDULES", "Progress", "Schedule"]


class Progress(NamedTuple):
    """Where training stands at some steps.

    Attributes
    ----------
    step : array of float64, (n,)
        The steps' numbers from 0, counted over the whole training.
    epoch : array of float64, (n,)
        The same in epochs: 2.5 is half way through the third.
    steps_per_epoch : int
    total_steps : float
        Of the whole training.
    losses : LossCurve
        Validation (or training) losses of the epochs that have ended: a sequence, whose ``fold``
        goes through each loss once in a training, and not once in each of its epochs.
    """

    step: Any
    epoch: Any
    steps_per_epoch: int
    total_steps: float
    losses: Sequence[float] = LossCurve()


@dataclasses.dataclass(frozen=True)
class Schedule(Record):
    """A schedule of the learning rate.

    Parameters
    ----------
    name, formula, parameters
        As of every :class:`~deltarule.records.Record`. ``formula(xp, **parameters)``
        returns ``factor(progress)``, an array like ``progress.step`` or one number.
        The formula is called once when the record is made, so what it refuses is
        refused then.
    nested : tuple of str
        The parameters that hold a schedule. Such a value may be given as a name,
        as what :meth:`spec` gave, or as a record; a record is kept.
    uses_losses : bool
        Whether its own formula reads ``progress.losses``; see :attr:`needs_losses`.
    summary, latex : str
        One line on what it is, and its equation, for documentation.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> halving = SCHEDULES.get("step", every=2, gamma=0.5)
    >>> [float(halving.factors(epoch, 1, 6)[0]) for epoch in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    >>> SCHEDULES.get("warmup", epochs=1, then=halving).factors(0, 4, 6)
    array([0.25, 0.5 , 0.75, 1.  ])
    """

    nested: tuple[str, ...] = ()
    uses_losses: bool = False
    summary: str = ""
    latex: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "nested", tuple(self.nested))
        settings = {
            key: SCHEDULES.get(value) if key in self.nested else value
            for key, value in self.parameters
        }
        object.__setattr__(self, "parameters", tuple(settings.items()))
        self.formula(np, **settings)

    @property
    def needs_losses(self) -> bool:
        """Whether :meth:`factors` needs the losses: it or one nested in it reads them."""
        settings = self.settings
        return self.uses_losses or any(settings[key].needs_losses for key in self.nested)

    def spec(self) -> str | dict[str, Any]:
        """The schedule for a JSON file, those nested in it included."""
        plain = super().spec()
        if isinstance(plain, str):
            return plain
        return {
            key: value.spec() if isinstance(value, Schedule) else value
            for key, value in plain.items()
        }

    def __str__(self) -> str:
        values = ", ".join(
            f"{key}={value if isinstance(value, Schedule) else repr(value)}"
            for key, value in self.parameters
        )
        return f"{self.name}({values})" if values else self.name

    def factors(
        self, epoch: int, steps_per_epoch: int, epochs: int, losses: Sequence[float] = ()
    ) -> np.ndarray:
        """The factors of one epoch's steps, to multiply the base learning rate with.

        Parameters
        ----------
        epoch : int
            Which, from 0. It may lie beyond ``epochs``, where training goes on longer
            than was planned.
        steps_per_epoch : int
            Batches in an epoch.
        epochs : int
            Epochs that the whole training is planned to take.
        losses : sequence of float
            The loss after each epoch so far, on validation rows where there are any.
            Those of later epochs are ignored, so the list of a finished training replays it.

        Returns
        -------
        array of float64, (steps_per_epoch,)

        Raises
        ------
        InputError
            If a number is out of range, there are fewer than ``epoch`` losses and the
            schedule needs them, or the formula's factors have another shape.
        """
        for name, value, least in (
            ("epoch", epoch, 0),
            ("steps_per_epoch", steps_per_epoch, 1),
            ("epochs", epochs, 1),
        ):
            if not isinstance(value, int | np.integer) or value < least:
                raise InputError(
                    f"schedule {self.name!r}: {name} is {value!r}; expected an integer from "
                    f"{least} up"
                )
        if self.needs_losses and len(losses) < epoch:
            raise InputError(
                f"schedule {self.name!r} follows the losses: {len(losses)} are given for "
                f"{epoch} epochs that have ended; pass one loss for each"
            )
        within = np.arange(steps_per_epoch, dtype=np.float64)
        progress = Progress(
            step=float(epoch) * float(steps_per_epoch) + within,
            epoch=float(epoch) + within / float(steps_per_epoch),
            steps_per_epoch=int(steps_per_epoch),
            total_steps=float(epochs) * float(steps_per_epoch),
            losses=(losses if isinstance(losses, LossCurve) else LossCurve(losses[:epoch]))[:epoch],
        )
        factor = np.asarray(self.bind(np)(progress), dtype=np.float64)
        if factor.shape not in ((), within.shape):
            raise InputError(
                f"schedule {self.name!r}: its factors have shape {factor.shape}; expected one "
                f"for each of the {steps_per_epoch} steps, or one number"
            )
        return np.array(np.broadcast_to(factor, within.shape))


SCHEDULES: Registry[Schedule] = Registry("schedule", Schedule)

SCHEDULES.register(Schedule("constant", curves.constant, summary="always the same rate", latex="1"))
SCHEDULES.register(
    Schedule(
        "step",
        curves.step,
        {"every": 10, "gamma": 0.5},
        summary="lowered every so many epochs",
        latex=r"\gamma^{\lfloor e / k \rfloor}",
    )
)
SCHEDULES.register(
    Schedule(
        "inverse_scaling",
        curves.inverse_scaling,
        {"power": 0.5, "scale": 1.0, "per": "epoch"},
        summary="falls as a power of the time passed",
        latex=r"(1 + c\,u)^{-p}",
    )
)
SCHEDULES.register(
    Schedule(
        "exponential",
        curves.exponential,
        {"gamma": 0.95},
        summary="falls by the same factor every epoch, evenly over its steps",
        latex=r"\gamma^{e}",
    )
)
SCHEDULES.register(
    Schedule(
        "cosine",
        curves.cosine,
        {"final": 0.0},
        summary="half a cosine wave down to a last fraction",
        latex=r"f + (1-f)\,\frac{1+\cos \pi p}{2}",
    )
)
SCHEDULES.register(
    Schedule(
        "one_cycle",
        curves.one_cycle,
        {"warmup": 0.3, "start": 0.04, "final": 4e-6},
        summary="up in the first part of training, and all the way down in the rest",
        latex=(
            r"\begin{cases}a + (1-a)\,\frac{1-\cos \pi p/w}{2} & p < w\\"
            r"f + (1-f)\,\frac{1+\cos \pi (p-w)/(1-w)}{2} & p \ge w\end{cases}"
        ),
    )
)
SCHEDULES.register(
    Schedule(
        "warmup",
        curves.warmup,
        {"epochs": 1.0, "start": 0.0, "then": "constant"},
        nested=("then",),
        summary="a straight rise, and then another schedule",
        latex=r"\min\left(1,\, a + (1-a)\frac{s+1}{S}\right) f(s - S)",
    )
)
SCHEDULES.register(
    Schedule(
        "reduce_on_plateau",
        curves.reduce_on_plateau,
        {
            "factor": 0.1,
            "patience": 10,
            "threshold": 1e-4,
            "relative": True,
            "cooldown": 0,
            "minimum": 0.0,
        },
        uses_losses=True,
        summary="lowered whenever the loss has not improved for a while",
        latex=r"\gamma^{\text{plateaus so far}}",
    )
)
