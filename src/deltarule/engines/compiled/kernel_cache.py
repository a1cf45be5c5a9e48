"""The cache of compiled code on disk; no other module reads or writes its files.

A file holds a checksum, then code. The checksum covers the file's name too, which identifies what
the code is made from. A file that is damaged, truncated, of another format or renamed does not
match its checksum: it is ignored, and its content is compiled and written again. Nothing is
unpickled or linked before this check.

Code runs with the rights of the user who loads it. So a folder or file that other users can write
to is not used; compiled code then stays in memory.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from deltarule.errors import FileError
from deltarule.files import write_bytes
from deltarule.interruptible import finish_before_exit

__all__ = [
    "VARIABLE",
    "announce_compilation",
    "cache_folder",
    "read_code",
    "reason_not_kept",
    "split_head",
    "with_head",
    "write_code",
]

VARIABLE = "DELTARULE_CACHE"
"""The environment variable that names the cache's folder."""

_HEAD = b"deltarule code 1\n"
_CHECKSUM = 32
# Files of this cache are far smaller; a larger one is not read.
_MAX_BYTES = 1 << 28
# Every user may read code, since an image may be built by one user and used by others.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755

# The messages of all write errors.
_WRITE_ERRORS: list[str] = []


class _Unusable(Exception):
    """A folder cannot be used; the message is the reason."""


def cache_folder() -> Path:
    """The folder of compiled code, whether or not it can be used.

    It is the folder that ``DELTARULE_CACHE`` names. Without that variable it is in the user's cache
    folder; if there is none and none can be made, a folder of the user among temporary files.
    """
    folder, _ = _select_folder()
    return folder


def read_code(name: str) -> bytes | None:
    """The code written under this name, or None if there is none that can be used."""
    folder, why_not = _select_folder()
    if why_not:
        return None
    try:
        data = _read_owned(folder / name)
    except OSError:
        return None
    code = data[len(_HEAD) + _CHECKSUM :]
    return code if data == _with_checksum(name, code) else None


def write_code(name: str, code: bytes) -> bool:
    """Write code under a name; return whether that succeeded (if not, it is compiled again)."""
    folder, why_not = _select_folder()
    if why_not:
        return False
    try:
        path = folder / name
        _remove_obstacle(path)
        with finish_before_exit():
            write_bytes(path, _with_checksum(name, code))
            path.chmod(_FILE_MODE)
    except (OSError, FileError) as error:
        _WRITE_ERRORS.append(str(error))
        return False
    return True


def with_head(head: Any, code: bytes) -> bytes:
    """One line of JSON, which says what the code is, then the code."""
    return b"\n".join((json.dumps(head).encode(), code))


def split_head(data: bytes) -> tuple[Any, bytes]:
    """The head and the code of :func:`with_head`, as :func:`read_code` has found them."""
    # The checksum has matched, so that the content is what was written.
    head, _, code = data.partition(b"\n")
    return json.loads(head), code


def _remove_obstacle(path: Path) -> None:
    """Remove whatever is at ``path`` unless it is a regular file, which writing replaces.

    Writing through a link would change another file; opening a pipe would wait for its reader.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        # Not made by this library, and it may hold files: keep it under another name.
        path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}.moved"))
    elif not stat.S_ISREG(mode):
        path.unlink(missing_ok=True)


def reason_not_kept() -> str:
    """Why compiled code, or some of it, is not kept on disk; '' if all of it is."""
    _, why_not = _select_folder()
    return why_not or (_WRITE_ERRORS[0] if _WRITE_ERRORS else "")


@functools.cache
def announce_compilation() -> None:
    """Print, once, that code is being compiled and takes a while."""
    folder, why_not = _select_folder()
    if not why_not and not os.access(folder, os.W_OK):
        # Made by another user, or in a read-only image: it is read but not written.
        why_not = f"{folder} cannot be written to; name another folder with {VARIABLE}"
    kept = f"is not kept, since {why_not}" if why_not else f"is kept in {folder}"
    _print_once(f"compiling for this processor, once; it takes about 10 seconds and {kept}")


@functools.cache
def _print_once(text: str) -> None:
    """Print a message on standard error, unless the same message was printed before."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed, or None
        print(f"deltarule: {text}", file=sys.stderr, flush=True)


