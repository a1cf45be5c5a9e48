"""Update rules as printable expressions of θ, the gradient and the rule's slots.

The rule's own function is run once over the recording namespace. Values that are the same for all
parameters become constants: t, and so Adam's 1 − β^t, and whether the parameter is a weight. η and
the cost keep their names; in a recording for any step (:func:`record_any_step`) so does t. A slot's
new value is recognised in the formula of θ because both use the same expression object.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.formula_at_point import short_constant
from deltarule.explain.subject import StepTaken
from deltarule.explain.symbols import Mark
from deltarule.maths import SymbolicFormula
from deltarule.maths.printing.boxes import Box, Symbol, Terms, Where
from deltarule.maths.printing.layout import layout
from deltarule.maths.printing.markup import box_latex, box_mathml, box_text
from deltarule.maths.symbolic import Expr, SymbolicNamespace, reachable
from deltarule.optimizers import RULES, Rule, StepInfo

__all__ = ["RecordedRule", "record_any_step", "record_rule", "record_step", "rule_mark"]

_LETTERS = {
    "theta": (r"\theta", "θ"),
    "eta": (r"\eta", "η"),
    "sign": ("s", "s"),
    "delta": (r"\Delta", "Δ"),
    "cost": ("C", "C"),
}
_LEAVES = ("variable", "constant", "symbol", "n_outputs", "per_output")


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedRule:
    """The formulas of an update rule for one step.

    Attributes
    ----------
    rule : Rule
    formula : SymbolicFormula
        A function of theta, g, every slot with one value for each parameter, and eta if no value
        was given; its results are ``theta`` and every slot after the step, by name.
    steps : tuple of (str, SymbolicFormula)
        The same as a sequence of named results (``m``, ``v``, ``m_hat``), each a function of
        earlier ones, and ``theta`` last. A slot before the step is called ``m_before``.
    """

    rule: Rule
    formula: SymbolicFormula
    steps: tuple[tuple[str, SymbolicFormula], ...]

    def text(self) -> str:
        """The steps as plain text, one to a line.

        Examples
        --------
        >>> print(record_rule("momentum", 1, 0.5).text())
        v = 0.9 v′ − η g
        θ ← θ + v
        """
        return "\n".join(map(box_text, self._lines()))

    def latex(self) -> str:
        """The rule as LaTeX, for math mode."""
        return box_latex(self._box())

    def mathml(self, *, display: str = "block") -> str:
        """The rule as a MathML ``math`` element."""
        return box_mathml(self._box(), display=display)

    def _box(self) -> Box:
        *before, last = self._lines()
        if not before:
            return last
        return Where(last, tuple((line.parts[0][1], line.parts[1][1]) for line in before))

    def _lines(self) -> list[Terms]:
        return [
            Terms(
                (
                    ("", rule_mark(name).box),
                    ("←" if name == "theta" else "=", layout(formula.result(), _rule_names)),
                )
            )
            for name, formula in self.steps
        ]

    def javascript(self, name: str) -> str:
        """A JavaScript function of theta, g and the slots that returns all results in an array."""
        return self.formula.javascript(name)


def record_rule(
    rule: Rule | str | Mapping[str, Any],
    t: int,
    learning_rate: float | None = None,
    *,
    is_weight: bool = True,
    scalars: Mapping[str, float] | None = None,
    cost: float | None = None,
) -> RecordedRule:
    """Record the formulas by which a rule updates one parameter in one step.

    Parameters
    ----------
    rule : Rule, str or mapping
        The rule, its registered name, or its saved form.
    t : int
        The number of the step, from 1.
    learning_rate : float, optional
        η. If it is left out, eta is an argument of the formula.
    is_weight : bool
        Whether the parameter is a weight; a bias does not decay.
    scalars : mapping of str to float, optional
        The slots with one value for all parameters, before the step; by default their initial
        values.
    cost : float, optional
        C at θ, penalty included, for rules that use it.

    Returns
    -------
    RecordedRule

    Raises
    ------
    InputError
        If t is not positive, or the rule's formula cannot be recorded.

    Examples
    --------
    >>> print(record_rule("sgd", 1, 0.5).javascript("update"))
    // rule sgd at step 1: theta and what it carries
    function update(theta, g) {
      return theta - 0.5 * g;
    }
    """
    record, scalars = RULES.get(rule), scalars or {}
    if not isinstance(t, int) or isinstance(t, bool) or t < 1:
        raise InputError(f"t is {t!r}; expected the number of a step, from 1")
    step = StepInfo(t, learning_rate, cost, is_weight)
    try:
        return _recorded(record, step, scalars, named=True)
    except InputError:
        if learning_rate is None:
            raise
        # A user's own rule may need η as a number, not as a symbol.
        return _recorded(record, step, scalars, named=False)


def record_step(step: StepTaken, is_weight: bool, cost: float | None) -> RecordedRule:
    """Record the rule of a step, with its learning rate and the scalars of its state."""
    return record_rule(
        step.rule,
        step.number,
        step.learning_rate,
        is_weight=is_weight,
        scalars={name: float(value) for name, value in step.slots.items() if np.ndim(value) == 0},
        cost=cost,
    )


def record_any_step(rule: Rule | str, is_weight: bool) -> RecordedRule:
    """Record the formulas of a rule for all steps: t, η, C and scalar slots are arguments too.

    Returns
    -------
    RecordedRule
        ``formula`` is a function of arrays: theta, g and the slots of each parameter, then the
        scalar slots, t, eta and cost. Its results are called ``new_theta``, ``new_m`` and so on.

    Raises
    ------
    InputError
        If the rule's formula cannot be recorded.

    Examples
    --------
    >>> print(record_any_step("momentum", True).javascript("update"))
    // rule momentum(momentum=0.9) at any step: theta and what it carries
    function update(theta, g, v, t, eta, cost) {
      const n = theta.length;
      const new_theta = new Array(n);
      const new_v = new Array(n);
      for (let j = 0; j < n; ++j) {
        const t1 = 0.9 * v[j] - eta * g[j];
        const t2 = theta[j] + t1;
        new_theta[j] = t2;
        new_v[j] = t1;
      }
      return [new_theta, new_v];
    }
    """
    record = RULES.get(rule)
    unknown = math.nan  # a value that no formula contains, since all are arguments
    scalars = {slot.name: unknown for slot in record.slots if slot.kind == "scalar"}
    step = StepInfo(None, unknown, unknown, is_weight)
    recorded = _recorded(record, step, scalars, named=True)
    space = SymbolicNamespace()
    made: dict[int, Expr] = {}
    for expr in reachable(recorded.formula.results.values()):
        if expr.op == "symbol":
            made[expr.index] = space.variable(expr.data[0], for_row=True)
        elif expr.args:
            made[expr.index] = space.apply(expr.op, *(made[a.index] for a in expr.args))
        else:
            made[expr.index] = space.leaf(expr)
    arguments = [*recorded.formula.arguments, *(f"{name}_before" for name in scalars)]
    formula = SymbolicFormula(
        f"rule {record} at any step: theta and what it carries",
        (*arguments, "t", "eta", "cost"),
        {f"new_{name}": made[e.index] for name, e in recorded.formula.results.items()},
        False,
    )
    return dataclasses.replace(recorded, formula=formula)


def _recorded(
    rule: Rule, step: StepInfo, scalars: Mapping[str, float], *, named: bool
) -> RecordedRule:
    """Record a rule; with ``named``, a known η is shown as a symbol, else as a number."""
    xp = SymbolicNamespace()
    theta, g = xp.variable("theta"), xp.variable("g")
    slots: dict[str, Expr] = {}
    arguments = ["theta", "g"]
    for slot in rule.slots:
        if slot.kind == "theta":
            slots[slot.name] = xp.variable(slot.name)
            arguments.append(slot.name)
        else:
            first = rule.settings[slot.initial] if isinstance(slot.initial, str) else slot.initial
            value = float(scalars.get(slot.name, first))
            slots[slot.name] = xp.symbol(f"{slot.name}_before", value)
    eta = step.learning_rate
    if rule.uses_learning_rate and eta is None:
        eta = xp.variable("eta")
        arguments.append("eta")
    elif rule.uses_learning_rate and named:
        eta = xp.symbol("eta", float(eta))
    C = xp.symbol("cost", float(step.cost)) if step.cost is not None else None
    t = xp.symbol("t", math.nan) if step.t is None else step.t
    title = f"rule {rule} at step {step.t}: theta and what it carries"
    try:
        update = rule.formula(xp, **rule.settings)
        after, carried = update(
            theta, g, dict(slots), step._replace(t=t, learning_rate=eta, cost=C)
        )
        results = {"theta": xp.number(after)}
        results |= {slot.name: xp.number(carried[slot.name]) for slot in rule.slots}
    except InputError as error:
        raise InputError(f"cannot record rule {rule}: {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"cannot record rule {rule}: its formula gave {type(error).__name__}: {error}; "
            "expected update(theta, g, slots, step) -> (theta, slots) with the functions of xp"
        ) from error
    formula = SymbolicFormula(title, tuple(arguments), results, True)
    return RecordedRule(rule, formula, tuple(_steps(rule, results, slots)))


def _steps(
    rule: Rule, results: dict[str, Expr], slots: dict[str, Expr]
) -> list[tuple[str, SymbolicFormula]]:
    """Named intermediate results in the order in which they were computed, and θ last."""
    root = results["theta"]
    named: dict[int, str] = {}
    for name, expr in results.items():
        if name != "theta" and expr.op not in _LEAVES and expr is not root:
            named.setdefault(expr.index, name)
    carried = dict(named)
    inside = reachable([root])
    for expr in inside:
        # A slot divided by what is one for all parameters is Adam's bias correction of that slot.
        if expr.op == "divide" and not expr.args[1].varies:
            name = carried.get(expr.args[0].index, "")
            if name:
                named.setdefault(expr.index, f"{name}_hat")
    for expr in _used_twice(inside, named, root):
        named.setdefault(expr.index, "u" if "u" not in named.values() else f"u_{expr.index}")
    before = {expr.index: f"{name}_before" for name, expr in slots.items()}
    wanted = reachable([*results.values()])
    out = []
    for expr in wanted:
        if expr.index in named and expr is not root:
            out.append((named[expr.index], _cut(expr, named, before)))
    return [*out, ("theta", _cut(root, named, before))]


def _used_twice(inside: list[Expr], named: dict[int, str], root: Expr) -> list[Expr]:
    """Longer subexpressions that occur more than once in the expression of θ."""
    users: dict[int, int] = {}
    for expr in reachable([root], stop=lambda n: n is not root and n.index in named):
        for argument in expr.args:
            users[argument.index] = users.get(argument.index, 0) + 1

    def long(expr: Expr) -> bool:
        return expr.op not in _LEAVES and not expr.is_condition and len(reachable([expr])) > 5

    return [
        expr
        for expr in inside
        if users.get(expr.index, 0) > 1 and expr.index not in named and long(expr)
    ]


def _cut(root: Expr, named: dict[int, str], before: dict[int, str]) -> SymbolicFormula:
    """The formula of an expression, with its named subexpressions as arguments."""
    space = SymbolicNamespace()
    made: dict[int, Expr] = {}
    names: list[str] = []

    def variable(name: str) -> Expr:
        if name not in names:
            names.append(name)
        return space.variable(name)

    for expr in reachable([root], stop=lambda n: n is not root and n.index in named):
        if expr is not root and expr.index in named:
            made[expr.index] = variable(named[expr.index])
        elif expr.index in before:
            made[expr.index] = variable(before[expr.index])
        elif expr.op == "variable":
            made[expr.index] = variable(expr.data)
        elif expr.op == "symbol":
            made[expr.index] = variable(expr.data[0])
        elif expr.args:
            made[expr.index] = space.apply(expr.op, *(made[a.index] for a in expr.args))
        else:
            made[expr.index] = space.leaf(expr)
    value = made[root.index]
    used = {n.data for n in reachable([value]) if n.op == "variable"}
    arguments = tuple(name for name in names if name in used)
    return SymbolicFormula("step", arguments, {"value": value}, True)


def _rule_names(expr: Expr, depth: int) -> Box | None:
    if expr.op == "constant":
        return short_constant(expr.data)
    return rule_mark(expr.data).box if expr.op == "variable" else None


def rule_mark(name: str) -> Mark:
    """The symbol of a number in a rule: m′ before the step, m̂ after bias correction.

    Examples
    --------
    >>> rule_mark("m_hat").key, rule_mark("delta_before").key
    ('m hat', 'delta before')
    """
    base, kind = name, ""
    for ending in ("_before", "_hat"):
        if name.endswith(ending):
            base, kind = name.removesuffix(ending), ending
    latex, letter = _LETTERS.get(base) or (base, base)
    if len(letter) > 1:
        escaped = letter.replace("_", r"\_")
        latex = rf"\mathrm{{{escaped}}}"
    if kind == "_before":
        return Mark(Symbol(f"{latex}'", f"{letter}′"), f"{base} before")
    if kind == "_hat":
        return Mark(Symbol(rf"\hat{{{latex}}}", f"{letter}\u0302"), f"{base} hat")
    return Mark(Symbol(latex, letter), base)
