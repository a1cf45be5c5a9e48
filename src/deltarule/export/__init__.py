"""Trained models as programs and files for other machines, each tested against the model.

- ``c_program.py``: :func:`to_c`, C99 for anything with a C compiler; start here for C.
- ``subject.py``: the one network of a model, and what its inputs and outputs mean.
- ``c_source.py``, ``c_network.py``, ``c_encoders.py``, ``c_names.py``: the text of the program.
- ``equality.py``: rows to test with, predictions and tolerances; ``c_compiler.py``: running it.
- ``onnx_export.py``: :func:`to_onnx`, a graph for any ONNX runtime; start here for ONNX.
- ``onnx_sources.py``, ``onnx_tables.py``: the models, and what the graph of each must give.
- ``onnx_columns.py``, ``onnx_encoders.py``, ``onnx_network.py``, ``onnx_formulas.py``,
  ``onnx_outputs.py``: the operators from columns to predictions; ``onnx_graph.py``: the graph.
- ``onnx_rows.py``, ``bounds.py``: rows to test with, and how far predictions may differ.
- ``comparison.py``: what an exported file says of its model and of its test, as data and in words.
"""

from deltarule.export.c_compiler import Sizes
from deltarule.export.c_program import CProgram, to_c
from deltarule.export.onnx_export import OnnxExport, to_onnx

__all__ = ["CProgram", "OnnxExport", "Sizes", "to_c", "to_onnx"]
