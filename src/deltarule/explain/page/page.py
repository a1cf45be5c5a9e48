"""The page as one HTML text: template, styles, scripts, formulas and payload in one file."""

from __future__ import annotations

import html
import importlib.resources
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import InputError
from deltarule.explain.page.formulas import formulas_script
from deltarule.explain.page.payload import payload_of
from deltarule.explain.subject import Subject
from deltarule.files import write_bytes
from deltarule.maths import Network

__all__ = ["asset", "page_html", "script_text", "style_text", "write_page"]

STYLES = ("page.css", "drawing.css", "parts.css", "math.css", "panel.css", "lens.css")
# In this order: a script uses what stands before it. The formulas follow the driver.
SCRIPTS = (
    "data.js", "numbers.js", "dom.js", "driver.js", "store.js", "mathml.js", "expressions.js",
    "panel.js", "check.js", "plan.js", "paint.js", "drawing.js", "heat.js", "sweep.js", "curve.js",
    "whatif.js", "lens.js",
)  # fmt: skip
LAST = "main.js"


def asset(name: str) -> str:
    """The text of an asset; empty if there is none of that name."""
    path = importlib.resources.files("deltarule.explain.page") / "assets" / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def style_text() -> str:
    """All styles, the font among them."""
    return "\n".join(filter(None, map(asset, STYLES)))


def script_text(net: Network | None = None) -> str:
    """All scripts but the one that starts the page, with the formulas of ``net`` if given."""
    formulas = [] if net is None else [formulas_script(net)]
    return "\n".join([*filter(None, map(asset, SCRIPTS)), *formulas])


def page_html(payload: Mapping[str, Any], net: Network) -> str:
    """The page of a payload.

    Parameters
    ----------
    payload : mapping
        What :func:`~deltarule.explain.page.payload_of` gives.
    net : Network
        Whose formulas the page computes with.

    Returns
    -------
    str
        HTML that needs no other file.

    Raises
    ------
    InputError
        If a formula cannot be printed.
    """
    # A "<" in a name must not end the element: JSON may spell it with its number.
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = data.replace("<", "\\u003c")
    parts = {
        "<!--TITLE-->": html.escape(str(payload["title"])),
        "/*CSS*/": style_text(),
        "<!--PAYLOAD-->": f'<script type="application/json" id="payload">{data}</script>',
        "<!--SCRIPTS-->": f"<script>\n{_for_script(script_text(net) + asset(LAST))}</script>",
    }
    # Filled in one go: a marker that a name happens to contain is no marker.
    pieces = re.split(f"({'|'.join(map(re.escape, parts))})", asset("page.html"))
    missing = sorted(set(parts).difference(pieces))
    if missing:
        raise InputError(f"the page's template lacks {', '.join(missing)}; reinstall deltarule")
    return "".join(parts.get(piece, piece) for piece in pieces)


def _for_script(text: str) -> str:
    """A script that nothing in a comment or a text of it can end."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def write_page(
    explained: Any,
    path: str | os.PathLike[str],
    **options: Any,
) -> Path:
    """Write the page of a subject or an explanation.

    Parameters
    ----------
    explained : Subject, or anything with a ``subject``
    path : path
        The file; it is replaced as a whole.
    **options
        ``title``, ``states``, ``history``, ``lens`` and ``start`` of
        :func:`~deltarule.explain.page.payload_of`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If a formula cannot be printed.
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
    ...     page.name, page.stat().st_size < 500_000
    ('page.html', True)
    """
    subject = explained if isinstance(explained, Subject) else explained.subject
    text = page_html(payload_of(subject, **options), subject.net)
    write_bytes(path, text.encode("utf-8"))
    return Path(path)
