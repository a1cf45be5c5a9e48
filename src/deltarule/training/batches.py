"""Batches: the rows of each step, their order and their weights.

The order of epoch e is a function of (seed, e) alone, so that a resumed run, a replay of
one step, and every engine use the same rows.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from deltarule.engines import Batch, Engine, Epoch
from deltarule.engines.sparse_rows import CsrRows
from deltarule.errors import InputError
from deltarule.maths.subsample import evenly_spaced
from deltarule.records import checked_integer, real_number

__all__ = [
    "Batches",
    "EpochSteps",
    "RowChunks",
    "RowSource",
    "Rows",
    "SelectedRows",
    "SparseRows",
    "chunks",
    "epoch_order",
    "split_rows",
]

# The first number of the spawn keys of these random streams. The streams of the initial weights
# have keys of one number, so that no key occurs twice.
_ORDER_KEY, _SPLIT_KEY = 1, 2

# The number of rows of one forward pass of an evaluation, which bounds its memory.
_CHUNK_ROWS = 8192
# The most bytes of sparse rows that a sample makes dense, and the number of rows that it has then.
_SAMPLE_BYTES, _FEWEST_SAMPLED = 1 << 23, 100


def epoch_order(n_rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of the rows in an epoch (from 0), shape (n_rows,).

    Examples
    --------
    >>> epoch_order(5, seed=0, epoch=3)
    array([4, 1, 0, 3, 2])
    """
    n_rows, seed = checked_integer("n_rows", n_rows, 1), checked_integer("seed", seed)
    key = (_ORDER_KEY, checked_integer("epoch", epoch))
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.default_rng(sequence).permutation(n_rows)


