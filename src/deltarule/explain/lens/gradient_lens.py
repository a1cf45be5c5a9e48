"""The gradient lens: sizes of weights, activations and gradients by layer, with advice."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.attributions import Attributions, attribute
from deltarule.explain.lens.measures import measure
from deltarule.explain.lens.rows import (
    OVER_ROWS,
    measure_steps,
    step_update,
    training_subject,
    with_node_states,
    with_update,
)
from deltarule.explain.lens.views import MEASURES, lens_html, lens_text
from deltarule.explain.number_format import json_number
from deltarule.explain.subject import Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.maths.subsample import evenly_spaced
from deltarule.optimizers import Rule
from deltarule.training.diagnosis.advice import THRESHOLDS, Advice, advise, enough
from deltarule.training.diagnosis.measures import (
    FLAT,
    MOSTLY,
    LayerMeasures,
    Measurements,
    series,
)

__all__ = ["GradientLens", "HardRow", "lens"]

# The most rows whose attributions are averaged for the table; evenly spaced.
_ATTRIBUTED = 128
_ATTRIBUTED_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class HardRow:
    """A row with a large weighted gradient.

    Attributes
    ----------
    row : int
    name : str
    loss, norm : float
        Cᵢ and ‖∂Cᵢ/∂θ‖, before w_i.
    pull, share : float
        w_i ‖∂Cᵢ/∂θ‖, and that as a share of the sum over all rows.
    """

    row: int
    name: str
    loss: float
    norm: float
    pull: float
    share: float


@dataclasses.dataclass(frozen=True, eq=False)
class GradientLens:
    """The result of :func:`lens`.

    Attributes
    ----------
    subject : Subject
        The network, θ and the rows.
    measured : Measurements
        The measurements at θ.
    advice : tuple of Advice
        Findings with their reasons and remedies, the serious first; empty if there are none.
    steps : tuple of int
        The recorded steps that were measured; empty without a recording.
    over : tuple of Measurements
        The measurements at each of these steps, on the training rows if they are known, else on
        the subject's rows.
    judged_rows, judged_of : int
        The number of rows by which nodes are called dead or saturated, and the number of all rows.
        For a mini-batch they are the training rows, since a few rows do not show it.
    over_rows : int
        The number of rows that ``over`` was measured on.
    """

    subject: Subject
    measured: Measurements
    advice: tuple[Advice, ...]
    steps: tuple[int, ...] = ()
    over: tuple[Measurements, ...] = ()
    judged_rows: int = 0
    judged_of: int = 0
    over_rows: int = 0

    @property
    def enough_rows(self) -> bool:
        """Whether the judging rows are enough to call a node dead or saturated."""
        return enough(self.judged_rows, self.judged_of)

    @property
    def layers(self) -> tuple[LayerMeasures, ...]:
        """The measurements of layers 1 … L."""
        return self.measured.layers

    @property
    def sample_norms(self) -> np.ndarray:
        """‖∂Cᵢ/∂θ‖ of every row before w_i, shape (N,)."""
        return self.measured.sample_norms

    @property
    def pull(self) -> np.ndarray:
        """w_i ‖∂Cᵢ/∂θ‖ of every row, shape (N,)."""
        w = self.subject.w
        with np.errstate(invalid="ignore"):  # a row of weight 0 may have an infinite gradient
            return np.where(w > 0, w * self.measured.sample_norms, 0.0)

    def values(self, name: str) -> np.ndarray:
        """One measurement of each layer, shape (L,): ``values("delta_rms")``.

        Raises
        ------
        InputError
            If no measurement has that name.
        """
        return series([self.measured], _known(name))[0]

    def over_training(self, name: str) -> np.ndarray:
        """One measurement of each layer at each recorded step, shape (steps, L).

        Raises
        ------
        InputError
            If no measurement has that name.
        """
        if not self.over:
            return np.zeros((0, len(self.layers)))
        return series(self.over, _known(name))

    def marks(self, layer: int) -> tuple[str, ...]:
        """The kinds of advice that name a layer."""
        return tuple(each.kind for each in self.advice if layer in each.layers)

    def hardest(self, most: int = 10) -> tuple[HardRow, ...]:
        """The rows with the largest ``pull``, the largest first.

        Examples
        --------
        >>> from deltarule import Network, lens
        >>> net = Network([1, 1], activation=[])
        >>> found = lens(net, [[1.0], [1.0]], [[1.0], [3.0]], theta=[0.0, 0.0])
        >>> [(each.row, round(each.share, 6)) for each in found.hardest(2)]
        [(1, 0.75), (0, 0.25)]
        """
        pull = self.pull
        total = float(pull.sum())
        order = np.argsort(-pull, kind="stable")[:most]
        return tuple(
            HardRow(
                row=int(i),
                name=self.subject.names.rows[i],
                loss=float(self.measured.loss[i]),
                norm=float(self.sample_norms[i]),
                pull=float(pull[i]),
                share=float(pull[i]) / total if total > 0 else 0.0,
            )
            for i in order
        )

    @functools.cached_property
    def attributions(self) -> Attributions:
        """Integrated gradients of the largest output of each row, of at most 128 rows.

        See :func:`deltarule.explain.attribute` for other rows, outputs, baselines and methods.
        """
        rows = evenly_spaced(len(self.subject.X), _ATTRIBUTED)
        return attribute(self.subject, rows=rows, tolerance=_ATTRIBUTED_TOLERANCE)

    def text(self) -> str:
        """A table of the layers, the advice, and the rows with the largest gradients."""
        return lens_text(self)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return lens_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything that the page shows of the lens, as a dictionary for JSON.

        A number that is not finite is written as the text ``"NaN"``, ``"Infinity"`` or
        ``"-Infinity"``, which JavaScript's ``Number`` reads.
        """
        net = self.subject.net
        names = list(MEASURES)
        layers = [
            {
                "layer": each.layer,
                "nodes": each.nodes,
                "parameters": each.parameters,
                "activation": str(net.activations[each.layer]),
                "marks": list(self.marks(each.layer)),
                "dead_nodes": dead.tolist(),
                "saturated_nodes": saturated.tolist(),
                **{name: json_number(getattr(each, name)) for name in names},
            }
            for each, dead, saturated in zip(
                self.layers,
                self.measured.dead_nodes,
                self.measured.saturated_nodes,
                strict=True,
            )
        ]
        return {
            "format": 1,
            "rows": len(self.subject.X),
            "cost": json_number(self.measured.cost),
            "input_rms": json_number(self.measured.input_rms),
            "judged": {"rows": self.judged_rows, "of": self.judged_of, "judges": self.enough_rows},
            "step": None if self.subject.step is None else self.subject.step.number,
            "measures": [
                {"name": name, "label": each.label, "words": each.words}
                for name, each in MEASURES.items()
            ],
            "thresholds": dict(THRESHOLDS) | {"flat": FLAT, "mostly": MOSTLY},
            "layers": layers,
            "advice": [dataclasses.asdict(each) for each in self.advice],
            "hardest": [
                {
                    name: json_number(value) if isinstance(value, float) else value
                    for name, value in dataclasses.asdict(each).items()
                }
                for each in self.hardest(20)
            ],
            "over": {
                "steps": list(self.steps),
                "rows": self.over_rows,
                "cost": [json_number(each.cost) for each in self.over],
                "series": {
                    name: [list(map(json_number, row)) for row in self.over_training(name)]
                    for name in names
                }
                if self.over
                else {},
            },
            "attributions": self.attributions.to_dict()
            if np.isfinite(self.measured.cost)
            else None,
        }

    def __repr__(self) -> str:
        marked = ", ".join(dict.fromkeys(each.kind for each in self.advice)) or "nothing marked"
        over = f", {len(self.steps)} recorded steps" if self.steps else ""
        return f"GradientLens({self.subject.net!r}, {len(self.subject.X)} rows{over}: {marked})"


