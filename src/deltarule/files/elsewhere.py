"""Where to save what cannot be saved in its place: beside it, here, or among temporary files."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from deltarule.errors import FileError

__all__ = ["save_elsewhere"]

_MOST = 100


def save_elsewhere(place: str | os.PathLike[str], save: Callable[[Path], object]) -> Path | None:
    """Save under another name, which nobody has, as near to the given place as it can be.

    Parameters
    ----------
    place : path
        Where it could not be saved.
    save : callable
        Saves to a path, and raises FileError if it cannot, or if something is there.

    Returns
    -------
    Path or None
        Where it is; None if it could be saved nowhere.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     where = save_elsewhere(Path(folder, "m.model"), lambda path: path.mkdir())
    ...     where.name
    'm-2.model'
    """
    given = Path(place)
    # A name that is too long, or cannot be one, is none to save under.
    name = "".join(c for c in given.name if c.isprintable())[:60] or "saved"
    stem, suffix = Path(name).stem, Path(name).suffix
    made = None
    for known in (given.absolute().parent, Path.cwd(), None):
        try:
            folder = known or (made := Path(tempfile.mkdtemp(prefix="deltarule-")))
            for number in range(2, _MOST):
                path = folder / f"{stem}-{number}{suffix}"
                if not os.path.lexists(path):
                    try:
                        save(path)
                    except FileError:
                        if os.path.lexists(path):  # somebody was quicker
                            continue
                        raise
                    return path
        except (OSError, ValueError):
            continue
    if made is not None:
        with contextlib.suppress(OSError):
            made.rmdir()
    return None
