"""Single files: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deltarule.errors import FileError, InputError
from deltarule.files.moving import (
    beside,
    clear_errors,
    hold_new,
    leftovers,
    locked,
    rename_new,
    resolved,
    sync_folder,
)

__all__ = [
    "is_stream",
    "json_bytes",
    "parsed",
    "parsed_json",
    "read_json",
    "write_bytes",
    "write_json",
]

T = TypeVar("T")


def write_bytes(path: str | os.PathLike[str], data: bytes, *, overwrite: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    What is written through a link arrives where the link points; the file keeps its permissions.

    Parameters
    ----------
    path : path
    data : bytes
    overwrite : bool
        Whether a file that is there may be replaced. Of several writers that may not, one
        succeeds.

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
    given = Path(path)
    with clear_errors("write", given):
        mode = _mode(given)
        if mode is not None and not overwrite:
            raise _exists(given)
        if is_stream(given):
            # A device or a pipe is written to: to replace it would take it away from others.
            given.write_bytes(data)
            return
        target = resolved(given)
        temporary = beside(target)
        held = hold_new(temporary, lambda: _new(temporary))
        try:
            with os.fdopen(os.dup(held.number), "wb") as file:  # type: ignore[arg-type]
                file.write(data)
                file.flush()
                if mode is not None:
                    temporary.chmod(stat.S_IMODE(mode))
                os.fsync(file.fileno())
            with locked(target.parent):
                for left in leftovers(target)[0]:
                    if left.is_file():
                        left.unlink()
                if overwrite:
                    temporary.replace(target)
                else:
                    rename_new(temporary, target)
        except FileExistsError:
            _forget(temporary)
            raise _exists(given) from None
        except BaseException:
            _forget(temporary)
            raise
        finally:
            held.close()
        with contextlib.suppress(OSError):  # it is in its place already
            sync_folder(target.parent)


def is_stream(path: Path) -> bool:
    """Whether a device or a pipe is there: who writes to it may wait without end.

    Raises
    ------
    OSError
        If that cannot be found out.

    Examples
    --------
    >>> is_stream(Path(os.devnull)), is_stream(Path("no such file"))
    (True, False)
    """
    mode = _mode(path)
    return mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _exists(path: Path) -> FileError:
    return FileError(
        f"{str(path)!r} exists already; choose another name, or allow it to be replaced"
    )


def _number(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's; anything else is no JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_bytes(name: str, value: Any) -> bytes:
    r"""A value as JSON, which any text that Python has comes back from.

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

    def text(*, escaped: bool) -> str:
        return json.dumps(value, indent=2, ensure_ascii=escaped, default=_number) + "\n"

    try:
        try:
            return text(escaped=False).encode()
        except UnicodeEncodeError:
            # Half a surrogate pair, such as stands for a byte of a file's name that is no UTF-8.
            return text(escaped=True).encode()
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
        NumPy's numbers and arrays may be in it.
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
    with clear_errors("read", path):
        if (mode := _mode(path)) is not None and not stat.S_ISREG(mode):
            raise FileError(f"cannot read {str(path)!r}: it is not a file")
        data = path.read_bytes()
    return parsed_json(path, data)


def parsed_json(path: Path, data: bytes) -> Any:
    """A file's content as JSON, each key once."""
    return parsed(path, lambda text: json.loads(text, object_pairs_hook=_object), data)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there more than once")
    return found


def parsed(path: Path, parse: Callable[[bytes], T], data: bytes) -> T:
    """What a parser makes of a file's content; whatever it does not like is a FileError."""
    try:
        return parse(data)
    except Exception as error:  # safetensors and json raise their own kinds
        kind = "JSON" if path.suffix == ".json" else path.suffix[1:]
        raise FileError(f"{str(path)!r} is not valid {kind}: {error}") from error
