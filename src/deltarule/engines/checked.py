"""The checked engine: the reference engine with a finiteness check of every number it computes.

Training uses it after a cost that is not finite: it repeats the failed step with the same
parameters and batch, and reports the first layer, block and row that hold a number that is not
finite.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from deltarule.engines.base import Batch
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import Diverged
from deltarule.maths.pass_results import Gradients

__all__ = ["CheckedEngine"]


class CheckedEngine(ReferenceEngine):
    """The reference engine; raises :class:`~deltarule.errors.Diverged` at the first bad number.

    It checks the parameters, then the forward pass layer by layer (Z, A, the loss), then the
    backward pass (delta, dW, db), and the parameters again after an update.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.engines import Batch, CheckedEngine, EngineSettings
    >>> from deltarule.maths import Network
    >>> engine = CheckedEngine()
    >>> net = Network([1, 1, 1], activation="exp")
    >>> engine.load(net, net.pack(W=[[[800.0]], [[1.0]]]), EngineSettings())
    >>> one = np.ones((1, 1))
    >>> from deltarule import Diverged
    >>> try:
    ...     engine.gradient(Batch(one, one, np.ones(1), np.arange(1), step=1))
    ... except Diverged as found:
    ...     print(found.layer, found.block)
    1 A
    """

    name: ClassVar[str] = "checked"

    def passes(self, batch: Batch) -> Gradients:
        """The forward and backward pass of the reference engine, with every number checked."""
        self._check_parameters()
        got = super().passes(batch)
        present, rows = np.asarray(batch.w) != 0, np.asarray(batch.rows)
        for layer in range(1, self.net.n_layers + 1):
            g = self.net.activations[layer]
            self._check("Z", layer, got.Z[layer], present, rows)
            self._check("A", layer, got.A[layer], present, rows, f" (after {g})")
        last = self.net.n_layers
        self._check("loss", last, got.loss, present, rows, f" (of {self.net.loss})")
        for layer in range(last, 0, -1):
            self._check("delta", layer, got.delta[layer], present, rows)
            self._check("dW", layer, got.dW[layer])
            if self.net.bias:
                self._check("db", layer, got.db[layer])
        if not np.isfinite(got.cost):
            raise Diverged(
                f"layer {last}, the weighted sum of the losses is {got.cost!r}",
                layer=last,
                block="loss",
            )
        return got

    def apply(self, grad: np.ndarray, learning_rate: float, cost: float | None = None) -> None:
        """The update of the reference engine, then a check of the parameters."""
        super().apply(grad, learning_rate, cost)
        self._check_parameters()

    def _check_parameters(self) -> None:
        for block in self.net.blocks:
            self._check(block.kind, block.layer, block.of(self._theta))

    def _check(
        self,
        block: str,
        layer: int,
        values: Any,
        present: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        what: str = "",
    ) -> None:
        array = np.asarray(values)
        bad = ~np.isfinite(array)
        if present is not None:
            bad &= present.reshape(-1, *[1] * (array.ndim - 1))
        if not bad.any():
            return
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        name = block if block == "loss" else f"{block}[{layer}]"
        row = None if rows is None else int(rows[index[0]])
        where = "" if row is None else f" (row {row})"
        verb = "is" if bad.sum() == 1 else "are"
        raise Diverged(
            f"layer {layer}, {name}{what}: {int(bad.sum())} of {array.size} values {verb} not "
            f"finite, first {name}{list(index)} = {float(array[index])!r}{where}",
            layer=layer,
            block=block,
            row=row,
        )
