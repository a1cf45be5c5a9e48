"""What identifies a bundle, and whether its further files, such as a report, are as written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from deltarule.errors import ModelFileError
from deltarule.files.bundle_reading import (
    MOST_MANIFEST,
    manifest_fingerprint,
    open_bundle,
    read_manifest,
)
from deltarule.files.consistency import consistent_read
from deltarule.files.names import MANIFEST
from deltarule.files.stored_files import BundleFiles
from deltarule.files.times import TIMES

__all__ = ["Seal", "read_extra", "read_seal"]


class Seal(NamedTuple):
    """What identifies a bundle, and whether its further files are as they were written.

    Attributes
    ----------
    fingerprint : str
        Of :func:`manifest_fingerprint`; of a bundle without ``times.json``, which an earlier
        version wrote, the SHA-256 of the manifest.
    manifest : str
        The SHA-256 of the manifest, which has the checksums of all other files.
    extras : dict of file name to str
        ``"as written"``, ``"changed"`` or ``"missing"``: files that :func:`read_bundle` does not
        return, such as pictures, and does not check in a folder.
    sha256 : dict of file name to str
        Of these files as they are now; without those that are missing, or no plain files.
    unnamed : tuple of str
        What else is in the folder: the manifest does not name it, so that nothing covers it.
    """

    fingerprint: str
    manifest: str
    extras: dict[str, str]
    sha256: dict[str, str]
    unnamed: tuple[str, ...] = ()


def read_seal(folder: str | os.PathLike[str], kind: str) -> Seal:
    """Read what identifies a bundle, and whether its further files are as they were written."""
    path = Path(folder)

    def read() -> Seal:
        with open_bundle(path, kind) as files:
            with files.open(MANIFEST) as file:
                file.read_all(MOST_MANIFEST)
                whole = file.sha256()
            manifest = read_manifest(files, kind, None)
            timed = TIMES in manifest["sha256"]
            states, checksums = dict[str, str](), dict[str, str]()
            for name, expected in manifest.get("extras", {}).items():
                found = _sha256(files, name)
                if found:
                    checksums[name] = found
                states[name] = "as written" if found == expected else "changed"
                if found is None:
                    states[name] = "missing"
            fingerprint = manifest_fingerprint(manifest) if timed else whole
            known = {MANIFEST, *manifest["sha256"], *states, *manifest.get("parts", {})}
            # In a single file each entry is named, or it is refused.
            inside = {each.name for each in path.iterdir()} if path.is_dir() else set[str]()
            unnamed = tuple(sorted(inside - known))
            return Seal(fingerprint, whole, states, checksums, unnamed)

    return consistent_read(path, read)


def _sha256(files: BundleFiles, name: str) -> str | None:
    """Return the checksum of a file; "" of what is no plain file, and None if it is missing."""
    if not files.has(name):
        return None
    try:
        with files.open(name) as file:
            file.skip(file.size)
            return file.sha256()
    except ModelFileError:  # a link, a pipe or a device
        return ""


def read_extra(folder: str | os.PathLike[str], kind: str, name: str, most: int) -> bytes | None:
    """Return the content of a further file; None if it is missing, no plain file, or too large.

    Parameters
    ----------
    folder : path
    kind : str
        The format of the bundle.
    name : str
    most : int
        The most bytes that are read.
    """
    path = Path(folder)

    def read() -> bytes | None:
        with open_bundle(path, kind) as files:
            if not files.has(name):
                return None
            try:
                with files.open(name) as file:
                    return file.read_all(most) if file.size <= most else None
            except ModelFileError:
                return None

    return consistent_read(path, read)
