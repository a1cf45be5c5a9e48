"""Encoded rows on disk, for tables that are larger than memory.

A store is a folder. For each of its *parts* (training, validation rows) it has one file of blocks;
a block holds the inputs of some rows, then their targets, then their weights, as float32 in
little-endian order. ``progress.jsonl`` has one line for each *chunk* of the source, written after
the chunk's blocks, with their sizes and CRC-32. So a store whose writer was killed is continued
after its last whole chunk. ``store.json`` says what the rows were made from, as a digest.

Blocks are read by ``pread`` into memory of the caller. A mapped file would count as resident memory
of the process, page by page, and a limit on memory would not hold.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import FileError, ModelFileError
from deltarule.files import checked_path, read_json
from deltarule.files.filesystem import translate_os_errors

__all__ = [
    "FLOAT",
    "FORMAT",
    "HEADER",
    "PROGRESS",
    "Block",
    "PackedRows",
    "block_groups",
    "header_of",
    "open_store",
    "part_of",
    "whole_chunks",
]

FORMAT = 1
HEADER, PROGRESS = "store.json", "progress.jsonl"
FLOAT = np.dtype("<f4")
# The bytes of a block that are read at a time where only its checksum is compared.
_CHECK_BYTES = 1 << 20


class Block(NamedTuple):
    """Where a block of rows is.

    Attributes
    ----------
    offset : int
        Of its first byte in the part's file.
    rows : int
    crc : int
        CRC-32 of its bytes.
    weight : float
        The sum of the weights of its rows; the number of rows of a store without weights.
    """

    offset: int
    rows: int
    crc: int
    weight: float


def part_of(n: int, rank: int, size: int) -> tuple[int, int]:
    """The first of n rows that a worker has, and the row after its last one.

    It has as many as the others, up to one.

    Examples
    --------
    >>> [part_of(5, rank, 2) for rank in range(2)]
    [(0, 2), (2, 5)]
    """
    return n * rank // size, n * (rank + 1) // size


class PackedRows:
    """One part of a store, read block by block; :func:`deltarule.train` takes it in place of X, Y.

    Made by :func:`open_store`. Row i is the i-th row of the part, in the order of the source.

    Attributes
    ----------
    n_inputs, n_outputs : int
        The numbers of inputs and targets of a row.
    weighted : bool
        Whether rows have weights; if not, each counts as 1.
    blocks : tuple of Block
    n_rows : int
    total_weight : float
        Σs.
    digest : str
        Of what the store was made from and of its blocks' checksums: equal rows.
    window_bytes : int
        The memory of the rows that are read, and shuffled, together; 128 MiB unless it is set.
        Training keeps two such windows. The order of rows in an epoch depends on it.
    rank, workers : int
        Which of several workers reads this, see :meth:`share`; 0 of 1 for all rows.
    """

    window_bytes: int = 1 << 27
    rank, workers = 0, 1

    def __init__(
        self,
        path: Path,
        n_inputs: int,
        n_outputs: int,
        weighted: bool,
        blocks: Sequence[Block],
        digest: str,
    ) -> None:
        self.path, self.n_inputs, self.n_outputs = path, n_inputs, n_outputs
        self.weighted, self.blocks, self.digest = weighted, tuple(blocks), digest
        self.n_rows = sum(block.rows for block in self.blocks)
        self.total_weight = float(sum(block.weight for block in self.blocks))
        # The number of the first row of each block, and of all rows.
        self.starts = np.cumsum([0, *(block.rows for block in self.blocks)])
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        return (
            f"PackedRows({self.n_rows} rows of {self.n_inputs} inputs and {self.n_outputs} targets)"
        )

    @property
    def row_bytes(self) -> int:
        """The number of bytes of a row."""
        return FLOAT.itemsize * (self.n_inputs + self.n_outputs + self.weighted)

    @property
    def most_rows(self) -> int:
        """The number of rows of the largest block."""
        return max((block.rows for block in self.blocks), default=0)

    def share(self, rank: int, workers: int) -> PackedRows:
        """The same rows, of which training reads a part: one ``workers``-th of each block.

        Rows keep their numbers and their order, and batches their rows; but only the rows of this
        worker are in memory. The parts are runs of rows, read at once, and equally many of every
        block, so that a shuffled batch has about as many rows of each worker.

        Parameters
        ----------
        rank, workers : int
            The number of this worker, from 0, and that of all.
        """
        found = copy.copy(self)
        found.rank, found.workers, found._checked = rank, workers, set()
        return found

    def rows_of_worker(self, index: int, rank: int | None = None) -> tuple[int, int]:
        """The first row in block ``index`` of a worker, and the row after its last one."""
        rank = self.rank if rank is None else rank
        return part_of(self.blocks[index].rows, rank, self.workers)

    def read_share(
        self,
        index: int,
        X: NDArray[np.float32],
        Y: NDArray[np.float32],
        w: NDArray[np.float32] | None,
    ) -> None:
        """Read this worker's rows of a block, as :meth:`read_block` reads all of them.

        The checksum is of whole blocks: each worker compares those of its part of the blocks, when
        it first reads them.
        """
        if self.workers == 1:
            self.read_block(index, X, Y, w)
            return
        block = self.blocks[index]
        if index % self.workers == self.rank and index not in self._checked:
            self._compare_checksum(index)
        first, stop = self.rows_of_worker(index)
        at = block.offset
        arrays = [(X, self.n_inputs), (Y, self.n_outputs), (w, int(self.weighted))]
        with translate_os_errors("read", self.path), self.path.open("rb", buffering=0) as file:
            for array, width in arrays:
                row = FLOAT.itemsize * width
                if array is not None and array.size and width:
                    view = array.data.cast("B")
                    if _read_into(file, view, at + first * row) < (stop - first) * row:
                        raise self._damaged(index, "it ends too early")
                at += block.rows * row
        if w is not None and not self.weighted:
            w[:] = 1

    def _compare_checksum(self, index: int) -> None:
        block = self.blocks[index]
        left, crc = block.rows * self.row_bytes, 0
        with translate_os_errors("read", self.path), self.path.open("rb") as file:
            file.seek(block.offset)
            while left and (data := file.read(min(left, _CHECK_BYTES))):
                left, crc = left - len(data), zlib.crc32(data, crc)
        if left or crc != block.crc:
            why = "it ends too early" if left else "its checksum is another"
            raise self._damaged(index, why)
        self._checked.add(index)

    def read_block(
        self,
        index: int,
        X: NDArray[np.float32],
        Y: NDArray[np.float32],
        w: NDArray[np.float32] | None,
    ) -> None:
        """Read a block into arrays; its checksum is compared when this object first reads it.

        Parameters
        ----------
        index : int
            The number of the block.
        X, Y : float32 arrays of shape (rows, n_inputs) and (rows, n_outputs)
            C-contiguous; written to.
        w : float32 array of shape (rows,), optional
            Written to, with ones where rows have no weights.

        Raises
        ------
        ModelFileError
            If the block's bytes are not those that were written.
        FileError
            If it cannot be read.
        """
        block, crc = self.blocks[index], 0
        arrays = [X, Y, *([w] if self.weighted and w is not None else [])]
        at = block.offset
        with translate_os_errors("read", self.path), self.path.open("rb", buffering=0) as file:
            for array in arrays:
                view = array.data.cast("B") if array.size else memoryview(b"")
                if _read_into(file, view, at) < len(view):
                    raise self._damaged(index, "it ends too early")
                at += len(view)
                if index not in self._checked:
                    crc = zlib.crc32(view, crc)
        if w is not None and not self.weighted:
            w[:] = 1
        complete = len(arrays) == 2 + self.weighted
        if complete and index not in self._checked:
            if crc != block.crc:
                raise self._damaged(index, "its checksum is another")
            self._checked.add(index)

    def _damaged(self, index: int, what: str) -> ModelFileError:
        return ModelFileError(
            f"block {index} of {str(self.path)!r} is damaged: {what}",
            expected="the bytes that were written",
            hint="remove the store's folder, and pack the table again",
        )


def _read_into(file: Any, view: memoryview, offset: int) -> int:
    """Read bytes at an offset into memory; return how many there were."""
    done = 0
    while done < len(view):
        if hasattr(os, "preadv"):
            count = os.preadv(file.fileno(), [view[done:]], offset + done)
        else:  # Windows
            file.seek(offset + done)
            count = file.readinto(view[done:])
        if not count:
            break
        done += count
    return done


def whole_chunks(folder: Path) -> tuple[list[dict[str, Block]], int]:
    """The chunks that were written in full, and the length of their lines in bytes."""
    found: list[dict[str, Block]] = []
    length = 0
    with contextlib.suppress(FileNotFoundError), (folder / PROGRESS).open("rb") as file:
        for text in file:
            if not text.endswith(b"\n"):  # the writer was killed within it
                break
            try:
                record = json.loads(text)
                found.append({name: Block(*values) for name, values in record.items()})
            except (ValueError, TypeError, AttributeError):
                break
            length += len(text)
    return found, length


def header_of(folder: Path) -> dict[str, Any] | None:
    """What ``store.json`` says; None if it is not there, or no such document."""
    path = folder / HEADER
    if not path.is_file():
        return None
    try:
        header = read_json(path)
    except FileError:
        return None
    return header if isinstance(header, dict) else None


def open_store(folder: str | os.PathLike[str]) -> dict[str, PackedRows]:
    """The parts of a complete store by name; see :class:`~deltarule.tables.StoreWriter`.

    Raises
    ------
    ModelFileError
        If there is none, or its writing was not finished.
    """
    place = Path(checked_path("folder", folder))
    header = header_of(place)
    lines = whole_chunks(place)[0] if header is not None else []
    if header is None or header.get("complete") != len(lines):
        what = "holds no packed rows" if header is None else "holds packed rows that are not all"
        raise ModelFileError(
            f"{str(place)!r} {what}", expected="a folder that a StoreWriter has finished"
        )
    return {name: _part(place, name, header, lines) for name in header["parts"]}


def _part(
    folder: Path, name: str, header: Mapping[str, Any], lines: Sequence[Mapping[str, Block]]
) -> PackedRows:
    blocks = [line[name] for line in lines if name in line]
    crc = zlib.crc32(np.array([block.crc for block in blocks], np.int64).tobytes())
    digest = f"{header['digest']} {name} {crc:08x}"
    sizes = header["n_inputs"], header["n_outputs"], header["weighted"]
    return PackedRows(folder / f"{name}.rows", *sizes, blocks, digest)


def block_groups(order: NDArray[np.int64], rows: Sequence[int], most: int) -> Iterator[list[int]]:
    """Divide blocks, in an order, into groups of at most ``most`` rows, or of one block.

    Examples
    --------
    >>> list(block_groups(np.array([2, 0, 1]), [3, 3, 4], 7))
    [[2, 0], [1]]
    """
    group: list[int] = []
    count = 0
    for block in order.tolist():
        if group and count + rows[block] > most:
            yield group
            group, count = [], 0
        group.append(block)
        count += rows[block]
    if group:
        yield group