def _with_checksum(name: str, code: bytes) -> bytes:
    checksum = hashlib.sha256(b"\0".join((_HEAD, name.encode(), code))).digest()
    return _HEAD + checksum + code


# -- the folder ----------------------------------------------------------------------------


def _candidates() -> list[Path]:
    """The folders that may be used, in order of preference."""
    given = os.environ.get(VARIABLE)
    if given:
        return [Path(given)]
    found = []
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    base = os.environ.get(variable, "")
    if Path(base).is_absolute():
        found.append(Path(base))
    elif sys.platform != "win32":
        with contextlib.suppress(RuntimeError):  # no HOME, and no entry in the user database
            found.append(Path.home() / ".cache")
    # A relative HOME would name a different folder in every working directory.
    found = [each / "deltarule" / "kernels" for each in found if each.is_absolute()]
    with contextlib.suppress(OSError):  # no folder for temporary files
        found.append(Path(tempfile.gettempdir()) / f"deltarule-{_user()}")
    return found or [Path("deltarule-kernels").absolute()]


def _user() -> int | str:
    return os.geteuid() if hasattr(os, "geteuid") else os.environ.get("USERNAME", "user")


def _select_folder() -> tuple[Path, str]:
    """The first usable folder and ''; or the first candidate and why it cannot be used."""
    reasons = {}
    for folder in _candidates():
        try:
            _check_folder(folder)
        except _Unusable as error:
            reasons[folder] = str(error)
            continue
        return folder, ""
    return next(iter(reasons.items()))


def _check_folder(folder: Path) -> None:
    """Check that only this user can write to a folder; create it if it is missing.

    Raises
    ------
    _Unusable
        If it cannot be used.
    """
    try:
        try:
            status = folder.stat()
        except FileNotFoundError:
            _create_folder(folder)
            status = folder.stat()
    except OSError as error:
        raise _Unusable(f"{folder} cannot be used ({error.strerror or error})") from error
    if not stat.S_ISDIR(status.st_mode):
        raise _Unusable(f"{folder} is not a folder")
    fault = _permission_fault(status)
    if fault:
        _print_once(
            f"{folder} {fault}, and code runs with the rights of the user who loads it, so none is "
            "read from this folder nor written to it; let only its owner write to it (chmod go-w), "
            f"or name another folder with {VARIABLE}"
        )
        raise _Unusable(f"{folder} {fault}")


def _create_folder(folder: Path) -> None:
    """Create a folder and its missing parents, readable by all users whatever the umask."""
    missing = []
    above = folder
    while not above.exists() and above != above.parent:
        missing.append(above)
        above = above.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process creates it at the same time
            each.mkdir()
            each.chmod(_FOLDER_MODE)


def _permission_fault(status: os.stat_result) -> str:
    """Why another user could have written this file, or into this folder; '' if none could."""
    if not hasattr(os, "geteuid"):
        return ""  # Windows: access lists protect a user's own folders
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (number {status.st_uid})"
    # In a folder with the sticky bit no user can replace another's file; each file is checked.
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written to by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _read_owned(path: Path) -> bytes:
    """The content of a file that only its owner can write to.

    Raises
    ------
    OSError
        If it cannot be read, or others can write to it.
    """
    # O_NONBLOCK, since opening a named pipe would wait for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        status = os.fstat(handle)  # of the opened file, even if the path has changed since
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise OSError("not a file of this cache")
        fault = _permission_fault(status)
        if fault:
            _print_once(f"{path} {fault}; it is not used, and compiled again")
            raise OSError(fault)
        with os.fdopen(os.dup(handle), "rb") as file:
            return file.read()
    finally:
        os.close(handle)
