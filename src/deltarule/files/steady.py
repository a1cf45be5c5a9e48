"""Reading a folder that somebody may be replacing: all of it from one generation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deltarule.errors import FileError
from deltarule.files.moving import clear_errors, leftovers, locked, resolved

__all__ = ["steady"]

T = TypeVar("T")

# After so many times in which it was replaced meanwhile, those who replace it have to wait.
_TRIES = 8


def steady(folder: str | os.PathLike[str], read: Callable[[], T]) -> T:
    """What ``read()`` gives, of a folder that was the same one from its beginning to its end.

    A folder that is saved again is another folder under the same name. If the name has changed
    hands while it was read, whatever was read, or went wrong, is forgotten, and it is read again.

    Parameters
    ----------
    folder : path
    read : callable
        Reads whatever it wants to from the folder, by its path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     steady(folder, lambda: sorted(os.listdir(folder)))
    []
    """
    for _ in range(_TRIES):
        with _Seen(folder) as seen:
            try:
                found = read()
            except Exception:
                if seen.still():
                    raise
            else:
                if seen.still():
                    return found
    with clear_errors("read", folder), locked(resolved(folder).parent, shared=True):
        return read()


class _Seen:
    """A folder as it was found; while it is open, no other gets its number."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __enter__(self) -> _Seen:
        try:
            self.number = os.open(self.folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ValueError):  # not there; or no such thing on this system
            self.number = -1
        self.was = self._identity()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.number >= 0:
            os.close(self.number)

    def still(self) -> bool:
        """Whether the name still leads there."""
        now = self._identity()
        if now is None and self.was is None:
            # Where names cannot be exchanged, it has none for a moment; that may have ended
            # between the look at the name and the one at what stands beside it.
            if self._being_replaced() or self._identity() is not None:
                return False
            try:
                with locked(resolved(self.folder).parent, shared=True):
                    return self._identity() is None
            except (OSError, ValueError, FileError):  # there is no folder to lock
                return True
        return now == self.was

    def _identity(self) -> tuple[int, int] | None:
        try:
            state = self.folder.stat()
        except (OSError, ValueError):
            return None
        return state.st_dev, state.st_ino

    def _being_replaced(self) -> bool:
        try:
            return bool(leftovers(resolved(self.folder))[1])
        except (OSError, ValueError):
            return False
