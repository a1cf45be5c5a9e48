"""The page as one HTML text: template, styles, scripts, formulas and payload."""

from __future__ import annotations

import base64
import contextlib
import html
import importlib.resources
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import InputError
from deltarule.explain.lens.gradient_lens import GradientLens
from deltarule.explain.lens.gradient_lens import lens as measure_lens
from deltarule.explain.page.formulas import formulas_script
from deltarule.explain.page.payload import PageState, check_size, payload_of
from deltarule.explain.page.tour import example_formulas, example_payload
from deltarule.explain.subject import Subject
from deltarule.files import write_bytes

__all__ = [
    "TOOLS",
    "asset",
    "data_element",
    "fill_template",
    "page_html",
    "script_element",
    "script_text",
    "style_text",
    "write_page",
]

STYLES = (
    "page.css", "drawing.css", "pictures.css", "math.css", "panel.css", "dock.css", "parts.css",
    "lens.css", "print.css",
)  # fmt: skip
# In this order, since a script uses those before it. The formulas follow.
SCRIPTS = (
    "data.js", "numbers.js", "driver.js", "draft.js", "store.js", "dom.js", "mathml.js",
    "expressions.js", "laws.js", "sums.js", "textbook.js", "sections.js", "update.js", "maps.js",
    "planes.js", "planeview.js", "images.js", "panel.js", "dock.js", "goto.js", "check.js",
    "plan.js", "layout.js", "parts.js", "paint.js", "reach.js", "links.js", "pictures.js",
    "flow.js", "drawing.js", "sweep.js", "gallery.js", "heat.js", "plots.js", "rows.js",
    "curve.js", "dials.js", "whatif.js", "attributions.js", "lenscharts.js", "lensattributions.js",
    "lens.js", "shell.js",
)  # fmt: skip
# The answer on a row of a table, the guided tour and the address of what is shown, which only the
# explain page has.
ANSWER_SCRIPTS = ("answer.js", "answerparts.js", "answercard.js")
ANSWER_STYLE = "answer.css"
TOUR_SCRIPTS = (
    "place.js", "tourparts.js", "tourquestion.js", "tourchapters.js", "tourtraining.js", "tour.js",
)  # fmt: skip
TOUR_STYLE = "tour.css"
LAST = "main.js"
# The controls of text size, theme and help, at the top of the explain page and the playground.
TOOLS = "tools.html"
FONT = "dr-math.woff2"
# Comments on lines of their own; a cast before an expression is none.
_COMMENT = re.compile(r"^[ \t]*(?://.*|/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*)\n", re.MULTILINE)
# No message on the progress is shown before this many seconds.
_SILENT_SECONDS = 1.0
# The most rows, over all recorded steps, that the lens of a page measures.
_MOST_MEASURED = 200_000


def asset(name: str, package: str = "deltarule.explain.page") -> str:
    """The text of an asset of a package."""
    path = importlib.resources.files(package) / "assets" / name
    return path.read_text(encoding="utf-8")


def script_asset(name: str, package: str = "deltarule.explain.page") -> str:
    """A script of a package without its comments, which are a quarter of it.

    Examples
    --------
    >>> "/**" in asset("store.js"), "* @param" in script_asset("store.js")
    (True, False)
    """
    return _COMMENT.sub("", asset(name, package))


def style_text(styles: Sequence[str] = STYLES) -> str:
    """All styles, or those of another page, and the font."""
    return "\n".join([_font_face(), *map(asset, styles)])


def _font_face() -> str:
    """The maths font as a style rule; many machines have no font with a MATH table."""
    path = importlib.resources.files("deltarule.explain.page") / "assets" / FONT
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    source = f'url(data:font/woff2;base64,{data}) format("woff2")'
    return f'@font-face {{ font-family: "DR Math"; src: {source}; font-display: block; }}'


def script_text() -> str:
    """All scripts except the formulas and the one that starts the page."""
    return "\n".join(map(script_asset, SCRIPTS))


def page_html(payload: Mapping[str, Any], formulas: str) -> str:
    """The page as HTML that needs no other file.

    ``payload`` is of :func:`~deltarule.explain.page.payload_of`, and ``formulas`` of
    :func:`~deltarule.explain.page.formulas_script`.
    """
    own = [*map(script_asset, (*ANSWER_SCRIPTS, *TOUR_SCRIPTS)), example_formulas()]
    scripts = "\n".join([script_text(), formulas, *own, script_asset(LAST)])
    parts = {
        "<!--TITLE-->": html.escape(str(payload["title"])),
        "/*CSS*/": style_text((*STYLES[:-1], ANSWER_STYLE, TOUR_STYLE, STYLES[-1])),
        "<!--TOOLS-->": asset(TOOLS),
        "<!--PAYLOAD-->": "\n".join(
            [data_element("payload", payload), data_element("example", example_payload())]
        ),
        "<!--SCRIPTS-->": script_element(scripts),
    }
    return fill_template(asset("page.html"), parts)


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    """A template with its markers replaced.

    Raises
    ------
    InputError
        If the template lacks a marker.

    Examples
    --------
    >>> fill_template("<p>(A)</p>(B)", {"(A)": "one (B)", "(B)": "two"})
    '<p>one (B)</p>two'
    """
    # All at once, so that a marker within an inserted text is not replaced.
    pieces = re.split(f"({'|'.join(map(re.escape, parts))})", template)
    missing = sorted(set(parts).difference(pieces))
    if missing:
        raise InputError(f"the page's template lacks {', '.join(missing)}; reinstall deltarule")
    return "".join(parts.get(piece, piece) for piece in pieces)


