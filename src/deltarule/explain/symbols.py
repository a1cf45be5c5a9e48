"""The symbols of the mathematics: for every number a box to print and a key.

A key is a symbol's name in JSON and in the page: ``w^2_{1,2}``, ``a^1_{0}``, ``dC_0/dw^2_{1,2}``.
"""

from __future__ import annotations

from typing import NamedTuple

from deltarule.maths import Network
from deltarule.maths.printing.boxes import Box, Partial, Scripted, Symbol, Terms

__all__ = ["OMEGA", "Mark", "Symbols", "partial", "plain", "product_mark", "share_mark"]

_DELTA = Symbol(r"\delta", "δ")
OMEGA = Symbol(r"\omega", "ω")


class Mark(NamedTuple):
    """A symbol: the box that prints it, and its key."""

    box: Box
    key: str


def plain(name: str, latex: str | None = None, below: str = "", above: str = "") -> Mark:
    """A letter with a subscript and a superscript.

    Examples
    --------
    >>> plain("w", below="0").key
    'w_0'
    """
    letter = Symbol(latex or name, name)
    box: Box = Scripted(letter, below, above) if below or above else letter
    key = name + (f"^{above}" if above else "") + (f"_{below}" if below else "")
    return Mark(box, key)


def partial(of: Mark, by: Mark) -> Mark:
    """The symbol of a partial derivative.

    Examples
    --------
    >>> partial(plain("C"), plain("z")).key
    'dC/dz'
    """
    return Mark(Partial(of.box, by.box), f"d{of.key}/d{by.key}")


def share_mark(i: int) -> Mark:
    """ω_i, the weight of a row; its key is that of the array ``w``.

    Examples
    --------
    >>> share_mark(3).key
    'w_3'
    """
    return Mark(Scripted(OMEGA, str(i)), f"w_{i}")


def product_mark(*marks: Mark) -> Mark:
    """The symbol of a product: symbols with dots between them.

    Examples
    --------
    >>> product_mark(plain("w"), plain("a")).key
    'w * a'
    """
    if len(marks) == 1:
        return marks[0]
    boxes = tuple(("·" if place else "", mark.box) for place, mark in enumerate(marks))
    return Mark(Terms(boxes), " * ".join(mark.key for mark in marks))


class Symbols:
    """The symbols of a network's numbers.

    Parameters
    ----------
    net : Network
        If no layer has more than ten nodes, two indices are written without a comma: w₁₂⁽²⁾.

    Examples
    --------
    >>> from deltarule.maths.printing.markup import box_latex, box_text
    >>> names = Symbols(Network([3, 3, 3]))
    >>> box_text(names.w(2, 1, 2).box), box_latex(names.w(2, 1, 2).box), names.w(2, 1, 2).key
    ('w₁₂⁽²⁾', 'w_{12}^{2}', 'w^2_{1,2}')
    """

    def __init__(self, net: Network) -> None:
        self.between = "" if max(net.widths) <= 10 else ","

    def w(self, layer: int, j: int, k: int) -> Mark:
        """w_jk^l."""
        box = Scripted(Symbol("w", "w"), f"{j}{self.between}{k}", str(layer))
        return Mark(box, f"w^{layer}_{{{j},{k}}}")

    def b(self, layer: int, j: int) -> Mark:
        """b_j^l."""
        return self.node("b", layer, j)

    def z(self, layer: int, j: int) -> Mark:
        """z_j^l."""
        return self.node("z", layer, j)

    def a(self, layer: int, j: int) -> Mark:
        """a_j^l; in layer 0, x_j."""
        if layer == 0:
            return Mark(Scripted(Symbol("x", "x"), str(j)), f"a^0_{{{j}}}")
        return self.node("a", layer, j)

    def y(self, j: int) -> Mark:
        """y_j."""
        return Mark(Scripted(Symbol("y", "y"), str(j)), f"y_{{{j}}}")

    def node(self, letter: str, layer: int, j: int) -> Mark:
        """A letter with the indices of node j of layer l."""
        symbol = _DELTA if letter == "delta" else Symbol(letter, letter)
        return Mark(Scripted(symbol, str(j), str(layer)), f"{letter}^{layer}_{{{j}}}")

    def any_node(self, letter: str, layer: int, index: str) -> Box:
        """A letter with an index letter, for a sum over the nodes of layer l."""
        if letter == "a" and layer == 0:
            return Scripted(Symbol("x", "x"), index)
        return Scripted(Symbol(letter, letter), index, str(layer))

    def C(self, sample: int | None = None) -> Mark:
        """C_i of a sample, or C of all samples."""
        return plain("C") if sample is None else plain("C", below=str(sample))
