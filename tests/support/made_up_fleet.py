"""Devices that are not there, and what they sign: as many as a test wants, quickly."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from tbft_artifacts.signing.keys import public_pem
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import ENVELOPE, Health, Result, folder_name
from tbft_fleet.files.signed import signed_enrolment, signed_result

AT = "2026-12-01T10:00:00+00:00"
BUNDLE = "ab" * 32


def release(number: int = 1, bundle_id: str = BUNDLE, **others: Any) -> Release:
    """For group `porch`, in all of its devices unless others are said."""
    return Release(number=number, bundle_id=bundle_id, minimum_runtime="0.1.0", **{"groups": ("porch",)} | others)


@dataclass
class MadeUpDevice:
    """One with a key of its own."""

    name: str = "pi-7"
    group: str = "porch"
    signer: CryptoSigner = field(default_factory=CryptoSigner.generate_ed25519)
    counter: int = 0
    node_key: str | None = None

    def enrolment(self, folder: Path, *also: CryptoSigner) -> Path:
        """The file that it brings to the host, signed by other keys, too."""
        pem = public_pem(self.signer.public_key)
        stated = Enrolment(
            device=self.name,
            group=self.group,
            public_key=pem,
            board="Raspberry Pi 4 Model B",
            runtime="0.1.0",
            node_key=self.node_key,
        )
        path = folder / f"{self.name}.dsse.json"
        path.write_bytes(signed_enrolment(stated, self.signer, *also))
        return path

    def result(
        self,
        outbox: Path,
        files: Mapping[str, bytes] | None = None,
        listed: Mapping[str, str] | None = None,
        **stated: Any,
    ) -> Path:
        """Its next one, which runs release 1 unless something else is stated, with `files` beside it.

        Their sha256 is signed, or else what is `listed`.
        """
        files = files or {}
        self.counter = stated.pop("counter", self.counter + 1)
        result = Result(
            **{
                "device": self.name,
                "counter": self.counter,
                "nonce": secrets.token_hex(16),
                "made_at": AT,
                "release": 1,
                "bundle_id": BUNDLE,
                "health": Health(runtime="0.1.0"),
            }
            | stated
        )
        folder = outbox / folder_name(self.counter)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        if listed is None:
            listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        (folder / ENVELOPE).write_bytes(signed_result(result, listed, self.signer))
        return folder
