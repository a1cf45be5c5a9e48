"""What an engine promises and may lack, and copies of parameters that stay on its device."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import Network

__all__ = ["BFLOAT16_TOLERANCE", "CAPABILITIES", "HostSnapshot", "Promises", "Snapshot"]

BFLOAT16_TOLERANCE = 16.0
"""The tolerance of engines whose products have bfloat16 operands, in 2⁻⁷ · max |δ|ᵀ|A|.

Rounding an operand changes it by at most eps/2, so that a product of two, and a sum of such
products, is off by at most eps times the sum of the absolute products: one unit. ∂C/∂W of the
first of L layers contains the errors of L forward products, of the L − 1 products that take δ down,
and of its own: 2L units, 10 in the deepest network of the contract. The other 6 are for what
activations and losses with a large second derivative make of an error of z.
"""

CAPABILITIES: dict[str, str] = {
    "input_gradient": "∂C/∂x of every row",
    "sample_gradients": "∂C_i/∂θ of every row",
}
"""The methods that an engine may lack, with what they compute."""


@dataclasses.dataclass(frozen=True)
class Promises:
    """What an engine promises; the contract tests it against these promises.

    Attributes
    ----------
    tolerance : mapping of str to float
        For each dtype of a network that it computes in, the largest error of a gradient entry, in
        units of eps · max over its block of |δ|ᵀ|A|. The contract allows no more than 64.
    allocates : bool
        Whether a step allocates memory.
    same_bits_for_any_threads : bool
        Whether results have the same bits for any number of threads.
    same_bits_for_epochs : bool
        Whether an epoch has the bits of its steps one by one; if not, they are equal up to
        rounding.
    by_device : mapping of str to mapping
        The tolerances on devices where they differ, by :attr:`Engine.device`: a dtype that is
        missing there is not computed on that device.
    eps : mapping of str to float
        The eps of the passes, for a dtype whose products are rounded more coarsely than the dtype
        itself. Updates of parameters are held to the dtype's own.
    same_products_as : str
        The name of an engine whose matrix products have the same bits: the contract then compares
        outputs, ∂C/∂W and ∂C/∂x of networks of identity and relu bit for bit, in float32. '' for
        an engine that promises none.

    Examples
    --------
    >>> from deltarule.engines import Promises
    >>> promises = Promises(
    ...     tolerance={"float32": 64.0, "float64": 64.0}, by_device={"tpu": {"float32": 64.0}})
    >>> list(promises.tolerance_on("cpu")), list(promises.tolerance_on("tpu"))
    (['float32', 'float64'], ['float32'])
    """

    tolerance: Mapping[str, float]
    allocates: bool = True
    same_bits_for_any_threads: bool = True
    same_bits_for_epochs: bool = True
    by_device: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    eps: Mapping[str, float] = dataclasses.field(default_factory=dict)
    same_products_as: str = ""

    def tolerance_on(self, device: str) -> Mapping[str, float]:
        """The tolerance for each dtype on a device, such as ``"cpu"``."""
        return self.by_device.get(device, self.tolerance)

    def eps_of(self, dtype: str) -> float:
        """The distance from 1 to the next number in the products of a network of this dtype."""
        return float(self.eps.get(dtype, np.finfo(dtype).eps))

    def check_dtype(self, network: Network, engine: str, device: str = "cpu") -> None:
        """Refuse a network of a dtype that is not promised.

        Raises
        ------
        InputError
            If its dtype is none of those of :meth:`tolerance_on`.
        """
        known = self.tolerance_on(device)
        if str(network.dtype) not in known:
            raise InputError(
                f"the network computes in {network.dtype}; expected a network with "
                f"dtype={' or '.join(known)} for the engine {engine!r} on a {device}"
            )


class Snapshot(abc.ABC):
    """A copy of parameters, of shape (p,), that stays where the engine computes until needed."""

    @abc.abstractmethod
    def array(self) -> np.ndarray:
        """The parameters as an array of NumPy, not to be written to."""


class HostSnapshot(Snapshot):
    """A copy of parameters in an array of NumPy.

    Examples
    --------
    >>> HostSnapshot(np.array([1.0, 2.0])).array()
    array([1., 2.])
    """

    def __init__(self, theta: np.ndarray) -> None:
        self.theta = theta

    def array(self) -> np.ndarray:
        """The array itself, not a copy."""
        return self.theta
