"""Numeric parameters of the estimators: NumPy's scalars are numbers, truth values are none."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from deltarule.errors import InputError
from deltarule.maths import Activation, Loss
from deltarule.optimizers import RULES
from deltarule.records import plain

__all__ = ["CONSTRAINTS", "check_dropout", "hidden_widths", "plain_parameters"]

# What scikit-learn's validation holds the parameters of both estimators to.
CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [str, list, tuple, dict, Activation],
    "solver": [StrOptions({"lbfgs", *RULES.names()})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
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
    "dropout": ["array-like", Interval(Real, 0, 1, closed="left")],
    "weight_decay": [None, Interval(Real, 0, None, closed="left")],
    "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
    "averaging": [None, Interval(Real, 0, 1, closed="both")],
    "callbacks": [None, "array-like"],
    "loss": [str, dict, Loss],
    "output_activation": [None, str, dict, Activation],
    "scoring": [None, str, callable],
    "l1": [Interval(Real, 0, None, closed="left")],
}


def plain_parameters(
    parameters: Mapping[str, Any], constraints: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters, with Python's numbers in place of NumPy's.

    Raises
    ------
    InputError
        If a truth value is given for a number.

    Examples
    --------
    >>> plain_parameters({"max_iter": np.int64(5)}, {})
    {'max_iter': 5}
    """
    found = {name: plain(value) for name, value in parameters.items()}
    for name, value in found.items():
        allowed = constraints.get(name, ())
        if isinstance(value, bool) and not {"boolean", "verbose", "random_state"}.intersection(
            each for each in allowed if isinstance(each, str)
        ):
            raise InputError(f"{name} is {parameters[name]!r}; expected {_expected(allowed)}")
    return found


def _expected(allowed: Any) -> str:
    shown = [str(each) for each in allowed if each is not None and not isinstance(each, type)]
    return " or ".join(shown) or "a value of another kind"


def check_dropout(dropout: Any) -> None:
    """Refuse rates of layers that are no numbers; how many there must be the network knows.

    Raises
    ------
    InputError
        If ``dropout`` is neither a number nor a sequence of numbers.

    Examples
    --------
    >>> check_dropout([0.5, np.float32(0.25)])
    """
    if not isinstance(dropout, int | float):
        one_by_one = isinstance(dropout, Sequence | np.ndarray) and not isinstance(dropout, str)
        rates = [plain(rate) for rate in dropout] if one_by_one else [None]
        if any(isinstance(rate, bool) or not isinstance(rate, int | float) for rate in rates):
            raise InputError(
                f"dropout is {dropout!r}; expected a number from 0 up to, not with, 1, or a list "
                "with one for each hidden layer"
            )


def hidden_widths(sizes: Any) -> list[int]:
    """The widths of the hidden layers, from ``hidden_layer_sizes``.

    Raises
    ------
    InputError
        If one is no whole number > 0: 5.7 is no width, and neither is True.

    Examples
    --------
    >>> hidden_widths(8), hidden_widths(np.array([8, 4])), hidden_widths([])
    ([8], [8, 4], [])
    """
    sizes = plain(sizes)
    several = hasattr(sizes, "__iter__") and not isinstance(sizes, str | bytes)
    given = [plain(size) for size in (sizes if several else [sizes])]
    try:
        widths = [-1 if isinstance(size, bool) else operator.index(size) for size in given]
    except TypeError:
        widths = None
    if widths is None or any(isinstance(size, bool) for size in given):
        raise InputError(
            f"hidden_layer_sizes is {sizes!r}; expected whole numbers, such as (100,) or [64, 32]"
        )
    if any(width <= 0 for width in widths):
        raise InputError(f"hidden_layer_sizes must be > 0, got {widths}.")
    return widths
