"""How what a host does grows with its fleet: seconds and memory of `fleet collect`, `status` and `merge`.

    .venv/device/bin/python -m benchmarks.fleet.growth BUNDLE --devices 10 100 1000

Devices are simulated, but what they send is not: each has a key, and a signed result of a training of a plan of
the bundle with its weights. The commands are the real ones, each in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from securesystemslib.signer import CryptoSigner

from tbft_artifacts.archive import opened
from tbft_artifacts.signing.keys import public_pem
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import ENVELOPE, WEIGHTS, Health, Result, Training, Update, folder_name
from tbft_fleet.files.signed import signed_enrolment, signed_result
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import enrol
from tbft_fleet.host.folder import Fleet, make_fleet
from tbft_fleet.host.metadata import now
from tbft_fleet.host.release import Wanted, release

GROUP = "porch"
# What it prints last, behind whatever the command says: peak bytes of this process alone.
_MEASURED = """
import sys
from tbft_edge.main import main
from tbft_runtime.board.machine import peak_memory
try:
    main()
finally:
    print(peak_memory(), file=sys.stderr)
"""


@dataclass(frozen=True)
class Trained:
    """What each device sends: weights of a plan."""

    plan: str
    weights: bytes


@dataclass(frozen=True)
class Taken:
    """Of one command over a fleet of so many devices."""

    devices: int
    command: str
    seconds: float
    peak_bytes: int


def main() -> None:
    """Print a row for each size and command, as Markdown."""
    parser = argparse.ArgumentParser(description="Seconds and memory of a host by the number of its devices.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--devices", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--plan", help="what they trained; by default the smallest")
    asked = parser.parse_args()
    print("| devices | command | seconds | ms per device | peak memory |\n| ---: | --- | ---: | ---: | ---: |")  # noqa: T201
    for count in asked.devices:
        for taken in measured(asked.bundle, count, asked.plan):
            each = 1000 * taken.seconds / count
            row = (
                f"{count:,}",
                taken.command,
                f"{taken.seconds:.2f}",
                f"{each:.2f}",
                f"{taken.peak_bytes / 1e6:.0f} MB",
            )
            print(f"| {' | '.join(row)} |", flush=True)  # noqa: T201


def measured(bundle: Path, count: int, plan: str | None) -> Iterator[Taken]:
    """A fleet of so many devices, all results of which are collected twice, and then looked at."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fleet, inbox, page = make_fleet(folder / "fleet", [GROUP]), folder / "inbox", folder / "page.html"
        published = _release(fleet, bundle)
        _send(fleet, published, _trained(bundle, plan), inbox, count)
        for command in (
            ("collect", fleet.folder, inbox, "--json"),
            ("collect", fleet.folder, inbox, "--json"),
            ("status", fleet.folder, "--json"),
            ("status", fleet.folder, "--html", page),
            ("merge", "--fleet", fleet.folder),
            ("merge", "--fleet", fleet.folder, "--rule", "median"),
        ):
            said = " ".join(str(word) for word in command if word not in (fleet.folder, inbox, page, "--fleet"))
            yield _run(count, said, ["fleet", *map(str, command)])


def _release(fleet: Fleet, bundle: Path) -> Release:
    published = release(fleet, Wanted(bundle)).release
    with fleet.held():
        fleet.repository.set_percent(published.number, 100)
    return published


def _trained(bundle: Path, wanted: str | None) -> Trained:
    with opened(bundle) as found:
        smallest = min(found.manifest.plans, key=lambda plan: plan.cost.parameter_bytes)
        plan, tensors = found.plan(wanted or smallest.id), found.load_weights()
        statistics = [name for norm in found.manifest.moving_norms(plan) for name in (norm.mean, norm.variance)]
    names = [*(each.name for each in plan.parameters), *statistics]
    return Trained(plan.id, save({name: np.array(tensors[name]) for name in names}))


def _send(fleet: Fleet, published: Release, trained: Trained, inbox: Path, count: int) -> None:
    """Enrol devices, and put the first result of each where a carrier would."""
    devices = Devices(fleet.devices)
    with devices.held():
        for number in range(count):
            signer, name = CryptoSigner.generate_ed25519(), f"pi-{number:05}"
            stated = Enrolment(
                device=name,
                group=GROUP,
                public_key=public_pem(signer.public_key),
                board="Raspberry Pi 4 Model B Rev 1.4",
                runtime="0.1.0",
            )
            folder = inbox / name / folder_name(1)
            folder.mkdir(parents=True)
            enrolment = folder.parent / "enrolment.dsse.json"
            enrolment.write_bytes(signed_enrolment(stated, signer))
            enrol(devices, fleet.results, enrolment, now().isoformat(), group=None, replace_key=False)
            result = _result(name, published, trained)
            (folder / WEIGHTS).write_bytes(trained.weights)
            digest = hashlib.sha256(trained.weights).hexdigest()
            (folder / ENVELOPE).write_bytes(signed_result(result, {WEIGHTS: digest}, signer))


def _result(name: str, published: Release, trained: Trained) -> Result:
    return Result(
        device=name,
        counter=1,
        nonce=secrets.token_hex(16),
        made_at=now().isoformat(),
        release=published.number,
        bundle_id=published.bundle_id,
        health=Health(
            runtime="0.1.0", accuracy=0.93, drift=0.4, celsius=51.0, disk_free_bytes=9**10, disk_bytes=10**10
        ),
        update=Update(release=published.number, outcome="committed"),
        training=Training(plan=trained.plan, images=60, accuracy_before=0.4, accuracy_after=0.93, joules=80.0),
    )


def _run(devices: int, said: str, arguments: Sequence[str]) -> Taken:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    seconds = time.perf_counter() - began
    return Taken(devices, said, seconds, int(done.stderr.split()[-1]))


if __name__ == "__main__":
    main()