def data_element(name: str, data: Any) -> str:
    r"""A script element that holds JSON.

    Examples
    --------
    >>> data_element("names", ["</script>"])
    '<script type="application/json" id="names">["\\u003c/script>"]</script>'
    """
    # Written as an escape, a "<" in a name cannot end the element.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def script_element(text: str, nonce: str = "") -> str:
    r"""A script element; no comment or string of the script can end it.

    Examples
    --------
    >>> script_element("// no </script>", nonce="a1")
    '<script nonce="a1">\n// no <\\/script></script>'
    """
    text = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    attribute = f' nonce="{html.escape(nonce)}"' if nonce else ""
    return f"<script{attribute}>\n{text}</script>"


@contextlib.contextmanager
def progress_reporter(progress: Callable[[str], None] | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that takes a message for each part of the work.

    It is ``progress`` if given. Otherwise it writes a line on standard error, which the next
    message replaces and the end removes; where standard error is no terminal it writes nothing.

    Examples
    --------
    >>> with progress_reporter(print) as report:
    ...     report("measuring")
    measuring
    """
    if progress is not None:
        yield progress
        return
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    start, shown = time.monotonic(), False

    def report(text: str) -> None:
        nonlocal shown
        if shown or time.monotonic() - start > _SILENT_SECONDS:
            shown = True
            sys.stderr.write(f"\r\x1b[Kdeltarule: {text} …")
            sys.stderr.flush()

    try:
        yield report
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def write_page(
    explained: Any,
    path: str | os.PathLike[str],
    *,
    lens: GradientLens | str | None = "auto",
    states: Sequence[PageState] = (),
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Path:
    """Write the page of a subject or an explanation.

    Parameters
    ----------
    explained : Subject, or anything with a ``subject``
    path : path
        The file; an existing one is replaced.
    lens : GradientLens, "auto" or None
        The lens that the page shows. ``"auto"`` measures the subject's rows, also at the given
        states; with None the page shows only attributions, which it computes itself.
    states : sequence of PageState
        Moments of training in order.
    progress : callable, optional
        Called with a short message for each part of the work. By default messages go to standard
        error after a second, if it is a terminal.
    **options
        ``title``, ``history``, ``start``, ``image``, ``portfolio``, ``answer`` and ``article`` of
        :func:`~deltarule.explain.page.payload_of`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If a formula cannot be printed, or the network is too large: its parameters take more than
        64 MB.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from deltarule.maths import Network
    >>> net = Network([2, 1], activation=[])
    >>> subject = Subject.of_arrays(net, [1.0, 2.0, 0.5], [[1.0, 1.0]], [[3.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(subject, pathlib.Path(folder, "page.html"))
    ...     page.name, page.stat().st_size < 700_000
    ('page.html', True)
    """
    subject = explained if isinstance(explained, Subject) else explained.subject
    check_size(subject)
    with progress_reporter(progress) as report:
        report("printing the formulas")
        formulas = formulas_script(subject.net, subject.step, subject.objective)
        if isinstance(lens, str):
            if lens != "auto":
                raise InputError(f"lens is {lens!r}; expected a GradientLens, 'auto' or None")
            report(f"measuring every layer, at {len(states) + 1} moments")
            lens = _measured_lens(subject, states)
        if lens is not None:
            report("attributing outputs to inputs")
            lens.attributions  # noqa: B018  (computed here and cached for the payload)
        report("writing the page")
        text = page_html(payload_of(subject, lens=lens, states=states, **options), formulas)
    write_bytes(path, text.encode("utf-8"))
    return Path(path)


def _measured_lens(subject: Subject, states: Sequence[PageState]) -> GradientLens | None:
    """The lens of the subject's rows at all states; None if every weight is 0."""
    if not subject.w.any():
        return None
    most = max(2, min(50, _MOST_MEASURED // len(subject.X)))
    recorded = [(state.step, state.theta) for state in states if state.step is not None]
    return measure_lens(subject, recording=recorded or None, most_steps=most)
