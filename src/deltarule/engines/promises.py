"""What an engine promises and may lack, and copies of parameters that stay on its device."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping

import numpy as np

__all__ = ["CAPABILITIES", "HostSnapshot", "Promises", "Snapshot"]

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
    by_device : mapping of str to mapping
        The tolerances on devices where they differ, by :attr:`Engine.device`: a dtype that is
        missing there is not computed on that device.
    eps : mapping of str to float
        The eps of the passes, for a dtype whose products are rounded more coarsely than the dtype
        itself. Updates of parameters are held to the dtype's own.

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
    by_device: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    eps: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def tolerance_on(self, device: str) -> Mapping[str, float]:
        """The tolerance for each dtype on a device, such as ``"cpu"``."""
        return self.by_device.get(device, self.tolerance)

    def eps_of(self, dtype: str) -> float:
        """The distance from 1 to the next number in the products of a network of this dtype."""
        return float(self.eps.get(dtype, np.finfo(dtype).eps))


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
