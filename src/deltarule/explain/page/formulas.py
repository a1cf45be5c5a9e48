"""A network's activations, loss and rule for the page, printed from the functions in ``maths``."""

from __future__ import annotations

from typing import Any

from deltarule.errors import InputError
from deltarule.explain.recorded_rules import RecordedRule, record_step
from deltarule.explain.subject import StepTaken
from deltarule.maths import Network
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.printing import (
    SymbolicActivation,
    SymbolicFormula,
    SymbolicLoss,
    print_javascript,
    symbolic_activation,
    symbolic_loss,
)
from deltarule.maths.symbolic import SymbolicNamespace

__all__ = ["formulas_mathml", "formulas_script"]


def _recorded(net: Network) -> tuple[list[SymbolicActivation], SymbolicLoss]:
    """The recorded formulas of the activations of layers 1 … L and of the loss."""
    try:
        activations = [symbolic_activation(g) for g in net.activations if g is not None]
        return activations, symbolic_loss(net.loss, net.output_activation)
    except Exception as error:  # a user's formula may raise any exception
        raise InputError(
            "the page computes with the network's own formulas, and one cannot be printed: "
            f"{error}; write it with Python's operators and the functions of its array namespace"
        ) from error


def _recorded_step(step: StepTaken, cost: float | None) -> dict[str, RecordedRule]:
    """The recorded rule of the step for a weight and for a bias, which does not decay."""
    return {kind: record_step(step, kind == "weight", cost) for kind in ("weight", "bias")}


def _recorded_penalty(name: str) -> SymbolicFormula:
    """The derivative of a penalty by one weight, for strength 1."""
    xp = SymbolicNamespace()
    _, slope = PENALTIES.get(name).bind(xp)(xp.variable("w"))
    return SymbolicFormula(f"penalty {name}: slope", ("w",), {"slope": xp.number(slope)}, True)


def formulas_script(
    net: Network,
    step: StepTaken | None = None,
    cost: float | None = None,
    name: str = "formulas",
) -> str:
    """The script that defines the page's formulas, ``DR.formulas``.

    Parameters
    ----------
    net : Network
    step : StepTaken, optional
        If given, the steps of its rule are included.
    cost : float, optional
        C at θ, penalty included, for a rule that uses it.
    name : str
        The name in ``DR`` that the script defines.

    Returns
    -------
    str
        JavaScript: ``value``, ``slope`` and ``pullback`` by layer (item 0 null; no slope where
        the activation mixes outputs), ``from_output``, and ``from_input`` for a fused pair.
        All take and return arrays with one item for each node. ``update`` has the steps of the
        rule for ``weight`` and ``bias``, each with a name, the names of its arguments and a
        function; ``penalty`` has the derivative of each penalty by one weight.

    Raises
    ------
    InputError
        If an activation, the loss or the rule cannot be recorded.

    Examples
    --------
    >>> script = formulas_script(Network([2, 2, 1], "tanh"))
    >>> [line for line in script.splitlines() if "slope:" in line]
    ['    slope: [null, DR.each(slope1), DR.each(slope2)],']
    """
    activations, loss = _recorded(net)
    functions: dict[str, SymbolicFormula] = {}
    first: dict[Any, int] = {}
    table: dict[str, list[str]] = {"value": ["null"], "slope": ["null"], "pullback": ["null"]}
    for layer, (record, g) in enumerate(zip(net.activations[1:], activations, strict=True), 1):
        owner = first.setdefault(record, layer)  # layers with the same g share its functions
        for kind, column in table.items():
            formula = getattr(g, kind)
            own = f"{kind}{owner}"
            if formula is None:
                column.append("null")
                continue
            functions[own] = formula
            column.append(_lifted(own, formula, "each"))
    parts = {kind: f"[{', '.join(column)}]" for kind, column in table.items()}
    parts |= dict.fromkeys(("from_output", "from_input", "update", "penalty"), "null")
    for pair, formula in (("from_output", loss.from_output), ("from_input", loss.from_input)):
        if formula is not None:
            functions[pair] = formula
            parts[pair] = _lifted(pair, formula, "eachPair")
    if step is not None:
        parts["update"] = _update_table(step, cost, functions)
        penalties = {each: f"{each}_slope" for each in step.settings.penalties}
        functions |= {by: _recorded_penalty(each) for each, by in penalties.items()}
        parts["penalty"] = f"{{ {', '.join(f'{each}: {by}' for each, by in penalties.items())} }}"
    lines = [
        "// The network's formulas, printed from the library's own.",
        "(function () {",
        '  "use strict";',
        *(f"  {line}".rstrip() for line in print_javascript(functions).splitlines()),
        f"  DR.{name} = {{",
        *(f"    {part}: {text}," for part, text in parts.items()),
        "  };",
        "})();",
    ]
    return "\n".join(lines) + "\n"


def _update_table(
    step: StepTaken, cost: float | None, functions: dict[str, SymbolicFormula]
) -> str:
    """The steps of a rule as a JavaScript table; its functions are added to ``functions``."""
    kinds = []
    for kind, recorded in _recorded_step(step, cost).items():
        rows = []
        for number, (name, formula) in enumerate(recorded.steps):
            functions[f"{kind}_step{number}"] = formula
            needs = ", ".join(f'"{need}"' for need in formula.arguments)
            rows.append(f'{{ name: "{name}", needs: [{needs}], f: {kind}_step{number} }}')
        kinds.append(f"{kind}: [{', '.join(rows)}]")
    return f"{{ {', '.join(kinds)} }}"


def _lifted(name: str, formula: SymbolicFormula, lift: str) -> str:
    """A function of arrays; a formula that mixes outputs already is one."""
    return f"DR.{lift}({name})" if formula.elementwise else name


def formulas_mathml(
    net: Network, step: StepTaken | None = None, cost: float | None = None
) -> dict[str, Any]:
    """The formulas as MathML; parameters and errors are those of :func:`formulas_script`.

    Returns
    -------
    dict
        ``value`` and ``slope`` by layer (item 0 None), ``loss`` and ``loss_derivative`` of (a, y),
        ``fused_derivative`` of (z, y); ``update``, the rule's steps for ``weight`` and ``bias``.

    Examples
    --------
    >>> formulas_mathml(Network([1, 1], activation=[]))["loss"][:6]
    '<math '
    """
    activations, loss = _recorded(net)

    def shown(formula: SymbolicFormula | None, result: str) -> str | None:
        if formula is None:
            return None
        try:
            return formula.mathml(result, display="inline")
        except InputError:  # too long to read; the page shows none
            return None

    rules = {} if step is None else _recorded_step(step, cost)
    return {
        "update": {
            kind: [formula.mathml(display="inline") for _, formula in recorded.steps]
            for kind, recorded in rules.items()
        },
        "value": [None, *(shown(g.value, "value") for g in activations)],
        "slope": [None, *(shown(g.slope, "slope") for g in activations)],
        "loss": shown(loss.from_output, "term"),
        "loss_derivative": shown(loss.from_output, "derivative"),
        "fused_derivative": shown(loss.from_input, "derivative"),
    }
