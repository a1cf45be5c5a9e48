"""Methods of trained models that the layer ``export`` implements.

The classes of models stand to the left of ``export``, which knows them all. This module imports it
when a method is called, and is the one that may.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.export import CProgram, OnnxExport

__all__ = ["Exportable"]


class Exportable:
    """A base class of models, with the methods that export them."""

    def to_c(
        self, folder: str | os.PathLike[str] | None = None, data: Any = None, **options: Any
    ) -> CProgram:
        """Return the model as a C99 program that computes its predictions.

        See :func:`deltarule.export.to_c`, which this calls.

        Parameters
        ----------
        folder : path, optional
            Where to write it.
        data : table, frame or array, optional
            Rows to test the program with.
        **options
            Those of :func:`~deltarule.export.to_c`.
        """
        from deltarule.export import to_c

        return to_c(self, folder, data, **options)

    def to_onnx(
        self, file: str | os.PathLike[str] | None = None, data: Any = None, **options: Any
    ) -> OnnxExport:
        """Return the model as an ONNX file's content, compared with the model; write it.

        See :func:`deltarule.export.to_onnx`, which this calls.

        Parameters
        ----------
        file : path, optional
            What to write.
        data : table, frame or array, optional
            Rows to compare the graph with the model on.
        **options
            Those of :func:`~deltarule.export.to_onnx`.
        """
        from deltarule.export import to_onnx

        return to_onnx(self, file, data, **options)
