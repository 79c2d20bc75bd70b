"""`tbft-edge inspect`: what a bundle holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_artifacts.input_shape import RGB
from tbft_artifacts.manifest import Block, Manifest
from tbft_artifacts.plan import Plan
from tbft_artifacts.source import FEATURES, MOMENTS
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json
from tbft_edge.figures import count, percent, size
from tbft_edge.tables.plans import exit_tables, plan_table
from tbft_edge.tables.table import Table, show


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYS",
            help="Refuse a bundle that none of these keys signed, public ones in a PEM file, instead of this machine's "
            "trusted ones.",
        ),
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Verify every file of a bundle, and that its graphs may be loaded, and show what it holds."""
    from tbft_artifacts.archive import opened
    from tbft_runtime.graphs.graph_file import check_graphs

    with opened(bundle, expect_id, trust) as verified:
        manifest, signed_by = verified.manifest, verified.signed_by
        check_graphs(verified)
    if json:
        print_json(manifest if signed_by is None else msgspec.to_builtins(manifest) | {"signed_by": signed_by})
        return
    for table in _tables(manifest, signed_by):
        show(table)


def _tables(manifest: Manifest, signed_by: str | None) -> Iterator[Table]:
    total = sum(entry.bytes for entry in manifest.files.values())
    yield Table(
        f"bundle {manifest.bundle_id[:12]}: {manifest.model}",
        ["", "value"],
        [
            ["id", manifest.bundle_id],
            *([["signed by", f"key {signed_by}"]] if signed_by else []),
            ["format", f"{manifest.format} (needs tbft-edge {manifest.minimum_runtime} or newer)"],
            ["parent", manifest.parent or "none"],
            ["input", _input(manifest)],
            ["classes", ", ".join(manifest.classes)],
            *([["never trained", ", ".join(manifest.fresh)]] if manifest.fresh else []),
            ["batch norms", str(len(manifest.batch_norms))],
            ["source images", _source(manifest)],
            *_kept(manifest),
            ["files", f"{len(manifest.files)}, all as exported, {size(total)}"],
            ["made with", ", ".join(f"{name} {version}" for name, version in manifest.producers.items())],
        ],
    )
    yield plan_table(manifest.plans)
    yield from exit_tables(manifest.plans, manifest.noun)
    if manifest.sparse_plans:
        yield _sparse(manifest.sparse_plans)
    blocks = [[block.name, f"{block.parameters:,}", _trained_by(block, manifest)] for block in manifest.blocks]
    yield Table("Blocks, from the input to the output", ["block", "parameters", "trained by"], blocks)


def _source(manifest: Manifest) -> str:
    source = manifest.source or None
    if source is None:
        return "no moments"
    diagonal = " (diagonal)" if source.second == "diagonal" else ""
    stored = size(sum(manifest.files[name].bytes for name in (FEATURES, MOMENTS)))
    right = percent(source.accuracy)
    images = count(source.images, manifest.noun)
    return f"moments{diagonal} of {images}, features of {source.kept} more, {right} of them right, {stored}"


def _kept(manifest: Manifest) -> Iterator[list[str]]:
    """How many images of the source domain are kept, and what they take in all plans together; most bundles have none.

    They are the same ones for every plan.
    """
    from tbft_artifacts.kept import kept_file  # It brings numpy, for which no help should wait.

    plans = [plan for plan in manifest.plans if plan.kept]
    if plans:
        taken = sum(manifest.files[kept_file(plan)].bytes for plan in plans)
        yield [f"kept source {manifest.noun}s", f"{max(plan.kept for plan in plans):,}, {size(taken)}"]


def _input(manifest: Manifest) -> str:
    shape = manifest.shape
    if manifest.noun == "window":
        return shape.words
    return f"{shape.height} x {shape.width} {'RGB' if shape.channels == RGB else 'grey'}"


def _sparse(plans: Sequence[Plan]) -> Table:
    """The layers of the deepest of `plans`, and which plans reach each."""
    rows = [
        [
            layer.weight.removesuffix(".weight"),
            f"{layer.shape[0]:,}",
            f"{layer.row_values:,}",
            f"{layer.row_flops / 1e3:,.1f}",
            ", ".join(plan.id for plan in plans if layer in plan.sparse_layers),
        ]
        for layer in plans[0].sparse_layers
    ]
    columns = ["layer", "channels", "parameters of one", "kFLOPs of its gradient", "chosen in"]
    return Table("Layers whose channels the device chooses, from the input to the output", columns, rows)


def _trained_by(block: Block, manifest: Manifest) -> str:
    return ", ".join(plan.id for plan in manifest.plans if block.is_inside(plan.blocks)) or "–"
