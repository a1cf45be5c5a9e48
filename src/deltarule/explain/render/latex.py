"""Trees as LaTeX: a fragment for a document with amsmath, or a document that compiles as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deltarule.explain.derivation import Derivation
from deltarule.explain.render.text import COMPUTED, equation, part_depth, remainder_words, says_all
from deltarule.maths.printing.escaping import escaped
from deltarule.maths.printing.markup import box_latex

__all__ = ["document", "tree_latex"]

# A line with more characters of LaTeX than this is broken before its equals signs.
_WIDTH = 130
_FORMULA = re.compile(r"( × 10\^−?\d+|(?<=ing )x[₀-₉]+(?= would))")
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_HEAD = r"""\documentclass[10pt]{article}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{amsmath}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\allowdisplaybreaks
\begin{document}
\raggedright
"""


def document(bodies: Iterable[str]) -> str:
    """A complete document of fragments, for pdflatex."""
    return _HEAD + "\n\\bigskip\n".join(bodies) + "\n\\end{document}\n"


def tree_latex(tree: Derivation, depth: int, terms: int, digits: int) -> str:
    """A tree as paragraphs, each indented by its level."""
    return "\n".join(_paragraphs(tree, depth, terms, digits, 0))


def _paragraphs(tree: Derivation, depth: int, terms: int, digits: int, level: int) -> Iterator[str]:
    yield _indented(_line(tree, digits), level)
    if depth <= 0 or not tree.n_parts:
        return
    parts, left = tree.parts(terms)
    if says_all(tree, parts):
        return
    for part in parts:
        yield from _paragraphs(part, part_depth(tree, part, depth), terms, digits, level + 1)
    if left is not None:
        yield _indented(_words(remainder_words(left, digits)), level + 1)


def _indented(line: str, level: int) -> str:
    return rf"\noindent\hspace*{{{1.5 * level:g}em}}{line}\par"


def _line(tree: Derivation, digits: int) -> str:
    symbol, *sides = (box_latex(box) for box in equation(tree, digits))
    whole = " = ".join([symbol, *sides])
    if len(whole) <= _WIDTH or len(sides) < 2:
        formula = rf"$\displaystyle {whole}$"
    else:
        rows = r" \\ ".join(f"&= {side}" for side in sides)
        formula = rf"$\displaystyle\begin{{aligned}}[b] {symbol} {rows} \end{{aligned}}$"
    return formula + _tail(tree)


def _tail(tree: Derivation) -> str:
    case = tree.case()
    known = [escaped(tree.law)] if tree.law else []
    known += [f"${box_latex(case)}$"] if case is not None else []
    out = rf"\quad({'; '.join(known)})" if known else ""
    computed = tree.computed()
    if computed is not None:
        out += rf"\quad {{\small {COMPUTED} $\displaystyle {box_latex(computed)}$}}"
    return out + (rf"\quad {{\small {_words(tree.note)}}}" if tree.note else "")


def _words(note: str) -> str:
    """A note in LaTeX, with its powers of ten and the input that it names as formulas."""
    out = ""
    for place, piece in enumerate(re.split(_FORMULA, note)):
        if not place % 2:
            out += escaped(piece)
        elif piece.startswith("x"):
            out += f"$x_{{{piece[1:].translate(_DIGITS)}}}$"
        else:
            power = piece.partition("^")[2].replace("−", "-")
            out += rf"$\times 10^{{{power}}}$"
    return out
