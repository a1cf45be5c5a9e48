"""Printing of boxes as LaTeX, presentation MathML and plain text."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

from deltarule.maths.printing import boxes
from deltarule.maths.printing.boxes import Box
from deltarule.maths.printing.escaping import escaped
from deltarule.maths.printing.layout import layout

if TYPE_CHECKING:
    from deltarule.maths.printing.formulas import SymbolicFormula

__all__ = ["box_latex", "box_mathml", "box_text", "latex", "mathml", "text"]

_LATEX_SIGNS = {"<=": r"\le", ">=": r"\ge", "==": "=", "!=": r"\ne"}
_LATEX_SIGNS |= {"·": r"\cdot", "←": r"\leftarrow", "→": r"\to", "and": r"\text{ and }"}
_LATEX_SPECIAL = {"∞": r"\infty", "not a number": r"\text{not a number}"}
_TEXT_SIGNS = {"==": "=", "<=": "≤", ">=": "≥", "!=": "≠"}
_MATHML_SIGNS = {**_TEXT_SIGNS, "-": "−"}
_LOWER = dict(zip("0123456789,ijklmn", "₀₁₂₃₄₅₆₇₈₉,ᵢⱼₖₗₘₙ", strict=True))
_UPPER = dict(zip("0123456789lL+−", "⁰¹²³⁴⁵⁶⁷⁸⁹ˡᴸ⁺⁻", strict=True))
# Hyphens and asterisks in words are private-use characters until the text is complete, so that
# they are not replaced as minus and multiplication signs.
_HIDE = str.maketrans("-*", "\ue000\ue001")
_RESTORE = str.maketrans("\ue000\ue001", "-*")


def latex(formula: SymbolicFormula, result: str | None = None) -> str:
    """A formula's result (the first if None) as LaTeX, for math mode."""
    return box_latex(layout(formula.result(result)))


def text(formula: SymbolicFormula, result: str | None = None) -> str:
    """A formula's result as one line of plain text."""
    return _text(layout(formula.result(result)))


def mathml(formula: SymbolicFormula, result: str | None = None, *, display: str = "block") -> str:
    """A formula's result as a MathML ``math`` element, with its plain text as ``alttext``."""
    return box_mathml(layout(formula.result(result)), display=display)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def box_text(box: Box) -> str:
    """A box as one line of plain text, with the minus sign of mathematics."""
    return _text(box).replace("-", "−").replace(" * ", " · ").translate(_RESTORE)


def box_mathml(box: Box, *, display: str = "inline") -> str:
    """A box as a MathML ``math`` element, with its plain text as ``alttext``."""
    alternative = _text(box).translate(_RESTORE)
    from xml.sax.saxutils import quoteattr  # which imports a client of HTTP

    attributes = f"display={quoteattr(display)} alttext={quoteattr(alternative)}"
    namespace = "http://www.w3.org/1998/Math/MathML"
    return f'<math xmlns="{namespace}" {attributes}>{_mathml(box)}</math>'


def _product_form(box: boxes.Number) -> Box:
    """A number with an exponent as the product of its mantissa and a power of ten."""
    power = boxes.Power(boxes.Number("10"), boxes.Number(box.exponent))
    if box.mantissa == "1":
        return power
    return boxes.Product((boxes.Number(box.mantissa), power))


def _starts_with_digit(box: Box) -> bool:
    if isinstance(box, boxes.Power):
        return _starts_with_digit(box.base)
    return isinstance(box, boxes.Number | boxes.Shown)


def _product(box: boxes.Product, print_box: Callable[[Box], str], dot: str, gap: str) -> str:
    """Factors side by side, with a dot before a factor that begins with a digit."""
    out = print_box(box.factors[0])
    for factor in box.factors[1:]:
        out += (dot if _starts_with_digit(factor) else gap) + print_box(factor)
    return out


