"""A folder of bundles with increasing numbers, written by one process at a time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import FileError
from deltarule.files.bundle_reading import read_bundle
from deltarule.files.bundles import write_bundle
from deltarule.files.filesystem import resolve_links, sync_folder, translate_os_errors
from deltarule.files.locking import leftovers
from deltarule.files.names import MANIFEST

__all__ = ["NumberedBundles"]

_DIGITS = 6


class NumberedBundles:
    """The bundles ``name-000001``, ``name-000002``, … in a folder.

    A process that is killed while it writes leaves the bundles that were there. One that cannot be
    read, since the disk damaged it, is passed over.

    Parameters
    ----------
    folder : path
        It is created when the first bundle is written.
    name : str
    kind, version : str, int
        The format of the bundles.
    most : int, optional
        How many of the newest bundles are kept; all, if not given.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bundles = NumberedBundles(folder, "state", "a test", 1, most=2)
    ...     for value in range(3):
    ...         bundles.append({"a.json": value}, {})
    ...     sorted(os.listdir(folder)), bundles.newest()[0]
    (['state-000002', 'state-000003'], {'a.json': 2})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        name: str,
        kind: str,
        version: int,
        most: int | None = None,
    ) -> None:
        self.folder, self._name, self._most = resolve_links(folder), name, most
        self._kind, self._version = kind, version
        self._pattern = re.compile(rf"{re.escape(name)}-(\d{{{_DIGITS},}})")

    def _numbers(self) -> list[int]:
        """Return the numbers of the bundles, in order."""
        names: list[str] = []
        with translate_os_errors("read", self.folder), contextlib.suppress(FileNotFoundError):
            names = [path.name for path in self.folder.iterdir()]
        return sorted(int(match[1]) for match in map(self._pattern.fullmatch, names) if match)

    def _newest_number(self) -> int:
        """Return the number of the newest bundle; 0 if there is none."""
        return max(self._numbers(), default=0)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self._name}-{number:0{_DIGITS}}"

    def paths(self) -> list[Path]:
        """Return the folders of the bundles, the oldest first."""
        return [self._path(number) for number in self._numbers()]

    def newest(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return the documents and arrays of the newest bundle that can be read, if there is one.

        Raises
        ------
        FileError
            If there are complete bundles, and none can be read.
        """
        failure: FileError | None = None
        for path in reversed(self.paths()):
            try:
                return read_bundle(path, self._kind, self._version)
            except FileError as error:
                # Without a manifest it is the rest of one that was being removed.
                if failure is None and (path / MANIFEST).exists():
                    failure = error
        if failure is not None:
            raise failure
        return None

    def readable(self) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """Iterate over the documents and arrays of all bundles that can be read."""
        for path in self.paths():
            with contextlib.suppress(FileError):
                yield read_bundle(path, self._kind, self._version)

    def append(self, documents: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write the next bundle, and remove the oldest ones.

        Raises
        ------
        FileError
            If it cannot be written; the others are left as they were.
        """
        new = self._path(self._newest_number() + 1)
        write_bundle(new, self._kind, self._version, documents, arrays)
        self.prune()

    def prune(self) -> None:
        """Remove all but the newest bundles, if there is a limit."""
        if self._most is not None:
            for path in self.paths()[: -self._most]:
                _remove(path)

    def clear(self) -> None:
        """Remove all bundles, and what killed writers have left; and the folder if it is empty."""
        newest = self._newest_number()
        for path in self.paths():
            _remove(path)
        for number in (newest, newest + 1):
            for left in leftovers(self._path(number))[0]:
                shutil.rmtree(left, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _remove(path: Path) -> None:
    """Remove a bundle; one that is not removed whole has no manifest."""
    with contextlib.suppress(OSError):  # the next call removes it
        (path / MANIFEST).unlink(missing_ok=True)
        sync_folder(path)
        shutil.rmtree(path)
