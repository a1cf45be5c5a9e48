"""Batches of rows that are on disk, in a store of :mod:`deltarule.tables.packed_store`.

In each epoch the blocks of the store are shuffled, and read in *windows* of some blocks; within a
window the rows are shuffled. Both depend on the seed, the epoch and the store alone. A batch may
have rows of two windows: the last rows of a window, which fill no batch, come before those of the
next one. So an epoch takes the steps that one in memory takes with the same order of the rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.engines import Batch, Engine, Epoch
from deltarule.maths.subsample import evenly_spaced
from deltarule.tables.packed_store import PackedRows, block_groups
from deltarule.tables.packed_windows import Window, read_windows
from deltarule.training.batches import Batches, RowChunks

__all__ = ["PackedBatches", "PackedChunks", "PackedEpoch", "packed_order"]

# The first numbers of the spawn keys of the random streams of blocks and of rows.
_BLOCKS_KEY, _ROWS_KEY = 5, 6
# The number of blocks that a sample of the rows is taken from.
_SAMPLE_BLOCKS = 8


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@dataclasses.dataclass(frozen=True)
class PackedEpoch:
    """One pass over the rows of a store; its members are those of ``EpochSteps``.

    Attributes
    ----------
    rows : PackedRows
    groups : sequence of sequences of int
        The blocks of each window.
    seed : int or None
        Of the order of the rows within a window; None for the order of the store.
    epoch, batch_size, first_step : int
    rates : float64 array, one for each step
    relative : bool
        Whether weights are s_i/s̄, with s̄ the mean weight of all rows, and not s_i.
    """

    rows: PackedRows
    groups: Sequence[Sequence[int]]
    seed: int | None
    epoch: int
    batch_size: int
    first_step: int
    rates: np.ndarray
    relative: bool = True

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.rows.n_rows

    @property
    def steps(self) -> int:
        """The number of steps; the last one may have fewer rows than the others."""
        return -(-self.n_rows // self.batch_size)

    def _order(self, group: int, count: int) -> np.ndarray | None:
        """The order of the rows of a window; None for that of the store."""
        if self.seed is None:
            return None
        return _generator(self.seed, _ROWS_KEY, self.epoch, group).permutation(count)

    def pieces(self, first: int) -> Iterator[tuple[Epoch, int]]:
        """The steps from step ``first`` on, one window at a time.

        Each piece has the rows of one window, after those of the windows before it that filled no
        batch; its arrays are valid until the next piece is asked for.
        """
        size, rows = self.batch_size, self.rows
        counts = [sum(rows.blocks[block].rows for block in group) for group in self.groups]
        ends = np.cumsum(counts)
        if first >= self.steps:
            return
        # The window that holds the first row of step `first`.
        group = int(np.searchsorted(ends, first * size, side="right"))
        before = int(ends[group]) - counts[group]
        room = size - 1
        # The rows that the steps before `first` take of this window's predecessors are not needed.
        carry = np.full(before % size, -1) if rows.workers > 1 else np.arange(before % size)
        carried: list[np.ndarray | None] = [None] * 4
        for window in read_windows(rows, self.groups, room, self._order, group):
            kept_rows = int((carry >= 0).sum())
            start = room - kept_rows
            for array, kept in zip(_arrays(window), carried, strict=True):
                if array is not None:
                    array[start:room] = 0 if kept is None else kept
            stop = room + window.count
            count = counts[group]
            last = before + count == self.n_rows
            total = len(carry) + count
            taken = total if last else total // size * size
            order = np.concatenate([carry, self._positions(window, count, kept_rows)])
            done = (before - len(carry)) // size
            X, Y, w, numbers = (None if a is None else a[start:stop] for a in _arrays(window))
            assert X is not None
            assert Y is not None
            assert numbers is not None
            if taken:
                local = max(first - done, 0)
                piece = Epoch(
                    X,
                    Y,
                    self._weights(w, len(X)),
                    order[:taken],
                    size,
                    self.rates[done : done + -(-taken // size)],
                    self.first_step + done,
                    numbers,
                    rows.workers > 1,
                )
                if local < piece.steps:
                    yield piece, local
            left = order[taken:]
            own = left >= 0
            carried = [None if a is None else a[left[own]] for a in (X, Y, w, numbers)]
            carry = np.where(own, np.cumsum(own) - 1, -1)
            before, group = before + count, group + 1

    def _positions(self, window: Window, count: int, before: int) -> np.ndarray:
        """The order of the rows of a window's blocks, as positions after ``before`` other rows.

        −1 for those of other workers.
        """
        order = np.arange(count) if window.order is None else window.order
        if window.positions is None:
            return before + order
        places = window.positions[order]
        return np.where(places >= 0, before + places, -1)

    def _weights(self, w: np.ndarray | None, count: int) -> np.ndarray:
        """The weights of the rows of a piece."""
        if w is None:
            return np.broadcast_to(np.ones((), np.float32), (count,))
        if not self.relative:
            return w
        mean = self.rows.total_weight / self.rows.n_rows
        relative: np.ndarray = (w.astype(np.float64) / mean).astype(np.float32)
        return relative


def _arrays(window: Window) -> tuple[Any, ...]:
    return window.X, window.Y, window.w, window.numbers


def packed_order(rows: PackedRows, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the rows of a store in an epoch (from 0), shape (n_rows,).

    Training in memory with this order takes the same steps, bit for bit.
    """
    found = []
    for index, group in enumerate(_groups(rows, seed, epoch)):
        numbers = np.concatenate(
            [np.arange(rows.starts[block], rows.starts[block + 1]) for block in group]
        )
        order = _generator(seed, _ROWS_KEY, epoch, index).permutation(len(numbers))
        found.append(numbers[order])
    return np.concatenate(found)


