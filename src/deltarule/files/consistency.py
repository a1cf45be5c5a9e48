"""Reading a folder that another process may replace meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from deltarule.files.filesystem import resolve_links, translate_os_errors
from deltarule.files.locking import folder_lock

__all__ = ["consistent_read"]

T = TypeVar("T")


def consistent_read(folder: str | os.PathLike[str], read: Callable[[], T]) -> T:
    """Return what ``read()`` returns for a folder that is not replaced while it runs.

    Saving puts another folder, or file, under the same name. If the name is missing or leads to
    another one after ``read()``, it runs once more with the lock that keeps the folder from being
    replaced, and that outcome counts. So a folder is never reported as missing or damaged because
    another process was replacing it.

    Parameters
    ----------
    folder : path
    read : callable
        Reads from the folder by its path. It has no other effect, since it may run twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     consistent_read(folder, lambda: sorted(os.listdir(folder)))
    []
    """
    with _identity_while_open(folder) as before:
        try:
            found = read()
        except Exception:
            # What fails in the same way with the lock need not be read twice.
            if before is not None and _identity(folder) == before:
                raise
        else:
            if before is not None and _identity(folder) == before:
                return found
    with translate_os_errors("read", folder):
        parent = resolve_links(folder).parent
    with folder_lock(parent, shared=True):
        return read()


@contextlib.contextmanager
def _identity_while_open(folder: str | os.PathLike[str]) -> Iterator[tuple[int, int] | None]:
    """Keep a folder open, so that no other one gets its inode number after it was removed."""
    try:
        # Opening a pipe may wait without end.
        flags = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        number = os.open(folder, os.O_RDONLY | flags)
    except (OSError, ValueError):  # it is missing, or folders cannot be opened on this system
        yield _identity(folder)
        return
    try:
        yield _identity(number)
    finally:
        os.close(number)


def _identity(folder: str | os.PathLike[str] | int) -> tuple[int, int] | None:
    """Return the device and inode number of a folder; None if it is missing."""
    try:
        state = os.stat(folder)  # noqa: PTH116  of a path or a file descriptor
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino
