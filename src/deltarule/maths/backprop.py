"""The forward and the backward pass.

Forward, for l = 1 … L (F3, F4):

    z^l = a^{l−1} (W^l)ᵀ + b^l,    a^l = g^l(z^l)

Backward, from the loss down (F7–F15 with δ^l = ∂C/∂z^l):

    δ^L = ∂C/∂z^L,    δ^l = (δ^{l+1} W^{l+1}) ⊙ g^l′(z^l)
    ∂C/∂W^l = (δ^l)ᵀ a^{l−1},    ∂C/∂b^l = Σ_i δ_i^l

:func:`cost_and_grad` is a pure function over any array namespace, so that JAX can compile it.
:func:`forward`, :func:`cost` and :func:`backprop` check their input and compute with NumPy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.input_checks import (
    check_masks,
    check_network,
    check_rows,
    check_weights,
    normalise_weights,
)
from deltarule.maths.namespace import numpy_namespace
from deltarule.maths.network import Network, bound_formulas
from deltarule.maths.pass_results import ForwardPass, Gradients, PerSample

__all__ = [
    "Trace",
    "backprop",
    "compute_trace",
    "cost",
    "cost_and_grad",
    "forward",
    "forward_pass",
    "layer_pass",
    "loss_terms",
    "sample_gradients",
]

Masks = Sequence[Any] | None


def forward_pass(xp: Any, net: Network, theta: Any, X: Any, masks: Masks = None) -> ForwardPass:
    """z^l and a^l for all layers, over the namespace ``xp``."""
    activations, _ = bound_formulas(net, xp)
    return layer_pass(xp.affine, activations, *net.unpack(theta), X, masks)


def layer_pass(affine: Any, activations: Any, W: Any, b: Any, X: Any, masks: Masks) -> ForwardPass:
    """z^l and a^l for all layers, where ``affine(a, W, b)`` computes z."""
    Z, A, G = [None], [X], [X]
    for layer in range(1, len(W)):
        z = affine(A[layer - 1], W[layer], b[layer])
        g = activations[layer].value(z)
        mask = None if masks is None else masks[layer]
        Z.append(z)
        G.append(g)
        A.append(g if mask is None else g * mask)
    return ForwardPass(Z, A, G)


def loss_terms(xp: Any, net: Network, passed: ForwardPass, Y: Any) -> tuple[Any, Any]:
    """(C_i, ∂C_i/∂z^L) at the output: fused where the loss has a fusion, else by F6."""
    activations, loss = bound_formulas(net, xp)
    z, a = passed.Z[-1], passed.G[-1]
    if loss.from_input is not None:
        terms, delta = loss.from_input(z, Y)
    else:
        terms, up = loss.from_output(a, Y)
        delta = activations[-1].pullback(z, a, up)
    return terms.sum(axis=1), delta


def cost_and_grad(
    xp: Any,
    net: Network,
    theta: Any,
    X: Any,
    Y: Any,
    w: Any,
    masks: Masks = None,
    some_absent: bool = False,
    passed: ForwardPass | None = None,
    only_delta: bool = False,
) -> Gradients:
    """One forward and one backward pass: the cost and every partial derivative.

    Parameters
    ----------
    xp : ArrayNamespace
        With JAX's namespace the function can be compiled.
    net : Network
    theta : array of shape (p,)
    X : array of shape (N, n_0)
    Y : array of shape (N, n_L)
        As :meth:`Loss.prepare` returns it.
    w : array of shape (N,)
        The weights of the samples, which contain the factor 1/N.
    masks : list of L+1 arrays or None, optional
        Dropout: item l multiplies g^l(z^l); None for a layer without dropout.
    some_absent : bool
        Whether a weight may be 0. The loss and the derivatives of such a sample are then
        replaced by 0, since 0 · ∞ would be NaN.
    passed : ForwardPass, optional
        The result of the forward pass, if it has been computed already.
    only_delta : bool
        Whether ∂C/∂W, ∂C/∂b and ∂C/∂x are left out: they are None in the result.

    Returns
    -------
    Gradients
        ``cost`` C = Σ w_i C_i; ``delta`` and ``dX`` carry w_i.
    """
    L = net.n_layers
    W, _ = net.unpack(theta)
    activations, _ = bound_formulas(net, xp)
    passed = passed or forward_pass(xp, net, theta, X, masks)
    Z, A, G = passed
    loss, slope = loss_terms(xp, net, passed, Y)

    weight = w[:, None]
    inputs = A
    if some_absent:
        present = weight != 0
        weighted = xp.where(present[:, 0], w * loss, 0 * w)
        inputs = [xp.where(present, a, 0) for a in A]
        slope = xp.where(present, slope, 0)
    else:
        weighted = w * loss
    cost = weighted.sum()

    delta: list[Any] = [None] * (L + 1)
    dW: list[Any] = [None] * (L + 1)
    db: list[Any] = [None] * (L + 1)
    delta[L] = weight * slope
    for layer in range(L, 0, -1):
        if not only_delta:
            dW[layer] = xp.product(delta[layer].T, inputs[layer - 1])
            if net.bias:
                db[layer] = delta[layer].sum(axis=0)
        elif layer == 1:
            return Gradients(cost, loss, Z, A, G, delta, dW, db, None)
        up = xp.product(delta[layer], W[layer])  # F13: the sum over all j of layer l
        if layer == 1:
            return Gradients(cost, loss, Z, A, G, delta, dW, db, up)
        if masks is not None and masks[layer - 1] is not None:
            up = up * masks[layer - 1]
        down = activations[layer - 1].pullback(Z[layer - 1], G[layer - 1], up)
        delta[layer - 1] = xp.where(present, down, 0) if some_absent else down
    raise AssertionError("a network has at least one layer")


@dataclasses.dataclass(frozen=True)
class Trace:
    """All values of one forward and one backward pass.

    Attributes
    ----------
    cost : float
        C = Σ_i w_i C_i.
    loss : array of shape (N,)
        C_i, summed over outputs.
    w : array of shape (N,)
        The weights of the samples.
    Z, A : lists of L+1 arrays
        z^l and a^l, each (N, n_l); ``Z[0]`` is None and ``A[0]`` is X.
    delta : list of L+1 arrays
        ∂C/∂z^l, (N, n_l), including the factor w_i.
    dW, db : lists of L+1 arrays
        ∂C/∂W^l and ∂C/∂b^l: views into ``grad``. Without biases the items of ``db`` are None.
    grad : array of shape (p,)
        ∂C/∂θ, in the order of θ.
    dX : array of shape (N, n_0)
        ∂C/∂x, including the factor w_i.
    Y : array of shape (N, n_L)
        The targets, one column for each output.
    net, theta
        The network and its parameters.
    per_sample : PerSample or None
        With ``per_sample=True``, the derivatives of each C_i, without the factor w_i.
    """

    net: Network
    theta: np.ndarray
    Y: np.ndarray
    cost: float
    loss: np.ndarray
    w: np.ndarray
    Z: list[Any]
    A: list[Any]
    G: list[Any]
    delta: list[Any]
    dW: list[Any]
    db: list[Any]
    grad: np.ndarray
    dX: np.ndarray
    per_sample: PerSample | None = None

    def factors(self, layer: int, j: int, k: int, sample: int = 0) -> tuple[float, float, float]:
        """The three factors of F6 for one weight and one sample.

        ∂C_i/∂w_jk^l = ∂C_i/∂a_j^l · ∂a_j^l/∂z_j^l · ∂z_j^l/∂w_jk^l

        Parameters
        ----------
        layer : int
            l, from 1 to L.
        j, k : int
            The weight leads to node j from node k of the layer before.
        sample : int
            i.

        Raises
        ------
        InputError
            If there is no such weight or sample, if layer l mixes its outputs (softmax:
            F6 holds for elementwise activations only), or if the pass had dropout.

        Examples
        --------
        >>> from deltarule.maths import Network, backprop
        >>> net = Network([1, 1], activation=[], output_activation="logistic", bias=False)
        >>> trace = backprop(net, net.pack(W=[[[0.0]]]), [[2.0]], [[1.0]])
        >>> trace.factors(1, 0, 0)
        (-1.0, 0.25, 2.0)
        """
        net = self.net
        if not 1 <= layer <= net.n_layers:
            raise InputError(f"layer is {layer}; expected 1 to {net.n_layers}")
        n_out, n_in = net.widths[layer], net.widths[layer - 1]
        if not (0 <= j < n_out and 0 <= k < n_in and 0 <= sample < len(self.loss)):
            raise InputError(
                f"weight ({j}, {k}) of layer {layer}, sample {sample}; expected j below {n_out}, "
                f"k below {n_in} and a sample below {len(self.loss)}"
            )
        if any(a is not g for a, g in zip(self.A, self.G, strict=True)):
            raise InputError("the pass had dropout, which adds a factor; leave out the masks")
        activations, loss = bound_formulas(net, numpy_namespace(net.dtype))
        g = activations[layer]
        if g.slope is None:
            raise InputError(
                f"layer {layer} is {net.output_activation.name}, which mixes its outputs: F6 holds "
                "for elementwise activations; δ_j is a sum over all outputs there"
            )
        with np.errstate(all="ignore"):
            if layer == net.n_layers:
                up = loss.from_output(self.A[layer], self.Y)[1][sample, j]
            else:
                W, _ = net.unpack(self.theta)
                up = self._sample_delta()[layer + 1][sample] @ W[layer + 1][:, j]
            slope = g.slope(self.Z[layer], self.G[layer])[sample, j]
        return float(up), float(slope), float(self.A[layer - 1][sample, k])

    def _sample_delta(self) -> list[Any]:
        """∂C_i/∂z^l of every layer."""
        if self.per_sample is not None:
            return self.per_sample.delta
        xp, ones = numpy_namespace(self.net.dtype), np.ones(len(self.loss), dtype=self.net.dtype)
        return cost_and_grad(xp, self.net, self.theta, self.A[0], self.Y, ones).delta


def forward(net: Network, theta: Any, X: Any, masks: Masks = None) -> ForwardPass:
    """The forward pass (F3, F4): z^l and a^l of every layer.

    Parameters
    ----------
    net : Network
    theta : array of shape (p,)
    X : array of shape (N, n_0)
    masks : list of L+1 arrays or None, optional
        Dropout: item l multiplies g^l(z^l).

    Returns
    -------
    ForwardPass
        ``Z``, ``A`` and ``output`` (a^L, of shape (N, n_L)).

    Raises
    ------
    InputError
        If a shape does not fit or X is not finite.

    Examples
    --------
    >>> from deltarule.maths import Network, forward
    >>> net = Network([2, 2, 1], activation="relu")
    >>> theta = net.pack(W=[[[1, -1], [2, 0]], [[1, 1]]], b=[[0, 1], [0.5]])
    >>> passed = forward(net, theta, [[3.0, 1.0]])
    >>> passed.Z[1], passed.output
    (array([[2., 7.]]), array([[9.5]]))
    """
    theta, rows = check_network(net).check_theta(theta), check_rows(net, X)
    check_masks(net, masks, len(rows))
    with np.errstate(all="ignore"):
        return forward_pass(numpy_namespace(net.dtype), net, theta, rows, masks)


def cost(
    net: Network, theta: Any, X: Any, Y: Any, sample_weight: Any = None, masks: Masks = None
) -> float:
    """C = Σ_i w_i C_i, with w_i = s_i/Σs, from a forward pass alone.

    Parameters, errors and conventions are those of :func:`backprop`.

    Examples
    --------
    >>> from deltarule.maths import Network, cost
    >>> net = Network([1, 1], activation=[])
    >>> cost(net, net.pack(W=[[[1.0]]]), [[1.0], [2.0]], [[0.0], [5.0]])
    5.0
    """
    theta, rows, targets, w = _check_inputs(net, theta, X, Y, sample_weight, masks)
    xp = numpy_namespace(net.dtype)
    with np.errstate(all="ignore"):
        loss, _ = loss_terms(xp, net, forward_pass(xp, net, theta, rows, masks), targets)
        return float(np.where(w == 0, 0, w * loss).sum())


def backprop(
    net: Network,
    theta: Any,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    per_sample: bool = False,
    masks: Masks = None,
) -> Trace:
    """All partial derivatives of the cost, by one forward and one backward pass.

    C = Σ_i w_i C_i with w_i = s_i/Σs, and
    δ^l = (δ^{l+1} W^{l+1}) ⊙ g^l′(z^l),  ∂C/∂W^l = (δ^l)ᵀ a^{l−1},  ∂C/∂b^l = Σ_i δ_i^l

    Parameters
    ----------
    net : Network
    theta : array of shape (p,)
        All parameters, from ``net.pack(W=…, b=…)`` or ``net.initial(seed)``.
    X : array of shape (N, n_0)
    Y : array of shape (N, n_L), or (N,)
        Targets; class numbers for cross_entropy.
    sample_weight : array of shape (N,), optional
        s. A sample of weight 2 counts twice, one of weight 0 not at all. If all are 0, so are
        the cost and the gradient.
    per_sample : bool
        Whether the derivatives of each C_i are computed as well.
    masks : list of L+1 arrays or None, optional
        Dropout: item l multiplies g^l(z^l).

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        If a shape does not fit, X or Y is not finite, Y is not valid for the loss, or a weight
        is negative. A cost that overflows is inf and raises nothing.

    Notes
    -----
    Source: Rumelhart, Hinton and Williams, "Learning internal representations by error
    propagation" (1986), where it is called the generalized delta rule.

    Examples
    --------
    >>> from deltarule.maths import Network, backprop
    >>> net = Network([2, 1], activation=[])
    >>> theta = net.pack(W=[[[1.0, 2.0]]], b=[[0.5]])
    >>> trace = backprop(net, theta, [[1.0, 1.0], [0.0, 1.0]], [[3.0], [2.0]])
    >>> trace.loss, trace.cost
    (array([0.25, 0.25]), 0.25)
    >>> trace.dW[1], trace.db[1]
    (array([[0.5, 1. ]]), array([1.]))
    """
    theta, rows, targets, w = _check_inputs(net, theta, X, Y, sample_weight, masks)
    return compute_trace(net, theta, rows, targets, w, per_sample, masks)


def _check_inputs(
    net: Network, theta: Any, X: Any, Y: Any, sample_weight: Any, masks: Masks
) -> Any:
    """θ, X, Y and w_i = s_i/Σs as arrays of the network's type."""
    theta, rows = check_network(net).check_theta(theta), check_rows(net, X)
    targets = net.loss.prepare(Y, len(rows), net.n_outputs, net.dtype)
    w = normalise_weights(check_weights(sample_weight, len(rows)), net.dtype)
    check_masks(net, masks, len(rows))
    return theta, rows, targets, w


