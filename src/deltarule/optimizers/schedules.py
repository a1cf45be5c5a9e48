"""Schedules: the factor on the learning rate at each step.

Each formula takes an array namespace and its parameters and returns a function of
:class:`TrainingPosition` that gives one factor per step. A schedule has no state: its factors
depend on the position alone, so a resumed run has the rates of an uninterrupted one.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.optimizers import schedule_formulas as formulas
from deltarule.optimizers.loss_curve import LossCurve
from deltarule.records import Record, Registry, whole_number

__all__ = ["SCHEDULES", "Schedule", "TrainingPosition"]


class TrainingPosition(NamedTuple):
    """The numbers of some steps of a training run, and the losses so far.

    Attributes
    ----------
    step : array of float64, (n,)
        The steps' numbers from 0, counted over the whole training.
    epoch : array of float64, (n,)
        The same in epochs: 2.5 is in the middle of the third.
    steps_per_epoch : int
    total_steps : float
        The number of steps of the whole training.
    losses : LossCurve
        Validation (or training) losses of the ended epochs: a sequence with a cached ``fold``.
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
        As for every :class:`~deltarule.records.Record`. ``formula(xp, **parameters)``
        returns ``factor(position)``, an array like ``position.step`` or one number.
        The formula is called once when the record is made, to check the parameters.
    nested : tuple of str
        The parameters that are a schedule or a sequence of schedules. Such a value may be given
        as a name, as text (``"cosine(final=0.1)"``), as the result of :meth:`spec`, or as a
        record.
    uses_losses : bool
        Whether its own formula reads ``position.losses``; see :attr:`needs_losses`.
    summary, latex : str
        A one-line description and the equation, for documentation.

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
            key: _to_schedule(value) if key in self.nested else value
            for key, value in self.parameters
        }
        object.__setattr__(self, "parameters", tuple(settings.items()))
        self.formula(np, **settings)

    @property
    def needs_losses(self) -> bool:
        """Whether the formula, or that of a nested schedule, reads the losses."""
        settings = self.settings
        inner = [_as_tuple(settings[key]) for key in self.nested]
        return self.uses_losses or any(each.needs_losses for many in inner for each in many)

    def depends_on_total(self) -> bool:
        """Whether the factors depend on the total number of epochs.

        Examples
        --------
        >>> SCHEDULES.get("cosine").depends_on_total(), SCHEDULES.get("step").depends_on_total()
        (True, False)
        """
        factor = self.bind(np)
        losses = LossCurve([1.0] * _PROBED[-1])
        for epoch in _PROBED:
            at = np.array([float(epoch)])
            short, long = (
                factor(TrainingPosition(at, at, 1, total, losses[:epoch])) for total in (1e4, 1e6)
            )
            if not np.array_equal(short, long):
                return True
        return False

    def spec(self) -> str | dict[str, Any]:
        """The schedule for a JSON file, nested schedules included."""
        plain = super().spec()
        if isinstance(plain, str):
            return plain

        def spec(value: Any) -> Any:
            if isinstance(value, list):
                return [spec(each) for each in value]
            return value.spec() if isinstance(value, Schedule) else value

        return {key: spec(value) for key, value in plain.items()}

    def __str__(self) -> str:
        def shown(value: Any) -> str:
            if isinstance(value, tuple):
                return f"[{', '.join(map(shown, value))}]"
            return str(value) if isinstance(value, Schedule) else repr(value)

        values = ", ".join(f"{key}={shown(value)}" for key, value in self.parameters)
        return f"{self.name}({values})" if values else self.name

    def factors(
        self, epoch: int, steps_per_epoch: int, epochs: int, losses: Sequence[float] = ()
    ) -> np.ndarray:
        """The factors on the base learning rate at the steps of one epoch.

        Parameters
        ----------
        epoch : int
            The number of the epoch, from 0. It may be larger than ``epochs``.
        steps_per_epoch : int
            Batches in an epoch.
        epochs : int
            The number of epochs asked for.
        losses : sequence of float
            The loss after each epoch so far, on validation rows if there are any. Losses of
            later epochs are ignored, so those of a finished run can be passed to replay it.

        Returns
        -------
        array of float64, (steps_per_epoch,)

        Raises
        ------
        InputError
            If a number is out of range, if the schedule needs losses and there are fewer than
            ``epoch``, or if the formula's factors have another shape.
        """
        for name, value, least in (
            ("epoch", epoch, 0),
            ("steps_per_epoch", steps_per_epoch, 1),
            ("epochs", epochs, 1),
        ):
            number = whole_number(value)
            if number is None or number < least:
                raise InputError(
                    f"schedule {self.name!r}: {name} is {value!r}; expected an integer from "
                    f"{least} up"
                )
        if self.needs_losses and len(losses) < epoch:
            raise InputError(
                f"schedule {self.name!r} depends on the losses: {len(losses)} are given for "
                f"{epoch} ended epochs; pass one loss for each"
            )
        within = np.arange(steps_per_epoch, dtype=np.float64)
        position = TrainingPosition(
            step=float(epoch) * float(steps_per_epoch) + within,
            epoch=float(epoch) + within / float(steps_per_epoch),
            steps_per_epoch=int(steps_per_epoch),
            total_steps=float(epochs) * float(steps_per_epoch),
            losses=(losses if isinstance(losses, LossCurve) else LossCurve(losses[:epoch]))[:epoch],
        )
        factor = np.asarray(self.bind(np)(position), dtype=np.float64)
        if factor.shape not in ((), within.shape):
            raise InputError(
                f"schedule {self.name!r}: its factors have shape {factor.shape}; expected one "
                f"for each of the {steps_per_epoch} steps, or one number"
            )
        return np.array(np.broadcast_to(factor, within.shape))


