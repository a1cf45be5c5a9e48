"""A trained network on disk: a folder of JSON and safetensors, never a pickle."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import Engine, Predictor, engine_of_precision, make_predictor
from deltarule.engines.predictor_cache import cached_predictor
from deltarule.engines.sparse_rows import CsrRows
from deltarule.errors import InputError, printable, short_repr
from deltarule.exportable import Exportable
from deltarule.files import Bundle, checked_path, read_bundle, read_document, save_bundle
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.files.reading_errors import reading_content
from deltarule.maths import Network
from deltarule.maths.arrays import is_sparse
from deltarule.maths.formula_fingerprint import check_formulas, network_fingerprints
from deltarule.maths.input_checks import check_network, check_rows
from deltarule.training.history import History
from deltarule.training.recording import Recording, recording_part

__all__ = [
    "KIND",
    "PORTFOLIO_VERSION",
    "TIMES",
    "Model",
    "bundle_of",
    "check_documents",
    "check_sizes",
    "holds_portfolio",
    "holds_table",
    "load_model",
    "model_of_bundle",
    "reading_model",
    "save_model",
    "stored_network",
    "stored_parameters",
]

KIND, _VERSION = "deltarule model", 1
PORTFOLIO_VERSION = 2
"""The version of the format of a folder that holds several networks, which older readers refuse."""
TIMES = {
    "model.json": (
        "portfolio.members.*.seconds",
        "intervals.scale.members.*.seconds",
        "extra.report.leaderboard.*.seconds",
        "extra.report.training_seconds",
        "extra.report.seconds",
    ),
    "history.json": ("*.seconds",),
}
"""Where the documents of a model have clock times, which its fingerprint leaves out."""


@dataclasses.dataclass(frozen=True)
class Model(Exportable):
    """A network with its parameters and the history of its training.

    Attributes
    ----------
    net : Network
    theta : array of shape (p,)
    history : History
    extra : mapping of str to JSON value
        Other data to store with the network: settings, scores, the columns of a table.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([2, 1])
    >>> Model(net, net.pack(W=[[[1.0, 2.0]]], b=[[0.5]])).predict([[1.0, 1.0]])
    array([[3.5]])
    """

    net: Network
    theta: np.ndarray
    history: History = dataclasses.field(default_factory=History)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_network(self.net).check_theta(self.theta)
        for name, kind in (("history", History), ("extra", Mapping)):
            if not isinstance(getattr(self, name), kind):
                raise InputError(
                    parameter=name,
                    given=getattr(self, name),
                    expected="what training gave, a History" if name == "history" else "a mapping",
                )

    def predict(
        self, X: Any, engine: str | Engine | type[Engine] = "auto", precision: str = "full"
    ) -> np.ndarray:
        """Return the outputs a^L for rows X, shape (N, n_L).

        With the compiled engine, a row's bits do not depend on the other rows.

        Parameters
        ----------
        X : array of shape (N, n_0), frame, or sparse matrix
        engine : str, Engine, or its class
            ``"auto"`` is the compiled engine where Numba is installed and supports the
            network's formulas, else the reference engine; see ``make_engine``.
        precision : {"full", "bfloat16"}
            Of the matrix products, as for :func:`deltarule.train`: for many rows at a time, since
            the weights are rounded at every call.

        Raises
        ------
        InputError
            If X does not fit the network.
        MissingCapability
            If the engine, or this processor, has no matrix products of the precision.
        """
        chosen = engine_of_precision(engine, precision)
        predictor = cached_predictor(self, self.net, [self.theta], lambda: self.theta, chosen)
        if is_sparse(X):
            return predictor.sparse_outputs(CsrRows.checked(self.net, X))
        return predictor.outputs(check_rows(self.net, X))

    def compile_predictor(
        self, engine: str | Engine | type[Engine] = "auto", precision: str = "full"
    ) -> Predictor:
        """Return a prediction function for one row or several, with little overhead.

        A row of a small network takes about a microsecond. The outputs are those of
        :meth:`predict`, bit for bit. The predictor holds a copy of θ, can be pickled, and may
        be called by several threads.

        Parameters
        ----------
        engine, precision
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
        return make_predictor(self.net, self.theta, engine_of_precision(engine, precision))


