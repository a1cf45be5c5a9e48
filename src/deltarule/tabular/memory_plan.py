"""How a limit on resident memory is divided, for a table larger than memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from deltarule.errors import InputError, Message, Parameter

__all__ = ["MemoryPlan", "refuse_with_memory"]

# What libraries that are imported later, and buffers of files, take beside what is planned.
_RESERVE = 180_000_000
_LEAST = 40_000_000
_MOST_SAMPLED = 200_000
_MOST_WINDOW = 1 << 27


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """How a limit on memory is divided.

    Parameters
    ----------
    limit : int
        Bytes of resident memory of this process.
    resident : int
        What it has already.

    Raises
    ------
    InputError
        If nothing would be left for rows.

    Examples
    --------
    >>> plan = MemoryPlan(2_000_000_000, 100_000_000)
    >>> plan.window_bytes, plan.sample_rows(100)
    (134217728, 107500)
    """

    limit: int
    resident: int

    def __post_init__(self) -> None:
        if self.free < _LEAST:
            least = self.resident + _RESERVE + _LEAST
            raise InputError(
                Message(
                    Parameter("memory"),
                    f" is {self.limit / 1e6:.0f} MB, of which the program itself takes "
                    f"{(self.resident + _RESERVE) / 1e6:.0f}",
                ),
                parameter="memory",
                given=self.limit,
                expected=f"at least {-(-least // 1_000_000)} MB",
            )

    @property
    def free(self) -> int:
        """The bytes for rows, those of the sample and of two windows of the store."""
        return self.limit - self.resident - _RESERVE

    @property
    def window_bytes(self) -> int:
        """The bytes of the rows that are read, and shuffled, together; twice that is taken."""
        return min(self.free // 12, _MOST_WINDOW)

    def sample_rows(self, n_columns: int) -> int:
        """The number of rows of the sample: with all that is made from it, half of the memory."""
        return min(max(self.free // (160 * n_columns), 1000), _MOST_SAMPLED)


def refuse_with_memory(given: Mapping[str, Any]) -> None:
    """Refuse settings of a portfolio, and a recording, for a table larger than memory.

    Raises
    ------
    InputError
        If a value is not None.
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(
                Message(Parameter(name, value), " was given with ", Parameter("memory")),
                parameter=name,
                given=value,
                expected="a single network without a recording, for a table larger than memory",
                hint="leave it out, or take a sample of the rows that fits into memory",
            )
