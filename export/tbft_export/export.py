"""`export_bundle`: a trained model and a method -> a checked bundle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.archive import check_packed_name, is_archive
from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.pack import pack
from tbft_artifacts.signing.bundles import sign_archive, sign_folder
from tbft_export.blocks.find import describe_blocks
from tbft_export.check.result import SelfCheck
from tbft_export.collecting import collecting_rarely
from tbft_export.compile.exits import exit_blocks
from tbft_export.compile.official import check_official, write_official_artifacts
from tbft_export.compile.request import PlanRequest
from tbft_export.compile.statistics import statistics_model
from tbft_export.exits.network import ExitNetwork, train_exits
from tbft_export.images import LabelledImages
from tbft_export.keep import keep_images
from tbft_export.manifest import describe
from tbft_export.moments.source_domain import describe_source
from tbft_export.normalization import measured
from tbft_export.options import ExportOptions, check_options
from tbft_export.pipeline import PassRunner
from tbft_export.plans import Draft, LeftOut, exit_maker, load_asked, make_plans, plan_maker, plan_requests
from tbft_export.progress import Progress, Silent
from tbft_export.quiet import unlogged
from tbft_export.signer import signer_of
from tbft_export.sources.load import TrainedModel
from tbft_export.write_bundle import official_files, write_manifest, write_models, write_weights

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner


@dataclass(frozen=True)
class Exported:
    """The manifest that was written, and how each of its plans compared with PyTorch, in their order.

    `notes` are what the owner of the model may not know of it, a line each. `left_out` are plans that cannot be made,
    where the export was to keep going. `signed_by` is the id of the key that signed it.
    """

    manifest: Manifest
    checks: tuple[SelfCheck, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    signed_by: str | None = None

    @property
    def has_official(self) -> bool:
        """Whether ONNX Runtime Training's own artifacts were written, too."""
        return bool(official_files(self.manifest))


@unlogged("onnx_ir")
def export_bundle(options: ExportOptions, out: str | os.PathLike[str], progress: Progress | None = None) -> Exported:
    """Compile a model as a method says, and check what came out.

    One train step of each plan is compared with PyTorch before the bundle appears.

    Args:
        options: The model and its weights, what drifted or another method, and how it is trained.
        out: The folder to write, or the `.tar.gz`; where it is signed, the signature of that is put beside it.
        progress: Is told of each step.

    Returns:
        The manifest that was written, and by how much each plan's step differs from PyTorch's.

    Raises:
        TbftError: The model cannot be read or trained, options contradict each other, or the step differs. Nothing is
            written then.

    Example:
        >>> from tbft_export import ExportOptions, export_bundle
        >>> options = ExportOptions(model="resnet26", weights="resnet26.pth", drift="feature")
        >>> exported = export_bundle(options, "bundle")
        >>> [plan.blocks for plan in exported.manifest.plans]
        [('layer3',)]
    """
    check_options(options)
    out = Path(out)
    check_packed_name(out)
    with collecting_rarely():
        return _export(options, out, progress or Silent())


def _export(options: ExportOptions, out: Path, progress: Progress) -> Exported:
    signer = signer_of(options.sign)
    progress.begin(f"reading {options.model}", 1)
    runner = PassRunner(options.dump_after)
    trained = load_asked(options, runner)
    if not is_archive(out):
        return _write(options, trained, runner, progress, out, signer)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        exported = _write(options, trained, runner, progress, folder, signer)
        progress.begin("packing", 1)
        with atomic_file(out) as archive:
            pack(folder, archive)
            if signer is not None:
                sign_archive(out, exported.manifest.bundle_id, signer, written=archive)
    return exported


def _write(
    options: ExportOptions,
    trained: TrainedModel,
    runner: PassRunner,
    progress: Progress,
    out: Path,
    signer: CryptoSigner | None,
) -> Exported:
    requests = plan_requests(options, trained)
    forward = trained.forward
    if options.official:
        check_official([request.training for request in requests], forward.graph)
    with atomic_folder(out) as folder:
        manifest = describe(options, trained)
        if options.measure is not None:
            manifest = measured(manifest, options.measure)
        # Ahead of the long work: a wrong path or class name is a quick answer.
        images = None if options.calibration is None else options.calibration(manifest)
        source = None if options.source is None else options.source(manifest)
        progress.begin("writing weights and models" if source is None else "measuring source images", 1)
        exits = _exits(requests, trained, source)
        write_weights(folder, forward, *([] if exits is None else [exits.forward]))
        write_models(forward, statistics_model(forward, runner), folder)
        notes = trained.notes
        if source is not None:
            try:
                manifest = describe_source(manifest, forward, source, folder)
            except TbftError as error:
                if options.keep is None:
                    raise
                notes += (f"no moments of source images: {error.message}",)
        draft = Draft(folder, manifest, trained, runner)
        maker = (
            plan_maker(draft, requests, images, options.allow_accuracy_loss)
            if exits is None
            else exit_maker(draft, exits)
        )
        made, left_out = make_plans(requests, maker, folder, progress, keep_going=options.keep_going)
        plans = tuple(each.plan for each in made)
        if options.keep is not None and source is not None:
            plans, note = keep_images(plans, source, options.keep, manifest, folder)
            notes += (note,)
        for plan in plans if options.official else ():
            official = folder / plan.ort_training
            official.mkdir()
            write_official_artifacts(forward, plan, official, runner)
        trained_blocks = [block for plan in plans for block in plan.blocks]
        blocks = describe_blocks(forward.graph, forward.trainable, trained_blocks, forward.fixed)
        blocks += () if exits is None else exit_blocks(exits)
        manifest = write_manifest(msgspec.structs.replace(manifest, blocks=blocks, plans=plans), folder)
        if signer is not None:
            sign_folder(folder, manifest.bundle_id, signer)
        _check(folder, out)
    signed_by = None if signer is None else signer.public_key.keyid
    return Exported(manifest, tuple(each.check for each in made), notes, left_out, signed_by)


def _check(folder: Path, out: Path) -> None:
    """Raises TbftError for what a device would refuse."""
    try:
        open_bundle(folder, shown=out)
    except TbftError as error:
        raise TbftError(
            f"no device would take it: {error.message}",
            "docs/bundle.md says what a device takes; names of modules and classes can be others",
        ) from error


def _exits(requests: Sequence[PlanRequest], trained: TrainedModel, source: LabelledImages | None) -> ExitNetwork | None:
    """The network with the exits that the plans ask for, trained; None where they ask for none."""
    asked = next((request.training.exits for request in requests if request.training.exits is not None), None)
    if asked is None:
        return None
    if source is None:
        raise TbftError(
            "exits are trained on images of the source domain",
            "give some thousand labelled ones that the network was trained on with `source`",
        )
    return train_exits(trained.forward, asked.depths, source)
