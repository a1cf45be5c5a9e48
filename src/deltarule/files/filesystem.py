"""Changes of names that other processes see in one step, and errors that name the path.

A name is changed by one system call, so a reader, or the next process after one that was killed,
finds the old content or the new. Linux exchanges two names (``renameat2``) and refuses to rename
onto a name that exists; on other systems two renames stand in for an exchange.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deltarule.errors import DeltaruleError, FileError

__all__ = [
    "already_exists",
    "create_file",
    "create_folder",
    "exchange",
    "rename_new",
    "resolve_links",
    "split_temporary_name",
    "sync_folder",
    "temporary_name",
    "translate_os_errors",
    "write_all",
]

_REPLACED = "replaced"
_TOKEN = 12  # hexadecimal digits

# Flags of renameat2, and the value that makes paths relative to the current folder.
_NOREPLACE, _EXCHANGE, _AT_FDCWD = 1, 2, -100
# What a system or a file system without renameat2 or the flag answers.
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


@contextlib.contextmanager
def translate_os_errors(what: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise errors of the operating system as FileError that names the path and the action.

    Raises
    ------
    FileError
        In place of any other OSError, and for a name that no file can have.
    """
    try:
        yield
    except DeltaruleError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENAMETOOLONG:
            reason += "; choose a shorter one"
        raise FileError(f"cannot {what} {str(path)!r}: {reason}") from error
    except UnicodeEncodeError as error:
        raise FileError(
            f"cannot {what} {str(path)!r}: the name holds a character that no file's name can have"
        ) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise FileError(
            f"cannot {what} {str(path)!r}: the name holds a null character; choose another"
        ) from error


def already_exists(path: Path) -> FileError:
    """Return the error for a path that exists and may not be replaced."""
    return FileError(
        f"{str(path)!r} exists already; choose another name, or allow it to be replaced"
    )


def resolve_links(path: str | os.PathLike[str]) -> Path:
    """Return the path that a path leads to through symbolic links.

    Raises
    ------
    FileError
        If links lead in a circle.
    """
    with translate_os_errors("use", path):
        found = Path(os.path.realpath(path))
    if found.is_symlink():
        raise FileError(f"{str(path)!r} is a link that leads in a circle; name another place")
    return found


# -- temporary names ------------------------------------------------------------------------


def _prefix(path: Path) -> str:
    # A name of nearly the greatest length leaves no room for more characters.
    name = path.name
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def temporary_name(path: Path, kind: str = "") -> Path:
    """Return an unused hidden name in the same folder, for what is to be renamed to ``path``."""
    infix = kind and f"{kind}."
    return path.parent / f"{_prefix(path)}{infix}{secrets.token_hex(_TOKEN // 2)}"


def split_temporary_name(path: Path, name: str) -> str | None:
    """Return what kind of temporary name of ``path`` a file name is; None if it is none.

    Examples
    --------
    >>> path = Path("m")
    >>> split_temporary_name(path, ".m.0123456789ab"), split_temporary_name(path, ".m.txt")
    ('', None)
    >>> split_temporary_name(path, ".m.replaced.0123456789ab")
    'replaced'
    """
    prefix = _prefix(path)
    kind, _, token = name.removeprefix(prefix).rpartition(".")
    hexadecimal = len(token) == _TOKEN and not token.strip("0123456789abcdef")
    known = name.startswith(prefix) and hexadecimal and kind in ("", _REPLACED)
    return kind if known else None


# -- creating -------------------------------------------------------------------------------


def create_folder(path: Path) -> int:
    """Create a folder and return its file descriptor; -1 where folders cannot be opened."""
    path.mkdir()
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # such as on Windows
        return -1


def create_file(path: Path, data: bytes) -> None:
    """Write a new file and flush it to the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_all(file: io.RawIOBase, data: Any) -> None:
    """Write bytes to a file without a buffer, which may take a part of them at a time.

    With a buffer, an error would wait for the end of the file.
    """
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
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


# -- renaming -------------------------------------------------------------------------------


@functools.cache
def _renameat2() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    function.argtypes += [ctypes.c_uint]
    return function


def _rename_with_flag(old: Path, new: Path, flag: int) -> bool:
    """Rename with a flag of renameat2; false if the system or file system does not support it."""
    function = _renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(old), None, str(new))


def rename_new(old: Path, new: Path) -> None:
    """Rename to a name that does not exist.

    Raises
    ------
    FileExistsError
        If the name exists.
    """
    if _rename_with_flag(old, new, _NOREPLACE):
        return
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
    if old.is_dir():
        # The system refuses to rename a folder onto a file, or onto a folder that is not empty.
        try:
            old.rename(new)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
            raise
        return
    try:
        os.link(old, new)  # refuses a name that exists
    except FileExistsError:
        raise
    except OSError:
        old.rename(new)
        return
    old.unlink()


def exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders.

    Where the system cannot do so in one step, the name ``other`` does not exist between two
    renames; if the process ends there, the folder stays under a temporary name of the kind
    ``"replaced"``.
    """
    if _rename_with_flag(one, other, _EXCHANGE):
        return
    aside = temporary_name(other, _REPLACED)
    other.rename(aside)
    try:
        one.rename(other)
    except BaseException:
        aside.rename(other)
        raise
    aside.rename(one)
