"""What the lens marks, from which threshold on, and what it advises.

Every piece of advice says what was seen, why it is so, and what to do. The cause of a fading or
growing δ is looked for in the numbers themselves: δ^l = (δ^{l+1} W^{l+1}) ⊙ g^l′(z^l) has two
factors, and the slopes' part is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from deltarule.explain.lens.measures import FLAT, MOSTLY, LayerMeasures, Measurements, largest_slope
from deltarule.explain.number_format import short
from deltarule.explain.subject import Subject
from deltarule.maths import INITIALIZERS, Activation
from deltarule.maths.network import auto_initializer

__all__ = ["THRESHOLDS", "Advice", "advise", "enough"]

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
"""From where on something is marked.

``vanishing`` and ``exploding`` are limits of ‖δ^l‖/‖δ^L‖: with weights drawn as they should be that
ratio is near 1 at any width and depth. ``dead`` and ``saturated`` are shares of a layer's units;
from ``many_dead`` on it is serious, and fewer rows than ``few_rows`` say nothing of either; nor
do fewer than ``many_rows`` where they are some of more, such as a mini-batch. The steps are limits
of ‖ΔW^l‖/‖W^l‖, which is about 1/1000 in most trainings that go well.
"""


@dataclasses.dataclass(frozen=True)
class Advice:
    """Something the lens saw, with its reason and what can be done.

    Attributes
    ----------
    kind : str
        ``"vanishing"``, ``"exploding"``, ``"dead"``, ``"saturated"``, ``"large step"``,
        ``"small step"``, ``"not finite"`` or ``"no gradient"``.
    layers : tuple of int
        The layers that are marked.
    serious : bool
        False for what may well be as it should.
    seen, why, what : str
        One or two sentences each: what was seen, why it is so, what to do.
    """

    kind: str
    layers: tuple[int, ...]
    serious: bool
    seen: str
    why: str
    what: str

    def text(self) -> str:
        """The three parts as one paragraph."""
        return f"{self.kind.capitalize()}: {self.seen} {self.why} {self.what}"


def enough(rows: int, of: int) -> bool:
    """Whether so many rows, of so many, are enough to call a unit dead or saturated.

    Examples
    --------
    >>> enough(150, of=150), enough(32, of=50_000), enough(10_000, of=50_000)
    (True, False, True)
    """
    return rows >= THRESHOLDS["few_rows"] and (rows == of or rows >= THRESHOLDS["many_rows"])


def advise(
    subject: Subject, measured: Measurements, judged: Measurements, rows: int, of: int
) -> tuple[Advice, ...]:
    """What the numbers of one θ ask for; nothing if they are as they should be.

    Parameters
    ----------
    subject : Subject
    measured : Measurements
        Of its rows.
    judged : Measurements
        Of the rows of the training, where the subject's are a mini-batch of them; else the same.
    rows, of : int
        How many rows ``judged`` is of, and of how many. Where they are a few of many, they give
        no advice on the network, and the step alone is looked at.
    """
    layers = judged.layers
    broken = _not_finite(measured.layers) or _not_finite(layers)
    if broken:
        return broken
    found = [*_steps(measured.layers)]
    if rows == of or enough(rows, of):
        found += [
            *_no_gradient(layers),
            *_vanishing(subject, layers, rows),
            *_exploding(subject, layers),
        ]
    if enough(rows, of):
        found += [*_dead(subject, layers, rows, of), *_saturated(subject, layers, rows, of)]
    order = ("no gradient", "vanishing", "exploding", "dead", "saturated", "large step")
    place = {kind: at for at, kind in enumerate(order)}
    return tuple(
        sorted(found, key=lambda each: (not each.serious, place.get(each.kind, len(place))))
    )


def _all_rows(rows: int, of: int) -> str:
    return f"all {rows} rows" if rows == of else f"all of {rows} rows looked at, of {of}"


def _listed(layers: Sequence[LayerMeasures]) -> str:
    numbers = [each.layer for each in layers]
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        return f"layers {numbers[0]} to {numbers[-1]}"
    return "layers " + ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _all_marked(layers: Sequence[LayerMeasures]) -> str:
    """The end of a sentence about the worst of the layers."""
    return f"; {_listed(layers)} are marked." if len(layers) > 1 else "."


def _numbers(layers: Sequence[LayerMeasures]) -> tuple[int, ...]:
    return tuple(each.layer for each in layers)


def _not_finite(layers: Sequence[LayerMeasures]) -> tuple[Advice, ...]:
    parts = ("weight_norm", "activation_norm", "delta_norm", "gradient_norm")
    bad = [e for e in layers if not all(np.isfinite(getattr(e, name)) for name in parts)]
    if not bad:
        return ()
    return (
        Advice(
            "not finite",
            _numbers(bad),
            True,
            f"Activations, δ or gradients of {_listed(bad)} are not finite.",
            "A number has grown beyond what float64 holds, on the way forward or back.",
            "Lower the learning rate, clip the gradient (clip_norm), scale the inputs, or go back "
            "to a θ from before the overflow.",
        ),
    )


def _no_gradient(layers: Sequence[LayerMeasures]) -> list[Advice]:
    if layers[-1].delta_norm > 0:
        return []
    return [
        Advice(
            "no gradient",
            _numbers(layers),
            False,
            "δ is 0 in every layer and row.",
            "The loss of these rows has no slope: they are fitted exactly, or lie where the loss "
            "or its output is flat.",
            "If the cost is not what it should be, look for other rows or another loss.",
        )
    ]


def _where_lost(
    layers: Sequence[LayerMeasures], bad: Sequence[LayerMeasures]
) -> tuple[float, float]:
    """The mean factor over the way back to the worst layer: of the slopes, and of the weights."""
    first = min(each.layer for each in bad)
    way = [each for each in layers if first <= each.layer < len(layers)]
    factors = np.array([each.delta_factor for each in way])
    slopes = np.array([each.slope_rms for each in way])
    factors, slopes = factors[factors > 0], slopes[slopes > 0]
    if not len(factors) or not len(slopes):
        return 0.0, 0.0
    slope = float(np.exp(np.log(slopes).mean()))
    return slope, float(np.exp(np.log(factors).mean())) / slope


def _activation(subject: Subject, layers: Sequence[LayerMeasures]) -> tuple[str, Activation]:
    """The activation that most of these layers have."""
    records = [subject.net.activations[each.layer] for each in layers]
    names = [record.name for record in records if record is not None]
    name = max(names, key=names.count)
    record = next(r for r in records if r is not None and r.name == name)
    return name, record


def _drawn(subject: Subject, layer: LayerMeasures) -> tuple[str, float]:
    """The initializer that Network.initial takes for a layer, and the RMS of what it draws."""
    record = subject.net.activations[layer.layer]
    assert record is not None
    scheme = auto_initializer(record)
    n_out, n_in = layer.nodes, subject.net.widths[layer.layer - 1]
    return scheme, INITIALIZERS.get(scheme).variance(n_in, n_out) ** 0.5


def _vanishing(subject: Subject, layers: Sequence[LayerMeasures], rows: int) -> list[Advice]:
    bad = [e for e in layers if e.delta_ratio < THRESHOLDS["vanishing"]]
    if not bad:
        return []
    worst = min(bad, key=lambda each: each.delta_ratio)
    name, record = _activation(subject, bad)
    if worst.delta_ratio == 0:
        seen = f"No δ at all arrives in {_listed([e for e in bad if e.delta_ratio == 0])}."
        if rows < THRESHOLDS["few_rows"]:
            return []  # other rows may well wake these units
        why = "Every unit between there and the output has slope 0 in every row."
        what = (
            "Start from other weights (a smaller learning rate keeps them alive), or choose an "
            "activation whose slope is nowhere 0, such as leaky_relu, elu or gelu."
        )
        return [Advice("vanishing", _numbers(bad), True, seen, why, what)]
    seen = (
        f"‖δ‖ of {_listed(bad)} is less than 1/1000 of the output's: in layer {worst.layer} "
        f"it is {short(worst.delta_ratio)} of it, so that layer hardly learns."
    )
    slope, weights = _where_lost(layers, bad)
    largest, _ = largest_slope(record)
    why = (
        f"On the way back each layer multiplies δ by {short(slope * weights)} on average: "
        f"{short(slope)} from the slopes g′, {short(weights)} from the weights."
    )
    if slope < weights:
        if largest < 1:
            why += f" The slope of {name} is at most {short(largest)}."
            what = (
                "Give the hidden layers an activation whose slope reaches 1 (relu, gelu, tanh), or "
                "take fewer layers."
            )
        else:
            why += f" The slope of {name} is {short(largest)} only where z is right for it."
            what = (
                "Bring z back to where the slope is large: standardise the inputs, draw smaller "
                "weights, or choose another activation."
            )
        return [Advice("vanishing", _numbers(bad), True, seen, why, what)]
    scheme, drawn = _drawn(subject, worst)
    what = (
        f"The weights are small: their RMS is {short(worst.weight_rms)} in layer {worst.layer}, "
        f"where {scheme} draws {short(drawn)}. Start from net.initial(seed)"
    )
    penalised = subject.step is not None and bool(subject.step.settings.penalties)
    what += ", or lower the penalty that shrinks them." if penalised else "."
    return [Advice("vanishing", _numbers(bad), True, seen, why, what)]


def _exploding(subject: Subject, layers: Sequence[LayerMeasures]) -> list[Advice]:
    limit = THRESHOLDS["exploding"]
    bad = [e for e in layers if limit < e.delta_ratio < np.inf]
    if not bad:
        return []
    worst = max(bad, key=lambda each: each.delta_ratio)
    slope, weights = _where_lost(layers, bad)
    above = layers[min(worst.layer, len(layers) - 1)]
    scheme, drawn = _drawn(subject, above)
    why = (
        f"On the way back each layer multiplies δ by {short(slope * weights)} on average: "
        f"{short(slope)} from the slopes g′, {short(weights)} from the weights, whose RMS is "
        f"{short(above.weight_rms)} in layer {above.layer}, where {scheme} draws {short(drawn)}."
    )
    return [
        Advice(
            "exploding",
            _numbers(bad),
            True,
            f"‖δ‖ of {_listed(bad)} is more than 1000 times the output's: in layer {worst.layer} "
            f"{short(worst.delta_ratio)} times, so that the first layers jump while the last move.",
            why,
            "Start from net.initial(seed), lower the learning rate, clip the gradient "
            "(clip_norm=1), or add a penalty (l2).",
        )
    ]


def _dead(subject: Subject, layers: Sequence[LayerMeasures], rows: int, of: int) -> list[Advice]:
    bad = [e for e in layers if e.dead >= THRESHOLDS["dead"]]
    if not bad:
        return []
    worst = max(bad, key=lambda each: each.dead)
    name, _ = _activation(subject, bad)
    units = round(worst.dead * worst.nodes)
    return [
        Advice(
            "dead",
            _numbers(bad),
            worst.dead >= THRESHOLDS["many_dead"],
            f"{units} of the {worst.nodes} units of layer {worst.layer} are dead: g′(z) is 0 in "
            + _all_rows(rows, of)
            + _all_marked(bad),
            f"No gradient passes through them, so {name} never wakes them again from these rows. "
            "A step that was too large, or a very negative bias, puts units there.",
            "Lower the learning rate or warm it up, start again from net.initial(seed), or choose "
            "leaky_relu, elu or gelu. If they do no harm, the layer can be narrower.",
        )
    ]


def _saturated(
    subject: Subject, layers: Sequence[LayerMeasures], rows: int, of: int
) -> list[Advice]:
    net = subject.net
    bad = [
        e
        for e in layers
        if e.saturated >= THRESHOLDS["saturated"]
        # A fused loss takes δ from z: there a sure output is no obstacle.
        and not (e.layer == len(layers) and _fused(subject))
    ]
    if not bad:
        return []
    worst = max(bad, key=lambda each: each.saturated)
    name, record = _activation(subject, [worst])
    units = round(worst.saturated * worst.nodes)
    largest, _ = largest_slope(record)
    output = worst.layer == net.n_layers
    what = (
        "Take the loss that goes with this output (log_loss with logistic, cross_entropy with "
        "softmax): its δ does not carry the slope."
        if output and name == "logistic"
        else "Standardise the inputs, draw smaller weights (net.initial(seed)), lower the learning "
        "rate, or add a penalty (l2)."
    )
    return [
        Advice(
            "saturated",
            _numbers(bad),
            True,
            f"{units} of the {worst.nodes} units of layer {worst.layer} are saturated: in at least "
            f"{MOSTLY:.0%} of {_of_rows(rows, of)} |g′(z)| is below {FLAT:.0%} of "
            f"{short(largest)}, the largest slope of {name}" + _all_marked(bad),
            f"z lies far out, where {name} is flat: RMS of w is {short(worst.weight_rms)}, and "
            f"{net.widths[worst.layer - 1]} of them add up.",
            what,
        )
    ]


def _of_rows(rows: int, of: int) -> str:
    return "the rows" if rows == of else f"the {rows} rows looked at, of {of},"


def _fused(subject: Subject) -> bool:
    net = subject.net
    return net.output_activation.name in dict(net.loss.fused)


def _steps(layers: Sequence[LayerMeasures]) -> list[Advice]:
    found = []
    large = [e for e in layers if e.update_ratio > THRESHOLDS["large_step"]]
    small = [e for e in layers if e.update_ratio < THRESHOLDS["small_step"]]
    if large:
        worst = max(large, key=lambda each: each.update_ratio)
        found.append(
            Advice(
                "large step",
                _numbers(large),
                worst.update_ratio > 1,
                f"The step changes the weights of layer {worst.layer} by "
                f"{short(worst.update_ratio)} of their norm" + _all_marked(large),
                "About 1/1000 is usual; a gradient says what is downhill only nearby.",
                "If the loss jumps, lower the learning rate or warm it up.",
            )
        )
    if small:
        worst = min(small, key=lambda each: each.update_ratio)
        found.append(
            Advice(
                "small step",
                _numbers(small),
                False,
                f"The step changes the weights of layer {worst.layer} by only "
                f"{short(worst.update_ratio)} of their norm" + _all_marked(small),
                "The gradient is small here: a minimum is near, or the learning rate is low.",
                "If the loss could still fall, raise the learning rate, or take a rule that "
                "scales each gradient by its own size, such as adam.",
            )
        )
    return found
