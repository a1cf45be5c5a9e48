"""Files and folders: written whole or not at all, with checksums, and never a pickle.

A *bundle* is a folder of JSON files and one safetensors file of arrays. Its
``manifest.json`` names the format, its version and the SHA-256 of every other file, so a
truncated or edited file is noticed when the bundle is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import FileError

__all__ = ["read_bundle", "read_json", "write_bundle", "write_bytes", "write_json"]

_MANIFEST = "manifest.json"
_ARRAYS = "arrays.safetensors"


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


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes the file private; give it what an ordinary open would have given.
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=True) + "\n").encode()


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as JSON; floats keep every digit.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    write_bytes(path, _json_bytes(value))


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
    try:
        return json.loads(data)
    except ValueError as error:
        raise FileError(f"{str(path)!r} is not valid JSON: {error}") from error


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
    there.

    Parameters
    ----------
    folder : path
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
    overwrite : bool
        Whether an existing *bundle* may be replaced. A folder that is no bundle never is.

    Raises
    ------
    FileError
        If the folder exists and may not be replaced, or cannot be written.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    with _clear_errors("write", folder):
        if folder.exists() and not overwrite:
            raise FileError(
                f"{str(folder)!r} exists already; choose another name, or allow it to be replaced"
            )
        if folder.exists() and not _replaceable(folder):
            raise FileError(
                f"{str(folder)!r} exists and is not a {kind} folder; it is left untouched. "
                "Choose another name"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            contents = {name: _json_bytes(value) for name, value in documents.items()}
            contents[_ARRAYS] = save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
            checksums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
            manifest = {"format": kind, "version": version, "sha256": checksums}
            for name, data in {**contents, _MANIFEST: _json_bytes(manifest)}.items():
                (temporary / name).write_bytes(data)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o777 & ~mask)
            if folder.exists():
                old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
                folder.replace(old / folder.name)
                temporary.replace(folder)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.replace(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / _MANIFEST).is_file() or not any(folder.iterdir()))


def read_bundle(
    folder: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a bundle after checking its format, version and checksums.

    Returns
    -------
    documents : dict of file name to JSON value
    arrays : dict of name to array

    Raises
    ------
    FileError
        If the folder is missing, is of another format or a later version, or a file was
        changed or cut short; the message names the file.
    """
    from safetensors.numpy import load

    folder = Path(folder)
    if not (folder / _MANIFEST).is_file():
        state = "is not a folder that exists" if not folder.is_dir() else f"has no {_MANIFEST}"
        raise FileError(f"{str(folder)!r} {state}; expected a folder with a {kind}")
    manifest = read_json(folder / _MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        given = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise FileError(f"{str(folder)!r} holds a {given!r}; expected a {kind}")
    if int(manifest.get("version", 0)) > version:
        raise FileError(
            f"{str(folder)!r} was written by a later version of deltarule (format "
            f"{manifest['version']}, this one reads up to {version}); update deltarule"
        )
    documents: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, checksum in manifest["sha256"].items():
        path = folder / Path(name).name
        with _clear_errors("read", path):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum:
            raise FileError(
                f"{str(path)!r} is not what was written (its checksum differs); it was edited or "
                "cut short. Restore it or train again"
            )
        if name == _ARRAYS:
            arrays = load(data)
        else:
            documents[name] = json.loads(data)
    return documents, arrays
