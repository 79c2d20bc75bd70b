"""Host compiler: a trained torch or ONNX classifier -> a bundle that stock ONNX Runtime can train."""

from tbft_export.export import Exported, ExportOptions, export_bundle

__all__ = ["ExportOptions", "Exported", "export_bundle"]
