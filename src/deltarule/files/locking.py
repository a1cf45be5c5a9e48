"""Locks between processes that write into one folder.

A process that changes names in a folder holds an exclusive lock on that folder meanwhile. It also
holds a lock on every temporary file or folder that it has created, so a temporary one without a
lock was left by a process that was killed, and the next writer removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files.filesystem import split_temporary_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["create_locked", "folder_lock", "leftovers", "stop_waiting"]

_NO_LOCKS = fcntl is None
# Seconds. Names are changed within milliseconds: a process that holds a lock for so long hangs.
_TIMEOUT, _POLL = 30.0, 0.002
# Seconds. Without locks, a temporary file that is younger may still be in use.
_ABANDONED = 86_400.0

stop_waiting = threading.Event()
"""While it is set, waiting for a lock fails at once. The command line sets it at Ctrl-C."""


@contextlib.contextmanager
def folder_lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a folder: exclusive to change names in it, shared to see none change.

    Where folders cannot be locked it continues without a lock.

    Raises
    ------
    FileError
        If another process holds the lock for half a minute, or :data:`stop_waiting` is set.
    """
    try:
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if not _lock(number, shared=shared):
            raise FileError(
                f"cannot lock the folder {str(folder)!r}: another process has held its lock for "
                f"up to {_TIMEOUT:.0f} seconds; end that process, or name another folder"
            )
        yield
    finally:
        os.close(number)


@contextlib.contextmanager
def create_locked(path: Path, create: Callable[[], int]) -> Iterator[int]:
    """Create a temporary file or folder and hold its lock.

    Parameters
    ----------
    path : Path
    create : callable
        Creates it at ``path`` and returns its file descriptor, or -1 if it cannot be opened.

    Yields
    ------
    int
        The file descriptor, which is closed at the end.
    """
    number = -1
    try:
        with folder_lock(path.parent):  # until its lock is held it would be removed as left over
            number = create()
            _lock(number)
        yield number
    finally:
        if number >= 0:
            os.close(number)


def _lock(number: int, *, shared: bool = False) -> bool:
    """Lock an open file or folder; true as well where there are no locks."""
    until = time.monotonic() + _TIMEOUT
    while not _try_lock(number, shared=shared):
        if stop_waiting.is_set() or time.monotonic() > until:
            return False
        time.sleep(_POLL)
    return True


def _try_lock(number: int, *, shared: bool) -> bool:
    if _NO_LOCKS or number < 0:
        return True
    try:
        fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def leftovers(path: Path) -> tuple[list[Path], list[Path]]:
    """Find what writers of ``path`` that were killed have left.

    Returns
    -------
    temporary, replaced : list of Path
        Files and folders that were to be renamed to ``path`` or had been replaced; and folders
        that stood at ``path`` and were renamed before the new one took the name.
    """
    found: dict[str, list[Path]] = {"": [], "replaced": []}
    with contextlib.suppress(OSError):
        for left in sorted(path.parent.iterdir()):
            kind = split_temporary_name(path, left.name)
            if kind is not None and _is_abandoned(left):
                found[kind].append(left)
    return found[""], found["replaced"]


def _is_abandoned(path: Path) -> bool:
    try:
        state = os.lstat(path)
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            return False
        if _NO_LOCKS:
            return time.time() - state.st_mtime > _ABANDONED
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Shared, so that two processes that look at once do not take each other for its owner.
            return _try_lock(number, shared=True)
        finally:
            os.close(number)
    except OSError:
        return False
