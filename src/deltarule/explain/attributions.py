"""Input attributions: how much each input contributes to an output or to the loss.

For f, an output a_j^L or the loss C_i, a row x and a baseline x′:

    gradient × input       A_k = (xₖ − x′_k) ∂f/∂xₖ (x)
    integrated gradients   A_k = (xₖ − x′_k) ∫₀¹ ∂f/∂xₖ (x′ + t (x − x′)) dt

(Sundararajan, Taly and Yan, 2017). Integrated gradients are *complete*: Σ_k A_k = f(x) − f(x′).
The difference of the two sides is the error of the numerical integration, and is reported. ∂f/∂x
comes from the ordinary backward pass: an output is the cost of a network whose loss is that output.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.engines import Batch
from deltarule.errors import InputError
from deltarule.explain.fast_passes import fast_engine
from deltarule.explain.number_format import short
from deltarule.explain.path_integral import integrate
from deltarule.explain.subject import Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.explain.subject_sources import output_names
from deltarule.maths import Loss, Network, numpy_namespace
from deltarule.maths.backprop import forward_pass, loss_terms
from deltarule.maths.input_checks import check_rows
from deltarule.records import checked_integer, in_interval

__all__ = ["THE_OUTPUT", "Attributions", "attribute"]

_METHODS = ("integrated", "gradient")
# The most numbers in the arrays of one batch of rows, or of points on their paths.
_AT_A_TIME = 1 << 20
# Gradients that one row takes, about; by it an engine is chosen.
_TYPICAL_POINTS = 500


@dataclasses.dataclass(frozen=True)
class Attributions:
    """Attributions of some rows, and the values that they should add up to.

    Attributes
    ----------
    values : array of shape (R, n_0)
        A_k of each row.
    rows : integer array of shape (R,)
        The numbers of these rows in the subject.
    of : tuple of str
        The name of f for each row: ``"the loss"`` or the name of an output.
    method : str
        ``"integrated"`` or ``"gradient"``.
    baseline : array of shape (n_0,)
        x′.
    baseline_name : str
        A description of x′.
    value, baseline_value : arrays of shape (R,)
        f(x) and f(x′).
    points : integer array of shape (R,)
        The number of gradients computed for each row.
    converged : boolean array of shape (R,)
        Whether the integration met its tolerance; true for gradient × input, which has none.
    features : tuple of str
        The names of the n_0 inputs.
    columns : tuple of (str, tuple of int)
        The table's columns and the inputs that each feeds; without a table, one for each input.
    """

    values: np.ndarray
    rows: np.ndarray
    of: tuple[str, ...]
    method: str
    baseline: np.ndarray
    baseline_name: str
    value: np.ndarray
    baseline_value: np.ndarray
    points: np.ndarray
    converged: np.ndarray
    features: tuple[str, ...]
    columns: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def error(self) -> np.ndarray:
        """Σ_k A_k − (f(x) − f(x′)) of each row, the completeness error."""
        error: np.ndarray = self.values.sum(axis=1) - (self.value - self.baseline_value)
        return error

    @property
    def by_column(self) -> np.ndarray:
        """Attributions sum_over back per column, of shape (R, columns)."""
        return np.stack(
            [self.values[:, list(inputs)].sum(axis=1) for _, inputs in self.columns], axis=1
        )

    @property
    def mean_by_feature(self) -> np.ndarray:
        """The mean |A_k| over the rows, shape (n_0,)."""
        mean: np.ndarray = np.abs(self.values).mean(axis=0)
        return mean

    @property
    def mean_by_column(self) -> np.ndarray:
        """The mean over the rows of the size of ``by_column``, shape (columns,)."""
        mean: np.ndarray = np.abs(self.by_column).mean(axis=0)
        return mean

    def text(self, most: int = 12) -> str:
        """A table of the attributions: of one row with their signs, of several their mean size.

        Parameters
        ----------
        most : int
            The number of columns that are listed, the largest first.
        """
        one = len(self.rows) == 1
        scores = self.by_column[0] if one else self.mean_by_column
        names = {"integrated": "integrated gradients", "gradient": "gradient × input"}
        which = f"row {self.rows[0]}" if one else f"{len(self.rows)} rows, mean size"
        of = " or ".join(sorted(set(self.of))) if len(set(self.of)) < 4 else "the largest output"
        lines = [f"{names[self.method]} of {of}, {which}", f"baseline: {self.baseline_name}"]
        order = np.argsort(-np.abs(scores), kind="stable")
        wide = max(len(self.columns[i][0]) for i in order[:most])
        lines += [
            f"  {self.columns[i][0].ljust(wide)}  {short(scores[i], 6)}" for i in order[:most]
        ]
        if len(order) > most:
            rest = scores[order[most:]].sum()
            lines.append(f"  {f'{len(order) - most} others'.ljust(wide)}  {short(rest, 6)}")
        if one:
            change = self.value[0] - self.baseline_value[0]
            lines.append(
                f"they add to {short(scores.sum(), 6)}; f(x) − f(x′) = {short(change, 6)}; "
                f"completeness error {short(self.error[0])}"
            )
        else:
            lines.append(f"largest completeness error {short(np.abs(self.error).max())}")
        if not self.converged.all():
            lines.append(
                f"{int((~self.converged).sum())} of {len(self.rows)} integrations did not meet the "
                "tolerance; raise most_points"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The attributions as a dictionary for JSON."""
        return {
            "method": self.method,
            "baseline_name": self.baseline_name,
            "baseline": self.baseline.tolist(),
            "rows": self.rows.tolist(),
            "of": list(self.of),
            "features": list(self.features),
            "mean_by_feature": self.mean_by_feature.tolist(),
            "columns": [
                {"name": name, "inputs": list(inputs), "mean": float(mean)}
                for (name, inputs), mean in zip(self.columns, self.mean_by_column, strict=True)
            ],
            "largest_error": float(np.abs(self.error).max()),
            "converged": bool(self.converged.all()),
        }

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Attributions({len(self.rows)} rows, {self.method}, {self.baseline_name})"


