"""The operations a formula may use, for NumPy and for JAX.

A formula takes a namespace ``xp``. It may use Python's arithmetic and comparison operators, the
functions listed in :data:`ELEMENTWISE`, those that combine the outputs of a row
(:data:`CROSS_OUTPUT_OPS`), and those of :mod:`deltarule.maths.shared_functions`.
No other operations are allowed: printers support these in every language, and engines must offer
them.

A namespace has one floating-point type, so that constants do not widen float32 arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import InputError, MissingDependency
from deltarule.maths.shared_functions import SHARED_FUNCTIONS

__all__ = ["CROSS_OUTPUT_OPS", "ELEMENTWISE", "ArrayNamespace", "jax_namespace", "numpy_namespace"]

ELEMENTWISE = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sqrt",
    "abs",
    "sign",
    "rint",
    "minimum",
    "maximum",
    "where",
)
CROSS_OUTPUT_OPS = ("total", "largest", "n_outputs", "per_output")


class ArrayNamespace:
    """The operations that a formula may use, for one array library and one dtype.

    Parameters
    ----------
    library : module
        ``numpy`` or ``jax.numpy``.
    dtype : dtype-like
        The floating-point type of every constant.

    Notes
    -----
    ``where(condition, a, b)`` gives this dtype even when ``a`` and ``b`` are plain
    numbers. ``total(x)`` and ``largest(x)`` reduce the last axis, which is kept with length 1;
    ``n_outputs(x)`` is its length; ``per_output(values, x)`` repeats ``values`` along it. The
    shared functions choose their accuracy by ``dtype``. ``product(a, b)`` and ``affine(a, W, b)``
    are for the passes, not for formulas.
    """

    exp: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    log: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    sqrt: Callable[[Any], Any]
    abs: Callable[[Any], Any]
    sign: Callable[[Any], Any]
    rint: Callable[[Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]

    def __init__(self, library: Any, dtype: Any) -> None:
        self.library = library
        self.dtype = np.dtype(dtype)
        for name in ELEMENTWISE:
            if name != "where":
                setattr(self, name, getattr(library, name))
        if library is np and self.dtype == np.float32:
            for name in ("exp", "expm1", "log", "log1p"):
                setattr(self, name, _through_float64(getattr(np, name)))
        for shared in SHARED_FUNCTIONS.values():
            setattr(self, shared.name, functools.partial(shared.formula, self))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """``a`` where the condition holds, else ``b``."""
        if isinstance(a, int | float) and isinstance(b, int | float):
            a = self.dtype.type(a)
        return self.library.where(condition, a, b)

    def product(self, a: Any, b: Any) -> Any:
        """The matrix product of a pass. An engine may compute it in another precision."""
        return a @ b

    def affine(self, a: Any, W: Any, b: Any) -> Any:
        """a Wᵀ + b (F3), or a Wᵀ if b is None. An engine may start the sums at b."""
        z = self.product(a, W.T)
        return z if b is None else z + b

    def total(self, x: Any) -> Any:
        """The sum over outputs, (…, n) → (…, 1)."""
        return x.sum(axis=-1, keepdims=True)

    def largest(self, x: Any) -> Any:
        """The maximum over outputs, (…, n) → (…, 1)."""
        return x.max(axis=-1, keepdims=True)

    def n_outputs(self, x: Any) -> int:
        """The number of outputs."""
        return int(x.shape[-1])

    def per_output(self, values: tuple[float, ...], x: Any) -> Any:
        """One constant for each output: ``values``, repeated as often as necessary."""
        repeats = -(-x.shape[-1] // len(values))
        constants = np.tile(np.asarray(values, dtype=self.dtype), repeats)
        return self.library.asarray(constants[: x.shape[-1]])

    def __repr__(self) -> str:
        return f"ArrayNamespace({self.library.__name__}, {self.dtype})"


def _through_float64(function: Any) -> Callable[[Any], Any]:
    """A function of float32 arrays, computed in float64 and rounded once.

    NumPy's float32 exponential and logarithm have errors of up to 2.5 and 3.8 ulp, which differ
    between processors; an activation or loss as a whole may have 4 ulp. The conversion takes
    about 1 ns per element.
    """

    def rounded(x: Any) -> Any:
        return function(x, dtype=np.float64).astype(np.float32)

    return rounded


@functools.lru_cache(maxsize=4)
def _numpy(dtype: np.dtype[Any]) -> ArrayNamespace:
    return ArrayNamespace(np, dtype)


def numpy_namespace(dtype: Any = np.float64) -> ArrayNamespace:
    """The NumPy namespace for one floating-point type.

    Raises
    ------
    InputError
        If the type is not float32 or float64.

    Examples
    --------
    >>> xp = numpy_namespace(np.float32)
    >>> xp.where(np.array([True, False]), 1, 0).dtype
    dtype('float32')
    """
    return _numpy(float_dtype(dtype))


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """``dtype`` as a NumPy type; an InputError if it is not float32 or float64."""
    try:
        name = "" if dtype is None else np.dtype(dtype).name  # NumPy takes None for float64
    except TypeError:
        name = ""
    if name not in ("float32", "float64"):
        raise InputError(f"dtype is {dtype!r}; expected float32 or float64")
    return np.dtype(name)


def jax_namespace(dtype: Any = np.float64) -> ArrayNamespace:
    """The JAX namespace for one floating-point type.

    Raises
    ------
    MissingDependency
        If JAX is not installed.
    InputError
        If ``dtype`` is float64 while JAX has 64-bit types disabled.
    """
    try:
        import jax
        import jax.numpy as jnp
    except ImportError as error:
        raise MissingDependency(
            "the JAX namespace needs JAX, which is not installed; install deltarule[jax]"
        ) from error
    kind = float_dtype(dtype)
    if kind == np.float64 and not jax.config.jax_enable_x64:
        raise InputError(
            "float64 was asked for but JAX computes in float32; "
            'call jax.config.update("jax_enable_x64", True) first, or ask for float32'
        )
    return ArrayNamespace(jnp, kind)
