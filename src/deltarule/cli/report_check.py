"""Whether the report beside a model is what the model and the table of its training give."""

from __future__ import annotations

import ast
import html
import os
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from deltarule._version import __version__
from deltarule.cli import output
from deltarule.cli.report_page import PAGE
from deltarule.errors import DeltaruleError, Parameter, printable
from deltarule.files.seals import read_extra
from deltarule.tabular import TableModel
from deltarule.training.inspection import model_fingerprint
from deltarule.training.model import KIND

__all__ = ["ReportCheck", "check_report", "page_differences"]

# A report of a table with many columns has a megabyte; a larger file is no report.
_MOST_BYTES = 1 << 26
_MOST_SHOWN, _WIDTH = 3, 60
# The report names the folder as it was called when it was written.
_FOLDER = re.compile(r"<code>deltarule inspect ([^<]{0,8000}?) ?--strict</code>")
_VERSION = re.compile(r"Written by deltarule (\d[0-9A-Za-z.+]{0,40})\. ")
# What differs, in the order in which it is named.
_WORDS, _TAG, _CODE = range(3)
# A parameter in a note, as Python writes it, perhaps with its value.
_PARAMETER = re.compile(r"\b([a-z][a-z0-9_]*)(?:=('[^']*'|\([^)]*\)|[^\s,;()]*[^\s,;.()]))?")
_TOKEN = re.compile(r"<[^>]*>|[^<]+|<")


class ReportCheck(NamedTuple):
    """What the comparison of the report beside a model with a new one found.

    Attributes
    ----------
    equal : bool or None
        Whether they are equal in all words, tags, styles and scripts; None if they cannot be
        compared. A saved note has no options: whether it writes a parameter as one is no matter.
    text : str
        It in words.
    """

    equal: bool | None
    text: str


def check_report(model: TableModel, table: Any, folder: Path) -> ReportCheck | None:
    """Write the report of a model's training again, in memory, and compare all that it holds.

    A report is a function of the model and the table. So one whose model is true cannot be forged,
    whatever was done with its checksum. Scores, intervals and baselines that the model's files hold
    are taken from these: that they are true is for the fingerprint to say, or a second training.

    Parameters
    ----------
    model : TableModel
    table : Table
        Of its training.
    folder : Path
        Of the model's files.

    Returns
    -------
    ReportCheck or None
        None if there is no report.
    """
    from deltarule.cli.app import parameters_of
    from deltarule.explain.report import report_html

    if not _lies_beside(folder):
        return None
    content = read_extra(folder, KIND, PAGE, _MOST_BYTES)
    if content is None:
        return ReportCheck(None, f"{PAGE} could not be compared: it is no plain file of a report")
    scores = model.report["scores"]
    if "out_of_fold" in scores and "test" not in scores:
        return ReportCheck(
            None,
            f"{PAGE} could not be compared: without test rows it is of predictions of the folds, "
            "which are not saved with a model",
        )
    started = time.perf_counter()
    page = content.decode("utf-8", "replace")
    named = _FOLDER.search(page)
    try:
        with output.options_of(parameters_of("fit")):  # as it was written
            expected = report_html(
                model,
                table,
                folder=str(folder) if named is None else html.unescape(named[1]),
                spell=output.spelled,
                fingerprint=model_fingerprint(folder),
                beside=True,
            )
            found = page_differences(page, expected)
    except DeltaruleError as error:
        return ReportCheck(None, f"{PAGE} could not be compared: no report can be made: {error}")
    seconds = time.perf_counter() - started
    took = f" (compared in {seconds:.1f} s)" if seconds > 1 else ""
    if content == expected.encode("utf-8") or not found:
        return ReportCheck(
            True,
            f"{PAGE} is, word for word, what the model's files and this table give, whatever "
            f"folder it names{took}",
        )
    said = f"{PAGE} differs from what the model's files and this table give: {found}{took}"
    version = _VERSION.search(page)
    if version is not None and version[1] != __version__:
        said += f"; it says that deltarule {version[1]} wrote it, and this is {__version__}"
    return ReportCheck(False, said)


def _lies_beside(folder: Path) -> bool:
    if folder.is_dir():
        return os.path.lexists(folder / PAGE)
    return read_extra(folder, KIND, PAGE, _MOST_BYTES) is not None


def page_differences(page: str, expected: str) -> str:
    """Return where a page has something else than was expected: the first of its words, or tags.

    It is "" where the two are equal, except that the page may write parameters of a note as options
    of the running command.

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
    pairs = [each for each in pairs if each[0] != _WORDS or not _is_respelled(*each[1:])]
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


def _is_respelled(here: str, there: str) -> bool:
    """Return whether a text is another one with parameters written as options."""
    wanted, end = "", 0
    there = html.unescape(there)
    for match in _PARAMETER.finditer(there):
        try:
            value = () if match[2] is None else (ast.literal_eval(match[2]),)
        except (ValueError, SyntaxError):
            continue
        option = output.spell(Parameter(match[1], *value))
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
