"""Device runtime: fine-tune a bundle on local data with the stock ONNX Runtime wheel.

from pathlib import Path
from tbft_runtime import TrainOptions, train, finalize
result = train(Path("bundle"), TrainOptions(data=Path("photos"), out=Path("run")))
finalize(Path("run"), Path("model.onnx"))
"""

from tbft_runtime.finalize import Finalized, finalize
from tbft_runtime.predict import EvaluationResult, Prediction, evaluate, predict
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.result import TrainResult
from tbft_runtime.training.loop import train
from tbft_runtime.training.options import TrainOptions

__all__ = [
    "EvaluationResult",
    "Finalized",
    "Prediction",
    "Progress",
    "Silent",
    "TrainOptions",
    "TrainResult",
    "evaluate",
    "finalize",
    "predict",
    "train",
]
