"""Options that several commands take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ExpectIdOption = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256", help="Refuse every bundle but the one of this id: all 64 digits, as 'export' printed them."
    ),
]
ExpectIdsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--expect-id",
        metavar="SHA256",
        help="Refuse every bundle but the one of this id, as 'export' printed it. Once for each, in their order.",
    ),
]
ModelExpectIdOption = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256",
        help="Refuse every bundle but the one of this id, as 'export' printed it; of a run, the bundle that it began "
        "with. It says nothing of what training made of it. A finalized .onnx has no id that could be verified.",
    ),
]
BaseOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Begin with the best weights of an earlier run of the same bundle, or with a .safetensors of some of its "
        "tensors, instead of the bundle's own.",
    ),
]
SignOption = Annotated[
    Path | None,
    typer.Option(
        metavar="KEY",
        help="Sign the bundle with this private key, Ed25519 in a PEM file. The signature of a .tar.gz is put beside "
        "it, as .tar.gz.dsse.json.",
    ),
]
WindowOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="IMAGES",
        help="Of a bank: so many images after each other are taken to be of one domain; 16 by default.",
    ),
]
MeterOption = Annotated[
    str,
    typer.Option(
        help="Where joules come from: auto, none, pmic, hwmon[:NAME], rapl, estimate[:FILE], csv:FILE or line:PORT."
    ),
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads to compute with; all cores by default.")]


def one_each(ids: Sequence[str] | None, bundles: Sequence[Path]) -> list[str | None]:
    """The expected id of each bundle. Raises TbftError unless there is one for each, or none at all."""
    if not ids:
        return [None] * len(bundles)
    if len(ids) != len(bundles):
        raise TbftError(
            f"--expect-id is given {len(ids)} times for {len(bundles)} bundles", "give it once for each, in their order"
        )
    return [*ids]


def part_of_whole(text: str, option: str) -> float:
    """A fraction such as 15% or 0.15, above 0 and up to 1. Raises TbftError if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    part = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < part <= 1:
        raise TbftError(f"{option} '{text}' is no part of a whole", f"for example {option} 15%")
    return part


def is_bank(model: Path, window: int | None) -> bool:
    """Whether `model` is a bank of domains, by its name. Raises TbftError for a `window` of any other model."""
    found = model.suffix == ".bank"  # As `tbft_runtime.domains.file` has it, which the host may lack.
    if window is not None and not found:
        raise TbftError(f"'{model}' is no bank of domains, and takes no `window`", "leave it out")
    return found
