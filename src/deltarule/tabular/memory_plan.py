"""How a limit on resident memory is divided, for a table larger than memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from deltarule.errors import InputError, Message, Parameter

__all__ = ["MemoryPlan", "refuse_with_memory", "refuse_without_memory"]

# What the program takes with its libraries, many of which are imported later, and buffers of files.
_PROGRAM = 300_000_000
# Memory beyond this that the process has already is left to it, in steps of this size: the plan,
# on which samples and the order of rows depend, must be the same in each run of a command.
_EXPECTED, _STEP = 260_000_000, 250_000_000
# What decoding a column of a Parquet file takes: a dictionary and a page.
_COLUMN = 1_500_000
_LEAST = 40_000_000
_MOST_SAMPLED = 200_000
_MOST_WINDOW = 1 << 27
# The networks of a portfolio that there is memory for at the same time, at least.
_MEMBERS = 2


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """How a limit on memory is divided.

    Parameters
    ----------
    limit : int
        Bytes of resident memory of this process.
    resident : int
        What it has already.
    n_columns : int
        The number of columns of the table, once it is known.

    Raises
    ------
    InputError
        If nothing would be left for rows.

    Examples
    --------
    >>> plan = MemoryPlan(2_000_000_000, 100_000_000, n_columns=100)
    >>> plan.window_bytes, plan.sample_rows
    (129166666, 96875)
    >>> MemoryPlan(2_000_000_000, 60_000_000, n_columns=100).free == plan.free
    True
    """

    limit: int
    resident: int
    n_columns: int = 0

    def __post_init__(self) -> None:
        if self.free < _LEAST:
            least = self.limit - self.free + _LEAST
            raise InputError(
                Message(
                    Parameter("memory"),
                    f" is {self.limit / 1e6:.0f} MB, of which the program itself takes "
                    f"{(self.limit - self.free) / 1e6:.0f}",
                ),
                parameter="memory",
                given=self.limit,
                expected=f"at least {-(-least // 1_000_000)} MB",
            )

    @property
    def free(self) -> int:
        """The bytes for rows, those of the sample and of two windows of the store."""
        more = max(self.resident - _EXPECTED, 0)
        program = _PROGRAM + _COLUMN * self.n_columns + -(-more // _STEP) * _STEP
        return self.limit - program

    @property
    def window_bytes(self) -> int:
        """The bytes of the rows that are read, and shuffled, together; twice that is taken."""
        return min(self.free // 12, _MOST_WINDOW)

    @property
    def member_window_bytes(self) -> int:
        """As :attr:`window_bytes`, of a network that is trained beside another one.

        It does not depend on how many are: the order of the rows depends on it.
        """
        return min(self.free // self.windows_of_free, _MOST_WINDOW)

    @property
    def windows_of_free(self) -> int:
        """What :attr:`member_window_bytes` is :attr:`free` divided by."""
        return 12 * _MEMBERS

    @property
    def members_at_once(self) -> int:
        """How many networks are trained at the same time at most, as many as there are cores."""
        return max(self.free // (12 * self.member_window_bytes), _MEMBERS)

    @property
    def sample_rows(self) -> int:
        """The number of rows of the sample: with all that is made from it, half of the memory."""
        return min(max(self.free // (160 * self.n_columns), 1000), _MOST_SAMPLED)


def refuse_with_memory(given: Mapping[str, Any]) -> None:
    """Refuse a recording, and other settings that need the rows, for a table larger than memory.

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
                expected="no recording, for a table larger than memory",
                hint="leave it out, or take a sample of the rows that fits into memory",
            )


def refuse_without_memory(given: Mapping[str, Any]) -> None:
    """Refuse settings of a table larger than memory, where no limit on the memory is given.

    Raises
    ------
    InputError
        If a value is not None.
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(
                Message(Parameter(name), " was given without ", Parameter("memory")),
                parameter=name,
                given=value,
                expected="it for a table larger than memory",
                hint=Message("give ", Parameter("memory", "2GB"), ", or leave it out"),
            )
