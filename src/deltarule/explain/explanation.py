"""``explain``: every number of backpropagation, by its name, with where it came from."""

from __future__ import annotations

from typing import Any

from deltarule.explain.derivation import DEPTH, TERMS, Derivation
from deltarule.explain.figures import Figures
from deltarule.explain.mean_nodes import MeanNodes
from deltarule.explain.numbers import DIGITS
from deltarule.explain.subject import Subject
from deltarule.explain.subjects import subject_of
from deltarule.maths import Trace

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
    **settings: Any,
) -> Explanation:
    """Explain every number of one forward and one backward pass.

    ∂C_i/∂w_jk^l = ∂C_i/∂a_j^l · ∂a_j^l/∂z_j^l · ∂z_j^l/∂w_jk^l  (F6)

    Parameters
    ----------
    what : Network
        With ``theta``.
    X : array of shape (N, n_0)
    Y : array of shape (N, n_L), or (N,)

    Examples
    --------
    >>> from deltarule import Network, explain
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
        **settings,
    )
    return Explanation(subject)


class Explanation:
    """Derivations of everything that one forward and one backward pass computed."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._nodes = MeanNodes(Figures(subject))

    @property
    def trace(self) -> Trace:
        """Every number of the passes, in arrays."""
        return self.subject.trace

    def weight(self, layer: int, j: int, k: int, sample: int | None = None) -> Derivation:
        """∂C_i/∂w_jk^l of one sample, or ∂C/∂w_jk^l of all."""
        figures = self._nodes.figures
        layer, j = figures.check_node(layer, j)
        k = figures.check_input(layer, k)
        if sample is None:
            return self._nodes.mean_weight(layer, j, k)
        return self._nodes.weight(layer, j, k, figures.check_sample(sample))

    def bias(self, layer: int, j: int, sample: int | None = None) -> Derivation:
        """∂C_i/∂b_j^l of one sample, or ∂C/∂b_j^l of all."""
        figures = self._nodes.figures
        layer, j = figures.check_node(layer, j)
        if sample is None:
            return self._nodes.mean_bias(layer, j)
        return self._nodes.bias(layer, j, figures.check_sample(sample))

    def text(self, *, depth: int = DEPTH, terms: int = TERMS, digits: int = DIGITS) -> str:
        """An overview in plain text."""
        return self.cost().text(depth=depth, terms=terms, digits=digits)

    def cost(self, sample: int | None = None) -> Derivation:
        """C_i of one sample, or C of all."""
        if sample is None:
            return self._nodes.mean_cost()
        return self._nodes.cost(self._nodes.figures.check_sample(sample))
