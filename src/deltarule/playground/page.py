"""The page of the playground as one HTML text: its own assets beside those of the explain page."""

from __future__ import annotations

import html
import importlib.resources
import json
import re

from deltarule.explain.page.page import script_text, style_text

__all__ = ["playground_html"]

STYLES = ("playground.css",)
# In this order: a script uses what stands before it.
SCRIPTS = (
    "wire.js",
    "canvas.js",
    "surface.js",
    "losses.js",
    "controls.js",
    "network.js",
    "playground.js",
)


def _asset(name: str) -> str:
    path = importlib.resources.files("deltarule.playground") / "assets" / name
    return path.read_text(encoding="utf-8")


def playground_html(boot: str, nonce: str) -> str:
    """The page.

    Parameters
    ----------
    boot : str
        Which server this is; a page that outlives it notices.
    nonce : str
        What the policy of the page lets scripts run by.

    Examples
    --------
    >>> text = playground_html("a1", "b2")
    >>> '{"boot": "a1"}' in text, text.count('<script nonce="b2">')
    (True, 1)
    """
    config = json.dumps({"boot": boot}).replace("<", "\\u003c")
    scripts = "\n".join([script_text(), *map(_asset, SCRIPTS)]).replace("</script", "<\\/script")
    parts = {
        "/*CSS*/": "\n".join([style_text(), *map(_asset, STYLES)]),
        "<!--SCRIPTS-->": (
            f'<script type="application/json" id="config">{config}</script>\n'
            f'<script nonce="{html.escape(nonce)}">\n{scripts}</script>'
        ),
    }
    pieces = re.split(f"({'|'.join(map(re.escape, parts))})", _asset("playground.html"))
    return "".join(parts.get(piece, piece) for piece in pieces)
