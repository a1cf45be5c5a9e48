"""Update rules written down: the formula that moves θ, as an expression that prints itself.

The rule's own function is run once over the symbolic namespace. What of a step is one number
for all parameters is a plain number there: t, and so Adam's 1 − β^t; whether the parameter is a
weight. η and the cost keep their names, and what the rule carries from step to step is known
again in the result by being the same node.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from deltarule.errors import InputError
from deltarule.explain.formula_at_point import short_constant
from deltarule.explain.symbols import Mark
from deltarule.maths import SymbolicFormula
from deltarule.maths.printing.boxes import Box, Symbol, Terms, Where
from deltarule.maths.printing.layout import layout
from deltarule.maths.printing.markup import box_latex, box_mathml, box_text
from deltarule.maths.symbolic import Expr, SymbolicNamespace, reachable
from deltarule.optimizers import RULES, Rule, StepInfo

__all__ = ["RecordedRule", "record_rule", "rule_mark"]

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
    """An update rule written down for one step.

    Attributes
    ----------
    rule : Rule
    formula : SymbolicFormula
        Of theta, g, every slot with a value for each parameter, and eta if it was left open; its
        results are ``theta`` and every slot after the step, by name.
    steps : tuple of (str, SymbolicFormula)
        The same in steps that are read one after the other: intermediate results by their names
        (``m``, ``v``, ``m_hat``), each of what stands before it, and ``theta`` last. A slot as it
        was before the step is called ``m_before``.
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
        """A JavaScript function of theta, g and the slots, that gives all results in an array."""
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
    """Write down what a rule does to one parameter in one step.

    Parameters
    ----------
    rule : Rule, str or mapping
        The rule, its registered name, or its saved form.
    t : int
        The number of the step, from 1.
    learning_rate : float, optional
        η. If it is left out, eta is one more argument.
    is_weight : bool
        Whether the parameter is a weight; a bias does not decay.
    scalars : mapping of str to float, optional
        The slots that hold one value for all parameters, before the step; their initial
        values where left out.
    cost : float, optional
        C at θ, penalty included, for rules that look at it.

    Returns
    -------
    RecordedRule

    Raises
    ------
    InputError
        If the step's number is not positive, or the rule's formula does something that
        cannot be written down.

    Examples
    --------
    >>> print(record_rule("sgd", 1, 0.5).javascript("update"))
    // rule sgd at step 1: theta and what it carries
    function update(theta, g) {
      return theta - 0.5 * g;
    }
    """
    record = RULES.get(rule)
    if not isinstance(t, int) or isinstance(t, bool) or t < 1:
        raise InputError(f"t is {t!r}; expected the number of a step, from 1")
    given = dict(scalars or {})
    try:
        return _recorded(record, t, learning_rate, is_weight, given, cost, named=True)
    except InputError:
        if learning_rate is None:
            raise
        # A rule of one's own may need η as the number it is.
        return _recorded(record, t, learning_rate, is_weight, given, cost, named=False)


def _recorded(
    rule: Rule,
    t: int,
    learning_rate: float | None,
    is_weight: bool,
    scalars: dict[str, float],
    cost: float | None,
    *,
    named: bool,
) -> RecordedRule:
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
    eta: Any = learning_rate
    if rule.uses_learning_rate and learning_rate is None:
        eta = xp.variable("eta")
        arguments.append("eta")
    elif rule.uses_learning_rate and named:
        eta = xp.symbol("eta", float(learning_rate or 0.0))
    C = xp.symbol("cost", float(cost)) if cost is not None else None
    title = f"rule {rule} at step {t}: theta and what it carries"
    try:
        update = rule.formula(xp, **rule.settings)
        after, carried = update(theta, g, dict(slots), StepInfo(t, eta, C, is_weight))
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
    """Intermediate results by name, in the order of making, and θ at the end."""
    root = results["theta"]
    named: dict[int, str] = {}
    for name, node in results.items():
        if name != "theta" and node.op not in _LEAVES and node is not root:
            named.setdefault(node.index, name)
    carried = dict(named)
    inside = reachable([root])
    for node in inside:
        # What a slot holds, divided by a number: Adam's correction of its bias.
        if node.op == "divide" and node.args[1].op == "constant":
            name = carried.get(node.args[0].index, "")
            if name:
                named.setdefault(node.index, f"{name}_hat")
    for node in _used_twice(inside, named, root):
        named.setdefault(node.index, "u" if "u" not in named.values() else f"u_{node.index}")
    before = {node.index: f"{name}_before" for name, node in slots.items()}
    wanted = reachable([*results.values()])
    out = []
    for node in wanted:
        if node.index in named and node is not root:
            out.append((named[node.index], _cut(node, named, before)))
    return [*out, ("theta", _cut(root, named, before))]


def _used_twice(inside: list[Expr], named: dict[int, str], root: Expr) -> list[Expr]:
    """Longer parts of θ's own expression that stand in it more than once."""
    users: dict[int, int] = {}
    for node in reachable([root], stop=lambda n: n is not root and n.index in named):
        for argument in node.args:
            users[argument.index] = users.get(argument.index, 0) + 1

    def long(node: Expr) -> bool:
        return node.op not in _LEAVES and not node.is_condition and len(reachable([node])) > 5

    return [
        node
        for node in inside
        if users.get(node.index, 0) > 1 and node.index not in named and long(node)
    ]


def _cut(root: Expr, named: dict[int, str], before: dict[int, str]) -> SymbolicFormula:
    """The expression with names for the intermediate results that are in it."""
    space = SymbolicNamespace()
    made: dict[int, Expr] = {}
    names: list[str] = []

    def variable(name: str) -> Expr:
        if name not in names:
            names.append(name)
        return space.variable(name)

    for node in reachable([root], stop=lambda n: n is not root and n.index in named):
        if node is not root and node.index in named:
            made[node.index] = variable(named[node.index])
        elif node.index in before:
            made[node.index] = variable(before[node.index])
        elif node.op == "variable":
            made[node.index] = variable(node.data)
        elif node.op == "symbol":
            made[node.index] = variable(node.data[0])
        elif node.args:
            made[node.index] = space.apply(node.op, *(made[a.index] for a in node.args))
        else:
            made[node.index] = space.leaf(node)
    value = made[root.index]
    used = {n.data for n in reachable([value]) if n.op == "variable"}
    arguments = tuple(name for name in names if name in used)
    return SymbolicFormula("step", arguments, {"value": value}, True)


def _rule_names(node: Expr, depth: int) -> Box | None:
    if node.op == "constant":
        return short_constant(node.data)
    return rule_mark(node.data).box if node.op == "variable" else None


def rule_mark(name: str) -> Mark:
    """The symbol of a number of a rule: m′ before the step, m̂ with its bias corrected.

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
