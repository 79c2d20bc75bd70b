"""Classes that a run adds to what it goes on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_runtime.run.base import keep_base
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.folder import RunFolder


def with_new_classes(
    bundle: Bundle, base: Base | None, added: Sequence[str], folder: RunFolder
) -> tuple[Bundle, Base | None]:
    """The bundle with classes `added`, and the run's base, whose file gets empty rows for them.

    Raises TbftError as `Bundle.with_classes` does.
    """
    grown = bundle.with_classes(added)
    head, changed = grown.manifest.head or None, grown.changed
    if not added or base is None or head is None or head.bias is None or not {head.weight, head.bias} & changed.keys():
        return grown, base
    weights = grown.load_weights()
    tensors = {**changed, **{name: weights[name] for name in (head.weight, head.bias)}}
    return dataclasses.replace(grown, changed=tensors), msgspec.structs.replace(base, sha256=keep_base(tensors, folder))
