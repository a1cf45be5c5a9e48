"""The compiled engine with matrix products of bfloat16 operands, for processors that have them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.compiled.bfloat16_kernels import has_bfloat16
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.target import VARIABLE, processor
from deltarule.engines.promises import BFLOAT16_TOLERANCE, Promises
from deltarule.errors import Message, MissingCapability, Parameter
from deltarule.maths import Network
from deltarule.maths.bfloat16 import BFLOAT16_EPS

__all__ = ["CompiledBfloat16Engine"]


class CompiledBfloat16Engine(CompiledEngine):
    """The compiled engine with products of operands rounded to bfloat16, and float32 sums.

    W, a and δ are rounded where a matrix product reads them, and nothing else is: parameters,
    state, activations, biases, ∂C/∂b, the products' sums, updates, and the gradients of single
    rows, which are no sums, are float32. The bits do not depend on the number of threads. A network
    has dtype float32.

    Raises
    ------
    MissingCapability
        If the processor lacks the instructions of AVX512-BF16.
    """

    name: ClassVar[str] = "compiled_bfloat16"
    promises = Promises(
        tolerance={"float32": BFLOAT16_TOLERANCE},
        allocates=False,
        eps={"float32": BFLOAT16_EPS},
        same_products_as="reference_bfloat16",
    )
    takes_sparse_rows: ClassVar[bool] = False
    _bfloat16: ClassVar[bool] = True

    def __init__(self) -> None:
        if not has_bfloat16():
            cause = f", as {VARIABLE} asks for" if processor()[0] == "generic" else ""
            raise MissingCapability(
                f"engine {self.name!r} needs a processor with AVX512-BF16, and this one, "
                f"{processor()[0]}{cause}, has none",
                hint=Message(
                    "leave out ",
                    Parameter("precision", "bfloat16"),
                    ", or take ",
                    Parameter("engine", "reference"),
                    " with it, which computes the same, slowly",
                ),
            )

    def load(self, network: Network, theta: np.ndarray, settings: EngineSettings) -> None:
        self.promises.check_dtype(network, self.name)
        super().load(network, theta, settings)
