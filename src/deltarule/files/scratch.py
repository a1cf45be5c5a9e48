"""Temporary folders for what is needed only while it is read or compiled.

Python's own are removed when their block ends, which a process that is killed never reaches: an
unpacked table of gigabytes would stay. These have a lock for as long as they are used, so that the
next process finds those without one and removes them.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deltarule.errors import DeltaruleError, FileError
from deltarule.files.filesystem import translate_os_errors
from deltarule.files.locking import ABANDONED, try_lock

__all__ = ["scratch_folder", "writing_scratch"]

_PREFIX = "deltarule-scratch-"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")
_ATTEMPTS = 10


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read, and remove it at the end.

    It is made where the system keeps temporary files (``TMPDIR``). Folders of processes that were
    killed are removed first.

    Raises
    ------
    FileError
        If it cannot be made.

    Examples
    --------
    >>> with scratch_folder() as folder:
    ...     _ = (folder / "a.txt").write_text("a")
    >>> folder.exists()
    False
    """
    parent = _parent()
    with translate_os_errors("make a temporary folder in", parent):
        _remove_abandoned(parent)
        outer, number = _create(parent)
    try:
        with translate_os_errors("make a temporary folder in", parent):
            # The outer one is locked, and writers lock the folder that they write to.
            inner = outer / "files"
            inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)
        if number >= 0:
            os.close(number)


@contextlib.contextmanager
def writing_scratch() -> Iterator[None]:
    """Raise errors of the operating system, such as a full disk, as FileError with what to do.

    Raises
    ------
    FileError
        In place of any OSError.
    """
    try:
        yield
    except DeltaruleError:
        raise
    except OSError as error:
        raise FileError(
            f"cannot write a temporary file to {tempfile.gettempdir()!r}: "
            f"{error.strerror or error}",
            expected="a folder with room for it",
            hint="make room there, or name another folder with the environment variable TMPDIR",
        ) from error


def _parent() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise FileError(
            f"there is no folder for temporary files: {error.strerror}; name one that can be "
            "written to with the environment variable TMPDIR"
        ) from error


def _create(parent: Path) -> tuple[Path, int]:
    """Create a folder and return it with its open, locked descriptor; -1 without locks."""
    for _ in range(_ATTEMPTS):
        folder = parent / f"{_PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        number = _opened(folder)
        if number < 0:
            return folder, number
        # Another process may have found it before it had its lock.
        if try_lock(number) and _is_there(folder, number):
            return folder, number
        os.close(number)
    raise FileError(f"other processes remove temporary folders in {str(parent)!r} at once")


def _opened(folder: Path) -> int:
    if not hasattr(os, "O_DIRECTORY"):  # Windows, where folders cannot be opened
        return -1
    try:
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return -1


def _is_there(folder: Path, number: int) -> bool:
    try:
        return os.path.samestat(os.lstat(folder), os.fstat(number))
    except FileNotFoundError:
        return False


def _remove_abandoned(parent: Path) -> None:
    """Remove this user's folders that no process uses."""
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            if _NAME.fullmatch(folder.name):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    state = os.lstat(folder)
    if not stat.S_ISDIR(state.st_mode) or (hasattr(os, "geteuid") and state.st_uid != os.geteuid()):
        return
    number = _opened(folder)
    if number < 0:
        if time.time() - state.st_mtime > ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        if try_lock(number, without_locks=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(number)
