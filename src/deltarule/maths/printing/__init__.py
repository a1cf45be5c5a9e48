"""Formulas printed as LaTeX, MathML, text, JavaScript and C99.

``symbolic_activation`` and ``symbolic_loss`` run a formula once over the symbolic namespace
(:mod:`deltarule.maths.symbolic`); their results have methods that print them.

- ``formulas.py``: activations and losses as expressions; start here.
- ``code.py``, ``javascript.py``, ``c99.py``: functions that calculate operation by
  operation in the order of the source.
- ``display.py``, ``layout.py``, ``markup.py``: formulas for readers, equal for real numbers,
  without the operations that only serve floating-point accuracy.
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