def attribute(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    rows: int | Sequence[int] | np.ndarray | None = None,
    of: str | int | None = None,
    method: str = "integrated",
    baseline: str | Any = "zeros",
    tolerance: float = 1e-6,
    most_points: int = 8192,
) -> Attributions:
    """Attribute an output of the network, or its loss, to the inputs of each row.

    A_k = (xₖ − x′_k) ∫₀¹ ∂f/∂xₖ (x′ + t (x − x′)) dt, or (xₖ − x′_k) ∂f/∂xₖ (x)

    Parameters
    ----------
    what, X, Y, theta
        As for :func:`deltarule.lens`. Dropout is off.
    rows : int or sequence of int, optional
        The rows; by default all.
    of : str, int or None
        f: ``"loss"`` for C_i, a number j for the output a_j^L, or a class label; by default the
        largest output of each row.
    method : str
        ``"integrated"`` for integrated gradients, ``"gradient"`` for gradient × input.
    baseline : str or array of shape (n_0,)
        x′: ``"zeros"`` (for standardised inputs, the mean of training), ``"mean"`` for the weighted
        mean of the rows, or any row.
    tolerance : float
        The integration is refined until the absolute completeness errors of its pieces add to less
        than this fraction of Σ|A_k| or |f(x) − f(x′)|, whichever is larger.
    most_points : int
        The most gradients for one row; where they do not suffice, ``converged`` is false.

    Returns
    -------
    Attributions

    Raises
    ------
    InputError
        If a row, an output or a class does not exist, or an argument is out of its range.

    Notes
    -----
    The integral is computed by Gauss–Legendre quadrature with 8 points on each piece of the path.
    The exact sum of a piece is f at its end minus f at its start; pieces with too large an error
    are divided, at a kink of an activation (ReLU's at 0) where a node passes one.

    Examples
    --------
    >>> from deltarule import Network
    >>> from deltarule.explain import attribute
    >>> net = Network([2, 1], activation=[])
    >>> theta = net.pack(W=[[[3.0, -1.0]]], b=[[0.5]])
    >>> found = attribute(net, [[2.0, 4.0]], [[0.0]], theta=theta)
    >>> found.values, found.value, found.baseline_value
    (array([[ 6., -4.]]), array([2.5]), array([0.5]))
    """
    subject = subject_of(what, X, Y, theta=theta)
    if not isinstance(method, str) or method not in _METHODS:
        raise InputError(f"method is {method!r}; expected 'integrated' or 'gradient'")
    tolerance = in_interval("", "tolerance", tolerance, "(0, 1)", 1e-6)
    most_points = checked_integer("most_points", most_points, 8)
    numbers = _row_numbers(subject, rows)
    start, name = _baseline(subject, baseline)
    function = _Function(subject, numbers, of)
    X = subject.X[numbers]
    value = function.over_rows(function.values, X)
    start_value = function.over_rows(function.values, np.broadcast_to(start, X.shape))
    points = np.ones(len(X), dtype=np.intp)
    converged = np.ones(len(X), dtype=bool)
    if method == "gradient":
        values = (X - start) * function.over_rows(function.slopes, X)
    else:
        values, points, converged = integrate(
            function, X, start, tolerance=tolerance, most_points=most_points
        )
    columns = tuple((column.name, column.inputs) for column in subject.columns)
    return Attributions(
        values=values,
        rows=numbers,
        of=function.names,
        method=method,
        baseline=start,
        baseline_name=name,
        value=value,
        baseline_value=start_value,
        points=points,
        converged=converged,
        features=subject.names.inputs,
        columns=columns or tuple((n, (k,)) for k, n in enumerate(subject.names.inputs)),
    )


