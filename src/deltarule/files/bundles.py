"""Bundles: folders of JSON files and one safetensors file, each whole, with a manifest."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import FileError
from deltarule.files.contents import Own, carry, mirrored, remove_own
from deltarule.files.moving import (
    beside,
    clear_errors,
    exchange,
    hold_new,
    leftovers,
    locked,
    rename_new,
    resolved,
    sync_folder,
)
from deltarule.files.places import (
    ARRAYS,
    MANIFEST,
    check_replaceable,
    exists_already,
    new_folder,
    write_new,
)
from deltarule.files.single import json_bytes, parsed, parsed_json, read_json
from deltarule.files.steady import steady

__all__ = [
    "Bundle",
    "Part",
    "read_bundle",
    "write_bundle",
]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """What a bundle holds.

    Attributes
    ----------
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
    """

    kind: str
    version: int
    documents: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def contents(self, extras: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Every file, the manifest last: a folder without one was not written to its end.

        Raises
        ------
        InputError
            If a document has no form in JSON.
        """
        from safetensors.numpy import save

        extras = extras or {}
        files = {name: json_bytes(name, value) for name, value in self.documents.items()}
        # asarray and not ascontiguousarray, which gives a scalar a dimension.
        files[ARRAYS] = save({k: np.asarray(v, order="C") for k, v in self.arrays.items()})
        manifest: dict[str, Any] = {"format": self.kind, "version": self.version}
        manifest["sha256"] = _digests(files)
        if extras:
            manifest["extras"] = _digests(extras)
        return {**files, **extras, MANIFEST: json_bytes(MANIFEST, manifest)}


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@dataclasses.dataclass(frozen=True)
class Part:
    """A folder within a bundle that is a bundle of its own, and goes and comes with it.

    Attributes
    ----------
    kind : str
        Its format.
    bundle : Bundle or None
        What it is to hold.
    keep : callable, optional
        Told where the part of the bundle that is replaced lies, it says whether that stays.
        It is asked only if there is no other.
    """

    kind: str
    bundle: Bundle | None = None
    keep: Callable[[Path], bool] | None = None


def write_bundle(
    folder: str | os.PathLike[str],
    kind: str,
    version: int,
    documents: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
    parts: Mapping[str, Part] | None = None,
    extras: Mapping[str, bytes] | None = None,
) -> None:
    """Write a bundle: JSON documents, and arrays as safetensors.

    The folder appears complete or not at all: it is written beside its place, brought down to
    the disk, and takes its place in one step. If the process is killed, the old folder is there
    or the new one, and the next one that writes there clears away what was left.

    Parameters
    ----------
    folder : path
        If it is a link, what it points to is written.
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
    overwrite : bool
        Whether an existing bundle of the same kind may be replaced. Any other folder never
        is, and files that somebody put beside the bundle's own are kept. Of several writers that
        may not replace anything, one succeeds.
    parts : mapping of folder name to Part
        Bundles within this one.
    extras : mapping of file name to bytes
        Files that belong to it, and that nobody reads back.

    Raises
    ------
    FileError
        If the folder exists and may not be replaced, or cannot be written; what was there
        is left as it was.
    InputError
        If a document has no form in JSON.
    """
    given, parts = Path(folder), parts or {}
    with clear_errors("write", given):
        bundle = Bundle(kind, version, documents, arrays)
        files = {n: p.bundle.contents() for n, p in parts.items() if p.bundle is not None}
        files[""] = bundle.contents(extras)
        target = resolved(given)
        own = Own(MANIFEST, {name: part.kind for name, part in parts.items()})
        check_replaceable(given, target, kind, overwrite)
        _make_parents(target)
        temporary = beside(target)
        held = hold_new(temporary, lambda: new_folder(temporary))
        try:
            for place, contents in files.items():
                (temporary / place).mkdir(exist_ok=True)
                for name, data in contents.items():
                    write_new(temporary / place / name, data)
                sync_folder(temporary / place)
            with locked(target.parent):
                _recover(target, own)
                check_replaceable(given, target, kind, overwrite)
                _put(temporary, target, own, parts)
        except FileExistsError:
            raise exists_already(given) from None
        finally:
            _clear(temporary, target, own)
            held.close()


