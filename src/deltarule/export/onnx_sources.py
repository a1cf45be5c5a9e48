"""The models that can be exported to ONNX: what stands in the graph of each, and what it must give.

Each kind of model is a :class:`Source`: of rows of a matrix (a network, the drop-in estimators), or
of a table (:mod:`deltarule.export.onnx_tables`).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from deltarule._version import __version__
from deltarule.errors import InputError
from deltarule.export.bounds import Bounds, network_bounds, through
from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.export.onnx_network import network_nodes
from deltarule.export.onnx_outputs import check_labels, first_column, label_nodes, probabilities
from deltarule.export.onnx_rows import given_rows, matrix_rows, rows_for_outputs
from deltarule.maths import Network
from deltarule.maths.input_checks import check_rows
from deltarule.training import Model

__all__ = ["EstimatorSource", "Expected", "ModelSource", "Source", "json_text"]


class Expected(NamedTuple):
    """What an output must be: the model's own values, and bounds on them.

    Labels have, in place of bounds, ``classes``, and in ``bounds.high`` whether each is one that
    rounding may make the most probable, shape (N, classes).
    """

    values: np.ndarray
    bounds: Bounds
    classes: np.ndarray | None = None


class Source(ABC):
    """A model as it is exported."""

    title: str
    notes: tuple[str, ...] = ()
    precision: str
    """The type of the networks' numbers, such as ``"float32"``."""
    drawn: str
    """What rows are made of, as :func:`~deltarule.export.comparison.comparison_facts` has it."""
    given: np.ndarray
    """Which of the given rows, from 0, are rows of the test; the others are made."""

    @abstractmethod
    def build(self, graph: Graph) -> None:
        """Add the inputs, the computation and the outputs to an empty graph.

        Raises
        ------
        InputError
            If a part of the model has no form in ONNX.
        """

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Return what the file says of the model, as JSON holds it."""

    @abstractmethod
    def rows(self, given: Any) -> Any:
        """Return the rows of the test: some of those given, checked, and others."""

    @abstractmethod
    def feed(self, rows: Any) -> dict[str, np.ndarray]:
        """Return rows as the inputs of the graph."""

    @abstractmethod
    def expected(self, rows: Any) -> dict[str, Expected]:
        """Return what each output must be for rows, by the name of the output in the model."""

    def properties(self) -> dict[str, str]:
        """Return the metadata of the file: a JSON text for each name."""
        import onnx

        versions = {"deltarule": __version__, "numpy": np.__version__, "onnx": onnx.__version__}
        values = {"versions": versions, **self.metadata()}
        return {f"deltarule.{name}": json_text(value) for name, value in values.items()}


def json_text(value: Any) -> str:
    """Return a value as JSON in ASCII, so that any text in it can stand in a file.

    Examples
    --------
    >>> json_text({"b": [1, float("inf")]})
    '{"b": [1, Infinity]}'
    """
    return json.dumps(value, default=lambda each: np.asarray(each).tolist())


class _MatrixSource(Source):
    """A network whose rows are those of a matrix, in its dtype."""

    drawn = "normal"

    def __init__(self, net: Network, theta: np.ndarray) -> None:
        self.net, self.theta = net, net.check_theta(theta)
        self.precision = net.dtype.name
        bad = ~np.isfinite(self.theta)
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {len(bad)} parameters are not finite; nothing was written",
                expected="finite parameters",
                hint="train again with a smaller learning rate",
            )

    def build(self, graph: Graph) -> None:
        net = self.net
        doc = f"rows of {net.n_inputs} numbers"
        x = graph.input("X", net.dtype.name, ("N", net.n_inputs), doc)
        self.add_outputs(graph, network_nodes(graph, net, [self.theta], x))

    @abstractmethod
    def add_outputs(self, graph: Graph, a: GraphValue) -> None:
        """Add the outputs, from the network's a^L."""

    def metadata(self) -> dict[str, Any]:
        return {"network": self.net.to_dict()}

    def rows(self, given: Any) -> np.ndarray:
        if hasattr(given, "toarray"):
            given = given.toarray()
        checked = None if given is None else check_rows(self.net, given)
        rows = matrix_rows(checked, self.net.n_inputs, self.net.dtype)
        chosen = rows_for_outputs(len(rows), self.net.n_outputs)
        self.given = given_rows(0 if checked is None else len(checked))
        self.given = self.given[chosen] if len(self.given) else self.given
        found: np.ndarray = rows[chosen]
        return found

    def feed(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {"X": rows}

    def bounds(self, rows: np.ndarray) -> Bounds:
        """Return bounds on the network's outputs."""
        return network_bounds(self.net, self.theta, rows)


class ModelSource(_MatrixSource):
    """A bare network: X in, a^L out."""

    title = "a network of deltarule"

    def __init__(self, model: Model) -> None:
        super().__init__(model.net, model.theta)
        self.model = model

    def add_outputs(self, graph: Graph, a: GraphValue) -> None:
        graph.output("outputs", a, ("N", self.net.n_outputs), "a^L, the outputs of the network")

    def metadata(self) -> dict[str, Any]:
        logs = self.model.history.to_list()
        return {**super().metadata(), "scores": logs[-1] if logs else {}}

    def expected(self, rows: np.ndarray) -> dict[str, Expected]:
        return {"outputs": Expected(self.model.predict(rows), self.bounds(rows))}


class EstimatorSource(_MatrixSource):
    """An MLPClassifier or MLPRegressor: X in, its predictions out."""

    def __init__(self, estimator: Any) -> None:
        name = type(estimator).__name__
        if not hasattr(estimator, "coefs_"):
            raise InputError(
                f"this {name} is not fitted", expected="a fitted one", hint="call fit first"
            )
        super().__init__(estimator.network_, estimator._current_theta(estimator.network_))
        self.estimator, self.title = estimator, f"a {name} of deltarule"
        self.coding = getattr(estimator, "_coding", None)
        self.labels = None if self.coding is None else check_labels(self.coding.classes)

    def metadata(self) -> dict[str, Any]:
        found = super().metadata()
        names = getattr(self.estimator, "feature_names_in_", None)
        if names is not None:
            found["columns"] = list(map(str, names))
        if self.labels is not None:
            found["classes"] = self.labels.tolist()
        scores = {
            name: getattr(self.estimator, attribute, None)
            for name, attribute in (
                ("loss", "loss_"),
                ("best_loss", "best_loss_"),
                ("best_validation_score", "best_validation_score_"),
            )
        }
        found["scores"] = {name: value for name, value in scores.items() if value is not None}
        return found

    def add_outputs(self, graph: Graph, a: GraphValue) -> None:
        n, coding = self.net.n_outputs, self.coding
        if coding is None or self.labels is None:
            value = first_column(graph, a) if n == 1 else a
            graph.output("prediction", value, ("N",) if n == 1 else ("N", n), "the prediction")
            return
        n_classes = max(len(self.labels), 2)
        if coding.multilabel:
            label = graph.cast(a > 0.5, np.int64)
            graph.output("label", label, ("N", n), "1 for each label that the row has")
        elif n == 1:
            second = graph.cast(first_column(graph, a) > 0.5, np.int64)
            label = graph.node("Gather", graph.constant(self._two_labels()), second)
            graph.output("label", label, ("N",), "the predicted class")
        else:
            label = label_nodes(graph, self.labels, a)
            graph.output("label", label, ("N",), "the predicted class")
        p = probabilities(
            graph,
            a,
            n,
            in_unit_interval=coding.in_unit_interval,
            normalise=not (coding.sums_to_one or coding.multilabel),
        )
        shape = ("N", n if n > 1 else n_classes)
        graph.output("probabilities", p, shape, "of each class, in the order of the metadata")

    def _two_labels(self) -> np.ndarray:
        """Return the labels of an output below and above ½; the same twice if there is one."""
        assert self.labels is not None
        return self.labels if len(self.labels) > 1 else np.repeat(self.labels, 2)

    def expected(self, rows: np.ndarray) -> dict[str, Expected]:
        bounds, coding = self.bounds(rows), self.coding
        a = self.estimator._forward(rows)
        if coding is None or self.labels is None:
            if a.shape[1] == 1:
                bounds = Bounds(*(end[:, 0] for end in bounds))
            return {"prediction": Expected(self.estimator._decode(a), bounds)}
        if coding.multilabel:
            label = Expected(
                (a > 0.5).astype(np.int64), Bounds(bounds.low > 0.5, bounds.high > 0.5)
            )
        else:
            classes = self.labels
            if a.shape[1] == 1:
                classes = self._two_labels()
                possible = np.hstack([bounds.low <= 0.5, bounds.high > 0.5])
            else:
                possible = bounds.high >= bounds.low.max(axis=1, keepdims=True)
            label = Expected(coding.labels(a), Bounds(possible, possible), classes)
        return {
            "label": label,
            "probabilities": Expected(
                coding.probabilities(a),
                through(
                    coding.probabilities,
                    bounds,
                    mixes=not coding.multilabel,
                    divides_by_sum=coding.in_unit_interval,
                ),
            ),
        }
