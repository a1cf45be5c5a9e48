"""Charts as HTML with inline SVG: no script, no font, no picture.

Lines and points are SVG in a box of 1000 × 1000 units that stretches to any size, with strokes that
do not; titles and tick labels are HTML beside it, so that letters keep the page's size.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from deltarule.explain.render.html import words_html
from deltarule.explain.report.markup import text
from deltarule.maths.printing.numbers import plain

__all__ = ["Axis", "axis", "band", "bar", "chart", "dots", "key", "line", "span"]

_SIZE = 1000


@dataclasses.dataclass(frozen=True)
class Axis:
    """The scale of one direction of a chart.

    Attributes
    ----------
    low, high : float
        Its ends; of their logarithms if ``log``.
    title : str
    ticks : tuple of (float, str)
        Values and their labels.
    log : bool
    """

    low: float
    high: float
    title: str
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return the position of a value, between 0 and 1 within the axis.

        Examples
        --------
        >>> axis([0.0, 10.0], "x", room=0.0).at(2.5)
        0.25
        """
        scaled = math.log10(value) if self.log else value
        return (scaled - self.low) / (self.high - self.low)


def axis(
    values: Iterable[float],
    title: str,
    *,
    log: bool = False,
    room: float = 0.04,
    most_ticks: int = 5,
    label: Callable[[float], str] = plain,
) -> Axis:
    """Return an axis over values, with round ticks.

    Parameters
    ----------
    values : iterable of float
        Those that are not finite are left out, as those not above 0 are with ``log``.
    title : str
    log : bool
    room : float
        What is added at each end, as a fraction of the length.
    most_ticks : int
    label : callable
        From a tick's value to its text.

    Examples
    --------
    >>> [text for _, text in axis([0.0, 1.0], "share").ticks]
    ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    scaled = [math.log10(value) if log else value for value in known] or [0.0, 1.0]
    low, high = min(scaled), max(scaled)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        half = 0.1 * abs(low) or 0.5
        low, high = low - half, high + half
    ticks = _log_ticks(low, high, most_ticks) if log else _ticks(low, high, most_ticks)
    width = high - low
    if label is plain:
        label = _distinct(ticks)
    return Axis(
        low - room * width,
        high + room * width,
        title,
        tuple((each, label(float(f"{each:.6g}"))) for each in ticks),
        log,
    )


def _distinct(ticks: list[float]) -> Callable[[float], str]:
    """Return what writes ticks with as few digits as tell them apart; years without a mark.

    Examples
    --------
    >>> list(map(_distinct([2004.0, 2006.0]), [2004.0, 2006.0]))
    ['2004', '2006']
    >>> list(map(_distinct([20010.0, 20020.0]), [20010.0, 20020.0]))
    ['20,010', '20,020']
    """
    if ticks and all(1500 <= each < 2200 and each.is_integer() for each in ticks):
        return lambda value: f"{value:.0f}"
    for digits in range(3, 7):
        if len({plain(each, digits) for each in ticks}) == len(ticks):
            break
    return lambda value: plain(value, digits)


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between powers of ten: 1, 2 and 5 times powers, or powers alone."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**k for k in powers for f in factors]
        found = [each for each in found if low <= math.log10(each) <= high]
        if len(found) <= most + 1:
            break
    return found[:: -(-len(found) // (most + 1)) or 1] or [10**low]


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most about ``most`` + 1 round values from low to high."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9)), rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _x(x: Axis, value: float) -> str:
    return f"{min(max(x.at(value), -1.0), 2.0) * _SIZE:.1f}"


def _y(y: Axis, value: float) -> str:
    return f"{(1 - min(max(y.at(value), -1.0), 2.0)) * _SIZE:.1f}"


def line(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    """Return a line through points, with a gap where one is not finite."""
    d, pen = [], "M"
    for at, value in zip(xs, ys, strict=True):
        if not math.isfinite(value) or (y.log and value <= 0):
            pen = "M"
            continue
        d.append(f"{pen}{_x(x, at)} {_y(y, value)}")
        pen = "L"
    return f'<path class="line {kind}" d="{"".join(d)}"/>'


def dots(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    """Return points: strokes of no length, which stay round whatever the shape of the box."""
    d = "".join(f"M{_x(x, a)} {_y(y, b)}h0" for a, b in zip(xs, ys, strict=True))
    return f'<path class="dots {kind}" d="{d}"/>'


def span(x: Axis, y: Axis, at: float, low: float, high: float, kind: str) -> str:
    """Return a vertical line from low to high."""
    return f'<path class="span {kind}" d="M{_x(x, at)} {_y(y, low)}V{_y(y, high)}"/>'


def band(x: Axis, y: Axis, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> str:
    """Return the area between two lines through points at xs, which reach both sides."""
    at = ["0", *(_x(x, each) for each in xs), str(_SIZE)]
    lower, upper = ([ends[0], *ends, ends[-1]] for ends in (low, high))
    points = [f"{a} {_y(y, b)}" for a, b in zip(at, lower, strict=True)]
    points += [f"{a} {_y(y, b)}" for a, b in zip(at[::-1], upper[::-1], strict=True)]
    return f'<path class="band" d="M{"L".join(points)}Z"/>'


def bar(x: Axis, y: Axis, left: float, right: float, height: float, kind: str = "") -> str:
    """Return a bar from 0 to ``height`` between two values of x."""
    a, b = float(_x(x, left)), float(_x(x, right))
    top, bottom = sorted((float(_y(y, height)), float(_y(y, 0.0))))
    return (
        f'<rect class="column {kind}" x="{a}" width="{b - a:.1f}" y="{top}" '
        f'height="{bottom - top:.1f}"/>'
    )


def chart(x: Axis, y: Axis, marks: Iterable[str], words: str, kind: str = "") -> str:
    """Return a chart as HTML.

    Parameters
    ----------
    x, y : Axis
    marks : iterable of str
        SVG elements.
    words : str
        What it shows, for those who cannot see it.
    kind : str
        A class of the style sheet.
    """
    grid = "".join(f"M0 {_y(y, value)}H{_SIZE}" for value, _ in y.ticks)
    of_y = "".join(
        f'<span style="top:{100 * (1 - y.at(value)):.2f}%">{words_html(label)}</span>'
        for value, label in y.ticks
    )
    # As wide as the longest label.
    longest = max((label for _, label in y.ticks), key=len, default="")
    of_x = "".join(
        f'<span style="left:{100 * x.at(value):.2f}%">{words_html(label)}</span>'
        for value, label in x.ticks
    )
    return (
        f'<div class="chart {kind}" role="img" aria-label="{text(words)}">'
        f'<p class="axis-title">{text(y.title)}</p>'
        f'<div class="axis-y" aria-hidden="true"><i>{words_html(longest)}</i>{of_y}</div>'
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="grid" d="{grid}"/>{"".join(marks)}</svg>'
        f'<div class="axis-x" aria-hidden="true">{of_x}</div>'
        f'<p class="axis-title axis-title-x">{text(x.title)}</p></div>'
    )


def key(entries: Iterable[tuple[str, str]]) -> str:
    """Return what the lines of a chart are: classes of the style sheet and words (HTML)."""
    items = "".join(f'<li><i class="key {kind}"></i>{words}</li>' for kind, words in entries)
    return f'<ul class="keys">{items}</ul>'
