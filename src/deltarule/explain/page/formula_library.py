"""The formulas of many networks and rules in one script, for a page that chooses among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.page.formulas import formulas_mathml
from deltarule.explain.page.payload import describe_network
from deltarule.explain.recorded_rules import record_any_step
from deltarule.maths import ACTIVATIONS, INITIALIZERS, LOSSES, Network
from deltarule.maths.network import auto_initializer
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.printing import (
    SymbolicFormula,
    print_javascript,
    symbolic_activation,
    symbolic_loss,
)
from deltarule.maths.symbolic import SymbolicNamespace
from deltarule.optimizers import RULES, Rule

__all__ = ["formula_library"]


class _Printed:
    """Formulas by the names of their functions, and where each is used."""

    def __init__(self) -> None:
        self.formulas: dict[str, SymbolicFormula] = {}

    def add(self, formula: SymbolicFormula | None, lift: str = "") -> str:
        """Return the JavaScript expression of a formula; ``lift`` makes it one of arrays."""
        if formula is None:
            return "null"
        name = f"f{len(self.formulas)}"
        self.formulas[name] = formula
        return f"DR.{lift}({name})" if lift and formula.elementwise else name


def formula_library(
    activations: Iterable[str],
    outputs: Iterable[tuple[str, str]],
    rules: Iterable[str | Rule],
) -> tuple[str, dict[str, Any]]:
    """The script that defines ``DR.library``, and what a page shows of its formulas.

    Parameters
    ----------
    activations : iterable of str
        Activations of hidden layers.
    outputs : iterable of (str, str)
        Losses, each with an output activation.
    rules : iterable of str or Rule

    Returns
    -------
    script : str
        JavaScript: ``activations`` and ``losses`` (by ``"loss/output"``) have the functions of
        :func:`~deltarule.explain.page.formulas_script`; ``rules`` has for each rule, for weights
        and for biases, ``whole``, a function of arrays that takes a step, and ``steps``, the same
        in named steps of one parameter. ``penalty`` has value and slope of each penalty.
    described : dict
        For JSON, under the same names: descriptions of the parts of a network, MathML, the slots
        of rules.

    Raises
    ------
    InputError
        If a formula cannot be printed.

    Examples
    --------
    >>> script, described = formula_library(["tanh"], [("log_loss", "logistic")], ["momentum"])
    >>> "DR.library = {" in script, described["rules"]["momentum"]["slots"]
    (True, [{'name': 'v', 'kind': 'theta', 'initial': 0.0}])
    """
    printed = _Printed()
    code: dict[str, list[str]] = {"activations": [], "losses": [], "rules": [], "penalty": []}
    described: dict[str, Any] = {"activations": {}, "losses": {}, "rules": {}}
    for name in activations:
        code["activations"].append(f'"{name}": {_activation(name, printed)}')
        described["activations"][name] = _described_layer(Network([1, 1, 1], name), 1)
    for loss, output in outputs:
        net = Network([1, 2], activation=[], output_activation=output, loss=loss)
        symbolic = symbolic_loss(LOSSES.get(loss), output)
        both = (
            f"{part}: {printed.add(getattr(symbolic, part), 'eachPair')}"
            for part in ("from_output", "from_input")
        )
        key = f"{loss}/{output}"
        code["losses"].append(
            f'"{key}": {{ {", ".join(both)}, ...{_activation(output, printed)} }}'
        )
        described["losses"][key] = _described_output(net)
    for rule in map(RULES.get, rules):
        text, described["rules"][rule.name] = _rule(rule, printed)
        code["rules"].append(f'"{rule.name}": {text}')
    for penalty in PENALTIES:
        xp = SymbolicNamespace()
        results = dict(zip(("value", "slope"), penalty.bind(xp)(xp.variable("w")), strict=True))
        formula = SymbolicFormula(f"penalty {penalty.name}: value and slope", ("w",), results, True)
        code["penalty"].append(f"{penalty.name}: {printed.add(formula)}")
    lines = [
        "// The formulas of the page, printed from the library's own.",
        "(function () {",
        '  "use strict";',
        *(f"  {line}".rstrip() for line in print_javascript(printed.formulas).splitlines()),
        "  DR.library = {",
        *(f"    {name}: {{ {', '.join(texts)} }}," for name, texts in code.items()),
        "  };",
        "})();",
    ]
    return "\n".join(lines) + "\n", described


def _activation(name: str, printed: _Printed) -> str:
    g = symbolic_activation(ACTIVATIONS.get(name))
    kinds = ("value", "slope", "pullback")
    return f"{{ {', '.join(f'{k}: ' + printed.add(getattr(g, k), 'each') for k in kinds)} }}"


def _described_layer(net: Network, layer: int) -> dict[str, Any]:
    """What is shown of a layer with its activation; of a list by layer, its entry."""
    shown = {key: value[layer] for key, value in _by_layer(formulas_mathml(net), net)}
    described = describe_network(net)
    g = net.activations[layer]
    assert g is not None
    return {
        "mathml": shown,
        "name": described["activations"][layer],
        "kinks": described["kinks"][layer],
        "initializer": _initializer(auto_initializer(g)),
    }


def _described_output(net: Network) -> dict[str, Any]:
    """What is shown of a loss and its output layer."""
    mathml, described = formulas_mathml(net), describe_network(net)
    by_layer = {key for key, _ in _by_layer(mathml, net)}
    of_layers = ("widths", "activations", "kinks", "blocks", "frozen", "bias")
    return {
        "layer": _described_layer(net, 1),
        "mathml": {k: v for k, v in mathml.items() if k not in by_layer and k != "update"},
        "net": {k: v for k, v in described.items() if k not in of_layers},
    }


def _by_layer(mathml: dict[str, Any], net: Network) -> list[tuple[str, list[Any]]]:
    n = net.n_layers + 1
    return [(k, v) for k, v in mathml.items() if isinstance(v, list) and len(v) == n]


def _initializer(name: str) -> dict[str, Any]:
    """The distribution of initial weights, as Var w = scale/(a n_in + b n_out)."""
    record = INITIALIZERS.get(name)
    # 1/Var is linear in the two widths for every registered initializer; two values fix it.
    one, two = 1 / record.variance(1, 1), 1 / record.variance(2, 1)
    inputs, outputs = two - one, 2 * one - two
    if abs(1 / record.variance(3, 5) - (3 * inputs + 5 * outputs)) > 1e-12:
        raise InputError(f"the variance of initializer {name!r} is not 1/(a n_in + b n_out)")
    return {"distribution": record.distribution, "inputs": inputs, "outputs": outputs}


def _json_number(array: np.ndarray) -> float | str:
    """A number for JSON; JavaScript's Number reads those that are not finite from text."""
    value = float(array.reshape(-1)[0])
    return value if np.isfinite(value) else str(value).replace("inf", "Infinity")


