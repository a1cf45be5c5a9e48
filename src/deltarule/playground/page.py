"""The HTML text of the playground's page: its own assets and those of the explain page."""

from __future__ import annotations

from deltarule.explain.page.page import (
    TOOLS,
    asset,
    data_element,
    fill_template,
    script_element,
    script_text,
    style_text,
)
from deltarule.playground.derived_script import derived_script
from deltarule.playground.thumbnails import thumbnails

__all__ = ["playground_html"]

STYLES = ("playground.css",)
# The order matters: a script uses the scripts before it.
SCRIPTS = (
    "wire.js",
    "canvas.js",
    "points.js",
    "axes.js",
    "surface.js",
    "losses.js",
    "choosers.js",
    "controls.js",
    "weights.js",
    "address.js",
    "network.js",
    "playground.js",
)


def _asset(name: str) -> str:
    return asset(name, "deltarule.playground")


def playground_html(boot: str, nonce: str) -> str:
    """The page as one HTML text.

    Parameters
    ----------
    boot : str
        The identifier of the server process; a page that was served by another process is outdated.
    nonce : str
        The nonce of the Content-Security-Policy, which lets the page's scripts run.

    Examples
    --------
    >>> text = playground_html("a1", "b2")
    >>> '{"boot":"a1",' in text, text.count('<script nonce="b2">')
    (True, 1)
    """
    scripts = "\n".join([script_text(), derived_script(), *map(_asset, SCRIPTS)])
    config = data_element("config", {"boot": boot, "thumbnails": thumbnails()})
    parts = {
        "/*CSS*/": "\n".join([style_text(), *map(_asset, STYLES)]),
        "<!--TOOLS-->": asset(TOOLS),
        "<!--SCRIPTS-->": f"{config}\n{script_element(scripts, nonce)}",
    }
    return fill_template(_asset("playground.html"), parts)
