"""From the outputs of networks to probabilities, numbers and labels, as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.tables.cells import is_unicode
from deltarule.tabular.portfolio import Portfolio
from deltarule.tabular.portfolio.selection import LEAST_PROBABILITY
from deltarule.tabular.portfolio.target_scale import TargetScale

__all__ = ["calibrated", "check_labels", "decoded", "first_column", "label_nodes", "probabilities"]


def first_column(graph: Graph, a: GraphValue) -> GraphValue:
    """Return the first column of a matrix, shape (N,)."""
    found: GraphValue = graph.node("Gather", a, graph.constant(0, np.int64), axis=1)
    return found


def probabilities(
    graph: Graph,
    a: GraphValue,
    n_outputs: int,
    *,
    in_unit_interval: bool = True,
    normalise: bool = False,
) -> GraphValue:
    """Return probabilities, shape (N, classes), as ``probabilities_of`` does."""
    if not in_unit_interval and (not normalise or n_outputs == 1):
        a = graph.apply("minimum", graph.apply("maximum", a, 0.0), 1.0)
    if n_outputs == 1:
        both: GraphValue = graph.node("Concat", 1 - a, a, axis=1)
        return both
    if not normalise:
        return a
    if not in_unit_interval:
        return _on_simplex(graph, a, n_outputs)
    largest = graph.reduce("ReduceMax", a, 1)
    divisor = graph.apply("where", largest > 0, largest, 1.0)
    scaled = graph.apply("where", largest > 0, a / divisor, 1.0)
    return scaled / graph.reduce("ReduceSum", scaled, 1)


def _on_simplex(graph: Graph, a: GraphValue, n: int) -> GraphValue:
    """Return the nearest probabilities that add to 1; such points are unchanged."""
    wide: Any = graph.cast(a, np.float64)
    away = abs(graph.reduce("ReduceSum", wide, 1) - 1)
    least = -graph.reduce("ReduceMax", -wide, 1)
    valid = graph.node("And", away <= n * float(np.finfo(a.dtype).eps), least >= 0, dtype="bool")
    below = graph.apply("maximum", wide - graph.reduce("ReduceMax", wide, 1), -1.0)
    size = graph.constant([n], np.int64)
    descending, _ = graph.node("TopK", below, size, axis=1, dtype=["float64", "int64"])
    excess = graph.node("CumSum", descending, graph.constant(1, np.int64)) - 1
    counts = graph.constant(np.arange(1.0, n + 1))
    inside = graph.cast(descending * counts > excess, np.float64)
    # τ is (Σ of the m largest − 1)/m for their number m, which the largest one always is of.
    number = graph.apply("maximum", graph.reduce("ReduceSum", inside, 1), 1.0)
    at = graph.cast(counts == number, np.float64)
    tau = graph.reduce("ReduceSum", excess * at, 1) / number
    moved = graph.cast(graph.apply("maximum", below - tau, 0.0), a.dtype)
    return graph.apply("where", valid, a, moved)


def decoded(graph: Graph, target: TargetScale, a: GraphValue, log: bool) -> GraphValue:
    """Return probabilities or numbers of outputs in float64, as ``TargetScale.decode`` does."""
    if target.n_classes:
        n_outputs = target.n_classes if target.n_classes > 2 else 1
        return probabilities(graph, a, n_outputs)
    column = first_column(graph, a)
    if not log:
        return column * target.std + target.mean
    logs = column * target.log_std + target.log_mean
    logs = graph.apply("maximum", logs, float(np.log(target.low)))
    logs = graph.apply("minimum", logs, float(np.log(target.high)))
    return target.log_factor * graph.apply("exp", logs)


def calibrated(graph: Graph, portfolio: Portfolio, value: GraphValue) -> GraphValue:
    """Return predictions at the temperature, or in the range of training."""
    target = portfolio.target
    if not target.n_classes:
        inside = graph.apply("maximum", value, target.low)
        return graph.apply("minimum", inside, target.high)
    least = graph.apply("maximum", value, LEAST_PROBABILITY)
    logits = graph.apply("log", least) / portfolio.temperature
    powers = graph.apply("exp", logits - graph.reduce("ReduceMax", logits, 1))
    return powers / graph.reduce("ReduceSum", powers, 1)


def check_labels(classes: Any) -> np.ndarray:
    """Return labels as ONNX holds them: text, float64, int64 or bool.

    Raises
    ------
    InputError
        If they are of another type.
    """
    labels = np.asarray(classes)
    kind = labels.dtype.kind
    if kind in "iu" and labels.size and int(labels.max()) < 2**63:
        return labels.astype(np.int64)
    if kind in "bf":
        return labels.astype(bool if kind == "b" else np.float64)
    texts = labels.tolist()
    if kind in "OU" and all(isinstance(each, str) and is_unicode(each) for each in texts):
        return labels.astype(object)
    raise InputError(
        f"the labels {texts[:3]} are of type {labels.dtype}; nothing was written",
        expected="Unicode text, numbers or truth values, which ONNX has",
        hint="fit to labels of such a type",
    )


def label_nodes(graph: Graph, labels: np.ndarray, outputs: GraphValue) -> GraphValue:
    """Return the label of the largest output of each row, the first of equal ones."""
    index = graph.node("ArgMax", outputs, dtype="int64", axis=1, keepdims=0)
    found: GraphValue = graph.node("Gather", graph.constant(labels), index)
    return found
