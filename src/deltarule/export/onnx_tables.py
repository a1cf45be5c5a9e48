"""Models of tables as they are exported to ONNX: columns in, predictions out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.export.bounds import Bounds, network_bounds, through
from deltarule.export.onnx_columns import InputColumns
from deltarule.export.onnx_encoders import check_encoder, encoder_nodes
from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.export.onnx_network import network_nodes
from deltarule.export.onnx_outputs import (
    calibrated,
    check_labels,
    decoded,
    first_column,
    label_nodes,
    probabilities,
)
from deltarule.export.onnx_rows import MADE, given_rows, rows_for_outputs, table_rows
from deltarule.export.onnx_sources import Expected, Source
from deltarule.maths import Network
from deltarule.tables import Schema, Table, TableEncoder, TextColumn, TypedColumns, apply_schema
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_targets import decode_outputs
from deltarule.tabular.portfolio import Member, Portfolio
from deltarule.tabular.portfolio_model import PortfolioModel

__all__ = ["EstimatorOfTableSource", "NetworkModelSource", "PortfolioModelSource"]

_NO_INTERVALS = (
    "the graph predicts numbers; the intervals and quantiles that the model predicts are not in it"
)


class _TableSource(Source):
    """A model of a table: an input for each column."""

    drawn = "schema"
    schema: Schema
    encoders: Sequence[TableEncoder]
    labels: np.ndarray | None

    def build(self, graph: Graph) -> None:
        for encoder in self.encoders:
            check_encoder(encoder)
        value = self.add_model(graph, InputColumns(graph, self.schema))
        if self.labels is None:
            graph.output("prediction", value, ("N",), "the prediction, in the target's unit")
            return
        label = label_nodes(graph, self.labels, value)
        graph.output("label", label, ("N",), "the most probable class")
        shape = ("N", len(self.labels))
        graph.output("probabilities", value, shape, "of each class, in the order of the metadata")

    @abstractmethod
    def add_model(self, graph: Graph, inputs: InputColumns) -> GraphValue:
        """Add the computation; return probabilities, shape (N, K), or numbers, (N,)."""

    @abstractmethod
    def outputs(self, typed: TypedColumns) -> np.ndarray:
        """Return the model's own probabilities, or numbers."""

    @abstractmethod
    def bounds(self, typed: TypedColumns) -> Bounds:
        """Return bounds on them."""

    @abstractmethod
    def typed(self, rows: Any) -> TypedColumns:
        """Return given rows as the schema says."""

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {"schema": self.schema.to_dict()}
        if self.labels is not None:
            found["classes"] = self.labels.tolist()
        return found

    def rows(self, given: Any) -> Table:
        levels: dict[str, list[str]] = {}
        for encoder in self.encoders:
            for each in encoder.column_encoders:
                known = (*getattr(each, "levels", ()), *getattr(each, "other", ()))
                more = [level for level in known if level is not None]
                levels[each.name] = list(dict.fromkeys([*levels.get(each.name, ()), *more]))
        typed = None if given is None else self.typed(given)
        rows = table_rows(self.schema, levels, typed)
        n_outputs = 1 if self.labels is None else len(self.labels)
        chosen = rows_for_outputs(len(rows), n_outputs)
        if typed is None or not len(typed):
            self.given = given_rows(0)
        else:
            self.given = typed.rows[given_rows(len(typed))][chosen[chosen < len(rows) - MADE]]
        return rows.take(chosen)

    def feed(self, rows: Table) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for name in rows.names:
            cells = rows.column(name)
            if isinstance(cells, TextColumn):
                found[name] = np.array([cell or "" for cell in cells], dtype=object)
            else:
                found[name] = cells
        return found

    def expected(self, rows: Table) -> dict[str, Expected]:
        typed = apply_schema(self.schema, rows, need_target=False)
        values, bounds = self.outputs(typed), self.bounds(typed)
        if self.labels is None:
            return {"prediction": Expected(values, bounds)}
        possible = bounds.high >= bounds.low.max(axis=1, keepdims=True)
        labels = self.labels[values.argmax(axis=1)]
        return {
            "label": Expected(labels, Bounds(possible, possible), self.labels),
            "probabilities": Expected(values, bounds),
        }


class NetworkModelSource(_TableSource):
    """A single network of a table, distilled or not."""

    title = "a network of deltarule for a table"

    def __init__(self, model: NetworkModel) -> None:
        self.model, self.schema = model, model.schema
        self.precision = model.model.net.dtype.name
        self.encoders = [model.encoder]
        self.labels = check_labels(model.classes) if model.classes else None

    def add_model(self, graph: Graph, inputs: InputColumns) -> GraphValue:
        model, net = self.model, self.model.model.net
        x = encoder_nodes(inputs, model.encoder, net.dtype)
        a = network_nodes(graph, net, [model.model.theta], x)
        if self.labels is None:
            column = graph.cast(first_column(graph, a), np.float64)
            return column * model.target.std + model.target.mean
        normalise = net.output_activation.name != "softmax"
        return probabilities(graph, a, net.n_outputs, normalise=normalise)

    def metadata(self) -> dict[str, Any]:
        report = self.model.report
        return {
            **super().metadata(),
            "scores": report["scores"],
            "rows": report["rows"],
            "network": self.model.model.net.to_dict(),
        }

    def typed(self, rows: Any) -> TypedColumns:
        return self.model._typed(rows, need_target=False)

    def outputs(self, typed: TypedColumns) -> np.ndarray:
        return self.model.outputs(typed)

    def bounds(self, typed: TypedColumns) -> Bounds:
        model, net = self.model, self.model.model.net
        X = model.encoder.transform(typed, dtype=net.dtype)
        found = network_bounds(net, model.model.theta, X)
        return through(lambda a: decode_outputs(net, model.target, a), found, divides_by_sum=True)


