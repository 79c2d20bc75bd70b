"""`tbft-edge fleet derive`: learned weights as a bundle, to be released to all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption, SignOption
from tbft_edge.console import print_json, print_line, quoted, say
from tbft_edge.figures import size


class DerivedBundle(msgspec.Struct, frozen=True):
    """A bundle that was written, the id of the one it was made of, and how many bytes of tensors are others."""

    bundle: str
    bundle_id: str
    parent: str
    tensors: int
    bytes: int


def command(
    bundle: Annotated[Path, typer.Argument(help="The bundle whose weights are replaced.")],
    base: Annotated[
        Path,
        typer.Option(
            "--from", help="What replaces them: the file of 'fleet merge', a .safetensors of tensors, or a run folder."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The bundle to write: a folder, or a .tar.gz.")],
    sign: SignOption = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Write a bundle with the weights that devices learned: a whole one, which names its parent.

    Devices that have the parent need only the tensors that are others.
    """
    with extra("device"):
        from tbft_artifacts.archive import opened
        from tbft_artifacts.signing.keys import private_key
        from tbft_fleet.merging.derive import derive
        from tbft_runtime.training.begun import begun_from

        signer = None if sign is None else private_key(sign)
        with opened(bundle, expect_id) as parent:
            tensors = begun_from(parent, base).bundle.changed
            manifest = derive(parent, tensors, out, signer)
            total = sum(value.nbytes for value in tensors.values())
            made = DerivedBundle(str(out), manifest.bundle_id, parent.manifest.bundle_id, len(tensors), total)
    if json:
        print_json(made)
        return
    print_line(made.bundle_id)
    say(f"{quoted(out)}: {made.tensors} tensors, {size(made.bytes)}, are others than in {made.parent[:12]}")
