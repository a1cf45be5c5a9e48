"""Update rules: the record of a rule, its slots (the state it keeps between steps), the registry.

A rule's formula is an ordinary function (see :mod:`deltarule.optimizers.gradient_rules`); a
:class:`Rule` gives it a name, parameters and slots. A rule of your own is one record::

    def signsgd(xp):
        def update(theta, g, slots, step):
            return theta - step.learning_rate * xp.sign(g), {}
        return update

    RULES.register(Rule("signsgd", signsgd))
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.optimizers.gradient_rules import (
    Update,
    adam,
    adamw,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)
from deltarule.optimizers.rprop import irprop_minus, irprop_plus, rprop_minus, rprop_plus
from deltarule.optimizers.scalars import python_number
from deltarule.records import Record, Registry

__all__ = ["RULES", "Rule", "Slot", "StepInfo"]


class StepInfo(NamedTuple):
    """The arguments of an update besides θ, g and the slots.

    A pytree to JAX. Any of its values may be a tracer, so a formula must not branch on them
    (except on whether one is None).

    Attributes
    ----------
    t : int
        The number of this step, from 1. An integer also if it is traced.
    learning_rate : float
        η, schedule included: a Python number, or a tracer of θ's type.
    cost : float, optional
        C at the θ where g was taken, penalty included.
    weights : array of bool, optional
        Like θ: True where a parameter is a weight, False where it is a bias.
    """

    t: Any
    learning_rate: Any = None
    cost: Any = None
    weights: Any = None


@dataclasses.dataclass(frozen=True)
class Slot:
    """One array that a rule keeps from step to step.

    Parameters
    ----------
    name : str
        Its key in the dictionary of slots.
    kind : {"theta", "scalar"}
        Its shape: that of θ, or ``()``. Its type is that of θ.
    initial : float or str
        Its value before the first step, or the name of the rule's parameter that gives it.

    Raises
    ------
    InputError
        If ``kind`` is neither.
    """

    name: str
    kind: str = "theta"
    initial: float | str = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("theta", "scalar"):
            raise InputError(
                f"slot {self.name!r}: kind is {self.kind!r}; expected 'theta' (one value per "
                "parameter) or 'scalar' (one value)"
            )


@dataclasses.dataclass(frozen=True)
class Rule(Record):
    """An update rule: the new θ from θ, the gradient and the rule's slots.

    Parameters
    ----------
    name, formula, parameters
        As for every :class:`~deltarule.records.Record`. ``formula(xp, **parameters)``
        returns ``update(theta, g, slots, step) -> (theta, slots)``, a pure and elementwise
        function that returns every slot; ``xp`` offers sqrt, abs, sign, where, minimum,
        maximum, exp, log and tanh. The formula is called once when the record is made, to
        check the parameters.
    slots : tuple of Slot
        The arrays it keeps from step to step.
    full_batch : bool
        Whether it needs the whole training set as batch.
    uses_learning_rate, uses_cost, uses_weights : bool
        Which fields of :class:`StepInfo` it reads besides ``t``.
    summary, latex : str
        A one-line description and the equation, for documentation.

    Raises
    ------
    InputError
        If a parameter is out of range, a slot starts from a parameter that does
        not exist, or two slots have one name.

    Examples
    --------
    >>> rule = RULES.get("momentum", momentum=0.5)
    >>> update = rule.bind(np)
    >>> theta = np.array([1.0])
    >>> slots = rule.initial_slots(np, theta)
    >>> for t in (1, 2):
    ...     theta, slots = update(theta, 2 * theta, slots, StepInfo(t, learning_rate=0.25))
    >>> print(theta, slots)
    [0.] {'v': array([-0.5])}
    """

    slots: tuple[Slot, ...] = ()
    full_batch: bool = False
    uses_learning_rate: bool = True
    uses_cost: bool = False
    uses_weights: bool = False
    summary: str = ""
    latex: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "slots", tuple(self.slots))
        names = [slot.name for slot in self.slots]
        if len(set(names)) < len(names):
            raise InputError(f"rule {self.name!r}: slots are {names}; expected different names")
        for slot in self.slots:
            if isinstance(slot.initial, str) and slot.initial not in self.settings:
                known = ", ".join(self.settings) or "none"
                raise InputError(
                    f"rule {self.name!r}: slot {slot.name!r} starts from {slot.initial!r}; "
                    f"expected a number or one of its parameters: {known}"
                )
        self.formula(np, **self.settings)

    def bind(self, xp: Any) -> Update:
        """The rule over the array namespace ``xp``.

        Returns
        -------
        callable
            ``update(theta, g, slots, step) -> (theta, slots)``. Nothing is modified in
            place. θ and slots keep their type: NumPy scalars in ``step`` are converted to
            Python numbers first.
        """
        formula = self.formula(xp, **self.settings)

        def update(
            theta: Any, g: Any, slots: dict[str, Any], step: StepInfo
        ) -> tuple[Any, dict[str, Any]]:
            t, rate, cost = map(python_number, step[:3])
            return formula(theta, g, slots, StepInfo(t, rate, cost, step.weights))

        return update

    def initial_slots(self, xp: Any, theta: Any) -> dict[str, Any]:
        """The slots before the first step, in the type of ``theta``.

        Parameters
        ----------
        xp : numpy or jax.numpy
        theta : array, (p,)
            Gives shape and type; its values are not used.

        Examples
        --------
        A slot can be replaced, here by a step size of your own for each parameter:

        >>> theta = np.zeros(2, np.float32)
        >>> RULES.get("rprop").initial_slots(np, theta) | {"delta": np.float32([0.5, 0.25])}
        {'sign': array([0., 0.], dtype=float32), 'delta': array([0.5 , 0.25], dtype=float32)}
        """
        settings = self.settings
        return {
            slot.name: xp.full(
                theta.shape if slot.kind == "theta" else (),
                settings[slot.initial] if isinstance(slot.initial, str) else slot.initial,
                dtype=theta.dtype,
            )
            for slot in self.slots
        }


RULES: Registry[Rule] = Registry("rule", Rule)

_ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_ADAM_LATEX = (
    r"m \leftarrow \beta_1 m + (1-\beta_1)\,g,\quad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2,"
    r"\quad \hat m = \frac{m}{1-\beta_1^t},\quad \hat v = \frac{v}{1-\beta_2^t},\quad "
    r"\theta \leftarrow \theta - \eta\,\frac{\hat m}{\sqrt{\hat v}+\varepsilon}"
)
_RPROP_SLOTS = (Slot("sign"), Slot("delta", initial="delta0"))
_RPROP_LATEX = (
    r"s = \operatorname{sign} g,\quad \Delta \leftarrow \begin{cases}"
    r"\min(\eta^+\Delta, \Delta_{max}) & s\,s' > 0\\ \max(\eta^-\Delta, \Delta_{min}) & s\,s' < 0"
    r"\\ \Delta & s\,s' = 0\end{cases},\quad "
)


def _rprop(name: str, formula: Any, summary: str, latex: str, **more: Any) -> Rule:
    return Rule(
        name,
        formula,
        {"delta0": 0.1, "eta_plus": 1.2, "eta_minus": 0.5, "delta_min": 1e-6, "delta_max": 50.0},
        full_batch=True,
        uses_learning_rate=False,
        summary=summary,
        latex=_RPROP_LATEX + latex,
        **{"slots": _RPROP_SLOTS} | more,
    )


# In order of complexity.
for _rule in (
    Rule(
        "sgd",
        sgd,
        summary="a step against the gradient",
        latex=r"\theta \leftarrow \theta - \eta\,g",
    ),
    Rule(
        "momentum",
        momentum,
        {"momentum": 0.9},
        slots=(Slot("v"),),
        summary="a velocity that remembers earlier gradients",
        latex=r"v \leftarrow \mu v - \eta\,g,\quad \theta \leftarrow \theta + v",
    ),
    Rule(
        "nesterov",
        nesterov,
        {"momentum": 0.9},
        slots=(Slot("v"),),
        summary="momentum that looks one step ahead",
        latex=r"v \leftarrow \mu v - \eta\,g,\quad \theta \leftarrow \theta + \mu v - \eta\,g",
    ),
    Rule(
        "rmsprop",
        rmsprop,
        {"rho": 0.9, "epsilon": 1e-8},
        slots=(Slot("v"),),
        summary="each gradient divided by the root of its running mean square",
        latex=(
            r"v \leftarrow \rho v + (1-\rho)\,g^2,\quad "
            r"\theta \leftarrow \theta - \eta\,\frac{g}{\sqrt{v}+\varepsilon}"
        ),
    ),
    Rule(
        "adam",
        adam,
        _ADAM | {"epsilon_inside": True},
        slots=(Slot("m"), Slot("v")),
        summary="running mean of the gradient over root of its running mean square, debiased",
        latex=_ADAM_LATEX,
    ),
    Rule(
        "adamw",
        adamw,
        _ADAM | {"weight_decay": 0.01},
        slots=(Slot("m"), Slot("v")),
        uses_weights=True,
        summary="Adam, then a decay of the weights that its scaling does not touch",
        latex=_ADAM_LATEX
        + r",\quad \theta_w \leftarrow \theta_w - \eta\lambda\,\theta_w \text{ on weights}",
    ),
    _rprop(
        "rprop",
        rprop_minus,
        "RPROP−: step sizes of their own that adapt to the gradient's sign",
        r"\theta \leftarrow \theta - s\,\Delta",
    ),
    _rprop(
        "irprop-",
        irprop_minus,
        "iRPROP−: RPROP that pauses where the sign turned",
        r"s \leftarrow 0 \text{ if } s\,s' < 0,\quad \theta \leftarrow \theta - s\,\Delta",
    ),
    _rprop(
        "rprop+",
        rprop_plus,
        "RPROP+: RPROP that takes the last step back where the sign turned",
        r"\theta \leftarrow \begin{cases}\theta + s'\Delta' & s\,s' < 0,\ s \leftarrow 0\\"
        r"\theta - s\,\Delta & \text{otherwise}\end{cases}",
    ),
    _rprop(
        "irprop+",
        irprop_plus,
        "iRPROP+: takes the last step back where the sign turned and the cost rose",
        r"\theta \leftarrow \begin{cases}\theta + s'\Delta' & s\,s' < 0,\ C > C',\ s \leftarrow 0"
        r"\\"
        r"\theta & s\,s' < 0,\ C \le C',\ s \leftarrow 0\\"
        r"\theta - s\,\Delta & \text{otherwise}\end{cases}",
        slots=(*_RPROP_SLOTS, Slot("cost", "scalar", float("inf"))),
        uses_cost=True,
    ),
):
    RULES.register(_rule)
