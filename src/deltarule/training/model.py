"""A trained network on disk: a folder of JSON and safetensors, never a pickle."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import Engine, Predictor, make_predictor
from deltarule.engines.prepared import prepared
from deltarule.errors import FileError, InputError, UnknownName
from deltarule.files import read_bundle, write_bundle
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse
from deltarule.maths.inputs import check_rows
from deltarule.training.batches import SparseRows
from deltarule.training.history import History

__all__ = ["Model", "load_model", "save_model"]

_KIND, _VERSION = "deltarule model", 1

# Sparse rows that are made dense at a time.
_AT_A_TIME = 4096


@dataclasses.dataclass(frozen=True)
class Model:
    """A network with its parameters, and what is to be remembered of its training.

    Attributes
    ----------
    net : Network
    theta : array of shape (p,)
    history : History
    extra : mapping of str to JSON value
        Anything else to keep with it: settings, scores, the columns of a table.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([2, 1])
    >>> Model(net, net.pack(W=[[[1.0, 2.0]]], b=[[0.5]])).predict([[1.0, 1.0]])
    array([[3.5]])

    For one row at a time there is something quicker:

    >>> predictor = Model(net, net.pack(W=[[[1.0, 2.0]]], b=[[0.5]])).compile_predictor()
    >>> predictor([1.0, 1.0])
    array([3.5])
    """

    net: Network
    theta: np.ndarray
    history: History = dataclasses.field(default_factory=History)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def predict(self, X: Any, engine: str | Engine | type[Engine] = "auto") -> np.ndarray:
        """a^L for rows X, of shape (N, n_L).

        The compiled engine gives a row the same bits alone and among any others.

        Parameters
        ----------
        X : array of shape (N, n_0), frame, or sparse matrix
        engine : str, Engine, or its class
            ``"auto"`` is the compiled engine where there is Numba and it can express the
            network's formulas, else the reference engine; see ``make_engine``.

        Raises
        ------
        InputError
            If X does not fit the network.
        """
        outputs = prepared(self, self.net, [self.theta], lambda: self.theta, engine).outputs
        if not is_sparse(X):
            return outputs(check_rows(self.net, X))
        rows = SparseRows.checked(self.net, X)
        starts = range(0, max(len(rows), 1), _AT_A_TIME)
        return np.concatenate([outputs(rows[start : start + _AT_A_TIME]) for start in starts])

    def compile_predictor(self, engine: str | Engine | type[Engine] = "auto") -> Predictor:
        """A function of one row, or of rows, that takes about a microsecond for a small network.

        What it computes has the bits of :meth:`predict`. It holds θ as it is now: what becomes of
        the model later does not change it. It can be pickled, and called by several threads.

        Parameters
        ----------
        engine : str, Engine, or its class
            As for :meth:`predict`.

        Returns
        -------
        Predictor

        Examples
        --------
        >>> import numpy as np
        >>> from deltarule import Model, Network
        >>> net = Network([4, 16, 16, 1], dtype=np.float32)
        >>> model = Model(net, net.initial(0))
        >>> predictor = model.compile_predictor()
        >>> row = np.ones(4, dtype=np.float32)
        >>> bool((predictor(row) == model.predict([row])[0]).all())
        True
        """
        return make_predictor(self.net, self.theta, engine)


def save_model(folder: str | os.PathLike[str], model: Model, *, overwrite: bool = False) -> None:
    """Write a model to a folder: ``model.json``, ``history.json``, ``arrays.safetensors``.

    Parameters
    ----------
    folder : path
    model : Model
    overwrite : bool
        Whether a model that is there already may be replaced.

    Raises
    ------
    FileError
        If the folder exists (without ``overwrite``) or cannot be written; what was there
        is left as it was.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import Model, Network, load_model, save_model
    >>> net = Network([2, 3, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(folder + "/m", Model(net, net.initial(0)))
    ...     model = load_model(folder + "/m")
    >>> model.net == net, bool((model.theta == net.initial(0)).all())
    (True, True)
    """
    arrays = {b.name: b.of(model.net.check_theta(model.theta)) for b in model.net.blocks}
    documents = {
        "model.json": {"network": model.net.to_dict(), "extra": dict(model.extra)},
        "history.json": model.history.to_list(),
    }
    write_bundle(folder, _KIND, _VERSION, documents, arrays, overwrite=overwrite)


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    folder : path

    Raises
    ------
    FileError
        If the folder is missing, is no model, or a file in it was changed.
    UnknownName
        If the network uses an activation or loss that is not registered; register it first.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import Model, Network, load_model, save_model
    >>> net = Network([1, 1], activation=[])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(folder + "/m", Model(net, net.pack(W=[[[2.0]]], b=[[1.0]])))
    ...     load_model(folder + "/m").predict([[3.0]])
    array([[7.]])
    """
    documents, arrays = read_bundle(folder, _KIND, _VERSION)
    try:
        data = documents["model.json"]
        net = Network.from_dict(data["network"])
        theta = np.zeros(net.n_parameters, dtype=net.dtype)
        for block in net.blocks:
            given = arrays[block.name]
            if given.shape != block.shape or given.dtype != net.dtype:
                raise InputError(
                    f"{block.name} is {given.dtype} of shape {given.shape}; "
                    f"expected {net.dtype} of shape {block.shape}"
                )
            block.of(theta)[...] = given
        return Model(net, theta, History.from_list(documents["history.json"]), data["extra"])
    except UnknownName as error:
        raise UnknownName(
            f"{str(folder)!r} uses something of its author's own: {error}. Register it first, with "
            "deltarule.register_activation or register_loss"
        ) from None
    except (InputError, KeyError, TypeError) as error:
        raise FileError(f"{str(folder)!r} is not a complete model: {error}") from error
