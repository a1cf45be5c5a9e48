"""Formulas printed as ONNX operators.

An expression of the symbolic namespace becomes one node for each operation, in the order of the
source: nothing is reassociated, since the accuracy of the formulas depends on that order. Only
operators with kernels in float64 and float32 are used: ONNX's own Selu, Mish, Gelu, Softplus and
Erf have none in float64 in ONNX Runtime. Shared functions are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.maths.printing import SymbolicFormula, symbolic_shared_function
from deltarule.maths.shared_functions import SHARED_FUNCTIONS

__all__ = ["formula_nodes"]


def formula_nodes(
    graph: Graph, formula: SymbolicFormula, arguments: Mapping[str, GraphValue], n_outputs: int
) -> GraphValue:
    """Add a formula's operations to a graph; return the first result.

    Parameters
    ----------
    graph : Graph
    formula : SymbolicFormula
    arguments : mapping of str to GraphValue
        By their names in the formula; the outputs are the last axis.
    n_outputs : int
        The length of the last axis.

    Examples
    --------
    >>> from deltarule.maths.printing import symbolic_activation
    >>> graph = Graph()
    >>> z = graph.input("z", "float32", ("N", 3), "")
    >>> g = symbolic_activation("softsign").value
    >>> formula_nodes(graph, g, {"z": z}, 3).dtype, [op for op, *_ in graph.nodes]
    ('float32', ['Abs', 'Add', 'Div'])
    """
    kind = next(iter(arguments.values())).dtype
    values: dict[int, GraphValue] = {}
    for expr in formula.expressions():
        args = [values[argument.index] for argument in expr.args]
        if expr.op == "variable":
            value = arguments[expr.data]
        elif expr.op in ("constant", "symbol"):
            value = graph.constant(expr.data if expr.op == "constant" else expr.data[2], kind)
        elif expr.op == "n_outputs":
            value = graph.constant(n_outputs, kind)
        elif expr.op == "per_output":
            value = graph.constant(np.resize(expr.data[1], n_outputs), kind)
        elif expr.op in ("total", "largest"):
            op = "ReduceSum" if expr.op == "total" else "ReduceMax"
            value = graph.reduce(op, args[0], -1)
        elif expr.op in SHARED_FUNCTIONS:
            shared = symbolic_shared_function(expr.op)
            given = dict(zip(shared.arguments, args, strict=True))
            value = formula_nodes(graph, shared, given, n_outputs)
        elif expr.op in _BUILT:
            value = _BUILT[expr.op](graph, *args)
        else:
            value = graph.apply(expr.op, *args)
        values[expr.index] = value
    return values[formula.result().index]


def _expm1(graph: Graph, x: Any) -> GraphValue:
    """e^x − 1, which ONNX lacks: (u − 1) x / ln u for u = e^x near 1, whose rounding cancels.

    Source: Kahan; Higham 2002, Accuracy and Stability of Numerical Algorithms, section 1.14.1.
    """
    u = graph.apply("exp", x)
    rest = u - 1
    near = graph.apply("where", u == 1, x, rest * x / graph.apply("log", u))
    return graph.apply("where", abs(x) > 0.5, rest, near)


def _log1p(graph: Graph, x: Any) -> GraphValue:
    """ln(1 + x): x ln u / (u − 1) for u = 1 + x near 1; source as above."""
    u = 1 + x
    log = graph.apply("log", u)
    near = graph.apply("where", u == 1, x, log * x / (u - 1))
    return graph.apply("where", abs(x) > 0.5, log, near)


_BUILT = {"expm1": _expm1, "log1p": _log1p}
