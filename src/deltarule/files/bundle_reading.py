"""Reading a bundle, from a folder or one file, of which nothing is trusted.

Sizes are looked at before anything is allocated: those of the documents are limited, and the arrays
are read after their header, and what the documents say of them, was found to fit. Whatever is
wrong is a :class:`~deltarule.errors.ModelFileError`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import FileError, InputError, ModelFileError
from deltarule.files.array_header import MOST_HEADER, ArraySpec, arrays_of, specs_of
from deltarule.files.atomic_file import MOST_JSON, parse_content, parse_json
from deltarule.files.consistency import consistent_read
from deltarule.files.filesystem import resolve_links, translate_os_errors
from deltarule.files.locking import leftovers
from deltarule.files.names import ARRAYS, MANIFEST, check_plain_name, remedy
from deltarule.files.single_file import open_single_file
from deltarule.files.stored_files import BundleFiles, FolderFiles, StoredFile
from deltarule.files.times import TIMES, with_times

__all__ = [
    "MOST_MANIFEST",
    "has_bundle",
    "manifest_digest",
    "manifest_fingerprint",
    "open_bundle",
    "read_bundle",
    "read_document",
    "read_manifest",
    "read_outline",
]

Check = Callable[[Mapping[str, Any], Mapping[str, ArraySpec]], None]

_MOST_FILES, MOST_MANIFEST = 256, 1 << 20
_KEYS = {"format", "version", "sha256", "extras", "parts", "checksum"}
# Of a file whose header is wrong, so much is read to tell whether it was changed.
_MOST_CHECKED = 1 << 26
_DIFFERS = "is not what was written (its checksum differs); it was edited or cut short"


def read_bundle(
    folder: str | os.PathLike[str],
    kind: str,
    version: int,
    *,
    check: Check | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a bundle and check its format, version and checksums.

    Parameters
    ----------
    folder : path
        A folder, a single file, or a part of that: the file's path with the part's name after it.
    kind, version : str, int
        The expected format, and the latest version of it that can be read.
    check : callable, optional
        Called with the documents and the types and shapes of the arrays before these are read;
        raises InputError if they do not fit.

    Returns
    -------
    documents : dict of file name to JSON value
    arrays : dict of name to array

    Raises
    ------
    ModelFileError
        If the folder is missing, is of another format or a later version, or a file was
        changed or cut short; the message names the file.
    FileError
        If the system refuses to read it.
    InputError
        If ``times.json`` does not fit the documents.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule.files import write_bundle
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bundle(folder + "/b", "box", 1, {"a.json": [1]}, {"x": np.zeros(2)})
    ...     read_bundle(folder + "/b", "box", 1)
    ({'a.json': [1]}, {'x': array([0., 0.])})
    """
    path = Path(folder)

    def read() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        with _checked_bundle(path, kind, version) as (files, manifest):
            return _read(files, manifest["sha256"], check)

    return consistent_read(path, read)


def read_outline(
    folder: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, ArraySpec]]:
    """Read a bundle and check it as :func:`read_bundle` does, without keeping its arrays.

    Returns
    -------
    manifest : dict
    documents : dict of file name to JSON value
    specs : dict of name to ArraySpec
        The types and shapes of the arrays.
    """
    path = Path(folder)

    def read() -> tuple[dict[str, Any], dict[str, Any], dict[str, ArraySpec]]:
        with _checked_bundle(path, kind, version) as (files, manifest):
            documents = _read_documents(files, manifest["sha256"])
            checksum = manifest["sha256"].get(ARRAYS)
            if checksum is None:
                return manifest, documents, {}
            with files.open(ARRAYS) as file:
                specs, n_bytes = _read_header(file, checksum, None)
                file.skip(n_bytes)
                _check_digest(file, checksum)
            return manifest, documents, specs

    return consistent_read(path, read)


