"""The playground as one static file, which trains in the browser without a server."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.explain.laws import laws_for_page
from deltarule.explain.page.formula_library import formula_library
from deltarule.explain.page.images import image_of
from deltarule.explain.page.page import SCRIPTS as PAGE_SCRIPTS
from deltarule.explain.page.page import asset, script_element
from deltarule.explain.subject import Names, Subject
from deltarule.files import write_bytes
from deltarule.maths import Network
from deltarule.optimizers import RULES
from deltarule.playground.data import BUILTIN, BUMP_WIDTH, BUMPS, Data, builtin_data, digit_images
from deltarule.playground.derived_script import derived_script
from deltarule.playground.page import JUMPS, LAST, SCRIPTS, assembled_page, own_asset
from deltarule.playground.run_diagnosis import limits
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_view import describe_run
from deltarule.playground.settings import legal_losses, starting_with
from deltarule.tables.derived_features import DERIVED

__all__ = ["engine_script", "static_playground_html", "write_static_playground"]

# What the trainer needs: it runs in the page and again in a worker.
DRIVER = ("data.js", "driver.js", "draft.js")
ENGINE = (
    "random.js",
    "datasets.js",
    "csv.js",
    "table.js",
    "plane.js",
    "rules.js",
    "run.js",
    "moment.js",
    "checks.js",
    JUMPS,
    "diagnosis.js",
    "undo.js",
    "trainer.js",
)
# In place of the connection to a server.
WIRE = ("own.js", "local.js")

_FOOT = (
    "Made by deltarule. This file trains by itself, in float64: with the same settings as the "
    "playground that <code>deltarule playground</code> serves it has the same data, initial "
    "weights and order of rows, and its numbers differ from that one\u2019s float32 by rounding."
)


def static_playground_html() -> str:
    """The static playground as one HTML text.

    It needs no other file, no network and no server: formulas and update rules are printed from
    those of the library, data are generated or read from a CSV file in the browser.

    Examples
    --------
    >>> text = static_playground_html()
    >>> "WebSocket" in text, text.count("</script>")
    (False, 3)
    """
    page = [asset(name) for name in PAGE_SCRIPTS if name not in DRIVER]
    main = "\n".join([*page, *map(own_asset, (*WIRE, *SCRIPTS, LAST))])
    engine = script_element(engine_script()).replace("<script>", '<script id="engine">', 1)
    return assembled_page("static", [engine, script_element(main)], _FOOT)


def write_static_playground(path: str | os.PathLike[str]) -> Path:
    """Write the static playground; an existing file is replaced.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path

    Raises
    ------
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_static_playground(pathlib.Path(folder, "playground.html"))
    ...     page.name, page.stat().st_size < 2_000_000
    ('playground.html', True)
    """
    write_bytes(path, static_playground_html().encode("utf-8"))
    return Path(path)


def engine_script() -> str:
    """The driver, the formulas and the trainer of the static page as one script.

    Examples
    --------
    >>> "DR.library = {" in engine_script()
    True
    """
    library, catalogue = _formulas_and_catalogue()
    text = json.dumps(catalogue, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Written as an escape, a "<" cannot end the element.
    text = text.replace("<", "\\u003c")
    scripts = [*map(asset, DRIVER), library, derived_script(), f"DR.catalogue = {text};"]
    return "\n".join([*scripts, *map(own_asset, ENGINE)])


def _formulas_and_catalogue() -> tuple[str, dict[str, Any]]:
    """The script of all formulas, and what the trainer knows of them, of settings and of data."""
    first = starting_with("spirals")
    run = describe_run(make_run_state(first), None)
    losses = {number: legal_losses(number) for number in (0, 2, 3)}
    outputs = sorted({pair for known in losses.values() for pair in known.items()})
    script, described = formula_library(run["choices"]["activation"], outputs, RULES.names())
    known = {name: builtin_data(name, rows=20) for name in BUILTIN}
    return script, described | {
        "laws": laws_for_page(),
        "diagnosis": limits(),
        "choices": run["choices"],
        "outputs": losses,
        "first": first.plain(),
        "builtin": {name: _described(data) for name, data in known.items()},
        "digits": _digits(),
        "bumps": {"bumps": BUMPS, "width": BUMP_WIDTH},
        "derived": [{"name": name, "label": each.label} for name, each in DERIVED.items()],
    }


def _described(data: Data) -> dict[str, Any]:
    """The inputs and the target of built-in data."""
    n = len(data.inputs)
    net = Network([n, 1], activation=[])
    names = Names(data.inputs, (data.target.name,), ("0",))
    subject = Subject.of_arrays(net, np.zeros(n + 1), data.X[:1], [[0.0]], names=names)
    return {
        "inputs": list(data.inputs),
        "target": data.target.name,
        "classes": list(data.target.classes),
        "image": image_of(subject),
    }


def _digits() -> dict[str, str]:
    """The images of the digits as bytes from 0 to 16, and their labels as one text."""
    pixels, labels = digit_images()
    return {
        "pixels": base64.b64encode(pixels.tobytes()).decode("ascii"),
        "labels": "".join(map(str, labels)),
    }
