"""Checkpoints of many networks in one folder: those that are trained, and those in training."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import FileError
from deltarule.files import FolderClaim, NumberedBundles
from deltarule.training.checkpoint import (
    HISTORY,
    KIND,
    RUNNING,
    VERSION,
    Checkpoint,
    CheckpointSlot,
    Saved,
    claimed,
    warn_not_written,
)
from deltarule.training.run_description import refuse_difference
from deltarule.training.steps import final_theta

__all__ = ["CheckpointPool"]

_NETWORKS, _POOL = "networks.json", "pool.json"


class CheckpointPool:
    """The folder of a checkpoint of many networks.

    Networks that are trained are saved together, at most every few seconds, so that many small
    ones cost few writes. One that is in training for longer saves its own states.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its folder, and the seconds between two states.
    description : mapping
        What all networks together depend on, as an object for JSON. Each network is compared with
        its own description besides.
    keep_states : bool
        Whether the optimizer's memory of a trained network is kept, or its parameters alone.

    Attributes
    ----------
    earlier_seconds : float
        How long earlier processes trained up to their last write.

    Raises
    ------
    InputError
        If the folder is of another description.
    FileError
        If it cannot be used, or another process uses it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        description: Mapping[str, Any],
        *,
        keep_states: bool = True,
    ) -> None:
        self.place, self.every = checkpoint.place, checkpoint.every
        self.earlier_seconds = 0.0
        self._description, self._keep_states = dict(description), keep_states
        self._trained: dict[str, Saved] = {}
        self._pending: dict[str, Saved] = {}
        self._lock = threading.Lock()
        self._bundles = NumberedBundles(self.place, "networks", KIND, VERSION)
        self._claim: FolderClaim = claimed(self._bundles)
        try:
            self._read()
            for key in self._trained:  # an earlier process may have ended before it did
                self.running(key).clear()
        except BaseException:
            self._claim.close()
            raise
        self._began = self._last = time.monotonic()

    def _read(self) -> None:
        """Read the networks that are trained; those of a bundle that is damaged are none."""
        for documents, arrays in self._bundles.readable():
            pool = documents.get(_POOL)
            if isinstance(pool, dict) and isinstance(pool.get("description"), dict):
                refuse_difference(pool["description"], self._description, "checkpoint", self.place)
            try:
                pool, networks = documents[_POOL], documents[_NETWORKS]
                self.earlier_seconds = max(self.earlier_seconds, float(pool["seconds"]))
                self._trained |= {key: (value, {}) for key, value in networks.items()}
                for name, value in arrays.items():
                    key, _, rest = name.partition("/")
                    self._trained[key][1][rest] = value
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise FileError(
                    f"{self.place!r} is not a complete checkpoint: {error!r}; remove it to begin "
                    "anew"
                ) from error

    def slot(self, key: str) -> CheckpointSlot:
        """Return the slot of one network; the key is part of a file's name."""
        return _PooledSlot(self, key)

    def running(self, key: str) -> NumberedBundles:
        """Return the states of a network in training."""
        folder = self._bundles.folder / RUNNING / key
        return NumberedBundles(folder, "state", KIND, VERSION, most=2)

    def trained(self, key: str) -> Saved | None:
        """Return the documents and arrays of a network that is trained."""
        return self._trained.get(key)

    def add(self, key: str, documents: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take the final state of a network, and write it with others when it is time."""
        if not self._keep_states:
            theta = final_theta(arrays)
            logs = {name: each for name, each in arrays.items() if name.startswith(HISTORY)}
            arrays = arrays if theta is None else {"theta": theta, **logs}
        with self._lock:
            self._pending[key] = documents, arrays
            if time.monotonic() - self._last >= self.every:
                self._flush()

    def _flush(self) -> None:
        """Write the networks that were trained since the last write."""
        if not self._pending:
            return
        seconds = self.earlier_seconds + time.monotonic() - self._began
        self._last = time.monotonic()
        try:
            self._write(seconds)
        except FileError as error:
            warn_not_written(error)
            return
        for key in self._pending:
            self.running(key).clear()
        self._pending = {}

    def _write(self, seconds: float) -> None:
        self._bundles.append(
            {
                _POOL: {"description": self._description, "seconds": seconds},
                _NETWORKS: {key: documents for key, (documents, _) in self._pending.items()},
            },
            {
                f"{key}/{name}": value
                for key, (_, arrays) in self._pending.items()
                for name, value in arrays.items()
            },
        )

    def close(self) -> None:
        """Write what is left, and end the claim on the folder."""
        try:
            with self._lock:
                self._flush()
            with contextlib.suppress(OSError):  # it is not empty, or there is none
                (self._bundles.folder / RUNNING).rmdir()
        finally:
            self._claim.close()

    def __enter__(self) -> CheckpointPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _PooledSlot(CheckpointSlot):
    """The slot of one network of a pool."""

    def __init__(self, pool: CheckpointPool, key: str) -> None:
        self._pool, self._key = pool, key
        self.place, self.every = pool.place, pool.every

    def open(self) -> None:
        """The pool has claimed its folder."""

    def load(self) -> Saved | None:
        """Return the final state, or the newest one that can be read."""
        trained = self._pool.trained(self._key)
        return self._pool.running(self._key).newest() if trained is None else trained

    def save(self, documents: dict[str, Any], arrays: dict[str, np.ndarray], final: bool) -> None:
        """Save a state."""
        if final:
            self._pool.add(self._key, documents, arrays)
        else:
            self._pool.running(self._key).append(documents, arrays)

    def close(self) -> None:
        """The pool keeps its folder."""
