"""Formulas as MathML, made when the pages are built.

Sphinx's usual way loads MathJax from a network address when a page is read.
Browsers draw MathML themselves, and docutils can write it, so the pages need
neither a network nor a script. A formula that docutils cannot read is a warning,
which fails the build.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

# What docutils does not take for itself.
SYMBOLS = {"←": r"\leftarrow", "→": r"\rightarrow", "⊙": r"\odot", "·": r"\cdot", "−": "-"}
TAG = re.compile(r"\\tag\{([^}]*)\}")


def render(tex: str, node: nodes.Node, *, block: bool) -> str:
    """MathML of a formula written in LaTeX, in which symbols may stand for themselves."""
    for symbol, command in SYMBOLS.items():
        tex = tex.replace(symbol, f"{command} ")
    if block and ("\\\\" in tex or "&" in tex) and "\\begin" not in tex:
        tex = f"\\begin{{aligned}}{tex}\\end{{aligned}}"
    try:
        return str(tex2mathml(tex, as_block=block))
    except MathError as error:
        logger.warning("cannot read the formula %r: %s", tex, error, location=node)
        return ""


def visit_math(self: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(render(node.astext(), node, block=False))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    r"""Write a formula of its own, with its name (``\tag{F1}``) at the right."""
    tex = node.astext()
    tag = TAG.search(tex)
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(render(TAG.sub("", tex), node, block=True))
    if tag:
        self.body.append(f'<span class="tag">({tag[1]})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under Sphinx's name for one."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(visit_math, None), block_renderers=(visit_math_block, None)
    )
    app.config.html_math_renderer = "mathml"
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
