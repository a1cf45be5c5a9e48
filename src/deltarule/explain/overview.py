"""An explanation as a whole: the cost, every block's largest derivative, the engine beside it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.htmltree import framed, tree_html
from deltarule.explain.numbers import json_number, number_text
from deltarule.explain.plaintext import tree_dict, tree_text
from deltarule.explain.tex import document, tree_latex
from deltarule.maths.printing.markup import box_text

if TYPE_CHECKING:
    from deltarule.explain.explanation import Explanation

__all__ = ["as_dict", "html", "latex", "text"]


class Largest(NamedTuple):
    """A block's largest derivative."""

    block: str
    norm: float
    derivation: Derivation


def largest(explanation: Explanation) -> list[Largest]:
    """The derivative of largest size in every block."""
    found = []
    net, grad = explanation.subject.net, explanation.trace.grad
    for block in net.blocks:
        part = grad[block.start : block.stop]
        index = block.position(int(np.nan_to_num(np.abs(part), nan=np.inf).argmax()))
        kind = explanation.weight if block.kind == "W" else explanation.bias
        with np.errstate(over="ignore"):
            norm = float(np.sqrt((part * part).sum()))
        found.append(Largest(block.name, norm, kind(block.layer, *index)))
    return found


def text(explanation: Explanation, depth: int, terms: int, digits: int) -> str:
    """The overview in plain text."""
    subject = explanation.subject
    lines = [repr(subject.net), _rows(explanation), ""]
    lines += [tree_text(explanation.cost(), min(depth, 1), terms, digits), ""]
    rows = [("block", "‖∂C/∂block‖", "largest derivative", "")]
    for each in largest(explanation):
        own = box_text(each.derivation.mark.box)
        value = number_text(each.derivation.value, digits)
        rows.append((each.block, number_text(each.norm, digits), own, value))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines += [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if explanation.agreement is not None:
        lines += ["", str(explanation.agreement)]
    return "\n".join(lines)


def _rows(explanation: Explanation) -> str:
    subject = explanation.subject
    n = len(subject.X)
    out = f"{n} row{'s' if n > 1 else ''}"
    if subject.step is not None:
        step = subject.step
        out += f"; step {step.number} of {step.settings.rule}"
        if step.settings.rule.uses_learning_rate:  # type: ignore[union-attr]
            out += f", η = {step.learning_rate:.6g}"
    return out


def latex(
    explanation: Explanation, depth: int, terms: int, digits: int, *, standalone: bool
) -> str:
    """The cost and the largest derivatives in LaTeX."""
    trees = [explanation.cost(), *(each.derivation for each in largest(explanation))]
    bodies = [tree_latex(tree, depth, terms, digits) for tree in trees]
    return document(bodies) if standalone else "\n\\bigskip\n".join(bodies)


def as_dict(explanation: Explanation, depth: int, terms: int, digits: int) -> dict[str, Any]:
    """The overview for a JSON file."""
    subject, agreement = explanation.subject, explanation.agreement
    step = subject.step
    return {
        "network": subject.net.to_dict(),
        "rows": list(subject.names.rows),
        "cost": tree_dict(explanation.cost(), depth, terms, digits),
        "blocks": [
            {
                "name": each.block,
                "norm": json_number(each.norm),
                "largest": tree_dict(each.derivation, depth, terms, digits),
            }
            for each in largest(explanation)
        ],
        "step": None
        if step is None
        else {
            "number": step.number,
            "rule": step.settings.rule.spec(),  # type: ignore[union-attr]
            "learning_rate": step.learning_rate,
        },
        "engine": None if agreement is None else agreement.to_dict(),
    }


def html(explanation: Explanation, depth: int, terms: int, digits: int) -> str:
    """The overview as static HTML."""
    net = escape(repr(explanation.subject.net))
    pieces = [f"<p><code>{net}</code><br/>{escape(_rows(explanation))}</p>"]
    trees = [explanation.cost(), *(each.derivation for each in largest(explanation))]
    pieces += [tree_html(tree, depth, terms, digits) for tree in trees]
    if explanation.agreement is not None:
        pieces.append(f"<p>{escape(str(explanation.agreement))}</p>")
    return framed(pieces)