def _make_parents(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        number = errno.ENOTDIR
        raise NotADirectoryError(number, os.strerror(number), str(target.parent)) from None


def _put(new: Path, target: Path, own: Own, parts: Mapping[str, Part]) -> None:
    """Give the new folder its name, with what others had put into the old one."""
    if not os.path.lexists(target):
        rename_new(new, target)
    else:
        kept = {
            name
            for name, part in parts.items()
            if part.bundle is None and part.keep is not None and part.keep(target / name)
        }
        new.chmod(stat.S_IMODE(target.stat().st_mode))
        mirrored(target, new, own, kept)
        exchange(new, target)
        if own.names(new) is None:  # it was empty
            carry(new, target)
        for name in kept:
            carry(new / name, target / name)
    with contextlib.suppress(OSError):  # it has its place already
        sync_folder(target.parent)


def _recover(target: Path, own: Own) -> None:
    """Clear away what writers that ended in the middle have left."""
    temporary, replaced = leftovers(target)
    if replaced and not os.path.lexists(target):
        replaced.pop().rename(target)
    for left in (*temporary, *replaced):
        _clear(left, target, own)


def _clear(left: Path, target: Path, own: Own) -> None:
    """Remove a folder that is not, or no longer, the bundle; what others put there goes to it."""
    with contextlib.suppress(OSError):
        if not left.is_dir() or left.is_symlink():
            return
        if own.names(left) is None:  # not written to its end: nobody else has put anything there
            shutil.rmtree(left, ignore_errors=True)
            return
        remove_own(left, own)
        if target.is_dir():
            carry(left, target, but=MANIFEST)
        if [path.name for path in left.iterdir()] == [MANIFEST]:
            (left / MANIFEST).unlink()
            left.rmdir()


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
    return steady(folder, lambda: _read(Path(folder), kind, version))


def _read(folder: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors.numpy import load

    if not (folder / MANIFEST).is_file():
        state = f"has no {MANIFEST}" if folder.is_dir() else _missing(folder)
        raise FileError(f"{str(folder)!r} {state}; expected a folder with a {kind}")
    documents: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, checksum in _checksums(folder, kind, version).items():
        path = folder / Path(name).name
        with clear_errors("read", path):
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise FileError(f"cannot read {str(path)!r}: it is not a file")
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum:
            raise FileError(
                f"{str(path)!r} is not what was written (its checksum differs); it was edited or "
                "cut short. Restore it or train again"
            )
        if name == ARRAYS:
            arrays = parsed(path, load, data)
        else:
            documents[name] = parsed_json(path, data)
    return documents, arrays


def _checksums(folder: Path, kind: str, version: int) -> dict[str, str]:
    """What the manifest says the files are, if it is one that can be read."""
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        given = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise FileError(f"{str(folder)!r} holds a {given!r}; expected a {kind}")
    written, checksums = manifest.get("version"), manifest.get("sha256")
    if not isinstance(written, int) or not isinstance(checksums, dict):
        raise FileError(
            f"{str(folder / MANIFEST)!r} lacks the version or the checksums; "
            "restore it or train again"
        )
    if written > version:
        raise FileError(
            f"{str(folder)!r} was written by a later version of deltarule (format {written}, "
            f"this one reads up to {version}); update deltarule"
        )
    return checksums


def _missing(folder: Path) -> str:
    with clear_errors("read", folder):
        left = leftovers(resolved(folder))[1]
    if left:
        return (
            "is not there: a write that was to replace it was interrupted, and left it as "
            f"{str(left[0])!r}. Rename that back"
        )
    return "is not a folder" if folder.exists() else "is not a folder that exists"
