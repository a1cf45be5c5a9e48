"""What of a folder is a bundle's own, and what somebody else has put there, which is kept."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files.single import read_json

__all__ = ["Own", "carry", "mirrored", "remove_own"]


@dataclasses.dataclass(frozen=True)
class Own:
    """Which entries of a folder are those of a bundle.

    Attributes
    ----------
    manifest : str
        The name of the file that says so.
    parts : mapping of folder name to str
        The bundles within it, and the format of each.
    """

    manifest: str
    parts: Mapping[str, str]

    def names(self, folder: Path, kind: str | None = None) -> set[str] | None:
        """The files that are the bundle's own; None if the folder is none (of this kind)."""
        try:
            given = read_json(folder / self.manifest)
        except FileError:
            return None
        if not isinstance(given, dict) or not isinstance(given.get("sha256"), dict):
            return None
        if kind is not None and given.get("format") != kind:
            return None
        extras = given.get("extras")
        unchanged = {
            name
            for name, digest in (extras.items() if isinstance(extras, dict) else ())
            if _digest(folder / Path(name).name) == digest
        }
        return {self.manifest, *given["sha256"], *unchanged}


def _digest(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def mirrored(old: Path, new: Path, own: Own, kept: Collection[str]) -> None:
    """Give what others have put into the old folder a second name in the new one.

    So it is not missed for a moment when the folders are exchanged. What cannot have two names
    is moved after that, by :func:`carry`.
    """
    names = own.names(old) or set()
    for entry in _entries(old):
        name = entry.name
        if name in own.parts and name not in kept:
            inner = own.names(entry, own.parts[name])
            if inner is not None:
                for each in _entries(entry):
                    if each.name not in inner:
                        _second_name(each, new / name / each.name)
                continue
        if name not in names:
            _second_name(entry, new / name)


def _second_name(old: Path, new: Path) -> None:
    if os.path.lexists(new):  # the new bundle has one of this name
        return
    with contextlib.suppress(OSError):
        new.parent.mkdir(exist_ok=True)
        if old.is_dir() and not old.is_symlink():
            state = old.stat()
            new.mkdir()
            new.chmod(stat.S_IMODE(state.st_mode))
            for entry in _entries(old):
                _second_name(entry, new / entry.name)
        else:
            os.link(old, new, follow_symlinks=False)


def remove_own(folder: Path, own: Own) -> None:
    """Remove the files of a bundle from a folder, and nothing else.

    The manifest stays, since without it nobody could tell whose the others are.
    """
    for name, kind in own.parts.items():
        inner = own.names(folder / name, kind)
        if inner is not None:
            _remove(folder / name, inner - {own.manifest})
            (folder / name / own.manifest).unlink()
            with contextlib.suppress(OSError):
                (folder / name).rmdir()
    _remove(folder, (own.names(folder) or set()) - {own.manifest})


def _remove(folder: Path, names: set[str]) -> None:
    for path in _entries(folder):
        if path.name in names and not (path.is_dir() and not path.is_symlink()):
            path.unlink()


def carry(old: Path, new: Path, *, but: str = "") -> None:
    """Move everything in one folder to another; what is there already keeps its name."""
    for entry in _entries(old):
        if entry.name != but:
            with contextlib.suppress(OSError):
                _carry(entry, new / entry.name)


def _carry(old: Path, new: Path) -> None:
    if not os.path.lexists(new):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
    elif _same(old, new):
        old.unlink()
    elif all(path.is_dir() and not path.is_symlink() for path in (old, new)):
        carry(old, new)
        old.rmdir()
    else:
        number = 1
        while os.path.lexists(free := new.with_name(f"{new.name}.kept{number}")):
            number += 1
        old.rename(free)


def _same(one: Path, other: Path) -> bool:
    first, second = os.lstat(one), os.lstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
