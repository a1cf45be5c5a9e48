"""What is explained: a network at one θ, rows with their targets, and an update step at that θ.

All arrays are float64, whatever type the network was trained in: every float32 number is also a
float64 number, and is shown with all its digits. The gradient of the engine that trained, on the
same rows, is kept beside them for comparison.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.errors import InputError
from deltarule.maths import Network, Trace, numpy_namespace
from deltarule.maths.backprop import compute_trace, cost_and_grad, forward_pass
from deltarule.maths.input_checks import check_rows, check_weights, normalise_weights
from deltarule.maths.pass_results import ForwardPass, Gradients
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import Rule

if TYPE_CHECKING:
    from deltarule.explain.columns import EncodedTarget
    from deltarule.explain.comparison import Comparison
    from deltarule.tables import TypedColumns
    from deltarule.tabular import NetworkModel

__all__ = [
    "InputColumn",
    "Names",
    "StepTaken",
    "Subject",
    "TableRows",
    "TrainingRows",
    "WholeTable",
    "slots_of",
]


def slots_of(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The rule's slots in an engine's state, as float64 arrays by name.

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
    """Names of the nodes of the first and the last layer, and of the rows.

    Attributes
    ----------
    inputs, outputs : tuple of str
        One for each node; by default ``x_0``, …, and ``a_0``, ….
    rows : tuple of str
        One for each row: its number here, or in the table that it is from.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def plain(cls, net: Network, n_rows: int) -> Names:
        """The default names: symbols with an index, and row numbers.

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
    """An update step at θ, and the state that it starts from.

    Attributes
    ----------
    settings : EngineSettings
        The rule, penalties, clipping, dropout and averaging.
    learning_rate : float
        η of this step, schedule included.
    number : int
        t, from 1.
    slots : mapping of str to array
        The rule's state before the step, in float64; scalars as arrays of shape ().
    theta_after : array of shape (p,), or None
        θ after the step, by the engine that trained.
    hypothetical : bool
        True for the first step that the rule would take from this θ, where θ is not known to be
        reached by steps of the rule; the step then has no number in a training run.
    """

    settings: EngineSettings
    learning_rate: float
    number: int = 1
    slots: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    theta_after: np.ndarray | None = None
    hypothetical: bool = False

    @property
    def rule(self) -> Rule:
        """The update rule of the settings."""
        assert isinstance(self.settings.rule, Rule)  # EngineSettings turned a name into a Rule
        return self.settings.rule


@dataclasses.dataclass(frozen=True)
class InputColumn:
    """A column of a table, and the network's inputs that it became.

    Attributes
    ----------
    name : str
    kind : str
        ``"number"``, ``"date"`` or ``"category"``.
    inputs : tuple of int
        The inputs it feeds; none if it did not vary in training.
    cells : tuple
        The cell of each row as in the table; None where missing.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    cells: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class TrainingRows:
    """The rows of a training run, by which the lens calls nodes dead or saturated.

    Attributes
    ----------
    X, Y : arrays of shape (N, n_0) and (N, n_L)
        All training rows, or many that are evenly spaced.
    w : array of shape (N,)
        Their weights, with sum 1.
    """

    X: np.ndarray
    Y: np.ndarray
    w: np.ndarray


class WholeTable(NamedTuple):
    """A table of which a sample is explained: its rows, and the losses that they are compared by.

    ``at[i]`` is the place in it of row i of the sample.
    """

    typed: TypedColumns
    at: np.ndarray
    comparison: Comparison


class TableRows(NamedTuple):
    """The network of a table, and typed rows of it.

    ``parts`` has the part of the training of each row, where that cannot be told by the rows alone:
    of a sample of a table, and of a step of training. ``whole`` is the table that they are a sample
    of.
    """

    model: NetworkModel
    typed: TypedColumns
    parts: tuple[str, ...] | None = None
    whole: WholeTable | None = None


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network at one θ with rows and targets: what is explained.

    Attributes
    ----------
    net : Network
        In float64.
    theta : array of shape (p,)
    X, Y : arrays of shape (N, n_0) and (N, n_L)
        Y is prepared by the loss: one column for each output.
    s, w : arrays of shape (N,)
        The sample weights as given (ones if none were), and ωᵢ = s_i/Σs, or in a step of
        training w_i = s_i/(s̄ B), as the step used it.
    names : Names
    masks : list of L+1 arrays or None
        Dropout masks of this step: item l multiplies g^l(z^l).
    step : StepTaken or None
    engine, dtype : str or None
        The engine that trained the network, and its dtype.
    engine_grad : array of shape (p,), or None
        The gradient by that engine on these rows, in float64.
    columns : tuple of InputColumn
        The table's columns; empty if the inputs do not come from a table.
    left_out : tuple of str
        The names of the table's columns that no input was made of, since they did not vary.
    classes : tuple of str
        Class labels, empty for a regression.
    target : EncodedTarget or None
        The table's column that y comes from.
    part_of : int or None
        The number of rows that these are a part of, as a mini-batch is of the training rows; None
        if these are all.
    training_rows : TrainingRows or None
        If these are a mini-batch: the training rows.
    table : TableRows or None
        The model of a table and the rows of it, where they come from one.
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
    columns: tuple[InputColumn, ...] = ()
    left_out: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    target: EncodedTarget | None = None
    part_of: int | None = None
    training_rows: TrainingRows | None = None
    table: TableRows | None = None

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
        """Make a subject of arrays after checking them.

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
            raise InputError(
                "theta is not finite, and has no derivative to explain; expected finite numbers"
            )
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
    def forward(self) -> ForwardPass:
        """The forward pass, which both backward passes (with and without w_i) use."""
        with np.errstate(all="ignore"):
            return forward_pass(
                numpy_namespace(np.float64), self.net, self.theta, self.X, self.masks
            )

    @functools.cached_property
    def trace(self) -> Trace:
        """Every number of one forward and one backward pass; δ and dW include w_i."""
        return compute_trace(
            self.net, self.theta, self.X, self.Y, self.w, masks=self.masks, passed=self.forward
        )

    @functools.cached_property
    def penalty(self) -> tuple[float, np.ndarray]:
        """The penalties of the step and their gradient, shape (p,); 0 where there are none."""
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

    def masks_of(self, rows: Any) -> list[Any] | None:
        """The dropout masks of some rows; None without dropout."""
        if self.masks is None:
            return None
        return [None if mask is None else np.asarray(mask)[rows] for mask in self.masks]

    @property
    def mean_row(self) -> np.ndarray:
        """Σ_i w_i xᵢ / Σ_i w_i, shape (n_0,), a baseline of attributions."""
        total = self.w.sum()
        return (self.w / total if total > 0 else self.w) @ self.X

    @property
    def objective(self) -> float:
        """C with the penalties of the step, which some rules use."""
        return self.trace.cost + self.penalty[0]

    @functools.cached_property
    def per_sample(self) -> Gradients:
        """The loss and δ of every row with weight 1: its ``delta[l][i, j]`` is ∂Cᵢ/∂z_j^l."""
        xp, ones = numpy_namespace(np.float64), np.ones(len(self.X))
        arguments = (xp, self.net, self.theta, self.X, self.Y, ones, self.masks)
        with np.errstate(all="ignore"):
            return cost_and_grad(*arguments, passed=self.forward, only_delta=True)