def save_model(
    folder: str | os.PathLike[str],
    model: Model,
    *,
    overwrite: bool = False,
    recording: Recording | None = None,
    extras: Mapping[str, bytes] | None = None,
) -> None:
    """Write a model to a folder: ``model.json``, ``history.json``, ``arrays.safetensors``.

    If the name ends in ``.deltarule``, these are put into one file, an uncompressed zip archive.
    Equal models give equal bytes.

    The folder is replaced in one step: readers see the old or the new content, also if the
    process is killed. Other files in the folder stay; a link is followed.

    Parameters
    ----------
    folder : path
    model : Model
    overwrite : bool
        Whether an existing model may be replaced.
    recording : Recording, optional
        The recording of the model's training. Without one, a recording in the folder is kept if
        it has the same parameters, and removed otherwise.
    extras : mapping of file name to bytes
        More files to write, such as a picture; ``load_model`` ignores them.

    Raises
    ------
    FileError
        If the folder exists (without ``overwrite``) or cannot be written; an existing folder
        is then unchanged.
    InputError
        If a parameter is not a finite number, or ``extra`` cannot be stored as JSON.

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
    folder = checked_path("folder", folder)
    if not isinstance(model, Model):
        raise InputError(
            f"model is of type {type(model).__name__}",
            parameter="model",
            expected="a Model; a network and its parameters are Model(net, theta)",
        )
    parts = recording_part(model.theta, recording)
    save_bundle(folder, bundle_of(model), overwrite=overwrite, parts=parts, extras=extras)


def bundle_of(model: Model) -> Bundle:
    """Return what :func:`save_model` writes of a model.

    Raises
    ------
    InputError
        If a parameter is not a finite number.
    """
    record, arrays = stored_parameters(model.net, model.theta)
    documents = {
        "model.json": {**record, "extra": dict(model.extra)},
        "history.json": model.history.to_list(),
    }
    return Bundle(KIND, _VERSION, documents, arrays, TIMES)


def stored_parameters(
    net: Network, theta: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a network as an object that JSON can hold, and its parameters by name.

    Raises
    ------
    InputError
        If a parameter is not a finite number.
    """
    theta = net.check_theta(theta)
    arrays = {b.name: b.of(theta) for b in net.blocks}
    problem = _not_finite(arrays)
    if problem:
        raise InputError(
            f"{problem}; expected finite parameters, and nothing was saved; save those of an epoch "
            "before, or train again with a smaller learning_rate"
        )
    return {"network": net.to_dict(), "formulas": network_fingerprints(net)}, arrays


def _not_finite(arrays: Mapping[str, np.ndarray]) -> str:
    """Describe the first parameter that is not finite; empty if all are."""
    for name, values in arrays.items():
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            place = tuple(int(index) for index in bad[0])
            others = f", and {len(bad) - 1} more are not finite either" if len(bad) > 1 else ""
            return f"{name}{list(place)} is {values[place]}{others}"
    return ""


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    folder : path
        A folder, or a ``.deltarule`` file.

    Raises
    ------
    ModelFileError
        If the folder is missing, is no model, or a file in it was changed; if a parameter is not
        finite, or a formula is not the one that the network was trained with.
    UnregisteredFormula
        Such an error, if the network uses an activation or loss that is not registered; register
        it first.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import Model, Network, load_model, save_model
    >>> net = Network([1, 1], activation=[])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(folder + "/m.deltarule", Model(net, net.pack(W=[[[2.0]]], b=[[1.0]])))
    ...     load_model(folder + "/m.deltarule").predict([[3.0]])
    array([[7.]])
    """
    folder = checked_path("folder", folder)
    with reading_model(folder):
        return model_of_bundle(*read_bundle(folder, KIND, PORTFOLIO_VERSION, check=check_documents))


def check_documents(documents: Mapping[str, Any], specs: Mapping[str, Any]) -> None:
    """Refuse documents that are none of one network, or arrays that are not its parameters.

    Called before the arrays are read.

    Raises
    ------
    InputError
    """
    if holds_portfolio(documents):
        raise InputError(
            "it holds a portfolio of networks; expected a single one; use "
            "deltarule.tabular.TableModel.load"
        )
    check_keys(documents, {"model.json", "history.json"})
    check_sizes(entry(documents, "model.json", Mapping[str, Any]), specs)


def holds_portfolio(documents: Mapping[str, Any]) -> bool:
    """Return whether the documents of a model's folder are those of several networks."""
    data = documents.get("model.json")
    return isinstance(data, Mapping) and "portfolio" in data


