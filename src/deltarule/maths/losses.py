"""Losses: the value of one sample's loss and its derivative, from one function.

``formula(xp, **parameters)`` returns a function of (a, y) that returns, for every output j, the
pair (term of C_i, ∂C_i/∂a_j), so that value and derivative cannot disagree. It may also return
the term alone; its derivative is then derived symbolically
(:mod:`deltarule.maths.derived_formulas`). C_i is the *sum* of the terms over outputs; nothing is
averaged here, and the factor 1/N is part of the sample weights.

A loss with a natural output activation also has a *fused* formula, a function of (z, y) that
returns (term, ∂C_i/∂z_j). It is accurate where a function of ``a`` cannot be: a logistic output
at z = 37 is 1 in floating point. Nothing is clipped to make a loss finite.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import IncompatiblePair, InputError
from deltarule.maths import textbook
from deltarule.maths.activations import Activation
from deltarule.maths.arrays import numeric
from deltarule.maths.derived_formulas import terms_of_loss
from deltarule.maths.input_checks import check_targets, one_hot
from deltarule.maths.loss_formulas import (
    Terms,
    absolute_error,
    cross_entropy,
    cross_entropy_softmax,
    half_squared_error,
    huber,
    log_loss,
    log_loss_logistic,
    poisson,
    poisson_exp,
    poisson_softplus,
    quantile,
    squared_error,
    weighted_log_loss,
    weighted_log_loss_logistic,
)
from deltarule.maths.loss_parameters import check_loss_parameters
from deltarule.records import Record, Registry

__all__ = ["LOSSES", "BoundLoss", "Loss", "register_loss"]


@dataclasses.dataclass(frozen=True)
class BoundLoss:
    """A loss's functions over one array namespace.

    ``from_output(a, y)`` returns the terms and ∂C_i/∂a; ``from_input(z, y)`` returns the terms
    and ∂C_i/∂z, and is None if loss and output are not fused.
    """

    from_output: Terms
    from_input: Terms | None


@dataclasses.dataclass(frozen=True)
class Loss(Record):
    """A loss: a name, a formula, parameter values, and the outputs and targets it accepts.

    Parameters
    ----------
    name : str
        The name it is registered and saved under.
    formula : callable
        ``formula(xp, **parameters)`` returning a function of (a, y) that returns the pair
        (term of C_i, ∂C_i/∂a_j) for every output j, both of the shape of a; or the term alone
        if it uses only arithmetic and the functions of xp: its derivative is then derived
        symbolically, at a kink from the left (0 for ``xp.abs`` at 0).
    parameters : mapping
        Values of the formula's parameters. ``levels`` is one number between 0 and 1, or a list,
        tuple or array of them, in any order; ``positive_weight`` is a number for all outputs,
        or a list, tuple or array with one for each.
    outputs : tuple of str
        The output activations it goes with: names, or ``"elementwise"`` for any
        activation that does not mix outputs.
    fused : tuple of (str, callable)
        Names of output activations, each with a fused formula: like ``formula``, but its
        function of (z, y) returns (term, ∂C_i/∂z_j).
    targets : str
        The values allowed in Y: ``"real"``, ``"nonnegative"``, ``"unit"`` (from 0 to 1) or
        ``"classes"`` (class numbers, or one probability for each output).
    kinks : tuple of float or str
        Values of the residual a − y at which a derivative jumps; a string names a parameter and
        stands for ± its value.
    reason : str
        Why other outputs are refused, for the error message.
    latex : str
        The loss of one sample, for documentation.
    textbook : callable, optional
        The derivative for people to read, for display only: ``textbook(xp, **parameters)`` returns
        a function of (a, y) that equals ∂C_i/∂a_j in exact arithmetic.
    deltas : tuple of (str, callable)
        Names of fused output activations, each with a textbook's form of δ_j = ∂C_i/∂z_j, a
        function of (a, y), for display only.

    Raises
    ------
    InputError
        If a parameter named in ``kinks`` is not positive, ``levels`` are not different numbers
        between 0 and 1, ``smoothing`` is not in [0, 1), or a ``positive_weight`` is not positive.
        The shape of the formula's results is checked when the loss is used in a
        :class:`Network`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.maths import LOSSES, numpy_namespace
    >>> squared = LOSSES.get("squared_error").bind(numpy_namespace())
    >>> value, slope = squared.from_output(np.array([0.25]), np.array([1.0]))
    >>> value, slope
    (array([0.5625]), array([-1.5]))

    A loss of one's own, by its value alone:

    >>> def cauchy(xp, scale):
    ...     return lambda a, y: xp.log1p(((a - y) / scale) ** 2)
    >>> own = Loss("cauchy", cauchy, {"scale": 2.0}).bind(numpy_namespace())
    >>> own.from_output(np.array([[3.0]]), np.array([[1.0]]))[1]
    array([[0.5]])
    """

    outputs: tuple[str, ...] = ("elementwise", "softmax")
    fused: tuple[tuple[str, Callable[..., Any]], ...] = ()
    targets: str = "real"
    kinks: tuple[float | str, ...] = ()
    reason: str = ""
    latex: str = ""
    textbook: Callable[..., Any] | None = None
    deltas: tuple[tuple[str, Callable[..., Any]], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("outputs", "kinks"):
            value = getattr(self, name)
            wide = (value,) if isinstance(value, str | int | float) else tuple(value)
            object.__setattr__(self, name, wide)
        for name in ("fused", "deltas"):
            pairs = tuple(tuple(pair) for pair in getattr(self, name))
            object.__setattr__(self, name, pairs)
        settings = check_loss_parameters(self.name, self.settings, self.kinks)
        object.__setattr__(self, "parameters", tuple(settings.items()))

    def bind(self, xp: Any, output: Activation | None = None) -> BoundLoss:
        """The loss's functions over the namespace ``xp``, fused with ``output`` if possible."""
        title, settings = f"loss {self}", self.settings
        from_output = terms_of_loss(xp, self.formula, settings, title)
        fusion = dict(self.fused).get(output.name) if output is not None else None
        if fusion is None:
            return BoundLoss(from_output, None)
        title = f"{title} fused with {output}"
        return BoundLoss(from_output, terms_of_loss(xp, fusion, settings, title))

    def accepts(self, output: Activation) -> bool:
        """Whether the loss goes with this output activation."""
        return output.name in self.outputs or (output.elementwise and "elementwise" in self.outputs)

    def require(self, output: Activation) -> None:
        """Raise if the loss does not go with this output activation.

        Raises
        ------
        IncompatiblePair
            With both names, the reason, and the possible outputs.
        """
        if not self.accepts(output):
            raise IncompatiblePair(
                f"loss {self.name!r} does not go with output activation {output.name!r}: "
                f"{self.reason}; use {' or '.join(map(repr, self.outputs))}"
            )

    def kink_values(self) -> tuple[float, ...]:
        """The values of the residual a − y at which a derivative jumps."""
        values: list[float] = []
        for kink in self.kinks:
            if isinstance(kink, str):
                values += [-float(self.settings[kink]), float(self.settings[kink])]
            else:
                values.append(float(kink))
        return tuple(values)

    def outputs_per_target(self) -> int:
        """The number of outputs for each column of Y (the levels of a quantile loss)."""
        return len(self.settings["levels"]) if "levels" in self.settings else 1

    def check_outputs(self, n_outputs: int) -> None:
        """Raise if the number of outputs does not fit the loss's parameters.

        Raises
        ------
        InputError
            If ``n_outputs`` is not a multiple of the number of levels, or not the number of
            ``positive_weight``.
        """
        n_levels = self.outputs_per_target()
        if n_outputs % n_levels:
            raise InputError(
                f"loss {self} needs {n_levels} outputs for each target; "
                f"the network has {n_outputs} outputs"
            )
        weights = self.settings.get("positive_weight")
        if weights is not None and len(weights) not in (1, n_outputs):
            raise InputError(
                f"loss {self.name!r}: positive_weight has {len(weights)} numbers; expected one for "
                f"each of {n_outputs} outputs, or a single number for all"
            )

    def prepare(self, Y: Any, n_rows: int, n_outputs: int, dtype: Any) -> np.ndarray:
        """Y as a checked array of ``dtype``, shape (N, n_L).

        Class numbers become one-hot rows; for a loss with several outputs per target each
        column is repeated.

        Raises
        ------
        InputError
            If the shape or a value does not fit; the message names the first such row.
        """
        try:
            given = numeric("Y", Y)
        except InputError as error:
            raise InputError(f"{error}. Encode classes as 0, 1, … first") from None
        if self.targets == "classes" and given.ndim == 1 and n_outputs > 1:
            return one_hot(given, n_rows, n_outputs, dtype)
        n_levels, shape = self.outputs_per_target(), given.shape
        if given.ndim == 1:
            given = given[:, None]
        y = np.repeat(given, n_levels, axis=1) if n_levels > 1 and given.ndim == 2 else given
        if y.shape != (n_rows, n_outputs):
            each = f" ({n_levels} outputs for each column of Y)" if n_levels > 1 else ""
            raise InputError(
                f"Y has shape {shape}; expected {n_rows} rows like X and "
                f"{n_outputs // n_levels} columns{each}"
            )
        with np.errstate(over="ignore"):  # beyond float32: infinite, and refused below
            y = np.ascontiguousarray(y, dtype=dtype)
        check_targets(y, self.targets, self.name)
        return y


