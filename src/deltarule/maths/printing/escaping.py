"""Escaping of arbitrary text, such as column names, for LaTeX."""

from __future__ import annotations

import unicodedata

__all__ = ["escaped"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    "ß": r"{\ss}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "\u2212": r"\ensuremath{-}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2026": r"\ldots{}",
    "\u00a0": "~",
    "\u00b0": r"\ensuremath{^\circ}",
    "\u00b7": r"\ensuremath{\cdot}",
    "\u00d7": r"\ensuremath{\times}",
    "\u00b2": r"\ensuremath{^2}",
    "\u00b3": r"\ensuremath{^3}",
    "\u221e": r"\ensuremath{\infty}",
    "\u2032": "'",
}
_GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma
    sigma tau upsilon phi chi psi omega
"""
_GREEK = {
    chr(0x3B1 + place): "o" if name == "o" else rf"\ensuremath{{\{name}}}"
    for place, name in enumerate(_GREEK_NAMES.split())
}
# Combining characters of Unicode as accents of LaTeX.
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def escaped(text: str) -> str:
    r"""The LaTeX source that prints ``text``, outside of formulas.

    Characters without a glyph in plain pdflatex become their code points in brackets.

    Examples
    --------
    >>> escaped("50% of R&D_costs")
    '50\\% of R\\&D\\_costs'
    >>> print(escaped("Müller, 東"))
    M\"{u}ller, [U+6771]
    """
    return "".join(map(_escape_character, unicodedata.normalize("NFC", text)))


def _escape_character(sign: str) -> str:
    if sign in _SPECIAL or sign in _GREEK:
        return _SPECIAL.get(sign) or _GREEK[sign]
    if sign.isspace():
        return " "
    if " " <= sign <= "~":
        return sign
    base, *marks = list(unicodedata.normalize("NFD", sign))
    if len(marks) == 1 and marks[0] in _ACCENTS and "A" <= base <= "z":
        dotless = {"i": r"\i", "j": r"\j"}.get(base, base)
        accent = _ACCENTS[marks[0]]
        return rf"\{accent}{{{dotless if accent != 'c' else base}}}"
    return f"[U+{ord(sign):04X}]"
