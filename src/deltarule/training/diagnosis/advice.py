"""The thresholds of measurements, and the advice where one is beyond its threshold.

The gradient lens and the guard of a training run give this advice, and no other.

Each piece of advice says what was measured, why it is so, and what to do. The cause of a vanishing
or exploding δ is found from δ^l = (δ^{l+1} W^{l+1}) ⊙ g^l′(z^l): the RMS of the slopes is measured,
and the rest is due to the weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from deltarule.maths import INITIALIZERS, Activation, Network
from deltarule.maths.network import auto_initializer
from deltarule.training.diagnosis.measures import (
    FLAT,
    MOSTLY,
    LayerMeasures,
    Measurements,
    largest_slope,
)

__all__ = [
    "THRESHOLDS",
    "Advice",
    "advise",
    "enough",
]

THRESHOLDS: dict[str, float] = {
    "vanishing": 1e-3,
    "exploding": 1e3,
    "dead": 0.1,
    "many_dead": 0.4,
    "saturated": 0.25,
    "large_step": 0.1,
    "small_step": 1e-6,
    "few_rows": 16.0,
    "many_rows": 1000.0,
}
"""The limits beyond which a layer is marked.

``vanishing`` and ``exploding`` are limits of ‖δ^l‖/‖δ^L‖, which is near 1 at any width and depth
with suitable initial weights. ``dead`` and ``saturated`` are shares of a layer's nodes; dead nodes
are serious from the share ``many_dead`` on. Nodes are judged on at least ``few_rows`` rows, and on
``many_rows`` where these are a part of more, such as a mini-batch. The step limits are those of
‖ΔW^l‖/‖W^l‖, which is about 1/1000 in most successful training.
"""


@dataclasses.dataclass(frozen=True)
class Advice:
    """A finding of the lens, with its reason and what can be done.

    Attributes
    ----------
    kind : str
        ``"vanishing"``, ``"exploding"``, ``"dead"``, ``"saturated"``, ``"large step"``,
        ``"small step"``, ``"not finite"`` or ``"no gradient"``; of a run also ``"learning rate too
        high"``, ``"learning rate too low"`` or ``"diverged"``.
    layers : tuple of int
        The layers that are marked.
    serious : bool
        False if it may well be harmless.
    seen, why, what : str
        One or two sentences each: the finding, its reason, and what to do.
    """

    kind: str
    layers: tuple[int, ...]
    serious: bool
    seen: str
    why: str
    what: str

    def text(self) -> str:
        """The finding, its reason and the remedy as one paragraph."""
        parts = [part for part in (self.seen, self.why, self.what) if part]
        return f"{self.kind.capitalize()}: {' '.join(parts)}"


def enough(rows: int, of: int) -> bool:
    """Whether ``rows`` rows, a part of ``of``, are enough to call a node dead or saturated.

    Examples
    --------
    >>> enough(150, of=150), enough(32, of=50_000), enough(10_000, of=50_000)
    (True, False, True)
    """
    return rows >= THRESHOLDS["few_rows"] and (rows == of or rows >= THRESHOLDS["many_rows"])


def advise(
    net: Network,
    measured: Measurements,
    judged: Measurements,
    rows: int,
    of: int,
    *,
    penalised: bool = False,
) -> tuple[Advice, ...]:
    """Return the advice that the measurements give, the serious first.

    ``measured`` is of the rows of a step; ``judged`` of the training rows where those are a
    mini-batch, else the same. ``judged`` is of ``rows`` rows, a part of ``of``; where they are too
    few to judge the network, advice is given on the step alone. ``penalised`` tells whether a
    penalty shrinks the weights.
    """
    layers = judged.layers
    broken = _not_finite(measured.layers) or _not_finite(layers)
    if broken:
        return (broken,)
    findings: list[Advice | None] = [*_steps(measured.layers)]
    if rows == of or enough(rows, of):
        findings += [_no_gradient(layers), _vanishing(net, layers, rows, penalised)]
        findings.append(_exploding(net, layers))
    if enough(rows, of):
        findings += [_dead(net, layers, rows, of), _saturated(net, layers, rows, of)]
    found = [each for each in findings if each is not None]
    order = ("no gradient", "vanishing", "exploding", "dead", "saturated", "large step")
    place = {kind: at for at, kind in enumerate(order)}
    return tuple(
        sorted(found, key=lambda each: (not each.serious, place.get(each.kind, len(place))))
    )


def _short(x: float) -> str:
    """A number as advice has it. The printers of formulas are imported where there is some."""
    from deltarule.maths.printing.numbers import short

    return short(x)


def _listed(layers: Sequence[LayerMeasures]) -> str:
    numbers = [each.layer for each in layers]
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        return f"layers {numbers[0]} to {numbers[-1]}"
    return "layers " + ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _all_marked(layers: Sequence[LayerMeasures]) -> str:
    """The end of a sentence about the worst layer, which names all marked ones if several."""
    return f"; {_listed(layers)} are marked." if len(layers) > 1 else "."


def _numbers(layers: Sequence[LayerMeasures]) -> tuple[int, ...]:
    return tuple(each.layer for each in layers)


def _not_finite(layers: Sequence[LayerMeasures]) -> Advice | None:
    parts = ("weight_norm", "activation_norm", "delta_norm", "gradient_norm")
    bad = [e for e in layers if not all(np.isfinite(getattr(e, name)) for name in parts)]
    if not bad:
        return None
    return Advice(
        "not finite",
        _numbers(bad),
        True,
        f"Activations, δ or gradients of {_listed(bad)} are not finite.",
        "A number has grown beyond what float64 holds, on the way forward or back.",
        "Lower the learning rate, clip the gradient (clip_norm), scale the inputs, or go back "
        "to a θ from before the overflow.",
    )


def _no_gradient(layers: Sequence[LayerMeasures]) -> Advice | None:
    if layers[-1].delta_norm > 0:
        return None
    return Advice(
        "no gradient",
        _numbers(layers),
        False,
        "δ is 0 in every layer and row.",
        "The loss of these rows has no slope: they are fitted exactly, or lie where the loss "
        "or its output is flat.",
        "If the cost is not what it should be, look for other rows or another loss.",
    )


def _where_lost(
    layers: Sequence[LayerMeasures], bad: Sequence[LayerMeasures]
) -> tuple[float, float]:
    """The geometric mean factors of δ back to the first of ``bad``: of slopes, and of weights."""
    first = min(each.layer for each in bad)
    passed = [each for each in layers if first <= each.layer < len(layers)]
    factors = np.array([each.delta_factor for each in passed])
    slopes = np.array([each.slope_rms for each in passed])
    factors, slopes = factors[factors > 0], slopes[slopes > 0]
    if not len(factors) or not len(slopes):
        return 0.0, 0.0
    slope = float(np.exp(np.log(slopes).mean()))
    return slope, float(np.exp(np.log(factors).mean())) / slope


def _activation(net: Network, layers: Sequence[LayerMeasures]) -> tuple[str, Activation]:
    """The name and the record of the activation that most of these layers have."""
    records = [net.activations[each.layer] for each in layers]
    names = [record.name for record in records if record is not None]
    name = max(names, key=names.count)
    record = next(r for r in records if r is not None and r.name == name)
    return name, record


def _drawn(net: Network, layer: LayerMeasures) -> tuple[str, float]:
    """The initializer of Network.initial for a layer, and the RMS of the weights it draws."""
    record = net.activations[layer.layer]
    assert record is not None
    scheme = auto_initializer(record)
    n_out, n_in = layer.nodes, net.widths[layer.layer - 1]
    return scheme, INITIALIZERS.get(scheme).variance(n_in, n_out) ** 0.5


def _vanishing(
    net: Network, layers: Sequence[LayerMeasures], rows: int, penalised: bool
) -> Advice | None:
    bad = [e for e in layers if e.delta_ratio < THRESHOLDS["vanishing"]]
    if not bad:
        return None
    worst = min(bad, key=lambda each: each.delta_ratio)
    name, record = _activation(net, bad)
    if worst.delta_ratio == 0:
        seen = f"No δ at all arrives in {_listed([e for e in bad if e.delta_ratio == 0])}."
        if rows < THRESHOLDS["few_rows"]:
            return None  # in other rows these nodes may have a slope
        why = "Every node between there and the output has slope 0 in every row."
        what = (
            "Start from other weights (a smaller learning rate keeps them alive), or choose an "
            "activation whose slope is nowhere 0, such as leaky_relu, elu or gelu."
        )
        return Advice("vanishing", _numbers(bad), True, seen, why, what)
    seen = (
        f"‖δ‖ of {_listed(bad)} is less than 1/1000 of the output's: in layer {worst.layer} "
        f"it is {_short(worst.delta_ratio)} of it, so that layer hardly learns."
    )
    slope, weights = _where_lost(layers, bad)
    largest, _ = largest_slope(record)
    why = (
        f"On the way back each layer multiplies δ by {_short(slope * weights)} on average: "
        f"{_short(slope)} from the slopes g′, {_short(weights)} from the weights."
    )
    if slope < weights:
        if largest < 1:
            why += f" The slope of {name} is at most {_short(largest)}."
            what = (
                "Give the hidden layers an activation whose slope reaches 1 (relu, gelu, tanh), or "
                "take fewer layers."
            )
        else:
            why += f" The slope of {name} reaches {_short(largest)} only for some z."
            what = (
                "Bring z back to where the slope is large: standardise the inputs, draw smaller "
                "weights, or choose another activation."
            )
        return Advice("vanishing", _numbers(bad), True, seen, why, what)
    scheme, drawn = _drawn(net, worst)
    what = (
        f"The weights are small: their RMS is {_short(worst.weight_rms)} in layer {worst.layer}, "
        f"where {scheme} draws {_short(drawn)}. Start from net.initial(seed)"
    )
    what += ", or lower the penalty that shrinks them." if penalised else "."
    return Advice("vanishing", _numbers(bad), True, seen, why, what)


def _exploding(net: Network, layers: Sequence[LayerMeasures]) -> Advice | None:
    limit = THRESHOLDS["exploding"]
    bad = [e for e in layers if limit < e.delta_ratio < np.inf]
    if not bad:
        return None
    worst = max(bad, key=lambda each: each.delta_ratio)
    slope, weights = _where_lost(layers, bad)
    above = layers[min(worst.layer, len(layers) - 1)]
    scheme, drawn = _drawn(net, above)
    why = (
        f"On the way back each layer multiplies δ by {_short(slope * weights)} on average: "
        f"{_short(slope)} from the slopes g′, {_short(weights)} from the weights, whose RMS is "
        f"{_short(above.weight_rms)} in layer {above.layer}, where {scheme} draws {_short(drawn)}."
    )
    return Advice(
        "exploding",
        _numbers(bad),
        True,
        f"‖δ‖ of {_listed(bad)} is more than 1000 times the output's: in layer {worst.layer} "
        f"{_short(worst.delta_ratio)} times, so the first layers change far more than the last.",
        why,
        "Start from net.initial(seed), lower the learning rate, clip the gradient "
        "(clip_norm=1), or add a penalty (l2).",
    )


def _nodes(share: float, layer: LayerMeasures) -> str:
    """A share of a layer's nodes as the subject of a sentence, with its verb."""
    nodes, all_of_them = round(share * layer.nodes), layer.nodes
    if all_of_them == 1:
        return f"The one node of layer {layer.layer} is"
    if nodes == all_of_them:
        return f"All {nodes} nodes of layer {layer.layer} are"
    verb = "is" if nodes == 1 else "are"
    return f"{nodes} of the {all_of_them} nodes of layer {layer.layer} {verb}"


