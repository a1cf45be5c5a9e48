"""The exceptions that the library raises.

Each one is also an instance of the built-in exception that a caller would expect,
so ``except ValueError`` catches it::

    DeltaruleError (Exception)
    ├── InputError (ValueError)             a value, shape or setting that cannot be used
    │   ├── IncompatiblePair                an output activation that a loss cannot be combined with
    │   ├── UnknownName (KeyError)          a name that no registry holds
    │   ├── NotCompilable                   a formula that the compiled engine cannot express
    │   └── DataError                       a table or file whose content cannot be used
    ├── FileError (OSError)                 a file or folder that cannot be read or written
    ├── GradientMismatch (AssertionError)   a derivative that is not the derivative of its value
    ├── ContractViolation (AssertionError)  an engine that breaks the engine contract
    ├── Diverged (ArithmeticError, ValueError)  a cost, activation or gradient that is not finite
    ├── MissingDependency (ImportError)     an optional library that is not installed
    └── WorkerFailed (RuntimeError)         a worker process that died, hung or failed

A message names three things: what was given, what was expected, and what to do.
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
    """Base class of the exceptions of deltarule."""


class InputError(DeltaruleError, ValueError):
    """A value, shape or setting that cannot be used."""


class IncompatiblePair(InputError):
    """An output activation that the chosen loss cannot be combined with."""


class UnknownName(InputError, KeyError):
    """A name that is not registered; the message lists the registered names."""

    # KeyError prints the repr of its argument, which would show the message in quotes.
    __str__ = Exception.__str__


class NotCompilable(InputError):
    """A formula that the compiled engine cannot express; the reference engine can run it."""


class DataError(InputError):
    """A table or file whose content cannot be used."""


class FileError(DeltaruleError, OSError):
    """A file or folder that cannot be read or written."""


class GradientMismatch(DeltaruleError, AssertionError):
    """A derivative that is not the derivative of its value.

    Attributes
    ----------
    report : GradientReport or None
        The comparison of the two gradients for every block of parameters.
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
        Where it was found, both counted from 1.
    layer : int or None
        The first layer that holds a value that is not finite.
    block : str or None
        The array that it was found in: ``"Z"``, ``"A"``, ``"loss"``, ``"delta"``, ``"dW"``,
        ``"db"``, ``"W"`` or ``"b"``.
    network : int or None
        The number of the network, counted from 0, if many are trained at once.
    results : list or None
        If many networks are trained at once, a ``TrainingResult`` or ``Diverged`` for each.
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
    """A worker process that died, hung or failed."""
