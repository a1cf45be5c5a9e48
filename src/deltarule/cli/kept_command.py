"""The command line that a checkpoint's folder keeps, for ``deltarule resume``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltarule._version import __version__
from deltarule.cli.status import ARGUMENTS
from deltarule.errors import FileError
from deltarule.files import read_json, write_json
from deltarule.files.filesystem import translate_os_errors
from deltarule.files.names import MANIFEST
from deltarule.training import Checkpoint
from deltarule.training.checkpoint import COMMAND, refuse_foreign

__all__ = ["KeptCommand", "resumed_arguments"]

_OPTION = "--checkpoint"


class KeptCommand:
    """The command of a training with a checkpoint.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    every : float
        The seconds between two states.

    Raises
    ------
    FileError
        If the folder holds other files and no checkpoint, or cannot be read.
    """

    def __init__(self, folder: Path, every: float) -> None:
        self.checkpoint = Checkpoint(folder, every)
        self._path = folder / COMMAND
        self._record: dict[str, Any] = _read(folder) if self._path.exists() else {}
        if not self._record:
            try:
                refuse_foreign(folder)
            except FileError as error:
                raise FileError(f"{error}; name another with {_OPTION}") from None

    def write(self) -> None:
        """Write the command, unless the folder has one: that of the training's first call."""
        if not self._record:
            with translate_os_errors("write", self._path.parent):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._record = {
                "version": __version__,
                "arguments": list(ARGUMENTS.get()),
                "folder": str(Path.cwd()),
                "unfinished": {},
            }
            write_json(self._path, self._record)

    def remember_unfinished(self, model: Path) -> None:
        """Remember that the model was saved by a training that did not end."""
        self._record["unfinished"] = {str(model.absolute()): _digest(model)}
        write_json(self._path, self._record)

    def left_unfinished(self, model: Path) -> bool:
        """Whether a folder holds the model of this training, saved when it was interrupted."""
        found = _digest(model)
        unfinished = self._record.get("unfinished", {})
        return bool(found) and unfinished.get(str(model.absolute())) == found


def _digest(model: Path) -> str:
    """Return the digest of a model's file, or manifest, which has those of all; "" without one."""
    try:
        place = model if model.is_file() else model / MANIFEST
        return hashlib.sha256(place.read_bytes()).hexdigest()
    except OSError:
        return ""


def _read(folder: Path) -> dict[str, Any]:
    record = read_json(folder / COMMAND)
    arguments = record.get("arguments") if isinstance(record, dict) else None
    known = isinstance(arguments, list) and all(isinstance(each, str) for each in arguments)
    if not (known and isinstance(record.get("folder"), str)):
        raise FileError(
            f"{str(folder / COMMAND)!r} is not what 'deltarule fit --checkpoint' wrote; give the "
            "command itself again"
        )
    found: dict[str, Any] = record
    return found


def resumed_arguments(folder: Path) -> tuple[list[str], Path]:
    """Return the arguments of the command that began a training, and the folder it ran in.

    Parameters
    ----------
    folder : Path
        Of the checkpoint, which may have been moved.

    Raises
    ------
    FileError
        If the folder holds no command, or one that is damaged.
    """
    if not (folder / COMMAND).is_file():
        raise FileError(
            f"{str(folder)!r} is no folder of a training from the command line; expected one that "
            f"'deltarule fit {_OPTION}' wrote to"
        )
    record = _read(folder)
    arguments = _without_option(record["arguments"], _OPTION)
    return [*arguments, _OPTION, str(folder.absolute())], Path(record["folder"])


def _without_option(arguments: Sequence[str], name: str) -> list[str]:
    """Return the arguments without an option that has one value.

    Examples
    --------
    >>> _without_option(["fit", "a.csv", "--checkpoint", "c", "--seed=1"], "--checkpoint")
    ['fit', 'a.csv', '--seed=1']
    """
    kept, skipping = [], False
    for each in arguments:
        if skipping:
            skipping = False
        elif each == name:
            skipping = True
        elif not each.startswith(f"{name}="):
            kept.append(each)
    return kept
