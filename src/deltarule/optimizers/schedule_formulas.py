"""The formulas of the schedules: the factor of the learning rate over training.

Each takes an array namespace and its parameters and returns ``factor(position)``;
:mod:`deltarule.optimizers.schedules` gives them their names and says what
:class:`~deltarule.optimizers.schedules.TrainingPosition` holds. In the equations s is the
step from 0, S the total of steps, e the epoch with its fraction, p = min(1, s/S).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.optimizers.scalars import in_interval

__all__ = [
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_scaling",
    "one_cycle",
    "reduce_on_plateau",
    "sequence",
    "step",
    "warmup",
]

Factor = Callable[[Any], Any]


def constant(xp: Any) -> Factor:
    """1: the base learning rate throughout."""
    return lambda position: 1.0


def step(xp: Any, every: float = 10, gamma: float = 0.5) -> Factor:
    r"""γ^⌊e/k⌋: multiplied by γ every k epochs.

    .. math:: γ^{\lfloor e / k \rfloor}

    PyTorch's ``StepLR``; with k = 1 its ``ExponentialLR``.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> tenth = SCHEDULES.get("step", every=3, gamma=0.1)
    >>> [round(float(tenth.factors(epoch, 1, 9)[0]), 12) for epoch in (0, 2, 3, 8)]
    [1.0, 1.0, 0.1, 0.01]
    """
    every = in_interval("step", "every", every, "(0, inf)", 10)
    gamma = in_interval("step", "gamma", gamma, "(0, 1]", 0.5)
    return lambda position: gamma ** (position.epoch // every)


def inverse_scaling(xp: Any, power: float = 0.5, scale: float = 1.0, per: str = "epoch") -> Factor:
    r"""(1 + c u)^−p, u the epochs that have ended, or the steps.

    .. math:: (1 + c\,u)^{-p}

    scikit-learn's ``learning_rate="invscaling"`` counts the samples seen and
    changes its rate after each epoch: ``per="epoch"`` with ``scale`` the number of
    training rows and ``power`` its ``power_t``.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> print(SCHEDULES.get("inverse_scaling", scale=3.0, per="step").factors(0, 6, 1))
    [1.         0.5        0.37796447 0.31622777 0.2773501  0.25      ]
    """
    power = in_interval("inverse_scaling", "power", power, "[0, inf)", 0.5)
    scale = in_interval("inverse_scaling", "scale", scale, "[0, inf)", 1.0)
    if per not in ("epoch", "step"):
        raise InputError(
            f"inverse_scaling: per is {per!r}; expected 'epoch' (one rate for all steps of an "
            "epoch) or 'step'"
        )

    def factor(position: Any) -> Any:
        passed = position.step if per == "step" else position.epoch // 1.0
        return (1.0 + scale * passed) ** -power

    return factor


def exponential(xp: Any, gamma: float = 0.95) -> Factor:
    r"""γ^e: multiplied by γ over every epoch, a little at each step.

    .. math:: γ^{e}

    Not by γ at the end of an epoch, which is :func:`step` with ``every=1``.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> print(SCHEDULES.get("exponential", gamma=0.25).factors(1, 2, 9))
    [0.25  0.125]
    """
    gamma = in_interval("exponential", "gamma", gamma, "(0, 1]", 0.95)
    return lambda position: gamma**position.epoch


def _share_done(xp: Any, position: Any) -> Any:
    return xp.minimum(position.step / position.total_steps, 1.0)


def _half_wave(xp: Any, first: float, last: float, share: Any) -> Any:
    """From ``first`` to ``last`` as ``share`` goes from 0 to 1, level at both ends."""
    return last + (first - last) * (1.0 + xp.cos(math.pi * share)) / 2.0


def cosine(xp: Any, final: float = 0.0) -> Factor:
    r"""(1 + cos πp)/2 brought to [f, 1]: half a cosine wave from 1 to the fraction f.

    .. math:: f + (1-f)\,\frac{1 + \cos π p}{2}, \qquad p = \min(1, s/S)

    f is reached after the last step (at s = S), so that no step is spent on a rate
    of 0. S is that of the plan: a training that is resumed with more ``epochs`` than were
    planned goes on where the longer wave is, above where the shorter one ended, and says so.
    Restarts are :func:`cosine_restarts`.

    Source: Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with
    warm restarts".

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> print(SCHEDULES.get("cosine", final=0.5).factors(0, 4, 1).round(4))
    [1.     0.9268 0.75   0.5732]
    """
    final = in_interval("cosine", "final", final, "[0, 1]", 0.0)
    return lambda position: _half_wave(xp, 1.0, final, _share_done(xp, position))


def cosine_restarts(
    xp: Any, first: float = 10, factor: float = 2.0, final: float = 0.0, decay: float = 1.0
) -> Factor:
    r"""Half cosine waves, one after the other: each begins at the full rate again.

    .. math:: d^i \left(f + (1-f)\,\frac{1 + \cos π\, (e - E_i)/T_i}{2}\right), \qquad
              T_i = k\,c^i, \quad E_i = T_0 + … + T_{i-1} ≤ e

    Wave i, from 0, lasts T_i epochs: k for the first, and c times that of the one before for
    each other; its peak is d^i. It does not depend on how many epochs are planned.

    Source: Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with
    warm restarts", where c is T_mult. PyTorch's ``CosineAnnealingWarmRestarts``.

    Parameters
    ----------
    first : float
        k, in epochs.
    factor : float
        c, at least 1.
    final : float
        f, the fraction of its peak to which each wave falls.
    decay : float
        d, above 0 and at most 1.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> waves = SCHEDULES.get("cosine_restarts", first=2, factor=2)
    >>> [round(float(waves.factors(epoch, 1, 99)[0]), 4) for epoch in range(7)]
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """
    name = "cosine_restarts"
    first = in_interval(name, "first", first, "(0, inf)", 10)
    factor = in_interval(name, "factor", factor, "[1, inf)", 2)
    final = in_interval(name, "final", final, "[0, 1]", 0.0)
    decay = in_interval(name, "decay", decay, "(0, 1]", 1.0)

    def restarted(position: Any) -> Any:
        passed = position.epoch / first
        # A restart belongs to the wave that it begins, though the logarithm may round it down.
        if factor == 1.0:
            wave = xp.floor(passed + 1e-9)
            begun, length = wave, 1.0
        else:
            wave = xp.floor(xp.log1p(passed * (factor - 1.0)) / math.log(factor) + 1e-9)
            length = factor**wave
            begun = (length - 1.0) / (factor - 1.0)
        share = xp.minimum(xp.maximum((passed - begun) / length, 0.0), 1.0)
        return decay**wave * _half_wave(xp, 1.0, final, share)

    return restarted


def sequence(xp: Any, *, parts: Any, epochs: Any = (), scales: Any = ()) -> Factor:
    r"""Schedules in sequence, each with a scale: the first for so many epochs, then the next.

    .. math:: a_k\, f_k(s - S_k), \qquad S_k ≤ s < S_{k+1}

    A part sees a training of its own: steps from 0, its own length in all (of the last one, if
    it is given none: what the plan leaves), and no losses from before it began. A part that
    falls to a fraction does not pull the next one down: give that one a scale.

    Parameters
    ----------
    parts : sequence of Schedule
        f_0, f_1, … In a record also their names or what :meth:`Schedule.spec` gave.
    epochs : sequence of float
        The length of each part but the last, or of each.
    scales : sequence of float
        a_0, a_1, …: 1 for each if left out.

    Examples
    --------
    A rise, a fall to a tenth, and on at that:

    >>> from deltarule.optimizers import SCHEDULES
    >>> plan = SCHEDULES.get(
    ...     "sequence",
    ...     parts=[{"name": "warmup", "epochs": 2}, {"name": "cosine", "final": 0.1}, "constant"],
    ...     epochs=[2, 2],
    ...     scales=[1, 1, 0.1],
    ... )
    >>> [round(float(plan.factors(epoch, 1, 9)[0]), 4) for epoch in range(6)]
    [0.5, 1.0, 1.0, 0.55, 0.1, 0.1]
    """
    if not isinstance(parts, tuple | list) or not parts:
        raise InputError(
            f"sequence: parts is {parts!r}; expected a list of schedules, at least one"
        )
    bound = [part.bind(xp) for part in parts]
    lengths = _each("epochs", epochs, (len(parts) - 1, len(parts)), "(0, inf)", 10)
    scaled = _each("scales", scales or (1.0,) * len(parts), (len(parts),), "[0, inf)", 1)
    starts = [sum(lengths[:k]) for k in range(len(parts))]

    def factor(position: Any) -> Any:
        result: Any = None
        for k, (part, start, scale) in enumerate(zip(bound, starts, scaled, strict=True)):
            before = start * position.steps_per_epoch
            steps = position.total_steps - before
            if k < len(lengths):
                steps = lengths[k] * position.steps_per_epoch
            own = position._replace(
                step=xp.maximum(position.step - before, 0.0),
                epoch=xp.maximum(position.epoch - start, 0.0),
                total_steps=max(steps, 1.0),  # for a training that ends before it begins
                losses=position.losses[int(start) :],
            )
            value = scale * part(own)
            result = value if k == 0 else xp.where(position.step >= before, value, result)
        return result

    return factor


def _each(name: str, given: Any, counts: tuple[int, ...], interval: str, usual: Any) -> list[float]:
    """A number for each part of a sequence."""
    values = given if isinstance(given, tuple | list) else (given,)
    if len(values) not in counts:
        raise InputError(
            f"sequence: {name} has {len(values)} numbers; expected "
            f"{' or '.join(map(str, counts))}, one for each part"
            + (" (the last may be left out: it takes what is left)" if len(counts) > 1 else "")
        )
    return [in_interval("sequence", name, value, interval, usual) for value in values]


def one_cycle(xp: Any, warmup: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Factor:
    r"""Up from a to 1 in the first share w of training, down to f in the rest.

    .. math:: \begin{cases} a + (1-a)\,\frac{1 - \cos π p/w}{2} & p < w \\
              f + (1-f)\,\frac{1 + \cos π (p-w)/(1-w)}{2} & p ≥ w \end{cases}

    The base learning rate is the largest. Both ways are cosines, with fastai's
    and PyTorch's proportions; Smith and Topin's are straight lines. The peak is at
    s = wS, the end after the last step (PyTorch: one step earlier each). The
    momentum is not cycled.

    Source: Smith and Topin (2018), "Super-convergence: very fast training of neural
    networks using large learning rates".

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> cycle = SCHEDULES.get("one_cycle", warmup=0.5, start=0.2, final=0.0)
    >>> print(cycle.factors(0, 8, 1).round(4))
    [0.2    0.3172 0.6    0.8828 1.     0.8536 0.5    0.1464]
    """
    warmup = in_interval("one_cycle", "warmup", warmup, "(0, 1)", 0.3)
    start = in_interval("one_cycle", "start", start, "[0, 1]", 0.04)
    final = in_interval("one_cycle", "final", final, "[0, 1]", 4e-6)

    def factor(position: Any) -> Any:
        share = _share_done(xp, position)
        up = _half_wave(xp, start, 1.0, share / warmup)
        down = _half_wave(xp, 1.0, final, (share - warmup) / (1.0 - warmup))
        return xp.where(share < warmup, up, down)

    return factor


def warmup(xp: Any, *, epochs: float = 1.0, start: float = 0.0, then: Any) -> Factor:
    r"""A straight rise over the first epochs, times a schedule that begins after them.

    .. math:: \min\left(1,\; a + (1-a)\frac{s+1}{W}\right) \cdot f(\max(s - W, 0))

    W is the number of warm-up steps. The rise ends with the last of them; its
    first step is already above a, so that a = 0 wastes none. The schedule after it
    sees a training of its own: steps from 0, S − W in all, and no losses of the
    warm-up; during the rise it stands at its beginning.

    Source: Goyal et al. (2017), "Accurate, large minibatch SGD".

    Parameters
    ----------
    epochs : float
        Length of the rise; half an epoch is 0.5.
    start : float
        a.
    then : Schedule
        f. In a record also its name or what :meth:`Schedule.spec` gave.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> schedule = SCHEDULES.get("warmup", epochs=1, then={"name": "cosine", "final": 0.5})
    >>> print(*(schedule.factors(epoch, 2, 3).round(4) for epoch in range(3)))
    [0.5 1. ] [1.     0.9268] [0.75   0.5732]
    """
    epochs = in_interval("warmup", "epochs", epochs, "(0, inf)", 1)
    start = in_interval("warmup", "start", start, "[0, 1]", 0)
    after = then.bind(xp)

    def factor(position: Any) -> Any:
        steps = epochs * position.steps_per_epoch
        rise = xp.minimum(start + (1.0 - start) * (position.step + 1.0) / steps, 1.0)
        rest = position._replace(
            step=xp.maximum(position.step - steps, 0.0),
            epoch=xp.maximum(position.epoch - epochs, 0.0),
            # At least one, for a training that ends before its warm-up does.
            total_steps=max(position.total_steps - steps, 1.0),
            # Those of epochs that end after the warm-up did.
            losses=position.losses[int(epochs) :],
        )
        return rise * after(rest)

    return factor


def reduce_on_plateau(
    xp: Any,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    relative: bool = True,
    cooldown: int = 0,
    minimum: float = 0.0,
) -> Factor:
    r"""γ^plateaus: multiplied by γ once the loss has not improved for a while.

    .. math:: \max(γ^{n}, f_{min}), \qquad
              \text{improved: } C < C_{best} - τ |C_{best}|
              \text{, or } C < C_{best} - τ \text{ with relative=False}

    n goes up when more than ``patience`` epochs in a row have not improved, and
    the count starts again. For ``cooldown`` epochs after that none is counted.
    PyTorch's ``ReduceLROnPlateau`` (whose relative improvement is τ C_best, the same
    while losses are positive), but without a state: it is a fold over the losses. A loss that is
    NaN is no improvement.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> schedule = SCHEDULES.get("reduce_on_plateau", factor=0.5, patience=1)
    >>> losses = [3.0, 2.0, 2.0, 2.0, 1.0]
    >>> [float(schedule.factors(epoch, 1, 9, losses)[0]) for epoch in range(6)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """
    name = "reduce_on_plateau"
    gamma = in_interval(name, "factor", factor, "(0, 1)", 0.1)
    threshold = in_interval(name, "threshold", threshold, "[0, inf)", 1e-4)
    minimum = in_interval(name, "minimum", minimum, "[0, 1]", 0)
    patience = _count(name, "patience", patience, 10)
    cooldown = _count(name, "cooldown", cooldown, 0)
    if not isinstance(relative, bool):
        raise InputError(
            f"{name}: relative is {relative!r}; expected True (threshold times the best loss) "
            "or False (threshold itself)"
        )

    def after(state: tuple[float, float, int, int], loss: float) -> tuple[float, float, int, int]:
        now, best, waited, resting = state
        # The first loss improves on none: inf − τ·inf would be NaN.
        margin = threshold * (abs(best) if relative else 1.0) if best < math.inf else 0.0
        if loss < best - margin:
            best, waited = loss, 0
        else:
            waited += 1
        if resting > 0:
            resting, waited = resting - 1, 0
        if waited > patience:
            now, waited, resting = max(now * gamma, minimum), 0, cooldown
        return now, best, waited, resting

    key = (name, gamma, patience, threshold, relative, cooldown, minimum)

    def reduced(position: Any) -> float:
        factor: float = position.losses.fold(key, (1.0, math.inf, 0, 0), after)[0]
        return factor

    return reduced


def _count(owner: str, name: str, value: Any, usual: int) -> int:
    number = in_interval(owner, name, value, "[0, inf)", usual)
    if number != int(number):
        raise InputError(
            f"{owner}: {name} is {value!r}; expected a whole number of epochs; {usual} is usual"
        )
    return int(number)
