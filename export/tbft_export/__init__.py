"""Host compiler: a trained torch or ONNX classifier -> a bundle that stock ONNX Runtime can train."""

from tbft_export.export import Exported, export_bundle
from tbft_export.options import ExportOptions

__all__ = ["ExportOptions", "Exported", "export_bundle"]
