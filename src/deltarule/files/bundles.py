"""Bundles: folders of JSON files and one safetensors file, each whole, with a manifest."""

from __future__ import annotations

import contextlib
import dataclasses
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
from deltarule.files.single import json_bytes, parsed, parsed_json, read_json
from deltarule.files.steady import steady

__all__ = [
    "Bundle",
    "Part",
    "check_bundle_place",
    "check_file_place",
    "read_bundle",
    "write_bundle",
]

_MANIFEST = "manifest.json"
_ARRAYS = "arrays.safetensors"


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
        """Every file, the manifest first: it says which files of a folder are the bundle's.

        Raises
        ------
        InputError
            If a document has no form in JSON.
        """
        from safetensors.numpy import save

        extras = extras or {}
        files = {name: json_bytes(name, value) for name, value in self.documents.items()}
        # asarray and not ascontiguousarray, which gives a scalar a dimension.
        files[_ARRAYS] = save({k: np.asarray(v, order="C") for k, v in self.arrays.items()})
        manifest: dict[str, Any] = {"format": self.kind, "version": self.version}
        manifest["sha256"] = _digests(files)
        if extras:
            manifest["extras"] = _digests(extras)
        return {_MANIFEST: json_bytes(_MANIFEST, manifest), **files, **extras}


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
        files = {"": bundle.contents(extras)}
        files |= {n: p.bundle.contents() for n, p in parts.items() if p.bundle is not None}
        target = resolved(given)
        own = Own(_MANIFEST, {name: part.kind for name, part in parts.items()})
        _check_place(given, target, kind, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(target)
        held = hold_new(temporary, lambda: _new_folder(temporary))
        try:
            for place, contents in files.items():
                (temporary / place).mkdir(exist_ok=True)
                for name, data in contents.items():
                    _write_new(temporary / place / name, data)
                sync_folder(temporary / place)
            sync_folder(temporary)
            with locked(target.parent):
                _recover(target, own)
                _check_place(given, target, kind, overwrite)
                _put(temporary, target, own, parts)
        except FileExistsError:
            raise _exists(given) from None
        finally:
            _clear(temporary, target, own)
            held.close()


def _new_folder(path: Path) -> int:
    path.mkdir()
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # folders cannot be opened on this system
        return -1


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, down to the disk, with the usual permissions."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


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
        os.chmod(new, stat.S_IMODE(os.stat(target).st_mode))
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
        os.rename(replaced.pop(), target)
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
            carry(left, target, but=_MANIFEST)
        if [path.name for path in left.iterdir()] == [_MANIFEST]:
            (left / _MANIFEST).unlink()
            left.rmdir()


def _check_place(given: Path, target: Path, kind: str, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced, or that cannot change its name."""
    if not os.path.lexists(target) and not (given.is_symlink() and not overwrite):
        return
    if not overwrite:
        raise _exists(given)
    if not is_bundle(target, kind):
        raise FileError(
            f"{str(given)!r} exists and is not a folder with a {kind}; it is left untouched. "
            "Choose another name"
        )
    if os.path.ismount(target) or _is_here(target):
        what = "where a disk is mounted" if os.path.ismount(target) else "the current folder"
        raise FileError(
            f"{str(given)!r} is {what}, which cannot be replaced in one step; it is left "
            "untouched. Name another folder, such as one in it"
        )


def _is_here(folder: Path) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:
        return False


def is_bundle(folder: Path, kind: str) -> bool:
    """Whether a folder is a bundle of this kind, or empty."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        given = read_json(folder / _MANIFEST)
    except FileError:
        return False
    return isinstance(given, dict) and given.get("format") == kind


def _exists(folder: Path) -> FileError:
    return FileError(
        f"{str(folder)!r} exists already; choose another name, or allow it to be replaced"
    )


def check_bundle_place(
    folder: str | os.PathLike[str], kind: str, *, overwrite: bool = False
) -> None:
    """Refuse a place that :func:`write_bundle` would refuse, before the work is done for it.

    A folder is made beside the place, written to, and removed.

    Parameters
    ----------
    folder : path
    kind : str
        The format.
    overwrite : bool
        As it will be.

    Raises
    ------
    FileError
        If nothing could be written there, or what is there may not be replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_bundle_place(folder + "/new", "box")
    ...     check_bundle_place(folder + "/" + 300 * "n", "box")
    Traceback (most recent call last):
    deltarule.errors.FileError: cannot write ...: File name too long
    """
    given = Path(folder)
    with clear_errors("write", given):
        target = resolved(given)
        _check_place(given, target, kind, overwrite)
        # The longest name in it that will be.
        _rehearse(target, Path("record", _ARRAYS))


def check_file_place(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Refuse a place that :func:`write_bytes` would refuse, before the work is done for it.

    Raises
    ------
    FileError
        If nothing could be written there, or the file exists (without ``overwrite``).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_file_place(folder + "/new.csv")
    """
    given = Path(path)
    with clear_errors("write", given):
        if given.is_dir():
            raise FileError(f"{str(path)!r} is a folder; expected a file's name")
        if os.path.lexists(given) and not overwrite:
            raise _exists(given)
        if given.exists() and not given.is_file():
            return  # a device or a pipe
        _rehearse(resolved(given), None)


def _rehearse(target: Path, inner: Path | None) -> None:
    """Make the folder, or the file, under its own name in a folder that is removed again."""
    place = target.parent
    missing = []
    while not os.path.lexists(place):
        missing.append(place.name)
        place = place.parent
    # Names are tried one by one, so that each may be as long as names can be, and no longer.
    trial = beside(place / "deltarule")
    held = hold_new(trial, lambda: _new_folder(trial))
    try:
        for name in (*missing, target.name):
            (trial / name).mkdir()
            (trial / name).rmdir()
        _write_new(trial / "a", b"a")
        longest = len(os.fsencode(target if inner is None else target / inner)) + _LONGER
        limit = _longest_path(place)
        if longest > limit:
            raise FileError(
                f"cannot write {str(target)!r}: the path is too long; expected at most "
                f"{limit - longest + len(os.fsencode(target))} bytes"
            )
    finally:
        shutil.rmtree(trial, ignore_errors=True)
        held.close()


# By how much a temporary name is longer than the name it is for.
_LONGER = 32


def _longest_path(place: Path) -> int:
    try:
        return os.pathconf(place, "PC_PATH_MAX")
    except (AttributeError, OSError, ValueError):
        return 4096


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


def _read(
    folder: Path, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors.numpy import load

    if not (folder / _MANIFEST).is_file():
        state = f"has no {_MANIFEST}" if folder.is_dir() else _missing(folder)
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
        if name == _ARRAYS:
            arrays = parsed(path, load, data)
        else:
            documents[name] = parsed_json(path, data)
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
    left = leftovers(resolved(folder))[1]
    if left:
        return (
            "is not there: a write that was to replace it was interrupted, and left it as "
            f"{str(left[0])!r}. Rename that back"
        )
    return "is not a folder" if folder.exists() else "is not a folder that exists"
