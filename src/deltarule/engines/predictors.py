"""Predictors: a network with fixed parameters, prepared once for many predictions."""

from __future__ import annotations

import abc
import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.engines.base import Engine, EngineSettings
from deltarule.engines.registry import compiled_module, engine_name, make_engine, named_explicitly
from deltarule.engines.sparse_rows import CsrRows
from deltarule.errors import InputError, MissingDependency, NotCompilable
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse, numeric
from deltarule.maths.input_checks import check_network, check_rows

__all__ = ["Predictor", "make_predictor"]

# Rows that are checked, converted to the network's dtype and passed forward at a time. Fewer if
# they would take longer than about 40 ms: this bounds memory, and the delay of Ctrl-C.
_MOST_ROWS = 8192
_FEWEST_ROWS = 256
_MULTIPLY_ADDS = 2 << 30
# The bytes of the rows that are made dense or converted at a time, and the fewest such rows.
_PREPARED_BYTES, _FEWEST_PREPARED = 1 << 23, 64


class Predictor(abc.ABC):
    """A network with the parameters that it had when the predictor was made.

    ``predictor(x)`` takes one row of shape (n_0,) and returns shape (n_L,), or rows of shape
    (N, n_0) and returns (N, n_L): always a new array in the network's dtype. Fastest is a
    C-contiguous row of that dtype. Several threads may call one predictor at the same time. A
    pickled predictor holds the network and θ, and is made anew where it is unpickled.

    Attributes
    ----------
    net : Network
    engine : str
        The name of the engine that computes, such as ``"compiled"``. The compiled engine gives a
        row the same bits alone and among other rows.
    """

    engine: str

    takes_sparse_rows: bool = False
    """Whether :meth:`rows` takes a :class:`~deltarule.engines.sparse_rows.CsrRows`, too."""

    def __init__(self, net: Network, which: Any) -> None:
        self.net, self._which = net, which
        self._chunk = int(
            np.clip(_MULTIPLY_ADDS // max(net.n_multiply_adds, 1), _FEWEST_ROWS, _MOST_ROWS)
        )

    @property
    @abc.abstractmethod
    def theta(self) -> np.ndarray:
        """A copy of the parameters, of shape (p,)."""

    @abc.abstractmethod
    def rows(self, X: Any, out: np.ndarray) -> None:
        """Write a^L of X, of shape (N, n_0), to ``out``, of shape (N, n_L).

        Both arrays are C-contiguous and of the network's dtype; X is finite.
        """

    def __call__(self, x: Any) -> np.ndarray:
        """Predict one row, or several.

        Parameters
        ----------
        x : array of shape (n_0,) or (N, n_0), or sparse matrix of shape (N, n_0)
            Finite numbers. NaN and infinity are refused, as by ``Model.predict``.

        Returns
        -------
        array of shape (n_L,) or (N, n_L)
            a^L, in the network's dtype.

        Raises
        ------
        InputError
            If x is not an array of finite numbers of one of these shapes.
        """
        return self.predict_any(x)

    def predict_any(self, x: Any) -> np.ndarray:
        """Predict as a call does, for input of any kind: lists, other dtypes or layouts."""
        if is_sparse(x):
            return self.sparse_outputs(CsrRows.checked(self.net, x))
        try:
            array = numeric("x", x) if np.ma.isMaskedArray(x) else np.asarray(x)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"x is no array ({error}); expected {self._expected()}") from None
        if array.ndim not in (1, 2):
            raise InputError(f"x has shape {array.shape}; expected {self._expected()}: reshape it")
        if array.dtype.kind not in "biuf":
            raise InputError(
                f"x has dtype {array.dtype}; expected numbers, {self._expected()}: encode text and "
                "other objects as in training"
            )
        if array.shape[-1] != self.net.n_inputs:
            one = "x" if array.ndim == 1 else "a row of x"
            raise InputError(
                f"{one} has {array.shape[-1]} numbers; expected {self._expected()}: give the "
                "inputs of training, in their order"
            )
        matrix = array.reshape(-1, array.shape[-1])
        try:
            out = self.outputs(matrix, lambda rows: check_rows(self.net, rows))
        except InputError:
            self._refuse(array)
            raise
        return out[0] if array.ndim == 1 else out

    def outputs(self, X: Any, prepared: Callable[[Any], np.ndarray] | None = None) -> np.ndarray:
        """a^L of all rows of X, of shape (N, n_L), computed some rows at a time.

        Parameters
        ----------
        X : array of shape (N, n_0)
            As for :meth:`rows`, or any object whose slices ``prepared`` takes.
        prepared : callable, optional
            Turns a slice of X into an array as :meth:`rows` takes it.
        """
        n, size = X.shape[0], self._chunk
        if prepared is not None:  # a copy of every slice
            fitting = _PREPARED_BYTES // (self.net.n_inputs * self.net.dtype.itemsize)
            size = min(size, max(fitting, _FEWEST_PREPARED))
        out = np.empty((n, self.net.n_outputs), dtype=self.net.dtype)
        for start in range(0, n, size):
            chunk = slice(start, start + size)
            self.rows(X[chunk] if prepared is None else prepared(X[chunk]), out[chunk])
        return out

    def sparse_outputs(self, X: CsrRows) -> np.ndarray:
        """a^L of all rows of X, of shape (N, n_L); dense are at most 8 MB of them at a time."""
        n, size, dtype = len(X), self._chunk, self.net.dtype
        if not self.takes_sparse_rows:
            fitting = _PREPARED_BYTES // (self.net.n_inputs * dtype.itemsize)
            size = min(size, max(fitting, _FEWEST_PREPARED))
        out = np.empty((n, self.net.n_outputs), dtype=dtype)
        for start in range(0, n, size):
            chunk = slice(start, start + size)
            part = X.take(chunk).astype(dtype)
            self.rows(part if self.takes_sparse_rows else part[:], out[chunk])
        return out

    def guard(self, arrays: Sequence[np.ndarray]) -> Any:
        """The object that ``predictor_cache`` keeps, or None if that would not be faster."""
        return None

    def _expected(self) -> str:
        n = self.net.n_inputs
        return f"one row, of shape ({n},), or rows, of shape (N, {n})"

    def _refuse(self, array: np.ndarray) -> None:
        """Raise InputError for the first number that is not finite, with its index in ``array``."""
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(array.astype(self.net.dtype))
        where = np.argwhere(bad)[0].tolist()
        raise InputError(
            f"x{where} is {float(array[tuple(where)])!r}; expected finite numbers in the range of "
            f"{self.net.dtype}: impute missing values first"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return make_predictor, (self.net, self.theta, self._which)

    def __repr__(self) -> str:
        return f"<predictor of {self.net!r}, {self.engine} engine>"


class EnginePredictor(Predictor):
    """Calls an engine's ``predict``, one thread at a time, as an engine may have work arrays."""

    def __init__(self, net: Network, theta: np.ndarray, which: Any) -> None:
        super().__init__(net, which)
        # An engine that was passed in may be in the middle of a training: use a copy.
        self._engine = copy.copy(make_engine(which))
        self._engine.load(net, theta, EngineSettings())
        self.engine = self._engine.name
        self._lock = threading.Lock()

    @property
    def theta(self) -> np.ndarray:
        return np.array(self._engine.theta)

    def rows(self, X: np.ndarray, out: np.ndarray) -> None:
        with self._lock:
            out[:] = self._engine.predict(X)


def make_predictor(
    net: Network, theta: np.ndarray, engine: str | Engine | type[Engine] = "auto"
) -> Predictor:
    """Make a predictor for a network with its parameters.

    Parameters
    ----------
    net : Network
    theta : array of shape (p,)
        Copied: later changes of this array have no effect.
    engine : str, Engine, or its class
        As for :func:`make_engine`. ``"auto"`` takes the reference engine where there is no
        Numba, or where a formula of the network cannot be compiled.

    Raises
    ------
    InputError, UnknownName
        If θ does not fit the network, or there is no engine of that name.
    MissingDependency, NotCompilable
        If the compiled engine is requested by name and is not available, or cannot compile a
        formula of the network.

    Examples
    --------
    >>> from deltarule.engines import make_predictor
    >>> from deltarule.maths import Network
    >>> net = Network([2, 1])
    >>> predictor = make_predictor(net, net.pack(W=[[[1.0, 2.0]]], b=[[0.5]]))
    >>> predictor([1.0, 1.0])
    array([3.5])
    >>> predictor([[1.0, 1.0], [0.0, 0.0]])
    array([[3.5],
           [0.5]])
    """
    theta = check_network(net).check_theta(theta)
    name = engine_name(engine) if isinstance(engine, str) else getattr(engine, "name", "")
    if name == "compiled":
        try:
            module = compiled_module("predictor")
            threads = None if isinstance(engine, str) else engine.threads
            made: Predictor = module.CompiledPredictor(net, theta, engine, threads)
            return made
        except NotCompilable:
            if engine != "auto":
                raise
        except MissingDependency:
            if named_explicitly(engine, name):
                raise
        return EnginePredictor(net, theta, "reference")
    return EnginePredictor(net, theta, engine)
