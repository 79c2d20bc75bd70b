"""What a device may rely on in a manifest by itself: names that can be read, and parts that belong together.

Ranges of numbers are those of the fields' types; what has to agree with the weights is in `check_plans`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tbft_artifacts.check_names import LONGEST_ID, class_faults, name_fault, name_faults
from tbft_artifacts.check_preprocessing import preprocessing_faults
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import MOST_BYTES, kept_bytes
from tbft_artifacts.manifest import MANIFEST, Manifest
from tbft_artifacts.plan import OPTIMIZERS, Plan

# Blocks, norms, plans, files: the deepest networks have some hundreds.
MOST_PARTS = 10_000
# Values that one image may have where training begins: those of the largest image on 64 channels.
LARGEST_BOUNDARY = 1 << 30


def check_manifest(manifest: Manifest, bundle: Path) -> None:
    """Raises TbftError for the first thing that no exporter writes; errors call the bundle `bundle`."""
    for fault in (*_names(manifest), *preprocessing_faults(manifest.preprocessing, manifest.shape)):
        raise _refused(bundle, f"has {fault}")
    for plan in manifest.plans:
        for fault in _plan_faults(plan, manifest):
            raise _refused(bundle, f"has a plan '{plan.id}' {fault}")


def _refused(bundle: Path, what: str) -> TbftError:
    return TbftError(f"{MANIFEST} of bundle '{bundle}' {what}", "export the bundle again, or do not trust it")


def _names(manifest: Manifest) -> Iterator[str]:
    lists: dict[str, Sequence[object]] = {
        "batch norms": manifest.batch_norms,
        "blocks": manifest.blocks,
        "plans": manifest.plans,
        "producers": tuple(manifest.producers),
        "fresh parameters": manifest.fresh or (),
        "files": tuple(manifest.files),
    }
    for what, found in lists.items():
        if len(found) > MOST_PARTS:
            yield f"{len(found):,} {what}"
            return
    single = [name_fault("a model", manifest.model), *map(_version_fault, manifest.producers.values())]
    if manifest.parent is not None:
        single.append(name_fault("a parent", manifest.parent))
    yield from filter(None, single)
    yield from class_faults(manifest.classes)
    yield from name_faults("a producer", manifest.producers)
    # A module that is called twice is two norms with the same ones.
    pairs = dict.fromkeys((norm.mean, norm.variance) for norm in manifest.batch_norms)
    yield from name_faults("a statistic", [name for pair in pairs for name in pair])
    yield from name_faults("a block", [block.name for block in manifest.blocks])
    yield from name_faults("a fresh parameter", manifest.fresh or ())
    yield from name_faults("a file", manifest.files)
    yield from name_faults("a plan", [plan.id for plan in manifest.plans], LONGEST_ID)
    yield from _head_faults(manifest)
    for plan in manifest.plans:
        # It names a folder.
        if plan.id in (".", "..") or "/" in plan.id or "\\" in plan.id or len(plan.id.encode()) > LONGEST_ID:
            yield f"a plan that no folder can be named after: '{plan.id}'"


def _head_faults(manifest: Manifest) -> Iterator[str]:
    """What is wrong with the last layer, and with what is said of its features."""
    head, source = manifest.head or None, manifest.source or None
    if head is not None:
        yield from name_faults("a tensor", [name for name in (head.weight, head.bias) if name is not None])
    if source is None:
        return
    if head is None:
        yield "moments of features, and no last layer that reads them"
    if source.norm is not None and source.norm not in {norm.mean for norm in manifest.batch_norms}:
        yield f"moments of a batch norm '{source.norm}', which the model does not have"
    if (source.norm is None) != (source.channels == 0):
        yield f"moments of {source.channels} channels, and of no norm or of another number"


def _version_fault(version: str) -> str | None:
    return name_fault("a producer's version", version)


def _plan_faults(plan: Plan, manifest: Manifest) -> Iterator[str]:
    """What is wrong with a plan by itself, in words that follow its id."""
    for what, names in {
        "a block": plan.blocks,
        "a parameter": [parameter.name for parameter in plan.parameters],
        "a boundary": [plan.boundary.name],
        "a method": [plan.method],
        "an exit": [found.name for found in plan.exits],
        "a statistic": plan.batch_statistics,
        "a sparse layer": [layer.weight for layer in plan.sparse_layers],
    }.items():
        for fault in name_faults(what, names):
            yield f"with {fault}"
    if math.prod(plan.boundary.shape) > LARGEST_BOUNDARY:
        yield f"whose boundary has the shape {plan.boundary.shape}"
    if not plan.has_prefix and plan.boundary.shape != manifest.shape:
        yield f"that begins with images, in the shape {plan.boundary.shape}"
    if not plan.gradient_forms or len(plan.gradient_memory) != len(set(plan.gradient_forms)):
        yield "with other forms of its gradient graph than it says the memory of"
    if len(plan.prefix_memory) != len(set(plan.prefix_forms)) or len(plan.prefix_forms) > len(set(plan.prefix_forms)):
        yield "with other forms of its prefix than it says the memory of"
    if len(plan.gradient_forms) > len(set(plan.gradient_forms)):
        yield "with a form of its gradient graph twice"
    if (plan.optimizer.inputs, plan.optimizer.slots) != OPTIMIZERS[plan.optimizer.kind]:
        yield f"whose inputs and slots are not those of {plan.optimizer.kind}"
    if plan.soft_targets and (plan.exits or plan.sparse is not None):
        yield "with a graph that takes targets, and exits or channels to choose"
    if not plan.parameters and plan.sparse is None:
        yield "that trains nothing"
    if kept_bytes(plan, manifest, plan.kept) > MOST_BYTES:
        yield f"for which {plan.kept:,} images are kept, more than {MOST_BYTES >> 20} MiB"
    yield from _statistics_faults(plan, manifest)


def _statistics_faults(plan: Plan, manifest: Manifest) -> Iterator[str]:
    norms, moving = {norm.mean for norm in manifest.batch_norms}, set(plan.batch_statistics)
    if not moving <= norms:
        yield f"with a batch norm '{min(moving - norms)}', which the model does not have"
    if plan.batch_norm in ("frozen", "adapt") and moving:
        yield f"with statistics of the batch, whose batch norms are {plan.batch_norm}"
    if plan.batch_norm == "batch" and moving != norms:
        yield "with statistics of the batch for some batch norms only"
    if plan.statistics_part is not None and not moving:
        yield "with parts of a batch that have statistics of their own, whose norms use none of the batch"
    if plan.fixed_prefix and (plan.batch_norm != "batch" or not plan.has_prefix):
        yield "with a prefix without norms, although there is none, or its norms use no statistics of the batch"
