"""The scale by which errors of a gradient are measured."""

from __future__ import annotations

import numpy as np

from deltarule.maths import Network, Trace
from deltarule.maths.pass_results import Gradients

__all__ = ["LARGEST_TOLERANCE", "block_scales"]

LARGEST_TOLERANCE = 64.0
"""The largest tolerance that an engine may promise, in eps · max over the block of |δ|ᵀ|A|."""


def block_scales(net: Network, passes: Gradients | Trace) -> dict[str, float]:
    """The maximum of |δ|ᵀ|A| over each block of θ, by the block's name, such as ``"W1"``.

    It is the size of the terms that are added to a gradient entry, and so of its rounding error in
    units of eps. Relative to the gradient itself, that error reaches thousands of eps once training
    has made the gradient small.

    Parameters
    ----------
    net : Network
    passes : Gradients or Trace
        The results of a forward and backward pass: ``A`` and ``delta`` are used.
    """
    found = {}
    for layer in range(1, net.n_layers + 1):
        delta, inputs = np.abs(passes.delta[layer]), np.abs(passes.A[layer - 1])
        found[f"W{layer}"] = float((delta.T @ inputs).max())
        found[f"b{layer}"] = float(delta.sum(axis=0).max())
    return found
