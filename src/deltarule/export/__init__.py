"""Models for use elsewhere: as ONNX files."""

from deltarule.export.onnx_export import OnnxExport, to_onnx

__all__ = ["OnnxExport", "to_onnx"]
