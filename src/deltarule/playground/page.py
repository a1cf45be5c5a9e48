"""The HTML text of the playground's page: its own assets and those of the explain page."""

from __future__ import annotations

from collections.abc import Sequence

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
from deltarule.playground.run_diagnosis import plain_words, rate_limits
from deltarule.playground.thumbnails import thumbnails

__all__ = ["assembled_page", "own_asset", "playground_html"]

STYLES = ("playground.css", "screens.css")
# The connection to the server; the static page has another script in its place.
WIRE = "wire.js"
# The static page has it among the scripts that train.
JUMPS = "jumps.js"
# The order matters: a script uses the scripts before it.
SCRIPTS = (
    "canvas.js",
    "points.js",
    "axes.js",
    "surface.js",
    "losses.js",
    "fields.js",
    "choosers.js",
    "settingsplace.js",
    "controls.js",
    "weights.js",
    "lift.js",
    "found.js",
    "ratechart.js",
    "tune.js",
    "overfitting.js",
    "verdict.js",
    "advice.js",
    "address.js",
    "sideways.js",
    "network.js",
)
LAST = "playground.js"

_FOOT = (
    "Served by deltarule on this machine alone. The engine that trains here is the one that "
    "<code>deltarule fit</code> trains with."
)


def own_asset(name: str) -> str:
    """The text of an asset of the playground."""
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
    scripts = "\n".join(
        [script_text(), derived_script(), *map(own_asset, (WIRE, JUMPS, *SCRIPTS, LAST))]
    )
    return assembled_page(boot, [script_element(scripts, nonce)], _FOOT)


def assembled_page(boot: str, scripts: Sequence[str], foot: str) -> str:
    """The page from script elements, and the HTML of its last paragraph.

    Examples
    --------
    >>> "<p>here</p>" in assembled_page("a1", [], "here")
    True
    """
    config = data_element(
        "config",
        {
            "boot": boot,
            "thumbnails": thumbnails(),
            "plain": plain_words(),
            "limits": rate_limits(),
        },
    )
    parts = {
        "/*CSS*/": "\n".join([style_text(), *map(own_asset, STYLES)]),
        "<!--TOOLS-->": asset(TOOLS),
        "<!--FOOT-->": foot,
        "<!--SCRIPTS-->": "\n".join([config, *scripts]),
    }
    return fill_template(own_asset("playground.html"), parts)