def lens(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    learning_rate: float | None = None,
    rule: str | Rule | Mapping[str, Any] | None = None,
    recording: Any = None,
    most_steps: int = 50,
) -> GradientLens:
    """Measure weights, activations, δ, gradients and steps in each layer, and mark problems.

    ‖δ^l‖² = Σ_i p_i ‖∂Cᵢ/∂z^l‖²,  ‖∂Cᵢ/∂θ‖² = Σ_l ‖δ_i^l‖² (‖a_i^{l−1}‖² + 1),
    SNR^l = ‖ḡ‖ / √(Σ_i p_i ‖g_i − ḡ‖²) with g_i = ∂Cᵢ/∂θ^l, ḡ = Σ_i p_i g_i, p_i = w_i/Σw

    Layers whose δ vanishes or explodes, and layers with dead or saturated nodes, are marked, with
    the reason and advice. For a recorded step the sizes are those of its mini-batch, and nodes are
    called dead or saturated by all training rows.

    Parameters
    ----------
    what : Network, Model, MLPClassifier, MLPRegressor, TableModel, ReplayedStep or Subject
        A network needs ``theta``; a step and a subject have rows of their own.
    X, Y : arrays of shape (N, n_0) and (N, n_L) or (N,)
        For a ``TableModel`` X is the table, with its target, and Y is left out.
    theta : array of shape (p,), optional
        The parameters of a ``Network``.
    sample_weight : array of shape (N,), optional
        A row of weight 2 counts as two, one of weight 0 as absent.
    learning_rate : float, optional
        η of a step whose update-to-weight ratio is measured. Estimators and recorded steps have
        their own.
    rule : str or Rule, optional
        The rule of that step, from its initial state; by default gradient descent.
    recording : Recording, or sequence of (step, theta), optional
        θ at some steps of a training run; these are measured too.
    most_steps : int
        The most recorded steps that are measured; evenly spaced.

    Returns
    -------
    GradientLens

    Raises
    ------
    InputError
        If shapes do not fit, all weights are 0, or an option is out of its range.

    Notes
    -----
    The norm of ∂Cᵢ/∂W^l, an outer product, is the product of the norms of δ_i^l and a_i^{l−1}, so
    no gradient of a single row is stored. The SNR is that of Shwartz-Ziv and Tishby (2017); 1/SNR²
    is the simple noise scale of McCandlish, Kaplan, Amodei and others (2018).

    Examples
    --------
    In ten layers of logistic nodes, δ vanishes:

    >>> import numpy as np
    >>> from deltarule import Network, lens
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> deep = Network([1] + [8] * 9 + [1], activation="logistic")
    >>> found = lens(deep, X, X**2, theta=deep.initial(seed=0))
    >>> found.marks(1), found.marks(10)
    (('vanishing',), ())
    >>> bool(found.values("delta_ratio")[0] < 1e-4)
    True

    A network without problems gets no advice:

    >>> good = Network([1, 8, 1], activation="tanh")
    >>> lens(good, X, X**2, theta=good.initial(seed=0)).advice
    ()
    """
    subject = subject_of(
        what,
        X,
        Y,
        theta=theta,
        sample_weight=sample_weight,
        learning_rate=learning_rate,
        rule=rule,
    )
    if not subject.w.sum() > 0:
        raise InputError("every sample weight is 0; expected at least one row that counts")
    if not isinstance(most_steps, int) or most_steps < 2:
        raise InputError(f"most_steps is {most_steps!r}; expected a whole number ≥ 2")
    measured = measure(subject)
    training = training_subject(subject)
    # Nodes are judged without dropout, which belongs to the step alone.
    judged = measured if training is None else measure(training)
    measured = with_node_states(measured, judged)
    if subject.step is not None and np.isfinite(measured.grad).all():
        update = step_update(subject, measured.grad, measured.cost)
        measured = with_update(subject, measured, update)
    w = (subject if training is None else training).w
    rows = int((w > 0).sum())
    # Rows of weight 0 count as absent in both numbers.
    of = max(subject.part_of or 0, len(w)) - (len(w) - rows)
    penalised = subject.step is not None and bool(subject.step.settings.penalties)
    advice = advise(subject.net, measured, judged, rows, of, penalised=penalised)
    found = GradientLens(subject, measured, advice, judged_rows=rows, judged_of=of)
    if recording is None:
        return found
    base = subject if training is None else training_subject(subject, OVER_ROWS) or subject
    steps, over = measure_steps(base, recording, most_steps)
    return dataclasses.replace(found, steps=steps, over=over, over_rows=len(base.X))


def _known(name: str) -> str:
    if name not in MEASURES:
        raise InputError(f"no measure is called {name!r}; expected one of {', '.join(MEASURES)}")
    return name
