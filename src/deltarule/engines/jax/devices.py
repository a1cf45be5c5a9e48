"""The devices that JAX computes on, and how arrays are placed on them."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deltarule.errors import InputError
from deltarule.records import whole_number

__all__ = ["ROWS", "Placement", "default_device", "placement", "types_of"]

ROWS = "rows"
"""The axis of the mesh of devices: each has a part of the rows of a batch."""


def default_device() -> str:
    """The kind of device that JAX takes by itself: ``"cpu"``, ``"gpu"`` or ``"tpu"``."""
    name: str = jax.default_backend()
    return "gpu" if name in {"cuda", "rocm"} else name


def types_of(dtype: Any) -> contextlib.AbstractContextManager[Any]:
    """The context in which JAX has 64-bit types if ``dtype`` is float64, and else has none.

    JAX's own switch is one for the process; a program that uses JAX for other things keeps its own.
    """
    context: contextlib.AbstractContextManager[Any] = jax.enable_x64(np.dtype(dtype) == np.float64)
    return context


class Placement:
    """Where arrays lie: on one device, or on several of which each computes a part of the rows.

    Parameters
    ----------
    devices : tuple of jax.Device
    """

    def __init__(self, devices: tuple[Any, ...]) -> None:
        self.count = len(devices)
        self.kind = "gpu" if devices[0].platform in {"cuda", "rocm"} else devices[0].platform
        mesh = Mesh(np.array(devices), (ROWS,))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._by_rows = NamedSharding(mesh, PartitionSpec(ROWS))

    def share(self, array: Any) -> Any:
        """Place an array whole on every device. It may use the memory of the given array."""
        return jax.device_put(array, self._everywhere)

    def copy(self, array: Any) -> Any:
        """As :meth:`share`, with memory of its own, which a program may reuse."""
        return self.share(jnp.array(array, copy=True))

    def split_rows(self, array: Any) -> Any:
        """Within a program: let each device compute its part of the first axis."""
        if self.count == 1:
            return array
        return jax.lax.with_sharding_constraint(array, self._by_rows)

    def gather(self, array: Any) -> Any:
        """Within a program: let every device have the whole array."""
        if self.count == 1:
            return array
        return jax.lax.with_sharding_constraint(array, self._everywhere)

    def padded(self, n: int) -> int:
        """A number of rows ≥ n for which programs are compiled: of few values, divisible by count.

        The rows beyond n have weight 0. The next power of 2 to 1024, then multiples of 1024.
        """
        rows = 1 << max(n - 1, 0).bit_length() if n <= 1024 else -(-n // 1024) * 1024
        return -(-rows // self.count) * self.count


@functools.lru_cache(maxsize=16)
def placement(count: int | None = None) -> Placement:
    """The placement on the first ``count`` devices of this process, by default on all.

    Raises
    ------
    InputError
        If there are fewer devices.
    """
    devices = jax.local_devices()
    if count is None:
        return Placement(tuple(devices))
    number = whole_number(count)
    if number is None or not 1 <= number <= len(devices):
        raise InputError(
            parameter="devices",
            given=count,
            expected=f"a number from 1 to {len(devices)}, the devices of JAX in this process",
            hint="None takes all",
        )
    return Placement(tuple(devices[:number]))
