"""The one place where what is wrong with a model's file becomes a ModelFileError."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from deltarule.errors import (
    FileError,
    InputError,
    MissingDependency,
    ModelFileError,
    UnknownName,
    UnregisteredFormula,
    printable,
)

__all__ = ["reading_content"]

# Whether an exception that no check has foreseen is raised as it is: tests and the fuzzer set it,
# since each is a value that is used before it is checked.
reraise_unexpected = False
_MOST_CHARACTERS = 500


@contextlib.contextmanager
def reading_content(place: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Within the block, each error about the content of a file is a ModelFileError that names it.

    Parameters
    ----------
    place : path
    what : str
        What the file should hold, such as ``"model"``.

    Raises
    ------
    ModelFileError
        In place of any other exception but MissingDependency, which is not about the file.
    UnregisteredFormula
        Such an error, if the file names a formula that is not registered.

    Examples
    --------
    >>> with reading_content("m", "model"):
    ...     raise InputError("'widths' is missing")
    Traceback (most recent call last):
    deltarule.errors.ModelFileError: 'm' is not a complete model: 'widths' is missing; restore it \
or train again
    """
    try:
        yield
    except (ModelFileError, MissingDependency):
        raise
    except FileError as error:
        raise ModelFileError(error.message) from error
    except UnknownName as error:
        raise UnregisteredFormula(
            f"{str(place)!r} uses something of its author's own: {_shown(error)}. Register it "
            "first, with deltarule.register_activation or register_loss"
        ) from None
    except InputError as error:
        raise _incomplete(place, what, _shown(error)) from error
    except Exception as error:
        # The last resort: content is checked where it is read.
        if reraise_unexpected:
            raise
        raise _incomplete(place, what, f"{type(error).__name__}: {_shown(error)}") from error


def _incomplete(place: str | os.PathLike[str], what: str, why: str) -> ModelFileError:
    return ModelFileError(
        f"{str(place)!r} is not a complete {what}: {why}; restore it or train again"
    )


def _shown(error: Exception) -> str:
    return printable(str(error)[:_MOST_CHARACTERS])
