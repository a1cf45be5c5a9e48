"""The numbered formulas of the mathematics with index letters, for tooltips of their numbers."""

from __future__ import annotations

from typing import NamedTuple

from deltarule.explain.symbols import OMEGA
from deltarule.maths.printing.boxes import (
    Apply,
    Big,
    Box,
    Fenced,
    Number,
    Partial,
    Product,
    Scripted,
    Symbol,
    Terms,
)
from deltarule.maths.printing.markup import box_mathml, box_text

__all__ = ["LAWS", "Law", "laws_for_page"]


class Law(NamedTuple):
    """A numbered formula, and what it says in a few words."""

    box: Box
    words: str


def _s(letter: str, below: str = "", above: str = "") -> Scripted:
    return Scripted(Symbol(letter, letter), below, above)


def _equal(left: Box, right: Box) -> Terms:
    return Terms((("", left), ("=", right)))


def _product(*factors: Box) -> Terms:
    return Terms(tuple(("·" if place else "", box) for place, box in enumerate(factors)))


def _sum(index: str, inner: Box) -> Big:
    return Big(Symbol(r"\sum", "Σ", function=True), index, inner)


_W, _B = _s("w", "jk", "l"), _s("b", "j", "l")
_Z, _A, _BEFORE = _s("z", "j", "l"), _s("a", "j", "l"), _s("a", "k", "l−1")
_OUT, _Y = _s("a", "j", "L"), _s("y", "j")
_C, _CI, _CIJ = Symbol("C", "C"), _s("C", "i"), _s("C", "i,j")
_G, _SLOPE = Symbol("g", "g"), Symbol("g'", "g′")
_NEW = Symbol(r"\text{new }", "new", function=True)
_ERROR = Fenced((Terms((("", _OUT), ("-", _Y))),))

LAWS: dict[str, Law] = {
    "F2": Law(_equal(_CI, _sum("j", _CIJ)), "a loss is summed over the outputs"),
    "F3": Law(
        _equal(_Z, Terms((("", _sum("k", _product(_W, _BEFORE))), ("+", _B)))),
        "the weighted input of a node",
    ),
    "F4": Law(_equal(_A, Apply(_G, Fenced((_Z,)))), "the activation of a node"),
    "F6": Law(
        _equal(Partial(_CI, _W), _product(Partial(_CI, _A), Partial(_A, _Z), Partial(_Z, _W))),
        "the chain rule: error, slope, incoming activation",
    ),
    "F7": Law(
        _equal(Partial(_CI, _OUT), Product((Number("2"), _ERROR))),
        "for the squared error; another loss has its own derivative",
    ),
    "F8": Law(
        _equal(Partial(_A, _Z), Apply(_SLOPE, Fenced((_Z,)))),
        "the slope of the activation",
    ),
    "F9": Law(_equal(Partial(_Z, _W), _BEFORE), "what the weight multiplies"),
    "F11": Law(
        _equal(Partial(_C, _W), _sum("i", _product(Scripted(OMEGA, "i"), Partial(_CI, _W)))),
        "the mean over the rows; without row weights every ω is 1/N",
    ),
    "F13": Law(
        _equal(
            Partial(_CI, _BEFORE),
            _sum("j", _product(Partial(_CI, _A), Partial(_A, _Z), Partial(_Z, _BEFORE))),
        ),
        "a hidden node reaches the loss through every node of the next layer",
    ),
    "F14": Law(_equal(Partial(_Z, _BEFORE), _W), "what the activation is multiplied by"),
    "U": Law(
        _equal(
            Apply(_NEW, _W),
            Terms(
                (("", _W), ("-", _product(Symbol(r"\eta", "η"), Partial(_C, _W)))),
            ),
        ),
        "gradient descent: a step against the gradient",
    ),
    "δ": Law(
        _equal(Scripted(Symbol(r"\delta", "δ"), "j", "l"), Partial(_CI, _Z)),
        "how the loss depends on the weighted input of a node",
    ),
}


def laws_for_page() -> dict[str, dict[str, str]]:
    """The formulas by number: MathML, plain text, and words.

    Examples
    --------
    >>> laws_for_page()["F9"]["text"]
    '∂zⱼ⁽ˡ⁾/∂wⱼₖ⁽ˡ⁾ = aₖ⁽ˡ⁻¹⁾'
    """
    return {
        name: {"mathml": box_mathml(law.box), "text": box_text(law.box), "words": law.words}
        for name, law in LAWS.items()
    }
