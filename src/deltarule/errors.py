"""Every exception the library raises on purpose.

Each one is also an instance of the built-in exception a caller would expect,
so ``except ValueError`` keeps working::

    DeltaruleError (Exception)
    ├── InputError (ValueError)             a value, shape or setting that cannot be used
    │   ├── IncompatiblePair                an output activation that a loss does not go with
    │   ├── UnknownName (KeyError)          a name that no registry holds
    │   ├── NotCompilable                   a formula that the compiled engine cannot express
    │   └── DataError                       a table or file whose content cannot be used
    ├── FileError (OSError)                 a file or folder that cannot be read or written
    ├── GradientMismatch (AssertionError)   a derivative that is not the derivative of its value
    ├── ContractViolation (AssertionError)  an engine that breaks the engine contract
    ├── Diverged (ArithmeticError, ValueError)  a cost, activation or gradient that is not finite
    ├── MissingDependency (ImportError)     an optional library that is not installed
    └── WorkerFailed (RuntimeError)         a process of our own that died, hung or failed

A message says three things: what was given, what was expected, and what to do.
"""

from __future__ import annotations

__all__ = [
    "ContractViolation",
    "DataError",
    "DeltaruleError",
    "Diverged",
    "FileError",
    "GradientMismatch",
    "IncompatiblePair",
    "InputError",
    "MissingDependency",
    "NotCompilable",
    "UnknownName",
    "WorkerFailed",
]


class DeltaruleError(Exception):
    """Base of every exception that deltarule raises on purpose."""


class InputError(DeltaruleError, ValueError):
    """A value, shape or setting that cannot be used."""


class IncompatiblePair(InputError):
    """An output activation that the chosen loss does not go with."""


class UnknownName(InputError, KeyError):
    """A name that no registry holds; the message lists the names it does hold."""

    # KeyError prints the repr of its argument, which would show the message in quotes.
    __str__ = Exception.__str__


class NotCompilable(InputError):
    """A formula that the compiled engine cannot express; the reference engine runs it."""


class DataError(InputError):
    """A table or file whose content cannot be used."""


class FileError(DeltaruleError, OSError):
    """A file or folder that cannot be read or written."""


class GradientMismatch(DeltaruleError, AssertionError):
    """A derivative that is not the derivative of its value.

    Attributes
    ----------
    report : GradientReport or None
        The comparison of every block, where there is one.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class ContractViolation(DeltaruleError, AssertionError):
    """An engine that fails a check of the engine contract.

    Attributes
    ----------
    check : str
        The name of the failed check.
    """

    def __init__(self, message: str, check: str = "") -> None:
        super().__init__(message)
        self.check = check


class Diverged(DeltaruleError, ArithmeticError, ValueError):
    """A cost, activation, gradient or parameter that is not finite.

    Attributes
    ----------
    epoch, batch : int or None
        Where training was, both counted from 1.
    layer : int or None
        The first layer that holds a value that is not finite.
    block : str or None
        What it was found in: ``"Z"``, ``"A"``, ``"loss"``, ``"delta"``, ``"dW"``,
        ``"db"``, ``"W"`` or ``"b"``.
    network : int or None
        Of many networks, which one, counted from 0.
    results : list or None
        Of many networks, what came of each: a ``TrainingResult``, or its ``Diverged``.
    """

    def __init__(
        self,
        message: str,
        *,
        epoch: int | None = None,
        batch: int | None = None,
        layer: int | None = None,
        block: str | None = None,
        network: int | None = None,
    ) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.batch = batch
        self.layer = layer
        self.block = block
        self.network = network
        self.results: list[object] | None = None


class MissingDependency(DeltaruleError, ImportError):
    """An optional library that a feature needs and that is not installed."""


class WorkerFailed(DeltaruleError, RuntimeError):
    """A process that was started to do a part of the work, and died, hung or failed."""
