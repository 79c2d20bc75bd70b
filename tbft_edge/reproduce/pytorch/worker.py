"""One fine-tuning in PyTorch: a `Request` on stdin, an `Outcome` on stdout, both JSON."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_edge.reproduce.pytorch.fine_tuning import fine_tune
from tbft_edge.reproduce.pytorch.request import Request
from tbft_edge.reproduce.pytorch.result import EpochEnd
from tbft_edge.reproduce.trial import Outcome
from tbft_export.sources.resnet26 import ResNet26
from tbft_export.sources.weights import load_into, read_state_dict


@dataclass(frozen=True)
class Images:
    """`images` (N, S, S, 3) uint8, `labels` (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def main() -> None:
    """Exit codes are those of the command line."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        sys.stdout.buffer.write(msgspec.json.encode(run(request)))
    except TbftError as error:
        for line in (f"error: {error.message}", "", f"hint: {error.hint}"):
            say(line)
        sys.exit(error.exit_code)


def run(request: Request) -> Outcome:
    """Load, fine-tune, test. Raises TbftError for weights that do not fit."""
    state = read_state_dict(Path(request.weights))
    network = ResNet26(len(state["fc.bias"]), request.image_size)
    load_into(network, state, Path(request.weights))
    test = _read(request.test)
    ends: list[EpochEnd] = []
    result = fine_tune(
        network,
        request.modules,
        request.protocol,
        _read(request.train),
        _read(request.validation),
        test,
        threads=request.threads,
        on_epoch=ends.append,
    )
    kept = [end for end in ends if end.number == result.best_epoch]
    return Outcome(
        accuracy=result.accuracy,
        test_images=len(test.labels),
        validation_accuracy=kept[0].validation.accuracy if kept else None,
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        seconds=result.train_seconds,
        epoch_seconds=result.train_seconds / result.epochs if result.epochs else None,
        step_ms=None if result.step_seconds is None else result.step_seconds * 1000,
        joules=None,
        diverged=result.diverged,
    )


def _read(path: str) -> Images:
    with np.load(path, allow_pickle=False) as arrays:
        return Images(arrays["images"], arrays["labels"])


if __name__ == "__main__":
    main()
