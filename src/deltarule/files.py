"""Files and folders: written whole or not at all, with checksums, and never a pickle.

A *bundle* is a folder of JSON files and one safetensors file of arrays. Its
``manifest.json`` names the format, its version and the SHA-256 of every other file, so a
truncated or edited file is noticed when the bundle is read.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deltarule.errors import FileError, InputError

__all__ = [
    "discard_bundle",
    "read_bundle",
    "read_json",
    "write_bundle",
    "write_bytes",
    "write_json",
]

_MANIFEST = "manifest.json"
_ARRAYS = "arrays.safetensors"
# What a folder that is being replaced is called for the moment between two renamings.
_REPLACED = "replaced"

T = TypeVar("T")


@contextlib.contextmanager
def _clear_errors(what: str, path: Path) -> Iterator[None]:
    """An operating system's error with the path and what was being done."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(f"cannot {what} {str(path)!r}: {reason}") from error


def _beside(path: Path, label: str = "") -> Path:
    """A name for a temporary file or folder in the same folder, hidden and not yet taken."""
    middle = f".{label}" if label else ""
    return path.parent / f".{path.name}{middle}.{secrets.token_hex(6)}"


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, down to the disk, with the usual permissions."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    path : path
    data : bytes

    Raises
    ------
    FileError
        If the folder is missing or cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "note.txt")
    ...     write_bytes(target, b"done")
    ...     target.read_bytes()
    b'done'
    """
    path = Path(path)
    with _clear_errors("write", path):
        temporary = _beside(path)
        try:
            _write_new(temporary, data)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def _number(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's; anything else is no JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _json_bytes(name: str, value: Any) -> bytes:
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_number)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"cannot write {name!r}: {error}; expected dictionaries with text as keys, lists, "
            "text, numbers, true, false and null"
        ) from error
    return (text + "\n").encode()


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as JSON; floats keep every digit.

    Parameters
    ----------
    path : path
    value : JSON value
        NumPy's numbers and arrays may be in it.

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
    write_bytes(path, _json_bytes(path.name, value))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileError
        If it cannot be read or is not JSON.
    """
    path = Path(path)
    with _clear_errors("read", path):
        data = path.read_bytes()
    return _parsed(path, json.loads, data)


def _parsed(path: Path, parse: Callable[[bytes], T], data: bytes) -> T:
    """What a parser makes of a file's content; whatever it does not like is a FileError."""
    try:
        return parse(data)
    except Exception as error:  # safetensors and json raise their own kinds
        kind = "JSON" if path.suffix == ".json" else path.suffix[1:]
        raise FileError(f"{str(path)!r} is not valid {kind}: {error}") from error


