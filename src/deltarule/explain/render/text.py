"""Trees as plain text, and as dictionaries that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deltarule.explain.derivation import Derivation, Remainder
from deltarule.explain.number_format import json_number, number_box, number_text
from deltarule.maths.printing.boxes import Box, Number, Shown, Terms
from deltarule.maths.printing.markup import box_latex, box_text

__all__ = ["equation", "remainder_words", "says_all", "tree_dict", "tree_text"]

_WIDTH = 100


def equation(node: Derivation, digits: int) -> list[Box]:
    """What is equal in a node: its symbol, its formula, the numbers in place, its value."""
    value = number_box(node.value, digits)
    inner = formula = node.formula
    if isinstance(formula, Terms) and len(formula.parts) == 1:  # with its sign
        inner = formula.parts[0][1]
    if formula is not None and isinstance(inner, Number | Shown):  # 1, and not 1 = 1.000000
        exact = isinstance(inner, Number) and not inner.exponent
        return [node.mark.box, formula if exact else value]
    sides: list[Box] = [node.mark.box]
    said = {box_text(node.mark.box), box_text(value)}
    for box in (node.formula, node.numbers(digits)):
        if box is not None and box_text(box) not in said:
            sides.append(box)
            said.add(box_text(box))
    return [*sides, value]


def remainder_words(left: Remainder, digits: int) -> str:
    """The line of what is left out.

    Examples
    --------
    >>> remainder_words(Remainder(253, 0.5), 6), remainder_words(Remainder(2, None), 6)
    ('… 253 further terms, together 0.500000', '… 2 further arguments')
    """
    if left.value is None:
        return f"… {left.count} further arguments"
    return f"… {left.count} further terms, together {number_text(left.value, digits)}"


def _tail(node: Derivation) -> str:
    """The formula's number, its case and the note, after a line."""
    case = node.case()
    known = [node.law] if node.law else []
    known += [box_text(case)] if case is not None else []
    words = [f"({'; '.join(known)})"] if known else []
    words += [f"[{node.note}]"] if node.note else []
    return "  ".join(["", *words])


def says_all(node: Derivation, parts: list[Derivation]) -> bool:
    """Whether a node's line says all that its only part would say again."""
    if len(parts) != 1 or node.kind != "product":
        return False
    (only,) = parts
    return node.formula == only.mark.box and only.n_parts == 0 and not only.note


def tree_text(node: Derivation, depth: int, terms: int, digits: int) -> str:
    """A tree in plain text, one line for each node or two where one is too long."""
    return "\n".join(_tree_lines(node, depth, terms, digits))


def _tree_lines(
    node: Derivation, depth: int, terms: int, digits: int, first: str = "", rest: str = ""
) -> Iterator[str]:
    """The lines of a tree; ``first`` stands before the node, ``rest`` before what follows."""
    symbol, *sides = (box_text(box) for box in equation(node, digits))
    line = f"{symbol} = {' = '.join(sides)}{_tail(node)}"
    parts, left = node.parts(terms) if depth > 0 else ([], None)
    below = bool(parts) and not says_all(node, parts)
    bar = rest + "│  "
    if len(first) + len(line) <= _WIDTH:
        yield first + line
    else:
        bar_here = below and bool(first)
        lead = (bar if bar_here else rest) + " " * (len(symbol) - 3 * bar_here)
        yield f"{first}{symbol} = {sides[0]}"
        yield from (f"{lead} = {side}" for side in sides[1:-1])
        value = f"{lead} = {sides[-1]}" if len(sides) > 1 else ""
        if len(value) + len(_tail(node)) <= _WIDTH:
            yield value + _tail(node)
        else:
            yield from filter(None, (value, f"{lead} {_tail(node)}"))
    if not below:
        return
    for place, part in enumerate(parts):
        last = place == len(parts) - 1 and left is None
        yield from _tree_lines(
            part,
            depth - 1,
            terms,
            digits,
            rest + ("└─ " if last else "├─ "),
            rest + ("   " if last else "│  "),
        )
    if left is not None:
        yield f"{rest}└─ {remainder_words(left, digits)}"


def tree_dict(node: Derivation, depth: int, terms: int, digits: int) -> dict[str, Any]:
    """A tree as a dictionary; ``more`` says that parts are there and not shown."""
    numbers, case = node.numbers(digits), node.case()
    out: dict[str, Any] = {
        "symbol": node.mark.key,
        "latex": box_latex(node.mark.box),
        "value": json_number(node.value),
        "kind": node.kind,
        "law": node.law,
        "formula": None if node.formula is None else box_text(node.formula),
        "numbers": None if numbers is None else box_text(numbers),
        "case": None if case is None else box_text(case),
        "note": node.note,
        "more": depth == 0 and node.n_parts > 0,
        "parts": [],
        "remainder": None,
    }
    if depth > 0 and node.n_parts:
        parts, left = node.parts(terms)
        out["parts"] = [tree_dict(part, depth - 1, terms, digits) for part in parts]
        if left is not None:
            value = None if left.value is None else json_number(left.value)
            out["remainder"] = {"count": left.count, "value": value}
    return out
