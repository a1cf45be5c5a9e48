"""Check of the shapes of a formula's results, before anything is trained with it.

A network runs each of its formulas once on a few numbers. A result of the wrong kind or shape is
reported there with a clear message, instead of by an array operation in the middle of a step.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.namespace import numpy_namespace

__all__ = ["check_activation", "check_loss"]

_SIGNATURE = (
    "expected formula(xp, …), a function of an array namespace and of the parameters, which "
    "returns "
)


@functools.lru_cache(maxsize=256)
def check_activation(activation: Activation, width: int) -> None:
    """Raise if a function of the activation returns a wrong kind or shape of result.

    Parameters
    ----------
    activation : Activation
    width : int
        The number of nodes of its layer.

    Raises
    ------
    InputError
        If a function fails, or does not return one number for each row and node.
    """
    z = _numbers(width)
    what = "slope" if activation.elementwise else "pullback"
    try:
        with np.errstate(all="ignore"):
            bound = activation.bind(numpy_namespace())
            a = bound.value(z)
            other = bound.slope(z, a) if bound.slope else bound.pullback(z, a, np.ones_like(z))
    except InputError:
        raise
    except Exception as error:  # a user's formula may raise anything
        if _branches_on_value(error):
            return
        raise InputError(
            f"activation {activation}: {_failure(error, z.shape)}; {_SIGNATURE}the functions "
            f"(value, {what})"
        ) from error
    for name, given in (("value", a), (what, other)):
        if not _fits(given, z.shape, a_number_too=name == "slope"):
            raise InputError(
                f"activation {activation}: its {name} gave {_description(given)} for z of shape "
                f"{z.shape}; expected one number for each, an array of that shape"
            )


@functools.lru_cache(maxsize=256)
def check_loss(loss: Loss, output: Activation, n_outputs: int) -> None:
    """Raise if the loss's function does not return a term and a derivative for each output.

    Parameters
    ----------
    loss : Loss
    output : Activation
        The output activation.
    n_outputs : int
        n_L.

    Raises
    ------
    InputError
        If its function fails, returns a mean or a sum, or returns no derivative and none can be
        derived symbolically.
    """
    xp = numpy_namespace()
    z = _numbers(n_outputs)
    try:
        with np.errstate(all="ignore"):
            a = output.bind(xp).value(z)
    except ValueError as error:
        if _branches_on_value(error):
            return
        raise
    y = np.zeros_like(z)
    y[np.arange(len(z)), np.arange(len(z)) % n_outputs] = 1.0
    if loss.targets != "classes":
        y = 0.25 + 0.5 * y
    checked = _check_terms(loss, f"loss {loss}", loss.formula, "a", a, y)
    fusion = dict(loss.fused).get(output.name)
    if fusion is not None:
        title = f"loss {loss}, fused with {output.name}"
        checked = _check_terms(loss, title, fusion, "z", z, y) and checked
    if not checked:
        return
    with np.errstate(all="ignore"):  # derives a derivative that the formula does not return
        bound = loss.bind(xp, output)
        for terms, x in ((bound.from_output, a), (bound.from_input, z)):
            if terms is not None:
                terms(x, y)


def _check_terms(loss: Loss, title: str, formula: Any, of: str, x: Any, y: Any) -> bool:
    """Raise if the result of the formula does not fit; False if it could not be checked."""
    try:
        with np.errstate(all="ignore"):
            given = formula(numpy_namespace(), **loss.settings)(x, y)
    except InputError:
        raise
    except Exception as error:  # a user's formula may raise anything
        if _branches_on_value(error):
            return False
        raise InputError(
            f"{title}: {_failure(error, x.shape)}; {_SIGNATURE}a function of ({of}, y)"
        ) from error
    expected = (
        f"expected the pair (term, derivative) or the term alone, each of the shape of {of}: one "
        "number for each row and output"
    )
    several = isinstance(given, tuple)
    if isinstance(given, list) or (several and len(given) != 2):
        kind = type(given).__name__
        raise InputError(f"{title}: its function gave a {kind} of {len(given)}; {expected}")
    named = zip(("term", "derivative"), given if several else (given,), strict=False)
    for name, result in named:
        if not _fits(result, x.shape):
            hint = ""
            if name == "term" and np.ndim(result) < 2 and _is_numeric(result):
                hint = (
                    ". Leave the sum or mean out: the library adds the terms of a row, and weights "
                    "rows with 1/N"
                )
            elif name == "term" and np.shape(result) == (len(x), 1):
                hint = (
                    ". Divide a number for the whole row by xp.n_outputs(a) and broadcast it with "
                    f"+ 0 * {of}"
                )
            raise InputError(
                f"{title}: its {name} is {_description(result)} for {len(x)} rows of {x.shape[1]} "
                f"output(s); {expected}{hint}"
            )
    return True


def _branches_on_value(error: Exception) -> bool:
    """Whether the error is that of an ``if`` on an array, which works for a single number.

    The reference engine may run such a formula; the others refuse it with an explanation.
    """
    return isinstance(error, ValueError) and "truth value of an array" in str(error)


def _numbers(width: int) -> np.ndarray:
    # The number of rows differs from that of outputs, so that the two axes cannot be confused.
    rows = 3 if width != 3 else 4
    return np.linspace(-1.0, 1.0, rows * width).reshape(rows, width) + 0.125


def _is_numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except (InputError, TypeError, ValueError):  # a ragged list, say
        return False


def _fits(value: Any, shape: tuple[int, ...], a_number_too: bool = False) -> bool:
    return _is_numeric(value) and (
        np.shape(value) == shape or (a_number_too and not np.ndim(value))
    )


def _description(value: Any) -> str:
    if not _is_numeric(value):
        return f"of type {type(value).__name__}"
    return "one number" if np.ndim(value) == 0 else f"an array of shape {np.shape(value)}"


def _failure(error: Exception, shape: tuple[int, ...]) -> str:
    return f"its formula failed on arrays of shape {shape} ({type(error).__name__}: {error})"
