"""Putting a finished file or folder into its place, in one step, beside others who do the same.

A name is changed by one system call, so a reader, and a process that is killed, find the old
content or the new. Linux exchanges two names (``renameat2``) and refuses to rename onto a name
that is taken; elsewhere two renamings stand in for an exchange.

Whoever changes names in a folder holds a lock on that folder meanwhile, and whoever has made a
temporary file or folder holds a lock on it: one that nobody holds was left by a process that
ended in the middle, and is cleared away by the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deltarule.errors import DeltaruleError, FileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "Held",
    "beside",
    "clear_errors",
    "exchange",
    "hold_new",
    "leftovers",
    "locked",
    "rename_new",
    "replaced_name",
    "resolved",
    "sync_folder",
]

_REPLACED = "replaced"
_TOKEN = 12

# Of renameat2, and where paths are relative to.
_NOREPLACE, _EXCHANGE, _HERE = 1, 2, -100
# A system, or a file system, that does not know it.
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}

# Names are changed within milliseconds; who holds a folder for so long has stopped.
_PATIENCE, _PAUSE = 30.0, 0.002
# Where there are no locks, what is younger may still be written to.
_OLD = 86_400.0


@contextlib.contextmanager
def clear_errors(what: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """An operating system's error with the path and what was being done.

    Raises
    ------
    FileError
        In place of any other OSError, and of a name that the system cannot have.
    """
    try:
        yield
    except DeltaruleError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(f"cannot {what} {str(path)!r}: {reason}") from error
    except UnicodeEncodeError as error:
        raise FileError(
            f"cannot {what} {str(path)!r}: the name holds a character that no file's name can have"
        ) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise FileError(f"cannot {what} {str(path)!r}: the name holds a null character") from error


def resolved(path: str | os.PathLike[str]) -> Path:
    """Where a path leads: what is written through a link arrives where the link points.

    Raises
    ------
    FileError
        If links lead in a circle.
    """
    found = Path(os.path.realpath(path))
    if found.is_symlink():
        raise FileError(f"{str(path)!r} is a link that leads in a circle; name another place")
    return found


# -- temporary names ------------------------------------------------------------------------


def _prefix(path: Path) -> str:
    # A name that is nearly as long as names can be leaves no room for more.
    name = path.name
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def beside(path: Path) -> Path:
    """A name in the same folder for what is to be moved to ``path``; hidden, not yet taken."""
    return path.parent / f"{_prefix(path)}{secrets.token_hex(_TOKEN // 2)}"


def replaced_name(path: Path) -> Path:
    """A name for what was at ``path`` and is being replaced, where names cannot be exchanged."""
    return path.parent / f"{_prefix(path)}{_REPLACED}.{secrets.token_hex(_TOKEN // 2)}"


class Held:
    """A lock on a file or folder, for as long as it is open; by its number, since it may move."""

    def __init__(self, number: int | None) -> None:
        self.number = number

    def close(self) -> None:
        """Let go."""
        number, self.number = self.number, None
        if number is not None:
            os.close(number)


def hold_new(path: Path, make: Callable[[], int]) -> Held:
    """Make a temporary file or folder with ``make``, which opens it, and hold it."""
    with locked(path.parent):  # so that nobody takes it for left behind before it is held
        number = make()
        _lock(number, wait=False)
    return Held(number if number >= 0 else None)


def leftovers(path: Path) -> tuple[list[Path], list[Path]]:
    """What writers of ``path`` that ended in the middle have left.

    Returns
    -------
    temporary, replaced : list of Path
        What was to be moved to ``path``, or had just been there; and what was there, and was
        moved aside before the other came.
    """
    prefix, found = _prefix(path), ([], [])  # type: tuple[str, tuple[list[Path], list[Path]]]
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return found
    for name in names:
        kind, _, token = name.removeprefix(prefix).rpartition(".")
        hexadecimal = len(token) == _TOKEN and not token.strip("0123456789abcdef")
        if name.startswith(prefix) and hexadecimal and kind in ("", _REPLACED):
            left = path.parent / name
            if _nobody_holds(left):
                found[bool(kind)].append(left)
    return found


def _nobody_holds(path: Path) -> bool:
    try:
        state = os.lstat(path)
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            return False
        if fcntl is not None:
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
            finally:
                os.close(number)
        return time.time() - state.st_mtime > _OLD
    except OSError:
        return False


# -- locks ----------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a folder while names in it are changed; with ``shared``, while none may be.

    Where folders cannot be locked it goes on without: an exchange is one step all the same.

    Raises
    ------
    FileError
        If somebody else holds it for half a minute.
    """
    try:
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if not _lock(number, shared=shared):
            raise FileError(
                f"cannot write to {str(folder)!r}: another process has held it for "
                f"{_PATIENCE:.0f} seconds; end that, or name another place"
            )
        yield
    finally:
        os.close(number)


def _lock(number: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file or folder; true as well where there are no locks."""
    if fcntl is None or number < 0:
        return True
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return True
        if not wait or time.monotonic() > until:
            return False
        time.sleep(_PAUSE)


# -- names ----------------------------------------------------------------------------------


@functools.cache
def _renameat2() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    function.argtypes += [ctypes.c_uint]
    return function


def _renamed(old: Path, new: Path, flag: int) -> bool:
    """Rename with a flag; false if this system or file system has no such thing."""
    function = _renameat2()
    if function is None:
        return False
    if function(_HERE, os.fsencode(old), _HERE, os.fsencode(new), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(old), None, str(new))


def rename_new(old: Path, new: Path) -> None:
    """Rename onto a name that nobody has.

    Raises
    ------
    FileExistsError
        If somebody has it.
    """
    if _renamed(old, new, _NOREPLACE):
        return
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
    if old.is_dir():
        # A folder is not renamed onto one that holds something, nor onto a file.
        try:
            old.rename(new)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
            raise
        return
    try:
        os.link(old, new)  # refuses a name that is taken
    except FileExistsError:
        raise
    except OSError:
        old.rename(new)
        return
    old.unlink()


def exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders; after that ``one`` is what ``other`` was.

    Where the system cannot, ``other`` has no name between two renamings; what it was then has a
    name that :func:`leftovers` finds.
    """
    if _renamed(one, other, _EXCHANGE):
        return
    aside = replaced_name(other)
    other.rename(aside)
    try:
        one.rename(other)
    except BaseException:
        aside.rename(other)
        raise
    aside.rename(one)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names down to the disk, where the system lets one do so."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(number)
