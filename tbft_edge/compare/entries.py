"""What is compared: the ways to train that bundles offer."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tbft_artifacts.archive import SUFFIX, opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan

# What a file name may hold everywhere.
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


# Ways beside the plans: an input's block without labels, and another last layer in closed form.
Also = Literal["unlabelled", "learn"]


@dataclass(frozen=True)
class Way:
    """A way to train a bundle: one of `plans`, which `options` choose; `also` is what it was asked for by, if not as a
    plan.
    """

    name: str
    plans: tuple[Plan, ...]
    options: tuple[str, ...]
    also: Also | None = None

    @property
    def command(self) -> Literal["train", "learn"]:
        return "learn" if self.also == "learn" else "train"


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


def other_ways(text: str | None) -> tuple[Also, ...]:
    """The ways in a text such as "unlabelled,learn", in one order. Raises TbftError for any other."""
    known: tuple[Also, ...] = get_args(Also)
    given = [part.strip() for part in (text or "").split(",") if part.strip()]
    strange = [part for part in given if part not in known]
    if strange:
        raise TbftError(f"`also` '{text}': '{strange[0]}' is no way to train", f"give {' or '.join(known)}, or both")
    return tuple(way for way in known if way in given)


def entries(bundle: Bundle, also: Sequence[Also] = ()) -> tuple[Way, ...]:
    """The ways to train a bundle: each of its plans; all those among which the device chooses are one way.

    Of those that are asked for `also`, the ones that the bundle allows.
    """
    sparse = bundle.manifest.sparse_plans
    if sparse == bundle.manifest.plans:
        return (Way(sparse[0].method, sparse, ()),)
    plans = tuple(Way(plan.id, (plan,), ("--plan", plan.id)) for plan in bundle.manifest.plans)
    return (
        *plans,
        *(_without_labels(bundle) if "unlabelled" in also else ()),
        *(_learned(bundle) if "learn" in also else ()),
    )


def _without_labels(bundle: Bundle) -> Iterator[Way]:
    from tbft_runtime.run.options import TrainOptions
    from tbft_runtime.run.resolve import resolve

    for plan in bundle.manifest.plans:
        if plan.drift == "input":
            with contextlib.suppress(TbftError):  # As `train` itself would refuse it.
                resolve(TrainOptions(data="", out="", labels="none"), plan, bundle)
                yield Way(f"{plan.id} without labels", (plan,), ("--plan", plan.id, "--labels", "none"), "unlabelled")


def _learned(bundle: Bundle) -> Iterator[Way]:
    from tbft_runtime.heads.head_plan import head_plan

    with contextlib.suppress(TbftError):  # As `learn` itself would refuse it.
        plan, _ = head_plan(bundle)
        yield Way("learn", (plan,), (), "learn")


def open_entries(
    bundles: Sequence[Path], expected: Sequence[str | None] | None = None, also: Sequence[Also] = ()
) -> list[Entry]:
    """The entries of all bundles, in order; each bundle is verified.

    Named by their plans; where several have the same, by their bundles, and by both where neither tells them apart.
    Raises TbftError for what is no bundle or not the `expected` one, for the same one twice, and for what is asked for
    `also` and no bundle allows.
    """
    from tbft_runtime.reporting.names import short_names

    found: list[tuple[Path, Bundle, tuple[Way, ...]]] = []
    for path, expect_id in zip(bundles, expected or [None] * len(bundles), strict=True):
        with opened(path, expect_id) as bundle:
            twin = next((p for p, other, _ in found if other.manifest.bundle_id == bundle.manifest.bundle_id), None)
            if twin is not None:
                raise TbftError(f"'{twin}' and '{path}' are the same bundle", "give each bundle once")
            found.append((path.resolve(), bundle, entries(bundle, also)))
    _check_allowed(also, [way for _, _, ways in found for way in ways])
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


def _check_allowed(also: Sequence[Also], ways: Sequence[Way]) -> None:
    for kind in also:
        if all(way.also != kind for way in ways):
            raise TbftError(
                f"none of the bundles can be trained by `also` {kind}", "leave it out, or export again with drift all"
            )


def _names(parts: Sequence[tuple[str, str]]) -> list[str]:
    """Of (bundle, way), as much as tells all apart."""
    for choices in ([way for _, way in parts], [bundle for bundle, _ in parts]):
        if max(Counter(choices).values()) == 1:
            return choices
    return [f"{bundle} {way}" for bundle, way in parts]