class _Function:
    """f and ∂f/∂x of the chosen rows at given points, by an engine, and z^l at these points."""

    def __init__(self, subject: Subject, rows: np.ndarray, of: str | int | None) -> None:
        net = subject.net
        self.theta = subject.theta
        self.kinks = {
            layer: g.kinks for layer, g in enumerate(net.activations) if g is not None and g.kinks
        }
        self.at_a_time = max(_AT_A_TIME // sum(net.widths), 8)
        self.of_loss = of == "loss"
        work = 2.0 * net.n_multiply_adds * _TYPICAL_POINTS * len(rows)
        if of == "loss":
            self.net, self.Y = net, subject.Y[rows]
            self.engine = fast_engine(net, subject.theta, work)
            self.names: tuple[str, ...] = ("the loss",) * len(rows)
            return
        self.net = net.with_changes(loss=THE_OUTPUT)
        self.engine = fast_engine(self.net, subject.theta, work)
        if of is None:
            j = self.over_rows(lambda X, _: self.engine.predict(X).argmax(axis=1), subject.X[rows])
        else:
            j = np.full(len(rows), _output_number(subject, of))
        self.j, self.Y = j, np.eye(net.n_outputs)[j]
        names = output_names(subject.classes, net, subject.names.outputs)
        self.names = tuple(names[i] for i in j)

    def values(self, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f at points X, shape (P, n_0), that lie on the paths of these rows, shape (P,)."""
        X = np.ascontiguousarray(X)
        if not self.of_loss:
            found: np.ndarray = self.engine.predict(X)[np.arange(len(X)), self.j[rows]]
            return found
        xp = numpy_namespace(np.float64)
        with np.errstate(all="ignore"):
            passed = forward_pass(xp, self.net, self.theta, X)
            terms, _ = loss_terms(xp, self.net, passed, self.Y[rows])
        return np.asarray(terms)

    def slopes(self, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """∂f/∂x at points on the paths of these rows, shape (P, n_0)."""
        X, n = np.ascontiguousarray(X), len(X)
        with np.errstate(all="ignore"):
            return self.engine.input_gradient(Batch(X, self.Y[rows], np.ones(n), np.arange(n), 1))

    def weighted(self, X: np.ndarray, layer: int) -> np.ndarray:
        """z^l of a layer at points, shape (P, n_l)."""
        first = self._first_layers(layer)
        xp = numpy_namespace(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(forward_pass(xp, first, self.theta[: first.n_parameters], X).Z[-1])

    @functools.lru_cache(maxsize=64)  # noqa: B019  (the object lives for one call of attribute)
    def _first_layers(self, layer: int) -> Network:
        """The network up to a layer; its parameters are the first of θ."""
        net = self.net
        return Network(
            net.widths[: layer + 1],
            [g for g in net.activations[1:layer] if g is not None],
            "identity",
            "squared_error",
            bias=net.bias,
        )

    def over_rows(self, f: Any, X: np.ndarray) -> np.ndarray:
        """Call f with one point for each row, in batches, and join the results."""
        pieces = []
        for at in range(0, len(X), self.at_a_time):
            rows = np.arange(at, min(at + self.at_a_time, len(X)))
            pieces.append(f(X[rows], rows))
        return np.concatenate(pieces)


def _the_output(xp: Any) -> Any:
    """The loss Σ_j yⱼ a_j with derivative yⱼ: a_j itself for a y that is 1 at j and else 0."""

    def from_output(a: Any, y: Any) -> tuple[Any, Any]:
        # Where y is 0 the term is 0, also for an a that is not finite.
        return xp.where(y == 0, 0 * y, y * a), y

    return from_output


THE_OUTPUT = Loss("the_output", _the_output)


def _row_numbers(subject: Subject, rows: Any) -> np.ndarray:
    n = len(subject.X)
    if rows is None:
        return np.arange(n)
    numbers = np.atleast_1d(np.asarray(rows))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or len(numbers) == 0:
        raise InputError(f"rows is {rows!r}; expected a row number from 0 to {n - 1}, or several")
    if numbers.min() < 0 or numbers.max() >= n:
        bad = numbers[(numbers < 0) | (numbers >= n)][0]
        raise InputError(f"there is no row {bad}; expected numbers from 0 to {n - 1}")
    return numbers.astype(np.intp)


def _output_number(subject: Subject, of: Any) -> int:
    net: Network = subject.net
    if isinstance(of, str):
        default = subject.names.outputs
        for names in (output_names(subject.classes, net, default), default):
            if of in names:
                return names.index(of)
    elif not isinstance(of, bool) and isinstance(of, int | np.integer) and 0 <= of < net.n_outputs:
        return int(of)
    known = ", ".join(map(repr, (subject.classes or subject.names.outputs)[:8]))
    raise InputError(
        f"of is {of!r}; expected 'loss', an output from 0 to {net.n_outputs - 1}, or one of {known}"
    )


def _baseline(subject: Subject, baseline: Any) -> tuple[np.ndarray, str]:
    """Return x′ and its description."""
    net = subject.net
    if isinstance(baseline, str):
        if baseline == "zeros":
            means = "the mean of training for a number, no level for a category"
            return np.zeros(net.n_inputs), f"zeros ({means})" if subject.columns else "zeros"
        if baseline == "mean":
            return subject.mean_row, "the mean of the rows"
        raise InputError(f"baseline is {baseline!r}; expected 'zeros', 'mean', or a row of numbers")
    row = np.asarray(baseline)
    if row.shape != (net.n_inputs,):
        raise InputError(
            f"baseline has shape {row.shape}; expected ({net.n_inputs},), one number for each input"
        )
    return check_rows(net, row[None])[0], "a row of your own"
