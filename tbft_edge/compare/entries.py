"""What is compared: the ways to train that bundles offer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.archive import SUFFIX, opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan

# What a file name may hold everywhere.
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Way:
    """A way to train a bundle: one of `plans`, which `options` of `train` choose."""

    name: str
    plans: tuple[Plan, ...]
    options: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A way of a bundle, and what it is called: `name` for people, `folder` for its runs."""

    name: str
    folder: str
    bundle: Path
    bundle_id: str
    model: str
    way: Way

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id, which a run of this entry took."""
        return next(plan for plan in self.way.plans if plan.id == plan_id)


def entries(bundle: Bundle) -> tuple[Way, ...]:
    """The ways to train a bundle: each of its plans; all those among which the device chooses are one way."""
    sparse = bundle.manifest.sparse_plans
    if sparse == bundle.manifest.plans:
        return (Way(sparse[0].method, sparse, ()),)
    return tuple(Way(plan.id, (plan,), ("--plan", plan.id)) for plan in bundle.manifest.plans)


def open_entries(bundles: Sequence[Path], expected: Sequence[str | None] | None = None) -> list[Entry]:
    """The entries of all bundles, in order; each bundle is verified.

    Named by their plans; where several have the same, by their bundles, and by both where neither tells them apart.
    Raises TbftError for what is no bundle or not the `expected` one, and for the same one twice.
    """
    from tbft_runtime.reporting.names import short_names

    found: list[tuple[Path, Bundle, tuple[Way, ...]]] = []
    for path, expect_id in zip(bundles, expected or [None] * len(bundles), strict=True):
        with opened(path, expect_id) as bundle:
            twin = next((p for p, other, _ in found if other.manifest.bundle_id == bundle.manifest.bundle_id), None)
            if twin is not None:
                raise TbftError(f"'{twin}' and '{path}' are the same bundle", "give each bundle once")
            found.append((path.resolve(), bundle, entries(bundle)))
    shorts = [name.removesuffix(SUFFIX) for name in short_names([path for path, _, _ in found])]
    names = _names([(short, way.name) for short, (_, _, ways) in zip(shorts, found, strict=True) for way in ways])
    parts = [(path, bundle, way) for path, bundle, ways in found for way in ways]
    return [
        Entry(
            name=name,
            folder=f"{number}-{_UNSAFE.sub('-', name)}",
            bundle=path,
            bundle_id=bundle.manifest.bundle_id,
            model=bundle.manifest.model,
            way=way,
        )
        for number, (name, (path, bundle, way)) in enumerate(zip(names, parts, strict=True), start=1)
    ]


def _names(parts: Sequence[tuple[str, str]]) -> list[str]:
    """Of (bundle, way), as much as tells all apart."""
    for choices in ([way for _, way in parts], [bundle for bundle, _ in parts]):
        if max(Counter(choices).values()) == 1:
            return choices
    return [f"{bundle} {way}" for bundle, way in parts]
