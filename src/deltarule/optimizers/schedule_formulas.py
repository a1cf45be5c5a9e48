"""The formulas of the schedules: the factor of the learning rate over training.

Each takes an array namespace and its parameters and returns ``factor(position)``, a function of
a :class:`~deltarule.optimizers.schedules.TrainingPosition`; :mod:`deltarule.optimizers.schedules`
registers them. In the equations s is the step from 0, S the total number of steps, e the epoch
with its fraction, and p = min(1, s/S).
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
    r"""(1 + c u)^−p, with u the number of ended epochs, or of steps.

    .. math:: (1 + c\,u)^{-p}

    scikit-learn's ``learning_rate="invscaling"`` counts samples and changes its rate after each
    epoch: that is ``per="epoch"``, ``scale`` = the number of training rows, and ``power`` its
    ``power_t``.

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
    r"""γ^e: multiplied by γ over each epoch, evenly over its steps.

    .. math:: γ^{e}

    A factor γ at the end of each epoch is :func:`step` with ``every=1``.

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> print(SCHEDULES.get("exponential", gamma=0.25).factors(1, 2, 9))
    [0.25  0.125]
    """
    gamma = in_interval("exponential", "gamma", gamma, "(0, 1]", 0.95)
    return lambda position: gamma**position.epoch


def _fraction_done(xp: Any, position: Any) -> Any:
    return xp.minimum(position.step / position.total_steps, 1.0)


def _half_wave(xp: Any, first: float, last: float, fraction: Any) -> Any:
    """Half a cosine wave: ``first`` at ``fraction`` 0, ``last`` at 1."""
    return last + (first - last) * (1.0 + xp.cos(math.pi * fraction)) / 2.0


def cosine(xp: Any, final: float = 0.0) -> Factor:
    r"""f + (1 − f)(1 + cos πp)/2: half a cosine wave from 1 down to the fraction f.

    .. math:: f + (1-f)\,\frac{1 + \cos π p}{2}, \qquad p = \min(1, s/S)

    f is reached after the last step (at s = S), so that no step has a rate of 0. S is the number
    of steps asked for: training that is resumed with more ``epochs`` than before continues on the
    longer wave, above the end of the shorter one, with a warning. :func:`cosine_restarts` has
    restarts.

    Source: Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with
    warm restarts".

    Examples
    --------
    >>> from deltarule.optimizers import SCHEDULES
    >>> print(SCHEDULES.get("cosine", final=0.5).factors(0, 4, 1).round(4))
    [1.     0.9268 0.75   0.5732]
    """
    final = in_interval("cosine", "final", final, "[0, 1]", 0.0)
    return lambda position: _half_wave(xp, 1.0, final, _fraction_done(xp, position))


def cosine_restarts(
    xp: Any, first: float = 10, factor: float = 2.0, final: float = 0.0, decay: float = 1.0
) -> Factor:
    r"""Half cosine waves, one after the other, each beginning at the full rate.

    .. math:: d^i \left(f + (1-f)\,\frac{1 + \cos π\, (e - E_i)/T_i}{2}\right), \qquad
              T_i = k\,c^i, \quad E_i = T_0 + … + T_{i-1} ≤ e

    Wave i = 0, 1, … lasts T_i = k c^i epochs; its peak is d^i. The factors do not depend on the
    total number of epochs.

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

    def restart_factor(position: Any) -> Any:
        passed = position.epoch / first
        # 1e-9: at a restart the logarithm may be rounded to just below the number of the new wave.
        if factor == 1.0:
            wave = xp.floor(passed + 1e-9)
            begun, length = wave, 1.0
        else:
            wave = xp.floor(xp.log1p(passed * (factor - 1.0)) / math.log(factor) + 1e-9)
            length = factor**wave
            begun = (length - 1.0) / (factor - 1.0)
        fraction = xp.minimum(xp.maximum((passed - begun) / length, 0.0), 1.0)
        return decay**wave * _half_wave(xp, 1.0, final, fraction)

    return restart_factor


def sequence(xp: Any, *, parts: Any, epochs: Any = (), scales: Any = ()) -> Factor:
    r"""Several schedules one after the other, each for some epochs and with a scale.

    .. math:: a_k\, f_k(s - S_k), \qquad S_k ≤ s < S_{k+1}

    The position that a part is given counts from the part's start: its steps begin with 0, its
    total is the length of the part (for a last part without one: the steps that remain), and
    losses from before are left out. The factors of a part are not multiplied by the end value of
    the part before it; a scale does that.

    Parameters
    ----------
    parts : sequence of Schedule
        f_0, f_1, … A record also takes names, and the results of :meth:`Schedule.spec`.
    epochs : sequence of float
        The length of each part; that of the last may be left out.
    scales : sequence of float
        a_0, a_1, …: 1 for each if left out.

    Examples
    --------
    A rise, a fall to a tenth, and a constant rate after it:

    >>> from deltarule.optimizers import SCHEDULES
    >>> schedule = SCHEDULES.get(
    ...     "sequence",
    ...     parts=[{"name": "warmup", "epochs": 2}, {"name": "cosine", "final": 0.1}, "constant"],
    ...     epochs=[2, 2],
    ...     scales=[1, 1, 0.1],
    ... )
    >>> [round(float(schedule.factors(epoch, 1, 9)[0]), 4) for epoch in range(6)]
    [0.5, 1.0, 1.0, 0.55, 0.1, 0.1]
    """
    if not isinstance(parts, tuple | list) or not parts:
        raise InputError(
            f"sequence: parts is {parts!r}; expected a list of schedules, at least one"
        )
    bound = [part.bind(xp) for part in parts]
    lengths = _numbers("epochs", epochs, (len(parts) - 1, len(parts)), "(0, inf)", 10)
    factors = _numbers("scales", scales or (1.0,) * len(parts), (len(parts),), "[0, inf)", 1)
    starts = [sum(lengths[:k]) for k in range(len(parts))]

    def factor(position: Any) -> Any:
        result: Any = None
        for k, (part, start, scale) in enumerate(zip(bound, starts, factors, strict=True)):
            before = start * position.steps_per_epoch
            steps = position.total_steps - before
            if k < len(lengths):
                steps = lengths[k] * position.steps_per_epoch
            own = position._replace(
                step=xp.maximum(position.step - before, 0.0),
                epoch=xp.maximum(position.epoch - start, 0.0),
                total_steps=max(steps, 1.0),  # training may end before the part begins
                losses=position.losses[int(start) :],
            )
            value = scale * part(own)
            result = value if k == 0 else xp.where(position.step >= before, value, result)
        return result

    return factor


def _numbers(
    name: str, given: Any, counts: tuple[int, ...], interval: str, usual: Any
) -> list[float]:
    """A parameter of :func:`sequence` with a number for each part, as a list."""
    values = given if isinstance(given, tuple | list) else (given,)
    if len(values) not in counts:
        raise InputError(
            f"sequence: {name} has {len(values)} numbers; expected "
            f"{' or '.join(map(str, counts))}, one for each part"
            + (" (the last may be left out: it takes what is left)" if len(counts) > 1 else "")
        )
    return [in_interval("sequence", name, value, interval, usual) for value in values]


def one_cycle(xp: Any, warmup: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Factor:
    r"""Up from a to 1 in the first fraction w of training, down to f in the rest.

    .. math:: \begin{cases} a + (1-a)\,\frac{1 - \cos π p/w}{2} & p < w \\
              f + (1-f)\,\frac{1 + \cos π (p-w)/(1-w)}{2} & p ≥ w \end{cases}

    The base learning rate is the largest. Rise and fall are half cosine waves, with the
    proportions of fastai and PyTorch; Smith and Topin's are straight lines. The peak is at
    s = wS and f is reached after the last step (in PyTorch both are one step earlier). The
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
        done = _fraction_done(xp, position)
        up = _half_wave(xp, start, 1.0, done / warmup)
        down = _half_wave(xp, 1.0, final, (done - warmup) / (1.0 - warmup))
        return xp.where(done < warmup, up, down)

    return factor


