"""Results that a device signed or somebody changed on the way, and records of devices on a disk that fails."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from random import Random

from msgspec import Raw
from safetensors.numpy import load_file, save

from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_bytes, change_file, change_json, to_json
from fuzz.surfaces.archives import packed
from support.bundles import read_manifest
from support.made_up_fleet import AT, MadeUpDevice
from support.signing import FIXED
from tbft_artifacts.signing.envelope import sign
from tbft_artifacts.signing.statement import Digest, Statement, Subject
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import ENVELOPE, PREDICATE_TYPE, WEIGHTS, Health, Training
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import enrol
from tbft_fleet.host.folder import make_fleet

_FLEET, _INBOX, _PLAN = "fleet", "inbox", "output-frozen-sgd"


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One result of a device that is enrolled; what was not signed as it is must be refused."""
    device = MadeUpDevice(signer=FIXED)
    release = _fleet(desk, folder, device)
    content = _weights(desk)
    training = Training(plan=_PLAN, images=9, accuracy_before=0.4)
    health = Health(runtime="0.1.0", accuracy=0.5, drift=0.4)
    place = device.result(
        folder / _INBOX,
        {WEIGHTS: content},
        bundle_id=release.bundle_id,
        nonce="0" * 32,
        health=health,
        training=training,
    )
    envelope, collect = place / ENVELOPE, ("fleet", "collect", _FLEET, _INBOX, "--json")
    match rng.randrange(5):
        case 0:
            changed = change_json(json.loads(envelope.read_bytes()), rng)
            envelope.write_bytes(to_json(changed.value))
            return Case(f"envelope: {changed.what}", collect, (_FLEET,))
        case 1:
            changed = rng.choice((change_bytes, change_file))(content, rng)
            (place / WEIGHTS).write_bytes(changed.value)
            return Case(f"weights: {changed.what}", collect, (_FLEET,), must_refuse=changed.value != content)
        case 2:
            changed = change_bytes(content, rng)
            (place / WEIGHTS).write_bytes(changed.value)
            envelope.write_bytes(_signed(_stated(envelope), changed.value))
            return Case(f"weights, signed as they are: {changed.what}", collect, (_FLEET,))
        case 3:
            changed = change_json(_stated(envelope), rng)
            if isinstance(changed.value, dict):
                envelope.write_bytes(_signed(changed.value, content))
            return Case(f"statement, signed as it is: {changed.what}", collect, (_FLEET,))
        case _:
            return _record(folder, rng, collect)


def _record(folder: Path, rng: Random, collect: tuple[str, ...]) -> Case:
    """The host's own record of a device, changed."""
    path = folder / _FLEET / "devices" / "pi-7.json"
    changed = change_json(json.loads(path.read_bytes()), rng)
    path.write_bytes(to_json(changed.value))
    shown = rng.choice((collect, ("fleet", "status", _FLEET, "--json"), ("fleet", "status", _FLEET)))
    return Case(f"record: {changed.what}", shown, (_FLEET,))


def _fleet(desk: Desk, folder: Path, device: MadeUpDevice) -> Release:
    """One with a release and a device."""
    fleet, source = make_fleet(folder / _FLEET, [device.group]), desk.bundle("output-frozen")
    manifest = read_manifest(source)
    archive = folder / "bundle.tar.gz"
    archive.write_bytes(packed({name: (source / name).read_bytes() for name in ("manifest.json", *manifest.files)}))
    release = Release(number=1, bundle_id=manifest.bundle_id, groups=(device.group,), minimum_runtime="0.1.0")
    with fleet.held():
        fleet.repository.publish({release: archive})
    archive.unlink()
    enrol(Devices(fleet.devices), fleet.results, device.enrolment(folder), AT, group=None, replace_key=False)
    return release


def _weights(desk: Desk) -> bytes:
    """What the plan trains."""
    source = desk.bundle("output-frozen")
    (plan,) = read_manifest(source).plans
    tensors = load_file(source / "weights.safetensors")
    return save({parameter.name: tensors[parameter.name] for parameter in plan.parameters})


def _stated(envelope: Path) -> dict[str, object]:
    """What a result states, as JSON."""
    payload = json.loads(envelope.read_bytes())["payload"]
    found: dict[str, object] = json.loads(base64.b64decode(payload))["predicate"]
    return found


def _signed(stated: dict[str, object], weights: bytes) -> bytes:
    subject = Subject(WEIGHTS, Digest(hashlib.sha256(weights).hexdigest()))
    return sign(Statement(subject=(subject,), predicate_type=PREDICATE_TYPE, predicate=Raw(to_json(stated))), FIXED)