def _without_slope(net: Network, layer: LayerMeasures) -> bool:
    """Whether this is the output of a fused loss, whose δ is computed from z without the slope."""
    return layer.layer == net.n_layers and net.output_activation.name in dict(net.loss.fused)


# What helps an output that is flat while its loss needs the slope.
_LOSS_OF_LOGISTIC = (
    "Take the loss that goes with this output (log_loss with logistic, cross_entropy with "
    "softmax): its δ does not carry the slope."
)


def _dead(net: Network, layers: Sequence[LayerMeasures], rows: int, of: int) -> Advice | None:
    bad = [e for e in layers if e.dead >= THRESHOLDS["dead"] and not _without_slope(net, e)]
    if not bad:
        return None
    worst = max(bad, key=lambda each: each.dead)
    name, record = _activation(net, [worst])
    _, off = largest_slope(record)
    output = worst.layer == net.n_layers
    why = "No gradient passes through them, so "
    if off:
        why += f"with {name} they stay at 0 on these rows. "
        why += "The cause is a step that was too large, or a very negative bias."
    else:
        why += "training does not change them on these rows. "
        why += f"The cause is a |z| so large that {name} is flat to the last digit."
    what = "Lower the learning rate or warm it up, start again from net.initial(seed), or "
    if not output:
        what += "choose leaky_relu, elu or gelu. If they do no harm, the layer can be narrower."
    elif name == "logistic":
        what = _LOSS_OF_LOGISTIC
    else:
        what += "choose another activation of the output."
    return Advice(
        "dead",
        _numbers(bad),
        worst.dead >= THRESHOLDS["many_dead"],
        f"{_nodes(worst.dead, worst)} dead: g′(z) is 0 in "
        + (f"all {rows} rows" if rows == of else f"all of {rows} rows looked at, of {of}")
        + _all_marked(bad),
        why,
        what,
    )


