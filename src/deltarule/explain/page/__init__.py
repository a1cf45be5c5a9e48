"""The explain page: one HTML file that holds a network, its numbers and the code that shows them.

- ``payload.py``: what of a subject goes into the page, within a budget.
- ``formulas.py``: activations, loss and rule, printed as JavaScript and as MathML.
- ``page.py``: puts the assets, the formulas and the payload together.
- ``assets/``: plain scripts and styles, each in one file that can be read on its own.
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