def split_rows(
    n_rows: int, fraction: float, seed: int, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to train on and to hold out, both sorted.

    Parameters
    ----------
    n_rows : int
    fraction : float
        The share of the rows to hold out, between 0 and 1. Each side gets at least one row.
    seed : int
    classes : array of shape (n_rows,), optional
        The class of each row. The split is then stratified: the same share of each class is
        held out, rounded to whole rows.

    Raises
    ------
    InputError
        If the fraction is not between 0 and 1 or there are fewer than two rows.

    Examples
    --------
    >>> training, held_out = split_rows(10, 0.2, seed=0, classes=np.array([0] * 5 + [1] * 5))
    >>> len(training), [int(row) for row in held_out // 5]
    (8, [0, 1])
    """
    n_rows, seed = checked_integer("n_rows", n_rows), checked_integer("seed", seed)
    if not 0 < (real_number(fraction) or 0) < 1:
        raise InputError(
            f"the share to hold out is {fraction!r}; expected a number above 0 and below 1"
        )
    if n_rows < 2:
        raise InputError(
            f"{n_rows} row(s) cannot be split into training and held-out rows; expected at least "
            "2, or no split"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SPLIT_KEY,)))
    order = rng.permutation(n_rows)
    n_held_out = min(max(round(fraction * n_rows), 1), n_rows - 1)
    if classes is not None:
        # The rank of a row is its place within its class, scaled to (0, 1). The first n_held_out
        # rows by rank hold every class in proportion.
        classes = np.asarray(classes)
        if classes.shape != (n_rows,):
            raise InputError(
                f"classes has shape {classes.shape}; expected one for each of the {n_rows} rows"
            )
        _, label, size = np.unique(classes[order], return_inverse=True, return_counts=True)
        by_class = np.argsort(label, kind="stable")
        first = np.cumsum(size) - size
        rank = np.empty(n_rows)
        rank[by_class] = (np.arange(n_rows) - np.repeat(first, size) + 0.5) / np.repeat(size, size)
        order = order[np.argsort(rank, kind="stable")]
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def _as_permutation(order: Any, n_rows: int) -> np.ndarray:
    """Return the caller's order of the rows as an array; refuse it if it is not a permutation."""
    rows = np.asarray(order)
    seen = np.zeros(n_rows, dtype=bool)
    integers = rows.dtype.kind in "iu" and rows.shape == (n_rows,)
    if integers and 0 <= int(rows.min()) <= int(rows.max()) < n_rows:
        seen[rows] = True
    if not seen.all():
        raise InputError(
            f"order gave {rows.dtype} of shape {rows.shape}; expected each of the row numbers "
            f"0 to {n_rows - 1} once"
        )
    return rows


class RowSource(abc.ABC):
    """A source of dense rows, such as a sparse matrix or a file on disk.

    It acts as a two-dimensional array of finite numbers that is indexed by rows only.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @abc.abstractmethod
    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the rows of a slice, or of an array of row numbers, as a dense array."""

    def __len__(self) -> int:
        return self.shape[0]


class SparseRows(CsrRows, RowSource):
    """The rows of a SciPy matrix: read as they are by an engine with ``takes_sparse_rows``.

    Other engines get them dense, one batch at a time. Entries are not copied if the matrix is
    stored by rows, with sorted columns and each column once in a row.
    """


class SelectedRows(RowSource):
    """A selection of rows by number; a row is copied when it is indexed."""

    def __init__(self, source: np.ndarray | RowSource, rows: np.ndarray) -> None:
        self.source, self.rows = source, rows
        self.shape, self.dtype = (len(rows), source.shape[1]), source.dtype

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.source[self.rows[rows]]

    def take(self, rows: slice) -> CsrRows | None:
        """The rows of a slice as sparse rows, None if the source has dense ones."""
        return self.source.take(self.rows[rows]) if isinstance(self.source, CsrRows) else None


class Rows(NamedTuple):
    """The rows X, shape (N, n_0), their targets Y, (N, n_L), and sample weights s, (N,)."""

    X: np.ndarray | RowSource
    Y: np.ndarray
    s: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """Select rows by number, without a copy of X."""
        all_equal = self.s.strides == (0,) and len(self.s)  # one weight, broadcast
        s = np.broadcast_to(self.s[0], rows.shape) if all_equal else self.s[rows]
        return Rows(SelectedRows(self.X, rows), self.Y[rows], s)


class RowChunks(abc.ABC):
    """Rows that are evaluated chunk by chunk and are never in memory as a whole."""

    digest: str
    """What tells them apart from other rows."""

    @abc.abstractmethod
    def chunks(self, most: int) -> Iterator[Batch]:
        """Yield all rows in order, at most ``most`` at a time, with the weights s_i/Σs."""


class EpochSteps(Protocol):
    """The steps of an epoch, as :class:`~deltarule.engines.Epoch` has them."""

    @property
    def rates(self) -> np.ndarray:
        """The learning rate of each step."""
        ...

    @property
    def steps(self) -> int:
        """The number of steps."""
        ...

    def pieces(self, first: int) -> Iterator[tuple[Epoch, int]]:
        """The steps from step ``first`` on, as epochs of rows in memory, each with a first step."""
        ...


def _part(X: np.ndarray | RowSource, rows: slice, engine: Engine) -> Any:
    """Some rows of X for an engine: sparse, if they are and the engine takes them."""
    sparse = None
    if engine.takes_sparse_rows and isinstance(X, SparseRows | SelectedRows):
        sparse = X.take(rows)
    return X[rows] if sparse is None else sparse


def chunks(rows: Rows | RowChunks, engine: Engine) -> Iterator[Batch]:
    """Yield all rows in order, at most 8192 at a time, with the weights s_i/Σs, for an engine."""
    if isinstance(rows, RowChunks):
        yield from rows.chunks(_CHUNK_ROWS)
        return
    w = rows.s / rows.s.sum()
    for start in range(0, len(rows.Y), _CHUNK_ROWS):
        stop = min(start + _CHUNK_ROWS, len(rows.Y))
        part = slice(start, stop)
        X = _part(rows.X, part, engine)
        yield Batch(X, rows.Y[part], w[part], np.arange(start, stop), 1)


def _relative_weights(s: np.ndarray, dtype: Any, rows: np.ndarray | None) -> np.ndarray:
    """Return s_i/s̄, shape (N,), with s̄ the mean over ``rows``; if all are equal, a broadcast 1."""
    if s.strides == (0,) and len(s):
        return np.broadcast_to(np.ones((), dtype=dtype), s.shape)
    mean = s.mean() if rows is None else s[rows].mean()
    return (s / mean).astype(dtype)


class Batches:
    """The batches of a training set.

    Parameters
    ----------
    X, Y : arrays of shape (N, n_0) and (N, n_L)
    s : array of shape (N,)
        Sample weights.
    batch_size : int
        B. The last batch of an epoch may be shorter.
    seed : int
    shuffle : bool
        Whether each epoch has its own random order of the rows.
    order : callable, optional
        ``order(epoch)`` returns the order of the rows in an epoch, in place of one drawn from
        the seed.
    rows : integer array, optional
        The numbers of the rows to train on, by default all; X is not copied. An ``order`` holds
        positions in this array.

    Examples
    --------
    >>> X = np.arange(5.0)[:, None]
    >>> batches = Batches(X, X, np.ones(5), batch_size=2, seed=0, shuffle=False)
    >>> [(batch.rows.tolist(), batch.w.tolist(), batch.step) for batch in batches.epoch(0)]
    [([0, 1], [0.5, 0.5], 1), ([2, 3], [0.5, 0.5], 2), ([4], [1.0], 3)]

    Notes
    -----
    A row's weight in a batch of B rows is w_i = s_i/(s̄ B), s̄ the mean over the whole
    training set: then the batch's cost is an unbiased estimate of the whole cost.
    An estimate with the batch's own Σs in place of s̄ B is biased.
    """

    def __init__(
        self,
        X: np.ndarray | RowSource,
        Y: np.ndarray,
        s: np.ndarray,
        batch_size: int,
        seed: int,
        shuffle: bool,
        order: Callable[[int], np.ndarray] | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.X, self.Y, self.s = X, Y, s
        self.order, self.rows = order, rows
        self.n_rows = len(X) if rows is None else len(rows)
        self.batch_size = min(batch_size, self.n_rows)
        self.seed, self.shuffle = seed, shuffle
        self.relative_weights = _relative_weights(s, Y.dtype, rows)

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of an epoch."""
        return -(-self.n_rows // self.batch_size)

    def epoch_steps(self, epoch: int, rates: np.ndarray | None = None) -> Epoch:
        """Return the steps of an epoch (from 0), with their learning rates."""
        order = None
        if self.order is not None:
            order = _as_permutation(self.order(epoch), self.n_rows)
        elif self.shuffle and self.steps_per_epoch > 1:
            order = epoch_order(self.n_rows, self.seed, epoch)
        if self.rows is not None:
            order = self.rows if order is None else self.rows[order]
        rates = np.zeros(self.steps_per_epoch) if rates is None else rates
        first_step = epoch * self.steps_per_epoch + 1
        return Epoch(
            self.X, self.Y, self.relative_weights, order, self.batch_size, rates, first_step
        )

    def load_into(self, engine: Engine) -> None:
        """Give an engine the rows that the epochs consist of."""
        engine.load_data(self.X, self.Y, self.relative_weights)

    def sample(self, most: int) -> tuple[Batch, int]:
        """Return at most so many evenly spaced training rows, and the number of all.

        Those of weight 0 are none; the weights of the others add up to 1. Sparse rows are made
        dense here: at most 8 MB of them, or a hundred rows where that is more.
        """
        if isinstance(self.X, CsrRows):
            row_bytes = self.X.shape[1] * self.X.dtype.itemsize
            most = min(most, max(_SAMPLE_BYTES // row_bytes, _FEWEST_SAMPLED))
        weights = self.training_rows().s
        present = np.flatnonzero(weights > 0)
        rows = present[evenly_spaced(len(present), most)]
        w = np.asarray(weights[rows], dtype=np.float64)
        w = (w / w.sum()).astype(self.Y.dtype)
        return Batch(np.asarray(self.X[rows]), self.Y[rows], w, rows, 1), len(present)

    def in_seeded_order(self) -> Batches:
        """The same batches without an order of the caller's, which may have a state."""
        rows = (self.X, self.Y, self.s, self.batch_size, self.seed, self.shuffle)
        return Batches(*rows, rows=self.rows)

    def training_rows(self) -> Rows:
        """Return all rows in the order of X, with weight 0 for rows that are not trained on."""
        s = self.s
        if self.rows is not None:
            s = np.zeros_like(self.s)
            s[self.rows] = self.s[self.rows]
        return Rows(self.X, self.Y, s)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch (from 0), beginning with batch ``first``."""
        return (
            piece.batch(index)
            for piece, local in self.epoch_steps(epoch).pieces(first)
            for index in range(local, piece.steps)
        )
