"""The results of a forward and a backward pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["ForwardPass", "Gradients", "PerSample"]


class ForwardPass(NamedTuple):
    """The values of a forward pass, layer by layer.

    ``Z[l]`` is z^l (item 0 is None), ``A[l]`` is a^l with ``A[0]`` = X, and ``G[l]`` is
    g^l(z^l), which is ``A[l]`` before dropout. Arrays have shape (N, n_l).
    """

    Z: list[Any]
    A: list[Any]
    G: list[Any]

    @property
    def output(self) -> Any:
        """a^L."""
        return self.A[-1]


class Gradients(NamedTuple):
    """The values of a forward and a backward pass, from :func:`cost_and_grad`."""

    cost: Any
    loss: Any
    Z: list[Any]
    A: list[Any]
    G: list[Any]
    delta: list[Any]
    dW: list[Any]
    db: list[Any]
    dX: Any


class PerSample(NamedTuple):
    """Derivatives of each sample's loss C_i, without the weights w_i.

    ``delta[l]`` is ∂C_i/∂z^l, (N, n_l); ``dW[l]`` ∂C_i/∂W^l, (N, n_l, n_{l−1});
    ``db[l]`` (N, n_l); ``grad`` ∂C_i/∂θ, (N, p); ``dX`` ∂C_i/∂x, (N, n_0).
    """

    delta: list[Any]
    dW: list[Any]
    db: list[Any]
    grad: np.ndarray
    dX: np.ndarray
