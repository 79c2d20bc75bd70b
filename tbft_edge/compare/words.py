"""Where a comparison comes from, in words."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from tbft_artifacts.words import as_line
from tbft_edge.compare.results import Results


def title(results: Results) -> str:
    """The networks, and the images."""
    return f"{', '.join(dict.fromkeys(entry.model for entry in results.entries))} on {results.data_file}"


def command(results: Results) -> str:
    """What makes these results, from files of these names."""
    test = [] if results.test_file is None else ["--test", results.test_file]
    words = [
        *("tbft-edge", "compare", *dict.fromkeys(entry.bundle for entry in results.entries)),
        *("--data", results.data_file, *test),
        *("--repeats", results.repeats, "--epochs", results.epochs, "--seed", results.seed),
        *("--threads", results.threads, "--val-fraction", f"{results.val_fraction:g}"),
        *("--meter", _without_folder(results.meter), "--out", "comparison"),
    ]
    return shlex.join(as_line(str(word)) for word in words)


def _without_folder(meter: str) -> str:
    """`estimate:board.json` of `estimate:/home/me/board.json`."""
    kind, colon, argument = meter.partition(":")
    return f"{kind}{colon}{PurePath(argument).name}"


def provenance(results: Results) -> list[tuple[str, str]]:
    """Names, and what they are."""
    noun = results.input_kind
    seeds = f"{results.seed} to {results.seed + results.repeats - 1}" if results.repeats > 1 else f"{results.seed}"
    return [
        ("board", results.board),
        ("data", f"{results.data}, {results.train_images:,} {noun}s to train on, {results.image_size}"),
        ("accuracy on", f"{results.test or f'{noun}s held out of the data'}, {results.test_images:,} {noun}s"),
        ("seeds", f"{seeds}; the entries in turns"),
        ("epochs", f"{results.epochs} at most"),
        ("held out", f"{results.val_fraction:.0%} of the data, to stop and to choose the best state"),
        ("threads", str(results.threads)),
        ("meter", _meters(results)),
        ("versions", ", ".join(f"{name} {version}" for name, version in results.versions.items())),
    ]


def _meters(results: Results) -> str:
    found = dict.fromkeys(f"{entry.meter} ({entry.energy})" for entry in results.entries if entry.meter is not None)
    return ", ".join(found) or f"{results.meter}: unavailable"