LOSSES: Registry[Loss] = Registry("loss", Loss)


def register_loss(loss: Loss, *, replace: bool = False) -> Loss:
    """Add a loss to the registry, under its name, for networks and saved models.

    Parameters
    ----------
    loss : Loss
    replace : bool
        Whether one of the same name may be replaced.

    Raises
    ------
    InputError
        If the name is taken and ``replace`` is false.

    Examples
    --------
    >>> from deltarule.maths import LOSSES
    >>> LOSSES.get("huber", kappa=2.0).kink_values()
    (-2.0, 2.0)
    """
    return LOSSES.register(loss, replace=replace)


_MIXES = "it compares each output with its own target and needs outputs that do not mix"
_POSITIVE = "it takes log a and needs an output that is positive"
_UNIT = "it takes log a and log(1 − a) and needs an output between 0 and 1"
_SIMPLEX = "it needs outputs that are positive and add to 1"

for _loss in (
    Loss("squared_error", squared_error, latex=r"\sum_j (a_j - y_j)^2"),
    Loss("half_squared_error", half_squared_error, latex=r"\tfrac12 \sum_j (a_j - y_j)^2"),
    Loss(
        "absolute_error",
        absolute_error,
        outputs=("elementwise",),
        kinks=(0.0,),
        reason=_MIXES,
        latex=r"\sum_j |a_j - y_j|",
    ),
    Loss(
        "huber",
        huber,
        {"kappa": 1.0},
        outputs=("elementwise",),
        kinks=("kappa",),
        reason=_MIXES,
        latex=r"\sum_j \tfrac12 \min(|r_j|, \kappa)^2 + \kappa \max(|r_j| - \kappa, 0)",
    ),
    Loss(
        "quantile",
        quantile,
        {"levels": (0.5,)},
        outputs=("elementwise",),
        kinks=(0.0,),
        reason=_MIXES,
        latex=r"\sum_j \max(\tau_j (y_j - a_j), (\tau_j - 1)(y_j - a_j))",
    ),
    Loss(
        "poisson",
        poisson,
        outputs=("exp", "softplus"),
        fused=(("exp", poisson_exp), ("softplus", poisson_softplus)),
        targets="nonnegative",
        reason=_POSITIVE,
        latex=r"\sum_j (a_j - y_j \log a_j)",
        textbook=textbook.poisson_derivative,
        deltas=(("exp", textbook.difference),),
    ),
    Loss(
        "log_loss",
        log_loss,
        {"smoothing": 0.0},
        outputs=("logistic",),
        fused=(("logistic", log_loss_logistic),),
        targets="unit",
        reason=_UNIT,
        latex=r"-\sum_j \bigl(y_j \log a_j + (1 - y_j) \log(1 - a_j)\bigr)",
        textbook=textbook.log_loss_derivative,
        deltas=(("logistic", textbook.smoothed_difference_of_two),),
    ),
    Loss(
        "weighted_log_loss",
        weighted_log_loss,
        {"positive_weight": (1.0,), "smoothing": 0.0},
        outputs=("logistic",),
        fused=(("logistic", weighted_log_loss_logistic),),
        targets="unit",
        reason=_UNIT,
        latex=r"-\sum_j \bigl(p_j y_j \log a_j + (1 - y_j) \log(1 - a_j)\bigr)",
        textbook=textbook.weighted_log_loss_derivative,
        deltas=(("logistic", textbook.weighted_difference),),
    ),
    Loss(
        "cross_entropy",
        cross_entropy,
        {"smoothing": 0.0},
        outputs=("softmax",),
        fused=(("softmax", cross_entropy_softmax),),
        targets="classes",
        reason=_SIMPLEX,
        latex=r"-\sum_j y_j \log a_j",
        textbook=textbook.cross_entropy_derivative,
        deltas=(("softmax", textbook.smoothed_difference),),
    ),
):
    register_loss(_loss)
