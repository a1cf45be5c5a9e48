"""Minimizers: methods that evaluate the cost at points of their own choice, such as L-BFGS.

A :class:`~deltarule.optimizers.Rule` is a pure function from θ, one gradient and its slots to
the next θ, which an engine calls once for each batch. The line search of L-BFGS evaluates cost
and gradient at several points before it takes one step, so it has to call the cost function
itself. A :class:`Minimizer` is therefore another kind of record, with a registry of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import InputError
from deltarule.optimizers.scalars import in_interval
from deltarule.records import Record, Registry, whole_number

__all__ = ["MINIMIZERS", "Minimizer", "Minimum"]

# SciPy's own default: 1e7 times the spacing of numbers at 1.
_FTOL = 2.220446049250313e-09

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
After = Callable[[np.ndarray], Any]


class Minimum(NamedTuple):
    """The result of a minimizer.

    Attributes
    ----------
    theta : array of float64, (p,)
    cost : float
        The function at ``theta``.
    iterations, evaluations : int
        Steps taken, and calls of the function.
    converged : bool
        Whether it stopped because one of its tolerances was met.
    reason : str
        Why it stopped.
    """

    theta: np.ndarray
    cost: float
    iterations: int
    evaluations: int
    converged: bool
    reason: str


@dataclasses.dataclass(frozen=True)
class Minimizer(Record):
    """A method that minimises a function of one flat vector.

    Parameters
    ----------
    name, formula, parameters
        As for every :class:`~deltarule.records.Record`. ``formula(xp, **parameters)``
        returns ``minimise(function, theta, after, max_iterations) -> Minimum``:
        ``function(theta)`` returns the cost and its gradient; ``after(theta)`` is called
        with each new iterate and stops the search by returning a true value. The formula is
        called once when the record is made, to check the parameters.
    summary, latex : str
        One line on what it is, and its equation, for documentation.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> minimise = MINIMIZERS.get("lbfgs").bind(np)
    >>> end = minimise(lambda x: (((x - 3) ** 2).sum(), 2 * (x - 3)), np.zeros(2))
    >>> end.theta, end.converged
    (array([3., 3.]), True)
    """

    summary: str = ""
    latex: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.formula(np, **self.settings)


MINIMIZERS: Registry[Minimizer] = Registry("minimizer", Minimizer)


def _whole(name: str, value: Any, usual: int) -> int:
    number = whole_number(value)
    if number is None or number < 1:
        raise InputError(
            f"lbfgs: {name} is {value!r}; expected a whole number, at least 1; {usual} is usual"
        )
    return number


def lbfgs(
    xp: Any,
    memory: int = 10,
    max_line_search: int = 20,
    max_evaluations: int = 15000,
    gtol: float = 1e-4,
    ftol: float = _FTOL,
) -> Callable[..., Minimum]:
    r"""θ ← θ − η H g, H built from the last m steps and gradients, η by a line search.

    .. math:: θ_{t+1} = θ_t - η_t H_t g_t,\qquad
              H_{t+1} = V_t^\top H_t V_t + ρ_t s_t s_t^\top,\quad
              V_t = I - ρ_t y_t s_t^\top

    with s = θ_{t+1} − θ_t, y = g_{t+1} − g_t, ρ = 1/yᵀs. H is not stored but applied through
    the m last pairs (s, y). η satisfies the strong Wolfe conditions. This is SciPy's L-BFGS-B
    without bounds, in float64 for any type of the function.

    Parameters
    ----------
    xp : namespace
        Not used: the arithmetic is SciPy's.
    memory : int
        m.
    max_line_search : int
        The most evaluations in one line search.
    max_evaluations : int
        The most evaluations in all, checked after each iteration.
    gtol : float
        Converged if no entry of the gradient is larger.
    ftol : float
        Converged if an iteration lowers the cost by less than this fraction of it.

    Returns
    -------
    callable
        ``minimise(function, theta, after=None, max_iterations=200) -> Minimum``.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Source: Nocedal (1980), "Updating quasi-Newton matrices with limited storage"; Byrd, Lu,
    Nocedal and Zhu (1995), "A limited memory algorithm for bound constrained optimization".
    """
    options = {
        "maxcor": _whole("memory", memory, 10),
        "maxls": _whole("max_line_search", max_line_search, 20),
        "maxfun": _whole("max_evaluations", max_evaluations, 15000),
        "gtol": in_interval("lbfgs", "gtol", gtol, "[0, inf)", 1e-4),
        "ftol": in_interval("lbfgs", "ftol", ftol, "[0, inf)", _FTOL),
    }

    def minimise(
        function: Function, theta: Any, after: After | None = None, max_iterations: int = 200
    ) -> Minimum:
        from scipy.optimize import minimize

        # SciPy chooses the argument by the name of this parameter.
        def callback(intermediate_result: Any) -> None:
            if after is not None and after(np.array(intermediate_result.x)):
                raise StopIteration

        found = minimize(
            function,
            np.array(theta, dtype=np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=callback,
            options=options | {"maxiter": int(max_iterations)},
        )
        converged = bool(found.status == 0)
        return Minimum(
            theta=np.array(found.x),
            cost=float(found.fun),
            iterations=int(found.nit),
            evaluations=int(found.nfev),
            converged=converged,
            reason=_reason(found, int(max_iterations)),
        )

    return minimise


def _reason(found: Any, max_iterations: int) -> str:
    """Why L-BFGS-B stopped, from its status: its message differs between versions of SciPy."""
    if found.status == 99:
        return "stopped from outside"
    if found.status == 0:
        return "converged"
    if found.status == 1 and found.nit >= max_iterations:
        return "all iterations done"
    if found.status == 1:
        return f"the {found.nfev} evaluations are used up"
    return "the line search found no lower cost"


MINIMIZERS.register(
    Minimizer(
        "lbfgs",
        lbfgs,
        {
            "memory": 10,
            "max_line_search": 20,
            "max_evaluations": 15000,
            "gtol": 1e-4,
            "ftol": _FTOL,
        },
        summary="curvature from the last few gradients, and a line search",
        latex=r"\theta \leftarrow \theta - \eta\,H g,\quad H \text{ from the last } m \text{ pairs}"
        r"\ (s, y)",
    )
)
