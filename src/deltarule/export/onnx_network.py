"""The forward pass of one network, or of several of the same shape at once, as ONNX operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.export.onnx_formulas import formula_nodes
from deltarule.export.onnx_graph import Graph, GraphValue
from deltarule.maths import Network
from deltarule.maths.printing import symbolic_activation

__all__ = ["network_nodes"]


def network_nodes(
    graph: Graph, net: Network, thetas: Sequence[np.ndarray], x: GraphValue
) -> GraphValue:
    """Add networks that differ in their parameters only; return their outputs a^L.

    Parameters
    ----------
    graph : Graph
    net : Network
    thetas : sequence of K arrays of shape (p,)
    x : GraphValue
        Rows in the network's dtype, shape (N, n_0).

    Returns
    -------
    GraphValue
        Shape (N, n_L) for one network, (K, N, n_L) for several: one batched product for each
        layer, so that the graph is as small as that of one.

    Raises
    ------
    InputError
        If an activation has no symbolic form.
    """
    unpacked = [net.unpack(theta) for theta in thetas]
    value = x
    for layer, g in enumerate(net.activations):
        if g is None:
            continue
        weights = np.stack([W[layer].T for W, _ in unpacked]).astype(net.dtype)
        one = len(thetas) == 1
        value = graph.node("MatMul", value, graph.constant(weights[0] if one else weights))
        if net.bias:
            biases = np.stack([b[layer][None] for _, b in unpacked]).astype(net.dtype)
            value = value + graph.constant(biases[0] if one else biases)
        formula = symbolic_activation(g).value
        value = formula_nodes(graph, formula, {"z": value}, net.widths[layer])
    return value