class _PortfolioSource(_TableSource):
    """The weighted mean of a portfolio's networks."""

    precision = "float32"

    def __init__(self, portfolio: Portfolio, schema: Schema, classes: Any) -> None:
        self.portfolio, self.schema = portfolio.pruned(), schema
        self.encoders = list(self.portfolio.encoders.values())
        self.labels = check_labels(classes) if portfolio.target.n_classes else None
        if self.labels is None:
            self.notes = (_NO_INTERVALS,)

    def add_model(self, graph: Graph, inputs: InputColumns) -> GraphValue:
        portfolio, encoded = self.portfolio, {}
        for key, encoder in portfolio.encoders.items():
            encoded[key] = encoder_nodes(inputs, encoder, np.float32)
        total: Any = None
        for member in portfolio.members:
            x = encoded[_key_of(portfolio, member)]
            log = member.configuration.log_target
            mean = _mean_outputs(graph, member, x)
            part = decoded(graph, portfolio.target, mean, log) * member.weight
            total = part if total is None else total + part
        return calibrated(graph, portfolio, total)

    def metadata(self) -> dict[str, Any]:
        portfolio = self.portfolio
        return {
            **super().metadata(),
            "leaderboard": portfolio.leaderboard(),
            "temperature": portfolio.temperature,
        }

    def outputs(self, typed: TypedColumns) -> np.ndarray:
        return self.portfolio.predict(typed)

    def bounds(self, typed: TypedColumns) -> Bounds:
        portfolio, target = self.portfolio, self.portfolio.target
        encoded = {
            key: encoder.transform(typed, dtype=np.float32)
            for key, encoder in portfolio.encoders.items()
        }
        low: Any = 0.0
        high: Any = 0.0
        for member in portfolio.members:
            X = encoded[_key_of(portfolio, member)]
            log, n = member.configuration.log_target, len(member.models)
            each = [network_bounds(model.net, model.theta, X) for model in member.models]
            mean = Bounds(*(np.sum(ends, axis=0) / n for ends in zip(*each, strict=True)))
            found = through(
                lambda a, log=log: target.decode(a, log),  # type: ignore[misc]
                mean,
                mixes=False,
            )
            low, high = low + member.weight * found.low, high + member.weight * found.high
        return through(
            lambda p: target.calibrate(p, portfolio.temperature),
            Bounds(low, high),
            divides_by_sum=True,
        )


class PortfolioModelSource(_PortfolioSource):
    """A portfolio of a table, as ``fit_table`` makes it."""

    title = "a portfolio of networks of deltarule for a table"

    def __init__(self, model: PortfolioModel) -> None:
        super().__init__(model.portfolio, model.schema, model.classes)
        self.model = model

    def metadata(self) -> dict[str, Any]:
        report = self.model.report
        return {**super().metadata(), "scores": report["scores"], "rows": report["rows"]}

    def typed(self, rows: Any) -> TypedColumns:
        return self.model._typed(rows, need_target=False)


class EstimatorOfTableSource(_PortfolioSource):
    """A TabularClassifier or TabularRegressor."""

    def __init__(self, estimator: Any) -> None:
        if not hasattr(estimator, "portfolio_"):
            name = type(estimator).__name__
            raise InputError(
                f"this {name} is not fitted", expected="a fitted one", hint="call fit first"
            )
        classes = getattr(estimator, "classes_", ())
        super().__init__(estimator.portfolio_, estimator.schema_, classes)
        self.estimator, self.title = estimator, f"a {type(estimator).__name__} of deltarule"

    def metadata(self) -> dict[str, Any]:
        scores = {"out_of_fold_loss": min(each.score for each in self.portfolio.members)}
        return {**super().metadata(), "scores": scores}

    def typed(self, rows: Any) -> TypedColumns:
        found: TypedColumns = self.estimator._typed_rows(rows)
        return found


def _key_of(portfolio: Portfolio, member: Member) -> str:
    """Return the key of a member's encoder."""
    encoder = portfolio.encoder_of(member)
    return next(key for key, each in portfolio.encoders.items() if each is encoder)


def _mean_outputs(graph: Graph, member: Member, x: GraphValue) -> GraphValue:
    """Return the mean outputs of a member's networks in float64, those of one shape together."""
    groups: list[tuple[Network, list[np.ndarray]]] = []
    for model in member.models:
        alike = next((thetas for net, thetas in groups if net == model.net), None)
        if alike is None:
            groups.append((model.net, [model.theta]))
        else:
            alike.append(model.theta)
    total: Any = None
    for net, thetas in groups:
        a = graph.cast(network_nodes(graph, net, thetas, x), np.float64)
        part = a if len(thetas) == 1 else graph.reduce("ReduceSum", a, 0, keep=False)
        total = part if total is None else total + part
    n = len(member.models)
    found: GraphValue = total if n == 1 else total / n
    return found