def box_latex(box: Box) -> str:
    """A box as LaTeX, for math mode."""
    match box:
        case boxes.Number(mantissa, exponent):
            return box_latex(_product_form(box)) if exponent else mantissa
        case boxes.Symbol(name):
            return name
        case boxes.Index(base, index):
            return (
                f"{box_latex(base)}_{{{index}}}" if len(index) > 1 else f"{box_latex(base)}_{index}"
            )
        case boxes.Terms(parts):
            (sign, first), *rest = parts
            out = sign + box_latex(first)
            return out + "".join(f" {_LATEX_SIGNS.get(s, s)} {box_latex(part)}" for s, part in rest)
        case boxes.Product():
            return _product(box, box_latex, r" \cdot ", " ")
        case boxes.Fraction(top, bottom):
            return rf"\frac{{{box_latex(top)}}}{{{box_latex(bottom)}}}"
        case boxes.Power(base, exponent_box):
            return f"{box_latex(base)}^{{{box_latex(exponent_box)}}}"
        case boxes.Root(inner):
            return rf"\sqrt{{{box_latex(inner)}}}"
        case boxes.Fenced(items, bars):
            inside = ", ".join(map(box_latex, items))
            return rf"\left|{inside}\right|" if bars else rf"\left({inside}\right)"
        case boxes.Apply(function, argument):
            gap = "" if isinstance(argument, boxes.Fenced) and not argument.bars else " "
            return f"{box_latex(function)}{gap}{box_latex(argument)}"
        case boxes.Big(function, index, inner):
            return f"{box_latex(function)}_{index} {box_latex(inner)}"
        case boxes.Cases(rows):
            lines = []
            for value, conditions in rows:
                when = r" \text{ and } ".join(map(box_latex, conditions))
                when = rf"\text{{if }} {when}" if when else r"\text{otherwise}"
                lines.append(f"{box_latex(value)} & {when}")
            return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"
        case boxes.Scripted(base, below, above):
            low = f"_{{{below}}}" if below else ""
            return box_latex(base) + low + (f"^{{{above}}}" if above else "")
        case boxes.Partial(of, by):
            return rf"\frac{{\partial {box_latex(of)}}}{{\partial {box_latex(by)}}}"
        case boxes.Shown(mantissa, exponent, negative):
            sign = "-" if negative else ""
            if exponent and mantissa == "1":
                return f"{sign}10^{{{exponent}}}"
            power = rf" \times 10^{{{exponent}}}" if exponent else ""
            return sign + _LATEX_SPECIAL.get(mantissa, mantissa) + power
        case boxes.Words(words):
            return rf"\text{{{escaped(words)}}}"
        case boxes.Where(body, definitions):
            given = [f"{box_latex(name)} = {box_latex(value)}" for name, value in definitions]
            lines = [box_latex(body), rf"\text{{where }} {given[0]}", *given[1:]]
            return r"\begin{aligned} & " + r" \\ & ".join(lines) + r" \end{aligned}"