# Epochs at which Schedule.depends_on_total compares factors: a sequence may change only late.
_PROBED = (0, 1, 2, 3, 10, 30, 100, 300, 1000)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _to_schedule(value: Any) -> Any:
    return tuple(map(SCHEDULES.get, value)) if isinstance(value, tuple) else SCHEDULES.get(value)


class ScheduleRegistry(Registry[Schedule]):
    """The schedules by name, or by text: ``"warmup(epochs=5, then=cosine(final=0.1))"``.

    The text is what ``str(schedule)`` gives, and what the command line takes.
    """

    def get(self, which: str | Schedule | Mapping[str, Any], **changes: Any) -> Schedule:
        """A schedule from its name, its text or its saved form; see :meth:`Registry.get`.

        Examples
        --------
        >>> print(SCHEDULES.get("sequence(parts=[warmup(epochs=5), cosine], epochs=[5])"))
        sequence(parts=[warmup(epochs=5, start=0.0, then=constant), cosine(final=0.0)], \
epochs=[5], scales=[])
        """
        if isinstance(which, str) and "(" in which:
            which = _read(which)
        return super().get(which, **changes)


def _read(text: str) -> Any:
    """The text of a schedule, ``name(parameter=value, …)``, as nested names, mappings, numbers."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is not None:
        return _read_node(tree, text)
    raise _read_error(text)


def _read_error(text: str) -> InputError:
    return InputError(
        f"schedule {text!r} cannot be read; expected a name, or a name with parameters by name, "
        "such as 'cosine(final=0.1)', 'warmup(start=0.1, then=cosine)' or "
        "'cosine_restarts(first=5, factor=2)'"
    )


def _read_node(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        named = {each.arg: _read_node(each.value, text) for each in node.keywords}
        if None not in named:
            return {"name": node.func.id, **named}
    elif isinstance(node, ast.Name):
        return node.id
    elif isinstance(node, ast.List | ast.Tuple):
        return [_read_node(each, text) for each in node.elts]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        return node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _read_node(node.operand, text)
        if isinstance(value, int | float):
            return -value
    raise _read_error(text)


SCHEDULES: ScheduleRegistry = ScheduleRegistry("schedule", Schedule)

# Registered first, since "warmup" and "sequence" contain it.
SCHEDULES.register(
    Schedule("constant", formulas.constant, summary="always the same rate", latex="1")
)
for _schedule in (
    Schedule(
        "step",
        formulas.step,
        {"every": 10, "gamma": 0.5},
        summary="lowered every so many epochs",
        latex=r"\gamma^{\lfloor e / k \rfloor}",
    ),
    Schedule(
        "inverse_scaling",
        formulas.inverse_scaling,
        {"power": 0.5, "scale": 1.0, "per": "epoch"},
        summary="falls as a power of the time passed",
        latex=r"(1 + c\,u)^{-p}",
    ),
    Schedule(
        "exponential",
        formulas.exponential,
        {"gamma": 0.95},
        summary="falls by the same factor every epoch, evenly over its steps",
        latex=r"\gamma^{e}",
    ),
    Schedule(
        "cosine",
        formulas.cosine,
        {"final": 0.0},
        summary="half a cosine wave down to a last fraction",
        latex=r"f + (1-f)\,\frac{1+\cos \pi p}{2}",
    ),
    Schedule(
        "cosine_restarts",
        formulas.cosine_restarts,
        {"first": 10, "factor": 2.0, "final": 0.0, "decay": 1.0},
        summary="half cosine waves, each longer than the one before it and back at the full rate",
        latex=r"d^i \left(f + (1-f)\,\frac{1+\cos \pi (e - E_i)/T_i}{2}\right)",
    ),
    Schedule(
        "one_cycle",
        formulas.one_cycle,
        {"warmup": 0.3, "start": 0.04, "final": 4e-6},
        summary="up in the first part of training, and all the way down in the rest",
        latex=(
            r"\begin{cases}a + (1-a)\,\frac{1-\cos \pi p/w}{2} & p < w\\"
            r"f + (1-f)\,\frac{1+\cos \pi (p-w)/(1-w)}{2} & p \ge w\end{cases}"
        ),
    ),
    Schedule(
        "warmup",
        formulas.warmup,
        {"epochs": 1.0, "start": 0.0, "then": "constant"},
        nested=("then",),
        summary="a straight rise, and then another schedule",
        latex=r"\min\left(1,\, a + (1-a)\frac{s+1}{S}\right) f(s - S)",
    ),
    Schedule(
        "sequence",
        formulas.sequence,
        {"parts": ("constant",), "epochs": (), "scales": ()},
        nested=("parts",),
        summary="one schedule after the other",
        latex=r"a_k\, f_k(s - S_k)",
    ),
    Schedule(
        "reduce_on_plateau",
        formulas.reduce_on_plateau,
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
    ),
):
    SCHEDULES.register(_schedule)
