"""The overview of an explanation: the cost, each block's largest derivative, the comparison."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.explain.derivation import Derivation
from deltarule.explain.number_format import json_number, number_text
from deltarule.explain.render.html import framed, tree_html, words_html
from deltarule.explain.render.latex import document, tree_latex
from deltarule.explain.render.text import tree_dict, tree_text
from deltarule.explain.words import network_words
from deltarule.maths.printing.markup import box_text

if TYPE_CHECKING:
    from deltarule.explain.explanation import Explanation

__all__ = ["as_dict", "html", "latex", "text"]

_WIDTH = 100

_Hint = Callable[["Explanation", tuple[int, ...]], list[str]]


class Largest(NamedTuple):
    """A block's largest derivative and its place: layer, j and, for a weight, k."""

    block: str
    norm: float
    place: tuple[int, ...]
    derivation: Derivation


def largest(explanation: Explanation) -> list[Largest]:
    """The derivative of largest absolute value in every block."""
    found = []
    net, grad = explanation.subject.net, explanation.trace.grad
    for block in net.blocks:
        part = grad[block.start : block.stop]
        index = block.position(int(np.nan_to_num(np.abs(part), nan=np.inf).argmax()))
        kind = explanation.weight if block.kind == "W" else explanation.bias
        with np.errstate(over="ignore"):
            norm = float(np.sqrt((part * part).sum()))
        place = (block.layer, *index)
        found.append(Largest(block.name, norm, place, kind(*place)))
    return found


def text(
    explanation: Explanation, depth: int, terms: int, digits: int, hint: _Hint | None = None
) -> str:
    """The overview in plain text; ``hint`` gives the last lines, by default calls in Python."""
    subject = explanation.subject
    lines = textwrap.wrap(network_words(subject.net), _WIDTH)
    lines += textwrap.wrap(_rows(explanation), _WIDTH)
    lines += [*textwrap.wrap(_whose_loss(explanation), _WIDTH), ""]
    lines += [tree_text(explanation.cost(), min(depth, 1), terms, digits), ""]
    rows = [("block", "‖∂C/∂block‖", "largest derivative", "")]
    blocks = largest(explanation)
    for each in blocks:
        own = box_text(each.derivation.mark.box)
        value = number_text(each.derivation.value, digits)
        rows.append((each.block, number_text(each.norm, digits), own, value))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines += [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if explanation.agreement is not None:
        lines += ["", *textwrap.wrap(str(explanation.agreement), _WIDTH)]
    lines += ["", *(hint or _next_in_python)(explanation, blocks[0].place)]
    return "\n".join(lines)


def _next_in_python(explanation: Explanation, place: tuple[int, ...]) -> list[str]:
    """Calls in Python that show more of the derivative at ``place``."""
    at = ", ".join(map(str, place))
    calls = [f"e.weight({at})", f"e.weight({at}, sample=0)"]
    if explanation.subject.step is not None:
        calls.append(f"e.update_weight({at})")
    calls += [f"e.node({place[0]}, {place[1]}, sample=0)", 'e.html("page.html")']
    whole = " · ".join(call.replace(" ", "\u00a0") for call in calls)  # no break within a call
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(f"next: {whole}", _WIDTH)]


def _rows(explanation: Explanation) -> str:
    subject = explanation.subject
    n = len(subject.X)
    out = f"{n:,} row{'s' if n > 1 else ''}"
    if subject.step is not None:
        step, rule = subject.step, subject.step.rule
        # A saved model does not have the state of its rule, so the step is a first one.
        fresh = step.hypothetical or (rule.slots and not step.slots)
        out += f"; a first step of {rule}" if fresh else f"; step {step.number} of {rule}"
        if rule.uses_learning_rate:
            out += f", η = {step.learning_rate:.6g}"
    return out


def _whose_loss(explanation: Explanation) -> str:
    """Which loss is C, which Cᵢ, and what their index counts."""
    subject = explanation.subject
    n = len(subject.X)
    named = subject.names.rows != tuple(map(str, range(n)))
    if n == 1:
        row = f", {subject.names.rows[0]} in the table" if named else ""
        return f"C is the loss of this one row{row}."
    mean = "mean" if np.allclose(subject.w, 1 / n, rtol=1e-9) else "weighted mean"
    index = ", counted from 0; its number in the table stands beside it" if named else ", from 0"
    return f"C is the {mean} loss of these {n:,} rows, Cᵢ that of row i{index}."


def latex(
    explanation: Explanation, depth: int, terms: int, digits: int, *, standalone: bool
) -> str:
    """The cost and the largest derivatives in LaTeX."""
    trees = [explanation.cost(), *(each.derivation for each in largest(explanation))]
    bodies = [tree_latex(tree, depth, terms, digits) for tree in trees]
    return document(bodies) if standalone else "\n\\bigskip\n".join(bodies)


def as_dict(explanation: Explanation, depth: int, terms: int, digits: int) -> dict[str, Any]:
    """The overview as a dictionary for JSON."""
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
            "rule": step.rule.spec(),
            "learning_rate": step.learning_rate,
        },
        "engine": None if agreement is None else agreement.to_dict(),
    }


def html(explanation: Explanation, depth: int, terms: int, digits: int) -> str:
    """The overview as static HTML: the cost open, the largest derivatives closed."""
    net = escape(network_words(explanation.subject.net))
    blocks = largest(explanation)
    words = [_rows(explanation), _whose_loss(explanation)]
    pieces = [f"<p>{net}<br/>{'<br/>'.join(map(escape, words))}</p>"]
    pieces.append(tree_html(explanation.cost(), depth, terms, digits))
    pieces.append("<p>The largest derivative of each block:</p>")
    pieces += [tree_html(each.derivation, depth, terms, digits, closed=True) for each in blocks]
    if explanation.agreement is not None:
        pieces.append(f"<p>{words_html(str(explanation.agreement))}</p>")
    calls = " ".join(_next_in_python(explanation, blocks[0].place))
    pieces.append(f"<p><code>{escape(calls)}</code></p>")
    return framed(pieces)
