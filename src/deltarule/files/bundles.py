"""Bundles: folders of JSON files and one safetensors file, replaced in one step."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil
import stat
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.files.array_header import MOST_ARRAYS
from deltarule.files.atomic_file import json_bytes, write_bytes
from deltarule.files.bundle_reading import (
    manifest_digest,
    manifest_fingerprint,
    open_bundle,
)
from deltarule.files.consistency import consistent_read
from deltarule.files.filesystem import (
    already_exists,
    create_file,
    create_folder,
    exchange,
    rename_new,
    resolve_links,
    sync_folder,
    temporary_name,
    translate_os_errors,
)
from deltarule.files.foreign_files import BundleLayout, link_foreign, move_entries, remove_owned
from deltarule.files.locking import create_locked, folder_lock, leftovers
from deltarule.files.names import ARRAYS, MANIFEST, check_plain_name
from deltarule.files.path_checks import check_replaceable
from deltarule.files.single_file import is_single_file_name, single_file_bytes
from deltarule.files.times import without_times

__all__ = ["Bundle", "Part", "save_bundle", "write_bundle"]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The content of a bundle.

    Attributes
    ----------
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
        Of any shape; saved in C order. Without arrays there is no file of them.
    times : mapping of file name to sequence of str, optional
        Where the documents have clock times, which are no part of the fingerprint, as
        :func:`~deltarule.files.times.without_times` takes them; None if that is not asked for.

    The bytes of its files are computed once, at the first use, and stay in memory with it.
    """

    kind: str
    version: int
    documents: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    times: Mapping[str, Sequence[str]] | None = None

    def fingerprint(self) -> str:
        """Return the fingerprint of the bundle, as it is read again from its files."""
        manifest: dict[str, Any] = json.loads(self.contents()[MANIFEST])
        return manifest_fingerprint(manifest)

    def contents(self, extras: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Return the bytes of every file by name.

        The manifest is the last, so a folder without one is incomplete.

        Raises
        ------
        InputError
            If a document has no form in JSON.
        """
        extras = extras or {}
        files, digests = self._files
        manifest: dict[str, Any] = {"format": self.kind, "version": self.version}
        manifest["sha256"] = digests
        if extras:
            manifest["extras"] = _digests(extras)
        for name in (*files, *extras):
            check_plain_name(name)
        if len(self.arrays) > MOST_ARRAYS:
            raise InputError(
                f"there are {len(self.arrays):,} arrays; expected at most {MOST_ARRAYS:,}"
            )
        return {**files, **extras, MANIFEST: _manifest_bytes(manifest)}

    @functools.cached_property
    def _files(self) -> tuple[dict[str, bytes], dict[str, str]]:
        """The bytes of the documents and the arrays, and their checksums."""
        from safetensors.numpy import save

        documents = self.documents
        if self.times is not None:
            documents = without_times(documents, self.times)
        files = {name: json_bytes(name, value) for name, value in documents.items()}
        if self.arrays:
            # asarray and not ascontiguousarray, which gives a scalar a dimension.
            files[ARRAYS] = save({k: np.asarray(v, order="C") for k, v in self.arrays.items()})
        return files, _digests(files)


def _manifest_bytes(manifest: dict[str, Any]) -> bytes:
    return json_bytes(MANIFEST, {**manifest, "checksum": manifest_digest(manifest)})


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@dataclasses.dataclass(frozen=True)
class Part:
    """A bundle in a folder within another bundle, which is replaced together with that.

    Attributes
    ----------
    kind : str
        Its format.
    bundle : Bundle or None
        Its content; None to write none.
    keep : callable, optional
        Called with the folder of the existing part, if ``bundle`` is None; returns whether that
        part is kept in the new bundle. In a single file it is the path of that with the part's
        name after it, which the functions of this package read.
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
    times: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a bundle: JSON documents, and arrays as safetensors.

    The folder is written under a temporary name beside its path, flushed to the disk, and renamed
    in one step. If the process is killed, the old folder is there or the new one, and the next
    call that writes there removes what was left.

    Parameters
    ----------
    folder : path
        If it is a link, the folder that it points to is replaced. A name that ends in
        ``.deltarule`` is that of a single file, which holds what the folder would.
    kind, version : str, int
        The format, for the manifest.
    documents : mapping of file name to JSON value
    arrays : mapping of name to array
    overwrite : bool
        Whether an existing bundle of the same kind may be replaced; any other folder never is.
        Files in it that this library did not write are kept. If several processes write at once
        without ``overwrite``, one of them succeeds.
    parts : mapping of folder name to Part
        Bundles within this one.
    extras : mapping of file name to bytes
        Further files, such as pictures, that :func:`read_bundle` does not return.
    times : mapping of file name to sequence of str, optional
        As :class:`Bundle` has it.

    Raises
    ------
    FileError
        If the folder exists and may not be replaced, or cannot be written; an existing folder
        is left as it was.
    InputError
        If a document has no form in JSON.
    """
    bundle = Bundle(kind, version, documents, arrays, times)
    save_bundle(folder, bundle, overwrite=overwrite, parts=parts, extras=extras)


def save_bundle(
    folder: str | os.PathLike[str],
    bundle: Bundle,
    *,
    overwrite: bool = False,
    parts: Mapping[str, Part] | None = None,
    extras: Mapping[str, bytes] | None = None,
) -> None:
    """Write a bundle that is there already, as :func:`write_bundle` does."""
    given, parts, kind = Path(folder), parts or {}, bundle.kind
    if is_single_file_name(given):
        _write_single_file(given, bundle, parts, extras, overwrite=overwrite)
        return
    with translate_os_errors("write", given), contextlib.ExitStack() as locks:
        files = {n: p.bundle.contents() for n, p in parts.items() if p.bundle is not None}
        files[""] = bundle.contents(extras)
        target = resolve_links(given)
        own = BundleLayout(MANIFEST, {name: part.kind for name, part in parts.items()})
        consistent_read(target, lambda: check_replaceable(given, target, kind, overwrite))
        _make_parents(target)
        temporary = temporary_name(target)
        try:
            locks.enter_context(create_locked(temporary, lambda: create_folder(temporary)))
            for place, contents in files.items():
                (temporary / place).mkdir(exist_ok=True)
                for name, data in contents.items():
                    create_file(temporary / place / name, data)
                sync_folder(temporary / place)
            locks.enter_context(folder_lock(target.parent))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        # From here on other processes wait: names in the folder are changed, and files that this
        # library did not write are moved, which must find the bundle under its name.
        try:
            _remove_leftovers(target, own)
            check_replaceable(given, target, kind, overwrite)
            _replace(temporary, target, own, parts)
        except FileExistsError:
            raise already_exists(given) from None
        finally:
            _remove_replaced(temporary, target, own)


def _make_parents(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        number = errno.ENOTDIR
        raise NotADirectoryError(number, os.strerror(number), str(target.parent)) from None


def _replace(new: Path, target: Path, own: BundleLayout, parts: Mapping[str, Part]) -> None:
    """Rename the new folder to its path, with the foreign files and kept parts of the old one."""
    if not os.path.lexists(target):
        rename_new(new, target)
    else:
        kept = {
            name
            for name, part in parts.items()
            if part.bundle is None and part.keep is not None and part.keep(target / name)
        }
        new.chmod(stat.S_IMODE(target.stat().st_mode))
        link_foreign(target, new, own, kept)
        exchange(new, target)
        if own.names(new) is None:  # it was empty
            move_entries(new, target)
        for name in kept:
            move_entries(new / name, target / name)
    with contextlib.suppress(OSError):  # the folder has its name already
        sync_folder(target.parent)


def _remove_leftovers(target: Path, own: BundleLayout) -> None:
    """Remove what writers that were killed have left, or rename it back if there is no other."""
    temporary, replaced = leftovers(target)
    if replaced and not os.path.lexists(target):
        replaced.pop().rename(target)
    found = {
        name for left in (*temporary, *replaced) for name in _remove_replaced(left, target, own)
    }
    if found:
        warnings.warn(
            f"an earlier save to {str(target)!r} was interrupted; what it left had files that are "
            f"not its own, which are in {str(target)!r} now: {', '.join(sorted(found))}",
            stacklevel=2,
        )


def _remove_replaced(left: Path, target: Path, own: BundleLayout) -> set[str]:
    """Remove a folder that was replaced, or was never finished; its foreign files are moved.

    Returns the names of those that were only there.
    """
    moved: set[str] = set()
    with contextlib.suppress(OSError):
        if not left.is_dir() or left.is_symlink():
            return moved
        if own.names(left) is None:  # it never was at its path, where foreign files could be added
            shutil.rmtree(left, ignore_errors=True)
            return moved
        remove_owned(left, own)
        if target.is_dir():
            names = {path.name for path in left.iterdir()} - {MANIFEST}
            there = {path.name for path in target.iterdir()}
            move_entries(left, target, skip=MANIFEST)
            moved = names - there
        if [path.name for path in left.iterdir()] == [MANIFEST]:
            (left / MANIFEST).unlink()
            left.rmdir()
    return moved


# -- as a single file ----------------------------------------------------------------------------


def _write_single_file(
    given: Path,
    bundle: Bundle,
    parts: Mapping[str, Part],
    extras: Mapping[str, bytes] | None,
    *,
    overwrite: bool,
) -> None:
    own = bundle.contents(extras)
    target = resolve_links(given)

    def check(_: Path) -> None:
        check_replaceable(given, target, bundle.kind, overwrite)

    with translate_os_errors("write", given):
        check(target)
        _make_parents(target)
        inner: dict[str, bytes] = {}
        for name, part in parts.items():
            if part.bundle is not None:
                inner |= {f"{name}/{each}": data for each, data in part.bundle.contents().items()}
            elif part.keep is not None and target.exists() and part.keep(target / name):
                inner |= _stored_part(target, bundle.kind, name)
        manifest = json.loads(own.pop(MANIFEST))
        of_parts = {
            name: inner[f"{name}/{MANIFEST}"] for name in parts if f"{name}/{MANIFEST}" in inner
        }
        if of_parts:
            manifest["parts"] = _digests(of_parts)
        files = {MANIFEST: _manifest_bytes(manifest), **own, **inner}
        data = single_file_bytes(given.name, files)
        write_bytes(given, data, overwrite=overwrite, check=check)


def _stored_part(file: Path, kind: str, name: str) -> dict[str, bytes]:
    """Return the files of a part of a single file, with the name of the part before theirs."""
    found = {}
    with open_bundle(file, kind) as files:
        for each in sorted(files.names() or ()):
            if each.startswith(f"{name}/"):
                with files.open(each) as stored:
                    found[each] = stored.read_all(stored.size)
    return found
