"""The engine contract: the laws that every engine keeps, as tests anyone can run.

:func:`check_engine` is to an engine what scikit-learn's ``check_estimator`` is to an
estimator. The yardstick is the reference engine in float64, given the very numbers the
engine was given. A gradient is compared block by block in units of

    eps · max over the block of |δ|ᵀ|A|

the size of the terms that are summed into it: relative to the gradient itself, rounding
reaches thousands of eps once training has made the gradient small.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.contract.checks import LAWS, Bench
from deltarule.errors import ContractViolation, InputError

__all__ = ["LAWS", "ContractReport", "LawResult", "check_engine"]


@dataclasses.dataclass(frozen=True)
class LawResult:
    """How one law held for one dtype.

    Attributes
    ----------
    law, dtype : str
    comparisons : int
    worst : float
        The largest error as a fraction of what is allowed; above 1 the law is broken.
    where : str
        Where that was.
    """

    law: str
    dtype: str
    comparisons: int
    worst: float
    where: str

    @property
    def passed(self) -> bool:
        """Whether the law held."""
        return self.worst <= 1.0


@dataclasses.dataclass(frozen=True)
class ContractReport:
    """How every law held; ``str(report)`` is a table."""

    engine: str
    results: tuple[LawResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every law held."""
        return all(result.passed for result in self.results)

    def __str__(self) -> str:
        lines = [
            f"engine {self.engine}",
            "law                dtype    checks  worst/allowed  where",
        ]
        lines += [
            f"{r.law:<18} {r.dtype:<8} {r.comparisons:6d}  {r.worst:13.2g}  {r.where}"
            f"{'' if r.passed else '   <-- BROKEN'}"
            for r in self.results
        ]
        return "\n".join(lines)


def check_engine(
    engine: Engine | type[Engine], *, laws: list[str] | None = None, raises: bool = True
) -> ContractReport:
    """Hold an engine to the contract, in every dtype it promises.

    Parameters
    ----------
    engine : Engine or its class
        The engine under test. It is loaded many times over.
    laws : list of str, optional
        Only these laws; see ``deltarule.engines.LAWS``.
    raises : bool
        Whether a broken law raises; if not, look at ``report.passed``.

    Returns
    -------
    ContractReport

    Raises
    ------
    ContractViolation
        At the first broken law, naming it, the place, the error and what is allowed.
    InputError
        If a law is unknown.

    Examples
    --------
    >>> from deltarule.engines import ReferenceEngine, check_engine
    >>> check_engine(ReferenceEngine, laws=["permutation", "weight_zero"]).passed
    True
    """
    subject = engine() if isinstance(engine, type) else engine
    for law in laws or ():
        if law not in LAWS:
            raise InputError(f"there is no law {law!r}; the laws are {', '.join(LAWS)}")
    promised = list(subject.promises.tolerance)
    if not promised or not {"float32", "float64"}.issuperset(promised):
        given = ", ".join(promised) or "no dtype"
        raise ContractViolation(
            f"engine {subject.name!r} promises a tolerance for {given}; "
            "expected float32, float64 or both",
            law="promises",
        )
    results = []
    for dtype in promised:
        bench = Bench(subject, np.dtype(dtype))
        for law in laws or LAWS:
            result, error = _judge(law, bench)
            results.append(result)
            if raises and not result.passed:
                found = f"{result.worst:.3g} times what is allowed" if error is None else str(error)
                raise ContractViolation(
                    f"engine {subject.name!r} breaks the law {law!r} in {dtype}: "
                    f"{(LAWS[law].__doc__ or '').strip()} Worst at {result.where}: {found}",
                    law=law,
                ) from error
    return ContractReport(subject.name, tuple(results))


def _judge(law: str, bench: Bench) -> tuple[LawResult, Exception | None]:
    """How a law held, and what the engine raised if it raised."""
    worst, where, count, raised = 0.0, "", 0, None
    # Overflow on the way is what some laws provoke, and the numbers compared show the rest.
    with np.errstate(all="ignore"):
        try:
            for error, allowed, place in LAWS[law](bench):
                count += 1
                ratio = error / allowed if allowed > 0 else (0.0 if error == 0 else np.inf)
                if not ratio <= worst:  # a NaN is the worst of all
                    worst, where = (ratio if np.isfinite(ratio) else np.inf), place
        except Exception as error:  # noqa: BLE001 whatever an engine raises here breaks the law
            worst, where, raised = np.inf, f"{type(error).__name__} after {count} checks", error
    return LawResult(law, str(bench.dtype), count, worst, where), raised
