"""A model as an ONNX file, compared with the model before it is written."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np

from deltarule.errors import ExportMismatch, InputError
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.tabular_base import BaseTabular
from deltarule.export import onnx_tables
from deltarule.export.bounds import FACTOR
from deltarule.export.comparison import Differences, comparison_facts, model_facts
from deltarule.export.onnx_graph import Graph, import_onnx
from deltarule.export.onnx_sources import (
    EstimatorSource,
    Expected,
    ModelSource,
    Source,
    json_text,
)
from deltarule.files.atomic_file import write_bytes
from deltarule.files.path_checks import check_file_path
from deltarule.tabular import NetworkModel, PortfolioModel
from deltarule.training import Model, TrainingResult

__all__ = ["OnnxExport", "to_onnx"]


@dataclasses.dataclass(frozen=True)
class OnnxExport:
    """A model as an ONNX file, and how it was compared with the model.

    Attributes
    ----------
    content : bytes
        Of the file.
    inputs, outputs : tuple of str
        Their names. An output has ``_`` added if a column has its name.
    rows : int
        The number of rows that were compared.
    data_given : bool
        Whether rows were given, or all of them made.
    largest_error : float
        Of all numbers: the difference divided by eps and by the scale Σ|w||a| + |b| of the
        outputs. 64 is the most that counts as equal.
    largest_difference : float
        Of all predictions as they are: numbers in the unit of the target, or probabilities.
    notes : tuple of str
        What a reader should know, such as what the model predicts that the graph does not.
    differing_labels : int or None
        In how many rows the label is not the model's, which rounding may make where two are as
        good as equally probable; None without labels.
    comparison : dict
        All of this as the file's metadata ``deltarule.comparison`` have it, with ``given_rows``,
        ``made_rows`` and ``data``: the name, the rows and the checksum of the table, and which of
        its rows were compared.
    """

    content: bytes = dataclasses.field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: int
    data_given: bool
    largest_error: float
    largest_difference: float
    notes: tuple[str, ...] = ()
    differing_labels: int | None = None
    comparison: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def largest_share(self) -> float:
        """The largest error as a share of its tolerance."""
        return self.largest_error / FACTOR

    @property
    def compared(self) -> str:
        """On what it was compared, and with which result."""
        of = "given and made" if self.data_given else "made"
        return (
            f"{self.rows} rows ({of}): the largest difference is {self.largest_difference:.2g}, "
            f"which is {self.largest_error:.2g} eps of Σ|w||a| + |b|, of {FACTOR} that count as "
            "equal"
        )


# What the outputs of a graph are, as :class:`Differences` has it.
_QUANTITIES = {"prediction": "predictions", "probabilities": "probabilities"}


def to_onnx(
    model: Any,
    file: str | os.PathLike[str] | None = None,
    data: Any = None,
    *,
    overwrite: bool = False,
    fingerprint: str = "",
) -> OnnxExport:
    """Export a model to ONNX, and compare what ONNX Runtime computes with what the model does.

    A model of a table has an input of shape (N,) for each of its columns: numbers as float64, NaN
    if missing; dates as float64 days since 1970-01-01 (UTC); categories as text, the empty text if
    missing. A level ``nan`` that is no missing token of the schema is a level. The encoders,
    the networks and their weighted mean are one graph, which gives ``prediction``, or ``label``
    and ``probabilities``. A network or an MLP estimator has the one input ``X``, shape (N, n_0).

    The file is for opset 21, ai.onnx.ml 4 and IR version 10. Encoders are computed in float64,
    networks in their own dtype. Its metadata ``deltarule.schema``, ``deltarule.classes``,
    ``deltarule.scores``, ``deltarule.model``, ``deltarule.comparison`` and ``deltarule.versions``
    are JSON; ``deltarule.sha256`` is a checksum of all that the file holds but this entry, by which
    ``deltarule inspect`` notices a change.

    Parameters
    ----------
    model : Model, TrainingResult, TableModel, or estimator
        Of the estimators MLPClassifier, MLPRegressor, TabularClassifier and TabularRegressor.
    file : path, optional
        What to write; otherwise nothing is written.
    data : table, frame or array, optional
        Rows like those to be predicted, as the model's ``predict`` takes them, on which it is
        compared. To those of a table others are added, with missing cells, levels that training
        did not have, and numbers beyond its own. Without any, all are made: from the ranges and
        levels of the schema, or random.
    overwrite : bool
        Whether an existing file may be replaced.
    fingerprint : str
        Of the model's files, as ``deltarule inspect`` shows it, for the metadata
        ``deltarule.model``.

    Returns
    -------
    OnnxExport

    Raises
    ------
    MissingDependency
        If onnx or onnxruntime is not installed: ``deltarule[onnx]``.
    InputError
        If a part of the model has no form in ONNX (columns of free text, labels of other types,
        an own activation without a symbolic form); nothing is written then.
    ExportMismatch
        If the graph computes something else than the model; nothing is written then.
    FileError
        If the file exists (without ``overwrite``) or cannot be written.

    Notes
    -----
    z of an output may differ by 64 eps (Σ_k |w_k| |a_k| + |b|); the output activation, the mean
    over networks and the decoding pass these bounds on. Where the schema limits a column's range,
    the graph counts numbers out of it as missing, as the model does; texts must be without blanks
    at their ends. The graph gives what is not finite where ``predict`` raises an error.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([2, 3, 1], activation="gelu", dtype="float32")
    >>> exported = to_onnx(Model(net, net.initial(0)))
    >>> exported.inputs, exported.outputs, exported.largest_error < 64
    (('X',), ('outputs',), True)
    """
    import_onnx()
    if file is not None:
        check_file_path(file, overwrite=overwrite)
    source = _source_of(model)
    graph = Graph()
    source.build(graph)
    properties = source.properties()
    content = graph.model(source.title, properties)
    compared, largest, found = _compare(source, graph, content, data)
    # The same graph, with what was found in its metadata.
    comparison = comparison_facts(
        model, data, found, compared=compared, given=source.given, drawn=source.drawn
    )
    properties["deltarule.comparison"] = json_text(comparison)
    properties["deltarule.model"] = json_text(model_facts(model, fingerprint))
    content = graph.model(source.title, properties)
    exported = OnnxExport(
        content,
        tuple(value.name for value, *_ in graph.inputs),
        tuple(name for name, *_ in graph.outputs),
        compared,
        data is not None,
        largest,
        comparison["largest_difference"],
        source.notes,
        found.labels,
        comparison,
    )
    if file is not None:
        write_bytes(file, content, overwrite=overwrite)
    return exported


def _source_of(model: Any) -> Source:
    """Return what is exported of a model."""
    if isinstance(model, TrainingResult):
        model = Model(model.net, model.theta, model.history)
    if isinstance(model, Model):
        return ModelSource(model)
    if isinstance(model, BaseMLP):
        return EstimatorSource(model)
    if isinstance(model, NetworkModel):
        return onnx_tables.NetworkModelSource(model)
    if isinstance(model, PortfolioModel):
        return onnx_tables.PortfolioModelSource(model)
    if isinstance(model, BaseTabular):
        return onnx_tables.EstimatorOfTableSource(model)
    raise InputError(
        f"a {type(model).__name__} cannot be exported to ONNX",
        parameter="model",
        given=model,
        expected="a Model, a model of a table, or an estimator of deltarule",
        hint="load a saved one with load_model or TableModel.load",
    )


def _compare(
    source: Source, graph: Graph, content: bytes, given: Any
) -> tuple[int, float, Differences]:
    """Return how many rows were compared, the largest error in units of 1/64, and what was found.

    Raise if an error is too large.
    """
    rows = source.rows(given)
    expected = source.expected(rows)
    names = [name for name, *_ in graph.outputs]
    found = dict(zip(expected, _run(content, names, source.feed(rows)), strict=True))
    labels: int | None = None
    quantity, largest, difference, tolerance = "outputs", 0.0, 0.0, None
    n_rows = len(next(iter(expected.values())).values)
    for name, wanted in expected.items():
        got = found[name]
        if wanted.classes is None and not np.isfinite(wanted.values).any():
            raise InputError(
                f"the model's predictions of all {n_rows} rows of the test are infinite, and "
                "cannot be compared; nothing was written",
                parameter="data",
                expected="rows like those of training",
            )
        bad: np.ndarray
        if wanted.classes is not None:
            bad = ~_are_possible(got, wanted)
            labels = int((got != wanted.values).sum())
        else:
            quantity = _QUANTITIES.get(name, quantity)
            errors, margins = _errors(got, wanted)
            known = np.isfinite(wanted.values)
            gaps = np.abs(got[known].astype(np.float64) - wanted.values[known])
            if gaps.size:
                place = int(gaps.argmax())
                difference, tolerance = float(gaps[place]), float(margins[known][place])
            largest = max(largest, float(errors.max(initial=0.0)))
            bad = np.any((errors > FACTOR).reshape(n_rows, -1), axis=1)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ExportMismatch(
                f"the ONNX graph gives {name} {got[row]} in row {row + 1} of the rows of the test, "
                f"and the model {wanted.values[row]}; expected the same within rounding; nothing "
                "was written; please report this with the versions of onnxruntime and deltarule"
            )
    share = largest / FACTOR
    differences = Differences(quantity, source.precision, difference, tolerance, share, labels)
    return n_rows, largest, differences


def _run(content: bytes, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a graph for inputs, by ONNX Runtime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        found: list[np.ndarray] = session.run(names, feed)
    except Exception as error:  # its errors have no class in common
        raise ExportMismatch(
            f"ONNX Runtime {onnxruntime.__version__} cannot run the graph ({error}); nothing was "
            "written",
            expected="a version from 1.20 on",
            hint="install another, or report this",
        ) from error
    return found


def _are_possible(got: np.ndarray, wanted: Expected) -> np.ndarray:
    """Return where a label is one that rounding may make the most probable."""
    assert wanted.classes is not None
    possible = (got[:, None] == wanted.classes[None, :]) & wanted.bounds.high
    return np.asarray((got == wanted.values) | possible.any(axis=1))


def _errors(got: np.ndarray, wanted: Expected) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences from the model's values, in units of which 64 count as equal.

    With them the largest differences that count as equal. Nothing is compared where the model's own
    value is not finite.
    """
    values = wanted.values.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = np.abs(got.astype(np.float64) - values)
        # Some processors make 0 of a subnormal number.
        difference[difference < np.finfo(np.result_type(wanted.values, np.float32)).tiny] = 0.0
        margin = np.maximum(wanted.bounds.high - values, values - wanted.bounds.low)
        # What is done after the networks is rounded too, and where all is equal nothing is allowed.
        eps = np.finfo(wanted.values.dtype).eps if wanted.values.dtype.kind == "f" else 0.0
        margin = np.maximum(margin, 0.0) + 8 * eps * np.abs(values)
        errors = FACTOR * difference / margin
    errors = np.where(difference == 0, 0.0, np.nan_to_num(errors, nan=np.inf))
    return np.where(np.isfinite(values), errors, 0.0), margin