def holds_table(folder: str | os.PathLike[str]) -> bool:
    """Return whether a model's folder has the schema of a table; raise as ``load_model`` does."""
    with reading_model(folder):
        data = read_document(folder, "model.json", KIND)
    extra = data.get("extra") if isinstance(data, Mapping) else None
    of_table = isinstance(extra, Mapping) and "schema" in extra
    return of_table or holds_portfolio({"model.json": data})


def model_of_bundle(documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Model:
    """Return the model of a folder's documents and arrays.

    Raises
    ------
    InputError
        If they are none of a network.
    """
    check_documents(documents, arrays)
    data = documents["model.json"]
    check_keys(data, {"network", "formulas", "extra"})
    net, theta = stored_network(data, arrays)
    extra = entry(data, "extra", Mapping[str, Any])
    return Model(net, theta, History.from_list(entry(documents, "history.json", list)), extra)


def reading_model(folder: str | os.PathLike[str]) -> contextlib.AbstractContextManager[None]:
    """Within the block, errors about the content of a model's folder name the folder."""
    return reading_content(folder, "model")


def stored_network(
    record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[Network, np.ndarray]:
    """Return the network and θ that :func:`stored_parameters` wrote down.

    Raises
    ------
    InputError
        If they are none of a network, or do not fit each other.
    """
    check_sizes(record, arrays)
    net = Network.from_dict(record["network"])
    theta = np.zeros(net.n_parameters, dtype=net.dtype)
    for block in net.blocks:
        array = arrays[block.name]
        if array.shape != block.shape or array.dtype != net.dtype:
            raise InputError(
                f"{block.name} is {array.dtype} of shape {array.shape}; "
                f"expected {net.dtype} of shape {block.shape}"
            )
        block.of(theta)[...] = array
    problem = _not_finite(arrays)
    if problem:
        raise InputError(f"{problem}; expected finite parameters. Restore it or train again")
    check_formulas(net, record.get("formulas"))
    return net, theta


def check_sizes(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Refuse a network that does not fit the arrays, before memory is allocated for it.

    Raises
    ------
    InputError
    """
    network = entry(record, "network", Mapping[str, Any])
    widths = entry(network, "widths", tuple[int, ...])
    if not all(n > 0 for n in widths):
        return  # the error of Network says more
    bias = "bias" not in network or entry(network, "bias", bool)
    expected: set[str] = set()
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1):
        blocks = {f"W{layer}": (n_out, n_in)} | ({f"b{layer}": (n_out,)} if bias else {})
        for name, shape in blocks.items():
            if name not in arrays:
                raise InputError(f"the array {name!r} is missing")
            if arrays[name].shape != shape:
                dtype = printable(str(network.get("dtype", "float64"))[:20])
                raise InputError(
                    f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}; expected "
                    f"{dtype} of shape {shape}"
                )
        expected |= blocks.keys()
    extra = sorted(set(arrays) - expected)
    if extra:
        raise InputError(
            f"it holds the array {short_repr(extra[0])}, which is none of a network of widths "
            f"{short_repr(list(widths))}"
        )
