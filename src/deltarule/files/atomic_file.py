"""Single files, replaced in one step, and JSON."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from deltarule.errors import InputError, ModelFileError, printable
from deltarule.files.filesystem import (
    already_exists,
    rename_new,
    resolve_links,
    sync_folder,
    temporary_name,
    translate_os_errors,
)
from deltarule.files.locking import create_locked, folder_lock, leftovers
from deltarule.files.stored_files import read_regular

__all__ = [
    "MOST_JSON",
    "is_stream",
    "json_bytes",
    "open_replacing",
    "parse_content",
    "parse_json",
    "read_json",
    "write_bytes",
    "write_json",
]

T = TypeVar("T")

MOST_JSON = 1 << 28
"""The number of bytes of the JSON documents of a bundle together."""
_MOST_BRACKETS, _MOST_COMMAS = 1 << 20, 1 << 23


def write_bytes(
    path: str | os.PathLike[str],
    data: bytes,
    *,
    overwrite: bool = True,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    If the path is a link, the file that it points to is replaced. The permissions of an existing
    file are kept.

    Parameters
    ----------
    path : path
    data : bytes
    overwrite : bool
        Whether an existing file may be replaced. If several processes write at once without it,
        one of them succeeds.
    check : callable, optional
        Called with the path that is replaced, while no other process may replace it; raises
        FileError if it may not be.

    Raises
    ------
    FileError
        If the folder is missing or cannot be written, or the file exists (without
        ``overwrite``).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "note.txt")
    ...     write_bytes(target, b"done")
    ...     target.read_bytes()
    b'done'
    """
    with open_replacing(path, overwrite=overwrite, check=check) as file:
        file.write(data)


@contextlib.contextmanager
def open_replacing(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    check: Callable[[Path], object] | None = None,
) -> Iterator[BinaryIO]:
    """Yield a file to write to, which has the name ``path`` once the block ends without an error.

    Parameters and errors are those of :func:`write_bytes`.
    """
    given = Path(path)
    with translate_os_errors("write", given):
        mode = _mode(given)
        if mode is not None and not overwrite:
            raise already_exists(given)
        if is_stream(given):
            # A device or a pipe is written to: replaced, it would be lost to other processes.
            with given.open("wb") as file:
                yield file
            return
        target = resolve_links(given)
        temporary = temporary_name(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with create_locked(temporary, lambda: os.open(temporary, flags, 0o666)) as number:
                with os.fdopen(number, "wb", closefd=False) as file:
                    yield file
                    file.flush()
                    if mode is not None:
                        temporary.chmod(stat.S_IMODE(mode))
                    os.fsync(number)
                with folder_lock(target.parent):
                    for left in leftovers(target)[0]:
                        if left.is_file():
                            left.unlink()
                    if check is not None:
                        check(target)
                    if overwrite:
                        temporary.replace(target)
                    else:
                        rename_new(temporary, target)
        except FileExistsError:
            raise already_exists(given) from None
        finally:
            with contextlib.suppress(OSError):  # it is gone if it was renamed
                temporary.unlink()
        with contextlib.suppress(OSError):  # the file has its name already
            sync_folder(target.parent)


def is_stream(path: Path) -> bool:
    """Return whether a path is a device or a pipe, to which writing may wait without end.

    Raises
    ------
    OSError
        If the system cannot tell.

    Examples
    --------
    >>> is_stream(Path(os.devnull)), is_stream(Path("no such file"))
    (True, False)
    """
    mode = _mode(path)
    return mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _python_value(value: Any) -> Any:
    """Convert NumPy's numbers and arrays to Python's; other objects have no form in JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_bytes(name: str, value: Any) -> bytes:
    r"""Encode a value as JSON, from which every Python string can be read back.

    Raises
    ------
    InputError
        If something in the value has no form in JSON.

    Examples
    --------
    >>> json_bytes("a.json", {"ä": 1}).decode()
    '{\n  "ä": 1\n}\n'
    >>> json_bytes("a.json", "\ud800")
    b'"\\ud800"\n'
    """

    def encode(*, ascii_only: bool) -> bytes:
        text = json.dumps(value, indent=2, ensure_ascii=ascii_only, default=_python_value)
        data = f"{text}\n".encode()
        if len(data) > MOST_JSON or _has_too_many_values(data):
            raise ValueError(f"it has {len(data):,} bytes of JSON, more than can be read back")
        return data

    try:
        try:
            return encode(ascii_only=False)
        except UnicodeEncodeError:
            # A lone surrogate, as Python uses for a byte of a file name that is not UTF-8.
            return encode(ascii_only=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"cannot write {name!r}: {error}; expected dictionaries with text as keys, lists, "
            "text, numbers, true, false and null"
        ) from error


def write_json(path: str | os.PathLike[str], value: Any, *, overwrite: bool = True) -> None:
    """Write a value as JSON; floats keep every digit.

    Parameters
    ----------
    path : path
    value : JSON value
        It may contain NumPy's numbers and arrays.
    overwrite : bool
        As for :func:`write_bytes`.

    Raises
    ------
    FileError
        If the file cannot be written.
    InputError
        If something in the value has no form in JSON.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "third.json")
    ...     write_json(target, {"third": 1 / 3})
    ...     read_json(target)
    {'third': 0.3333333333333333}
    """
    path = Path(path)
    write_bytes(path, json_bytes(path.name, value), overwrite=overwrite)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileError
        If it cannot be read or is not JSON, or an object in it has a key twice.
    """
    path = Path(path)
    return parse_json(path, read_regular(path, MOST_JSON))


def parse_json(path: Path, data: bytes) -> Any:
    """Parse a file's content as JSON in which no object has a key twice.

    Raises
    ------
    ModelFileError
        If it is none, or has more values than any file that is written here.
    """
    return parse_content(path, _parse_json, data)


def _has_too_many_values(data: bytes) -> bool:
    # Each bracket and each comma becomes an object of Python, which is larger than it.
    return data.count(b"{") + data.count(b"[") > _MOST_BRACKETS or data.count(b",") > _MOST_COMMAS


def _parse_json(data: bytes) -> Any:
    if _has_too_many_values(data):
        raise ValueError("it has too many values")
    return json.loads(data, object_pairs_hook=_unique_keys)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = collections.Counter(name for name, _ in pairs)
        twice = names.most_common(1)[0][0]
        raise ValueError(f"the key {twice!r} is there more than once")
    return found


def parse_content(path: Path, parse: Callable[[Any], T], data: Any) -> T:
    """Return ``parse(data)``; any exception becomes a ModelFileError that names the file."""
    try:
        return parse(data)
    except Exception as error:  # safetensors and json have exceptions of their own
        kind = "JSON" if path.suffix == ".json" else path.suffix[1:]
        why = printable(str(error)[:200])  # a name in it may be as long as the file
        raise ModelFileError(f"{str(path)!r} is not valid {kind}: {why}") from error
