"""Where something can be saved, and what may be replaced there: found out before the work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files.moving import beside, clear_errors, hold_new, resolved
from deltarule.files.single import is_stream, read_json

__all__ = [
    "ARRAYS",
    "MANIFEST",
    "check_bundle_place",
    "check_file_place",
    "check_replaceable",
    "exists_already",
    "is_bundle",
    "new_folder",
    "write_new",
]

MANIFEST = "manifest.json"
ARRAYS = "arrays.safetensors"
_LOOKS = 5


def new_folder(path: Path) -> int:
    """Make a folder, and open it; -1 where folders cannot be opened."""
    path.mkdir()
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # folders cannot be opened on this system
        return -1


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, down to the disk, with the usual permissions."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_replaceable(given: Path, target: Path, kind: str, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced, or that cannot change its name."""
    if not os.path.lexists(target) and not (given.is_symlink() and not overwrite):
        return
    if not overwrite:
        raise exists_already(given)
    # Where names cannot be exchanged, a folder that another process replaces is gone for a moment
    # and may be there again at the next look; whoever replaces it looks once more under the lock.
    for _ in range(_LOOKS):
        if is_bundle(target, kind):
            break
        if not os.path.lexists(target):
            return
    else:
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
        return folder.samefile(Path.cwd())
    except OSError:
        return False


def is_bundle(folder: Path, kind: str) -> bool:
    """Whether a folder is a bundle of this kind, or empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     is_bundle(Path(folder), "box"), is_bundle(Path(folder, "missing"), "box")
    (True, False)
    """
    if not folder.is_dir():
        return False
    try:
        if not any(folder.iterdir()):
            return True
    except FileNotFoundError:  # replaced by another process at this moment
        return False
    try:
        given = read_json(folder / MANIFEST)
    except FileError:
        return False
    return isinstance(given, dict) and given.get("format") == kind


def exists_already(folder: Path) -> FileError:
    """The error of those that may not replace what is there."""
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
        check_replaceable(given, target, kind, overwrite)
        # The longest name in it that will be.
        _rehearse(target, Path("record", ARRAYS))


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
            raise exists_already(given)
        if is_stream(given):
            return
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
    held = hold_new(trial, lambda: new_folder(trial))
    try:
        for name in (*missing, target.name):
            (trial / name).mkdir()
            (trial / name).rmdir()
        write_new(trial / "a", b"a")
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