@contextlib.contextmanager
def open_bundle(path: Path, kind: str) -> Iterator[BundleFiles]:
    """Open the files of a bundle: a folder, a single file, or a part of that.

    Raises
    ------
    ModelFileError
        If there is no such bundle.
    """
    with translate_os_errors("read", path):
        single = next((each for each in (path, path.parent) if _is_file(each)), None)
    if single is not None:
        with open_single_file(single, kind) as archive:
            part = archive if single == path else archive.part(path.name)
            if not part.has(MANIFEST):
                raise ModelFileError(f"{str(path)!r} has no {MANIFEST}; expected a {kind}")
            yield part
        return
    files = FolderFiles(path, remedy(kind))
    if not files.has(MANIFEST):
        state = f"has no {MANIFEST}" if path.is_dir() else _missing(path)
        raise ModelFileError(f"{str(path)!r} {state}; expected a folder with a {kind}")
    yield files


@contextlib.contextmanager
def _checked_bundle(
    path: Path, kind: str, version: int
) -> Iterator[tuple[BundleFiles, dict[str, Any]]]:
    """Open a bundle, and check its manifest, and in a single file that it names everything."""
    with open_bundle(path, kind) as files:
        manifest = read_manifest(files, kind, version)
        if (names := files.names()) is not None:
            _check_all(files, names, manifest)
        yield files, manifest


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _missing(folder: Path) -> str:
    """Return the end of the message about a path that is not a folder."""
    with translate_os_errors("read", folder):
        left = leftovers(resolve_links(folder))[1]
    if left:
        return (
            "is not there: a write that was to replace it was interrupted, and left it as "
            f"{str(left[0])!r}. Rename that back"
        )
    return "is not a folder" if folder.exists() else "is not a folder that exists"


def has_bundle(path: str | os.PathLike[str], kind: str) -> bool:
    """Return whether there is a bundle of this kind, of whatever version.

    Examples
    --------
    >>> has_bundle("no such folder", "box")
    False
    """
    try:
        with open_bundle(Path(path), kind) as files:
            return read_manifest(files, kind, None)["format"] == kind
    except FileError:
        return False


def read_document(path: str | os.PathLike[str], name: str, kind: str) -> Any:
    """Return one JSON document of a bundle, without a look at the others.

    Raises
    ------
    ModelFileError
        If there is no such bundle or document, or it was changed.
    """

    def read() -> Any:
        with open_bundle(Path(path), kind) as files:
            checksums = read_manifest(files, kind, None)["sha256"]
            if name not in checksums:
                raise ModelFileError(f"{str(path)!r} is not a complete {kind}: it has no {name!r}")
            return _document(files, name, checksums[name], MOST_JSON)[0]

    return consistent_read(path, read)


