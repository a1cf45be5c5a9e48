"""Writing encoded rows to a folder on disk, so that a killed writer is continued.

The folder is described in :mod:`deltarule.tables.packed_store`.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import FileError, InputError
from deltarule.files import FolderClaim, checked_path, write_json
from deltarule.files.filesystem import translate_os_errors, write_all
from deltarule.records import checked_integer
from deltarule.tables.packed_store import (
    FLOAT,
    FORMAT,
    HEADER,
    PROGRESS,
    Block,
    header_of,
    whole_chunks,
)

__all__ = ["StoreWriter"]

# The bytes of a block that are read at a time where checksums of a whole store are compared.
_CHECK_BYTES = 1 << 22


class StoreWriter:
    """Writes a store, chunk by chunk; used in a ``with`` statement.

    Parameters
    ----------
    folder : path
        A new or empty folder, or one with a store of the same digest, which is continued; a store
        of another digest is replaced.
    digest : str
        Stands for the source and everything that the rows are made by.
    n_inputs, n_outputs : int
    weighted : bool
    parts : sequence of str
        The names of the parts.

    Attributes
    ----------
    chunks : int
        How many chunks of the source the store holds already.
    is_complete : bool

    Raises
    ------
    FileError
        If the folder holds other files, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule.tables import open_store
    >>> X, Y = np.ones((3, 2), np.float32), np.zeros((3, 1), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with StoreWriter(folder, "of this table", 2, 1) as writer:
    ...         writer.append({"train": (X, Y, None)})
    ...         writer.append({"train": (X[:1], Y[:1], None)})
    ...         writer.finish()
    ...     open_store(folder)["train"]
    PackedRows(4 rows of 2 inputs and 1 targets)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        digest: str,
        n_inputs: int,
        n_outputs: int,
        *,
        weighted: bool = False,
        parts: Sequence[str] = ("train",),
    ) -> None:
        self.folder = Path(checked_path("folder", folder))
        self._shape: dict[str, Any] = {
            "format": FORMAT,
            "digest": digest,
            "n_inputs": checked_integer("n_inputs", n_inputs, 1),
            "n_outputs": checked_integer("n_outputs", n_outputs, 1),
            "weighted": bool(weighted),
            "parts": list(parts),
        }
        self._parts, self.chunks, self.is_complete = tuple(parts), 0, False
        self._files: dict[str, Any] = {}
        self._progress: Any = None
        self._claim: FolderClaim | None = None

    def __enter__(self) -> Self:
        _refuse_other_files(self.folder)
        self._claim = FolderClaim(self.folder)
        try:
            with translate_os_errors("write", self.folder):
                self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files, and end the claim on the folder."""
        for file in (*self._files.values(), self._progress):
            if file is not None:
                file.close()
        self._files, self._progress = {}, None
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _open(self) -> None:
        header = header_of(self.folder)
        ends = dict.fromkeys(self._parts, 0)
        length = 0
        same = {name: value for name, value in (header or {}).items() if name != "complete"}
        if same == self._shape:
            assert header is not None
            lines, length = whole_chunks(self.folder)
            lines, length = self._undamaged(lines, length)
            self.chunks = len(lines)
            self.is_complete = header.get("complete") == self.chunks
            for line in lines:
                for name, block in line.items():
                    ends[name] = block.offset + self._bytes(block.rows)
        else:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / PROGRESS).unlink()
            write_json(self.folder / HEADER, self._shape)
        for name in self._parts:
            path = self.folder / f"{name}.rows"
            path.touch()
            self._files[name] = path.open("r+b", buffering=0)
            self._files[name].truncate(ends[name])
            self._files[name].seek(ends[name])
        (self.folder / PROGRESS).touch()
        self._progress = (self.folder / PROGRESS).open("r+b", buffering=0)
        self._progress.truncate(length)
        self._progress.seek(length)

    def _bytes(self, rows: int) -> int:
        shape = self._shape
        return rows * FLOAT.itemsize * (shape["n_inputs"] + shape["n_outputs"] + shape["weighted"])

    def _undamaged(
        self, lines: list[dict[str, Block]], length: int
    ) -> tuple[list[dict[str, Block]], int]:
        """The chunks before the first whose bytes are not those that were written."""
        for number, line in enumerate(lines):
            for name, block in line.items():
                path = self.folder / f"{name}.rows"
                if _crc_of(path, block.offset, self._bytes(block.rows)) != block.crc:
                    kept = lines[:number]
                    return kept, sum(len(_line_of(each)) for each in kept)
        return lines, length

    def append(
        self, rows: Mapping[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]]
    ) -> None:
        """Write the next chunk of the source: for each part X, Y and weights, or None.

        Raises
        ------
        InputError
            If shapes do not fit the store.
        FileError
            If the disk is full, or the file cannot be written.
        """
        line: dict[str, Block] = {}
        for name, (X, Y, w) in rows.items():
            if len(X) == 0:
                continue
            line[name] = self._write(name, X, Y, w)
        with translate_os_errors("write", self.folder / PROGRESS):
            write_all(self._progress, _line_of(line))
        self.chunks += 1

    def _write(self, name: str, X: NDArray[Any], Y: NDArray[Any], w: NDArray[Any] | None) -> Block:
        shape, weighted = self._shape, self._shape["weighted"]
        if X.shape[1:] != (shape["n_inputs"],) or Y.shape != (len(X), shape["n_outputs"]):
            raise InputError(
                f"X and Y have shapes {X.shape} and {Y.shape}; expected (rows, "
                f"{shape['n_inputs']}) and (rows, {shape['n_outputs']})"
            )
        if (w is not None) != weighted or (w is not None and w.shape != (len(X),)):
            what = "no weights" if w is None else f"weights of shape {w.shape}"
            raise InputError(f"there are {what}; expected {'one a row' if weighted else 'none'}")
        arrays = [np.ascontiguousarray(each, FLOAT) for each in (X, Y, w) if each is not None]
        crc = 0
        file, path = self._files[name], self.folder / f"{name}.rows"
        with translate_os_errors("write", path):
            offset = file.tell()
            for array in arrays:
                view = array.data.cast("B") if array.size else memoryview(b"")
                crc = zlib.crc32(view, crc)
                write_all(file, view)
        weight = float(len(X)) if w is None else float(arrays[2].astype(np.float64).sum())
        return Block(offset, len(X), crc, weight)

    def finish(self) -> None:
        """Flush everything to the disk, and mark the store as complete."""
        with translate_os_errors("write", self.folder):
            for file in (*self._files.values(), self._progress):
                os.fsync(file.fileno())
        write_json(self.folder / HEADER, self._shape | {"complete": self.chunks})
        self.is_complete = True


def _line_of(line: Mapping[str, Block]) -> bytes:
    return json.dumps({name: list(block) for name, block in line.items()}).encode() + b"\n"


def _crc_of(path: Path, offset: int, n_bytes: int) -> int:
    """The CRC-32 of a part of a file; of fewer bytes if it ends before."""
    crc = 0
    with path.open("rb") as file:
        file.seek(offset)
        while n_bytes and (data := file.read(min(n_bytes, _CHECK_BYTES))):
            crc, n_bytes = zlib.crc32(data, crc), n_bytes - len(data)
    return crc


def _refuse_other_files(folder: Path) -> None:
    """Refuse a folder that holds something, and no store.

    Raises
    ------
    FileError
    """
    with translate_os_errors("read", folder):
        if not folder.exists():
            return
        names = {path.name for path in folder.iterdir()} - {"lock"}
    if names and HEADER not in names:
        raise FileError(
            f"{str(folder)!r} holds {sorted(names)[0]!r} and no packed rows",
            expected="a new or empty folder, or one with packed rows",
            hint="name another folder",
        )
