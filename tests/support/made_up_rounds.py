"""A fleet with a release of a compiled bundle, devices that run it, and a link that carries messages in memory."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save
from securesystemslib.signer import CryptoSigner, SSlibKey

from support.agents import NO_BOARD, packed
from support.bundles import compiled, read_manifest
from support.fleets import new_fleet
from support.made_up_fleet import AT, MadeUpDevice
from support.toys import coloured_squares, save_folders
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.place import Place
from tbft_fleet.device.stage import stage
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import ENVELOPE, WEIGHTS, Training
from tbft_fleet.files.task import Task
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import enrol
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.release import Wanted, release
from tbft_fleet.rounds.link import Node, Reply
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.tasks import signed_task, verify_task

SMALL = "output-frozen"
HEAD = ("fc.bias", "fc.weight")


def task(bundle_id: str, plan: str, **others: Any) -> Task:
    """The first one of a fleet, unless others are said."""
    given = {"id": secrets.token_hex(16), "number": 1, "epochs": 1, "seconds": 60}
    return Task(bundle_id=bundle_id, plan=plan, **given | others)


@dataclass
class World:
    """A host's fleet, whose one release is of a compiled bundle, named as in the tests' folder or by its path."""

    folder: Path
    bundle: str = SMALL
    fleet: Fleet = field(init=False)
    archive: Path = field(init=False)
    release: Release = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = new_fleet(self.folder / "fleet")
        self.archive = packed(self.bundle, self.folder / "bundle.tar.gz")
        release(self.fleet, Wanted(self.archive, ("porch",)))
        self.fleet.repository.set_percent(1, 100)
        (self.release,) = self.fleet.releases()

    @property
    def plan(self) -> str:
        return read_manifest(compiled(self.bundle)).plans[0].id

    @property
    def devices(self) -> Devices:
        return Devices(self.fleet.devices)

    @property
    def signer(self) -> CryptoSigner:
        """What signs tasks: the key that is online."""
        from tbft_fleet.host.keys import signer

        return signer(self.fleet.repository.keys, "online", self.fleet.repository.files.current().root.signed)

    def device(self, name: str, images: int = 24, data: Path | None = None) -> Place:
        """One that joined, runs the release, and is enrolled; its images are `data`, or squares, or none."""
        if data is None and images:
            data = save_folders(self.folder / f"images-{name}", *coloured_squares(images))
        place = join(self.folder / name, self.fleet.root, name, "porch", "http://host", data, NO_BOARD)
        place.releases.folder.mkdir()
        stage(place, self.release, self.archive)
        place.releases.point(self.release.number)
        enrol(self.devices, self.fleet.results, place.enrolment, AT, group=None, replace_key=False)
        return place

    def made_up(self, name: str) -> MadeUpDevice:
        """One that is enrolled, and answers whatever a test wants."""
        found = MadeUpDevice(name, "porch")
        enrol(self.devices, self.fleet.results, found.enrolment(self.folder), AT, group=None, replace_key=False)
        return found

    def task(self, **others: Any) -> Task:
        return task(self.release.bundle_id, self.plan, **others)

    def parcel(self, base: bytes | None = None, **others: Any) -> Parcel:
        """A signed task."""
        return signed_task(self.task(**others), base, self.signer)

    def head(self) -> dict[str, np.ndarray]:
        """What the plan trains, as the release has it."""
        with opened(self.archive) as bundle:
            weights = bundle.load_weights()
        return {name: weights[name] for name in HEAD}


def moved(head: Mapping[str, np.ndarray], by: float) -> bytes:
    """Every value further by so much."""
    return save({name: (value + np.float32(by)).astype(value.dtype) for name, value in head.items()})


def answer(world: World, device: MadeUpDevice, asked: str, weights: bytes, images: int = 10, **others: Any) -> Parcel:
    """What a device signs that trained to these weights, and runs the release unless others are said."""
    folder = device.result(
        world.folder / f"outbox-{device.name}",
        {WEIGHTS: weights},
        task=asked,
        training=Training(plan=world.plan, images=images, accuracy_after=0.5),
        **{"bundle_id": world.release.bundle_id} | others,
    )
    return Parcel((folder / ENVELOPE).read_bytes(), weights)


# A node's name and the task's parcel to what it answers; None: it is silent.
Behaviour = Callable[[str, Parcel], Parcel | None]


@dataclass
class MemoryLink:
    """Carries parcels to functions instead of nodes, in their order."""

    nodes_there: dict[str, Behaviour]
    admitted: Mapping[str, bytes] = field(default_factory=dict)
    sent: list[Parcel] = field(default_factory=list)

    def admit(self, keys: Mapping[str, bytes]) -> tuple[str, ...]:
        self.admitted = keys
        return ()

    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(number, name, b"", is_online=True) for number, name in enumerate(self.nodes_there))

    @contextlib.contextmanager
    def run(self) -> Iterator[MemoryLink]:
        yield self

    def ask(self, parcels: Mapping[int, Parcel], *_: object) -> Iterator[Reply]:
        names = dict(enumerate(self.nodes_there))
        for node, parcel in parcels.items():
            self.sent.append(parcel)
            try:
                found = self.nodes_there[names[node]](names[node], parcel)
            except TbftError as error:
                yield Reply(node, None, error.message)
                continue
            if found is not None:
                yield Reply(node, found, "")


def task_of(parcel: Parcel, key: SSlibKey) -> Task:
    return verify_task(parcel, [key]).task


def learner(world: World, device: MadeUpDevice, by: float) -> Behaviour:
    """One that moves every value by so much, from what it was given to begin with."""

    def behave(_: str, parcel: Parcel) -> Parcel:
        asked = verify_task(parcel, [world.signer.public_key])
        head = world.head() if asked.base is None else load(asked.base)
        return answer(world, device, asked.task.id, moved(head, by))

    return behave
