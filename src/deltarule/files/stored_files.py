"""Opening the files of a bundle in a folder: regular files only, of a known size."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from deltarule.errors import ModelFileError
from deltarule.files.filesystem import translate_os_errors
from deltarule.files.names import remedy

__all__ = ["BundleFiles", "FolderFiles", "StoredFile", "open_regular", "read_regular"]

_PIECE = 1 << 24
# A FIFO or a device may let a reader wait without end; a link may lead anywhere.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@contextlib.contextmanager
def open_regular(path: Path, *, follow: bool = True) -> Iterator[io.BufferedReader]:
    """Open a regular file for reading, and never wait for a pipe or a device.

    Parameters
    ----------
    path : Path
    follow : bool
        Whether the path may be a symbolic link.

    Raises
    ------
    ModelFileError
        If it is something else.
    FileError
        If it cannot be opened.
    """
    with translate_os_errors("read", path):
        mode = (path.stat() if follow else path.lstat()).st_mode
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else "not a file"
            raise ModelFileError(f"cannot read {str(path)!r}: it is {what}; expected a plain file")
        number = os.open(path, _FLAGS | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise ModelFileError(f"cannot read {str(path)!r}: it is not a file")
            yield file


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises
    ------
    ModelFileError
        If it is none, or larger.
    FileError
        If it cannot be read.
    """
    with open_regular(path) as file:
        return StoredFile(str(path), os.fstat(file.fileno()).st_size, file).read_all(most)


@dataclasses.dataclass
class StoredFile:
    """An open file of a bundle, whose bytes are read once and in order.

    Attributes
    ----------
    path : str
        For messages.
    size : int
        In bytes.
    file : file object
    remedy : str
        What to do if it is damaged, as :func:`~deltarule.files.names.remedy` says.
    """

    path: str
    size: int
    file: io.BufferedIOBase
    remedy: str = remedy("")

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    def read_into(self, place: bytearray) -> None:
        """Fill an array of bytes with the next ones.

        Raises
        ------
        ModelFileError
            If there are fewer.
        """
        view, at = memoryview(place), 0
        while at < len(view):
            # The checksum is computed while the piece is in the cache.
            piece = view[at : at + _PIECE]
            count = self.file.readinto(piece)
            if not count:
                raise ModelFileError(f"{self.path!r} is cut short; {self.remedy}")
            self._digest.update(piece[:count])
            at += count

    def read_all(self, most: int) -> bytes:
        """Return all bytes.

        Raises
        ------
        ModelFileError
            If there are more than ``most``.
        """
        if self.size > most:
            raise ModelFileError(
                f"{self.path!r} has {self.size:,} bytes; expected at most {most:,}; it is no file "
                "that this library wrote"
            )
        place = bytearray(self.size)
        self.read_into(place)
        return bytes(place)

    def skip(self, count: int) -> None:
        """Read bytes for the checksum only."""
        while count > 0:
            piece = bytearray(min(count, _PIECE))
            self.read_into(piece)
            count -= len(piece)

    def sha256(self) -> str:
        """Return the checksum of the bytes that were read."""
        return self._digest.hexdigest()


class BundleFiles(Protocol):
    """The files of a bundle, wherever they are."""

    @property
    def path(self) -> Path:
        """The path of the bundle, for messages."""

    @property
    def remedy(self) -> str:
        """What to do if a file is damaged, for messages."""

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""

    def open(self, name: str) -> contextlib.AbstractContextManager[StoredFile]:
        """Open a file."""

    def names(self) -> set[str] | None:
        """Return the names of all files; None if others may be among them that are no part."""


@dataclasses.dataclass(frozen=True)
class FolderFiles:
    """The files of a bundle that is a folder."""

    path: Path
    remedy: str

    def has(self, name: str) -> bool:
        """Return whether there is something of this name."""
        return os.path.lexists(self.path / name)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[StoredFile]:
        """Open a file of the folder itself; a link is refused."""
        path = self.path / name
        with open_regular(path, follow=False) as file:
            yield StoredFile(str(path), os.fstat(file.fileno()).st_size, file, self.remedy)

    def names(self) -> None:
        """Return nothing: a user's files may be in the folder."""
        return
