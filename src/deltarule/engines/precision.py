"""The precision of matrix products, and the engine that computes with it."""

from __future__ import annotations

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.registry import engine_name, named_explicitly
from deltarule.errors import InputError, Message, MissingCapability, Parameter
from deltarule.maths.bfloat16 import BFLOAT16_EPS
from deltarule.settings import checked

__all__ = ["engine_of_precision", "eps_of_products"]

# The engine that computes with products of bfloat16 in the place of another one.
_WITH_BFLOAT16 = {
    "compiled": "compiled_bfloat16",
    "reference": "reference_bfloat16",
    "jax": "jax_bfloat16",
}


def engine_of_precision(
    engine: str | Engine | type[Engine], precision: str
) -> str | Engine | type[Engine]:
    """The engine that computes as ``engine`` does, with matrix products of a precision.

    Parameters
    ----------
    engine : str, Engine, or its class
        As for :func:`deltarule.make_engine`.
    precision : {"full", "bfloat16"}
        ``"full"`` is the engine itself, whose products have the network's dtype. For
        ``"bfloat16"`` every operand of a matrix product is rounded to a bfloat16 of 8 bits, and
        the products are added in float32; parameters and all else stay float32. ``"compiled"``,
        which ``"auto"`` stands for, needs a processor with AVX512-BF16; ``"reference"`` computes
        the same bits slowly; ``"jax"`` leaves the order of the sums to XLA.

    Raises
    ------
    InputError
        If there is no such precision, or it is asked of an Engine or a class.
    MissingCapability
        If an engine of that name has no such products.

    Examples
    --------
    >>> engine_of_precision("reference", "bfloat16")
    'reference_bfloat16'
    >>> engine_of_precision("auto", "full")
    'auto'
    """
    precision = checked("precision", precision)
    if precision == "full":
        return engine
    if not isinstance(engine, str):
        raise InputError(
            Message(
                Parameter("precision", "bfloat16"), " was given with an engine that is not a name"
            ),
            parameter=("precision", "engine"),
            expected="the name of an engine",
            hint=f"such as {', '.join(map(repr, _WITH_BFLOAT16))}",
        )
    name = engine_name(engine)
    if name in _WITH_BFLOAT16.values():
        return name
    if name == "reference" and not named_explicitly(engine, name):
        name = "compiled"  # which says that Numba is missing; the emulation is slow
    if name not in _WITH_BFLOAT16:
        raise MissingCapability(
            f"engine {name!r} has no matrix products of bfloat16",
            parameter=("precision", "engine"),
            expected=Message(
                Parameter("engine"), f" as one of {', '.join(map(repr, _WITH_BFLOAT16))}"
            ),
            hint=Message("or leave out ", Parameter("precision")),
        )
    return _WITH_BFLOAT16[name]


def eps_of_products(engine: str | None, dtype: str | None) -> float:
    """The eps of the products of an engine of this name, which need not be one that runs here.

    Examples
    --------
    >>> eps_of_products("compiled_bfloat16", "float32"), eps_of_products("compiled", None)
    (0.0078125, 2.220446049250313e-16)
    """
    if engine in _WITH_BFLOAT16.values():
        return BFLOAT16_EPS
    return float(np.finfo(np.dtype(dtype or "float64")).eps)
