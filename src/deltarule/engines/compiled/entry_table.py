"""The entry points of compiled code: the module, arguments and result of each.

This table is all that a process needs to call compiled code that is in the cache; the modules
named here import Numba, and are imported only to compile it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ARRAYS", "ENTRY_POINTS", "MATRIX", "NUMBERS", "POSITIONS", "VECTOR", "EntryPoint"]

MATRIX, VECTOR, NUMBERS, POSITIONS = "matrix", "vector", "numbers", "positions"

ARRAYS = {MATRIX: (2,), VECTOR: (1,), NUMBERS: (1, 2), POSITIONS: (1,)}
"""The arguments that are C-contiguous arrays, and how many dimensions each may have.

Positions are int64, the others float32 or float64. The compiled function takes an array as four
integers: the address of its first element, the bytes of an element, rows and columns. A vector is
one row.
"""


class EntryPoint(NamedTuple):
    """One function that Python calls.

    Attributes
    ----------
    module : str
        The module of this folder in which it stands.
    result : str
        ``"int64"``, ``"float64"``, ``"boolean"`` or ``"void"``, in Numba's terms.
    arguments : tuple of str
        ``"int64"``, ``"float64"``, or one of ``ARRAYS``, for each.
    releases_gil : bool
        Whether other Python threads run meanwhile. Not for calls of about 1 µs: reacquiring the
        lock can wait one switch interval of the interpreter (5 ms).
    """

    module: str
    result: str
    arguments: tuple[str, ...]
    releases_gil: bool = True

    @property
    def signature(self) -> str:
        """The signature of the compiled function, as Numba reads it.

        >>> EntryPoint("entry_points", "int64", ("float64", NUMBERS)).signature
        'int64(float64, int64, int64, int64, int64)'
        """
        scalars: list[str] = []
        for kind in self.arguments:
            scalars += ["int64"] * 4 if kind in ARRAYS else [kind]
        return f"{self.result}({', '.join(scalars)})"


def _integers(count: int) -> tuple[str, ...]:
    return ("int64",) * count


ENTRY_POINTS = {
    "describe_batch": EntryPoint(
        "entry_points",
        "int64",
        ("int64", MATRIX, MATRIX, VECTOR, POSITIONS, "int64", "int64"),
        releases_gil=False,
    ),
    "run_gradient": EntryPoint("entry_points", "float64", _integers(3)),
    "run_apply": EntryPoint("entry_points", "void", (*_integers(2), "float64", "float64")),
    "run_penalty": EntryPoint("entry_points", "float64", _integers(2)),
    "run_is_finite": EntryPoint("entry_points", "boolean", _integers(2)),
    "run_steps": EntryPoint("entry_points", "int64", _integers(8)),
    "run_cost": EntryPoint("entry_points", "void", _integers(5)),
    "run_predict": EntryPoint("entry_points", "void", _integers(7)),
    "run_gradient_rows": EntryPoint("row_entry_points", "void", _integers(5)),
    "run_one": EntryPoint(
        "predict_driver", "int64", (*_integers(2), NUMBERS, NUMBERS), releases_gil=False
    ),
    "run_rows": EntryPoint("predict_driver", "void", _integers(6)),
    "run_sparse_rows": EntryPoint("predict_driver", "void", _integers(8)),
    "run_differs": EntryPoint("predict_driver", "boolean", _integers(2), releases_gil=False),
}
