"""pyarrow, imported where a file needs it."""

from __future__ import annotations

from typing import Any

from deltarule.errors import MissingDependency

__all__ = ["load_pyarrow"]


def load_pyarrow() -> Any:
    """The pyarrow module.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingDependency(
            f"reading files needs the package pyarrow, which cannot be imported ({error}); "
            "install it with: pip install pyarrow"
        ) from error
    return pa
