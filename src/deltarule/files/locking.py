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
from deltarule.files.filesystem import split_temporary_name, translate_os_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "ABANDONED",
    "LOCK",
    "FolderClaim",
    "create_locked",
    "folder_lock",
    "leftovers",
    "stop_waiting",
    "try_lock",
]

LOCK = "lock"
"""The name of the file by which a process claims a folder."""

_NO_LOCKS = fcntl is None
# Seconds. Names are changed within milliseconds: a process that holds a lock for so long hangs.
_TIMEOUT, _POLL = 30.0, 0.002

ABANDONED = 86_400.0
"""Seconds. Where there are no locks, a temporary file or folder that is younger may be in use."""

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
    while not try_lock(number, shared=shared):
        if stop_waiting.is_set() or time.monotonic() > until:
            return False
        time.sleep(_POLL)
    return True


def try_lock(number: int, *, shared: bool = False, without_locks: bool = True) -> bool:
    """Lock an open file or folder, and return whether no other process holds its lock.

    Where the system or the file system has no locks, ``without_locks`` is returned.
    """
    if _NO_LOCKS or number < 0:
        return without_locks
    try:
        fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return without_locks and error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
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
            return time.time() - state.st_mtime > ABANDONED
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Shared, so that two processes that look at once do not take each other for its owner.
            return try_lock(number, shared=True)
        finally:
            os.close(number)
    except OSError:
        return False


class FolderClaim:
    """The exclusive use of a folder by one process, until it is closed or the process ends.

    It is a lock on the file ``lock`` in the folder. Where files cannot be locked it claims nothing.

    Parameters
    ----------
    folder : Path
        It is created if it is missing.

    Raises
    ------
    FileError
        If another process, or this one, has claimed the folder.
    """

    def __init__(self, folder: Path) -> None:
        with translate_os_errors("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._number = os.open(folder / LOCK, flags, 0o666)
        if not try_lock(self._number):
            self.close()
            raise FileError(
                f"{str(folder)!r} is used by another process that is running; wait for its end, "
                "or name another folder"
            )

    def close(self) -> None:
        """End the claim."""
        if self._number >= 0:
            os.close(self._number)
        self._number = -1
