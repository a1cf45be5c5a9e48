"""Sphinx configuration. A build needs no network, and neither do the pages."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from deltarule._version import __version__

project = "deltarule"
author = "the deltarule developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",
    "settings_table",
]
exclude_patterns = ["_build", "_ext", "_templates"]
nitpicky = False

templates_path = ["_templates"]
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "deltarule"
html_static_path = ["_static"]
html_css_files = ["deltarule.css"]
html_sidebars = {
    page: []
    for page in (
        *("index", "tutorial", "mathematics", "scikit_learn", "command_line"),
        *("architecture", "decisions"),
    )
}
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def skip_tuple_fields(app, what, name, thing, skip, options):
    """Leave out "Alias for field number 0": the class says what its fields are."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def skip_metadata_routing(app, what, name, thing, skip, options):
    """Leave out scikit-learn's set_…_request: its docstrings refer to its own pages."""
    return True if name.startswith("set_") and name.endswith("_request") else None


BETWEEN_BARS = re.compile(r"(``.*?``|:math:`.*?`)|\|(\S[^|`]*?)\|")


def escape_bars(app, what, name, thing, options, lines):
    """Read ``|a − b|`` in a docstring's words as a size, not as a substitution."""
    block = None
    for n, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and (not line.strip() or indent > block):
            continue  # a formula or a literal block: as it is
        block = indent if line.rstrip().endswith("::") or ".. math::" in line else None
        if "|" in line and block is None and not line.lstrip().startswith((">>>", "...", "|", "+")):
            lines[n] = BETWEEN_BARS.sub(lambda m: m[1] or rf"\|{m[2]}\|", line)


def give_the_source_a_section(app, what, name, thing, options, lines):
    """Show a docstring's "Source: …" under Notes; numpydoc has no section of that name."""
    for n, line in enumerate(lines):
        if line.startswith("Source:") and "Notes" not in lines:
            lines[n:n] = ["Notes", "-----"]
            return


def write_live_pages(app, error):
    """Write the playground that needs no server, and an explain page, beside the pages."""
    if error is None and app.builder.format == "html":
        import numpy as np

        from deltarule import Network, explain, train
        from deltarule.playground import write_static_playground

        write_static_playground(Path(app.outdir, "playground.html"))
        net = Network([2, 3, 1], activation="tanh", output_activation="logistic", loss="log_loss")
        # The page opens at the first row, and at (0, 0) every product with an input is 0.
        X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        y = np.array([1.0, 1.0, 0.0, 0.0])
        theta = train(net, X, y, learning_rate=0.05, epochs=200).theta
        explained = explain(net, X, y, theta=theta)
        explained.html(Path(app.outdir, "example.html"), article="by_hand.html")


def setup(app):
    # Before numpydoc, which reads the sections at the usual priority of 500.
    app.connect("autodoc-process-docstring", give_the_source_a_section, priority=400)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("autodoc-skip-member", skip_metadata_routing)
    app.connect("build-finished", write_live_pages)
