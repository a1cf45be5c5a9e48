"""Checks of the parameters of a loss: positive numbers, fractions and quantile levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.records import real_number

__all__ = ["check_loss_parameters"]


def check_loss_parameters(
    loss: str, settings: dict[str, Any], kinks: tuple[float | str, ...]
) -> dict[str, Any]:
    """The checked parameters of a loss; a single level or weight becomes a tuple.

    Parameters
    ----------
    loss : str
        The loss's name, for messages.
    settings : dict
    kinks : tuple of float or str
        A string names a parameter, which must be positive.

    Raises
    ------
    InputError
        If a parameter named in ``kinks`` is not positive, ``levels`` are not different numbers
        between 0 and 1, ``smoothing`` is not in [0, 1), or a ``positive_weight`` is not positive.

    Examples
    --------
    >>> check_loss_parameters("quantile", {"levels": 0.5}, (0.0,))
    {'levels': (0.5,)}
    """
    settings = dict(settings)
    if (level := real_number(settings.get("levels"))) is not None:
        settings["levels"] = (level,)
    if (weight := real_number(settings.get("positive_weight"))) is not None:
        settings["positive_weight"] = (weight,)
    checks = [(name, _is_positive, "a number > 0") for name in kinks if isinstance(name, str)]
    if "smoothing" in settings:
        checks.append(("smoothing", _is_fraction, "a number ≥ 0 and < 1"))
    if "levels" in settings:
        levels = "numbers between 0 and 1, at least one and all different"
        checks.append(("levels", _are_levels, levels))
    if "positive_weight" in settings:
        weights = "a finite number > 0, or a list of one for each output"
        checks.append(("positive_weight", _are_weights, weights))
    for name, holds, expected in checks:
        if not holds(settings.get(name)):
            raise InputError(
                f"loss {loss!r}: {name} is {settings.get(name)!r}; expected {expected}"
            )
    return settings


def _is_positive(value: Any) -> bool:
    number = real_number(value)
    return number is not None and 0 < number < np.inf


def _is_fraction(value: Any) -> bool:
    number = real_number(value)
    return number is not None and 0 <= number < 1


def _are_levels(value: Any) -> bool:
    numbers = [real_number(level) for level in value] if isinstance(value, tuple) else []
    inside = [number for number in numbers if number is not None and 0 < number < 1]
    return bool(numbers) and len(set(inside)) == len(numbers)


def _are_weights(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(map(_is_positive, value))