def _text(box: Box) -> str:
    match box:
        case boxes.Number(mantissa, exponent):
            return f"{mantissa}e{exponent}" if exponent else mantissa
        case boxes.Symbol(_, name):
            return name
        case boxes.Index(base, index):
            return f"{_text(base)}_{index}"
        case boxes.Terms(parts):
            (sign, first), *rest = parts
            out = sign + _text(first)
            return out + "".join(f" {_TEXT_SIGNS.get(s, s)} {_text(part)}" for s, part in rest)
        case boxes.Product():
            return _product(box, _text_factor, " * ", " ")
        case boxes.Fraction(top, bottom):
            return f"{_operand_text(top, powers=True)}/{_operand_text(bottom, powers=True)}"
        case boxes.Power(base, exponent_box):
            return f"{_text(base)}^{_operand_text(exponent_box)}"
        case boxes.Root(inner):
            return f"√({_text(inner)})"
        case boxes.Fenced(items, bars):
            inside = ", ".join(map(_text, items))
            return f"|{inside}|" if bars else f"({inside})"
        case boxes.Apply(function, argument):
            gap = "" if isinstance(argument, boxes.Fenced) and not argument.bars else " "
            return f"{_text(function)}{gap}{_text(argument)}"
        case boxes.Big(function, index, inner):
            return f"{_text(function)}_{index} {_text(inner)}"
        case boxes.Cases(rows):
            return "; ".join(
                f"{_text(value)} if {' and '.join(map(_text, conditions))}"
                if conditions
                else f"{_text(value)} otherwise"
                for value, conditions in rows
            )
        case boxes.Scripted(base, below, above):
            return _text(base) + _lower(below) + _upper(above)
        case boxes.Partial(of, by):
            return f"∂{_text(of)}/∂{_text(by)}"
        case boxes.Shown(mantissa, exponent, negative):
            sign = "−" if negative else ""
            if exponent and mantissa == "1":
                return f"{sign}10^{exponent}"
            return sign + mantissa + (f" × 10^{exponent}" if exponent else "")
        case boxes.Words(words):
            return words.translate(_HIDE)
        case boxes.Where(body, definitions):
            given = [f"{_text(name)} = {_text(value)}" for name, value in definitions]
            return f"{_text(body)}; where {', and '.join(given)}"


def _lower(script: str) -> str:
    """A lower index in plain text: ₁₂, and _{…} where a character has no such form."""
    if all(letter in _LOWER for letter in script):
        return "".join(_LOWER[letter] for letter in script)
    return f"_{script}" if script.isalnum() else f"_{{{script}}}"


def _upper(script: str) -> str:
    """An upper index in plain text, the layer: ⁽²⁾, which cannot be read as an exponent."""
    if all(letter in _UPPER for letter in script):
        return f"⁽{''.join(_UPPER[letter] for letter in script)}⁾" if script else ""
    return f"^({script})"


def _operand_text(box: Box, *, powers: bool = False) -> str:
    """The text of a box as an operand of / or ^, in parentheses if necessary."""
    simple = isinstance(box, boxes.Number | boxes.Symbol | boxes.Index | boxes.Fenced)
    simple |= powers and isinstance(box, boxes.Scripted)
    simple |= isinstance(box, boxes.Words) and box.text.isidentifier()
    simple |= isinstance(box, boxes.Shown) and not box.negative and not box.exponent
    return _text(box) if simple or (powers and isinstance(box, boxes.Power)) else f"({_text(box)})"


def _text_factor(box: Box) -> str:
    return f"({_text(box)})" if isinstance(box, boxes.Fraction) else _text(box)


def _row(*items: str) -> str:
    return f"<mrow>{''.join(items)}</mrow>"


def _scripts(base: str, below: str, above: str) -> str:
    def script(given: str) -> str:
        tag = "mn" if given.replace(",", "").isdigit() else "mi"
        return f"<{tag}>{_escape(given)}</{tag}>"

    if below and above:
        return f"<msubsup>{base}{script(below)}{script(above)}</msubsup>"
    if below or above:
        tag = "msub" if below else "msup"
        return f"<{tag}>{base}{script(below or above)}</{tag}>"
    return base


def _sign(sign: str) -> str:
    return f"<mo>{_escape(_MATHML_SIGNS.get(sign, sign))}</mo>" if sign else ""


