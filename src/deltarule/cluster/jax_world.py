"""A world of processes whose sums JAX computes: over Gloo between CPUs, over NCCL between GPUs."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deltarule.cluster.joining import without_output
from deltarule.cluster.world import World
from deltarule.engines.jax.devices import types_of
from deltarule.errors import ConnectionLost

__all__ = ["JaxWorld"]

_WORKERS = "workers"


class JaxWorld(World):
    """The processes that ``jax.distributed`` has connected, each with one device in the sums.

    Examples
    --------
    >>> JaxWorld().size  # doctest: +SKIP
    2
    """

    def __init__(self) -> None:
        self.rank, self.size = jax.process_index(), jax.process_count()
        first = {device.process_index: device for device in reversed(jax.devices())}
        self._own = first[self.rank]
        mesh = Mesh(np.array([first[rank] for rank in range(self.size)]), (_WORKERS,))
        self._by_worker = NamedSharding(mesh, PartitionSpec(_WORKERS))
        everywhere = NamedSharding(mesh, PartitionSpec())
        self._add = jax.jit(
            lambda rows: rows.sum(axis=0, dtype=rows.dtype), out_shardings=everywhere
        )
        self._collect = jax.jit(lambda rows: rows, out_shardings=everywhere)
        with without_output(1):  # Gloo prints what it is connected to
            self.barrier()

    def _together(self, program: Any, values: np.ndarray) -> np.ndarray:
        """Run a program on the array that has a row of each worker."""
        waiting = contextlib.nullcontext() if self.watch is None else self.watch.exchange()
        with types_of(values.dtype), waiting:
            try:
                own = jax.device_put(values[None], self._own)
                shape = (self.size, *values.shape)
                rows = jax.make_array_from_single_device_arrays(shape, self._by_worker, [own])
                found: np.ndarray = np.asarray(program(rows).addressable_shards[0].data)
            except (ValueError, RuntimeError) as error:  # what JAX raises where a peer is gone
                self.is_lost = True
                raise ConnectionLost(
                    f"worker {self.rank} of {self.size} lost the connection to another: "
                    f"{str(error).splitlines()[0]}",
                    hint="look for the error of the worker that ended first; the same call goes on "
                    "from its checkpoint",
                ) from error
        return found

    def sum(self, values: np.ndarray) -> np.ndarray:
        return self._together(self._add, values)

    def gather(self, data: bytes) -> list[bytes]:
        lengths = self._together(self._collect, np.array([len(data)], np.int32))[:, 0].tolist()
        # Of few lengths, since a program is compiled for each.
        padded = np.zeros(1 << max(max(lengths) - 1, 0).bit_length(), np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        rows = self._together(self._collect, padded)
        return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]

    def close(self) -> None:
        jax.distributed.shutdown()
