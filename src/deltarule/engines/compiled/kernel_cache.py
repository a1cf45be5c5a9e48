"""The cache of compiled code on disk: the one place that reads it, and the one that writes it.

A file holds a checksum, then code. The checksum is also that of the file's name, which says what
the code is made from: a file that is damaged, cut short, of another format, or another file's
under this name is no file at all, and what it should hold is compiled and written again.
Nothing is unpickled or linked before.

Code is run with the rights of whoever reads it. So a folder or a file that others can write to is
not used: then what is compiled stays in memory.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files import write_bytes
from deltarule.interruptible import finish_before_exit

__all__ = ["FOLDER", "announce", "cache_folder", "not_kept", "read_code", "write_code"]

FOLDER = "DELTARULE_CACHE"
"""The environment variable that names the cache's folder."""

_HEAD = b"deltarule code 1\n"
_CHECKSUM = 32
# No file of ours comes near; one that is larger is not read into memory to find that out.
_MOST_BYTES = 1 << 28
# Code is no secret, and whoever makes an image makes it for other users too.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


# Why code could not be written, each time.
_LOST: list[str] = []


class _Unusable(Exception):
    """Why a folder cannot be used."""


def cache_folder() -> Path:
    """Where compiled code is kept, or would be if that folder could be used.

    The folder that ``DELTARULE_CACHE`` names, and no other. Without it, the user's cache; where
    there is none or none can be made, a folder of the user's own among temporary files.
    """
    folder, _ = _chosen()
    return folder


def read_code(name: str) -> bytes | None:
    """The code that was written under this name; None if there is none that can be used."""
    folder, why_not = _chosen()
    if why_not:
        return None
    try:
        data = _content(folder / name)
    except OSError:
        return None
    code = data[len(_HEAD) + _CHECKSUM :]
    return code if data == _sealed(name, code) else None


def write_code(name: str, code: bytes) -> bool:
    """Keep code under a name; false if it cannot be kept, which costs time and nothing else."""
    folder, why_not = _chosen()
    if why_not:
        return False
    try:
        path = folder / name
        _clear(path)
        with finish_before_exit():
            write_bytes(path, _sealed(name, code))
            path.chmod(_FILE_MODE)
    except (OSError, FileError) as error:
        _LOST.append(str(error))
        return False
    return True


def _clear(path: Path) -> None:
    """Take away what stands in the place of a file and is none.

    A link would send what is written elsewhere, and to write to a pipe waits for a reader.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        # Somebody's mistake, and maybe full.
        path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}.moved"))
    elif not stat.S_ISREG(mode):
        path.unlink(missing_ok=True)


def not_kept() -> str:
    """Why what is compiled is not kept, be it all or some of it; '' if it is."""
    _, why_not = _chosen()
    return why_not or (_LOST[0] if _LOST else "")


@functools.cache
def announce() -> None:
    """Say, once, that something is compiled and takes a while."""
    folder, why_not = _chosen()
    if not why_not and not os.access(folder, os.W_OK):
        # What another user has made, or an image that is read-only: it is read, and no more.
        why_not = f"{folder} cannot be written to; name another folder with {FOLDER}"
    kept = f"is not kept, since {why_not}" if why_not else f"is kept in {folder}"
    _say(f"compiling for this processor, once; it takes about 10 seconds and {kept}")


@functools.cache
def _say(text: str) -> None:
    """Tell the user, once, on standard error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed, or None
        print(f"deltarule: {text}", file=sys.stderr, flush=True)


def _sealed(name: str, code: bytes) -> bytes:
    checksum = hashlib.sha256(b"\0".join((_HEAD, name.encode(), code))).digest()
    return _HEAD + checksum + code


# -- where ---------------------------------------------------------------------------------


def _candidates() -> list[Path]:
    """The folders that come into question, the best first."""
    given = os.environ.get(FOLDER)
    if given:
        return [Path(given)]
    found = []
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    base = os.environ.get(variable, "")
    if Path(base).is_absolute():
        found.append(Path(base))
    elif sys.platform != "win32":
        with contextlib.suppress(RuntimeError):  # neither HOME, nor an entry for the user
            found.append(Path.home() / ".cache")
    # A relative HOME would be another folder, and another's, wherever the program is started.
    found = [each / "deltarule" / "kernels" for each in found if each.is_absolute()]
    with contextlib.suppress(OSError):  # there is no place for temporary files
        found.append(Path(tempfile.gettempdir()) / f"deltarule-{_user()}")
    return found or [Path("deltarule-kernels").absolute()]


def _user() -> int | str:
    return os.geteuid() if hasattr(os, "geteuid") else os.environ.get("USERNAME", "user")


def _chosen() -> tuple[Path, str]:
    """The first folder that can be used; or the first of all, and why it cannot be used."""
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
    """See that a folder is there, or make it, and that nobody else can put code into it.

    Raises
    ------
    _Unusable
        If it cannot be used; the message is the reason.
    """
    try:
        try:
            status = folder.stat()
        except FileNotFoundError:
            _make(folder)
            status = folder.stat()
    except OSError as error:
        raise _Unusable(f"{folder} cannot be used ({error.strerror or error})") from error
    if not stat.S_ISDIR(status.st_mode):
        raise _Unusable(f"{folder} is not a folder")
    fault = _fault(status)
    if fault:
        _say(
            f"{folder} {fault}, and code is run with the rights of whoever reads it, so none is "
            "taken from it nor kept in it; let only its owner write to it (chmod go-w), or name "
            f"another folder with {FOLDER}"
        )
        raise _Unusable(f"{folder} {fault}")


def _make(folder: Path) -> None:
    """Make a folder and those above it, which every user can read whatever the umask is."""
    missing = []
    above = folder
    while not above.exists() and above != above.parent:
        missing.append(above)
        above = above.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process makes it, too
            each.mkdir()
            each.chmod(_FOLDER_MODE)


def _fault(status: os.stat_result) -> str:
    """Why somebody else could have written a file or into a folder, or ''."""
    if not hasattr(os, "geteuid"):
        return ""  # access lists decide, and a user's own folders are the user's
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (number {status.st_uid})"
    # In a folder with the sticky bit nobody can replace another's file; each file is looked at.
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written to by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _content(path: Path) -> bytes:
    """What a file holds, if it is a file that only its owner can write to.

    Raises
    ------
    OSError
        If it cannot be read, or should not be.
    """
    # Without O_NONBLOCK to open a named pipe would wait for somebody to write to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        status = os.fstat(handle)  # of what was opened, whatever stands there by now
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise OSError("not a file of ours")
        fault = _fault(status)
        if fault:
            _say(f"{path} {fault}; it is not used, and compiled again")
            raise OSError(fault)
        with os.fdopen(os.dup(handle), "rb") as file:
            return file.read()
    finally:
        os.close(handle)
