"""A fully connected network: its layers, its loss, and the layout of its parameters.

A :class:`Network` does not contain its parameters. They are in one vector ``theta`` of length p,
layer after layer, W^l row by row and then b^l; ``unpack`` returns views into it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from deltarule.errors import InputError, short_repr
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.arrays import describe, numeric
from deltarule.maths.formula_shapes import check_activation, check_loss
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.namespace import float_dtype
from deltarule.maths.network_record import network_of
from deltarule.maths.own_memory import zeros
from deltarule.maths.parameter_layout import (
    Block,
    check_size,
    check_widths,
    layout_blocks,
    true_runs,
    weight_mask,
)
from deltarule.records import checked_flag, checked_integer

__all__ = ["Network", "auto_initializer", "bound_formulas"]

ActivationLike: TypeAlias = str | Activation | Mapping[str, Any]


class Network:
    """A fully connected network of L layers.

    z_j^l = Σ_k w_jk^l a_k^{l−1} + b_j^l  (F3),   a_j^l = g^l(z_j^l)  (F4)

    Parameters
    ----------
    widths : sequence of int
        n_0 … n_L: inputs, the nodes of each hidden layer, outputs.
    activation : str, Activation, or one for each hidden layer
        g of the hidden layers.
    output_activation : str or Activation
        g of layer L.
    loss : str or Loss
        The loss of one sample, summed over outputs.
    bias : bool
        Whether layers have biases. ``bias=False`` is the article's network.
    dtype : float32 or float64
        The type of parameters and computations.
    frozen : sequence of str, or boolean array of shape (p,)
        The parameters that training does not change: names of blocks (``"W1"``, ``"b2"``),
        or a mask that is True for them; ``some_frozen`` says whether there are any.

    Raises
    ------
    InputError
        If a width is not positive, the number of activations is not the number of
        hidden layers, or a block is unknown.
    UnknownName
        If no activation or loss has that name.
    IncompatiblePair
        If the loss does not go with the output activation.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> net = Network([3, 4, 2], activation="tanh")
    >>> net.n_parameters, net.n_layers
    (26, 2)
    >>> W, b = net.unpack(net.initial(seed=0))
    >>> W[1].shape, b[2].shape
    ((4, 3), (2,))
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: ActivationLike | Sequence[ActivationLike] = "relu",
        output_activation: ActivationLike = "identity",
        loss: str | Loss | Mapping[str, Any] = "squared_error",
        bias: bool = True,
        dtype: Any = np.float64,
        frozen: Iterable[str] | np.ndarray = (),
    ) -> None:
        self.widths = check_widths(widths)
        self.n_layers = len(self.widths) - 1
        self.hidden_activations = _activation_per_layer(activation, self.n_layers - 1)
        self.output_activation: Activation = ACTIVATIONS.get(output_activation)
        self.loss: Loss = LOSSES.get(loss)
        self.loss.require(self.output_activation)
        self.loss.check_outputs(self.widths[-1])
        for g in self.activations[1:]:
            assert g is not None
            check_activation(g, 1 if g.elementwise else self.widths[-1])
        check_loss(self.loss, self.output_activation, self.widths[-1])
        self.bias = checked_flag("bias", bias)
        self.dtype = float_dtype(dtype)
        self.blocks = tuple(layout_blocks(self.widths, self.bias))
        self.n_parameters = self.blocks[-1].stop
        check_size(self.n_parameters)
        # Whether any is, found once: of millions of parameters the mask takes long to look through.
        self.frozen, self.some_frozen = self._frozen_mask(frozen)

    # -- layers and blocks ------------------------------------------------------------

    @property
    def activations(self) -> tuple[Activation | None, ...]:
        """g^l for l = 1 … L; item 0 is None."""
        return (None, *self.hidden_activations, self.output_activation)

    @functools.cached_property
    def is_weight(self) -> np.ndarray:
        """Which parameters are weights and no biases: booleans of shape (p,), read-only."""
        return weight_mask(self.blocks)

    @property
    def n_inputs(self) -> int:
        """n_0, the number of inputs."""
        return self.widths[0]

    @property
    def n_outputs(self) -> int:
        """n_L, the number of outputs."""
        return self.widths[-1]

    @property
    def n_multiply_adds(self) -> int:
        """The multiply-adds of a forward pass of one sample: Σ_l n_l n_{l−1}."""
        return sum(n * m for n, m in zip(self.widths[1:], self.widths[:-1], strict=True))

    def block(self, name: str) -> Block:
        """The block of that name, ``"W1"`` or ``"b1"``.

        Raises
        ------
        InputError
            If there is none.
        """
        for block in self.blocks:
            if block.name == name:
                return block
        names = ", ".join(block.name for block in self.blocks)
        raise InputError(f"the network has no block {name!r}; its blocks are {names}")

    def block_at(self, entry: int) -> tuple[Block, tuple[int, ...]]:
        """The block that holds entry ``entry`` of ``theta``, and the index within it."""
        for block in self.blocks:
            if block.start <= entry < block.stop:
                return block, block.position(entry - block.start)
        raise InputError(f"theta has {self.n_parameters} entries; there is no entry {entry}")

    # -- parameters -------------------------------------------------------------------

    def pack(
        self, W: Sequence[Any], b: Sequence[Any] | None = None, dtype: Any = None
    ) -> np.ndarray:
        """The flat parameter vector of given weight matrices and biases.

        Parameters
        ----------
        W : sequence of L or L+1 arrays
            W^l of shape (n_l, n_{l−1}); with L+1 items, item 0 is ignored.
        b : sequence of L or L+1 arrays, optional
            b^l of shape (n_l,); zeros if left out.
        dtype : optional
            A type other than the network's.

        Returns
        -------
        theta : array of shape (p,)

        Raises
        ------
        InputError
            If a shape does not fit, or biases are given and the network has none.

        Examples
        --------
        >>> from deltarule.maths import Network
        >>> Network([2, 1]).pack(W=[[[1, 2]]], b=[[3]])
        array([1., 2., 3.])
        """
        theta = zeros(self.n_parameters, self.dtype if dtype is None else dtype)
        if b is not None and not self.bias and any(item is not None for item in b):
            raise InputError("biases were given, but the network has bias=False; leave b out")
        given = {"W": self._by_layer("W", W)}
        if self.bias and b is not None:
            given["b"] = self._by_layer("b", b)
        for block in self.blocks:
            if block.kind in given:
                value = numeric(f"{block.kind}[{block.layer}]", given[block.kind][block.layer])
                if value.shape != block.shape:
                    raise InputError(
                        f"{block.kind}[{block.layer}] has shape {value.shape}; "
                        f"expected {block.shape}"
                    )
                block.of(theta)[...] = value
        return theta

    def _by_layer(self, name: str, items: Sequence[Any]) -> list[Any]:
        if isinstance(items, Mapping | str) or not hasattr(items, "__len__"):
            raise InputError(f"{name} is {short_repr(items)}; expected a list of arrays")
        if len(items) not in (self.n_layers, self.n_layers + 1):
            raise InputError(
                f"{name} has {len(items)} items; expected {self.n_layers}, one for each layer, "
                f"or {self.n_layers + 1} with None first"
            )
        return [*([None] if len(items) == self.n_layers else []), *items]

    def unpack(self, theta: Any) -> tuple[list[Any], list[Any]]:
        """Lists W and b of L+1 views into ``theta``; item 0 is None.

        Without biases all items of b are None.

        Raises
        ------
        InputError
            If ``theta`` is no array of shape (p,).
        """
        if getattr(theta, "shape", None) != (self.n_parameters,):
            raise InputError(
                f"theta is {describe(theta)}; expected an array of shape ({self.n_parameters},)"
            )
        W: list[Any] = [None] * (self.n_layers + 1)
        b: list[Any] = [None] * (self.n_layers + 1)
        for block in self.blocks:
            (W if block.kind == "W" else b)[block.layer] = block.of(theta)
        return W, b

    def initial(
        self, seed: int, initializer: str | Initializer | Mapping[str, Any] = "auto"
    ) -> np.ndarray:
        """Random initial parameters, of shape (p,): weights from the initializer, biases 0.

        Parameters
        ----------
        seed : int
            The same seed gives the same parameters.
        initializer : str or Initializer
            ``"auto"`` uses He for layers with ReLU, leaky ReLU, GELU, SiLU and Mish, LeCun for
            SELU, and Glorot for the others.

        Raises
        ------
        InputError, UnknownName
            If the seed is not a whole number ≥ 0, or no initializer has that name.

        Examples
        --------
        >>> from deltarule.maths import Network
        >>> Network([2, 1]).initial(seed=0)
        array([ 1.25281659, -0.51947698,  0.        ])
        """
        sequences = np.random.SeedSequence(checked_integer("seed", seed)).spawn(self.n_layers)
        theta = zeros(self.n_parameters, self.dtype)
        for block in self.blocks:
            if block.kind == "W":
                g = self.activations[block.layer]
                assert g is not None
                automatic = isinstance(initializer, str) and initializer == "auto"
                record = INITIALIZERS.get(auto_initializer(g) if automatic else initializer)
                rng = np.random.default_rng(sequences[block.layer - 1])
                record.fill(rng, block.of(theta))
        return theta

    def check_theta(self, theta: Any, dtype: Any = None) -> np.ndarray:
        """``theta`` as an array of shape (p,) and the network's type.

        Raises
        ------
        InputError
            If it has another length, or holds what is no number.
        """
        with np.errstate(over="ignore"):  # beyond float32: infinite, and so is the cost
            array = np.asarray(numeric("theta", theta), self.dtype if dtype is None else dtype)
        if array.shape != (self.n_parameters,):
            raise InputError(
                f"theta has shape {array.shape}; expected ({self.n_parameters},) for {self!r}"
            )
        return array

    def _frozen_mask(self, frozen: Iterable[str] | np.ndarray) -> tuple[np.ndarray, bool]:
        if isinstance(frozen, str):
            frozen = (frozen,)
        if isinstance(frozen, np.ndarray) and frozen.dtype == bool:
            if frozen.shape != (self.n_parameters,):
                raise InputError(
                    f"the frozen mask has shape {frozen.shape}; expected ({self.n_parameters},)"
                )
            some, blocks = bool(frozen.any()), []
        elif isinstance(frozen, Iterable):
            blocks = [self.block(str(name)) for name in frozen]
            some = bool(blocks)
        else:
            raise InputError(f"frozen is {frozen!r}; expected names of blocks, or a mask")
        if not some:
            return np.broadcast_to(np.False_, (self.n_parameters,)), False  # without memory
        mask: np.ndarray = zeros(self.n_parameters, bool) if blocks else np.array(frozen)
        for block in blocks:
            mask[block.start : block.stop] = True
        mask.flags.writeable = False
        return mask, True

    # -- text and data ----------------------------------------------------------------

    def with_changes(self, **changes: Any) -> Network:
        """The same network with other constructor arguments."""
        arguments: dict[str, Any] = {
            "widths": self.widths,
            "activation": self.hidden_activations,
            "output_activation": self.output_activation,
            "loss": self.loss,
            "bias": self.bias,
            "dtype": self.dtype,
            "frozen": self.frozen if self.some_frozen else (),
        }
        return Network(**(arguments | changes))

    def to_dict(self) -> dict[str, Any]:
        """The network as plain data for a JSON file; see :meth:`from_dict`."""
        return {
            "widths": list(self.widths),
            "activation": [g.spec() for g in self.hidden_activations],
            "output_activation": self.output_activation.spec(),
            "loss": self.loss.spec(),
            "bias": self.bias,
            "dtype": str(self.dtype),
            "frozen": true_runs(self.frozen) if self.some_frozen else [],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """The network from the result of :meth:`to_dict`.

        Raises
        ------
        InputError
            If it is no such result.
        """
        return network_of(cls, data)

    def __getstate__(self) -> dict[str, Any]:
        from deltarule.maths.formula_fingerprint import state_with_fingerprints

        return state_with_fingerprints(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from deltarule.maths.formula_fingerprint import state_without_fingerprints

        self.__dict__.update(state_without_fingerprints(state))

    def summary(self) -> str:
        """A table of the layers with their counts of parameters and multiply-adds."""
        rows = [("layer", "nodes", "activation", "parameters", "multiply-adds")]
        rows.append(("0 (input)", f"{self.n_inputs:,}", "", "", ""))
        for layer in range(1, self.n_layers + 1):
            n_out, n_in = self.widths[layer], self.widths[layer - 1]
            name = f"{layer} (output)" if layer == self.n_layers else str(layer)
            n_weights, g = n_out * n_in, str(self.activations[layer])
            parameters = n_weights + (n_out if self.bias else 0)
            rows.append((name, f"{n_out:,}", g, f"{parameters:,}", f"{n_weights:,}"))
        rows.append(("total", "", "", f"{self.n_parameters:,}", f"{self.n_multiply_adds:,}"))
        sizes = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(size) if i in (0, 2) else cell.rjust(size)
                for i, (cell, size) in enumerate(zip(row, sizes, strict=True))
            ).rstrip()
            for row in rows
        ]
        free = self.n_parameters - (int(self.frozen.sum()) if self.some_frozen else 0)
        lines.append(f"loss {self.loss}, {self.dtype}, {free:,} of the parameters are trained")
        return "\n".join(lines)

    def _key(self) -> tuple[Any, ...]:
        return (
            self.widths,
            self.hidden_activations,
            self.output_activation,
            self.loss,
            self.bias,
            self.dtype,
            self.frozen.tobytes() if self.some_frozen else b"",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        names = list(dict.fromkeys(str(g) for g in self.hidden_activations))
        hidden = names[0] if len(names) == 1 else [str(g) for g in self.hidden_activations]
        parts = [f"Network({list(self.widths)}"]
        parts += [f"activation={hidden!r}"] if self.hidden_activations else []
        parts += [f"output_activation={str(self.output_activation)!r}", f"loss={str(self.loss)!r}"]
        parts += [] if self.bias else ["bias=False"]
        return ", ".join([*parts, f"dtype={self.dtype})"])


def auto_initializer(g: Activation) -> str:
    """The name of the initializer that ``"auto"`` selects for a layer with this activation.

    Examples
    --------
    >>> auto_initializer(ACTIVATIONS.get("relu"))
    'he_normal'
    """
    if g.name == "selu":
        return "lecun_normal"
    return "he_normal" if g.gain == 2.0 else "glorot_uniform"


def _activation_per_layer(
    activation: ActivationLike | Sequence[ActivationLike], n_hidden: int
) -> tuple[Activation, ...]:
    if isinstance(activation, str | Activation | Mapping) or not isinstance(activation, Iterable):
        activations = [ACTIVATIONS.get(activation)] * n_hidden
    else:
        activations = [ACTIVATIONS.get(each) for each in activation]
    if len(activations) != n_hidden:
        raise InputError(
            f"activation names {len(activations)} layers; expected {n_hidden}, one for each "
            "hidden layer, or a single name for all"
        )
    for g in activations:
        if not g.elementwise:
            raise InputError(
                f"activation {g.name!r} mixes the nodes of a layer and is for outputs only; "
                "choose an elementwise one for hidden layers"
            )
    return tuple(activations)


@functools.lru_cache(maxsize=64)
def bound_formulas(net: Network, xp: Any) -> tuple[tuple[Any, ...], Any]:
    """The network's activations (item 0 is None) and loss over ``xp``, cached."""
    activations = tuple(None if g is None else g.bind(xp) for g in net.activations)
    return activations, net.loss.bind(xp, net.output_activation)