def warmup(xp: Any, *, epochs: float = 1.0, start: float = 0.0, then: Any) -> Factor:
    r"""A linear rise over the first epochs, times a schedule that begins after them.

    .. math:: \min\left(1,\; a + (1-a)\frac{s+1}{W}\right) \cdot f(\max(s - W, 0))

    W is the number of warm-up steps. The factor of the last of them is 1, and that of the first
    is above a, so that no step has a rate of 0 if a = 0. The position that f is given counts
    from the end of the warm-up: steps from 0, S − W in all, and no losses of the warm-up; during
    the warm-up it is that of step 0.

    Source: Goyal et al. (2017), "Accurate, large minibatch SGD".

    Parameters
    ----------
    epochs : float
        The length of the rise; 0.5 is half an epoch.
    start : float
        a.
    then : Schedule
        f. A record also takes a name, or the result of :meth:`Schedule.spec`.

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
            total_steps=max(position.total_steps - steps, 1.0),  # training may end before it
            losses=position.losses[int(epochs) :],  # of epochs that end after the warm-up
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
    r"""max(γ^n, f_min): multiplied by γ each time the loss has not improved for some epochs.

    .. math:: \max(γ^{n}, f_{min}), \qquad
              \text{improved: } C < C_{best} - τ |C_{best}|
              \text{, or } C < C_{best} - τ \text{ with relative=False}

    n is increased by 1, and the count of epochs reset, when more than ``patience`` epochs in a
    row have not improved. The next ``cooldown`` epochs are not counted. A NaN is no improvement.
    The same as PyTorch's ``ReduceLROnPlateau`` (whose relative improvement is τ C_best: equal
    while losses are positive), but computed from all losses so far, without a state.

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
    patience = _n_epochs("patience", patience, 10)
    cooldown = _n_epochs("cooldown", cooldown, 0)
    if not isinstance(relative, bool):
        raise InputError(
            f"{name}: relative is {relative!r}; expected True (threshold times the best loss) "
            "or False (threshold itself)"
        )

    def after(state: tuple[float, float, int, int], loss: float) -> tuple[float, float, int, int]:
        now, best, waited, resting = state
        # best is inf before the first loss, and inf − τ·inf would be NaN.
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

    def plateau_factor(position: Any) -> float:
        factor: float = position.losses.fold(key, (1.0, math.inf, 0, 0), after)[0]
        return factor

    return plateau_factor


def _n_epochs(name: str, value: Any, usual: int) -> int:
    number = in_interval("reduce_on_plateau", name, value, "[0, inf)", usual)
    if number != int(number):
        raise InputError(
            f"reduce_on_plateau: {name} is {value!r}; expected a whole number of epochs; {usual} "
            "is usual"
        )
    return int(number)
