"""Text of a table as C: identifiers that are safe and unique, comments, and literals of numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any

import numpy as np

from deltarule.errors import InputError

__all__ = ["Names", "check_prefix", "comment", "identifier", "literals", "shared_type"]

# Words of C and C++ (a header may be read by either), and words that compilers or the headers of a
# test program define as macros in lower case.
_WORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
    concept const constexpr const_cast continue decltype default delete do double dynamic_cast
    else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public
    register reinterpret_cast requires restrict return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef typeid typename
    union unsigned using virtual void volatile wchar_t while xor xor_eq arm errno far huge i386
    interrupt linux mips near sparc stderr stdin stdout unix vax
    """.split()  # noqa: SIM905  (a list of words reads better)
)
_LONGEST = 40
# Letters of which no decomposition has the Latin ones.
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "œ": "oe", "ı": "i", "đ": "d"})


def identifier(text: str) -> str:
    """Return a text as lower-case letters, digits and underscores; empty if nothing is left.

    Examples
    --------
    >>> identifier("Größe (m²)"), identifier("2nd floor"), identifier("class"), identifier("東京")
    ('grosse_m2', 'x2nd_floor', 'class_', '')
    """
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    found = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:_LONGEST].strip("_")
    if found[:1].isdigit():
        found = f"x{found}"
    return f"{found}_" if found in _WORDS else found


class Names:
    """Identifiers of one scope, each given once.

    Examples
    --------
    >>> names = Names(["n"])
    >>> [names.new(each, "column") for each in ("N", "a b", "A-B", "")]
    ['n_2', 'a_b', 'a_b_2', 'column']
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)

    def new(self, text: str, otherwise: str) -> str:
        """Return an unused identifier for a text; of ``otherwise`` if the text gives none."""
        base = identifier(text) or otherwise
        found, number = base, 1
        while found in self._taken:
            number += 1
            found = f"{base}_{number}"
        self._taken.add(found)
        return found


def check_prefix(name: Any) -> str:
    """Return the prefix of all names of a program; refuse what is no identifier of C.

    Raises
    ------
    InputError
        If it is not.
    """
    fits = isinstance(name, str) and re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]{0,39}", name)
    if fits and not name.lower().startswith(("dr_", "act_")):
        return str(name)
    raise InputError(
        parameter="name",
        given=name,
        expected="a letter, then at most 39 letters, digits and underscores, and none of the "
        "beginnings dr_ and act_, which names inside the program have",
    )


def comment(text: str, most: int = 120) -> str:
    r"""Return a text that may stand in a comment of C and in a string of C, in quotes.

    Nothing in it ends the comment or the line, begins another comment, is a trigraph, or changes
    the order in which the others are shown.

    Examples
    --------
    >>> print(comment("größe */ #error"), comment("a\\\n/*"), comment("??/"))
    'größe *\u002f #error' 'a\u005c\u000a/\u002a' '?\u003f/'
    """
    shown = text if len(text) <= most else text[: most - 1] + "…"
    found, before = "", ""
    for each in shown:
        ends = (before, each) in {("*", "/"), ("/", "*"), ("?", "?")} or each in "\\\"'"
        plain = (" " <= each <= "~" and not ends) or (ord(each) > 0x7F and each.isalnum())
        plain = plain or each == "…"
        code = f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}"
        found, before = found + (each if plain else code), each
    return f"'{found}'"


def shared_type(values: np.ndarray) -> str:
    """Return the type of a table of numbers: ``"float"`` where that holds all of them exactly."""
    with np.errstate(over="ignore", under="ignore"):
        return "float" if bool((values.astype(np.float32) == values).all()) else "double"


def literals(values: np.ndarray, real: str) -> list[str]:
    """Return numbers as literals of a type, which read back exactly.

    Examples
    --------
    >>> literals(np.array([0.1, -2.0, 1e-9]), "float"), literals(np.array([0.1]), "double")
    (['0.1f', '-2.0f', '1e-09f'], ['0.1'])
    """
    if real == "double":
        return [_special(repr(x)) for x in np.asarray(values, dtype=np.float64).ravel().tolist()]
    # A literal in float is rounded once, from the shortest text that tells it from its neighbours.
    texts = np.asarray(values, dtype=np.float32).ravel().astype(str).tolist()
    return [_special(text, "f") for text in texts]


def _special(text: str, suffix: str = "") -> str:
    infinity = "INFINITY" if suffix else "HUGE_VAL"
    special = {"nan": "NAN" if suffix else "(double)NAN", "inf": infinity, "-inf": f"-{infinity}"}
    return special.get(text, f"{text}{suffix}")
