"""Formulas written down, and printed as LaTeX, MathML, text, JavaScript and C99.

``symbolic_activation`` and ``symbolic_loss`` run a formula once over the recording
namespace (:mod:`deltarule.maths.symbolic`); what they give prints itself.

- ``formulas.py``: what a recording gives; start here.
- ``code.py``, ``javascript.py``, ``c99.py``: functions that calculate operation by
  operation in the order of the source.
- ``display.py``, ``layout.py``, ``markup.py``: formulas for the eye, equal as real
  numbers; no numerical caution is shown.
"""

from deltarule.maths.printing.c99 import print_c99
from deltarule.maths.printing.formulas import (
    SymbolicActivation,
    SymbolicFormula,
    SymbolicLoss,
    symbolic_activation,
    symbolic_loss,
    symbolic_shared_function,
)
from deltarule.maths.printing.javascript import print_javascript

__all__ = [
    "SymbolicActivation",
    "SymbolicFormula",
    "SymbolicLoss",
    "print_c99",
    "print_javascript",
    "symbolic_activation",
    "symbolic_loss",
    "symbolic_shared_function",
]
