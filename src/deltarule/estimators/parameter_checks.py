"""Checks of the estimators' parameters; NumPy scalars count as numbers, booleans do not."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from deltarule.errors import InputError
from deltarule.maths import Activation, Loss
from deltarule.optimizers import RULES
from deltarule.optimizers.scalars import limits
from deltarule.records import to_python_scalar
from deltarule.settings import TrainingSettings, settings_of
from deltarule.training import Checkpoint
from deltarule.training.recovery import ON_DIVERGENCE

__all__ = ["CONSTRAINTS", "hidden_widths", "plain_parameters"]


def _interval(name: str, kind: Any = Real) -> Interval:
    """Return the interval of a training setting, as scikit-learn's validation takes it."""
    text = settings_of(TrainingSettings)[name].interval
    low, high = limits(text)
    closed = {"[)": "left", "[]": "both", "()": "neither", "(]": "neither"}[text[0] + text[-1]]
    return Interval(kind, int(low), None if high == np.inf else int(high), closed=closed)


# The constraints of the parameters that both estimators have, for scikit-learn's validation.
CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [str, list, tuple, dict, Activation],
    "solver": [StrOptions({"lbfgs", *RULES.names()})],
    "alpha": [_interval("l2")],
    "batch_size": [StrOptions({"auto"}), _interval("batch_size", Integral)],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [_interval("learning_rate")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [_interval("epochs", Integral)],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": ["array-like", _interval("dropout")],
    "weight_decay": [None, Interval(Real, 0, None, closed="left")],
    "clip_norm": [None, _interval("clip_norm")],
    "averaging": [None, _interval("averaging")],
    "callbacks": [None, "array-like"],
    "loss": [str, dict, Loss],
    "output_activation": [None, str, dict, Activation],
    "scoring": [None, str, callable],
    "l1": [_interval("l1")],
    "on_divergence": [StrOptions(set(ON_DIVERGENCE))],
    "precision": [StrOptions(set(settings_of(TrainingSettings)["precision"].choices))],
    "checkpoint": [None, str, os.PathLike, Checkpoint],
}


def plain_parameters(
    parameters: Mapping[str, Any], constraints: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace NumPy scalars among the parameters by Python numbers; refuse booleans for numbers.

    Examples
    --------
    >>> plain_parameters({"max_iter": np.int64(5)}, {})
    {'max_iter': 5}
    """
    values = {name: to_python_scalar(value) for name, value in parameters.items()}
    for name, value in values.items():
        allowed = constraints.get(name, ())
        if isinstance(value, bool) and not {"boolean", "verbose", "random_state"}.intersection(
            each for each in allowed if isinstance(each, str)
        ):
            raise InputError(f"{name} is {parameters[name]!r}; expected {_expected(allowed)}")
    return values


def _expected(allowed: Any) -> str:
    shown = [str(each) for each in allowed if each is not None and not isinstance(each, type)]
    return " or ".join(shown) or "a value of another kind"


def hidden_widths(sizes: Any) -> list[int]:
    """Return the widths of the hidden layers, from ``hidden_layer_sizes``.

    Examples
    --------
    >>> hidden_widths(8), hidden_widths(np.array([8, 4])), hidden_widths([])
    ([8], [8, 4], [])
    """
    sizes = to_python_scalar(sizes)
    is_sequence = hasattr(sizes, "__iter__") and not isinstance(sizes, str | bytes)
    items = [to_python_scalar(size) for size in (sizes if is_sequence else [sizes])]
    try:
        widths = [-1 if isinstance(size, bool) else operator.index(size) for size in items]
    except TypeError:
        widths = None
    if widths is None or any(isinstance(size, bool) for size in items):
        raise InputError(
            f"hidden_layer_sizes is {sizes!r}; expected whole numbers, such as (100,) or [64, 32]"
        )
    if any(width <= 0 for width in widths):
        raise InputError(f"hidden_layer_sizes must be > 0, got {widths}.")
    return widths
