"""Saving under another path what cannot be saved where it should be."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from deltarule.errors import FileError

__all__ = ["save_elsewhere"]

_MOST_NAMES = 100


def save_elsewhere(place: str | os.PathLike[str], save: Callable[[Path], object]) -> Path | None:
    """Save under a new name in the same folder, the current one, or a new temporary folder.

    Parameters
    ----------
    place : path
        The path where saving failed.
    save : callable
        Saves to a path, and raises FileError if it cannot, or if the path exists.

    Returns
    -------
    Path or None
        The path where it was saved; None if that failed in every folder.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     where = save_elsewhere(Path(folder, "m.model"), lambda path: path.mkdir())
    ...     where.name
    'm-2.model'
    """
    given = Path(place)
    # The given name may be too long or hold characters that the system refuses.
    name = "".join(c for c in given.name if c.isprintable())[:60] or "saved"
    stem, suffix = Path(name).stem, Path(name).suffix
    made = None
    for existing in (given.absolute().parent, Path.cwd(), None):
        try:
            folder = existing or (made := Path(tempfile.mkdtemp(prefix="deltarule-")))
            for number in range(2, _MOST_NAMES):
                path = folder / f"{stem}-{number}{suffix}"
                if not os.path.lexists(path):
                    try:
                        save(path)
                    except FileError:
                        if os.path.lexists(path):  # another process has created it meanwhile
                            continue
                        raise
                    return path
        except (OSError, ValueError):
            continue
    if made is not None:
        with contextlib.suppress(OSError):
            made.rmdir()
    return None
