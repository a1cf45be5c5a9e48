"""Derivations of an update: the gradient with penalties, clipped, and the rule applied to it.

    U  new weight = old weight − (learning rate · gradient)

and every other rule by its own recorded formula (:mod:`deltarule.explain.recorded_rules`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.backward_derivations import Factor, product_derivation, term_derivation
from deltarule.explain.derivation import Derivation, float_sum
from deltarule.explain.formula_at_point import FormulaAtPoint, evaluated
from deltarule.explain.forward_derivations import quotient
from deltarule.explain.mean_derivations import MeanDerivations
from deltarule.explain.number_format import number_box, number_text
from deltarule.explain.recorded_rules import RecordedRule, record_step, rule_mark
from deltarule.explain.subject import StepTaken
from deltarule.explain.symbols import Mark, partial, plain, product_mark
from deltarule.maths import SymbolicFormula, numpy_namespace
from deltarule.maths.parameter_layout import Block
from deltarule.maths.printing.boxes import (
    Apply,
    Big,
    Fenced,
    Fraction,
    Root,
    Scripted,
    Symbol,
    Terms,
)
from deltarule.optimizers import StepInfo, clip_by_norm

__all__ = ["UpdateDerivations"]

_NEW = Symbol(r"\text{new }", "new", function=True)
_MIN = Symbol(r"\min", "min", function=True)


@dataclasses.dataclass(frozen=True)
class Place:
    """A parameter: its block, its index in the block, its entry of θ, and its symbol."""

    block: Block
    index: tuple[int, ...]
    entry: int
    mark: Mark


class UpdateDerivations(MeanDerivations):
    """Builds the derivations of one step of an update rule."""

    @property
    def step(self) -> StepTaken:
        """The step that is explained; raises InputError if the subject has none."""
        if self.subject.step is None:
            raise InputError(
                "no step is known to explain; expected a rule and its learning rate: "
                "explain(…, rule='sgd', learning_rate=0.1)"
            )
        return self.subject.step

    # -- places ------------------------------------------------------------------------

    def place(self, name: Any, index: Any) -> Place:
        """Return a parameter by block and index; raises InputError if there is none."""
        block = self.net.block(str(name))
        given_index = tuple(index) if isinstance(index, tuple | list) else (index,)
        inside = len(given_index) == len(block.shape) and all(
            isinstance(i, int | np.integer) and 0 <= i < n
            for i, n in zip(given_index, block.shape, strict=False)
        )
        if not inside:
            raise InputError(
                f"entry {index!r} of {block.name}; expected {len(block.shape)} whole numbers, "
                f"from 0 and below {', '.join(map(str, block.shape))}"
            )
        position = tuple(int(i) for i in given_index)
        entry = block.start + int(np.ravel_multi_index(position, block.shape))
        symbol = self.symbols.w if block.kind == "W" else self.symbols.b
        return Place(block, position, entry, symbol(block.layer, *position))

    # -- the gradient that the rule is given -------------------------------------------

    @functools.cached_property
    def full_gradient(self) -> np.ndarray:
        """∂C/∂θ with the penalties, shape (p,), before clipping; 0 where a parameter is frozen."""
        settings, net = self.step.settings, self.net
        grad = self.subject.trace.grad
        if settings.penalties:
            grad = grad + self.subject.penalty[1]
        return np.where(net.frozen, 0.0, grad)

    @functools.cached_property
    def _clipped(self) -> tuple[np.ndarray, float]:
        """The gradient that the rule is given, shape (p,), and its norm before clipping."""
        limit = self.step.settings.clip_norm
        if limit is None:
            return self.full_gradient, float("nan")
        grad, norm = clip_by_norm(np, self.full_gradient, limit)
        return grad, float(norm)

    def gradient(self, place: Place) -> Derivation:
        """g: the mean over samples with the penalties added, then clipped."""
        settings = self.step.settings
        if self.net.frozen[place.entry]:
            return Derivation(plain("g"), 0.0, note="frozen: training does not move this parameter")
        whole = self._with_penalties(place)
        norm = self._clipped[1]
        limit = settings.clip_norm
        if limit is None:
            return whole
        factor = 1.0 if not norm > limit or np.isinf(norm) else limit / norm
        bound = plain("c")
        size = Mark(Symbol(r"\lVert g \rVert", "‖g‖"), "|g|")
        least = Apply(_MIN, Fenced((Symbol("1", "1"), Fraction(bound.box, size.box))))
        clip = Mark(least, "clip")
        factors = [
            Factor(whole.mark, whole.value, lambda: self._with_penalties(place)),
            Factor(
                clip, factor, lambda: self._clip_factor(clip, factor, (bound, limit), (size, norm))
            ),
        ]
        note = "" if factor < 1 else "within the bound: nothing is clipped"
        clipped = Mark(Scripted(Symbol("g", "g"), "c"), "g_c")
        return product_derivation(clipped, self._clipped[0][place.entry], factors, note=note)

    def _clip_factor(
        self, clip: Mark, factor: float, bound: tuple[Mark, float], length: tuple[Mark, float]
    ) -> Derivation:
        """min(1, c/‖g‖), of the bound c and the length ‖g‖, each with its symbol."""
        size, norm = length
        squares = self.full_gradient**2
        total = float_sum(squares)
        mark = Mark(Symbol(r"\sum_m g_m^2", "Σ_m g_m^2"), "sum g^2")

        def square(m: int) -> Derivation:
            block, index = self.net.block_at(m)
            label = f"{block.name}[{', '.join(map(str, index))}]"
            return Derivation(plain("g^2", "g^2", below=str(m)), squares[m], note=label)

        def norm_of_gradient() -> Derivation:
            return Derivation(
                size,
                norm,
                "function",
                part_values=(total,),
                make=lambda _: Derivation(mark, total, "sum", part_values=squares, make=square),
                formula=Root(mark.box),
                combine=lambda values: float(np.sqrt(values[0])),
            )

        return Derivation(
            clip,
            factor,
            "function",
            part_values=(bound[1], norm),
            make=lambda part: norm_of_gradient() if part else Derivation(*bound, note="clip_norm"),
            combine=lambda values: min(1.0, values[0] / values[1]) if values[1] > 0 else 1.0,
        )

    def _data(self, place: Place) -> Derivation:
        if place.block.kind == "W":
            return self.mean_weight(place.block.layer, *place.index)
        return self.mean_bias(place.block.layer, *place.index)

    def _with_penalties(self, place: Place) -> Derivation:
        """∂C/∂θ with the penalties, α/Σ_i s_i times w (L2) or sign w (L1), added once per step."""
        settings = self.step.settings
        if not settings.penalties or place.block.kind != "W":
            return self._data(place)
        w = float(self.subject.theta[place.entry])
        data = self.subject.trace.grad[place.entry]
        own = partial(self.symbols.C(), place.mark)
        parts = [Factor(own, data, lambda: self._data(place))]
        for name, alpha in settings.penalties.items():
            parts.append(self._penalty_part(name, alpha, place, w))
        boxes = tuple(("+" if i else "", part.mark.box) for i, part in enumerate(parts))
        return Derivation(
            plain("g"),
            self.full_gradient[place.entry],
            "sum",
            part_values=[part.value for part in parts],
            make=lambda index: parts[index].make(),
            formula=Terms(boxes),
        )

    def _penalty_part(self, name: str, alpha: float, place: Place, w: float) -> Factor:
        total = self.step.settings.total_weight
        strength = plain("α", r"\alpha", below=name[1:])
        sum_of_s = Mark(Big(Symbol(r"\sum", "Σ"), "i", Scripted(Symbol("s", "s"), "i")), "sum s")
        rate = Mark(Fraction(strength.box, sum_of_s.box), f"{name}/sum s")
        sign = Mark(
            Apply(Symbol(r"\operatorname{sign}", "sign", function=True), Fenced((place.mark.box,))),
            f"sign({place.mark.key})",
        )
        inner, value = (place.mark, w) if name == "l2" else (sign, float(np.sign(w)))

        def scale() -> Derivation:
            top = Derivation(strength, alpha, note=f"penalty {name.upper()}")
            bottom = Derivation(sum_of_s, total, note="of the training set")
            return quotient(rate, alpha / total, top, bottom)

        def slope() -> Derivation:
            if name == "l2":
                return Derivation(place.mark, w)
            return Derivation(
                sign,
                value,
                "function",
                part_values=(w,),
                make=lambda _: Derivation(place.mark, w),
                combine=lambda values: float(np.sign(values[0])),
            )

        factors = [Factor(rate, alpha / total, scale), Factor(inner, value, slope)]
        slope_value = alpha / total * value
        note = f"penalty {name.upper()}, added once"
        mark = product_mark(rate, inner)
        return Factor(mark, slope_value, lambda: term_derivation(slope_value, factors, note=note))

    # -- the rule ----------------------------------------------------------------------

    def recorded(self, place: Place) -> RecordedRule:
        """The rule's formula for a parameter, at this step."""
        return record_step(self.step, place.block.kind == "W", self.subject.objective)

    @functools.cached_property
    def _slots(self) -> dict[str, Any]:
        fresh = self.step.rule.initial_slots(np, self.subject.theta)
        return fresh | {
            name: np.asarray(value, dtype=np.float64)
            for name, value in self.step.slots.items()
            if name in fresh
        }

    def update(self, place: Place) -> Derivation:
        """The new value of a parameter, by the rule's recorded formula."""
        mark = Mark(Apply(_NEW, place.mark.box), f"new {place.mark.key}")
        theta = float(self.subject.theta[place.entry])
        if self.net.frozen[place.entry]:
            return Derivation(mark, theta, note="frozen: training does not move this parameter")
        gradient = self.gradient(place)
        values = {
            "theta": theta,
            "g": gradient.value,
            "eta": float(self.step.learning_rate),
            "cost": self.subject.objective,
        }
        for name, slot in self._slots.items():
            values[f"{name}_before"] = float(slot if np.ndim(slot) == 0 else slot[place.entry])
        formulas = dict(self.recorded(place).steps)  # θ comes last
        new_theta = theta
        for name, formula in formulas.items():
            new_theta = _result(formula, [values[key] for key in formula.arguments])
            if name != "theta":
                values[name] = new_theta
        marks = {name: rule_mark(name) for name in values}
        marks |= {"theta": place.mark, "g": gradient.mark}

        def result(name: str, own: Mark, value: float, law: str = "", note: str = "") -> Derivation:
            formula = formulas[name]
            arguments = formula.arguments
            known = {key: values[key] for key in arguments}
            return Derivation(
                own,
                value,
                "function",
                part_values=list(known.values()),
                make=lambda part: argument(arguments[part]),
                combine=lambda found: _result(formula, found),
                law=law,
                note=note,
                **FormulaAtPoint(formula, None, known, marks).shown(),
            )

        notes = {"theta": "", "eta": "learning rate", "cost": "with the penalties"}

        def argument(name: str) -> Derivation:
            if name == "g":
                return self.gradient(place)
            if name in formulas and name != "theta":
                return result(name, marks[name], values[name])
            return Derivation(marks[name], values[name], note=notes.get(name, "before the step"))

        law = "U" if self.step.rule.name == "sgd" else ""
        return result("theta", mark, new_theta, law, self._differences(place, new_theta))

    def _differences(self, place: Place, value: float) -> str:
        """A note with the rule's own result over NumPy and the engine's, where they differ."""
        notes = []
        by_arrays = self.new_theta[place.entry]
        if abs(by_arrays - value) > 1e-12 * max(abs(by_arrays), abs(value), 1e-300):
            notes.append(f"the rule run over arrays gives {number_text(by_arrays)}")
        after = self.step.theta_after
        if after is not None:
            engine = float(after[place.entry])
            who = " in ".join(filter(None, (self.subject.engine, self.subject.dtype)))
            if number_box(engine) != number_box(value):  # shown as different texts
                notes.append(f"the engine{f' ({who})' if who else ''} made {number_text(engine)}")
        return "; ".join(notes)

    @functools.cached_property
    def new_theta(self) -> np.ndarray:
        """θ after the step, shape (p,), by the rule's own function over NumPy."""
        info = StepInfo(
            self.step.number, self.step.learning_rate, self.subject.objective, self.net.is_weight
        )
        with np.errstate(all="ignore"):
            theta, _ = self.step.rule.bind(numpy_namespace(np.float64))(
                self.subject.theta, self._clipped[0], self._slots, info
            )
        return np.where(self.net.frozen, self.subject.theta, theta)


def _result(formula: SymbolicFormula, values: Sequence[float]) -> float:
    """The result of a recorded formula at the values of its arguments."""
    root = formula.result()
    found = evaluated([root], dict(zip(formula.arguments, values, strict=True)))
    return float(found[root.index])