def _rule(rule: Rule, printed: _Printed) -> tuple[str, dict[str, Any]]:
    """The functions of a rule as JavaScript, and its description."""
    texts, mathml = [], {}
    for kind in ("weight", "bias"):
        recorded = record_any_step(rule, kind == "weight")
        rows = []
        for name, formula in recorded.steps:
            needs = ", ".join(f'"{need}"' for need in formula.arguments)
            rows.append(f'{{ name: "{name}", needs: [{needs}], f: {printed.add(formula)} }}')
        whole = printed.add(recorded.formula)
        needs = ", ".join(f'"{need}"' for need in recorded.formula.arguments)
        texts.append(f"{kind}: {{ whole: {whole}, needs: [{needs}], steps: [{', '.join(rows)}] }}")
        mathml[kind] = [formula.mathml(display="inline") for _, formula in recorded.steps]
    first = rule.initial_slots(np, np.zeros(1))
    slots = [
        {"name": slot.name, "kind": slot.kind, "initial": _json_number(first[slot.name])}
        for slot in rule.slots
    ]
    return f"{{ {', '.join(texts)} }}", {
        "name": str(rule),
        "slots": slots,
        "mathml": mathml,
        "full_batch": rule.full_batch,
        "uses_weights": rule.uses_weights,
        "uses_cost": rule.uses_cost,
    }
