"""Files in a bundle's folder that this library did not write.

Such *foreign* files are kept when the bundle is replaced. A file is foreign if the manifest does
not name it, or if it is an extra whose content was changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files.atomic_file import read_json

__all__ = ["BundleLayout", "link_foreign", "move_entries", "remove_owned"]


@dataclasses.dataclass(frozen=True)
class BundleLayout:
    """The names by which a bundle's own files are told from foreign ones.

    Attributes
    ----------
    manifest : str
        The name of the manifest.
    parts : mapping of folder name to str
        The format of each bundle in a subfolder.
    """

    manifest: str
    parts: Mapping[str, str]

    def names(self, folder: Path, kind: str | None = None) -> set[str] | None:
        """Return the names of the bundle's files; None if the folder is no bundle of this kind."""
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


def link_foreign(old: Path, new: Path, own: BundleLayout, kept: Collection[str]) -> None:
    """Give the foreign files of the old folder a second name (a hard link) in the new one.

    The files then never disappear while the folders are exchanged. Files that cannot be hard-linked
    are moved afterwards by :func:`move_entries`. ``kept`` names the parts that are kept whole.
    """
    names = own.names(old) or set()
    for entry in _entries(old):
        name = entry.name
        if name in own.parts and name not in kept:
            inner = own.names(entry, own.parts[name])
            if inner is not None:
                for each in _entries(entry):
                    if each.name not in inner:
                        _link(each, new / name / each.name)
                continue
        if name not in names:
            _link(entry, new / name)


def _link(old: Path, new: Path) -> None:
    if os.path.lexists(new):  # the new bundle has a file of this name
        return
    with contextlib.suppress(OSError):
        new.parent.mkdir(exist_ok=True)
        if old.is_dir() and not old.is_symlink():
            state = old.stat()
            new.mkdir()
            new.chmod(stat.S_IMODE(state.st_mode))
            for entry in _entries(old):
                _link(entry, new / entry.name)
        else:
            os.link(old, new, follow_symlinks=False)


def remove_owned(folder: Path, own: BundleLayout) -> None:
    """Remove the files of a bundle from a folder, but not its manifest.

    The manifest is needed to tell the bundle's files from foreign ones if this process is killed.
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


def move_entries(old: Path, new: Path, *, skip: str = "") -> None:
    """Move everything in one folder, except ``skip``, to another.

    A file whose name exists there is moved under that name with ``.kept1``, ``.kept2``, … added.
    """
    for entry in _entries(old):
        if entry.name != skip:
            with contextlib.suppress(OSError):
                _move(entry, new / entry.name)


def _move(old: Path, new: Path) -> None:
    if not os.path.lexists(new):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
    elif _is_same_file(old, new):
        old.unlink()
    elif all(path.is_dir() and not path.is_symlink() for path in (old, new)):
        move_entries(old, new)
        old.rmdir()
    else:
        number = 1
        while os.path.lexists(free := new.with_name(f"{new.name}.kept{number}")):
            number += 1
        old.rename(free)


def _is_same_file(one: Path, other: Path) -> bool:
    first, second = os.lstat(one), os.lstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