def write_bundle(
    folder: str | os.PathLike[str],
    kind: str,
    version: int,
    documents: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
) -> None:
    """Write a bundle: JSON documents, and arrays as safetensors.

    The folder appears complete or not at all: it is written beside its place and moved
    there. Replacing one takes two renamings; a process killed just between them leaves
    the old folder under a name that :func:`read_bundle` tells.

    Parameters
    ----------
    folder : path
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
    overwrite : bool
        Whether an existing bundle of the same kind may be replaced. Any other folder never
        is, and files that somebody put beside the bundle's own are kept.

    Raises
    ------
    FileError
        If the folder exists and may not be replaced, or cannot be written; what was there
        is left as it was.
    InputError
        If a document has no form in JSON.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    contents = {name: _json_bytes(name, value) for name, value in documents.items()}
    # asarray and not ascontiguousarray, which gives a scalar a dimension.
    contents[_ARRAYS] = save({k: np.asarray(v, order="C") for k, v in arrays.items()})
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = {"format": kind, "version": version, "sha256": checksums}
    contents[_MANIFEST] = _json_bytes(_MANIFEST, manifest)
    with _clear_errors("write", folder):
        if folder.exists() or folder.is_symlink():
            _check_replaceable(folder, kind, overwrite)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(folder)
        temporary.mkdir()
        try:
            for name, data in contents.items():
                _write_new(temporary / name, data)
            if folder.exists():
                _swap(folder, temporary)
            else:
                temporary.replace(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _check_replaceable(folder: Path, kind: str, overwrite: bool) -> None:
    if not overwrite:
        raise FileError(
            f"{str(folder)!r} exists already; choose another name, or allow it to be replaced"
        )
    if folder.is_dir() and not any(folder.iterdir()):
        return
    given = None
    with contextlib.suppress(FileError):
        given = read_json(folder / _MANIFEST)
    if not isinstance(given, dict) or given.get("format") != kind:
        raise FileError(
            f"{str(folder)!r} exists and is not a folder with a {kind}; it is left untouched. "
            "Choose another name"
        )


def _swap(folder: Path, new: Path) -> None:
    """Put a new folder in the place of an old one, with what others had put into the old."""
    old = _beside(folder, _REPLACED)
    folder.replace(old)
    try:
        new.replace(folder)
    except BaseException:
        old.replace(folder)
        raise
    with contextlib.suppress(FileError, KeyError, TypeError):
        own = {_MANIFEST, *read_json(old / _MANIFEST)["sha256"]}
        for path in old.iterdir():
            if path.name not in own and not (folder / path.name).exists():
                path.replace(folder / path.name)
    shutil.rmtree(old, ignore_errors=True)


def discard_bundle(folder: str | os.PathLike[str], kind: str) -> None:
    """Remove a folder if it is a bundle of this kind; any other is left as it is.

    Parameters
    ----------
    folder : path
    kind : str
        The format.

    Raises
    ------
    FileError
        If it cannot be removed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bundle(folder + "/b", "box", 1, {}, {})
    ...     discard_bundle(folder + "/b", "barrel")
    ...     kept = pathlib.Path(folder, "b").exists()
    ...     discard_bundle(folder + "/b", "box")
    ...     kept, pathlib.Path(folder, "b").exists()
    (True, False)
    """
    folder, given = Path(folder), None
    with contextlib.suppress(FileError):
        given = read_json(folder / _MANIFEST)
    if isinstance(given, dict) and given.get("format") == kind:
        with _clear_errors("remove", folder):
            # Under another name first: what is half gone is taken for nothing.
            gone = _beside(folder)
            folder.replace(gone)
            shutil.rmtree(gone)


def read_bundle(
    folder: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a bundle after checking its format, version and checksums.

    Parameters
    ----------
    folder : path
    kind, version : str, int
        The format that is expected, and its latest version that is understood.

    Returns
    -------
    documents : dict of file name to JSON value
    arrays : dict of name to array

    Raises
    ------
    FileError
        If the folder is missing, is of another format or a later version, or a file was
        changed or cut short; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bundle(folder + "/b", "box", 1, {"a.json": [1]}, {"x": np.zeros(2)})
    ...     read_bundle(folder + "/b", "box", 1)
    ({'a.json': [1]}, {'x': array([0., 0.])})
    """
    from safetensors.numpy import load

    folder = Path(folder)
    if not (folder / _MANIFEST).is_file():
        state = f"has no {_MANIFEST}" if folder.is_dir() else _missing(folder)
        raise FileError(f"{str(folder)!r} {state}; expected a folder with a {kind}")
    documents: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, checksum in _checksums(folder, kind, version).items():
        path = folder / Path(name).name
        with _clear_errors("read", path):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum:
            raise FileError(
                f"{str(path)!r} is not what was written (its checksum differs); it was edited or "
                "cut short. Restore it or train again"
            )
        if name == _ARRAYS:
            arrays = _parsed(path, load, data)
        else:
            documents[name] = _parsed(path, json.loads, data)
    return documents, arrays


def _checksums(folder: Path, kind: str, version: int) -> dict[str, str]:
    """What the manifest says the files are, if it is one that can be read."""
    manifest = read_json(folder / _MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        given = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise FileError(f"{str(folder)!r} holds a {given!r}; expected a {kind}")
    written, checksums = manifest.get("version"), manifest.get("sha256")
    if not isinstance(written, int) or not isinstance(checksums, dict):
        raise FileError(
            f"{str(folder / _MANIFEST)!r} lacks the version or the checksums; "
            "restore it or train again"
        )
    if written > version:
        raise FileError(
            f"{str(folder)!r} was written by a later version of deltarule (format {written}, "
            f"this one reads up to {version}); update deltarule"
        )
    return checksums


def _missing(folder: Path) -> str:
    left = sorted(folder.parent.glob(f".{glob.escape(folder.name)}.{_REPLACED}.*"))
    if left:
        return (
            "is not there: a write that was to replace it was interrupted, and left it as "
            f"{str(left[0])!r}. Rename that back"
        )
    return "is not a folder" if folder.exists() else "is not a folder that exists"
