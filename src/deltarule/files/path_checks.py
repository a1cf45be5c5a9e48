"""Checks, before any work is done, of whether a path can be written to and may be replaced."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from deltarule.errors import FileError, InputError
from deltarule.files.atomic_file import is_stream, read_json
from deltarule.files.bundle_reading import has_bundle
from deltarule.files.consistency import consistent_read
from deltarule.files.filesystem import (
    already_exists,
    create_file,
    create_folder,
    resolve_links,
    temporary_name,
    translate_os_errors,
)
from deltarule.files.locking import create_locked, leftovers
from deltarule.files.names import ARRAYS, MANIFEST
from deltarule.files.single_file import SUFFIX, is_single_file_name

__all__ = [
    "check_bundle_path",
    "check_file_path",
    "check_replaceable",
    "checked_path",
    "is_bundle",
]

# What temporary folders are named after that show whether a folder can be written to.
_TRIAL = "deltarule"


def checked_path(parameter: str, given: Any) -> Path:
    """Return the path that a parameter gives: a text that is not empty, or a path object.

    Raises
    ------
    InputError
        If it gives none.

    Examples
    --------
    >>> checked_path("folder", 3)
    Traceback (most recent call last):
    deltarule.errors.InputError: folder is 3; expected a path, such as 'm'
    """
    if (
        given == ""
        or not isinstance(given, str | os.PathLike)
        or not isinstance(os.fspath(given), str)
    ):
        raise InputError(parameter=parameter, given=given, expected="a path, such as 'm'")
    return Path(given)


def check_replaceable(given: Path, target: Path, kind: str, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced, or cannot be renamed.

    Called with the lock of the folder that holds it, or by :func:`consistent_read`.

    Parameters
    ----------
    given, target : Path
        The path as the caller gave it, for messages, and what it leads to through links.
    kind : str
        The format of the bundle that is to be written.
    overwrite : bool
        Whether a bundle of this kind may be replaced.
    """
    if not os.path.lexists(target) and not (given.is_symlink() and not overwrite):
        return
    if not overwrite:
        raise already_exists(given)
    if is_single_file_name(given) and target.is_dir():
        raise FileError(
            f"{str(given)!r} is a folder; expected a file, since the name ends in {SUFFIX}; it is "
            "left untouched. Choose another name"
        )
    if not is_bundle(target, kind) or is_single_file_name(given) == target.is_dir():
        raise FileError(
            f"{str(given)!r} exists and is not a folder with a {kind}; it is left untouched. "
            "Choose another name"
        )
    if os.path.ismount(target) or _is_current_folder(target):
        what = "where a disk is mounted" if os.path.ismount(target) else "the current folder"
        raise FileError(
            f"{str(given)!r} is {what}, which cannot be replaced in one step; it is left "
            "untouched. Name another folder, such as one in it"
        )


def _is_current_folder(folder: Path) -> bool:
    try:
        return folder.samefile(Path.cwd())
    except OSError:
        return False


def is_bundle(folder: Path, kind: str) -> bool:
    """Return whether a folder or a single file is a bundle of this kind, or an empty folder.

    Where another process may replace the folder meanwhile, call it by :func:`consistent_read`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     is_bundle(Path(folder), "box"), is_bundle(Path(folder, "missing"), "box")
    (True, False)
    """
    if not folder.is_dir():
        return folder.is_file() and has_bundle(folder, kind)
    try:
        if not any(folder.iterdir()):
            return True
        manifest = read_json(folder / MANIFEST)
    except (FileError, FileNotFoundError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == kind


def check_bundle_path(
    folder: str | os.PathLike[str], kind: str, *, overwrite: bool = False
) -> None:
    """Refuse a folder that :func:`write_bundle` could not write to.

    A temporary folder is created beside it, written to, and removed.

    Parameters
    ----------
    folder : path
    kind : str
        The format of the bundle that is to be written.
    overwrite : bool
        Whether a bundle of this kind may be replaced.

    Raises
    ------
    FileError
        If nothing can be written there, or what exists may not be replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_bundle_path(folder + "/new", "box")
    ...     check_bundle_path(folder + "/" + 300 * "n", "box")
    Traceback (most recent call last):
    deltarule.errors.FileError: cannot write ...: File name too long; choose a shorter one
    """
    given = Path(folder)
    with translate_os_errors("write", given):
        target = resolve_links(given)
        consistent_read(target, lambda: check_replaceable(given, target, kind, overwrite))
        # The longest path within a bundle.
        _try_to_create(target, Path("record", ARRAYS))


def check_file_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Refuse a path that :func:`write_bytes` could not write to.

    Raises
    ------
    FileError
        If nothing can be written there, or the file exists (without ``overwrite``).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_file_path(folder + "/new.csv")
    """
    given = Path(path)
    with translate_os_errors("write", given):
        if given.is_dir():
            raise FileError(f"{str(path)!r} is a folder; expected a file's name")
        if os.path.lexists(given) and not overwrite:
            raise already_exists(given)
        if not is_stream(given):
            _try_to_create(resolve_links(given), Path())


def _try_to_create(target: Path, inner: Path) -> None:
    """Create the names of a path, one by one, in a temporary folder that is removed again.

    ``inner`` is the longest path that will be below ``target``.
    """
    existing = target.parent
    missing = []
    while not os.path.lexists(existing):
        missing.append(existing.name)
        existing = existing.parent
    for left in leftovers(existing / _TRIAL)[0]:  # of a process that was killed within this check
        shutil.rmtree(left, ignore_errors=True)
    trial = temporary_name(existing / _TRIAL)
    with create_locked(trial, lambda: create_folder(trial)):
        try:
            for name in (*missing, target.name):
                (trial / name).mkdir()
                (trial / name).rmdir()
            create_file(trial / "a", b"a")
            longest = len(os.fsencode(target / inner)) + _LONGER
            limit = _longest_path(existing)
            if longest > limit:
                raise FileError(
                    f"cannot write {str(target)!r}: the path is too long; expected at most "
                    f"{limit - longest + len(os.fsencode(target))} bytes"
                )
        finally:
            shutil.rmtree(trial, ignore_errors=True)


# By how many bytes a temporary name is longer than the name that it stands for.
_LONGER = 32


def _longest_path(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_PATH_MAX")
    except (AttributeError, OSError, ValueError):
        return 4096
