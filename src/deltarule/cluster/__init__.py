"""One fit over many workers: each computes the gradient of its part of every batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.cluster.data_parallel import DataParallelEngine
    from deltarule.cluster.driver import Cluster
    from deltarule.cluster.joining import join
    from deltarule.cluster.training import train_in_world
    from deltarule.cluster.world import LoneWorld, World, current_world, use_world

__all__ = [
    "Cluster",
    "DataParallelEngine",
    "LoneWorld",
    "World",
    "current_world",
    "join",
    "train_in_world",
    "use_world",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "driver": "Cluster",
        "data_parallel": "DataParallelEngine",
        "joining": "join",
        "training": "train_in_world",
        "world": "LoneWorld World current_world use_world",
    },
)