# -- the manifest ----------------------------------------------------------------------------


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Return the checksum of a manifest, of all that it says but this checksum.

    Examples
    --------
    >>> manifest_digest({"version": 1}) == manifest_digest({"version": 1, "checksum": "-"})
    True
    """
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_fingerprint(manifest: Mapping[str, Any]) -> str:
    """Return a digest of the format and of the checksums of files, the same for a training again.

    The checksums of ``times.json``, of further files such as a report, and of parts are left out.
    """
    checksums = {name: each for name, each in manifest["sha256"].items() if name != TIMES}
    kept = {name: manifest[name] for name in ("format", "version")}
    return manifest_digest({**kept, "sha256": checksums})


def read_manifest(files: BundleFiles, kind: str, version: int | None) -> dict[str, Any]:
    """Return the manifest of a bundle, whose entries are of their types.

    Parameters
    ----------
    files : BundleFiles
    kind : str
        The expected format.
    version : int or None
        The latest version that can be read; None for any.

    Raises
    ------
    ModelFileError
        If it is damaged, or of another format or a later version.
    """
    place = str(files.path)
    with files.open(MANIFEST) as file:
        where = Path(file.path)
        manifest = parse_json(where, file.read_all(MOST_MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        given = manifest.get("format") if isinstance(manifest, dict) else manifest
        shown = repr(given) if len(repr(given)) <= 60 else "something else"
        raise ModelFileError(f"{place!r} holds a {shown}; expected a {kind}")
    written = manifest.get("version")
    names: Any = (manifest.get("sha256"), manifest.get("extras", {}), manifest.get("parts", {}))
    if type(written) is not int or written < 1 or not all(map(_are_checksums, names)):
        raise ModelFileError(f"{str(where)!r} lacks the version or the checksums; {files.remedy}")
    if version is not None and written > version:
        raise ModelFileError(
            f"{place!r} was written by a later version of deltarule (format {min(written, 10**6)}, "
            f"this one reads up to {version}); update deltarule"
        )
    if manifest.keys() - _KEYS or manifest.get("checksum", manifest_digest(manifest)) != (
        manifest_digest(manifest)
    ):
        raise ModelFileError(f"{str(where)!r} {_DIFFERS}; {files.remedy}")
    for name in (name for each in names for name in each):
        try:
            check_plain_name(name)
        except ValueError as error:
            raise ModelFileError(
                f"{str(where)!r} names a file in another place: {error}; {files.remedy}"
            ) from None
    return manifest


def _are_checksums(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and len(given) <= _MOST_FILES
        and all(isinstance(each, str) for each in given.values())
    )


def _check_all(files: BundleFiles, names: set[str], manifest: Mapping[str, Any]) -> None:
    """Refuse a single file with something in it that its manifest does not name or that differs."""
    parts = manifest.get("parts", {})
    inner = {f"{name}/{MANIFEST}": digest for name, digest in parts.items()}
    known = {MANIFEST, *manifest["sha256"], *manifest.get("extras", {})}
    others = {name for name in names if name not in known and name.split("/")[0] not in parts}
    if others:
        raise ModelFileError(
            f"{str(files.path)!r} holds {min(others)!r}, which its {MANIFEST} does not name; "
            f"{files.remedy}"
        )
    for name, digest in {**manifest.get("extras", {}), **inner}.items():
        with files.open(name) as file:
            file.skip(file.size)
            _check_digest(file, digest)


# -- the files --------------------------------------------------------------------------------


def _read(
    files: BundleFiles, checksums: Mapping[str, str], check: Check | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    documents = _read_documents(files, checksums)
    if ARRAYS not in checksums:
        if check is not None:
            check(documents, {})
        return documents, {}
    with files.open(ARRAYS) as file:
        fits = None if check is None else functools.partial(check, documents)
        specs, n_bytes = _read_header(file, checksums[ARRAYS], fits)
        data = bytearray(n_bytes)
        file.read_into(data)
        _check_digest(file, checksums[ARRAYS])
        arrays = parse_content(Path(file.path), lambda given: arrays_of(specs, given), data)
    return documents, arrays


def _check_digest(file: StoredFile, checksum: str) -> None:
    if file.sha256() != checksum:
        raise ModelFileError(f"{file.path!r} {_DIFFERS}; {file.remedy}")


def _read_documents(files: BundleFiles, checksums: Mapping[str, str]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    left = MOST_JSON
    for name, checksum in checksums.items():
        if name != ARRAYS:
            documents[name], size = _document(files, name, checksum, left)
            left -= size
    return with_times(documents) if TIMES in documents else documents


def _document(files: BundleFiles, name: str, checksum: str, most: int) -> tuple[Any, int]:
    """Return a document, and its number of bytes."""
    with files.open(name) as file:
        data = file.read_all(most)
        _check_digest(file, checksum)
        return parse_json(Path(file.path), data), file.size


def _read_header(
    file: StoredFile, checksum: str, check: Callable[[Mapping[str, ArraySpec]], object] | None
) -> tuple[dict[str, ArraySpec], int]:
    """Return what the arrays of a file are, and the number of bytes that follow the header."""
    n_read = 0
    try:
        start = bytearray(min(8, file.size))
        file.read_into(start)
        n_read += len(start)
        n_header = int.from_bytes(start, "little")
        if len(start) < 8 or n_header > min(file.size - 8, MOST_HEADER):
            raise ModelFileError(f"{file.path!r} is not valid safetensors: it has no header")
        header = bytearray(n_header)
        file.read_into(header)
        n_read += n_header
        parsed = parse_json(Path(file.path), bytes(header))
        n_bytes = file.size - n_read
        specs = parse_content(Path(file.path), lambda given: specs_of(given, n_bytes), parsed)
        if check is not None:
            check(specs)
    except (FileError, InputError):
        # A changed file is named as such, and not by what the change leads to.
        if file.size <= _MOST_CHECKED:
            file.skip(file.size - n_read)
            _check_digest(file, checksum)
        raise
    return specs, n_bytes