def compute_trace(
    net: Network,
    theta: np.ndarray,
    X: np.ndarray,
    Y: np.ndarray,
    w: np.ndarray,
    per_sample: bool = False,
    masks: Masks = None,
    passed: ForwardPass | None = None,
) -> Trace:
    """The trace of inputs that have been checked and prepared, with any weights w_i."""
    xp = numpy_namespace(net.dtype)
    absent = bool((w == 0).any())
    with np.errstate(all="ignore"):
        got = cost_and_grad(xp, net, theta, X, Y, w, masks, absent, passed)
        grad = net.pack(got.dW, got.db if net.bias else None)
        each = _per_sample(xp, net, theta, X, Y, masks) if per_sample else None
    dW, db = net.unpack(grad)
    values = got._asdict() | {"cost": float(got.cost), "dW": dW, "db": db}
    return Trace(net=net, theta=theta, Y=Y, w=w, grad=grad, per_sample=each, **values)


def _per_sample(
    xp: Any, net: Network, theta: np.ndarray, X: np.ndarray, Y: np.ndarray, masks: Masks
) -> PerSample:
    """∂C_i/∂z and ∂C_i/∂θ: a pass with all weights 1 and without the sum over samples."""
    got = cost_and_grad(xp, net, theta, X, Y, np.ones(len(X), dtype=net.dtype), masks)
    grad = sample_gradients(net, got)
    dW: list[Any] = [None] * (net.n_layers + 1)
    db: list[Any] = [None] * (net.n_layers + 1)
    for block in net.blocks:
        view = grad[:, block.start : block.stop].reshape(len(X), *block.shape)
        (dW if block.kind == "W" else db)[block.layer] = view
    return PerSample(got.delta, dW, db, grad, got.dX)


def sample_gradients(net: Network, passes: Gradients) -> np.ndarray:
    """∂C_i/∂θ of every sample, shape (N, p), from passes with all weights 1.

    ∂C_i/∂W^l is the outer product of δ_i^l and a_i^{l−1}, and ∂C_i/∂b^l is δ_i^l.
    """
    n = len(passes.loss)
    grads = np.zeros((n, net.n_parameters), dtype=net.dtype)
    for block in net.blocks:
        part, delta = grads[:, block.start : block.stop], passes.delta[block.layer]
        if block.kind == "W":
            inputs = passes.A[block.layer - 1]
            part.reshape(n, *block.shape)[...] = delta[:, :, None] * inputs[:, None, :]
        else:
            part[...] = delta
    return grads
