"""One trial in PyTorch: a `Request` on stdin, an `Outcome` on stdout, both JSON."""

from __future__ import annotations

import sys

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_edge.reproduce.pytorch.fine_tuning import fine_tune
from tbft_edge.reproduce.pytorch.loading import load_network, read_labelled
from tbft_edge.reproduce.pytorch.request import AdaptRequest, FineTuneRequest, Request
from tbft_edge.reproduce.pytorch.result import EpochEnd
from tbft_edge.reproduce.pytorch.unlabelled.trial import run_baseline
from tbft_edge.reproduce.trial import Outcome


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
    """Load, train, test. Raises TbftError for weights that do not fit."""
    match request:
        case FineTuneRequest():
            return _fine_tuned(request)
        case AdaptRequest():
            return run_baseline(request)


def _fine_tuned(request: FineTuneRequest) -> Outcome:
    network = load_network(request.weights, request.image_size)
    test = read_labelled(request.test)
    ends: list[EpochEnd] = []
    result = fine_tune(
        network,
        request.modules,
        request.protocol,
        read_labelled(request.train),
        read_labelled(request.validation),
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


if __name__ == "__main__":
    main()
