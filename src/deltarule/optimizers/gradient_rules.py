"""The formulas of the update rules that use the gradient's magnitude, not only its sign.

Each takes an array namespace and its parameters and returns
``update(theta, g, slots, step) -> (theta, slots)``; :mod:`deltarule.optimizers.rules`
registers them. θ is ``theta``, g the gradient including the penalty, η ``step.learning_rate``
and t ``step.t``. All operations are elementwise, and nothing is modified in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.errors import InputError
from deltarule.optimizers.scalars import in_interval, one_minus_power

__all__ = ["adam", "adamw", "momentum", "nesterov", "rmsprop", "sgd"]

Update = Callable[[Any, Any, dict[str, Any], Any], tuple[Any, dict[str, Any]]]


def sgd(xp: Any) -> Update:
    r"""θ ← θ − η g: plain gradient descent.

    .. math:: θ ← θ - η g

    It is "stochastic" if g is the gradient of a batch. The SGD of PyTorch and
    scikit-learn may include momentum; this one does not.

    Source: Robbins and Monro (1951), "A stochastic approximation method".

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> theta, _ = sgd(np)(np.array([1.0, 2.0]), np.array([4.0, -2.0]), {}, StepInfo(1, 0.25))
    >>> print(theta)
    [0.  2.5]
    """

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        return theta - step.learning_rate * g, {}

    return update


def momentum(xp: Any, momentum: float = 0.9) -> Update:
    r"""θ ← θ + v with v ← μ v − η g: Polyak's heavy ball.

    .. math:: v ← μ v - η g, \qquad θ ← θ + v

    The velocity contains η, as in scikit-learn. PyTorch has v ← μ v + g and moves by −η v,
    which is the same while η is constant. When η changes, PyTorch's whole step −η v is rescaled;
    here only the new part η g is. Not the "dampened" form v ← μ v − η (1 − μ) g.

    Source: Polyak (1964), "Some methods of speeding up the convergence of
    iteration methods"; Rumelhart, Hinton and Williams (1986).

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> theta, slots = momentum(np, 0.5)(
    ...     np.array([1.0]), np.array([4.0]), {"v": np.array([0.5])}, StepInfo(1, 0.25))
    >>> print(slots["v"], theta)
    [-0.75] [0.25]
    """
    mu = in_interval("momentum", "momentum", momentum, "[0, 1)", 0.9)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        v = mu * slots["v"] - step.learning_rate * g
        return theta + v, {"v": v}

    return update


def nesterov(xp: Any, momentum: float = 0.9) -> Update:
    r"""θ ← θ + μ v − η g with v ← μ v − η g: Nesterov's momentum.

    .. math:: v ← μ v - η g, \qquad θ ← θ + μ v - η g

    The form in which g is the gradient at θ (Bengio, Boulanger-Lewandowski and Pascanu 2013),
    as in scikit-learn and PyTorch; Nesterov's article takes the gradient at θ + μ v, and
    a μ that grows with t; here μ is constant.

    Source: Nesterov (1983); Sutskever, Martens, Dahl and Hinton (2013), "On the
    importance of initialization and momentum in deep learning".

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> theta, slots = nesterov(np, 0.5)(
    ...     np.array([1.0]), np.array([4.0]), {"v": np.array([0.5])}, StepInfo(1, 0.25))
    >>> print(slots["v"], theta)
    [-0.75] [-0.375]
    """
    mu = in_interval("nesterov", "momentum", momentum, "[0, 1)", 0.9)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        gradient_step = step.learning_rate * g
        v = mu * slots["v"] - gradient_step
        return theta + mu * v - gradient_step, {"v": v}

    return update


def rmsprop(xp: Any, rho: float = 0.9, epsilon: float = 1e-8) -> Update:
    r"""θ ← θ − η g/(√v + ε) with v ← ρ v + (1−ρ) g².

    .. math:: v ← ρ v + (1-ρ) g^2, \qquad θ ← θ - η\, g / (\sqrt{v} + ε)

    ε is added to the root, as in PyTorch, and not under it, as in TensorFlow's original. v
    starts at 0 and is not debiased, so each entry moves by η/√(1−ρ) in the first step. Not
    centred (the mean of g is not subtracted); no momentum.

    Source: Tieleman and Hinton (2012), Coursera lecture 6.5.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> theta, slots = rmsprop(np, rho=0.75, epsilon=1.0)(
    ...     np.array([1.0]), np.array([6.0]), {"v": np.array([0.0])}, StepInfo(1, 0.5))
    >>> print(slots["v"], theta)  # 1 − 0.5 · 6 / (3 + 1)
    [9.] [0.25]
    """
    rho = in_interval("rmsprop", "rho", rho, "[0, 1)", 0.9)
    epsilon = in_interval("rmsprop", "epsilon", epsilon, "(0, inf)", 1e-8)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        v = rho * slots["v"] + (1.0 - rho) * (g * g)
        return theta - step.learning_rate * g / (xp.sqrt(v) + epsilon), {"v": v}

    return update


def adam(
    xp: Any,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_inside: bool = True,
) -> Update:
    r"""θ ← θ − η m̂/(√v̂ + ε), with running means m of g and v of g², debiased.

    .. math:: m ← β_1 m + (1-β_1) g, \qquad v ← β_2 v + (1-β_2) g^2

    .. math:: \hat m = \frac{m}{1-β_1^t}, \quad \hat v = \frac{v}{1-β_2^t}, \quad
              θ ← θ - η \frac{\hat m}{\sqrt{\hat v} + ε}

    Kingma and Ba's algorithm 1, as in PyTorch and optax. ``epsilon_inside=False`` gives the
    form of their section 2, as in scikit-learn and TensorFlow, where ε is added to √v
    instead of √v̂. In terms of √v̂ that is an ε larger by 1/√(1−β₂^t), 31.6 at t = 1:

    .. math:: θ ← θ - η \frac{\sqrt{1-β_2^t}}{1-β_1^t} \frac{m}{\sqrt{v} + ε}

    Not AMSGrad (no maximum of v is kept) and not NAdam; :func:`adamw` has decoupled weight decay.

    Source: Kingma and Ba (2015), "Adam: a method for stochastic optimization".

    Raises
    ------
    InputError
        If β₁ or β₂ is not in [0, 1), ε is not above 0, or ``epsilon_inside`` is not a bool.

    Examples
    --------
    The first step has m̂ = g and v̂ = g², and so a length of η · |g|/(|g| + ε):

    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> start = {"m": np.array([0.0]), "v": np.array([0.0])}
    >>> theta, slots = adam(np, beta1=0.5, beta2=0.75, epsilon=2.0)(
    ...     np.array([1.0]), np.array([6.0]), start, StepInfo(1, 0.5))
    >>> print(slots["m"], slots["v"], theta)  # 1 − 0.5 · 6 / (6 + 2)
    [3.] [9.] [0.625]
    >>> theta, _ = adam(np, 0.5, 0.75, 2.0, epsilon_inside=False)(
    ...     np.array([1.0]), np.array([6.0]), start, StepInfo(1, 0.5))
    >>> print(theta)  # 1 − 0.5 · √¼ / ½ · 3 / (3 + 2)
    [0.7]
    """
    beta1 = in_interval("adam", "beta1", beta1, "[0, 1)", 0.9)
    beta2 = in_interval("adam", "beta2", beta2, "[0, 1)", 0.999)
    epsilon = in_interval("adam", "epsilon", epsilon, "(0, inf)", 1e-8)
    if not isinstance(epsilon_inside, bool):
        raise InputError(
            f"adam: epsilon_inside is {epsilon_inside!r}; expected True (algorithm 1, as in "
            "PyTorch) or False (section 2, as in scikit-learn)"
        )

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        m = beta1 * slots["m"] + (1.0 - beta1) * g
        v = beta2 * slots["v"] + (1.0 - beta2) * (g * g)
        correction1 = one_minus_power(xp, beta1, step.t)
        correction2 = one_minus_power(xp, beta2, step.t)
        if epsilon_inside:
            m_hat, v_hat = m / correction1, v / correction2
            theta = theta - step.learning_rate * m_hat / (xp.sqrt(v_hat) + epsilon)
        else:
            # A Python float raised to 0.5 stays a Python float; xp.sqrt would return an array.
            plain = isinstance(correction2, float)
            root = correction2**0.5 if plain else xp.sqrt(correction2)
            rate = step.learning_rate * (root / correction1)
            theta = theta - rate * m / (xp.sqrt(v) + epsilon)
        return theta, {"m": m, "v": v}

    return update


def adamw(
    xp: Any,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Update:
    r"""Adam, then θ ← θ − η λ θ on weights: a weight decay that Adam does not rescale.

    .. math:: θ ← \mathrm{adam}(θ, g), \qquad θ_w ← θ_w - η λ θ_w

    Biases do not decay (``step.weights`` marks the weights). λ is multiplied by the scheduled
    η, as in PyTorch, which has the same default λ. The decay follows Adam's step; Loshchilov
    and Hutter's algorithm 2 and PyTorch decay θ before it, which differs by η λ times one Adam
    step. An L2 penalty, which is part of g, acts in addition if it is not 0.

    Source: Loshchilov and Hutter (2019), "Decoupled weight decay regularization".

    Raises
    ------
    InputError
        If a parameter is out of range; on update, if ``step.weights`` is None.

    Examples
    --------
    As in the example of :func:`adam`; the weight is then multiplied by 1 − 0.5 · 0.4:

    >>> import numpy as np
    >>> from deltarule.optimizers import StepInfo
    >>> start = {"m": np.zeros(2), "v": np.zeros(2)}
    >>> is_weight = np.array([True, False])
    >>> theta, _ = adamw(np, 0.5, 0.75, 2.0, weight_decay=0.4)(
    ...     np.array([1.0, 1.0]), np.array([6.0, 6.0]), start, StepInfo(1, 0.5, None, is_weight))
    >>> print(theta)
    [0.5   0.625]
    """
    decay = in_interval("adamw", "weight_decay", weight_decay, "[0, inf)", 0.01)
    step_of_adam = adam(xp, beta1, beta2, epsilon)

    def update(theta: Any, g: Any, slots: dict[str, Any], step: Any) -> tuple[Any, dict[str, Any]]:
        if step.weights is None:
            raise InputError(
                "adamw: step.weights is None; expected an array, True where a parameter is a "
                "weight and False where it is a bias; pass it in StepInfo"
            )
        theta, slots = step_of_adam(theta, g, slots, step)
        decayed = theta - (step.learning_rate * decay) * theta
        return xp.where(step.weights, decayed, theta), slots

    return update
