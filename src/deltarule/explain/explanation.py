"""``explain`` and ``Explanation``: every number of backpropagation, with its derivation."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.explain import overview
from deltarule.explain.agreement import Agreement, agreement_of
from deltarule.explain.derivation import DEPTH, TERMS, Derivation, check_limits
from deltarule.explain.intermediates import Intermediates
from deltarule.explain.number_format import DIGITS
from deltarule.explain.recorded_rules import RecordedRule
from deltarule.explain.subject import Names, Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.explain.update_derivations import UpdateDerivations
from deltarule.maths import GradientReport, Trace, check_gradient

__all__ = ["Explanation", "explain"]


def explain(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    rule: Any = None,
    learning_rate: float | None = None,
    engine: str | None = None,
    names: Names | None = None,
    number: int | None = None,
    slots: Mapping[str, Any] | None = None,
    theta_after: Any = None,
    masks: list[Any] | None = None,
    **settings: Any,
) -> Explanation:
    """Explain every number of one forward and one backward pass, and of the update after it.

    ∂Cᵢ/∂w_jk^l = ∂Cᵢ/∂a_j^l · ∂a_j^l/∂z_j^l · ∂z_j^l/∂w_jk^l  (F6)

    Parameters
    ----------
    what : Network, Model, MLPClassifier, MLPRegressor, TableModel, ReplayedStep or Subject
        A network needs ``theta``; an estimator must be fitted. A step of training has its own
        batch, settings and result, and a subject its own rows.
    X : array of shape (N, n_0)
        For a TableModel, a Table with its target, or TypedColumns.
    Y : array of shape (N, n_L), or (N,)
        Targets; class numbers for cross_entropy, an estimator's own labels for it.
    theta : array of shape (p,), optional
        The parameters, for a network alone.
    sample_weight : array of shape (N,), optional
        The weights s_i of the rows; by default 1.
    rule : str, Rule or mapping, optional
        The update rule of the step; by default that of the estimator or table model.
    learning_rate : float, optional
        η of that step.
    engine : str, optional
        An engine to compare with, such as ``"compiled"``; by default the one that trained, where
        that is known.
    names : Names, optional
        Names of inputs, outputs and rows.
    number : int, optional
        t, the number of the step; by default that of the known step, else 1.
    slots : mapping of str to array, optional
        The rule's state before the step; by default its initial state.
    theta_after : array of shape (p,), optional
        θ after the step by training, to compare with.
    masks : list of L+1 arrays or None, optional
        Dropout, for a network alone: item l multiplies g^l(z^l).
    **settings
        ``l2``, ``l1``, ``total_weight``, ``clip_norm`` and other fields of EngineSettings.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        If ``what`` cannot be explained, or an argument does not fit it.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> net = Network([2, 1], activation=[], bias=False)
    >>> e = explain(net, [[1.0, 2.0]], [[3.0]], theta=[1.0, 0.5], rule="sgd", learning_rate=0.5)
    >>> print(e.weight(1, 0, 1).text(depth=0))
    ∂C/∂w₀₁⁽¹⁾ = Σ_i ωᵢ · ∂Cᵢ/∂w₀₁⁽¹⁾ = −4.000000  (F11)
    >>> print(e.update_weight(1, 0, 1).text(depth=0))
    new w₀₁⁽¹⁾ = w₀₁⁽¹⁾ − η ∂C/∂w₀₁⁽¹⁾ = 0.500000 − 0.500000 (−4.000000) = 2.500000  (U)
    """
    subject = subject_of(
        what,
        X,
        Y,
        theta=theta,
        sample_weight=sample_weight,
        rule=rule,
        learning_rate=learning_rate,
        engine=engine,
        names=names,
        number=number,
        slots=slots,
        theta_after=theta_after,
        masks=masks,
        **settings,
    )
    return Explanation(subject)


class Explanation:
    """Derivations of everything that one forward and one backward pass computed.

    Layers l count from 1 to L, nodes j and k and samples from 0. A derivation is computed as far
    as it is looked at.

    Attributes
    ----------
    subject : Subject
        What is explained.

    Raises
    ------
    InputError
        Every method raises it if the network has no such layer, node, bias, sample or column, and
        those of the update if no step is known.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> net = Network([1, 2, 1], activation="tanh")
    >>> e = explain(net, [[0.5], [1.0]], [[0.0], [1.0]], theta=net.initial(0))
    >>> bool(e.weight(1, 0, 0).value == e.trace.dW[1][0, 0])
    True
    >>> bool(abs(e.delta(2, 0, 1).value * e.subject.w[1] - e.trace.delta[2][1, 0]) < 1e-15)
    True
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._passes = Intermediates(subject)
        self._derivations = UpdateDerivations(self._passes)

    @property
    def trace(self) -> Trace:
        """Every number of the passes, in arrays."""
        return self.subject.trace

    # -- derivatives -------------------------------------------------------------------

    def weight(self, layer: int, j: int, k: int, sample: int | None = None) -> Derivation:
        """∂Cᵢ/∂w_jk^l of one sample (F6), or ∂C/∂w_jk^l, the weighted mean over all (F11)."""
        layer, j = self._passes.check_node(layer, j)
        k = self._passes.check_input(layer, k)
        if sample is None:
            return self._derivations.mean_weight(layer, j, k)
        return self._derivations.weight(layer, j, k, self._passes.check_sample(sample))

    def bias(self, layer: int, j: int, sample: int | None = None) -> Derivation:
        """∂Cᵢ/∂b_j^l of one sample, or ∂C/∂b_j^l, the weighted mean over all."""
        layer, j = self._passes.check_node(layer, j)
        self._passes.check_bias()
        if sample is None:
            return self._derivations.mean_bias(layer, j)
        return self._derivations.bias(layer, j, self._passes.check_sample(sample))

    def activation(self, layer: int, j: int, sample: int) -> Derivation:
        """∂Cᵢ/∂a_j^l: F7 at the output, F13 before it; layer 0 is the input."""
        layer, j = self._passes.check_node(layer, j, inputs=True)
        return self._derivations.upstream(layer, j, self._passes.check_sample(sample))

    def delta(self, layer: int, j: int, sample: int) -> Derivation:
        """∂Cᵢ/∂z_j^l: δ_j^l before w_i."""
        layer, j = self._passes.check_node(layer, j)
        return self._derivations.delta(layer, j, self._passes.check_sample(sample))

    def input(self, k: int, sample: int) -> Derivation:
        """∂Cᵢ/∂xₖ: how the loss of this sample changes with this input."""
        _, k = self._passes.check_node(0, k, inputs=True)
        return self._derivations.input(k, self._passes.check_sample(sample))

    def column(self, name: str, sample: int) -> Derivation:
        """Σ_k xₖ ∂Cᵢ/∂xₖ over the inputs k that a column of the table became."""
        return self._derivations.column(name, self._passes.check_sample(sample))

    def cost(self, sample: int | None = None) -> Derivation:
        """C_i of one sample, or C = Σ_i ωᵢ Cᵢ of all; penalties are not in it."""
        if sample is None:
            return self._derivations.mean_cost()
        return self._derivations.cost(self._passes.check_sample(sample))

    def output(self, j: int, sample: int) -> Derivation:
        """a_j^L, by the forward pass (F3, F4)."""
        return self.node(self._passes.L, j, sample)

    def node(self, layer: int, j: int, sample: int) -> Derivation:
        """a_j^l of any node, by the forward pass (F3, F4); layer 0 is the input.

        Its only part is z_j^l, unless the activation depends on its whole layer, as softmax does.

        Examples
        --------
        >>> from deltarule import Network, explain
        >>> net = Network([2, 1, 1], activation="relu", bias=False)
        >>> e = explain(net, [[1.0, 2.0]], [[0.0]], theta=[0.5, 0.25, 1.0])
        >>> print(e.node(1, 0, sample=0).text())
        a₀⁽¹⁾ = max(z₀⁽¹⁾, 0) = max(1.000000, 0) = 1.000000  (F4)
        └─ z₀⁽¹⁾ = Σ_k w₀ₖ⁽¹⁾ · xₖ = 0.500000 + 0.500000 = 1.000000  (F3)
           ├─ w₀₀⁽¹⁾ · x₀ = 0.500000 · 1.000000 = 0.500000
           └─ w₀₁⁽¹⁾ · x₁ = 0.250000 · 2.000000 = 0.500000
        """
        layer, j = self._passes.check_node(layer, j, inputs=True)
        return self._derivations.a(layer, j, self._passes.check_sample(sample))

    # -- the update --------------------------------------------------------------------

    def update(self, block: str, index: Any) -> Derivation:
        """The new value of a parameter, ``("W2", (1, 2))`` or ``("b1", 0)``, by the rule."""
        return self._derivations.update(self._derivations.place(block, index))

    def update_weight(self, layer: int, j: int, k: int) -> Derivation:
        """The new w_jk^l."""
        layer, j = self._passes.check_node(layer, j)
        return self.update(f"W{layer}", (j, self._passes.check_input(layer, k)))

    def update_bias(self, layer: int, j: int) -> Derivation:
        """The new b_j^l."""
        layer, j = self._passes.check_node(layer, j)
        self._passes.check_bias()
        return self.update(f"b{layer}", (j,))

    def rule(self, block: str = "W1") -> RecordedRule:
        """The formula of the step's rule, for the parameters of a block."""
        shape = self.subject.net.block(block).shape
        return self._derivations.recorded(self._derivations.place(block, (0,) * len(shape)))

    # -- checks ------------------------------------------------------------------------

    @functools.cached_property
    def agreement(self) -> Agreement | None:
        """How far the gradient of the engine that trained is from this one; None if not known."""
        return agreement_of(self.subject)

    def check(self, entries: int | None = 20, *, raises: bool = False) -> GradientReport:
        """Compare the gradient with finite differences of the cost.

        Parameters
        ----------
        entries : int or None
            The most entries that are compared in each block; None compares all.
        raises : bool
            Whether a mismatch raises; if not, look at ``report.passed``.

        Raises
        ------
        GradientMismatch
            If ``raises``, and a block differs.
        InputError
            If the cost is not finite.
        """
        subject, loss = self.subject, self.subject.net.loss
        Y = subject.Y[:, :: loss.outputs_per_target()]
        return check_gradient(
            subject.net,
            subject.theta,
            subject.X,
            Y,
            subject.s,
            masks=subject.masks,
            entries=entries,
            raises=raises,
        )

    # -- overview ----------------------------------------------------------------------

    def text(self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS) -> str:
        """An overview in plain text: the cost, and the largest derivative of every block."""
        return overview.text(self, *check_limits(depth, terms, digits))

    def latex(
        self,
        *,
        depth: int = DEPTH,
        terms: int = TERMS,
        digits: int = DIGITS,
        standalone: bool = True,
    ) -> str:
        """The cost, and the derivation of the largest derivative of every block, in LaTeX."""
        return overview.latex(self, *check_limits(depth, terms, digits), standalone=standalone)

    def to_dict(
        self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS
    ) -> dict[str, Any]:
        """The overview as a dictionary for JSON."""
        return overview.as_dict(self, *check_limits(depth, terms, digits))

    def _repr_html_(self) -> str:
        return overview.html(self, DEPTH, TERMS, DIGITS)

    def html(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the interactive page: one file that needs no network.

        Parameters
        ----------
        path : path
        **options
            As for :func:`deltarule.explain.page.write_page`.

        Raises
        ------
        InputError, FileError
            As :func:`deltarule.explain.page.write_page`.
        """
        # Imported here: a derivation needs neither the lens nor the assets of the page.
        from deltarule.explain.page import write_page

        return write_page(self, path, **options)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Explanation of {self.subject.net!r} on {len(self.subject.X)} rows>"
