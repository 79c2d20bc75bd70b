"""How a device becomes one of a fleet: its name and its public key, signed with the private half."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tbft_artifacts.structs import Struct, Word
from tbft_fleet.files.names import DeviceId, Group

PREDICATE_TYPE = "tbft-edge:enrolment:v1"


class Enrolment(Struct, frozen=True, kw_only=True):
    """`public_key` is PEM; `board` and `runtime` say what the device is.

    `node_key` is another public one, a line of OpenSSH on the curve P-384, by which a SuperLink knows the device's
    SuperNode (`tbft_fleet.rounds`).
    """

    device: DeviceId
    group: Group
    public_key: Annotated[str, Meta(max_length=1000)]
    board: Word
    runtime: Word
    node_key: Annotated[str, Meta(max_length=1000)] | None = None
