"""The numbers that derivations are made of: one forward and one backward pass, row by row."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.subject import Subject
from deltarule.maths import numpy_namespace
from deltarule.maths.network import bound_formulas

__all__ = ["Figures"]

# How near the product of F6's factors must be to δ from z, relative to δ: all digits that anybody
# would look at. A logistic output at z = 37 is 1 in floating point, and the product has none.
_INTACT = 1e-9


class Figures:
    """Everything of the passes with weight 1 for every row, before w_i.

    Attributes
    ----------
    subject : Subject
    W, b : lists of L+1 arrays
        Views of θ.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject, self.net = subject, subject.net
        self.W, self.b = subject.net.unpack(subject.theta)
        self.activations, self.bound_loss = bound_formulas(subject.net, numpy_namespace(np.float64))
        self._ups: dict[tuple[int, int], np.ndarray] = {}
        # Every part of one sum asks for the same column.
        self._last_jacobian: tuple[Any, np.ndarray] = (None, np.zeros(0))
        self._slopes: dict[tuple[int, int], np.ndarray] = {}

    @property
    def Z(self) -> list[Any]:
        """z^l, each (N, n_l)."""
        return self.subject.passed.Z

    @property
    def A(self) -> list[Any]:
        """a^l."""
        return self.subject.passed.A

    @property
    def G(self) -> list[Any]:
        """g^l(z^l), which is a^l but for dropout."""
        return self.subject.passed.G

    @property
    def delta(self) -> list[Any]:
        """∂C_i/∂z^l, before w_i."""
        return self.subject.each.delta

    @property
    def loss(self) -> np.ndarray:
        """C_i, (N,)."""
        return np.asarray(self.subject.each.loss)

    @property
    def L(self) -> int:
        """The output layer."""
        return self.net.n_layers

    def mask(self, layer: int) -> np.ndarray | None:
        """The dropout of a layer, (N, n_l), if there was any."""
        masks = self.subject.masks
        return None if masks is None else masks[layer]

    def up(self, layer: int, sample: int) -> np.ndarray:
        """∂C_i/∂a^l of a row, (n_l,): from the loss at the output (F7), else the sums of F13."""
        if (layer, sample) not in self._ups:
            with np.errstate(all="ignore"):
                if layer == self.L:
                    y = self.subject.Y[sample : sample + 1]
                    found = self.bound_loss.from_output(self.G[-1][sample : sample + 1], y)[1]
                    up = np.broadcast_to(found, y.shape)[0]
                else:
                    up = self.delta[layer + 1][sample] @ self.W[layer + 1]
            self._ups[layer, sample] = up
        return self._ups[layer, sample]

    def slope(self, layer: int, sample: int) -> np.ndarray:
        """g^l′(z^l) of a row, (n_l,); of an elementwise activation."""
        if (layer, sample) not in self._slopes:
            row = slice(sample, sample + 1)
            z = self.Z[layer][row]
            with np.errstate(all="ignore"):
                slope = self.activations[layer].slope(z, self.G[layer][row])
            self._slopes[layer, sample] = np.broadcast_to(slope, z.shape)[0]
        return self._slopes[layer, sample]

    def mixes(self, layer: int) -> bool:
        """Whether the layer's activation looks across its nodes, as softmax does."""
        return self.activations[layer].slope is None

    @functools.cached_property
    def intact(self) -> np.ndarray:
        """Where the factors at the output give δ^L with its digits, (N, n_L)."""
        delta = self.delta[-1]
        if self.bound_loss.from_input is None:  # δ was made of them
            return np.full(delta.shape, True)
        with np.errstate(all="ignore"):
            up = self.bound_loss.from_output(self.G[-1], self.subject.Y)[1]
            plain = self.activations[-1].pullback(self.Z[-1], self.G[-1], up)
            same: np.ndarray = np.abs(plain - delta) <= _INTACT * np.abs(delta)
        return same

    @functools.cached_property
    def terms(self) -> np.ndarray:
        """The terms of C_i, one for each output, (N, n_L)."""
        with np.errstate(all="ignore"):
            if self.bound_loss.from_input is not None:
                terms: np.ndarray = self.bound_loss.from_input(self.Z[-1], self.subject.Y)[0]
            else:
                terms = self.bound_loss.from_output(self.G[-1], self.subject.Y)[0]
        return np.broadcast_to(terms, self.Z[-1].shape)

    def jacobian(self, sample: int, j: int) -> np.ndarray:
        """∂a_i/∂z_j of a mixing output, for every i: by the activation's own pullback."""
        if (sample, j) != self._last_jacobian[0]:
            self._last_jacobian = (sample, j), self._jacobian(sample, j)
        return self._last_jacobian[1]

    def _jacobian(self, sample: int, j: int) -> np.ndarray:
        z, a = self.Z[-1][sample : sample + 1], self.G[-1][sample : sample + 1]
        units: Any = np.eye(z.shape[1])
        with np.errstate(all="ignore"):
            rows = [self.activations[-1].pullback(z, a, unit[None])[0, j] for unit in units]
        return np.array(rows)

    def check_sample(self, sample: Any) -> int:
        """The row's number, if there is such a row.

        Raises
        ------
        InputError
            If there is none.
        """
        return _checked("sample", sample, len(self.subject.X), "row")

    def check_node(self, layer: Any, j: Any, *, inputs: bool = False) -> tuple[int, int]:
        """A node's place, if there is such a node.

        Raises
        ------
        InputError
            If there is none.
        """
        least = 0 if inputs else 1
        if not _whole(layer) or not least <= layer <= self.L:
            raise InputError(
                f"layer is {layer!r}; expected {least} to {self.L}: the network has {self.L} "
                "layers, and layer 0 is its input"
            )
        return int(layer), _checked("j", j, self.net.widths[layer], f"node of layer {layer}")

    def check_bias(self) -> None:
        """Whether there are biases.

        Raises
        ------
        InputError
            If there are none.
        """
        if not self.net.bias:
            raise InputError("the network has bias=False; there is no bias to explain")

    def check_input(self, layer: int, k: Any) -> int:
        """k of w_jk^l, if there is such a node in the layer before.

        Raises
        ------
        InputError
            If there is none.
        """
        return _checked("k", k, self.net.widths[layer - 1], f"node of layer {layer - 1}")


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _checked(name: str, value: Any, count: int, what: str) -> int:
    if not _whole(value) or not 0 <= value < count:
        raise InputError(
            parameter=name, given=value, expected=f"the number of a {what}, from 0 to {count - 1}"
        )
    return int(value)
