"""Names that a package imports from its modules when they are first used.

A process then loads only the modules of the names that it uses: a prediction none of training.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : mapping of str to str
        The names, separated by blanks, of each of its modules. No name may be that of a module of
        the package, since importing that module would put it in the place of the name.

    Examples
    --------
    >>> get, names = lazy_names("deltarule.tables", {"table": "Table"})
    >>> get("Table").__module__, "Table" in names()
    ('deltarule.tables.table', True)
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