def _groups(rows: PackedRows, seed: int | None, epoch: int) -> list[list[int]]:
    """The blocks of each window of an epoch; in the order of the store if the seed is None."""
    n_blocks = len(rows.blocks)
    order = (
        np.arange(n_blocks)
        if seed is None
        else _generator(seed, _BLOCKS_KEY, epoch).permutation(n_blocks)
    )
    sizes = [block.rows for block in rows.blocks]
    return list(block_groups(order, sizes, max(rows.window_bytes // rows.row_bytes, 1)))


class PackedChunks(RowChunks):
    """The rows of a store for an evaluation, in their order."""

    def __init__(self, rows: PackedRows) -> None:
        self.rows, self.digest = rows, rows.digest

    def chunks(self, most: int) -> Iterator[Batch]:
        """Yield all rows in order, at most ``most`` at a time, with the weights s_i/Σs.

        Of several workers each yields its rows, in as many batches as the others: the last ones may
        have no rows.
        """
        rows = self.rows
        groups = _groups(rows, None, 0)
        if rows.workers > 1:
            yield from self._chunks_of_worker(groups, most)
            return
        steps = -(-rows.n_rows // most)
        epoch = PackedEpoch(rows, groups, None, 0, most, 1, np.zeros(steps), relative=False)
        for piece, first in epoch.pieces(0):
            for index in range(first, piece.steps):
                part = slice(index * most, min((index + 1) * most, piece.n_rows))
                w = np.asarray(piece.w[part], dtype=np.float64) / rows.total_weight
                assert piece.numbers is not None
                yield Batch(piece.X[part], piece.Y[part], w, piece.numbers[part], 1)

    def _chunks_of_worker(self, groups: Sequence[Sequence[int]], most: int) -> Iterator[Batch]:
        rows = self.rows
        for group, window in zip(
            groups, read_windows(rows, groups, 0, lambda group, count: None), strict=True
        ):
            largest = 0
            for rank in range(rows.workers):
                spans = [rows.rows_of_worker(block, rank) for block in group]
                largest = max(largest, sum(stop - first for first, stop in spans))
            for start in range(0, largest, most):
                part = slice(start, max(start, min(start + most, window.count)))
                X, Y, numbers = window.X[part], window.Y[part], window.numbers[part]
                s = np.ones(len(X)) if window.w is None else window.w[part].astype(np.float64)
                yield Batch(X, Y, s / rows.total_weight, numbers, 1)


class PackedBatches(Batches):
    """The batches of the rows of a store.

    Parameters
    ----------
    rows : PackedRows
    batch_size, seed, shuffle
        As in :class:`Batches`.
    """

    def __init__(self, rows: PackedRows, batch_size: int, seed: int, shuffle: bool) -> None:
        self.packed = rows
        self.n_rows = rows.n_rows
        self.batch_size = min(batch_size, self.n_rows)
        self.seed, self.shuffle = seed, shuffle
        self.order, self.rows = None, None

    def epoch_steps(self, epoch: int, rates: np.ndarray | None = None) -> Any:
        """Return the steps of an epoch (from 0), with their learning rates."""
        rates = np.zeros(self.steps_per_epoch) if rates is None else rates
        seed = self.seed if self.shuffle and self.steps_per_epoch > 1 else None
        groups = _groups(self.packed, seed, epoch)
        first_step = epoch * self.steps_per_epoch + 1
        return PackedEpoch(self.packed, groups, seed, epoch, self.batch_size, first_step, rates)

    def load_into(self, engine: Engine) -> None:
        """Give an engine nothing: its epochs bring their rows along."""

    def training_rows(self) -> Any:
        """Return all rows for an evaluation."""
        return PackedChunks(self.packed)

    def in_seeded_order(self) -> PackedBatches:
        """The same batches."""
        return self

    def sample(self, most: int) -> tuple[Batch, int]:
        """Return some rows of a few evenly spaced blocks, and the number of all rows."""
        rows, parts = self.packed, []
        blocks = evenly_spaced(len(rows.blocks), _SAMPLE_BLOCKS)
        for block in blocks.tolist():
            n = rows.blocks[block].rows
            X = np.empty((n, rows.n_inputs), np.float32)
            Y, w = np.empty((n, rows.n_outputs), np.float32), np.empty(n, np.float32)
            rows.read_block(block, X, Y, w)
            chosen = np.flatnonzero(w > 0)
            chosen = chosen[evenly_spaced(len(chosen), -(-most // len(blocks)))]
            parts.append((X[chosen], Y[chosen], w[chosen], rows.starts[block] + chosen))
        X, Y, w, numbers = (np.concatenate(each) for each in zip(*parts, strict=True))
        share = (w.astype(np.float64) / w.astype(np.float64).sum()).astype(np.float32)
        return Batch(X, Y, share, numbers, 1), rows.n_rows

    def digests(self) -> dict[str, str]:
        """What tells the rows apart from others."""
        return {"store": self.packed.digest, "window": str(self.packed.window_bytes)}
