"""Trained models as programs for other machines, each tested against the model.

- ``c_program.py``: :func:`to_c`, C99 for anything with a C compiler; start here.
- ``subject.py``: the one network of a model, and what its inputs and outputs mean.
- ``c_source.py``, ``c_network.py``, ``c_encoders.py``, ``c_names.py``: the text of the program.
- ``equality.py``: rows to test with, predictions and tolerances; ``c_compiler.py``: running it.
"""

from deltarule.export.c_compiler import Sizes
from deltarule.export.c_program import CProgram, to_c

__all__ = ["CProgram", "Sizes", "to_c"]