def _saturated(net: Network, layers: Sequence[LayerMeasures], rows: int, of: int) -> Advice | None:
    bad = [
        e for e in layers if e.saturated >= THRESHOLDS["saturated"] and not _without_slope(net, e)
    ]
    if not bad:
        return None
    worst = max(bad, key=lambda each: each.saturated)
    name, record = _activation(net, [worst])
    largest, _ = largest_slope(record)
    looked_at = "the rows" if rows == of else f"the {rows} rows looked at, of {of},"
    output = worst.layer == net.n_layers
    what = (
        _LOSS_OF_LOGISTIC
        if output and name == "logistic"
        else "Standardise the inputs, draw smaller weights (net.initial(seed)), lower the learning "
        "rate, or add a penalty (l2)."
    )
    return Advice(
        "saturated",
        _numbers(bad),
        True,
        f"{_nodes(worst.saturated, worst)} saturated: in at least "
        f"{MOSTLY:.0%} of {looked_at} |g′(z)| is below {FLAT:.0%} of "
        f"{_short(largest)}, the largest slope of {name}" + _all_marked(bad),
        f"|z| is large, where {name} is flat: z sums {net.widths[worst.layer - 1]} terms, and "
        f"the RMS of w is {_short(worst.weight_rms)}.",
        what,
    )


def _steps(layers: Sequence[LayerMeasures]) -> list[Advice]:
    large = [e for e in layers if e.update_ratio > THRESHOLDS["large_step"]]
    small = [e for e in layers if e.update_ratio < THRESHOLDS["small_step"]]
    found = []
    for kind, bad, by, why, what in (
        (
            "large step",
            sorted(large, key=lambda each: -each.update_ratio),
            "by",
            "About 1/1000 is usual; the gradient describes the loss only near the present weights.",
            "If the loss jumps, lower the learning rate or warm it up.",
        ),
        (
            "small step",
            sorted(small, key=lambda each: each.update_ratio),
            "by only",
            "The gradient is small here: a minimum is near, or the learning rate is low.",
            "If the loss could still fall, raise the learning rate, or take a rule such as adam.",
        ),
    ):
        if not bad:
            continue
        worst, marked = bad[0], sorted(bad, key=lambda each: each.layer)
        seen = (
            f"The step changes the weights of layer {worst.layer} {by} "
            f"{_short(worst.update_ratio)} of their norm{_all_marked(marked)}"
        )
        serious = kind == "large step" and worst.update_ratio > 1
        found.append(Advice(kind, _numbers(marked), serious, seen, why, what))
    return found
