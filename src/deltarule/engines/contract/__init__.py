"""The engine contract: the properties that every engine must have, as checks that anyone can run.

:func:`check_engine` is for engines what scikit-learn's ``check_estimator`` is for estimators. It
compares with the reference engine in float64, which computes with exactly the numbers that the
engine under test was given. Gradients are compared block by block in units of

    eps · max over the block of |δ|ᵀ|A|

(:func:`deltarule.engines.gradient_scale.block_scales`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.contract.checks import CHECKS
from deltarule.engines.contract.harness import Subject
from deltarule.errors import ContractViolation, InputError

__all__ = ["CHECKS", "CheckResult", "ContractReport", "check_engine"]


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """The result of one check in one dtype.

    Attributes
    ----------
    check, dtype : str
    comparisons : int
    worst : float
        The largest error as a fraction of the allowed error; above 1 the check fails.
    where : str
        Where the largest error was.
    """

    check: str
    dtype: str
    comparisons: int
    worst: float
    where: str

    @property
    def passed(self) -> bool:
        """Whether no error was larger than allowed."""
        return self.worst <= 1.0


@dataclasses.dataclass(frozen=True)
class ContractReport:
    """The results of all checks; ``str(report)`` is a table."""

    engine: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(result.passed for result in self.results)

    def __str__(self) -> str:
        lines = [
            f"engine {self.engine}",
            "check              dtype    compared  worst/allowed  where",
        ]
        lines += [
            f"{r.check:<18} {r.dtype:<8} {r.comparisons:8d}  {r.worst:13.2g}  {r.where}"
            f"{'' if r.passed else '   <-- FAILED'}"
            for r in self.results
        ]
        return "\n".join(lines)


def check_engine(
    engine: Engine | type[Engine], *, checks: list[str] | None = None, raises: bool = True
) -> ContractReport:
    """Check an engine against the contract, in every dtype for which it promises a tolerance.

    The tolerance is that of the device that the engine computes on. What an engine declares to lack
    is not checked, except that it says so with :class:`~deltarule.errors.MissingCapability`.

    Parameters
    ----------
    engine : Engine or its class
        The engine under test. It is loaded many times.
    checks : list of str, optional
        Only these checks; their names are in ``deltarule.engines.CHECKS``.
    raises : bool
        Whether a failed check raises; if not, look at ``report.passed``.

    Returns
    -------
    ContractReport

    Raises
    ------
    ContractViolation
        At the first failed check; the message has its name, the place, the error and the limit.
    InputError
        If there is no check of a given name.

    Examples
    --------
    >>> from deltarule.engines import ReferenceEngine, check_engine
    >>> check_engine(ReferenceEngine, checks=["permutation", "weight_zero"]).passed
    True
    """
    is_class = isinstance(engine, type) and issubclass(engine, Engine)
    if not is_class and not isinstance(engine, Engine):
        raise InputError(
            parameter="engine", given=engine, expected="an Engine, such as make_engine('reference')"
        )
    tested = engine() if isinstance(engine, type) else engine
    for check in checks or ():
        if check not in CHECKS:
            raise InputError(f"there is no check {check!r}; the checks are {', '.join(CHECKS)}")
    promised = list(tested.promises.tolerance_on(tested.device))
    if not promised or not {"float32", "float64"}.issuperset(promised):
        given = ", ".join(promised) or "no dtype"
        raise ContractViolation(
            f"engine {tested.name!r} promises a tolerance for {given}; "
            "expected float32, float64 or both",
            check="promises",
        )
    results = []
    for dtype in promised:
        subject = Subject(tested, np.dtype(dtype))
        for check in checks or CHECKS:
            result, error = _run_check(check, subject)
            results.append(result)
            if raises and not result.passed:
                found = f"{result.worst:.3g} times what is allowed" if error is None else str(error)
                raise ContractViolation(
                    f"engine {tested.name!r} fails the check {check!r} in {dtype}: "
                    f"{(CHECKS[check].__doc__ or '').strip()} Worst at {result.where}: {found}",
                    check=check,
                ) from error
    return ContractReport(tested.name, tuple(results))


def _run_check(check: str, subject: Subject) -> tuple[CheckResult, Exception | None]:
    """The result of a check, and the exception that the engine raised, if any."""
    worst, where, count, raised = 0.0, "", 0, None
    # Some checks make numbers overflow on purpose; NumPy's warnings about that are not wanted.
    with np.errstate(all="ignore"):
        try:
            for error, allowed, place in CHECKS[check](subject):
                count += 1
                ratio = error / allowed if allowed > 0 else (0.0 if error == 0 else np.inf)
                if not ratio <= worst:  # so that a NaN counts as the largest
                    worst, where = (ratio if np.isfinite(ratio) else np.inf), place
        except Exception as error:  # noqa: BLE001  any exception of the engine fails the check
            worst, where, raised = np.inf, f"{type(error).__name__} after {count} checks", error
    return CheckResult(check, str(subject.dtype), count, worst, where), raised
