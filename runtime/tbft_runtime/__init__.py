"""Device runtime: fine-tune a bundle on local data with the stock ONNX Runtime wheel.

Example:
    >>> from tbft_runtime import Predictor, TrainOptions, finalize, train
    >>> result = train("bundle", TrainOptions(data="photos", out="run", drift="feature"))
    >>> finalize("run", "model.onnx").model
    'model.onnx'
    >>> Predictor.open("model.onnx").predict(["photo.png"]).labels
    ('bee',)

Names are looked up when they are used: importing ONNX Runtime is slow on a Pi, and fatal with a wheel for
another CPU, which the doctor must survive.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbft_runtime.diagnosis.diagnose import DiagnoseOptions, diagnose
    from tbft_runtime.domains.bank import Bank
    from tbft_runtime.domains.make import make_bank
    from tbft_runtime.finalization import Finalized, finalize
    from tbft_runtime.inference.evaluation import EvaluationResult, evaluate
    from tbft_runtime.inference.prediction import Prediction, predict
    from tbft_runtime.inference.predictor import Predictions, Predictor
    from tbft_runtime.learning.learn import LearnOptions, learn
    from tbft_runtime.metrics_file import MetricsFile
    from tbft_runtime.progress import Progress, Silent, Together
    from tbft_runtime.reporting.compare import compare
    from tbft_runtime.reporting.comparison import Comparison
    from tbft_runtime.reporting.read import read_report
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.reporting.result import TrainResult
    from tbft_runtime.run.diagnosis_record import Diagnosis
    from tbft_runtime.run.options import TrainOptions
    from tbft_runtime.training_run import train
    from tbft_runtime.tuning.record import Tuning
    from tbft_runtime.tuning.tune import TuneOptions, tune

__all__ = [
    "Bank",
    "Comparison",
    "DiagnoseOptions",
    "Diagnosis",
    "EvaluationResult",
    "Finalized",
    "LearnOptions",
    "MetricsFile",
    "Prediction",
    "Predictions",
    "Predictor",
    "Progress",
    "Report",
    "Silent",
    "Together",
    "TrainOptions",
    "TrainResult",
    "TuneOptions",
    "Tuning",
    "compare",
    "diagnose",
    "evaluate",
    "finalize",
    "learn",
    "make_bank",
    "predict",
    "read_report",
    "train",
    "tune",
]

_HOMES = {
    "Bank": "domains.bank",
    "Comparison": "reporting.comparison",
    "DiagnoseOptions": "diagnosis.diagnose",
    "Diagnosis": "run.diagnosis_record",
    "EvaluationResult": "inference.evaluation",
    "Finalized": "finalization",
    "LearnOptions": "learning.learn",
    "MetricsFile": "metrics_file",
    "Prediction": "inference.prediction",
    "Predictions": "inference.predictor",
    "Predictor": "inference.predictor",
    "Progress": "progress",
    "Report": "reporting.report",
    "Silent": "progress",
    "Together": "progress",
    "TrainOptions": "run.options",
    "TrainResult": "reporting.result",
    "TuneOptions": "tuning.tune",
    "Tuning": "tuning.record",
    "compare": "reporting.compare",
    "diagnose": "diagnosis.diagnose",
    "evaluate": "inference.evaluation",
    "finalize": "finalization",
    "learn": "learning.learn",
    "make_bank": "domains.make",
    "predict": "inference.prediction",
    "read_report": "reporting.read",
    "train": "training_run",
    "tune": "tuning.tune",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