def _mathml(box: Box) -> str:
    match box:
        case boxes.Number(mantissa, exponent):
            if exponent:
                return _mathml(_product_form(box))
            return f"<mn>{_escape(mantissa).replace('-', '−')}</mn>"
        case boxes.Symbol(_, name):
            return f"<mi>{_escape(name)}</mi>"
        case boxes.Index(base, index):
            tag = "mn" if index.isdigit() else "mi"
            return f"<msub>{_mathml(base)}<{tag}>{_escape(index)}</{tag}></msub>"
        case boxes.Terms(parts):
            return _row(*(_sign(sign) + _mathml(part) for sign, part in parts))
        case boxes.Product():
            # The invisible operator is U+2062, "times".
            return _row(_product(box, _mathml, "<mo>⋅</mo>", "<mo>&#x2062;</mo>"))
        case boxes.Fraction(top, bottom):
            return f"<mfrac>{_mathml(top)}{_mathml(bottom)}</mfrac>"
        case boxes.Power(base, exponent_box):
            return f"<msup>{_mathml(base)}{_mathml(exponent_box)}</msup>"
        case boxes.Root(inner):
            return f"<msqrt>{_mathml(inner)}</msqrt>"
        case boxes.Fenced(items, bars):
            left, right = ("|", "|") if bars else ("(", ")")
            inside = "<mo>,</mo>".join(map(_mathml, items))
            # Brackets grow around what is tall only, so that an exponent stands by its base.
            tall = any(f"<{tag}" in inside for tag in ("mfrac", "munder", "mtable", "msqrt"))
            fence = '<mo fence="true">' if tall else '<mo fence="true" stretchy="false">'
            return _row(f"{fence}{left}</mo>", inside, f"{fence}{right}</mo>")
        case boxes.Apply(function, argument):
            # U+2061 is "function application".
            gap = "" if isinstance(argument, boxes.Fenced) else '<mspace width="0.17em"/>'
            return _row(_mathml(function), "<mo>&#x2061;</mo>", gap + _mathml(argument))
        case boxes.Big(function, index, inner):
            # The summation sign U+2211, which is printed large, and not the Greek letter.
            name = "∑" if function.latex == r"\sum" else _escape(function.text)
            under = f"<munder><mo>{name}</mo><mi>{_escape(index)}</mi></munder>"
            return _row(under, _mathml(inner))
        case boxes.Cases(rows):
            table = "".join(
                f"<mtr><mtd>{_mathml(value)}</mtd><mtd>{_when(conditions)}</mtd></mtr>"
                for value, conditions in rows
            )
            table = f'<mtable columnalign="left left">{table}</mtable>'
            return _row('<mo fence="true" stretchy="true">{</mo>', table)
        case boxes.Scripted(base, below, above):
            return _scripts(_mathml(base), below, above)
        case boxes.Partial(of, by):
            halves = (_row("<mo>∂</mo>", _mathml(half)) for half in (of, by))
            return f"<mfrac>{''.join(halves)}</mfrac>"
        case boxes.Shown(mantissa, exponent, negative):
            numeral = f"<mn>{'−' if negative else ''}{_escape(mantissa)}</mn>"
            if not exponent:
                return numeral
            power = f"<msup><mn>10</mn><mn>{exponent.replace('-', '−')}</mn></msup>"
            if mantissa == "1":
                return _row("<mo>−</mo>", power) if negative else power
            return _row(numeral, "<mo>×</mo>", power)
        case boxes.Words(words):
            return f"<mtext>{_escape(words)}</mtext>"
        case boxes.Where(body, definitions):
            given = [_row(_mathml(n), "<mo>=</mo>", _mathml(v)) for n, v in definitions]
            lines = [_mathml(body), _row("<mtext>where&#xa0;</mtext>", given[0]), *given[1:]]
            table = "".join(f"<mtr><mtd>{line}</mtd></mtr>" for line in lines)
            return f'<mtable columnalign="left" displaystyle="true">{table}</mtable>'


def _when(conditions: tuple[Box, ...]) -> str:
    if not conditions:
        return "<mtext>otherwise</mtext>"
    # No-break spaces, since MathML drops other spaces at the ends of a text.
    return _row(
        "<mtext>if&#xa0;</mtext>", "<mtext>&#xa0;and&#xa0;</mtext>".join(map(_mathml, conditions))
    )
