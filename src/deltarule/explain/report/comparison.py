"""Where a report differs from the one that its model and its table give."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable

from deltarule.errors import Parameter, printable

__all__ = ["named_folder", "named_version", "page_differences"]

_MOST_SHOWN, _WIDTH = 3, 60
# The report names the folder as it was called when it was written.
_FOLDER = re.compile(r"<code>deltarule inspect ([^<]{0,8000}?) ?--strict</code>")
_VERSION = re.compile(r"Written by deltarule (\d[0-9A-Za-z.+]{0,40})\. ")
# What differs, in the order in which it is named.
_WORDS, _TAG, _CODE = range(3)
# A parameter in a note, as Python writes it, perhaps with its value.
_PARAMETER = re.compile(r"\b([a-z][a-z0-9_]*)(?:=('[^']*'|\([^)]*\)|[^\s,;()]*[^\s,;.()]))?")
_TOKEN = re.compile(r"<[^>]*>|[^<]+|<")


def named_folder(page: str) -> str:
    """Return the folder that a report names in its commands; "" if there is none."""
    found = _FOLDER.search(page)
    return "" if found is None else html.unescape(found[1])


def named_version(page: str) -> str:
    """Return the version of deltarule that a report says has written it; "" if there is none."""
    found = _VERSION.search(page)
    return "" if found is None else found[1]


def page_differences(page: str, expected: str, spell: Callable[[Parameter], str] = str) -> str:
    """Return where a page has something else than was expected: the first of its words, or tags.

    It is "" where the two are equal, except that the page may write parameters of a note as
    ``spell`` does, where the expected one has them as in Python.

    Examples
    --------
    >>> page_differences("<p>92.5 %</p><p>a</p>", "<p>82.5 %</p><p>a</p>")
    "it has '92.5 %' where '82.5 %' is written"
    >>> page_differences("<style>p {}</style>", "<style>b {}</style>")
    "it has in a style or a script 'p {}' where 'b {}' is written"
    """
    here, there = _TOKEN.findall(page), _TOKEN.findall(expected)
    pairs = [
        (_kind(here, at), a, b)
        for at, (a, b) in enumerate(zip(here, there, strict=False))
        if a != b
    ]
    pairs = [each for each in pairs if each[0] != _WORDS or not _is_respelled(*each[1:], spell)]
    if len(here) != len(there):
        # Behind the first difference the two are not aligned.
        least = min(len(here), len(there))
        pairs = pairs[:1] or [(_TAG, "".join(here[least:]), "".join(there[least:]))]
    if not pairs:
        return ""
    # Words are what a reader sees first; but a style or a script can change what is seen.
    pairs.sort(key=lambda pair: pair[0])
    shown = list(dict.fromkeys(_shown(*pair) for pair in pairs))
    more = f", and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    return f"it has {', '.join(shown[:_MOST_SHOWN])}{more}"


def _is_respelled(here: str, there: str, spell: Callable[[Parameter], str]) -> bool:
    """Return whether a text is another one with parameters spelled so."""
    wanted, end = "", 0
    there = html.unescape(there)
    for match in _PARAMETER.finditer(there):
        try:
            value = () if match[2] is None else (ast.literal_eval(match[2]),)
        except (ValueError, SyntaxError):
            continue
        option = spell(Parameter(match[1], *value))
        wanted += re.escape(there[end : match.start()])
        wanted += f"(?:{re.escape(match[0])}|{re.escape(option)})"
        end = match.end()
    return re.fullmatch(wanted + re.escape(there[end:]), html.unescape(here)) is not None


def _kind(tokens: list[str], at: int) -> int:
    if tokens[at].startswith("<"):
        return _TAG
    return _CODE if at and tokens[at - 1].startswith(("<style", "<script")) else _WORDS


def _shown(kind: int, here: str, there: str) -> str:
    """Return two texts, as they are about the first difference if they are long."""
    equal = (a == b for a, b in zip(here, there, strict=False))
    first = next((at for at, same in enumerate(equal) if not same), min(len(here), len(there)))
    start = max(0, first - _WIDTH // 2) if max(len(here), len(there)) > _WIDTH else 0

    def part(text: str) -> str:
        some = " ".join(text[start : start + _WIDTH].split())
        clipped = "…" * (start > 0) + some + "…" * (start + _WIDTH < len(text))
        return f"'{printable(clipped)}'" if clipped else "nothing"

    where = "in a style or a script " if kind == _CODE else ""
    return f"{where}{part(here)} where {part(there)} is written"
