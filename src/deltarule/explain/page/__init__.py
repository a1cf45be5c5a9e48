"""The explain page: one HTML file with a network, its numbers and the scripts that show them.

- ``payload.py``: the data of a subject for the page, within a size limit.
- ``formulas.py``: activations, loss and rule, printed as JavaScript and as MathML.
- ``page.py``: joins the assets, the formulas and the payload.
- ``assets/``: scripts and styles.
"""

from deltarule.explain.page.formulas import formulas_mathml, formulas_script
from deltarule.explain.page.page import page_html, write_page
from deltarule.explain.page.payload import MOST_ROWS, PageState, packed, payload_of

__all__ = [
    "MOST_ROWS",
    "PageState",
    "formulas_mathml",
    "formulas_script",
    "packed",
    "page_html",
    "payload_of",
    "write_page",
]
