"""Trees as plain text, and as dictionaries that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deltarule.errors import printable
from deltarule.explain.derivation import Derivation, Remainder
from deltarule.explain.number_format import json_number, number_box, number_text
from deltarule.maths.printing.boxes import Box, Number, Shown, Terms
from deltarule.maths.printing.markup import box_latex, box_text

__all__ = [
    "COMPUTED",
    "equation",
    "part_depth",
    "remainder_words",
    "says_all",
    "screen_text",
    "tree_dict",
    "tree_text",
]

COMPUTED = "computed as"
"""The words before the form that is computed, where the formula shown is the textbook's."""

_WIDTH = 100
# The most lines of a text whose depth was not asked for.
_SCREEN = 40


def equation(tree: Derivation, digits: int) -> list[Box]:
    """The sides of a derivation's equation: symbol, formula, formula with numbers, value."""
    value = number_box(tree.value, digits)
    inner = formula = tree.formula
    if isinstance(formula, Terms) and len(formula.parts) == 1:  # a number with its sign
        inner = formula.parts[0][1]
    if formula is not None and isinstance(inner, Number | Shown):  # show 1, not 1 = 1.000000
        exact = isinstance(inner, Number) and not inner.exponent
        return [tree.mark.box, formula if exact else value]
    sides: list[Box] = [tree.mark.box]
    said = {box_text(tree.mark.box), box_text(value)}
    for box in (tree.formula, tree.numbers(digits)):
        if box is not None and box_text(box) not in said:
            sides.append(box)
            said.add(box_text(box))
    return [*sides, value]


def remainder_words(left: Remainder, digits: int) -> str:
    """The line for the parts that are not shown.

    Examples
    --------
    >>> remainder_words(Remainder(253, 0.5), 6), remainder_words(Remainder(2, None), 6)
    ('… 253 further terms, together 0.500000', '… 2 further arguments')
    >>> print(remainder_words(Remainder(0, 0.0, zeros=3), 6))
    … 3 terms that are exactly 0
    >>> print(remainder_words(Remainder(5, 0.5, zeros=3), 6))
    … 5 further terms, together 0.500000, and 3 that are exactly 0
    """
    if left.value is None:
        return f"… {left.count} further arguments"
    if not left.count:
        return f"… {left.zeros} terms that are exactly 0"
    others = f", and {left.zeros} that are exactly 0" if left.zeros > 1 else ""
    others = ", and 1 that is exactly 0" if left.zeros == 1 else others
    word = "term" if left.count == 1 else "terms, together"
    return f"… {left.count} further {word} {number_text(left.value, digits)}{others}"


def _tail(tree: Derivation) -> str:
    """The end of a line: the formula's number, its case and the note."""
    case = tree.case()
    known = [tree.law] if tree.law else []
    known += [box_text(case)] if case is not None else []
    words = [f"({'; '.join(known)})"] if known else []
    words += [f"[{tree.note}]"] if tree.note else []
    return printable("  ".join(["", *words]))


def says_all(tree: Derivation, parts: list[Derivation]) -> bool:
    """Whether the line of a derivation's only part would repeat its own line."""
    if len(parts) != 1 or tree.kind != "product":
        return False
    (only,) = parts
    return tree.formula == only.mark.box and only.n_parts == 0 and not only.note


def tree_text(tree: Derivation, depth: int, terms: int, digits: int) -> str:
    """A tree in plain text: one line for each tree, more where it is too long."""
    return "\n".join(_tree_lines(tree, depth, terms, digits))


def screen_text(tree: Derivation, depth: int, terms: int, digits: int, more: str) -> str:
    """A tree in plain text at the largest depth that fits a screen, and how to see more."""
    for level in range(depth, -1, -1):
        lines = tree_text(tree, level, terms, digits).splitlines()
        if len(lines) <= _SCREEN or level == 0:
            break
    if level < depth:
        lines.append(more.format(level + 1))
    return "\n".join(lines)


def part_depth(tree: Derivation, part: Derivation, depth: int) -> int:
    """The depth to which a text shows a part of a tree that it shows to ``depth``."""
    if tree.focus is None or part.mark == tree.part(tree.focus).mark:
        return depth - 1
    return min(depth - 1, 0)


def _tree_lines(
    tree: Derivation, depth: int, terms: int, digits: int, first: str = "", rest: str = ""
) -> Iterator[str]:
    """The lines of a tree: ``first`` is put before the first line, ``rest`` before the others."""
    symbol, *sides = (printable(box_text(box)) for box in equation(tree, digits))
    line = f"{symbol} = {' = '.join(sides)}{_tail(tree)}"
    parts, left = tree.parts(terms) if depth > 0 else ([], None)
    below = (bool(parts) or left is not None) and not says_all(tree, parts)
    bar = rest + "│  "
    if len(first) + len(line) <= _WIDTH:
        yield first + line
    else:
        bar_here = below and bool(first)
        lead = (bar if bar_here else rest) + " " * (len(symbol) - 3 * bar_here)
        yield f"{first}{symbol} = {sides[0]}"
        yield from (f"{lead} = {side}" for side in sides[1:-1])
        value = f"{lead} = {sides[-1]}" if len(sides) > 1 else ""
        if len(value) + len(_tail(tree)) <= _WIDTH:
            yield value + _tail(tree)
        else:
            yield from filter(None, (value, f"{lead} {_tail(tree)}"))
    computed = tree.computed() if depth > 0 else None
    if computed is not None:
        lead = bar if below and bool(first) else rest + ("│  " if below else "   ")
        yield f"{lead}{COMPUTED} {printable(box_text(computed))}"
    if not below:
        return
    for place, part in enumerate(parts):
        last = place == len(parts) - 1 and left is None
        yield from _tree_lines(
            part,
            part_depth(tree, part, depth),
            terms,
            digits,
            rest + ("└─ " if last else "├─ "),
            rest + ("   " if last else "│  "),
        )
    if left is not None:
        yield f"{rest}└─ {remainder_words(left, digits)}"


def tree_dict(tree: Derivation, depth: int, terms: int, digits: int) -> dict[str, Any]:
    """A tree as a dictionary; ``more`` is true where parts exist and are not shown."""
    numbers, case, computed = tree.numbers(digits), tree.case(), tree.computed()
    out: dict[str, Any] = {
        "symbol": tree.mark.key,
        "latex": box_latex(tree.mark.box),
        "value": json_number(tree.value),
        "kind": tree.kind,
        "law": tree.law,
        "formula": None if tree.formula is None else box_text(tree.formula),
        "numbers": None if numbers is None else box_text(numbers),
        "computed": None if computed is None else box_text(computed),
        "case": None if case is None else box_text(case),
        "note": tree.note,
        "more": depth == 0 and tree.n_parts > 0,
        "parts": [],
        "remainder": None,
    }
    if depth > 0 and tree.n_parts:
        parts, left = tree.parts(terms)
        out["parts"] = [tree_dict(part, depth - 1, terms, digits) for part in parts]
        if left is not None:
            value = None if left.value is None else json_number(left.value)
            out["remainder"] = {"count": left.count, "value": value, "zeros": left.zeros}
    return out
