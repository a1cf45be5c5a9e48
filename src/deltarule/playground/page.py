"""The page as one HTML text."""

from __future__ import annotations

import importlib.resources
import json

__all__ = ["playground_html"]

STYLES = ("playground.css",)
SCRIPTS = ("wire.js", "surface.js", "losses.js", "controls.js", "playground.js")


def _asset(name: str) -> str:
    path = importlib.resources.files("deltarule.playground") / "assets" / name
    return path.read_text(encoding="utf-8")


def playground_html(boot: str, nonce: str) -> str:
    """The page."""
    config = json.dumps({"boot": boot}).replace("<", "\\u003c")
    scripts = "\n".join(map(_asset, SCRIPTS))
    text = _asset("playground.html")
    for mark, part in {
        "/*CSS*/": "\n".join(map(_asset, STYLES)),
        "<!--SCRIPTS-->": f'<script type="application/json" id="config">{config}</script>\n'
        f'<script nonce="{nonce}">\n{scripts}</script>',
    }.items():
        text = text.replace(mark, part)
    return text
