"""Whether the scores that a report shows are those that the model's files hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["score_differences"]

# A score as the report writes it: the number, its name, and how it is shown.
_SCORE = re.compile(
    r'<span data-value="([^"<]{1,40})" data-number="(portfolio|network|linear|constant)'
    r'\.([a-z0-9_]{1,20})"[^>]{0,200}>([^\n]{0,60}?)</span>'
)
_SHOWN = re.compile(r"([−-]?)([\d,]{1,20}(?:\.\d{1,20})?)(?: × 10<sup>([−-]?\d{1,3})</sup>)?( %)?")
_PARTS = ("test", "valid", "out_of_fold", "train")
_NAMES = {"linear": "the linear baseline", "constant": "the constant"}


def score_differences(page: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which scores a report shows otherwise than the model's files hold them, in words.

    Only the scores that the report names are compared, of the model and of the baselines, as a
    reader sees them and as the page holds them with all digits. What else it says is not.

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
    found = dict[str, None]()
    for held, of, score, shown in _SCORE.findall(page):
        known = list(_known(report, of, score))
        if not known:
            continue
        digits = _number(held)
        if not any(_agree(value, shown, digits) for _, value in known):
            part, value = known[0]
            whose = f" of {_NAMES[of]}" if of in _NAMES else ""
            words = re.sub("<[^>]*>", "", shown)
            seen = words if not _as_shown(value, shown) else f"{words} ({held})"
            found[
                f"report.html shows the {score.replace('_', ' ')} {seen}{whose} of the "
                f"{part.replace('_', ' ')} rows, the model holds {_written(value, shown)}"
            ] = None
    return tuple(found)


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
