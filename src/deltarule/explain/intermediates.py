"""The numbers that derivations are made of: those of one forward and one backward pass."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.subject import Subject
from deltarule.maths import numpy_namespace
from deltarule.maths.network import bound_formulas

__all__ = ["Intermediates"]

# How near the product of F6's factors must be to the δ computed from z, relative to δ, to be shown
# as its derivation. A logistic output at z = 37 is 1 in floating point, and the product is 0.
_INTACT = 1e-9


class Intermediates:
    """The intermediate results of both passes, with weight 1 for every row (before w_i).

    Attributes
    ----------
    subject : Subject
    W, b : lists of L+1 arrays
        Views of θ.
    L : int
        The number of the output layer.
    upstream, slope, jacobian : functions
        ``_upstream``, ``_slope`` and ``_jacobian`` with their results kept.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject, self.net = subject, subject.net
        self.W, self.b = subject.net.unpack(subject.theta)
        self.activations, self.bound_loss = bound_formulas(subject.net, numpy_namespace(np.float64))
        self.L = self.net.n_layers
        self.upstream = functools.cache(self._upstream)
        self.slope = functools.cache(self._slope)
        # All terms of a sum use the same column of the Jacobian, so only the last one is kept.
        self.jacobian = functools.lru_cache(maxsize=1)(self._jacobian)

    @property
    def Z(self) -> list[Any]:
        """z^l of every layer, each of shape (N, n_l)."""
        return self.subject.forward.Z

    @property
    def A(self) -> list[Any]:
        """a^l of every layer, each of shape (N, n_l)."""
        return self.subject.forward.A

    @property
    def G(self) -> list[Any]:
        """g^l(z^l), each of shape (N, n_l); it differs from a^l only where there is dropout."""
        return self.subject.forward.G

    @property
    def delta(self) -> list[Any]:
        """∂Cᵢ/∂z^l before w_i, each of shape (N, n_l)."""
        return self.subject.per_sample.delta

    def mask(self, layer: int) -> np.ndarray | None:
        """The dropout mask of a layer, shape (N, n_l), or None."""
        masks = self.subject.masks
        return None if masks is None else masks[layer]

    def _upstream(self, layer: int, sample: int) -> np.ndarray:
        """∂Cᵢ/∂a^l of a row, shape (n_l,): at the output from the loss (F7), else by F13."""
        with np.errstate(all="ignore"):
            if layer < self.L:
                return np.asarray(self.delta[layer + 1][sample] @ self.W[layer + 1])
            y = self.subject.Y[sample : sample + 1]
            dC_da = self.bound_loss.from_output(self.G[-1][sample : sample + 1], y)[1]
        return np.broadcast_to(dC_da, y.shape)[0]

    def _slope(self, layer: int, sample: int) -> np.ndarray:
        """g^l′(z^l) of a row, shape (n_l,), of an elementwise activation."""
        row = slice(sample, sample + 1)
        z = self.Z[layer][row]
        with np.errstate(all="ignore"):
            slope = self.activations[layer].slope(z, self.G[layer][row])
        return np.broadcast_to(slope, z.shape)[0]

    def mixes(self, layer: int) -> bool:
        """Whether each output of the layer depends on every z of the layer, as with softmax."""
        return self.activations[layer].slope is None

    @functools.cached_property
    def intact(self) -> np.ndarray:
        """Where the product of the factors at the output equals δ^L, boolean, shape (N, n_L)."""
        delta = self.delta[-1]
        if self.bound_loss.from_input is None:  # δ is their product
            return np.full(delta.shape, True)
        with np.errstate(all="ignore"):
            dC_da = self.bound_loss.from_output(self.G[-1], self.subject.Y)[1]
            product = self.activations[-1].pullback(self.Z[-1], self.G[-1], dC_da)
            same: np.ndarray = np.abs(product - delta) <= _INTACT * np.abs(delta)
        return same

    @functools.cached_property
    def terms(self) -> np.ndarray:
        """The terms of C_i, one for each output, shape (N, n_L)."""
        with np.errstate(all="ignore"):
            if self.bound_loss.from_input is not None:
                terms: np.ndarray = self.bound_loss.from_input(self.Z[-1], self.subject.Y)[0]
            else:
                terms = self.bound_loss.from_output(self.G[-1], self.subject.Y)[0]
        return np.broadcast_to(terms, self.Z[-1].shape)

    def _jacobian(self, sample: int, j: int) -> np.ndarray:
        """∂a_i/∂z_j of a mixing output for every i, shape (n_L,), by the activation's pullback."""
        z, a = self.Z[-1][sample : sample + 1], self.G[-1][sample : sample + 1]
        identity: Any = np.eye(z.shape[1])
        pullback = self.activations[-1].pullback
        with np.errstate(all="ignore"):
            return np.array([pullback(z, a, row[None])[0, j] for row in identity])

    # The four checks return their arguments as int, and raise InputError where there is no such
    # row, node or bias.

    def check_sample(self, sample: Any) -> int:
        """Check the number of a row."""
        return _checked("sample", sample, len(self.subject.X), "row")

    def check_node(self, layer: Any, j: Any, *, inputs: bool = False) -> tuple[int, int]:
        """Check a layer and a node of it; layer 0 is allowed with ``inputs``."""
        least = 0 if inputs else 1
        if not _whole(layer) or not least <= layer <= self.L:
            raise InputError(
                f"layer is {layer!r}; expected {least} to {self.L}: the network has {self.L} "
                "layers, and layer 0 is its input"
            )
        return int(layer), _checked("j", j, self.net.widths[layer], f"node of layer {layer}")

    def check_bias(self) -> None:
        """Check that the network has biases."""
        if not self.net.bias:
            raise InputError("the network has bias=False; there is no bias to explain")

    def check_input(self, layer: int, k: Any) -> int:
        """Check k of w_jk^l, a node of the layer before."""
        return _checked("k", k, self.net.widths[layer - 1], f"node of layer {layer - 1}")


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _checked(name: str, value: Any, count: int, what: str) -> int:
    if not _whole(value) or not 0 <= value < count:
        raise InputError(
            parameter=name, given=value, expected=f"the number of a {what}, from 0 to {count - 1}"
        )
    return int(value)
