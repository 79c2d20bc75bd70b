"""A bundle with other weights: what devices learned, as a release for all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import UNSET

from tbft_artifacts.archive import check_packed_name, is_archive
from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.bundle import Bundle, verified_manifest
from tbft_artifacts.check_plans import check_plans
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs, kept_file
from tbft_artifacts.manifest import MANIFEST, WEIGHTS, FileEntry, Manifest
from tbft_artifacts.pack import pack
from tbft_artifacts.plan import PREDICT, Plan
from tbft_artifacts.signing.bundles import sign_archive, sign_folder
from tbft_artifacts.source import FEATURES, MOMENTS
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_artifacts.tensor_ranges import tensor_ranges
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import check_finite, load_weights
from tbft_runtime.run.base import check_tensor

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

_AGAIN = "export again from a model that has these weights"


@dataclass(frozen=True)
class Derived:
    """A bundle that is not written yet: what `parent` has, with other bytes of weights, and what that makes of it."""

    parent: Bundle
    manifest: Manifest
    weights: bytes

    def write(self, out: Path, signer: CryptoSigner | None = None) -> None:
        """Write it into the new folder `out`, or the `.tar.gz`. Raises TbftError if it cannot be written.

        Nobody but `signer` signs it: the parent's signature is of other bytes.
        """
        check_packed_name(out)
        if not is_archive(out):
            self._write(out, out, signer)
            return
        with temporary_folder() as temporary:
            self._write(temporary / "bundle", out, signer)
            with atomic_file(out) as archive:
                pack(temporary / "bundle", archive)
                if signer is not None:
                    sign_archive(out, self.manifest.bundle_id, signer, written=archive)

    def _write(self, folder: Path, shown: Path, signer: CryptoSigner | None) -> None:
        with atomic_folder(folder, shown) as temporary:
            (temporary / MANIFEST).write_bytes(self.manifest.encoded())
            for name in self.manifest.files:
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.weights if name == WEIGHTS else self.parent.read(name))
            # Not as it would be opened: where keys are trusted, what comes signed on another way has no signature here.
            check_plans(verified_manifest(self.manifest.encoded(), shown), temporary / WEIGHTS, shown)
            if signer is not None:
                sign_folder(temporary, self.manifest.bundle_id, signer)


def derive(parent: Bundle, tensors: Tensors, out: Path, signer: CryptoSigner | None = None) -> Manifest:
    """Write a whole bundle whose weights are the parent's but for `tensors`, and whose manifest names its parent.

    The same parent and tensors make the same bytes, wherever that is done; signatures stand beside what they are of.
    `out` is a new folder, or a `.tar.gz`.
    Raises TbftError as `derived` does, and if it cannot be written.
    """
    child = derived(parent, tensors)
    child.write(out, signer)
    return child.manifest


def derived(parent: Bundle, tensors: Tensors) -> Derived:
    """What `derive` writes.

    What describes the parent's weights goes where they are others: moments of the source's features, unless the last
    layer alone is replaced, and kept activations of a plan whose frozen part is.

    Raises:
        TbftError: None of the tensors is another than the parent's, one is none of its, or of another shape or type, or
            lies inside a graph, where nothing can replace it: such as in an int8 prefix.
        DivergedError: One has values that are no finite numbers.
    """
    parent = replace(parent, changed={})
    shown, own = parent.shown or parent.folder, load_weights(parent)
    for name, value in tensors.items():
        fault = check_tensor(name, value, own[name]) if name in own else f"'{name}', which it lacks"
        if fault is not None:
            raise TbftError(f"bundle '{shown}' cannot be given {fault}", _AGAIN)
    check_finite(tensors, "what is to be derived", "look at how it was trained")
    others = {name: value for name, value in tensors.items() if value.tobytes() != own[name].tobytes()}
    if not others:
        raise TbftError(
            f"nothing would be other than in bundle '{shown}'", "give weights that something was learned in"
        )
    for fault in _faults(parent, others):
        raise TbftError(f"bundle '{shown}' cannot be given other weights: {fault}", _AGAIN)
    content = bytearray(parent.read(WEIGHTS))
    ranges = tensor_ranges(io.BytesIO(content))
    for name, value in others.items():
        begin, end = ranges[name]
        content[begin:end] = np.ascontiguousarray(value).tobytes()
    weights = bytes(content)
    entry = FileEntry(bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest())
    return Derived(parent, _manifest(parent, set(others), entry), weights)


def _faults(parent: Bundle, names: Tensors) -> Iterator[str]:
    """Where graphs would go on with the parent's values."""
    manifest = parent.manifest
    whole = _read_by(parent, PREDICT)
    of_int8 = {plan.id: _read_by(parent, plan.predict) for plan in manifest.plans if plan.int8 is not None}
    # Of exits the suffix alone has every one.
    of_exits = {name for plan in manifest.plans if plan.exits for name in _read_by(parent, plan.suffix)}
    for name in names:
        for plan_id, read in of_int8.items():
            if name in whole and name not in read:
                yield f"the int8 prefix of plan '{plan_id}' holds '{name}' inside"
        if name not in whole and name not in of_exits:
            yield f"no graph reads '{name}'"
    for plan in manifest.plans:
        if any(name.startswith(f"{plan.ort_training}/") for name in manifest.files):
            yield f"the artifacts of ONNX Runtime Training in plan '{plan.id}' hold weights inside"


def _read_by(bundle: Bundle, graph: str) -> set[str]:
    return set(bundle_graph(bundle, graph).checked.external)


def _manifest(parent: Bundle, names: set[str], weights: FileEntry) -> Manifest:
    before = parent.manifest
    stale = [
        plan for plan in before.plans if plan.kept and not keeps_inputs(plan) and _prefix_reads(parent, plan) & names
    ]
    plans = tuple(msgspec.structs.replace(plan, kept=0) if plan in stale else plan for plan in before.plans)
    files = {**before.files, WEIGHTS: weights}
    for plan in stale:
        del files[kept_file(plan)]
    source, head = before.source, before.head or None
    if source and (head is None or not names <= {head.weight, head.bias}):
        source = UNSET
        del files[MOMENTS], files[FEATURES]
    return msgspec.structs.replace(
        before,
        parent=before.bundle_id,
        fresh=UNSET if names.intersection(before.fresh or ()) else before.fresh,
        plans=plans,
        files=files,
        source=source,
    ).with_id()


def _prefix_reads(bundle: Bundle, plan: Plan) -> set[str]:
    return {name for form in plan.prefix_forms for name in _read_by(bundle, plan.prefix_in(form))}
