"""What devices began with, and how long ago that was the newest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from safetensors.numpy import save

from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Result
from tbft_fleet.files.round import Round
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.merges import merged_tensors, rounds_in
from tbft_fleet.rounds.trained import Trained, trained
from tbft_runtime.graphs.weights import load_weights

_NONE = 0


@dataclass(frozen=True)
class Base:
    """What training began with: weights of a release, with those of merge number `merge` of it laid over (0: none).

    `trained` is what a plan trains of it. Whatever it does not train has the sha256 `rest`: what was learned before
    other layers, or for other classes, means nothing here.
    """

    merge: int
    trained: Trained
    changed: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    batch_norm: BatchNormPolicy
    rest: str
    model_bytes: int

    def fits(self, other: Base) -> bool:
        """Whether weights that began with one mean something beside those that began with the other."""
        return (self.classes, self.batch_norm, self.rest, self._shapes) == (
            other.classes,
            other.batch_norm,
            other.rest,
            other._shapes,
        )

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: self.trained.base[name].shape for name in self.trained.names}


@dataclass
class Bases:
    """Of the devices of `release`: what it and earlier releases of its groups held, and merges of these, for a plan.

    What is given once is remembered: of each only what the plan trains.
    """

    fleet: Fleet
    release: Release
    plan: str
    _known: dict[tuple[str, str | None], Base | TbftError] = field(default_factory=dict)
    _bundles: Sequence[str] = field(init=False)
    _release_of: Mapping[str, Release] = field(init=False)
    _merges: Sequence[tuple[int, Round]] = field(init=False)

    def __post_init__(self) -> None:
        releases = [each for each in self.fleet.releases() if self._counts(each)]
        # One that was gone back to is as new as its last release.
        self._release_of = {each.bundle_id: each for each in releases}
        numbers = {each.number for each in self._release_of.values()}
        self._bundles = [each.bundle_id for each in releases if each.number in numbers]
        bundle_of = {each.number: each.bundle_id for each in releases}
        self._merges = [
            (self._bundles.index(bundle_of[each.release]), each)
            for each in rounds_in(self.fleet)
            if each.release in bundle_of
        ]

    def _counts(self, release: Release) -> bool:
        if release.number == self.release.number:
            return True
        return (
            release.number < self.release.number
            and release.percent > 0
            and not set(release.groups).isdisjoint(self.release.groups)
        )

    def own(self) -> Base:
        """The release's own weights."""
        return self._found(self.release.bundle_id, None)

    def of(self, result: Result) -> Base:
        """What the training of a result began with.

        Raises TbftError, in words for after the device's name, where that is none of these.
        """
        base = None if result.training is None else result.training.base
        return self._found(result.bundle_id, base)

    def rounds_since(self, bundle_id: str, base: Base) -> int:
        """How many newer releases and merges there are; a merge that a release brought is counted once."""
        place = self._bundles.index(bundle_id)
        merges = sum(
            each.into is None and (where > place or (where == place and each.number > base.merge))
            for where, each in self._merges
        )
        return len(self._bundles) - 1 - place + merges

    def _found(self, bundle_id: str, base: str | None) -> Base:
        key = (bundle_id, base)
        if key not in self._known:
            try:
                self._known[key] = self._read(bundle_id, base)
            except TbftError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, TbftError):
            raise TbftError(found.message, found.hint)
        return found

    def _read(self, bundle_id: str, base: str | None) -> Base:
        release = self._release_of.get(bundle_id)
        if release is None:
            raise TbftError(
                f"it trained bundle {bundle_id[:12]}, which is of no release up to {self.release.number} that counts",
                "see 'tbft-edge fleet status'",
            )
        with opened(self.fleet.repository.archive(release), bundle_id) as bundle:
            own = load_weights(bundle)
            number, changed = self._changed(bundle_id, base, own)
            weights, plan = {**own, **changed}, bundle.plan(self.plan)
            found = trained(bundle, plan, weights)
            return Base(
                merge=number,
                trained=found,
                changed=changed,
                classes=bundle.manifest.classes,
                batch_norm=plan.batch_norm,
                rest=_digest({name: value for name, value in weights.items() if name not in found.names}),
                model_bytes=sum(value.nbytes for value in own.values()),
            )

    def _changed(
        self, bundle_id: str, base: str | None, own: Mapping[str, np.ndarray]
    ) -> tuple[int, Mapping[str, np.ndarray]]:
        """The number of the merge whose tensors have that sha256, and these; of this bundle, the newest first."""
        if base is None:
            return _NONE, {}
        place = self._bundles.index(bundle_id)
        for where, each in reversed(self._merges):
            if where != place:
                continue
            tensors = merged_tensors(self.fleet, each.number)
            # A run keeps of them what is other than in its bundle.
            other = {name: value for name, value in tensors.items() if value.tobytes() != own[name].tobytes()}
            if base in (hashlib.sha256(save(found)).hexdigest() for found in (tensors, other)):
                return each.number, tensors
        raise TbftError(
            "it began with weights that are no merge of this fleet", "let it begin with the release, or with a merge"
        )


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
