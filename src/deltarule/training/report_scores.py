"""Whether the scores that a report shows are those that the model's files hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deltarule.errors import printable

__all__ = ["identity_differences", "score_differences"]

# A score as the report writes it: the number, its name, and how it is shown.
_SCORE = re.compile(
    r'<span data-value="([^"<]{1,40})" data-number="(portfolio|network|linear|constant)'
    r'\.([a-z0-9_]{1,20})"[^>]{0,200}>([^\n]{0,60}?)</span>'
)
_FINGERPRINT = re.compile(r"fingerprint: sha256 <code>([^<]{0,80})</code>")
_CELLS = re.compile(r"its cells’ sha256 <code>([^<]{0,80})…</code>")
_SHOWN = re.compile(r"([−-]?)([\d,]{1,20}(?:\.\d{1,20})?)(?: × 10<sup>([−-]?\d{1,3})</sup>)?( %)?")
_PARTS = ("test", "valid", "out_of_fold", "train")
_NAMES = {"linear": "the linear baseline", "constant": "the constant"}


def score_differences(page: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which scores a report shows otherwise than the model's files hold them, in words.

    The scores of the model and of the baselines are compared, as a reader sees them and as the page
    holds them with all digits, and it is said which of them the report lacks. What else it says is
    not compared.

    Parameters
    ----------
    page : str
        The report as HTML.
    report : mapping
        Of the model: ``scores``, ``baselines`` and ``baselines_on``.

    Examples
    --------
    >>> shown = '<span data-value="0.78" data-number="network.accuracy">88.0 %</span>'
    >>> score_differences(shown, {"scores": {"test": {"accuracy": 0.78}}})
    ('report.html shows the accuracy 88.0 % of the test rows, the model holds 78.0 %',)
    """
    found, there = dict[str, None](), set[tuple[str, str]]()
    for held, of, score, shown in _SCORE.findall(page):
        there.add((of if of in _NAMES else "", score))
        known = list(_known(report, of, score))
        if not known:
            continue
        digits = _number(held)
        if not any(_agree(value, shown, digits) for _, value in known):
            part, value = known[0]
            whose = f" of {_NAMES[of]}" if of in _NAMES else ""
            words = re.sub("<[^>]*>", "", shown)
            seen, holds = words, _written(value, shown)
            if _as_shown(value, shown):  # what differs is the number that the page does not show
                seen += f", with {held} in its data-value,"
                holds += f", exactly {value!r}"
            found[
                f"report.html shows the {score.replace('_', ' ')} {seen}{whose} of the "
                f"{part.replace('_', ' ')} rows, the model holds {holds}"
            ] = None
    if missing := [each for each in _written_there(report) if each not in there]:
        names = ", ".join(
            score.replace("_", " ") + (f" of {_NAMES[of]}" if of else "") for of, score in missing
        )
        found[f"report.html does not show the scores that deltarule writes there ({names})"] = None
    return tuple(found)


def identity_differences(page: str, fingerprint: str, cells: str) -> tuple[str, ...]:
    """Return whether a report names another model, or another table, than the model's files.

    Parameters
    ----------
    page : str
        The report as HTML.
    fingerprint, cells : str
        Of the model's files, and of the cells of its table, "" if that is not known.

    Examples
    --------
    >>> page = "fingerprint: sha256 <code>ab</code>; its cells’ sha256 <code>12…</code>"
    >>> identity_differences(page, "ab", "1234")
    ()
    >>> identity_differences(page, "cd", "1234")
    ('report.html names the fingerprint ab of the model, which has cd',)
    """
    said = []
    for shown in dict.fromkeys(_FINGERPRINT.findall(page)):
        if shown != fingerprint:
            said.append(
                f"report.html names the fingerprint {printable(shown)} of the model, which has "
                f"{fingerprint}"
            )
    for shown in dict.fromkeys(_CELLS.findall(page)):
        if not (shown and cells.startswith(shown)):
            known = f"holds {cells}" if cells else "holds none"
            said.append(
                f"report.html names the sha256 {printable(shown)}… of the cells of the table, the "
                f"model {known}"
            )
    return tuple(said)


def _written_there(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield whose score, "" for the model's, and which score a report shows in any case."""
    scores: Mapping[str, Any] = report.get("scores", {})
    part = next((each for each in _PARTS if each in scores), "")
    of_model = scores.get(part)
    tables = [("", of_model if isinstance(of_model, Mapping) else {})]
    baselines = report.get("baselines")
    if part == "test" == report.get("baselines_on") and isinstance(baselines, Mapping):
        tables += [(of, baselines[of]) for of in _NAMES if isinstance(baselines.get(of), Mapping)]
    for of, table in tables:
        for score, value in table.items():
            if isinstance(value, int | float) and math.isfinite(value):
                yield of, score


def _known(report: Mapping[str, Any], of: str, score: str) -> Iterator[tuple[str, float]]:
    """Yield the part and the value of each score of the model that the report may show.

    It is on the test rows if there are any, and otherwise on those of another part.
    """
    scores: Mapping[str, Any] = report.get("scores", {})
    if of in _NAMES:
        part = str(report.get("baselines_on") or "test")
        tables = [(part, report.get("baselines", {}).get(of, {}))]
    else:
        parts = ("test",) if "test" in scores else _PARTS
        tables = [(part, scores[part]) for part in parts if part in scores]
    for part, table in tables:
        value = table.get(score) if isinstance(table, Mapping) else None
        if isinstance(value, int | float) and math.isfinite(value):
            yield part, float(value)


def _agree(value: float, shown: str, held: float | None) -> bool:
    exact = held is not None and math.isclose(value, held, rel_tol=1e-9, abs_tol=1e-12)
    return exact and _as_shown(value, shown)


def _as_shown(value: float, shown: str) -> bool:
    """Return whether a value, rounded to the digits that are shown, is what is shown."""
    match = _SHOWN.fullmatch(shown)
    if match is None:
        return False
    sign, digits, exponent, per_cent = match.groups()
    unit = 10.0 ** int((exponent or "0").replace("−", "-")) * (0.01 if per_cent else 1.0)
    places = len(digits.partition(".")[2])
    seen = float(digits.replace(",", "")) * (-1 if sign else 1) * unit
    # Half a unit of the last digit; a number above 1000 is shown with three or four digits.
    half = 0.5 * 10.0**-places
    if not places and not per_cent:
        half = max(half, 0.5 * 10.0 ** (len(digits.replace(",", "")) - 3))
    return abs(value - seen) <= half * unit * (1 + 1e-6) + 1e-12


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _written(value: float, shown: str) -> str:
    """Return a value with the digits of what is shown beside it."""
    places = len(shown.removesuffix(" %").partition(".")[2].partition(" ")[0])
    return f"{100 * value:.{places}f} %" if shown.endswith(" %") else f"{value:.6g}"
