"""Boxes: the typographic structure of a formula, independent of the output format.

:mod:`deltarule.maths.printing.layout` makes them from expressions, :mod:`deltarule.explain` adds
boxes with numbers, and :mod:`deltarule.maths.printing.markup` prints them.
"""

from __future__ import annotations

import dataclasses

__all__ = [
    "Apply",
    "Big",
    "Box",
    "Cases",
    "Fenced",
    "Fraction",
    "Index",
    "Number",
    "Partial",
    "Power",
    "Product",
    "Root",
    "Scripted",
    "Shown",
    "Symbol",
    "Terms",
    "Where",
    "Words",
]


@dataclasses.dataclass(frozen=True)
class Number:
    """A numeral; with an exponent it stands for mantissa · 10^exponent."""

    mantissa: str
    exponent: str = ""


@dataclasses.dataclass(frozen=True)
class Symbol:
    """A name: as LaTeX, as text, and whether it names a function."""

    latex: str
    text: str
    function: bool = False


@dataclasses.dataclass(frozen=True)
class Index:
    """A name with an index, z_j."""

    base: Box
    index: str


@dataclasses.dataclass(frozen=True)
class Terms:
    """Boxes with an operator before each; that of the first is empty unless it is a minus."""

    parts: tuple[tuple[str, Box], ...]


@dataclasses.dataclass(frozen=True)
class Product:
    """Factors side by side."""

    factors: tuple[Box, ...]


@dataclasses.dataclass(frozen=True)
class Fraction:
    """One box over another."""

    top: Box
    bottom: Box


@dataclasses.dataclass(frozen=True)
class Power:
    """A base and its exponent."""

    base: Box
    exponent: Box


@dataclasses.dataclass(frozen=True)
class Root:
    """A square root."""

    inner: Box


@dataclasses.dataclass(frozen=True)
class Fenced:
    """Boxes between parentheses, or one between bars."""

    items: tuple[Box, ...]
    bars: bool = False


@dataclasses.dataclass(frozen=True)
class Apply:
    """A function before its argument."""

    function: Symbol
    argument: Box


@dataclasses.dataclass(frozen=True)
class Big:
    """A sum or maximum over an index."""

    function: Symbol
    index: str
    inner: Box


@dataclasses.dataclass(frozen=True)
class Cases:
    """Rows of a value and the conditions it holds under; none for "otherwise"."""

    rows: tuple[tuple[Box, tuple[Box, ...]], ...]


@dataclasses.dataclass(frozen=True)
class Where:
    """A long expression and the definitions of the letters in it."""

    body: Box
    definitions: tuple[tuple[Box, Box], ...]


@dataclasses.dataclass(frozen=True)
class Scripted:
    """A name with a lower and an upper index, w_{12}^2; an empty index is left out."""

    base: Symbol
    below: str
    above: str = ""


@dataclasses.dataclass(frozen=True)
class Partial:
    """A partial derivative of ``of`` with respect to ``by``."""

    of: Box
    by: Box


@dataclasses.dataclass(frozen=True)
class Shown:
    """A computed number, rounded for display; with an exponent, times a power of ten."""

    mantissa: str
    exponent: str = ""
    negative: bool = False


@dataclasses.dataclass(frozen=True)
class Words:
    """Words between symbols."""

    text: str


Box = (
    Number
    | Symbol
    | Index
    | Terms
    | Product
    | Fraction
    | Power
    | Root
    | Fenced
    | Apply
    | Big
    | Cases
    | Where
    | Scripted
    | Partial
    | Shown
    | Words
)
