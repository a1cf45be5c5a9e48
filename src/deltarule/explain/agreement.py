"""The gradient of the engine that trained, compared by the measure of the engine contract."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.engines.gradient_scale import LARGEST_TOLERANCE, block_scales
from deltarule.engines.precision import eps_of_products
from deltarule.explain.number_format import number_text
from deltarule.explain.subject import Subject

__all__ = ["Agreement", "agreement_of"]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """The differences between an engine's gradient and the one that is explained.

    Attributes
    ----------
    engine, dtype : str
        The engine that trained the network, and its dtype.
    blocks : dict of str to float
        For each block, the largest difference in units of eps times the maximum over the block
        of ``|δ|ᵀ|A|``.
    differences : dict of str to float
        For each block, the largest difference.
    tolerance : float
        The largest value of ``blocks`` that the engine contract allows.
    """

    engine: str
    dtype: str
    blocks: dict[str, float]
    differences: dict[str, float]
    tolerance: float = LARGEST_TOLERANCE

    @property
    def worst(self) -> str:
        """The block that differs most."""
        return max(self.blocks, key=lambda name: self.blocks[name])

    @property
    def passed(self) -> bool:
        """Whether every block is within the tolerance."""
        return all(error <= self.tolerance for error in self.blocks.values())

    def __str__(self) -> str:
        name = self.worst
        who = f"engine {self.engine} in {self.dtype}"
        if not any(self.blocks.values()):
            return f"{who}: its gradient is this one, to the last bit"
        verdict = "within" if self.passed else "BEYOND"
        return (
            f"{who}: its gradient differs by at most "
            f"{number_text(self.differences[name])} in {name}, {self.blocks[name]:.3g} times "
            f"eps Σ|δ||a|; {verdict} the {self.tolerance:g} times that the engine contract allows"
        )

    def to_dict(self) -> dict[str, Any]:
        """The comparison as a dictionary for JSON."""
        return dataclasses.asdict(self) | {"passed": self.passed}


def agreement_of(subject: Subject) -> Agreement | None:
    """Compare the gradients block by block; None if no engine's gradient is known.

    Examples
    --------
    >>> from deltarule import Network, explain
    >>> net = Network([1, 1])
    >>> e = explain(net, [[1.0]], [[2.0]], theta=[1.0, 0.0], engine="reference")
    >>> agreement_of(e.subject).passed
    True
    """
    ours, theirs = subject.trace.grad, subject.engine_grad
    if theirs is None:
        return None
    eps = eps_of_products(subject.engine, subject.dtype)
    scales = block_scales(subject.net, subject.trace)
    blocks, differences = {}, {}
    for block in subject.net.blocks:
        with np.errstate(invalid="ignore"):
            gap = np.abs(block.of(theirs) - block.of(ours))
        same = block.of(theirs) == block.of(ours)  # true also where both are infinite
        worst = float(np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf)).max())
        differences[block.name] = worst
        unit = eps * scales[block.name]
        blocks[block.name] = 0.0 if worst == 0 else worst / unit if unit > 0 else float("inf")
    return Agreement(subject.engine or "unknown", subject.dtype or "float64", blocks, differences)
