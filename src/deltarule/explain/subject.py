"""What is explained: a network at one θ, rows with their targets, and the step taken there.

Everything is held in float64, whatever the network was trained in: a float32 parameter is a
float64 number too, and what is shown has all its digits. What the engine that trained made of
the same rows is kept beside it, to be compared.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.errors import InputError
from deltarule.maths import Network, Trace, numpy_namespace
from deltarule.maths.backprop import compute_trace, cost_and_grad, forward_pass
from deltarule.maths.input_checks import check_rows, check_weights, normalise_weights
from deltarule.maths.pass_results import ForwardPass, Gradients
from deltarule.maths.penalties import penalty_terms

__all__ = ["Column", "Names", "StepTaken", "Subject", "Target", "WiderRows", "slots_of"]


def slots_of(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What the rule carries, from an engine's state, in float64.

    Examples
    --------
    >>> slots_of({"theta": np.zeros(2), "t": 3, "slot.m": np.ones(2, dtype=np.float32)})
    {'m': array([1., 1.])}
    """
    return {
        name.removeprefix("slot."): np.asarray(value, dtype=np.float64)
        for name, value in state.items()
        if name.startswith("slot.")
    }


@dataclasses.dataclass(frozen=True)
class Names:
    """What the nodes of the first and the last layer, and the rows, are called.

    Attributes
    ----------
    inputs, outputs : tuple of str
        One for each node; ``x_0`` and ``a_0`` where nothing better is known.
    rows : tuple of str
        One for each row: its number, or that of its row in a table.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def plain(cls, net: Network, n_rows: int) -> Names:
        """The names that say no more than the place.

        Examples
        --------
        >>> Names.plain(Network([2, 1]), 1)
        Names(inputs=('x_0', 'x_1'), outputs=('a_0',), rows=('0',))
        """
        return cls(
            tuple(f"x_{k}" for k in range(net.n_inputs)),
            tuple(f"a_{j}" for j in range(net.n_outputs)),
            tuple(map(str, range(n_rows))),
        )


@dataclasses.dataclass(frozen=True)
class StepTaken:
    """The update that is taken at θ, and what it starts from.

    Attributes
    ----------
    settings : EngineSettings
        The rule, penalties, clipping, dropout and averaging.
    learning_rate : float
        η of this step, schedule included.
    number : int
        t, from 1.
    slots : mapping of str to array
        What the rule carried into the step, in float64; scalars as arrays of shape ().
    theta_after : array of shape (p,), or None
        What the engine that trained made of θ.
    first_from_here : bool
        Whether it is what the rule would do as its first step, from a θ whose place in a training
        is not known: it has no number among the steps of that training.
    """

    settings: EngineSettings
    learning_rate: float
    number: int = 1
    slots: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    theta_after: np.ndarray | None = None
    first_from_here: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table: which of the network's inputs it became.

    Attributes
    ----------
    name : str
    kind : str
        ``"number"``, ``"date"`` or ``"category"``.
    inputs : tuple of int
        The features it feeds; none if it did not vary in training.
    cells : tuple
        The raw cell of each row, as it stands in the table; None where missing.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    cells: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class WiderRows:
    """Rows of a training beside those of one step: what its units are judged by.

    Attributes
    ----------
    X, Y : arrays of shape (N, n_0) and (N, n_L)
        All of them, or many that are evenly spread.
    w : array of shape (N,)
        Their weights, with sum 1.
    """

    X: np.ndarray
    Y: np.ndarray
    w: np.ndarray


@dataclasses.dataclass(frozen=True)
class Target:
    """The column of a table that is predicted.

    Attributes
    ----------
    name : str
    cells : tuple
        The number or label of each row, as it stands in the table.
    """

    name: str
    cells: tuple[Any, ...]

    def derivation(self, mark: Any, sample: int, value: float, output: str) -> Any:
        """y_j of a row, from its cell."""
        raise NotImplementedError

    def reading(self, value: float) -> str:
        """What an output says in the target's own terms."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is explained.

    Attributes
    ----------
    net : Network
        In float64.
    theta : array of shape (p,)
    X, Y : arrays of shape (N, n_0) and (N, n_L)
        Y is prepared: one column for each output.
    s, w : arrays of shape (N,)
        The sample weights as given (ones if none were), and w_i, the home of 1/N: s_i/Σs, or in
        a step of training s_i/(s̄ B), as the step had it.
    names : Names
    masks : list of L+1 arrays or None
        Dropout in this step: item l multiplies g^l(z^l).
    step : StepTaken or None
    engine, dtype : str or None
        What trained the network, and in which type.
    engine_grad : array of shape (p,), or None
        The gradient that engine computes here, in float64.
    columns : tuple of Column
        The table behind the inputs; empty if there is none.
    classes : tuple of str
        Class labels, empty for a regression.
    target : Target or None
        The table's column behind y.
    part_of : int or None
        Of how many rows these are some, as the mini-batch of a step is of the training's; None if
        they are all there are.
    wider : WiderRows or None
        Where these are some: the others, too, so that no unit is called dead by a few rows.
    """

    net: Network
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    s: np.ndarray
    w: np.ndarray
    names: Names
    masks: list[Any] | None = None
    step: StepTaken | None = None
    engine: str | None = None
    dtype: str | None = None
    engine_grad: np.ndarray | None = None
    columns: tuple[Column, ...] = ()
    classes: tuple[str, ...] = ()
    target: Target | None = None
    part_of: int | None = None
    wider: WiderRows | None = None

    @classmethod
    def of_arrays(
        cls,
        net: Network,
        theta: Any,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        names: Names | None = None,
        **others: Any,
    ) -> Subject:
        """A subject from arrays, checked.

        Raises
        ------
        InputError
            If a shape does not fit, a number is not finite, or there is no row.

        Examples
        --------
        >>> net = Network([1, 1], activation=[])
        >>> Subject.of_arrays(net, [2.0, 0.0], [[1.0], [3.0]], [[0.0], [1.0]]).w
        array([0.5, 0.5])
        """
        exact = net.with_changes(dtype=np.float64)
        theta = exact.check_theta(theta)
        if not np.isfinite(theta).all():
            raise InputError("theta is not finite; there is no derivative to explain")
        rows = check_rows(exact, X)
        if len(rows) == 0:
            raise InputError("X has no rows; expected at least one to explain")
        s = check_weights(sample_weight, len(rows))
        return cls(
            net=exact,
            theta=theta,
            X=rows,
            Y=exact.loss.prepare(Y, len(rows), exact.n_outputs, np.float64),
            s=s,
            w=normalise_weights(s, np.float64),
            names=names or Names.plain(exact, len(rows)),
            **others,
        )

    @functools.cached_property
    def passed(self) -> ForwardPass:
        """The forward pass, which the two backward passes share."""
        with np.errstate(all="ignore"):
            return forward_pass(
                numpy_namespace(np.float64), self.net, self.theta, self.X, self.masks
            )

    @functools.cached_property
    def trace(self) -> Trace:
        """Every number of one forward and one backward pass; δ and dW carry w_i."""
        return compute_trace(
            self.net, self.theta, self.X, self.Y, self.w, masks=self.masks, passed=self.passed
        )

    @functools.cached_property
    def penalty(self) -> tuple[float, np.ndarray]:
        """The penalties of the step and their gradient; 0 where there are none."""
        if self.step is None or not self.step.settings.penalties:
            return 0.0, np.zeros(len(self.theta))
        settings = self.step.settings
        cost, grad = penalty_terms(
            numpy_namespace(np.float64),
            settings.penalties,
            self.theta,
            self.net.is_weight,
            settings.total_weight,
        )
        return float(cost), np.asarray(grad)

    @property
    def objective(self) -> float:
        """C with the penalties of the step, which some rules look at."""
        return self.trace.cost + self.penalty[0]

    @functools.cached_property
    def each(self) -> Gradients:
        """The loss and δ of every row with weight 1: its ``delta[l][i, j]`` is ∂C_i/∂z_j^l."""
        xp = numpy_namespace(np.float64)
        ones = np.ones(len(self.X))
        with np.errstate(all="ignore"):
            return cost_and_grad(
                xp,
                self.net,
                self.theta,
                self.X,
                self.Y,
                ones,
                self.masks,
                passed=self.passed,
                only_delta=True,
            )
