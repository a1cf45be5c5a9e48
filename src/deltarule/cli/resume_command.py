"""``deltarule resume``: go on with a training from its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["resume"]


def resume(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of 'deltarule fit --checkpoint'.")
    ],
) -> None:
    """Go on with a training from its checkpoint, to the model of an uninterrupted one.

    The command that began the training runs again, in the folder that it ran in, and takes what is
    trained from the checkpoint. Its data and settings must be the same.
    """
    import os

    from deltarule.cli.kept_command import resumed_arguments
    from deltarule.cli.status import execute
    from deltarule.errors import FileError

    arguments, place = resumed_arguments(folder)
    try:
        os.chdir(place)
    except OSError as error:
        raise FileError(
            f"cannot go to {str(place)!r}, where the training began: {error.strerror}; give its "
            f"command itself again: deltarule {' '.join(arguments)}"
        ) from None
    raise typer.Exit(execute(arguments))
